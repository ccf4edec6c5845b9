//! DNS UPDATE (RFC 2136), signed.

mod programs;
mod server;
