//! One immutable version of everything that is served, in the form answers
//! are copied from.
//!
//! A persistent hash map of the names that exist, empty non-terminals
//! included. So a question for a name that exists is one look-up; every
//! ancestor of an existing name, up to its zone's apex, exists too; and a
//! host is changed in O(labels · log n), all other names being shared with
//! the version before.

use std::collections::BTreeMap;

use super::node::{Kind, Node, Records, render};
use super::{Identity, Zone};
use crate::model::{Addresses, Name, Serial};
use crate::wire::{RecordType, u32_at};

/// Names are chosen by strangers: seeded, so that they cannot be chosen to
/// collide.
type Seeded = foldhash::quality::RandomState;
type Names = imbl::GenericHashMap<Node, (), Seeded, imbl::shared_ptr::DefaultSharedPtr>;

/// One immutable version of everything that is served.
#[derive(Clone, Default)]
pub struct Snapshot {
    names: Names,
    zones: imbl::Vector<Served>,
    identity: std::sync::Arc<Identity>,
}

/// A zone as answers need it.
#[derive(Clone, Debug)]
pub struct Served {
    /// The apex.
    pub origin: Name,
    /// The SOA record of negative answers, its TTL the lesser of its own and
    /// its last field (RFC 2308 §3).
    pub negative: Box<[u8]>,
    /// When another zone of ours is right above.
    pub above: Option<Above>,
}

/// What a zone of ours above says of the zone: its DS records (RFC 4035
/// §3.1.4.1).
#[derive(Clone, Debug)]
pub struct Above {
    /// Which zone that is.
    pub zone: u32,
    /// The DS records at the apex, rendered; mostly none.
    pub ds: Box<[u8]>,
}

impl Snapshot {
    /// Everything afresh: these zones with their serials, no hosts yet, and
    /// what CHAOS questions are told.
    ///
    /// Zones may lie in each other: the lower one answers for its names, the
    /// higher one only for the DS records at the lower one's apex. What else
    /// the higher one's file has there is not served.
    pub fn new(zones: &[(&Zone, Serial)], identity: Identity) -> Snapshot {
        let mut snapshot = Snapshot { identity: identity.into(), ..Snapshot::default() };
        let mut zones = zones.to_vec();
        zones.sort_by_key(|(zone, _)| zone.origin().depth());
        let mut origins: BTreeMap<&Name, u32> = BTreeMap::new();
        for (number, (zone, _)) in zones.iter().enumerate() {
            origins.insert(zone.origin(), number as u32);
        }
        // Higher zones first, so that a zone finds what is above it.
        let mut ds = BTreeMap::new();
        for (number, (zone, serial)) in zones.iter().enumerate() {
            snapshot.add_apex(zone.origin(), number as u32, &mut ds);
            snapshot.add_records(zone, number as u32, &origins, &mut ds);
            snapshot.set_serial(zone.origin(), *serial);
        }
        snapshot
    }

    /// A zone without records, after those above it.
    fn add_apex(&mut self, origin: &Name, number: u32, ds: &mut BTreeMap<Name, Vec<u8>>) {
        let enclosing = self.closest(origin.wire());
        // Under a delegation of a zone of ours to somebody else, the zone
        // above is that somebody's.
        let above =
            enclosing.filter(|node| matches!(node.kind, Kind::Plain | Kind::Apex)).map(|node| {
                Above { zone: node.zone, ds: ds.remove(origin).unwrap_or_default().into() }
            });
        self.zones.push_back(Served { origin: origin.clone(), negative: Box::default(), above });
        self.put(Node::new(origin.clone(), number, Kind::Apex));
    }

    /// A zone's records, but for those that lie in zones below; of those only
    /// the DS records are put aside.
    fn add_records(
        &mut self,
        zone: &Zone,
        number: u32,
        origins: &BTreeMap<&Name, u32>,
        ds: &mut BTreeMap<Name, Vec<u8>>,
    ) {
        let mut rendered: BTreeMap<&Name, Vec<u8>> = BTreeMap::new();
        for (name, set) in zone.rrsets() {
            let mut bytes = Vec::new();
            for rdata in &set.rdata {
                render(&mut bytes, set.rtype, set.ttl, rdata);
            }
            if lowest(origins, name) == number {
                rendered.entry(name).or_default().extend(bytes);
            } else if set.rtype == RecordType::DS {
                ds.insert(name.clone(), bytes);
            }
        }
        for (name, bytes) in rendered {
            let kind = match zone.delegation_of(name) {
                _ if name == zone.origin() => Kind::Apex,
                Some(cut) if cut == name => Kind::Cut,
                Some(_) => Kind::Glue,
                None => Kind::Plain,
            };
            let node = match self.node(name.wire()) {
                Some(node) => node.clone(),
                None => Node::new(name.clone(), number, kind),
            };
            self.put(node.with(|content| {
                content.kind = kind;
                content.records = bytes.into();
            }));
        }
        let apex = self.node(zone.origin().wire()).expect("added before");
        let soa = apex.records().of(RecordType::SOA);
        let record = soa.into_iter().next().expect("a zone has its SOA");
        let minimum = u32_at(record.rdata(), record.rdata().len() - 4).expect("checked when read");
        let mut negative = Vec::new();
        render(&mut negative, RecordType::SOA, record.ttl().min(minimum), record.rdata());
        self.zones[number as usize].negative = negative.into();
    }

    /// What a host answers from now on, in the zone that holds it. No
    /// addresses: the name is gone (or an empty non-terminal). O(log n).
    /// A name outside every zone is left out, and so is one where the zone
    /// has fixed records or a delegation.
    pub fn set_host(&mut self, host: &Name, addresses: Addresses, ttl: u32, wildcard: bool) {
        let mut records = Vec::new();
        if let Some(v4) = addresses.v4 {
            render(&mut records, RecordType::A, ttl, &v4.octets());
        }
        if let Some(v6) = addresses.v6 {
            render(&mut records, RecordType::AAAA, ttl, &v6.octets());
        }
        if let Ok(star) = host.child(b"*") {
            let records = if wildcard { records.clone() } else { Vec::new() };
            self.set_records(&star, records);
        }
        self.set_records(host, records);
    }

    /// The records of a host's name; none: it has none any more.
    fn set_records(&mut self, name: &Name, records: Vec<u8>) {
        let Some(closest) = self.closest(name.wire()) else { return };
        let zone = closest.zone;
        if matches!(closest.kind, Kind::Cut | Kind::Glue) {
            return;
        }
        match self.node(name.wire()) {
            Some(node) if node.kind == Kind::Apex => {}
            Some(node) if !node.host && !node.records.is_empty() => {}
            Some(node) if records.is_empty() && node.children == 0 => self.remove(name),
            Some(node) => {
                let node = node.with(|content| {
                    content.host = !records.is_empty();
                    content.records = records.into();
                });
                self.put(node);
            }
            None if records.is_empty() => {}
            None => self.put(Node::new(name.clone(), zone, Kind::Plain).with(|content| {
                content.host = true;
                content.records = records.into();
            })),
        }
    }

    /// The zone's SOA carries this serial from now on.
    pub fn set_serial(&mut self, origin: &Name, serial: Serial) {
        let Some(node) = self.node(origin.wire()).filter(|node| node.kind == Kind::Apex) else {
            return;
        };
        let number = node.zone as usize;
        let node = node.with(|content| {
            let mut records = std::mem::take(&mut content.records).into_vec();
            let mut start = 0;
            for record in Records(&records.clone()) {
                if record.rtype() == RecordType::SOA {
                    write_serial(&mut records[start..start + record.size()], serial);
                }
                start += record.size();
            }
            content.records = records.into();
        });
        self.put(node);
        write_serial(&mut self.zones[number].negative, serial);
    }

    /// The name itself, if it exists: lower case, wire form.
    #[inline]
    pub fn node(&self, name: &[u8]) -> Option<&Node> {
        self.names.get_key_value(name).map(|(node, ())| node)
    }

    /// The name itself, or the closest ancestor of it that exists: its
    /// closest encloser (RFC 4592 §3.3.1). `None` outside our zones.
    ///
    /// Every ancestor of a name that exists does too, up to the apex, so a
    /// name of 127 labels would not have to be looked up 127 times; but that
    /// many labels fit into one name only, and nearly all have three.
    pub fn closest(&self, mut name: &[u8]) -> Option<&Node> {
        loop {
            match self.node(name) {
                Some(node) => return Some(node),
                None if name[0] == 0 => return None,
                None => name = &name[1 + usize::from(name[0])..],
            }
        }
    }

    /// The zone a name lies in; `None` outside ours. Lower case, wire form.
    pub fn zone_of(&self, name: &[u8]) -> Option<&Served> {
        self.closest(name).map(|node| self.zone(node.zone))
    }

    /// A zone by the number its nodes have.
    #[inline]
    pub fn zone(&self, number: u32) -> &Served {
        &self.zones[number as usize]
    }

    /// What CHAOS questions are told.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// How many names exist, those without records of their own included.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether nothing is served.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Every record that is served, glue included, in no order: owner, type,
    /// TTL, data in wire form.
    pub fn records(&self) -> impl Iterator<Item = (&Name, RecordType, u32, &[u8])> {
        self.names.keys().flat_map(|node| {
            let of_node = node.records().into_iter();
            of_node.map(move |record| (&node.name, record.rtype(), record.ttl(), record.rdata()))
        })
    }

    /// Puts a node in, or another in its place, and the names above it that
    /// do not exist yet.
    fn put(&mut self, node: Node) {
        let (name, is_new) = (node.name.clone(), self.node(node.name.wire()).is_none());
        self.names.insert(node, ());
        if !is_new {
            return;
        }
        let Some(parent) = name.parent() else { return };
        let Some(closest) = self.closest(parent.wire()) else { return };
        let above = if closest.name == parent {
            closest.clone()
        } else {
            let kind = match closest.kind {
                Kind::Plain | Kind::Apex => Kind::Plain,
                Kind::Cut | Kind::Glue => Kind::Glue,
            };
            Node::new(parent, closest.zone, kind)
        };
        self.put(above.with(|content| {
            content.children += 1;
            content.wildcard |= name.is_wildcard();
        }));
    }

    /// Takes a name without names below it out, and the names above it that
    /// existed only for it.
    fn remove(&mut self, name: &Name) {
        self.names.remove(name.wire());
        let Some(parent) = name.parent() else { return };
        let Some(node) = self.node(parent.wire()) else { return };
        let node = node.with(|content| {
            content.children -= 1;
            content.wildcard &= !name.is_wildcard();
        });
        let needed = node.children > 0 || !node.records.is_empty() || node.kind == Kind::Apex;
        if needed { self.put(node) } else { self.remove(&parent) }
    }
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Snapshot({} names, {} zones)", self.names.len(), self.zones.len())
    }
}

/// The lowest of these zones that a name lies in.
fn lowest(origins: &BTreeMap<&Name, u32>, name: &Name) -> u32 {
    let mut at = name.clone();
    loop {
        match origins.get(&at) {
            Some(number) => return *number,
            None => at = at.parent().expect("a record lies in its zone"),
        }
    }
}

/// The serial is the first of the five numbers that end an SOA record.
fn write_serial(record: &mut [u8], serial: Serial) {
    let at = record.len() - 20;
    record[at..at + 4].copy_from_slice(&serial.0.to_be_bytes());
}
