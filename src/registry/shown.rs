//! What answers show of a host: equal exactly when the answers are.

use std::collections::BTreeMap;

use crate::model::{Host, Name, RecordType};
use crate::update::{CHALLENGE_LABEL, octets};
use crate::zone::Snapshot;

/// The records of a host, those below its name too, as they are published:
/// by name, then type; each with its TTL and data.
#[derive(Default, PartialEq, Eq)]
pub(super) struct Shown(BTreeMap<Name, Vec<Record>>);

/// Type, TTL in seconds, data. In this order the record of a set stand
/// together.
type Record = (RecordType, u32, Vec<u8>);

impl Shown {
    /// Addresses have the host's TTL, whatever else does. A wildcard answers
    /// what the host itself does, and its challenges. Where a CNAME is,
    /// nothing else can be (RFC 2181 §10.1): it stands in for the addresses,
    /// reports going on.
    pub fn of(host: &Host, ttl: u32) -> Shown {
        let mut names: BTreeMap<Name, Vec<Record>> = BTreeMap::new();
        let addresses: Vec<Record> = host
            .addresses()
            .iter()
            .map(|address| (RecordType::of(address), ttl, octets(address)))
            .collect();
        if !addresses.is_empty() {
            names.insert(host.name.clone(), addresses);
        }
        for record in &host.records {
            let is_address = matches!(record.rtype, RecordType::A | RecordType::AAAA);
            let ttl = if is_address { ttl } else { record.ttl };
            let records = names.entry(record.name.clone()).or_default();
            records.push((record.rtype, ttl, record.rdata.clone()));
        }
        if host.wildcard
            && let Ok(star) = host.name.child(b"*")
        {
            let own = names.get(&host.name).into_iter().flatten();
            let like_it = |record: &&Record| {
                matches!(record.0, RecordType::A | RecordType::AAAA | RecordType::CNAME)
            };
            let challenges = host.name.child(CHALLENGE_LABEL).ok();
            let challenges = challenges.and_then(|name| names.get(&name)).into_iter().flatten();
            let txt = |record: &&Record| record.0 == RecordType::TXT;
            let records: Vec<Record> =
                own.filter(like_it).chain(challenges.filter(txt)).cloned().collect();
            if !records.is_empty() {
                names.entry(star).or_default().extend(records);
            }
        }
        for records in names.values_mut() {
            records.sort_unstable();
            records.dedup();
            if records.iter().any(|record| record.0 == RecordType::CNAME) {
                records.retain(|record| record.0 == RecordType::CNAME);
                records.truncate(1);
            }
        }
        Shown(names)
    }

    /// Publishes what is shown now in the place of what was before.
    pub fn publish(&self, before: &Shown, snapshot: &mut Snapshot) {
        // What is gone goes first, lest it take the place of what comes.
        for name in before.0.keys().filter(|name| !self.0.contains_key(*name)) {
            snapshot.set_name(name, std::iter::empty());
        }
        for (name, records) in &self.0 {
            if before.0.get(name) != Some(records) {
                let records =
                    records.iter().map(|(rtype, ttl, rdata)| (*rtype, *ttl, rdata.as_slice()));
                snapshot.set_name(name, records);
            }
        }
    }
}
