//! DNS UPDATE (RFC 2136) over UDP, a socket a client, and plain questions.

use std::net::UdpSocket;
use std::os::fd::{AsRawFd, RawFd};
use std::time::Duration;

use super::poll::{self, Client};
use super::tsig::Key;
use super::{Addresses, Times};

/// A client and the host it moves.
struct Updater {
    socket: UdpSocket,
    number: usize,
    addresses: Addresses,
    id: u16,
    key: Option<Key>,
}

/// `dyn.example.org`.
const ZONE: &[u8] = b"\x03dyn\x07example\x03org\0";
const A: u16 = 1;
const SOA: u16 = 6;
const IN: u16 = 1;
const ANY: u16 = 255;
const TTL: u32 = 60;

impl AsRawFd for Updater {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

impl Client for Updater {
    /// Deletes the host's A records and adds one, in one message.
    fn ask(&mut self) {
        self.id = self.id.wrapping_add(1);
        let mut message = Vec::with_capacity(128);
        // Opcode 5; one zone, no prerequisites, two updates (RFC 2136 §2.2).
        push(&mut message, [self.id, 5 << 11, 1, 0, 2, 0]);
        message.extend_from_slice(ZONE);
        push(&mut message, [SOA, IN]);
        let host = name(self.number);
        // Delete an RRset (§2.5.2).
        message.extend_from_slice(&host);
        push(&mut message, [A, ANY, 0, 0, 0]);
        // Add to an RRset (§2.5.1).
        message.extend_from_slice(&host);
        push(&mut message, [A, IN, 0, TTL as u16, 4]);
        message.extend_from_slice(&self.addresses.next());
        if let Some(key) = &self.key {
            key.sign(&mut message);
        }
        self.socket.send(&message).unwrap();
    }

    fn listen(&mut self) -> bool {
        let mut answer = [0; 512];
        let length = self.socket.recv(&mut answer).unwrap();
        assert!(length >= 12 && answer[..2] == self.id.to_be_bytes(), "another answer");
        assert_eq!(answer[3] & 15, 0, "the response code for host {}", self.number);
        true
    }
}

/// As many as are answered NOERROR, signed if there is a key.
pub fn rate(server: &str, key: Option<&Key>, clients: usize, span: Duration) -> Times {
    let updater = |number| {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(server).unwrap();
        let mut addresses = Addresses::new();
        addresses.0 = addresses.0.wrapping_add((number as u32) << 18);
        Updater { socket, number, addresses, id: 0, key: key.cloned() }
    };
    poll::run((0..clients).map(updater).collect(), span)
}

/// What the DNS says now of a host: its one A record.
pub fn address(socket: &UdpSocket, number: usize) -> Option<[u8; 4]> {
    let mut question = Vec::with_capacity(64);
    push(&mut question, [number as u16, 0, 1, 0, 0, 0]);
    question.extend_from_slice(&name(number));
    push(&mut question, [A, IN]);
    socket.send(&question).unwrap();
    let mut answer = [0; 512];
    let length = socket.recv(&mut answer).expect("an answer within five seconds");
    assert_eq!(answer[..2], question[..2], "another answer");
    let answers = u16::from_be_bytes([answer[6], answer[7]]);
    (answers == 1).then(|| answer[length - 4..length].try_into().expect("four octets"))
}

fn name(number: usize) -> Vec<u8> {
    let label = format!("h{number}");
    [&[label.len() as u8], label.as_bytes(), ZONE].concat()
}

fn push<const N: usize>(message: &mut Vec<u8>, words: [u16; N]) {
    words.iter().for_each(|word| message.extend_from_slice(&word.to_be_bytes()));
}
