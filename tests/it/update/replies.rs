//! What is signed is answered signed, whatever it is (RFC 8945 §5.3); and what
//! nobody can sign, the client is told in no more octets than it sent.

use std::net::UdpSocket;
use std::time::Duration;

use truename::model::{Name, RecordType};
use truename::tsig::{Tsig, error};

use super::message::{Key, Message, wire_name};
use super::server::Server;
use super::table::now;
use crate::parsed::parsed;

fn ask(server: &Server, request: &[u8]) -> Vec<u8> {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    socket.connect(server.address()).unwrap();
    socket.send(request).unwrap();
    let mut answer = vec![0; 65_535];
    let length = socket.recv(&mut answer).unwrap();
    answer.truncate(length);
    answer
}

#[test]
fn every_operation_is_answered_signed() {
    let server = Server::new();
    server.account("us");
    let (id, secret) = server.key("us", "addresses");
    let key = Key { name: id.0, secret: secret.into() };
    let soa = (Name::from_wire(&wire_name("dyn.example.org.")).unwrap(), RecordType::SOA, 1);
    for opcode in 0..16 {
        for questions in 0..3 {
            let questions = vec![soa.clone(); questions];
            let message = Message { opcode, questions, id: 0x8945, ..Message::default() };
            let mut request = message.octets();
            let mac = key.sign(&mut request, now());
            let answer = ask(&server, &request);
            assert_eq!(key.check(&answer, &mac).error, error::NONE);
            let expected = match (opcode, message.questions.len()) {
                (0 | 5, 1) => 0,
                (4, 1) => 5,
                (0 | 4 | 5, _) => 1,
                _ => 4,
            };
            assert_eq!(answer[3] & 15, expected, "{opcode}, {} questions", message.questions.len());
        }
    }
}

/// Of 63 letters each.
fn labels(count: usize) -> String {
    (0..count).map(|at| format!("{}.", "abcdefg".repeat(9).split_at(at).1)).collect()
}

/// A question for a name that also is the key's, below a label: the request
/// has it once.
fn pointing(name: &str) -> Vec<u8> {
    let name = Name::from_wire(&wire_name(name)).unwrap();
    let questions = vec![(name.clone(), RecordType::A, 1)];
    let mut request = Message { questions, id: 0x8945, ..Message::default() }.octets();
    made_up(&mut request, b"\x02k7\xc0\x0c");
    request
}

/// Appends a signature by nobody, of a key whose name is written like this.
fn made_up(request: &mut Vec<u8>, name: &[u8]) {
    let start = request.len();
    let tsig = Tsig {
        key: Name::root(),
        algorithm: "hmac-sha256".parse().unwrap(),
        time: now(),
        fudge: 300,
        mac: vec![0; 32],
        original_id: 0x8945,
        error: 0,
        other: Vec::new(),
        start,
    };
    tsig.append(request);
    request.splice(start..=start, name.iter().copied());
}

#[test]
fn of_a_bad_signature_one_is_told_in_no_more_octets_than_were_sent() {
    let server = Server::new();
    for name in ["Home.dyn.example.org.", &labels(3)] {
        let request = pointing(name);
        let answer = ask(&server, &request);
        assert!(answer.len() <= request.len(), "{} for {}", answer.len(), request.len());
        let tsig = truename::tsig::find(&answer).unwrap().expect("it says what is wrong");
        assert_eq!((tsig.error, tsig.mac.len()), (error::BADKEY, 0));
        assert_eq!(tsig.key, format!("k7.{name}").parse().unwrap());
        assert_eq!(parsed(&answer).sections[0].len(), 0);
    }
}

/// A key's name that is a pointer, in a message without a question that an
/// answer could point at.
#[test]
fn without_a_question_the_keys_name_is_said_in_full() {
    let server = Server::new();
    for opcode in [0, 4, 5] {
        let mut request = Message { opcode, id: 0x8945, ..Message::default() }.octets();
        request.extend(b"\x04some\x03key\x04name\0\0\x01\0\x01\0\0\0\0\0\x04\xc0\0\x02\x01");
        request[11] = 1;
        made_up(&mut request, b"\xc0\x0c");
        let answer = ask(&server, &request);
        let tsig = truename::tsig::find(&answer).unwrap().expect("it says what is wrong");
        assert_eq!((tsig.error, tsig.key), (error::BADKEY, "some.key.name".parse().unwrap()));
    }
}

/// A datagram holds 512 octets where nothing else is said: names that fill it
/// leave room for the code alone.
#[test]
fn names_that_fill_a_datagram_are_not_said_again() {
    let server = Server::new();
    let name = Name::from_wire(&wire_name(&labels(3))).unwrap();
    let questions = vec![(name, RecordType::A, 1)];
    let mut request = Message { questions, id: 0x8945, ..Message::default() }.octets();
    let key = Key { name: format!("x.{}", labels(3)), secret: vec![7; 32] };
    let key = Key { name: key.name.trim_end_matches('.').to_owned(), ..key };
    let long = labels(3);
    key.sign(&mut request, now());
    let mut tsig = truename::tsig::find(&request).unwrap().unwrap();
    let mut request = tsig.stripped(&request);
    tsig.algorithm = long.parse().unwrap();
    tsig.append(&mut request);
    let answer = ask(&server, &request);
    assert_eq!(answer, [0x89, 0x45, 0x80, 9, 0, 0, 0, 0, 0, 0, 0, 0]);
}
