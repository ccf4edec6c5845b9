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
//! | `registered/NAME` | of a name that somebody made for themselves and has not used yet: when it ends (`register.rs`) |
//! | `history/NAME/NN` | one Change; a ring of [`HISTORY`] slots a host, numbered by the count of its changes |
//!
//! Values are JSON, so the text dump is these rows as they are: objects whose
//! `v` is the version of their form, or, where there are a million rows,
//! arrays whose first element is. A change of form gets a new number; every
//! older one stays readable (`tests` below hold one of each). A row keeps the
//! form it was written in until it is written again.

use std::net::{IpAddr, Ipv6Addr};

use ipnet::{IpNet, Ipv6Net};
use serde::{Deserialize, Serialize};

use super::record_row::RecordV3;
use super::rows_v1::{ChangeV1, HostV1, KeyV1};
use super::secrets::TokenKey;
use crate::model::{
    Account, AccountName, Addresses, Cause, Change, Holder, Host, Key, KeyDigest, KeyId,
    LastReport, Lease, May, Name, Presence, Protocol, Serial, Served, Site, Timestamp, Ttl,
};
use crate::store::{StoreError, Write};

/// How many Changes of a host are kept: the latest ones.
pub const HISTORY: u64 = 64;

pub(super) const HOSTS: &str = "host/";
pub(super) const ACCOUNTS: &str = "account/";
pub(super) const KEYS: &str = "key/";
/// Rows of history; they are not read at a start.
pub(super) const HISTORY_ROWS: &str = "history/";
pub(super) const ZONES: &str = "zone/";
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

/// `[2, owner, created, changes, standing, addresses, when, report, settings]`:
/// `when` it was last heard (present) or withdrawn (lapsed, offline).
#[derive(Serialize, Deserialize)]
struct HostV2(
    u8,
    Option<AccountName>,
    Timestamp,
    u64,
    StandingV2,
    #[serde(with = "text")] Addresses,
    i64,
    Option<ReportV2>,
    Option<SettingsV2>,
);

/// Version 3 is version 2 with what few hosts have at its end; hosts without
/// it are written in version 2.
#[derive(Serialize, Deserialize)]
struct HostV3(
    u8,
    Option<AccountName>,
    Timestamp,
    u64,
    StandingV2,
    #[serde(with = "text")] Addresses,
    i64,
    Option<ReportV2>,
    Option<SettingsV2>,
    RareV3,
);

/// What few hosts have: a place in a site, a prefix, records.
#[derive(Default, PartialEq, Serialize, Deserialize)]
struct RareV3 {
    /// The router, and what follows the prefix.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    site: Option<(Name, Ipv6Addr)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    prefix: Option<Ipv6Net>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    records: Vec<RecordV3>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum StandingV2 {
    Unheard,
    Present,
    Lapsed,
    Offline,
}

/// `[at, from, by]`
#[derive(Serialize, Deserialize)]
struct ReportV2(Timestamp, Option<IpAddr>, Protocol);

/// `[ttl, lease, wildcard, blocked]`; absent when all are the usual ones.
#[derive(PartialEq, Serialize, Deserialize)]
struct SettingsV2(Option<Ttl>, Option<Lease>, bool, bool);

/// `[2, "host" or "account", its name, digest, created, limits]`
#[derive(Serialize, Deserialize)]
struct KeyV2(u8, HolderV2, String, KeyDigest, Timestamp, Option<LimitsV2>);

/// Version 3 is version 2 with `[may, stamp, foreign hash]` at its end; keys
/// that may the usual and have neither are written in version 2.
#[derive(Serialize, Deserialize)]
struct KeyV3(
    u8,
    HolderV2,
    String,
    KeyDigest,
    Timestamp,
    Option<LimitsV2>,
    May,
    u64,
    Option<String>,
);

/// Version 4 is version 3 with the end of the key at its end; only keys that
/// end are written in it.
#[derive(Serialize, Deserialize)]
struct KeyV4(
    u8,
    HolderV2,
    String,
    KeyDigest,
    Timestamp,
    Option<LimitsV2>,
    May,
    u64,
    Option<String>,
    Served,
);

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum HolderV2 {
    Host,
    Account,
}

/// `[hosts, networks, label]`; absent when the key has none of them.
#[derive(Serialize, Deserialize)]
struct LimitsV2(Vec<Name>, Vec<IpNet>, String);

/// `[2, serial, at, before, after, why, from]`
#[derive(Serialize, Deserialize)]
struct ChangeV2(
    u8,
    Serial,
    Timestamp,
    #[serde(with = "text")] Addresses,
    #[serde(with = "text")] Addresses,
    WhyV2,
    Option<IpAddr>,
);

/// A [`Cause`]; a report is named by its protocol.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum WhyV2 {
    Report(Protocol),
    Other(OtherV2),
    Records(ByV2, Protocol),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum OtherV2 {
    Lapse,
    Setting,
    Removal,
    Renumbered,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum ByV2 {
    Records,
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

pub(super) fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("rows have text keys and finite numbers")
}

pub(super) fn read<'a, T: Deserialize<'a>>(key: &str, value: &'a [u8]) -> Result<T, StoreError> {
    serde_json::from_slice(value).map_err(|error| unreadable(key, &error.to_string()))
}

/// Rows of version 1 are objects, those of version 2 are arrays.
fn is_v1(value: &[u8]) -> bool {
    value.starts_with(b"{")
}

fn read_v2<'a, T: Deserialize<'a>>(key: &str, value: &'a [u8]) -> Result<T, StoreError> {
    if !value.starts_with(b"[2,") {
        return Err(unreadable(key, "it is of no version known here"));
    }
    read(key, value)
}

/// What is written as text in a row.
mod text {
    use std::fmt::Display;

    use serde::Serializer;

    pub fn serialize<S: Serializer>(value: &impl Display, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(value)
    }

    pub use crate::model::parsed as deserialize;
}

pub(super) fn unreadable(key: &str, why: &str) -> StoreError {
    StoreError::Broken(format!(
        "the store's row `{key}` cannot be read ({why}); was it written by a newer truename?"
    ))
}

/// The name or number in a key, behind its prefix.
pub(super) fn named<T: std::str::FromStr>(key: &str, prefix: &str) -> Result<T, StoreError> {
    let name = key.strip_prefix(prefix).and_then(|name| name.parse().ok());
    name.ok_or_else(|| unreadable(key, "its key is no name"))
}

/// The DNS name in a key, which has one spelling: a change of what it names is
/// written into the row with that key.
fn spelt(key: &str, prefix: &str) -> Result<Name, StoreError> {
    let name: Name = named(key, prefix)?;
    let right = format!("{prefix}{}", name.without_dot());
    if key == right { Ok(name) } else { Err(unreadable(key, &format!("it is to be {right}"))) }
}

pub(super) fn host_key(name: &Name) -> String {
    format!("{HOSTS}{}", name.without_dot())
}

pub(super) fn put_host(host: &Host) -> Write {
    let (standing, addresses, when) = match host.presence {
        Presence::Unheard => (StandingV2::Unheard, Addresses::NONE, 0),
        Presence::Present { addresses, heard } => (StandingV2::Present, addresses, heard.0 as i64),
        Presence::Lapsed { since } => (StandingV2::Lapsed, Addresses::NONE, since.0),
        Presence::Offline { since } => (StandingV2::Offline, Addresses::NONE, since.0),
    };
    let report = host.last_report.map(|report| ReportV2(report.at, report.source, report.protocol));
    let settings = SettingsV2(host.ttl, host.lease, host.wildcard, host.blocked);
    let settings = (settings != SettingsV2(None, None, false, false)).then_some(settings);
    let rare = RareV3 {
        site: host.site.as_ref().map(|site| (site.router.clone(), site.suffix)),
        prefix: host.prefix,
        records: host.records.iter().map(RecordV3::of).collect(),
    };
    let (owner, created, changes) = (host.owner.clone(), host.created, host.changes);
    let row = if rare == RareV3::default() {
        let row = HostV2(2, owner, created, changes, standing, addresses, when, report, settings);
        json(&row)
    } else {
        let row =
            HostV3(3, owner, created, changes, standing, addresses, when, report, settings, rare);
        json(&row)
    };
    Write::Put(host_key(&host.name), row)
}

pub(super) fn read_host(key: &str, value: &[u8]) -> Result<Host, StoreError> {
    let name = spelt(key, HOSTS)?;
    if is_v1(value) {
        return Ok(read::<HostV1>(key, value)?.host(name));
    }
    let (owner, created, changes, standing, addresses, when, report, settings, rare);
    if value.starts_with(b"[3,") {
        HostV3(_, owner, created, changes, standing, addresses, when, report, settings, rare) =
            read(key, value)?;
    } else {
        HostV2(_, owner, created, changes, standing, addresses, when, report, settings) =
            read_v2(key, value)?;
        rare = RareV3::default();
    }
    let since = Timestamp(when);
    let SettingsV2(ttl, lease, wildcard, blocked) =
        settings.unwrap_or(SettingsV2(None, None, false, false));
    let records =
        rare.records.into_iter().filter_map(|record| record.record(key, &name).transpose());
    let records = records.collect::<Result<_, _>>()?;
    Ok(Host {
        name,
        owner,
        ttl,
        lease,
        wildcard,
        blocked,
        created,
        presence: match standing {
            StandingV2::Unheard => Presence::Unheard,
            StandingV2::Present => Presence::Present { addresses, heard: Served(when as u64) },
            StandingV2::Lapsed => Presence::Lapsed { since },
            StandingV2::Offline => Presence::Offline { since },
        },
        last_report: report.map(|ReportV2(at, source, protocol)| LastReport {
            at,
            source,
            protocol,
        }),
        changes,
        site: rare.site.map(|(router, suffix)| Site { router, suffix }),
        prefix: rare.prefix,
        records,
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
    let (kind, holder) = match &key.holder {
        Holder::Host(name) => (HolderV2::Host, name.without_dot()),
        Holder::Account(name) => (HolderV2::Account, name.to_string()),
    };
    let unlimited = key.hosts.is_empty() && key.networks.is_empty() && key.label.is_empty();
    let limits =
        (!unlimited).then(|| LimitsV2(key.hosts.clone(), key.networks.clone(), key.label.clone()));
    let (digest, created, stamp) = (key.digest, key.created, key.stamp);
    let (may, foreign) = (key.may.clone(), key.foreign.clone());
    let is_usual = may == May::default() && stamp == 0 && foreign.is_none();
    let row = match key.until {
        Some(until) => {
            json(&KeyV4(4, kind, holder, digest, created, limits, may, stamp, foreign, until))
        }
        None if is_usual => json(&KeyV2(2, kind, holder, digest, created, limits)),
        None => json(&KeyV3(3, kind, holder, digest, created, limits, may, stamp, foreign)),
    };
    Write::Put(key_key(&key.id), row)
}

pub(super) fn read_key(key: &str, value: &[u8]) -> Result<Key, StoreError> {
    let id = KeyId(named(key, KEYS)?);
    if is_v1(value) {
        return Ok(read::<KeyV1>(key, value)?.key(id));
    }
    let (kind, holder, digest, created, limits, may, stamp, foreign);
    let mut until = None;
    if value.starts_with(b"[4,") {
        let end;
        KeyV4(_, kind, holder, digest, created, limits, may, stamp, foreign, end) =
            read(key, value)?;
        until = Some(end);
    } else if value.starts_with(b"[3,") {
        KeyV3(_, kind, holder, digest, created, limits, may, stamp, foreign) = read(key, value)?;
    } else {
        KeyV2(_, kind, holder, digest, created, limits) = read_v2(key, value)?;
        (may, stamp, foreign) = (May::default(), 0, None);
    }
    let nobody = || unreadable(key, &format!("{holder} is no name"));
    let holder = match kind {
        HolderV2::Host => Holder::Host(holder.parse().map_err(|_| nobody())?),
        HolderV2::Account => Holder::Account(holder.parse().map_err(|_| nobody())?),
    };
    let LimitsV2(hosts, networks, label) =
        limits.unwrap_or(LimitsV2(Vec::new(), Vec::new(), String::new()));
    Ok(Key { id, holder, digest, hosts, networks, label, created, may, stamp, foreign, until })
}

pub(super) fn put_zone(origin: &Name, row: &ZoneRow) -> Write {
    Write::Put(format!("{ZONES}{}", origin.without_dot()), json(row))
}

pub(super) fn read_zone(key: &str, value: &[u8]) -> Result<(Name, ZoneRow), StoreError> {
    Ok((spelt(key, ZONES)?, read(key, value)?))
}

/// The keys of a host's history begin with this.
pub(super) fn history_prefix(host: &Name) -> String {
    format!("{HISTORY_ROWS}{}/", host.without_dot())
}

/// The slot of a host's `count`th change, from 0.
pub(super) fn history_key(host: &Name, count: u64) -> String {
    format!("{}{:02}", history_prefix(host), count % HISTORY)
}

/// The row of a host's `count`th change, from 0; it takes the place of the
/// one [`HISTORY`] changes earlier.
pub(super) fn put_change(change: &Change, count: u64) -> Write {
    let (why, from) = match change.cause {
        Cause::Report { protocol, source } => (WhyV2::Report(protocol), source),
        Cause::Records { protocol, source } => (WhyV2::Records(ByV2::Records, protocol), source),
        Cause::Renumbered => (WhyV2::Other(OtherV2::Renumbered), None),
        Cause::Lapse => (WhyV2::Other(OtherV2::Lapse), None),
        Cause::Setting => (WhyV2::Other(OtherV2::Setting), None),
        Cause::Removal => (WhyV2::Other(OtherV2::Removal), None),
    };
    let row = ChangeV2(2, change.serial, change.at, change.before, change.after, why, from);
    Write::Put(history_key(&change.host, count), json(&row))
}

pub(super) fn read_change(host: &Name, key: &str, value: &[u8]) -> Result<Change, StoreError> {
    if is_v1(value) {
        return Ok(read::<ChangeV1>(key, value)?.change(host));
    }
    let ChangeV2(_, serial, at, before, after, why, source) = read_v2(key, value)?;
    let cause = match why {
        WhyV2::Report(protocol) => Cause::Report { protocol, source },
        WhyV2::Records(ByV2::Records, protocol) => Cause::Records { protocol, source },
        WhyV2::Other(OtherV2::Renumbered) => Cause::Renumbered,
        WhyV2::Other(OtherV2::Lapse) => Cause::Lapse,
        WhyV2::Other(OtherV2::Setting) => Cause::Setting,
        WhyV2::Other(OtherV2::Removal) => Cause::Removal,
    };
    Ok(Change { host: host.clone(), serial, at, before, after, cause })
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

    /// Rows as they were ever written; they must be read for ever, and those of
    /// the latest version written like this (or a newer version number stands
    /// beside them). Each of version 1 stands beside the same of version 2.
    #[test]
    fn rows_of_every_version_are_read() {
        let key = "host/home.dyn.example.org";
        for (v1, v2) in [
            (
                r#"{"v":1,"created":1000,"presence":"unheard","changes":0}"#,
                r#"[2,null,1000,0,"unheard","-",0,null,null]"#,
            ),
            (
                r#"{"v":1,"owner":"ann","ttl":120,"lease":"7d","wildcard":true,"blocked":true,"created":1000,"presence":{"present":{"at":{"v4":"192.0.2.1","v6":"2001:db8::1"},"heard":77}},"report":{"at":1234,"from":"203.0.113.9","by":"dyndns2"},"changes":3}"#,
                r#"[2,"ann",1000,3,"present","192.0.2.1,2001:db8::1",77,[1234,"203.0.113.9","dyndns2"],[120,"7d",true,true]]"#,
            ),
            (
                r#"{"v":1,"created":1000,"presence":{"present":{"at":{"v6":"2001:db8::1"},"heard":18446744073709551615}},"report":{"at":1234,"by":"command"}}"#,
                r#"[2,null,1000,0,"present","2001:db8::1",-1,[1234,null,"command"],null]"#,
            ),
            (
                r#"{"v":1,"created":1000,"presence":{"lapsed":5},"changes":0}"#,
                r#"[2,null,1000,0,"lapsed","-",5,null,null]"#,
            ),
            (
                r#"{"v":1,"lease":"never","created":1000,"presence":{"offline":5},"changes":0}"#,
                r#"[2,null,1000,0,"offline","-",5,null,[null,"never",false,false]]"#,
            ),
        ] {
            let host = read_host(key, v2.as_bytes()).unwrap();
            assert_eq!(read_host(key, v1.as_bytes()).unwrap(), host);
            assert_eq!(put_host(&host), Write::Put(key.into(), v2.into()));
        }
        // What few hosts have: version 3 has no older one.
        let v3 = r#"[3,"ann",1000,3,"present","192.0.2.1",77,null,null,{"site":["router.dyn.example.org","::2:0:5eff:fe10:1"],"prefix":"2001:db8:1:ff00::/56","records":[["_acme-challenge.home.dyn.example.org","TXT",60,"AW8",99,null],["home.dyn.example.org","A",60,"wAACAg",99,"wan2"]]}]"#;
        let host = read_host(key, v3.as_bytes()).unwrap();
        assert_eq!(host.records.len(), 2);
        assert_eq!(put_host(&host), Write::Put(key.into(), v3.into()));
        // A record of somebody else's name: the row is named.
        let foreign = v3.replace("_acme-challenge.home", "_acme-challenge.work");
        let error = read_host(key, foreign.as_bytes()).unwrap_err().to_string();
        for needed in [key, "a record at _acme-challenge.work.dyn.example.org"] {
            assert!(error.contains(needed), "{error}");
        }
        // Nobody writes such a key but by hand.
        for spelling in ["host/Home.dyn.example.org", "host/home.dyn.example.org."] {
            let error = read_host(spelling, v3.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(&format!("it is to be {key}")), "{error}");
        }
        let key = "account/ann";
        let value = r#"{"v":1,"password":"$argon2id$…","blocked":true,"created":1}"#;
        let account = read_account(key, value.as_bytes()).unwrap();
        assert_eq!(put_account(&account), Write::Put(key.into(), value.into()));

        // Version 1 has the other half of the digest too.
        let (half, digest) = ("ab".repeat(16), "ab".repeat(16) + &"cd".repeat(16));
        for (holder, v2) in [
            (r#"{"account":"ann"}"#, r#""account","ann""#),
            (r#"{"host":"home.dyn.example.org"}"#, r#""host","home.dyn.example.org""#),
        ] {
            let key = "key/abcdefgh";
            let v1 = format!(
                r#"{{"v":1,"holder":{holder},"digest":"{digest}","hosts":["a.dyn.example.org"],"networks":["192.0.2.0/24"],"label":"box","created":1}}"#
            );
            let v2 =
                format!(r#"[2,{v2},"{half}",1,[["a.dyn.example.org"],["192.0.2.0/24"],"box"]]"#);
            let read = read_key(key, v2.as_bytes()).unwrap();
            assert_eq!(read_key(key, v1.as_bytes()).unwrap(), read);
            assert_eq!(put_key(&read), Write::Put(key.into(), v2.into()));
        }
        let v3 =
            format!(r#"[3,"account","ann","{half}",1,null,"acme,TXT",1767225600000,"$2a$10$…"]"#);
        let read = read_key("key/abcdefgh", v3.as_bytes()).unwrap();
        assert_eq!((read.may.to_string(), read.stamp), ("acme,TXT".into(), 1_767_225_600_000));
        assert_eq!(put_key(&read), Write::Put("key/abcdefgh".into(), v3.into()));
        let v4 = format!(r#"[4,"account","ann","{half}",1,null,"addresses,acme",0,null,604800]"#);
        let read = read_key("key/abcdefgh", v4.as_bytes()).unwrap();
        assert_eq!(read.until, Some(Served(604_800)));
        assert_eq!(put_key(&read), Write::Put("key/abcdefgh".into(), v4.into()));

        let key = "zone/dyn.example.org";
        let value = r#"{"v":1,"serial":7,"digest":12345678901234567890,"ttl":60}"#;
        let (origin, row) = read_zone(key, value.as_bytes()).unwrap();
        assert_eq!(put_zone(&origin, &row), Write::Put(key.into(), value.into()));

        let key = "history/home.dyn.example.org/02";
        for (v1, v2) in [
            (
                r#"{"report":{"protocol":"dyndns2","source":"203.0.113.9"}}"#,
                r#""dyndns2","203.0.113.9""#,
            ),
            (r#"{"report":{"protocol":"command"}}"#, r#""command",null"#),
            (r#""lapse""#, r#""lapse",null"#),
            (r#""setting""#, r#""setting",null"#),
            (r#""removal""#, r#""removal",null"#),
            (r#""renumbered""#, r#""renumbered",null"#),
            (
                r#"{"records":{"protocol":"dns-update","source":"203.0.113.9"}}"#,
                r#"["records","dns-update"],"203.0.113.9""#,
            ),
        ] {
            let v1 = format!(
                r#"{{"v":1,"serial":7,"at":9,"before":{{}},"after":{{"v4":"192.0.2.1"}},"cause":{v1}}}"#
            );
            let v2 = format!(r#"[2,7,9,"-","192.0.2.1",{v2}]"#);
            let host = "home.dyn.example.org".parse().unwrap();
            let change = read_change(&host, key, v2.as_bytes()).unwrap();
            assert_eq!(read_change(&host, key, v1.as_bytes()).unwrap(), change);
            assert_eq!(put_change(&change, 66), Write::Put(key.into(), v2.into()));
        }
    }

    #[test]
    fn a_row_of_a_newer_version_is_not_guessed_at() {
        let row = br#"[4,null,1000,0,"unheard","-",0,null,null]"#;
        let error = read_host("host/home.dyn.example.org", row).unwrap_err().to_string();
        assert!(error.contains("was it written by a newer truename?"), "{error}");
    }
}
