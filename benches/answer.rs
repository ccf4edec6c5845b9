//! Nanoseconds to answer a question in process, one at a time and in batches
//! as the UDP threads do: `cargo bench --bench answer [HOSTS…]`.
//!
//! Hosts have an A and an AAAA record; questions are for random hosts, of
//! each two one for A and one for AAAA. Also: octets of memory a host, and
//! what it takes to change one and publish.

use std::hint::black_box;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwap;
use truename::answer::{Asked, Meta, answer};
use truename::model::{Addresses, Name, Serial};
use truename::zone::{Identity, Snapshot, Zone};

const ZONE: &str = "$TTL 60\n@ SOA ns1 m 1 1h 1h 1w 60\n@ NS ns1\nns1 A 192.0.2.1\n";
const BATCH: usize = 32;
const ROUNDS: usize = 7;

fn main() {
    let hosts: Vec<u32> = std::env::args().filter_map(|word| word.parse().ok()).collect();
    let hosts = if hosts.is_empty() { vec![1_000, 100_000, 1_000_000] } else { hosts };
    println!(
        "| hosts | one at a time, ns | in batches, ns | octets a host | change and publish, us |"
    );
    println!("|---:|---:|---:|---:|---:|");
    hosts.into_iter().for_each(measure);
}

fn name(host: u32) -> Name {
    format!("h{host:07}.dyn.example.org").parse().expect("a name")
}

fn addresses(host: u32) -> Addresses {
    let v6 = Ipv6Addr::from(0x2001_0db8 << 96 | u128::from(host));
    Addresses { v4: Some(Ipv4Addr::from(0xc612_0000 + host)), v6: Some(v6) }
}

fn measure(hosts: u32) {
    let zone = Zone::parse(ZONE, Path::new("dyn.example.org.zone")).expect("a zone");
    let before = resident();
    let mut snapshot = Snapshot::new(&[(&zone, Serial(1))], Identity::default());
    for host in 0..hosts {
        snapshot.set_host(&name(host), addresses(host), 60, false);
    }
    let memory = (resident() - before) / f64::from(hosts);

    let mut chance = 1u64;
    let mut random = || {
        chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (chance >> 33) as u32 % hosts
    };
    let requests: Vec<Vec<u8>> = (0..200_000 / BATCH * BATCH)
        .map(|turn| {
            let mut request = vec![0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
            request.extend_from_slice(name(random()).wire());
            request.extend([0, if turn % 2 == 0 { 1 } else { 28 }, 0, 1]);
            request
        })
        .collect();

    let mut out = Vec::with_capacity(1232);
    let single = best(requests.len(), || {
        for request in &requests {
            black_box(answer(&snapshot, request, &Meta::UDP, &mut out));
        }
    });
    let mut asked: Vec<Asked> = (0..BATCH).map(|_| Asked::new()).collect();
    let batch = best(requests.len(), || {
        for requests in requests.as_chunks::<BATCH>().0 {
            for (asked, request) in asked.iter_mut().zip(requests) {
                asked.read(request);
            }
            let mut spots: [_; BATCH] = std::array::from_fn(|at| {
                let spot = snapshot.spot(asked[at].name());
                spot.fetch_leaf();
                spot
            });
            spots.iter().for_each(|spot| spot.fetch_front());
            spots.iter_mut().for_each(|spot| spot.fetch_entry());
            for ((asked, request), spot) in asked.iter_mut().zip(requests).zip(spots) {
                black_box(asked.answer(&snapshot, spot, request, &Meta::UDP, &mut out));
            }
        }
    });
    let published = ArcSwap::from_pointee(snapshot.clone());
    let update = best(10_000, || {
        for _ in 0..10_000 {
            let mut next = snapshot.clone();
            next.set_host(&name(random()), addresses(random()), 60, false);
            next.set_serial(zone.origin(), Serial(2));
            snapshot = next.clone();
            published.store(Arc::new(next));
        }
    });
    println!("| {hosts} | {single:.0} | {batch:.0} | {memory:.0} | {:.2} |", update / 1e3);
}

/// Nanoseconds for each of `count`, in the best of some rounds: what else
/// runs on the machine only adds.
fn best(count: usize, mut work: impl FnMut()) -> f64 {
    let rounds = (0..ROUNDS).map(|_| {
        let begun = Instant::now();
        work();
        begun.elapsed().as_nanos() as f64 / count as f64
    });
    rounds.fold(f64::INFINITY, f64::min)
}

/// Resident memory of this process, in octets.
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|line| line.starts_with("VmRSS")).expect("VmRSS");
    let kilobytes: f64 = line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).expect("kB");
    kilobytes * 1024.0
}
