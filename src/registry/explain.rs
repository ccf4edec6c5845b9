//! Why a client was answered as it was, found out after the answer: for
//! `truename why`. Nothing is decided here, and clients are told none of it.

use std::net::IpAddr;

use super::{Login, Registry, State};
use crate::model::{AccountName, Grant, Holder, Name, is_publishable};
use crate::recent::{Decided, Proof, Rule};
use crate::update::{Hosts, Outcome, Report, Said, Update};

impl Registry {
    /// Why nobody was let in: what the logins prove all the same, and the
    /// rule that refused them.
    pub fn why_refused(&self, logins: &[Login], hosts: &Hosts, source: IpAddr) -> (Proof, Rule) {
        let state = self.state();
        let key = logins.iter().find_map(|login| wrong_use(&state, login, source));
        if let Some((holder, rule)) = key {
            return (Proof::Proved(holder), rule);
        }
        let named = match hosts {
            Hosts::Implied(name) => name.iter().find(|name| state.host(name).is_some()),
            Hosts::Listed(names) => names.iter().flatten().find(|name| state.host(name).is_some()),
        };
        let named = named.cloned().map(Holder::Host);
        let claimed = |holder: Option<Holder>| holder.map_or(Proof::Nobody, Proof::Claimed);
        let Some(login) = logins.first() else {
            return (claimed(named), Rule::NoCredentials);
        };
        let user = logins.iter().find_map(|login| user(&state, &login.user));
        let rule = match &user {
            Some(Holder::Account(account)) if has_password(&state, account) => {
                Rule::WrongPassword(Holder::Account(account.clone()))
            }
            _ => {
                let length = login.secret.0.chars().count();
                Rule::UnknownSecret { user: user.clone(), length }
            }
        };
        (claimed(user.or(named)), rule)
    }

    /// Why each host of an update was answered as it was.
    pub fn why(&self, grant: &Grant, update: &Update, outcomes: &[Outcome]) -> Vec<Decided> {
        let state = self.state();
        let hosts = state.meant(grant, &update.hosts);
        let decided = hosts.into_iter().zip(outcomes).map(|(host, outcome)| {
            let rule = why(&state, grant, update, host.as_ref(), *outcome);
            Decided { host, rule }
        });
        decided.collect()
    }
}

/// A right secret, used as it may not be.
fn wrong_use(state: &State, login: &Login, source: IpAddr) -> Option<(Holder, Rule)> {
    let key = state.key_by_secret(&login.secret)?;
    let holder = key.holder.clone();
    if !key.allows_source(source) {
        return Some((holder, Rule::WrongNetwork { key: key.id, client: source }));
    }
    let named = user(state, &login.user)?;
    Some((holder.clone(), Rule::OtherUser { user: named, holder }))
}

/// The account or host of ours that a user field names.
fn user(state: &State, user: &str) -> Option<Holder> {
    if let Ok(name) = user.parse::<AccountName>()
        && state.account(&name).is_some()
    {
        return Some(Holder::Account(name));
    }
    let name = user.parse::<Name>().ok()?;
    state.host(&name).map(|host| Holder::Host(host.name))
}

fn has_password(state: &State, account: &AccountName) -> bool {
    state.account(account).is_some_and(|account| account.password.is_some())
}

fn why(
    state: &State,
    grant: &Grant,
    update: &Update,
    host: Option<&Name>,
    outcome: Outcome,
) -> Rule {
    match outcome {
        Outcome::Moved(_) | Outcome::Kept(_) if update.report == Report::Offline => Rule::Withdrawn,
        Outcome::Moved(_) => Rule::Moved,
        Outcome::Kept(_) => Rule::Kept,
        Outcome::NotAName => match update.hosts {
            Hosts::Implied(_) => Rule::NoHost,
            Hosts::Listed(_) => Rule::NotAName,
        },
        Outcome::Unknown => {
            let holder = grant.holder.clone();
            match host.filter(|name| state.host(name).is_some()) {
                Some(_) => Rule::NotThisKeys(holder),
                None => {
                    let in_zone = host.is_some_and(|name| state.zone_of(name).is_some());
                    Rule::NoSuchHost { holder, in_zone }
                }
            }
        }
        Outcome::Blocked => match host.and_then(|name| state.host(name)) {
            Some(host) if host.blocked => Rule::HostBlocked,
            _ => Rule::OwnerBlocked,
        },
        Outcome::BadAddress => bad_address(&update.report),
        Outcome::BadPrefix => Rule::BadPrefix,
        Outcome::NotAllowed => Rule::NotAllowed,
        Outcome::Replayed => Rule::Replayed,
    }
}

/// Which address it was.
fn bad_address(report: &Report) -> Rule {
    let Report::Addresses { v4, v6, .. } = *report else { return Rule::Unreadable };
    let mut addresses = Vec::new();
    if let Said::Is(v4) = v4 {
        addresses.push(IpAddr::V4(v4));
    }
    if let Said::Is(v6) = v6 {
        addresses.push(IpAddr::V6(v6));
    }
    if let Some(none) = addresses.iter().find(|address| !is_publishable(**address)) {
        return Rule::NotPublishable(*none);
    }
    let local = addresses.iter().find(|address| crate::update::is_local(**address));
    local.map_or(Rule::Unreadable, |address| Rule::GlobalOnly(*address))
}
