//! Addresses that are not simply somebody's on the Internet: IANA's
//! registries of special-purpose addresses for IPv4 and IPv6 (RFC 6890, RFC
//! 8190), as they were in November 2026, and the multicast ranges beside them.
//!
//! What is not a host's anywhere (loopback, multicast, one link's own) never
//! gets into the DNS. What means something only within a network, or nothing
//! at all (private, shared, documentation), is for zones that want it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// How far an address can be a host's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// Nowhere: no record has it.
    Never,
    /// Within one network only, or in examples: the registry says that it is
    /// not globally reachable, or does not say.
    Local,
    /// Anywhere.
    Global,
}

/// A range of addresses with a purpose of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Special {
    /// The range.
    pub network: IpNet,
    /// What it is for.
    pub purpose: &'static str,
    /// The document that says so.
    pub document: &'static str,
    /// How far its addresses reach.
    pub reach: Reach,
}

const fn v4(
    octets: [u8; 4],
    length: u8,
    purpose: &'static str,
    document: &'static str,
    reach: Reach,
) -> Special {
    let [a, b, c, d] = octets;
    let network = IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), length));
    Special { network, purpose, document, reach }
}

const fn v6(
    segments: [u16; 8],
    length: u8,
    purpose: &'static str,
    document: &'static str,
    reach: Reach,
) -> Special {
    let [a, b, c, d, e, f, g, h] = segments;
    let network = IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, d, e, f, g, h), length));
    Special { network, purpose, document, reach }
}

use Reach::{Global, Local, Never};

/// Every range that is special. Where one lies in another, the narrower one
/// counts.
pub const SPECIAL: &[Special] = &[
    v4([0, 0, 0, 0], 8, "this network", "RFC 791", Never),
    v4([10, 0, 0, 0], 8, "private use", "RFC 1918", Local),
    v4([100, 64, 0, 0], 10, "shared by a provider's NAT", "RFC 6598", Local),
    v4([127, 0, 0, 0], 8, "loopback", "RFC 1122", Never),
    v4([169, 254, 0, 0], 16, "link-local", "RFC 3927", Never),
    v4([172, 16, 0, 0], 12, "private use", "RFC 1918", Local),
    v4([192, 0, 0, 0], 24, "IETF protocol assignments", "RFC 6890", Local),
    v4([192, 0, 0, 0], 29, "IPv4 behind IPv6 (DS-Lite, 464XLAT)", "RFC 7335", Local),
    v4([192, 0, 0, 8], 32, "dummy address", "RFC 7600", Local),
    v4([192, 0, 0, 9], 32, "anycast of port control", "RFC 7723", Global),
    v4([192, 0, 0, 10], 32, "anycast of TURN", "RFC 8155", Global),
    v4([192, 0, 0, 170], 31, "discovery of NAT64", "RFC 7050", Local),
    v4([192, 0, 2, 0], 24, "documentation", "RFC 5737", Local),
    v4([192, 31, 196, 0], 24, "AS112", "RFC 7535", Global),
    v4([192, 52, 193, 0], 24, "AMT", "RFC 7450", Global),
    v4([192, 88, 99, 0], 24, "6to4 relays, deprecated", "RFC 7526", Local),
    v4([192, 88, 99, 2], 32, "6a44 relays", "RFC 6751", Local),
    v4([192, 168, 0, 0], 16, "private use", "RFC 1918", Local),
    v4([192, 175, 48, 0], 24, "AS112", "RFC 7534", Global),
    v4([198, 18, 0, 0], 15, "benchmarks", "RFC 2544", Local),
    v4([198, 51, 100, 0], 24, "documentation", "RFC 5737", Local),
    v4([203, 0, 113, 0], 24, "documentation", "RFC 5737", Local),
    v4([224, 0, 0, 0], 4, "multicast", "RFC 5771", Never),
    v4([240, 0, 0, 0], 4, "reserved", "RFC 1112", Never),
    v4([255, 255, 255, 255], 32, "limited broadcast", "RFC 919", Never),
    // Unspecified, loopback and IPv4-compatible addresses (RFC 4291 §2.5.2,
    // §2.5.3, §2.5.5.1).
    v6([0, 0, 0, 0, 0, 0, 0, 0], 96, "IPv4-compatible, deprecated", "RFC 4291", Never),
    v6([0, 0, 0, 0, 0, 0, 0, 0], 128, "unspecified", "RFC 4291", Never),
    v6([0, 0, 0, 0, 0, 0, 0, 1], 128, "loopback", "RFC 4291", Never),
    // A resolver's answer with one is the IPv4 address, past every check of
    // AAAA records (RFC 4291 §2.5.5.2).
    v6([0, 0, 0, 0, 0, 0xffff, 0, 0], 96, "IPv4-mapped", "RFC 4291", Never),
    v6([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 96, "IPv4 behind NAT64", "RFC 6052", Global),
    v6([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48, "IPv4 behind a local NAT64", "RFC 8215", Local),
    v6([0x100, 0, 0, 0, 0, 0, 0, 0], 64, "discard only", "RFC 6666", Local),
    v6([0x100, 0, 0, 1, 0, 0, 0, 0], 64, "dummy prefix", "RFC 9780", Local),
    v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 23, "IETF protocol assignments", "RFC 2928", Local),
    v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 32, "Teredo", "RFC 4380", Local),
    v6([0x2001, 1, 0, 0, 0, 0, 0, 1], 128, "anycast of port control", "RFC 7723", Global),
    v6([0x2001, 1, 0, 0, 0, 0, 0, 2], 128, "anycast of TURN", "RFC 8155", Global),
    v6([0x2001, 1, 0, 0, 0, 0, 0, 3], 128, "anycast of DNS-SD registration", "RFC 9665", Global),
    v6([0x2001, 2, 0, 0, 0, 0, 0, 0], 48, "benchmarks", "RFC 5180", Local),
    v6([0x2001, 3, 0, 0, 0, 0, 0, 0], 32, "AMT", "RFC 7450", Global),
    v6([0x2001, 4, 0x112, 0, 0, 0, 0, 0], 48, "AS112", "RFC 7535", Global),
    v6([0x2001, 0x10, 0, 0, 0, 0, 0, 0], 28, "ORCHID, deprecated", "RFC 4843", Local),
    // "Globally reachable" in the registry, and no router has a way to them:
    // they name hosts, and are no places.
    v6([0x2001, 0x20, 0, 0, 0, 0, 0, 0], 28, "ORCHIDv2", "RFC 7343", Local),
    v6([0x2001, 0x30, 0, 0, 0, 0, 0, 0], 28, "drone identities", "RFC 9374", Local),
    v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32, "documentation", "RFC 3849", Local),
    v6([0x2002, 0, 0, 0, 0, 0, 0, 0], 16, "6to4", "RFC 3056", Local),
    v6([0x2620, 0x4f, 0x8000, 0, 0, 0, 0, 0], 48, "AS112", "RFC 7534", Global),
    v6([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20, "documentation", "RFC 9637", Local),
    v6([0x5f00, 0, 0, 0, 0, 0, 0, 0], 16, "SRv6 segments", "RFC 9602", Local),
    v6([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7, "unique local", "RFC 4193", Local),
    v6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10, "link-local", "RFC 4291", Never),
    v6([0xfec0, 0, 0, 0, 0, 0, 0, 0], 10, "site-local, deprecated", "RFC 3879", Local),
    v6([0xff00, 0, 0, 0, 0, 0, 0, 0], 8, "multicast", "RFC 4291", Never),
];

/// The narrowest special range an address is in; `None`: it is in none.
pub fn special(address: IpAddr) -> Option<&'static Special> {
    let around = SPECIAL.iter().filter(|special| special.network.contains(&address));
    around.max_by_key(|special| special.network.prefix_len())
}

/// How far an address can be a host's.
pub fn reach(address: IpAddr) -> Reach {
    let own = match (special(address), address) {
        (Some(special), _) => special.reach,
        (None, IpAddr::V4(_)) => Global,
        // The rest of IPv6 is reserved (RFC 4291 §2.4, IANA's registry of the
        // address space): nobody has it.
        (None, IpAddr::V6(v6)) if v6.segments()[0] & 0xe000 == 0x2000 => Global,
        (None, IpAddr::V6(_)) => Local,
    };
    match address {
        IpAddr::V6(v6) => within(v6).map_or(own, |v4| own.min(reach(IpAddr::V4(v4)))),
        IpAddr::V4(_) => own,
    }
}

/// The IPv4 address that traffic for an IPv6 address ends at: one behind NAT64
/// (RFC 6052 §2.2), which is never a private one there (§3.1), or the router of
/// a 6to4 site (RFC 3056 §2).
fn within(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let octets = address.octets();
    let four = |at: usize| <[u8; 4]>::try_from(&octets[at..at + 4]).ok().map(Ipv4Addr::from);
    match address.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, ..] => four(12),
        [0x2002, ..] => four(2),
        _ => None,
    }
}

/// Whether an address is one of those in manuals, which clients send as a
/// dummy before they send the real one (inadyn's `fake-address`).
pub fn is_documentation(address: IpAddr) -> bool {
    special(address).is_some_and(|special| special.purpose == "documentation")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_narrowest_range_counts() {
        for (address, purpose, expected) in [
            ("192.0.0.9", "anycast of port control", Global),
            ("192.0.0.11", "IETF protocol assignments", Local),
            ("2001:1::1", "anycast of port control", Global),
            ("2001:1::4", "IETF protocol assignments", Local),
            ("::2", "IPv4-compatible, deprecated", Never),
            ("::1", "loopback", Never),
            ("255.255.255.255", "limited broadcast", Never),
        ] {
            let address = address.parse().unwrap();
            assert_eq!(special(address).map(|special| special.purpose), Some(purpose));
            assert_eq!(reach(address), expected, "{address}");
        }
        for address in ["8.8.8.8", "192.0.1.1", "2a00::1", "2606:4700::1111"] {
            assert_eq!(special(address.parse().unwrap()), None);
            assert_eq!(reach(address.parse().unwrap()), Global, "{address}");
        }
        assert_eq!(reach("4000::1".parse().unwrap()), Local, "nobody has it");
    }

    #[test]
    fn what_traffic_ends_at_counts() {
        for (address, expected) in [
            ("64:ff9b::8.8.8.8", Global),
            ("64:ff9b::10.0.0.1", Local),
            ("64:ff9b::127.0.0.1", Never),
            ("2002:808:808::1", Local),
            ("2002:7f00:1::1", Never),
            ("::ffff:8.8.8.8", Never),
        ] {
            assert_eq!(reach(address.parse().unwrap()), expected, "{address}");
        }
    }

    #[test]
    fn a_range_is_written_from_its_beginning() {
        for special in SPECIAL {
            assert_eq!(special.network, special.network.trunc(), "{}", special.purpose);
        }
    }
}
