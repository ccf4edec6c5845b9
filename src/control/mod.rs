//! How commands reach a running server: a Unix socket in the data directory.
//!
//! ```text
//! > {"ask":"status"}
//! < {"Ok":{"reply":"status","value":{"version":"0.1.0", … }}}
//! > {"ask":"host-show","name":"nobody.dyn.example.org"}
//! < {"Err":"there is no host nobody.dyn.example.org; `truename host list` shows them"}
//! ```
//!
//! One JSON line a request ([`crate::registry::Command`]), one JSON line back.
//! The socket's file mode is the whole access control: its owner, and root.

mod ask;
mod serve;

pub use ask::{AskError, ask};
pub use serve::{Control, Counts, Warnings, serve};

/// The socket's name in the data directory.
pub const SOCKET: &str = "control";

/// The longest request, in bytes: a key limited to several hundred hosts.
pub const MAX_REQUEST: u64 = 256 * 1024;
