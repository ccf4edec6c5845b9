//! Who holds a TCP connection, who has to give way, and who has had its time.
//!
//! A client's network has a share of the places. Who comes beyond it takes the
//! place of one of its own; when all places are taken, the network that holds
//! most gives way, so that a crowd from one place costs the others nothing
//! until they, too, are as many. Of one network, the connection goes first that
//! has got nothing done for longest, idle or in the middle of something: one
//! that is in earnest is not in the middle of anything for long, and who has
//! just come would be thrown out for the sake of those who stall.
//!
//! A connection says when it begins to wait for a question and when it is in
//! the middle of one; nothing else. Every few moments a look at all of them
//! ([`Slots::look`]) finds those that took too long: one timer for all, where
//! a timer for each message would cost more than its answer. Whoever must go
//! has its socket shut down, which ends whatever it is waiting for.

use std::cmp::Reverse;
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::TcpStream;

use super::network::Network;

/// How many looks the shorter time is worth: a connection may have this part
/// of it more than it should, and never less.
const LOOKS: u32 = 8;

/// The connections there are, at most [`Slots::limit`] of them.
pub struct Slots {
    limit: usize,
    /// How many of them one client's network may hold.
    share: usize,
    /// Looks that a connection may sit idle.
    idle: usize,
    /// Looks that a message or an answer may take.
    message: usize,
    /// From one look to the next.
    pause: Duration,
    /// Rises with every change of any connection: an order, not a time.
    order: AtomicU64,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    slots: HashMap<u64, Arc<Slot>>,
    /// How many of `slots` each client's network has.
    clients: HashMap<Network, usize>,
    /// How many had to give way to others so far.
    evicted: u64,
    /// Places not given back: those of `slots`, and those told to end.
    taken: usize,
    /// Who gives way next, as it was when this was last made: states and
    /// numbers, the first to go at the end. Whoever's state is another now
    /// has moved since, and is passed over.
    leaving: Vec<(u64, u64)>,
    /// How far the order had come at each look, the latest at the end.
    looks: VecDeque<u64>,
    /// Whether nobody is let in any more.
    closed: bool,
}

/// One connection's place.
struct Slot {
    stream: TcpStream,
    /// `None`: no limit concerns it.
    client: Option<Network>,
    /// In the highest bit whether it is busy, below it the order of its last
    /// change: whoever has the least there gives way first.
    state: AtomicU64,
}

/// A place taken, given back when dropped.
pub struct Place {
    // In this order: the socket is closed, then the place is free.
    slot: Arc<Slot>,
    seat: Seat,
}

struct Seat {
    slots: Arc<Slots>,
    number: u64,
}

const BUSY: u64 = 1 << 63;

impl Slots {
    /// `limit` places, none taken, `share` of them for each client; `idle` is
    /// how long one may wait for a question, `message` how long a question may
    /// take to arrive in full and answers to be taken.
    pub fn new(limit: usize, share: usize, idle: Duration, message: Duration) -> Slots {
        let shortest = Duration::from_millis(5);
        let pause = (idle.min(message) / LOOKS).max(shortest);
        let looks = |time: Duration| time.as_nanos().div_ceil(pause.as_nanos()) as usize;
        Slots {
            limit: limit.max(1),
            share: share.max(1),
            idle: looks(idle),
            message: looks(message),
            pause,
            order: AtomicU64::new(0),
            held: Mutex::default(),
        }
    }

    /// Takes a place for a connection of `client`'s (`None`: of somebody whom
    /// no limit concerns), evicting one of the client's own if its share is
    /// used up, and whoever is next if no place is free.
    pub fn take(self: &Arc<Slots>, stream: TcpStream, client: Option<Network>) -> Place {
        let number = self.next();
        let slot = Arc::new(Slot { stream, client, state: AtomicU64::new(number) });
        let mut held = self.held();
        if let Some(client) = client
            && held.clients.get(&client).is_some_and(|count| *count >= self.share)
        {
            held.evict_of(client);
        }
        if held.slots.len() >= self.limit {
            held.evict();
        }
        if held.closed {
            slot.end(true);
        }
        held.insert(number, slot.clone());
        held.taken += 1;
        Place { slot, seat: Seat { slots: self.clone(), number } }
    }

    /// Gives up a quarter of what is held, because something else is short
    /// (file descriptors, say): one at a time, those waiting to be accepted
    /// would wait for long.
    pub fn make_room(&self) {
        let mut held = self.held();
        for _ in 0..held.slots.len().div_ceil(4) {
            held.evict();
        }
    }

    /// How long to pause between two looks.
    pub fn pause(&self) -> Duration {
        self.pause
    }

    /// Ends every connection that has been idle, or busy with one thing, for
    /// too long. To be called after every [`Slots::pause`].
    pub fn look(&self) {
        let mut held = self.held();
        let Held { slots, looks, clients, .. } = &mut *held;
        looks.push_back(self.order.load(Ordering::Relaxed));
        if looks.len() > self.idle.max(self.message) + 1 {
            looks.pop_front();
        }
        let before =
            |looks_ago: usize| looks.len().checked_sub(looks_ago + 1).map_or(0, |at| looks[at]);
        let (idle, busy) = (before(self.idle), BUSY | before(self.message));
        slots.retain(|_, slot| {
            let state = slot.state();
            let stalls = state >= BUSY;
            let overdue = state < if stalls { busy } else { idle };
            if overdue {
                slot.end(stalls);
                leave(clients, slot);
            }
            !overdue
        });
    }

    /// Ends every connection that waits for a question.
    pub fn end_idle(&self) {
        for slot in self.held().slots.values().filter(|slot| slot.state() < BUSY) {
            slot.end(false);
        }
    }

    /// Ends every connection, and those that still come.
    pub fn end_all(&self) {
        let mut held = self.held();
        held.closed = true;
        for slot in held.slots.values() {
            slot.end(true);
        }
    }

    /// Whether no place is taken.
    pub fn is_empty(&self) -> bool {
        self.held().taken == 0
    }

    /// Connections there are, and how many had to give way to others so far.
    pub fn counts(&self) -> (u64, u64) {
        let held = self.held();
        (held.slots.len() as u64, held.evicted)
    }

    fn next(&self) -> u64 {
        self.order.fetch_add(1, Ordering::Relaxed)
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn insert(&mut self, number: u64, slot: Arc<Slot>) {
        if let Some(client) = slot.client {
            *self.clients.entry(client).or_default() += 1;
        }
        self.slots.insert(number, slot);
    }

    fn remove(&mut self, number: u64) -> Option<Arc<Slot>> {
        let slot = self.slots.remove(&number)?;
        leave(&mut self.clients, &slot);
        Some(slot)
    }

    /// Whoever is next gives way. The order is made for all at once and used
    /// up, so that a flood of new connections costs no search each.
    fn evict(&mut self) {
        while !self.slots.is_empty() {
            while let Some((state, number)) = self.leaving.pop() {
                if self.slots.get(&number).is_some_and(|slot| slot.state() == state) {
                    return self.end(number);
                }
            }
            self.leaving = self.order();
        }
    }

    /// One of a client's connections gives way.
    fn evict_of(&mut self, client: Network) {
        let own = self.slots.iter().filter(|(_, slot)| slot.client == Some(client));
        if let Some((number, _)) = own.min_by_key(|(_, slot)| since(slot.state())) {
            self.end(*number);
        }
    }

    fn end(&mut self, number: u64) {
        if let Some(slot) = self.remove(number) {
            slot.end(false);
            self.evicted += 1;
        }
    }

    /// Everybody's state and number, who goes first at the end: as long as
    /// networks have different numbers of connections, one of the network that
    /// has most. Those whom no limit concerns go last.
    fn order(&self) -> Vec<(u64, u64)> {
        let mut crowds: HashMap<Option<Network>, Vec<(u64, u64)>> = HashMap::new();
        for (number, slot) in &self.slots {
            crowds.entry(slot.client).or_default().push((slot.state(), *number));
        }
        let mut order = Vec::with_capacity(self.slots.len());
        for (client, mut crowd) in crowds {
            crowd.sort_unstable_by_key(|(state, _)| Reverse(since(*state)));
            let places = crowd.into_iter().enumerate();
            order.extend(places.map(|(at, one)| (if client.is_some() { at } else { 0 }, one)));
        }
        order.sort_unstable_by_key(|(at, (state, _))| (*at, Reverse(since(*state))));
        order.into_iter().map(|(_, one)| one).collect()
    }
}

/// The order of the change that made a state.
fn since(state: u64) -> u64 {
    state & !BUSY
}

/// A connection is no longer one of its client's.
fn leave(clients: &mut HashMap<Network, usize>, slot: &Slot) {
    let Some(client) = slot.client else { return };
    if let Some(count) = clients.get_mut(&client) {
        *count -= 1;
        if *count == 0 {
            clients.remove(&client);
        }
    }
}

impl Slot {
    fn state(&self) -> u64 {
        self.state.load(Ordering::Relaxed)
    }

    /// Shuts the socket down: whatever its connection waits for, comes to
    /// nothing. What a client that stalls has not taken is not kept for it: a
    /// reset frees the kernel's buffers, a close would leave them for minutes.
    fn end(&self, stalls: bool) {
        let socket = socket2::SockRef::from(&self.stream);
        if stalls {
            let _ = socket.set_linger(Some(Duration::ZERO));
        }
        // Fails only if the client has gone already.
        let _ = socket.shutdown(std::net::Shutdown::Both);
    }
}

impl Place {
    /// The connection's socket.
    pub fn stream(&self) -> &TcpStream {
        &self.slot.stream
    }

    /// Waits for a question from now on.
    pub fn idle(&self) {
        self.slot.state.store(self.seat.slots.next(), Ordering::Relaxed);
    }

    /// In the middle of a message or an answer from now on.
    pub fn busy(&self) {
        self.slot.state.store(self.seat.slots.next() | BUSY, Ordering::Relaxed);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        // The socket is closed before anybody is told, and while nobody waits.
        let slot = self.slots.held().remove(self.number);
        drop(slot);
        self.slots.held().taken -= 1;
    }
}
