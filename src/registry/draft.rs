//! The next version of everything, while it is being prepared.
//!
//! A [`Draft`] is a clone of what is published plus what has to be written
//! down for it. Nothing outside sees it: if the store cannot take it, it is
//! dropped and nothing has happened.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::Ipv6Net;

use super::fate::{Fate, fate};
use super::renewal::Renewal;
use super::rows;
use super::shown::Shown;
use super::state::State;
use crate::model::{
    Account, AccountName, Addresses, Cause, Change, Grant, Host, Key, KeyId, Name, Now, Presence,
    Serial, Served,
};
use crate::store::Write;
use crate::update::{Outcome, Policies, Update};
use crate::zone::Snapshot;

/// The next version of everything.
#[derive(Clone)]
pub(super) struct Draft {
    pub state: State,
    pub snapshot: Snapshot,
    /// Rows ready to be written: history, removals, accounts, keys.
    writes: Vec<Write>,
    /// Hosts and zones whose rows changed: written once, as they end up.
    hosts: BTreeSet<Name>,
    zones: BTreeSet<Name>,
    /// The serials raised by the changes that belong together, while there
    /// are such: each zone's rises once.
    together: Option<BTreeMap<Name, Serial>>,
}

impl Draft {
    pub fn new(state: &State, snapshot: &Snapshot) -> Draft {
        Draft {
            state: state.clone(),
            snapshot: snapshot.clone(),
            writes: Vec::new(),
            hosts: BTreeSet::new(),
            zones: BTreeSet::new(),
            together: None,
        }
    }

    /// Makes changes that belong together: one serial for all of them.
    pub fn together<T>(&mut self, changes: impl FnOnce(&mut Draft) -> T) -> T {
        self.together = Some(BTreeMap::new());
        let done = changes(self);
        self.together = None;
        done
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
            let served = self.state.zones.get(&origin).map(|served| &served.row);
            if let Some(row) = served.or_else(|| self.state.unserved.get(&origin)) {
                writes.push(rows::put_zone(&origin, row));
            }
        }
        writes
    }

    /// Applies an update: an outcome a host, in the order asked. Where the
    /// protocol wants all or none and some host is refused, the outcomes are
    /// those that would have been, and nothing is done.
    pub fn update(
        &mut self,
        grant: &Grant,
        update: &Update,
        policies: &Policies,
        now: Now,
        renewals: &mut Vec<(Name, Renewal)>,
    ) -> Vec<Outcome> {
        let asked = self.state.meant(grant, &update.hosts);
        if update.protocol.is_all_or_none() {
            let fates = asked.iter().map(|name| match name {
                None => Outcome::NotAName,
                Some(name) => fate(&self.state, name, grant, update, policies, now).outcome(),
            });
            let outcomes: Vec<Outcome> = fates.collect();
            if !outcomes.iter().all(Outcome::is_done) {
                return outcomes;
            }
        }
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
        policies: &Policies,
        now: Now,
        renewals: &mut Vec<(Name, Renewal)>,
    ) -> Outcome {
        match fate(&self.state, name, grant, update, policies, now) {
            Fate::Nothing(outcome) => outcome,
            Fate::Renewed { outcome, renewal, .. } => {
                renewals.push((name.clone(), renewal));
                outcome
            }
            Fate::Changed { outcome, host, renumber } => {
                let cause =
                    Cause::Report { protocol: update.protocol, source: Some(update.source) };
                self.together(|draft| draft.put_router(host, renumber, policies, cause, now));
                outcome
            }
        }
    }

    /// Puts another version of a host in its place (or a new host), and a
    /// Change with its own serial if any answer is another one now.
    pub fn put_host(&mut self, mut host: Host, cause: Cause, now: Now) {
        let before = self.state.host(&host.name);
        let ttl = |host: &Host| self.state.ttl_of(host).seconds();
        let shown = Shown::of(&host, ttl(&host));
        let shown_before =
            before.as_ref().map_or_else(Shown::default, |host| Shown::of(host, ttl(host)));
        if shown_before != shown
            && let Some(serial) = self.raise_serial(&host.name)
        {
            let change = Change {
                host: host.name.clone(),
                serial,
                at: now.wall,
                before: before.as_ref().map_or(Addresses::NONE, Host::addresses),
                after: host.addresses(),
                cause,
            };
            shown.publish(&shown_before, &mut self.snapshot);
            self.writes.push(rows::put_change(&change, host.changes));
            host.changes += 1;
            self.used(&host.name);
        }
        self.hosts.insert(host.name.clone());
        self.state.put_host(&host);
        let is_heard = |host: &Host| matches!(host.presence, Presence::Present { .. });
        if before.as_ref().is_some_and(is_heard) && !is_heard(&host) {
            // Its site is not heard through it any more.
            let members: Vec<Host> = self.state.members(&host.name).collect();
            for member in &members {
                self.state.put_host(member);
            }
        }
    }

    /// Removes a host, its own keys and its history.
    pub fn remove_host(&mut self, name: &Name) {
        let Some(host) = self.state.host(name) else { return };
        let shown = Shown::of(&host, self.state.ttl_of(&host).seconds());
        if shown != Shown::default() && self.raise_serial(name).is_some() {
            Shown::default().publish(&shown, &mut self.snapshot);
        }
        let slots = 0..host.changes.min(rows::HISTORY);
        self.writes.extend(slots.map(|slot| Write::Delete(rows::history_key(name, slot))));
        self.writes.push(Write::Delete(rows::host_key(name)));
        self.hosts.remove(name);
        self.used(name);
        self.state.remove_host(name);
    }

    /// The zone's next serial, if the name is in a zone that is served.
    fn raise_serial(&mut self, name: &Name) -> Option<Serial> {
        let origin = self.state.zone_of(name)?.0.clone();
        if let Some(serial) = self.together.as_ref().and_then(|raised| raised.get(&origin)) {
            return Some(*serial);
        }
        let zones = std::sync::Arc::make_mut(&mut self.state.zones);
        let row = &mut zones.get_mut(&origin)?.row;
        row.serial = row.serial.next();
        let serial = row.serial;
        self.snapshot.set_serial(&origin, serial);
        if let Some(raised) = &mut self.together {
            raised.insert(origin.clone(), serial);
        }
        self.zones.insert(origin);
        Some(serial)
    }

    /// Puts a host in its place, and the members of its site, if they are to
    /// follow, where its prefix says.
    pub fn put_router(
        &mut self,
        host: Host,
        renumber: bool,
        policies: &Policies,
        cause: Cause,
        now: Now,
    ) {
        let (name, prefix) = (host.name.clone(), host.prefix);
        self.put_host(host, cause, now);
        if renumber {
            let members: Vec<Host> = self.state.members(&name).collect();
            for member in members {
                self.renumber(member, prefix, policies, now);
            }
        }
    }

    /// Gives a member of a site its address under a prefix; `None`: there is
    /// none any more. A member in a zone that does not take that address has
    /// none, either: its zone may not be the router's.
    pub fn renumber(
        &mut self,
        member: Host,
        prefix: Option<Ipv6Net>,
        policies: &Policies,
        now: Now,
    ) {
        let place = member.site.as_ref().zip(prefix);
        let policy = self.state.zone_of(&member.name).map(|(zone, _)| policies.of(zone));
        let policy = policy.unwrap_or_default();
        let v6 = place.and_then(|(site, prefix)| site.address(prefix));
        let v6 = v6.filter(|v6| policy.allows((*v6).into()));
        let addresses = Addresses { v6, ..member.addresses() };
        if addresses == member.addresses() || self.state.is_blocked(&member) {
            return;
        }
        let presence = match addresses.is_empty() {
            true => Presence::Offline { since: now.wall },
            false => Presence::Present { addresses, heard: now.served },
        };
        self.put_host(Host { presence, ..member }, Cause::Renumbered, now);
    }

    /// Takes away what has ended of a host, and says its name if that was its
    /// lease.
    pub fn expire(&mut self, mut host: Host, now: Now) -> Option<Name> {
        let ended = |end: Option<Served>| end.is_some_and(|end| end <= now.served);
        let lapsed = ended(self.state.lease_end(&host));
        if lapsed {
            host.presence = Presence::Lapsed { since: now.wall };
        }
        host.records.retain(|record| !ended(record.until));
        let name = lapsed.then(|| host.name.clone());
        self.put_host(host, Cause::Lapse, now);
        name
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

    /// Takes the stamp of a signed update down with its key; `false`: it is
    /// not later than one before, or there is no such key (any more).
    pub fn stamp(&mut self, grant: &Grant, stamp: u64) -> bool {
        let key = grant.key.as_ref().and_then(|id| self.state.key(id));
        let Some(key) = key.filter(|key| key.stamp < stamp) else { return false };
        self.put_key(Key { stamp, ..key });
        true
    }

    pub fn remove_key(&mut self, id: &KeyId) {
        self.writes.push(Write::Delete(rows::key_key(id)));
        self.state.remove_key(id);
    }

    /// Takes note of a row ready to be written.
    pub fn write(&mut self, write: Write) {
        self.writes.push(write);
    }

    /// Takes note that a zone's row changed.
    pub fn touch_zone(&mut self, origin: &Name) {
        self.zones.insert(origin.clone());
    }
}
