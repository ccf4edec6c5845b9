//! What operators are shown, read from what is published.

use super::command::{AccountView, CommandError, HostView, KeyView, Status, ZoneStatus};
use super::rows;
use super::state::State;
use crate::model::{
    Account, AccountName, Change, Holder, Host, HostRecord, Key, KeyId, Name, Now, Served,
};
use crate::store::{Store, StoreError};

pub(super) fn host_view(state: &State, host: &Host, now: Now) -> HostView {
    HostView {
        host: host.clone(),
        zone: state.zone_of(&host.name).map(|(origin, _)| origin.clone()),
        effective_ttl: state.ttl_of(host),
        effective_lease: state.lease_of(host),
        lapses_in: state.lease_end(host).map(|end| end.since(now.served).as_secs()),
        keys: key_ids(state, &Holder::Host(host.name.clone())),
        records_end_in: end_in(&host.records, now),
    }
}

/// Seconds until each record ends.
pub(super) fn end_in(records: &[HostRecord], now: Now) -> Vec<Option<u64>> {
    let left = |until: Served| until.since(now.served).as_secs();
    records.iter().map(|record| record.until.map(left)).collect()
}

/// The public numbers of somebody's keys, in order; those that end come last.
fn key_ids(state: &State, holder: &Holder) -> Vec<KeyId> {
    let mut keys: Vec<Key> = state.keys_of(holder).collect();
    keys.sort_unstable_by(|a, b| (a.until.is_some(), &a.id).cmp(&(b.until.is_some(), &b.id)));
    keys.into_iter().map(|key| key.id).collect()
}

/// The hosts of one owner or of all, in one zone or in all, in the order of
/// names.
pub(super) fn host_list(
    state: &State,
    owner: Option<&AccountName>,
    zone: Option<&Name>,
    now: Now,
) -> Vec<HostView> {
    let asked = |host: &Host| {
        zone.is_none_or(|zone| state.zone_of(&host.name).is_some_and(|(origin, _)| origin == zone))
    };
    let mut hosts: Vec<Host> = match owner {
        Some(owner) => state.hosts_of(owner).filter(asked).collect(),
        None => state.hosts().filter(asked).collect(),
    };
    hosts.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    hosts.iter().map(|host| host_view(state, host, now)).collect()
}

pub(super) fn account_view(state: &State, account: &Account) -> AccountView {
    let mut hosts: Vec<Name> = state.hosts_of(&account.name).map(|host| host.name).collect();
    hosts.sort_unstable();
    AccountView {
        name: account.name.clone(),
        password: account.password.is_some(),
        blocked: account.blocked,
        created: account.created,
        hosts,
        keys: key_ids(state, &Holder::Account(account.name.clone())),
    }
}

/// Every account, in the order of names.
pub(super) fn account_list(state: &State) -> Vec<AccountView> {
    let mut accounts: Vec<Account> = state.accounts().collect();
    accounts.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    accounts.iter().map(|account| account_view(state, account)).collect()
}

/// Every key or somebody's, in the order of numbers.
pub(super) fn key_list(state: &State, holder: Option<&Holder>, now: Now) -> Vec<KeyView> {
    let mut keys: Vec<Key> = match holder {
        Some(holder) => state.keys_of(holder).collect(),
        None => state.keys().collect(),
    };
    keys.sort_unstable_by(|a, b| a.id.cmp(&b.id));
    keys.iter().map(|key| key_view(key, now)).collect()
}

pub(super) fn key_view(key: &Key, now: Now) -> KeyView {
    KeyView {
        id: key.id.clone(),
        holder: key.holder.clone(),
        hosts: key.hosts.clone(),
        networks: key.networks.clone(),
        label: key.label.clone(),
        may: key.may.clone(),
        created: key.created,
        ends_in: key.until.map(|until| until.since(now.served).as_secs()),
    }
}

pub(super) fn status(state: &State, started: Served, now: Now, warnings: &[String]) -> Status {
    let mut zones: Vec<ZoneStatus> = state
        .zones
        .iter()
        .map(|(origin, served)| ZoneStatus {
            zone: origin.clone(),
            serial: served.row.serial,
            file: served.zone.file().to_owned(),
            hosts: 0,
        })
        .collect();
    for host in state.hosts() {
        let origin = state.zone_of(&host.name).map(|(origin, _)| origin);
        if let Some(at) = zones.iter().position(|zone| Some(&zone.zone) == origin) {
            zones[at].hosts += 1;
        }
    }
    Status {
        version: env!("CARGO_PKG_VERSION").into(),
        uptime: now.served.since(started).as_secs(),
        zones,
        hosts: state.host_count(),
        present: state.present_count(),
        accounts: state.account_count(),
        keys: state.key_count(),
        counts: Default::default(),
        warnings: warnings.to_vec(),
    }
}

/// What happened to a host, latest first.
pub(super) fn history(store: &dyn Store, host: &Host) -> Result<Vec<Change>, CommandError> {
    let prefix = rows::history_prefix(&host.name);
    let changes = store.rows(&prefix).map(|row| {
        let (key, value) = row?;
        rows::read_change(&host.name, &key, &value).map(|change| (key, change))
    });
    let changes: Result<Vec<_>, StoreError> = changes.collect();
    let mut changes = changes.map_err(|error| CommandError(error.to_string()))?;
    // The rows are a ring: the slot after the latest holds the oldest.
    let oldest = rows::history_key(&host.name, host.changes);
    let split = changes.partition_point(|(key, _)| *key < oldest);
    changes.rotate_left(split);
    Ok(changes.into_iter().map(|(_, change)| change).rev().collect())
}
