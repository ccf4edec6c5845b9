//! The addresses of a master file (RFC 1035 §5): each name with A or AAAA
//! records becomes a host. Everything else belongs into the zone's own file.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::{Entry, File, Found, place};
use crate::model::{Name, RecordType};
use crate::zone;

pub fn read(file: &File, found: &mut Found) -> Result<(), String> {
    let records = zone::records(&file.text, &file.path).map_err(|error| error.to_string())?;
    let of_type = |rtype| records.iter().filter(move |record| record.rtype == rtype);
    let apex = of_type(RecordType::SOA).next().map(|record| record.owner.clone());
    // Who serves a zone is no host of it: these stay in the file.
    let servers: BTreeSet<Name> = of_type(RecordType::NS)
        .filter_map(|record| Name::from_wire(&record.rdata).ok())
        .chain(apex.clone())
        .collect();
    let mut hosts: BTreeMap<&Name, Entry> = BTreeMap::new();
    let mut order = Vec::new();
    let mut others: BTreeSet<String> = BTreeSet::new();
    for record in &records {
        let rtype = record.rtype;
        if (rtype != RecordType::A && rtype != RecordType::AAAA) || servers.contains(&record.owner)
        {
            others.insert(rtype.to_string());
            continue;
        }
        let entry = hosts.entry(&record.owner).or_insert_with(|| {
            order.push(&record.owner);
            Entry {
                name: record.owner.without_dot(),
                zone: apex.clone(),
                place: place(&record.place.file, record.place.line),
                ttl: Some(record.ttl),
                ..Entry::default()
            }
        });
        let taken = match (rtype, &*record.rdata) {
            (RecordType::A, rdata) => <[u8; 4]>::try_from(rdata)
                .is_ok_and(|octets| fill(&mut entry.addresses.v4, Ipv4Addr::from(octets))),
            (_, rdata) => <[u8; 16]>::try_from(rdata)
                .is_ok_and(|octets| fill(&mut entry.addresses.v6, Ipv6Addr::from(octets))),
        };
        if !taken {
            found.remarks.push(format!(
                "{}: {} has a further {rtype} record; a host has one, so it is left out",
                place(&record.place.file, record.place.line),
                record.owner.without_dot()
            ));
        }
    }
    // `*.home` with home's own addresses is home's wildcard.
    let wildcards: Vec<&Name> =
        order.iter().copied().filter(|name| name.labels().next() == Some(b"*")).collect();
    for name in wildcards {
        let Some(wildcard) = hosts.remove(name) else { continue };
        let below = name.parent().and_then(|parent| hosts.get_mut(&parent));
        match below {
            Some(host) if host.addresses == wildcard.addresses => host.wildcard = true,
            _ => found.remarks.push(format!(
                "{}: {} is a wildcard without a host that has its addresses; it is left out",
                wildcard.place, wildcard.name
            )),
        }
    }
    if !others.is_empty() {
        let types: Vec<String> = others.into_iter().collect();
        found.remarks.push(format!(
            "{}: records of the types {} and those of the zone's name servers stay out: put them \
             into the zone file that truename serves",
            place(&file.path, 0),
            types.join(", ")
        ));
    }
    found.hosts.extend(order.into_iter().filter_map(|name| hosts.remove(name)));
    Ok(())
}

/// Fills a place; `false`: it is taken, by another.
fn fill<A: PartialEq>(place: &mut Option<A>, address: A) -> bool {
    match place {
        Some(have) => *have == address,
        None => {
            *place = Some(address);
            true
        }
    }
}
