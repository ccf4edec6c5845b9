//! Questions to the answering core in process, and their answers as text.

use hickory_proto::op::{Message, MessageType, OpCode, Query};
use hickory_proto::rr::{Name, Record, RecordType};
use truename::answer::{Meta, Verdict, answer};
use truename::zone::Snapshot;

/// A question as bytes.
pub fn question(name: &str, kind: RecordType) -> Vec<u8> {
    let mut message = Message::new(4711, MessageType::Query, OpCode::Query);
    message.add_query(Query::query(Name::from_ascii(name).unwrap(), kind));
    message.to_vec().unwrap()
}

/// Asks, and parses what comes back.
pub fn ask(snapshot: &Snapshot, name: &str, kind: RecordType) -> Message {
    let mut out = Vec::new();
    let verdict = answer(snapshot, &question(name, kind), &Meta::TCP, &mut out);
    assert_eq!(verdict, Verdict::Sent, "{name} {kind}");
    Message::from_vec(&out).unwrap()
}

/// `noerror 192.0.2.1`, `nodata`, `nxdomain`, as a person would note it down.
pub fn dig(snapshot: &Snapshot, name: &str, kind: RecordType) -> String {
    let message = ask(snapshot, name, kind);
    let code = format!("{:?}", message.metadata.response_code).to_lowercase();
    let mut data: Vec<String> = message.answers.iter().map(shown).collect();
    data.sort();
    match (code.as_str(), data.is_empty()) {
        ("noerror", true) if message.authorities.iter().any(is_ns) => "referral".into(),
        ("noerror", true) => "nodata".into(),
        ("noerror", false) => format!("noerror {}", data.join(" ")),
        _ => code,
    }
}

fn is_ns(record: &Record) -> bool {
    record.record_type() == RecordType::NS
}

fn shown(record: &Record) -> String {
    format!("{} ttl {}", record.data, record.ttl)
}

/// The serial in a zone's SOA record.
pub fn serial(snapshot: &Snapshot, zone: &str) -> u32 {
    let message = ask(snapshot, zone, RecordType::SOA);
    let soa = message.answers.first().expect("every zone has a SOA record");
    let text = soa.data.to_string();
    text.split_whitespace().nth(2).and_then(|word| word.parse().ok()).expect("mname rname serial")
}
