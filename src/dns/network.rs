//! Strangers told apart by their networks: who has one address of a network
//! mostly has all of them.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// How many leading bits of an address make a client's network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefixes {
    /// Of IPv4 addresses, 32 at most.
    pub v4: u8,
    /// Of IPv6 addresses, 64 at most.
    pub v6: u8,
}

impl Default for Prefixes {
    /// /24, what is routed by itself at least, and /56, what a home gets:
    /// what BIND takes, too.
    fn default() -> Prefixes {
        Prefixes { v4: 24, v6: 56 }
    }
}

/// A client's network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Network(u64);

/// The first half of an IPv4 network's number. IPv6 addresses that begin so
/// are multicast, which nobody is.
const V4: u64 = 0xffff_ffff << 32;

impl Prefixes {
    /// The network of an address.
    #[inline]
    pub fn network(self, ip: IpAddr) -> Network {
        match ip {
            IpAddr::V4(v4) => {
                let zeros = 32 - u32::from(self.v4.min(32));
                Network(V4 | u64::from(v4.to_bits()) >> zeros << zeros)
            }
            IpAddr::V6(v6) => {
                let bits = (v6.to_bits() >> 64) as u64;
                let zeros = 64 - u32::from(self.v6.min(64));
                Network(bits.checked_shr(zeros).unwrap_or(0).checked_shl(zeros).unwrap_or(0))
            }
        }
    }

    /// As people write it.
    pub fn name(self, network: Network) -> impl fmt::Display {
        let bits = network.0;
        if bits & V4 == V4 {
            format!("{}/{}", Ipv4Addr::from_bits(bits as u32), self.v4.min(32))
        } else {
            format!("{}/{}", Ipv6Addr::from_bits(u128::from(bits) << 64), self.v6.min(64))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Prefixes;

    #[test]
    fn networks_are_what_their_addresses_have_in_common() {
        let name = |v4, v6, ip: &str| {
            let prefixes = Prefixes { v4, v6 };
            prefixes.name(prefixes.network(ip.parse().unwrap())).to_string()
        };
        assert_eq!(name(24, 56, "192.0.2.7"), "192.0.2.0/24");
        assert_eq!(name(32, 56, "192.0.2.7"), "192.0.2.7/32");
        assert_eq!(name(0, 56, "192.0.2.7"), "0.0.0.0/0");
        assert_eq!(name(24, 56, "2001:db8:1:ff7f::1"), "2001:db8:1:ff00::/56");
        assert_eq!(name(24, 64, "2001:db8:1:ff7f::1"), "2001:db8:1:ff7f::/64");
        assert_eq!(name(24, 0, "2001:db8::1"), "::/0");
    }
}
