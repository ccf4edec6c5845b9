//! A message as text that two servers can agree on.

use std::collections::BTreeSet;
use std::fmt;

use truename::wire::RecordType;

/// What was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Canonical {
    /// Nothing at all.
    Silence,
    /// A message.
    Message(Parts),
}

/// The parts of an answer that are compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parts {
    /// The upper part of EDNS included.
    pub code: String,
    pub aa: bool,
    pub tc: bool,
    /// Opcode, RD, RA, AD, CD and Z, as in the header.
    pub header: u16,
    /// Whether the question came back octet by octet; `None`: no question.
    pub echoed: Option<bool>,
    /// DO, and the version.
    pub edns: Option<(bool, u8)>,
    /// Answer, authority, additional: each a set.
    pub sections: [BTreeSet<String>; 3],
}

impl Canonical {
    pub fn read(request: &[u8], reply: Option<&[u8]>) -> Canonical {
        let Some(reply) = reply else { return Canonical::Silence };
        assert_eq!(reply[..2], request[..2], "the id");
        assert!(reply[2] & 0x80 != 0, "QR");
        let header = u16::from_be_bytes([reply[2], reply[3]]);
        let name_end = reply[12..].iter().position(|octet| *octet == 0);
        let question = match reply[5] {
            0 => None,
            _ => name_end.map(|end| &reply[12..12 + end + 5]),
        };
        let mut at = question.map_or(12, |question| 12 + question.len());
        let mut edns = None;
        let mut upper = 0;
        let mut sections = [const { BTreeSet::new() }; 3];
        for (section, records) in sections.iter_mut().enumerate() {
            let count = u16::from_be_bytes([reply[6 + 2 * section], reply[7 + 2 * section]]);
            for _ in 0..count {
                let record = Record::read(reply, &mut at);
                if record.rtype == RecordType::OPT {
                    edns = Some((record.ttl & 0x8000 != 0, (record.ttl >> 16) as u8));
                    upper = (record.ttl >> 24) as u16;
                } else {
                    assert!(records.insert(record.to_string()), "twice in one section: {record}");
                }
            }
        }
        assert_eq!(at, reply.len(), "octets behind the message");
        Canonical::Message(Parts {
            code: code(upper << 4 | header & 15),
            aa: header & 0x0400 != 0,
            tc: header & 0x0200 != 0,
            header: header & 0x79f0,
            echoed: question.map(|question| request[12..].starts_with(question)),
            edns,
            sections,
        })
    }
}

fn code(code: u16) -> String {
    let names = ["noerror", "formerr", "servfail", "nxdomain", "notimp", "refused"];
    match names.get(usize::from(code)) {
        Some(name) => (*name).to_owned(),
        None if code == 16 => "badvers".to_owned(),
        None => format!("code {code}"),
    }
}

/// A record; names in lower case, since some servers keep the case of the
/// file and some do not, and without compression.
struct Record {
    owner: String,
    class: u16,
    ttl: u32,
    rtype: RecordType,
    data: String,
}

impl Record {
    fn read(message: &[u8], at: &mut usize) -> Record {
        let owner = name(message, at);
        let fixed = &message[*at..*at + 10];
        let rtype = RecordType(u16::from_be_bytes([fixed[0], fixed[1]]));
        let length = usize::from(u16::from_be_bytes([fixed[8], fixed[9]]));
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
        let hex = |octets: &[u8]| data_encoding::HEXLOWER.encode(octets);
        let mut data = hex(&message[*at..*at + before]);
        *at += before;
        for _ in 0..names {
            data += &format!(" {}", name(message, at));
        }
        data += &format!(" {}", hex(&message[*at..end]));
        *at = end;
        let class = u16::from_be_bytes([fixed[2], fixed[3]]);
        let ttl = u32::from_be_bytes([fixed[4], fixed[5], fixed[6], fixed[7]]);
        Record { owner, class, ttl, rtype, data: data.trim().to_owned() }
    }
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Record { owner, class, ttl, rtype, data } = self;
        write!(f, "{owner} {ttl} class{class} {rtype} {data}")
    }
}

/// A name, pointers followed.
fn name(message: &[u8], at: &mut usize) -> String {
    let mut labels = Vec::new();
    let mut here = *at;
    let mut after = None;
    loop {
        match usize::from(message[here]) {
            0 => break,
            length @ 1..=63 => {
                let label = &message[here + 1..=here + length];
                labels.push(String::from_utf8_lossy(label).to_ascii_lowercase());
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
    *at = after.unwrap_or(here + 1);
    labels.join(".") + "."
}

impl fmt::Display for Canonical {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Canonical::Message(parts) = self else { return f.write_str("silence") };
        write!(f, "{}", parts.code)?;
        for (set, flag) in [(parts.aa, " aa"), (parts.tc, " tc")] {
            f.write_str(if set { flag } else { "" })?;
        }
        write!(f, " header={:04x} echoed={:?} edns={:?}", parts.header, parts.echoed, parts.edns)?;
        for (section, records) in ["answer", "authority", "additional"].iter().zip(&parts.sections)
        {
            for record in records {
                write!(f, "\n      {section}: {record}")?;
            }
        }
        Ok(())
    }
}
