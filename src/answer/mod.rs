//! The answering core: request bytes in, answer bytes out. Pure: no lock, no
//! allocation beyond `out`, no disk, no clock. Every DNS transport asks it.
//!
//! An answer is the request's header and question as they came (so that the
//! case of the name is kept, draft-vixie-dnsext-dns0x20), RRsets as they were
//! rendered when published, and an OPT record when the request had one.
//! Answers are minimal: no additional records but glue.

mod message;

use message::Message;

use crate::model::MAX_NAME;
use crate::wire::{self, HEADER, Query, class, rcode, rtype};
use crate::zone::{Found, Node, ServedZone, Snapshot};

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

/// The most CNAME records followed for one question.
const MAX_CHAIN: usize = 8;

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
    match (request[2] >> 3) & 0x0f {
        0 => {}
        4 => return Verdict::Slow(Why::Notify),
        5 => return Verdict::Slow(Why::Update),
        _ => {
            Message::start(out, request, HEADER, HEADER).finish(rcode::NOTIMP, None);
            return Verdict::Sent;
        }
    }
    let query = match wire::parse(request) {
        Ok(query) => query,
        Err(malformed) => {
            let end = malformed.question.unwrap_or(HEADER);
            Message::start(out, request, end, end).finish(rcode::FORMERR, None);
            return Verdict::Sent;
        }
    };
    if query.signed {
        return Verdict::Slow(Why::Signed);
    }
    let limit = match (meta.stream, query.edns) {
        (true, _) => meta.max_size,
        // RFC 6891 §6.2.3: less than 512 is 512.
        (false, Some(edns)) => usize::from(edns.size).clamp(512, meta.max_size.max(512)),
        (false, None) => 512,
    };
    let mut message = Message::start(out, request, query.end, limit);
    let code = match query.edns {
        // RFC 6891 §6.1.3.
        Some(edns) if edns.version > 0 => rcode::BADVERS,
        _ => match (query.class, query.rtype) {
            (class::IN, rtype::AXFR | rtype::IXFR) => return Verdict::Slow(Why::Transfer),
            // Types that no question can have.
            (_, rtype::OPT | rtype::TSIG) => rcode::FORMERR,
            (_, rtype::MAILA | rtype::MAILB) => rcode::NOTIMP,
            (class::IN, _) => look_up(snapshot, &query, &mut message),
            (class::CHAOS, _) => chaos(snapshot, &query, &mut message),
            _ => rcode::REFUSED,
        },
    };
    message.finish(code, query.edns);
    Verdict::Sent
}

/// Finds what the question comes to and writes it (RFC 1034 §4.3.2).
fn look_up(snapshot: &Snapshot, query: &Query, message: &mut Message) -> u16 {
    // The name that is looked at, and where the message spells it.
    let mut name = [0; MAX_NAME];
    let mut length = query.name().len();
    name[..length].copy_from_slice(query.name());
    let mut spelled = HEADER;
    let mut zone: Option<&ServedZone> = None;
    let mut chain: [Option<&Node>; MAX_CHAIN] = [None; MAX_CHAIN];

    for link in 0..=MAX_CHAIN {
        let found = snapshot.find(&name[..length]);
        let node = match found {
            Found::Node(node) => node,
            // The parent answers for DS (RFC 4035 §3.1.4.1).
            Found::Referral { cut, at: 0, .. } if query.rtype == rtype::DS => cut,
            Found::Referral { cut, at, glue } => {
                if zone.is_some_and(|zone| zone.origin != snapshot.zone(cut).origin) {
                    return rcode::NOERROR;
                }
                if zone.is_none() {
                    message.not_authoritative();
                }
                let ns = cut.set(rtype::NS).expect("a delegation is an NS RRset");
                message.authority(ns, spelled + at);
                message.additional(glue);
                return rcode::NOERROR;
            }
            Found::Nothing(there) => {
                if zone.is_some_and(|zone| zone.origin != there.origin) {
                    return rcode::NOERROR;
                }
                let at = spelled + length - there.origin.wire().len();
                message.authority(&there.negative, at);
                return rcode::NXDOMAIN;
            }
            Found::Outside if zone.is_some() => return rcode::NOERROR,
            Found::Outside => {
                message.not_authoritative();
                return rcode::REFUSED;
            }
        };
        let here = snapshot.zone(node);
        // A chain is followed inside its zone; what lies in another one is
        // the resolver's to ask for.
        if zone.is_some_and(|zone| zone.origin != here.origin) {
            return rcode::NOERROR;
        }
        let is_apex = length == here.origin.wire().len();
        let set = match query.rtype {
            rtype::SOA if is_apex => Some(&here.soa),
            // One RRset stands for all of them (RFC 8482 §4.1).
            rtype::ANY if is_apex => node.any().or(Some(&here.soa)),
            rtype::ANY => node.any(),
            rtype => node.set(rtype),
        };
        if let Some(set) = set {
            message.answer(set, spelled);
            return rcode::NOERROR;
        }
        let Some(cname) = node.set(rtype::CNAME) else {
            return no_data(here, message, spelled + length - here.origin.wire().len());
        };
        // A loop, or too long a chain: what was followed so far is said.
        if link == MAX_CHAIN || chain.iter().flatten().any(|seen| std::ptr::eq(*seen, node)) {
            return rcode::NOERROR;
        }
        chain[link] = Some(node);
        let start = message.answer(cname, spelled);
        let Some(start) = start else { return rcode::NOERROR };
        zone = Some(here);
        // Owner, type, class, TTL and length are 12 octets; the target follows.
        spelled = start + 12;
        let target = &cname.wire[12..];
        length = target.len();
        for (to, from) in name.iter_mut().zip(target) {
            *to = from.to_ascii_lowercase();
        }
    }
    rcode::NOERROR
}

/// The name exists, the type does not (RFC 2308 §2.2).
fn no_data(zone: &ServedZone, message: &mut Message, apex: usize) -> u16 {
    message.authority(&zone.negative, apex);
    rcode::NOERROR
}

/// Who we are, if the operator wants it told (RFC 4892).
fn chaos(snapshot: &Snapshot, query: &Query, message: &mut Message) -> u16 {
    let identity = snapshot.identity();
    let text = match query.name() {
        b"\x07version\x04bind\0" | b"\x07version\x06server\0" => &identity.version,
        b"\x02id\x06server\0" | b"\x08hostname\x04bind\0" => &identity.id,
        _ => &None,
    };
    match text {
        Some(text) if matches!(query.rtype, rtype::TXT | rtype::ANY) => {
            message.chaos(text);
            rcode::NOERROR
        }
        _ => {
            message.not_authoritative();
            rcode::REFUSED
        }
    }
}
