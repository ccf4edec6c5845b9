//! A bounded number of owners with a bounded number of requests each.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::hash::Hash;
use std::sync::Arc;

use super::EACH;
use super::seen::Seen;
use crate::model::Timestamp;

/// Requests by whose they are; who was heard least recently makes room.
pub struct Shelf<K> {
    owners: HashMap<K, Owned, foldhash::quality::RandomState>,
    /// Owners by the turn in which they were heard last.
    turns: BTreeMap<u64, K>,
    turn: u64,
    most: usize,
}

struct Owned {
    turn: u64,
    /// Latest last, [`EACH`] at most.
    kept: VecDeque<Kept>,
}

/// A request, and how often it came.
#[derive(Clone)]
pub struct Kept {
    pub seen: Arc<Seen>,
    pub fingerprint: u64,
    /// When it came first.
    pub first: Timestamp,
    /// When it came last.
    pub last: Timestamp,
    pub times: u32,
}

impl<K: Clone + Eq + Hash> Shelf<K> {
    pub fn new(most: usize) -> Shelf<K> {
        let owners = HashMap::with_hasher(foldhash::quality::RandomState::default());
        Shelf { owners, turns: BTreeMap::new(), turn: 0, most }
    }

    /// Counts a request that is there already; `false`: it is not.
    pub fn again(&mut self, owner: &K, fingerprint: u64, at: Timestamp) -> bool {
        let Some(owned) = self.owners.get_mut(owner) else { return false };
        let Some(place) = owned.kept.iter().position(|kept| kept.fingerprint == fingerprint) else {
            return false;
        };
        let mut kept = owned.kept.remove(place).expect("it was found there");
        kept.last = at;
        kept.times = kept.times.saturating_add(1);
        owned.kept.push_back(kept);
        if let Some(key) = self.turns.remove(&owned.turn) {
            self.turn += 1;
            owned.turn = self.turn;
            self.turns.insert(self.turn, key);
        }
        true
    }

    /// Puts a request that is not there yet.
    pub fn put(&mut self, owner: &K, fingerprint: u64, at: Timestamp, seen: Arc<Seen>) {
        self.turn += 1;
        let turn = self.turn;
        let owned = self
            .owners
            .entry(owner.clone())
            .or_insert_with(|| Owned { turn, kept: VecDeque::new() });
        self.turns.remove(&owned.turn);
        owned.turn = turn;
        self.turns.insert(turn, owner.clone());
        if owned.kept.len() >= EACH {
            owned.kept.pop_front();
        }
        owned.kept.push_back(Kept { seen, fingerprint, first: at, last: at, times: 1 });
        while self.owners.len() > self.most {
            let Some((_, oldest)) = self.turns.pop_first() else { break };
            self.owners.remove(&oldest);
        }
    }

    /// What is kept of one owner.
    pub fn of(&self, owner: &K) -> impl Iterator<Item = &Kept> {
        self.owners.get(owner).into_iter().flat_map(|owned| &owned.kept)
    }

    /// What is kept of everybody.
    pub fn all(&self) -> impl Iterator<Item = &Kept> {
        self.owners.values().flat_map(|owned| &owned.kept)
    }
}
