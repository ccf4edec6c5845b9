//! Messages read by hand: hickory-proto refuses some that are well formed (a
//! record without data, say), and shows data as it understands them.

use truename::model::Name;
use truename::wire::RecordType;

/// A message's records, section by section.
pub struct Parsed {
    /// Octets of the question, from its name to its class; none: no question.
    pub question: Option<Vec<u8>>,
    /// Answer, authority, additional; OPT among the last.
    pub sections: [Vec<Record>; 3],
}

/// One record of a message.
pub struct Record {
    /// In lower case, uncompressed.
    pub owner: Name,
    pub rtype: RecordType,
    pub class: u16,
    pub ttl: u32,
    /// Names in it in lower case and uncompressed, for the types that let
    /// them be compressed.
    pub data: Vec<u8>,
}

/// Reads a message.
///
/// # Panics
/// When it is not well formed to the last octet.
pub fn parsed(message: &[u8]) -> Parsed {
    let mut at = 12;
    let question = match number(message, 4) {
        0 => None,
        1 => {
            name(message, &mut at);
            at += 4;
            Some(message[12..at].to_vec())
        }
        count => panic!("{count} questions"),
    };
    let mut sections = [const { Vec::new() }; 3];
    for (section, records) in sections.iter_mut().enumerate() {
        for _ in 0..number(message, 6 + 2 * section) {
            records.push(record(message, &mut at));
        }
    }
    assert_eq!(at, message.len(), "octets behind the message");
    Parsed { question, sections }
}

fn number(message: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([message[at], message[at + 1]])
}

fn record(message: &[u8], at: &mut usize) -> Record {
    let owner = name(message, at);
    let rtype = RecordType(number(message, *at));
    let class = number(message, *at + 2);
    let ttl = u32::from(number(message, *at + 4)) << 16 | u32::from(number(message, *at + 6));
    let length = usize::from(number(message, *at + 8));
    *at += 10;
    let end = *at + length;
    // Octets before the names, and how many names.
    let (before, names) = match rtype {
        RecordType::NS | RecordType::CNAME | RecordType::PTR => (0, 1),
        RecordType::SOA | RecordType::RP => (0, 2),
        RecordType::MX => (2, 1),
        RecordType::SRV => (6, 1),
        _ => (0, 0),
    };
    let mut data = message[*at..*at + before].to_vec();
    *at += before;
    for _ in 0..names {
        data.extend_from_slice(name(message, at).wire());
    }
    data.extend_from_slice(&message[*at..end]);
    *at = end;
    Record { owner, rtype, class, ttl, data }
}

/// A name, pointers followed.
fn name(message: &[u8], at: &mut usize) -> Name {
    let mut wire = Vec::new();
    let mut here = *at;
    let mut after = None;
    loop {
        match usize::from(message[here]) {
            0 => break,
            length @ 1..=63 => {
                wire.extend_from_slice(&message[here..=here + length]);
                here += 1 + length;
            }
            high => {
                after.get_or_insert(here + 2);
                let target = (high & 0x3f) << 8 | usize::from(message[here + 1]);
                assert!(target < here, "a pointer that does not point back");
                here = target;
            }
        }
    }
    wire.push(0);
    *at = after.unwrap_or(here + 1);
    Name::from_wire(&wire).unwrap()
}
