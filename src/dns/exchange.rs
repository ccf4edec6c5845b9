//! Questions in, answers out, on one TCP connection.
//!
//! What the socket has is read into a buffer that all connections of a thread
//! share, every whole message in it is answered, and the answers are sent
//! together: two system calls, however many questions were pipelined. Only
//! what is left over is the connection's own. So an idle one holds no buffer,
//! and none holds more than one incomplete message as it arrives (64 KiB), a
//! [`READ`] of questions that came with it, and, while the client takes no
//! answers, [`FLUSH`] octets of them and one more (64 KiB); besides, what is on
//! the slow path, [`SLOW_AT_ONCE`] messages of those read at most.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io::{self, ErrorKind, Read};
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::Transport;
use super::slots::Place;
use super::tcp::Streams;
use crate::answer::{Verdict, answer};
use crate::wire::HEADER;

/// What is read at a time, and so the questions answered in one go.
const READ: usize = 16 << 10;

/// Messages of one connection on the slow path at once.
const SLOW_AT_ONCE: usize = 16;

/// Answers are sent together, up to this many octets.
const FLUSH: usize = 16 << 10;

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch {
        input: vec![0; READ].into(),
        output: Vec::with_capacity(FLUSH),
        reply: Vec::new(),
    });
}

/// What a connection works with while it works.
struct Scratch {
    /// What was read.
    input: Box<[u8]>,
    /// Answers with their lengths, to be sent.
    output: Vec<u8>,
    /// The answer being made.
    reply: Vec<u8>,
}

/// A connection from its first octet to its last.
pub struct Connection {
    place: Place,
    peer: SocketAddr,
    streams: Arc<Streams>,
    /// Read and not answered: an incomplete message, or whatever could not be
    /// answered because the client takes no answers.
    input: Vec<u8>,
    /// Answers with their lengths that the socket did not take.
    output: Vec<u8>,
}

/// What answering stops at.
enum Pause {
    /// Every whole message is answered.
    Done,
    /// The client does not take its answers.
    Blocked,
    /// Messages that have no quick answer.
    Slow(Vec<Vec<u8>>),
    /// The client has gone, or talks nonsense.
    End,
}

impl Connection {
    /// A connection just accepted.
    pub fn new(place: Place, peer: SocketAddr, streams: Arc<Streams>) -> Connection {
        Connection { place, peer, streams, input: Vec::new(), output: Vec::new() }
    }

    /// Serves it to its end.
    pub async fn serve(mut self) {
        if let Err(error) = self.converse().await {
            tracing::debug!("TCP connection from {}: {error}", self.peer);
            // What it did not take is not kept for it: a reset frees the
            // kernel's buffers, a close would leave them for minutes.
            let _ = SockRef::from(self.place.stream()).set_linger(Some(Duration::ZERO));
        }
    }

    /// Reads, answers, sends, until the client goes or talks nonsense, or
    /// until its socket is shut down because its time is up, its place is
    /// wanted, or the server stops.
    async fn converse(&mut self) -> io::Result<()> {
        loop {
            let pause = poll_fn(|context| {
                SCRATCH.with_borrow_mut(|scratch| self.poll_exchange(scratch, context))
            });
            match pause.await? {
                Pause::Slow(messages) => {
                    self.place.busy();
                    self.flush().await?;
                    // Boxed: it is seldom, and every idle connection would
                    // have the room for it.
                    Box::pin(self.answer_slowly(messages)).await?;
                    self.changed();
                }
                _ => return self.flush().await,
            }
        }
    }

    /// Answers all that can be answered at once. Ready with what ends that:
    /// [`Pause::Slow`] or [`Pause::End`].
    fn poll_exchange(
        &mut self,
        scratch: &mut Scratch,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<Pause>> {
        loop {
            if !self.output.is_empty() {
                ready!(self.poll_flush(context))?;
                self.changed();
            }
            let Scratch { input, output, reply } = &mut *scratch;
            let fresh = if first_message(&self.input).is_some() {
                0
            } else {
                match ready!(poll_read(self.place.stream(), context, input))? {
                    0 => return Poll::Ready(Ok(Pause::End)),
                    length => length,
                }
            };
            let begun = !self.input.is_empty();
            let (used, pause);
            if begun {
                let mut kept = std::mem::take(&mut self.input);
                kept.extend_from_slice(&input[..fresh]);
                (used, pause) = self.answer_all(&kept, output, reply)?;
                if used < kept.len() {
                    kept.drain(..used);
                    self.input = kept;
                }
            } else {
                (used, pause) = self.answer_all(&input[..fresh], output, reply)?;
                self.input.extend_from_slice(&input[used..fresh]);
            }
            // A message that goes on arriving is no change.
            if used > 0 || !begun {
                self.changed();
            }
            if matches!(pause, Pause::Slow(_) | Pause::End) {
                return Poll::Ready(Ok(pause));
            }
            if fresh == READ {
                // There may be more; the others first.
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
        }
    }

    /// Answers the messages that are there in full, and sends the answers as
    /// far as the socket takes them; how many octets of `input` are done with.
    fn answer_all(
        &mut self,
        input: &[u8],
        output: &mut Vec<u8>,
        reply: &mut Vec<u8>,
    ) -> io::Result<(usize, Pause)> {
        output.clear();
        let mut used = 0;
        let mut pause = Pause::Done;
        let mut slow = Vec::new();
        let streams = self.streams.clone();
        let Streams { snapshot, terms, .. } = &*streams;
        let snapshot = snapshot.load();
        let meta = terms.stream(self.peer.ip(), terms.now());
        while let Some(message) = first_message(&input[used..]) {
            let verdict = match message.len() {
                HEADER.. => answer(&snapshot, message, &meta, reply),
                _ => Verdict::Drop,
            };
            match verdict {
                Verdict::Slow(_) => slow.push(message.to_vec()),
                // Answers go out in the order of their questions.
                _ if !slow.is_empty() => break,
                Verdict::Sent => push(output, reply),
                // A response: whoever sends those is no client.
                Verdict::Drop => pause = Pause::End,
            }
            used += 2 + message.len();
            if matches!(pause, Pause::End) || slow.len() >= SLOW_AT_ONCE {
                break;
            }
            if slow.is_empty() && output.len() >= FLUSH {
                self.send(output)?;
                if !self.output.is_empty() {
                    return Ok((used, Pause::Blocked));
                }
                output.clear();
            }
        }
        self.send(output)?;
        if !slow.is_empty() {
            pause = Pause::Slow(slow);
        }
        Ok((used, pause))
    }

    /// Sends `output`; what the socket does not take is kept.
    fn send(&mut self, output: &[u8]) -> io::Result<()> {
        if output.is_empty() {
            return Ok(());
        }
        let sent = match self.place.stream().try_write(output) {
            Ok(sent) => sent,
            Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
            Err(error) => return Err(error),
        };
        self.output.extend_from_slice(&output[sent..]);
        Ok(())
    }

    /// Tells how things stand, whenever one message or one lot of answers is
    /// done with: from then on the time of the next runs.
    fn changed(&self) {
        if self.input.is_empty() && self.output.is_empty() {
            self.place.idle();
        } else {
            self.place.busy();
        }
    }

    /// Sends what was kept.
    async fn flush(&mut self) -> io::Result<()> {
        poll_fn(|context| self.poll_flush(context)).await
    }

    fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.output.is_empty() {
            ready!(self.place.stream().poll_write_ready(context))?;
            match self.place.stream().try_write(&self.output) {
                Ok(sent) if sent == self.output.len() => self.output = Vec::new(),
                Ok(sent) => drop(self.output.drain(..sent)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Messages by the slow path: begun in their order and worked on together,
    /// so that updates sent in one go share an fsync. The answers are sent in
    /// the same order, as they come.
    async fn answer_slowly(&mut self, messages: Vec<Vec<u8>>) -> io::Result<()> {
        let mut works = Vec::with_capacity(messages.len());
        let mut written = Vec::with_capacity(messages.len());
        for message in messages {
            let (replies, answers) = mpsc::channel(1);
            let slow = self.streams.slow.clone();
            works.push(Some(Box::pin(slow.handle(message, self.peer, Transport::Tcp, replies))));
            written.push(answers);
        }
        let work = poll_fn(|context| {
            for work in &mut works {
                if work.as_mut().is_some_and(|work| work.as_mut().poll(context).is_ready()) {
                    *work = None;
                }
            }
            if works.iter().all(Option::is_none) { Poll::Ready(()) } else { Poll::Pending }
        });
        let send = async {
            // Moved in, so that they end when sending does.
            for mut answers in written {
                while let Some(reply) = self.next_reply(&mut answers).await {
                    push(&mut self.output, &reply);
                    self.flush().await?;
                    self.place.busy();
                }
            }
            Ok(())
        };
        // Whichever ends, ends the other: a reader gone makes the work's next
        // reply fail, and the work gone ends the replies.
        let ((), sent) = tokio::join!(work, send);
        sent
    }

    /// The next answer. That the disk is slow is not the client's fault: its
    /// time runs from when there is something for it to take.
    async fn next_reply(&self, answers: &mut mpsc::Receiver<Vec<u8>>) -> Option<Vec<u8>> {
        loop {
            match timeout(self.streams.patience(), answers.recv()).await {
                Ok(reply) => return reply,
                Err(_) => self.place.busy(),
            }
        }
    }
}

/// Reads what is there; 0: the client has closed its side.
fn poll_read(
    stream: &TcpStream,
    context: &mut Context<'_>,
    buffer: &mut [u8],
) -> Poll<io::Result<usize>> {
    loop {
        ready!(stream.poll_read_ready(context))?;
        let mut length = 0;
        let read = stream.try_io(Interest::READABLE, || {
            length = (&*SockRef::from(stream)).read(buffer)?;
            // Less than there is room for: it was all there was (epoll(7),
            // question 9). Said to tokio in this way, which spares asking the
            // kernel once more only to hear so.
            let all = 0 < length && length < buffer.len();
            if all { Err(ErrorKind::WouldBlock.into()) } else { Ok(()) }
        });
        match read {
            Err(error) if error.kind() != ErrorKind::WouldBlock => return Poll::Ready(Err(error)),
            Err(_) if length == 0 => {}
            _ => return Poll::Ready(Ok(length)),
        }
    }
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
