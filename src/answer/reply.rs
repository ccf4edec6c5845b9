//! The message that goes back, written front to back into one buffer.

use super::cookie::Checked;
use super::request::{Edns, Options};
use super::{MAX_UDP, Meta};
use crate::wire::{HEADER, RecordType, flag, option, rcode, u16_at};
use crate::zone::{Base, Negative, Records};

/// The shortest datagram every client takes (RFC 1035 §4.2.1), and so the
/// least an EDNS size can mean (RFC 6891 §6.2.5).
const LEAST_UDP: usize = 512;

/// Octets of our OPT record without options.
const OPT: usize = 11;

/// Octets of an option before what it holds.
const OPTION: usize = 4;

/// Where the question's name stands, in every message.
pub const QNAME: u16 = HEADER as u16;

/// An answer being written.
pub struct Reply<'a> {
    out: &'a mut Vec<u8>,
    edns: Option<Edns>,
    /// Options that go into the OPT record.
    told: Told<'a>,
    /// The longest `out` may get before the OPT record.
    limit: usize,
    /// Header flags, apart from QR and what is copied from the request.
    flags: u16,
    /// The response code; over 15 it needs EDNS.
    pub rcode: u16,
    /// Records in answer, authority, additional section.
    counts: [u16; 3],
}

/// What the OPT record tells beside the usual.
#[derive(Clone, Copy, Default)]
struct Told<'a> {
    cookie: Option<Checked>,
    nsid: Option<&'a str>,
    /// Tenths of a second.
    idle: Option<u16>,
    /// Why it is an error.
    why: Option<u16>,
}

/// The sections of a message that hold records, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    /// What was asked for.
    Answer,
    /// SOA of negative answers, NS of referrals.
    Authority,
    /// Glue.
    Additional,
}

impl<'a> Reply<'a> {
    /// Header and question as they came: all of `head`, which may be the
    /// header alone. `longest` is how long the whole may get, in octets.
    #[inline]
    pub fn new(out: &'a mut Vec<u8>, head: &[u8], edns: Option<Edns>, longest: usize) -> Reply<'a> {
        out.extend_from_slice(head);
        // How many questions are repeated, and no records yet.
        out[4..HEADER].copy_from_slice(&[0, u8::from(head.len() > HEADER), 0, 0, 0, 0, 0, 0]);
        let reserved = if edns.is_some() { OPT } else { 0 };
        let limit = longest.saturating_sub(reserved);
        let told = Told::default();
        Reply { out, edns, told, limit, flags: flag::AA, rcode: rcode::NOERROR, counts: [0; 3] }
    }

    /// Answers options of the client: the cookie it has, how long its
    /// connection may be `idle`, and which server this is.
    #[inline]
    pub fn add_options(
        &mut self,
        asked: Options,
        cookie: Option<Checked>,
        idle: Option<u16>,
        id: &'a Option<String>,
    ) {
        if asked != Options::default() {
            self.reserve(Told {
                cookie,
                nsid: id.as_deref().filter(|_| asked.nsid),
                idle: idle.filter(|_| asked.keepalive),
                why: None,
            });
        }
    }

    /// Keeps room for options. The name of the server is left out where there
    /// is none for it; the others are too short for that.
    #[cold]
    fn reserve(&mut self, told: Told<'a>) {
        let cookie = told.cookie.map_or(0, |checked| OPTION + checked.answer.len());
        let idle = told.idle.map_or(0, |_| OPTION + 2);
        self.limit = self.limit.saturating_sub(cookie + idle);
        self.told = told;
        let nsid = told.nsid.map_or(0, |id| OPTION + id.len());
        match self.limit.checked_sub(nsid).filter(|limit| *limit >= self.out.len()) {
            Some(limit) => self.limit = limit,
            None => self.told.nsid = None,
        }
    }

    /// There is no answer but this code; and why, if there is more to say.
    pub fn fail(&mut self, rcode: u16, why: Option<u16>) {
        self.rcode = rcode;
        let room = self.out.len() + OPTION + 2 <= self.limit;
        self.told.why = why.filter(|_| room);
    }

    /// The answer is not authoritative.
    pub fn clear_aa(&mut self) {
        self.flags &= !flag::AA;
    }

    /// Something that belongs into the answer did not fit.
    pub fn truncate(&mut self) {
        self.flags |= flag::TC;
    }

    /// Takes back the authority and additional sections, which start at `start`.
    pub fn take_back(&mut self, start: usize) {
        self.out.truncate(start);
        self.counts[Section::Authority as usize] = 0;
        self.counts[Section::Additional as usize] = 0;
    }

    /// Where the next record starts.
    pub fn end(&self) -> usize {
        self.out.len()
    }

    /// Appends records whose owner's name stands at `owner`, all of them or
    /// none: `false` if they do not fit.
    pub fn add(&mut self, section: Section, owner: u16, records: Records<'_>) -> bool {
        let start = self.out.len();
        let owner = (0xc000 | owner).to_be_bytes();
        let mut count = 0;
        for record in records {
            if self.out.len() + record.size() > self.limit {
                self.out.truncate(start);
                return false;
            }
            self.out.extend_from_slice(&owner);
            self.out.extend_from_slice(record.rendered());
            count += 1;
        }
        self.counts[section as usize] += count;
        true
    }

    /// The same in the answer section, names in the data ending in a pointer
    /// where they lie in the zone: its name is `origin` and stands at `apex`,
    /// uncompressed.
    #[cold]
    pub fn add_short(
        &mut self,
        owner: u16,
        records: Records<'_>,
        apex: u16,
        origin: &[u8],
    ) -> bool {
        let start = self.out.len();
        let mut count = 0;
        for record in records {
            let data = record.rdata();
            self.out.extend_from_slice(&(0xc000 | owner).to_be_bytes());
            self.out.extend_from_slice(&record.rendered()[..record.rendered().len() - data.len()]);
            let at = self.out.len();
            let (before, names) = match record.rtype() {
                RecordType::NS | RecordType::PTR => (0, 1),
                RecordType::SOA => (0, 2),
                RecordType::MX => (2, 1),
                _ => (data.len(), 0),
            };
            let (before, mut rest) = data.split_at_checked(before).unwrap_or((data, &[]));
            self.out.extend_from_slice(before);
            for _ in 0..names {
                rest = add_name(self.out, rest, apex, origin);
            }
            self.out.extend_from_slice(rest);
            let length = (self.out.len() - at) as u16;
            self.out[at - 2..at].copy_from_slice(&length.to_be_bytes());
            if self.out.len() > self.limit {
                self.out.truncate(start);
                return false;
            }
            count += 1;
        }
        self.counts[Section::Answer as usize] += count;
        true
    }

    /// Appends a zone's SOA record to the authority section, the apex standing
    /// at `apex`: `false` if it does not fit.
    pub fn add_negative(&mut self, apex: u16, negative: &Negative) -> bool {
        let rendered = negative.rendered();
        let start = self.out.len();
        let data = start + 2;
        if data + rendered.len() > self.limit {
            return false;
        }
        self.out.extend_from_slice(&(0xc000 | apex).to_be_bytes());
        self.out.extend_from_slice(rendered);
        for pointer in negative.pointers() {
            let to = match pointer.base {
                Base::Apex => apex,
                Base::Record => data as u16,
            };
            let at = data + usize::from(pointer.at);
            self.out[at..at + 2].copy_from_slice(&(0xc000 | (to + pointer.to)).to_be_bytes());
        }
        self.counts[Section::Authority as usize] += 1;
        true
    }

    /// Appends one record in class CHAOS, with the question's name and a TTL
    /// of 0; its data are strings.
    pub fn add_chaos(&mut self, text: &str) {
        let strings = text.len().div_ceil(255).max(1);
        let length = text.len() + strings;
        if self.out.len() + 12 + length > self.limit {
            return self.truncate();
        }
        let [high, low] = (length as u16).to_be_bytes();
        self.out.extend([0xc0, 12, 0, RecordType::TXT.0 as u8, 0, 3, 0, 0, 0, 0, high, low]);
        if text.is_empty() {
            self.out.push(0);
        }
        for string in text.as_bytes().chunks(255) {
            self.out.push(string.len() as u8);
            self.out.extend_from_slice(string);
        }
        self.counts[Section::Answer as usize] += 1;
    }

    /// Completes the message.
    pub fn finish(mut self) {
        if self.rcode != rcode::NOERROR && self.rcode != rcode::NXDOMAIN {
            self.clear_aa();
        }
        if let Some(edns) = self.edns {
            self.write_opt(edns);
        }
        write_flags(self.out, self.rcode);
        self.out[2] |= (self.flags >> 8) as u8;
        for (section, count) in self.counts.iter().enumerate() {
            self.out[6 + 2 * section..8 + 2 * section].copy_from_slice(&count.to_be_bytes());
        }
    }

    /// The OPT record, and its options.
    #[inline]
    fn write_opt(&mut self, edns: Edns) {
        self.out.extend_from_slice(&opt(edns, self.rcode));
        self.counts[Section::Additional as usize] += 1;
        let Told { cookie, nsid, idle, why } = self.told;
        if cookie.is_some() || nsid.is_some() || idle.is_some() || why.is_some() {
            self.write_options();
        }
    }

    #[cold]
    fn write_options(&mut self) {
        let Told { cookie, nsid, idle, why } = self.told;
        let start = self.out.len();
        if let Some(id) = nsid {
            self.write_option(option::NSID, id.as_bytes());
        }
        if let Some(checked) = cookie {
            self.write_option(option::COOKIE, &checked.answer);
        }
        if let Some(idle) = idle {
            self.write_option(option::KEEPALIVE, &idle.to_be_bytes());
        }
        if let Some(why) = why {
            self.write_option(option::EXTENDED_ERROR, &why.to_be_bytes());
        }
        let length = (self.out.len() - start) as u16;
        self.out[start - 2..start].copy_from_slice(&length.to_be_bytes());
    }

    fn write_option(&mut self, code: u16, holds: &[u8]) {
        self.out.extend(code.to_be_bytes());
        self.out.extend((holds.len() as u16).to_be_bytes());
        self.out.extend_from_slice(holds);
    }
}

/// Appends the name that `data` begin with, a pointer to `apex` in place of
/// `origin` at its end; what follows it. Where no name ends, `data` are appended
/// as they are.
fn add_name<'d>(out: &mut Vec<u8>, data: &'d [u8], apex: u16, origin: &[u8]) -> &'d [u8] {
    let mut rest = data;
    loop {
        // The root's pointer would be longer than the root.
        if origin.len() > 1 && rest.starts_with(origin) {
            out.extend_from_slice(&data[..data.len() - rest.len()]);
            out.extend((0xc000 | apex).to_be_bytes());
            return &rest[origin.len()..];
        }
        let label = rest.first().map(|length| usize::from(*length));
        if label == Some(0) {
            break;
        }
        let Some(after) = label.and_then(|label| rest.get(1 + label..)) else {
            out.extend_from_slice(data);
            return &[];
        };
        rest = after;
    }
    let (name, rest) = data.split_at(data.len() - rest.len() + 1);
    out.extend_from_slice(name);
    rest
}

/// An OPT record without options (RFC 6891 §6.1.2): root, type, our size, the
/// upper part of the response code, version 0, DO as it came.
#[inline]
fn opt(edns: Edns, rcode: u16) -> [u8; OPT] {
    let [high, low] = (MAX_UDP as u16).to_be_bytes();
    let dnssec_ok = if edns.dnssec_ok { 0x80 } else { 0 };
    [0, 0, RecordType::OPT.0 as u8, high, low, (rcode >> 4) as u8, 0, dnssec_ok, 0, 0, 0]
}

/// Leaves of an answer its header, its question, which ends at `end`, and an
/// OPT record without options if there is one; it says that it is truncated,
/// and nothing of the name.
pub fn cut(out: &mut Vec<u8>, end: usize, edns: Option<Edns>) {
    if !matches!(u16::from(out[3] & 15), rcode::NOERROR | rcode::NXDOMAIN) {
        return;
    }
    out.truncate(end);
    out[2] |= (flag::TC >> 8) as u8;
    out[3] &= 0xf0;
    out[6..HEADER].fill(0);
    if let Some(edns) = edns {
        out[HEADER - 1] = 1;
        out.extend_from_slice(&opt(edns, rcode::NOERROR));
    }
}

/// The longest answer that the transport carries and the client takes, in
/// octets; less for one that is not `verified`.
#[inline]
pub fn longest(edns: Option<Edns>, meta: &Meta<'_>, verified: bool) -> usize {
    let client = match edns {
        _ if meta.stream => usize::MAX,
        Some(edns) => usize::from(edns.size).max(LEAST_UDP),
        None => LEAST_UDP,
    };
    let ours = if verified { meta.max_size } else { meta.unverified_size };
    ours.min(client)
}

/// A response with the opcode of the request, whose header stands at the front,
/// and with the RD of a query: in other operations it is no flag (RFC 2136
/// §2.2), or nobody knows whether it is one. AD, CD, RA and Z are clear: we
/// neither validate nor recurse.
fn write_flags(out: &mut [u8], rcode: u16) {
    let asked = u16_at(out, 2).unwrap_or(0);
    let opcode = asked & (15 << 11);
    let copied = if opcode == 0 { flag::RD } else { 0 };
    let flags = flag::QR | opcode | (asked & copied) | (rcode & 15);
    out[2..4].copy_from_slice(&flags.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::Reply;
    use crate::wire::{HEADER, RecordType};
    use crate::zone::Records;

    /// What is at rest is looked at when it is read; if ever something else
    /// comes here, it is answered as it is.
    #[test]
    fn data_that_are_none_are_no_end_of_the_server() {
        for (rtype, data) in [
            (RecordType::MX, &b"\0"[..]),
            (RecordType::MX, b"\0\x0a"),
            (RecordType::MX, b"\0\x0a\x04mai"),
            (RecordType::NS, b""),
            (RecordType::SOA, b"\x01a\0\x01b"),
        ] {
            let rendered =
                [&rtype.0.to_be_bytes()[..], &[0, 1, 0, 0, 0, 60, 0], &[data.len() as u8], data];
            let rendered = rendered.concat();
            let mut out = Vec::new();
            let mut reply = Reply::new(&mut out, &[0; HEADER], None, 512);
            assert!(reply.add_short(12, Records(&rendered), 12, b"\x03org\0"));
            assert!(out.ends_with(data), "{rtype}");
        }
    }
}
