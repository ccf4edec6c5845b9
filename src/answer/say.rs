//! Answers that hold no records, for what is no question.

use super::Meta;
use super::reply::Reply;
use super::request::{Extra, extra};
use crate::wire::{HEADER, Question, opcode, u16_at};

/// Answers a request, which has at least a header, with a code and nothing
/// else: its question (an UPDATE's zone) as it came, if it has one that can be
/// read, and an OPT record if it has one. `out` is cleared first.
pub fn say(request: &[u8], rcode: u16, out: &mut Vec<u8>) {
    out.clear();
    let one = u16_at(request, 4) == Some(1);
    let Some(question) = Question::read(request).filter(|_| one) else {
        Reply::bare(out, request, rcode);
        return;
    };
    let edns = match extra(request, question.end()) {
        Extra::Edns(edns) => Some(edns),
        _ => None,
    };
    let mut reply = Reply::new(out, &request[..question.end()], edns, &Meta::TCP);
    reply.clear_aa();
    reply.rcode = rcode;
    reply.finish();
}

/// A message's operation code; 0 for what is too short to have one.
pub fn opcode_of(request: &[u8]) -> u8 {
    match request.len() {
        HEADER.. => request[2] >> 3 & 15,
        _ => opcode::QUERY,
    }
}
