//! Random zones with hosts that come and go, asked at every name: what is
//! answered is what RFC 1034 §4.3.2 and RFC 4592 say, worked out the slow way
//! from the list of records; and a snapshot that was changed host by host is
//! the one made afresh.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use proptest::prelude::*;
use truename::answer::{Meta, Verdict, answer};
use truename::model::{Addresses, Name, Serial};
use truename::wire::RecordType;
use truename::zone::{Identity, Snapshot, Zone};

use crate::parsed::parsed;

/// Owner, type, data: all records that are served.
type Records = BTreeSet<(Name, RecordType, Vec<u8>)>;

/// What a host was told to be.
#[derive(Clone, Copy, Debug)]
struct Told {
    host: usize,
    octet: Option<u8>,
    wildcard: bool,
}

/// Every name of one to three of these labels: few, so that they meet.
fn names() -> Vec<Name> {
    let labels = [&b"a"[..], b"b", b"*"];
    let mut names = vec!["z".parse::<Name>().unwrap()];
    let mut from = 0;
    for _ in 0..3 {
        let end = names.len();
        for parent in from..end {
            for label in labels {
                names.push(names[parent].child(label).unwrap());
            }
        }
        from = end;
    }
    names
}

/// Those hosts can have.
fn host_names() -> Vec<Name> {
    let no_star = |name: &Name| name.labels().all(|label| label != b"*") && name.depth() > 1;
    names().into_iter().filter(no_star).collect()
}

/// Lines of a zone file, each with a name, what is there and a target.
fn zone(lines: &[(usize, usize, usize)]) -> Zone {
    let names = names();
    let mut text = String::from("z. 60 SOA ns.test. m.test. 1 1 1 1 60\nz. 60 NS ns.test.\n");
    let mut zone = Zone::parse(&text, Path::new("z.zone")).unwrap();
    for (name, kind, target) in lines {
        let name = &names[name % names.len()];
        let target = &names[target % names.len()];
        let data = match kind % 4 {
            0 => format!("A 192.0.2.{}", kind / 4),
            1 => format!("TXT {target}"),
            2 => format!("CNAME {target}"),
            _ => "NS ns.test.".to_owned(),
        };
        let longer = format!("{text}{name} 60 {data}\n");
        // What cannot stand beside the rest is left out.
        if let Ok(with) = Zone::parse(&longer, Path::new("z.zone")) {
            (zone, text) = (with, longer);
        }
    }
    zone
}

/// The answer by the book.
#[derive(Debug, PartialEq, Eq)]
struct Answer {
    code: &'static str,
    aa: bool,
    answer: Vec<(Name, RecordType, Vec<u8>)>,
    authority: BTreeSet<(Name, RecordType)>,
}

fn by_the_book(records: &Records, asked: &Name, rtype: RecordType) -> Answer {
    let apex: Name = "z".parse().unwrap();
    let exists = |name: &Name| records.iter().any(|(owner, ..)| owner.is_within(name));
    let at = |name: &Name, rtype: RecordType| -> Vec<Vec<u8>> {
        let of = |(owner, kind, _): &&(Name, RecordType, Vec<u8>)| owner == name && *kind == rtype;
        records.iter().filter(of).map(|(.., data)| data.clone()).collect()
    };
    let soa = || BTreeSet::from([(apex.clone(), RecordType::SOA)]);
    let mut found =
        Answer { code: "noerror", aa: true, answer: vec![], authority: BTreeSet::new() };
    let mut name = asked.clone();
    let mut seen = BTreeSet::new();
    loop {
        // RFC 1034 §4.3.2 step 3b: the delegation nearest to the apex.
        let mut above: Vec<Name> = Vec::new();
        let mut up = Some(name.clone());
        while let Some(here) = up.filter(|here| *here != apex) {
            up = here.parent();
            above.push(here);
        }
        let cut = above.iter().rev().find(|here| !at(here, RecordType::NS).is_empty());
        if let Some(cut) = cut.filter(|cut| **cut != name || rtype != RecordType::DS) {
            found.aa = !found.answer.is_empty();
            found.authority = BTreeSet::from([(cut.clone(), RecordType::NS)]);
            return found;
        }
        // Step 3c with RFC 4592 §3.3.1: the closest encloser's wildcard.
        let mut source = name.clone();
        if !exists(&name) {
            let mut encloser = name.parent().unwrap();
            while !exists(&encloser) {
                encloser = encloser.parent().unwrap();
            }
            source = encloser.child(b"*").unwrap();
            if !exists(&source) {
                found.code = "nxdomain";
                found.authority = soa();
                return found;
            }
        }
        let data = at(&source, rtype);
        if !data.is_empty() {
            found.answer.extend(data.into_iter().map(|data| (name.clone(), rtype, data)));
            return found;
        }
        let Some(target) = at(&source, RecordType::CNAME).pop() else {
            found.authority = soa();
            return found;
        };
        found.answer.push((name.clone(), RecordType::CNAME, target.clone()));
        seen.insert(name);
        name = Name::from_wire(&target).unwrap();
        if seen.contains(&name) || !name.is_within(&apex) {
            return found;
        }
    }
}

fn seen(snapshot: &Snapshot, name: &Name, rtype: RecordType) -> Answer {
    let mut request = vec![1, 2, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    request.extend_from_slice(name.wire());
    request.extend(rtype.0.to_be_bytes());
    request.extend([0, 1]);
    let mut out = Vec::new();
    assert_eq!(answer(snapshot, &request, &Meta::TCP, &mut out), Verdict::Sent);
    let message = parsed(&out);
    let code = match out[3] & 15 {
        0 => "noerror",
        3 => "nxdomain",
        other => panic!("{name} {rtype}: code {other}"),
    };
    let authority = message.sections[1].iter().map(|record| (record.owner.clone(), record.rtype));
    let answer = message.sections[0].iter();
    Answer {
        code,
        aa: out[2] & 4 != 0,
        answer: answer.map(|r| (r.owner.clone(), r.rtype, r.data.clone())).collect(),
        authority: authority.collect(),
    }
}

fn told() -> impl Strategy<Value = Told> {
    let octet = proptest::option::weighted(0.7, 1..4u8);
    (0..14usize, octet, any::<bool>()).prop_map(|(host, octet, wildcard)| Told {
        host,
        octet,
        wildcard,
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]
    #[test]
    fn answers_are_those_of_the_book(
        lines in proptest::collection::vec((0..40usize, 0..16usize, 0..40usize), 0..12),
        told in proptest::collection::vec(told(), 0..24),
    ) {
        let zone = zone(&lines);
        let hosts = host_names();
        let mut snapshot = Snapshot::new(&[(&zone, Serial(1))], Identity::default());
        let mut last: BTreeMap<&Name, (Addresses, bool)> = BTreeMap::new();
        for told in &told {
            let host = &hosts[told.host % hosts.len()];
            let v4 = told.octet.map(|octet| [192, 0, 2, octet].into());
            let addresses = Addresses { v4, v6: None };
            if zone.refuses_host(host, true).is_none() {
                snapshot.set_host(host, addresses, 60, told.wildcard);
                last.insert(host, (addresses, told.wildcard));
            }
        }
        let mut fresh = Snapshot::new(&[(&zone, Serial(1))], Identity::default());
        let mut records = Records::new();
        for (name, set) in zone.rrsets() {
            records.extend(set.rdata.iter().map(|data| (name.clone(), set.rtype, data.to_vec())));
        }
        for (host, (addresses, wildcard)) in last {
            fresh.set_host(host, addresses, 60, wildcard);
            let Some(v4) = addresses.v4 else { continue };
            let star = wildcard.then(|| host.child(b"*").unwrap());
            for name in std::iter::once(host.clone()).chain(star) {
                records.insert((name, RecordType::A, v4.octets().to_vec()));
            }
        }
        let served = |snapshot: &Snapshot| -> Records {
            let all = snapshot.records();
            all.map(|(name, rtype, _, data)| (name.clone(), rtype, data.to_vec())).collect()
        };
        prop_assert_eq!(served(&snapshot), records.clone());
        prop_assert_eq!(snapshot.len(), fresh.len(), "names left behind");
        for name in names() {
            for name in [name.child(b"c").unwrap(), name] {
                for rtype in [RecordType::A, RecordType::TXT, RecordType::NS, RecordType::DS] {
                    let book = by_the_book(&records, &name, rtype);
                    prop_assert_eq!(seen(&snapshot, &name, rtype), book, "{} {}", name, rtype);
                }
            }
        }
    }
}
