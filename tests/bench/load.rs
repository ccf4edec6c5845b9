//! Load for `tests/bench/run`, standard library only: `rustc -O load.rs`.
//!
//! ```text
//! load append DIRECTORY SECONDS            appends 256 octets and fdatasyncs, over and over
//! load overwrite DIRECTORY SECONDS         the same within a file that does not grow
//! load http ADDRESS TOKEN CLIENTS SECONDS  CLIENTS keep-alive connections, each
//!                                          moving a host of its own
//! ```
//!
//! A client is a thread that sends a report, waits for `good`, and sends the
//! next with another address, so that each is a change that must be durable
//! before it is acknowledged. Client N moves `hN.dyn.example.org`. Prints one
//! line: changes a second, then the median and the 99th percentile of the time
//! each took, in microseconds.

use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (begun, mut times) = match arguments[..] {
        ["append", directory, seconds] => (Instant::now(), disk(directory, span(seconds), true)),
        ["overwrite", directory, seconds] => {
            (Instant::now(), disk(directory, span(seconds), false))
        }
        ["http", address, token, clients, seconds] => {
            http(address, token, clients.parse().expect("a number of clients"), span(seconds))
        }
        _ => panic!(
            "load append|overwrite DIRECTORY SECONDS, load http ADDRESS TOKEN CLIENTS SECONDS"
        ),
    };
    let elapsed = begun.elapsed().as_secs_f64();
    times.sort_unstable();
    let at = |part: f64| times[((times.len() - 1) as f64 * part) as usize].as_micros();
    println!("{:.0} {} {}", times.len() as f64 / elapsed, at(0.5), at(0.99));
}

fn span(seconds: &str) -> Duration {
    Duration::from_secs_f64(seconds.parse().expect("a number of seconds"))
}

/// What the disk alone gives to one writer. A file that grows has its new
/// length written down with each fdatasync, one that does not grow has not.
fn disk(directory: &str, span: Duration, grow: bool) -> Vec<Duration> {
    const ROOM: u64 = 1 << 20;
    let path = std::path::Path::new(directory).join("fdatasync.bench");
    let mut options = OpenOptions::new();
    let file = options.create(true).truncate(true).write(true).open(&path).unwrap();
    let mut at = 0;
    if !grow {
        file.write_all_at(&vec![0; ROOM as usize], 0).unwrap();
        file.sync_all().unwrap();
    }
    let end = Instant::now() + span;
    let mut times = Vec::new();
    while Instant::now() < end {
        let begun = Instant::now();
        file.write_all_at(&[0x5a; 256], at).unwrap();
        file.sync_data().unwrap();
        times.push(begun.elapsed());
        at = if grow { at + 256 } else { (at + 256) % ROOM };
    }
    std::fs::remove_file(path).unwrap();
    times
}

fn http(address: &str, token: &str, clients: usize, span: Duration) -> (Instant, Vec<Duration>) {
    // Everybody is connected before the first report.
    let open: Vec<_> = (0..clients).map(|_| TcpStream::connect(address).unwrap()).collect();
    let begun = Instant::now();
    let end = begun + span;
    let run = |(number, stream): (usize, TcpStream)| {
        let token = token.to_owned();
        std::thread::spawn(move || client(number, stream, &token, end))
    };
    let threads: Vec<_> = open.into_iter().enumerate().map(run).collect();
    (begun, threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect())
}

fn client(number: usize, stream: TcpStream, token: &str, end: Instant) -> Vec<Duration> {
    stream.set_nodelay(true).unwrap();
    let mut writer = stream.try_clone().unwrap();
    let mut reader = BufReader::new(stream);
    let authorization = base64(format!("bench:{token}").as_bytes());
    let mut times = Vec::new();
    // Another address in every report of every run.
    let mut address = std::process::id() << 8;
    while Instant::now() < end {
        address = address.wrapping_add(1);
        let [_, second, third, fourth] = address.to_be_bytes();
        let request = format!(
            "GET /nic/update?hostname=h{number}.dyn.example.org&myip=93.{second}.{third}.{fourth} \
             HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic {authorization}\r\n\
             User-Agent: truename-bench/1 bench@example.org\r\nConnection: keep-alive\r\n\r\n"
        );
        let begun = Instant::now();
        writer.write_all(request.as_bytes()).unwrap();
        let body = response(&mut reader);
        times.push(begun.elapsed());
        assert!(body.starts_with("good "), "host {number} was answered {body:?}");
    }
    times
}

/// The body of the next response.
fn response(reader: &mut impl BufRead) -> String {
    let mut length = None;
    loop {
        let mut line = String::new();
        assert!(reader.read_line(&mut line).unwrap() > 0, "the server closed the connection");
        let line = line.trim_end().to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = Some(value.trim().parse().unwrap());
        }
        if line.is_empty() {
            break;
        }
    }
    let mut body = vec![0; length.expect("a Content-Length")];
    reader.read_exact(&mut body).unwrap();
    String::from_utf8(body).unwrap()
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
