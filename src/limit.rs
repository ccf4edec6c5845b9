//! How often strangers may have something: rates, kept for everybody at once
//! in a table that never grows.
//!
//! A [`Limiter`] keeps one moment for each key it knows: the time at which the
//! key will have paid for all it had (the generic cell rate algorithm, ITU-T
//! I.371; a token bucket, told in one number). Keys are told apart by a seeded
//! hash of theirs, nothing else is kept of them. A key that has no place yet
//! takes that of the one in its row that owes least, so that those who ask
//! most are the last to be forgotten, whatever else is thrown at the table.
//!
//! Threads share it without a lock, and count together what each of them counts.

use std::hash::{BuildHasher, Hash};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::model::Moment;
use crate::prefetch::prefetch;

/// Keys in a row of the table: what a cache line holds.
const ROW: usize = 8;

/// Bits of a place that hold the moment, in microseconds. The rest tells the
/// keys of a row apart: one in 2000 keys is taken for one of the eight of its
/// row.
const MOMENT_BITS: u32 = 50;
const MOMENT: u64 = (1 << MOMENT_BITS) - 1;

/// Time stands still from here on, in microseconds since the program started:
/// a limit then says no for ever, where it would say yes for ever if a moment
/// lost its foremost bits. What is above is for what a key owes, two years.
const LAST: u64 = MOMENT - (1 << 46);
const _: () = assert!(LAST > 30 * 366 * 86_400 * 1_000_000, "no program runs for 30 years");

/// Bits that a place's number in its row takes.
const NUMBER_BITS: u32 = ROW.ilog2();

/// How often, and how much at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Microseconds until one more is allowed.
    interval: u64,
    /// How many may come at once.
    burst: u64,
}

impl Rate {
    /// `count` (1 or more) in `seconds` (1 or more), and up to `burst` (1 or
    /// more) of them at once.
    pub fn new(count: u32, seconds: u32, burst: u32) -> Rate {
        let interval = u64::from(seconds.max(1)) * 1_000_000 / u64::from(count.max(1));
        Rate { interval: interval.max(1), burst: u64::from(burst.max(1)) }
    }

    /// This many a second, and as many at once.
    pub fn per_second(count: u32) -> Rate {
        Rate::new(count, 1, count)
    }
}

/// Who has had how much.
pub struct Limiter {
    rows: Box<[Row]>,
    /// Not the fast one: by some of its seeds the networks of a crowd, which
    /// differ in a few bits, share a few rows.
    seed: foldhash::quality::RandomState,
}

/// One cache line of places.
#[derive(Default)]
#[repr(align(64))]
struct Row([AtomicU64; ROW]);

/// Where a key is kept, if it is: made once and used soon.
#[derive(Clone, Copy)]
pub struct Place {
    row: usize,
    tag: u64,
}

/// What is kept of a key, or of the one that gives way to it.
#[derive(Clone, Copy)]
struct Found {
    /// Its number in the row.
    at: usize,
    /// The whole of what is kept there.
    kept: u64,
    /// The key's moment.
    owed: u64,
}

impl Limiter {
    /// Room for at least `keys` keys at a time, eight octets each. It never
    /// takes more than that.
    pub fn new(keys: usize) -> Limiter {
        let rows = keys.div_ceil(ROW).next_power_of_two();
        let rows = (0..rows).map(|_| Row::default()).collect();
        Limiter { rows, seed: foldhash::quality::RandomState::default() }
    }

    /// Where a key belongs.
    #[inline]
    pub fn place(&self, key: impl Hash) -> Place {
        let hash = self.seed.hash_one(key);
        Place { row: hash as usize & (self.rows.len() - 1), tag: hash >> MOMENT_BITS }
    }

    /// Has the memory of a place brought near, without waiting for it.
    #[inline]
    pub fn fetch(&self, place: Place) {
        prefetch(&self.rows[place.row]);
    }

    /// Counts one more for a key; `false`: it has had as much as `rate` allows
    /// and this one is not counted.
    #[inline]
    pub fn allow(&self, place: Place, rate: Rate, now: Moment) -> bool {
        let now = micros(now);
        loop {
            let found = self.find(place);
            let start = found.owed.max(now);
            if start - now > rate.interval * (rate.burst - 1) {
                return false;
            }
            if self.keep(place, found, start + rate.interval) {
                return true;
            }
        }
    }

    /// Whether the next [`Limiter::allow`] would say yes; counts nothing.
    pub fn would_allow(&self, place: Place, rate: Rate, now: Moment) -> bool {
        self.would_allow_after(0, place, rate, now)
    }

    /// The same once so many more had been counted for the key.
    pub fn would_allow_after(&self, more: u64, place: Place, rate: Rate, now: Moment) -> bool {
        let owed = self.find(place).owed.saturating_sub(micros(now));
        owed.saturating_add(rate.interval.saturating_mul(more)) <= rate.interval * (rate.burst - 1)
    }

    /// How many of those counted for a key it has not paid for yet, by this
    /// rate; counts nothing.
    pub fn had(&self, place: Place, rate: Rate, now: Moment) -> u64 {
        let owed = self.find(place).owed;
        owed.saturating_sub(micros(now)).div_ceil(rate.interval)
    }

    /// Counts one more for a key whatever it has had, up to one more than
    /// `rate` allows: for what is known only after it has happened.
    pub fn count(&self, place: Place, rate: Rate, now: Moment) {
        let now = micros(now);
        let most = now + rate.interval * rate.burst;
        loop {
            let found = self.find(place);
            if self.keep(place, found, (found.owed.max(now) + rate.interval).min(most)) {
                return;
            }
        }
    }

    /// Forgets what a key has had.
    pub fn forgive(&self, place: Place) {
        let row = &self.rows[place.row].0;
        for kept in row {
            if kept.load(Ordering::Relaxed) >> MOMENT_BITS == place.tag {
                kept.store(0, Ordering::Relaxed);
            }
        }
    }

    /// The key's place in its row and its moment; where it has none, the place
    /// of the one that owes least, and zero.
    #[inline]
    fn find(&self, place: Place) -> Found {
        let row = &self.rows[place.row].0;
        for (at, kept) in row.iter().enumerate() {
            let kept = kept.load(Ordering::Relaxed);
            if kept >> MOMENT_BITS == place.tag {
                return Found { at, kept, owed: kept & MOMENT };
            }
        }
        // Its number behind the moment, so that the least of all is one word.
        let numbered = row
            .iter()
            .zip(0_u64..)
            .map(|(kept, at)| (kept.load(Ordering::Relaxed) & MOMENT) << NUMBER_BITS | at);
        let at = numbered.min().unwrap_or(0) as usize % ROW;
        Found { at, kept: row[at].load(Ordering::Relaxed), owed: 0 }
    }

    /// Keeps another moment where a key was found; `false`: another thread has
    /// been there since.
    #[inline]
    fn keep(&self, place: Place, found: Found, owed: u64) -> bool {
        let kept = place.tag << MOMENT_BITS | owed.min(MOMENT);
        self.rows[place.row].0[found.at]
            .compare_exchange(found.kept, kept, Ordering::Relaxed, Ordering::Relaxed)
            .is_ok()
    }
}

/// The moment as it is kept.
#[inline]
fn micros(now: Moment) -> u64 {
    now.micros.min(LAST)
}

#[cfg(test)]
mod tests {
    use super::{Limiter, MOMENT_BITS, Rate};
    use crate::model::Moment;

    fn at(micros: u64) -> Moment {
        Moment { micros: 1_000_000_000 + micros, ..Moment::default() }
    }

    #[test]
    fn as_often_as_the_rate_says() {
        let limiter = Limiter::new(100);
        let place = limiter.place("ann");
        let rate = Rate::new(2, 1, 3);
        let had = |micros: u64| limiter.allow(place, rate, at(micros));
        // Three at once, then one each half second.
        assert!(had(0) && had(0) && had(0));
        assert!(!had(0) && !had(499_999));
        assert!(had(500_000));
        assert!(!had(999_999));
        assert!(had(1_000_000));
        // After a rest the burst is there again, and no more than that.
        assert!(had(60_000_000) && had(60_000_000) && had(60_000_000));
        assert!(!had(60_000_000));
    }

    #[test]
    fn what_has_happened_already_is_counted_and_forgiven() {
        let limiter = Limiter::new(100);
        let (place, other) = (limiter.place("ann"), limiter.place("ben"));
        let rate = Rate::new(1, 60, 2);
        for _ in 0..100 {
            limiter.count(place, rate, at(0));
        }
        assert!(!limiter.would_allow(place, rate, at(0)));
        assert!(limiter.would_allow(other, rate, at(0)));
        assert_eq!(limiter.had(place, rate, at(0)), 2);
        assert_eq!(limiter.had(place, rate, at(60_000_000)), 1);
        assert_eq!(limiter.had(other, rate, at(0)), 0);
        // However much there was, a minute is a minute.
        assert!(limiter.would_allow(place, rate, at(60_000_000)));
        limiter.forgive(place);
        assert!(limiter.would_allow(place, rate, at(0)));
    }

    #[test]
    fn threads_count_together() {
        let limiter = Limiter::new(100);
        let (place, rate) = (limiter.place("ann"), Rate::new(1, 60, 50_000));
        let had = std::thread::scope(|scope| {
            let count = || (0..25_000).filter(|_| limiter.allow(place, rate, at(0))).count();
            let threads = [(); 4].map(|()| scope.spawn(count));
            threads.map(|thread| thread.join().unwrap()).iter().sum::<usize>()
        });
        assert_eq!(had, 50_000);
    }

    #[test]
    fn as_well_after_years() {
        const YEAR: u64 = 365 * 86_400_000_000;
        for start in [1 << 45, 1 << 46, 3 << 46, YEAR * 30] {
            let limiter = Limiter::new(100);
            let (place, other) = (limiter.place("ann"), limiter.place("ben"));
            let rate = Rate::new(2, 1, 3);
            let had = |micros: u64| limiter.allow(place, rate, at(start + micros));
            assert!(had(0) && had(0) && had(0), "{start}");
            assert!(!had(0) && had(500_000) && !had(500_000), "{start}");
            for _ in 0..3 {
                limiter.count(other, rate, at(start));
            }
            assert!(!limiter.would_allow(other, rate, at(start)), "{start}");
            assert_eq!(limiter.had(other, rate, at(start)), 3, "{start}");
        }
    }

    /// Where time cannot be counted any more, a limit does not become none.
    #[test]
    fn nobody_has_more_than_a_burst_at_the_end_of_time() {
        for start in [1 << MOMENT_BITS, 1 << 60, u64::MAX - 2_000_000_000] {
            let limiter = Limiter::new(100);
            let place = limiter.place("ann");
            let rate = Rate::new(2, 1, 3);
            let allowed = (0..100).filter(|n| limiter.allow(place, rate, at(start + n))).count();
            assert_eq!(allowed, 3, "{start}");
            limiter.count(place, rate, at(start));
            assert!(!limiter.would_allow(place, rate, at(start)), "{start}");
        }
    }

    #[test]
    fn who_asks_most_is_remembered_among_a_crowd() {
        let limiter = Limiter::new(1024);
        let place = limiter.place("loud");
        let rate = Rate::per_second(100);
        let mut allowed = 0;
        for n in 0..100_000_u64 {
            limiter.allow(limiter.place(("quiet", n)), rate, at(n));
            allowed += u64::from(limiter.allow(place, rate, at(n)));
        }
        // A burst of 100, and nearly 10 more in the tenth of a second that passed.
        assert!((109..=110).contains(&allowed), "{allowed}");
    }
}
