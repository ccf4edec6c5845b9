//! DNS UPDATE (RFC 2136): a message becomes [`Edits`], what became of them a
//! response code.
//!
//! ```text
//! zone           dyn.example.org. SOA IN
//! prerequisites  home.dyn.example.org. A ANY             there are such records
//! updates        home.dyn.example.org. A ANY             take them away
//!                home.dyn.example.org. A IN 192.0.2.7    add this one
//! ```
//!
//! The order of checks is that of §3: zone, prerequisites, updates, and so is
//! the code when several are at fault. One thing is in another order, as with
//! BIND: an update that is not well formed (§3.4.1) is told so before anybody
//! asks whether the key may make it (§3.3, "may be tested"), since what cannot
//! be read names nothing that could be asked about.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::model::{Name, Protocol, RecordType};
use crate::update::{Edit, Edited, Edits, RecordChange, Requirement};
use crate::wire::{CLASS_ANY, CLASS_IN, CLASS_NONE, Question, Record, name_at, rcode, u16_at};
use crate::zone::{Snapshot, received};

/// The most records of one message that are prerequisites; one more is
/// REFUSED. They are looked up by the thread that all updates wait for.
const MAX_PREREQUISITES: u16 = 1000;

/// The most updates in one message; one more is REFUSED. A host has fewer
/// records ([`crate::model::MAX_RECORDS`]), an account may have many hosts.
const MAX_UPDATES: u16 = 1000;

/// The zone section of an UPDATE that is about a zone of ours.
pub struct Zone {
    origin: Name,
    /// Where the section ends in the message.
    end: usize,
}

/// What an UPDATE asks for.
#[derive(Debug, PartialEq, Eq)]
pub struct Asked {
    /// What is to be done.
    pub edits: Edits,
    /// The code once that is done. Where the message is at fault, the edits
    /// hold nothing but the prerequisites before the fault, for they are
    /// checked first; and this is what is said if those hold.
    pub rcode: u16,
}

impl Asked {
    /// Whether nothing has to be looked up and nothing done.
    pub fn is_empty(&self) -> bool {
        self.edits.requires.is_empty() && self.edits.edits.is_empty()
    }
}

/// Reads the zone section (§3.1.1).
///
/// # Errors
/// The code to answer with.
pub fn zone(request: &[u8], snapshot: &Snapshot) -> Result<Zone, u16> {
    if u16_at(request, 4) != Some(1) {
        return Err(rcode::FORMERR);
    }
    let zone = Question::read(request).ok_or(rcode::FORMERR)?;
    if zone.rtype != RecordType::SOA {
        return Err(rcode::FORMERR);
    }
    let origin = Name::from_wire(zone.name).map_err(|_| rcode::FORMERR)?;
    if zone.class != CLASS_IN || !is_zone(&origin, snapshot) {
        return Err(rcode::NOTAUTH);
    }
    Ok(Zone { origin, end: zone.end() })
}

/// Whether a name is the apex of a zone of ours.
pub fn is_zone(name: &Name, snapshot: &Snapshot) -> bool {
    snapshot.zone_of(name.wire()).is_some_and(|zone| zone.origin == *name)
}

/// Reads what comes after the zone section of an UPDATE, every record of
/// which is whole. `source` is the client's address.
///
/// # Errors
/// REFUSED for a message that asks for too much.
pub fn read(
    request: &[u8],
    zone: &Zone,
    snapshot: &Snapshot,
    source: IpAddr,
) -> Result<Asked, u16> {
    let count = |section: usize| u16_at(request, 4 + 2 * section).unwrap_or(0);
    let (prerequisites, updates) = (count(1), count(2));
    if prerequisites > MAX_PREREQUISITES || updates > MAX_UPDATES {
        return Err(rcode::REFUSED);
    }
    let mut records = Records { request, zone, snapshot, at: zone.end };
    let mut edits =
        Edits { requires: vec![], edits: vec![], protocol: Protocol::DnsUpdate, source };
    if let Err(rcode) = records.prerequisites(prerequisites, &mut edits.requires) {
        return Ok(Asked { edits, rcode });
    }
    let changes: Result<Vec<Edit>, u16> = (0..updates).map(|_| records.update()).collect();
    match changes {
        Ok(changes) => Ok(Asked { edits: Edits { edits: changes, ..edits }, rcode: 0 }),
        Err(rcode) => Ok(Asked { edits, rcode }),
    }
}

/// What to answer once edits are decided.
pub fn rcode(edited: &Edited) -> u16 {
    match edited {
        Edited::Done { .. } => rcode::NOERROR,
        Edited::Failed(Requirement::NameInUse(_)) => rcode::NXDOMAIN,
        Edited::Failed(Requirement::NameNotInUse(_)) => rcode::YXDOMAIN,
        Edited::Failed(Requirement::SetExists { .. } | Requirement::SetIs { .. }) => rcode::NXRRSET,
        Edited::Failed(Requirement::SetAbsent { .. }) => rcode::YXRRSET,
        // Not this key's to change, or not to be published here (§3.3).
        Edited::Unknown
        | Edited::NotAllowed
        | Edited::Blocked
        | Edited::BadAddress
        | Edited::BadData
        | Edited::BesideCname
        | Edited::TooMany => rcode::REFUSED,
    }
}

/// The records of a message, one after the other.
struct Records<'m> {
    request: &'m [u8],
    zone: &'m Zone,
    snapshot: &'m Snapshot,
    at: usize,
}

impl Records<'_> {
    /// The next record and its owner, which must lie in the zone.
    fn next(&mut self) -> Result<(Name, Record), u16> {
        let record = Record::read(self.request, self.at).ok_or(rcode::FORMERR)?;
        self.at = record.end;
        let (name, _) = name_at(self.request, record.owner).ok_or(rcode::FORMERR)?;
        let zone = self.snapshot.zone_of(name.wire());
        match zone.is_some_and(|zone| zone.origin == self.zone.origin) {
            true => Ok((name, record)),
            false => Err(rcode::NOTZONE),
        }
    }

    fn data(&self, record: &Record) -> Result<Vec<u8>, u16> {
        received(record.rtype, self.request, record.data..record.end).ok_or(rcode::FORMERR)
    }

    /// The prerequisites (§3.2). On a fault those before it are there, but for
    /// sets compared by value, which are complete only at the end.
    fn prerequisites(&mut self, count: u16, requires: &mut Vec<Requirement>) -> Result<(), u16> {
        let mut sets: BTreeMap<(Name, RecordType), Vec<Vec<u8>>> = BTreeMap::new();
        for _ in 0..count {
            let ttl_end = Record::read(self.request, self.at);
            if ttl_end.is_some_and(|record| record.ttl != 0) {
                return Err(rcode::FORMERR);
            }
            let (name, record) = self.next()?;
            let (rtype, empty) = (record.rtype, record.data == record.end);
            requires.push(match (record.class, rtype) {
                (CLASS_IN, _) if rtype.is_meta() => return Err(rcode::FORMERR),
                (CLASS_IN, _) => {
                    let data = self.data(&record)?;
                    sets.entry((name, rtype)).or_default().push(data);
                    continue;
                }
                (CLASS_ANY | CLASS_NONE, _) if !empty => return Err(rcode::FORMERR),
                (CLASS_ANY, RecordType::ANY) => Requirement::NameInUse(name),
                (CLASS_ANY, _) => Requirement::SetExists { name, rtype },
                (CLASS_NONE, RecordType::ANY) => Requirement::NameNotInUse(name),
                (CLASS_NONE, _) => Requirement::SetAbsent { name, rtype },
                _ => return Err(rcode::FORMERR),
            });
        }
        let sets = sets.into_iter();
        requires.extend(sets.map(|((name, rtype), rdata)| Requirement::SetIs {
            name,
            rtype,
            rdata,
        }));
        Ok(())
    }

    /// The next update (§3.4.1.3).
    fn update(&mut self) -> Result<Edit, u16> {
        let (name, record) = self.next()?;
        let rtype = record.rtype;
        let plain = record.ttl == 0 && record.data == record.end;
        let change = match record.class {
            CLASS_IN if !rtype.is_meta() => RecordChange::Add {
                rtype,
                // The highest bit means nothing good (RFC 2181 §8).
                ttl: Some(if record.ttl >> 31 == 0 { record.ttl } else { 0 }),
                rdata: self.data(&record)?,
                keep: None,
                newest: None,
            },
            CLASS_ANY if plain && rtype == RecordType::ANY => RecordChange::RemoveName,
            CLASS_ANY if plain && !rtype.is_meta() => RecordChange::RemoveSet { rtype },
            CLASS_NONE if record.ttl == 0 && !rtype.is_meta() => {
                RecordChange::Remove { rtype, rdata: self.data(&record)? }
            }
            _ => return Err(rcode::FORMERR),
        };
        Ok(Edit { name, change })
    }
}
