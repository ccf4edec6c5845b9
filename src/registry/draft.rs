//! The next version of everything, while it is being prepared.
//!
//! A [`Draft`] is a clone of what is published plus what has to be written
//! down for it. Nothing outside sees it: if the store cannot take it, it is
//! dropped and nothing has happened.

use std::collections::{BTreeSet, HashMap};

use super::fate::{Fate, fate};
use super::heard::Renewal;
use super::rows;
use super::state::State;
use crate::model::{
    Account, AccountName, Addresses, Cause, Change, Grant, Host, Key, KeyId, Name, Now, Presence,
};
use crate::store::Write;
use crate::update::{Outcome, Policy, Update};
use crate::zone::Snapshot;

/// The next version of everything.
pub(super) struct Draft {
    pub state: State,
    pub snapshot: Snapshot,
    /// Rows ready to be written: history, removals, accounts, keys.
    writes: Vec<Write>,
    /// Hosts and zones whose rows changed: written once, as they end up.
    hosts: BTreeSet<Name>,
    zones: BTreeSet<Name>,
}

/// What answers show of a host: equal exactly when the answers are.
fn answered(state: &State, host: &Host) -> Option<(Addresses, u32, bool)> {
    let addresses = host.addresses();
    (!addresses.is_empty()).then(|| (addresses, state.ttl_of(host).seconds(), host.wildcard))
}

impl Draft {
    pub fn new(state: &State, snapshot: &Snapshot) -> Draft {
        Draft {
            state: state.clone(),
            snapshot: snapshot.clone(),
            writes: Vec::new(),
            hosts: BTreeSet::new(),
            zones: BTreeSet::new(),
        }
    }

    /// Whether there is nothing to write down.
    pub fn is_clean(&self) -> bool {
        self.writes.is_empty() && self.hosts.is_empty() && self.zones.is_empty()
    }

    /// What has to be written down, as one group.
    pub fn take_writes(&mut self) -> Vec<Write> {
        let mut writes = std::mem::take(&mut self.writes);
        for name in std::mem::take(&mut self.hosts) {
            if let Some(host) = self.state.host(&name) {
                writes.push(rows::put_host(&host));
            }
        }
        for origin in std::mem::take(&mut self.zones) {
            if let Some(served) = self.state.zones.get(&origin) {
                writes.push(rows::put_zone(&origin, &served.row));
            }
        }
        writes
    }

    /// Applies an update: an outcome a host, in the order asked.
    pub fn update(
        &mut self,
        grant: &Grant,
        update: &Update,
        policies: &HashMap<Name, Policy>,
        now: Now,
        renewals: &mut Vec<(Name, Renewal)>,
    ) -> Vec<Outcome> {
        let asked = self.state.meant(grant, &update.hosts);
        let mut outcomes = Vec::with_capacity(asked.len());
        for name in asked {
            outcomes.push(match name {
                None => Outcome::NotAName,
                Some(name) => self.update_host(&name, grant, update, policies, now, renewals),
            });
        }
        outcomes
    }

    fn update_host(
        &mut self,
        name: &Name,
        grant: &Grant,
        update: &Update,
        policies: &HashMap<Name, Policy>,
        now: Now,
        renewals: &mut Vec<(Name, Renewal)>,
    ) -> Outcome {
        match fate(&self.state, name, grant, update, policies, now) {
            Fate::Nothing(outcome) => outcome,
            Fate::Renewed { outcome, report, .. } => {
                renewals.push((name.clone(), Renewal { heard: now.served, report }));
                outcome
            }
            Fate::Changed(outcome, host) => {
                let cause =
                    Cause::Report { protocol: update.protocol, source: Some(update.source) };
                self.put_host(host, cause, now);
                outcome
            }
        }
    }

    /// Puts another version of a host in its place (or a new host), and a
    /// Change with its own serial if any answer is another one now.
    pub fn put_host(&mut self, mut host: Host, cause: Cause, now: Now) {
        let before = self.state.host(&host.name);
        let answered_before = before.as_ref().and_then(|host| answered(&self.state, host));
        let addresses_before = before.as_ref().map_or(Addresses::NONE, Host::addresses);
        let answered_after = answered(&self.state, &host);
        if answered_before != answered_after
            && let Some(serial) = self.raise_serial(&host.name)
        {
            let change = Change {
                host: host.name.clone(),
                serial,
                at: now.wall,
                before: addresses_before,
                after: host.addresses(),
                cause,
            };
            self.writes.push(rows::put_change(&change, host.changes));
            host.changes += 1;
            self.publish_host(&host);
        }
        self.hosts.insert(host.name.clone());
        self.state.put_host(&host);
    }

    /// Removes a host, its own keys and its history.
    pub fn remove_host(&mut self, name: &Name) {
        let Some(host) = self.state.host(name) else { return };
        if !host.addresses().is_empty() && self.raise_serial(name).is_some() {
            self.publish_host(&Host { presence: Presence::Unheard, ..host.clone() });
        }
        let slots = 0..host.changes.min(rows::HISTORY);
        self.writes.extend(slots.map(|slot| Write::Delete(rows::history_key(name, slot))));
        self.writes.push(Write::Delete(rows::host_key(name)));
        self.hosts.remove(name);
        self.state.remove_host(name);
    }

    /// The zone's next serial, if the name is in a zone that is served.
    fn raise_serial(&mut self, name: &Name) -> Option<crate::model::Serial> {
        let origin = self.state.zone_of(name)?.0.clone();
        let zones = std::sync::Arc::make_mut(&mut self.state.zones);
        let row = &mut zones.get_mut(&origin)?.row;
        row.serial = row.serial.next();
        let serial = row.serial;
        self.snapshot.set_serial(&origin, serial);
        self.zones.insert(origin);
        Some(serial)
    }

    fn publish_host(&mut self, host: &Host) {
        let ttl = self.state.ttl_of(host).seconds();
        self.snapshot.set_host(&host.name, host.addresses(), ttl, host.wildcard);
    }

    pub fn put_account(&mut self, account: Account) {
        self.writes.push(rows::put_account(&account));
        self.state.put_account(&account);
    }

    pub fn remove_account(&mut self, name: &AccountName) {
        self.writes.push(Write::Delete(rows::account_key(name)));
        self.state.remove_account(name);
    }

    pub fn put_key(&mut self, key: Key) {
        self.writes.push(rows::put_key(&key));
        self.state.put_key(&key);
    }

    pub fn remove_key(&mut self, id: &KeyId) {
        self.writes.push(Write::Delete(rows::key_key(id)));
        self.state.remove_key(id);
    }

    /// Takes note that a zone's row changed.
    pub fn touch_zone(&mut self, origin: &Name) {
        self.zones.insert(origin.clone());
    }
}
