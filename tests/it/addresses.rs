//! What becomes of each kind of address, in each kind of zone, by each way an
//! address gets into the DNS: `tests/addresses.txt`, which says what a report
//! over HTTP comes to; every other way must publish the same and nothing else.
//! `UPDATE=1` writes down what was seen.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::net::IpAddr;

use ipnet::{IpNet, Ipv6Net};
use truename::model::{
    Addresses, Grant, Holder, InterfaceId, May, Name, Protocol, RecordType, SPECIAL, reach, special,
};
use truename::registry::{
    Command, Credential, HostSettings, ImportHost, Imported, Reply, SiteSetting, Step,
};
use truename::store::Engine;
use truename::update::{
    Edit, Edits, Hosts, Own, RecordChange, Report, Said, Update, ZonePolicy, octets,
};

use crate::dig::dig;
use crate::world::World;

/// The kinds of zones there are.
const ZONES: [(&str, ZonePolicy); 3] = [
    ("any.example", ZonePolicy { global_only: false, own_addresses: false }),
    ("public.example", ZonePolicy { global_only: true, own_addresses: false }),
    ("router.example", ZonePolicy { global_only: true, own_addresses: true }),
];

/// Addresses beside those of the registries, and what they are.
const OTHERS: [(&str, &str); 10] = [
    ("0.0.0.0", "unspecified"),
    ("93.184.215.14", "somebody's"),
    ("2606:2800:21f:cb07:6820:80da:af6b:8b2c", "somebody's"),
    ("4000::1", "reserved"),
    ("64:ff9b::a00:1", "10.0.0.1 behind NAT64"),
    ("64:ff9b::7f00:1", "127.0.0.1 behind NAT64"),
    ("93.184.216.1", "truename listens there"),
    ("93.184.216.2", "an interface's"),
    ("93.184.217.9", "a proxy's"),
    ("2606:2800::53", "a name server's of the zone"),
];

fn zone(origin: &str) -> String {
    format!(
        "$ORIGIN {origin}.\n\
         @   3600 SOA ns1 hostmaster 1 3600 600 86400 60\n\
         @   3600 NS  ns1\n\
         ns1 3600 AAAA 2606:2800::53\n"
    )
}

struct Table {
    world: World,
    hosts: usize,
}

/// A way by which an address gets into the DNS: its name, and what does it.
/// The host is there and has no address; `None`: the way is not for such an
/// address.
type Way = (&'static str, fn(&Table, &Name, &str, IpAddr) -> Option<()>);

const WAYS: [Way; 9] = [
    ("a report from there", |table, host, token, address| {
        let host = host.without_dot();
        let path = format!("/nic/update?hostname={host}");
        table.world.http("GET", &path, Some((&host, token)), address);
        Some(())
    }),
    ("a report of a line", |table, host, _, address| {
        let (v4, v6) = said(address);
        let line = Some("wan1".parse().unwrap());
        let update = update(host, v4, v6, "203.0.113.9".parse().unwrap());
        table.world.update(grant(host), &Update { line, ..update });
        Some(())
    }),
    ("DNS UPDATE", |table, host, _, address| {
        edit(table, host, host, address, Protocol::DnsUpdate);
        Some(())
    }),
    ("DNS UPDATE, a second address", |table, host, _, address| {
        let first = if address.is_ipv4() { "93.184.215.1" } else { "2606:2800:21f::1" };
        edit(table, host, host, first.parse().unwrap(), Protocol::DnsUpdate);
        edit(table, host, host, address, Protocol::DnsUpdate);
        Some(())
    }),
    ("POST /api/records, below the host", |table, host, _, address| {
        edit(table, host, &host.child(b"below").unwrap(), address, Protocol::Api);
        Some(())
    }),
    ("truename record add", |table, host, _, address| {
        let edits = vec![add(host, address)];
        let _ = table.world.command(Command::Edit { edits });
        Some(())
    }),
    ("truename host set --at", |table, host, _, address| {
        let addresses = Some(Addresses::from(address));
        let settings = HostSettings { addresses, wildcard: Some(true), ..HostSettings::default() };
        let _ = table.world.command(Command::HostSet { name: host.clone(), settings });
        Some(())
    }),
    ("truename import", |table, host, _, address| {
        table.world.command(Command::HostRemove { name: host.clone() }).unwrap();
        let imported = ImportHost {
            name: host.clone(),
            owner: None,
            credential: Credential::None,
            may: May::default(),
            networks: Vec::new(),
            addresses: address.into(),
            ttl: None,
            wildcard: false,
            blocked: false,
            label: String::new(),
        };
        let command = Command::Import { hosts: vec![imported], dry_run: false, weak: false };
        let Ok(Reply::Imported(done)) = table.world.command(command) else { panic!("imports") };
        assert!(matches!(done.as_slice(), [Imported { host: Step::Added, .. }]), "{done:?}");
        Some(())
    }),
    // The router is in a zone that takes what its own does not.
    ("the prefix of a site", |table, host, _, address| {
        let IpAddr::V6(v6) = address else { return None };
        let prefix = Ipv6Net::new(v6, 64).unwrap().trunc();
        // Not where the network's own address is worth less than this one of it.
        if reach(prefix.network().into()) != reach(address) {
            return None;
        }
        let id = u64::try_from(v6.to_bits() & u128::from(u64::MAX)).unwrap();
        let router: Name =
            format!("r-{}.any.example", host.labels().next().unwrap().escape_ascii())
                .parse()
                .unwrap();
        let settings = HostSettings::default();
        table
            .world
            .command(Command::HostAdd { name: router.clone(), settings, key: false })
            .unwrap();
        let site = SiteSetting {
            router: router.clone(),
            interface: Some(InterfaceId(id).0).filter(|id| *id != 0).map(InterfaceId),
            subnet: None,
        };
        let settings = HostSettings { site: Some(Some(site)), ..HostSettings::default() };
        table.world.command(Command::HostSet { name: host.clone(), settings }).ok()?;
        let said = update(&router, Said::Nothing, Said::Nothing, "203.0.113.9".parse().unwrap());
        let report =
            Report::Addresses { v4: Said::Nothing, v6: Said::Nothing, prefix: Said::Is(prefix) };
        table.world.update(grant(&router), &Update { report, ..said });
        Some(())
    }),
];

fn said(address: IpAddr) -> (Said<std::net::Ipv4Addr>, Said<std::net::Ipv6Addr>) {
    match address {
        IpAddr::V4(v4) => (Said::Is(v4), Said::Nothing),
        IpAddr::V6(v6) => (Said::Nothing, Said::Is(v6)),
    }
}

fn report(v4: Said<std::net::Ipv4Addr>, v6: Said<std::net::Ipv6Addr>) -> Report {
    Report::Addresses { v4, v6, prefix: Said::Nothing }
}

fn update(
    host: &Name,
    v4: Said<std::net::Ipv4Addr>,
    v6: Said<std::net::Ipv6Addr>,
    source: IpAddr,
) -> Update {
    Update {
        hosts: Hosts::Listed(vec![Some(host.clone())]),
        report: report(v4, v6),
        line: None,
        protocol: Protocol::Dyndns2,
        source,
    }
}

fn grant(host: &Name) -> Grant {
    let may = "addresses,acme,A,AAAA".parse().unwrap();
    Grant { holder: Holder::Host(host.clone()), hosts: Vec::new(), key: None, may }
}

fn add(name: &Name, address: IpAddr) -> Edit {
    let change = RecordChange::Add {
        rtype: RecordType::of(address),
        ttl: None,
        rdata: octets(address),
        keep: None,
        newest: None,
    };
    Edit { name: name.clone(), change }
}

fn edit(table: &Table, host: &Name, name: &Name, address: IpAddr, protocol: Protocol) {
    let source = "203.0.113.9".parse().unwrap();
    let edits = vec![add(name, address)];
    table.world.edit(grant(host), Edits { requires: Vec::new(), edits, protocol, source });
}

impl Table {
    fn new() -> Table {
        let mut world = World::new(Engine::Redb, "");
        // Thousands of commits, and none of them is to survive anything.
        if let Ok(directory) = tempfile::tempdir_in("/dev/shm") {
            world.directory = directory;
        }
        *world.zones.lock().unwrap() = ZONES
            .iter()
            .map(|(origin, _)| (format!("{origin}.zone").into(), zone(origin)))
            .collect();
        world.policies =
            HashMap::from(ZONES.map(|(origin, policy)| (origin.parse().unwrap(), policy)));
        world.machine = vec![
            ("93.184.216.1/32".parse().unwrap(), Own::Listening),
            ("93.184.216.2/32".parse().unwrap(), Own::Interface),
            ("93.184.217.0/24".parse().unwrap(), Own::Proxy),
        ];
        world.start().unwrap();
        Table { world, hosts: 0 }
    }

    /// A new host in a zone, and its token.
    fn host(&mut self, zone: &str) -> (Name, String) {
        self.hosts += 1;
        let name: Name = format!("h{}.{zone}", self.hosts).parse().unwrap();
        let (settings, key) = (HostSettings::default(), true);
        match self.world.command(Command::HostAdd { name: name.clone(), settings, key }) {
            Ok(Reply::HostAdded { key: Some(key), .. }) => (name, key.token),
            other => panic!("{other:?}"),
        }
    }

    /// Whether the address is anywhere at or below a host.
    fn is_published(&self, host: &Name, address: IpAddr) -> bool {
        let snapshot = self.world.registry().snapshot().load_full();
        let kind = if address.is_ipv4() { "A" } else { "AAAA" }.parse().unwrap();
        let names = [host.to_string(), format!("below.{host}")];
        let shown = names.map(|name| dig(&snapshot, &name, kind));
        shown.iter().any(|shown| shown.split(' ').any(|word| word == address.to_string()))
    }

    /// What a report over HTTP comes to.
    fn reported(&mut self, zone: &str, address: IpAddr) -> &'static str {
        let (host, token) = self.host(zone);
        let full = host.without_dot();
        let path = format!("/nic/update?hostname={full}&myip={address}");
        let login = Some((full.as_str(), token.as_str()));
        let (status, said) = self.world.http("GET", &path, login, "203.0.113.9".parse().unwrap());
        assert_eq!(status, 200, "{address}: {said}");
        let word = said.split_whitespace().next().unwrap();
        match (word, self.is_published(&host, address)) {
            ("good", true) => "published",
            ("good" | "nochg", false) => "good, unpublished",
            ("dnserr", false) => "dnserr",
            (word, is_published) => panic!("{address} in {zone}: {word}, {is_published}"),
        }
    }
}

/// Addresses that may stand for a range.
fn candidates(network: IpNet) -> Vec<IpAddr> {
    match network {
        IpNet::V4(net) => [1, 17, 0]
            .map(|more| {
                std::net::Ipv4Addr::from_bits(net.network().to_bits().wrapping_add(more)).into()
            })
            .into(),
        IpNet::V6(net) => [0x99, 5 << 96, 0]
            .map(|more| {
                std::net::Ipv6Addr::from_bits(net.network().to_bits().wrapping_add(more)).into()
            })
            .into(),
    }
}

/// The address that stands for each range of the registries, and the others.
fn addresses() -> Vec<(IpAddr, String)> {
    // Some ranges begin with others.
    let registered = SPECIAL.iter().map(|range| {
        let is_its = |address: &IpAddr| special(*address) == Some(range);
        let address = candidates(range.network).into_iter().find(is_its);
        let address = address.unwrap_or_else(|| panic!("an address in {}", range.network));
        (address, format!("{} ({})", range.purpose, range.document))
    });
    let others = OTHERS.iter().map(|(text, what)| (text.parse().unwrap(), (*what).to_owned()));
    let mut all: Vec<(IpAddr, String)> = registered.chain(others).collect();
    all.sort();
    all.dedup();
    all
}

const HEAD: &str = "\
# What becomes of an address: by the registries of special-purpose addresses
# (src/model/special.rs), by the zone's policy, and by what is this server's own.
#
# `published`: in the DNS at once. `good, unpublished`: the client is told `good`
# or `nochg`, as dummies want it that are sent before the real address. `dnserr`:
# refused, and the client is told so.
#
# The columns are a report over HTTP. What is not published that way is not by
# any other, either: a report from that address, a line, DNS UPDATE (a first and
# a second address), records below the host, `truename record add`, `host set`,
# `import`, the prefix of a site whose router is in a zone that takes anything.
# What is published that way is by every other, too.
";

#[test]
fn each_kind_of_address_in_each_kind_of_zone_by_each_way() {
    let mut table = Table::new();
    let mut seen = HEAD.to_owned();
    writeln!(
        seen,
        "\n{:<40} {:<46} {:<18} {:<18} own_addresses",
        "address", "what it is", "any zone", "global_only"
    )
    .unwrap();
    for (address, what) in addresses() {
        let row = ZONES.map(|(zone, _)| table.reported(zone, address));
        let line = format!(
            "{:<40} {what:<46} {:<18} {:<18} {}",
            address.to_string(),
            row[0],
            row[1],
            row[2]
        );
        writeln!(seen, "{}", line.trim_end()).unwrap();
        for ((zone, _), reported) in ZONES.iter().zip(row).take(2) {
            for (way, act) in WAYS {
                let (host, token) = table.host(zone);
                if act(&table, &host, &token, address).is_some() {
                    let published = table.is_published(&host, address);
                    assert_eq!(published, reported == "published", "{address} in {zone} by {way}");
                }
            }
        }
    }
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/addresses.txt");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(file, &seen).unwrap();
    }
    let known = std::fs::read_to_string(file).unwrap_or_default();
    assert!(seen == known, "{}", crate::clients::difference("addresses.txt", &known, &seen));
}
