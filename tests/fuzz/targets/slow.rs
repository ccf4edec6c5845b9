//! The slow path: UPDATE, NOTIFY, transfers, whatever is signed. Any message
//! is answered once, the answer belongs to it, is signed where the message
//! was, and nothing is changed but what the key may change.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};

use tokio::sync::mpsc;
use truename::dns::{SlowHandler, Terms, Transport};
use truename::model::{Name, RecordType};
use truename::registry::Registry;
use truename::tsig::{Algorithm, Tsig, find};
use truename::zone::received;

use super::{Target, grammar, memory};
use crate::dice::Dice;
use crate::parsed::parsed;

pub const TARGET: Target =
    Target { name: "slow", holds, seeds, mutate, longest: 700, rounds: 2_000 };

/// In the octet before the message: that it is signed, and that it comes by
/// UDP.
const SIGNED: u8 = 1;
const DATAGRAM: u8 = 2;

fn seeds() -> Vec<Vec<u8>> {
    // UPDATEs by nsupdate: prerequisites, an address, a TXT record, an MX
    // record with a compressed name, a deletion.
    let zone = b"\x12\x67\x28\0\0\x01\0\0\0\0\0\0\x07example\0\0\x06\0\x01";
    let records: [(usize, &[u8]); 9] = [
        (1, b"\x04home\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x04\xc0\0\x02\x07"),
        (1, b"\x04home\xc0\x0c\0\xff\0\xff\0\0\0\0\0\0"),
        (1, b"\x04home\xc0\x0c\0\x01\0\xff\0\0\0\0\0\0"),
        (1, b"\x04home\xc0\x0c\0\x01\0\xfe\0\0\0\0\0\x04\xc0\0\x02\x01"),
        (1, b"\x0f_acme-challenge\x04home\xc0\x0c\0\x10\0\x01\0\0\0\x3c\0\x04\x03one"),
        (1, b"\x03nas\xc0\x0c\0\x0f\0\x01\0\0\0\x3c\0\x04\0\x0a\xc0\x0c"),
        (0, b"\x04home\xc0\x0c\0\x01\0\xff\0\0\0\0\0\0"),
        (0, b"\x03nas\xc0\x0c\0\xff\0\xfe\0\0\0\0\0\0"),
        (0, b"\x04home\xc0\x0c\0\x01\0\x01\0\0\0\0\0\x04\xc0\0\x02\x01"),
    ];
    let mut seeds = Vec::new();
    for (section, record) in records {
        let mut message = zone.to_vec();
        message[7 + 2 * section] = 1;
        message.extend_from_slice(record);
        seeds.extend([0, SIGNED].map(|how| [&[how], &message[..]].concat()));
    }
    // NOTIFY, and questions for a transfer.
    let mut notify = zone.to_vec();
    notify[2] = 0x20;
    let mut transfer = zone.to_vec();
    transfer[2] = 0;
    transfer[zone.len() - 3] = 252;
    for message in [notify, transfer] {
        seeds.extend([0, SIGNED, DATAGRAM].map(|how| [&[how], &message[..]].concat()));
    }
    seeds
}

fn mutate(octets: &mut Vec<u8>, dice: &mut Dice) {
    let mut message = octets.split_off(octets.len().min(1));
    grammar::mutate(&mut message, dice);
    if octets.is_empty() || dice.roll(4) == 0 {
        *octets = vec![dice.roll(4) as u8];
    }
    octets.extend(message);
}

fn holds(octets: &[u8]) {
    let Some((how, message)) = octets.split_first() else { return };
    let mut message = message.to_vec();
    // The transports drop what has no header, and responses.
    if message.len() < 12 || message[2] & 0x80 != 0 {
        return;
    }
    let datagram = how & DATAGRAM != 0;
    let end = message.len();
    let mac = (how & SIGNED != 0).then(|| sign(&mut message));
    // Counts and lengths that lie may make something else of it.
    let known = find(&message);
    let signed = mac.filter(|_| matches!(&known, Ok(Some(tsig)) if tsig.start == end));
    let answers = match signed {
        // Something may be changed: a server of its own, always the same.
        Some(_) => {
            let registry = memory::registry(memory::Memory::of(memory::rows())).expect("good rows");
            let others = others(&registry);
            let answers = exchange(&registry, &message, datagram);
            all_is_well(&registry, &others);
            registry.stop();
            answers
        }
        None => {
            let before = SERVER.1.clone();
            let answers = exchange(&SERVER.0, &message, datagram);
            assert_eq!(served(&SERVER.0), before, "changed without a key: {message:02x?}");
            answers
        }
    };
    let [answer] = &answers[..] else { panic!("{} answers to {message:02x?}", answers.len()) };
    assert_eq!(answer[..2], message[..2], "the id: {message:02x?}");
    assert_eq!(answer[2] & 0xf8, message[2] & 0x78 | 0x80, "QR, opcode: {message:02x?}");
    // Nobody here has a cookie of ours.
    let most = if datagram { 512 } else { 65_535 };
    assert!(answer.len() <= most, "{} octets to {message:02x?}", answer.len());
    parsed(answer);
    let tsig = find(answer).expect("a well-formed answer");
    assert_eq!(
        signed.is_some(),
        tsig.as_ref().is_some_and(|tsig| !tsig.mac.is_empty()),
        "signed or not: {message:02x?}"
    );
    if let (Some(mac), Some(tsig)) = (signed, tsig) {
        assert_eq!(tsig.mac, answer_mac(&mac, answer, &tsig), "{message:02x?}");
    }
}

type Records = BTreeSet<(Name, RecordType, u32, Vec<u8>)>;

/// For messages that nobody signed.
static SERVER: LazyLock<(Registry, Records)> = LazyLock::new(|| {
    let registry = memory::registry(memory::Memory::of(memory::rows())).expect("good rows");
    let records = served(&registry);
    (registry, records)
});

fn exchange(registry: &Registry, message: &[u8], datagram: bool) -> Vec<Vec<u8>> {
    thread_local!(static RUNTIME: tokio::runtime::Runtime = memory::runtime());
    let terms = Arc::new(Terms::new(&memory::dns_options(), &memory::moments()));
    let handler = SlowHandler::new(registry.snapshot().clone(), Some(registry.clone()), terms);
    let (replies, mut written) = mpsc::channel(8);
    let protocol = if datagram { Transport::Udp } else { Transport::Tcp };
    let peer = SocketAddr::new(memory::PEER, 5353);
    let work = Arc::new(handler).handle(message.to_vec(), peer, protocol, replies);
    let read = async {
        let mut answers = Vec::new();
        while let Some(answer) = written.recv().await {
            answers.push(answer);
        }
        answers
    };
    RUNTIME.with(|runtime| runtime.block_on(async { tokio::join!(work, read).1 }))
}

fn served(registry: &Registry) -> Records {
    let snapshot = registry.snapshot().load();
    let records = snapshot.records();
    records.map(|(name, rtype, ttl, data)| (name, rtype, ttl, data.to_vec())).collect()
}

/// What is no host's of the key: nobody but the operator changes that. Serials
/// left out.
fn others(registry: &Registry) -> Records {
    let ours: [Name; 2] = ["home.example", "nas.example"].map(|name| name.parse().expect("a name"));
    let mut records = served(registry);
    records.retain(|(name, rtype, ..)| {
        *rtype != RecordType::SOA && !ours.iter().any(|own| name.is_within(own))
    });
    records
}

fn all_is_well(registry: &Registry, before: &Records) {
    assert_eq!(&others(registry), before, "what is not the key's was changed");
    for (name, rtype, _, data) in served(registry) {
        let read = received(rtype, &data, 0..data.len());
        assert_eq!(read.as_ref(), Some(&data), "{name} {rtype} is served so");
    }
}

/// Signs a message by the key; its MAC.
fn sign(message: &mut Vec<u8>) -> Vec<u8> {
    let mut record = Tsig {
        key: memory::KEY.parse().expect("a name"),
        algorithm: "hmac-sha256".parse().expect("a name"),
        time: memory::NOW as u64,
        fudge: 300,
        mac: Vec::new(),
        original_id: u16::from_be_bytes([message[0], message[1]]),
        error: 0,
        other: Vec::new(),
        start: message.len(),
    };
    let parts = [&message[..], &variables(&record)];
    record.mac = Algorithm::HmacSha256.mac(&memory::secret(), &parts);
    let mac = record.mac.clone();
    record.append(message);
    mac
}

/// The MAC that an answer to a message with this one should have.
fn answer_mac(request: &[u8], answer: &[u8], tsig: &Tsig) -> Vec<u8> {
    let mut before = tsig.stripped(answer);
    before[..2].copy_from_slice(&tsig.original_id.to_be_bytes());
    let length = (request.len() as u16).to_be_bytes();
    let parts = [&length, request, &before, &variables(tsig)];
    Algorithm::HmacSha256.mac(&memory::secret(), &parts)
}

fn variables(record: &Tsig) -> Vec<u8> {
    let mut octets = record.key.wire().to_vec();
    octets.extend([0, 255, 0, 0, 0, 0]);
    octets.extend_from_slice(record.algorithm.wire());
    octets.extend(&record.time.to_be_bytes()[2..]);
    octets.extend(record.fudge.to_be_bytes());
    octets.extend(record.error.to_be_bytes());
    octets.extend((record.other.len() as u16).to_be_bytes());
    octets.extend_from_slice(&record.other);
    octets
}
