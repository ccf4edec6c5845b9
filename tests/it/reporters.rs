//! Clients that report all the time, each for a host of its own, and remember
//! what they were told: what was acknowledged must be there, whatever happens
//! to the server. Not a test by itself.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use hickory_proto::rr::RecordType;

use super::daemon::{Home, Login, body, get, lookup, until};

/// How many report at the same time.
pub const CLIENTS: usize = 16;

/// How long one waits before it asks a server again that was not there, or
/// that had refused.
const REST: Duration = Duration::from_millis(5);

/// What one client knows of its host.
#[derive(Clone, Copy, Default)]
struct Known {
    /// The last report it has read a `good` for.
    good: u32,
    /// The last report it has sent; without an answer nobody knows what
    /// became of it.
    sent: u32,
}

/// All of them.
pub struct Reporters {
    hosts: Vec<(String, Login)>,
    known: Mutex<Vec<Known>>,
    acknowledged: AtomicU64,
    refused: AtomicU64,
    missed: AtomicU64,
}

impl Reporters {
    /// Adds a host for each to the running server.
    pub fn new(home: &Home) -> Reporters {
        let host = |client| {
            let name = format!("host{client}.dyn.example.org");
            let login = home.add_host(&name, &[]);
            (name, login)
        };
        Reporters {
            hosts: (0..CLIENTS).map(host).collect(),
            known: Mutex::new(vec![Known::default(); CLIENTS]),
            acknowledged: AtomicU64::default(),
            refused: AtomicU64::default(),
            missed: AtomicU64::default(),
        }
    }

    /// How many reports were acknowledged (`good`).
    pub fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Ordering::Relaxed)
    }

    /// How many were refused: `911`, try again later.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Does something while all of them report. They go on while the server
    /// refuses, and while there is none.
    pub fn report_while<T>(&self, home: &Home, story: impl FnOnce() -> T) -> T {
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for client in 0..CLIENTS {
                let over = &over;
                scope.spawn(move || {
                    while !over.load(Ordering::Relaxed) {
                        self.report(home, client);
                    }
                });
            }
            // Also when the story panics, or this would wait for ever.
            let end = AtEnd(&over);
            let result = story();
            drop(end);
            result
        })
    }

    fn report(&self, home: &Home, client: usize) {
        let (name, login) = &self.hosts[client];
        let sent = {
            let known = &mut self.known.lock().unwrap()[client];
            known.sent += 1;
            known.sent
        };
        let target = format!("/nic/update?hostname={name}&myip={}", address(sent));
        let Some(answer) = get(home.http, &target, Some(login)) else {
            self.missed.fetch_add(1, Ordering::Relaxed);
            return std::thread::sleep(REST);
        };
        match body(&answer).trim_end() {
            "911" => {
                self.refused.fetch_add(1, Ordering::Relaxed);
                std::thread::sleep(REST);
            }
            good => {
                assert_eq!(good, format!("good {}", address(sent)), "{answer}");
                self.known.lock().unwrap()[client].good = sent;
                self.acknowledged.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Waits until so many more were acknowledged, while they report.
    pub fn wait_for_acknowledged(&self, more: u64) {
        let wanted = self.acknowledged() + more;
        until("reports are acknowledged", Duration::from_secs(120), || {
            (self.acknowledged() >= wanted).then_some(())
        });
    }

    /// Waits until so many more were refused, while they report.
    pub fn wait_for_refused(&self, more: u64) {
        let wanted = self.refused() + more;
        until("reports are refused", Duration::from_secs(120), || {
            (self.refused() >= wanted).then_some(())
        });
    }

    /// Every host is where its client was last told that it is, or where it
    /// has reported to be since. Not while they report.
    pub fn check(&self, home: &Home, when: &str) {
        for (client, (name, _)) in self.hosts.iter().enumerate() {
            let answer = until("an answer", Duration::from_secs(30), || {
                lookup(home.dns, name, RecordType::A)
            });
            let there = answer.data.first().map_or(0, |address| number(address));
            let known = &mut self.known.lock().unwrap()[client];
            assert!(
                known.good <= there && there <= known.sent,
                "{when}: {name} was told `good` for {}, has sent {}, and answers {there}",
                known.good,
                known.sent
            );
            known.good = there;
        }
    }
}

struct AtEnd<'a>(&'a AtomicBool);

impl Drop for AtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The address of the nth report: each is another.
fn address(report: u32) -> String {
    let [_, a, b, c] = report.to_be_bytes();
    format!("10.{a}.{b}.{c}")
}

fn number(address: &str) -> u32 {
    u32::from(address.parse::<std::net::Ipv4Addr>().unwrap()) & 0x00ff_ffff
}
