//! Bytes that nobody should send: the answering core never panics, keeps id
//! and question, fits the size, and what it sends can be parsed.
//!
//! `fuzz_one` is the whole property; a coverage-guided fuzzer can call it
//! with any bytes, these tests call it with seeded mutations of questions.

use std::path::Path;

use hickory_proto::op::Message;
use hickory_proto::rr::RecordType;
use truename::answer::{MAX_UDP, Meta, Verdict, answer};
use truename::model::{Addresses, Serial};
use truename::zone::{Identity, Snapshot, Zone};

use crate::dice::Dice;
use crate::dig::question;
use crate::parsed::parsed;

/// What is answered from: everything the core treats differently.
const ZONE: &str = "\
$ORIGIN example.
@      3600 SOA   ns1 hostmaster 7 3600 600 86400 60
@      3600 NS    ns1
ns1    3600 A     192.0.2.53
www    300  CNAME home
loop   300  CNAME loop
*.wild 300  TXT   \"wild\"
sub    300  NS    ns.sub
ns.sub 300  A     192.0.2.9
a.b.c  300  TXT   \"deep\"
big    300  TXT   \"0123456789012345678901234567890123456789012345678901234567890123456789\"
";

fn snapshot() -> Snapshot {
    let mut text = ZONE.to_owned();
    for n in 0..40 {
        text += &format!("big 300 TXT \"{n:0>200}\"\n");
    }
    let zone = Zone::parse(&text, Path::new("example.zone")).unwrap();
    let identity = Identity { version: Some("v".into()), id: None };
    let mut snapshot = Snapshot::new(&[(&zone, Serial(7))], identity);
    let addresses = Addresses { v4: "192.0.2.1".parse().ok(), v6: "2001:db8::1".parse().ok() };
    snapshot.set_host(&"home.example".parse().unwrap(), addresses, 60, true);
    snapshot
}

/// The property.
fn fuzz_one(snapshot: &Snapshot, request: &[u8]) {
    for meta in [Meta::UDP, Meta::TCP] {
        let mut out = Vec::new();
        match answer(snapshot, request, &meta, &mut out) {
            Verdict::Drop => assert!(request.len() < 12 || request[2] & 0x80 != 0),
            Verdict::Slow(_) => {}
            Verdict::Sent => {
                assert_eq!(out[..2], request[..2], "the id");
                assert_eq!(out[2] & 0xf9, request[2] & 0x79 | 0x80, "QR, opcode, RD");
                assert!(out.len() <= if meta.stream { 65_535 } else { MAX_UDP }, "{}", out.len());
                let parsed = Message::from_vec(&out);
                // hickory-proto holds names to rules of its own; a question
                // that it cannot read itself is echoed all the same.
                if Message::from_vec(request).is_ok() {
                    let message = parsed.unwrap_or_else(|e| panic!("{e}: {request:02x?}"));
                    for query in &message.queries {
                        let end = 12 + query.name().len() + 4;
                        assert_eq!(out[12..end.min(out.len())], request[12..end.min(out.len())]);
                    }
                }
            }
        }
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let names = [
        "home.example.",
        "HoMe.example.",
        "x.home.example.",
        "www.example.",
        "loop.example.",
        "x.wild.example.",
        "sub.example.",
        "x.ns.sub.example.",
        "c.example.",
        "no.example.",
        "big.example.",
        "example.",
        "test.",
        ".",
        "version.bind.",
    ];
    let kinds = [
        RecordType::A,
        RecordType::AAAA,
        RecordType::ANY,
        RecordType::SOA,
        RecordType::DS,
        RecordType::TXT,
        RecordType::AXFR,
    ];
    let mut seeds = Vec::new();
    for name in names {
        for kind in kinds {
            let plain = question(name, kind);
            let mut edns = plain.clone();
            edns[11] = 1;
            edns.extend_from_slice(b"\0\0\x29\x04\xd0\0\0\x80\0\0\x04\0\x0a\0\0");
            seeds.extend([plain, edns]);
        }
    }
    seeds
}

#[test]
fn questions_as_they_are() {
    let snapshot = snapshot();
    for seed in seeds() {
        fuzz_one(&snapshot, &seed);
    }
}

#[test]
fn questions_cut_short() {
    let snapshot = snapshot();
    for seed in seeds() {
        for length in 0..seed.len() {
            fuzz_one(&snapshot, &seed[..length]);
        }
    }
}

#[test]
fn thousands_of_mutations() {
    let snapshot = snapshot();
    let seeds = seeds();
    let mut dice = Dice(0x7275_656e_616d_6521);
    for _ in 0..60_000 {
        let mut bytes = seeds[dice.roll(seeds.len())].clone();
        for _ in 0..=dice.roll(4) {
            let at = dice.roll(bytes.len());
            match dice.roll(5) {
                0 => bytes[at] = dice.roll(256) as u8,
                1 => bytes[at] ^= 1 << dice.roll(8),
                2 => bytes.insert(at, [0, 1, 0x3f, 0x40, 0x80, 0xc0, 0xff][dice.roll(7)]),
                3 => {
                    bytes.remove(at);
                }
                _ => {
                    let other = &seeds[dice.roll(seeds.len())];
                    let from = dice.roll(other.len());
                    bytes.truncate(at);
                    bytes.extend_from_slice(&other[from..]);
                }
            }
            if bytes.is_empty() {
                bytes.push(0);
            }
        }
        fuzz_one(&snapshot, &bytes);
    }
}

/// A master file with a bit of everything, for mutations.
const FILE: &str = "\
$ORIGIN example.
$TTL 1h30m
@      SOA   ns1 hostmaster ( 7 3600 600 ; a comment
              86400 1m )
@      NS    ns1
ns1    60 IN A \\# 4 c0000201
       IN 60 AAAA ::1
t      TXT   \"a \\\"b\\\" \\065\" c ( \"d;\"
  e )
*.w    MX    10 mail.test.
s      NS    ns.s
ns.s   A     192.0.2.2
s      DS    1 13 2 00112233
h      HTTPS 1 . alpn=\"h2,h3\" port=1 ipv4hint=192.0.2.1 mandatory=port
n      NAPTR 1 2 \"s\" \"a\" \"\" @
o      TYPE65280 \\# 0
c      CAA   0 issue \"ca.test\"
";

/// A file that nobody should write: an error with a line, or a zone that can
/// be served; never a panic.
#[test]
fn thousands_of_files() {
    let mut dice = Dice(0x7a6f_6e65_2066_696c);
    let mut zones = 0;
    for _ in 0..20_000 {
        let mut bytes = FILE.as_bytes().to_vec();
        for _ in 0..=dice.roll(3) {
            if bytes.is_empty() {
                break;
            }
            let at = dice.roll(bytes.len());
            match dice.roll(5) {
                0 => bytes[at] = b"\\\"();@$. \n0\t#a"[dice.roll(14)],
                1 => bytes.insert(at, b"\\\"();@$. \n0\t#a"[dice.roll(14)]),
                2 => {
                    bytes.remove(at);
                }
                3 => bytes.truncate(at.max(1)),
                _ => {
                    let from = dice.roll(FILE.len());
                    let piece = &FILE.as_bytes()[from..(from + dice.roll(40)).min(FILE.len())];
                    bytes.splice(at..at, piece.iter().copied());
                }
            }
        }
        let text = String::from_utf8_lossy(&bytes);
        match Zone::parse(&text, Path::new("example.zone")) {
            Ok(zone) => {
                zones += 1;
                let snapshot = Snapshot::new(&[(&zone, Serial(7))], Identity::default());
                for (name, set) in zone.rrsets() {
                    let mut request = vec![1, 2, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
                    request.extend_from_slice(name.wire());
                    request.extend(set.rtype.0.to_be_bytes());
                    request.extend([0, 1]);
                    let mut out = Vec::new();
                    let verdict = answer(&snapshot, &request, &Meta::TCP, &mut out);
                    assert_eq!(verdict, Verdict::Sent, "{text}");
                    // Not hickory: it refuses records without data.
                    assert_eq!(parsed(&out).question.as_deref(), Some(&request[12..]), "{text}");
                }
            }
            Err(error) => assert!(!error.problem.is_empty()),
        }
    }
    assert!(zones > 1_000, "only {zones} files were zones");
}
