//! New secrets for old: a key gets a successor with the same rights, and ends
//! by itself some time later, so that clients can be told one by one.
//!
//! ```text
//!  key add ──▶ in use ──rotate──▶ in use, ends at `until` ──▶ ended: proves
//!              (no end)           (its successor is in use)   nothing, and is
//!                                                             known for 30 days
//! ```
//!
//! Ends are counted in the time the server was served, as leases are: a key
//! does not end while nobody could have used it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::command::{CommandError, Reply};
use super::draft::Draft;
use super::operate::{known_key, refused};
use super::state::State;
use crate::model::{Grant, Key, KeyId, Now, Served};
use crate::recent::Hint;

/// How long a key that has ended is known, so that `truename why` can tell of
/// clients that still use it.
const KNOWN: Duration = Duration::from_secs(30 * 86_400);

/// Ended keys forgotten in one group.
const FORGOTTEN_A_GROUP: usize = 256;

/// Keys that end, in the order of their ends.
#[derive(Clone, Default)]
pub(super) struct Ending(Arc<BTreeSet<(Served, KeyId)>>);

impl Ending {
    /// Takes note of a key.
    pub fn insert(&mut self, key: &Key) {
        if let Some(until) = key.until {
            Arc::make_mut(&mut self.0).insert((until, key.id.clone()));
        }
    }

    /// Takes a key out.
    pub fn remove(&mut self, key: &Key) {
        if let Some(until) = key.until {
            Arc::make_mut(&mut self.0).remove(&(until, key.id.clone()));
        }
    }

    /// When the first key is forgotten.
    pub fn next(&self) -> Option<Served> {
        self.0.first().map(|(until, _)| until.plus(KNOWN))
    }

    /// The keys that are forgotten by now; so many at most as one group has.
    pub fn forgotten(&self, now: Served) -> Vec<KeyId> {
        let gone = self.0.iter().take_while(|(until, _)| until.plus(KNOWN) <= now);
        gone.map(|(_, id)| id.clone()).take(FORGOTTEN_A_GROUP).collect()
    }
}

impl Draft {
    /// Makes a successor of a key, and lets the key end after `overlap`.
    pub(super) fn rotate_key(
        &mut self,
        id: &KeyId,
        overlap: Duration,
        now: Now,
    ) -> Result<Reply, CommandError> {
        let old = known_key(&self.state, id)?;
        if old.until.is_some() {
            return refused(format!(
                "the key {id} ends already: rotate its successor, if it has one (`truename key \
                 list`), or keep this one first (`truename key set {id} --ends never`)"
            ));
        }
        let (fresh, token) = self.new_key(old.holder.clone(), now);
        let Key { hosts, networks, label, may, .. } = old.clone();
        let new = self.add_key((Key { hosts, networks, label, may, ..fresh }, token), now);
        self.put_key(Key { until: Some(now.served.plus(overlap)), ..old });
        Ok(Reply::KeyRotated { new, old: id.clone(), ends_in: overlap.as_secs() })
    }
}

impl State {
    /// What is to be said of the key behind a grant: that it ends.
    pub fn ending_key(&self, grant: &Grant, now: Now) -> Option<Hint> {
        let key = self.key(grant.key.as_ref()?)?;
        let ends_in = key.until?.since(now.served).as_secs();
        Some(Hint::EndingKey { ends_in })
    }
}
