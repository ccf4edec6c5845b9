//! Datagrams that nobody should send, as the network brings them: from port 0,
//! from our own address and port; responses of every opcode. None is answered,
//! and what comes after is.
//!
//! Such senders can only be had with a raw socket, in a network namespace of
//! our own.

use std::net::{Ipv4Addr, SocketAddrV4};

use socket2::{Domain, Protocol, Socket, Type};

use super::*;

/// Runs this test again in a namespace; `true` there.
fn inside(test: &str) -> bool {
    let addresses = "ip addr add 192.0.2.53/32 dev lo && ip addr add 192.0.2.7/32 dev lo";
    is_inside(&format!("transports::nonsense::{test}"), addresses)
}

/// A datagram with its IP and UDP headers (RFC 791 §3.1, RFC 768). The kernel
/// fills in the checksum of the first; the second has none.
fn datagram(from: SocketAddrV4, to: SocketAddrV4, message: &[u8]) -> Vec<u8> {
    let length = (20 + 8 + message.len()) as u16;
    let mut octets = vec![0x45, 0];
    octets.extend(length.to_be_bytes());
    octets.extend([0, 0, 0, 0, 64, 17, 0, 0]);
    octets.extend(from.ip().octets());
    octets.extend(to.ip().octets());
    for word in [from.port(), to.port(), length - 20, 0] {
        octets.extend(word.to_be_bytes());
    }
    octets.extend_from_slice(message);
    octets
}

/// A raw socket to send by, and one that sees every datagram there is.
struct Wire {
    out: Socket,
    tap: Socket,
}

impl Wire {
    fn new() -> Wire {
        // 255: with headers of our own making (raw(7)).
        let out = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(255))).unwrap();
        let tap = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::UDP)).unwrap();
        tap.set_read_timeout(Some(PATIENCE)).unwrap();
        Wire { out, tap }
    }

    fn send(&self, from: SocketAddrV4, to: SocketAddrV4, message: &[u8]) {
        self.out.send_to(&datagram(from, to, message), &to.into()).unwrap();
    }

    /// The next datagram on the wire: from, to, message.
    fn next(&self) -> (SocketAddrV4, SocketAddrV4, Vec<u8>) {
        let mut buffer = [0; 65_535];
        let length = (&self.tap).read(&mut buffer).expect("something is on the wire");
        let octets = &buffer[..length];
        let ip = |at: usize| Ipv4Addr::from(<[u8; 4]>::try_from(&octets[at..at + 4]).unwrap());
        let port = |at: usize| u16::from_be_bytes([octets[at], octets[at + 1]]);
        let ends =
            [(12, 20), (16, 22)].map(|(address, at)| SocketAddrV4::new(ip(address), port(at)));
        (ends[0], ends[1], octets[28..].to_vec())
    }
}

/// Sends each, then a question; everything on the wire until that is answered,
/// but for what was sent. There is one worker, so the order is kept.
fn answers(
    wire: &Wire,
    server: SocketAddrV4,
    sent: &[(SocketAddrV4, Vec<u8>)],
) -> Vec<(SocketAddrV4, SocketAddrV4, Vec<u8>)> {
    let client = SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, 7), 40_000);
    // Somebody has the port, or the kernel says that it is unreachable.
    let _client = UdpSocket::bind(client).unwrap();
    for (from, message) in sent {
        wire.send(*from, server, message);
    }
    wire.send(client, server, &ask(0xfeed, "home.dyn.example.org.", RecordType::A));
    let mut seen = Vec::new();
    loop {
        let (from, to, message) = wire.next();
        if from == server && to == client {
            assert_eq!(message[..2], [0xfe, 0xed]);
            return seen;
        }
        // What we sent ourselves passes here, too.
        let is_ours = to == server && sent.iter().any(|(_, one)| *one == message);
        let is_question = from == client && to == server;
        if !is_ours && !is_question {
            seen.push((from, to, message));
        }
    }
}

fn one_worker(listen: &str) -> (Dns, SocketAddrV4) {
    let options = Options { listen: addresses(&[listen]), threads: 1, ..Options::default() };
    let dns = Dns::with(options);
    let server = SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, 53), dns.address(0).port());
    (dns, server)
}

#[test]
fn who_cannot_be_answered_is_not() {
    if !inside("who_cannot_be_answered_is_not") {
        return;
    }
    // Bound to its address, and to all of them.
    for listen in ["192.0.2.53:5353", "0.0.0.0:5354"] {
        let (_dns, server) = one_worker(listen);
        let wire = Wire::new();
        let plain = ask(1, "home.dyn.example.org.", RecordType::A);
        let mut notify = question(2, "dyn.example.org.", RecordType::SOA);
        notify.metadata.op_code = OpCode::Notify;
        let notify = notify.to_vec().unwrap();
        let mut sent = Vec::new();
        for message in [plain, notify, vec![0; 12], vec![0xff; 40]] {
            // Port 0; ourselves, which would be a loop without an end.
            sent.push((SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, 7), 0), message.clone()));
            sent.push((server, message));
        }
        assert_eq!(answers(&wire, server, &sent), [], "{listen}");
        // It sees what is sent: a question from elsewhere is answered there.
        let other = SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, 7), 40_001);
        let _other = UdpSocket::bind(other).unwrap();
        let fine = (other, ask(3, "home.dyn.example.org.", RecordType::A));
        let seen = answers(&wire, server, &[fine]);
        assert_eq!(seen.len(), 1);
        assert_eq!((seen[0].0, seen[0].1, &seen[0].2[..2]), (server, other, &[0, 3][..]));
    }
}

#[test]
fn a_response_is_never_answered() {
    if !inside("a_response_is_never_answered") {
        return;
    }
    let (dns, server) = one_worker("192.0.2.53:5353");
    let victim = SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, 7), 53);
    let _victim = UdpSocket::bind(victim).unwrap();
    let request = ask(4, "home.dyn.example.org.", RecordType::A);
    let answer = udp(dns.address(0), &request);
    let wire = Wire::new();
    let mut sent = Vec::new();
    for opcode in 0..16 {
        for rtype in [1, 6, 250, 251, 252, 255] {
            let mut response = answer.clone();
            response[2] = 0x80 | opcode << 3;
            let end = 12 + "home.dyn.example.org.".len() + 1;
            response[end..end + 2].copy_from_slice(&[(rtype >> 8) as u8, rtype as u8]);
            sent.push((victim, response));
        }
    }
    assert_eq!(answers(&wire, server, &sent), []);
}

/// A message of 64 KiB whose names take thirty million steps to follow:
/// pointers at pointers, and thousands of records that begin there. A refusal
/// depends on none of them.
#[test]
fn a_refusal_reads_no_records() {
    let dns = Dns::on(&["127.0.0.1:0"]);
    let mut notify = question(2, "dyn.example.org.", RecordType::SOA);
    notify.metadata.op_code = OpCode::Notify;
    let mut message = notify.to_vec().unwrap();
    // One record that no reader of data would take: an address of no octets.
    // Its own name and those after it lead through all pointers.
    let owner = message.len();
    message.extend([0, 0, 1, 0, 1, 0, 0, 0, 0]);
    let length = message.len();
    message.extend([0, 0]);
    let mut last = owner as u16;
    while message.len() < 0x3ff0 {
        let here = message.len() as u16;
        message.extend((0xc000 | last).to_be_bytes());
        last = here;
    }
    let chain = (message.len() - length - 2) as u16;
    message[length..length + 2].copy_from_slice(&chain.to_be_bytes());
    let mut records: u16 = 1;
    while message.len() < 65_000 {
        message.extend((0xc000 | last).to_be_bytes());
        message.extend([0, 1, 0, 1, 0, 0, 0, 0, 0, 0]);
        records += 1;
    }
    message[6..8].copy_from_slice(&records.to_be_bytes());
    let answer = tcp(dns.address(0), &message);
    let answer = parsed(&answer);
    assert_eq!(answer.metadata.response_code, ResponseCode::Refused);
    assert_eq!(answer.queries.len(), 1);
}
