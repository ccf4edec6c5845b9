//! What comes after the question: EDNS, a signature, rubbish.

use std::ops::Range;

use super::cookie;
use crate::wire::{HEADER, Record, RecordType, option, skip_name, u16_at};

/// The type of an OPT record, which is one octet but for a zero before it.
const OPT: u8 = RecordType::OPT.0 as u8;

/// What follows the question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extra {
    /// Nothing that matters.
    None,
    /// An OPT record (RFC 6891).
    Edns(Edns),
    /// A TSIG record (RFC 8945), as the last.
    Signed,
    /// Something a message cannot have there. An OPT record in it counts for
    /// nothing: what else of it is to be believed?
    Malformed,
}

impl Extra {
    /// The OPT record, if there is one.
    pub fn edns(self) -> Option<Edns> {
        match self {
            Extra::Edns(edns) => Some(edns),
            Extra::None | Extra::Signed | Extra::Malformed => None,
        }
    }
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
    /// What else it asks for.
    pub options: Options,
}

/// The options that mean something to us; those we do not know are ignored
/// (RFC 6891 §6.1.2). Padding (RFC 7830) is for encrypted transports alone
/// (RFC 8467 §4), of which there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Where what the COOKIE option (RFC 7873) holds starts in the message,
    /// and how many octets it is; of several the first.
    pub cookie: Option<(u16, u8)>,
    /// Which server is it? (RFC 5001)
    pub nsid: bool,
    /// How long may a connection be idle? (RFC 7828)
    pub keepalive: bool,
    /// An option that we know is not as it must be.
    pub malformed: bool,
}

impl Options {
    /// Where what the COOKIE option holds stands in the message.
    pub fn cookie(&self) -> Option<Range<usize>> {
        let (at, length) = self.cookie?;
        Some(usize::from(at)..usize::from(at) + usize::from(length))
    }

    fn read(message: &[u8], mut at: usize, end: usize) -> Option<Options> {
        let mut options = Options::default();
        while at < end {
            let code = u16_at(message, at)?;
            let length = u16_at(&message[..end], at + 2)?;
            at += 4;
            match code {
                option::COOKIE if !cookie::is_well_formed(length.into()) => {
                    options.malformed = true;
                }
                option::COOKIE => {
                    let first = (u16::try_from(at).ok()?, length as u8);
                    options.cookie = options.cookie.or(Some(first));
                }
                option::NSID => options.nsid = true,
                // RFC 7828 §3.2.1: a client's is empty.
                option::KEEPALIVE => options.keepalive |= length == 0,
                _ => {}
            }
            at += usize::from(length);
        }
        if options.malformed {
            // Neither is one that is well formed believed.
            options.cookie = None;
        }
        (at == end).then_some(options)
    }
}

/// Reads what follows the question, to the last octet: mostly nothing does, or
/// an OPT record.
#[inline]
pub fn extra(message: &[u8], at: usize) -> Extra {
    let counts = message.get(6..HEADER);
    if at == message.len() && counts == Some(&[0; HEADER - 6]) {
        return Extra::None;
    }
    if counts == Some(&[0, 0, 0, 0, 0, 1])
        && let Some(rest) = message.get(at..)
        && let &[0, 0, OPT, size_high, size_low, _, version, dnssec_ok, _, 0, 0] = rest
    {
        // As nearly all are that are there: the root's, without options.
        return Extra::Edns(Edns {
            size: u16::from_be_bytes([size_high, size_low]),
            version,
            dnssec_ok: dnssec_ok & 0x80 != 0,
            options: Options::default(),
        });
    }
    records(message, at)
}

/// The same for a message with no question, or with several.
pub fn extra_of_any(message: &[u8]) -> Extra {
    let mut at = HEADER;
    for _ in 0..u16_at(message, 4).unwrap_or(0) {
        match skip_name(message, at) {
            Some(end) if end + 4 <= message.len() => at = end + 4,
            _ => return Extra::Malformed,
        }
    }
    extra(message, at)
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

/// The OPT record, if its owner is the root and its options are whole.
fn edns(message: &[u8], record: &Record) -> Option<Edns> {
    if message[record.owner] != 0 {
        return None;
    }
    let version = (record.ttl >> 16) as u8;
    // What options of another version look like, we cannot know.
    let options = match record.data == record.end || version > 0 {
        true => Options::default(),
        false => Options::read(message, record.data, record.end)?,
    };
    Some(Edns { size: record.class, version, dnssec_ok: record.ttl & 0x8000 != 0, options })
}
