//! Who may stay connected when there are more clients than connections.
//!
//! A connection that waits for its client is *silent*; one whose request is
//! being answered is *busy* and safe. When all places are taken, the network
//! with the most silent connections gives up the one of them that has been
//! silent longest, so that strangers who open connections and say nothing keep
//! nobody out, and who has one connection is the last to lose it. A new one is
//! left alone for a moment, in which its first request can arrive. No network
//! has more than its share, which makes room in the same way.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use ipnet::IpNet;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::sleep;

/// How long a new connection is left alone: time for a request to come half
/// around the world. A thousand places change hands four thousand times a
/// second all the same.
const GRACE: Duration = Duration::from_millis(250);

/// The connections there may be.
#[derive(Clone)]
pub struct Seats {
    free: Arc<Semaphore>,
    taken: Arc<Mutex<Taken>>,
}

/// Whose connection it is; `None`: a proxy's of ours, which has no share.
type Whose = Option<IpNet>;

/// The connections there are.
struct Taken {
    /// What one network may have.
    share: usize,
    next: u64,
    /// Who waits until somebody can be asked to leave.
    wanting: BTreeSet<u64>,
    held: HashMap<Whose, Held, foldhash::quality::RandomState>,
    /// Who has silent connections: by how many, then by how long.
    silent: BTreeSet<(usize, Reverse<u64>, Whose)>,
}

/// The connections of one network.
#[derive(Default)]
struct Held {
    count: usize,
    /// Those that are new, in the order in which they came.
    fresh: BTreeMap<u64, Arc<Notify>>,
    /// Those that wait for the client, by the time they began to.
    silent: BTreeMap<u64, Arc<Notify>>,
}

/// One connection's place.
pub struct Seat {
    taken: Arc<Mutex<Taken>>,
    place: Mutex<Place>,
    leave: Arc<Notify>,
    permit: OwnedSemaphorePermit,
}

struct Place {
    whose: Whose,
    waits: Waits,
}

/// Whether a connection waits for its client, and since when.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Waits {
    Fresh(u64),
    Silent(u64),
    Busy,
}

impl Seats {
    /// This many, and at most `share` of them for one network.
    pub fn new(count: usize, share: usize) -> Seats {
        Seats {
            free: Arc::new(Semaphore::new(count.clamp(1, Semaphore::MAX_PERMITS))),
            taken: Arc::new(Mutex::new(Taken {
                share,
                next: 0,
                wanting: BTreeSet::new(),
                held: HashMap::default(),
                silent: BTreeSet::new(),
            })),
        }
    }

    /// A place, of a new connection until told otherwise. When all are taken
    /// somebody silent is asked to leave, as soon as there is one. `None`:
    /// this network has its share, and all of it is busy.
    pub async fn take(&self, whose: Whose) -> Option<Seat> {
        if !lock(&self.taken).admit(whose) {
            return None;
        }
        let permit = match self.free.clone().try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) => {
                let want = lock(&self.taken).want();
                let permit = self.free.clone().acquire_owned().await.expect("it is never closed");
                // A place may have become free by itself.
                want.map(|want| lock(&self.taken).wanting.remove(&want));
                permit
            }
        };
        let leave = Arc::new(Notify::new());
        let waits = {
            let mut taken = lock(&self.taken);
            taken.enter(whose);
            taken.begin(whose, leave.clone())
        };
        let place = Mutex::new(Place { whose, waits });
        Some(Seat { taken: self.taken.clone(), place, leave, permit })
    }

    /// Asks somebody silent to leave.
    pub fn make_room(&self) {
        lock(&self.taken).ask_to_leave(None);
    }
}

impl Taken {
    /// Whether one more of this network is admitted; if need be in the place
    /// of another one of its own.
    fn admit(&mut self, whose: Whose) -> bool {
        let Some(held) = self.held.get(&whose) else { return true };
        whose.is_none() || held.count < self.share || self.ask_to_leave(Some(whose))
    }

    fn enter(&mut self, whose: Whose) {
        self.held.entry(whose).or_default().count += 1;
    }

    fn leave(&mut self, whose: Whose) {
        if let Some(held) = self.held.get_mut(&whose) {
            held.count -= 1;
            if held.count == 0 {
                self.held.remove(&whose);
            }
        }
    }

    /// Somebody is asked to leave, now or as soon as one is silent; returns
    /// what is wanted in that case.
    fn want(&mut self) -> Option<u64> {
        (!self.ask_to_leave(None)).then(|| {
            let want = self.next;
            self.next += 1;
            self.wanting.insert(want);
            want
        })
    }

    /// The longest silent connection of the network that has most is asked to
    /// leave; or of this network, if need be a new one. `false`: there is none.
    fn ask_to_leave(&mut self, of: Option<Whose>) -> bool {
        let most = || self.silent.last().map(|(_, _, whose)| *whose);
        let Some(whose) = of.or_else(most) else { return false };
        let mut leave = None;
        self.change(whose, |held| {
            leave = held.silent.pop_first();
            if leave.is_none() && of.is_some() {
                leave = held.fresh.pop_first();
            }
        });
        if let Some((_, leave)) = &leave {
            leave.notify_one();
        }
        leave.is_some()
    }

    fn begin(&mut self, whose: Whose, leave: Arc<Notify>) -> Waits {
        let since = self.next;
        self.next += 1;
        self.change(whose, |held| {
            held.fresh.insert(since, leave);
        });
        Waits::Fresh(since)
    }

    fn wait(&mut self, whose: Whose, leave: Arc<Notify>) -> Waits {
        let since = self.next;
        self.next += 1;
        self.change(whose, |held| {
            held.silent.insert(since, leave);
        });
        if self.wanting.pop_first().is_some() {
            self.ask_to_leave(None);
        }
        Waits::Silent(since)
    }

    fn wait_no_more(&mut self, whose: Whose, waits: Waits) {
        self.change(whose, |held| match waits {
            Waits::Fresh(since) => drop(held.fresh.remove(&since)),
            Waits::Silent(since) => drop(held.silent.remove(&since)),
            Waits::Busy => {}
        });
    }

    /// Changes what a network holds, and keeps the order.
    fn change(&mut self, whose: Whose, change: impl FnOnce(&mut Held)) {
        let Some(held) = self.held.get_mut(&whose) else { return };
        let before = rank(whose, held);
        change(held);
        let after = rank(whose, held);
        if before == after {
            return;
        }
        if let Some(before) = before {
            self.silent.remove(&before);
        }
        self.silent.extend(after);
    }
}

/// Where a network stands among those that may be asked to leave. Proxies of
/// ours come last: behind one are many clients.
fn rank(whose: Whose, held: &Held) -> Option<(usize, Reverse<u64>, Whose)> {
    let (longest, _) = held.silent.first_key_value()?;
    let count = whose.map_or(0, |_| held.silent.len());
    Some((count, Reverse(*longest), whose))
}

impl Seat {
    /// A request is being answered: the place is safe.
    pub fn busy(&self) {
        let mut place = lock(&self.place);
        let waits = std::mem::replace(&mut place.waits, Waits::Busy);
        if waits != Waits::Busy {
            lock(&self.taken).wait_no_more(place.whose, waits);
        }
    }

    /// The client is waited for, from now on if it was not before.
    pub fn silent(&self) {
        let mut place = lock(&self.place);
        if matches!(place.waits, Waits::Silent(_)) {
            return;
        }
        let mut taken = lock(&self.taken);
        taken.wait_no_more(place.whose, place.waits);
        place.waits = taken.wait(place.whose, self.leave.clone());
    }

    /// Whose it really is, once a proxy of ours has told; `false`: that
    /// network has its share, and all of it is busy.
    pub fn belongs_to(&self, whose: IpNet) -> bool {
        self.busy();
        let mut place = lock(&self.place);
        let mut taken = lock(&self.taken);
        if !taken.admit(Some(whose)) {
            return false;
        }
        taken.leave(place.whose);
        taken.enter(Some(whose));
        place.whose = Some(whose);
        place.waits = taken.begin(Some(whose), self.leave.clone());
        true
    }

    /// Returns when the place is wanted for another. Where the client has
    /// asked for something meanwhile, somebody else is asked to leave.
    pub async fn wanted(&self) {
        loop {
            tokio::select! {
                () = self.leave.notified() => {}
                () = sleep(GRACE), if self.is_fresh() => {
                    if self.is_fresh() {
                        self.silent();
                    }
                    continue;
                }
            }
            if lock(&self.place).waits != Waits::Busy {
                return;
            }
            if self.permit.semaphore().available_permits() == 0 {
                lock(&self.taken).want();
            }
        }
    }

    fn is_fresh(&self) -> bool {
        matches!(lock(&self.place).waits, Waits::Fresh(_))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.busy();
        let whose = lock(&self.place).whose;
        lock(&self.taken).leave(whose);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("nothing panics while it is held")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Seat, Seats, Whose, lock};
    use tokio::time::timeout;

    fn net(number: u8) -> Whose {
        Some(format!("192.0.2.{number}/32").parse().unwrap())
    }

    async fn leaves(seat: &Seat) -> bool {
        timeout(Duration::from_secs(5), seat.wanted()).await.is_ok()
    }

    async fn stays(seat: &Seat) -> bool {
        timeout(Duration::from_millis(20), seat.wanted()).await.is_err()
    }

    #[tokio::test]
    async fn the_longest_silent_makes_room() {
        let seats = Seats::new(2, 2);
        let (first, second) =
            (seats.take(net(1)).await.unwrap(), seats.take(net(2)).await.unwrap());
        second.silent();
        first.silent();
        let third = tokio::spawn({
            let seats = seats.clone();
            async move { seats.take(net(3)).await }
        });
        assert!(leaves(&second).await, "it has been silent longest");
        drop(second);
        let third = timeout(Duration::from_secs(5), third).await.unwrap().unwrap().unwrap();
        // Nobody silent: the next one waits until somebody is.
        first.busy();
        third.busy();
        let fourth = tokio::spawn({
            let seats = seats.clone();
            async move { seats.take(net(4)).await }
        });
        assert!(stays(&first).await);
        first.silent();
        assert!(leaves(&first).await);
        drop(first);
        assert!(fourth.await.unwrap().is_some());
    }

    #[tokio::test]
    async fn a_new_one_is_left_alone_for_a_moment() {
        let seats = Seats::new(2, 2);
        let (old, new) = (seats.take(net(1)).await.unwrap(), seats.take(net(2)).await.unwrap());
        old.busy();
        seats.make_room();
        assert!(stays(&new).await);
        new.silent();
        seats.make_room();
        assert!(leaves(&new).await);
    }

    #[tokio::test]
    async fn who_has_most_makes_room_first() {
        let seats = Seats::new(4, 4);
        let honest = seats.take(net(1)).await.unwrap();
        let proxy = seats.take(None).await.unwrap();
        let (one, two) = (seats.take(net(2)).await.unwrap(), seats.take(net(2)).await.unwrap());
        [&honest, &proxy, &one, &two].into_iter().for_each(Seat::silent);
        seats.make_room();
        assert!(leaves(&one).await);
        drop(one);
        // One each: now it is the longest silent one's turn, a proxy's last.
        seats.make_room();
        assert!(leaves(&honest).await);
        seats.make_room();
        assert!(leaves(&two).await);
        assert!(stays(&proxy).await);
    }

    #[tokio::test]
    async fn no_network_has_more_than_its_share() {
        let seats = Seats::new(10, 2);
        let (one, two) = (seats.take(net(1)).await.unwrap(), seats.take(net(1)).await.unwrap());
        let three = seats.take(net(1)).await.unwrap();
        assert!(leaves(&one).await, "in the place of the longest silent of its own");
        drop(one);
        two.busy();
        three.busy();
        assert!(seats.take(net(1)).await.is_none(), "all busy");
        assert!(seats.take(net(2)).await.is_some(), "others are no worse off");
        // Proxies have no share, but those behind them do.
        let behind: Vec<Seat> = {
            let mut seats_taken = Vec::new();
            for _ in 0..4 {
                seats_taken.push(seats.take(None).await.unwrap());
            }
            seats_taken
        };
        assert!(!behind[0].belongs_to(net(1).unwrap()));
        assert!(behind[1].belongs_to(net(2).unwrap()));
        drop((two, three, behind));
        assert!(lock(&seats.taken).held.is_empty());
        assert!(lock(&seats.taken).silent.is_empty());
    }
}
