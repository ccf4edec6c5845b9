//! Every question of the answer tables, by every way there is, has the octets
//! that the answering core gives; only datagrams may be shorter.

use std::net::SocketAddr;

use super::*;
use crate::answers::tables;
use truename::answer::{MAX_UDP, Meta, Verdict, answer};

/// Questions that no table asks: for the slow path, and unreadable ones.
fn others() -> Vec<Vec<u8>> {
    let mut notify = question(0, "example.", RecordType::SOA);
    notify.metadata.op_code = OpCode::Notify;
    let mut two = ask(0, "example.", RecordType::SOA);
    two[5] = 2;
    vec![
        ask(0, "example.", RecordType::AXFR),
        ask(0, "test.", RecordType::IXFR),
        notify.to_vec().unwrap(),
        two,
        b"\0\x08\0\0\0\x01\0\0\0\0\0\0broken".to_vec(),
    ]
}

#[test]
fn every_transport_gives_the_same_bytes() {
    let dns = Dns::with(Options {
        listen: addresses(&["127.0.0.1:0", "[::1]:0"]),
        threads: 2,
        unverified_size: MAX_UDP,
        ..Options::default()
    });
    let (v4, v6) = (dns.address(0), dns.address(1));
    let (mut asked, mut cut) = (0, 0);
    for (snapshot, mut questions) in tables() {
        questions.extend(others());
        // Each has an id of its own, so that no answer passes for another's.
        for (id, question) in questions.iter_mut().enumerate() {
            question[..2].copy_from_slice(&(0x4000 + id as u16).to_be_bytes());
        }
        let snapshot = Arc::new(snapshot);
        dns.snapshot.store(snapshot.clone());
        let streams = questions.iter().map(|question| tcp(v4, question)).collect::<Vec<_>>();
        for (question, stream) in questions.iter().zip(&streams) {
            let mut out = Vec::new();
            let datagram = udp(v4, question);
            assert_eq!(udp(v6, question), datagram);
            match answer(&snapshot, question, &Meta::UDP, &mut out) {
                Verdict::Sent => assert_eq!(datagram, out),
                // By the slow path: short, and so the same in both.
                _ => assert_eq!(datagram, *stream),
            }
            if answer(&snapshot, question, &Meta::TCP, &mut out) == Verdict::Sent {
                assert_eq!(*stream, out);
            }
            assert_eq!(stream[..2], question[..2]);
            assert_eq!(stream[2] & 2, 0, "TC over TCP");
            asked += 1;
            if datagram[2] & 2 != 0 {
                cut += 1;
            } else {
                // Only glue is left out without a word (RFC 9471 §3.2).
                assert_eq!(datagram[6..10], stream[6..10]);
            }
        }
        assert_eq!(octet_by_octet(v4, &questions), streams);
        assert_eq!(pipelined(v4, &questions), streams);
        assert_eq!(pipelined(v6, &questions), streams);
    }
    assert!(asked > 150 && cut > 0, "{asked} questions, {cut} of them too long for UDP");
}

/// One connection, every octet sent by itself.
fn octet_by_octet(server: SocketAddr, questions: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut client = tcp_client(server);
    let one = |question: &Vec<u8>| {
        for octet in framed(question) {
            client.write_all(&[octet]).unwrap();
        }
        read_message(&mut client).unwrap()
    };
    questions.iter().map(one).collect()
}

/// One connection, all of them at once, before any answer is read.
fn pipelined(server: SocketAddr, questions: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut client = tcp_client(server);
    let all: Vec<u8> = questions.iter().flat_map(|question| framed(question)).collect();
    client.write_all(&all).unwrap();
    questions.iter().map(|_| read_message(&mut client).unwrap()).collect()
}
