//! What holds for any bytes given to the answering core: it does not panic,
//! and what it sends belongs to what was asked, fits the transport, and can
//! be read.

use std::path::Path;
use std::sync::LazyLock;

use hickory_proto::op::Message;
use truename::answer::{
    Asked, Client, CookieSecrets, Cookies, Extra, MAX_UDP, Meta, Verdict, answer, extra,
};
use truename::model::{Addresses, Moment, Serial};
use truename::wire::{Question, Record};
use truename::zone::{Identity, Snapshot, Zone};

use super::{Target, grammar, memory};
use crate::parsed::{Parsed, parsed};

pub const TARGET: Target = Target {
    name: "answer",
    holds: |octets| holds(&SNAPSHOT, octets),
    seeds,
    mutate: grammar::mutate,
    longest: 1024,
    rounds: 40_000,
};

static SNAPSHOT: LazyLock<Snapshot> = LazyLock::new(snapshot);

/// What is answered from: everything the core treats differently.
const ZONE: &str = "\
$ORIGIN example.
@      3600 SOA   ns1 hostmaster 7 3600 600 86400 60
@      3600 NS    ns1
ns1    3600 A     192.0.2.53
www    300  CNAME home
loop   300  CNAME loop
far    300  CNAME big
*.wild 300  TXT   \"wild\"
sub    300  NS    ns.sub
ns.sub 300  A     192.0.2.9
a.b.c  300  TXT   \"deep\"
big    300  TXT   \"0123456789012345678901234567890123456789012345678901234567890123456789\"
";

/// Names that are there, nearly there, and not there.
const NAMES: [&str; 17] = [
    "home.example",
    "HoMe.example",
    "x.home.example",
    "www.example",
    "loop.example",
    "far.example",
    "x.wild.example",
    "sub.example",
    "x.ns.sub.example",
    "ns9.many.example",
    "c.example",
    "no.example",
    "big.example",
    "example",
    "test",
    "",
    "version.bind",
];

/// A, AAAA, ANY, SOA, DS, TXT, AXFR.
const TYPES: [u16; 7] = [1, 28, 255, 6, 43, 16, 252];

/// A zone with a host.
fn snapshot() -> Snapshot {
    let mut text = ZONE.to_owned();
    for n in 0..40 {
        text += &format!("big 300 TXT \"{n:0>200}\"\n");
        // More name servers, with their addresses, than 512 octets hold.
        text += &format!("many 300 NS ns{n}.many\nns{n}.many 300 A 192.0.2.{n}\n");
    }
    let zone = Zone::parse(&text, Path::new("example.zone")).expect("the zone above");
    let identity = Identity { version: Some("v".into()), id: None };
    let mut snapshot = Snapshot::new(&[(&zone, Serial(7))], identity);
    let addresses = Addresses { v4: "192.0.2.1".parse().ok(), v6: "2001:db8::1".parse().ok() };
    snapshot.set_host(&"home.example".parse().expect("a name"), addresses, 60, true);
    snapshot
}

/// Plain questions, without and with EDNS, in classes IN and CH: where
/// mutations start from.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for name in NAMES {
        for rtype in TYPES {
            let mut plain = vec![0x12, 0x67, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
            for label in name.split('.').filter(|label| !label.is_empty()) {
                plain.push(label.len() as u8);
                plain.extend_from_slice(label.as_bytes());
            }
            plain.push(0);
            plain.extend(rtype.to_be_bytes());
            plain.extend([0, if name == "version.bind" { 3 } else { 1 }]);
            let mut edns = plain.clone();
            edns[11] = 1;
            edns.extend_from_slice(b"\0\0\x29\x04\xd0\0\0\x80\0\0\x04\0\x0a\0\0");
            let mut options = edns.clone();
            options.truncate(plain.len() + 9);
            options
                .extend(b"\0\x14\0\x03\0\0\0\x0a\0\x08\x01\x02\x03\x04\x05\x06\x07\x08\0\x0b\0\0");
            seeds.extend([plain, edns, options]);
        }
    }
    seeds
}

/// What the rate limit makes of an answer, if it makes anything of it, is no
/// longer than the request, and sends the client to TCP.
fn cut_holds(request: &[u8], answer: &[u8]) {
    let mut asked = Asked::new();
    asked.read(request);
    let mut cut = answer.to_vec();
    asked.cut(&mut cut);
    // An error, which TCP would not mend.
    if cut == answer {
        return;
    }
    assert!(cut.len() <= request.len(), "longer than the request");
    assert_eq!((cut[2] & 2, cut[3] & 15), (2, 0), "TC, and no word about the name");
    let Parsed { question, sections, .. } = parsed(&cut);
    assert_eq!(question, parsed(answer).question);
    let opt = usize::from(parsed(answer).sections[2].iter().any(|record| record.rtype.0 == 41));
    assert_eq!(sections.map(|section| section.len()), [0, 0, opt]);
}

/// The property.
///
/// # Panics
/// When it does not hold.
fn holds(snapshot: &Snapshot, request: &[u8]) {
    stranger(snapshot, request);
    let datagram = answered(snapshot, request, &Meta::UDP);
    if let Some(datagram) = &datagram {
        cut_holds(request, datagram);
    }
    let stream = answered(snapshot, request, &Meta::TCP);
    let (Some(datagram), Some(stream)) = (&datagram, &stream) else {
        assert_eq!(datagram, stream, "one transport answers, the other does not");
        return;
    };
    // The same but for length: a datagram may leave records out behind, and
    // says so (TC) unless they are additional ones. OPT is the last record,
    // where there is one.
    assert_eq!(datagram[3], stream[3], "the response code");
    let [short, long] = [datagram, stream].map(|message| parsed(message));
    assert_eq!(short.question, long.question);
    let truncated = datagram[2] & 2 != 0;
    assert_eq!(stream[2] & 2, 0, "TC over a stream");
    let opt = |message: &Parsed| {
        let opt = message.sections[2].iter().find(|record| record.rtype.0 == 41);
        opt.map_or(0, |opt| 11 + opt.data.len())
    };
    assert_eq!(opt(&short), opt(&long), "EDNS on one transport alone");
    let (records, opt) = (datagram.len() - opt(&short), opt(&short));
    assert_eq!(datagram[12..records], stream[12..records], "not the beginning of the whole");
    assert_eq!(datagram[records..], stream[stream.len() - opt..], "another OPT record");
    assert!(truncated || datagram[6..10] == stream[6..10], "records are missing without TC");
}

/// Who has no cookie of ours gets no more than 512 octets, and a cookie where
/// it asks for one; with that it is known, and gets the same again and more.
fn stranger(snapshot: &Snapshot, request: &[u8]) {
    static COOKIES: LazyLock<Cookies> = LazyLock::new(|| Cookies::new(CookieSecrets::one([7; 16])));
    let now = Moment { micros: 1, wall: memory::NOW as u32 };
    let client = Some(Client { address: memory::PEER, now, cookies: &COOKIES });
    let meta = Meta { unverified_size: 512, client, ..Meta::UDP };
    let mut asked = Asked::new();
    let mut ask = |request: &[u8]| {
        let mut out = Vec::new();
        asked.read(request);
        let spot = snapshot.spot(asked.name());
        let verdict = asked.answer(snapshot, spot, request, &meta, &mut out);
        (verdict == Verdict::Sent).then(|| (asked.is_verified(), out))
    };
    let Some((is_verified, answer)) = ask(request) else { return };
    parsed(&answer);
    assert!(!is_verified, "a cookie that was never given: {request:02x?}");
    assert!(answer.len() <= 512, "{} octets for {request:02x?}", answer.len());
    if request[4..6] != [0, 1] {
        return;
    }
    // The cookie is where the request has one of the same octets.
    let Some(Extra::Edns(edns)) = Question::read(request).map(|q| extra(request, q.end())) else {
        return;
    };
    let is_alone = edns.options.cookie().filter(|cookie| cookie.len() == 8);
    let Some(cookie) = is_alone.filter(|_| !edns.options.malformed) else { return };
    let ours = parsed(&answer).sections[2].iter().find_map(|record| {
        let at = record.data.windows(4).position(|option| option == [0, 10, 0, 24])?;
        (record.rtype.0 == 41).then(|| record.data[at + 4..].to_vec())
    });
    let ours = ours.unwrap_or_else(|| panic!("no cookie for {request:02x?}"));
    assert_eq!(ours[..8], request[cookie.clone()]);
    let mut again = request.to_vec();
    // The option is longer by 16 octets, and so is its record.
    again[cookie.start - 1] += 16;
    again.splice(cookie.end..cookie.end, ours[8..24].iter().copied());
    let Some(length) = opt_length(request) else { return };
    let [high, low] = (u16::from_be_bytes([again[length], again[length + 1]]) + 16).to_be_bytes();
    again[length..length + 2].copy_from_slice(&[high, low]);
    let (is_verified, more) = ask(&again).expect("the same question");
    assert!(is_verified, "its own cookie is not known again: {again:02x?}");
    assert_eq!(more[3] & 15, answer[3] & 15);
    assert!(more.len() >= answer.len() && more.len() <= MAX_UDP);
}

/// Where the length of the OPT record of a well-formed question stands.
fn opt_length(request: &[u8]) -> Option<usize> {
    let mut at = Question::read(request)?.end();
    loop {
        let record = Record::read(request, at)?;
        if record.rtype.0 == 41 {
            return Some(record.data - 2);
        }
        at = record.end;
    }
}

/// The answer, if there is one at once, having looked at it by itself.
fn answered(snapshot: &Snapshot, request: &[u8], meta: &Meta) -> Option<Vec<u8>> {
    let mut out = b"what was there before".to_vec();
    match answer(snapshot, request, meta, &mut out) {
        Verdict::Drop => {
            assert!(request.len() < 12 || request[2] & 0x80 != 0, "dropped without a reason");
            None
        }
        Verdict::Slow(_) => None,
        Verdict::Sent => {
            assert_eq!(out[..2], request[..2], "the id");
            // RD is a query's alone.
            let copied = if request[2] & 0x78 == 0 { 0x01 } else { 0x78 };
            assert_eq!(out[2] & 0xf9, request[2] & copied | 0x80, "QR, opcode, RD");
            assert!(out.len() <= if meta.stream { 65_535 } else { MAX_UDP }, "{}", out.len());
            let by_hand = parsed(&out);
            if let Some(question) = by_hand.question {
                assert_eq!(question, request[12..12 + question.len()], "the question");
            }
            // hickory-proto holds names to rules of its own; a question that
            // it cannot read itself is echoed all the same.
            if Message::from_vec(request).is_ok() {
                Message::from_vec(&out).unwrap_or_else(|e| panic!("{e}: {request:02x?}"));
            }
            Some(out)
        }
    }
}
