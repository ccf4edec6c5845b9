//! Any octets at all, signed by somebody who has a key: what comes of them is
//! an answer, and nothing is served that is not well formed or not that key's.
//! And any octets that were changed after they were signed: nothing comes of
//! them.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use tokio::sync::mpsc;
use truename::clock;
use truename::dns::{Options, SlowHandler, Terms, Transport};
use truename::model::{Name, RecordType};
use truename::zone::received;

use super::message::{Key, Message, wire_name};
use super::server::Server;
use super::table::now;
use crate::dice::Dice;

/// Rounds of each kind. More: `ROUNDS=100000`.
const ROUNDS: usize = 4000;

const LINES: &[&str] = &[
    "in-use home",
    "not-in-use nas",
    "has home A",
    "has-not home MX",
    "is home A 192.0.2.1",
    "add home 60 A 192.0.2.7",
    "add home 60 AAAA 2001:db8::7",
    "add nas 60 MX 10 home",
    "add _acme-challenge.home 60 TXT one two three",
    "add *.nas 60 CNAME home",
    "add srv.home 60 SRV 1 2 3 nas",
    "add home 60 HTTPS 1 . alpn=h2,h3 port=8443",
    "add home 60 CAA 0 issue \"ca.example\"",
    "add home 60 TYPE65280 \\# 4 0102c00c",
    "raw update nas IN 60 MX 000ac00c",
    "raw update nas IN 60 CNAME 0161c02a",
    "remove home",
    "remove nas MX",
    "remove home A 192.0.2.7",
    "remove home TYPE65280 \\# 4 0102c00c",
];

struct Scene {
    server: Server,
    key: Key,
    handler: Arc<SlowHandler>,
    runtime: tokio::runtime::Runtime,
    dice: Dice,
}

impl Scene {
    fn new(seed: u64) -> Scene {
        let server = Server::with(
            "$ORIGIN dyn.example.\n$TTL 60\n@ SOA ns1 h 1 1 1 1 1\n@ NS ns1\n\
             ns1 A 192.0.2.53\nsub NS ns.sub\nns.sub A 192.0.2.9\n*.wild A 192.0.2.8\n",
        );
        server.account("us");
        server.host("home.dyn.example", &["192.0.2.1"], Some("us"));
        server.host("nas.dyn.example", &[], Some("us"));
        server.host("other.dyn.example", &["192.0.2.2"], None);
        let may = "addresses,acme,A,AAAA,TXT,MX,CNAME,SRV,CAA,HTTPS,TYPE65280,NAPTR,PTR";
        let (id, secret) = server.key("us", may);
        let key = Key { name: id.0, secret: secret.into() };
        let registry = server.world.registry().clone();
        let terms = Arc::new(Terms::new(&Options::default(), &clock::moments()));
        let snapshot = registry.snapshot().clone();
        let handler = Arc::new(SlowHandler::new(snapshot, Some(registry), terms));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Scene { server, key, handler, runtime, dice: Dice(seed) }
    }

    /// An UPDATE of some lines, or a question.
    fn message(&mut self) -> Vec<u8> {
        let zone = Name::from_wire(&wire_name("@")).unwrap();
        let mut message = Message {
            opcode: if self.dice.roll(10) == 0 { 0 } else { 5 },
            questions: vec![(zone, RecordType::SOA, 1)],
            edns: (self.dice.roll(4) == 0).then_some(0),
            id: 0x5eed,
            ..Message::default()
        };
        for _ in 0..self.dice.roll(5) {
            message.take(LINES[self.dice.roll(LINES.len())]);
        }
        message.octets()
    }

    fn mutate(&mut self, message: &mut Vec<u8>, from: usize) {
        for _ in 0..=self.dice.roll(4) {
            let at = from + self.dice.roll(message.len() - from);
            match self.dice.roll(8) {
                0 => drop(message.remove(at)),
                1 => message.insert(at, self.dice.roll(256) as u8),
                2 => message.truncate(at),
                3 => message[at] ^= 1 << self.dice.roll(8),
                4 => message[at] = [0, 1, 0xc0, 0xff, 12, 63, 64][self.dice.roll(7)],
                5 => {
                    // A piece of it once more, somewhere.
                    let length = self.dice.roll(40).min(message.len() - at);
                    let piece = message[at..at + length].to_vec();
                    let to = from + self.dice.roll(message.len() - from);
                    message.splice(to..to, piece);
                }
                _ => message[at] = self.dice.roll(256) as u8,
            }
            message.resize(message.len().max(from + 1), 0);
        }
    }

    fn answers(&self, message: Vec<u8>) -> Vec<Vec<u8>> {
        let (replies, mut written) = mpsc::channel(8);
        let peer = "127.0.0.1:5353".parse().unwrap();
        let work = self.handler.clone().handle(message, peer, Transport::Tcp, replies);
        self.runtime.block_on(async {
            let read = async {
                let mut answers = Vec::new();
                while let Some(answer) = written.recv().await {
                    answers.push(answer);
                }
                answers
            };
            tokio::join!(work, read).1
        })
    }

    /// What is served that is no host's of ours: nobody but the operator
    /// changes that. Serials left out.
    fn others(&self) -> BTreeSet<(Name, RecordType, u32, Vec<u8>)> {
        let ours: [Name; 2] = ["home.dyn.example", "nas.dyn.example"].map(|n| n.parse().unwrap());
        let snapshot = self.server.world.registry().snapshot().load_full();
        let records = snapshot.records();
        let others = records.filter(|(name, ..)| !ours.iter().any(|own| name.is_within(own)));
        let others = others.filter(|(_, rtype, ..)| *rtype != RecordType::SOA);
        others.map(|(name, rtype, ttl, data)| (name, rtype, ttl, data.to_vec())).collect()
    }
}

fn rounds() -> usize {
    std::env::var("ROUNDS").map_or(ROUNDS, |rounds| rounds.parse().unwrap())
}

#[test]
fn whatever_a_key_signs() {
    let mut scene = Scene::new(2136);
    let others = scene.others();
    let mut codes = [0usize; 16];
    for round in 0..rounds() {
        let mut message = scene.message();
        // Each tenth is left as it is, so that there is always something.
        if round % 10 > 0 {
            scene.mutate(&mut message, 2);
        }
        // A response is never answered; the transports see to that.
        message[2] &= 0x7f;
        message.resize(message.len().max(12), 0);
        let end = message.len();
        let mac = scene.key.sign(&mut message, now());
        // Counts and lengths that are wrong may make something else of it.
        let found = truename::tsig::find(&message);
        let signed = found.is_ok_and(|tsig| tsig.is_some_and(|tsig| tsig.start == end));
        let shown = || data_encoding::HEXLOWER.encode(&message);
        let answers = scene.answers(message.clone());
        let [answer] = &answers[..] else { panic!("{} answers to {}", answers.len(), shown()) };
        assert_eq!(answer[..2], message[..2], "{}", shown());
        assert_eq!(answer[2] & 0xf8, message[2] & 0x78 | 0x80, "{}", shown());
        let code = usize::from(answer[3] & 15);
        codes[code] += 1;
        if signed {
            assert_eq!(scene.key.check(answer, &mac).error, 0, "{}", shown());
        } else {
            assert!(matches!(code, 1 | 4 | 5 | 9), "{code}: {}", shown());
        }
    }
    assert_eq!(scene.others(), others, "what is not ours was changed");
    let snapshot = scene.server.world.registry().snapshot().load_full();
    for (name, rtype, _, data) in snapshot.records() {
        let read = received(rtype, data, 0..data.len());
        assert_eq!(read.as_deref(), Some(data), "{name} {rtype} is served so");
    }
    // It is about more than one way to be refused.
    for code in [0, 1, 3, 4, 5, 8, 9, 10] {
        assert!(codes[code] > 0, "code {code} never came: {codes:?}");
    }
    assert!(codes[0] > rounds() / 20, "{codes:?}");
}

/// What a client sends fills no log: whatever it is, that is a line; and that
/// nothing was changed is no news.
#[test]
fn an_update_is_a_line_in_the_log() {
    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);
    impl std::io::Write for Lines {
        fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend(octets);
            Ok(octets.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let scene = Scene::new(2);
    let said = |level: tracing::Level, lines: &[String]| {
        let zone = Name::from_wire(&wire_name("@")).unwrap();
        let questions = vec![(zone, RecordType::SOA, 1)];
        let mut message = Message { opcode: 5, questions, ..Message::default() };
        lines.iter().for_each(|line| message.take(line));
        let mut message = message.octets();
        scene.key.sign(&mut message, now());
        let log = Lines::default();
        let writer = log.clone();
        let logging = tracing_subscriber::fmt().with_ansi(false).with_max_level(level);
        let logging = logging.with_writer(move || writer.clone()).finish();
        tracing::subscriber::with_default(logging, || scene.answers(message));
        String::from_utf8(log.0.lock().unwrap().clone()).unwrap()
    };
    let big = format!("raw prerequisite home IN 0 TXT {}", "ff".to_owned() + &"78".repeat(255));
    let big = vec![big; 200];
    assert_eq!(said(tracing::Level::INFO, &big), "");
    let told = said(tracing::Level::DEBUG, &big);
    let told: Vec<&str> = told.lines().filter(|line| line.contains("DNS UPDATE")).collect();
    let [line] = told[..] else { panic!("{told:?}") };
    assert!(line.len() < 500, "{} octets", line.len());
    assert!(line.contains("the prerequisite at home.dyn.example TXT does not hold"), "{line}");
    let moved = said(tracing::Level::INFO, &["add home 60 AAAA 2001:db8::7".to_owned()]);
    assert!(moved.contains("DNS UPDATE"), "{moved}");
}

#[test]
fn whatever_is_changed_after_it_was_signed() {
    let mut scene = Scene::new(8945);
    let serial = |scene: &Scene| {
        let snapshot = scene.server.world.registry().snapshot().load_full();
        let mut records = snapshot.records();
        records.find(|(_, rtype, ..)| *rtype == RecordType::SOA).map(|soa| soa.3.to_vec())
    };
    let before = serial(&scene);
    for _ in 0..rounds() {
        let mut message = scene.message();
        message[2] |= 5 << 3;
        scene.key.sign(&mut message, now());
        let signed = message.to_ascii_lowercase();
        scene.mutate(&mut message, 2);
        message[2] &= 0x7f;
        if message.len() < 12 || message.to_ascii_lowercase() == signed {
            continue;
        }
        let answers = scene.answers(message.clone());
        for answer in answers {
            let code = answer[3] & 15;
            // Or the signature is gone altogether, and an UPDATE is REFUSED.
            let unsigned = truename::tsig::find(&message) == Ok(None);
            let refused = matches!(code, 1 | 9) || unsigned;
            assert!(refused, "{code}: {}", data_encoding::HEXLOWER.encode(&message));
        }
    }
    assert_eq!(serial(&scene), before, "something was changed");
}
