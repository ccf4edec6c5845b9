//! DNS over TCP (RFC 7766): each message behind its length in two octets.
//!
//! After Knot's manner. A connection answers in the order it is asked,
//! reads no further while its answers are not taken, and may stall neither a
//! message nor an answer for longer than [`Options::tcp_message`]. So a
//! connection holds at most one incomplete message (64 KiB, kept as it
//! arrives and not before) and [`FLUSH`] octets of answers and one more.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use hickory_server::net::xfer::Protocol;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::slots::{Place, Slots};
use super::{GRACE, Options, SlowHandler};
use crate::answer::{Meta, Verdict, answer};
use crate::wire::HEADER;
use crate::zone::Snapshot;

/// What is read at a time: a connection's buffer when little is said.
const READ: usize = 2048;

/// Answers to pipelined questions are sent together, up to this many octets.
const FLUSH: usize = 16 * 1024;

/// How long accepting rests when the system is short of something.
const REST: Duration = Duration::from_millis(100);

/// What all TCP connections share.
pub struct Streams {
    snapshot: Arc<ArcSwap<Snapshot>>,
    slow: Arc<SlowHandler>,
    slots: Arc<Slots>,
    idle: Duration,
    message: Duration,
    stop: watch::Receiver<bool>,
}

impl Streams {
    /// No connection yet.
    pub fn new(
        options: &Options,
        snapshot: Arc<ArcSwap<Snapshot>>,
        slow: Arc<SlowHandler>,
        stop: watch::Receiver<bool>,
    ) -> Streams {
        Streams {
            snapshot,
            slow,
            slots: Arc::new(Slots::new(options.tcp_connections)),
            idle: options.tcp_idle,
            message: options.tcp_message,
            stop,
        }
    }
}

/// Accepts until told to stop, whatever goes wrong with single connections.
pub async fn accept(listener: TcpListener, streams: Arc<Streams>) {
    let mut connections = JoinSet::new();
    let mut stop = streams.stop.clone();
    let mut shortages: u64 = 0;
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                let place = streams.slots.take();
                connections.spawn(serve(stream, peer, place, streams.clone()));
            }
            Err(error) if concerns_one_connection(&error) => {}
            Err(error) => {
                // Out of descriptors or memory. The connection stays in the
                // backlog, so trying again at once would only spin. Said at
                // the 1st, 2nd, 4th, 8th … time: it comes in floods.
                shortages += 1;
                if shortages.is_power_of_two() {
                    tracing::warn!("no room for a TCP connection ({shortages} times): {error}");
                }
                streams.slots.make_room();
                tokio::time::sleep(REST).await;
            }
        }
    }
    drop(listener);
    let ended = async { while connections.join_next().await.is_some() {} };
    if timeout(GRACE, ended).await.is_err() {
        connections.shutdown().await;
    }
}

/// Whether an error of `accept` is about a connection that died in the
/// backlog (Linux reports its network errors here, see accept(2)).
fn concerns_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::*;
    matches!(
        error.kind(),
        ConnectionAborted
            | ConnectionReset
            | NetworkDown
            | NetworkUnreachable
            | HostUnreachable
            | TimedOut
            | Interrupted
    )
}

/// One connection from its first octet to its last.
async fn serve(stream: TcpStream, peer: SocketAddr, place: Place, streams: Arc<Streams>) {
    let mut connection = Connection {
        stream,
        peer,
        place: &place,
        streams: &streams,
        output: Vec::new(),
        reply: Vec::new(),
    };
    tokio::select! {
        ended = connection.converse() => {
            if let Err(error) = ended {
                tracing::debug!("TCP connection from {peer}: {error}");
                // What it did not take is not kept for it: a reset frees the
                // kernel's buffers, a close would leave them for minutes.
                let _ = socket2::SockRef::from(&connection.stream)
                    .set_linger(Some(Duration::ZERO));
            }
        }
        () = place.evicted() => {}
    }
}

struct Connection<'a> {
    stream: TcpStream,
    peer: SocketAddr,
    place: &'a Place,
    streams: &'a Streams,
    /// Answers with their lengths, not yet sent.
    output: Vec<u8>,
    /// The answer being made.
    reply: Vec<u8>,
}

impl Connection<'_> {
    /// Reads, answers, sends, until the client goes, stalls, or talks
    /// nonsense, or the server stops.
    async fn converse(&mut self) -> io::Result<()> {
        self.stream.set_nodelay(true)?;
        // Answers that the client never takes are the kernel's once written;
        // it keeps them no longer than this, after a close as well (RFC 5482).
        socket2::SockRef::from(&self.stream).set_tcp_user_timeout(Some(self.streams.idle))?;
        let mut stop = self.streams.stop.clone();
        let mut input = Vec::new();
        loop {
            let answered = self.answer_all(&input).await?;
            input.drain(..answered.used);
            self.flush().await?;
            if !answered.sane {
                return Ok(());
            }
            if input.is_empty() {
                // A long message's buffer is not kept for idle hours.
                input.shrink_to(READ);
                self.output.shrink_to(READ);
                self.reply.shrink_to(READ);
                if answered.used > 0 {
                    self.place.idle();
                }
                let received = tokio::select! {
                    received = timeout(self.streams.idle, self.read(&mut input)) => received,
                    _ = stop.wait_for(|stop| *stop) => return Ok(()),
                };
                // Nothing was asked: no fault, a plain close.
                let Ok(received) = received else { return Ok(()) };
                if received? == 0 {
                    return Ok(());
                }
                self.place.busy();
            }
            // A message has begun. One that the client breaks off needs no
            // answer.
            let whole = timeout(self.streams.message, self.complete(&mut input)).await??;
            if !whole {
                return Ok(());
            }
        }
    }

    /// Reads what there is; how many octets.
    async fn read(&mut self, input: &mut Vec<u8>) -> io::Result<usize> {
        input.reserve(READ);
        self.stream.read_buf(input).await
    }

    /// Reads until there is a whole message; whether there is one.
    async fn complete(&mut self, input: &mut Vec<u8>) -> io::Result<bool> {
        while first_message(input).is_none() {
            if self.read(input).await? == 0 {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Answers every message that is there in full.
    async fn answer_all(&mut self, input: &[u8]) -> io::Result<Answered> {
        let mut used = 0;
        while let Some(message) = first_message(&input[used..]) {
            used += 2 + message.len();
            if message.len() < HEADER {
                return Ok(Answered { used, sane: false });
            }
            let verdict =
                answer(&self.streams.snapshot.load(), message, &Meta::TCP, &mut self.reply);
            match verdict {
                Verdict::Sent => push(&mut self.output, &self.reply),
                // A response: whoever sends those is no client.
                Verdict::Drop => return Ok(Answered { used, sane: false }),
                Verdict::Slow(_) => self.answer_slowly(message.to_vec()).await?,
            }
            if self.output.len() >= FLUSH {
                self.flush().await?;
            }
        }
        Ok(Answered { used, sane: true })
    }

    /// One message by the slow path; the answers are sent as they come.
    async fn answer_slowly(&mut self, message: Vec<u8>) -> io::Result<()> {
        let (replies, written) = mpsc::channel(1);
        let slow = self.streams.slow.clone();
        let work = slow.handle(message, self.peer, Protocol::Tcp, replies);
        let send = async {
            let mut written = written;
            while let Some(reply) = written.recv().await {
                push(&mut self.output, &reply);
                if self.output.len() >= FLUSH {
                    self.flush().await?;
                }
            }
            Ok(())
        };
        // Whichever ends, ends the other: a reader gone makes the work's next
        // reply fail, and the work gone ends the replies.
        let ((), sent) = tokio::join!(work, send);
        sent
    }

    /// Sends what is waiting.
    async fn flush(&mut self) -> io::Result<()> {
        if !self.output.is_empty() {
            timeout(self.streams.message, self.stream.write_all(&self.output)).await??;
            self.output.clear();
        }
        Ok(())
    }
}

/// How far [`Connection::answer_all`] came.
struct Answered {
    /// Octets of the input that are done with.
    used: usize,
    /// Whether the client still makes sense.
    sane: bool,
}

/// The first message, if it is there in full.
fn first_message(input: &[u8]) -> Option<&[u8]> {
    let (length, rest) = input.split_first_chunk::<2>()?;
    rest.get(..usize::from(u16::from_be_bytes(*length)))
}

/// Adds an answer behind its length.
fn push(output: &mut Vec<u8>, reply: &[u8]) {
    // No transport's answer is over 65535 octets (`Meta::TCP`).
    output.extend((reply.len() as u16).to_be_bytes());
    output.extend_from_slice(reply);
}
