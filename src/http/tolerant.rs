//! A stream between the socket and hyper that cleans every request line.
//!
//! ```text
//!  ┌──▶ Line ──▶ Head ──┬─ Content-Length ──▶ Body ──┐
//!  │                    └─ nothing follows ──────────┤
//!  └─────────────────────────────────────────────────┘
//! ```
//!
//! It finds request lines by following the messages as hyper does, so each
//! request of a kept connection is cleaned. Bodies pass uncopied. Where a body
//! comes in chunks, or a line has no end, it lets everything through from there
//! on as it comes, and hyper is strict; a proxy's connection ends with such a
//! request, as this could not be as strict with the next one. Where two could
//! disagree about the end of a request (`framing.rs`), hyper is handed a line
//! that it refuses.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use super::framing::{Body, Header, judge};
use super::request_line::clean;

/// What hyper refuses with 400, wherever a header is expected.
const NO_HEADER: &[u8] = b"\0\r\n\r\n";

/// The header that has hyper close the connection behind a request.
const LAST: &[u8] = b"Connection: close\r\n";

/// The first octet of a client that speaks TLS where plain HTTP is served
/// (RFC 8446 §5.1). It sends no line to wait for; hyper's 400 tells it at once.
const TLS_HANDSHAKE: u8 = 22;

/// How long a closed connection waits for the client's own end, so that what
/// the client still sends does not reset the connection under the answer.
const LINGER: Duration = Duration::from_secs(1);

/// How many bytes are thrown away while it waits.
const MAX_LINGER: usize = 64 * 1024;

/// The stream. Wraps whatever carries HTTP: TCP, TLS.
pub struct Tolerant<S> {
    stream: S,
    state: State,
    /// The longest line that is cleaned, in octets: as long as a head may be,
    /// so that hyper refuses a longer one.
    longest: usize,
    /// Whether a proxy of ours is at the other end, which writes plain HTTP.
    strict: bool,
    refused: Arc<AtomicBool>,
    /// Read and not looked at yet.
    raw: Vec<u8>,
    /// How much of `raw` holds no line end.
    searched: usize,
    /// Looked at, for hyper; given up to `given`.
    clean: Vec<u8>,
    given: usize,
    /// Whether the client has ended its side.
    ended: bool,
    farewell: Option<Farewell>,
}

enum State {
    Line,
    Head {
        body: Body,
    },
    Body {
        left: u64,
    },
    Through,
    /// Nothing more is listened to.
    Refused,
}

struct Farewell {
    end: Pin<Box<Sleep>>,
    discarded: usize,
}

impl<S> Tolerant<S> {
    /// Around a fresh connection, whose requests have a head of `longest`
    /// octets at most. `strict`: there is a proxy at the other end.
    pub fn new(stream: S, longest: usize, strict: bool) -> Tolerant<S> {
        Tolerant {
            stream,
            state: State::Line,
            longest,
            strict,
            refused: Arc::default(),
            raw: Vec::new(),
            searched: 0,
            clean: Vec::new(),
            given: 0,
            ended: false,
            farewell: None,
        }
    }

    /// Whether a request was refused here, now or later.
    pub fn refused(&self) -> Arc<AtomicBool> {
        self.refused.clone()
    }

    /// Moves whole lines from `raw` to `clean` while in a head.
    fn look(&mut self) {
        if matches!(self.state, State::Line) && self.raw.first() == Some(&TLS_HANDSHAKE) {
            self.state = State::Through;
            return;
        }
        let raw = std::mem::take(&mut self.raw);
        let mut start = 0;
        while let State::Line | State::Head { .. } = self.state {
            let from = start.max(self.searched);
            let Some(at) = raw[from..].iter().position(|&byte| byte == b'\n') else { break };
            self.line(&raw[start..=from + at]);
            start = from + at + 1;
        }
        self.raw = raw;
        self.raw.drain(..start);
        self.searched = self.raw.len();
        if self.raw.len() > self.longest && matches!(self.state, State::Line | State::Head { .. }) {
            self.state = State::Through;
        }
    }

    fn line(&mut self, line: &[u8]) {
        let content = line.strip_suffix(b"\n").unwrap_or(line);
        let (content, is_whole) = match content.strip_suffix(b"\r") {
            Some(content) => (content, true),
            None => (content, !self.strict),
        };
        if !is_whole {
            return self.refuse();
        }
        match self.state {
            State::Line if self.strict && content.iter().any(|byte| matches!(byte, b'\r' | 0)) => {
                self.refuse();
            }
            // Empty lines before a request are ignored (RFC 9112 §2.2).
            State::Line if content.trim_ascii().is_empty() => {}
            // The preface of HTTP/2 (RFC 9113 §3.4), whose end is not HTTP/1's.
            State::Line if content.starts_with(b"PRI ") => self.refuse(),
            State::Line => {
                clean(content.trim_ascii_end(), &mut self.clean);
                self.clean.extend_from_slice(b"\r\n");
                self.state = State::Head { body: Body::None };
            }
            State::Head { body } if content.is_empty() => {
                if self.strict && body == Body::Chunked {
                    self.clean.extend_from_slice(LAST);
                }
                self.clean.extend_from_slice(b"\r\n");
                self.state = match body {
                    Body::None | Body::Length(0) => State::Line,
                    Body::Length(left) => State::Body { left },
                    Body::Chunked => State::Through,
                };
            }
            State::Head { body } => match judge(content, body) {
                Header::Taken(body) => {
                    self.clean.extend_from_slice(content);
                    self.clean.extend_from_slice(b"\r\n");
                    self.state = State::Head { body };
                }
                Header::LeftOut if !self.strict => {}
                Header::LeftOut | Header::Refused => self.refuse(),
            },
            State::Body { .. } | State::Through | State::Refused => {}
        }
    }

    fn refuse(&mut self) {
        self.clean.extend_from_slice(NO_HEADER);
        self.state = State::Refused;
        self.refused.store(true, Ordering::Relaxed);
    }

    /// What to do when the client has ended its side within a head. A head
    /// that lacks only its empty line is complete enough; one that breaks off
    /// within a line may hold half an address and is not.
    fn end_head(&mut self) {
        if matches!(self.state, State::Head { .. }) && self.raw.is_empty() && !self.strict {
            self.line(b"\r\n");
        }
        self.state = State::Through;
    }

    /// Gives hyper what is ready.
    fn give(&mut self, out: &mut ReadBuf<'_>) -> bool {
        let ready = &self.clean[self.given..];
        if ready.is_empty() {
            self.given = 0;
            // A kept connection need not keep the room of its longest line.
            self.clean.clear();
            self.clean.shrink_to(2048);
            return false;
        }
        let count = ready.len().min(out.remaining());
        out.put_slice(&ready[..count]);
        self.given += count;
        true
    }

    /// Gives hyper what was read too far, at most `most` bytes of it.
    fn give_raw(&mut self, out: &mut ReadBuf<'_>, most: u64) -> usize {
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let count = self.raw.len().min(out.remaining()).min(most);
        out.put_slice(&self.raw[..count]);
        self.raw.drain(..count);
        self.searched = 0;
        count
    }
}

impl<S: AsyncRead + Unpin> Tolerant<S> {
    /// Reads some more into `raw`.
    fn poll_raw(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut space = [0; 2048];
        let mut buffer = ReadBuf::new(&mut space);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer))?;
        self.ended = buffer.filled().is_empty();
        self.raw.extend_from_slice(buffer.filled());
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Tolerant<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        loop {
            if this.give(out) {
                return Poll::Ready(Ok(()));
            }
            match this.state {
                State::Line | State::Head { .. } => {
                    this.look();
                    if !this.clean.is_empty()
                        || matches!(this.state, State::Through | State::Refused)
                    {
                        continue;
                    }
                    if this.ended {
                        this.end_head();
                    } else {
                        ready!(this.poll_raw(cx))?;
                    }
                }
                State::Body { left } => {
                    let mut count = this.give_raw(out, left);
                    if count == 0 {
                        let most = out.remaining().min(usize::try_from(left).unwrap_or(usize::MAX));
                        let mut part = ReadBuf::new(out.initialize_unfilled_to(most));
                        ready!(Pin::new(&mut this.stream).poll_read(cx, &mut part))?;
                        count = part.filled().len();
                        out.advance(count);
                        if count == 0 {
                            this.ended = true;
                            return Poll::Ready(Ok(()));
                        }
                    }
                    this.state = match left - count as u64 {
                        0 => State::Line,
                        left => State::Body { left },
                    };
                    return Poll::Ready(Ok(()));
                }
                State::Refused => return Poll::Ready(Ok(())),
                State::Through => {
                    if this.give_raw(out, u64::MAX) > 0 || this.ended {
                        return Poll::Ready(Ok(()));
                    }
                    return Pin::new(&mut this.stream).poll_read(cx, out);
                }
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Tolerant<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    /// Ends our side, then waits a moment for the client to end its own: a
    /// socket closed with bytes unread is reset, and the reset may overtake
    /// the answer (RFC 9112 §9.6). Old clients send a line end after a body.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.farewell.is_none() {
            ready!(Pin::new(&mut this.stream).poll_shutdown(cx))?;
        }
        let farewell = this
            .farewell
            .get_or_insert_with(|| Farewell { end: Box::pin(sleep(LINGER)), discarded: 0 });
        while !this.ended && farewell.discarded < MAX_LINGER {
            if farewell.end.as_mut().poll(cx).is_ready() {
                break;
            }
            let mut space = [0; 2048];
            let mut buffer = ReadBuf::new(&mut space);
            match ready!(Pin::new(&mut this.stream).poll_read(cx, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => {
                    farewell.discarded += buffer.filled().len();
                }
                _ => this.ended = true,
            }
        }
        Poll::Ready(Ok(()))
    }
}
