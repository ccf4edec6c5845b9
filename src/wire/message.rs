//! Reading what a stranger sent: one question, and records to step over.

use super::{HEADER, RecordType, u16_at, u32_at};
use crate::model::MAX_NAME;

/// The one question of a request, where it stands in the message.
#[derive(Clone, Copy)]
pub struct Question<'a> {
    /// The name as it was sent: uncompressed, upper and lower case as the
    /// client mixed them.
    pub name: &'a [u8],
    /// What is asked for.
    pub rtype: RecordType,
    /// In which class.
    pub class: u16,
}

impl<'a> Question<'a> {
    /// Reads the question after the header. `None`: it is not well formed.
    /// The first name of a message has nothing before it to point to, so a
    /// compressed one is not either.
    pub fn read(message: &'a [u8]) -> Option<Question<'a>> {
        let mut at = HEADER;
        loop {
            match *message.get(at)? {
                0 => break,
                length @ 1..=63 => at += 1 + usize::from(length),
                _ => return None,
            }
            if at - HEADER >= MAX_NAME {
                return None;
            }
        }
        let name = message.get(HEADER..=at)?;
        let rtype = RecordType(u16_at(message, at + 1)?);
        Some(Question { name, rtype, class: u16_at(message, at + 3)? })
    }

    /// Where the question ends in the message.
    pub fn end(&self) -> usize {
        HEADER + self.name.len() + 4
    }
}

/// One record of a request: where its parts stand in the message.
#[derive(Clone, Copy)]
pub struct Record {
    /// The owner's first octet.
    pub owner: usize,
    /// The type.
    pub rtype: RecordType,
    /// The class; in an OPT record the sender's size.
    pub class: u16,
    /// The TTL; in an OPT record version and flags.
    pub ttl: u32,
    /// The first octet after the record.
    pub end: usize,
}

impl Record {
    /// Reads the record at `at`, its owner's name and its data unread.
    pub fn read(message: &[u8], at: usize) -> Option<Record> {
        let fixed = skip_name(message, at)?;
        let length = u16_at(message, fixed + 8)?;
        let end = fixed + 10 + usize::from(length);
        if end > message.len() {
            return None;
        }
        Some(Record {
            owner: at,
            rtype: RecordType(u16_at(message, fixed)?),
            class: u16_at(message, fixed + 2)?,
            ttl: u32_at(message, fixed + 4)?,
            end,
        })
    }
}

/// The first octet after the name at `at`. A pointer ends a name and is not
/// followed; one that points forward or at itself is malformed (RFC 1035
/// §4.1.4: "a prior occurrence").
pub fn skip_name(message: &[u8], mut at: usize) -> Option<usize> {
    let start = at;
    loop {
        match *message.get(at)? {
            0 => return Some(at + 1),
            length @ 1..=63 => at += 1 + usize::from(length),
            0xc0.. => {
                let target = usize::from(u16_at(message, at)? & 0x3fff);
                return (HEADER <= target && target < start).then_some(at + 2);
            }
            _ => return None,
        }
        if at - start >= MAX_NAME {
            return None;
        }
    }
}
