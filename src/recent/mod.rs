//! The last requests, and why each was answered as it was: what `truename
//! why` shows. In memory alone; a restart forgets them.
//!
//! What strangers send must not push out what is known of real hosts, so
//! there are shelves of their own, each with a fixed number of places:
//!
//! | shelf | what is on it | whose | owners | requests each |
//! |---|---|---|---|---|
//! | well | who asked had proved it, and all went well | the host | [`WELL`] | [`EACH`] |
//! | trouble | who asked had proved it, and something did not | the host, else its account | [`TROUBLE`] | [`EACH`] |
//! | refused | nobody proved anything, but a host or account of ours was named | that host or account | [`REFUSED`] | [`EACH`] |
//! | strangers | neither | the network it came from | [`STRANGERS`] | [`EACH`] |
//!
//! On each shelf the owner that was heard least recently makes room. A request
//! like one that is there already (the same octets from the same client, the
//! same answer) is only counted, so that a host that reports every five
//! minutes takes one place, and costs a hash and two look-ups.
//!
//! What is handed over must have its secrets struck out already: the edges
//! know where theirs stand.

mod hint;
mod rule;
mod seen;
mod shelf;

use std::collections::HashSet;
use std::hash::BuildHasher;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use ipnet::{IpNet, Ipv6Net};

pub use hint::Hint;
pub use rule::{Method, Rule};
pub use seen::{Decided, View, Why};

use crate::model::{Holder, Name, Protocol, Timestamp};
use seen::Seen;
use shelf::{Kept, Shelf};

/// Hosts that do well of which requests are remembered.
pub const WELL: usize = 1024;

/// Hosts and accounts in trouble of which requests are remembered.
pub const TROUBLE: usize = 1024;

/// Hosts and accounts of which requests without proof are remembered.
pub const REFUSED: usize = 512;

/// Networks (an IPv4 address, a /64) of which requests that name nothing of
/// ours are remembered.
pub const STRANGERS: usize = 128;

/// Requests remembered of each of these.
pub const EACH: usize = 4;

/// Octets remembered of a request as received, and as many hosts of one with
/// a long list. With everything full and every request as long as can be, the
/// shelves take about 10 MB.
pub const OCTETS: usize = 768;

/// Octets remembered of an answer.
const ANSWER: usize = 160;

/// Hosts of one request under which it is filed.
const FILED: usize = 32;

/// What an edge says of one request.
#[derive(Clone, Debug)]
pub struct Note<'a> {
    /// When it was answered.
    pub at: Timestamp,
    /// In which language it was understood; none: in none of ours.
    pub protocol: Option<Protocol>,
    /// Who was at the other end of the connection.
    pub peer: IpAddr,
    /// Whom the peer asked for: itself, or what a trusted proxy says.
    pub client: IpAddr,
    /// Whether nobody on the way could read it: over TLS, to us or to a trusted
    /// proxy that says so; `None`: that is no matter of it.
    pub encrypted: Option<bool>,
    /// Who proved to be asking.
    pub proof: Proof,
    /// What decided, host by host.
    pub decided: Vec<Decided>,
    /// What else is odd about it.
    pub hints: Vec<Hint>,
    /// The IPv6 address reported.
    pub v6: Option<Ipv6Addr>,
    /// What was answered, without secrets.
    pub answer: &'a str,
    /// A hash of the request as received, credentials included: two requests
    /// with the same are the same. Never shown.
    pub fingerprint: u64,
}

/// Who a request comes from, as far as it is proved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    /// It presented a right secret of this host or account.
    Proved(Holder),
    /// It proved nothing, but names this host or account of ours.
    Claimed(Holder),
    /// It proved nothing and names nothing of ours.
    Nobody,
}

/// The last requests.
pub struct Recent {
    seed: foldhash::quality::RandomState,
    /// Requests so far: the order in which they came.
    number: AtomicU64,
    well: Mutex<Shelf<Holder>>,
    trouble: Mutex<Shelf<Holder>>,
    refused: Mutex<Shelf<Holder>>,
    strangers: Mutex<Shelf<IpNet>>,
}

impl Default for Recent {
    fn default() -> Recent {
        Recent {
            seed: foldhash::quality::RandomState::default(),
            number: AtomicU64::new(0),
            well: Mutex::new(Shelf::new(WELL)),
            trouble: Mutex::new(Shelf::new(TROUBLE)),
            refused: Mutex::new(Shelf::new(REFUSED)),
            strangers: Mutex::new(Shelf::new(STRANGERS)),
        }
    }
}

impl Recent {
    /// What stands for a request as received, of all that makes it what it is,
    /// the answer too.
    pub fn fingerprint(&self, parts: &[&[u8]]) -> u64 {
        self.seed.hash_one(parts)
    }

    /// Remembers a request. `request` tells it as received, a line a line,
    /// secrets struck out; it is asked only when the request is a new one, and
    /// while no lock is held.
    pub fn note(&self, note: &Note<'_>, request: impl FnOnce() -> String) {
        let mut request = Some(request);
        let mut made: Option<Arc<Seen>> = None;
        let mut make = || {
            let made = made.get_or_insert_with(|| {
                let request = request.take().expect("it is made once");
                Arc::new(Seen::new(note, &request()))
            });
            made.clone()
        };
        match &note.proof {
            Proof::Proved(holder) => {
                let well = note.decided.iter().all(|decided| !decided.rule.is_trouble());
                let shelf =
                    if well && !note.decided.is_empty() { &self.well } else { &self.trouble };
                for subject in subjects(holder, &note.decided) {
                    self.file(shelf, &subject, note, &mut make);
                }
            }
            Proof::Claimed(holder) => {
                self.file(&self.refused, holder, note, &mut make);
            }
            Proof::Nobody => {
                self.file(&self.strangers, &network(note.client), note, &mut make);
            }
        }
    }

    fn file<K: Clone + Eq + std::hash::Hash>(
        &self,
        shelf: &Mutex<Shelf<K>>,
        owner: &K,
        note: &Note<'_>,
        make: &mut impl FnMut() -> Arc<Seen>,
    ) {
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        let (fingerprint, at) = (note.fingerprint, note.at);
        if !lock(shelf).again(owner, fingerprint, number, at) {
            let seen = make();
            lock(shelf)
                .put(owner, Kept { seen, fingerprint, number, first: at, last: at, times: 1 });
        }
    }

    /// What is remembered of a host or an account, latest first; of a host
    /// also what others asked for by its name, of an account also what it
    /// proved to ask for these hosts of its own.
    pub fn of(&self, holder: &Holder, hosts: impl Iterator<Item = Name>) -> Vec<View> {
        let mut found: Vec<Kept> = Vec::new();
        for shelf in [&self.well, &self.trouble, &self.refused] {
            found.extend(lock(shelf).of(holder).cloned());
        }
        for host in hosts.map(Holder::Host) {
            for shelf in [&self.well, &self.trouble] {
                let shelf = lock(shelf);
                found.extend(shelf.of(&host).filter(|kept| kept.seen.is_by(holder)).cloned());
            }
        }
        if let Holder::Host(name) = holder {
            let about = |kept: &&Kept| kept.seen.names(name);
            found.extend(lock(&self.trouble).all().filter(about).cloned());
            found.extend(lock(&self.refused).all().filter(about).cloned());
            found.extend(lock(&self.strangers).all().filter(about).cloned());
        }
        views(found, usize::MAX)
    }

    /// What is remembered in all, latest first, so many at most.
    pub fn latest(&self, most: usize) -> Vec<View> {
        let mut found: Vec<Kept> = Vec::new();
        for shelf in [&self.well, &self.trouble, &self.refused] {
            found.extend(lock(shelf).all().cloned());
        }
        found.extend(lock(&self.strangers).all().cloned());
        views(found, most)
    }
}

/// Latest first; a request that stands in several places once.
fn views(mut found: Vec<Kept>, most: usize) -> Vec<View> {
    found.sort_by_key(|kept| std::cmp::Reverse(kept.number));
    let mut shown = HashSet::new();
    found.retain(|kept| shown.insert(Arc::as_ptr(&kept.seen)));
    let mut views: Vec<View> = found.iter().take(most).map(seen::view).collect();
    seen::compare(&mut views);
    views
}

/// Under whom a request with proof is filed: the hosts it is about that are
/// the holder's to move; where there is none, the holder.
fn subjects(holder: &Holder, decided: &[Decided]) -> Vec<Holder> {
    let own = decided.iter().filter(|decided| decided.rule.is_of_own_host());
    let hosts = own.filter_map(|decided| decided.host.clone()).take(FILED).map(Holder::Host);
    let mut subjects: Vec<Holder> = Vec::new();
    for host in hosts {
        if !subjects.contains(&host) {
            subjects.push(host);
        }
    }
    if subjects.is_empty() {
        subjects.push(holder.clone());
    }
    subjects
}

/// What stands for a stranger: an IPv4 address, or the /64 that one machine
/// has to itself.
fn network(client: IpAddr) -> IpNet {
    match client {
        IpAddr::V4(v4) => IpNet::from(IpAddr::V4(v4)),
        IpAddr::V6(v6) => IpNet::V6(Ipv6Net::new(v6, 64).expect("64 is a prefix length").trunc()),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("nothing panics while it is held")
}

/// Whether a name is what a person may have meant by another: one letter
/// more, less, another, or two swapped.
fn is_like(one: &Name, other: &Name) -> bool {
    let (one, other) = (one.without_dot(), other.without_dot());
    let (one, other) = (one.as_bytes(), other.as_bytes());
    let same = one.iter().zip(other).take_while(|(a, b)| a == b).count();
    let (one, other) = (&one[same..], &other[same..]);
    let end = one.iter().rev().zip(other.iter().rev()).take_while(|(a, b)| a == b).count();
    match (&one[..one.len() - end], &other[..other.len() - end]) {
        ([_], [_]) | ([_], []) | ([], [_]) => true,
        ([a, b], [c, d]) => a == d && b == c,
        _ => false,
    }
}

#[cfg(test)]
mod tests;
