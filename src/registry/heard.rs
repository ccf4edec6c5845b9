//! Reports that change nothing, answered without the thread.
//!
//! Nearly every report says what is known already. Nothing has to be written
//! down for it now, so it need not wait in the queue for the disk. It is
//! decided from the State as published, and the renewed lease is kept here
//! until the thread takes it. What makes that right:
//!
//! - *The order of a host's reports.* While an earlier update of the host, an
//!   edit of it or an operator's word on it is in the queue, [`Queued`] says so,
//!   and the report goes behind it.
//! - *The end of leases.* The clock is read under the lock of what is kept,
//!   and the thread takes what is kept before it lets leases end: a lease that
//!   is renewed in time does not end.
//! - *Nothing is lost.* Where there is no room for another renewal the report
//!   goes to the queue, and so it does when the server is stopping.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use super::core::Published;
use super::fate::{Fate, fate};
use super::renewal::Renewal;
use super::thread::Clock;
use crate::model::{Grant, Line, Name, Served};
use crate::update::{Outcome, Policies, Update};

/// Hosts whose renewal waits for the thread; more go through the queue. It
/// bounds what the thread has to do at once.
const ROOM: usize = 4096;

/// The thread is woken when so many wait. Until then they can wait for
/// whatever wakes it: nobody needs them sooner.
const WAKE: usize = 1024;

/// Places in which updates on their way are counted. Two hosts may share one,
/// which costs one of them a way through the queue.
const PLACES: usize = 4096;

/// What became of a report that the thread need not see.
pub(super) struct Answer {
    pub outcomes: Vec<Outcome>,
    /// Whether enough renewals wait for the thread to be woken.
    pub wake: bool,
}

/// The renewals that wait, and the updates on their way.
pub(super) struct Heard {
    kept: Mutex<Kept>,
    queued: Queued,
}

struct Kept {
    hosts: HashMap<(Name, Option<Line>), Renewal>,
    /// Nobody will take them any more.
    closed: bool,
}

impl Heard {
    pub fn new() -> Heard {
        let kept = Kept { hosts: HashMap::new(), closed: false };
        Heard { kept: Mutex::new(kept), queued: Queued::new() }
    }

    /// Answers an update that leaves every host it means as it is; `None`:
    /// the thread is to decide it.
    pub fn answer(
        &self,
        published: &Published,
        hosts: &[Option<Name>],
        grant: &Grant,
        update: &Update,
        policies: &Policies,
        clock: &Clock,
    ) -> Option<Answer> {
        // Whether anything is on its way is asked first: what was published
        // by then is in the State that is loaded after it.
        if hosts.iter().flatten().any(|name| self.queued.has(name)) {
            return None;
        }
        let state = published.state.load();
        let now = clock();
        let mut outcomes = Vec::with_capacity(hosts.len());
        let mut renewed = Vec::new();
        for name in hosts {
            let Some(name) = name else {
                outcomes.push(Outcome::NotAName);
                continue;
            };
            match fate(&state, name, grant, update, policies, now) {
                Fate::Nothing(outcome) => outcomes.push(outcome),
                Fate::Renewed { outcome, renewal, end } => {
                    outcomes.push(outcome);
                    renewed.push((name.clone(), end, renewal));
                }
                Fate::Changed { .. } => return None,
            }
        }
        if update.protocol.is_all_or_none() && !outcomes.iter().all(Outcome::is_done) {
            renewed.clear();
        }
        let wake = !renewed.is_empty() && self.keep(renewed, clock)?;
        Some(Answer { outcomes, wake })
    }

    /// Keeps renewals for the thread, and says whether to wake it; `None`: it
    /// cannot.
    fn keep(&self, renewed: Vec<(Name, Option<Served>, Renewal)>, clock: &Clock) -> Option<bool> {
        let mut kept = self.kept.lock().expect("nothing panics while it is held");
        let before = kept.hosts.len();
        if kept.closed || before + renewed.len() > ROOM {
            return None;
        }
        let heard = clock().served;
        if renewed.iter().any(|(_, end, _)| end.is_some_and(|end| end <= heard)) {
            return None;
        }
        for (name, _, renewal) in renewed {
            let place = (name, renewal.line.clone());
            kept.hosts.insert(place, Renewal { heard, ..renewal });
        }
        Some(before < WAKE && kept.hosts.len() >= WAKE)
    }

    /// Takes what is kept.
    pub fn take(&self) -> Vec<(Name, Renewal)> {
        let mut kept = self.kept.lock().expect("nothing panics while it is held");
        let hosts = std::mem::take(&mut kept.hosts);
        hosts.into_iter().map(|((name, _), renewal)| (name, renewal)).collect()
    }

    /// Keeps nothing more.
    pub fn close(&self) {
        self.kept.lock().expect("nothing panics while it is held").closed = true;
    }

    /// To be called before something is queued that may give these hosts other
    /// addresses, and held until what became of it is published.
    pub fn queue<'a>(self: &Arc<Heard>, hosts: impl IntoIterator<Item = &'a Name>) -> OnItsWay {
        let places: Vec<usize> = hosts.into_iter().map(|name| self.queued.place(name)).collect();
        for &place in &places {
            self.queued.counts[place].fetch_add(1, Ordering::SeqCst);
        }
        OnItsWay { heard: self.clone(), places }
    }
}

/// How many updates of each host are between being sent and being published,
/// by a hash of the name.
struct Queued {
    counts: Box<[AtomicU32]>,
    hash: foldhash::fast::RandomState,
}

impl Queued {
    fn new() -> Queued {
        let counts = (0..PLACES).map(|_| AtomicU32::new(0)).collect();
        Queued { counts, hash: foldhash::fast::RandomState::default() }
    }

    fn place(&self, name: &Name) -> usize {
        self.hash.hash_one(name) as usize % PLACES
    }

    fn has(&self, name: &Name) -> bool {
        self.counts[self.place(name)].load(Ordering::SeqCst) > 0
    }
}

/// What is queued and not yet published.
pub(super) struct OnItsWay {
    heard: Arc<Heard>,
    places: Vec<usize>,
}

impl Drop for OnItsWay {
    fn drop(&mut self) {
        for &place in &self.places {
            self.heard.queued.counts[place].fetch_sub(1, Ordering::SeqCst);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{LastReport, Now, Protocol, Timestamp};

    fn renewal(n: usize, end: Option<u64>) -> Vec<(Name, Option<Served>, Renewal)> {
        let name = format!("h{n}.dyn.example.org").parse().unwrap();
        let report = LastReport { at: Timestamp(0), source: None, protocol: Protocol::Dyndns2 };
        vec![(name, end.map(Served), Renewal { heard: Served(0), report, line: None })]
    }

    fn at(served: u64) -> Clock {
        Box::new(move || Now { wall: Timestamp(0), served: Served(served) })
    }

    #[test]
    fn room_is_bounded_and_the_thread_is_woken_before_it_ends() {
        let heard = Heard::new();
        let woken: Vec<usize> =
            (0..ROOM).filter(|&n| heard.keep(renewal(n, None), &at(1)).unwrap()).collect();
        assert_eq!(woken, [WAKE - 1]);
        assert_eq!(heard.keep(renewal(ROOM, None), &at(1)), None);
        assert_eq!(heard.take().len(), ROOM);
        assert_eq!(heard.keep(renewal(ROOM, None), &at(1)), Some(false));
        heard.close();
        assert_eq!(heard.keep(renewal(0, None), &at(1)), None);
    }

    #[test]
    fn a_lease_that_has_ended_is_not_renewed_here() {
        let heard = Heard::new();
        assert_eq!(heard.keep(renewal(1, Some(60)), &at(59)), Some(false));
        assert_eq!(heard.keep(renewal(2, Some(60)), &at(60)), None);
        assert_eq!(heard.take().len(), 1);
    }

    #[test]
    fn a_host_with_an_update_on_its_way_is_known_until_that_is_done() {
        let heard = Arc::new(Heard::new());
        let name: Name = "h1.dyn.example.org".parse().unwrap();
        let (one, two) = (heard.queue([&name]), heard.queue([&name]));
        drop(one);
        assert!(heard.queued.has(&name));
        drop(two);
        assert!(!heard.queued.has(&name));
    }
}
