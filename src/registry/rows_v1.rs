//! Version 1 of the rows of hosts, keys and history, which truename 0.1 wrote:
//! JSON objects. They are only read.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::Deserialize;

use crate::model::{
    AccountName, Addresses, Cause, Change, Holder, Host, Key, KeyDigest, KeyId, LastReport, Lease,
    May, Name, Presence, Protocol, Serial, Served, Timestamp, Ttl,
};

#[derive(Deserialize)]
pub struct HostV1 {
    #[serde(default)]
    owner: Option<AccountName>,
    #[serde(default)]
    ttl: Option<Ttl>,
    #[serde(default)]
    lease: Option<Lease>,
    #[serde(default)]
    wildcard: bool,
    #[serde(default)]
    blocked: bool,
    created: Timestamp,
    presence: PresenceV1,
    #[serde(default)]
    report: Option<ReportV1>,
    #[serde(default)]
    changes: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum PresenceV1 {
    Unheard,
    Present { at: Addresses, heard: Served },
    Lapsed(Timestamp),
    Offline(Timestamp),
}

#[derive(Deserialize)]
struct ReportV1 {
    at: Timestamp,
    #[serde(default)]
    from: Option<IpAddr>,
    by: Protocol,
}

#[derive(Deserialize)]
pub struct KeyV1 {
    holder: Holder,
    digest: KeyDigest,
    #[serde(default)]
    hosts: Vec<Name>,
    #[serde(default)]
    networks: Vec<IpNet>,
    #[serde(default)]
    label: String,
    created: Timestamp,
}

#[derive(Deserialize)]
pub struct ChangeV1 {
    serial: Serial,
    at: Timestamp,
    before: Addresses,
    after: Addresses,
    cause: Cause,
}

impl HostV1 {
    pub fn host(self, name: Name) -> Host {
        Host {
            owner: self.owner,
            ttl: self.ttl,
            lease: self.lease,
            wildcard: self.wildcard,
            blocked: self.blocked,
            presence: match self.presence {
                PresenceV1::Unheard => Presence::Unheard,
                PresenceV1::Present { at, heard } => Presence::Present { addresses: at, heard },
                PresenceV1::Lapsed(since) => Presence::Lapsed { since },
                PresenceV1::Offline(since) => Presence::Offline { since },
            },
            last_report: self.report.map(|report| LastReport {
                at: report.at,
                source: report.from,
                protocol: report.by,
            }),
            changes: self.changes,
            ..Host::new(name, self.created)
        }
    }
}

impl KeyV1 {
    pub fn key(self, id: KeyId) -> Key {
        Key {
            id,
            holder: self.holder,
            digest: self.digest,
            hosts: self.hosts,
            networks: self.networks,
            label: self.label,
            created: self.created,
            may: May::default(),
            stamp: 0,
            foreign: None,
            until: None,
        }
    }
}

impl ChangeV1 {
    pub fn change(self, host: &Name) -> Change {
        Change {
            host: host.clone(),
            serial: self.serial,
            at: self.at,
            before: self.before,
            after: self.after,
            cause: self.cause,
        }
    }
}
