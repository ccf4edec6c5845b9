//! Which of a machine's addresses is the one to report. Pure.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::Ipv6Net;

use super::kernel::Address;

/// The IPv4 address to report of these interfaces; `public_only`: none that
/// means something only at home. What is reported already stays where others
/// are as good.
pub fn best_v4(
    addresses: &[Address],
    public_only: bool,
    said: Option<Ipv4Addr>,
) -> Option<Ipv4Addr> {
    let all = addresses.iter().filter(|address| !address.unusable);
    let all = all.filter_map(|address| match address.address {
        IpAddr::V4(v4) if is_usable_v4(v4) => Some((address, v4)),
        _ => None,
    });
    all.filter(|(_, v4)| !public_only || is_public_v4(*v4))
        .min_by_key(|(address, v4)| (!is_public_v4(*v4), address.temporary, Some(*v4) != said, *v4))
        .map(|(_, v4)| v4)
}

/// The IPv6 address to report: a public one before one of the local network,
/// one that is preferred before a deprecated one, a stable one before a
/// temporary one. Of several prefixes the one whose router still talks of it:
/// what is reported already stays for as long as it is preferred for half as
/// long as the best, and an abandoned prefix fades.
pub fn best_v6(
    addresses: &[Address],
    public_only: bool,
    said: Option<Ipv6Addr>,
) -> Option<Ipv6Addr> {
    best_address_v6(addresses, public_only, said).map(|(_, v6)| v6)
}

/// The prefix of the network that the best IPv6 address is in.
pub fn prefix(addresses: &[Address], length: Option<u8>, said: Option<Ipv6Net>) -> Option<Ipv6Net> {
    let within = |v6: &Ipv6Addr| said.is_some_and(|said| said.contains(v6));
    let reported = addresses.iter().find_map(|address| match address.address {
        IpAddr::V6(v6) if within(&v6) => Some(v6),
        _ => None,
    });
    let (address, v6) = best_address_v6(addresses, true, reported)?;
    let own = if address.length > 64 { 64 } else { address.length };
    Ipv6Net::new(v6, length.unwrap_or(own)).ok().map(|net| net.trunc())
}

fn best_address_v6(
    addresses: &[Address],
    public_only: bool,
    said: Option<Ipv6Addr>,
) -> Option<(&Address, Ipv6Addr)> {
    let rank = |address: &Address, v6: Ipv6Addr| {
        (!is_public_v6(v6), address.deprecated, address.temporary)
    };
    let usable = |address: &'_ &Address| !address.unusable;
    let fits = |v6: Ipv6Addr| is_usable_v6(v6) && (!public_only || is_public_v6(v6));
    let all: Vec<(&Address, Ipv6Addr)> = addresses
        .iter()
        .filter(usable)
        .filter_map(|address| match address.address {
            IpAddr::V6(v6) if fits(v6) => Some((address, v6)),
            _ => None,
        })
        .collect();
    let best = all.iter().map(|(address, v6)| rank(address, *v6)).min()?;
    let mut good: Vec<_> = all.into_iter().filter(|(a, v6)| rank(a, *v6) == best).collect();
    let longest = good.iter().map(|(address, _)| address.preferred).max()?;
    if let Some(kept) = good.iter().find(|(a, v6)| Some(*v6) == said && a.preferred >= longest / 2)
    {
        return Some(*kept);
    }
    good.sort_by_key(|(address, v6)| (std::cmp::Reverse(address.preferred), *v6));
    good.into_iter().next()
}

fn is_usable_v4(v4: Ipv4Addr) -> bool {
    !(v4.is_loopback() || v4.is_unspecified() || v4.is_link_local() || v4.is_multicast())
}

/// Whether an address means the same everywhere: not private (RFC 1918), not
/// shared by a provider's NAT (RFC 6598).
pub fn is_public_v4(v4: Ipv4Addr) -> bool {
    let [a, b, ..] = v4.octets();
    is_usable_v4(v4) && !v4.is_private() && !(a == 100 && (64..128).contains(&b))
}

fn is_usable_v6(v6: Ipv6Addr) -> bool {
    is_public_v6(v6) || v6.is_unique_local()
}

/// Global unicast: 2000::/3 (RFC 4291 §2.4).
fn is_public_v6(v6: Ipv6Addr) -> bool {
    v6.segments()[0] & 0xe000 == 0x2000
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `ADDRESS/LENGTH FLAGS… SECONDS`, one a line.
    fn there(text: &str) -> Vec<Address> {
        let one = |line: &str| {
            let mut words = line.split_whitespace();
            let net: ipnet::IpNet = words.next().unwrap().parse().unwrap();
            let words: Vec<&str> = words.collect();
            Address {
                interface: 2,
                address: net.addr(),
                length: net.prefix_len(),
                temporary: words.contains(&"temporary"),
                deprecated: words.contains(&"deprecated"),
                unusable: words.contains(&"tentative"),
                preferred: words.iter().find_map(|word| word.parse().ok()).unwrap_or(u32::MAX),
            }
        };
        text.lines().map(str::trim).filter(|line| !line.is_empty()).map(one).collect()
    }

    fn v6(text: &str, said: &str) -> String {
        let best = best_v6(&there(text), true, said.parse().ok());
        best.map_or("none".into(), |v6| v6.to_string())
    }

    #[test]
    fn stable_addresses_before_temporary_ones() {
        let usual = "
            2001:db8:1::aaaa/64 temporary 86000
            2001:db8:1::bbbb/64 temporary deprecated 0
            2001:db8:1:0:5e:10ff:fe00:1/64 86400
            fd00::1/64
            fe80::1/64";
        assert_eq!(v6(usual, ""), "2001:db8:1:0:5e:10ff:fe00:1");
        assert_eq!(v6(usual, "2001:db8:1::aaaa"), "2001:db8:1:0:5e:10ff:fe00:1");
        assert_eq!(v6("2001:db8:1::aaaa/64 temporary 86000", ""), "2001:db8:1::aaaa");
        assert_eq!(v6("fd00::1/64\nfe80::1/64", ""), "none");
        assert_eq!(v6("2001:db8:1::1/64 tentative", ""), "none");
    }

    #[test]
    fn the_prefix_that_the_router_still_talks_of() {
        let renumbered = "
            2001:db8:1::1/64 deprecated 0
            2001:db8:2::1/64 86400";
        assert_eq!(v6(renumbered, "2001:db8:1::1"), "2001:db8:2::1");
        // A router that came back with another prefix and never took back the
        // old one: that fades.
        let fresh = "2001:db8:1::1/64 80000\n2001:db8:2::1/64 86400";
        assert_eq!(v6(fresh, "2001:db8:1::1"), "2001:db8:1::1");
        assert_eq!(v6(fresh, ""), "2001:db8:2::1");
        let faded = "2001:db8:1::1/64 40000\n2001:db8:2::1/64 86400";
        assert_eq!(v6(faded, "2001:db8:1::1"), "2001:db8:2::1");
        // All that is left is better than nothing.
        assert_eq!(v6("2001:db8:1::1/64 deprecated 0", ""), "2001:db8:1::1");
        // One set by hand is for ever.
        assert_eq!(v6("2001:db8:1::1/64 86400\n2001:db8:1::2/64", ""), "2001:db8:1::2");
    }

    #[test]
    fn public_addresses_before_private_ones() {
        let v4 = |text: &str, public_only, said: &str| {
            let best = best_v4(&there(text), public_only, said.parse().ok());
            best.map_or("none".into(), |v4| v4.to_string())
        };
        let both = "127.0.0.1/8\n192.168.1.2/24\n203.0.113.7/24\n203.0.113.8/24 temporary";
        assert_eq!(v4(both, true, ""), "203.0.113.7");
        assert_eq!(v4(both, true, "203.0.113.8"), "203.0.113.7");
        assert_eq!(v4("203.0.113.7/32\n203.0.113.8/32", true, "203.0.113.8"), "203.0.113.8");
        let home = "127.0.0.1/8\n192.168.1.2/24\n100.64.0.1/10\n169.254.1.1/16";
        assert_eq!(v4(home, true, ""), "none");
        assert_eq!(v4("192.168.1.2/24\n169.254.1.1/16", false, ""), "192.168.1.2");
    }

    #[test]
    fn prefixes() {
        let of = |text: &str, length, said: &str| {
            let found = prefix(&there(text), length, said.parse().ok());
            found.map_or("none".into(), |net| net.to_string())
        };
        let two = "2001:db8:1:ff07::1/64 80000\n2001:db8:2:ff07::1/64 86400\nfd00::1/64";
        assert_eq!(of(two, None, ""), "2001:db8:2:ff07::/64");
        assert_eq!(of(two, Some(56), ""), "2001:db8:2:ff00::/56");
        assert_eq!(of(two, Some(56), "2001:db8:1:ff00::/56"), "2001:db8:1:ff00::/56");
        assert_eq!(of("2001:db8::1/128", None, ""), "2001:db8::/64");
        assert_eq!(of("fd00::1/64", None, ""), "none");
    }
}
