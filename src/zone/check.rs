//! From the lines of a master file to a zone that can be served: sets put
//! together, and what would make wrong answers refused.

use std::collections::BTreeMap;
use std::path::Path;

use super::file::Line;
use super::{RrSet, Zone, ZoneError};
use crate::model::Name;
use crate::wire::RecordType;

/// The most octets one set of records may take in an answer, so that it
/// always fits into a message beside the question, the SOA and EDNS.
const MAX_RRSET: usize = 60_000;

/// The most octets the NS records of one name may take: answers point into
/// them for the owners of glue, and pointers reach 16,383 octets
/// (RFC 1035 §4.1.4), a chain of CNAME records in front.
const MAX_SERVERS: usize = 8_000;

/// Octets of a record around its data: a pointer for the owner, type, class,
/// TTL, length.
const AROUND: usize = 12;

/// Builds the zone of a file.
pub fn zone(lines: Vec<Line>, file: &Path) -> Result<Zone, ZoneError> {
    let origin = origin(&lines, file)?;
    let mut names: BTreeMap<Name, Vec<RrSet>> = BTreeMap::new();
    for line in lines {
        if !line.owner.is_within(&origin) {
            return Err(line.place.error(format!(
                "{} is outside the zone {}",
                line.owner.without_dot(),
                origin.without_dot()
            )));
        }
        add(names.entry(line.owner.clone()).or_default(), line)?;
    }
    // So that the same records make the same zone in whatever order they
    // stand.
    for sets in names.values_mut() {
        sets.sort_by_key(|set| set.rtype);
        sets.iter_mut().for_each(|set| set.rdata.sort());
    }
    let zone = Zone { origin, file: file.to_path_buf(), names };
    for (name, sets) in &zone.names {
        check_name(&zone, name, sets)?;
    }
    if zone.rrset(&zone.origin, RecordType::NS).is_none() {
        let problem = format!("the apex {} has no NS record", zone.origin.without_dot());
        return Err(ZoneError { file: file.to_path_buf(), line: 0, problem });
    }
    Ok(zone)
}

/// The owner of the one SOA record.
fn origin(lines: &[Line], file: &Path) -> Result<Name, ZoneError> {
    let mut found = lines.iter().filter(|line| line.rtype == RecordType::SOA);
    let Some(first) = found.next() else {
        let problem = "there is no SOA record".to_owned();
        return Err(ZoneError { file: file.to_path_buf(), line: 0, problem });
    };
    match found.next() {
        None => Ok(first.owner.clone()),
        Some(second) => Err(second.place.error(format!(
            "this is a second SOA record; the first is in line {}",
            first.place.line
        ))),
    }
}

/// Adds a record to those of its name.
fn add(sets: &mut Vec<RrSet>, line: Line) -> Result<(), ZoneError> {
    let Some(set) = sets.iter_mut().find(|set| set.rtype == line.rtype) else {
        sets.push(RrSet {
            rtype: line.rtype,
            ttl: line.ttl,
            rdata: vec![line.rdata],
            place: line.place,
        });
        return Ok(());
    };
    if set.rdata.contains(&line.rdata) {
        // The same record twice is one record (RFC 2181 §5).
        return Ok(());
    }
    if line.rtype == RecordType::CNAME {
        return Err(line
            .place
            .error(format!("a name has one CNAME record; line {} gives another", set.place.line)));
    }
    if set.ttl != line.ttl {
        return Err(line.place.error(format!(
            "the TTL is {}, but {} in line {}; records of one name and type have one TTL (RFC 2181 §5.2)",
            line.ttl, set.ttl, set.place.line
        )));
    }
    set.rdata.push(line.rdata);
    let size: usize = set.rdata.iter().map(|rdata| AROUND + rdata.len()).sum();
    let most = if line.rtype == RecordType::NS { MAX_SERVERS } else { MAX_RRSET };
    if size > most {
        return Err(line.place.error(format!(
            "the {} records of this name are {size} octets in all; {most} are the limit",
            line.rtype
        )));
    }
    Ok(())
}

/// What cannot stand at one name, or not there.
fn check_name(zone: &Zone, name: &Name, sets: &[RrSet]) -> Result<(), ZoneError> {
    let has = |rtype| sets.iter().find(|set| set.rtype == rtype);
    if let Some(set) = sets.iter().find(|set| set.size() > MAX_RRSET) {
        let problem = format!("a record of {} octets does not fit into an answer", set.size());
        return Err(set.place.error(problem));
    }
    if let Some(cname) = has(RecordType::CNAME)
        && let Some(other) = sets.iter().find(|set| set.rtype != RecordType::CNAME)
    {
        let later = if cname.place.line > other.place.line { cname } else { other };
        return Err(later.place.error(format!(
            "{} has a CNAME (line {}) and so no other records (line {}) (RFC 1034 §3.6.2)",
            name.without_dot(),
            cname.place.line,
            other.place.line
        )));
    }
    if let Some(cut) = zone.delegation_above(name)
        && let Some(set) = sets.iter().find(|set| !is_address(set.rtype))
    {
        return Err(set.place.error(format!(
            "{} is delegated away; below it only addresses of its name servers can stand here, no {}",
            cut.without_dot(),
            set.rtype
        )));
    }
    let delegated = name != &zone.origin && has(RecordType::NS).is_some();
    for set in sets {
        match set.rtype {
            RecordType::NS if name.is_wildcard() => {
                return Err(set.place.error("a wildcard cannot be delegated (RFC 4592 §4.2)"));
            }
            RecordType::NS => check_servers(zone, name, set)?,
            RecordType::DS if !delegated => {
                return Err(set
                    .place
                    .error("a DS record stands only beside the NS records of a delegation"));
            }
            RecordType::DS => {}
            other if delegated && !is_address(other) => {
                return Err(set.place.error(format!(
                    "{} is delegated away; its {other} records belong into its own zone",
                    name.without_dot()
                )));
            }
            _ => {}
        }
    }
    Ok(())
}

fn is_address(rtype: RecordType) -> bool {
    rtype == RecordType::A || rtype == RecordType::AAAA
}

/// Name servers inside the zone have addresses, or nobody could reach them.
fn check_servers(zone: &Zone, owner: &Name, set: &RrSet) -> Result<(), ZoneError> {
    for rdata in &set.rdata {
        let target = Name::from_wire(rdata).expect("NS data are one name");
        if !target.is_within(&zone.origin) {
            continue;
        }
        if zone.rrset(&target, RecordType::CNAME).is_some() {
            return Err(set.place.error(format!(
                "the name server {} has a CNAME; it needs addresses of its own (RFC 2181 §10.3)",
                target.without_dot()
            )));
        }
        // A server below another delegation is that one's to tell.
        let elsewhere = zone.delegation_of(&target).is_some_and(|cut| cut != owner);
        if zone.addresses(&target).is_empty() && !elsewhere {
            return Err(set.place.error(format!(
                "the name server {} has neither an A nor an AAAA record here",
                target.without_dot()
            )));
        }
    }
    Ok(())
}
