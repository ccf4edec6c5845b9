//! Answers that hold no records, for what is no question.

use super::Meta;
use super::reply::{Reply, longest};
use super::request::extra_of_any;
use crate::wire::{HEADER, Question, opcode, u16_at};

/// Answers a request, which has at least a header, with a code and nothing
/// else: its question (an UPDATE's zone) as it came, if it has one that can be
/// read, and an OPT record if it has one, which says why (RFC 8914) if there
/// is more to say, and to who asks which server this is, if there is an `id`.
/// `out` is cleared first.
pub fn say(
    request: &[u8],
    code: u16,
    why: Option<u16>,
    meta: &Meta<'_>,
    id: &Option<String>,
    out: &mut Vec<u8>,
) {
    out.clear();
    let one = u16_at(request, 4) == Some(1);
    let end = Question::read(request).filter(|_| one).map_or(HEADER, |question| question.end());
    let edns = extra_of_any(request).edns();
    let mut reply = Reply::new(out, &request[..end], edns, longest(edns, meta, true));
    if let Some(edns) = edns {
        let checked = edns.options.cookie().zip(meta.client).and_then(|(cookie, client)| {
            Some(client.cookies.check(request.get(cookie)?, client.address, client.now))
        });
        reply.add_options(edns.options, checked, meta.idle, id);
    }
    reply.fail(code, why);
    reply.clear_aa();
    reply.finish();
}

/// A message's operation code; 0 for what is too short to have one.
pub fn opcode_of(request: &[u8]) -> u8 {
    match request.len() {
        HEADER.. => request[2] >> 3 & 15,
        _ => opcode::QUERY,
    }
}
