//! How long anybody waits for the registry, and how often one host changes.
//!
//! Changes are counted by the thread that makes them, once they are durable:
//! whoever asks may have gone by then, or never have waited for the answer.
//!
//! An update that cannot be written down soon is answered `911`: the client
//! comes back, and meanwhile its connection is there for others. It may be
//! done all the same once the disk goes on; reports can be said again.

use std::fmt;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::limit::{Limiter, Rate};
use crate::model::{Moment, Name, Now, Served, is_this_machine};

/// How long an update may wait: half of what the hastiest client does
/// (inadyn waits ten seconds).
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// Hosts whose changes are counted at a time.
const HOSTS: usize = 65_536;

/// The registry cannot say now. The client is told `911` and comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unavailable {
    /// Its queue or its disk is full, or it does not get on.
    Overloaded,
    /// A host has changed as often as it may.
    TooOften,
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Unavailable::Overloaded => "the registry cannot take updates now",
            Unavailable::TooOften => "the host has changed as often as it may in an hour",
        })
    }
}

impl std::error::Error for Unavailable {}

/// What the registry's thread has done, and what hosts have had.
pub(super) struct Pace {
    /// How often the thread has come round.
    rounds: AtomicU64,
    /// One more than the round in which somebody lost patience.
    stuck: AtomicU64,
    changes: Option<(Limiter, Rate)>,
    began: Served,
    patience: Duration,
}

impl Pace {
    /// With so many changes of one host in an hour; `None`: as many as there
    /// are. `began`: when this process did.
    pub fn new(changes: Option<u32>, began: Served) -> Pace {
        let limited = |count| (Limiter::new(HOSTS), Rate::new(count, 3600, count));
        Pace {
            rounds: AtomicU64::new(0),
            stuck: AtomicU64::new(0),
            changes: changes.map(limited),
            began,
            patience: PATIENCE,
        }
    }

    /// To be called by the thread whenever it has done something.
    pub fn round(&self) {
        self.rounds.fetch_add(1, Ordering::SeqCst);
    }

    /// To be called before something is queued, and what it returns handed to
    /// [`Pace::wait`].
    ///
    /// # Errors
    /// While the thread is stuck: nobody need wait to be told.
    pub fn begin(&self) -> Result<u64, Unavailable> {
        let round = self.rounds.load(Ordering::SeqCst);
        match self.stuck.load(Ordering::SeqCst) == round + 1 {
            true => Err(Unavailable::Overloaded),
            false => Ok(round),
        }
    }

    /// What the thread answers, if it does so in time.
    pub async fn wait<T>(
        &self,
        begun: u64,
        answer: oneshot::Receiver<Result<T, Unavailable>>,
    ) -> Result<T, Unavailable> {
        match timeout(self.patience, answer).await {
            Ok(answer) => answer.unwrap_or(Err(Unavailable::Overloaded)),
            Err(_) => {
                // Not once round in all this time. As soon as it comes round,
                // what is kept here is that of a round long gone.
                if self.rounds.load(Ordering::SeqCst) == begun {
                    self.stuck.store(begun + 1, Ordering::SeqCst);
                }
                Err(Unavailable::Overloaded)
            }
        }
    }

    /// Whether these hosts may change once more, as `source` asks for: this
    /// machine itself may change them as often as it likes. Refuses many of
    /// those who may not before they are queued; the thread looks again.
    ///
    /// # Errors
    /// When one has changed as often as it may.
    pub fn may_change<'a>(
        &self,
        source: IpAddr,
        mut hosts: impl Iterator<Item = &'a Name>,
        now: Now,
    ) -> Result<(), Unavailable> {
        match hosts.all(|host| self.has_left(source, host, 0, now)) {
            true => Ok(()),
            false => Err(Unavailable::TooOften),
        }
    }

    /// The same for one host, of which so many changes are decided and not yet
    /// counted.
    pub fn has_left(&self, source: IpAddr, host: &Name, decided: u64, now: Now) -> bool {
        let limited = self.changes.as_ref().filter(|_| !is_this_machine(source));
        let Some((limiter, rate)) = limited else { return true };
        let place = limiter.place(host);
        limiter.would_allow_after(decided, place, *rate, moment(now, self.began))
    }

    /// Counts so many changes of each of these hosts.
    pub fn changed<'a>(&self, hosts: impl IntoIterator<Item = (&'a Name, &'a u64)>, now: Now) {
        let Some((limiter, rate)) = &self.changes else { return };
        let now = moment(now, self.began);
        for (host, count) in hosts {
            (0..*count).for_each(|_| limiter.count(limiter.place(host), *rate, now));
        }
    }
}

/// The registry counts in whole seconds: what it allows is told by the minute
/// and by the hour. `began`: when this process did, as what is counted lives no
/// longer.
pub(super) fn moment(now: Now, began: Served) -> Moment {
    let seconds = now.served.since(began).as_secs();
    Moment {
        micros: seconds.saturating_mul(1_000_000),
        wall: u32::try_from(now.wall.0).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Timestamp;

    fn hasty() -> Pace {
        Pace { patience: Duration::from_millis(20), ..Pace::new(None, Served(0)) }
    }

    #[tokio::test]
    async fn who_loses_patience_spares_others_the_wait() {
        let pace = hasty();
        let begun = pace.begin().unwrap();
        let (reply, answer) = oneshot::channel::<Result<(), Unavailable>>();
        assert_eq!(pace.wait(begun, answer).await, Err(Unavailable::Overloaded));
        assert_eq!(pace.begin(), Err(Unavailable::Overloaded), "at once");
        drop(reply);
        // It goes on, and so does everybody.
        pace.round();
        let begun = pace.begin().unwrap();
        let (reply, answer) = oneshot::channel();
        reply.send(Ok(7)).unwrap();
        assert_eq!(pace.wait(begun, answer).await, Ok(7));
    }

    #[tokio::test]
    async fn slow_is_not_stuck() {
        let pace = hasty();
        let begun = pace.begin().unwrap();
        pace.round();
        let (_reply, answer) = oneshot::channel::<Result<(), Unavailable>>();
        assert_eq!(pace.wait(begun, answer).await, Err(Unavailable::Overloaded));
        assert!(pace.begin().is_ok(), "others have a chance");
    }

    #[test]
    fn so_many_changes_of_a_host_in_an_hour() {
        let pace = Pace::new(Some(3), Served(10));
        let source = "192.0.2.1".parse().unwrap();
        let (home, cam): (Name, Name) =
            ("home.example".parse().unwrap(), "cam.example".parse().unwrap());
        let at = |served| Now { wall: Timestamp(0), served: Served(served) };
        for _ in 0..3 {
            assert_eq!(pace.may_change(source, [&home, &cam].into_iter(), at(10)), Ok(()));
            pace.changed([(&home, &1)], at(10));
        }
        let both = || [&cam, &home].into_iter();
        assert_eq!(pace.may_change(source, both(), at(10)), Err(Unavailable::TooOften));
        assert_eq!(pace.may_change(source, [&cam].into_iter(), at(10)), Ok(()));
        // The last of three, if two come to be, and none after that.
        assert!(pace.has_left(source, &cam, 2, at(10)));
        assert!(!pace.has_left(source, &cam, 3, at(10)));
        let here = "127.0.0.1".parse().unwrap();
        assert_eq!(pace.may_change(here, both(), at(10)), Ok(()));
        assert_eq!(pace.may_change(source, both(), at(10 + 1199)), Err(Unavailable::TooOften));
        assert_eq!(pace.may_change(source, both(), at(10 + 1200)), Ok(()), "one in twenty minutes");
    }
}
