//! The TSIG record: found in a message, taken out of it, put into one.

use crate::model::Name;
use crate::wire::{CLASS_ANY, HEADER, Question, Record, RecordType, name_at, skip_name, u16_at};

/// What is wrong with a signature, as the record's own error field says it
/// (RFC 8945 §3). Not the codes of the header, although they share numbers.
pub mod error {
    /// Nothing is.
    pub const NONE: u16 = 0;
    /// The MAC is not that of the message.
    pub const BADSIG: u16 = 16;
    /// No such key, or no such algorithm.
    pub const BADKEY: u16 = 17;
    /// Signed too long ago, or in the future.
    pub const BADTIME: u16 = 18;
}

/// A message that is not well formed, or whose TSIG record is not, or is not
/// the last one (RFC 8945 §5.1): FORMERR.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// The TSIG record of a message (RFC 8945 §4.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tsig {
    /// The key's name.
    pub key: Name,
    /// The algorithm's name.
    pub algorithm: Name,
    /// When it was signed: seconds since 1970, in 48 bits.
    pub time: u64,
    /// How far the clocks of the two may be apart, in seconds.
    pub fudge: u16,
    /// The MAC, perhaps cut; empty if the message is not signed.
    pub mac: Vec<u8>,
    /// The message's id when it was signed.
    pub original_id: u16,
    /// What was wrong with the request's signature: see [`error`].
    pub error: u16,
    /// The server's time in an answer that says BADTIME; else nothing.
    pub other: Vec<u8>,
    /// Where the record starts in its message, and that ends.
    pub start: usize,
}

/// The TSIG record of a message, if it has one. Reads the message to its last
/// octet.
///
/// # Errors
/// When anything of it is not well formed.
pub fn find(message: &[u8]) -> Result<Option<Tsig>, Malformed> {
    let count = |section: usize| u16_at(message, 4 + 2 * section).ok_or(Malformed);
    let mut at = HEADER;
    for _ in 0..count(0)? {
        at = skip_name(message, at).ok_or(Malformed)? + 4;
    }
    let before = u32::from(count(1)?) + u32::from(count(2)?);
    let all = before + u32::from(count(3)?);
    let mut found = None;
    // Every record takes octets, so a false count ends the loop early.
    for number in 0..all {
        let record = Record::read(message, at).ok_or(Malformed)?;
        if record.rtype == RecordType::TSIG {
            // The last of the additional section, and so the only one.
            if number < before || number + 1 < all {
                return Err(Malformed);
            }
            found = Some(read(message, &record).ok_or(Malformed)?);
        }
        at = record.end;
    }
    if at == message.len() { Ok(found) } else { Err(Malformed) }
}

fn read(message: &[u8], record: &Record) -> Option<Tsig> {
    if record.class != CLASS_ANY || record.ttl != 0 {
        return None;
    }
    let (key, _) = name_at(message, record.owner)?;
    let data = message.get(record.data..record.end)?;
    // The algorithm's name is never compressed (RFC 8945 §4.2): what stands at
    // the front has nothing to point to.
    let name_end = skip_name(data, 0)?;
    let algorithm = Name::from_wire(data.get(..name_end)?).ok()?;
    let rest = &data[name_end..];
    let time = rest.get(..6)?.iter().fold(0, |time, octet| time << 8 | u64::from(*octet));
    let mac_end = 10 + usize::from(u16_at(rest, 8)?);
    let mac = rest.get(10..mac_end)?.to_vec();
    let other = rest.get(mac_end + 6..)?.to_vec();
    let tsig = Tsig {
        key,
        algorithm,
        time,
        fudge: u16_at(rest, 6)?,
        mac,
        original_id: u16_at(rest, mac_end)?,
        error: u16_at(rest, mac_end + 2)?,
        start: record.owner,
        other,
    };
    (usize::from(u16_at(rest, mac_end + 4)?) == tsig.other.len()).then_some(tsig)
}

impl Tsig {
    /// The message as it was before it was signed, but for its id: without
    /// this record. `message` is the one it was found in.
    pub fn stripped(&self, message: &[u8]) -> Vec<u8> {
        let mut before = message[..self.start].to_vec();
        add_additional(&mut before, u16::MAX);
        before
    }

    /// Appends this record to a message, as its last.
    pub fn append(&self, message: &mut Vec<u8>) {
        self.append_owned(self.key.wire(), message);
    }

    /// The same, with the key's name written so.
    fn append_owned(&self, owner: &[u8], message: &mut Vec<u8>) {
        message.extend_from_slice(owner);
        for word in [RecordType::TSIG.0, CLASS_ANY, 0, 0] {
            message.extend(word.to_be_bytes());
        }
        let length = self.algorithm.wire().len() + FIXED + self.mac.len() + self.other.len();
        message.extend((length as u16).to_be_bytes());
        message.extend_from_slice(self.algorithm.wire());
        message.extend(time_octets(self.time));
        for word in [self.fudge, self.mac.len() as u16] {
            message.extend(word.to_be_bytes());
        }
        message.extend_from_slice(&self.mac);
        for word in [self.original_id, self.error, self.other.len() as u16] {
            message.extend(word.to_be_bytes());
        }
        message.extend_from_slice(&self.other);
        add_additional(message, 1);
    }

    /// Appends what tells a client that its signature is no good, when nobody
    /// can sign that: its own record with an error and without a MAC
    /// (RFC 8945 §5.3.2). Where the request, in which this record was found,
    /// has the key's name in short, so has the reply: it is to be no longer.
    pub fn append_unsigned(&self, error: u16, request: &[u8], reply: &mut Vec<u8>) {
        let record = Tsig { mac: Vec::new(), other: Vec::new(), error, ..self.clone() };
        let written = skip_name(request, self.start).map_or(0, |end| end - self.start);
        match written < self.key.wire().len() {
            true => record.append_owned(&pointing(self.key.wire(), reply), reply),
            false => record.append(reply),
        }
    }
}

/// A name in lower case that ends in a pointer into the name of the message's
/// question, as far as the two end alike.
fn pointing(name: &[u8], message: &[u8]) -> Vec<u8> {
    let asked = Question::read(message).filter(|_| u16_at(message, 4) == Some(1));
    let asked = asked.map(|question| question.name.to_ascii_lowercase()).unwrap_or_default();
    let found = suffixes(name).find_map(|rest| {
        let at = suffixes(&asked).find(|suffix| *suffix == rest)?;
        Some((name.len() - rest.len(), HEADER + asked.len() - at.len()))
    });
    match found {
        Some((own, at)) => [&name[..own], &(0xc000 | at as u16).to_be_bytes()].concat(),
        None => name.to_vec(),
    }
}

/// A name, and what is left of it label by label, but for the root.
fn suffixes(name: &[u8]) -> impl Iterator<Item = &[u8]> {
    let below_root = |rest: &&[u8]| rest.first().is_some_and(|length| *length > 0);
    std::iter::successors(Some(name), |rest| rest.get(1 + usize::from(*rest.first()?)..))
        .take_while(below_root)
}

/// Octets of the data beside the algorithm's name, the MAC, the other data.
pub(super) const FIXED: usize = 6 + 2 + 2 + 2 + 2 + 2;

/// The 48 bits of a time.
pub(super) fn time_octets(time: u64) -> [u8; 6] {
    let [_, _, octets @ ..] = time.to_be_bytes();
    octets
}

/// So many additional records more, modulo 65536.
fn add_additional(message: &mut [u8], more: u16) {
    let count = u16_at(message, 10).unwrap_or(0).wrapping_add(more);
    message[10..HEADER].copy_from_slice(&count.to_be_bytes());
}
