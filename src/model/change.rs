//! What visibly happened to a zone.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::{Addresses, Name, Serial, Timestamp};

/// How a report reached us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// `/nic/update` and its relatives.
    Dyndns2,
    /// A command of the operator.
    Command,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Protocol::Dyndns2 => "dyndns2",
            Protocol::Command => "command",
        })
    }
}

/// Why a zone changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Cause {
    /// The host reported other addresses, or withdrew itself.
    Report {
        /// By which protocol.
        protocol: Protocol,
        /// From which address, if one is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        source: Option<IpAddr>,
    },
    /// The lease ended without a report.
    Lapse,
    /// The operator changed a setting that answers show (the TTL, say).
    Setting,
    /// The operator removed the host.
    Removal,
}

/// One visible change of one host: what was answered, what is answered now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The host.
    pub host: Name,
    /// The zone's serial once this was published.
    pub serial: Serial,
    /// When.
    pub at: Timestamp,
    /// What was answered before.
    pub before: Addresses,
    /// What is answered since.
    pub after: Addresses,
    /// Why.
    pub cause: Cause,
}
