//! Messages and records as large as they come. NSD 4.6.1 never ends an answer
//! over TCP that holds a record of 60 kB.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use truename::model::{Name, RecordType};

use super::message::{Key, Message, wire_name, with_cookie};
use super::server::Server;
use super::table::now;
use crate::parsed::parsed;

/// The longest data a zone file may have.
const BIG: usize = 60_000 - 12;

/// A string of so many octets, cut into strings of 255.
fn text(octets: usize) -> Vec<u8> {
    let mut data = Vec::new();
    while data.len() < octets {
        let length = (octets - data.len() - 1).min(255);
        data.push(length as u8);
        data.extend(std::iter::repeat_n(b'x', length));
    }
    data
}

fn tcp(server: SocketAddr, request: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(server).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(&[&(request.len() as u16).to_be_bytes(), request].concat()).unwrap();
    let mut length = [0; 2];
    stream.read_exact(&mut length).unwrap();
    let mut answer = vec![0; u16::from_be_bytes(length).into()];
    stream.read_exact(&mut answer).unwrap();
    answer
}

fn udp(server: SocketAddr, request: &[u8]) -> Vec<u8> {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    socket.connect(server).unwrap();
    socket.send(request).unwrap();
    let mut answer = vec![0; 65_535];
    let length = socket.recv(&mut answer).unwrap();
    answer.truncate(length);
    answer
}

fn question(name: &str) -> Message {
    let name = Name::from_wire(&wire_name(name)).unwrap();
    Message { questions: vec![(name, RecordType::TXT, 1)], id: 0x4e5d, ..Message::default() }
}

fn update(lines: &[String]) -> Message {
    let zone = Name::from_wire(&wire_name("@")).unwrap();
    let questions = vec![(zone, RecordType::SOA, 1)];
    let mut message = Message { opcode: 5, questions, id: 0x2136, ..Message::default() };
    lines.iter().for_each(|line| message.take(line));
    message
}

fn hex(octets: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(octets)
}

/// A zone with texts of these lengths at `t0`, `t1` …, and a key.
fn scene(lengths: &[usize]) -> (Server, Key) {
    let mut zone = "$ORIGIN dyn.example.\n$TTL 60\n@ SOA ns1 h 1 1 1 1 1\n@ NS ns1\n\
                    ns1 A 192.0.2.53\n"
        .to_owned();
    for (at, length) in lengths.iter().enumerate() {
        zone += &format!("t{at} TXT \\# {length} {}\n", hex(&text(*length)));
    }
    let server = Server::with(&zone);
    server.account("us");
    server.host("home.dyn.example", &["192.0.2.1"], Some("us"));
    let (id, secret) = server.key("us", "addresses,TXT");
    (server, Key { name: id.0, secret: secret.into() })
}

#[test]
fn a_record_of_60_kb_is_asked_for_signed() {
    let (server, key) = scene(&[BIG]);
    let mut request = question("t0").octets();
    let mac = key.sign(&mut request, now());
    let answer = tcp(server.address(), &request);
    key.check(&answer, &mac);
    assert_eq!(parsed(&answer).sections[0][0].data, text(BIG));
    let answer = udp(server.address(), &request);
    key.check(&answer, &mac);
    assert!(answer.len() <= 512 && answer[2] & 2 != 0, "cut to what the client takes");
}

/// The answer has room for its signature within what the client takes, or is
/// cut. To the octet. (Over TCP it always has: zone files have no larger sets.)
#[test]
fn an_answer_has_room_for_its_signature() {
    // Header, question, an address and its data's head; the signature.
    let around = 12 + (3 + 13 + 4) + 12;
    let signature = 10 + 10 + 13 + 16 + 32;
    // None, one without options, one with a cookie of the server's.
    let table = [(512, 0), (512, 11), (1232, 11 + 4 + 24)];
    let room = |(most, edns): (usize, usize)| most - around - signature - edns;
    let lengths = table.map(|case| [room(case), room(case) + 1]);
    let (server, key) = scene(lengths.as_flattened());
    let mut request = question("@").octets();
    with_cookie(&mut request, b"at home.");
    let answer = udp(server.address(), &request);
    let cookie = &answer[answer.len() - 24..];
    for (at, (most, edns)) in table.into_iter().enumerate() {
        for more in [0, 1] {
            let mut request = question(&format!("t{}", 2 * at + more)).octets();
            match edns {
                0 => {}
                11 => {
                    request[11] = 1;
                    request.extend([0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0]);
                }
                _ => with_cookie(&mut request, cookie),
            }
            let mac = key.sign(&mut request, now());
            let answer = udp(server.address(), &request);
            key.check(&answer, &mac);
            let cut = answer[2] & 2 != 0;
            assert_eq!(cut, more == 1, "{most}: {}", answer.len());
            assert!(cut || answer.len() == most, "{most}: {}", answer.len());
        }
    }
}

#[test]
fn an_update_with_records_of_60_kb_is_refused_or_found_so() {
    let (server, key) = scene(&[BIG]);
    let big = hex(&text(BIG));
    let cases = [
        (format!("raw update home IN 60 TXT {big}"), 5),
        (format!("raw update home IN 60 TYPE65280 {big}"), 5),
        (format!("raw update home NONE 0 TXT {big}"), 0),
        (format!("raw prerequisite t0 IN 0 TXT {big}"), 0),
        (format!("raw prerequisite home IN 0 TXT {big}"), 8),
    ];
    for (line, expected) in cases {
        let mut request = update(std::slice::from_ref(&line)).octets();
        let mac = key.sign(&mut request, now());
        let answer = tcp(server.address(), &request);
        key.check(&answer, &mac);
        assert_eq!(answer[3] & 15, expected, "{}", &line[..40]);
    }
}

/// More updates than one message may have are refused, whatever they are; as
/// many as it may have are done.
#[test]
fn as_many_updates_as_one_message_may_have() {
    let (server, key) = scene(&[]);
    for (count, expected) in [(1000, 0), (1001, 5)] {
        for line in ["remove home TXT x", "in-use home"] {
            let mut request = update(&vec![line.to_owned(); count]).octets();
            let mac = key.sign(&mut request, now());
            let answer = tcp(server.address(), &request);
            key.check(&answer, &mac);
            assert_eq!(answer[3] & 15, expected, "{count} times {line}");
        }
    }
}

/// A host has so many records and no more.
#[test]
fn a_host_has_so_many_records_and_no_more() {
    let (server, key) = scene(&[]);
    let add = |range: std::ops::Range<usize>| {
        let lines: Vec<String> = range.map(|at| format!("add home 60 TXT t{at}")).collect();
        let mut request = update(&lines).octets();
        let mac = key.sign(&mut request, now());
        let answer = tcp(server.address(), &request);
        key.check(&answer, &mac);
        answer[3] & 15
    };
    assert_eq!(add(0..65), 5);
    assert_eq!(add(0..64), 0);
    assert_eq!(add(64..65), 5);
    assert_eq!(add(10..20), 0);
    let records = parsed(&tcp(server.address(), &question("home").octets()));
    assert_eq!(records.sections[0].len(), 64);
}
