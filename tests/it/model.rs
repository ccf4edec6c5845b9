//! Random histories against a small model of what a dynamic-DNS provider
//! promises: answers are the model's, the serial rises exactly when some
//! answer changed, and a store opened again changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use proptest::prelude::*;
use truename::model::{Grant, Holder, Lease, May, Name, Protocol, RecordType};
use truename::registry::{Command, HostSettings, Reply};
use truename::store::Engine;
use truename::update::{Edit, Edited, Edits, Hosts, Outcome, RecordChange, Report, Said, Update};

use crate::dig::{dig, serial};
use crate::world::World;

const ZONE: &str = "\
$ORIGIN dyn.example.
@   3600 SOA ns1 hostmaster 4294967290 3600 600 86400 60
@   3600 NS  ns1
ns1 3600 A   192.0.2.53
";

/// Some names lie below others; one is shared by nothing.
const NAMES: [&str; 4] =
    ["home.dyn.example", "cam.home.dyn.example", "a.b.dyn.example", "b.dyn.example"];

/// One thing that happens.
#[derive(Clone, Debug)]
enum Transition {
    Report {
        host: usize,
        v4: Option<u8>,
        v6: Option<u8>,
    },
    Offline {
        host: usize,
    },
    /// A report of one of its lines.
    Line {
        host: usize,
        line: u8,
        last: u8,
    },
    /// A TXT record by which a certificate is proved, for so many seconds.
    Prove {
        host: usize,
        value: u8,
        keep: u64,
    },
    WrongPassword {
        host: usize,
    },
    Remove {
        host: usize,
    },
    Add {
        host: usize,
        lease: u64,
    },
    Ttl {
        host: usize,
        ttl: u32,
    },
    Wait {
        seconds: u64,
    },
    Restart {
        down: u64,
    },
    Crash,
}

fn transition() -> impl Strategy<Value = Transition> {
    let host = 0..NAMES.len();
    prop_oneof![
        6 => (host.clone(), prop::option::of(0..3u8), prop::option::of(0..3u8))
            .prop_map(|(host, v4, v6)| Transition::Report { host, v4, v6 }),
        2 => host.clone().prop_map(|host| Transition::Offline { host }),
        2 => (host.clone(), 0..2u8, 0..3u8)
            .prop_map(|(host, line, last)| Transition::Line { host, line, last }),
        2 => (host.clone(), 0..2u8, 1..2000u64)
            .prop_map(|(host, value, keep)| Transition::Prove { host, value, keep }),
        1 => host.clone().prop_map(|host| Transition::WrongPassword { host }),
        1 => host.clone().prop_map(|host| Transition::Remove { host }),
        3 => (host.clone(), 1..60u64).prop_map(|(host, minutes)| Transition::Add { host, lease: minutes * 60 }),
        1 => (host, prop::sample::select(vec![60, 90, 3600]))
            .prop_map(|(host, ttl)| Transition::Ttl { host, ttl }),
        4 => (1..4000u64).prop_map(|seconds| Transition::Wait { seconds }),
        1 => (0..100_000u64).prop_map(|down| Transition::Restart { down }),
        1 => Just(Transition::Crash),
    ]
}

/// A host as the model sees it.
#[derive(Clone, Debug)]
struct Modelled {
    v4: Option<Ipv4Addr>,
    v6: Option<Ipv6Addr>,
    ttl: u32,
    lease: u64,
    heard: u64,
    /// The address of each line, and when it was heard.
    lines: BTreeMap<u8, (Ipv4Addr, u64)>,
    /// The challenges, and when each ends.
    proofs: BTreeMap<u8, u64>,
}

impl Modelled {
    fn a(&self) -> BTreeSet<Ipv4Addr> {
        self.lines.values().map(|(address, _)| *address).chain(self.v4).collect()
    }

    fn is_there(&self) -> bool {
        !self.a().is_empty() || self.v6.is_some()
    }
}

#[derive(Default)]
struct Model {
    hosts: BTreeMap<usize, Modelled>,
    /// The clock of the leases.
    served: u64,
}

impl Model {
    fn lapse(&mut self) {
        for host in self.hosts.values_mut() {
            if host.heard + host.lease <= self.served {
                (host.v4, host.v6) = (None, None);
            }
            host.lines.retain(|_, (_, heard)| *heard + host.lease > self.served);
            host.proofs.retain(|_, end| *end > self.served);
        }
    }

    /// What every name answers, as `dig` prints it.
    fn answers(&self) -> Vec<String> {
        let present = |name: &str| {
            let at = NAMES.iter().position(|known| *known == name);
            at.and_then(|at| self.hosts.get(&at)).filter(|host| host.is_there())
        };
        let proofs = |name: &str| {
            let at = NAMES.iter().position(|known| *known == name);
            at.and_then(|at| self.hosts.get(&at)).filter(|host| !host.proofs.is_empty())
        };
        let mut answers = Vec::new();
        for name in NAMES {
            let below = format!(".{name}");
            let exists = proofs(name).is_some()
                || NAMES
                    .iter()
                    .any(|n| n.ends_with(&below) && (present(n).is_some() || proofs(n).is_some()));
            for v6 in [false, true] {
                let address = present(name).and_then(|host| {
                    let v4 = host.a().into_iter().map(IpAddr::V4).filter(|_| !v6);
                    let addresses = v4.chain(host.v6.map(IpAddr::V6).filter(|_| v6));
                    let texts: Vec<String> =
                        addresses.map(|address| format!("{address} ttl {}", host.ttl)).collect();
                    (!texts.is_empty()).then(|| format!("noerror {}", texts.join(" ")))
                });
                answers.push(match (address, present(name)) {
                    (Some(address), _) => address,
                    (None, Some(_)) => "nodata".into(),
                    (None, None) if exists => "nodata".into(),
                    (None, None) => "nxdomain".into(),
                });
            }
            answers.push(proofs(name).map_or("nxdomain".into(), |host| {
                let values = host.proofs.keys().map(|value| format!("v{value} ttl 60"));
                format!("noerror {}", values.collect::<Vec<_>>().join(" "))
            }));
        }
        answers
    }
}

fn answers(world: &World) -> Vec<String> {
    let snapshot = world.registry().snapshot().load_full();
    let of = |name: &&str| {
        let challenge = format!("_acme-challenge.{name}");
        [
            dig(&snapshot, name, hickory_proto::rr::RecordType::A),
            dig(&snapshot, name, hickory_proto::rr::RecordType::AAAA),
            dig(&snapshot, &challenge, hickory_proto::rr::RecordType::TXT),
        ]
    };
    NAMES.iter().flat_map(of).collect()
}

/// The serial and the TTL-free question of what is served, at once.
fn seen(world: &World) -> (u32, Vec<String>) {
    let snapshot = world.registry().snapshot().load_full();
    (serial(&snapshot, "dyn.example"), answers(world))
}

fn play(engine: Engine, history: &[Transition]) {
    let mut world = World::new(engine, ZONE);
    world.start().unwrap();
    let mut model = Model::default();
    let mut tokens: BTreeMap<usize, String> = BTreeMap::new();
    let mut before = seen(&world);
    for transition in history {
        let mut changes_at_most = 1;
        match *transition {
            Transition::Report { host, v4, v6 } => {
                report(&world, &mut model, &tokens, host, v4, v6);
            }
            Transition::Offline { host } => {
                let path = format!("/nic/update?hostname={}&offline=YES", NAMES[host]);
                let body = update(&world, &tokens, host, &path);
                if let Some(host) = model.hosts.get_mut(&host) {
                    assert!(body.starts_with("good "), "{body}");
                    (host.v4, host.v6) = (None, None);
                }
            }
            Transition::Line { host, line, last } => {
                let name: Name = NAMES[host].parse().unwrap();
                let address = Ipv4Addr::new(192, 0, 2, last);
                let (v6, prefix) = (Said::Nothing, Said::Nothing);
                let update = Update {
                    hosts: Hosts::Listed(vec![Some(name.clone())]),
                    report: Report::Addresses { v4: Said::Is(address), v6, prefix },
                    line: Some(format!("wan{line}").parse().unwrap()),
                    protocol: Protocol::Dyndns2,
                    source: [203, 0, 113, 9].into(),
                };
                let outcomes = world.update(grant(name), &update);
                let served = model.served;
                let known = model.hosts.get_mut(&host);
                assert_eq!(outcomes == [Outcome::Unknown], known.is_none(), "{outcomes:?}");
                if let Some(known) = known {
                    known.lines.insert(line, (address, served));
                }
            }
            Transition::Prove { host, value, keep } => {
                let name: Name = NAMES[host].parse().unwrap();
                let change = RecordChange::Add {
                    rtype: RecordType::TXT,
                    ttl: Some(60),
                    rdata: vec![2, b'v', b'0' + value],
                    keep: Some(Duration::from_secs(keep)),
                    newest: None,
                };
                let edit = Edit { name: name.child(b"_acme-challenge").unwrap(), change };
                let source = [203, 0, 113, 9].into();
                let protocol = Protocol::Httpreq;
                let edits = Edits { requires: vec![], edits: vec![edit], protocol, source };
                let edited = world.edit(grant(name), edits);
                let end = model.served + keep;
                let known = model.hosts.get_mut(&host);
                assert_eq!(edited == Edited::Unknown, known.is_none(), "{edited:?}");
                if let Some(known) = known {
                    known.proofs.insert(value, end);
                }
            }
            Transition::WrongPassword { host } => {
                let path = format!("/nic/update?hostname={}&myip=192.0.2.200", NAMES[host]);
                let (status, body) =
                    world.http("GET", &path, Some((NAMES[host], "wrong")), [203, 0, 113, 9].into());
                assert_eq!((status, body.as_str()), (401, "badauth\n"));
            }
            Transition::Remove { host } => {
                let name = NAMES[host].parse().unwrap();
                let removed = world.command(Command::HostRemove { name });
                assert_eq!(removed.is_ok(), model.hosts.remove(&host).is_some());
                tokens.remove(&host);
            }
            Transition::Add { host, lease } => add(&world, &mut model, &mut tokens, host, lease),
            Transition::Ttl { host, ttl } => {
                let settings =
                    HostSettings { ttl: Some(Some(ttl.try_into().unwrap())), ..Default::default() };
                let name: Name = NAMES[host].parse().unwrap();
                let set = world.command(Command::HostSet { name, settings });
                assert_eq!(set.is_ok(), model.hosts.contains_key(&host));
                if let Some(host) = model.hosts.get_mut(&host) {
                    host.ttl = ttl;
                }
            }
            Transition::Wait { seconds } => {
                world.wait(seconds);
                model.served += seconds;
                model.lapse();
                // Each lease, line and challenge may end at its own moment.
                changes_at_most = 5 * NAMES.len() as u32;
            }
            Transition::Restart { down } => {
                world.stop();
                world.wait(down);
                world.start().unwrap();
                changes_at_most = 0;
            }
            Transition::Crash => {
                // The clock of the leases may go back to the last heartbeats:
                // write them down first, as a model of time alone needs.
                world.stop();
                world.start().unwrap();
                world.crash().unwrap();
                changes_at_most = 0;
            }
        }
        let after = seen(&world);
        assert_eq!(after.1, model.answers(), "after {transition:?}");
        let rose = after.0.wrapping_sub(before.0);
        assert_eq!(rose > 0, after.1 != before.1, "serial rose by {rose} after {transition:?}");
        assert!(rose <= changes_at_most, "serial rose by {rose} after {transition:?}");
        before = after;
    }
}

/// What a host's own key may.
fn grant(host: Name) -> Grant {
    Grant { holder: Holder::Host(host), hosts: Vec::new(), key: None, may: May::default() }
}

fn update(world: &World, tokens: &BTreeMap<usize, String>, host: usize, path: &str) -> String {
    let token = tokens.get(&host).map_or("nothing", String::as_str);
    world.http("GET", path, Some((NAMES[host], token)), [203, 0, 113, 9].into()).1
}

fn report(
    world: &World,
    model: &mut Model,
    tokens: &BTreeMap<usize, String>,
    host: usize,
    v4: Option<u8>,
    v6: Option<u8>,
) {
    let v4 = v4.map(|last| Ipv4Addr::new(192, 0, 2, last));
    let v6 = v6.map(|last| Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, last.into()));
    let mut said: Vec<String> = v4.iter().map(ToString::to_string).collect();
    said.extend(v6.iter().map(ToString::to_string));
    let said = said.join(",");
    let path = format!("/nic/update?hostname={}&myip={said}", NAMES[host]);
    let body = update(world, tokens, host, &path);
    let Some(known) = model.hosts.get_mut(&host) else {
        assert_eq!(body, "badauth\n");
        return;
    };
    let was = (known.v4, known.v6);
    // Nothing said: the address it came from.
    let v4 = if v4.is_none() && v6.is_none() { Some(Ipv4Addr::new(203, 0, 113, 9)) } else { v4 };
    known.v4 = v4.or(known.v4);
    known.v6 = v6.or(known.v6);
    known.heard = model.served;
    let word = if was == (known.v4, known.v6) { "nochg" } else { "good" };
    let said = if said.is_empty() { "203.0.113.9".into() } else { said };
    assert_eq!(body, format!("{word} {said}\n"));
}

fn add(
    world: &World,
    model: &mut Model,
    tokens: &mut BTreeMap<usize, String>,
    host: usize,
    lease: u64,
) {
    let span = Lease::For(std::time::Duration::from_secs(lease));
    let settings = HostSettings { lease: Some(Some(span)), ..Default::default() };
    let name = NAMES[host].parse().unwrap();
    let reply = world.command(Command::HostAdd { name, settings, key: true });
    match reply {
        Ok(Reply::HostAdded { key: Some(key), .. }) => {
            assert!(!model.hosts.contains_key(&host));
            tokens.insert(host, key.token);
            let heard = model.served;
            let (lines, proofs) = (BTreeMap::new(), BTreeMap::new());
            let (v4, v6, ttl) = (None, None, 60);
            model.hosts.insert(host, Modelled { v4, v6, ttl, lease, heard, lines, proofs });
        }
        Ok(other) => panic!("{other:?}"),
        Err(_) => assert!(model.hosts.contains_key(&host)),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_histories_on_sled(history in prop::collection::vec(transition(), 1..60)) {
        play(Engine::Sled, &history);
    }

    #[test]
    fn random_histories_on_redb(history in prop::collection::vec(transition(), 1..60)) {
        play(Engine::Redb, &history);
    }
}
