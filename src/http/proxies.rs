//! Where a request comes from: the peer, or what our own proxies say of it.

use std::net::{IpAddr, SocketAddr};

use axum::http::HeaderMap;
use ipnet::IpNet;

use crate::model::unmapped;

/// The address a request comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source {
    /// The client; the proxy itself when it does not say for whom it asks.
    pub address: IpAddr,
    /// Whether it is the client. The address of a proxy of ours is never
    /// published in place of an unknown client's.
    pub is_client: bool,
}

/// Headers that proxies add and clients do not.
pub const PROXIED: [&str; 4] = ["x-forwarded-for", "forwarded", "x-real-ip", "via"];

/// Finds the source. `X-Forwarded-For` and `Forwarded` (RFC 7239) count only
/// when the peer is a trusted proxy, and then the right-most hop that is not
/// one itself: whatever stands left of it, anyone could have written.
pub fn source(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> Source {
    let peer = unmapped(peer);
    let is_trusted = |address: &IpAddr| trusted.iter().any(|net| net.contains(address));
    if !is_trusted(&peer) {
        // A proxy on this very machine that nobody declared: its word does
        // not count, and neither is its address its clients'.
        let undeclared =
            peer.is_loopback() && PROXIED.iter().any(|name| headers.contains_key(*name));
        return Source { address: peer, is_client: !undeclared };
    }
    let unknown = Source { address: peer, is_client: false };
    let by_de_facto = walk(headers, "x-forwarded-for", hop, is_trusted);
    let by_standard = walk(headers, "forwarded", forwarded_hop, is_trusted);
    match (by_de_facto, by_standard) {
        (Some(Some(address)), None) | (None, Some(Some(address))) => {
            Source { address, is_client: true }
        }
        (Some(Some(one)), Some(Some(other))) if one == other => {
            Source { address: one, is_client: true }
        }
        // A proxy writes one of the two and passes on the other as the client
        // forged it. Which is which cannot be known, so neither is believed.
        _ => unknown,
    }
}

/// Whether a proxy of ours says that its client speaks TLS.
pub fn encrypted(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> bool {
    let scheme = headers.get("x-forwarded-proto").and_then(|value| value.to_str().ok());
    scheme == Some("https") && trusted.iter().any(|net| net.contains(&unmapped(peer)))
}

/// The right-most untrusted hop of a header: `None` without the header,
/// `Some(None)` when a hop on the way is unreadable or all are our own.
fn walk(
    headers: &HeaderMap,
    name: &str,
    read: fn(&str) -> Option<IpAddr>,
    is_trusted: impl Fn(&IpAddr) -> bool,
) -> Option<Option<IpAddr>> {
    let lines: Vec<&str> =
        headers.get_all(name).iter().map(|value| value.to_str().unwrap_or("")).collect();
    if lines.is_empty() {
        return None;
    }
    for text in lines.iter().rev().flat_map(|line| line.rsplit(',')) {
        match read(text) {
            Some(address) if is_trusted(&address) => {}
            stop => return Some(stop),
        }
    }
    Some(None)
}

/// An address, with or without brackets and port.
fn hop(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text.strip_prefix('[').and_then(|rest| rest.split(']').next()).unwrap_or(text);
    let address = bare.parse().ok().or_else(|| text.parse().ok().map(|at: SocketAddr| at.ip()));
    address.map(unmapped)
}

/// The `for` of one element, `for="[2001:db8::1]:4711";proto=https`.
fn forwarded_hop(element: &str) -> Option<IpAddr> {
    element.split(';').find_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        let is_for = name.trim().eq_ignore_ascii_case("for");
        is_for.then(|| hop(value.trim().trim_matches('"'))).flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::{Source, source};
    use axum::http::{HeaderMap, HeaderName};

    /// `peer | header: value | …` with 10.0.0.0/8 and ::1 trusted.
    fn of(text: &str) -> String {
        let mut fields = text.split(" | ");
        let peer = fields.next().unwrap().parse().unwrap();
        let mut headers = HeaderMap::new();
        for field in fields {
            let (name, value) = field.split_once(": ").unwrap();
            headers.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        }
        let trusted = ["10.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()];
        match source(peer, &headers, &trusted) {
            Source { address, is_client: true } => address.to_string(),
            Source { is_client: false, .. } => "unknown".into(),
        }
    }

    #[test]
    fn only_our_own_proxies_are_believed_and_only_as_far_as_they_know() {
        for (request, expected) in [
            ("192.0.2.1", "192.0.2.1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("192.0.2.1 | x-forwarded-for: 198.51.100.9", "192.0.2.1"),
            ("10.0.0.1 | x-forwarded-for: 198.51.100.9", "198.51.100.9"),
            ("::ffff:10.0.0.1 | x-forwarded-for: 198.51.100.9", "198.51.100.9"),
            ("10.0.0.1 | x-forwarded-for: 203.0.113.66, 198.51.100.9", "198.51.100.9"),
            ("10.0.0.1 | x-forwarded-for: 198.51.100.9,10.0.0.2 ,10.0.0.3", "198.51.100.9"),
            (
                "10.0.0.1 | x-forwarded-for: 198.51.100.9 | x-forwarded-for: 10.0.0.2",
                "198.51.100.9",
            ),
            ("10.0.0.1 | x-forwarded-for: 198.51.100.9, nonsense, 10.0.0.2", "unknown"),
            ("10.0.0.1 | x-forwarded-for: 10.0.0.7", "unknown"),
            ("10.0.0.1", "unknown"),
            ("10.0.0.1 | x-forwarded-for: 198.51.100.9:4711", "198.51.100.9"),
            ("10.0.0.1 | x-forwarded-for: [2001:db8::1]:4711", "2001:db8::1"),
            ("10.0.0.1 | x-forwarded-for: 2001:db8::1", "2001:db8::1"),
            ("::1 | forwarded: for=198.51.100.9;proto=https", "198.51.100.9"),
            (
                "::1 | forwarded: for=203.0.113.66, For=\"[2001:db8::1]:47\";by=10.0.0.1",
                "2001:db8::1",
            ),
            ("::1 | forwarded: for=\"evil, for=198.51.100.9", "198.51.100.9"),
            ("::1 | forwarded: for=_hidden", "unknown"),
            ("::1 | forwarded: for=203.0.113.66 | x-forwarded-for: 198.51.100.9", "unknown"),
            ("::1 | forwarded: for=198.51.100.9 | x-forwarded-for: 198.51.100.9", "198.51.100.9"),
        ] {
            assert_eq!(of(request), expected, "{request}");
        }
    }
}
