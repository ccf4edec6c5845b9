//! Scripts of recorded requests: reading, playing, showing.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use truename::clock;
use truename::http;
use truename::model::Holder;

use super::http_server::{PASSWORD, Provider};
use super::sound;

/// How long anything is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

pub struct Script {
    name: String,
    lines: Vec<Line>,
}

enum Line {
    /// Kept as it stands: prose, blank lines.
    Prose(String),
    /// `from ADDRESS`: a new connection, as if from there.
    From(String, SocketAddr),
    /// Bytes to send.
    Send(String),
    /// `>|`: the client ends its side.
    End(String),
    /// `why HOST`: what decided the latest request about it, and the advice.
    Why(String),
    /// What was seen last time; dropped.
    Seen,
}

impl Script {
    pub fn parse(name: &str, text: &str) -> Script {
        let lines = text.lines().map(|line| match line {
            _ if line.starts_with('<') || line.starts_with('=') => Line::Seen,
            ">|" => Line::End(line.into()),
            _ if line.starts_with('>') => Line::Send(line.into()),
            _ if line.starts_with("why ") => Line::Why(line.into()),
            _ if line.starts_with("from ") => {
                let ip = line[5..].parse().expect("`from` and an address");
                Line::From(line.into(), SocketAddr::new(ip, 40_000))
            }
            _ => {
                assert!(line.is_empty() || line.starts_with('#'), "{name}: `{line}`?");
                Line::Prose(line.into())
            }
        });
        Script { name: name.into(), lines: lines.collect() }
    }

    /// Plays it, and returns it with what was seen.
    pub async fn play(self, provider: &Provider, dribs: bool) -> String {
        let mut seen = String::new();
        let mut request = Vec::new();
        let mut peer: Option<SocketAddr> = None;
        let mut connection: Option<Box<dyn Stream>> = None;
        let mut half_closed = false;
        let mut lines = self.lines.into_iter().peekable();
        while let Some(line) = lines.next() {
            match line {
                Line::Prose(text) => {
                    writeln!(seen, "{text}").unwrap();
                    continue;
                }
                Line::From(text, address) => {
                    writeln!(seen, "{text}").unwrap();
                    connection = None;
                    peer = Some(address);
                    continue;
                }
                Line::Send(text) => {
                    writeln!(seen, "{text}").unwrap();
                    request.extend(bytes(&text, provider));
                }
                Line::Why(text) => {
                    writeln!(seen, "{text}").unwrap();
                    seen.push_str(&why(provider, &text[4..]));
                    continue;
                }
                Line::End(text) => {
                    writeln!(seen, "{text}").unwrap();
                    half_closed = true;
                }
                Line::Seen => continue,
            }
            if !half_closed && matches!(lines.peek(), Some(Line::Send(_) | Line::End(_))) {
                continue;
            }
            let stream = match &mut connection {
                Some(stream) => stream,
                None => connection.insert(connect(provider, peer, dribs).await),
            };
            send(stream, &request, dribs).await;
            if half_closed {
                stream.shutdown().await.unwrap();
            }
            let request = std::mem::take(&mut request);
            let stays = answer(stream, &mut seen, &self.name, &request, half_closed).await;
            half_closed = false;
            if !stays {
                connection = None;
            }
        }
        // FreeDNS's list has them in its URLs.
        for (name, token) in &provider.tokens {
            seen = seen.replace(token, &format!("{{{name}}}"));
        }
        seen
    }
}

/// What decided the latest request about a host, and the advice.
fn why(provider: &Provider, host: &str) -> String {
    let holder = Holder::Host(host.parse().expect("`why` and a host"));
    let views = provider.registry.recent().of(&holder, std::iter::empty());
    let Some(view) = views.first() else { return "= nothing is remembered\n".into() };
    let rules: Vec<&str> = view.why.iter().map(|why| why.rule.as_str()).collect();
    let advice: String = view.advice.iter().map(|advice| format!("= → {advice}\n")).collect();
    format!("= {}\n{advice}", rules.join("; "))
}

/// Asks as if from an address, and reads to the end.
pub async fn ask_from(provider: &Provider, from: IpAddr, request: &str) -> String {
    let mut stream = connect(provider, Some(SocketAddr::new(from, 40_000)), false).await;
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let read = timeout(PATIENCE, stream.read_to_string(&mut answer)).await;
    read.expect("the server ends the connection").unwrap();
    answer
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// Connects to the server, or to one that sees `peer` at the other end. In
/// dribs the pipe holds one byte, so each is read alone.
async fn connect(provider: &Provider, peer: Option<SocketAddr>, dribs: bool) -> Box<dyn Stream> {
    let (options, registry) = (provider.options.clone(), provider.registry.clone());
    let peer_or_local = peer.unwrap_or_else(|| "127.0.0.1:40000".parse().unwrap());
    if dribs {
        // What is answered has room: a server that refuses the beginning of a
        // request does not wait for its end.
        let (our_start, their_end) = tokio::io::duplex(1);
        let (their_start, our_end) = tokio::io::duplex(64 * 1024);
        let theirs = tokio::io::join(their_end, their_start);
        tokio::spawn(async move {
            http::converse(&options, registry, &clock::moments(), theirs, peer_or_local).await
        });
        return Box::new(tokio::io::join(our_end, our_start));
    }
    let Some(peer) = peer else {
        return Box::new(TcpStream::connect(provider.address()).await.unwrap());
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        http::converse(&options, registry, &clock::moments(), stream, peer).await;
    });
    Box::new(TcpStream::connect(address).await.unwrap())
}

async fn send(stream: &mut Box<dyn Stream>, request: &[u8], dribs: bool) {
    let step = if dribs { 1 } else { request.len().max(1) };
    for part in request.chunks(step) {
        // A server may have answered and gone before the last byte.
        if timeout(PATIENCE, stream.write_all(part)).await.expect("the server reads").is_err() {
            return;
        }
    }
}

/// Reads an answer and shows it, and whether the connection stays.
async fn answer(
    stream: &mut Box<dyn Stream>,
    seen: &mut String,
    name: &str,
    request: &[u8],
    ended: bool,
) -> bool {
    let mut answer = Vec::new();
    loop {
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n");
        if let Some(end) = end {
            let head = String::from_utf8_lossy(&answer[..end]).into_owned();
            let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
            let length: usize = length.map_or(0, |text| text.parse().unwrap());
            let length = if request.starts_with(b"HEAD") { 0 } else { length };
            if answer.len() >= end + 4 + length {
                assert_eq!(answer.len(), end + 4 + length, "{name}: bytes after the answer");
                show(seen, &head, &answer[end + 4..]);
                let stays = stays(stream, seen, &head, name, ended).await;
                let body = String::from_utf8_lossy(&answer[end + 4..]);
                sound::check(name, request, &head, &body, !stays);
                return stays;
            }
        }
        let mut space = [0; 4096];
        let count = timeout(PATIENCE, stream.read(&mut space)).await;
        let count =
            count.unwrap_or_else(|_| panic!("{name}: no answer; so far {answer:?}")).unwrap_or(0);
        if count == 0 {
            assert!(answer.is_empty(), "{name}: the answer breaks off: {answer:?}");
            seen.push_str("= closed\n");
            return false;
        }
        answer.extend_from_slice(&space[..count]);
    }
}

fn show(seen: &mut String, head: &str, body: &[u8]) {
    for line in head.split("\r\n").filter(|line| !line.starts_with("Date: ")) {
        writeln!(seen, "< {line}").unwrap();
    }
    seen.push_str("<\n");
    let body = String::from_utf8_lossy(body);
    for line in body.split_inclusive('\n') {
        match line.strip_suffix('\n') {
            Some(line) => writeln!(seen, "< {line}").unwrap(),
            None => writeln!(seen, "<< {line}").unwrap(),
        }
    }
}

/// Whether the connection stays open. A client that has ended its side is
/// always left; an answer that announces no end is proved by one more request.
async fn stays(
    stream: &mut Box<dyn Stream>,
    seen: &mut String,
    head: &str,
    name: &str,
    ended: bool,
) -> bool {
    if ended || head.contains("\r\nConnection: close") {
        let mut space = [0; 16];
        let count = timeout(PATIENCE, stream.read(&mut space)).await;
        let count = count.unwrap_or_else(|_| panic!("{name}: the connection is not closed"));
        assert_eq!(count.unwrap_or(0), 0, "{name}: bytes after the end");
        seen.push_str("= closed\n");
        return false;
    }
    let mut unseen = String::new();
    stream.write_all(b"GET /health HTTP/1.1\r\n\r\n").await.unwrap();
    loop {
        let mut space = [0; 1];
        let count = timeout(PATIENCE, stream.read(&mut space)).await.expect("an answer").unwrap();
        assert_eq!(count, 1, "{name}: closed without a word");
        unseen.push(char::from(space[0]));
        if unseen.ends_with("\r\n\r\nok\n") {
            seen.push_str("= open\n");
            return true;
        }
    }
}

/// The bytes of a `>` line: a line with CRLF; after `>>`, no line end. `\r`,
/// `\n`, `\t`, `\\` and `\xHH` are escapes, `{…}` is filled in.
fn bytes(line: &str, provider: &Provider) -> Vec<u8> {
    let (text, end) = match line.strip_prefix(">>") {
        Some(text) => (text, ""),
        None => (&line[1..], "\r\n"),
    };
    let text = fill(text.strip_prefix(' ').unwrap_or(text), provider);
    let mut out = Vec::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.extend(c.to_string().bytes());
            continue;
        }
        match chars.next() {
            Some('r') => out.push(b'\r'),
            Some('n') => out.push(b'\n'),
            Some('t') => out.push(b'\t'),
            Some('\\') => out.push(b'\\'),
            Some('x') => {
                let digits: String = chars.by_ref().take(2).collect();
                out.push(u8::from_str_radix(&digits, 16).expect("two hexadecimal digits"));
            }
            other => panic!("`\\{other:?}` is no escape"),
        }
    }
    out.extend_from_slice(end.as_bytes());
    out
}

/// `{home}` is the token of home, `{password}` ann's password; `{basic U:P}`
/// is base64 of it, filled in first.
fn fill(text: &str, provider: &Provider) -> String {
    let mut text = text.replace("{password}", PASSWORD);
    for (name, token) in &provider.tokens {
        text = text.replace(&format!("{{{name}}}"), token);
    }
    while let Some(start) = text.find("{basic ") {
        let end = start + text[start..].find('}').expect("`{basic U:P}` ends");
        let encoded = data_encoding::BASE64.encode(&text.as_bytes()[start + 7..end]);
        text.replace_range(start..=end, &encoded);
    }
    text
}

/// The first line where a script and what was seen part.
pub fn difference(name: &str, script: &str, seen: &str) -> String {
    let (mut left, mut right) = (script.lines(), seen.lines());
    let mut number = 0;
    loop {
        number += 1;
        let (said, saw) = (left.next(), right.next());
        if said != saw || said.is_none() {
            let show = |line: Option<&str>| line.unwrap_or("(the end)").to_owned();
            return format!("{name}:{number}: expected `{}`, seen `{}`", show(said), show(saw));
        }
    }
}
