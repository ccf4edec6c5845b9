//! Everything the registry knows, as one immutable value.
//!
//! The commit thread changes a clone and publishes it; everybody else reads
//! what was published. Hosts, keys and accounts are rows of octets
//! (`packing.rs`), and a value of each is made when one is asked for.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use subtle::ConstantTimeEq;

use super::packing::{self, HeldHolder, HeldHost, HeldKey, Whose};
use super::register::Unused;
use super::rotate::Ending;
use super::rows::{self, ZoneRow};
use super::secrets::TokenKey;
use crate::model::{
    Account, AccountName, Holder, Host, Key, KeyDigest, KeyId, Lease, Name, Presence, Secret,
    Served, Ttl,
};
use crate::packed::{Pairs, Table};
use crate::store::{Row, StoreError, Write};
use crate::zone::Zone;

/// Everything the registry knows at one moment. Cheap to clone.
#[derive(Clone)]
pub struct State {
    pub(super) zones: Arc<BTreeMap<Name, ServedZone>>,
    /// Rows of zones that are not served now: their serials are kept.
    pub(super) unserved: Arc<BTreeMap<Name, ZoneRow>>,
    pub(super) accounts: Table,
    pub(super) hosts: Table,
    pub(super) keys: Table,
    /// Part of a digest, and the key. The digests are random to everybody who
    /// does not know the token key, so nobody can make them collide.
    pub(super) by_digest: Pairs,
    /// The hash of whose it is, and the key.
    pub(super) by_holder: Pairs,
    /// The hash of its owner's name, and the host.
    pub(super) by_owner: Pairs,
    /// The hash of its router's name, and the host: the members of sites.
    pub(super) by_router: Pairs,
    /// The end of its lease or of a record of it, and the host. A renewal does not touch it: an
    /// entry that comes up early is put back at the right place, so a
    /// renewal costs nothing here and expiry costs O(expired).
    pub(super) due: Pairs,
    /// Accounts with a password.
    pub(super) passwords: usize,
    /// Keys that end.
    pub(super) ending: Ending,
    /// Names registered and not used yet.
    pub(super) unused: Unused,
    pub(super) present: usize,
    pub(super) token_key: TokenKey,
    pub(super) lease: Lease,
    pub(super) ttl: Ttl,
}

/// A zone as it is served.
#[derive(Clone)]
pub(super) struct ServedZone {
    pub zone: Arc<Zone>,
    pub row: ZoneRow,
}

impl State {
    pub(super) fn new(token_key: TokenKey, lease: Lease, ttl: Ttl) -> State {
        State {
            zones: Arc::default(),
            unserved: Arc::default(),
            accounts: Table::new(packing::name),
            hosts: Table::new(packing::name),
            keys: Table::new(packing::name),
            by_digest: Pairs::default(),
            by_holder: Pairs::default(),
            by_owner: Pairs::default(),
            by_router: Pairs::default(),
            due: Pairs::default(),
            passwords: 0,
            ending: Ending::default(),
            unused: Unused::default(),
            present: 0,
            token_key,
            lease,
            ttl,
        }
    }

    /// Every row in the order of keys, `meta/served` as given, with the rows
    /// of history put in where they belong.
    pub(super) fn rows<'s>(
        &'s self,
        served: Served,
        history: impl Iterator<Item = Result<Row, StoreError>> + 's,
    ) -> impl Iterator<Item = Result<Row, StoreError>> + 's {
        let put = |write: Write| match write {
            Write::Put(key, value) => Some(Ok((key, value))),
            Write::Delete(_) => None,
        };
        let account = |row: &[u8]| packing::account_name(packing::name(row)).to_string();
        let accounts =
            in_order(&self.accounts, account).map(|row| rows::put_account(&packing::account(row)));
        let hosts = in_order(&self.hosts, |row| packing::host_name(row).without_dot())
            .map(|row| rows::put_host(&self.held_host(row)));
        let keys = in_order(&self.keys, |row| HeldKey::read(row).id.to_owned())
            .map(|row| rows::put_key(&self.held_key(row)));
        let meta = [rows::put_served(served), rows::put_token_key(self.token_key)];
        let mut zones: Vec<(String, Write)> = self
            .zone_rows()
            .map(|(origin, row)| (origin.without_dot(), rows::put_zone(origin, row)))
            .collect();
        zones.sort_by(|a, b| a.0.cmp(&b.0));
        let zones = zones.into_iter().map(|(_, write)| write);
        let mut registered: Vec<(String, Write)> = self.unused.rows().collect();
        registered.sort_by(|a, b| a.0.cmp(&b.0));
        let registered = registered.into_iter().map(|(_, write)| write);
        let after = hosts.chain(keys).chain(meta).chain(registered).chain(zones);
        accounts.filter_map(put).chain(history).chain(after.filter_map(put))
    }

    /// The rows of all zones ever served.
    fn zone_rows(&self) -> impl Iterator<Item = (&Name, &ZoneRow)> {
        let served = self.zones.iter().map(|(origin, served)| (origin, &served.row));
        served.chain(self.unserved.iter())
    }

    /// The zones that are served, in the order of names.
    pub fn zones(&self) -> impl Iterator<Item = &Name> {
        self.zones.keys()
    }

    /// A host by name.
    pub fn host(&self, name: &Name) -> Option<Host> {
        self.hosts.find(name.wire()).map(|(_, row)| self.held_host(row))
    }

    /// A host by number; another one's, when the one it was is gone.
    pub(super) fn host_numbered(&self, number: u32) -> Option<Host> {
        self.hosts.get(number).map(|row| self.held_host(row))
    }

    /// Every host, in no order.
    pub fn hosts(&self) -> impl Iterator<Item = Host> {
        self.hosts.iter().map(|(_, row)| self.held_host(row))
    }

    /// How many hosts there are.
    pub fn host_count(&self) -> usize {
        self.hosts.len()
    }

    /// How many of them are in the DNS.
    pub fn present_count(&self) -> usize {
        self.present
    }

    /// The hosts an account owns, in no order.
    pub fn hosts_of(&self, owner: &AccountName) -> impl Iterator<Item = Host> {
        let owner = owner.clone();
        let hosts = self.by_owner.with(self.accounts.hash(owner.as_str().as_bytes()));
        let hosts = hosts.map(|number| self.held_host(self.hosts.row(number)));
        hosts.filter(move |host| host.owner.as_ref() == Some(&owner))
    }

    /// An account by name.
    pub fn account(&self, name: &AccountName) -> Option<Account> {
        self.accounts.find(name.as_str().as_bytes()).map(|(_, row)| packing::account(row))
    }

    /// Every account, in no order.
    pub fn accounts(&self) -> impl Iterator<Item = Account> {
        self.accounts.iter().map(|(_, row)| packing::account(row))
    }

    /// How many accounts there are.
    pub fn account_count(&self) -> usize {
        self.accounts.len()
    }

    /// A key by its public number.
    pub fn key(&self, id: &KeyId) -> Option<Key> {
        self.keys.find(id.0.as_bytes()).map(|(_, row)| self.held_key(row))
    }

    /// Every key, in no order.
    pub fn keys(&self) -> impl Iterator<Item = Key> {
        self.keys.iter().map(|(_, row)| self.held_key(row))
    }

    /// How many keys there are.
    pub fn key_count(&self) -> usize {
        self.keys.len()
    }

    /// The keys somebody holds, in no order.
    pub fn keys_of(&self, holder: &Holder) -> impl Iterator<Item = Key> {
        let holder = holder.clone();
        let keys = self.by_holder.with(self.holder_hash(&holder));
        let keys = keys.map(|number| self.held_key(self.keys.row(number)));
        keys.filter(move |key| key.holder == holder)
    }

    /// The key whose token this is. Which row is looked at depends on the digest,
    /// which nobody can foretell who does not know the token key; the comparison
    /// takes as long for any.
    pub(super) fn key_by_secret(&self, secret: &Secret) -> Option<Key> {
        self.keys_by_secret(secret).next()
    }

    /// All of them: hosts that came from another server may have one secret.
    pub(super) fn keys_by_secret(&self, secret: &Secret) -> impl Iterator<Item = Key> {
        let digest = self.token_key.digest(secret);
        let rows = self.by_digest.with(part(&digest)).map(|number| self.keys.row(number));
        let rows = rows.into_iter();
        rows.filter(move |row| HeldKey::read(row).digest.ct_eq(&digest.0).into())
            .map(|row| self.held_key(row))
    }

    fn held_host(&self, row: &[u8]) -> Host {
        let held = HeldHost::read(row);
        let owner = held.owner.map(|owner| self.whose_account(owner));
        held.host(owner)
    }

    fn held_key(&self, row: &[u8]) -> Key {
        let held = HeldKey::read(row);
        held.key(match held.holder {
            HeldHolder::Host(Whose::Number(number)) => {
                Holder::Host(packing::host_name(self.hosts.row(number)))
            }
            HeldHolder::Host(Whose::Name(name)) => Holder::Host(packing::name_of(name)),
            HeldHolder::Account(whose) => Holder::Account(self.whose_account(whose)),
        })
    }

    fn whose_account(&self, whose: Whose) -> AccountName {
        packing::account_name(match whose {
            Whose::Number(number) => packing::name(self.accounts.row(number)),
            Whose::Name(name) => name,
        })
    }

    pub(super) fn holder_hash(&self, holder: &Holder) -> u32 {
        match holder {
            Holder::Host(name) => self.hosts.hash(name.wire()),
            Holder::Account(name) => self.accounts.hash(name.as_str().as_bytes()),
        }
    }

    /// The served zone a name is in: the deepest one.
    pub(super) fn zone_of(&self, name: &Name) -> Option<(&Name, &ServedZone)> {
        let mut at = Some(name.clone());
        while let Some(name) = at {
            if let Some(found) = self.zones.get_key_value(&name) {
                return Some(found);
            }
            at = name.parent();
        }
        None
    }

    /// The TTL of a host's records.
    pub fn ttl_of(&self, host: &Host) -> Ttl {
        host.ttl.unwrap_or(self.ttl)
    }

    /// The lease of a host.
    pub fn lease_of(&self, host: &Host) -> Lease {
        host.lease.unwrap_or(self.lease)
    }

    /// When the host's lease ends; `None`: it is not present, or never. A
    /// member of a site is heard whenever its router is.
    pub fn lease_end(&self, host: &Host) -> Option<Served> {
        let Presence::Present { mut heard, .. } = host.presence else { return None };
        let router = host.site.as_ref().and_then(|site| self.host(&site.router));
        if let Some(Presence::Present { heard: its, .. }) = router.map(|router| router.presence) {
            heard = heard.max(its);
        }
        self.lease_of(host).end(heard)
    }

    /// When something of the host ends next: its lease, or a record.
    pub fn next_end(&self, host: &Host) -> Option<Served> {
        let records = host.records.iter().filter_map(|record| record.until);
        records.chain(self.lease_end(host)).min()
    }

    /// The members of a site, in no order.
    pub fn members(&self, router: &Name) -> impl Iterator<Item = Host> {
        let router = router.clone();
        let hosts = self.by_router.with(self.hosts.hash(router.wire()));
        let hosts = hosts.map(|number| self.held_host(self.hosts.row(number)));
        hosts.filter(move |host| host.site.as_ref().is_some_and(|site| site.router == router))
    }

    /// When the next lease may end: not later than any does.
    pub(super) fn next_due(&self) -> Option<Served> {
        self.due.first().map(|(at, _)| Served(at.into()))
    }

    /// Takes the next host whose entry in `due` has come up, by now; it may
    /// have been renewed since ([`State::put_host`] enters it again).
    pub(super) fn take_due(&mut self, now: Served) -> Option<Host> {
        let (at, number) = self.due.first().filter(|(at, _)| Served((*at).into()) <= now)?;
        self.due.remove(at, number);
        let host = self.held_host(self.hosts.row(number));
        self.write_host(&host, 0);
        Some(host)
    }

    /// Adds a host or puts another version in its place, and says its number:
    /// the same until it is removed.
    pub(super) fn put_host(&mut self, host: &Host) -> u32 {
        let end = self.next_end(host).map_or(0, second);
        let (mut due, mut was_present, mut old_owner, mut old_router) = (0, false, None, None);
        let known = self.hosts.find(host.name.wire()).map(|(number, row)| {
            let held = HeldHost::read(row);
            (due, was_present) = (held.due, held.is_present());
            old_owner = held.owner.map(|owner| self.whose_account(owner));
            old_router = held.router().map(|router| self.hosts.hash(router));
            number
        });
        // An entry that is early enough stays: it is looked at when it comes up.
        let old_due = due;
        let early_enough = due != 0 && end != 0 && due <= end;
        if !early_enough {
            due = end;
        }
        let number = self.write_host(host, due);
        if due != old_due || known.is_none() {
            if old_due != 0 {
                self.due.remove(old_due, number);
            }
            if due != 0 {
                self.due.insert(due, number);
            }
        }
        if old_owner != host.owner {
            let hash = |name: &AccountName| self.accounts.hash(name.as_str().as_bytes());
            let (old, new) = (old_owner.as_ref().map(hash), host.owner.as_ref().map(hash));
            if let Some(old) = old {
                self.by_owner.remove(old, number);
            }
            if let Some(new) = new {
                self.by_owner.insert(new, number);
            }
        }
        let router = host.site.as_ref().map(|site| self.hosts.hash(site.router.wire()));
        if old_router != router {
            if let Some(old) = old_router {
                self.by_router.remove(old, number);
            }
            if let Some(router) = router {
                self.by_router.insert(router, number);
            }
        }
        self.present += usize::from(!host.addresses().is_empty());
        self.present -= usize::from(was_present);
        number
    }

    /// Writes a host's row, and nothing else, and says its number.
    fn write_host(&mut self, host: &Host, due: u32) -> u32 {
        let row = self.host_row(host, due);
        self.hosts.put(&row)
    }

    pub(super) fn host_row(&self, host: &Host, due: u32) -> Vec<u8> {
        let owner = host.owner.as_ref().map(|owner| self.account_as_held(owner));
        HeldHost::row(host, owner, due)
    }

    fn account_as_held<'a>(&self, name: &'a AccountName) -> Whose<'a> {
        let name = name.as_str().as_bytes();
        self.accounts.find(name).map_or(Whose::Name(name), |(number, _)| Whose::Number(number))
    }

    /// Removes a host. Its keys, if it has any, stay good for its name.
    pub(super) fn remove_host(&mut self, name: &Name) {
        let Some((number, row)) = self.hosts.find(name.wire()) else { return };
        let due = HeldHost::read(row).due;
        let host = self.held_host(row);
        // The number will be another host's.
        let keys: Vec<Key> = self.keys_of(&Holder::Host(name.clone())).collect();
        for key in keys {
            self.keys.put(&HeldKey::row(&key, HeldHolder::Host(Whose::Name(name.wire()))));
        }
        if due != 0 {
            self.due.remove(due, number);
        }
        if let Some(owner) = &host.owner {
            self.by_owner.remove(self.accounts.hash(owner.as_str().as_bytes()), number);
        }
        if let Some(site) = &host.site {
            self.by_router.remove(self.hosts.hash(site.router.wire()), number);
        }
        self.present -= usize::from(!host.addresses().is_empty());
        self.hosts.remove(number);
    }

    /// Adds an account or puts another version in its place.
    pub(super) fn put_account(&mut self, account: &Account) {
        let before = self.account(&account.name).and_then(|account| account.password);
        self.passwords -= usize::from(before.is_some());
        self.passwords += usize::from(account.password.is_some());
        self.accounts.put(&packing::account_row(account));
    }

    /// Removes an account. What it has, if it has anything, stays its name's.
    pub(super) fn remove_account(&mut self, name: &AccountName) {
        let octets = name.as_str().as_bytes();
        let Some((number, _)) = self.accounts.find(octets) else { return };
        // The number will be another account's.
        let hosts: Vec<Host> = self.hosts_of(name).collect();
        for host in hosts {
            let due =
                self.hosts.find(host.name.wire()).map_or(0, |(_, row)| HeldHost::read(row).due);
            self.hosts.put(&HeldHost::row(&host, Some(Whose::Name(octets)), due));
        }
        let keys: Vec<Key> = self.keys_of(&Holder::Account(name.clone())).collect();
        for key in keys {
            self.keys.put(&HeldKey::row(&key, HeldHolder::Account(Whose::Name(octets))));
        }
        self.passwords -= usize::from(self.account(name).is_some_and(|a| a.password.is_some()));
        self.accounts.remove(number);
    }

    /// Adds a key or puts another version in its place.
    pub(super) fn put_key(&mut self, key: &Key) {
        self.remove_key_from_sets(&key.id);
        let number = self.keys.put(&self.key_row(key));
        self.by_digest.insert(part(&key.digest), number);
        self.by_holder.insert(self.holder_hash(&key.holder), number);
        self.ending.insert(key);
    }

    pub(super) fn key_row(&self, key: &Key) -> Vec<u8> {
        let holder = match &key.holder {
            Holder::Host(name) => HeldHolder::Host(match self.hosts.find(name.wire()) {
                Some((number, _)) => Whose::Number(number),
                None => Whose::Name(name.wire()),
            }),
            Holder::Account(name) => HeldHolder::Account(self.account_as_held(name)),
        };
        HeldKey::row(key, holder)
    }

    pub(super) fn remove_key(&mut self, id: &KeyId) {
        if let Some(number) = self.remove_key_from_sets(id) {
            self.keys.remove(number);
        }
    }

    fn remove_key_from_sets(&mut self, id: &KeyId) -> Option<u32> {
        let (number, row) = self.keys.find(id.0.as_bytes())?;
        let key = self.held_key(row);
        self.by_digest.remove(part(&key.digest), number);
        self.ending.remove(&key);
        self.by_holder.remove(self.holder_hash(&key.holder), number);
        Some(number)
    }
}

/// A lease's end as it stands in `due`; 0: it does not. What would end after
/// the server ran for 136 years does not end.
pub(super) fn second(end: Served) -> u32 {
    u32::try_from(end.0.max(1)).unwrap_or(0)
}

/// The part of a digest by which its key is found.
pub(super) fn part(digest: &KeyDigest) -> u32 {
    u32::from_be_bytes(*digest.0.first_chunk().expect("a digest is longer"))
}

/// The rows of a table in the order of their names' text.
fn in_order(table: &Table, text: impl Fn(&[u8]) -> String) -> impl Iterator<Item = &[u8]> {
    // The texts of a million rows take more memory than the rows: only the
    // beginning of each, and the rest of those that begin alike.
    let beginning = |row: &[u8]| {
        let mut octets = [0; 16];
        octets.iter_mut().zip(text(row).bytes()).for_each(|(octet, of_text)| *octet = of_text);
        u128::from_be_bytes(octets)
    };
    let mut order: Vec<(u128, u32)> =
        table.iter().map(|(number, row)| (beginning(row), number)).collect();
    order.sort_unstable_by(|a, b| {
        let rest = || text(table.row(a.1)).cmp(&text(table.row(b.1)));
        a.0.cmp(&b.0).then_with(rest)
    });
    order.into_iter().map(|(_, number)| table.row(number))
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State")
            .field("zones", &self.zones.keys())
            .field("hosts", &self.hosts.len())
            .field("present", &self.present)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::Timestamp;
    use crate::model::{Addresses, HostRecord, LastReport, Protocol, RecordType, Site};

    fn state() -> State {
        State::new(TokenKey::unknown(), Lease::DEFAULT, Ttl::DEFAULT)
    }

    fn host(name: &str) -> Host {
        Host::new(name.parse().unwrap(), Timestamp(1))
    }

    fn present(name: &str, heard: u64) -> Host {
        let addresses = Addresses { v4: Some([192, 0, 2, 1].into()), v6: None };
        let presence = Presence::Present { addresses, heard: Served(heard) };
        Host { presence, ..host(name) }
    }

    fn key(id: &str, holder: Holder) -> Key {
        Key {
            id: KeyId(id.into()),
            holder,
            digest: KeyDigest([7; KeyDigest::LENGTH]),
            hosts: vec!["a.example".parse().unwrap()],
            networks: vec!["192.0.2.0/24".parse().unwrap()],
            label: "box".into(),
            created: Timestamp(9),
            may: "acme,TXT".parse().unwrap(),
            stamp: 7,
            foreign: Some("$2a$10$…".into()),
            until: Some(Served(9)),
        }
    }

    fn account(name: &str) -> Account {
        let (name, password) = (name.parse().unwrap(), Some("$argon2id$…".into()));
        Account { name, password, blocked: true, created: Timestamp(3) }
    }

    #[test]
    fn a_host_comes_back_as_it_was() {
        let mut state = state();
        state.put_account(&account("ann"));
        let report = |source: Option<[u8; 4]>| LastReport {
            at: Timestamp(-5),
            source: source.map(Into::into),
            protocol: Protocol::Dyndns2,
        };
        let both = Addresses {
            v6: Some("2001:db8::1".parse().unwrap()),
            ..present("a.example", 0).addresses()
        };
        let only_v6 = Addresses { v4: None, ..both };
        let heard = Served(u64::MAX);
        for known in [
            host("a.example"),
            Host { owner: Some("ann".parse().unwrap()), ..present("a.example", 5) },
            // An owner without an account.
            Host { owner: Some("bob".parse().unwrap()), changes: u64::MAX, ..host("a.example") },
            Host { ttl: Some(Ttl::DEFAULT), wildcard: true, ..host("a.example") },
            Host { lease: Some(Lease::Never), blocked: true, ..host("a.example") },
            Host { lease: Some(Lease::For(Duration::from_secs(61))), ..present("a.example", 1) },
            Host { presence: Presence::Lapsed { since: Timestamp(8) }, ..host("a.example") },
            Host { presence: Presence::Offline { since: Timestamp(8) }, ..host("a.example") },
            Host { presence: Presence::Present { addresses: both, heard }, ..host("a.example") },
            Host { presence: Presence::Present { addresses: only_v6, heard }, ..host("a.example") },
            Host { last_report: Some(report(None)), ..present("a.example", 1) },
            Host { last_report: Some(report(Some([192, 0, 2, 1]))), ..present("a.example", 1) },
            Host { last_report: Some(report(Some([192, 0, 2, 2]))), ..present("a.example", 1) },
            Host { last_report: Some(report(Some([192, 0, 2, 1]))), ..host("a.example") },
            Host { prefix: Some("2001:db8:1:ff00::/56".parse().unwrap()), ..host("a.example") },
            Host {
                site: Some(Site {
                    router: "r.example".parse().unwrap(),
                    suffix: "::1".parse().unwrap(),
                }),
                records: vec![HostRecord {
                    name: "_acme-challenge.a.example".parse().unwrap(),
                    rtype: RecordType::TXT,
                    ttl: 60,
                    rdata: b"\x01x".to_vec(),
                    until: Some(Served(9)),
                    line: Some("wan1".parse().unwrap()),
                }],
                ..host("a.example")
            },
        ] {
            state.put_host(&known);
            assert_eq!(state.host(&known.name), Some(known));
        }
        assert_eq!(state.hosts().count(), 1);
        assert_eq!(state.account(&"ann".parse().unwrap()), Some(account("ann")));
        for holder in
            [Holder::Host("a.example".parse().unwrap()), Holder::Account("ann".parse().unwrap())]
        {
            let key = key("k", holder);
            state.put_key(&key);
            assert_eq!(state.key(&key.id), Some(key));
        }
    }

    /// Numbers are given again: what is somebody's must not become another's.
    #[test]
    fn what_a_host_had_is_not_the_next_ones() {
        let mut state = state();
        state.put_host(&host("a.example"));
        let holder = Holder::Host("a.example".parse().unwrap());
        state.put_key(&key("k", holder.clone()));
        state.remove_host(&"a.example".parse().unwrap());
        let number = state.put_host(&host("b.example"));
        assert_eq!(number, 0, "the number of the first one is given again");
        assert_eq!(state.keys().collect::<Vec<_>>(), [key("k", holder.clone())]);
        assert_eq!(state.keys_of(&Holder::Host("b.example".parse().unwrap())).count(), 0);
        assert_eq!(state.keys_of(&holder).count(), 1);
    }

    #[test]
    fn what_an_account_had_is_not_the_next_ones() {
        let mut state = state();
        let (ann, bob): (AccountName, AccountName) =
            ("ann".parse().unwrap(), "bob".parse().unwrap());
        state.put_account(&account("ann"));
        let hers = Host { owner: Some(ann.clone()), ..present("a.example", 1) };
        state.put_host(&hers);
        state.put_key(&key("k", Holder::Account(ann.clone())));
        state.remove_account(&ann);
        state.put_account(&account("bob"));
        assert_eq!(state.host(&hers.name), Some(hers.clone()));
        assert_eq!(state.hosts_of(&bob).count(), 0);
        assert_eq!(state.hosts_of(&ann).collect::<Vec<_>>(), [hers]);
        assert_eq!(state.keys_of(&Holder::Account(bob)).count(), 0);
        assert_eq!(state.keys_of(&Holder::Account(ann)).count(), 1);
        assert_eq!(
            state.take_due(Served(u64::MAX)).map(|host| host.name),
            Some("a.example".parse().unwrap())
        );
        assert_eq!(state.take_due(Served(u64::MAX)), None);
    }

    #[test]
    fn leases_come_up_in_order_and_not_late() {
        let mut state = state();
        let day = 86_400;
        for n in 0..40 {
            state.put_host(&present(&format!("h{n}.example"), n * 10));
        }
        // Renewed, given another lease, withdrawn, removed.
        state.put_host(&present("h1.example", 1000));
        let short = Some(Lease::For(Duration::from_secs(60)));
        state.put_host(&Host { lease: short, ..present("h20.example", 200) });
        state.put_host(&host("h3.example"));
        state.remove_host(&"h4.example".parse().unwrap());
        assert_eq!(state.present_count(), 38);
        let mut seen = Vec::new();
        while let Some(due) = state.next_due() {
            let host = state.take_due(due).unwrap();
            match state.lease_end(&host) {
                Some(end) if end <= due => seen.push((end.0, host.name)),
                Some(_) => drop(state.put_host(&host)),
                None => panic!("{host:?} has no lease"),
            }
        }
        let mut expected: Vec<(u64, Name)> = (0..40)
            .filter(|n| ![1, 3, 4, 20].contains(n))
            .map(|n| (n * 10 + 35 * day, format!("h{n}.example").parse().unwrap()))
            .collect();
        expected.push((260, "h20.example".parse().unwrap()));
        expected.push((1000 + 35 * day, "h1.example".parse().unwrap()));
        expected.sort();
        assert_eq!(seen, expected);
        // Beyond what is counted: it never ends.
        state.put_host(&present("h0.example", u64::MAX));
        assert_eq!(state.next_due(), None);
    }
}
