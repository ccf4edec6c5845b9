//! The questions of the table, from words to octets.
//!
//! | words | what is sent |
//! |---|---|
//! | `NAME TYPE` | one question; the name's case is kept; `-` for no question |
//! | `class=N` `opcode=N` `+rd` … | class (`IN`), operation, header flags `qr aa tc rd ra z ad cd` |
//! | `second=NAME,TYPE` | another question |
//! | `rr=SECTION:NAME,TYPE,CLASS,HEX` | a record in `an`, `ns` or `ar` |
//! | `tsig` | a signature by a key that nobody has |
//! | `edns[=SIZE]` `version=N` `+do` `ednsflags=HEX` `option=CODE:HEX` | an OPT record |
//! | `nsid` `keepalive` `cookie=HEX` `cookie=SERVER` `rawoptions=HEX` | options; the cookie that a server gave; octets in their place |
//! | `optname=NAME` `opt=SECTION` `opttwice` | an OPT record where none belongs |
//! | `qd=N` `an=N` `ns=N` `ar=N` | counts that are not true |
//! | `cut=N` `trail=HEX` | the last octets left out, others behind the message |
//! | `octets=HEX` | these octets alone, behind an id |
//! | `made=AGE[,WHAT]` | a cookie option by the secret that all share, AGE seconds old, right but for WHAT: `version`, `reserved` octets that are not 0, `elsewhere` (another address), `secret` |
//! | `ercode=N` | the upper part of a response code in the OPT record |
//! | `tcp` `bytewise` `after-nothing` `half-closed` | over a stream: in one piece, octet by octet, behind a message of no octets, and nothing to follow |
//! | `times=N` `between` | the same so often in one go; between two plain questions |

use std::collections::BTreeMap;
use std::hash::Hasher;

use siphasher::sip::SipHasher24;
use truename::wire::RecordType;

/// How a message travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Udp,
    Tcp,
    Octets,
    AfterNothing,
    HalfClosed,
}

/// A question of the table.
pub struct Question {
    way: Way,
    times: u16,
    /// Whether there are plain questions around it.
    between: bool,
    /// Everything but the id.
    octets: Vec<u8>,
}

/// The most messages of a question.
pub const MOST: u16 = 32;

/// A question that everybody answers.
const PLAIN: &[u8] = b"\0\0\0\x01\0\0\0\0\0\0\x03ns1\x07example\0\0\x01\0\x01";

/// With ids.
pub struct Asked {
    pub way: Way,
    pub messages: Vec<Vec<u8>>,
}

impl Question {
    pub fn parse(text: &str, cookies: &BTreeMap<&str, Vec<u8>>) -> Question {
        let mut words = text.split_whitespace().peekable();
        let (mut message, mut whole) = (Message::default(), None);
        let (mut way, mut times, mut between) = (Way::Udp, 1, false);
        if words.peek().is_some_and(|word| !word.starts_with("octets=")) {
            let name = words.next().unwrap();
            if name != "-" {
                let rtype = number_of(words.next().unwrap());
                message.questions.push((wire(name), rtype, 1));
            }
        }
        for word in words {
            match word.split_once('=').unwrap_or((word, "")) {
                ("tcp", _) => way = Way::Tcp,
                ("bytewise", _) => way = Way::Octets,
                ("times", count) => times = count.parse().unwrap(),
                ("between", _) => between = true,
                ("after-nothing", _) => way = Way::AfterNothing,
                ("half-closed", _) => way = Way::HalfClosed,
                ("octets", hex) => whole = Some(octets(hex)),
                (word, value) => message.take(word, value, cookies),
            }
        }
        assert!(times + 2 <= MOST);
        if way == Way::Udp && (times > 1 || between) {
            way = Way::Tcp;
        }
        let octets = whole.unwrap_or_else(|| message.octets());
        Question { way, times, between, octets }
    }

    /// With ids from this one on, [`MOST`] at most.
    pub fn in_message(&self, id: u16) -> Asked {
        let around = self.between.then_some(PLAIN);
        let own = std::iter::repeat_n(&self.octets[..], self.times.into());
        let messages = around.into_iter().chain(own).chain(around).zip(id..);
        let with = |(octets, id): (&[u8], u16)| {
            // What is shorter than an id is sent as it is.
            let id = if octets.is_empty() { vec![] } else { id.to_be_bytes().to_vec() };
            [&id, octets].concat()
        };
        Asked { way: self.way, messages: messages.map(with).collect() }
    }
}

/// A cookie as RFC 9018 §4 has it made, for a client at 127.0.0.1.
fn made(age: i64, but_for: Option<&str>) -> Vec<u8> {
    assert!(but_for.is_none_or(|it| ["version", "reserved", "elsewhere", "secret"].contains(&it)));
    let when = (super::wall_second() as i64 - age) as u32;
    let mut secret = octets(super::IDENTITY.cookie_secret);
    if but_for == Some("secret") {
        secret[0] ^= 1;
    }
    let version = if but_for == Some("version") { 2 } else { 1 };
    let reserved = if but_for == Some("reserved") { 7 } else { 0 };
    let mut cookie = b"client's".to_vec();
    cookie.extend([version, reserved, 0, 0]);
    cookie.extend(when.to_be_bytes());
    let mut hasher = SipHasher24::new_with_key(secret[..].try_into().unwrap());
    hasher.write(&cookie);
    hasher.write(&[127, 0, 0, if but_for == Some("elsewhere") { 2 } else { 1 }]);
    cookie.extend(hasher.finish().to_le_bytes());
    cookie
}

#[derive(Default)]
struct Message {
    flags: u16,
    questions: Vec<(Vec<u8>, u16, u16)>,
    /// Answer, authority, additional.
    records: [Vec<Vec<u8>>; 3],
    edns: Option<Edns>,
    counts: [Option<u16>; 4],
    cut: usize,
    trail: Vec<u8>,
}

struct Edns {
    name: Vec<u8>,
    size: u16,
    code: u8,
    version: u8,
    flags: u16,
    options: Vec<u8>,
    section: usize,
    twice: bool,
}

impl Message {
    fn edns(&mut self) -> &mut Edns {
        self.edns.get_or_insert(Edns {
            name: vec![0],
            size: 1232,
            code: 0,
            version: 0,
            flags: 0,
            options: vec![],
            section: 2,
            twice: false,
        })
    }

    fn option(&mut self, code: u16, holds: &[u8]) {
        let options = &mut self.edns().options;
        options.extend(code.to_be_bytes());
        options.extend((holds.len() as u16).to_be_bytes());
        options.extend(holds);
    }

    fn take(&mut self, word: &str, value: &str, cookies: &BTreeMap<&str, Vec<u8>>) {
        let number = || value.parse::<u16>().unwrap_or_else(|_| panic!("{word}={value}"));
        let flags = ["+qr", "+aa", "+tc", "+rd", "+ra", "+z", "+ad", "+cd"];
        let bits = [15, 10, 9, 8, 7, 6, 5, 4];
        match word {
            "class" => self.questions[0].2 = number(),
            "opcode" => self.flags |= number() << 11,
            "second" => {
                let (name, rtype) = value.split_once(',').unwrap();
                self.questions.push((wire(name), number_of(rtype), 1));
            }
            "rr" => {
                let (section, record) = value.split_once(':').unwrap();
                let parts: Vec<&str> = record.split(',').collect();
                let [name, rtype, class, data] = parts[..] else { panic!("{word}={value}") };
                self.record(section, name, number_of(rtype), class.parse().unwrap(), &octets(data));
            }
            "tsig" => {
                // hmac-sha256, a time, 300 s, no MAC, an id, no error.
                let data = "0b686d61632d73686132353600000065000000012c0000123400000000";
                self.record("ar", "nobody.", 250, 255, &octets(data));
            }
            "edns" if value.is_empty() => drop(self.edns()),
            "edns" => self.edns().size = number(),
            "version" => self.edns().version = value.parse().unwrap(),
            "ercode" => self.edns().code = value.parse().unwrap(),
            "+do" => self.edns().flags |= 0x8000,
            "ednsflags" => self.edns().flags |= u16::from_str_radix(value, 16).unwrap(),
            "option" => {
                let (code, holds) = value.split_once(':').unwrap();
                self.option(code.parse().unwrap(), &octets(holds));
            }
            "rawoptions" => self.edns().options.extend(octets(value)),
            "nsid" => self.option(3, &[]),
            "keepalive" => self.option(11, &[]),
            "cookie" => {
                let given = cookies.get(value).cloned();
                self.option(10, &given.unwrap_or_else(|| octets(value)));
            }
            "made" => {
                let (age, but_for) = value.split_once(',').unzip();
                let cookie = made(age.unwrap_or(value).parse().unwrap(), but_for);
                self.option(10, &cookie);
            }
            "optname" => self.edns().name = wire(value),
            "opt" => self.edns().section = section_of(value),
            "opttwice" => self.edns().twice = true,
            "qd" => self.counts[0] = Some(number()),
            "an" => self.counts[1] = Some(number()),
            "ns" => self.counts[2] = Some(number()),
            "ar" => self.counts[3] = Some(number()),
            "cut" => self.cut = number().into(),
            "trail" => self.trail = octets(value),
            _ => {
                let at = flags.iter().position(|flag| *flag == word);
                let at = at.unwrap_or_else(|| panic!("no such word: {word}"));
                self.flags |= 1 << bits[at];
            }
        }
    }

    fn record(&mut self, section: &str, name: &str, rtype: u16, class: u16, data: &[u8]) {
        let mut record = wire(name);
        record.extend(rtype.to_be_bytes());
        record.extend(class.to_be_bytes());
        record.extend([0; 4]);
        record.extend((data.len() as u16).to_be_bytes());
        record.extend(data);
        self.records[section_of(section)].push(record);
    }

    fn octets(mut self) -> Vec<u8> {
        if let Some(edns) = self.edns {
            let mut opt = edns.name;
            opt.extend([0, 41]);
            opt.extend(edns.size.to_be_bytes());
            opt.extend([edns.code, edns.version]);
            opt.extend(edns.flags.to_be_bytes());
            opt.extend((edns.options.len() as u16).to_be_bytes());
            opt.extend(edns.options);
            // A signature is the last.
            let section = &mut self.records[edns.section];
            for _ in 0..=usize::from(edns.twice) {
                section.insert(0, opt.clone());
            }
        }
        let counts = [
            self.questions.len(),
            self.records[0].len(),
            self.records[1].len(),
            self.records[2].len(),
        ];
        let mut octets = self.flags.to_be_bytes().to_vec();
        for (count, said) in counts.into_iter().zip(self.counts) {
            octets.extend(said.unwrap_or(count as u16).to_be_bytes());
        }
        for (name, rtype, class) in self.questions {
            octets.extend(name);
            octets.extend(rtype.to_be_bytes());
            octets.extend(class.to_be_bytes());
        }
        octets.extend(self.records.concat().concat());
        octets.truncate(octets.len() - self.cut);
        octets.extend(self.trail);
        octets
    }
}

fn section_of(name: &str) -> usize {
    ["an", "ns", "ar"].iter().position(|section| *section == name).expect("a section")
}

fn octets(hex: &str) -> Vec<u8> {
    data_encoding::HEXLOWER.decode(hex.as_bytes()).unwrap_or_else(|why| panic!("{hex}: {why}"))
}

/// A type by its name or number.
fn number_of(text: &str) -> u16 {
    match text.parse::<u16>() {
        Ok(number) => number,
        Err(_) => text.parse::<RecordType>().unwrap_or_else(|why| panic!("{text}: {why}")).0,
    }
}

/// A name as it is written, however long: `63*x` is a label of 63 of these.
fn wire(text: &str) -> Vec<u8> {
    let mut wire = Vec::new();
    for label in text.split('.').filter(|label| !label.is_empty()) {
        let label = match label.split_once('*') {
            Some((count, what)) if !count.is_empty() => what.repeat(count.parse().unwrap()),
            _ => label.to_owned(),
        };
        wire.push(label.len() as u8);
        wire.extend(label.as_bytes());
    }
    wire.push(0);
    wire
}
