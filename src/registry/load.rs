//! From the rows of a store to a [`State`], in one pass over them.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::packing;
use super::rows::{self, ZoneRow};
use super::secrets::TokenKey;
use super::state::{State, part, second};
use crate::model::{Account, Host, Key, Lease, Name, Served, Ttl};
use crate::packed::{NewTable, Pairs};
use crate::store::{IMPORTED, Rows, StoreError};

/// What a store holds at a start.
pub(super) struct Loaded {
    pub state: Option<State>,
    /// How long it was served.
    pub served: Served,
    /// Whether it was filled from a dump since the last start.
    pub imported: bool,
}

/// A state that is being filled. Tables are filled one after the other, since
/// the rows of hosts have the numbers of accounts, and those of keys the
/// numbers of hosts.
struct Loading {
    state: State,
    accounts: Option<NewTable>,
    hosts: Option<NewTable>,
    keys: NewTable,
    by_owner: Vec<(u32, u32)>,
    /// The members of sites: their routers' names, and they.
    members: Vec<(Name, u32)>,
    due: Vec<(u32, u32)>,
    by_holder: Vec<(u32, u32)>,
    by_digest: Vec<(u32, u32)>,
    /// Those whose rows have another key than we would write, so that a name
    /// may come twice.
    odd_accounts: Vec<Account>,
    odd_hosts: Vec<Host>,
    zones: BTreeMap<Name, ZoneRow>,
}

/// Reads every row but history, in the order of their keys. `None` for the
/// state: the store is new.
pub(super) fn load(rows: Rows<'_>, lease: Lease, ttl: Ttl) -> Result<Loaded, StoreError> {
    let mut token_key = None;
    let mut loaded = Loaded { state: None, served: Served(0), imported: false };
    let mut loading = Loading::new(lease, ttl);
    for row in rows {
        let (key, value) = row?;
        match key.as_str() {
            rows::TOKEN_KEY => token_key = Some(rows::read_token_key(&key, &value)?),
            rows::SERVED => loaded.served = rows::read_served(&key, &value)?,
            IMPORTED => loaded.imported = true,
            _ => loading.read(&key, &value)?,
        }
    }
    loaded.state = token_key.map(|token_key| State { token_key, ..loading.done() });
    Ok(loaded)
}

impl Loading {
    fn new(lease: Lease, ttl: Ttl) -> Loading {
        Loading {
            // The key is known when its row was read.
            state: State::new(TokenKey::unknown(), lease, ttl),
            accounts: Some(NewTable::new(packing::name)),
            hosts: Some(NewTable::new(packing::name)),
            keys: NewTable::new(packing::name),
            by_owner: Vec::new(),
            members: Vec::new(),
            due: Vec::new(),
            by_holder: Vec::new(),
            by_digest: Vec::new(),
            odd_accounts: Vec::new(),
            odd_hosts: Vec::new(),
            zones: BTreeMap::new(),
        }
    }

    fn read(&mut self, key: &str, value: &[u8]) -> Result<(), StoreError> {
        if key.starts_with(rows::ACCOUNTS) {
            let account = rows::read_account(key, value)?;
            match &mut self.accounts {
                Some(accounts) if rows::account_key(&account.name) == key => {
                    accounts.push(&packing::account_row(&account));
                }
                _ => self.odd_accounts.push(account),
            }
        } else if key.starts_with(rows::HOSTS) {
            self.end_of_accounts();
            self.host(key, rows::read_host(key, value)?);
        } else if key.starts_with(rows::KEYS) {
            self.end_of_hosts();
            self.key(&rows::read_key(key, value)?);
        } else if key.starts_with(rows::ZONES) {
            let (origin, row) = rows::read_zone(key, value)?;
            self.zones.insert(origin, row);
        }
        Ok(())
    }

    fn host(&mut self, key: &str, host: Host) {
        if rows::host_key(&host.name) != key {
            self.odd_hosts.push(host);
            return;
        }
        // A member's router may not be read yet: it is looked at again when
        // the lease comes up.
        let due = self.state.next_end(&host).map_or(0, second);
        let row = self.state.host_row(&host, due);
        let Some(hosts) = &mut self.hosts else { return };
        let number = hosts.push(&row);
        if due != 0 {
            self.due.push((due, number));
        }
        if let Some(owner) = &host.owner {
            self.by_owner.push((self.state.accounts.hash(owner.as_str().as_bytes()), number));
        }
        if let Some(site) = &host.site {
            self.members.push((site.router.clone(), number));
        }
        self.state.present += usize::from(!host.addresses().is_empty());
    }

    fn key(&mut self, key: &Key) {
        let number = self.keys.push(&self.state.key_row(key));
        self.by_digest.push((part(&key.digest), number));
        self.by_holder.push((self.state.holder_hash(&key.holder), number));
    }

    fn end_of_accounts(&mut self) {
        if let Some(accounts) = self.accounts.take() {
            self.state.accounts = accounts.done();
            self.odd_accounts.drain(..).for_each(|account| self.state.put_account(&account));
        }
    }

    fn end_of_hosts(&mut self) {
        self.end_of_accounts();
        let Some(hosts) = self.hosts.take() else { return };
        self.state.hosts = hosts.done();
        self.state.by_owner = Pairs::of(std::mem::take(&mut self.by_owner));
        let members = std::mem::take(&mut self.members);
        let hash = |router: &Name| self.state.hosts.hash(router.wire());
        let by_router: Vec<(u32, u32)> =
            members.iter().map(|(router, number)| (hash(router), *number)).collect();
        self.state.by_router = Pairs::of(by_router);
        self.state.due = Pairs::of(std::mem::take(&mut self.due));
        for host in std::mem::take(&mut self.odd_hosts) {
            self.state.put_host(&host);
        }
    }

    fn done(mut self) -> State {
        self.end_of_hosts();
        let mut state = self.state;
        state.keys = self.keys.done();
        state.by_digest = Pairs::of(self.by_digest);
        state.by_holder = Pairs::of(self.by_holder);
        state.unserved = Arc::new(self.zones);
        state
    }
}
