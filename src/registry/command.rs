//! What an operator asks of a running server, and what comes back: the words
//! on the control socket, as JSON.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::{IpNet, Ipv6Net};
use serde::{Deserialize, Serialize};

use super::Purpose;
use super::import::{ImportHost, Imported};
use crate::model::{
    AccountName, Addresses, Change, Holder, Host, HostRecord, InterfaceId, KeyDigest, KeyId, Lease,
    May, Name, Serial, Timestamp, Ttl,
};
use crate::recent::View;
use crate::update::Edit;

/// What an operator asks.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "kebab-case")]
pub enum Command {
    /// Adds a host, with a key of its own unless told not to.
    HostAdd {
        /// Its name.
        name: Name,
        /// Its settings.
        settings: HostSettings,
        /// Whether a key is made for it.
        key: bool,
    },
    /// Changes settings of a host.
    HostSet {
        /// Its name.
        name: Name,
        /// What to change; what is absent stays.
        settings: HostSettings,
    },
    /// Shows one host.
    HostShow {
        /// Its name.
        name: Name,
    },
    /// Lists hosts.
    HostList {
        /// Only this account's.
        owner: Option<AccountName>,
        /// Only in this zone.
        zone: Option<Name>,
    },
    /// Removes a host, its keys and its history.
    HostRemove {
        /// Its name.
        name: Name,
    },
    /// Makes a host for whoever asks, good for TXT records alone.
    Register {
        /// The zone it is made in.
        zone: Name,
        /// From where its key may be used; empty: from anywhere.
        networks: Vec<IpNet>,
        /// How many such hosts there may be in all.
        most: usize,
    },
    /// Adds an account.
    AccountAdd {
        /// Its name.
        name: AccountName,
        /// A person's password, at least 8 characters; none: keys only.
        password: Option<String>,
    },
    /// Changes an account.
    AccountSet {
        /// Its name.
        name: AccountName,
        /// A new password; `Some("")` takes the password away.
        password: Option<String>,
        /// Blocked or not.
        blocked: Option<bool>,
    },
    /// Shows an account.
    AccountShow {
        /// Its name.
        name: AccountName,
    },
    /// Lists accounts.
    AccountList,
    /// Removes an account and its keys; refused while it owns hosts.
    AccountRemove {
        /// Its name.
        name: AccountName,
    },
    /// Makes a key. The token is in the reply and nowhere else.
    KeyAdd {
        /// Whose.
        holder: Holder,
        /// Only for these of the holder's hosts; empty: all.
        hosts: Vec<Name>,
        /// Only from these networks; empty: from anywhere.
        networks: Vec<IpNet>,
        /// What it is for.
        label: String,
        /// What it may change.
        #[serde(default)]
        may: May,
        /// For how long it is good; for ever where that is not said.
        #[serde(default)]
        ends: Option<Lease>,
    },
    /// Makes a key with the rights of another, which ends some time later.
    KeyRotate {
        /// The other's public number.
        id: KeyId,
        /// For how long both are good.
        overlap: Duration,
    },
    /// Changes what a key is limited to; what is absent stays.
    KeySet {
        /// Its public number.
        id: KeyId,
        /// Only for these hosts.
        hosts: Option<Vec<Name>>,
        /// Only from these networks.
        networks: Option<Vec<IpNet>>,
        /// What it is for.
        label: Option<String>,
        /// What it may change.
        #[serde(default)]
        may: Option<May>,
        /// For how long it is good from now on.
        #[serde(default)]
        ends: Option<Lease>,
    },
    /// Shows the secret a key has for one purpose.
    KeySecret {
        /// Its public number.
        id: KeyId,
        /// What for.
        purpose: Purpose,
    },
    /// A secret that is known by a foreign hash was used rightly: from now on
    /// it is known by its digest.
    #[serde(skip)]
    KeyAdopt {
        /// The key.
        id: KeyId,
        /// The digest.
        digest: KeyDigest,
    },
    /// Shows a key, never its token.
    KeyShow {
        /// Its public number.
        id: KeyId,
    },
    /// Lists keys.
    KeyList {
        /// Only this holder's.
        holder: Option<Holder>,
    },
    /// Removes a key.
    KeyRemove {
        /// Its public number.
        id: KeyId,
    },
    /// Changes records of hosts: all, or none.
    Edit {
        /// The changes.
        edits: Vec<Edit>,
    },
    /// Lists a host's records beside its addresses.
    Records {
        /// The host.
        host: Name,
    },
    /// What happened to a host, latest first.
    History {
        /// The host.
        host: Name,
    },
    /// The last requests, and why each was answered as it was.
    Why {
        /// Only a host's or an account's; none: everybody's, strangers too.
        about: Option<Holder>,
        /// So many at most, the latest.
        most: usize,
    },
    /// How the server is doing.
    Status,
    /// Adds hosts of another program, with the secrets they had there.
    Import {
        /// The hosts; a bounded group of them.
        hosts: Vec<ImportHost>,
        /// Nothing is changed: the reply says what would be.
        dry_run: bool,
        /// Secrets that can be guessed are taken, too.
        weak: bool,
    },
    /// Reads the zone files again.
    Reload,
    /// Reads them and says whether a reload would take them.
    Check,
    /// Writes the text dump into this file.
    Export {
        /// An absolute path, as the server sees it.
        file: PathBuf,
    },
}

/// Settings of a host to set; what is absent stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HostSettings {
    /// Who owns it; `Some(None)`: nobody.
    #[serde(skip_serializing_if = "Option::is_none", with = "absent_or_null")]
    pub owner: Option<Option<AccountName>>,
    /// Its TTL; `Some(None)`: the server's default.
    #[serde(skip_serializing_if = "Option::is_none", with = "absent_or_null")]
    pub ttl: Option<Option<Ttl>>,
    /// Its lease; `Some(None)`: the server's default.
    #[serde(skip_serializing_if = "Option::is_none", with = "absent_or_null")]
    pub lease: Option<Option<Lease>>,
    /// Whether `*.name` answers too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wildcard: Option<bool>,
    /// Blocked by a person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blocked: Option<bool>,
    /// Its place in a site; `Some(None)`: none.
    #[serde(skip_serializing_if = "Option::is_none", with = "absent_or_null")]
    pub site: Option<Option<SiteSetting>>,
    /// The prefix of the site it is the router of, as if it had reported it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix: Option<Ipv6Net>,
    /// Its addresses, as if it had reported exactly these; empty: withdrawn.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub addresses: Option<Addresses>,
}

/// A host's place in a site; what is absent stays as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SiteSetting {
    /// The host that reports the prefix.
    pub router: Name,
    /// Its interface id.
    pub interface: Option<InterfaceId>,
    /// Its subnet id.
    pub subnet: Option<u64>,
}

/// Tells an absent field from one that is null.
mod absent_or_null {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<T: Serialize, S: Serializer>(
        value: &Option<Option<T>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        value.as_ref().and_then(Option::as_ref).serialize(serializer)
    }

    pub fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Option<T>>, D::Error> {
        Option::<T>::deserialize(deserializer).map(Some)
    }
}

/// What comes back when it went well.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "reply", content = "value", rename_all = "kebab-case")]
pub enum Reply {
    /// It is done; a sentence for people.
    Done(String),
    /// A host was added; its key, if one was made.
    HostAdded {
        /// The host.
        host: HostView,
        /// Its key and token.
        key: Option<NewKey>,
    },
    /// One host.
    Host(HostView),
    /// Hosts in the order of names.
    Hosts(Vec<HostView>),
    /// One account.
    Account(AccountView),
    /// Accounts in the order of names.
    Accounts(Vec<AccountView>),
    /// A new key.
    KeyAdded(NewKey),
    /// A new key in the place of an old one.
    KeyRotated {
        /// The new one.
        new: NewKey,
        /// The old one's public number.
        old: KeyId,
        /// Seconds until the old one ends.
        ends_in: u64,
    },
    /// One key.
    Key(KeyView),
    /// Keys.
    Keys(Vec<KeyView>),
    /// The secret of a key for one purpose.
    Secret {
        /// The key.
        id: KeyId,
        /// What for.
        purpose: Purpose,
        /// As the purpose writes it: base64 for TSIG, hexadecimal digits for
        /// signed updates.
        secret: String,
    },
    /// Records of a host.
    Records {
        /// The records.
        records: Vec<HostRecord>,
        /// Seconds until each of them ends; `None`: it does not.
        end_in: Vec<Option<u64>>,
    },
    /// Changes, latest first.
    History(Vec<Change>),
    /// The last requests, latest first.
    Why(Vec<View>),
    /// What became of each host of an import, in the order asked.
    Imported(Vec<Imported>),
    /// How the server is doing.
    Status(Status),
    /// Why a reload would refuse the zone files, a line each; none: it would
    /// take them.
    Checked(Vec<String>),
}

/// A host as operators see it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HostView {
    /// The host as kept.
    #[serde(flatten)]
    pub host: Host,
    /// Its zone; none when that zone is not served any more.
    pub zone: Option<Name>,
    /// The TTL in force, in seconds.
    pub effective_ttl: Ttl,
    /// The lease in force.
    pub effective_lease: Lease,
    /// Seconds until the lease ends, if it is present and the lease ends.
    pub lapses_in: Option<u64>,
    /// The public numbers of its own keys.
    pub keys: Vec<KeyId>,
    /// Seconds until each of its records ends; `None`: it does not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub records_end_in: Vec<Option<u64>>,
}

/// An account as operators see it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AccountView {
    /// Its name.
    pub name: AccountName,
    /// Whether it has a password.
    pub password: bool,
    /// Blocked by a person.
    pub blocked: bool,
    /// When it was made.
    pub created: Timestamp,
    /// Its hosts.
    pub hosts: Vec<Name>,
    /// The public numbers of its keys.
    pub keys: Vec<KeyId>,
}

/// A key as operators see it: without its token.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KeyView {
    /// Its public number.
    pub id: KeyId,
    /// Whose it is.
    pub holder: Holder,
    /// Only for these hosts; empty: all of the holder's.
    pub hosts: Vec<Name>,
    /// Only from these networks; empty: from anywhere.
    pub networks: Vec<IpNet>,
    /// What it is for.
    pub label: String,
    /// What it may change.
    pub may: May,
    /// When it was made.
    pub created: Timestamp,
    /// Seconds until it ends, 0 once it has; `None`: it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends_in: Option<u64>,
}

/// A key just made, with the only copy of its token.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct NewKey {
    /// The key.
    pub key: KeyView,
    /// The token: goes into the client's password field. Shown once.
    pub token: String,
}

/// How the server is doing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// This program's version.
    pub version: String,
    /// Seconds since this start.
    pub uptime: u64,
    /// Each zone.
    pub zones: Vec<ZoneStatus>,
    /// Hosts in all.
    pub hosts: usize,
    /// Hosts in the DNS now.
    pub present: usize,
    /// Accounts.
    pub accounts: usize,
    /// Keys.
    pub keys: usize,
    /// What has been counted since the start by the servers that strangers
    /// reach, by name.
    #[serde(default)]
    pub counts: BTreeMap<String, u64>,
    /// Words of warning: what happened at the start, and what speaks against the
    /// configuration, the zones and the certificate.
    pub warnings: Vec<String>,
}

/// How a zone is doing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ZoneStatus {
    /// Its apex.
    pub zone: Name,
    /// Its serial.
    pub serial: Serial,
    /// Its file.
    pub file: PathBuf,
    /// Hosts in it.
    pub hosts: usize,
}

/// Why a command was not done: a sentence that says what to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CommandError(pub String);

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for CommandError {}
