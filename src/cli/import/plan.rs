//! From what a file says to what the server is asked: names here, whose hosts
//! they are, and what proves them. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::import::{Entry, Source};
use crate::model::{AccountName, May, Name, RecordType, Ttl};
use crate::registry::{Credential, ImportHost};

/// What the operator says, and what is there.
pub struct Options {
    pub source: Source,
    pub zone: Option<Name>,
    pub instead_of: Option<Name>,
    pub owner: Option<AccountName>,
    /// Whether hosts without a secret get a new key.
    pub new_keys: bool,
    /// The zones served.
    pub served: Vec<Name>,
    /// The accounts there are.
    pub accounts: BTreeSet<AccountName>,
}

/// One host of a file.
pub struct Planned {
    /// Its name there.
    pub from: String,
    /// Where it stands.
    pub place: String,
    /// What the server is asked, or why it is not.
    pub host: Result<ImportHost, String>,
}

impl Planned {
    /// Whether it comes with addresses.
    pub fn has_addresses(&self) -> bool {
        self.host.as_ref().is_ok_and(|host| !host.addresses.is_empty())
    }
}

/// What clients put into the user field where nothing belongs.
const NOBODY: [&str; 9] =
    ["", "none", "nouser", "null", "token", "unused", "anything", "user", "username"];

/// Plans every host of a file.
///
/// A secret of one host becomes the host's own key. A secret of several is an
/// account's, which owns them; so is one that is an account's by its nature,
/// and one of a client that logs in as an account that there is. Such a key is
/// good for the hosts it was good for, and no others.
pub fn plan(entries: Vec<Entry>, options: &Options) -> Vec<Planned> {
    let targets: Vec<Result<Name, String>> =
        entries.iter().map(|entry| target(entry, options)).collect();
    let mut hosts_of: BTreeMap<&str, BTreeSet<&[u8]>> = BTreeMap::new();
    for (entry, target) in entries.iter().zip(&targets) {
        if let (Some(secret), Ok(name)) = (&entry.secret, target) {
            hosts_of.entry(secret).or_default().insert(name.wire());
        }
    }
    let is_shared = |secret: &str| {
        options.source.is_of_an_account()
            || hosts_of.get(secret).is_some_and(|hosts| hosts.len() > 1)
    };
    // One account a secret: that of the first who logs in with it.
    let mut accounts: BTreeMap<&str, AccountName> = BTreeMap::new();
    for entry in &entries {
        if let Some(secret) = entry.secret.as_deref().filter(|secret| is_shared(secret)) {
            accounts.entry(secret).or_insert_with(|| account(entry, options));
        }
    }
    let known: BTreeSet<AccountName> =
        accounts.values().chain(&options.accounts).cloned().collect();
    let owner = |entry: &Entry| {
        let shared = entry.secret.as_deref().and_then(|secret| accounts.get(secret));
        let login = || login(entry).filter(|login| known.contains(login));
        options.owner.clone().or_else(|| shared.cloned()).or_else(login)
    };
    let owners: Vec<Option<AccountName>> = entries.iter().map(owner).collect();
    drop((hosts_of, accounts));
    let each =
        entries.into_iter().zip(targets).zip(owners).map(|((entry, target), owner)| Planned {
            from: entry.name.clone(),
            place: entry.place.clone(),
            host: target.map(|name| host(name, owner, entry, options)),
        });
    each.collect()
}

fn host(name: Name, owner: Option<AccountName>, entry: Entry, options: &Options) -> ImportHost {
    let credential = match (entry.secret, entry.hashed) {
        (Some(secret), _) => Credential::Secret(secret),
        (None, Some(hash)) if options.new_keys => Credential::Hashed(hash),
        _ if options.new_keys => Credential::New,
        _ => Credential::None,
    };
    let may = match entry.acme_only {
        true => May { addresses: false, acme: true, types: vec![RecordType::TXT] },
        false => May::default(),
    };
    ImportHost {
        name,
        owner,
        credential,
        may,
        networks: entry.networks,
        addresses: entry.addresses,
        // One that no host can have here is not kept.
        ttl: entry.ttl.and_then(|ttl| Ttl::try_from(ttl).ok()),
        wildcard: entry.wildcard,
        blocked: entry.blocked,
        label: format!("from {}", options.source),
    }
}

/// Whom a client logs in as, if that can be an account.
fn login(entry: &Entry) -> Option<AccountName> {
    let login = entry.login.as_deref()?;
    if NOBODY.contains(&login.to_ascii_lowercase().as_str()) {
        return None;
    }
    login.parse().ok()
}

/// The account for a secret that several hosts have.
fn account(entry: &Entry, options: &Options) -> AccountName {
    let fallback = match options.source {
        source if source.is_of_an_account() => source.word(),
        _ => "imported",
    };
    let fallback = || fallback.parse().expect("it is an account's name");
    // One who logs in as a host is no account.
    let is_host = |login: &AccountName| {
        login.as_str().parse::<Name>().is_ok_and(|name| {
            name.depth() > 1 && options.served.iter().any(|zone| name.is_within(zone))
        })
    };
    options
        .owner
        .clone()
        .or_else(|| login(entry).filter(|login| !is_host(login)))
        .unwrap_or_else(fallback)
}

/// The name of a host here.
fn target(entry: &Entry, options: &Options) -> Result<Name, String> {
    let text = entry.name.trim().trim_end_matches('.');
    if text == "@" || text.is_empty() {
        return Err(
            "it stands for the zone itself, which is no host: give it a name below it".into()
        );
    }
    let ascii = idna::domain_to_ascii(text).ok().filter(|_| !text.is_ascii());
    let name: Name = ascii
        .as_deref()
        .unwrap_or(text)
        .parse()
        .map_err(|error| format!("{error}, so it is no host's name"))?;
    if name.is_wildcard() {
        return Err("a wildcard is a setting of the host above it: `truename host set HOST \
                    --wildcard on`"
            .into());
    }
    let is_below = |zone: &Name| name.is_within(zone) && name != *zone;
    if name.depth() > 1 {
        let kept = match &options.zone {
            Some(zone) => is_below(zone) && options.instead_of.is_none(),
            None => options.served.iter().any(is_below),
        };
        if kept {
            return Ok(name);
        }
    }
    let below = match (&options.zone, &options.served[..]) {
        (Some(zone), _) => zone,
        // A short name can mean one zone only.
        (None, [zone]) if name.depth() == 1 => zone,
        (None, served) => {
            let served: Vec<String> = served.iter().map(Name::without_dot).collect();
            return Err(format!(
                "it is below none of the zones served here ({}): --zone ZONE puts it below one",
                served.join(", ")
            ));
        }
    };
    let stripped = stripped(&name, entry, options)?;
    let labels: Vec<&[u8]> = name.labels().take(name.depth() - stripped).collect();
    labels
        .iter()
        .rev()
        .try_fold(below.clone(), |zone, label| zone.child(label))
        .map_err(|error| format!("below {} {error}", below.without_dot()))
}

/// How many labels at the end of a name are the other provider's.
fn stripped(name: &Name, entry: &Entry, options: &Options) -> Result<usize, String> {
    if let Some(suffix) = &options.instead_of {
        if !name.is_within(suffix) || name == suffix {
            return Err(format!("it is not below {}", suffix.without_dot()));
        }
        return Ok(suffix.depth());
    }
    if name.depth() == 1 {
        return Ok(0);
    }
    match &entry.zone {
        Some(zone) if name.is_within(zone) && name != zone => Ok(zone.depth()),
        // A provider's domain has two labels, mostly.
        _ if name.depth() > 2 => Ok(2),
        _ => {
            Err("nothing would be left of its name without the domain: say with --instead-of what \
             --zone is to stand in the place of"
                .into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(source: Source, zone: Option<&str>) -> Options {
        Options {
            source,
            zone: zone.map(|zone| zone.parse().unwrap()),
            instead_of: None,
            owner: None,
            new_keys: true,
            served: vec!["dyn.example.org".parse().unwrap()],
            accounts: BTreeSet::new(),
        }
    }

    /// `name login secret`, a line a host, to `name owner` or a refusal.
    fn planned(lines: &str, options: &Options) -> Vec<String> {
        let entries = lines.lines().map(|line| {
            let mut words = line.split(' ').map(|word| (word != "-").then(|| word.to_owned()));
            let name = words.next().flatten().unwrap();
            let (login, secret) = (words.next().flatten(), words.next().flatten());
            Entry { name, login, secret, ..Entry::default() }
        });
        plan(entries.collect(), options)
            .into_iter()
            .map(|planned| match planned.host {
                Ok(host) => {
                    let owner = host.owner.map_or("-".into(), |owner| owner.to_string());
                    format!("{} {owner}", host.name.without_dot())
                }
                Err(why) => {
                    why.split(|c: char| ":(,".contains(c)).next().unwrap().trim().to_owned()
                }
            })
            .collect()
    }

    #[test]
    fn names_here() {
        let none = "it is below none of the zones served here";
        for (name, zone, expected) in [
            ("home.dyn.example.org", None, "home.dyn.example.org -"),
            ("home", None, "home.dyn.example.org -"),
            ("Home.DynDNS.org", None, none),
            ("dyn.example.org", None, none),
            ("home.dyndns.org", Some("dyn.example.org"), "home.dyn.example.org -"),
            ("nas.home.dyndns.org", Some("dyn.example.org"), "nas.home.dyn.example.org -"),
            ("home.dyn.example.org", Some("dyn.example.org"), "home.dyn.example.org -"),
            ("home", Some("x.example"), "home.x.example -"),
            (
                "example.com",
                Some("x.example"),
                "nothing would be left of its name without the domain",
            ),
            ("größe.dyndns.org", Some("x.example"), "xn--gre-6ka8i.x.example -"),
            ("@", None, "it stands for the zone itself"),
            ("*.home.dyn.example.org", None, "a wildcard is a setting of the host above it"),
        ] {
            let seen = planned(&format!("{name} - -"), &options(Source::Ddclient, zone));
            assert_eq!(seen, [expected], "{name}");
        }
        let mut instead = options(Source::Ddclient, Some("dyn.example.org"));
        instead.instead_of = Some("ddns.example.co.uk".parse().unwrap());
        assert_eq!(planned("home.ddns.example.co.uk - -", &instead), ["home.dyn.example.org -"]);
        assert_eq!(
            planned("home.dyndns.org - -", &instead),
            ["it is not below ddns.example.co.uk"]
        );
    }

    #[test]
    fn who_owns_them() {
        let two_secrets = "a ann one\nb ann two";
        assert_eq!(
            planned(two_secrets, &options(Source::Ddclient, None)),
            ["a.dyn.example.org -", "b.dyn.example.org -"]
        );
        let shared = "a ann one\nb bob one\nc ann two\nd carl three\nd carl three";
        assert_eq!(
            planned(shared, &options(Source::Ddclient, None)),
            [
                "a.dyn.example.org ann",
                "b.dyn.example.org ann",
                // Who logs in as ann is refused unless the host is ann's.
                "c.dyn.example.org ann",
                "d.dyn.example.org -",
                "d.dyn.example.org -",
            ]
        );
        assert_eq!(
            planned("a - t", &options(Source::Duckdns, None)),
            ["a.dyn.example.org duckdns"]
        );
        assert_eq!(
            planned("a a.dyn.example.org t\nb none t", &options(Source::Inadyn, None)),
            ["a.dyn.example.org imported", "b.dyn.example.org imported"]
        );
        let mut owned = options(Source::Zonefile, None);
        owned.owner = Some("ann".parse().unwrap());
        assert_eq!(planned("a - -", &owned), ["a.dyn.example.org ann"]);
        let mut there = options(Source::Ddclient, None);
        there.accounts.insert("ann".parse().unwrap());
        assert_eq!(planned("a ann one", &there), ["a.dyn.example.org ann"]);
    }
}
