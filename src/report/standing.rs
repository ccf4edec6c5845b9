//! What the server has, once it has acknowledged it.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::Ipv6Net;
use serde::Serialize;

use crate::model::Name;

/// What the server has of the hosts: for people in one line, for programs
/// (`--json`) as an object of these fields.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Standing {
    /// Whose it is.
    pub hosts: Vec<Name>,
    /// Whether it was said just now; it was known already otherwise.
    pub reported: bool,
    /// Of IPv4.
    pub v4: Option<Ipv4Addr>,
    /// Of IPv6.
    pub v6: Option<Ipv6Addr>,
    /// Of the site.
    pub prefix: Option<Ipv6Net>,
    /// What was looked for and not found: sentences.
    pub notes: Vec<String>,
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [
            self.v4.map(|v4| v4.to_string()),
            self.v6.map(|v6| v6.to_string()),
            self.prefix.map(|prefix| prefix.to_string()),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        let hosts: Vec<String> = self.hosts.iter().map(Name::without_dot).collect();
        let how = if self.reported { "reported" } else { "nothing changed" };
        write!(f, "{}: {how}: {}", hosts.join(", "), parts.join(", "))?;
        if self.notes.is_empty() { Ok(()) } else { write!(f, " ({})", self.notes.join("; ")) }
    }
}
