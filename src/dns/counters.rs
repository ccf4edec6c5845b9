//! What strangers have brought a server to do, in numbers.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Terms;
use super::limits::{HeldBack, Limits};
use super::slots::Slots;

/// What a server has counted since it started.
#[derive(Clone)]
pub struct Counters {
    terms: Arc<Terms>,
    slots: Arc<Slots>,
}

impl Counters {
    /// Of these.
    pub fn new(terms: Arc<Terms>, slots: Arc<Slots>) -> Counters {
        Counters { terms, slots }
    }

    /// What the rate limit has held back.
    pub fn held_back(&self) -> HeldBack {
        self.terms.limits().map(Limits::held_back).unwrap_or_default()
    }

    /// Everything, by names that say what it is.
    pub fn read(&self) -> BTreeMap<String, u64> {
        let HeldBack { truncated, dropped } = self.held_back();
        let (connections, evicted) = self.slots.counts();
        let counts = [
            ("DNS answers dropped by the rate limit", dropped),
            ("DNS answers truncated by the rate limit", truncated),
            ("DNS connections closed to make room", evicted),
            ("DNS connections open now", connections),
        ];
        counts.map(|(what, count)| (what.to_owned(), count)).into()
    }
}
