//! Hosts that come from another program with the secrets they had there, so
//! that their devices need nothing but a new server's name.
//!
//! Doing the same import again changes nothing: what is there already is said
//! to be there. One host is all done or not at all; those of a group are
//! written down together.

use std::fmt;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::command::{Command, CommandError, HostSettings};
use super::draft::Draft;
use super::foreign;
use crate::model::{AccountName, Addresses, Holder, May, Name, Now, Secret, Ttl};
use crate::update::Policies;

/// The shortest secret of another program that is taken without a word, in
/// characters: a thousand guesses a second take ages for it.
pub const MIN_SECRET: usize = 12;

/// The longest, in octets: more is never looked at when a client sends it.
const MAX_SECRET: usize = 256;

/// Different characters in a secret, at least.
const MIN_CHARACTERS: usize = 5;

/// A host of another program.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImportHost {
    /// Its name here.
    pub name: Name,
    /// The account that is to own it, made when there is none; its credential
    /// is the account's then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<AccountName>,
    /// What proves it.
    pub credential: Credential,
    /// What its key is good for.
    #[serde(default)]
    pub may: May,
    /// From where its key is good; empty: from anywhere.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub networks: Vec<IpNet>,
    /// Where it is now.
    pub addresses: Addresses,
    /// The TTL of its records, where it is not the default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<Ttl>,
    /// Whether `*.name` answers too.
    #[serde(default)]
    pub wildcard: bool,
    /// Blocked by a person.
    #[serde(default)]
    pub blocked: bool,
    /// What the key is for: where it came from.
    pub label: String,
}

/// What proves a host that is imported.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Credential {
    /// Nothing: keys are made later.
    None,
    /// A new key, made when the host is.
    New,
    /// The secret it had.
    Secret(String),
    /// What was kept of the secret it had: a hash of another program's.
    Hashed(String),
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Credential::None => "None",
            Credential::New => "New",
            Credential::Secret(_) => "Secret(…)",
            Credential::Hashed(_) => "Hashed(…)",
        })
    }
}

/// What became of one host of an import.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Imported {
    /// Its name.
    pub name: Name,
    /// What was done with the host.
    pub host: Step,
    /// What was done with its key; none: there is none to be had.
    pub key: Option<Step>,
    /// The token of a key that was made new: shown once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// What else is to be said of it; why, when it was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remark: Option<String>,
}

/// What was done with something that is imported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// It is new.
    Added,
    /// It was there and is another one now: an owner where there was none, a
    /// key that is good for one host more.
    Changed,
    /// It was there already, just so.
    Exists,
    /// Nothing: see the remark.
    Refused,
}

/// One host, done.
struct One {
    host: Step,
    key: Option<Step>,
    token: Option<String>,
    remark: Option<String>,
}

impl Draft {
    /// Imports hosts, or says what would happen.
    pub(super) fn import(
        &mut self,
        hosts: &[ImportHost],
        dry_run: bool,
        weak: bool,
        policies: &Policies,
        now: Now,
    ) -> Vec<Imported> {
        if dry_run {
            let mut scratch = Draft::new(&self.state, &self.snapshot);
            return scratch.import(hosts, false, weak, policies, now);
        }
        let each = hosts.iter().map(|host| {
            let before = self.clone();
            let done = self.import_one(host, weak, policies, now).unwrap_or_else(|why| {
                *self = before;
                One { host: Step::Refused, key: None, token: None, remark: Some(why.0) }
            });
            let One { host: step, key, token, remark } = done;
            Imported { name: host.name.clone(), host: step, key, token, remark }
        });
        each.collect()
    }

    fn import_one(
        &mut self,
        host: &ImportHost,
        weak: bool,
        policies: &Policies,
        now: Now,
    ) -> Result<One, CommandError> {
        if let Credential::Secret(secret) = &host.credential {
            is_fit(secret, weak).map_err(CommandError)?;
        }
        if let Some(owner) = &host.owner
            && self.state.account(owner).is_none()
        {
            let (name, password) = (owner.clone(), None);
            self.command(&Command::AccountAdd { name, password }, policies, now)?;
        }
        let (step, remark) = self.import_host(host, policies, now)?;
        let holder = match &host.owner {
            Some(owner) => Holder::Account(owner.clone()),
            None => Holder::Host(host.name.clone()),
        };
        let (key, token) = match &host.credential {
            Credential::None => (None, None),
            Credential::New if step != Step::Added => (None, None),
            Credential::New => {
                let token = self.import_key(host, holder, None, now);
                (Some(Step::Added), Some(token))
            }
            // Whose hash it is cannot be compared with anybody's: it stays the
            // host's own.
            Credential::Hashed(hash) => (Some(self.import_hash(host, hash, now)?), None),
            Credential::Secret(secret) => {
                (Some(self.import_secret(host, holder, secret, now)?), None)
            }
        };
        Ok(One { host: step, key, token, remark })
    }

    /// The host, with a remark when its address could not be taken.
    fn import_host(
        &mut self,
        host: &ImportHost,
        policies: &Policies,
        now: Now,
    ) -> Result<(Step, Option<String>), CommandError> {
        let name = host.name.clone();
        if let Some(known) = self.state.host(&name) {
            return match (&known.owner, &host.owner) {
                (_, None) => Ok((Step::Exists, None)),
                (Some(one), Some(other)) if one == other => Ok((Step::Exists, None)),
                (None, Some(owner)) => {
                    let owner = Some(Some(owner.clone()));
                    let settings = HostSettings { owner, ..HostSettings::default() };
                    self.command(&Command::HostSet { name, settings }, policies, now)?;
                    Ok((Step::Changed, None))
                }
                (Some(one), Some(other)) => Err(CommandError(format!(
                    "the host exists and belongs to the account {one}, not to {other}: import it \
                     with --owner {one}"
                ))),
            };
        }
        let settings = HostSettings {
            owner: host.owner.clone().map(Some),
            ttl: host.ttl.map(Some),
            wildcard: host.wildcard.then_some(true),
            blocked: host.blocked.then_some(true),
            addresses: (!host.addresses.is_empty()).then_some(host.addresses),
            ..HostSettings::default()
        };
        let add = |settings| Command::HostAdd { name: name.clone(), settings, key: false };
        let added = self.command(&add(settings.clone()), policies, now);
        let Err(refused) = added else { return Ok((Step::Added, None)) };
        if settings.addresses.is_none() {
            return Err(refused);
        }
        // An address that cannot be published here is no reason to leave the
        // host out: it will report another.
        let settings = HostSettings { addresses: None, ..settings };
        match self.command(&add(settings), policies, now) {
            Ok(_) => Ok((Step::Added, Some(format!("without its address: {refused}")))),
            Err(refused) => Err(refused),
        }
    }

    /// The secret the host had, as a key.
    fn import_secret(
        &mut self,
        host: &ImportHost,
        holder: Holder,
        secret: &str,
        now: Now,
    ) -> Result<Step, CommandError> {
        let secret = Secret(secret.to_owned());
        let Some(mut key) = self.state.key_by_secret(&secret) else {
            self.import_key(host, holder, Some(&secret), now);
            return Ok(Step::Added);
        };
        if key.holder != holder {
            return Err(CommandError(format!(
                "the key {} of {} has the same secret: where several hosts have one, it is an \
                 account's (`truename key remove {}`, then import them with --owner ACCOUNT)",
                key.id,
                key.holder.to_string().trim_end_matches('.'),
                key.id
            )));
        }
        if key.hosts.is_empty() || key.hosts.contains(&host.name) {
            return Ok(Step::Exists);
        }
        key.hosts.push(host.name.clone());
        self.put_key(key);
        Ok(Step::Changed)
    }

    /// The hash of the secret the host had, as a key. A host that has a key of
    /// the same origin has it already, perhaps with our own digest by now.
    fn import_hash(
        &mut self,
        host: &ImportHost,
        hash: &str,
        now: Now,
    ) -> Result<Step, CommandError> {
        if !foreign::is_known(hash) {
            return Err(CommandError(
                "its secret is kept in a form that cannot be checked here: leave it out with \
                 --no-keys, and make a new key with `truename key add`"
                    .into(),
            ));
        }
        let holder = Holder::Host(host.name.clone());
        if self.state.keys_of(&holder).any(|key| key.label == host.label) {
            return Ok(Step::Exists);
        }
        // The digest of a new token that nobody is told.
        let (mut key, _) = self.new_key(holder, now);
        key.networks.clone_from(&host.networks);
        key.may = host.may.clone();
        key.label.clone_from(&host.label);
        key.foreign = Some(hash.to_owned());
        self.put_key(key);
        Ok(Step::Added)
    }

    /// Makes a key, with this secret or a new one, which is returned. An
    /// account's is good for the hosts it is imported for, and no others.
    fn import_key(
        &mut self,
        host: &ImportHost,
        holder: Holder,
        secret: Option<&Secret>,
        now: Now,
    ) -> String {
        let hosts = match &holder {
            Holder::Account(_) => vec![host.name.clone()],
            Holder::Host(_) => Vec::new(),
        };
        let (mut key, token) = self.new_key(holder, now);
        if let Some(secret) = secret {
            key.digest = self.state.token_key.digest(secret);
        }
        key.hosts = hosts;
        key.networks.clone_from(&host.networks);
        key.may = host.may.clone();
        key.label.clone_from(&host.label);
        self.put_key(key);
        token
    }
}

/// Whether a secret of another program may be a key here.
fn is_fit(secret: &str, weak: bool) -> Result<(), String> {
    let mut characters: Vec<char> = secret.chars().collect();
    let length = characters.len();
    characters.sort_unstable();
    characters.dedup();
    if secret.is_empty() {
        return Err("its secret is empty".into());
    }
    if secret.len() > MAX_SECRET {
        return Err(format!(
            "its secret is longer than {MAX_SECRET} octets, which no client's may be"
        ));
    }
    if weak {
        return Ok(());
    }
    if length < MIN_SECRET {
        return Err(format!(
            "its secret has {length} characters, and under {MIN_SECRET} can be guessed: take it all \
             the same with --weak, or make a new key with `truename key add`"
        ));
    }
    if characters.len() < MIN_CHARACTERS {
        return Err(format!(
            "its secret is made of {} characters over and over: take it all the same with --weak, \
             or make a new key with `truename key add`",
            characters.len()
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::is_fit;

    #[test]
    fn secrets_that_can_be_guessed() {
        for (secret, fit) in [
            ("", false),
            ("short", false),
            ("elevenchars", false),
            ("twelve-chars", true),
            ("aaaaaaaaaaaaaaaa", false),
            ("5f3a7c1e-9b2d-4c8e-8f1a-0d2b4c6e8a90", true),
            ("größeres Geheimnis", true),
        ] {
            assert_eq!(is_fit(secret, false).is_ok(), fit, "{secret}");
            assert_eq!(is_fit(secret, true).is_ok(), !secret.is_empty(), "{secret}");
        }
        assert!(is_fit(&"abcdefgh".repeat(40), true).is_err());
    }
}
