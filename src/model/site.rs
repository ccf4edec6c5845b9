//! Networks with an IPv6 prefix, and the hosts in them.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use ipnet::Ipv6Net;
use serde::{Deserialize, Serialize};

use super::Name;

/// Hosts in one site: one report renumbers them all in one transaction.
pub const MAX_MEMBERS: usize = 1000;

/// A host's place in a site: a network whose IPv6 prefix its router reports.
/// The host's address is that prefix with this suffix, whatever the prefix
/// is today.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Site {
    /// The host that reports the prefix, and names the site.
    pub router: Name,
    /// What follows the prefix: subnet id and interface id, as an address
    /// whose first bits are zero.
    pub suffix: Ipv6Addr,
}

impl Site {
    /// The host's address under a prefix; `None`: the suffix is longer than
    /// what the prefix leaves (a subnet id of 8 bits under a /60).
    pub fn address(&self, prefix: Ipv6Net) -> Option<Ipv6Addr> {
        let kept = u128::from(prefix.netmask());
        let suffix = self.suffix.to_bits();
        (suffix & kept == 0).then(|| Ipv6Addr::from_bits(prefix.network().to_bits() | suffix))
    }
}

/// What follows an address's prefix.
pub fn suffix_of(address: Ipv6Addr, prefix: Ipv6Net) -> Ipv6Addr {
    Ipv6Addr::from_bits(address.to_bits() & !u128::from(prefix.netmask()))
}

/// A host's part of its address: the low 64 bits (RFC 4291 §2.5.1), from a
/// suffix like `::1234` or a hardware address (modified EUI-64, RFC 4291
/// appendix A).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct InterfaceId(pub u64);

/// Why a text is no interface id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InterfaceIdError;

impl fmt::Display for InterfaceIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "an interface id is the end of an IPv6 address (`::1234`, `::5e:10ff:fe00:1`) or a \
             hardware address (`02:00:5e:10:00:01`)",
        )
    }
}

impl std::error::Error for InterfaceIdError {}

impl FromStr for InterfaceId {
    type Err = InterfaceIdError;

    fn from_str(text: &str) -> Result<InterfaceId, InterfaceIdError> {
        if let Some(mac) = hardware_address(text) {
            let [a, b, c, d, e, f] = mac;
            let id = u64::from_be_bytes([a ^ 2, b, c, 0xff, 0xfe, d, e, f]);
            return Ok(InterfaceId(id));
        }
        let address: Ipv6Addr = text.parse().map_err(|_| InterfaceIdError)?;
        let id = u64::try_from(address.to_bits()).map_err(|_| InterfaceIdError)?;
        if id == 0 { Err(InterfaceIdError) } else { Ok(InterfaceId(id)) }
    }
}

/// Six octets with colons or hyphens between.
fn hardware_address(text: &str) -> Option<[u8; 6]> {
    let separator = if text.contains('-') { '-' } else { ':' };
    let mut octets = [0; 6];
    let mut parts = text.split(separator);
    for octet in &mut octets {
        let part = parts.next().filter(|part| part.len() == 2)?;
        *octet = u8::from_str_radix(part, 16).ok()?;
    }
    parts.next().is_none().then_some(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(prefix: &str, suffix: &str) -> Option<String> {
        let site =
            Site { router: "home.example.org".parse().unwrap(), suffix: suffix.parse().unwrap() };
        site.address(prefix.parse().unwrap()).map(|address| address.to_string())
    }

    #[test]
    fn prefix_and_suffix() {
        let there = |text: &str| Some(text.to_owned());
        assert_eq!(address("2001:db8:1:ff00::/56", "::1"), there("2001:db8:1:ff00::1"));
        assert_eq!(
            address("2001:db8:1:ff00::/56", "0:0:0:12:5e:10ff:fe00:1"),
            there("2001:db8:1:ff12:5e:10ff:fe00:1")
        );
        assert_eq!(address("2001:db8:1:fff0::/60", "::2:0:0:0:1"), there("2001:db8:1:fff2::1"));
        assert_eq!(address("2001:db8:1:fff0::/60", "::12:0:0:0:1"), None);
        // What a router says of its own bits behind the prefix does not matter.
        assert_eq!(address("2001:db8:1:ff07::9/56", "::1"), there("2001:db8:1:ff00::1"));
    }

    #[test]
    fn interface_ids() {
        for (text, id) in [
            ("::1", Some(1)),
            ("::5e:10ff:fe00:1", Some(0x005e_10ff_fe00_0001)),
            ("02:00:5e:10:00:01", Some(0x0000_5eff_fe10_0001)),
            ("00-00-5E-10-00-01", Some(0x0200_5eff_fe10_0001)),
            ("::", None),
            ("::1:0:0:0:1", None),
            ("02:00:5e:10:00", None),
            ("eth0", None),
        ] {
            assert_eq!(text.parse().ok(), id.map(InterfaceId), "{text}");
        }
    }
}
