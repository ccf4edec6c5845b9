//! The shape nearly every query has, read by hand: one question, at most an
//! OPT record. Nothing is allocated.

use super::{HEADER, rtype, u16_at};
use crate::model::MAX_NAME;

/// A plain query.
#[derive(Clone, Debug)]
pub struct Query {
    /// The name asked for: lower case, uncompressed wire form.
    name: [u8; MAX_NAME],
    /// How many octets of it count.
    length: usize,
    /// The type asked for.
    pub rtype: u16,
    /// The class asked for.
    pub class: u16,
    /// Where the question ends in the message, in octets.
    pub end: usize,
    /// The OPT record, if there is one.
    pub edns: Option<Edns>,
    /// Whether the last record is a TSIG (RFC 8945 §5.1).
    pub signed: bool,
}

impl Query {
    /// The name asked for: lower case, uncompressed wire form.
    pub fn name(&self) -> &[u8] {
        &self.name[..self.length]
    }
}

/// What an OPT record says (RFC 6891 §6.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edns {
    /// The longest UDP answer the client takes, in octets, as it says.
    pub size: u16,
    /// The version; only 0 exists.
    pub version: u8,
    /// The DO bit (RFC 3225 §3).
    pub dnssec_ok: bool,
}

/// The message breaks the rules of the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// Where the question ends, in octets, if one could be read.
    pub question: Option<usize>,
}

/// Reads a message whose header says: a query, opcode QUERY.
///
/// # Errors
/// When it has not exactly one question, a name that is not uncompressed,
/// records cut short, two OPT records, or octets left over.
pub fn parse(message: &[u8]) -> Result<Query, Malformed> {
    const NOTHING: Malformed = Malformed { question: None };
    if u16_at(message, 4) != Some(1) {
        return Err(NOTHING);
    }
    let mut query = Query {
        name: [0; MAX_NAME],
        length: 0,
        rtype: 0,
        class: 0,
        end: 0,
        edns: None,
        signed: false,
    };
    let mut at = HEADER;
    loop {
        let length = usize::from(*message.get(at).ok_or(NOTHING)?);
        // A pointer has nothing before it to point to, except the header.
        if length > 63 || at + 1 + length - HEADER > MAX_NAME {
            return Err(NOTHING);
        }
        at += 1 + length;
        if length == 0 {
            break;
        }
    }
    let name = message.get(HEADER..at).ok_or(NOTHING)?;
    query.length = name.len();
    for (to, from) in query.name.iter_mut().zip(name) {
        *to = from.to_ascii_lowercase();
    }
    query.rtype = u16_at(message, at).ok_or(NOTHING)?;
    query.class = u16_at(message, at + 2).ok_or(NOTHING)?;
    query.end = at + 4;
    let malformed = Malformed { question: Some(query.end) };
    records(message, &mut query).ok_or(malformed)?;
    Ok(query)
}

/// Reads what comes behind the question. Records in the answer and authority
/// sections of a query mean nothing (an IXFR has a SOA there); they must be
/// well-formed all the same.
fn records(message: &[u8], query: &mut Query) -> Option<()> {
    let before = usize::from(u16_at(message, 6)?) + usize::from(u16_at(message, 8)?);
    let additional = usize::from(u16_at(message, 10)?);
    let mut at = query.end;
    for n in 0..before + additional {
        let owner = at;
        at = skip_name(message, at)?;
        let fixed = message.get(at..at + 10)?;
        let rtype = u16::from_be_bytes([fixed[0], fixed[1]]);
        let length = usize::from(u16::from_be_bytes([fixed[8], fixed[9]]));
        at += 10 + length;
        if at > message.len() {
            return None;
        }
        match rtype {
            // One, in the additional section, owned by the root (RFC 6891 §6.1.1).
            rtype::OPT if n < before || query.edns.is_some() || message[owner] != 0 => {
                return None;
            }
            rtype::OPT => {
                query.edns = Some(Edns {
                    size: u16::from_be_bytes([fixed[2], fixed[3]]),
                    version: fixed[5],
                    dnssec_ok: fixed[6] & 0x80 != 0,
                });
                options(&message[at - length..at])?;
            }
            // The last record of all (RFC 8945 §5.1).
            rtype::TSIG if n + 1 != before + additional || n < before => return None,
            rtype::TSIG => query.signed = true,
            _ => {}
        }
    }
    (at == message.len()).then_some(())
}

/// Whether OPT's data is whole options (RFC 6891 §6.1.2).
fn options(mut data: &[u8]) -> Option<()> {
    while !data.is_empty() {
        let length = usize::from(u16_at(data, 2)?);
        data = data.get(4 + length..)?;
    }
    Some(())
}

/// Where a name ends that may end in a pointer.
fn skip_name(message: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match *message.get(at)? {
            0 => return Some(at + 1),
            length @ 1..=63 => at += 1 + usize::from(length),
            0xc0.. => return (at + 2 <= message.len()).then_some(at + 2),
            _ => return None,
        }
    }
}
