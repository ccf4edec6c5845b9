//! Questions about the server itself (RFC 4892), told only what the operator
//! wants told.

use super::reply::Reply;
use crate::model::MAX_NAME;
use crate::wire::{Question, RecordType, lower_name, rcode};
use crate::zone::Identity;

/// Answers a question in class CHAOS.
pub fn find(identity: &Identity, question: &Question<'_>, reply: &mut Reply<'_>) {
    let mut buffer = [0; MAX_NAME];
    let told = match lower_name(question.name, &mut buffer) {
        b"\x07version\x04bind\0" | b"\x07version\x06server\0" => &identity.version,
        b"\x02id\x06server\0" | b"\x08hostname\x04bind\0" => &identity.id,
        _ => &None,
    };
    match (told, question.rtype) {
        (Some(text), RecordType::TXT | RecordType::ANY) => reply.add_chaos(text),
        _ => reply.rcode = rcode::REFUSED,
    }
}
