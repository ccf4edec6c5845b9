//! Reading messages, beside hickory-proto as a second opinion: names wherever
//! they stand, records, and data by their types. Where the two differ, the
//! reason is one of those named here.

use hickory_proto::op::{Message, OpCode};
use hickory_proto::rr::{Name as Theirs, Record as TheirRecord};
use hickory_proto::serialize::binary::{BinDecodable, BinDecoder, DecodeError};
use truename::answer::{Meta, Verdict, answer};
use truename::model::RecordType;
use truename::wire::{HEADER, Question, Record, name_at, skip_name, u16_at};
use truename::zone::{Identity, Snapshot, data_from_text, data_to_text, received};

use super::{Target, grammar};

pub const TARGET: Target = Target {
    name: "message",
    holds,
    seeds: super::answer::seeds,
    mutate: grammar::mutate,
    longest: 1024,
    rounds: 6_000,
};

fn holds(message: &[u8]) {
    for at in HEADER..message.len() {
        one_name(message, at);
    }
    if message.len() >= HEADER {
        one_question(message);
        data(message);
    }
}

/// The name at a place is the same to both, or none to both.
fn one_name(message: &[u8], at: usize) {
    let ours = name_at(message, at);
    let mut decoder = BinDecoder::new(message).clone(at as u16);
    let theirs = Theirs::read(&mut decoder);
    match (ours, theirs) {
        (Some((ours, end)), Ok(theirs)) => {
            let mut wire: Vec<u8> = Vec::new();
            for label in theirs.iter() {
                wire.push(label.len() as u8);
                wire.extend(label.to_ascii_lowercase());
            }
            wire.push(0);
            assert_eq!(ours.wire(), wire, "two names at {at} in {message:02x?}");
            assert_eq!(end, decoder.index(), "two ends at {at} in {message:02x?}");
        }
        (None, Err(_)) => {}
        // A label before the pointer that leads to it, and over it: no loop,
        // for each pointer leads further to the front.
        (Some(_), Err(DecodeError::LabelOverlapsWithOther { .. })) => {}
        (Some((ours, _)), Err(error)) => panic!("{ours} at {at}: {error}: {message:02x?}"),
        // No name is in the header, and none is led about for longer than it
        // has labels.
        (None, Ok(_)) if points_into_header(message, at) || pointers(message, at) > 127 => {}
        (None, Ok(theirs)) => panic!("{theirs} at {at} is no name to us: {message:02x?}"),
    }
}

/// Whether the name at a place is led to the header by one of its pointers.
fn points_into_header(message: &[u8], mut at: usize) -> bool {
    for _ in 0..message.len() {
        match message.get(at) {
            Some(length @ 1..=63) => at += 1 + usize::from(*length),
            Some(0xc0..) => {
                at = usize::from(u16_at(message, at).unwrap_or(0) & 0x3fff);
                if at < HEADER {
                    return true;
                }
            }
            _ => return false,
        }
    }
    false
}

/// How many pointers the name at a place has.
fn pointers(message: &[u8], mut at: usize) -> usize {
    let mut pointers = 0;
    while pointers < message.len() {
        match message.get(at) {
            Some(length @ 1..=63) => at += 1 + usize::from(*length),
            Some(0xc0..) => {
                at = usize::from(u16_at(message, at).unwrap_or(0) & 0x3fff);
                pointers += 1;
            }
            _ => break,
        }
    }
    pointers
}

/// A question that one of the two can read, the other can, too.
fn one_question(message: &[u8]) {
    let snapshot = Snapshot::new(&[], Identity::default());
    let mut out = Vec::new();
    let refused = match answer(&snapshot, message, &Meta::TCP, &mut out) {
        Verdict::Sent => out[3] & 15 == 1,
        Verdict::Slow(_) => false,
        Verdict::Drop => return,
    };
    match Message::from_vec(message) {
        Ok(theirs) if refused && theirs.metadata.op_code == OpCode::Query => {
            assert!(is_stricter(message), "FORMERR to {message:02x?}");
        }
        Ok(_) => {}
        // They look into the data of records that we step over, and know some
        // opcodes and classes only.
        Err(_) if refused => {}
        Err(_) => {}
    }
}

/// Whether we refuse what they do not mind: any number of questions but one, a
/// name that leads into the header, octets behind the message, a signature
/// that is not the last record, an OPT record that is not the root's, one
/// whose options are not whole or whose cookie is of no possible length.
fn is_stricter(message: &[u8]) -> bool {
    let count = |section: usize| u16_at(message, 4 + 2 * section).unwrap_or(0);
    if count(0) != 1 {
        return true;
    }
    let Some(question) = Question::read(message) else {
        return points_into_header(message, HEADER);
    };
    let mut at = question.end();
    let all = u32::from(count(1)) + u32::from(count(2)) + u32::from(count(3));
    for number in 1..=all {
        let Some(record) = Record::read(message, at) else {
            return skip_name(message, at).is_none() && points_into_header(message, at);
        };
        let is_opt = record.rtype == RecordType::OPT;
        if record.rtype == RecordType::TSIG && number < all
            || is_opt && message[record.owner] != 0
            || is_opt && !options_are_whole(&message[record.data..record.end])
        {
            return true;
        }
        at = record.end;
    }
    at < message.len()
}

fn options_are_whole(mut options: &[u8]) -> bool {
    while !options.is_empty() {
        let length = u16_at(options, 2).map(usize::from);
        // RFC 7873 §5.2.2.
        let is_cookie = u16_at(options, 0) == Some(10);
        if is_cookie && !length.is_some_and(|n| n == 8 || (16..=40).contains(&n)) {
            return false;
        }
        let Some(rest) = length.and_then(|length| options.get(4 + length..)) else { return false };
        options = rest;
    }
    true
}

/// Data that are good are good as they are written down, and can be shown and
/// read again; and hickory-proto can read them.
fn data(message: &[u8]) {
    let count = |section: usize| u32::from(u16_at(message, 4 + 2 * section).unwrap_or(0));
    let mut at = HEADER;
    for _ in 0..count(0) {
        let Some(end) = skip_name(message, at) else { return };
        at = end + 4;
    }
    for _ in 0..count(1) + count(2) + count(3) {
        let Some(record) = Record::read(message, at) else { return };
        at = record.end;
        let Record { rtype, .. } = record;
        if rtype.is_meta() || rtype == RecordType::OPT {
            continue;
        }
        let Some(ours) = received(rtype, message, record.data..record.end) else { continue };
        let again = received(rtype, &ours, 0..ours.len());
        assert_eq!(again.as_ref(), Some(&ours), "{rtype} changes each time it is read");
        let text = data_to_text(rtype, &ours);
        let again = data_from_text(rtype, &text);
        assert_eq!(again.as_ref(), Ok(&ours), "{rtype} shown as {text}");
        let mut plain = vec![0];
        plain.extend(rtype.0.to_be_bytes());
        plain.extend([0, 1, 0, 0, 0, 0]);
        plain.extend((ours.len() as u16).to_be_bytes());
        plain.extend_from_slice(&ours);
        // A record without data is one of an UPDATE to them, the flags of
        // NAPTR are letters (RFC 3403 §4.1 leaves them to the application), and
        // a tag of CAA has 15 at most (RFC 6844 §5.1; RFC 8659 does not say so).
        let is_long = rtype == RecordType::CAA && ours[1] > 15;
        // CSYNC (RFC 7477) is data of no form to us.
        let is_choosy =
            ours.is_empty() || is_long || [RecordType::NAPTR, RecordType(62)].contains(&rtype);
        if let Err(error) = TheirRecord::from_bytes(&plain)
            && !is_choosy
        {
            panic!("{rtype} {text}: {error}");
        }
    }
}
