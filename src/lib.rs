//! truename: a dynamic-DNS provider in one binary.
//!
//! The order of the `mod` lines below, ground floor first, is the
//! architecture: a module uses only the floors beneath its own
//! (`tests/it/tidy.rs` reads the imports and says so).

// 0: words; bytes of DNS messages
pub mod model;
mod packed;
mod prefetch;
pub mod wire;

// 1: how often; what is served, rendered; who has signed a message
pub mod limit;
pub mod tsig;
pub mod zone;

// 2: pure answers, pure decisions; the only disk
pub mod answer;
pub mod import;
pub mod recent;
pub mod store;
pub mod update;

// 3: decide -> write down -> publish
pub mod registry;
pub mod signed;
pub mod tls;

// 4: edges
pub mod control;
pub mod dns;
pub mod http;
pub mod privilege;

// 5: what the operator says; the one clock
pub mod clock;
pub mod config;

// 6: the server, which starts, sleeps, stops in order; the client
pub mod daemon;
pub mod report;

// 7: commands
pub mod cli;
