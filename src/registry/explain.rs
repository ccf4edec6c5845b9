//! Why a client was answered as it was, found out after the answer: for
//! `truename why`. Nothing is decided here, and clients are told none of it.

use std::net::IpAddr;

use super::{Login, Registry, State};
use crate::model::{AccountName, Grant, Holder, Name, Presence, Served};
use crate::recent::{Decided, Proof, Rule};
use crate::update::{Edited, Hosts, Outcome, Policies, Refusal, Report, Said, Update};

impl Registry {
    /// Why nobody was let in: what the logins prove all the same, and the
    /// rule that refused them.
    pub fn why_refused(&self, logins: &[Login], hosts: &Hosts, source: IpAddr) -> (Proof, Rule) {
        let state = self.state();
        let now = self.now().served;
        let key = logins.iter().find_map(|login| wrong_use(&state, login, source, now));
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

    /// Whose secret it is that a login has; an account's password is taken on
    /// the user's word.
    pub fn holder(&self, logins: &[Login]) -> Option<Holder> {
        let state = self.state();
        let key = logins.iter().find_map(|login| state.key_by_secret(&login.secret));
        let user = || logins.iter().find_map(|login| user(&state, &login.user));
        key.map(|key| key.holder).or_else(user)
    }

    /// Why one host of an update was answered as it was.
    pub fn why(
        &self,
        state: &State,
        grant: &Grant,
        update: &Update,
        host: Option<&Name>,
        outcome: Outcome,
    ) -> Decided {
        let rule = why(state, &self.0.settings.policies, grant, update, host, outcome);
        Decided { host: host.cloned(), rule }
    }

    /// Why a change of records at or below a host was answered as it was.
    pub fn why_edited(
        &self,
        state: &State,
        grant: &Grant,
        name: Option<&Name>,
        edited: &Edited,
    ) -> Rule {
        let host = name.and_then(|name| state.host_above(name)).map(|host| host.name);
        match edited {
            Edited::Done { changed } => Rule::Records { changed: *changed },
            Edited::Unknown if name.is_none() => Rule::NotAName,
            Edited::Unknown => unknown(state, grant, host.as_ref().or(name)),
            Edited::NotAllowed => Rule::NotAllowed,
            Edited::Blocked => blocked(state, host.as_ref()),
            Edited::BadAddress => Rule::Other {
                words: "address: it cannot be published in this zone",
                advice: None,
                trouble: true,
            },
            Edited::BadData => Rule::BadData,
            Edited::BesideCname => Rule::Other {
                words: "records: a CNAME would stand beside others (RFC 1034 §3.6.2)",
                advice: Some(
                    "set the record where the CNAME points, or remove the CNAME: \
                     `truename host show HOST` lists what is there",
                ),
                trouble: true,
            },
            Edited::TooMany => Rule::Other {
                words: "records: the host has as many as it may have",
                advice: Some("take some away first: `truename host show HOST` lists them"),
                trouble: true,
            },
            Edited::Failed(_) => Rule::Other {
                words: "prerequisites: one does not hold, so nothing was done",
                advice: Some(
                    "the client expected something else to be there (RFC 2136 §2.4): look with \
                     `dig`, or leave the prerequisite out",
                ),
                trouble: true,
            },
        }
    }
}

/// A right secret, used as it may not be.
fn wrong_use(state: &State, login: &Login, source: IpAddr, now: Served) -> Option<(Holder, Rule)> {
    let key = state.key_by_secret(&login.secret)?;
    let holder = key.holder.clone();
    if let Some(until) = key.until.filter(|_| key.has_ended(now)) {
        let ago = now.since(until).as_secs();
        return Some((holder, Rule::EndedKey { key: key.id, ago }));
    }
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
    policies: &Policies,
    grant: &Grant,
    update: &Update,
    host: Option<&Name>,
    outcome: Outcome,
) -> Rule {
    match outcome {
        Outcome::Moved(_) | Outcome::Kept(_) if takes_away(&update.report) => Rule::Withdrawn,
        Outcome::Moved(_) => Rule::Moved,
        Outcome::Kept(_) if update.line.is_none() && is_absent(state, host) => Rule::Absent,
        Outcome::Kept(_) => Rule::Kept,
        Outcome::NotAName => match update.hosts {
            Hosts::Implied(_) => Rule::NoHost,
            Hosts::Listed(_) => Rule::NotAName,
        },
        Outcome::Unknown => unknown(state, grant, host),
        Outcome::Blocked => blocked(state, host),
        Outcome::BadAddress => bad_address(state, policies, host, &update.report),
        Outcome::BadPrefix => Rule::BadPrefix,
        Outcome::NotAllowed => Rule::NotAllowed,
        Outcome::Replayed => Rule::Replayed,
    }
}

/// Whether all that is said is that there is no address.
fn takes_away(report: &Report) -> bool {
    match *report {
        Report::Offline => true,
        Report::Addresses { v4, v6, prefix: Said::Nothing } => {
            !matches!(v4, Said::Is(_))
                && !matches!(v6, Said::Is(_))
                && (v4 == Said::Gone || v6 == Said::Gone)
        }
        Report::Addresses { .. } | Report::Unreadable => false,
    }
}

fn is_absent(state: &State, host: Option<&Name>) -> bool {
    let host = host.and_then(|name| state.host(name));
    host.is_some_and(|host| !matches!(host.presence, Presence::Present { .. }))
}

fn unknown(state: &State, grant: &Grant, host: Option<&Name>) -> Rule {
    let holder = grant.holder.clone();
    if host.is_some_and(|name| state.host(name).is_some()) {
        return Rule::NotThisKeys(holder);
    }
    let in_zone = host.is_some_and(|name| state.zone_of(name).is_some());
    Rule::NoSuchHost { holder, in_zone }
}

fn blocked(state: &State, host: Option<&Name>) -> Rule {
    match host.and_then(|name| state.host(name)) {
        Some(host) if host.blocked => Rule::HostBlocked,
        _ => Rule::OwnerBlocked,
    }
}

/// Which address it was, and what its zone has against it.
fn bad_address(state: &State, policies: &Policies, host: Option<&Name>, report: &Report) -> Rule {
    let Report::Addresses { v4, v6, .. } = *report else { return Rule::Unreadable };
    let mut addresses = Vec::new();
    if let Said::Is(v4) = v4 {
        addresses.push(IpAddr::V4(v4));
    }
    if let Said::Is(v6) = v6 {
        addresses.push(IpAddr::V6(v6));
    }
    let zone = host.and_then(|host| state.zone_of(host));
    let policy = zone.map(|(zone, _)| policies.of(zone)).unwrap_or_default();
    let refused = |address: IpAddr| Some((address, policy.refuses(address)?));
    match addresses.into_iter().find_map(refused) {
        Some((address, Refusal::Never)) => Rule::NotPublishable(address),
        Some((address, Refusal::NotGlobal)) => Rule::GlobalOnly(address),
        Some((address, Refusal::Own(own))) => Rule::OwnAddress { address, why: own.words() },
        None => Rule::Unreadable,
    }
}
