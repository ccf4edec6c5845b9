//! Signatures: what dnspython signs we find good, what we sign it does, and
//! no octet of a signed message can be another one.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use truename::tsig::{self, Algorithm, Fault, Malformed, Signer, Tsig, error};

use crate::dice::Dice;

/// Seconds since 1970 when everything here happens.
pub const NOW: u64 = 1_767_225_600;

/// dnspython, asked line by line (`tests/tsig/peer.py`).
pub struct Peer {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Peer {
    pub fn start() -> Peer {
        // Debian's own: the library is there and in no other.
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tsig/peer.py");
        let mut child = Command::new("/usr/bin/python3")
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|why| panic!("{why}: apt-get install python3 python3-dnspython"));
        let input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Peer { child, input, output }
    }

    fn ask(&mut self, words: &str) -> String {
        writeln!(self.input, "{words}").unwrap();
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        assert!(!line.is_empty(), "dnspython failed: apt-get install python3-dnspython\n{words}");
        line.trim().to_owned()
    }

    /// A message signed with a key, under another id than it has.
    pub fn sign(&mut self, key: &Key, time: u64, original_id: u16, message: &[u8]) -> Vec<u8> {
        let Key { algorithm, name, secret } = key;
        let [secret, message] = [secret, message].map(hex);
        let algorithm = named(*algorithm);
        unhex(
            &self.ask(&format!(
                "sign {algorithm} {name} {secret} {time} 300 {original_id} {message}"
            )),
        )
    }

    /// What it says to answers in a row.
    pub fn check(
        &mut self,
        key: &Key,
        request_mac: &[u8],
        now: u64,
        answers: &[Vec<u8>],
    ) -> String {
        let Key { algorithm, name, secret } = key;
        let answers: Vec<String> = answers.iter().map(hex).collect();
        self.ask(&format!(
            "check {} {name} {} -{} {now} {}",
            named(*algorithm),
            hex(secret),
            hex(request_mac),
            answers.join(" ")
        ))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[derive(Clone)]
pub struct Key {
    pub algorithm: Algorithm,
    pub name: String,
    pub secret: Vec<u8>,
}

fn named(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::HmacSha256 => "hmac-sha256",
        Algorithm::HmacSha384 => "hmac-sha384",
        Algorithm::HmacSha512 => "hmac-sha512",
    }
}

fn hex(octets: impl AsRef<[u8]>) -> String {
    data_encoding::HEXLOWER.encode(octets.as_ref())
}

fn unhex(text: &str) -> Vec<u8> {
    data_encoding::HEXLOWER.decode(text.as_bytes()).unwrap_or_else(|_| panic!("{text}"))
}

fn keys() -> Vec<Key> {
    let names = ["k7f3c2xq.", "K7F3C2XQ.dyn.Example.ORG.", "a\\.b.", "."];
    let key = |(at, name): (usize, &str), algorithm: Algorithm| Key {
        algorithm,
        name: name.to_owned(),
        // Shorter and longer than a block of the hash.
        secret: (0..[32, 1, 64, 200][at]).map(|octet| octet as u8).collect(),
    };
    let all = Algorithm::ALL.into_iter();
    all.flat_map(|algorithm| names.into_iter().enumerate().map(move |name| key(name, algorithm)))
        .collect()
}

/// A question, an UPDATE, and one with an OPT record in its additional section.
fn requests() -> Vec<Vec<u8>> {
    let header = |opcode: u8, more: u8| [0x12, 0x34, opcode << 3, 0, 0, 1, 0, 0, 0, more, 0, 0];
    let zone = b"\x03dyn\x07example\x03org\0\0\x06\0\x01";
    let remove = b"\x04home\xc0\x0c\0\x01\0\xff\0\0\0\0\0\0";
    let mut with_edns = [&header(0, 0)[..], zone, b"\0\0\x29\x04\xd0\0\0\0\0\0\0"].concat();
    with_edns[11] = 1;
    vec![[&header(0, 0)[..], zone].concat(), [&header(5, 1)[..], zone, remove].concat(), with_edns]
}

/// The signature of a signed message, which there must be.
pub fn found(message: &[u8]) -> Tsig {
    tsig::find(message).unwrap().expect("it is signed")
}

pub fn verified(message: &[u8], secret: &[u8], now: u64) -> Result<Signer, Fault> {
    found(message).verify(message, secret, now)
}

#[test]
fn what_dnspython_signs_is_good_and_what_we_answer_it_takes() {
    let mut peer = Peer::start();
    for key in keys() {
        for request in requests() {
            // Passed on under another id: it is signed under the first.
            for original in [0x1234, 0xbeef] {
                let signed = peer.sign(&key, NOW - 20, original, &request);
                let tsig = found(&signed);
                assert_eq!(tsig.key.to_string(), key.name.to_lowercase());
                assert_eq!((tsig.time, tsig.fudge), (NOW - 20, 300));
                assert_eq!((tsig.error, &tsig.other[..]), (0, &[][..]));
                assert_eq!(tsig.original_id, original);
                assert_eq!(tsig.stripped(&signed), request);
                let mut signer = tsig.verify(&signed, &key.secret, NOW).unwrap();

                // Four answers in a row, the first as it is when it is alone.
                let mut answers: Vec<Vec<u8>> = vec![request.clone(); 4];
                for (at, answer) in answers.iter_mut().enumerate() {
                    answer[2] |= 0x80;
                    let length = answer.len();
                    signer.sign(answer, NOW + at as u64);
                    assert_eq!(answer.len(), length + signer.size());
                }
                let alone = &answers[..1];
                let said = peer.check(&key, &tsig.mac, NOW, alone);
                assert_eq!(said, "ok error=0 other=", "{}", hex(&answers[0]));
                assert_eq!(peer.check(&key, &tsig.mac, NOW, &answers), "ok error=0 other=");
                // In another order, or with one missing, they are not.
                answers.swap(2, 3);
                assert_eq!(peer.check(&key, &tsig.mac, NOW, &answers), "bad signature");
                answers.remove(1);
                assert_eq!(peer.check(&key, &tsig.mac, NOW, &answers), "bad signature");
            }
        }
    }
}

#[test]
fn bad_time_is_told_with_the_time_and_signed() {
    let mut peer = Peer::start();
    let key = &keys()[0];
    let request = &requests()[1];
    let signed = |peer: &mut Peer, time| peer.sign(key, time, 0x1234, request);
    for good in [NOW - 300, NOW, NOW + 300] {
        let message = signed(&mut peer, good);
        assert!(verified(&message, &key.secret, NOW).is_ok(), "{good}");
    }
    for bad in [0, NOW - 301, NOW + 301, (1 << 48) - 1] {
        let message = signed(&mut peer, bad);
        let Err(Fault::Time(mut signer)) = verified(&message, &key.secret, NOW) else {
            panic!("{bad} is a good time")
        };
        let mut answer = request.clone();
        let size = answer.len() + signer.size();
        signer.sign(&mut answer, NOW);
        assert_eq!(answer.len(), size);
        // The client's own time, so that it does not find the answer too late.
        let said = peer.check(key, &found(&message).mac, bad, &[answer]);
        assert_eq!(said, format!("ok error=18 other={:012x}", NOW));
    }
}

#[test]
fn a_mac_may_be_cut_to_half() {
    let mut peer = Peer::start();
    for key in keys() {
        let signed = peer.sign(&key, NOW, 0x1234, &requests()[0]);
        let whole = found(&signed);
        let half = key.algorithm.length() / 2;
        for length in 0..=key.algorithm.length() + 1 {
            let mut mac = whole.mac.clone();
            mac.resize(length, 0);
            let mut message = whole.stripped(&signed);
            Tsig { mac, ..whole.clone() }.append(&mut message);
            let seen = verified(&message, &key.secret, NOW);
            if (half..=key.algorithm.length()).contains(&length) {
                // The answer is signed over the MAC as it came.
                let mut signer = seen.unwrap();
                let mut answer = requests()[0].clone();
                signer.sign(&mut answer, NOW);
                let said = peer.check(&key, &whole.mac[..length], NOW, &[answer]);
                assert_eq!(said, "ok error=0 other=", "{length}");
            } else {
                assert_eq!(seen, Err(Fault::Length), "{length}");
            }
        }
        // Cut or not, it has to be right.
        let mut mac = whole.mac[..half].to_vec();
        mac[half - 1] ^= 1;
        let mut message = whole.stripped(&signed);
        Tsig { mac, ..whole.clone() }.append(&mut message);
        assert_eq!(verified(&message, &key.secret, NOW), Err(Fault::Mac));
    }
}

#[test]
fn another_secret_and_another_algorithm_are_told_apart() {
    let mut peer = Peer::start();
    let key = &keys()[0];
    let signed = peer.sign(key, NOW, 0x1234, &requests()[0]);
    assert_eq!(verified(&signed, b"another", NOW), Err(Fault::Mac));
    let tsig = found(&signed);
    for name in ["hmac-sha1", "hmac-md5.sig-alg.reg.int", "gss-tsig", "hmac-sha256-128", "."] {
        let mut message = tsig.stripped(&signed);
        Tsig { algorithm: name.parse().unwrap(), ..tsig.clone() }.append(&mut message);
        assert_eq!(verified(&message, &key.secret, NOW), Err(Fault::Algorithm), "{name}");
    }
    // In capitals they are the same, and signed as if they were small.
    let mut shouted = signed.clone();
    let at = shouted.len() - tsig.mac.len() - 16 - 13;
    shouted[at..at + 13].make_ascii_uppercase();
    assert_ne!(shouted, signed);
    assert!(verified(&shouted, &key.secret, NOW).is_ok());
}

#[test]
fn an_error_nobody_can_sign() {
    let mut peer = Peer::start();
    let signed = peer.sign(&keys()[0], NOW, 0xbeef, &requests()[0]);
    let tsig = found(&signed);
    let mut answer = requests()[0].clone();
    tsig.append_unsigned(error::BADKEY, &signed, &mut answer);
    let told = found(&answer);
    assert_eq!((told.error, told.mac.len(), told.other.len()), (17, 0, 0));
    assert_eq!((told.time, told.fudge, told.original_id), (NOW, 300, 0xbeef));
}

#[test]
fn records_that_are_not_well_formed() {
    let mut peer = Peer::start();
    let request = &requests()[2];
    let signed = peer.sign(&keys()[0], NOW, 0x1234, request);
    let tsig = found(&signed);
    let start = request.len();
    let changed = |at: usize, octet: u8| {
        let mut message = signed.clone();
        message[at] = octet;
        tsig::find(&message)
    };
    // A class that is not ANY, a TTL that is not 0, lengths that are not so.
    let fixed = start + 10;
    for (at, octet) in [(fixed + 2, 1), (fixed + 3, 1), (fixed + 7, 1), (fixed + 9, 1)] {
        assert_eq!(changed(at, octet), Err(Malformed), "octet {at}");
    }
    let mac_length = fixed + 10 + 13 + 8;
    for (at, octet) in [(mac_length, 1), (mac_length + 1, 31), (signed.len() - 1, 1)] {
        assert_eq!(changed(at, octet), Err(Malformed), "octet {at}");
    }
    // An octet more, an octet less.
    assert_eq!(tsig::find(&[&signed[..], &[0]].concat()), Err(Malformed));
    assert_eq!(tsig::find(&signed[..signed.len() - 1]), Err(Malformed));
    // Twice; not last; in another section.
    let mut twice = signed.clone();
    tsig.append(&mut twice);
    assert_eq!(tsig::find(&twice), Err(Malformed));
    let mut early = request[..start - 11].to_vec();
    early[11] = 0;
    tsig.append(&mut early);
    early.extend_from_slice(&request[start - 11..]);
    early[11] = 2;
    assert_eq!(tsig::find(&early), Err(Malformed));
    let mut elsewhere = signed.clone();
    (elsewhere[9], elsewhere[11]) = (2, 0);
    assert_eq!(tsig::find(&elsewhere), Err(Malformed));
    // An algorithm's name that points into the message.
    let mut pointing = signed[..fixed + 8].to_vec();
    let data = &signed[fixed + 10 + 13..];
    pointing.extend(((2 + data.len()) as u16).to_be_bytes());
    pointing.extend([0xc0, 12]);
    pointing.extend_from_slice(data);
    assert_eq!(tsig::find(&pointing), Err(Malformed));
}

/// The key's name may be compressed, and is signed as if it were not.
#[test]
fn a_keys_name_may_point() {
    let mut peer = Peer::start();
    let key = Key { name: "k7f3c2xq.dyn.example.org.".to_owned(), ..keys()[0].clone() };
    let request = &requests()[0];
    let signed = peer.sign(&key, NOW, 0x1234, request);
    let mut short = request.clone();
    short[11] = 1;
    short.extend(b"\x08K7F3C2XQ\xc0\x0c");
    short.extend_from_slice(&signed[request.len() + 26..]);
    assert_eq!(found(&short).key.to_string(), key.name);
    assert!(verified(&short, &key.secret, NOW).is_ok());
}

/// Every octet of a signed message, changed to every other value: nothing
/// verifies but what says the same (names in capitals, the message's id, for
/// which the original one is signed). And many changes at once.
#[test]
fn nothing_that_was_changed_verifies() {
    let mut peer = Peer::start();
    let key = &keys()[1];
    let signed = peer.sign(key, NOW, 0x1234, &requests()[1]);
    let good = |message: &[u8]| match tsig::find(message) {
        Ok(Some(tsig)) => tsig.verify(message, &key.secret, NOW).is_ok(),
        _ => false,
    };
    assert!(good(&signed));
    let start = requests()[1].len();
    let mut taken = 0;
    for at in 0..signed.len() {
        for flip in 1..=255 {
            let mut message = signed.clone();
            message[at] ^= flip;
            let letter = message[at].is_ascii_alphabetic() && flip == 0x20;
            let says_the_same = at < 2
                || at >= start && letter && {
                    let tsig = tsig::find(&message);
                    tsig.is_ok_and(|tsig| tsig == Some(found(&signed)))
                };
            assert_eq!(good(&message), says_the_same, "octet {at} changed by {flip:#x}");
            taken += usize::from(says_the_same);
        }
    }
    assert!(taken > 2 * 255 + 20, "capitals are taken: {taken}");
    let mut dice = Dice(8945);
    for _ in 0..20_000 {
        let mut message = signed.clone();
        for _ in 0..=dice.roll(6) {
            let at = 2 + dice.roll(message.len() - 2);
            match dice.roll(4) {
                0 => drop(message.remove(at)),
                1 => message.insert(at, dice.roll(256) as u8),
                2 => message.truncate(at),
                _ => message[at] = dice.roll(256) as u8,
            }
            message.resize(message.len().max(12), 0);
        }
        let folded = |octets: &[u8]| octets.to_ascii_lowercase();
        if good(&message) {
            assert_eq!(folded(&message), folded(&signed), "{}", hex(&message));
        }
    }
}
