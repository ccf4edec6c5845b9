//! `tests/updates/*.txt`, played against truename, BIND and Knot DNS. The
//! README there says what the lines mean.

use std::fmt::Write as _;
use std::io::{Read, Write as _};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use truename::model::{Name, RecordType};

use super::message::{Key, Message, ORIGIN, rtype, wire_name};
use super::peer::Peer;
use super::server::Server;
use crate::parsed::parsed;

const ZONE: &str = "\
@     SOA ns1 hostmaster 1 3600 600 86400 60
@     NS  ns1
ns1   A   192.0.2.53
www   A   192.0.2.80
www   TXT fixed
alias CNAME www
sub   NS  ns.sub
ns.sub A  192.0.2.99
a.ent TXT below
*.wild A  192.0.2.90
";

/// Everything a host may have.
const ALL: &str = "addresses,acme,A,AAAA,TXT,MX,CNAME,SRV,CAA,HTTPS,TYPE65280";

/// Who is asked.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Who {
    Truename,
    Bind,
    Knot,
}

#[test]
fn truename_does_what_the_tables_say() {
    let update = std::env::var_os("UPDATE").is_some();
    let mut failed = Vec::new();
    let mut cases = 0;
    for file in files() {
        let table = std::fs::read_to_string(&file).unwrap();
        let seen = Table::read(&table).play(Who::Truename);
        cases += seen.cases;
        if seen.text != table && update {
            std::fs::write(&file, &seen.text).unwrap();
        } else if seen.text != table {
            failed.push(format!("{} saw:\n{}", file.display(), seen.text));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
    assert!(cases >= 100, "only {cases} updates in tests/updates");
}

#[test]
fn bind_does_what_the_tables_say() {
    peer(Who::Bind);
}

#[test]
fn knot_does_what_the_tables_say() {
    peer(Who::Knot);
}

fn peer(who: Who) {
    let mut failed = Vec::new();
    let mut cases = 0;
    for file in files() {
        let text = std::fs::read_to_string(&file).unwrap();
        let table = Table::read(&text);
        if !table.alone {
            let seen = table.play(who);
            cases += seen.cases;
            if seen.text != text {
                failed.push(format!("{} saw:\n{}", file.display(), seen.text));
            }
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
    assert!(cases >= 58, "only {cases} updates that others are asked, too");
}

fn files() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/updates");
    let only = std::env::var("ONLY").unwrap_or_default();
    let mut files: Vec<_> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "txt"))
        .filter(|path| path.to_string_lossy().contains(&only))
        .collect();
    files.sort();
    files
}

struct Table<'t> {
    text: &'t str,
    zone: String,
    hosts: Vec<(&'t str, Vec<&'t str>, Option<&'t str>)>,
    may: &'t str,
    alone: bool,
}

struct Seen {
    text: String,
    cases: usize,
}

/// The server that a table is played against.
struct Play {
    who: Who,
    address: SocketAddr,
    key: Key,
    ours: Option<Server>,
    /// Stopped when this goes.
    _peer: Option<Peer>,
}

impl<'t> Table<'t> {
    /// Reads the head.
    fn read(text: &'t str) -> Table<'t> {
        let mut table =
            Table { text, zone: ZONE.to_owned(), hosts: Vec::new(), may: ALL, alone: false };
        for line in text.lines().take_while(|line| !line.starts_with("> ")) {
            let words: Vec<&str> = line.split_whitespace().collect();
            match *words.as_slice() {
                [] => {}
                [prose, ..] if prose.starts_with('#') => {}
                _ if line.starts_with("  ") => writeln!(table.zone, "{}", &line[2..]).unwrap(),
                ["zone"] => table.zone.clear(),
                ["host", name, ref addresses @ .., "of", owner] => {
                    table.hosts.push((name, addresses.to_vec(), Some(owner)));
                }
                ["host", name, ref addresses @ ..] => {
                    table.hosts.push((name, addresses.to_vec(), None));
                }
                ["may", may] => table.may = may,
                ["alone"] => table.alone = true,
                _ => panic!("no such line in a head: {line}"),
            }
        }
        table
    }

    fn zone_file(&self) -> String {
        format!("$ORIGIN {ORIGIN}\n$TTL 300\n{}", self.zone)
    }

    fn start(&self, who: Who) -> Play {
        let key = |secret: &[u8], name: &str| Key { name: name.into(), secret: secret.into() };
        if who != Who::Truename {
            let mut zone = self.zone_file();
            for (name, addresses, _) in &self.hosts {
                for address in addresses {
                    let kind = if address.contains(':') { "AAAA" } else { "A" };
                    writeln!(zone, "{name} 60 {kind} {address}").unwrap();
                }
            }
            let key = key(&[7; 32], "k7f3c2xq");
            let peer = match who {
                Who::Bind => Peer::bind(&zone, &key),
                _ => Peer::knot(&zone, &key),
            };
            return Play { who, address: peer.address(), key, ours: None, _peer: Some(peer) };
        }
        let server = Server::with(&self.zone_file());
        for owner in ["us"].into_iter().chain(self.hosts.iter().filter_map(|host| host.2)) {
            server.account(owner);
        }
        for (name, addresses, owner) in &self.hosts {
            server.host(&format!("{name}.{ORIGIN}"), addresses, Some(owner.unwrap_or("us")));
        }
        let (id, secret) = server.key("us", self.may);
        let (address, key) = (server.address(), key(&secret, &id.0));
        Play { who, address, key, ours: Some(server), _peer: None }
    }

    /// The table with what was seen in place of what stood there.
    fn play(&self, who: Who) -> Seen {
        let mut play = self.start(who);
        let mut seen = Seen { text: String::new(), cases: 0 };
        let mut lines = self.text.lines().peekable();
        while let Some(line) = lines.next() {
            writeln!(seen.text, "{line}").unwrap();
            let Some(action) = line.strip_prefix("> ") else { continue };
            let mut input = Vec::new();
            while let Some(line) = lines.next_if(|line| line.starts_with("    ")) {
                writeln!(seen.text, "{line}").unwrap();
                input.push(line.trim());
            }
            let mut expected = Vec::new();
            while let Some(line) = lines.next_if(|line| line.starts_with("  ")) {
                expected.push(line.trim());
            }
            seen.cases += usize::from(action.starts_with("update"));
            let said = play.act(action, &input);
            who.compare(&said, &expected, &mut seen.text);
        }
        seen
    }
}

impl Who {
    fn word(self) -> &'static str {
        match self {
            Who::Truename => "truename",
            Who::Bind => "bind: ",
            Who::Knot => "knot: ",
        }
    }

    /// Writes down what was said beside what is expected: ours first, then
    /// where others differ.
    fn compare(self, said: &str, expected: &[&str], text: &mut String) {
        let others = |line: &&&str| line.starts_with("bind: ") || line.starts_with("knot: ");
        let mut ours = expected.iter().filter(|line| !others(line)).copied().collect::<Vec<_>>();
        let mut theirs: Vec<&str> = expected.iter().filter(others).copied().collect();
        if self == Who::Truename {
            ours = said.lines().collect();
        } else {
            let own = theirs.iter().position(|line| line.starts_with(self.word()));
            let known = own.and_then(|at| theirs[at][6..].split_once(" | "));
            let same = said == ours.join("\n");
            match (own, known) {
                // As explained.
                (_, Some((known, why))) if known == said && !why.is_empty() => {}
                // Explained, and not so any more.
                (Some(at), _) if same => drop(theirs.remove(at)),
                (None, _) if same => {}
                _ => {
                    for line in ours.iter().chain(&theirs) {
                        writeln!(text, "  {line}").unwrap();
                    }
                    writeln!(text, "  {}{said} | NOT EXPLAINED", self.word()).unwrap();
                    return;
                }
            }
        }
        for line in ours.iter().chain(&theirs) {
            writeln!(text, "  {line}").unwrap();
        }
    }
}

impl Play {
    fn act(&mut self, action: &str, input: &[&str]) -> String {
        let words: Vec<&str> = action.split_whitespace().collect();
        match *words.as_slice() {
            ["update", ref how @ ..] => self.update(how, input),
            ["wait", seconds] => {
                let server = self.ours.as_mut().expect("only our time can be made to pass");
                server.world.wait(seconds.parse().unwrap());
                server.clock_is_off_by(0);
                String::new()
            }
            [name, kind] => self.ask(name, rtype(kind)),
            _ => panic!("no such line: {action}"),
        }
    }

    fn update(&self, how: &[&str], input: &[&str]) -> String {
        let mut message = Message { opcode: 5, id: 0x2136, ..Message::default() };
        let mut zone = (wire_name("@"), RecordType::SOA, 1);
        let (mut zones, mut tcp, mut signed) = (1, false, true);
        for word in how {
            match word.split_once('=').unwrap_or((word, "")) {
                ("zone", name) => zone.0 = wire_name(name),
                ("ztype", kind) => zone.1 = rtype(kind),
                ("zclass", class) => zone.2 = class.parse().unwrap(),
                ("zones", count) => zones = count.parse().unwrap(),
                ("edns", version) => message.edns = Some(version.parse().unwrap()),
                ("tcp", _) => tcp = true,
                ("unsigned", _) => signed = false,
                _ => panic!("no such word: {word}"),
            }
        }
        let (name, kind, class) = zone;
        let name = Name::from_wire(&name).unwrap();
        message.questions = vec![(name, kind, class); zones];
        input.iter().for_each(|line| message.take(line));
        let before = self.serial();
        let mut request = message.octets();
        let mac = signed.then(|| self.key.sign(&mut request, now()));
        let Some(answer) = self.exchange(&request, tcp) else { return "silence".to_owned() };
        assert_eq!(answer[..2], request[..2], "another answer");
        assert_eq!(answer[2], 0xa8, "a response to an UPDATE and no flags");
        // Not all others sign what they cannot read.
        if let (Some(mac), Who::Truename) = (&mac, self.who) {
            assert_eq!(self.key.check(&answer, mac).error, 0);
        }
        let code = rcode(&answer);
        match self.serial().wrapping_sub(before) {
            0 if code == "noerror" => format!("{code}, serial same"),
            0 => code,
            more => format!("{code}, serial +{more}"),
        }
    }

    fn serial(&self) -> u32 {
        let answer = parsed(&self.query("@", RecordType::SOA));
        let soa = &answer.sections[0][0].data;
        u32::from_be_bytes(soa[soa.len() - 20..][..4].try_into().unwrap())
    }

    /// `noerror 60 192.0.2.1`, sorted; `nodata`, `nxdomain`.
    fn ask(&self, name: &str, kind: RecordType) -> String {
        let octets = self.query(name, kind);
        let answer = parsed(&octets);
        let mut records: Vec<String> = answer.sections[0]
            .iter()
            .map(|record| format!("{} {}", record.ttl, shown(record.rtype, &record.data)))
            .collect();
        records.sort();
        match (rcode(&octets).as_str(), records.is_empty()) {
            ("noerror", true) => "nodata".to_owned(),
            (code, true) => code.to_owned(),
            (code, false) => format!("{code} {}", records.join(", ")),
        }
    }

    fn query(&self, name: &str, kind: RecordType) -> Vec<u8> {
        let name = Name::from_wire(&wire_name(name)).unwrap();
        let message =
            Message { questions: vec![(name, kind, 1)], id: 0x1035, ..Message::default() };
        self.exchange(&message.octets(), true).expect("an answer to a question")
    }

    fn exchange(&self, request: &[u8], tcp: bool) -> Option<Vec<u8>> {
        // Long enough for any answer; those that come late come after this
        // one has failed.
        let patience = Some(Duration::from_secs(5));
        if tcp {
            let mut stream = TcpStream::connect(self.address).ok()?;
            stream.set_read_timeout(patience).unwrap();
            let framed = [&(request.len() as u16).to_be_bytes(), request].concat();
            stream.write_all(&framed).ok()?;
            let mut length = [0; 2];
            stream.read_exact(&mut length).ok()?;
            let mut answer = vec![0; u16::from_be_bytes(length).into()];
            stream.read_exact(&mut answer).ok()?;
            return Some(answer);
        }
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(self.address).unwrap();
        socket.set_read_timeout(patience).unwrap();
        socket.send(request).unwrap();
        let mut answer = vec![0; 65_535];
        let length = socket.recv(&mut answer).ok()?;
        answer.truncate(length);
        Some(answer)
    }
}

pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn rcode(answer: &[u8]) -> String {
    const CODES: [&str; 11] = [
        "noerror", "formerr", "servfail", "nxdomain", "notimp", "refused", "yxdomain", "yxrrset",
        "nxrrset", "notauth", "notzone",
    ];
    let code = usize::from(answer[3] & 15);
    // The upper part of it, in an OPT record.
    let records = parsed(answer);
    let edns = records.sections[2].iter().find(|record| record.rtype == RecordType::OPT);
    match edns.map_or(0, |edns| edns.ttl >> 24) {
        0 => CODES[code].to_owned(),
        1 if code == 0 => "badvers".to_owned(),
        upper => format!("code {}", upper as usize * 16 + code),
    }
}

/// Data as text, as far as the tables need it.
fn shown(kind: RecordType, data: &[u8]) -> String {
    let name = |data: &[u8]| Name::from_wire(data).unwrap().to_string();
    match (kind, data) {
        (RecordType::A, &[a, b, c, d]) => format!("{a}.{b}.{c}.{d}"),
        (RecordType::AAAA, data) => {
            std::net::Ipv6Addr::from(<[u8; 16]>::try_from(data).unwrap()).to_string()
        }
        (RecordType::TXT, data) => {
            let text = data.iter().skip(1).map(|octet| char::from(*octet)).collect::<String>();
            if text.len() > 40 { format!("{} octets", data.len()) } else { text }
        }
        (RecordType::CNAME | RecordType::NS, data) => name(data),
        (RecordType::MX, data) => {
            format!("{} {}", u16::from_be_bytes([data[0], data[1]]), name(&data[2..]))
        }
        (_, data) => data_encoding::HEXLOWER.encode(data),
    }
}
