//! Messages as text lines say them, octet by octet, and their signatures by
//! hand.

use std::path::Path;

use truename::model::{Name, RecordType};
use truename::tsig::{self, Algorithm, Tsig};
use truename::zone::Zone;

/// Where names without a dot at their end are.
pub const ORIGIN: &str = "dyn.example.";

/// A request being made.
#[derive(Clone, Default)]
pub struct Message {
    pub opcode: u8,
    /// Each a name, a type, a class.
    pub questions: Vec<(Name, RecordType, u16)>,
    /// Prerequisites and updates, each a record in wire form.
    pub sections: [Vec<Vec<u8>>; 2],
    /// The version of an OPT record.
    pub edns: Option<u8>,
    pub id: u16,
}

impl Message {
    pub fn octets(&self) -> Vec<u8> {
        let count = |count: usize| (count as u16).to_be_bytes();
        let mut octets = self.id.to_be_bytes().to_vec();
        octets.extend([self.opcode << 3, 0]);
        octets.extend(count(self.questions.len()));
        self.sections.iter().for_each(|section| octets.extend(count(section.len())));
        octets.extend(count(self.edns.iter().count()));
        for (name, rtype, class) in &self.questions {
            octets.extend_from_slice(name.wire());
            octets.extend(rtype.0.to_be_bytes());
            octets.extend(class.to_be_bytes());
        }
        self.sections.iter().flatten().for_each(|record| octets.extend_from_slice(record));
        if let Some(version) = self.edns {
            octets.extend([0, 0, 41, 4, 208, 0, version, 0, 0, 0, 0]);
        }
        octets
    }

    /// Takes a line of an update; tests/updates/README.md lists them.
    pub fn take(&mut self, line: &str) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (section, record) = match *words.as_slice() {
            ["in-use", name] => (0, record(name, RecordType::ANY, ANY, 0, &[])),
            ["not-in-use", name] => (0, record(name, RecordType::ANY, NONE, 0, &[])),
            ["has", name, kind] => (0, record(name, rtype(kind), ANY, 0, &[])),
            ["has-not", name, kind] => (0, record(name, rtype(kind), NONE, 0, &[])),
            ["is", name, kind, ..] => {
                (0, record(name, rtype(kind), IN, 0, &data(kind, after(line, 3))))
            }
            ["add", name, ttl, kind, ..] => {
                let ttl = ttl.parse().unwrap();
                (1, record(name, rtype(kind), IN, ttl, &data(kind, after(line, 4))))
            }
            ["remove", name] => (1, record(name, RecordType::ANY, ANY, 0, &[])),
            ["remove", name, kind] => (1, record(name, rtype(kind), ANY, 0, &[])),
            ["remove", name, kind, ..] => {
                (1, record(name, rtype(kind), NONE, 0, &data(kind, after(line, 3))))
            }
            ["raw", section, name, class, ttl, kind, ref hex @ ..] => {
                let section = ["prerequisite", "update"].iter().position(|word| *word == section);
                let class = match class {
                    "IN" => IN,
                    "CH" => 3,
                    "NONE" => NONE,
                    "ANY" => ANY,
                    other => other.parse().unwrap(),
                };
                let octets = data_encoding::HEXLOWER.decode(hex.concat().as_bytes()).unwrap();
                let ttl = ttl.parse().unwrap();
                (section.expect("a section"), record(name, rtype(kind), class, ttl, &octets))
            }
            _ => panic!("no such line: {line}"),
        };
        self.sections[section].push(record);
    }
}

const IN: u16 = 1;
const NONE: u16 = 254;
const ANY: u16 = 255;

/// What is left of a line after so many words.
fn after(line: &str, words: usize) -> &str {
    (0..words).fold(line.trim(), |rest, _| {
        rest.split_once(char::is_whitespace).map_or("", |(_, rest)| rest.trim_start())
    })
}

pub fn rtype(text: &str) -> RecordType {
    text.parse().unwrap_or_else(|_| panic!("{text}"))
}

/// `@`, a name below the origin, or one that ends in a dot. Case stays.
pub fn wire_name(text: &str) -> Vec<u8> {
    let text = match text {
        "@" => ORIGIN.to_owned(),
        _ if text.ends_with('.') => text.to_owned(),
        _ => format!("{text}.{ORIGIN}"),
    };
    let mut wire = Vec::new();
    for label in text.split('.').filter(|label| !label.is_empty()) {
        wire.push(label.len() as u8);
        wire.extend_from_slice(label.as_bytes());
    }
    wire.push(0);
    wire
}

fn record(name: &str, rtype: RecordType, class: u16, ttl: u32, data: &[u8]) -> Vec<u8> {
    let mut record = wire_name(name);
    record.extend(rtype.0.to_be_bytes());
    record.extend(class.to_be_bytes());
    record.extend(ttl.to_be_bytes());
    record.extend((data.len() as u16).to_be_bytes());
    record.extend_from_slice(data);
    record
}

/// Data as zone files have them.
fn data(kind: &str, text: &str) -> Vec<u8> {
    let zone = format!(
        "$ORIGIN {ORIGIN}\n$TTL 60\n@ SOA a b 1 1 1 1 1\n@ NS a\na A 192.0.2.1\nx {kind} {text}\n"
    );
    let zone = Zone::parse(&zone, Path::new("x.zone")).unwrap_or_else(|error| panic!("{error}"));
    let name: Name = format!("x.{ORIGIN}").parse().unwrap();
    let found = zone.rrsets().find(|(owner, _)| **owner == name);
    found.expect("it was added").1.rdata[0].to_vec()
}

/// Adds an OPT record that says 1232 octets and has a cookie.
pub fn with_cookie(request: &mut Vec<u8>, cookie: &[u8]) {
    request[11] += 1;
    request.extend([0, 0, 41, 0x04, 0xd0, 0, 0, 0, 0, 0, 4 + cookie.len() as u8]);
    request.extend([0, 10, 0, cookie.len() as u8]);
    request.extend_from_slice(cookie);
}

/// A key as the client has it.
#[derive(Clone)]
pub struct Key {
    pub name: String,
    pub secret: Vec<u8>,
}

impl Key {
    /// Signs a request; the MAC with its length, which the answer's is over.
    pub fn sign(&self, message: &mut Vec<u8>, now: u64) -> Vec<u8> {
        let mut record = Tsig {
            key: self.name.parse().unwrap(),
            algorithm: "hmac-sha256".parse().unwrap(),
            time: now,
            fudge: 300,
            mac: Vec::new(),
            original_id: u16::from_be_bytes([message[0], message[1]]),
            error: 0,
            other: Vec::new(),
            start: message.len(),
        };
        let signed = [&message[..], &self.variables(&record)].concat();
        record.mac = Algorithm::HmacSha256.mac(&self.secret, &[&signed]);
        record.append(message);
        [&(record.mac.len() as u16).to_be_bytes(), &record.mac[..]].concat()
    }

    /// The signature of an answer, which must be good.
    pub fn check(&self, answer: &[u8], request_mac: &[u8]) -> Tsig {
        let tsig = tsig::find(answer).unwrap().expect("the answer is signed");
        let mut before = tsig.stripped(answer);
        before[..2].copy_from_slice(&tsig.original_id.to_be_bytes());
        let signed = [request_mac, &before, &self.variables(&tsig)].concat();
        let mac = Algorithm::HmacSha256.mac(&self.secret, &[&signed]);
        assert_eq!(tsig.mac, mac, "the signature of {answer:02x?}");
        tsig
    }

    fn variables(&self, record: &Tsig) -> Vec<u8> {
        let mut octets = wire_name(&format!("{}.", self.name));
        octets.extend([0, 255, 0, 0, 0, 0]);
        octets.extend_from_slice(b"\x0bhmac-sha256\0");
        octets.extend(&record.time.to_be_bytes()[2..]);
        octets.extend(record.fudge.to_be_bytes());
        octets.extend(record.error.to_be_bytes());
        octets.extend((record.other.len() as u16).to_be_bytes());
        octets.extend_from_slice(&record.other);
        octets
    }
}
