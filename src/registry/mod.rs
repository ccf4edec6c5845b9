//! Decide, write down, publish: the one place where hosts change.
//!
//! One thread owns the store. It drains a group of requests, decides each,
//! commits one batch, publishes, and only then replies: durable, then
//! visible, then acknowledged.
//!
//! ```text
//!   Registry (handle) ──▶ bounded queue ──▶ thread: Core
//!        ▲                                     │ Draft = clone of State and Snapshot
//!        │                                     │ decide each request in the draft
//!        │                                     │ store.commit(rows)   durable
//!        └── State, Snapshot ◀── publish ──────┘ reply                acknowledged
//! ```
//!
//! A draft that the store does not take is dropped, and nothing has happened.
//! A report that changes nothing does not go this way: `heard.rs`.

mod command;
mod core;
mod draft;
mod dumping;
mod edit;
mod explain;
mod fate;
mod foreign;
mod heard;
mod hidden;
mod import;
mod load;
mod login;
mod octets;
mod operate;
mod pace;
mod packing;
mod passwords;
mod plain;
mod record_row;
mod records;
mod register;
mod rehearsal;
mod renewal;
mod request;
mod rights;
mod rotate;
mod rows;
mod rows_v1;
mod secrets;
mod settings;
mod shown;
mod sites;
mod state;
mod thread;
mod turns;
mod updates;
mod view;
mod zones;

pub use command::{
    AccountView, Command, CommandError, HostSettings, HostView, KeyView, NewKey, Reply,
    SiteSetting, Status, ZoneStatus,
};
pub use import::{Credential, ImportHost, Imported, MIN_SECRET, Step};
pub use pace::Unavailable;
pub use register::REGISTRAR;
pub use rehearsal::would_start;
pub use rows::HISTORY;
pub use secrets::{Auth, Login, MIN_PASSWORD, Purpose};
pub use settings::{AlsoReload, Settings, ZoneSource};
pub use state::State;
pub use thread::{Clock, Registry};
