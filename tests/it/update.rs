//! DNS UPDATE (RFC 2136), signed.

mod fuzz;
mod message;
mod peer;
mod programs;
mod remembered;
mod server;
mod sizes;
mod table;
mod waiting;
