//! Hosts, keys and accounts as they are held in memory: octets, with the
//! name first (postcard's form: numbers as short as they are, nothing for
//! what is usual). Nothing outside this process sees them, so this form may
//! change freely; the form at rest is `rows.rs`.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv6Net};
use serde::{Deserialize, Serialize};

use super::octets::{octets, read, write};
use crate::model::{
    Account, AccountName, Addresses, Host, HostRecord, Key, KeyDigest, KeyId, LastReport, Lease,
    Line, May, Name, Presence, Protocol, RecordType, Served, Site, Timestamp, Ttl,
};

/// A host.
#[derive(Serialize, Deserialize)]
pub struct HeldHost<'a> {
    #[serde(borrow)]
    pub name: &'a [u8],
    pub owner: Option<Whose<'a>>,
    #[serde(borrow)]
    settings: Option<Settings<'a>>,
    created: i64,
    presence: HeldPresence,
    report: Option<Report>,
    changes: u64,
    /// When it stands in the set of leases that end; 0: it does not.
    pub due: u32,
}

/// What few hosts have otherwise than all others.
#[derive(PartialEq, Eq, Serialize, Deserialize)]
struct Settings<'a> {
    ttl: Option<u32>,
    lease: Option<HeldLease>,
    wildcard: bool,
    blocked: bool,
    #[serde(borrow)]
    site: Option<(&'a [u8], [u8; 16])>,
    prefix: Option<([u8; 16], u8)>,
    #[serde(borrow)]
    records: Vec<HeldRecord<'a>>,
}

/// [`HostRecord`].
#[derive(PartialEq, Eq, Serialize, Deserialize)]
struct HeldRecord<'a> {
    name: &'a [u8],
    rtype: u16,
    ttl: u32,
    rdata: &'a [u8],
    until: Option<u64>,
    line: Option<&'a str>,
}

/// [`Lease`] in seconds.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum HeldLease {
    For(u64),
    Never,
}

/// [`Presence`], without words.
#[derive(Serialize, Deserialize)]
enum HeldPresence {
    Unheard,
    Present { addresses: HeldAddresses, heard: u64 },
    Lapsed(i64),
    Offline(i64),
}

/// [`Addresses`]; there is always one.
#[derive(Serialize, Deserialize)]
enum HeldAddresses {
    V4([u8; 4]),
    V6([u8; 16]),
    Both([u8; 4], [u8; 16]),
    Neither,
}

/// [`LastReport`].
#[derive(Serialize, Deserialize)]
struct Report {
    at: i64,
    source: Source,
    protocol: Protocol,
}

/// Where a report came from: mostly from one of the addresses it told.
#[derive(Serialize, Deserialize)]
enum Source {
    Unknown,
    ItsV4,
    ItsV6,
    Other(IpAddr),
}

/// Somebody or something that has a row of its own, by the number of it; by
/// name only where there is no such row (any more).
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Whose<'a> {
    Number(u32),
    #[serde(borrow)]
    Name(&'a [u8]),
}

/// A key.
#[derive(Serialize, Deserialize)]
pub struct HeldKey<'a> {
    pub id: &'a str,
    #[serde(borrow)]
    pub holder: HeldHolder<'a>,
    pub digest: [u8; KeyDigest::LENGTH],
    #[serde(borrow)]
    limits: Option<Limits<'a>>,
    created: i64,
}

/// Whose key it is.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum HeldHolder<'a> {
    #[serde(borrow)]
    Host(Whose<'a>),
    #[serde(borrow)]
    Account(Whose<'a>),
}

/// What few keys have.
#[derive(Serialize, Deserialize)]
struct Limits<'a> {
    #[serde(borrow)]
    hosts: Vec<&'a [u8]>,
    networks: Vec<IpNet>,
    label: &'a str,
    addresses: bool,
    acme: bool,
    types: Vec<u16>,
    stamp: u64,
    foreign: Option<&'a str>,
    until: Option<u64>,
}

/// An account.
#[derive(Serialize, Deserialize)]
struct HeldAccount<'a> {
    name: &'a str,
    password: Option<&'a str>,
    blocked: bool,
    created: i64,
}

/// The name in any of these rows.
pub fn name(row: &[u8]) -> &[u8] {
    postcard::take_from_bytes(row).map_or(&[], |(name, _)| name)
}

/// The name of a host in a row.
pub fn host_name(row: &[u8]) -> Name {
    name_of(name(row))
}

/// A name as it is held.
pub fn name_of(wire: &[u8]) -> Name {
    Name::from_wire(wire).expect("it was a name when it was written")
}

impl<'a> HeldHost<'a> {
    pub fn read(row: &'a [u8]) -> HeldHost<'a> {
        read(row)
    }

    /// A host with nothing out of the ordinary: without what few have.
    pub fn plain(
        name: &'a [u8],
        owner: Option<Whose<'a>>,
        created: Timestamp,
        presence: Presence,
        report: Option<LastReport>,
        changes: u64,
        due: u32,
    ) -> HeldHost<'a> {
        let addresses = match presence {
            Presence::Present { addresses, .. } => addresses,
            _ => Addresses::NONE,
        };
        HeldHost {
            name,
            owner,
            settings: None,
            created: created.0,
            presence: match presence {
                Presence::Unheard => HeldPresence::Unheard,
                Presence::Present { addresses, heard } => HeldPresence::Present {
                    addresses: HeldAddresses::of(addresses),
                    heard: heard.0,
                },
                Presence::Lapsed { since } => HeldPresence::Lapsed(since.0),
                Presence::Offline { since } => HeldPresence::Offline(since.0),
            },
            report: report.map(|report| Report {
                at: report.at.0,
                source: match report.source {
                    None => Source::Unknown,
                    Some(IpAddr::V4(v4)) if addresses.v4 == Some(v4) => Source::ItsV4,
                    Some(IpAddr::V6(v6)) if addresses.v6 == Some(v6) => Source::ItsV6,
                    Some(source) => Source::Other(source),
                },
                protocol: report.protocol,
            }),
            changes,
            due,
        }
    }

    /// A host's row.
    pub fn row(host: &'a Host, owner: Option<Whose<'a>>, due: u32) -> Vec<u8> {
        let settings = Settings {
            ttl: host.ttl.map(Ttl::seconds),
            lease: host.lease.map(|lease| match lease {
                Lease::For(span) => HeldLease::For(span.as_secs()),
                Lease::Never => HeldLease::Never,
            }),
            wildcard: host.wildcard,
            blocked: host.blocked,
            site: host.site.as_ref().map(|site| (site.router.wire(), site.suffix.octets())),
            prefix: host.prefix.map(|net| (net.addr().octets(), net.prefix_len())),
            records: host.records.iter().map(HeldRecord::of).collect(),
        };
        let usual = Settings {
            ttl: None,
            lease: None,
            wildcard: false,
            blocked: false,
            site: None,
            prefix: None,
            records: Vec::new(),
        };
        let Host { name, created, presence, last_report, changes, .. } = host;
        let plain =
            HeldHost::plain(name.wire(), owner, *created, *presence, *last_report, *changes, due);
        octets(&HeldHost { settings: (settings != usual).then_some(settings), ..plain })
    }

    /// Puts the row in the place of what is there.
    pub fn write(&self, out: &mut Vec<u8>) {
        write(self, out);
    }

    /// The host, with its owner's name.
    pub fn host(&self, owner: Option<AccountName>) -> Host {
        let settings = self.settings.as_ref();
        let mut host = Host {
            name: name_of(self.name),
            owner,
            ttl: settings.and_then(|s| s.ttl).and_then(|ttl| Ttl::try_from(ttl).ok()),
            lease: settings.and_then(|s| s.lease).map(|lease| match lease {
                HeldLease::For(seconds) => Lease::For(std::time::Duration::from_secs(seconds)),
                HeldLease::Never => Lease::Never,
            }),
            wildcard: settings.is_some_and(|s| s.wildcard),
            blocked: settings.is_some_and(|s| s.blocked),
            created: Timestamp(self.created),
            presence: match self.presence {
                HeldPresence::Unheard => Presence::Unheard,
                HeldPresence::Present { ref addresses, heard } => {
                    Presence::Present { addresses: addresses.get(), heard: Served(heard) }
                }
                HeldPresence::Lapsed(since) => Presence::Lapsed { since: Timestamp(since) },
                HeldPresence::Offline(since) => Presence::Offline { since: Timestamp(since) },
            },
            last_report: None,
            changes: self.changes,
            site: settings
                .and_then(|s| s.site)
                .map(|(router, suffix)| Site { router: name_of(router), suffix: suffix.into() }),
            prefix: settings
                .and_then(|s| s.prefix)
                .and_then(|(network, length)| Ipv6Net::new(network.into(), length).ok()),
            records: settings
                .map_or(Vec::new(), |s| s.records.iter().map(HeldRecord::record).collect()),
        };
        let addresses = host.addresses();
        host.last_report = self.report.as_ref().map(|report| LastReport {
            at: Timestamp(report.at),
            source: match report.source {
                Source::Unknown => None,
                Source::ItsV4 => addresses.v4.map(IpAddr::V4),
                Source::ItsV6 => addresses.v6.map(IpAddr::V6),
                Source::Other(source) => Some(source),
            },
            protocol: report.protocol,
        });
        host
    }

    /// Its addresses, where it has nothing out of the ordinary.
    pub fn plain_addresses(&self) -> Option<Addresses> {
        match (&self.settings, &self.presence) {
            (Some(_), _) => None,
            (None, HeldPresence::Present { addresses, .. }) => Some(addresses.get()),
            (None, _) => Some(Addresses::NONE),
        }
    }

    /// The name of its site's router.
    pub fn router(&self) -> Option<&'a [u8]> {
        self.settings.as_ref()?.site.map(|(router, _)| router)
    }

    /// Whether it is in the DNS.
    pub fn is_present(&self) -> bool {
        let HeldPresence::Present { addresses, .. } = &self.presence else { return false };
        !matches!(addresses, HeldAddresses::Neither)
    }
}

impl<'a> HeldRecord<'a> {
    fn of(record: &'a HostRecord) -> HeldRecord<'a> {
        HeldRecord {
            name: record.name.wire(),
            rtype: record.rtype.0,
            ttl: record.ttl,
            rdata: &record.rdata,
            until: record.until.map(|until| until.0),
            line: record.line.as_ref().map(Line::as_str),
        }
    }

    fn record(&self) -> HostRecord {
        HostRecord {
            name: name_of(self.name),
            rtype: RecordType(self.rtype),
            ttl: self.ttl,
            rdata: self.rdata.to_vec(),
            until: self.until.map(Served),
            line: self.line.and_then(|line| line.parse().ok()),
        }
    }
}

impl HeldAddresses {
    fn of(addresses: Addresses) -> HeldAddresses {
        match (addresses.v4, addresses.v6) {
            (Some(v4), None) => HeldAddresses::V4(v4.octets()),
            (None, Some(v6)) => HeldAddresses::V6(v6.octets()),
            (Some(v4), Some(v6)) => HeldAddresses::Both(v4.octets(), v6.octets()),
            (None, None) => HeldAddresses::Neither,
        }
    }

    fn get(&self) -> Addresses {
        match *self {
            HeldAddresses::V4(v4) => Addresses { v4: Some(v4.into()), v6: None },
            HeldAddresses::V6(v6) => Addresses { v4: None, v6: Some(v6.into()) },
            HeldAddresses::Both(v4, v6) => Addresses { v4: Some(v4.into()), v6: Some(v6.into()) },
            HeldAddresses::Neither => Addresses::NONE,
        }
    }
}

impl<'a> HeldKey<'a> {
    pub fn read(row: &'a [u8]) -> HeldKey<'a> {
        read(row)
    }

    /// A key without limits.
    pub fn plain(
        id: &'a str,
        holder: HeldHolder<'a>,
        digest: KeyDigest,
        created: Timestamp,
    ) -> HeldKey<'a> {
        HeldKey { id, holder, digest: digest.0, limits: None, created: created.0 }
    }

    /// Puts the row in the place of what is there.
    pub fn write(&self, out: &mut Vec<u8>) {
        write(self, out);
    }

    /// A key's row.
    pub fn row(key: &'a Key, holder: HeldHolder<'a>) -> Vec<u8> {
        let unlimited = key.hosts.is_empty()
            && key.networks.is_empty()
            && key.label.is_empty()
            && key.may == May::default()
            && key.stamp == 0
            && key.foreign.is_none()
            && key.until.is_none();
        octets(&HeldKey {
            id: &key.id.0,
            holder,
            digest: key.digest.0,
            limits: (!unlimited).then(|| Limits {
                hosts: key.hosts.iter().map(Name::wire).collect(),
                networks: key.networks.clone(),
                label: &key.label,
                addresses: key.may.addresses,
                acme: key.may.acme,
                types: key.may.types.iter().map(|rtype| rtype.0).collect(),
                stamp: key.stamp,
                foreign: key.foreign.as_deref(),
                until: key.until.map(|until| until.0),
            }),
            created: key.created.0,
        })
    }

    /// The key, with its holder's name.
    pub fn key(&self, holder: crate::model::Holder) -> Key {
        let limits = self.limits.as_ref();
        Key {
            id: KeyId(self.id.to_owned()),
            holder,
            digest: KeyDigest(self.digest),
            hosts: limits.map_or(Vec::new(), |l| l.hosts.iter().map(|n| name_of(n)).collect()),
            networks: limits.map_or(Vec::new(), |l| l.networks.clone()),
            label: limits.map_or(String::new(), |l| l.label.to_owned()),
            created: Timestamp(self.created),
            may: limits.map_or(May::default(), |l| May {
                addresses: l.addresses,
                acme: l.acme,
                types: l.types.iter().copied().map(RecordType).collect(),
            }),
            stamp: limits.map_or(0, |l| l.stamp),
            foreign: limits.and_then(|l| l.foreign).map(str::to_owned),
            until: limits.and_then(|l| l.until).map(Served),
        }
    }
}

/// An account's row.
pub fn account_row(account: &Account) -> Vec<u8> {
    octets(&HeldAccount {
        name: account.name.as_str(),
        password: account.password.as_deref(),
        blocked: account.blocked,
        created: account.created.0,
    })
}

/// The account in a row.
pub fn account(row: &[u8]) -> Account {
    let held: HeldAccount = read(row);
    Account {
        name: account_name(held.name.as_bytes()),
        password: held.password.map(str::to_owned),
        blocked: held.blocked,
        created: Timestamp(held.created),
    }
}

/// The name of an account in a row.
pub fn account_name(name: &[u8]) -> AccountName {
    let name = std::str::from_utf8(name).ok().and_then(|name| name.parse().ok());
    name.expect("it was a name when it was written")
}
