//! From a request to its answer in two steps, so that a batch of requests can
//! wait for memory once and not one after the other.

use super::cookie::{Checked, Standing};
use super::reply::{self, Reply};
use super::request::{self, Edns, Extra};
use super::{Meta, Verdict, Why, chaos, lookup};
use crate::model::MAX_NAME;
use crate::wire::{
    CLASS_CH, CLASS_IN, HEADER, Question, RecordType, extended, opcode, rcode, u16_at,
};
use crate::zone::{Snapshot, Spot};

/// What a request asks for: all that can be known of it without looking at
/// what is served. Made once and read into again and again.
pub struct Asked {
    /// The question's name in lower case; its first octets count.
    name: [u8; MAX_NAME],
    length: usize,
    /// Where the question ends in the request; where the header does, if the
    /// question is not to be repeated.
    end: usize,
    rtype: RecordType,
    class: u16,
    edns: Option<Edns>,
    next: Next,
    verified: bool,
}

/// How a request goes on.
#[derive(Clone, Copy)]
enum Next {
    /// A question to look up.
    Look,
    /// It ends here, with nothing to send.
    End(Verdict),
    /// This code is the answer; and why (RFC 8914), if there is more to say.
    Say(u16, Option<u16>),
    /// No question, only a cookie: is it good? (RFC 7873 §5.4)
    Cookie,
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
            verified: false,
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
        (self.end, self.edns) = (HEADER, None);
        if request.len() < HEADER || request[2] & 0x80 != 0 {
            return Next::End(Verdict::Drop);
        }
        match (request[2] >> 3) & 15 {
            opcode::QUERY => {}
            opcode::UPDATE => return self.slow(request, Why::Update),
            opcode::NOTIFY => return self.slow(request, Why::Notify),
            // What its sections hold is its own affair; if they are as usual,
            // OPT is answered by OPT.
            _ => return self.unanswered(request, rcode::NOTIMP),
        }
        // RFC 9619: a query has one question.
        let one_question = u16_at(request, 4) == Some(1);
        let Some(question) = Question::read(request).filter(|_| one_question) else {
            return self.unanswered(request, rcode::FORMERR);
        };
        (self.rtype, self.class) = (question.rtype, question.class);
        self.end = question.end();
        match request::extra(request, self.end) {
            Extra::None => {}
            Extra::Edns(edns) => {
                self.edns = Some(edns);
                // RFC 6891 §6.1.3.
                if edns.version > 0 {
                    return Next::Say(rcode::BADVERS, None);
                }
                if edns.options.malformed {
                    return Next::Say(rcode::FORMERR, None);
                }
            }
            Extra::Signed => return Next::End(Verdict::Slow(Why::Signed)),
            Extra::Malformed => return Next::Say(rcode::FORMERR, None),
        }
        match question.rtype {
            RecordType::AXFR | RecordType::IXFR if question.class == CLASS_IN => {
                return Next::End(Verdict::Slow(Why::Transfer));
            }
            // Questions nobody asks any more: which mail agents have this name
            // (RFC 1035 §3.2.3), and the type that is none (RFC 6895 §3.1).
            RecordType(0) | RecordType::MAILA | RecordType::MAILB => {
                return Next::Say(rcode::NOTIMP, None);
            }
            _ => {}
        }
        if question.class != CLASS_IN && question.class != CLASS_CH {
            return Next::Say(rcode::REFUSED, Some(extended::NOT_AUTHORITATIVE));
        }
        self.length = question.name.len();
        let name = &mut self.name[..self.length];
        name.copy_from_slice(question.name);
        // Length octets are at most 63 and so never look like letters.
        name.make_ascii_lowercase();
        Next::Look
    }

    /// A request that is for others to understand, but for what its OPT record
    /// says of the client.
    #[cold]
    fn slow(&mut self, request: &[u8], why: Why) -> Next {
        self.edns = request::extra_of_any(request).edns();
        Next::End(Verdict::Slow(why))
    }

    /// A request without a question to go by: a header is the answer, and an
    /// OPT record if one came; signed if it was (RFC 8945 §5.3).
    #[cold]
    fn unanswered(&mut self, request: &[u8], code: u16) -> Next {
        let extra = request::extra_of_any(request);
        if extra == Extra::Signed {
            return Next::End(Verdict::Slow(Why::Signed));
        }
        self.edns = extra.edns();
        let Some(Edns { version, options, .. }) = self.edns else { return Next::Say(code, None) };
        let no_question = code == rcode::FORMERR && u16_at(request, 4) == Some(0);
        match options.cookie {
            _ if version > 0 => Next::Say(rcode::BADVERS, None),
            _ if options.malformed => Next::Say(rcode::FORMERR, None),
            Some(_) if no_question => Next::Cookie,
            _ => Next::Say(code, None),
        }
    }

    /// Looks whether the client of the request that was read has shown that it
    /// is where it says it is; see [`Asked::is_verified`].
    pub fn verify(&mut self, request: &[u8], meta: &Meta<'_>) -> bool {
        self.check_cookie(request, meta);
        self.verified
    }

    /// The longest answer there may be to a request that was verified or
    /// answered, in octets.
    pub fn longest(&self, meta: &Meta<'_>) -> usize {
        reply::longest(self.edns, meta, self.verified)
    }

    /// Whether the client of the request answered last, be it by
    /// [`Verdict::Slow`], has shown that it is where it says it is: by a
    /// stream, or by a cookie of ours.
    #[inline]
    pub fn is_verified(&self) -> bool {
        self.verified
    }

    /// What the cookie comes to, if there is one that means something.
    #[inline]
    fn check_cookie(&mut self, request: &[u8], meta: &Meta<'_>) -> Option<Checked> {
        self.verified = meta.stream;
        let cookie = self.edns?.options.cookie()?;
        let client = meta.client?;
        let checked = client.cookies.check(request.get(cookie)?, client.address, client.now);
        self.verified |= checked.standing.is_good();
        Some(checked)
    }

    /// Answers the request that was read, `spot` being that of its name:
    /// the second step. `out` is cleared first.
    pub fn answer(
        &mut self,
        snapshot: &Snapshot,
        spot: Spot<'_>,
        request: &[u8],
        meta: &Meta<'_>,
        out: &mut Vec<u8>,
    ) -> Verdict {
        out.clear();
        let checked = self.check_cookie(request, meta);
        if let Next::End(verdict) = self.next {
            return verdict;
        }
        let longest = reply::longest(self.edns, meta, self.verified);
        let mut reply = Reply::new(out, &request[..self.end], self.edns, longest);
        if let Some(edns) = self.edns {
            reply.add_options(edns.options, checked, meta.idle, &snapshot.identity().id);
        }
        match self.next {
            Next::End(_) => {}
            Next::Say(code, why) => reply.fail(code, why),
            Next::Cookie => match checked {
                Some(Checked { standing: Standing::Bad, .. }) => reply.rcode = rcode::BADCOOKIE,
                Some(_) => reply.clear_aa(),
                None => reply.rcode = rcode::FORMERR,
            },
            Next::Look if self.class == CLASS_CH => {
                chaos::find(snapshot.identity(), self.name(), self.rtype, &mut reply);
            }
            Next::Look => lookup::find(snapshot, self.name(), spot, self.rtype, &mut reply),
        }
        reply.finish();
        Verdict::Sent
    }

    /// Takes everything out of the request's answer but header, question and
    /// an empty OPT record, so that it is no longer than the request, and says
    /// that it was truncated: the client asks over TCP. An error stays as it
    /// is, for TCP would not mend it.
    pub fn cut(&self, out: &mut Vec<u8>) {
        if matches!(self.next, Next::Look) {
            reply::cut(out, self.end, self.edns);
        }
    }
}

impl Default for Asked {
    fn default() -> Asked {
        Asked::new()
    }
}
