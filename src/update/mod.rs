//! The update core: what a client asks for, and what becomes of it. Pure:
//! nothing here writes anything down.

mod decide;
mod edit;
mod lines;
mod policy;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

pub use decide::{Decision, decide};
pub use edit::{CHALLENGE, CHALLENGE_LABEL, Edit, Edited, Edits, RecordChange, Requirement};
use ipnet::Ipv6Net;
pub use lines::{LineDecision, MAX_LINES, decide_line, line_addresses, line_end, octets};
pub use policy::{Own, Policies, Policy, Refusal, ZonePolicy, is_local};

use crate::model::{Addresses, Line, Name, Protocol};

/// What a client asks for. Every update protocol reads its requests into
/// this.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Update {
    /// Which hosts, in the order asked.
    pub hosts: Hosts,
    /// What is said of their addresses.
    pub report: Report,
    /// Which of the hosts' lines reports, where they have several; `None`:
    /// the addresses are the hosts' own.
    pub line: Option<Line>,
    /// By which protocol.
    pub protocol: Protocol,
    /// The client's own address: the peer, or what a trusted proxy says.
    pub source: IpAddr,
}

impl Outcome {
    /// Whether the client got what it asked for.
    pub fn is_done(&self) -> bool {
        matches!(self, Outcome::Moved(_) | Outcome::Kept(_))
    }
}

/// Which hosts an update is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hosts {
    /// None was named: the one host the key is good for, or the host the
    /// client logged in as.
    Implied(Option<Name>),
    /// These, duplicates included; `None` is a text that is no host name.
    Listed(Vec<Option<Name>>),
}

/// What an update says of the addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Report {
    /// These families; what is not mentioned is left alone.
    Addresses {
        /// Of IPv4.
        v4: Said<Ipv4Addr>,
        /// Of IPv6.
        v6: Said<Ipv6Addr>,
        /// Of the prefix of the network the host is the router of.
        prefix: Said<Ipv6Net>,
    },
    /// Take the host out of the DNS until it reports again.
    Offline,
    /// An address did not parse; nothing is changed.
    Unreadable,
}

/// What is said of one family.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Said<A> {
    /// Nothing: leave it alone.
    #[default]
    Nothing,
    /// This is the address.
    Is(A),
    /// There is no address of this family any more.
    Gone,
}

/// What became of an update for one host. A value, never an error: what is
/// broken (the disk) is said apart from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The host's addresses are others now; these are served.
    Moved(Addresses),
    /// It was so already; the lease is renewed.
    Kept(Addresses),
    /// No such host, or not this client's: a stranger is not told which.
    Unknown,
    /// The text is not a host name.
    NotAName,
    /// The host or its owner is blocked by a person.
    Blocked,
    /// The address cannot be published here.
    BadAddress,
    /// The prefix leaves no room for its hosts' subnets and interfaces, or is
    /// none that hosts can have; or the address lies outside the host's site.
    BadPrefix,
    /// The key may not change this host's addresses.
    NotAllowed,
    /// A signed update that is not later than one accepted before.
    Replayed,
}

impl Outcome {
    /// The addresses served now, if it was done as asked.
    pub fn done(&self) -> Option<Addresses> {
        match self {
            Outcome::Moved(addresses) | Outcome::Kept(addresses) => Some(*addresses),
            _ => None,
        }
    }
}
