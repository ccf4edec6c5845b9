//! Response-rate limiting: how often one network is told the same over UDP.
//!
//! Whoever asks over UDP can put another's address under the question, who
//! then gets the answer. A resolver remembers answers, so it has little reason
//! to ask the same again and again; a network that is told the same more often
//! than [`RateLimit::same`] is being flooded through us, or asks by mistake.
//!
//! ```text
//! answer ─▶ verified by cookie? ──yes──────────────────────────────▶ sent
//!              │ no
//!              ▼
//!           network told this, or anything, too often? ──no────────▶ sent
//!              │ yes
//!              ├─▶ one of `slip`, by chance: TC, no longer than the question
//!              └─▶ dropped
//! ```
//!
//! So a client whose address somebody floods is never shut out: what it asks
//! over UDP is answered with TC as often as not, and over TCP, or with a
//! cookie (RFC 7873), always. Errors cannot say "ask by TCP" and hold nothing
//! else; one of `slip` goes out as it is.
//!
//! The same is the same answer, however it was asked for: the name where the
//! name exists, whatever type and letter case; the zone where it does not (so
//! that made-up names are one thing); the delegation where it leads elsewhere;
//! and all errors are one. Names below a wildcard are as many as somebody
//! makes up: them [`RateLimit::all`] limits.

use std::hash::BuildHasher;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use ipnet::IpNet;

use super::network::{Network, Prefixes};
use crate::answer::Asked;
use crate::limit::{Limiter, Place, Rate};
use crate::model::Moment;
use crate::wire::{HEADER, flag, rcode, u16_at};

/// Networks and answers that are counted at a time: 512 KiB, eight octets
/// each. When there are more, those that are asked least are forgotten.
const KEYS: usize = 1 << 16;

/// From one line in the log to the next, in microseconds.
const SILENCE: u64 = 60_000_000;

/// How often one network is told something over UDP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// Whether there is a limit at all.
    pub enabled: bool,
    /// The same answer, so many times a second.
    pub same: u32,
    /// All answers together, so many a second.
    pub all: u32,
    /// One of so many answers over the limit is sent truncated, the others
    /// are dropped. 1: none is dropped; 0: all are.
    pub slip: u32,
}

impl Default for RateLimit {
    /// `same` is what NSD has shipped for many years. BIND advises 5 to 10;
    /// but all errors count as one here, and who watches or tries a server asks
    /// more than that. `all` is a resolver farm that asks for ten thousand
    /// hosts.
    /// `slip` is what BIND and NSD have: a flood loses half its packets and
    /// never gains octets, and three tries reach seven of eight clients.
    fn default() -> RateLimit {
        RateLimit { enabled: true, same: 200, all: 1000, slip: 2 }
    }
}

/// What becomes of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ruling {
    /// It is sent.
    Send,
    /// It is sent without its records, so that the client asks over TCP.
    Cut,
    /// It is not sent.
    Drop,
}

/// What answers have been held back since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeldBack {
    /// Sent truncated, or errors over the limit.
    pub truncated: u64,
    /// Not sent.
    pub dropped: u64,
}

/// The limits of all UDP threads together.
pub struct Limits {
    same: Rate,
    all: Rate,
    slip: u64,
    prefixes: Prefixes,
    exempt: Vec<IpNet>,
    table: Limiter,
    /// Answers held back, and those of them that were truncated.
    held: AtomicU64,
    cut: AtomicU64,
    /// When a line was last logged.
    told: AtomicU64,
    chance: foldhash::fast::RandomState,
}

/// Where an answer is counted.
#[derive(Clone, Copy)]
pub struct Counted {
    network: Network,
    same: Place,
    all: Place,
}

/// What an answer is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Subject<'a> {
    /// Everything a network is told.
    All,
    /// A name that exists.
    Name(&'a [u8]),
    /// The zone in which a name does not exist.
    NoName(&'a [u8]),
    /// A delegation.
    Referral(&'a [u8]),
    /// What cannot be answered.
    Error,
    /// What is signed, and not looked at yet.
    Signed,
}

impl Limits {
    /// `None` where there is no limit.
    pub fn new(limit: &RateLimit, prefixes: Prefixes, exempt: &[IpNet]) -> Option<Limits> {
        limit.enabled.then(|| Limits {
            same: Rate::per_second(limit.same),
            all: Rate::per_second(limit.all),
            slip: limit.slip.into(),
            prefixes,
            exempt: exempt.to_vec(),
            table: Limiter::new(KEYS),
            held: AtomicU64::new(0),
            cut: AtomicU64::new(0),
            told: AtomicU64::new(0),
            chance: foldhash::fast::RandomState::default(),
        })
    }

    /// Where the answer to a request is counted, and has that memory brought
    /// near.
    #[inline]
    pub fn find(&self, ip: IpAddr, asked: &Asked, answer: &[u8]) -> Counted {
        let network = self.prefixes.network(ip);
        let same = self.table.place((network, subject(asked.name(), answer)));
        let all = self.table.place((network, Subject::All));
        self.table.fetch(same);
        self.table.fetch(all);
        Counted { network, same, all }
    }

    /// Counts an answer to `ip`, and rules.
    #[inline]
    pub fn rule(&self, counted: Counted, ip: IpAddr, now: Moment) -> Ruling {
        // What was said too often already is no part of all that is said.
        let Counted { network, same, all } = counted;
        if self.table.allow(same, self.same, now) && self.table.allow(all, self.all, now) {
            Ruling::Send
        } else {
            self.hold_back(network, ip, now)
        }
    }

    /// Counts an error to `ip`, and rules: it is sent as it is or not.
    pub fn rule_error(&self, ip: IpAddr, now: Moment) -> Ruling {
        let network = self.prefixes.network(ip);
        let counted = Counted {
            network,
            same: self.table.place((network, Subject::Error)),
            all: self.table.place((network, Subject::All)),
        };
        self.rule(counted, ip, now)
    }

    /// Whether one more signed message of `ip` is within what one network is
    /// told of the same; counts it.
    pub fn allows_signed(&self, ip: IpAddr, now: Moment) -> bool {
        let place = self.table.place((self.prefixes.network(ip), Subject::Signed));
        self.table.allow(place, self.same, now) || self.is_exempt(ip)
    }

    fn is_exempt(&self, ip: IpAddr) -> bool {
        self.exempt.iter().any(|exempt| exempt.contains(&ip))
    }

    /// What has been held back so far.
    pub fn held_back(&self) -> HeldBack {
        let truncated = self.cut.load(Relaxed);
        HeldBack { truncated, dropped: self.held.load(Relaxed).saturating_sub(truncated) }
    }

    #[cold]
    fn hold_back(&self, network: Network, ip: IpAddr, now: Moment) -> Ruling {
        if self.is_exempt(ip) {
            return Ruling::Send;
        }
        let turn = self.held.fetch_add(1, Relaxed);
        // By chance: whoever could count along would arrange for the turns of
        // others to be the ones that are dropped.
        let cut = self.slip > 0 && self.chance.hash_one(turn).is_multiple_of(self.slip);
        if cut {
            self.cut.fetch_add(1, Relaxed);
        }
        self.tell(network, now);
        if cut { Ruling::Cut } else { Ruling::Drop }
    }

    /// One line a minute at most, whatever happens.
    fn tell(&self, network: Network, now: Moment) {
        let told = self.told.load(Relaxed);
        let due = told == 0 || now.micros >= told.saturating_add(SILENCE);
        if !due || self.told.compare_exchange(told, now.micros.max(1), Relaxed, Relaxed).is_err() {
            return;
        }
        let HeldBack { truncated, dropped } = self.held_back();
        tracing::warn!(
            "rate limit: {} is asking too often, or somebody in its name; since the start {dropped} \
             answers were dropped and {truncated} truncated ([dns.rate_limit] in the configuration)",
            self.prefixes.name(network)
        );
    }
}

/// What an answer is about, as its header and its first record tell; `name`
/// is the one asked for, in lower case, the root where the question could not
/// be used.
fn subject<'a>(name: &'a [u8], answer: &[u8]) -> Subject<'a> {
    let count = |section: usize| u16_at(answer, 6 + 2 * section).unwrap_or(0);
    let flags = u16_at(answer, 2).unwrap_or(0);
    let negative = count(0) == 0;
    match flags & 15 {
        rcode::NOERROR if negative && count(1) > 0 && flags & flag::AA == 0 => {
            Subject::Referral(first_owner(name, answer))
        }
        rcode::NXDOMAIN if negative => Subject::NoName(first_owner(name, answer)),
        rcode::NOERROR | rcode::NXDOMAIN => Subject::Name(name),
        _ => Subject::Error,
    }
}

/// The owner of the first record behind the question, which is a pointer into
/// the question's name: the rest of that name from there. Nothing where there
/// is no record.
fn first_owner<'a>(name: &'a [u8], answer: &[u8]) -> &'a [u8] {
    // Type and class follow the name.
    let Some(owner) = u16_at(answer, HEADER + name.len() + 4) else { return &[] };
    let at = usize::from(owner & 0x3fff).checked_sub(HEADER);
    at.and_then(|at| name.get(at..)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    const AT: Moment = Moment { micros: 5_000_000, wall: 0 };

    /// With so many of the same a second, and nothing sent beyond.
    fn limits(same: u32) -> Limits {
        let limit = RateLimit { same, all: 10 * same, slip: 0, ..RateLimit::default() };
        Limits::new(&limit, Prefixes::default(), &[]).unwrap()
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    /// How many of so many errors are sent.
    fn sent(limits: &Limits, count: u32, ip: IpAddr) -> u32 {
        (0..count).map(|_| u32::from(limits.rule_error(ip, AT) == Ruling::Send)).sum()
    }

    /// A home has a /56, and all of its addresses.
    #[test]
    fn a_network_of_ipv6_is_one() {
        let limits = limits(5);
        assert_eq!(sent(&limits, 9, ip("2001:db8:0:1::1")), 5);
        assert_eq!(sent(&limits, 9, ip("2001:db8:0:ff:9::9")), 0);
        assert_eq!(sent(&limits, 9, ip("2001:db8:0:100::1")), 5);
        // Those of IPv4 are none of them.
        assert_eq!(sent(&limits, 9, ip("0.0.0.1")), 5);
    }

    /// What was said too often already is no part of all that is said: who is
    /// flooded with one answer is told others.
    #[test]
    fn what_is_held_back_is_not_counted() {
        let limits = limits(5);
        assert_eq!(sent(&limits, 10_000, ip("192.0.2.1")), 5);
        let network = limits.prefixes.network(ip("192.0.2.1"));
        let all = limits.table.place((network, Subject::All));
        let left = (0..100).filter(|_| limits.table.allow(all, limits.all, AT)).count();
        assert_eq!(left, 45);
    }

    /// Whoever counts along cannot have the turns of others be those that are
    /// dropped, or let through.
    #[test]
    fn nobody_arranges_whose_turn_it_is() {
        let limit = RateLimit { same: 1, all: 1000, slip: 2, ..RateLimit::default() };
        let limits = Limits::new(&limit, Prefixes::default(), &[]).unwrap();
        let cut = |ip: IpAddr| u32::from(limits.rule_error(ip, AT) == Ruling::Cut);
        let (attacker, victim) = (ip("192.0.2.1"), ip("198.51.100.1"));
        let turns = (0..400).map(|_| (cut(attacker), cut(victim)));
        let (attacker, victim) = turns.fold((0, 0), |(a, v), (one, other)| (a + one, v + other));
        let about_half = 100..300;
        assert!(about_half.contains(&attacker) && about_half.contains(&victim), "{victim}");
    }

    /// Ten thousand networks at a time are told apart, and remembered.
    #[test]
    fn there_is_room_for_a_crowd() {
        let limits = limits(5);
        let crowd = || (0..10_000u32).map(|n| IpAddr::from((0x0a00_0000 | n << 8).to_be_bytes()));
        // Keys of a row may look alike, a few of so many do.
        let told_less = crowd().filter(|&ip| sent(&limits, 5, ip) < 5).count();
        assert!(told_less < 100, "{told_less} of 10,000 were taken for others");
        let told_more = crowd().filter(|&ip| sent(&limits, 1, ip) > 0).count();
        assert!(told_more < 100, "{told_more} of 10,000 were forgotten");
        assert_eq!(KEYS * size_of::<u64>(), 512 << 10, "as the documentation says");
    }

    /// Whoever floods does not fill the log: a line a minute.
    #[test]
    fn the_log_is_told_once_a_minute() {
        #[derive(Clone, Default)]
        struct Lines(Arc<Mutex<Vec<u8>>>);
        impl std::io::Write for Lines {
            fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
                self.0.lock().unwrap().extend(octets);
                Ok(octets.len())
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let lines = Lines::default();
        let told = || {
            let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
            text.matches("rate limit: 192.0.2.0/24 is asking too often").count()
        };
        let writer = lines.clone();
        let log = tracing_subscriber::fmt().with_writer(move || writer.clone()).finish();
        tracing::subscriber::with_default(log, || {
            let limits = limits(1);
            let at = |micros| Moment { micros, ..AT };
            for micros in [0, 1, SILENCE - 1] {
                (0..50).for_each(|_| {
                    limits.rule_error(ip("192.0.2.1"), at(micros));
                });
            }
            assert_eq!(told(), 1);
            (0..50).for_each(|_| {
                limits.rule_error(ip("192.0.2.1"), at(SILENCE + 1));
            });
            assert_eq!(told(), 2);
        });
    }
}
