//! Whose password is checked next.
//!
//! A slow hash takes a core for tens of milliseconds, and strangers may ask for
//! as many as they like; so one is computed at a time, few wait, and those wait
//! in front who are likeliest to be right:
//!
//! 1. who comes from a network from which the account was used before;
//! 2. everybody else, by how often his network asked lately, least first.
//!
//! When too many wait, the hindmost is told to come back. So a thousand
//! networks that guess push themselves back, not the owner. And there is a
//! limit to the guesses a minute: for one network; for one account, of all
//! those together that it does not know; and, apart from these, for each
//! network that it knows. Nobody is locked out by others' guesses: a network
//! that is known has an allowance of its own, and a password that was right
//! once is not guessed any more (`passwords.rs`).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use ipnet::IpNet;
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use super::pace::{PATIENCE, moment};
use super::thread::Clock;
use crate::limit::{Limiter, Place, Rate};
use crate::model::{Moment, Served};

/// Checks that wait at a time.
const WAITING: usize = 32;

/// How often those who wait look whether more may be guessed by now.
const LOOK: Duration = Duration::from_millis(250);

/// Networks and accounts that are told apart at a time.
const KEYS: usize = 65_536;

/// What is remembered of a network's asking: as much as this, for as long.
const ASKED: (u32, u32, u32) = (64, 3600, 64);

/// A network that is known has this many times the standing of others.
const KNOWN: u64 = 8;

/// Gives turns. Clones give the same ones.
#[derive(Clone)]
pub(super) struct Turns(Arc<Shared>);

struct Shared {
    queue: Mutex<Queue>,
    guesses: Rate,
    /// Guesses, by network, by account, and by both.
    guessed: Limiter,
    /// How often networks asked for a turn.
    asked: Limiter,
    clock: Arc<Clock>,
    began: Served,
    patience: Duration,
}

#[derive(Default)]
struct Queue {
    is_taken: bool,
    number: u64,
    waiting: BTreeMap<(u64, u64), Waiting>,
}

struct Waiting {
    asker: Asker,
    turn: oneshot::Sender<Turn>,
}

/// Who wants a password checked.
#[derive(Clone, Debug)]
pub(super) struct Asker {
    /// Whose password it would be.
    pub of: String,
    /// From where.
    pub network: IpNet,
    /// Whether it was right from there before.
    pub known: bool,
}

/// The right to check one password now. It goes with what checks, not with
/// who waits for it: that one may leave.
pub(super) struct Turn(Turns);

impl Turns {
    /// With this many guesses a minute.
    pub fn new(guesses: u32, clock: Arc<Clock>) -> Turns {
        Turns::patient(guesses, clock, PATIENCE)
    }

    fn patient(guesses: u32, clock: Arc<Clock>, patience: Duration) -> Turns {
        Turns(Arc::new(Shared {
            queue: Mutex::default(),
            guesses: Rate::new(guesses, 60, guesses),
            guessed: Limiter::new(KEYS),
            asked: Limiter::new(KEYS),
            began: clock().served,
            clock,
            patience,
        }))
    }

    /// Waits for a turn; `None`: come back later.
    pub async fn take(&self, asker: Asker) -> Option<Turn> {
        let (turn, mut given) = oneshot::channel();
        self.enter(Waiting { asker, turn });
        let wait = async {
            loop {
                self.give();
                tokio::select! {
                    turn = &mut given => return turn.ok(),
                    () = sleep(LOOK) => {}
                }
            }
        };
        timeout(self.0.patience, wait).await.ok().flatten()
    }

    /// It was right: whoever asked from there is no stranger.
    pub fn was_right(&self, asker: &Asker) {
        let Shared { asked, guessed, .. } = &*self.0;
        asked.forgive(asked.place(asker.network));
        for place in self.allowances(asker) {
            guessed.forgive(place);
        }
    }

    fn enter(&self, waiting: Waiting) {
        let now = self.now();
        let Shared { asked, .. } = &*self.0;
        let rate = Rate::new(ASKED.0, ASKED.1, ASKED.2);
        let place = asked.place(waiting.asker.network);
        let before = asked.had(place, rate, now);
        asked.count(place, rate, now);
        let rank = if waiting.asker.known { before / KNOWN } else { 1 + before };
        let mut queue = self.queue();
        queue.waiting.retain(|_, waiting| !waiting.turn.is_closed());
        let number = queue.number;
        queue.number += 1;
        queue.waiting.insert((rank, number), waiting);
        if queue.waiting.len() > WAITING {
            // Rather one that has to wait for its allowance in any case.
            let vain = queue.waiting.iter().rev().find(|(_, one)| !self.may_guess(&one.asker, now));
            let last = vain.or(queue.waiting.last_key_value()).map(|(place, _)| *place);
            last.map(|place| queue.waiting.remove(&place));
        }
    }

    /// Gives the turn to the foremost who may guess, if it is free.
    fn give(&self) {
        let now = self.now();
        let mut queue = self.queue();
        if queue.is_taken {
            return;
        }
        let foremost = queue.waiting.iter().find(|(_, one)| self.may_guess(&one.asker, now));
        let Some(place) = foremost.map(|(place, _)| *place) else { return };
        let waiting = queue.waiting.remove(&place).expect("it was found there");
        queue.is_taken = true;
        drop(queue);
        let Shared { guessed, guesses, .. } = &*self.0;
        for place in self.allowances(&waiting.asker) {
            guessed.count(place, *guesses, now);
        }
        // Where nobody waits for it any more, it is free again.
        drop(waiting.turn.send(Turn(self.clone())));
    }

    fn may_guess(&self, asker: &Asker, now: Moment) -> bool {
        let Shared { guessed, guesses, .. } = &*self.0;
        self.allowances(asker).into_iter().all(|place| guessed.would_allow(place, *guesses, now))
    }

    /// What a guess is counted for.
    fn allowances(&self, asker: &Asker) -> Vec<Place> {
        let guessed = &self.0.guessed;
        match asker.known {
            true => vec![guessed.place((&asker.of, asker.network))],
            false => vec![guessed.place(asker.network), guessed.place(&asker.of)],
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.0.queue.lock().expect("nothing panics while it is held")
    }

    fn now(&self) -> Moment {
        moment((self.0.clock)(), self.0.began)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.queue().is_taken = false;
        self.0.give();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Now, Timestamp};
    use std::sync::atomic::{AtomicU64, Ordering};

    fn turns() -> (Turns, Arc<AtomicU64>) {
        let seconds = Arc::new(AtomicU64::new(1000));
        let clock: Clock = {
            let seconds = seconds.clone();
            Box::new(move || Now {
                wall: Timestamp(0),
                served: Served(seconds.load(Ordering::Relaxed)),
            })
        };
        (Turns::new(30, Arc::new(clock)), seconds)
    }

    fn asker(of: &str, network: u32, known: bool) -> Asker {
        let network = IpNet::new(std::net::Ipv4Addr::from(network).into(), 32).unwrap();
        Asker { of: of.into(), network, known }
    }

    /// Has somebody wait, and says when he has begun to.
    async fn queued(turns: &Turns, asker: Asker) -> tokio::task::JoinHandle<Option<Turn>> {
        let before = turns.queue().number;
        let task = tokio::spawn({
            let turns = turns.clone();
            async move { turns.take(asker).await }
        });
        while turns.queue().number == before {
            tokio::task::yield_now().await;
        }
        task
    }

    #[tokio::test]
    async fn who_is_known_or_asked_least_comes_first() {
        let (turns, _) = turns();
        let running = turns.take(asker("x", 1, false)).await.unwrap();
        // This network has asked twice, that one never, and that one is ann's.
        let again = queued(&turns, asker("x", 1, false)).await;
        let new = queued(&turns, asker("x", 2, false)).await;
        let own = queued(&turns, asker("ann", 3, true)).await;
        drop(running);
        for next in [own, new, again] {
            assert!(next.await.unwrap().is_some());
        }
    }

    #[tokio::test]
    async fn a_thousand_networks_that_guess_do_not_keep_ann_out() {
        let (turns, _) = turns();
        // Ann comes from where she never was. The strangers have asked before.
        let running = turns.take(asker("ann", 0, false)).await.unwrap();
        for network in 1..=1000 {
            queued(&turns, asker("ann", network, false)).await.abort();
        }
        let mut strangers = Vec::new();
        for network in 1..=1000 {
            strangers.push(queued(&turns, asker("ann", network, false)).await);
        }
        let ann = queued(&turns, asker("ann", 5000, false)).await;
        assert!(turns.queue().waiting.len() <= WAITING);
        drop(running);
        let turn = ann.await.unwrap();
        assert!(turn.is_some(), "she is next");
        drop(turn);
        strangers.iter().for_each(tokio::task::JoinHandle::abort);
    }

    #[tokio::test]
    async fn guesses_are_limited_and_nobody_pays_for_others() {
        let (turns, seconds) = turns();
        let turns = Turns::patient(30, turns.0.clock.clone(), Duration::from_millis(20));
        let guess =
            async |of: &str, network, known| turns.take(asker(of, network, known)).await.is_some();
        // One account, from everywhere.
        for network in 0..30 {
            assert!(guess("ann", network, false).await);
        }
        assert!(!guess("ann", 100, false).await);
        assert!(guess("ben", 100, false).await, "another's is no one's business");
        // Who is known has an allowance of his own.
        for _ in 0..30 {
            assert!(guess("ann", 200, true).await);
        }
        assert!(!guess("ann", 200, true).await);
        assert!(guess("ann", 201, true).await, "from the office");
        // One network, whatever it guesses.
        for of in 0..30 {
            assert!(guess(&format!("user{of}"), 300, false).await);
        }
        assert!(!guess("user30", 300, false).await);
        // Two seconds for one guess.
        seconds.fetch_add(2, Ordering::Relaxed);
        assert!(guess("ann", 101, false).await);
        assert!(!guess("ann", 102, false).await);
        // A right one clears its network.
        turns.was_right(&asker("ann", 200, true));
        assert!(guess("ann", 200, true).await);
    }

    #[tokio::test]
    async fn who_leaves_holds_nobody_up() {
        let (turns, _) = turns();
        let running = turns.take(asker("x", 1, false)).await.unwrap();
        let gone = queued(&turns, asker("x", 2, false)).await;
        gone.abort();
        let _ = gone.await;
        let stays = queued(&turns, asker("x", 3, false)).await;
        drop(running);
        assert!(stays.await.unwrap().is_some());
        assert!(!turns.queue().is_taken);
    }
}
