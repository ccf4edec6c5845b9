//! Everything the registry knows, as one immutable value.
//!
//! The commit thread changes a clone and publishes it; everybody else reads
//! what was published. Persistent maps make the clone O(1).

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use imbl::{HashMap as Map, OrdMap, OrdSet};

use super::rows::{self, ZoneRow};
use super::secrets::TokenKey;
use crate::model::{
    Account, AccountName, Grant, Holder, Host, Key, KeyDigest, KeyId, Lease, Name, Presence,
    Secret, Served, Ttl,
};
use crate::store::{IMPORTED, Row, Store, StoreError, Write};
use crate::update::{Hosts, Policy};
use crate::zone::{Identity, Zone, ZoneError};

/// Reads the zone files anew, for a start or a reload.
pub type ZoneSource = Arc<dyn Fn() -> Result<Vec<Zone>, Vec<ZoneError>> + Send + Sync>;

/// What the operator decided that concerns hosts.
#[derive(Clone)]
pub struct Settings {
    /// Where the zones come from.
    pub zones: ZoneSource,
    /// The lease of hosts without one of their own.
    pub lease: Lease,
    /// The TTL of hosts without one of their own.
    pub ttl: Ttl,
    /// What may be published, by zone; a zone not listed has the default.
    pub policies: HashMap<Name, Policy>,
    /// What CHAOS questions are told.
    pub identity: Identity,
    /// Where the text dump is kept; `None`: none is written.
    pub dump: Option<PathBuf>,
    /// What else is read again at a reload, the certificate say. What was
    /// read before goes on when it fails, with a sentence that says why.
    pub also_reload: Option<AlsoReload>,
}

/// Something else that is read again at a reload.
pub type AlsoReload = Arc<dyn Fn() -> Result<(), String> + Send + Sync>;

/// Everything the registry knows at one moment. Cheap to clone.
#[derive(Clone)]
pub struct State {
    pub(super) zones: Arc<BTreeMap<Name, ServedZone>>,
    /// Rows of zones that are not served now: their serials are kept.
    pub(super) unserved: Arc<BTreeMap<Name, ZoneRow>>,
    hosts: Map<Name, Arc<Entry>>,
    accounts: OrdMap<AccountName, Arc<Account>>,
    keys: OrdMap<KeyId, Arc<Key>>,
    by_digest: Map<KeyDigest, KeyId>,
    by_holder: OrdSet<(Holder, KeyId)>,
    by_owner: OrdSet<(AccountName, Name)>,
    /// The hosts by the end of their lease. A renewal does not touch it: an
    /// entry that comes up early is put back at the right place, so a
    /// renewal costs nothing here and expiry costs O(expired).
    due: OrdSet<(Served, Name)>,
    present: usize,
    pub(super) token_key: TokenKey,
    lease: Lease,
    ttl: Ttl,
}

/// A zone as it is served.
#[derive(Clone)]
pub(super) struct ServedZone {
    pub zone: Arc<Zone>,
    pub row: ZoneRow,
}

/// A host, and where it stands in `due`.
struct Entry {
    host: Host,
    due: Option<Served>,
}

/// What a store holds at a start.
pub(super) struct Loaded {
    pub state: Option<State>,
    /// How long it was served.
    pub served: Served,
    /// Whether it was filled from a dump since the last start.
    pub imported: bool,
}

impl State {
    pub(super) fn new(token_key: TokenKey, lease: Lease, ttl: Ttl) -> State {
        State {
            zones: Arc::default(),
            unserved: Arc::default(),
            hosts: Map::new(),
            accounts: OrdMap::new(),
            keys: OrdMap::new(),
            by_digest: Map::new(),
            by_holder: OrdSet::new(),
            by_owner: OrdSet::new(),
            due: OrdSet::new(),
            present: 0,
            token_key,
            lease,
            ttl,
        }
    }

    /// Reads every row but history. `None` for the state: the store is new.
    pub(super) fn load(store: &dyn Store, lease: Lease, ttl: Ttl) -> Result<Loaded, StoreError> {
        let mut token_key = None;
        let mut loaded = Loaded { state: None, served: Served(0), imported: false };
        for row in store.rows(rows::META) {
            let (key, value) = row?;
            match key.as_str() {
                rows::TOKEN_KEY => token_key = Some(rows::read_token_key(&key, &value)?),
                rows::SERVED => loaded.served = rows::read_served(&key, &value)?,
                IMPORTED => loaded.imported = true,
                _ => {}
            }
        }
        let Some(token_key) = token_key else { return Ok(loaded) };
        let mut state = State::new(token_key, lease, ttl);
        for row in store.rows(rows::ACCOUNTS) {
            let (key, value) = row?;
            state.put_account(rows::read_account(&key, &value)?);
        }
        for row in store.rows(rows::HOSTS) {
            let (key, value) = row?;
            state.put_host(rows::read_host(&key, &value)?);
        }
        for row in store.rows(rows::KEYS) {
            let (key, value) = row?;
            state.put_key(rows::read_key(&key, &value)?);
        }
        let mut unserved = BTreeMap::new();
        for row in store.rows(rows::ZONES) {
            let (key, value) = row?;
            let (origin, row) = rows::read_zone(&key, &value)?;
            unserved.insert(origin, row);
        }
        state.unserved = Arc::new(unserved);
        loaded.state = Some(state);
        Ok(loaded)
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
        let accounts = self.accounts.values().map(|account| rows::put_account(account));
        let mut hosts: Vec<(String, &Host)> =
            self.hosts().map(|host| (rows::host_key(&host.name), host)).collect();
        hosts.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        let hosts = hosts.into_iter().map(|(_, host)| rows::put_host(host));
        let keys = self.keys.values().map(|key| rows::put_key(key));
        let meta = [rows::put_served(served), rows::put_token_key(self.token_key)];
        let mut zones: Vec<(String, Write)> = self
            .zone_rows()
            .map(|(origin, row)| (origin.without_dot(), rows::put_zone(origin, row)))
            .collect();
        zones.sort_by(|a, b| a.0.cmp(&b.0));
        let zones = zones.into_iter().map(|(_, write)| write);
        let after = hosts.chain(keys).chain(meta).chain(zones);
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
    pub fn host(&self, name: &Name) -> Option<&Host> {
        self.hosts.get(name).map(|entry| &entry.host)
    }

    /// Every host, in no order.
    pub fn hosts(&self) -> impl Iterator<Item = &Host> {
        self.hosts.values().map(|entry| &entry.host)
    }

    /// How many hosts there are.
    pub fn host_count(&self) -> usize {
        self.hosts.len()
    }

    /// How many of them are in the DNS.
    pub fn present_count(&self) -> usize {
        self.present
    }

    /// The hosts an account owns, in the order of names.
    pub fn hosts_of<'s>(&'s self, owner: &AccountName) -> impl Iterator<Item = &'s Name> {
        let owner = owner.clone();
        let from = (owner.clone(), Name::root());
        self.by_owner
            .range(from..)
            .take_while(move |(account, _)| *account == owner)
            .map(|(_, name)| name)
    }

    /// An account by name.
    pub fn account(&self, name: &AccountName) -> Option<&Account> {
        self.accounts.get(name).map(|account| &**account)
    }

    /// Every account, in the order of names.
    pub fn accounts(&self) -> impl ExactSizeIterator<Item = &Account> {
        self.accounts.values().map(|account| &**account)
    }

    /// A key by its public number.
    pub fn key(&self, id: &KeyId) -> Option<&Key> {
        self.keys.get(id).map(|key| &**key)
    }

    /// Every key, in the order of numbers.
    pub fn keys(&self) -> impl ExactSizeIterator<Item = &Key> {
        self.keys.values().map(|key| &**key)
    }

    /// The keys somebody holds, in the order of numbers.
    pub fn keys_of<'s>(&'s self, holder: &Holder) -> impl Iterator<Item = &'s Key> {
        let holder = holder.clone();
        let from = (holder.clone(), KeyId(String::new()));
        self.by_holder
            .range(from..)
            .take_while(move |(whose, _)| *whose == holder)
            .filter_map(|(_, id)| self.key(id))
    }

    /// The key whose token this is.
    pub(super) fn key_by_secret(&self, secret: &Secret) -> Option<&Key> {
        self.key(self.by_digest.get(&self.token_key.digest(secret))?)
    }

    /// Whether the user logged in as names somebody or something else of
    /// ours than the secret stands for. Placeholders contradict nothing.
    pub(super) fn contradicts(&self, user: &str, grant: &Grant) -> bool {
        if let Ok(name) = user.parse::<AccountName>()
            && self.accounts.contains_key(&name)
        {
            return match &grant.holder {
                Holder::Account(holder) => *holder != name,
                Holder::Host(host) => {
                    self.host(host).is_some_and(|host| host.owner.as_ref() != Some(&name))
                }
            };
        }
        let host = user.parse().ok().and_then(|name: Name| self.host(&name));
        host.is_some_and(|host| !self.covers(grant, host))
    }

    /// Whether a grant is good for this host.
    pub fn covers(&self, grant: &Grant, host: &Host) -> bool {
        let holds = match &grant.holder {
            Holder::Host(name) => *name == host.name,
            Holder::Account(account) => host.owner.as_ref() == Some(account),
        };
        holds && (grant.hosts.is_empty() || grant.hosts.contains(&host.name))
    }

    /// The one host a grant is good for, if it is one.
    pub fn only_host(&self, grant: &Grant) -> Option<&Host> {
        let mut covered = match &grant.holder {
            Holder::Host(name) => vec![self.host(name)?],
            Holder::Account(account) => {
                let hosts = self.hosts_of(account).filter_map(|name| self.host(name));
                hosts.filter(|host| self.covers(grant, host)).take(2).collect()
            }
        };
        if covered.len() == 1 { covered.pop() } else { None }
    }

    /// The hosts an update means; `None` is a text that is no name.
    pub(super) fn meant(&self, grant: &Grant, hosts: &Hosts) -> Vec<Option<Name>> {
        match hosts {
            Hosts::Listed(names) => names.clone(),
            Hosts::Implied(login) => {
                let only = self.only_host(grant).map(|host| host.name.clone());
                vec![only.or_else(|| login.clone())]
            }
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

    /// When the host's lease ends; `None`: it is not present, or never.
    pub fn lease_end(&self, host: &Host) -> Option<Served> {
        match host.presence {
            Presence::Present { heard, .. } => self.lease_of(host).end(heard),
            _ => None,
        }
    }

    /// When the next lease may end: not later than any does.
    pub(super) fn next_due(&self) -> Option<Served> {
        self.due.get_min().map(|(at, _)| *at)
    }

    /// Takes the next host whose entry in `due` has come up, by now; it may
    /// have been renewed since ([`State::put_host`] enters it again).
    pub(super) fn take_due(&mut self, now: Served) -> Option<Host> {
        let (_, name) = self.due.get_min().filter(|(at, _)| *at <= now).cloned()?;
        self.due.remove_min();
        let entry = self.hosts.get(&name).expect("whoever is due is a host");
        let host = entry.host.clone();
        self.hosts.insert(name, Arc::new(Entry { host: host.clone(), due: None }));
        Some(host)
    }

    /// Adds a host or puts another version in its place.
    pub(super) fn put_host(&mut self, host: Host) {
        let end = self.lease_end(&host);
        let (mut due, before) = match self.hosts.get(&host.name) {
            Some(entry) => (entry.due, Some(&entry.host)),
            None => (None, None),
        };
        let was_present = before.is_some_and(|host| !host.addresses().is_empty());
        let old_owner = before.and_then(|host| host.owner.clone());
        if old_owner != host.owner {
            if let Some(owner) = old_owner {
                self.by_owner.remove(&(owner, host.name.clone()));
            }
            if let Some(owner) = &host.owner {
                self.by_owner.insert((owner.clone(), host.name.clone()));
            }
        }
        // An entry that is early enough stays: it is looked at when it comes up.
        let early_enough = matches!((due, end), (Some(due), Some(end)) if due <= end);
        if !early_enough && due != end {
            if let Some(due) = due {
                self.due.remove(&(due, host.name.clone()));
            }
            if let Some(end) = end {
                self.due.insert((end, host.name.clone()));
            }
            due = end;
        }
        self.present += usize::from(!host.addresses().is_empty());
        self.present -= usize::from(was_present);
        self.hosts.insert(host.name.clone(), Arc::new(Entry { host, due }));
    }

    pub(super) fn remove_host(&mut self, name: &Name) {
        let Some(entry) = self.hosts.remove(name) else { return };
        if let Some(due) = entry.due {
            self.due.remove(&(due, name.clone()));
        }
        if let Some(owner) = &entry.host.owner {
            self.by_owner.remove(&(owner.clone(), name.clone()));
        }
        self.present -= usize::from(!entry.host.addresses().is_empty());
    }

    pub(super) fn put_account(&mut self, account: Account) {
        self.accounts.insert(account.name.clone(), Arc::new(account));
    }

    pub(super) fn remove_account(&mut self, name: &AccountName) {
        self.accounts.remove(name);
    }

    pub(super) fn put_key(&mut self, key: Key) {
        self.by_digest.insert(key.digest, key.id.clone());
        self.by_holder.insert((key.holder.clone(), key.id.clone()));
        self.keys.insert(key.id.clone(), Arc::new(key));
    }

    pub(super) fn remove_key(&mut self, id: &KeyId) {
        let Some(key) = self.keys.remove(id) else { return };
        self.by_digest.remove(&key.digest);
        self.by_holder.remove(&(key.holder.clone(), id.clone()));
    }
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
