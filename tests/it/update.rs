//! DNS UPDATE (RFC 2136), signed.

mod message;
mod peer;
mod programs;
mod server;
mod sizes;
mod table;
mod waiting;
