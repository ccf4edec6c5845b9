//! What comes after the question: EDNS, a signature, rubbish.

use crate::wire::{HEADER, Record, RecordType, u16_at};

/// What follows the question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extra {
    /// Nothing that matters.
    None,
    /// An OPT record (RFC 6891).
    Edns(Edns),
    /// A TSIG record (RFC 8945), as the last.
    Signed,
    /// Something a message cannot have there.
    Malformed,
}

/// What a client's OPT record says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edns {
    /// The longest datagram the client takes, in octets.
    pub size: u16,
    /// The version of EDNS; ours is 0.
    pub version: u8,
    /// DNSSEC OK (RFC 3225): comes back as it was.
    pub dnssec_ok: bool,
}

/// Reads what follows the question, to the last octet: mostly nothing does, or
/// an OPT record.
#[inline]
pub fn extra(message: &[u8], at: usize) -> Extra {
    let counts = message.get(6..HEADER);
    if at == message.len() && counts == Some(&[0; HEADER - 6]) {
        Extra::None
    } else {
        records(message, at)
    }
}

fn records(message: &[u8], mut at: usize) -> Extra {
    let count = |section: usize| u32::from(u16_at(message, 4 + 2 * section).unwrap_or(0));
    let before = count(1) + count(2);
    let all = before + count(3);
    let mut found = Extra::None;
    // Every record takes octets, so a false count ends the loop early.
    for number in 0..all {
        let Some(record) = Record::read(message, at) else { return Extra::Malformed };
        match record.rtype {
            RecordType::OPT => match edns(message, &record) {
                // One only, and only there (RFC 6891 §6.1.1).
                Some(edns) if number >= before && found == Extra::None => found = Extra::Edns(edns),
                _ => return Extra::Malformed,
            },
            // The last of all (RFC 8945 §5.1).
            RecordType::TSIG if number >= before && number + 1 == all => found = Extra::Signed,
            RecordType::TSIG => return Extra::Malformed,
            _ => {}
        }
        at = record.end;
    }
    if at == message.len() { found } else { Extra::Malformed }
}

/// The OPT record, if its owner is the root and its options are whole; what
/// they say is nothing to us.
fn edns(message: &[u8], record: &Record) -> Option<Edns> {
    if message[record.owner] != 0 {
        return None;
    }
    // Root, type, class, TTL, length.
    let mut option = record.owner + 11;
    while option < record.end {
        option += 4 + usize::from(u16_at(&message[..record.end], option + 2)?);
    }
    let whole = option == record.end;
    whole.then_some(Edns {
        size: record.class,
        version: (record.ttl >> 16) as u8,
        dnssec_ok: record.ttl & 0x8000 != 0,
    })
}
