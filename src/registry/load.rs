//! From the rows of a store to a [`State`], in one pass over them.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::packing::{self, HeldHolder, HeldHost, HeldKey, Whose};
use super::plain::{self, PlainHolder};
use super::register;
use super::rows::{self, ZoneRow};
use super::secrets::TokenKey;
use super::state::{State, part, second};
use crate::model::{Account, AccountName, Host, Key, Lease, Name, Presence, Served, Ttl};
use crate::packed::{Finder, NewTable, Pairs};
use crate::store::{IMPORTED, Reader, StoreError};

/// What a store holds at a start.
pub(super) struct Loaded {
    pub state: Option<State>,
    /// How long it was served.
    pub served: Served,
    /// Whether it was filled from a dump, or its journal was lost, and no
    /// start has raised the serials since.
    pub imported: bool,
}

/// A state that is being filled: every row is read but history, in the order
/// of their keys. Tables are filled one after the other, since the rows of
/// hosts have the numbers of accounts, and those of keys the numbers of hosts.
pub(super) struct Loading {
    state: State,
    token_key: Option<TokenKey>,
    served: Served,
    imported: bool,
    accounts: Option<NewTable>,
    hosts: Option<NewTable>,
    keys: NewTable,
    /// Where the hosts are, while keys are read.
    finder: Finder,
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
    /// Whom the host or key before belongs to: mostly this one's, too.
    account: Option<KnownAccount>,
    /// A name in wire form and a row, while they are made.
    name: Vec<u8>,
    row: Vec<u8>,
}

/// An account, as rows name it and as it is held.
struct KnownAccount {
    name: AccountName,
    hash: u32,
    number: Option<u32>,
}

impl KnownAccount {
    fn held(&self) -> Whose<'_> {
        self.number.map_or(Whose::Name(self.name.as_str().as_bytes()), Whose::Number)
    }
}

impl Reader for Loading {
    fn row(&mut self, key: &str, value: &[u8]) -> Result<(), StoreError> {
        if key.starts_with(rows::HISTORY_ROWS) {
            // Read when somebody asks for it.
            return Ok(());
        }
        if key.starts_with(rows::HOSTS) {
            self.end_of_accounts();
            if !self.plain_host(key, value) {
                self.host(key, rows::read_host(key, value)?);
            }
        } else if key.starts_with(rows::KEYS) {
            self.end_of_hosts();
            if !self.plain_key(key, value) {
                self.key(&rows::read_key(key, value)?);
            }
        } else if key.starts_with(rows::ACCOUNTS) {
            let account = rows::read_account(key, value)?;
            match &mut self.accounts {
                Some(accounts) if rows::account_key(&account.name) == key => {
                    accounts.push(&packing::account_row(&account));
                    self.state.passwords += usize::from(account.password.is_some());
                }
                _ => self.odd_accounts.push(account),
            }
        } else if key.starts_with(rows::ZONES) {
            let (origin, row) = rows::read_zone(key, value)?;
            self.zones.insert(origin, row);
        } else if key == rows::TOKEN_KEY {
            self.token_key = Some(rows::read_token_key(key, value)?);
        } else if key == rows::SERVED {
            self.served = rows::read_served(key, value)?;
        } else if key.starts_with(register::ROWS) {
            let (name, end) = register::read_row(key, value)?;
            self.state.unused.insert(name, end);
        } else if key == IMPORTED {
            self.imported = true;
        }
        Ok(())
    }
}

impl Loading {
    pub fn new(lease: Lease, ttl: Ttl) -> Loading {
        Loading {
            // The key is known when its row was read.
            state: State::new(TokenKey::unknown(), lease, ttl),
            token_key: None,
            served: Served(0),
            imported: false,
            accounts: Some(NewTable::new(packing::name)),
            hosts: Some(NewTable::new(packing::name)),
            keys: NewTable::new(packing::name),
            finder: Finder::default(),
            by_owner: Vec::new(),
            members: Vec::new(),
            due: Vec::new(),
            by_holder: Vec::new(),
            by_digest: Vec::new(),
            odd_accounts: Vec::new(),
            odd_hosts: Vec::new(),
            zones: BTreeMap::new(),
            account: None,
            name: Vec::new(),
            row: Vec::new(),
        }
    }

    /// Takes in a host with nothing out of the ordinary; `false`: it may have.
    fn plain_host(&mut self, key: &str, value: &[u8]) -> bool {
        let name = key.strip_prefix(rows::HOSTS).unwrap_or_default();
        let Some(host) = plain::host(value) else { return false };
        if !plain::name(name, &mut self.name) || !self.knows_account(host.owner) {
            return false;
        }
        let Some(hosts) = &mut self.hosts else { return false };
        let due = match host.presence {
            Presence::Present { heard, .. } => self.state.lease.end(heard).map_or(0, second),
            _ => 0,
        };
        let owner = host.owner.and(self.account.as_ref());
        let whose = owner.map(KnownAccount::held);
        let (presence, report) = (host.presence, host.report);
        let held =
            HeldHost::plain(&self.name, whose, host.created, presence, report, host.changes, due);
        self.state.present += usize::from(held.is_present());
        held.write(&mut self.row);
        let number = hosts.push(&self.row);
        if due != 0 {
            self.due.push((due, number));
        }
        if let Some(owner) = owner {
            self.by_owner.push((owner.hash, number));
        }
        true
    }

    /// Takes in a key without limits; `false`: it may have some.
    fn plain_key(&mut self, key: &str, value: &[u8]) -> bool {
        let id = key.strip_prefix(rows::KEYS).unwrap_or_default();
        let Some(key) = plain::key(value) else { return false };
        let (holder, hash) = match key.holder {
            PlainHolder::Host(text) => {
                if !plain::name(text, &mut self.name) {
                    return false;
                }
                let (hosts, name) = (&self.state.hosts, self.name.as_slice());
                let hash = hosts.hash(name);
                let number = self.finder.find(hosts, hash, name);
                // One that came late, or none.
                let number = number.or_else(|| hosts.find(name).map(|(number, _)| number));
                (HeldHolder::Host(number.map_or(Whose::Name(name), Whose::Number)), hash)
            }
            PlainHolder::Account(text) => {
                if !self.knows_account(Some(text)) {
                    return false;
                }
                let Some(account) = &self.account else { return false };
                (HeldHolder::Account(account.held()), account.hash)
            }
        };
        HeldKey::plain(id, holder, key.digest, key.created).write(&mut self.row);
        let number = self.keys.push(&self.row);
        self.by_digest.push((part(&key.digest), number));
        self.by_holder.push((hash, number));
        true
    }

    /// Looks for the account that a row names; `false`: that is no account's
    /// name in the one spelling. No name is nobody's.
    fn knows_account(&mut self, text: Option<&str>) -> bool {
        let Some(text) = text else { return true };
        if self.account.as_ref().is_some_and(|account| account.name.as_str() == text) {
            return true;
        }
        let Some(name) = text.parse().ok().filter(|name: &AccountName| name.as_str() == text)
        else {
            return false;
        };
        let number = self.state.accounts.find(text.as_bytes()).map(|(number, _)| number);
        self.account =
            Some(KnownAccount { name, hash: self.state.accounts.hash(text.as_bytes()), number });
        true
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
        self.state.ending.insert(key);
        self.by_holder.push((self.state.holder_hash(&key.holder), number));
    }

    fn end_of_accounts(&mut self) {
        if let Some(accounts) = self.accounts.take() {
            self.state.accounts = accounts.done().0;
            self.odd_accounts.drain(..).for_each(|account| self.state.put_account(&account));
        }
    }

    fn end_of_hosts(&mut self) {
        self.end_of_accounts();
        let Some(hosts) = self.hosts.take() else { return };
        (self.state.hosts, self.finder) = hosts.done();
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

    /// What was read. `None` for the state: the store is new.
    pub fn done(mut self) -> Loaded {
        self.end_of_hosts();
        let mut state = self.state;
        state.keys = self.keys.done().0;
        state.by_digest = Pairs::of(self.by_digest);
        state.by_holder = Pairs::of(self.by_holder);
        state.unserved = Arc::new(self.zones);
        let state = self.token_key.map(|token_key| State { token_key, ..state });
        Loaded { state, served: self.served, imported: self.imported }
    }
}
