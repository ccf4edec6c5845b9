//! An answer while it is being written.

use crate::wire::{Edns, HEADER, class, rtype};
use crate::zone::RenderedSet;

/// Octets of our OPT record: no options (RFC 6891 §6.1.2).
const OPT: usize = 11;

/// The longest UDP request we take, as our OPT record says.
const OUR_SIZE: u16 = 1232;

/// An answer while it is being written. RRsets go in whole or not at all;
/// when one does not fit, the answer is the question with TC set.
pub struct Message<'o> {
    out: &'o mut Vec<u8>,
    /// Where the question ends.
    question: usize,
    /// The longest the message may become, OPT not counted.
    limit: usize,
    /// ANCOUNT, NSCOUNT, ARCOUNT.
    counts: [u16; 3],
    authoritative: bool,
    truncated: bool,
}

impl<'o> Message<'o> {
    /// The request's header and question, as they came. `question` is where
    /// the question ends; [`HEADER`] when there is none to repeat.
    pub fn start(
        out: &'o mut Vec<u8>,
        request: &[u8],
        question: usize,
        limit: usize,
    ) -> Message<'o> {
        out.extend_from_slice(&request[..question]);
        let limit = limit.saturating_sub(OPT);
        Message { out, question, limit, counts: [0; 3], authoritative: true, truncated: false }
    }

    /// The answer is a referral, or none of our business.
    pub fn not_authoritative(&mut self) {
        self.authoritative = false;
    }

    /// Adds to the answer section; the records are owned by the name at
    /// `owner` in the message. Says where they begin, if they fit.
    pub fn answer(&mut self, set: &RenderedSet, owner: usize) -> Option<usize> {
        self.add(0, set, Some(owner))
    }

    /// Adds to the authority section, likewise.
    pub fn authority(&mut self, set: &RenderedSet, owner: usize) {
        self.add(1, set, Some(owner));
    }

    /// Adds records that carry their own names to the additional section.
    pub fn additional(&mut self, set: &RenderedSet) {
        self.add(2, set, None);
    }

    fn add(&mut self, section: usize, set: &RenderedSet, owner: Option<usize>) -> Option<usize> {
        let start = self.out.len();
        if self.truncated || start + set.wire.len() > self.limit {
            self.truncated = true;
            return None;
        }
        self.out.extend_from_slice(&set.wire);
        self.counts[section] += set.count;
        // Records are rendered with the question's name as their owner.
        if let Some(owner) = owner.filter(|owner| *owner != HEADER) {
            let pointer = 0xc000 | u16::try_from(owner).expect("names lie in the first 16 KiB");
            self.point_to(start, pointer);
        }
        Some(start)
    }

    /// Gives the records from `start` on another owner.
    fn point_to(&mut self, start: usize, pointer: u16) {
        let mut at = start;
        while at < self.out.len() {
            self.out[at..at + 2].copy_from_slice(&pointer.to_be_bytes());
            let length = u16::from_be_bytes([self.out[at + 10], self.out[at + 11]]);
            at += 12 + usize::from(length);
        }
    }

    /// Adds one TXT record of class CHAOS, owned by the question's name.
    pub fn chaos(&mut self, text: &str) {
        let text = &text.as_bytes()[..text.len().min(255)];
        let length = text.len() as u8;
        self.out.extend_from_slice(b"\xc0\x0c");
        self.out.extend_from_slice(&rtype::TXT.to_be_bytes());
        self.out.extend_from_slice(&class::CHAOS.to_be_bytes());
        self.out.extend_from_slice(&[0, 0, 0, 0, 0, length + 1]);
        self.out.push(length);
        self.out.extend_from_slice(text);
        self.counts[0] += 1;
    }

    /// Writes the header, and the OPT record if the request had one.
    pub fn finish(mut self, code: u16, edns: Option<Edns>) {
        if self.truncated {
            self.out.truncate(self.question);
            self.counts = [0; 3];
        }
        if let Some(edns) = edns {
            self.counts[2] += 1;
            self.out.push(0);
            self.out.extend_from_slice(&rtype::OPT.to_be_bytes());
            self.out.extend_from_slice(&OUR_SIZE.to_be_bytes());
            // Extended RCODE, version 0, the DO bit as it came (RFC 3225 §3).
            let do_bit = if edns.dnssec_ok { 0x80 } else { 0 };
            self.out.extend_from_slice(&[(code >> 4) as u8, 0, do_bit, 0, 0, 0]);
        }
        let has_question = u16::from(self.question > HEADER);
        // QR, the opcode, AA, TC, RD as it came; RA, Z, AD and CD clear.
        let (opcode_rd, plain) = (self.out[2] & 0x79, code <= 3 && code != 1);
        let aa = if self.authoritative && plain { 0x04 } else { 0 };
        let tc = if self.truncated { 0x02 } else { 0 };
        self.out[2] = 0x80 | opcode_rd | aa | tc;
        self.out[3] = (code & 0x0f) as u8;
        let counts = [has_question, self.counts[0], self.counts[1], self.counts[2]];
        for (at, count) in (4..).step_by(2).zip(counts) {
            self.out[at..at + 2].copy_from_slice(&count.to_be_bytes());
        }
    }
}
