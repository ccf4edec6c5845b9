//! dyndns2 and DuckDNS over HTTP, on connections that are kept.

use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::os::fd::{AsRawFd, RawFd};
use std::time::{Duration, Instant};

use super::poll::{self, Client};
use super::{Addresses, Times, dns};

/// A client and the host it moves.
struct Reporter {
    stream: TcpStream,
    number: usize,
    what: What,
    authorization: String,
    token: String,
    addresses: Addresses,
    request: Vec<u8>,
    answer: Vec<u8>,
}

/// What is asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    /// Another address each time.
    Good,
    /// The same as DuckDNS says it.
    Duckdns,
    /// The same each time.
    Nochg,
    /// Something that needs no look at any host.
    Static,
}

impl Reporter {
    fn new(address: &str, token: &str, what: What, number: usize) -> Reporter {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        let authorization = base64(format!("bench:{token}").as_bytes());
        let (request, answer) = (Vec::new(), Vec::new());
        let mut addresses = Addresses::new();
        addresses.0 = addresses.0.wrapping_add((number as u32) << 18);
        let token = token.to_string();
        Reporter { stream, number, what, authorization, token, addresses, request, answer }
    }

    /// The next address of its host.
    fn address(&mut self) -> [u8; 4] {
        match self.what {
            What::Nochg => [93, 255, 255, 255],
            _ => self.addresses.next(),
        }
    }

    fn send(&mut self, [first, second, third, fourth]: [u8; 4]) {
        let Reporter { number, authorization, token, .. } = self;
        self.request.clear();
        let path = match self.what {
            What::Static => "/robots.txt".to_string(),
            What::Duckdns => format!(
                "/update?domains=h{number}&token={token}&ip={first}.{second}.{third}.{fourth}"
            ),
            _ => format!(
                "/nic/update?hostname=h{number}.dyn.example.org\
                 &myip={first}.{second}.{third}.{fourth}"
            ),
        };
        let login = match self.what {
            What::Duckdns => String::new(),
            _ => format!("Authorization: Basic {authorization}\r\n"),
        };
        let request = write!(
            self.request,
            "GET {path} HTTP/1.1\r\nHost: localhost\r\n{login}\
             User-Agent: truename-bench/1 bench@example.org\r\nConnection: keep-alive\r\n\r\n"
        );
        request.unwrap();
        self.stream.write_all(&self.request).unwrap();
        self.answer.clear();
    }

    /// Waits for the answer, to its last octet.
    fn wait(&mut self) {
        while !self.listen() {}
    }
}

impl AsRawFd for Reporter {
    fn as_raw_fd(&self) -> RawFd {
        self.stream.as_raw_fd()
    }
}

impl Client for Reporter {
    fn ask(&mut self) {
        let address = self.address();
        self.send(address);
    }

    fn listen(&mut self) -> bool {
        let mut space = [0; 2048];
        let count = self.stream.read(&mut space).unwrap();
        assert!(count > 0, "the server closed the connection");
        self.answer.extend_from_slice(&space[..count]);
        let Some(body) = body(&self.answer) else { return false };
        let expected: &[u8] = match self.what {
            What::Good => b"good ",
            What::Duckdns => b"OK",
            What::Nochg => b"nochg ",
            What::Static => b"User-agent",
        };
        let said = String::from_utf8_lossy(&self.answer);
        assert!(body.starts_with(expected), "host {} was answered {said}", self.number);
        true
    }
}

/// The body of an answer, once it is there.
fn body(answer: &[u8]) -> Option<&[u8]> {
    let head = answer.windows(4).position(|end| end == b"\r\n\r\n")? + 4;
    let text = std::str::from_utf8(&answer[..head]).expect("a head in ASCII");
    let length = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().unwrap())
    });
    let length: usize = length.expect("a Content-Length");
    answer.get(head..head + length)
}

fn reporters(address: &str, token: &str, what: What, clients: usize) -> Vec<Reporter> {
    (0..clients).map(|number| Reporter::new(address, token, what, number)).collect()
}

/// As many as are answered.
pub fn rate(address: &str, token: &str, what: &str, clients: usize, span: Duration) -> Times {
    let what = match what {
        "good" => What::Good,
        "duckdns" => What::Duckdns,
        "nochg" => What::Nochg,
        "static" => What::Static,
        _ => panic!("good, duckdns, nochg or static"),
    };
    let mut reporters = reporters(address, token, what, clients);
    if what == What::Nochg {
        // There first, so that there is no change later.
        for reporter in &mut reporters {
            reporter.what = What::Good;
            reporter.send([93, 255, 255, 254]);
            while reporter.stream.read(&mut [0; 2048]).unwrap() == 0 {}
            reporter.send([93, 255, 255, 255]);
            reporter.wait();
            reporter.what = What::Nochg;
        }
    }
    poll::run(reporters, span)
}

/// So many a second, evenly spaced over all clients. Times run from when a
/// report was due, so that what delays one counts for those behind it too.
pub fn paced(address: &str, token: &str, clients: usize, rate: usize, span: Duration) -> Times {
    let reporters = reporters(address, token, What::Good, clients);
    let begun = Instant::now();
    let report = |(number, mut reporter): (usize, Reporter)| {
        std::thread::spawn(move || {
            let mut times = Vec::new();
            for turn in 0.. {
                let due = (turn * clients + number) as f64 / rate as f64;
                if due >= span.as_secs_f64() {
                    break;
                }
                let due = begun + Duration::from_secs_f64(due);
                std::thread::sleep(due.saturating_duration_since(Instant::now()));
                reporter.ask();
                reporter.wait();
                times.push(due.elapsed());
            }
            times
        })
    };
    let threads: Vec<_> = reporters.into_iter().enumerate().map(report).collect();
    (begun, threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect())
}

/// Each client asks the DNS for its host as soon as it has read `good`.
pub fn late(address: &str, token: &str, server: &str, clients: usize, count: usize) {
    let reporters = reporters(address, token, What::Good, clients);
    let check = |mut reporter: Reporter| {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(server).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        std::thread::spawn(move || {
            let mut late = 0;
            for _ in 0..count / clients {
                let address = reporter.address();
                reporter.send(address);
                reporter.wait();
                late += usize::from(dns::address(&socket, reporter.number) != Some(address));
            }
            late
        })
    };
    let threads: Vec<_> = reporters.into_iter().map(check).collect();
    let late: usize = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
    println!("{} {late}", count / clients * clients);
}

/// RFC 4648 §4.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let bits = group.iter().fold(0, |bits, byte| bits << 8 | u32::from(*byte));
        let bits = bits << (8 * (3 - group.len()));
        for place in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * place)) as usize & 63];
            text.push(if place <= group.len() { letter as char } else { '=' });
        }
    }
    text
}
