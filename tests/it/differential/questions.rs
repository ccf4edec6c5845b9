//! Questions made from the zones: every name, names above, below and beside
//! it, every type that matters, and messages that are odd in one way each.

use std::collections::BTreeSet;
use std::fmt;

use truename::model::Name;
use truename::wire::RecordType;
use truename::zone::Zone;

use crate::dice::Dice;

/// A request.
pub struct Asked {
    pub bytes: Vec<u8>,
    pub tcp: bool,
    /// What makes it odd, for messages that are no plain questions.
    pub odd: Option<&'static str>,
}

/// As a person would ask it, with the bytes for whoever wants to repeat it.
impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(odd) = self.odd {
            write!(f, "{odd}: ")?;
        }
        if let Some((name, rtype)) = self.question() {
            write!(f, "{name} {rtype} ")?;
        }
        let transport = if self.tcp { "tcp" } else { "udp" };
        write!(f, "{transport} {}", data_encoding::HEXLOWER.encode(&self.bytes))
    }
}

impl Asked {
    /// A plain question over UDP.
    pub fn plain(name: &[u8], rtype: u16) -> Asked {
        let mut bytes = vec![0x4a, 0x17, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        bytes.extend_from_slice(name);
        bytes.extend(rtype.to_be_bytes());
        bytes.extend([0, 1]);
        Asked { bytes, tcp: false, odd: None }
    }

    /// Name and type of a plain question.
    pub fn question(&self) -> Option<(Name, RecordType)> {
        let end = self.bytes.get(12..)?.iter().position(|octet| *octet == 0)? + 13;
        let name = Name::from_wire(&self.bytes[12..end]).ok()?;
        let rtype = self.bytes.get(end..end + 2)?;
        Some((name, RecordType(u16::from_be_bytes([rtype[0], rtype[1]]))))
    }

    fn with_edns(mut self, size: u16, flags: u32, options: &[u8]) -> Asked {
        self.bytes[11] += 1;
        self.bytes.extend([0, 0, 41]);
        self.bytes.extend(size.to_be_bytes());
        self.bytes.extend(flags.to_be_bytes());
        self.bytes.extend((options.len() as u16).to_be_bytes());
        self.bytes.extend(options);
        self
    }

    fn odd(mut self, odd: &'static str, change: impl FnOnce(&mut Vec<u8>)) -> Asked {
        self.odd = Some(odd);
        change(&mut self.bytes);
        self
    }
}

/// Types asked for at every name.
const TYPES: [RecordType; 19] = [
    RecordType::A,
    RecordType::NS,
    RecordType::CNAME,
    RecordType::SOA,
    RecordType::PTR,
    RecordType::HINFO,
    RecordType::MX,
    RecordType::TXT,
    RecordType::RP,
    RecordType::AAAA,
    RecordType::SRV,
    RecordType::NAPTR,
    RecordType::DS,
    RecordType::HTTPS,
    RecordType::CAA,
    RecordType::ANY,
    RecordType::DNSKEY,
    RecordType::URI,
    RecordType(65280),
];

/// Every question.
pub fn all(zones: &[Zone]) -> Vec<Asked> {
    let mut dice = Dice(0x7472_7565_6e61_6d65);
    let mut asked = Vec::new();
    for name in names(zones) {
        for rtype in TYPES {
            asked.push(plain(&name, rtype, &mut dice));
        }
    }
    asked.extend(odd());
    asked
}

/// The names of the zones, and some above, below and beside each.
fn names(zones: &[Zone]) -> BTreeSet<Name> {
    let mut names = BTreeSet::from(["test", "www.test", "xample", "."].map(|n| n.parse().unwrap()));
    for (owner, _) in zones.iter().flat_map(|zone| zone.rrsets()) {
        let labels = [&b"x"[..], b"*", b"ns", b"www", b"A"];
        names.extend(labels.iter().filter_map(|label| owner.child(label).ok()));
        names.extend(owner.child(b"b").and_then(|below| below.child(b"a")).ok());
        let mut above = Some(owner.clone());
        while let Some(name) = above {
            names.extend(name.parent().and_then(|parent| parent.child(b"beside").ok()));
            above = name.parent();
            names.insert(name);
        }
    }
    names
}

/// A question with a mixture of cases, flags, EDNS and transports.
fn plain(name: &Name, rtype: RecordType, dice: &mut Dice) -> Asked {
    let mut asked = Asked::plain(name.wire(), rtype.0);
    if dice.roll(3) == 0 {
        for octet in &mut asked.bytes[12..12 + name.wire().len()] {
            if dice.roll(2) == 0 && octet.is_ascii_lowercase() {
                *octet = octet.to_ascii_uppercase();
            }
        }
    }
    // RD, and sometimes AD or CD.
    asked.bytes[2] |= dice.roll(2) as u8;
    asked.bytes[3] |= [0, 0, 0, 0x20, 0x10][dice.roll(5)];
    asked.tcp = dice.roll(8) == 0;
    let dnssec_ok = if dice.roll(2) == 0 { 0x8000 } else { 0 };
    let cookie = b"\0\x0a\0\x08abcdefgh";
    match dice.roll(5) {
        0 | 1 => asked,
        2 => asked.with_edns([0, 300, 512, 1000][dice.roll(4)], dnssec_ok, &[]),
        3 => asked.with_edns(1232, dnssec_ok, &[]),
        // NSID is asked for and not given, the other one is nobody's.
        _ => asked.with_edns(
            4096,
            dnssec_ok,
            [&b"\0\x03\0\0"[..], b"\xff\xf0\0\x01x", cookie][dice.roll(2)],
        ),
    }
}

/// Messages that are odd in one way each.
fn odd() -> Vec<Asked> {
    let mail = || Asked::plain(b"\x04mail\x07example\0", 1);
    let opt = b"\0\0\x29\x04\xd0\0\0\0\0\0\0";
    let record = b"\x04mail\x07example\0\0\x01\0\x01\0\0\0\x3c\0\x04\xc0\0\x02\x01";
    let mut asked = vec![
        mail().odd("no question", |bytes| {
            bytes.truncate(12);
            bytes[5] = 0;
        }),
        mail().odd("two questions", |bytes| {
            bytes[5] = 2;
            bytes.extend_from_within(12..);
        }),
        mail().odd("a question announced and not there", |bytes| bytes.truncate(12)),
        mail().odd("a question cut in its name", |bytes| bytes.truncate(16)),
        mail().odd("a question cut in its type", |bytes| bytes.truncate(26)),
        mail().odd("a question cut in its class", |bytes| bytes.truncate(28)),
        mail().odd("octets behind the question", |bytes| bytes.extend(b"rubbish")),
        mail().odd("one octet behind the question", |bytes| bytes.push(0)),
        mail().odd("a label of 64 octets", |bytes| bytes[12] = 64),
        mail().odd("a label type of its own", |bytes| bytes[12] = 0x80),
        mail().odd("a name that points to itself", |bytes| {
            bytes.splice(12..26, [0xc0, 12]);
        }),
        mail().odd("a name that points into the header", |bytes| {
            bytes.splice(12..26, [0xc0, 4]);
        }),
        mail().odd("a name that points forward", |bytes| {
            bytes.splice(12..26, [0xc0, 18]);
            bytes.extend(b"\x07example\0");
        }),
        mail().odd("a name over 255 octets", |bytes| {
            bytes.splice(12..12, [&[63; 64][..]; 4].concat());
        }),
        mail().odd("a record announced and not there", |bytes| bytes[11] = 1),
        mail().odd("a record in the answer section", |bytes| {
            bytes[7] = 1;
            bytes.extend(record);
        }),
        mail().odd("a record in the authority section", |bytes| {
            bytes[9] = 1;
            bytes.extend(record);
        }),
        mail().odd("a record in the additional section", |bytes| {
            bytes[11] = 1;
            bytes.extend(record);
        }),
        mail().odd("two OPT records", |bytes| {
            bytes[11] = 2;
            bytes.extend(opt);
            bytes.extend(opt);
        }),
        mail().odd("an OPT record with a name", |bytes| {
            bytes[11] = 1;
            bytes.extend(b"\x01x");
            bytes.extend(opt);
        }),
        mail().odd("an OPT record in the answer section", |bytes| {
            bytes[7] = 1;
            bytes.extend(opt);
        }),
        mail().odd("an OPT record in the authority section", |bytes| {
            bytes[9] = 1;
            bytes.extend(opt);
        }),
        mail().odd("an OPT record and another", |bytes| {
            bytes[11] = 2;
            bytes.extend(opt);
            bytes.extend(record);
        }),
        mail().odd("another record and an OPT record", |bytes| {
            bytes[11] = 2;
            bytes.extend(record);
            bytes.extend(opt);
        }),
        mail().with_edns(1232, 0x0001_0000, &[]).odd("EDNS version 1", |_| {}),
        mail().with_edns(1232, 0x00ff_8000, &[]).odd("EDNS version 255 with DO", |_| {}),
        mail().with_edns(1232, 0x0100_0000, &[]).odd("EDNS with an upper code", |_| {}),
        mail().with_edns(1232, 0x0000_7fff, &[]).odd("EDNS with all other flags", |_| {}),
        mail().with_edns(1232, 0, &[0, 3, 0]).odd("an EDNS option cut short", |_| {}),
        mail()
            .with_edns(1232, 0, &[0, 3, 0, 9, 1])
            .odd("an EDNS option longer than its record", |_| {}),
        mail().odd("every flag a query can have", |bytes| {
            bytes[2] = 0x07;
            bytes[3] = 0xff;
        }),
        mail().odd("only a header", |bytes| bytes.truncate(12)),
        mail().odd("a response", |bytes| bytes[2] = 0x80),
        mail().odd("eleven octets", |bytes| bytes.truncate(11)),
        Asked::plain(b"\x07version\x04bind\0", 16).odd("version.bind", |bytes| chaos(bytes)),
        Asked::plain(b"\x02id\x06server\0", 16).odd("id.server", |bytes| chaos(bytes)),
        Asked::plain(b"\x05other\x04bind\0", 16).odd("other.bind", |bytes| chaos(bytes)),
    ];
    for opcode in [1u8, 2, 3, 6, 7, 15] {
        asked.push(mail().odd("an opcode nobody has", |bytes| bytes[2] = opcode << 3 | 1));
    }
    for class in [0u8, 2, 3, 4, 254, 255] {
        asked.push(mail().odd("another class", |bytes| *bytes.last_mut().unwrap() = class));
    }
    for rtype in [0u16, 3, 4, 41, 128, 200, 248, 249, 250, 253, 254, 65535] {
        for name in [&b"\x04mail\x07example\0"[..], b"\x02no\x07example\0", b"\x04test\0"] {
            asked.push(Asked::plain(name, rtype).odd("a type that is no data", |_| {}));
        }
    }
    let over_tcp = asked.iter().filter(|asked| asked.odd != Some("a response"));
    let over_tcp: Vec<Asked> = over_tcp
        .map(|asked| Asked { bytes: asked.bytes.clone(), tcp: true, odd: asked.odd })
        .collect();
    asked.extend(over_tcp);
    asked
}

fn chaos(bytes: &mut [u8]) {
    *bytes.last_mut().unwrap() = 3;
}
