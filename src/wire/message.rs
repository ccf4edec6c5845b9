//! Reading what a stranger sent: one question, and records to step over.

use super::{HEADER, RecordType, u16_at, u32_at};
use crate::model::{MAX_NAME, Name};

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
    /// The first octet of its data.
    pub data: usize,
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
            data: fixed + 10,
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

/// The pointers that are followed in one name: as many as it may have labels.
/// Whoever compresses puts a label before each; a chain of pointers alone, as
/// long as a message may be, only makes whoever reads it run.
const MAX_POINTERS: usize = 127;

/// The name at `at`, pointers followed, and the first octet after it. Each
/// pointer must lead further to the front than the one before, so that none
/// leads in a circle.
pub fn name_at(message: &[u8], at: usize) -> Option<(Name, usize)> {
    let end = skip_name(message, at)?;
    let mut wire = Vec::with_capacity(32);
    let (mut start, mut at) = (at, at);
    let mut pointers = 0;
    loop {
        match *message.get(at)? {
            0 => break,
            length @ 1..=63 => {
                let label = message.get(at..=at + usize::from(length))?;
                wire.extend_from_slice(label);
                at += label.len();
            }
            0xc0.. => {
                let target = usize::from(u16_at(message, at)? & 0x3fff);
                pointers += 1;
                if target < HEADER || target >= start || pointers > MAX_POINTERS {
                    return None;
                }
                (start, at) = (target, target);
            }
            _ => return None,
        }
        if wire.len() >= MAX_NAME {
            return None;
        }
    }
    wire.push(0);
    Some((Name::from_wire(&wire).ok()?, end))
}

#[cfg(test)]
mod tests {
    use super::name_at;

    /// A header of zeros, then these octets: the name at the `at`-th of them.
    fn name(octets: &[u8], at: usize) -> Option<(String, usize)> {
        let message = [&[0; 12], octets].concat();
        name_at(&message, 12 + at).map(|(name, end)| (name.to_string(), end - 12))
    }

    #[test]
    fn names_with_pointers() {
        let octets = b"\x01B\x00\x01a\xc0\x0c\xc0\x0f\xc0\x13";
        assert_eq!(name(octets, 0), Some(("b.".into(), 3)));
        assert_eq!(name(octets, 3), Some(("a.b.".into(), 7)));
        assert_eq!(name(octets, 7), Some(("a.b.".into(), 9)));
        assert_eq!(name(octets, 9), Some(("a.b.".into(), 11)));
    }

    #[test]
    fn pointers_that_lead_nowhere() {
        // At itself, forward, into the header, in a circle, past the end.
        assert_eq!(name(b"\xc0\x0c", 0), None);
        assert_eq!(name(b"\xc0\x0e\x00", 0), None);
        assert_eq!(name(b"\x00\xc0\x00", 1), None);
        assert_eq!(name(b"\x01a\xc0\x0c", 0), None);
        assert_eq!(name(b"\x01a\xc0\x0c\xc0\x0c", 4), None);
        assert_eq!(name(b"\x05a", 0), None);
        assert_eq!(name(b"\x40", 0), None);
    }

    #[test]
    fn a_chain_of_pointers_ends_where_labels_would() {
        // A root, and pointers each at the one before.
        let mut octets = vec![0];
        let mut last: u16 = 12;
        for _ in 0..200 {
            let here = 12 + octets.len() as u16;
            octets.extend((0xc000 | last).to_be_bytes());
            last = here;
        }
        assert_eq!(name(&octets, 1 + 2 * 126), Some((".".into(), 1 + 2 * 127)));
        assert_eq!(name(&octets, 1 + 2 * 127), None);
    }

    #[test]
    fn no_name_is_longer_by_pointers() {
        // Labels of 63 octets, each name one longer than the one before.
        let label = [&[63][..], &[b'x'; 63]].concat();
        let mut octets = [&label[..], &[0]].concat();
        let mut last = 0;
        for labels in 2..5 {
            let start = octets.len();
            octets.extend_from_slice(&label);
            octets.extend([0xc0, 12 + last as u8]);
            assert_eq!(name(&octets, start).is_some(), labels < 4, "{labels} labels");
            last = start;
        }
    }
}
