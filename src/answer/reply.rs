//! The message that goes back, written front to back into one buffer.

use super::request::Edns;
use super::{MAX_UDP, Meta, Verdict};
use crate::wire::{HEADER, RecordType, flag, rcode, u16_at};
use crate::zone::Records;

/// The shortest datagram every client takes (RFC 1035 §4.2.1), and so the
/// least an EDNS size can mean (RFC 6891 §6.2.5).
const LEAST_UDP: usize = 512;

/// Octets of our OPT record.
const OPT: usize = 11;

/// Where the question's name stands, in every message.
pub const QNAME: u16 = HEADER as u16;

/// An answer being written.
pub struct Reply<'a> {
    out: &'a mut Vec<u8>,
    edns: Option<Edns>,
    /// The longest `out` may get before the OPT record.
    limit: usize,
    /// Header flags, apart from QR and what is copied from the request.
    flags: u16,
    /// The response code; over 15 it needs EDNS.
    pub rcode: u16,
    /// Records in answer, authority, additional section.
    counts: [u16; 3],
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
    /// A header alone, for requests whose question cannot be trusted.
    pub fn bare(out: &mut Vec<u8>, request: &[u8], rcode: u16) -> Verdict {
        out.extend_from_slice(&request[..HEADER]);
        write_flags(out, rcode);
        out[4..HEADER].fill(0);
        Verdict::Sent
    }

    /// Header and question as they came: all of `question`.
    #[inline]
    pub fn new(
        out: &'a mut Vec<u8>,
        question: &[u8],
        edns: Option<Edns>,
        meta: &Meta,
    ) -> Reply<'a> {
        out.extend_from_slice(question);
        out[6..HEADER].fill(0);
        let reserved = if edns.is_some() { OPT } else { 0 };
        let limit = longest(edns, meta).saturating_sub(reserved);
        Reply { out, edns, limit, flags: flag::AA, rcode: rcode::NOERROR, counts: [0; 3] }
    }

    /// The answer is not authoritative.
    pub fn clear_aa(&mut self) {
        self.flags &= !flag::AA;
    }

    /// Something that belongs into the answer did not fit.
    pub fn truncate(&mut self) {
        self.flags |= flag::TC;
    }

    /// Whether [`Reply::truncate`] was called.
    pub fn is_truncated(&self) -> bool {
        self.flags & flag::TC != 0
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
            // RFC 6891 §6.1.2: root, type, our size, the upper part of the
            // response code, version 0, DO as it came, no options.
            let [high, low] = (MAX_UDP as u16).to_be_bytes();
            let dnssec_ok = if edns.dnssec_ok { 0x80 } else { 0 };
            let upper = (self.rcode >> 4) as u8;
            self.out.extend_from_slice(&[
                0,
                0,
                RecordType::OPT.0 as u8,
                high,
                low,
                upper,
                0,
                dnssec_ok,
                0,
                0,
                0,
            ]);
            self.counts[Section::Additional as usize] += 1;
        }
        write_flags(self.out, self.rcode);
        self.out[2] |= (self.flags >> 8) as u8;
        for (section, count) in self.counts.iter().enumerate() {
            self.out[6 + 2 * section..8 + 2 * section].copy_from_slice(&count.to_be_bytes());
        }
    }
}

/// The longest answer that the transport carries and the client takes, in
/// octets.
#[inline]
pub fn longest(edns: Option<Edns>, meta: &Meta) -> usize {
    let client = match edns {
        _ if meta.stream => usize::MAX,
        Some(edns) => usize::from(edns.size).max(LEAST_UDP),
        None => LEAST_UDP,
    };
    meta.max_size.min(client)
}

/// A response with the opcode and RD of the request, whose header stands at
/// the front. AD, CD, RA and Z are clear: we neither validate nor recurse.
fn write_flags(out: &mut [u8], rcode: u16) {
    let asked = u16_at(out, 2).unwrap_or(0);
    let opcode = asked & (15 << 11);
    let flags = flag::QR | opcode | (asked & flag::RD) | (rcode & 15);
    out[2..4].copy_from_slice(&flags.to_be_bytes());
}
