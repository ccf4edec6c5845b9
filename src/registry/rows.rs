//! The form at rest: what each row of the store holds.
//!
//! | key | value |
//! |---|---|
//! | `meta/token-key` | the key under which tokens are digested, 64 hexadecimal digits |
//! | `meta/served` | seconds the store was served when heartbeats were last written down |
//! | `meta/imported` | left by an import; the first start raises serials and takes it away |
//! | `zone/NAME` | [`ZoneRow`]: serial, and what it was published from |
//! | `host/NAME` | a host, its presence and its latest report |
//! | `account/NAME` | an account |
//! | `key/ID` | a key: the digest of its token, what it is limited to |
//! | `history/NAME/NN` | one Change; a ring of [`HISTORY`] slots a host, numbered by the count of its changes |
//!
//! Values are JSON objects whose `v` is the version of their form, so the
//! text dump is these rows as they are. A change of form gets a new number;
//! every older one stays readable (`tests` below hold one of each).

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::secrets::TokenKey;
use crate::model::{
    Account, AccountName, Addresses, Cause, Change, Holder, Host, Key, KeyDigest, KeyId,
    LastReport, Lease, Name, Presence, Protocol, Serial, Served, Timestamp, Ttl,
};
use crate::store::{StoreError, Write};

/// How many Changes of a host are kept: the latest ones.
pub const HISTORY: u64 = 64;

pub(super) const HOSTS: &str = "host/";
pub(super) const ACCOUNTS: &str = "account/";
pub(super) const KEYS: &str = "key/";
pub(super) const ZONES: &str = "zone/";
pub(super) const META: &str = "meta/";
pub(super) const SERVED: &str = "meta/served";
pub(super) const TOKEN_KEY: &str = "meta/token-key";

/// What is remembered of a zone: its serial never falls, whatever its file
/// says, and rises when one of the others changed while we were down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ZoneRow {
    v: u8,
    /// The latest serial published.
    pub serial: Serial,
    /// The digest of the fixed records it was published with.
    pub digest: u64,
    /// The default TTL it was published with.
    pub ttl: Ttl,
}

impl ZoneRow {
    pub(super) fn new(serial: Serial, digest: u64, ttl: Ttl) -> ZoneRow {
        ZoneRow { v: 1, serial, digest, ttl }
    }
}

#[derive(Serialize, Deserialize)]
struct HostV1 {
    v: u8,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    owner: Option<AccountName>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ttl: Option<Ttl>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lease: Option<Lease>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    wildcard: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    blocked: bool,
    created: Timestamp,
    presence: PresenceV1,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    report: Option<ReportV1>,
    #[serde(default)]
    changes: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum PresenceV1 {
    Unheard,
    Present { at: Addresses, heard: Served },
    Lapsed(Timestamp),
    Offline(Timestamp),
}

#[derive(Serialize, Deserialize)]
struct ReportV1 {
    at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    from: Option<IpAddr>,
    by: Protocol,
}

#[derive(Serialize, Deserialize)]
struct AccountV1 {
    v: u8,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    password: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    blocked: bool,
    created: Timestamp,
}

#[derive(Serialize, Deserialize)]
struct KeyV1 {
    v: u8,
    holder: Holder,
    digest: KeyDigest,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    hosts: Vec<Name>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    networks: Vec<IpNet>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    label: String,
    created: Timestamp,
}

#[derive(Serialize, Deserialize)]
struct ChangeV1 {
    v: u8,
    serial: Serial,
    at: Timestamp,
    before: Addresses,
    after: Addresses,
    cause: Cause,
}

fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("rows have text keys and finite numbers")
}

fn read<'a, T: Deserialize<'a>>(key: &str, value: &'a [u8]) -> Result<T, StoreError> {
    serde_json::from_slice(value).map_err(|error| unreadable(key, &error.to_string()))
}

fn unreadable(key: &str, why: &str) -> StoreError {
    StoreError::Broken(format!(
        "the store's row `{key}` cannot be read ({why}); was it written by a newer truename?"
    ))
}

/// The name or number in a key, behind its prefix.
fn named<T: std::str::FromStr>(key: &str, prefix: &str) -> Result<T, StoreError> {
    let name = key.strip_prefix(prefix).and_then(|name| name.parse().ok());
    name.ok_or_else(|| unreadable(key, "its key is no name"))
}

pub(super) fn host_key(name: &Name) -> String {
    format!("{HOSTS}{}", name.without_dot())
}

pub(super) fn put_host(host: &Host) -> Write {
    let row = HostV1 {
        v: 1,
        owner: host.owner.clone(),
        ttl: host.ttl,
        lease: host.lease,
        wildcard: host.wildcard,
        blocked: host.blocked,
        created: host.created,
        presence: match host.presence {
            Presence::Unheard => PresenceV1::Unheard,
            Presence::Present { addresses, heard } => PresenceV1::Present { at: addresses, heard },
            Presence::Lapsed { since } => PresenceV1::Lapsed(since),
            Presence::Offline { since } => PresenceV1::Offline(since),
        },
        report: host.last_report.map(|r| ReportV1 { at: r.at, from: r.source, by: r.protocol }),
        changes: host.changes,
    };
    Write::Put(host_key(&host.name), json(&row))
}

pub(super) fn read_host(key: &str, value: &[u8]) -> Result<Host, StoreError> {
    let row: HostV1 = read(key, value)?;
    Ok(Host {
        name: named(key, HOSTS)?,
        owner: row.owner,
        ttl: row.ttl,
        lease: row.lease,
        wildcard: row.wildcard,
        blocked: row.blocked,
        created: row.created,
        presence: match row.presence {
            PresenceV1::Unheard => Presence::Unheard,
            PresenceV1::Present { at, heard } => Presence::Present { addresses: at, heard },
            PresenceV1::Lapsed(since) => Presence::Lapsed { since },
            PresenceV1::Offline(since) => Presence::Offline { since },
        },
        last_report: row.report.map(|r| LastReport { at: r.at, source: r.from, protocol: r.by }),
        changes: row.changes,
    })
}

pub(super) fn account_key(name: &AccountName) -> String {
    format!("{ACCOUNTS}{name}")
}

pub(super) fn put_account(account: &Account) -> Write {
    let row = AccountV1 {
        v: 1,
        password: account.password.clone(),
        blocked: account.blocked,
        created: account.created,
    };
    Write::Put(account_key(&account.name), json(&row))
}

pub(super) fn read_account(key: &str, value: &[u8]) -> Result<Account, StoreError> {
    let row: AccountV1 = read(key, value)?;
    Ok(Account {
        name: named(key, ACCOUNTS)?,
        password: row.password,
        blocked: row.blocked,
        created: row.created,
    })
}

pub(super) fn key_key(id: &KeyId) -> String {
    format!("{KEYS}{id}")
}

pub(super) fn put_key(key: &Key) -> Write {
    let row = KeyV1 {
        v: 1,
        holder: key.holder.clone(),
        digest: key.digest,
        hosts: key.hosts.clone(),
        networks: key.networks.clone(),
        label: key.label.clone(),
        created: key.created,
    };
    Write::Put(key_key(&key.id), json(&row))
}

pub(super) fn read_key(key: &str, value: &[u8]) -> Result<Key, StoreError> {
    let row: KeyV1 = read(key, value)?;
    Ok(Key {
        id: KeyId(named(key, KEYS)?),
        holder: row.holder,
        digest: row.digest,
        hosts: row.hosts,
        networks: row.networks,
        label: row.label,
        created: row.created,
    })
}

pub(super) fn put_zone(origin: &Name, row: &ZoneRow) -> Write {
    Write::Put(format!("{ZONES}{}", origin.without_dot()), json(row))
}

pub(super) fn read_zone(key: &str, value: &[u8]) -> Result<(Name, ZoneRow), StoreError> {
    Ok((named(key, ZONES)?, read(key, value)?))
}

/// The keys of a host's history begin with this.
pub(super) fn history_prefix(host: &Name) -> String {
    format!("history/{}/", host.without_dot())
}

/// The slot of a host's `count`th change, from 0.
pub(super) fn history_key(host: &Name, count: u64) -> String {
    format!("{}{:02}", history_prefix(host), count % HISTORY)
}

/// The row of a host's `count`th change, from 0; it takes the place of the
/// one [`HISTORY`] changes earlier.
pub(super) fn put_change(change: &Change, count: u64) -> Write {
    let row = ChangeV1 {
        v: 1,
        serial: change.serial,
        at: change.at,
        before: change.before,
        after: change.after,
        cause: change.cause,
    };
    Write::Put(history_key(&change.host, count), json(&row))
}

pub(super) fn read_change(host: &Name, key: &str, value: &[u8]) -> Result<Change, StoreError> {
    let row: ChangeV1 = read(key, value)?;
    Ok(Change {
        host: host.clone(),
        serial: row.serial,
        at: row.at,
        before: row.before,
        after: row.after,
        cause: row.cause,
    })
}

pub(super) fn put_served(served: Served) -> Write {
    Write::Put(SERVED.into(), json(&served))
}

pub(super) fn read_served(key: &str, value: &[u8]) -> Result<Served, StoreError> {
    read(key, value)
}

pub(super) fn put_token_key(key: TokenKey) -> Write {
    Write::Put(TOKEN_KEY.into(), json(&key.to_hex()))
}

pub(super) fn read_token_key(key: &str, value: &[u8]) -> Result<TokenKey, StoreError> {
    let hex: String = read(key, value)?;
    TokenKey::from_hex(&hex).ok_or_else(|| unreadable(key, "it is not 64 hexadecimal digits"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows as version 0.1 wrote them; they must be read, and written, like
    /// this for ever (or a newer version number stands beside them).
    #[test]
    fn rows_of_every_version_are_read() {
        let key = "host/home.dyn.example.org";
        for value in [
            r#"{"v":1,"created":1000,"presence":"unheard","changes":0}"#,
            r#"{"v":1,"owner":"ann","ttl":120,"lease":"7d","wildcard":true,"blocked":true,"created":1000,"presence":{"present":{"at":{"v4":"192.0.2.1","v6":"2001:db8::1"},"heard":77}},"report":{"at":1234,"from":"203.0.113.9","by":"dyndns2"},"changes":3}"#,
            r#"{"v":1,"created":1000,"presence":{"lapsed":5},"changes":0}"#,
            r#"{"v":1,"lease":"never","created":1000,"presence":{"offline":5},"changes":0}"#,
        ] {
            let host = read_host(key, value.as_bytes()).unwrap();
            assert_eq!(put_host(&host), Write::Put(key.into(), value.into()));
        }
        let key = "account/ann";
        let value = r#"{"v":1,"password":"$argon2id$…","blocked":true,"created":1}"#;
        let account = read_account(key, value.as_bytes()).unwrap();
        assert_eq!(put_account(&account), Write::Put(key.into(), value.into()));

        let digest = "00".repeat(32);
        for holder in [r#"{"account":"ann"}"#, r#"{"host":"home.dyn.example.org"}"#] {
            let key = "key/abcdefgh";
            let value = format!(
                r#"{{"v":1,"holder":{holder},"digest":"{digest}","hosts":["a.dyn.example.org"],"networks":["192.0.2.0/24"],"label":"box","created":1}}"#
            );
            let read = read_key(key, value.as_bytes()).unwrap();
            assert_eq!(put_key(&read), Write::Put(key.into(), value.into()));
        }

        let key = "zone/dyn.example.org";
        let value = r#"{"v":1,"serial":7,"digest":12345678901234567890,"ttl":60}"#;
        let (origin, row) = read_zone(key, value.as_bytes()).unwrap();
        assert_eq!(put_zone(&origin, &row), Write::Put(key.into(), value.into()));

        let key = "history/home.dyn.example.org/02";
        for cause in [
            r#"{"report":{"protocol":"dyndns2","source":"203.0.113.9"}}"#,
            r#"{"report":{"protocol":"command"}}"#,
            r#""lapse""#,
            r#""setting""#,
            r#""removal""#,
        ] {
            let value = format!(
                r#"{{"v":1,"serial":7,"at":9,"before":{{}},"after":{{"v4":"192.0.2.1"}},"cause":{cause}}}"#
            );
            let host = "home.dyn.example.org".parse().unwrap();
            let change = read_change(&host, key, value.as_bytes()).unwrap();
            assert_eq!(put_change(&change, 66), Write::Put(key.into(), value.into()));
        }
    }
}
