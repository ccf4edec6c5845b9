//! The addresses of a host: at most one of each family.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// IPv4 or IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// A records.
    V4,
    /// AAAA records.
    V6,
}

impl Family {
    /// The family of an address.
    pub fn of(address: IpAddr) -> Family {
        match address {
            IpAddr::V4(_) => Family::V4,
            IpAddr::V6(_) => Family::V6,
        }
    }
}

/// What a host's A and AAAA records hold. Empty: the host is not in the DNS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Addresses {
    /// The A record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub v4: Option<Ipv4Addr>,
    /// The AAAA record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub v6: Option<Ipv6Addr>,
}

impl Addresses {
    /// No address at all.
    pub const NONE: Addresses = Addresses { v4: None, v6: None };

    /// Whether there is no address of either family.
    pub fn is_empty(&self) -> bool {
        self.v4.is_none() && self.v6.is_none()
    }

    /// The addresses there are, IPv4 first.
    pub fn iter(&self) -> impl Iterator<Item = IpAddr> {
        let v4 = self.v4.map(IpAddr::V4);
        let v6 = self.v6.map(IpAddr::V6);
        v4.into_iter().chain(v6)
    }
}

impl From<IpAddr> for Addresses {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(v4) => Addresses { v4: Some(v4), v6: None },
            IpAddr::V6(v6) => Addresses { v4: None, v6: Some(v6) },
        }
    }
}

/// `192.0.2.1,2001:db8::1`, IPv4 first; `-` when empty.
impl fmt::Display for Addresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.v4, self.v6) {
            (None, None) => f.write_str("-"),
            (Some(v4), None) => v4.fmt(f),
            (None, Some(v6)) => v6.fmt(f),
            (Some(v4), Some(v6)) => write!(f, "{v4},{v6}"),
        }
    }
}

/// Why a text is not the addresses of a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressesError;

impl fmt::Display for AddressesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("addresses are an IPv4 address, an IPv6 address, both with a comma, or `-`")
    }
}

impl std::error::Error for AddressesError {}

/// As they are shown.
impl FromStr for Addresses {
    type Err = AddressesError;

    fn from_str(text: &str) -> Result<Addresses, AddressesError> {
        if text == "-" {
            return Ok(Addresses::NONE);
        }
        let parsed = match text.split_once(',') {
            Some((v4, v6)) => v4
                .parse()
                .ok()
                .zip(v6.parse().ok())
                .map(|(v4, v6)| Addresses { v4: Some(v4), v6: Some(v6) }),
            None => text.parse().ok().map(|address: IpAddr| address.into()),
        };
        parsed.ok_or(AddressesError)
    }
}

/// Whether it is this very machine that asks, at the address of its own that
/// programs use: limits on strangers do not concern it. Other addresses of
/// 127.0.0.0/8 are what tests and containers give to others.
pub fn is_this_machine(source: IpAddr) -> bool {
    [IpAddr::from(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into()].contains(&unmapped(source))
}

/// The address itself, an IPv4-mapped IPv6 one as the IPv4 address it stands
/// for (RFC 4291 §2.5.5.2): a dual-stack socket shows IPv4 peers that way.
pub fn unmapped(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

/// The network that limits on strangers count by: what one household has, an
/// IPv4 address or a /56 of IPv6.
pub fn household(source: IpAddr) -> IpNet {
    let source = unmapped(source);
    let length = if source.is_ipv4() { 32 } else { 56 };
    IpNet::new(source, length).expect("no more than an address has").trunc()
}

#[cfg(test)]
mod tests {
    use super::household;

    #[test]
    fn one_household_is_one_network() {
        for (address, expected) in [
            ("192.0.2.1", "192.0.2.1/32"),
            ("::ffff:192.0.2.1", "192.0.2.1/32"),
            ("2001:db8:1:2ff:3::4", "2001:db8:1:200::/56"),
        ] {
            assert_eq!(household(address.parse().unwrap()).to_string(), expected, "{address}");
        }
    }
}
