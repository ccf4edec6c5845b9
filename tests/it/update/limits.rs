//! A signature proves who made a message once, and not from where it comes
//! now: whoever has seen it can send it again with another's address. So
//! signed questions and wrong signatures are limited over UDP like all else,
//! by size and by number, and a cookie passes.

use std::collections::BTreeMap;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use truename::dns::{Options, RateLimit};
use truename::model::{Moment, Moments, Name, RecordType};

use super::message::{Key, Message, wire_name, with_cookie};
use super::server::Server;
use super::table::now;

/// The same answer, so many times a second.
const SAME: usize = 10;

/// Requests in a flood: fewer than the queue to the slow path takes.
const FLOOD: u16 = 100;

struct Scene {
    server: Server,
    key: Key,
}

impl Scene {
    /// With a long text at `long`, a host, and its key; the clock that counts
    /// stands still.
    fn new(slip: u32) -> Scene {
        let long = "x".repeat(250);
        let zone = format!(
            "$ORIGIN dyn.example.\n$TTL 60\n@ SOA ns1 h 1 1 1 1 1\n@ NS ns1\nns1 A 192.0.2.53\n\
             long TXT {long} {long} {long} {long}\n"
        );
        let rate_limit = RateLimit { same: SAME as u32, slip, ..RateLimit::default() };
        let options = Options { rate_limit, exempt: vec![], ..Options::default() };
        let moments: Moments = Arc::new(|| Moment { micros: 1_000_000, wall: now() as u32 });
        let server = Server::serving(&zone, options, moments);
        server.host("home.dyn.example", &["192.0.2.1"], None);
        let (id, secret) = server.key("home.dyn.example", "addresses");
        Scene { server, key: Key { name: id.0, secret: secret.into() } }
    }

    fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// So many requests, the id of each its number, signed `late` seconds ago
    /// by this key.
    fn signed(&self, message: &Message, cookie: &[u8], key: &Key, late: u64) -> Vec<Vec<u8>> {
        let one = |id| {
            let mut request = Message { id, ..message.clone() }.octets();
            if !cookie.is_empty() {
                with_cookie(&mut request, cookie);
            }
            key.sign(&mut request, now() - late);
            request
        };
        (0..FLOOD).map(one).collect()
    }

    /// Sends all of these: what came back, by the number of the request.
    fn flood(&self, from: &str, requests: &[Vec<u8>]) -> BTreeMap<u16, Vec<u8>> {
        let client = UdpSocket::bind((from, 0)).unwrap();
        client.connect(self.address()).unwrap();
        client.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        let dropped = || self.server.held_back().dropped as usize;
        let before = dropped();
        for request in requests {
            client.send(request).unwrap();
        }
        let mut answers = BTreeMap::new();
        let begun = Instant::now();
        loop {
            assert!(begun.elapsed() < Duration::from_secs(20), "{} answers", answers.len());
            let mut answer = [0; 4096];
            match client.recv(&mut answer) {
                Ok(length) => {
                    let id = u16::from_be_bytes([answer[0], answer[1]]);
                    answers.insert(id, answer[..length].to_vec());
                }
                Err(_) if answers.len() + dropped() - before == requests.len() => return answers,
                Err(_) => {}
            }
        }
    }

    fn ask(&self, request: &[u8]) -> Vec<u8> {
        let answers = self.flood("127.0.9.9", &[request.to_vec()]);
        answers.into_values().next().expect("an answer")
    }

    /// The cookie of a client at an address.
    fn cookie(&self, from: &str) -> Vec<u8> {
        let mut request = Message { id: 0, ..question("home", RecordType::A) }.octets();
        with_cookie(&mut request, b"at home.");
        let answers = self.flood(from, &[request]);
        answers[&0][answers[&0].len() - 24..].to_vec()
    }
}

fn question(name: &str, rtype: RecordType) -> Message {
    let name = Name::from_wire(&wire_name(name)).unwrap();
    Message { questions: vec![(name, rtype, 1)], ..Message::default() }
}

fn update(line: &str) -> Message {
    let mut message = Message { opcode: 5, ..question("@", RecordType::SOA) };
    message.take(line);
    message
}

fn is_cut(answer: &[u8]) -> bool {
    answer[2] & 2 != 0
}

#[test]
fn a_signature_makes_no_answer_longer() {
    let scene = Scene::new(2);
    let mut request = Message { edns: Some(0), ..question("long", RecordType::TXT) }.octets();
    let mac = scene.key.sign(&mut request, now());
    let answer = scene.ask(&request);
    scene.key.check(&answer, &mac);
    assert!(is_cut(&answer) && answer.len() <= 512, "{} octets", answer.len());
    // Who has shown where it is gets it whole.
    let cookie = scene.cookie("127.0.9.9");
    let mut request = question("long", RecordType::TXT).octets();
    with_cookie(&mut request, &cookie);
    let mac = scene.key.sign(&mut request, now());
    let answer = scene.ask(&request);
    scene.key.check(&answer, &mac);
    assert!(!is_cut(&answer) && answer.len() > 1000, "{} octets", answer.len());
}

#[test]
fn signed_questions_are_answered_so_often_and_no_more() {
    let scene = Scene::new(2);
    let home = question("home", RecordType::A);
    let requests = scene.signed(&home, &[], &scene.key, 0);
    let answers = scene.flood("127.0.1.1", &requests);
    let (cut, whole): (Vec<_>, Vec<_>) = answers.iter().partition(|(_, answer)| is_cut(answer));
    assert_eq!(whole.len(), SAME);
    let over = usize::from(FLOOD) - SAME;
    assert!((over / 4..over * 3 / 4).contains(&cut.len()), "{} truncated", cut.len());
    for (id, answer) in &cut {
        assert!(answer.len() <= requests[usize::from(**id)].len());
        assert!(truename::tsig::find(answer).unwrap().is_some(), "it is signed");
    }
    // A MAC that was cut makes a question that is shorter than what would be
    // said to it.
    let shorter: Vec<_> = requests.iter().map(|request| halved(request)).collect();
    assert!(scene.flood_is_silent("127.0.1.1", &shorter));
    // A cookie passes.
    let cookie = scene.cookie("127.0.2.1");
    let requests = scene.signed(&home, &cookie, &scene.key, 0);
    let answers = scene.flood("127.0.2.1", &requests);
    assert!(answers.len() == usize::from(FLOOD) && !answers.values().any(|answer| is_cut(answer)));
}

#[test]
fn what_is_said_of_a_wrong_signature_is_limited() {
    let home = question("home", RecordType::A);
    let remove = update("remove home AAAA");
    let notify = Message { opcode: 4, ..question("@", RecordType::SOA) };
    let unknown = Message { opcode: 15, ..question("@", RecordType::SOA) };
    let transfer = question("@", RecordType::AXFR);
    for (what, message, wrong, late) in [
        ("BADTIME of a question", &home, false, 400),
        ("BADTIME of an UPDATE", &remove, false, 400),
        ("BADSIG of a question", &home, true, 0),
        ("BADSIG of an UPDATE", &remove, true, 0),
        ("NOTIFY", &notify, false, 0),
        ("no such operation", &unknown, false, 0),
        ("a transfer", &transfer, false, 0),
    ] {
        let scene = Scene::new(0);
        let mut key = scene.key.clone();
        if wrong {
            key.secret[0] ^= 1;
        }
        let requests = scene.signed(message, &[], &key, late);
        assert_eq!(scene.flood("127.0.1.1", &requests).len(), SAME, "{what}");
    }
    // What is said to a good UPDATE is shorter than it, and somebody waits.
    let scene = Scene::new(0);
    let requests = scene.signed(&remove, &[], &scene.key, 0);
    assert_eq!(scene.flood("127.0.1.1", &requests).len(), usize::from(FLOOD));
}

/// Who floods the way to where signatures are checked is alone in it no longer
/// than others want to get there.
#[test]
fn made_up_signatures_leave_room_for_an_update_from_elsewhere() {
    let scene = Scene::new(0);
    let client = |from: &str| {
        let client = UdpSocket::bind((from, 0)).unwrap();
        client.connect(scene.address()).unwrap();
        client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        client
    };
    let (flooding, honest, asking) =
        (client("127.0.1.1"), client("127.0.2.1"), client("127.0.3.1"));
    let made_up = Key { secret: vec![7; 32], ..scene.key.clone() };
    let made_up = scene.signed(&question("home", RecordType::A), &[], &made_up, 0);
    let plain = question("no", RecordType::A).octets();
    let held = scene.server.hold();
    for _ in 0..4 {
        for request in &made_up {
            flooding.send(request).unwrap();
        }
        // Answered at once, and so all before it has been taken.
        asking.send(&plain).unwrap();
        asking.recv(&mut [0; 512]).unwrap();
    }
    let update = scene.signed(&update("remove home AAAA"), &[], &scene.key, 0);
    honest.send(&update[0]).unwrap();
    asking.send(&plain).unwrap();
    asking.recv(&mut [0; 512]).unwrap();
    drop(held);
    let mut answer = [0; 512];
    honest.recv(&mut answer).expect("it has its place");
    assert_eq!(answer[3] & 15, 0);
}

impl Scene {
    /// Whether nothing is answered to requests that are all over the limit.
    fn flood_is_silent(&self, from: &str, requests: &[Vec<u8>]) -> bool {
        let client = UdpSocket::bind((from, 0)).unwrap();
        client.connect(self.address()).unwrap();
        client.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        let counted = || self.server.held_back();
        let before = counted();
        for request in requests {
            client.send(request).unwrap();
        }
        let begun = Instant::now();
        loop {
            let held = counted();
            let all = held.dropped + held.truncated - before.dropped - before.truncated;
            if client.recv(&mut [0; 512]).is_ok() {
                return false;
            }
            if all as usize == requests.len() {
                return true;
            }
            assert!(begun.elapsed() < Duration::from_secs(20), "{all} counted");
        }
    }
}

/// The same request with half of its MAC, which is still good (RFC 8945
/// §5.2.2.1).
fn halved(request: &[u8]) -> Vec<u8> {
    let mut tsig = truename::tsig::find(request).unwrap().expect("it is signed");
    let mut shorter = tsig.stripped(request);
    tsig.mac.truncate(16);
    tsig.append(&mut shorter);
    shorter
}
