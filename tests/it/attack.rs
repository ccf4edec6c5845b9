//! The whole server with its usual limits, everything at once against it, and
//! honest clients in between: each of their requests is answered as ever.
//!
//!     ATTACK=60 cargo nextest run --no-capture -E 'test(attack::)'
//!
//! attacks for a minute and prints how long honest clients waited, before and
//! meanwhile. Attackers and server share the machine.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::daemon::{Home, body};

/// A client's connection, from an address of its own.
fn connect(from: Ipv4Addr, to: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)?;
    // Ports are for whoever needs one, not for each address alone.
    socket.bind(&SocketAddr::from((from, 0)).into())?;
    socket.connect_timeout(&to.into(), Duration::from_secs(20))?;
    let stream: TcpStream = socket.into();
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    stream.set_write_timeout(Some(Duration::from_secs(20)))?;
    Ok(stream)
}

fn ask(from: Ipv4Addr, to: SocketAddr, request: &str) -> std::io::Result<String> {
    let mut stream = connect(from, to)?;
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

fn get(target: &str, user: &str, password: &str) -> String {
    let login = data_encoding::BASE64.encode(format!("{user}:{password}").as_bytes());
    format!("GET {target} HTTP/1.0\r\nAuthorization: Basic {login}\r\n\r\n")
}

/// Who attacks, and from where: the flood has one address, which an honest
/// client shares.
const FLOOD: Ipv4Addr = Ipv4Addr::new(127, 6, 0, 1);
const GUESSERS: Ipv4Addr = Ipv4Addr::new(127, 7, 0, 0);
const SILENT: Ipv4Addr = Ipv4Addr::new(127, 8, 0, 0);
const SLOW: Ipv4Addr = Ipv4Addr::new(127, 9, 0, 0);

fn one_of(first: Ipv4Addr, number: u64) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(first) + u32::try_from(number % 1000).unwrap())
}

/// What an honest client saw.
struct Seen {
    asked: usize,
    failed: Vec<String>,
    waited: Vec<Duration>,
}

struct Honest<'a> {
    name: &'a str,
    host: &'a str,
    from: Ipv4Addr,
    user: &'a str,
    password: &'a str,
}

impl Honest<'_> {
    /// Reports again and again, each time on a new connection; every tenth
    /// time with another address.
    fn report(&self, server: SocketAddr, stop: &AtomicBool) -> Seen {
        let mut seen = Seen { asked: 0, failed: Vec::new(), waited: Vec::new() };
        while !stop.load(Ordering::Relaxed) {
            let address = format!("192.0.2.{}", seen.asked / 10 % 5 + 1);
            let target = format!("/nic/update?hostname={}&myip={address}", self.host);
            let begun = Instant::now();
            let answer = ask(self.from, server, &get(&target, self.user, self.password));
            seen.waited.push(begun.elapsed());
            seen.asked += 1;
            let is_well = answer.as_ref().is_ok_and(|answer| {
                let words = [format!("good {address}\n"), format!("nochg {address}\n")];
                words.iter().any(|words| body(answer) == words)
            });
            if !is_well {
                seen.failed.push(format!("{answer:?}"));
            }
            // Far more often than any real client.
            std::thread::sleep(Duration::from_millis(20));
        }
        seen
    }
}

fn show(when: &str, honest: &Honest<'_>, seen: &Seen) {
    let mut waited = seen.waited.clone();
    waited.sort();
    let at = |part: f64| waited[((waited.len() - 1) as f64 * part) as usize].as_secs_f64() * 1e3;
    println!(
        "{when:7} {:28} {:6} asked {:6.2} % well  p50 {:7.1} ms  p99 {:7.1} ms  worst {:7.1} ms",
        honest.name,
        seen.asked,
        100.0 * (seen.asked - seen.failed.len()) as f64 / seen.asked as f64,
        at(0.5),
        at(0.99),
        at(1.0),
    );
}

/// Lets the honest ones report for a while, with whoever else there is.
fn while_attacked(server: SocketAddr, span: Duration, honest: &[Honest<'_>], attack: bool) {
    let stop = AtomicBool::new(false);
    let done = AtomicU64::new(0);
    let (stop, done) = (&stop, &done);
    let (seen, attacked) = std::thread::scope(|scope| {
        if attack {
            for _ in 0..2 {
                scope.spawn(move || flood(server, stop, done));
            }
            scope.spawn(move || guess(server, stop, done));
            scope.spawn(move || say_nothing(server, SILENT, "", stop, done));
            let half = "POST /nic/update HTTP/1.1\r\nContent-Length: 99\r\n\r\nhostname=";
            scope.spawn(move || say_nothing(server, SLOW, half, stop, done));
        }
        let reports: Vec<_> =
            honest.iter().map(|honest| scope.spawn(|| honest.report(server, stop))).collect();
        std::thread::sleep(span);
        stop.store(true, Ordering::Relaxed);
        let seen: Vec<Seen> = reports.into_iter().map(|report| report.join().unwrap()).collect();
        (seen, done.load(Ordering::Relaxed))
    });
    let when = if attack { "attack" } else { "quiet" };
    println!("{when:7} {attacked} requests and connections by attackers in {span:?}");
    for (honest, seen) in honest.iter().zip(&seen) {
        show(when, honest, seen);
        assert!(seen.asked > 0);
        assert!(seen.failed.is_empty(), "{}: {:?}", honest.name, seen.failed.first());
    }
}

/// Asks as fast as it can, many requests at once.
fn flood(server: SocketAddr, stop: &AtomicBool, done: &AtomicU64) {
    let requests = "GET /ip HTTP/1.1\r\nHost: x\r\n\r\n".repeat(50);
    while !stop.load(Ordering::Relaxed) {
        let Ok(mut stream) = connect(FLOOD, server) else { continue };
        let mut space = [0; 32 * 1024];
        while !stop.load(Ordering::Relaxed) && stream.write_all(requests.as_bytes()).is_ok() {
            done.fetch_add(50, Ordering::Relaxed);
            // Whatever is there by now.
            if !matches!(stream.read(&mut space), Ok(1..)) {
                break;
            }
        }
    }
}

/// Guesses ann's password and tokens, from a thousand addresses.
fn guess(server: SocketAddr, stop: &AtomicBool, done: &AtomicU64) {
    for number in 0.. {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let user = if number % 2 == 0 { "ann" } else { "home.dyn.example.org" };
        let request = get("/nic/update", user, &format!("guess-{number}"));
        // It does not wait for the answer.
        if let Ok(mut stream) = connect(one_of(GUESSERS, number), server) {
            let _ = stream.write_all(request.as_bytes());
            done.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Opens connections, begins something, and leaves it at that.
fn say_nothing(
    server: SocketAddr,
    first: Ipv4Addr,
    words: &str,
    stop: &AtomicBool,
    done: &AtomicU64,
) {
    let mut open = std::collections::VecDeque::new();
    for number in 0.. {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        if let Ok(mut stream) = connect(one_of(first, number), server) {
            let _ = stream.write_all(words.as_bytes());
            open.push_back(stream);
            done.fetch_add(1, Ordering::Relaxed);
        }
        if open.len() > 1500 {
            open.pop_front();
        }
    }
}

#[test]
fn honest_clients_are_served_whatever_others_do() {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let raised = rustix::process::Rlimit { current: limit.maximum, ..limit };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, raised).unwrap();
    let seconds = std::env::var("ATTACK").ok().and_then(|seconds| seconds.parse().ok());
    let span = Duration::from_secs(seconds.unwrap_or(3));

    let home = Home::new();
    // The usual limits but for changes: here a host has in seconds what others
    // have in hours.
    home.reconfigure("requests = 0\nguesses = 1000000\nconnection_requests = 1000000\n", "");
    let _running = home.start();
    let one = home.add_host("home.dyn.example.org", &[]);
    let two = home.add_host("cam.dyn.example.org", &[]);
    let mut account = home.program(&["account", "add", "ann", "--password-stdin"]);
    let said = super::daemon::said(&mut account, "correct horse battery\n");
    assert!(said.status.success(), "{said}");
    home.done(&["host", "add", "anns.dyn.example.org", "--owner", "ann"]);
    let honest = [
        Honest {
            name: "a key, own network",
            host: "home.dyn.example.org",
            from: Ipv4Addr::new(127, 5, 0, 1),
            user: &one.user,
            password: &one.password,
        },
        Honest {
            name: "a key, the flood's address",
            host: "cam.dyn.example.org",
            from: FLOOD,
            user: &two.user,
            password: &two.password,
        },
        Honest {
            name: "the password being guessed",
            host: "anns.dyn.example.org",
            from: Ipv4Addr::new(127, 5, 0, 3),
            user: "ann",
            password: "correct horse battery",
        },
    ];
    while_attacked(home.http, span.min(Duration::from_secs(10)), &honest, false);
    while_attacked(home.http, span, &honest, true);
}
