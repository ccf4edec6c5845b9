//! NOTIFY and transfers. Neither is offered yet; this says so in the words
//! each protocol has for it.

use super::{SlowHandler, update};
use crate::answer::{Extra, extra_of_any, opcode_of};
use crate::model::Name;
use crate::wire::{CLASS_IN, Question, RecordType, extended, opcode, rcode, u16_at};

impl SlowHandler {
    /// What is wrong with a request: the code, and why if there is more to
    /// say.
    pub(super) fn refusal(&self, request: &[u8]) -> (u16, Option<u16>) {
        let opcode = opcode_of(request);
        match extra_of_any(request) {
            // RFC 6891 §6.1.3.
            Extra::Edns(edns) if edns.version > 0 => return (rcode::BADVERS, None),
            Extra::Edns(edns) if edns.options.malformed => return (rcode::FORMERR, None),
            _ if ![opcode::QUERY, opcode::NOTIFY].contains(&opcode) => {
                return (rcode::NOTIMP, None);
            }
            Extra::None | Extra::Edns(_) => {}
            Extra::Signed | Extra::Malformed => return (rcode::FORMERR, None),
        }
        // One question (RFC 9619); a NOTIFY's names a zone by type SOA (RFC
        // 1996 §3.7).
        let one = u16_at(request, 4) == Some(1);
        let Some(question) = Question::read(request).filter(|_| one) else {
            return (rcode::FORMERR, None);
        };
        if opcode == opcode::NOTIFY && question.rtype != RecordType::SOA {
            return (rcode::FORMERR, None);
        }
        // RFC 5936 §2.2.1; RFC 1996 has no word for it, and these are what
        // other servers say.
        match self.is_our_zone(&question) {
            true => (rcode::REFUSED, Some(extended::PROHIBITED)),
            false => (rcode::NOTAUTH, Some(extended::NOT_AUTHORITATIVE)),
        }
    }

    /// Whether a question's name is the apex of a zone of ours.
    fn is_our_zone(&self, question: &Question<'_>) -> bool {
        let name = Name::from_wire(question.name).ok().filter(|_| question.class == CLASS_IN);
        name.is_some_and(|name| update::is_zone(&name, &self.snapshot.load()))
    }
}
