//! Who holds a TCP connection, and who has to give way.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// The connections there are, at most [`Slots::limit`] of them.
pub struct Slots {
    limit: usize,
    /// Rises with every change of any connection: an order, not a time.
    order: AtomicU64,
    held: Mutex<HashMap<u64, Arc<Slot>>>,
}

/// One connection's place.
struct Slot {
    /// The order of its last change, and in the lowest bit whether it has
    /// been busy since.
    state: AtomicU64,
    evicted: Notify,
}

/// A place taken, given back when dropped.
pub struct Place {
    slots: Arc<Slots>,
    number: u64,
    slot: Arc<Slot>,
}

const BUSY: u64 = 1;

impl Slots {
    /// `limit` places, none taken.
    pub fn new(limit: usize) -> Slots {
        Slots { limit: limit.max(1), order: AtomicU64::new(0), held: Mutex::default() }
    }

    /// Takes a place, evicting somebody if none is free.
    pub fn take(self: &Arc<Slots>) -> Place {
        let number = self.next();
        let slot = Arc::new(Slot { state: AtomicU64::new(number << 1), evicted: Notify::new() });
        let mut held = self.held();
        if held.len() >= self.limit {
            evict(&mut held);
        }
        held.insert(number, slot.clone());
        Place { slots: self.clone(), number, slot }
    }

    /// Gives up a quarter of what is held, because something else is short
    /// (file descriptors, say): one at a time, those waiting to be accepted
    /// would wait for long.
    pub fn make_room(&self) {
        let mut held = self.held();
        for _ in 0..held.len().div_ceil(4) {
            evict(&mut held);
        }
    }

    fn next(&self) -> u64 {
        self.order.fetch_add(1, Ordering::Relaxed)
    }

    fn held(&self) -> MutexGuard<'_, HashMap<u64, Arc<Slot>>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The one idle for longest gives way; if all are busy, the one busy for
/// longest. A search through all: done only when the house is full, and a
/// thousand places are read in a microsecond or two.
fn evict(held: &mut HashMap<u64, Arc<Slot>>) {
    let rank = |slot: &Slot| {
        let state = slot.state.load(Ordering::Relaxed);
        (state & BUSY, state >> 1)
    };
    let oldest = held.iter().min_by_key(|(_, slot)| rank(slot)).map(|(number, _)| *number);
    if let Some(slot) = oldest.and_then(|number| held.remove(&number)) {
        slot.evicted.notify_one();
    }
}

impl Place {
    /// Waits between messages from now on.
    pub fn idle(&self) {
        self.slot.state.store(self.slots.next() << 1, Ordering::Relaxed);
    }

    /// In the middle of a message or an answer from now on.
    pub fn busy(&self) {
        self.slot.state.store(self.slots.next() << 1 | BUSY, Ordering::Relaxed);
    }

    /// Waits until this place is wanted for somebody else.
    pub async fn evicted(&self) {
        self.slot.evicted.notified().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.slots.held().remove(&self.number);
    }
}
