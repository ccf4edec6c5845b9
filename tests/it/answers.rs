//! Answer tables, one topic or RFC section a file: `tests/answers/*.txt`. The
//! head of a file is a zone (lines with two blanks before them; `zone` begins
//! another one) and hosts; then `> name type [flags]` asks, and the message
//! stands below. `UPDATE=1` writes down what was seen: read the diff.
//!
//! | line | what it is |
//! |---|---|
//! | `zone FILE` + indented lines | a zone file |
//! | `host NAME TTL ADDRESS… [wildcard]` | a host that is present |
//! | `gone NAME` | a host that is not present any more |
//! | `identity VERSION ID` | what CHAOS questions are told |
//! | `cookies SECRET…` | the secrets of server cookies |
//! | `> NAME TYPE [class=CH] [+edns[=SIZE]] [+do] [+tcp] [+rd] [version=N]` | a question |
//! | … `[+nsid] [+keepalive] [cookie=HEX] [option=CODE:HEX]` | with these options |
//! | … `[from=ADDRESS] [at=SECONDS]` | from there, at that moment |
//!
//! Where there are cookies, who has none gets 512 octets over UDP.

mod book;

use std::fmt::Write as _;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query};
use hickory_proto::rr::rdata::opt::EdnsOption;
use hickory_proto::rr::{DNSClass, Name, Record, RecordType};
use truename::answer::{Client, CookieSecrets, Cookies, Meta, Verdict, answer};
use truename::model::{Addresses, Moment, Serial};
use truename::zone::{Identity, Snapshot, Zone};

use crate::parsed::parsed;

#[test]
fn answer_tables() {
    let update = std::env::var_os("UPDATE").is_some();
    let mut failed = Vec::new();
    for file in files() {
        let table = std::fs::read_to_string(&file).unwrap();
        let seen = play(&table);
        if seen != table && update {
            std::fs::write(&file, &seen).unwrap();
        } else if seen != table {
            failed.push(format!("{} saw:\n{seen}", file.display()));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
}

/// An answer of exactly what the client takes is whole; of one octet more it
/// is cut.
#[test]
fn sizes_to_the_octet() {
    // Header, question, a TXT record up to its data; an OPT record.
    let around = 12 + (11 + 4) + 12;
    for (edns, size) in [(None, 512), (Some(1000), 1000), (Some(1232), 1232), (Some(9000), 1232)] {
        let room = size - around - if edns.is_some() { 11 } else { 0 };
        for more in [0, 1] {
            // Strings of 200 octets and what is left.
            let mut left = room + more;
            let mut text = String::from("@ 60 SOA a. b. 1 1 1 1 1\n@ 60 NS a.\nt 60 TXT");
            while left > 0 {
                let part = if left <= 202 { left } else { 201 };
                text += &format!(" {}", "x".repeat(part - 1));
                left -= part;
            }
            let zone = Zone::parse(&text, Path::new("example.zone")).unwrap();
            let snapshot = Snapshot::new(&[(&zone, Serial(1))], Identity::default());
            let mut message = Message::new(4711, MessageType::Query, OpCode::Query);
            message
                .add_query(Query::query(Name::from_ascii("t.example.").unwrap(), RecordType::TXT));
            message.edns = edns.map(|size| {
                let mut edns = Edns::new();
                edns.set_max_payload(size);
                edns
            });
            let mut out = Vec::new();
            let verdict = answer(&snapshot, &message.to_vec().unwrap(), &Meta::UDP, &mut out);
            assert_eq!(verdict, Verdict::Sent);
            let cut = out[2] & 2 != 0;
            assert_eq!(
                (cut, cut || out.len() == size),
                (more == 1, true),
                "{edns:?} {}",
                out.len()
            );
        }
    }
}

/// What stands in the message already is not written out again: an answer is
/// worth as little as can be to somebody who asks in another's name.
#[test]
fn names_of_the_zone_end_in_a_pointer() {
    let text = "@ 60 SOA ns1 hostmaster 1 1 1 1 1\n@ 60 NS ns1\n@ 60 NS ns.elsewhere.test.\n\
        @ 60 MX 10 mail\n@ 60 MX 20 @\nns1 60 A 192.0.2.1\nmail 60 TXT \"a longer one\" \"and more\"\n\
        mail 60 AAAA 2001:db8::1\nmail 60 PTR ns1\n";
    let zone = Zone::parse(text, Path::new("dyn.example.zone")).unwrap();
    let snapshot = Snapshot::new(&[(&zone, Serial(1))], Identity::default());
    // Octets around a record's data.
    let record = 12;
    let soa = record + (4 + 2) + (11 + 2) + 20;
    for (name, kind, octets) in [
        ("dyn.example.", RecordType::NS, record + 4 + 2 + record + 19),
        ("dyn.example.", RecordType::MX, record + 2 + 5 + 2 + record + 2 + 2),
        ("dyn.example.", RecordType::SOA, soa),
        ("dyn.example.", RecordType::ANY, 2 * record + 2 + 5 + 2 + 2 + 2),
        ("mail.dyn.example.", RecordType::PTR, record + 4 + 2),
        // The address: sets are compared by what they are written out.
        ("mail.dyn.example.", RecordType::ANY, record + 16),
        ("mail.dyn.example.", RecordType::MX, soa),
        ("no.mail.dyn.example.", RecordType::A, soa),
    ] {
        let mut message = Message::new(4711, MessageType::Query, OpCode::Query);
        message.add_query(Query::query(Name::from_ascii(name).unwrap(), kind));
        let question = message.to_vec().unwrap();
        let mut out = Vec::new();
        assert_eq!(answer(&snapshot, &question, &Meta::UDP, &mut out), Verdict::Sent);
        assert_eq!(out.len() - question.len(), octets, "{name} {kind}");
        let answer = Message::from_vec(&out).unwrap();
        let names = format!("{answer}");
        assert!(!names.contains("dyn.example.dyn.example"), "{names}");
    }
}

/// What a table's head says there is.
#[derive(Default)]
struct Setting {
    zones: Vec<(String, String)>,
    identity: Identity,
    cookies: Option<Cookies>,
    hosts: Vec<String>,
}

impl Setting {
    /// Takes a line; whether it is one of the head's.
    fn take(&mut self, line: &str) -> bool {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            [] => {}
            [prose, ..] if prose.starts_with('#') => {}
            _ if line.starts_with("  ") => {
                let zone = self.zones.last_mut().expect("`zone FILE` comes first");
                writeln!(zone.1, "{}", &line[2..]).unwrap();
            }
            ["zone", file] => self.zones.push(((*file).to_owned(), String::new())),
            ["identity", version, id] => {
                self.identity =
                    Identity { version: Some((*version).to_owned()), id: Some((*id).to_owned()) };
            }
            ["cookies", secrets @ ..] => {
                let secrets = CookieSecrets::parse(&secrets.join("\n")).unwrap();
                self.cookies = Some(Cookies::new(secrets));
            }
            ["host" | "gone", ..] => self.hosts.push(line.to_owned()),
            _ => return false,
        }
        true
    }

    fn build(&self) -> Snapshot {
        build(&self.zones, &self.identity, &self.hosts)
    }
}

/// Of every table without cookies, what it asks from and the questions it
/// asks. (Where there are cookies, the answer depends on who asks and when.)
pub fn tables() -> Vec<(Snapshot, Vec<Vec<u8>>)> {
    let read = |file: PathBuf| {
        let table = std::fs::read_to_string(file).unwrap();
        let mut setting = Setting::default();
        let head = table.lines().take_while(|line| !line.starts_with("> "));
        head.for_each(|line| assert!(setting.take(line), "{line}"));
        let questions = table.lines().filter_map(|line| line.strip_prefix("> "));
        let served = setting.cookies.is_none().then(|| setting.build());
        served
            .map(|snapshot| (snapshot, questions.map(|question| request(question).bytes).collect()))
    };
    files().into_iter().filter_map(read).collect()
}

fn files() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/answers");
    let mut files: Vec<_> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "txt"))
        .collect();
    files.sort();
    assert!(files.len() >= 10, "the answer tables are gone");
    files
}

/// The table with what was answered in place of what stood there.
fn play(table: &str) -> String {
    let mut setting = Setting::default();
    let mut snapshot = None;
    let mut seen = String::new();
    for line in table.lines() {
        if let Some(question) = line.strip_prefix("> ") {
            let snapshot = snapshot.get_or_insert_with(|| setting.build());
            let asked = asked(snapshot, setting.cookies.as_ref(), question);
            writeln!(seen, "{line}\n{asked}").unwrap();
            continue;
        }
        // Below a question is what was answered last time.
        let answered = line.starts_with("  ") && snapshot.is_some();
        if !answered && setting.take(line) {
            writeln!(seen, "{line}").unwrap();
        }
    }
    seen
}

fn build(zones: &[(String, String)], identity: &Identity, hosts: &[String]) -> Snapshot {
    let zones: Vec<Zone> = zones
        .iter()
        .map(|(file, text)| Zone::parse(text, Path::new(file)).unwrap_or_else(|e| panic!("{e}")))
        .collect();
    let served: Vec<(&Zone, Serial)> = zones.iter().map(|z| (z, z.file_serial())).collect();
    let mut snapshot = Snapshot::new(&served, identity.clone());
    for line in hosts {
        let words: Vec<&str> = line.split_whitespace().collect();
        let name = words[1].parse().unwrap();
        let mut addresses = Addresses::NONE;
        let ttl = words.get(2).map_or(60, |ttl| ttl.parse().unwrap());
        for word in words.iter().skip(3).filter(|word| **word != "wildcard") {
            let address: Addresses = word.parse::<std::net::IpAddr>().unwrap().into();
            addresses.v4 = address.v4.or(addresses.v4);
            addresses.v6 = address.v6.or(addresses.v6);
        }
        snapshot.set_host(&name, addresses, ttl, words.contains(&"wildcard"));
    }
    snapshot
}

fn asked(snapshot: &Snapshot, cookies: Option<&Cookies>, question: &str) -> String {
    let Request { bytes, meta, from, now } = request(question);
    let meta = match cookies {
        Some(cookies) => Meta {
            unverified_size: 512,
            idle: meta.stream.then_some(100),
            client: Some(Client { address: from, now, cookies }),
            ..meta
        },
        None => meta,
    };
    let mut out = Vec::new();
    match answer(snapshot, &bytes, &meta, &mut out) {
        Verdict::Sent => shown(&bytes, &out),
        other => format!("{other:?}"),
    }
}

/// A question of a table.
struct Request {
    bytes: Vec<u8>,
    meta: Meta<'static>,
    from: IpAddr,
    now: Moment,
}

/// A question of a table as a message, and how it is sent.
fn request(question: &str) -> Request {
    let mut words = question.split_whitespace();
    let name = Name::from_ascii(words.next().unwrap()).unwrap();
    let kind = words.next().unwrap();
    let kind = match kind.strip_prefix("TYPE").map(str::parse::<u16>) {
        Some(Ok(number)) => RecordType::from(number),
        _ => kind.parse::<RecordType>().unwrap(),
    };
    let mut message = Message::new(4711, MessageType::Query, OpCode::Query);
    let mut query = Query::query(name, kind);
    let mut meta = Meta::UDP;
    let mut edns: Option<Edns> = None;
    let mut from = IpAddr::from([192, 0, 2, 100]);
    let mut now = Moment::default();
    let option = |edns: &mut Option<Edns>, code: u16, hex: &str| {
        let data = data_encoding::HEXLOWER.decode(hex.as_bytes()).unwrap();
        let options = edns.get_or_insert_default().options_mut();
        options.insert(EdnsOption::Unknown(code, data));
    };
    for word in words {
        match word.split_once('=').unwrap_or((word, "")) {
            ("class", "CH") => {
                query.set_query_class(DNSClass::CH);
            }
            ("class", "HS") => {
                query.set_query_class(DNSClass::HS);
            }
            ("+tcp", _) => meta = Meta::TCP,
            ("+rd", _) => message.metadata.recursion_desired = true,
            ("+edns", size) => {
                let edns = edns.get_or_insert_default();
                edns.set_max_payload(size.parse().unwrap_or(1232));
            }
            ("+do", _) => {
                edns.get_or_insert_default().set_dnssec_ok(true);
            }
            ("version", version) => {
                edns.get_or_insert_default().set_version(version.parse().unwrap());
            }
            ("+nsid", _) => option(&mut edns, 3, ""),
            ("+keepalive", _) => option(&mut edns, 11, ""),
            ("cookie", cookie) => option(&mut edns, 10, cookie),
            ("option", given) => {
                let (code, hex) = given.split_once(':').unwrap();
                option(&mut edns, code.parse().unwrap(), hex);
            }
            ("from", address) => from = address.parse().unwrap(),
            ("at", seconds) => now.wall = seconds.parse().unwrap(),
            _ => panic!("no such flag: {word}"),
        }
    }
    message.add_query(query);
    message.edns = edns;
    Request { bytes: message.to_vec().unwrap(), meta, from, now }
}

/// A message as text: code and flags, then the records of each section.
fn shown(request: &[u8], bytes: &[u8]) -> String {
    let message = Message::from_vec(bytes).unwrap();
    assert_eq!(bytes[..2], request[..2], "the id");
    let meta = &message.metadata;
    let mut text = format!("{:?}", meta.response_code).to_lowercase();
    for (set, flag) in [
        (meta.authoritative, "aa"),
        (meta.truncation, "tc"),
        (meta.recursion_desired, "rd"),
        (meta.recursion_available, "ra"),
        (meta.authentic_data, "ad"),
        (meta.checking_disabled, "cd"),
    ] {
        if set {
            write!(text, " {flag}").unwrap();
        }
    }
    if let Some(edns) = &message.edns {
        let dnssec = if edns.flags().dnssec_ok { " do" } else { "" };
        write!(text, " edns={}{dnssec}", edns.max_payload()).unwrap();
    }
    text += &options(bytes);
    for (section, records) in [
        ("answer", &message.answers),
        ("authority", &message.authorities),
        ("additional", &message.additionals),
    ] {
        let mut lines: Vec<String> = records.iter().map(record).collect();
        // The order of the answer section is the order of a chain.
        if section != "answer" {
            lines.sort();
        }
        for line in lines {
            write!(text, "\n    {section}: {line}").unwrap();
        }
    }
    text
}

/// What the OPT record holds.
fn options(message: &[u8]) -> String {
    let parsed = parsed(message);
    let opt = parsed.sections[2].iter().find(|record| record.rtype.0 == 41);
    let mut rest = opt.map_or(&[][..], |opt| &opt.data);
    let mut text = String::new();
    while let [c1, c2, l1, l2, more @ ..] = rest {
        let (holds, more) = more.split_at(u16::from_be_bytes([*l1, *l2]).into());
        let holds_hex = data_encoding::HEXLOWER.encode(holds);
        text += &match u16::from_be_bytes([*c1, *c2]) {
            3 => format!(" nsid={}", String::from_utf8_lossy(holds)),
            10 => format!(" cookie={holds_hex}"),
            11 => format!(" keepalive={}", u16::from_be_bytes([holds[0], holds[1]])),
            15 => format!(" ede={}", u16::from_be_bytes([holds[0], holds[1]])),
            code => format!(" option={code}:{holds_hex}"),
        };
        rest = more;
    }
    assert!(rest.is_empty(), "options are not whole");
    text
}

fn record(record: &Record) -> String {
    let (name, kind, data) = (&record.name, record.record_type(), &record.data);
    format!("{name} {} {} {kind} {data}", record.ttl, record.dns_class)
}
