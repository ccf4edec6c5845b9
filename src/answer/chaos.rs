//! Questions about the server itself (RFC 4892), told only what the operator
//! wants told.

use super::reply::Reply;
use crate::wire::{RecordType, extended, rcode};
use crate::zone::Identity;

/// Answers a question in class CHAOS for a name in lower case.
pub fn find(identity: &Identity, name: &[u8], rtype: RecordType, reply: &mut Reply<'_>) {
    let told = match name {
        b"\x07version\x04bind\0" | b"\x07version\x06server\0" => &identity.version,
        b"\x02id\x06server\0" | b"\x08hostname\x04bind\0" => &identity.id,
        _ => &None,
    };
    match (told, rtype) {
        (Some(text), RecordType::TXT | RecordType::ANY) => reply.add_chaos(text),
        _ => reply.fail(rcode::REFUSED, Some(extended::PROHIBITED)),
    }
}
