//! Who may stay connected when there are more clients than connections.
//!
//! A new client takes the place of the one that has been silent longest, so
//! that a stranger who opens connections and says nothing keeps nobody out.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// The connections there may be.
#[derive(Clone)]
pub struct Seats {
    free: Arc<Semaphore>,
    silent: Arc<Mutex<Silent>>,
}

/// Connections that wait for a request, by the time they began to.
#[derive(Default)]
struct Silent {
    next: u64,
    since: BTreeMap<u64, Arc<Notify>>,
}

/// One connection's place.
pub struct Seat {
    silent: Arc<Mutex<Silent>>,
    since: Mutex<Option<u64>>,
    leave: Arc<Notify>,
    _permit: OwnedSemaphorePermit,
}

impl Seats {
    /// This many.
    pub fn new(count: usize) -> Seats {
        Seats {
            free: Arc::new(Semaphore::new(count.clamp(1, Semaphore::MAX_PERMITS))),
            silent: Arc::default(),
        }
    }

    /// A place, silent until told otherwise. When all are taken the longest
    /// silent one is asked to leave; while none is silent, this waits.
    pub async fn take(&self) -> Seat {
        let permit = match self.free.clone().try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) => {
                let longest = lock(&self.silent).since.pop_first();
                if let Some((_, leave)) = longest {
                    leave.notify_one();
                }
                self.free.clone().acquire_owned().await.expect("it is never closed")
            }
        };
        let seat = Seat {
            silent: self.silent.clone(),
            since: Mutex::new(None),
            leave: Arc::new(Notify::new()),
            _permit: permit,
        };
        seat.silent();
        seat
    }
}

impl Seat {
    /// A request is being answered: the place is safe.
    pub fn busy(&self) {
        if let Some(since) = lock(&self.since).take() {
            lock(&self.silent).since.remove(&since);
        }
    }

    /// The client is waited for from now on.
    pub fn silent(&self) {
        self.busy();
        let mut silent = lock(&self.silent);
        let since = silent.next;
        silent.next += 1;
        silent.since.insert(since, self.leave.clone());
        *lock(&self.since) = Some(since);
    }

    /// Returns when the place is wanted for another.
    pub async fn wanted(&self) {
        self.leave.notified().await;
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.busy();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("nothing panics while it is held")
}

#[cfg(test)]
mod tests {
    use super::Seats;
    use std::time::Duration;
    use tokio::time::timeout;

    #[tokio::test]
    async fn the_longest_silent_makes_room() {
        let seats = Seats::new(2);
        let (first, second) = (seats.take().await, seats.take().await);
        first.busy();
        first.silent();
        let third = tokio::spawn({
            let seats = seats.clone();
            async move { seats.take().await }
        });
        timeout(Duration::from_secs(5), second.wanted()).await.expect("it has been silent longest");
        drop(second);
        let third = timeout(Duration::from_secs(5), third).await.unwrap().unwrap();
        // Nobody silent: the next one waits.
        first.busy();
        third.busy();
        assert!(timeout(Duration::from_millis(20), seats.take()).await.is_err());
    }
}
