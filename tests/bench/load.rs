//! Updates, and what they are measured by. Prints one line of figures.
//!
//! ```text
//! load append|overwrite DIRECTORY SECONDS          one writer, an fdatasync each
//! load group DIRECTORY WRITERS OCTETS SECONDS      many writers share fdatasyncs
//! load http ADDRESS TOKEN WHAT CLIENTS SECONDS     WHAT: good, duckdns, nochg, static
//! load paced ADDRESS TOKEN CLIENTS RATE SECONDS    so many `good` a second
//! load update ADDRESS CLIENTS SECONDS              RFC 2136 over UDP
//! load signed ADDRESS KEY SECRET CLIENTS SECONDS   the same, signed (RFC 8945)
//! load late ADDRESS TOKEN DNS CLIENTS COUNT        a query right after each `good`
//! ```
//!
//! All but `late`: changes a second, then the median, the 99th percentile and
//! the longest of the times each took, in microseconds. `late`: how many
//! updates, and after how many of them the query saw the old address.
//!
//! Client N moves `hN.dyn.example.org`, to another address each time.

#[path = "load/disk.rs"]
mod disk;
#[path = "load/dns.rs"]
mod dns;
#[path = "load/http.rs"]
mod http;
#[path = "load/poll.rs"]
mod poll;
#[path = "load/tsig.rs"]
mod tsig;

use std::time::{Duration, Instant};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (begun, mut times) = match arguments[..] {
        ["append", directory, span] => disk::alone(directory, seconds(span), true),
        ["overwrite", directory, span] => disk::alone(directory, seconds(span), false),
        ["group", directory, writers, octets, span] => {
            disk::group(directory, number(writers), number(octets), seconds(span))
        }
        ["http", address, token, what, clients, span] => {
            http::rate(address, token, what, number(clients), seconds(span))
        }
        ["paced", address, token, clients, rate, span] => {
            http::paced(address, token, number(clients), number(rate), seconds(span))
        }
        ["update", address, clients, span] => {
            dns::rate(address, None, number(clients), seconds(span))
        }
        ["signed", address, name, secret, clients, span] => {
            let key = tsig::Key::new(name, secret);
            dns::rate(address, Some(&key), number(clients), seconds(span))
        }
        ["late", address, token, dns, clients, count] => {
            return http::late(address, token, dns, number(clients), number(count));
        }
        _ => panic!("see the first lines of load.rs"),
    };
    let elapsed = begun.elapsed().as_secs_f64();
    times.sort_unstable();
    let at = |part: f64| times[((times.len() - 1) as f64 * part) as usize].as_micros();
    println!("{:.0} {} {} {}", times.len() as f64 / elapsed, at(0.5), at(0.99), at(1.0));
}

fn seconds(text: &str) -> Duration {
    Duration::from_secs_f64(text.parse().expect("a number of seconds"))
}

fn number(text: &str) -> usize {
    text.parse().expect("a number")
}

/// When the first began, and how long each took.
type Times = (Instant, Vec<Duration>);

/// Addresses, never the same twice in a row, not even over two runs.
struct Addresses(u32);

impl Addresses {
    fn new() -> Addresses {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        Addresses((now.as_micros() / 64) as u32)
    }

    /// The next address of 93.0.0.0/8.
    fn next(&mut self) -> [u8; 4] {
        self.0 = self.0.wrapping_add(1);
        let [_, second, third, fourth] = self.0.to_be_bytes();
        [93, second, third, fourth]
    }
}
