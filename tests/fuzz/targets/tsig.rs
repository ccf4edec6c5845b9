//! Signatures: what was signed is good, and is not once a bit of it is
//! another; and nothing is good that was not signed.

use truename::tsig::{Algorithm, Fault, Tsig, find};

use super::{Target, grammar, memory};
use crate::dice::Dice;

/// What comes before the message: which algorithm, how short a MAC, the bit
/// that is changed.
const BEFORE: usize = 4;

pub const TARGET: Target =
    Target { name: "tsig", holds, seeds, mutate, longest: 700, rounds: 10_000 };

fn seeds() -> Vec<Vec<u8>> {
    let messages = super::answer::seeds().into_iter().step_by(9);
    messages.map(|message| [&[0, 32, 0, 40], &message[..]].concat()).collect()
}

fn mutate(octets: &mut Vec<u8>, dice: &mut Dice) {
    let mut message = octets.split_off(octets.len().min(BEFORE));
    grammar::mutate(&mut message, dice);
    *octets = (0..BEFORE).map(|_| dice.roll(256) as u8).collect();
    octets.extend(message);
}

fn holds(octets: &[u8]) {
    let Some((&[algorithm, length, high, low], message)) = octets.split_first_chunk() else {
        return;
    };
    let secret = memory::secret();
    let now = memory::NOW as u64;
    // As it comes, it is not signed by us.
    if let Ok(Some(tsig)) = find(message) {
        assert!(tsig.verify(message, &secret, now).is_err(), "a forgery: {message:02x?}");
        let mut again = tsig.stripped(message);
        tsig.append(&mut again);
        // Names are written in lower case and in full.
        let written = find(&again).expect("it was well formed").expect("it was signed");
        let at = Tsig { start: tsig.start, ..written };
        assert_eq!(at, tsig, "{message:02x?}");
    }
    if !matches!(find(message), Ok(None)) || message[10..12] == [0xff, 0xff] {
        return;
    }
    let algorithm = Algorithm::ALL[usize::from(algorithm) % Algorithm::ALL.len()];
    let length = usize::from(length) % (algorithm.length() + 8);
    let mut record = Tsig {
        key: memory::KEY.parse().expect("a name"),
        algorithm: truename::model::Name::from_wire(algorithm.wire()).expect("a name"),
        time: now,
        fudge: 300,
        mac: Vec::new(),
        original_id: 0x1267,
        error: 0,
        other: Vec::new(),
        start: message.len(),
    };
    record.mac = mac(algorithm, &secret, message, &record);
    record.mac.resize(length, 0);
    let mut signed = message.to_vec();
    record.append(&mut signed);
    let verified = |octets: &[u8]| match find(octets) {
        Ok(Some(tsig)) => Some(tsig.verify(octets, &secret, now)),
        _ => None,
    };
    let good = (algorithm.shortest()..=algorithm.length()).contains(&length);
    match verified(&signed) {
        Some(Ok(mut signer)) => {
            assert!(good, "a MAC of {length} octets");
            let before = signed.len();
            let mut reply = signed[..12].to_vec();
            reply[4..12].fill(0);
            signer.sign(&mut reply, now);
            assert_eq!(reply.len(), 12 + signer.size());
            assert!(matches!(find(&reply), Ok(Some(_))) && before == signed.len());
        }
        Some(Err(Fault::Length)) => assert!(!good, "a MAC of {length} octets"),
        other => panic!("{other:?}: {signed:02x?}"),
    }
    // One bit of it is another: all of them count but those of the id, which
    // whoever passes a message on may change, and the case of the names of the
    // key and the algorithm.
    let bit = usize::from(u16::from_be_bytes([high, low])) % (8 * signed.len());
    let before = signed.to_ascii_lowercase();
    signed[bit / 8] ^= 0x80 >> (bit % 8);
    let is_id = bit < 16;
    let is_case = bit / 8 > message.len() && signed.to_ascii_lowercase() == before;
    let verified = verified(&signed);
    let stands = matches!(verified, Some(Ok(_)));
    assert!(!stands || is_id || is_case, "bit {bit} does not count: {signed:02x?}");
}

/// By hand, as RFC 8945 §4.3 says it.
fn mac(algorithm: Algorithm, secret: &[u8], message: &[u8], record: &Tsig) -> Vec<u8> {
    let mut octets = record.original_id.to_be_bytes().to_vec();
    octets.extend_from_slice(&message[2..]);
    octets.extend_from_slice(record.key.wire());
    octets.extend([0, 255, 0, 0, 0, 0]);
    octets.extend_from_slice(algorithm.wire());
    octets.extend(&record.time.to_be_bytes()[2..]);
    octets.extend(record.fudge.to_be_bytes());
    octets.extend([0, 0, 0, 0]);
    algorithm.mac(secret, &[&octets])
}
