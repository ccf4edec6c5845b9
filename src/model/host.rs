//! A name somebody keeps up to date.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use ipnet::Ipv6Net;
use serde::{Deserialize, Serialize};

use super::{AccountName, Addresses, HostRecord, Name, Protocol, Served, Site, Timestamp};

/// A name somebody keeps up to date.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    /// The name, below the apex of a zone of ours.
    pub name: Name,
    /// Who owns it; nobody, when only its own keys may update it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<AccountName>,
    /// The TTL of its records; `None`: the server's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<Ttl>,
    /// How long a report is believed; `None`: the server's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<Lease>,
    /// Whether `*.name` answers the same addresses.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub wildcard: bool,
    /// Blocked by a person: every update is answered `abuse`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub blocked: bool,
    /// When the host was added.
    pub created: Timestamp,
    /// Where it stands between reporting and silence.
    pub presence: Presence,
    /// The latest report that was believed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_report: Option<LastReport>,
    /// How many Changes its history has ever had; the latest are kept.
    #[serde(default)]
    pub changes: u64,
    /// The network it is in, if its IPv6 address follows that one's prefix.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<Site>,
    /// The prefix it reported last, as the router of a site; kept when its
    /// lease ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<Ipv6Net>,
    /// Records beside its addresses, at most [`super::MAX_RECORDS`]. They do
    /// not end with its lease, but each when it says so itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub records: Vec<HostRecord>,
}

/// The latest report that was believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastReport {
    /// When.
    pub at: Timestamp,
    /// From where.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<IpAddr>,
    /// By which protocol.
    pub protocol: Protocol,
}

/// Where a host stands between reporting and silence.
///
/// ```text
///              report                     end of lease
///   Unheard ───────────▶ Present ────────────────────────▶ Lapsed
///                        │  ▲  ▲ │ renews                    │
///                offline │  │  └─┘                           │
///                        ▼  │          report                │
///                     Offline ◀─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─┤
///                           └────────────────────────────────┘ report → Present
/// ```
///
/// Only a `Present` host is in the DNS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "is")]
pub enum Presence {
    /// It has never reported.
    Unheard,
    /// It reported, and the report is still believed.
    Present {
        /// What it reported; empty only where the router of a site reports its
        /// prefix alone.
        addresses: Addresses,
        /// When it was last heard, on the clock leases run on.
        heard: Served,
    },
    /// Its lease ended without a report.
    Lapsed {
        /// When the lease ended.
        since: Timestamp,
    },
    /// It was withdrawn on request.
    Offline {
        /// When it was withdrawn.
        since: Timestamp,
    },
}

impl Host {
    /// A host that has never reported, with the server's defaults.
    pub fn new(name: Name, created: Timestamp) -> Host {
        Host {
            name,
            owner: None,
            ttl: None,
            lease: None,
            wildcard: false,
            blocked: false,
            created,
            presence: Presence::Unheard,
            last_report: None,
            changes: 0,
            site: None,
            prefix: None,
            records: Vec::new(),
        }
    }

    /// What the DNS answers for it; empty unless it is present.
    pub fn addresses(&self) -> Addresses {
        match self.presence {
            Presence::Present { addresses, .. } => addresses,
            _ => Addresses::NONE,
        }
    }
}

/// The TTL of a host's records, in seconds: 30 to 3600. Short, because
/// FRITZ!Box and OpenWrt look their own name up after a report and report
/// again until it matches (CLIENTS.md §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct Ttl(u32);

/// Why a number is not a host's TTL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TtlError;

impl fmt::Display for TtlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a host's TTL is 30 to 3600 seconds")
    }
}

impl std::error::Error for TtlError {}

impl Ttl {
    /// One minute.
    pub const DEFAULT: Ttl = Ttl(60);

    /// In seconds.
    pub fn seconds(self) -> u32 {
        self.0
    }
}

impl TryFrom<u32> for Ttl {
    type Error = TtlError;
    fn try_from(seconds: u32) -> Result<Self, TtlError> {
        if (30..=3600).contains(&seconds) { Ok(Ttl(seconds)) } else { Err(TtlError) }
    }
}

impl From<Ttl> for u32 {
    fn from(ttl: Ttl) -> u32 {
        ttl.0
    }
}

impl FromStr for Ttl {
    type Err = TtlError;
    fn from_str(text: &str) -> Result<Self, TtlError> {
        let seconds: u32 = text.strip_suffix('s').unwrap_or(text).parse().map_err(|_| TtlError)?;
        Ttl::try_from(seconds)
    }
}

/// How long a report is believed: at least a minute, or for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Lease {
    /// Until this long after the latest report.
    For(Duration),
    /// The host is never withdrawn for being silent.
    Never,
}

/// Why a text is not a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseError;

impl fmt::Display for LeaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "a lease is a number with s, m, h or d (60s at least, 36500d at most), or `never`",
        )
    }
}

impl std::error::Error for LeaseError {}

impl Lease {
    /// 35 days: longer than the slowest client's refresh (inadyn, ddclient:
    /// 30 days at most; WIRE.md, finding 7).
    pub const DEFAULT: Lease = Lease::For(Duration::from_secs(35 * 86_400));

    /// When a host last heard at `heard` lapses; `None`: never.
    pub fn end(self, heard: Served) -> Option<Served> {
        match self {
            Lease::For(span) => Some(heard.plus(span)),
            Lease::Never => None,
        }
    }
}

impl FromStr for Lease {
    type Err = LeaseError;

    fn from_str(text: &str) -> Result<Self, LeaseError> {
        if text == "never" {
            return Ok(Lease::Never);
        }
        let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let number: u64 = digits.parse().map_err(|_| LeaseError)?;
        let unit = match &text[digits.len()..] {
            "s" | "" => 1,
            "m" => 60,
            "h" => 3600,
            "d" => 86_400,
            _ => return Err(LeaseError),
        };
        match number.checked_mul(unit) {
            Some(seconds @ 60..=3_153_600_000) => Ok(Lease::For(Duration::from_secs(seconds))),
            _ => Err(LeaseError),
        }
    }
}

/// The largest unit that divides it: `35d`, `90m`, `61s`, `never`.
impl fmt::Display for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Lease::For(span) = self else { return f.write_str("never") };
        let seconds = span.as_secs();
        match seconds {
            s if s % 86_400 == 0 => write!(f, "{}d", s / 86_400),
            s if s % 3600 == 0 => write!(f, "{}h", s / 3600),
            s if s % 60 == 0 => write!(f, "{}m", s / 60),
            s => write!(f, "{s}s"),
        }
    }
}

impl TryFrom<String> for Lease {
    type Error = LeaseError;
    fn try_from(text: String) -> Result<Self, LeaseError> {
        text.parse()
    }
}

impl From<Lease> for String {
    fn from(lease: Lease) -> String {
        lease.to_string()
    }
}
