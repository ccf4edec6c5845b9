//! Messages to a server and what comes back.
//!
//! That nothing comes back is seen without waiting for long: another question
//! is asked behind it, and that one is answered.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use super::question::{Asked, Way};

/// How long an answer is waited for before the next question.
const SOON: Duration = Duration::from_millis(50);

/// How long it may come after the answer to the next question.
const GRACE: Duration = Duration::from_millis(100);

/// How long any answer may take on a busy machine; a stream on which nothing
/// comes for so long is silent.
const LONG: Duration = Duration::from_secs(5);

/// The next question.
const PROBE: &[u8] = b"\xff\xfe\0\0\0\x01\0\0\0\0\0\0\x03ns1\x07example\0\0\x01\0\x01";

/// What comes back for each message: nothing, or octets.
pub fn exchange(server: SocketAddr, asked: &Asked) -> Vec<Option<Vec<u8>>> {
    match asked.way {
        Way::Udp => asked.messages.iter().map(|message| datagram(server, message)).collect(),
        way => stream(server, &asked.messages, way),
    }
}

fn datagram(server: SocketAddr, message: &[u8]) -> Option<Vec<u8>> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    socket.connect(server).unwrap();
    socket.send(message).unwrap();
    let mut buffer = vec![0; 65_535];
    let mut probed = false;
    let mut wait = SOON;
    let begun = Instant::now();
    while begun.elapsed() < 4 * LONG {
        socket.set_read_timeout(Some(wait)).unwrap();
        match socket.recv(&mut buffer) {
            Ok(length) if length > 2 && buffer[..2] == PROBE[..2] => {
                probed = true;
                wait = GRACE;
            }
            Ok(length) => {
                buffer.truncate(length);
                return Some(buffer);
            }
            Err(_) if probed => return None,
            // Is it the message or the server?
            Err(_) => {
                let _ = socket.send(PROBE);
                wait = LONG;
            }
        }
    }
    panic!("{server} does not answer at all");
}

fn framed(message: &[u8]) -> Vec<u8> {
    [&(message.len() as u16).to_be_bytes()[..], message].concat()
}

fn stream(server: SocketAddr, messages: &[Vec<u8>], way: Way) -> Vec<Option<Vec<u8>>> {
    let mut stream = TcpStream::connect(server).unwrap();
    stream.set_nodelay(true).unwrap();
    let mut octets: Vec<u8> = messages.iter().flat_map(|message| framed(message)).collect();
    if way == Way::AfterNothing {
        octets.splice(0..0, [0, 0]);
    }
    match way {
        Way::Octets => octets.iter().for_each(|octet| {
            // One that is gone shows when it is read from.
            let _ = stream.write_all(&[*octet]);
        }),
        _ => drop(stream.write_all(&octets)),
    }
    if way == Way::HalfClosed {
        stream.shutdown(Shutdown::Write).unwrap();
    }
    let mut answers: Vec<Option<Vec<u8>>> = vec![None; messages.len()];
    let mut wait = SOON;
    while answers.contains(&None) {
        match read(&mut stream, wait) {
            Came::Message(answer) if answer.get(..2) == Some(&PROBE[..2]) => wait = GRACE,
            // Answers may come in any order (RFC 7766 §7).
            Came::Message(answer) => {
                let at = messages.iter().position(|message| message.get(..2) == answer.get(..2));
                answers[at.expect("an answer to what was asked")] = Some(answer);
            }
            Came::Nothing if wait == SOON => {
                let _ = stream.write_all(&framed(PROBE));
                wait = LONG;
            }
            Came::Nothing | Came::End => break,
        }
    }
    answers
}

/// What was read.
enum Came {
    Message(Vec<u8>),
    Nothing,
    End,
}

fn read(stream: &mut TcpStream, wait: Duration) -> Came {
    let mut length = [0; 2];
    stream.set_read_timeout(Some(wait)).unwrap();
    match stream.read_exact(&mut length) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::WouldBlock => return Came::Nothing,
        Err(_) => return Came::End,
    }
    let mut message = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.set_read_timeout(Some(4 * LONG)).unwrap();
    match stream.read_exact(&mut message) {
        Ok(()) => Came::Message(message),
        Err(_) => Came::End,
    }
}
