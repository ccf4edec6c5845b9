//! What one client, one client network and all of them together may have of
//! this server.
//!
//! A network is what one household has: an IPv4 address, or a /56 of IPv6
//! (RFC 6177 §2). Behind one IPv4 address there may be a whole mobile network,
//! so what one network may have is much, and whoever proves who he is has an
//! allowance of his own ([`super::gate`]).

use std::time::Duration;

/// Bounds of everything that strangers can make this server spend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections of one network at once. One more takes the place of that
    /// network's longest silent one. Proxies of ours are not counted.
    pub network_connections: usize,
    /// Requests of one network in a minute; more are answered `911`, but for
    /// those that prove who they are. `None`: as many as there are.
    pub requests: Option<u32>,
    /// Requests on one connection, after which the client has to connect
    /// again.
    pub connection_requests: usize,
    /// How long the head of a request may take; so also how long a kept
    /// connection may be silent.
    pub head_time: Duration,
    /// How long a body may take.
    pub body_time: Duration,
    /// How long a client may leave the answer untaken.
    pub write_time: Duration,
    /// How long TLS may take to begin.
    pub handshake_time: Duration,
    /// How long a connection is kept at most; a client just connects again.
    pub life_time: Duration,
    /// The largest head of a request, in octets, line and headers together.
    pub head_size: usize,
    /// The largest body, in octets: a form of a hundred hosts has room to
    /// spare.
    pub body_size: usize,
    /// TLS handshakes that are computed at the same moment. Each takes a core
    /// for about a millisecond; whoever speaks without TLS shall not wait for
    /// a crowd of them.
    pub handshakes: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            network_connections: 100,
            requests: Some(12_000),
            connection_requests: 1000,
            head_time: Duration::from_secs(15),
            body_time: Duration::from_secs(15),
            write_time: Duration::from_secs(15),
            handshake_time: Duration::from_secs(10),
            life_time: Duration::from_secs(300),
            head_size: 64 * 1024,
            body_size: 16 * 1024,
            handshakes: 2,
        }
    }
}
