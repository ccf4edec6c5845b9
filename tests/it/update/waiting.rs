//! Updates wait for the disk, and nobody else for them.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::sync::atomic::Ordering;
use std::time::Duration;

use truename::model::{Name, RecordType};

use super::message::{Key, Message, wire_name};
use super::server::Server;
use super::table::now;
use crate::daemon::until;

/// Long enough for any answer on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

fn scene() -> (Server, Key) {
    let zone = "$ORIGIN dyn.example.\n$TTL 60\n@ SOA ns1 h 1 1 1 1 1\n@ NS ns1\n\
                ns1 A 192.0.2.53\n";
    let server = Server::with(zone);
    server.host("home.dyn.example", &["192.0.2.1"], None);
    let (id, secret) = server.key("home.dyn.example", "addresses,acme");
    (server, Key { name: id.0, secret: secret.into() })
}

/// A signed UPDATE that changes something, each another thing; its MAC.
fn update(key: &Key, id: u16) -> (Vec<u8>, Vec<u8>) {
    let zone = Name::from_wire(&wire_name("@")).unwrap();
    let questions = vec![(zone, RecordType::SOA, 1)];
    let mut message = Message { opcode: 5, questions, id, ..Message::default() };
    message.take(&format!("remove _acme-challenge.home TXT old{id}"));
    message.take(&format!("add _acme-challenge.home 60 TXT {id}"));
    let mut request = message.octets();
    let mac = key.sign(&mut request, now());
    (request, mac)
}

fn udp(server: SocketAddr) -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(server).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

fn tcp(server: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(server).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn framed(request: &[u8]) -> Vec<u8> {
    [&(request.len() as u16).to_be_bytes(), request].concat()
}

fn read(stream: &mut TcpStream) -> Vec<u8> {
    let mut length = [0; 2];
    stream.read_exact(&mut length).unwrap();
    let mut answer = vec![0; u16::from_be_bytes(length).into()];
    stream.read_exact(&mut answer).unwrap();
    answer
}

/// Nothing has come yet.
fn is_silent(socket: &UdpSocket) -> bool {
    socket.set_nonblocking(true).unwrap();
    let seen = socket.recv(&mut [0; 512]);
    socket.set_nonblocking(false).unwrap();
    seen.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
}

/// A NOTIFY goes the slow way and is refused at once.
fn notify(server: SocketAddr) {
    let zone = Name::from_wire(&wire_name("@")).unwrap();
    let questions = vec![(zone, RecordType::SOA, 1)];
    let message = Message { opcode: 4, questions, id: 7, ..Message::default() };
    let socket = udp(server);
    socket.send(&message.octets()).unwrap();
    let mut answer = [0; 512];
    let length = socket.recv(&mut answer).expect("an answer while another waits");
    assert_eq!((length > 12, answer[3] & 15), (true, 5));
}

#[test]
fn an_update_that_waits_for_the_disk_is_in_nobodys_way() {
    let (server, key) = scene();
    let groups = |server: &Server| server.world.groups.load(Ordering::SeqCst);
    let before = groups(&server);
    let slow = server.world.slow.clone();
    let held = slow.lock().unwrap();
    let clients: Vec<(UdpSocket, Vec<u8>)> = (0..50)
        .map(|id| {
            let socket = udp(server.address());
            let (request, mac) = update(&key, id);
            socket.send(&request).unwrap();
            (socket, mac)
        })
        .collect();
    until("an update waits for the disk", PATIENCE, || (groups(&server) > before).then_some(()));
    notify(server.address());
    // None is told anything before it is durable.
    assert!(clients.iter().all(|(socket, _)| is_silent(socket)));
    drop(held);
    for (id, (socket, mac)) in clients.iter().enumerate() {
        let mut answer = [0; 512];
        let length = socket.recv(&mut answer).expect("an answer once the disk has it");
        assert_eq!((answer[1], answer[3] & 15), (id as u8, 0));
        key.check(&answer[..length], mac);
    }
    // The first alone, and those that came meanwhile together (they came over
    // the network, so perhaps not all in time).
    let used = groups(&server) - before;
    assert!(used < 25, "50 updates in {used} groups");
}

#[test]
fn updates_sent_in_one_go_on_one_connection_share_their_fsync() {
    let (server, key) = scene();
    let groups = |server: &Server| server.world.groups.load(Ordering::SeqCst);
    let mut stream = tcp(server.address());
    let mut sent = Vec::new();
    let mut macs = Vec::new();
    // A question in between, and one at the end.
    let zone = Name::from_wire(&wire_name("_acme-challenge.home")).unwrap();
    let question =
        Message { questions: vec![(zone, RecordType::TXT, 1)], id: 0x3035, ..Message::default() };
    for id in 0..12 {
        let (request, mac) = update(&key, id);
        sent.extend(framed(&request));
        macs.push(mac);
        if id == 8 {
            sent.extend(framed(&question.octets()));
        }
    }
    sent.extend(framed(&question.octets()));
    let before = groups(&server);
    stream.write_all(&sent).unwrap();
    for id in 0..12 {
        let answer = read(&mut stream);
        assert_eq!((answer[1], answer[3] & 15), (id, 0), "in the order they were sent");
        key.check(&answer, &macs[usize::from(id)]);
        if id == 8 {
            // What was sent before it is done, what was sent after it is not.
            assert_eq!(read(&mut stream)[7], 9);
        }
    }
    assert_eq!(read(&mut stream)[7], 12);
    // Two lots, at the best a group each; each lot's first may go alone.
    let used = groups(&server) - before;
    assert!((2..=6).contains(&used), "12 updates in {used} groups");
}

/// The client's time does not run while we wait for the disk. That another
/// client's does, whose question began later, tells that it is over.
#[test]
fn a_connection_is_not_closed_for_a_slow_disk() {
    let (server, key) = scene();
    let slow = server.world.slow.clone();
    let held = slow.lock().unwrap();
    let mut stream = tcp(server.address());
    let (request, mac) = update(&key, 1);
    stream.write_all(&framed(&request)).unwrap();
    for _ in 0..2 {
        let mut stalls = tcp(server.address());
        stalls.write_all(&[0, 99, 1]).unwrap();
        // A reset is an end, too.
        assert!(!matches!(stalls.read(&mut [0; 1]), Ok(1..)), "it is closed without a word");
    }
    drop(held);
    let answer = read(&mut stream);
    assert_eq!(answer[3] & 15, 0);
    key.check(&answer, &mac);
}
