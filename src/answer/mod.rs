//! The answering core: request bytes in, answer bytes out. Pure: no lock, no
//! allocation beyond `out`, no disk, no clock. Every DNS transport asks it.

mod chaos;
mod lookup;
mod reply;
mod request;

use crate::wire::{CLASS_CH, CLASS_IN, HEADER, Question, RecordType, opcode, rcode, u16_at};
use crate::zone::Snapshot;

use reply::Reply;
use request::Extra;

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
    out.clear();
    if request.len() < HEADER || request[2] & 0x80 != 0 {
        return Verdict::Drop;
    }
    match (request[2] >> 3) & 15 {
        opcode::QUERY => {}
        opcode::UPDATE => return Verdict::Slow(Why::Update),
        opcode::NOTIFY => return Verdict::Slow(Why::Notify),
        _ => return Reply::bare(out, request, rcode::NOTIMP),
    }
    // RFC 9619: a query has one question.
    let one_question = u16_at(request, 4) == Some(1);
    let Some(question) = Question::read(request).filter(|_| one_question) else {
        return Reply::bare(out, request, rcode::FORMERR);
    };
    let edns = match request::extra(request, question.end()) {
        Extra::None => None,
        Extra::Edns(edns) => Some(edns),
        Extra::Signed => return Verdict::Slow(Why::Signed),
        Extra::Malformed => {
            Reply::new(out, request, &question, None, meta).refuse(rcode::FORMERR);
            return Verdict::Sent;
        }
    };
    let transfer = matches!(question.rtype, RecordType::AXFR | RecordType::IXFR);
    if transfer && question.class == CLASS_IN && edns.is_none_or(|edns| edns.version == 0) {
        return Verdict::Slow(Why::Transfer);
    }
    let mut reply = Reply::new(out, request, &question, edns, meta);
    match question.class {
        _ if edns.is_some_and(|edns| edns.version > 0) => reply.rcode = rcode::BADVERS,
        // Questions nobody asks any more: which mail agents have this name
        // (RFC 1035 §3.2.3), and the type that is none (RFC 6895 §3.1).
        _ if matches!(question.rtype, RecordType(0) | RecordType::MAILA | RecordType::MAILB) => {
            reply.rcode = rcode::NOTIMP;
        }
        CLASS_IN => lookup::find(snapshot, &question, &mut reply),
        CLASS_CH => chaos::find(snapshot.identity(), &question, &mut reply),
        _ => reply.rcode = rcode::REFUSED,
    }
    reply.finish();
    Verdict::Sent
}
