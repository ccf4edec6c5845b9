//! What operators' commands do to a draft. Everything is checked before
//! anything is changed: a refused command has done nothing.

use super::command::{Command, CommandError, HostSettings, NewKey, Reply};
use super::draft::Draft;
use super::secrets::{new_key_id, new_token};
use super::state::State;
use super::view::{account_view, host_view, key_view};
use crate::model::{
    Account, AccountName, Addresses, Cause, Holder, Host, Key, KeyId, LastReport, May, Name, Now,
    Protocol,
};
use crate::update::{Policies, Report, Said, decide};

pub(super) type Done = Result<Reply, CommandError>;

pub(super) fn refused<T>(why: String) -> Result<T, CommandError> {
    Err(CommandError(why))
}

impl Draft {
    /// Does what an operator asks, in the draft. Passwords arrive hashed.
    pub(super) fn command(&mut self, command: &Command, policies: &Policies, now: Now) -> Done {
        match command {
            Command::HostAdd { name, settings, key } => {
                self.add_host(name, settings, *key, policies, now)
            }
            Command::HostSet { name, settings } => self.set_host(name, settings, policies, now),
            Command::HostRemove { name } => self.drop_host(name),
            Command::Register { zone, networks, most } => self.register(zone, networks, *most, now),
            Command::AccountAdd { name, password } => self.add_account(name, password, now),
            Command::AccountSet { name, password, blocked } => {
                self.set_account(name, password, *blocked)
            }
            Command::AccountRemove { name } => self.drop_account(name),
            Command::KeyAdd { holder, hosts, networks, label, may, ends } => {
                self.check_key(holder, hosts)?;
                let mut key = self.new_key(holder.clone(), now);
                key.0.hosts.clone_from(hosts);
                key.0.networks.clone_from(networks);
                key.0.label.clone_from(label);
                key.0.may.clone_from(may);
                key.0.until = ends.and_then(|ends| ends.end(now.served));
                Ok(Reply::KeyAdded(self.add_key(key, now)))
            }
            Command::KeySet { id, hosts, networks, label, may, ends } => {
                let mut key = known_key(&self.state, id)?;
                if let Some(hosts) = hosts {
                    self.check_key(&key.holder, hosts)?;
                    key.hosts.clone_from(hosts);
                }
                if let Some(networks) = networks {
                    key.networks.clone_from(networks);
                }
                if let Some(label) = label {
                    key.label.clone_from(label);
                }
                if let Some(may) = may {
                    key.may.clone_from(may);
                }
                if let Some(ends) = ends {
                    key.until = ends.end(now.served);
                }
                let view = key_view(&key, now);
                self.put_key(key);
                Ok(Reply::Key(view))
            }
            Command::Import { hosts, dry_run, weak } => {
                Ok(Reply::Imported(self.import(hosts, *dry_run, *weak, policies, now)))
            }
            Command::KeyRotate { id, overlap } => self.rotate_key(id, *overlap, now),
            Command::KeyRemove { id } => {
                known_key(&self.state, id)?;
                self.remove_key(id);
                Ok(Reply::Done(format!("key {id} is removed; its token proves nothing any more")))
            }
            Command::KeyAdopt { id, digest } => {
                let key = known_key(&self.state, id)?;
                if key.foreign.is_some() {
                    self.put_key(Key { digest: *digest, foreign: None, ..key });
                }
                Ok(Reply::Done("adopted".into()))
            }
            Command::Edit { edits } => self.edit_records(edits, policies, now),
            Command::Records { .. }
            | Command::KeySecret { .. }
            | Command::HostShow { .. }
            | Command::HostList { .. }
            | Command::AccountShow { .. }
            | Command::AccountList
            | Command::KeyShow { .. }
            | Command::KeyList { .. }
            | Command::History { .. }
            | Command::Why { .. }
            | Command::Status
            | Command::Reload
            | Command::Check
            | Command::Export { .. } => {
                refused("this command changes nothing and is answered elsewhere".into())
            }
        }
    }

    fn add_host(
        &mut self,
        name: &Name,
        settings: &HostSettings,
        key: bool,
        policies: &Policies,
        now: Now,
    ) -> Done {
        if self.state.host(name).is_some() {
            return refused(format!("the host {} exists already", name.without_dot()));
        }
        if !name.is_hostname() {
            return refused(format!(
                "{} is no host name: labels are letters, digits and inner hyphens",
                name.without_dot()
            ));
        }
        if self.state.zone_of(name).is_none() {
            let zones: Vec<String> = self.state.zones.keys().map(Name::without_dot).collect();
            return refused(format!(
                "{} is in none of the zones served here ({}): add a zone file, or give a name below one of them",
                name.without_dot(),
                zones.join(", ")
            ));
        }
        if let Some(record) = self.record_in_the_way(name) {
            return refused(format!(
                "the host {} has a {} record at {}: remove that first",
                record.0.without_dot(),
                record.1.rtype,
                record.1.name.without_dot()
            ));
        }
        let host = self.settled(Host::new(name.clone(), now.wall), settings, policies, now)?;
        self.put_settled(host, settings, policies, command_cause(), now);
        let key = key.then(|| {
            let key = self.new_key(Holder::Host(name.clone()), now);
            self.add_key(key, now)
        });
        let host = known_host(&self.state, name)?;
        Ok(Reply::HostAdded { host: host_view(&self.state, &host, now), key })
    }

    fn set_host(
        &mut self,
        name: &Name,
        settings: &HostSettings,
        policies: &Policies,
        now: Now,
    ) -> Done {
        let host = known_host(&self.state, name)?;
        let cause = if settings.addresses.is_some() { command_cause() } else { Cause::Setting };
        let host = self.settled(host, settings, policies, now)?;
        self.put_settled(host, settings, policies, cause, now);
        let host = known_host(&self.state, name)?;
        Ok(Reply::Host(host_view(&self.state, &host, now)))
    }

    /// The host with these settings, if they can be.
    fn settled(
        &self,
        mut host: Host,
        settings: &HostSettings,
        policies: &Policies,
        now: Now,
    ) -> Result<Host, CommandError> {
        if let Some(owner) = &settings.owner {
            if let Some(owner) = owner {
                known_account(&self.state, owner)?;
            }
            host.owner.clone_from(owner);
        }
        host.ttl = settings.ttl.unwrap_or(host.ttl);
        host.lease = settings.lease.unwrap_or(host.lease);
        host.wildcard = settings.wildcard.unwrap_or(host.wildcard);
        let zone = self.state.zone_of(&host.name);
        let conflict = zone.and_then(|(_, zone)| zone.zone.refuses_host(&host.name, host.wildcard));
        if let Some(why) = conflict {
            return Err(CommandError(why));
        }
        if let Some(addresses) = settings.addresses {
            // The operator's word counts for a blocked host too.
            host.blocked = false;
            let policy = zone.map(|(zone, _)| policies.of(zone)).unwrap_or_default();
            if let Some((address, refusal)) = policy.refused(&addresses) {
                return refused(refusal.words(address));
            }
            let decision = decide(&host, &exactly(addresses), &policy, now);
            if let Some(presence) = decision.presence {
                host.presence = presence;
                host.last_report =
                    Some(LastReport { at: now.wall, source: None, protocol: Protocol::Command });
            }
            host.blocked = self.state.host(&host.name).is_some_and(|host| host.blocked);
        }
        if let Some(site) = &settings.site {
            let site = site.as_ref().map(|site| self.state.placed(&host, site)).transpose()?;
            host.site = site;
        }
        if let Some(prefix) = settings.prefix {
            self.check_prefix(&host, prefix, policies)?;
            host.prefix = Some(prefix.trunc());
        }
        host.blocked = settings.blocked.unwrap_or(host.blocked);
        Ok(host)
    }

    fn drop_host(&mut self, name: &Name) -> Done {
        known_host(&self.state, name)?;
        if let Some(member) = self.state.members(name).next() {
            return refused(format!(
                "{} is the router of a site: give its hosts ({}, …) another place first (`host set HOST --site none`)",
                name.without_dot(),
                member.name.without_dot()
            ));
        }
        let keys = self.drop_keys_of(name);
        self.remove_host(name);
        let name = name.without_dot();
        Ok(Reply::Done(match keys {
            0 => format!("the host {name} and its history are removed"),
            1 => format!("the host {name}, its history and its key are removed"),
            n => format!("the host {name}, its history and its {n} keys are removed"),
        }))
    }

    /// Removes a host's own keys, and says how many there were.
    pub(super) fn drop_keys_of(&mut self, name: &Name) -> usize {
        let keys: Vec<KeyId> =
            self.state.keys_of(&Holder::Host(name.clone())).map(|key| key.id).collect();
        for id in &keys {
            self.remove_key(id);
        }
        keys.len()
    }

    fn add_account(&mut self, name: &AccountName, password: &Option<String>, now: Now) -> Done {
        if self.state.account(name).is_some() {
            return refused(format!("the account {name} exists already"));
        }
        let password = password.clone();
        let account = Account { name: name.clone(), password, blocked: false, created: now.wall };
        let view = account_view(&self.state, &account);
        self.put_account(account);
        Ok(Reply::Account(view))
    }

    fn set_account(
        &mut self,
        name: &AccountName,
        password: &Option<String>,
        blocked: Option<bool>,
    ) -> Done {
        let mut account = known_account(&self.state, name)?;
        if let Some(hash) = password {
            account.password = (!hash.is_empty()).then(|| hash.clone());
        }
        account.blocked = blocked.unwrap_or(account.blocked);
        let view = account_view(&self.state, &account);
        self.put_account(account);
        Ok(Reply::Account(view))
    }

    fn drop_account(&mut self, name: &AccountName) -> Done {
        known_account(&self.state, name)?;
        let hosts = self.state.hosts_of(name).count();
        if hosts > 0 {
            return refused(format!(
                "the account {name} owns {hosts} hosts: give them another owner (`host set HOST --owner`) or remove them first"
            ));
        }
        let keys: Vec<KeyId> =
            self.state.keys_of(&Holder::Account(name.clone())).map(|key| key.id).collect();
        for id in &keys {
            self.remove_key(id);
        }
        self.remove_account(name);
        Ok(Reply::Done(format!("the account {name} and its keys are removed")))
    }

    /// Whether such a key means anything.
    fn check_key(&self, holder: &Holder, hosts: &[Name]) -> Result<(), CommandError> {
        match holder {
            Holder::Host(name) => {
                known_host(&self.state, name)?;
                if hosts.iter().any(|host| host != name) {
                    return refused(format!(
                        "a key of the host {} is good for that host alone: for several hosts make it an account's",
                        name.without_dot()
                    ));
                }
            }
            Holder::Account(name) => {
                known_account(&self.state, name)?;
                for host in hosts {
                    if known_host(&self.state, host)?.owner.as_ref() != Some(name) {
                        return refused(format!(
                            "the host {} is not owned by {name}",
                            host.without_dot()
                        ));
                    }
                }
            }
        }
        Ok(())
    }

    /// A key for this holder without limits, and its token.
    pub(super) fn new_key(&self, holder: Holder, now: Now) -> (Key, String) {
        let mut id = new_key_id();
        while self.state.key(&id).is_some() {
            id = new_key_id();
        }
        let token = new_token();
        let digest = self.state.token_key.digest(&token);
        let key = Key {
            id,
            holder,
            digest,
            hosts: Vec::new(),
            networks: Vec::new(),
            label: String::new(),
            created: now.wall,
            may: May::default(),
            stamp: 0,
            foreign: None,
            until: None,
        };
        (key, token.0)
    }

    pub(super) fn add_key(&mut self, (key, token): (Key, String), now: Now) -> NewKey {
        let view = key_view(&key, now);
        self.put_key(key);
        NewKey { key: view, token }
    }
}

fn command_cause() -> Cause {
    Cause::Report { protocol: Protocol::Command, source: None }
}

/// A report that leaves no family unsaid.
fn exactly(addresses: Addresses) -> Report {
    if addresses.is_empty() {
        return Report::Offline;
    }
    Report::Addresses {
        v4: addresses.v4.map_or(Said::Gone, Said::Is),
        v6: addresses.v6.map_or(Said::Gone, Said::Is),
        prefix: Said::Nothing,
    }
}

pub(super) fn known_host(state: &State, name: &Name) -> Result<Host, CommandError> {
    state.host(name).ok_or_else(|| {
        CommandError(format!(
            "there is no host {} (`truename host list` shows those there are)",
            name.without_dot()
        ))
    })
}

pub(super) fn known_account(state: &State, name: &AccountName) -> Result<Account, CommandError> {
    state.account(name).ok_or_else(|| {
        CommandError(format!(
            "there is no account {name} (`truename account list` shows those there are)"
        ))
    })
}

pub(super) fn known_key(state: &State, id: &KeyId) -> Result<Key, CommandError> {
    state.key(id).ok_or_else(|| {
        CommandError(format!("there is no key {id} (`truename key list` shows those there are)"))
    })
}
