//! Decide, write down, publish: the one place where hosts change.
//!
//! One thread owns the store. It drains a group of requests, decides each,
//! commits one batch, publishes, and only then replies: durable, then
//! visible, then acknowledged.

mod command;
mod rows;
mod secrets;
mod state;
mod thread;

pub use command::{Command, CommandError, Reply};
pub use secrets::{Auth, Login};
pub use state::{Settings, State};
pub use thread::{Registry, Unavailable};
