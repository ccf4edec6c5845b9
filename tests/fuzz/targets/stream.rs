//! DNS over TCP: whatever octets a connection carries, in whatever pieces, the
//! messages in them are answered in their order, each as by itself, until one
//! is no request; then it ends.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use truename::answer::{Verdict, answer};
use truename::dns::{Options, Server, SlowHandler, Terms, Transport, serve};
use truename::registry::Registry;

use super::{Target, grammar, memory};
use crate::dice::Dice;

pub const TARGET: Target =
    Target { name: "stream", holds, seeds, mutate, longest: 4096, rounds: 1_000 };

/// An octet that says in which pieces, then messages with their lengths.
fn seeds() -> Vec<Vec<u8>> {
    let messages = super::answer::seeds();
    let mut seeds: Vec<Vec<u8>> =
        messages.iter().step_by(20).map(|message| framed(&[7], [&message[..]])).collect();
    seeds.push(framed(&[0], messages.iter().step_by(12).map(|message| &message[..])));
    // A slow one between two quick ones.
    let notify = b"\x12\x67\x20\0\0\x01\0\0\0\0\0\0\x07example\0\0\x06\0\x01";
    seeds.push(framed(&[3], [&messages[0][..], notify, &messages[2][..]]));
    seeds
}

fn framed<'m>(before: &[u8], messages: impl IntoIterator<Item = &'m [u8]>) -> Vec<u8> {
    messages.into_iter().fold(before.to_vec(), |mut stream, message| {
        stream.extend((message.len() as u16).to_be_bytes());
        stream.extend_from_slice(message);
        stream
    })
}

fn mutate(octets: &mut Vec<u8>, dice: &mut Dice) {
    let stream = octets.split_off(octets.len().min(1));
    let mut messages: Vec<Vec<u8>> = Vec::new();
    let mut rest = &stream[..];
    while let Some((message, after)) = first(rest) {
        messages.push(message.to_vec());
        rest = after;
    }
    let at = dice.roll(messages.len() + 1);
    match dice.roll(4) {
        0 => messages.insert(at, grammar::message(dice)),
        1 if at < messages.len() => drop(messages.remove(at)),
        _ if at < messages.len() => grammar::mutate(&mut messages[at], dice),
        _ => messages.push(grammar::message(dice)),
    }
    let mut stream = framed(&[dice.roll(256) as u8], messages.iter().map(|m| &m[..]));
    if dice.roll(4) == 0 {
        let at = dice.roll(stream.len());
        stream[at] = stream[at].wrapping_add(1 + dice.roll(255) as u8);
    }
    *octets = stream;
}

fn first(stream: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = stream.split_first_chunk::<2>()?;
    rest.split_at_checked(u16::from_be_bytes(*length).into())
}

struct Served {
    registry: Registry,
    slow: Arc<SlowHandler>,
    terms: Arc<Terms>,
    server: Server,
    runtime: Runtime,
}

static SERVED: LazyLock<Served> = LazyLock::new(|| {
    let registry = memory::registry(memory::Memory::of(memory::rows())).expect("good rows");
    let runtime = memory::runtime();
    let snapshot = registry.snapshot().clone();
    let moments = memory::moments();
    let options = Options {
        listen: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 0))],
        threads: 1,
        tcp_idle: Duration::from_secs(60),
        tcp_message: Duration::from_secs(60),
        ..memory::dns_options()
    };
    let server = {
        let _inside = runtime.enter();
        serve(&options, snapshot.clone(), Some(registry.clone()), &moments).expect("loopback")
    };
    let terms = Arc::new(Terms::new(&options, &moments));
    let slow = Arc::new(SlowHandler::new(snapshot, Some(registry.clone()), terms.clone()));
    Served { registry, slow, terms, server, runtime }
});

fn holds(octets: &[u8]) {
    let Some((pieces, stream)) = octets.split_first() else { return };
    let Served { server, runtime, .. } = &*SERVED;
    // From another address each time, so that the ports of closed connections
    // do not run out.
    static CLIENT: AtomicU32 = AtomicU32::new(0);
    let number = CLIENT.fetch_add(1, Ordering::Relaxed) % 60_000;
    let client = Ipv4Addr::from(0x7f01_0001 + number);
    runtime.block_on(async {
        let expected = expected(client, stream).await;
        let answers = exchange(client, server.addresses()[0], stream, (*pieces).into()).await;
        assert_eq!(answers, expected, "in pieces of {pieces}: {stream:02x?}");
    });
}

/// What is to be answered, message by message.
async fn expected(client: Ipv4Addr, mut stream: &[u8]) -> Vec<u8> {
    let Served { registry, slow, terms, .. } = &*SERVED;
    let mut answers = Vec::new();
    let snapshot = registry.snapshot().load_full();
    let meta = terms.stream(client.into(), terms.now());
    while let Some((message, rest)) = first(stream) {
        stream = rest;
        let mut out = Vec::new();
        // Less than a header, or a response: whoever sends those is no client.
        let verdict = match message.len() {
            12.. => answer(&snapshot, message, &meta, &mut out),
            _ => Verdict::Drop,
        };
        match verdict {
            Verdict::Sent => answers.push(out),
            Verdict::Drop => break,
            Verdict::Slow(_) => {
                let (replies, mut written) = mpsc::channel(8);
                let peer = SocketAddr::from((client, 1));
                let work = slow.clone().handle(message.to_vec(), peer, Transport::Tcp, replies);
                let read = async {
                    let mut answers = Vec::new();
                    while let Some(answer) = written.recv().await {
                        answers.push(answer);
                    }
                    answers
                };
                answers.extend(tokio::join!(work, read).1);
            }
        }
    }
    framed(&[], answers.iter().map(|answer| &answer[..]))
}

/// What comes back for a stream in pieces of so many octets, 0 for all at
/// once, until the server closes.
async fn exchange(client: Ipv4Addr, server: SocketAddr, stream: &[u8], pieces: usize) -> Vec<u8> {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind(SocketAddr::from((client, 0))).expect("all of 127.0.0.0/8 is here");
    let connection = socket.connect(server).await.expect("it listens");
    connection.set_nodelay(true).expect("it is TCP");
    let (mut read, mut write) = connection.into_split();
    let send = async {
        for piece in stream.chunks(if pieces == 0 { usize::MAX } else { pieces }) {
            // It may have ended over what came before.
            if write.write_all(piece).await.is_err() {
                break;
            }
            tokio::task::yield_now().await;
        }
        let _ = write.shutdown().await;
    };
    let receive = async {
        let mut answers = Vec::new();
        loop {
            match read.read_buf(&mut answers).await {
                Ok(0) => break,
                Ok(_) => {}
                // Closed over octets that it had not read.
                Err(error) if error.kind() == ErrorKind::ConnectionReset => break,
                Err(error) => panic!("{error}"),
            }
        }
        answers
    };
    tokio::join!(send, receive).1
}
