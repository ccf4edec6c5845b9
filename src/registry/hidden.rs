//! What `Debug` shows of commands and replies: everything but the secrets in
//! them, for a log or a panic may show it.

use std::fmt;

use serde::Serialize;
use serde_json::Value;

use super::command::{Command, NewKey, Reply};
use super::import::Imported;

/// What secrets are called on the control socket.
const SECRETS: [&str; 4] = ["password", "token", "secret", "hashed"];

macro_rules! debug {
    ($($type:ident),*) => {$(
        /// Without the secrets in it.
        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                show(stringify!($type), self, f)
            }
        }
    )*};
}

debug!(Command, Reply, NewKey, Imported);

fn show(name: &str, value: &impl Serialize, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    // What has no form on the socket is not shown at all.
    let Ok(mut value) = serde_json::to_value(value) else { return f.write_str(name) };
    hide(&mut value);
    write!(f, "{name} {value}")
}

fn hide(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::String(text) if SECRETS.contains(&name.as_str()) => "…".clone_into(text),
                    value => hide(value),
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(hide),
        _ => {}
    }
}
