//! The answering core: request bytes in, answer bytes out. Pure: no lock, no
//! allocation beyond `out`, no disk, no clock. Every DNS transport asks it.

mod asked;
mod chaos;
mod cookie;
mod lookup;
mod reply;
mod request;
mod say;

use std::net::IpAddr;

use crate::model::Moment;
use crate::zone::Snapshot;

pub use asked::Asked;
pub use cookie::{CookieSecrets, Cookies, MAX_SECRETS, Secret};
pub use request::{Edns, Extra, Options, extra, extra_of_any};
pub use say::{opcode_of, say};

/// What a transport knows about a request.
#[derive(Clone, Copy, Debug)]
pub struct Meta<'a> {
    /// The longest answer the transport carries, in octets: for UDP our own
    /// ceiling (the client's EDNS size, 512 without EDNS, lowers it), for TCP
    /// 65535.
    pub max_size: usize,
    /// The longest for a client that has not shown that it is where it says
    /// it is, by a stream or by a cookie; at most `max_size`. Whoever writes
    /// somebody else's address on a question gets no more than this sent
    /// there.
    pub unverified_size: usize,
    /// Whether the transport is a stream: no truncation to the client's size.
    pub stream: bool,
    /// How long a connection may be idle, in tenths of a second, for clients
    /// that ask (RFC 7828).
    pub idle: Option<u16>,
    /// Who asks; `None`: nobody knows, and cookies mean nothing.
    pub client: Option<Client<'a>>,
}

/// Who asks, as cookies want to know it.
#[derive(Clone, Copy, Debug)]
pub struct Client<'a> {
    /// Where the request says that it comes from.
    pub address: IpAddr,
    /// When it came.
    pub now: Moment,
    /// What its cookie is checked with.
    pub cookies: &'a Cookies,
}

/// The most octets in a UDP answer: what crosses every path unfragmented
/// (DNS flag day 2020).
pub const MAX_UDP: usize = 1232;

impl Meta<'static> {
    /// A datagram from anybody.
    pub const UDP: Meta<'static> = Meta {
        max_size: MAX_UDP,
        unverified_size: MAX_UDP,
        stream: false,
        idle: None,
        client: None,
    };
    /// A stream.
    pub const TCP: Meta<'static> =
        Meta { max_size: 65_535, unverified_size: 65_535, stream: true, idle: None, client: None };
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The answer is in `out`.
    Sent,
    /// Never to be answered: a response, or too short to have a header.
    Drop,
    /// Not a plain question: for the slow path.
    Slow(Why),
}

/// Why a request goes to the slow path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Opcode UPDATE (RFC 2136).
    Update,
    /// Opcode NOTIFY (RFC 1996).
    Notify,
    /// A question for AXFR or IXFR (RFC 5936, RFC 1995).
    Transfer,
    /// Signed with TSIG (RFC 8945).
    Signed,
}

/// Answers one request. `out` is cleared first and holds the whole answer
/// (without TCP's length) when the verdict is [`Verdict::Sent`].
pub fn answer(snapshot: &Snapshot, request: &[u8], meta: &Meta<'_>, out: &mut Vec<u8>) -> Verdict {
    let mut asked = Asked::new();
    asked.read(request);
    asked.answer(snapshot, snapshot.spot(asked.name()), request, meta, out)
}
