//! DNS UPDATE (RFC 2136), signed.

mod fuzz;
mod limits;
pub mod message;
mod peer;
mod programs;
mod remembered;
mod replies;
pub mod server;
mod sizes;
mod table;
mod waiting;
