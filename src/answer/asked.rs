//! From a request to its answer in two steps, so that a batch of requests can
//! wait for memory once and not one after the other.

use super::reply::{self, Reply};
use super::request::{self, Edns, Extra};
use super::{Meta, Verdict, Why, chaos, lookup};
use crate::model::MAX_NAME;
use crate::wire::{CLASS_CH, CLASS_IN, HEADER, Question, RecordType, opcode, rcode, u16_at};
use crate::zone::{Snapshot, Spot};

/// What a request asks for: all that can be known of it without looking at
/// what is served. Made once and read into again and again.
pub struct Asked {
    /// The question's name in lower case; its first octets count.
    name: [u8; MAX_NAME],
    length: usize,
    /// Where the question ends in the request.
    end: usize,
    rtype: RecordType,
    class: u16,
    edns: Option<Edns>,
    next: Next,
}

/// How a request goes on.
#[derive(Clone, Copy)]
enum Next {
    /// A question to look up.
    Look,
    /// It ends here, with nothing to send.
    End(Verdict),
    /// A header with this code is the answer: the question cannot be trusted.
    Header(u16),
    /// Header and question with this code are.
    Question(u16),
}

impl Asked {
    /// Nothing asked yet.
    pub fn new() -> Asked {
        Asked {
            name: [0; MAX_NAME],
            length: 1,
            end: HEADER,
            rtype: RecordType(0),
            class: CLASS_IN,
            edns: None,
            next: Next::End(Verdict::Drop),
        }
    }

    /// The name asked for, in lower case; the root if it is of no interest.
    #[inline]
    pub fn name(&self) -> &[u8] {
        &self.name[..self.length]
    }

    /// Reads a request.
    pub fn read(&mut self, request: &[u8]) {
        self.next = self.understand(request);
        if !matches!(self.next, Next::Look) {
            self.length = 1;
            self.name[0] = 0;
        }
    }

    fn understand(&mut self, request: &[u8]) -> Next {
        if request.len() < HEADER || request[2] & 0x80 != 0 {
            return Next::End(Verdict::Drop);
        }
        match (request[2] >> 3) & 15 {
            opcode::QUERY => {}
            opcode::UPDATE => return Next::End(Verdict::Slow(Why::Update)),
            opcode::NOTIFY => return Next::End(Verdict::Slow(Why::Notify)),
            _ => return Next::Header(rcode::NOTIMP),
        }
        // RFC 9619: a query has one question.
        let one_question = u16_at(request, 4) == Some(1);
        let Some(question) = Question::read(request).filter(|_| one_question) else {
            return Next::Header(rcode::FORMERR);
        };
        (self.rtype, self.class, self.edns) = (question.rtype, question.class, None);
        self.end = question.end();
        match request::extra(request, self.end) {
            Extra::None => {}
            Extra::Edns(edns) => self.edns = Some(edns),
            Extra::Signed => return Next::End(Verdict::Slow(Why::Signed)),
            Extra::Malformed => return Next::Question(rcode::FORMERR),
        }
        let old_edns = self.edns.is_none_or(|edns| edns.version == 0);
        match question.rtype {
            RecordType::AXFR | RecordType::IXFR if question.class == CLASS_IN && old_edns => {
                return Next::End(Verdict::Slow(Why::Transfer));
            }
            _ if !old_edns => return Next::Question(rcode::BADVERS),
            // Questions nobody asks any more: which mail agents have this name
            // (RFC 1035 §3.2.3), and the type that is none (RFC 6895 §3.1).
            RecordType(0) | RecordType::MAILA | RecordType::MAILB => {
                return Next::Question(rcode::NOTIMP);
            }
            _ => {}
        }
        if question.class != CLASS_IN && question.class != CLASS_CH {
            return Next::Question(rcode::REFUSED);
        }
        self.length = question.name.len();
        let name = &mut self.name[..self.length];
        name.copy_from_slice(question.name);
        // Length octets are at most 63 and so never look like letters.
        name.make_ascii_lowercase();
        Next::Look
    }

    /// The longest answer there may be, in octets: what the transport carries
    /// and the client takes.
    pub fn longest(&self, meta: &Meta) -> usize {
        reply::longest(self.edns, meta)
    }

    /// Answers the request that was read, `spot` being that of its name:
    /// the second step. `out` is cleared first.
    pub fn answer(
        &self,
        snapshot: &Snapshot,
        spot: Spot<'_>,
        request: &[u8],
        meta: &Meta,
        out: &mut Vec<u8>,
    ) -> Verdict {
        out.clear();
        match self.next {
            Next::End(verdict) => return verdict,
            Next::Header(rcode) => return Reply::bare(out, request, rcode),
            Next::Question(_) | Next::Look => {}
        }
        let mut reply = Reply::new(out, &request[..self.end], self.edns, meta);
        match self.next {
            Next::Question(rcode) => reply.rcode = rcode,
            _ if self.class == CLASS_CH => {
                chaos::find(snapshot.identity(), self.name(), self.rtype, &mut reply);
            }
            _ => lookup::find(snapshot, self.name(), spot, self.rtype, &mut reply),
        }
        reply.finish();
        Verdict::Sent
    }
}

impl Default for Asked {
    fn default() -> Asked {
        Asked::new()
    }
}
