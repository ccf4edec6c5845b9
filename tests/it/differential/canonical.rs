//! A message as text that two servers can agree on.

use std::collections::BTreeSet;
use std::fmt;

use truename::model::Name;
use truename::wire::RecordType;

use crate::parsed::{Record, parsed};

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
        let message = parsed(reply);
        let mut edns = None;
        let mut upper = 0;
        let mut sections = [const { BTreeSet::new() }; 3];
        for (section, records) in sections.iter_mut().zip(&message.sections) {
            for record in records {
                if record.rtype == RecordType::OPT {
                    edns = Some((record.ttl & 0x8000 != 0, (record.ttl >> 16) as u8));
                    upper = (record.ttl >> 24) as u16;
                } else {
                    let text = text(record);
                    assert!(section.insert(text.clone()), "twice in one section: {text}");
                }
            }
        }
        Canonical::Message(Parts {
            code: code(upper << 4 | header & 15),
            aa: header & 0x0400 != 0,
            tc: header & 0x0200 != 0,
            header: header & 0x79f0,
            echoed: message.question.map(|question| request[12..].starts_with(&question)),
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

/// A record as a line. Names are in lower case: some servers keep the case of
/// the file, some do not.
fn text(record: &Record) -> String {
    let Record { owner, ttl, class, rtype, data } = record;
    let data = match *rtype {
        RecordType::NS | RecordType::CNAME | RecordType::PTR => {
            Name::from_wire(data).unwrap().to_string()
        }
        _ => data_encoding::HEXLOWER.encode(data),
    };
    format!("{owner} {ttl} class{class} {rtype} {data}")
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
