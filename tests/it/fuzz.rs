//! Bytes that nobody should send: the answering core never panics, keeps id
//! and question, fits the size, and what it sends can be parsed.
//!
//! The property stands in `tests/fuzz/property.rs`, where a coverage-guided
//! fuzzer asks it with any bytes; these tests ask it with seeded mutations of
//! questions.

use std::path::Path;

use truename::answer::{Meta, Verdict, answer};
use truename::model::Serial;
use truename::zone::{Identity, Snapshot, Zone};

use crate::dice::Dice;
use crate::parsed::parsed;

#[path = "../fuzz/property.rs"]
mod property;

use property::{holds, seeds, snapshot};

#[test]
fn questions_as_they_are() {
    let snapshot = snapshot();
    for seed in seeds() {
        holds(&snapshot, &seed);
    }
}

#[test]
fn questions_cut_short() {
    let snapshot = snapshot();
    for seed in seeds() {
        for length in 0..seed.len() {
            holds(&snapshot, &seed[..length]);
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
        holds(&snapshot, &bytes);
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
