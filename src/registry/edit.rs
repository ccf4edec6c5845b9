//! Changes of records in a draft: all of them, or none.

use std::collections::BTreeMap;

use super::draft::Draft;
use crate::model::{
    Addresses, Cause, Grant, Host, HostRecord, LastReport, MAX_RDATA, MAX_RECORD_OCTETS,
    MAX_RECORDS, May, Name, Now, Presence, Protocol, RecordType, Served,
};
use crate::update::{
    CHALLENGE, CHALLENGE_LABEL, Edit, Edited, Edits, Policies, Policy, RecordChange, Requirement,
    octets,
};

/// TTLs a record may have, in seconds.
const TTL: std::ops::RangeInclusive<u32> = 1..=86_400;

/// Why edits are not made.
type Refusal = Edited;

impl Draft {
    /// Makes edits, all or none. Without a grant they are the operator's.
    pub(super) fn edit(
        &mut self,
        grant: Option<&Grant>,
        edits: &Edits,
        policies: &Policies,
        now: Now,
    ) -> Edited {
        if let Some(broken) = edits.requires.iter().find(|required| !self.holds(required)) {
            return Edited::Failed(broken.clone());
        }
        let mut hosts: BTreeMap<Name, Host> = BTreeMap::new();
        for edit in &edits.edits {
            if let Err(refusal) = self.edit_one(grant, edits, edit, policies, now, &mut hosts) {
                return refusal;
            }
        }
        let changed: Vec<Host> = hosts
            .into_values()
            .filter(|host| self.state.host(&host.name).as_ref() != Some(host))
            .collect();
        let done = Edited::Done { changed: !changed.is_empty() };
        self.together(|draft| {
            for host in changed {
                let source = Some(edits.source).filter(|_| grant.is_some());
                draft.put_host(host, Cause::Records { protocol: edits.protocol, source }, now);
            }
        });
        done
    }

    fn edit_one(
        &self,
        grant: Option<&Grant>,
        edits: &Edits,
        edit: &Edit,
        policies: &Policies,
        now: Now,
        hosts: &mut BTreeMap<Name, Host>,
    ) -> Result<(), Refusal> {
        let Some(known) = self.state.host_above(&edit.name) else { return Err(Edited::Unknown) };
        let Some((origin, zone)) = self.state.zone_of(&known.name) else {
            return Err(Edited::Unknown);
        };
        let name = known.name.clone();
        let mut host = hosts.remove(&name).unwrap_or(known);
        let mut rights = None;
        if let Some(grant) = grant {
            if !self.state.covers(grant, &host) {
                return Err(Edited::Unknown);
            }
            if self.state.is_blocked(&host) {
                return Err(Edited::Blocked);
            }
            rights = Some(&grant.may);
        }
        let adds = matches!(edit.change, RecordChange::Add { .. });
        if adds && edit.name != name && zone.zone.refuses_host(&edit.name, false).is_some() {
            return Err(Edited::NotAllowed);
        }
        let policy = policies.of(origin);
        let before = host.addresses();
        let mut editing = Editing {
            addresses: before,
            until: self.state.lease_of(&host).end(now.served),
            ttl: self.state.ttl_of(&host).seconds(),
            protocol: edits.protocol,
            host: &mut host,
            rights,
            policy,
            now,
        };
        editing.apply(edit)?;
        let after = editing.addresses;
        if after != before {
            host.presence = match after.is_empty() {
                true => Presence::Offline { since: now.wall },
                false => Presence::Present { addresses: after, heard: now.served },
            };
            let source = Some(edits.source).filter(|_| grant.is_some());
            host.last_report = Some(LastReport { at: now.wall, source, protocol: edits.protocol });
        }
        hosts.insert(name, host);
        Ok(())
    }

    /// Whether a requirement holds, of what is served (RFC 2136 §3.2).
    fn holds(&self, required: &Requirement) -> bool {
        let set = |name: &Name, wanted: RecordType| -> Vec<Vec<u8>> {
            let node = self.snapshot.node(name.wire());
            let records = node.into_iter().flat_map(|node| node.records);
            let records = records.filter(|record| record.rtype() == wanted);
            records.map(|record| record.rdata().to_vec()).collect()
        };
        let in_use = |name: &Name| {
            self.snapshot.node(name.wire()).is_some_and(|node| !node.records.is_empty())
        };
        match required {
            Requirement::NameInUse(name) => in_use(name),
            Requirement::NameNotInUse(name) => !in_use(name),
            Requirement::SetExists { name, rtype } => !set(name, *rtype).is_empty(),
            Requirement::SetAbsent { name, rtype } => set(name, *rtype).is_empty(),
            Requirement::SetIs { name, rtype, rdata } => {
                let (mut is, mut wanted) = (set(name, *rtype), rdata.clone());
                is.sort_unstable();
                wanted.sort_unstable();
                wanted.dedup();
                is == wanted
            }
        }
    }
}

/// One host while edits are made to it.
struct Editing<'e> {
    host: &'e mut Host,
    /// The addresses its reports keep.
    addresses: Addresses,
    /// `None`: the operator's.
    rights: Option<&'e May>,
    policy: Policy,
    /// When an address given now ends.
    until: Option<Served>,
    ttl: u32,
    protocol: Protocol,
    now: Now,
}

impl Editing<'_> {
    fn apply(&mut self, edit: &Edit) -> Result<(), Refusal> {
        let name = &edit.name;
        match &edit.change {
            RecordChange::Add { rtype, ttl, rdata, keep, newest } => {
                self.may(name, *rtype)?;
                let until = match keep {
                    Some(span) => Some(self.now.served.plus(*span)),
                    None if *rtype == RecordType::TXT && is_challenge(name) => {
                        Some(self.now.served.plus(CHALLENGE))
                    }
                    None => None,
                };
                let ttl = ttl.unwrap_or(self.ttl).clamp(*TTL.start(), *TTL.end());
                let (name, rtype, rdata) = (name.clone(), *rtype, rdata.clone());
                self.add(HostRecord { name, rtype, ttl, rdata, until, line: None }, *newest)
            }
            RecordChange::Remove { rtype, rdata } => {
                self.may(name, *rtype)?;
                self.take(|record| {
                    (&record.name, record.rtype, &record.rdata) == (name, *rtype, rdata)
                });
                Ok(())
            }
            RecordChange::RemoveSet { rtype } => {
                self.may(name, *rtype)?;
                self.take(|record| &record.name == name && record.rtype == *rtype);
                Ok(())
            }
            RecordChange::RemoveName => {
                let reported = self.reported();
                let all = self.host.records.iter().chain(&reported);
                let types: Vec<RecordType> =
                    all.filter(|record| &record.name == name).map(|record| record.rtype).collect();
                for rtype in types {
                    self.may(name, rtype)?;
                }
                self.take(|record| &record.name == name);
                Ok(())
            }
        }
    }

    /// Whether records of the type at the name may be changed.
    fn may(&self, name: &Name, rtype: RecordType) -> Result<(), Refusal> {
        if !rtype.is_hosts() {
            return Err(Edited::NotAllowed);
        }
        let Some(may) = self.rights else { return Ok(()) };
        let is_address = matches!(rtype, RecordType::A | RecordType::AAAA);
        let allowed = may.types.contains(&rtype)
            || (may.addresses && is_address && *name == self.host.name)
            || (may.acme && rtype == RecordType::TXT && is_challenge(name));
        if allowed { Ok(()) } else { Err(Edited::NotAllowed) }
    }

    /// The addresses its reports keep, as records.
    fn reported(&self) -> Vec<HostRecord> {
        let record = |address| HostRecord {
            name: self.host.name.clone(),
            rtype: RecordType::of(address),
            ttl: self.ttl,
            rdata: octets(address),
            until: self.until,
            line: None,
        };
        self.addresses.iter().map(record).collect()
    }

    /// Takes records away, and addresses that reports keep.
    fn take(&mut self, gone: impl Fn(&HostRecord) -> bool) {
        for record in self.reported().iter().filter(|record| gone(record)) {
            match record.rtype {
                RecordType::A => self.addresses.v4 = None,
                _ => self.addresses.v6 = None,
            }
        }
        self.host.records.retain(|record| !gone(record));
    }

    fn add(&mut self, record: HostRecord, newest: Option<usize>) -> Result<(), Refusal> {
        if record.rdata.len() > MAX_RDATA {
            return Err(Edited::BadData);
        }
        if self.is_beside_cname(&record) {
            return match self.protocol {
                Protocol::DnsUpdate => Ok(()),
                _ => Err(Edited::BesideCname),
            };
        }
        let record = match record.rtype {
            RecordType::A | RecordType::AAAA => match self.add_address(record)? {
                Some(further) => further,
                None => return Ok(()),
            },
            _ => record,
        };
        let records = &mut self.host.records;
        // One TTL a set (RFC 2181 §5.2), one CNAME a name.
        let is_of_set = |other: &HostRecord| {
            other.name == record.name && other.rtype == record.rtype && other.line.is_none()
        };
        if record.rtype == RecordType::CNAME {
            records.retain(|other| !is_of_set(other));
        }
        for other in records.iter_mut().filter(|other| is_of_set(other)) {
            other.ttl = record.ttl;
        }
        match records.iter().position(|other| is_of_set(other) && other.rdata == record.rdata) {
            // Newest last.
            Some(at) => {
                records.remove(at);
            }
            None if records.len() >= MAX_RECORDS && newest.is_none() => {
                return Err(Edited::TooMany);
            }
            None => {}
        }
        let set = |records: &[HostRecord]| records.iter().filter(|other| is_of_set(other)).count();
        while newest.is_some_and(|newest| set(records) >= newest.max(1)) {
            let oldest = records.iter().position(is_of_set).expect("the set has some");
            records.remove(oldest);
        }
        let octets: usize = records.iter().map(|record| record.rdata.len()).sum();
        if records.len() >= MAX_RECORDS || octets + record.rdata.len() > MAX_RECORD_OCTETS {
            return Err(Edited::TooMany);
        }
        records.push(record);
        Ok(())
    }

    /// Gives an address its place among those that reports keep; a further
    /// one is a record of its own, which ends as they do.
    fn add_address(&mut self, record: HostRecord) -> Result<Option<HostRecord>, Refusal> {
        let address = match (record.rtype, record.rdata.as_slice()) {
            (RecordType::A, octets) => {
                <[u8; 4]>::try_from(octets).map(Into::into).map_err(|_| Edited::BadData)?
            }
            (_, octets) => {
                <[u8; 16]>::try_from(octets).map(Into::into).map_err(|_| Edited::BadData)?
            }
        };
        if !self.policy.allows(address) {
            return Err(Edited::BadAddress);
        }
        if record.name != self.host.name {
            return Ok(Some(record));
        }
        let place = Addresses::from(address);
        let free = match place.v4 {
            Some(_) => self.addresses.v4.is_none() || self.addresses.v4 == place.v4,
            None => self.addresses.v6.is_none() || self.addresses.v6 == place.v6,
        };
        if !free {
            return Ok(Some(HostRecord { until: record.until.or(self.until), ..record }));
        }
        self.addresses.v4 = place.v4.or(self.addresses.v4);
        self.addresses.v6 = place.v6.or(self.addresses.v6);
        Ok(None)
    }

    /// Whether a CNAME would stand beside other records. The operator's CNAME
    /// stands in for reported addresses.
    fn is_beside_cname(&self, record: &HostRecord) -> bool {
        let is_cname = record.rtype == RecordType::CNAME;
        let reported =
            record.name == self.host.name && !self.addresses.is_empty() && self.rights.is_some();
        let mut others = self.host.records.iter().filter(|other| other.name == record.name);
        (is_cname && reported) || others.any(|other| (other.rtype == RecordType::CNAME) != is_cname)
    }
}

/// Whether a certificate is proved at this name.
fn is_challenge(name: &Name) -> bool {
    name.labels().next() == Some(CHALLENGE_LABEL)
}
