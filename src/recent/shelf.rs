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
    /// Owners by the number of the request by which they were heard last.
    turns: BTreeMap<u64, K>,
    most: usize,
}

struct Owned {
    number: u64,
    /// Latest last, [`EACH`] at most.
    kept: VecDeque<Kept>,
}

/// A request, and how often it came.
#[derive(Clone)]
pub struct Kept {
    pub seen: Arc<Seen>,
    pub fingerprint: u64,
    /// Its number among all requests, when it came last.
    pub number: u64,
    /// When it came first.
    pub first: Timestamp,
    /// When it came last.
    pub last: Timestamp,
    pub times: u32,
}

impl<K: Clone + Eq + Hash> Shelf<K> {
    pub fn new(most: usize) -> Shelf<K> {
        let owners = HashMap::with_hasher(foldhash::quality::RandomState::default());
        Shelf { owners, turns: BTreeMap::new(), most }
    }

    /// Counts a request that is there already; `false`: it is not.
    pub fn again(&mut self, owner: &K, fingerprint: u64, number: u64, at: Timestamp) -> bool {
        let Some(owned) = self.owners.get_mut(owner) else { return false };
        let Some(place) = owned.kept.iter().position(|kept| kept.fingerprint == fingerprint) else {
            return false;
        };
        let mut kept = owned.kept.remove(place).expect("it was found there");
        kept.last = at;
        kept.number = number;
        kept.times = kept.times.saturating_add(1);
        owned.kept.push_back(kept);
        if let Some(key) = self.turns.remove(&owned.number) {
            owned.number = number;
            self.turns.insert(number, key);
        }
        true
    }

    /// Puts a request that was not there when it was looked for.
    pub fn put(&mut self, owner: &K, kept: Kept) {
        if self.again(owner, kept.fingerprint, kept.number, kept.last) {
            return;
        }
        let number = kept.number;
        let owned = self
            .owners
            .entry(owner.clone())
            .or_insert_with(|| Owned { number, kept: VecDeque::new() });
        self.turns.remove(&owned.number);
        owned.number = number;
        self.turns.insert(number, owner.clone());
        if owned.kept.len() >= EACH {
            owned.kept.pop_front();
        }
        owned.kept.push_back(kept);
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
