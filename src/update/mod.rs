//! The update core: what a client asks for, and what becomes of it. Pure:
//! nothing here writes anything down.

mod decide;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

pub use decide::{Decision, Policy, decide};

use crate::model::{Addresses, Name, Protocol};

/// What a client asks for. Every update protocol reads its requests into
/// this.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Update {
    /// Which hosts, in the order asked.
    pub hosts: Hosts,
    /// What is said of their addresses.
    pub report: Report,
    /// By which protocol.
    pub protocol: Protocol,
    /// The client's own address: the peer, or what a trusted proxy says.
    pub source: IpAddr,
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
}
