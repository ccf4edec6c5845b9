//! What visibly happened to a zone.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::{Addresses, Name, Serial, Timestamp};

/// How a report reached us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// `/nic/update` and its relatives.
    Dyndns2,
    /// A command of the operator.
    Command,
    /// `/nic/dyndns?action=edit`, what Dyn spoke first.
    Dyndns1,
    /// DuckDNS: `/update?domains=&token=`.
    Duckdns,
    /// Hurricane Electric: dyndns2 with a password in the form, and `txt=`.
    He,
    /// dynv6: `/api/update?zone=&token=`.
    Dynv6,
    /// FreeDNS (afraid.org): a token in the path or query.
    Freedns,
    /// Namecheap: `/update?host=&domain=&password=`, answers in XML.
    Namecheap,
    /// deSEC: dyndns2 with key words and `myipv4:NAME=`.
    Desec,
    /// docker-ddns and its relative of pboehm: JSON.
    DockerDdns,
    /// The token alone, as the path.
    Token,
    /// acme-dns: TXT records for certificates.
    AcmeDns,
    /// lego's `httpreq`: TXT records for certificates.
    Httpreq,
    /// DNS UPDATE (RFC 2136), signed with TSIG.
    DnsUpdate,
    /// Signed updates over plain HTTP (`clients/signed.md`).
    Signed,
    /// Our own for records, in JSON.
    Api,
}

impl Protocol {
    /// Every one, in the order of their introduction.
    pub const ALL: [Protocol; 16] = [
        Protocol::Dyndns2,
        Protocol::Command,
        Protocol::Dyndns1,
        Protocol::Duckdns,
        Protocol::He,
        Protocol::Dynv6,
        Protocol::Freedns,
        Protocol::Namecheap,
        Protocol::Desec,
        Protocol::DockerDdns,
        Protocol::Token,
        Protocol::AcmeDns,
        Protocol::Httpreq,
        Protocol::DnsUpdate,
        Protocol::Signed,
        Protocol::Api,
    ];

    /// As it is written: `dyndns2`.
    pub fn as_str(self) -> &'static str {
        match self {
            Protocol::Dyndns2 => "dyndns2",
            Protocol::Command => "command",
            Protocol::Dyndns1 => "dyndns1",
            Protocol::Duckdns => "duckdns",
            Protocol::He => "he",
            Protocol::Dynv6 => "dynv6",
            Protocol::Freedns => "freedns",
            Protocol::Namecheap => "namecheap",
            Protocol::Desec => "desec",
            Protocol::DockerDdns => "docker-ddns",
            Protocol::Token => "token",
            Protocol::AcmeDns => "acme-dns",
            Protocol::Httpreq => "httpreq",
            Protocol::DnsUpdate => "dns-update",
            Protocol::Signed => "signed",
            Protocol::Api => "api",
        }
    }
}

impl Protocol {
    /// Whether an update for several hosts happens to all of them or to none:
    /// the protocol has one word for all (DuckDNS: `OK`, `KO`).
    pub fn is_all_or_none(self) -> bool {
        matches!(self, Protocol::Duckdns)
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
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
    /// Records beside its addresses were set or taken away.
    Records {
        /// By which protocol.
        protocol: Protocol,
        /// From which address, if one is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        source: Option<IpAddr>,
    },
    /// The prefix of its site changed.
    Renumbered,
    /// The lease ended without a report, or a record's time.
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
