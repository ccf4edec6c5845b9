//! The answering core: request bytes in, answer bytes out. Pure: no lock, no
//! allocation beyond `out`, no disk, no clock. Every DNS transport asks it.

mod asked;
mod chaos;
mod lookup;
mod reply;
mod request;
mod say;

use crate::zone::Snapshot;

pub use asked::Asked;
pub use request::{Edns, Extra, extra};
pub use say::{opcode_of, say};

/// What a transport knows about a request.
#[derive(Clone, Copy, Debug)]
pub struct Meta {
    /// The longest answer the transport carries, in octets: for UDP our own
    /// ceiling (the client's EDNS size, 512 without EDNS, lowers it), for TCP
    /// 65535.
    pub max_size: usize,
    /// Whether the transport is a stream: no truncation to the client's size.
    pub stream: bool,
}

/// The most octets in a UDP answer: what crosses every path unfragmented
/// (DNS flag day 2020).
pub const MAX_UDP: usize = 1232;

impl Meta {
    /// A datagram.
    pub const UDP: Meta = Meta { max_size: MAX_UDP, stream: false };
    /// A stream.
    pub const TCP: Meta = Meta { max_size: 65_535, stream: true };
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
pub fn answer(snapshot: &Snapshot, request: &[u8], meta: &Meta, out: &mut Vec<u8>) -> Verdict {
    let mut asked = Asked::new();
    asked.read(request);
    asked.answer(snapshot, snapshot.spot(asked.name()), request, meta, out)
}
