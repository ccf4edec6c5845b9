//! Who may touch what.

use std::collections::BTreeSet;

use super::State;
use crate::model::{AccountName, Grant, Holder, Host, Name};
use crate::update::{Edit, Hosts};

impl State {
    /// The host whose a name is: the deepest one at the name or above it.
    pub fn host_above(&self, name: &Name) -> Option<Host> {
        let mut at = Some(name.clone());
        while let Some(name) = at {
            if let Some(host) = self.host(&name) {
                return Some(host);
            }
            at = name.parent();
        }
        None
    }

    /// The hosts that changes of records are about.
    pub fn hosts_above(&self, edits: &[Edit]) -> BTreeSet<Name> {
        let hosts = edits.iter().filter_map(|edit| self.host_above(&edit.name));
        hosts.map(|host| host.name).collect()
    }

    /// Whether the user logged in as is another account than the secret
    /// stands for. A host's name contradicts nothing, or members could tell
    /// others' hosts from those that do not exist by logging in as them; it
    /// is what an update means that names no host ([`State::meant`]). Neither
    /// does a placeholder.
    pub(super) fn contradicts(&self, user: &str, grant: &Grant) -> bool {
        if let Ok(name) = user.parse::<AccountName>()
            && self.accounts.find(name.as_str().as_bytes()).is_some()
        {
            return match &grant.holder {
                Holder::Account(holder) => *holder != name,
                Holder::Host(host) => {
                    self.host(host).is_some_and(|host| host.owner.as_ref() != Some(&name))
                }
            };
        }
        false
    }

    /// Whether a grant is good for this host.
    pub fn covers(&self, grant: &Grant, host: &Host) -> bool {
        let holds = match &grant.holder {
            Holder::Host(name) => *name == host.name,
            Holder::Account(account) => host.owner.as_ref() == Some(account),
        };
        holds && (grant.hosts.is_empty() || grant.hosts.contains(&host.name))
    }

    /// Whether a person has blocked the host or its owner.
    pub fn is_blocked(&self, host: &Host) -> bool {
        let owner = host.owner.as_ref().and_then(|owner| self.account(owner));
        host.blocked || owner.is_some_and(|owner| owner.blocked)
    }

    /// The hosts a grant is good for, in no order.
    pub fn covered<'a>(&'a self, grant: &'a Grant) -> impl Iterator<Item = Host> + 'a {
        let (own, owned) = match &grant.holder {
            Holder::Host(name) => (self.host(name), None),
            Holder::Account(account) => (None, Some(self.hosts_of(account))),
        };
        let hosts = own.into_iter().chain(owned.into_iter().flatten());
        hosts.filter(|host| self.covers(grant, host))
    }

    /// The one host a grant is good for, if it is one.
    pub fn only_host(&self, grant: &Grant) -> Option<Host> {
        let mut covered = self.covered(grant);
        let first = covered.next();
        first.filter(|_| covered.next().is_none())
    }

    /// The hosts an update means; `None` is a text that is no name. Who logs
    /// in as a name below a zone served here means that, whoever's it is, and
    /// not the one host their key is good for.
    pub fn meant(&self, grant: &Grant, hosts: &Hosts) -> Vec<Option<Name>> {
        match hosts {
            Hosts::Listed(names) => names.clone(),
            Hosts::Implied(login) => {
                let is_ours =
                    |name: &&Name| self.zone_of(name).is_some_and(|(origin, _)| origin != *name);
                if let Some(name) = login.as_ref().filter(is_ours) {
                    return vec![Some(name.clone())];
                }
                let only = self.only_host(grant).map(|host| host.name);
                vec![only.or_else(|| login.clone())]
            }
        }
    }
}
