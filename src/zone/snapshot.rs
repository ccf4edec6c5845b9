//! One immutable version of everything that is served, in the form answers
//! are copied from.
//!
//! A persistent hash table of the names that exist, empty non-terminals
//! included. So a question for a name that exists is one look-up; every
//! ancestor of an existing name, up to its zone's apex, exists too; and a
//! host is changed in O(labels · log n), all other names being shared with
//! the version before.

use std::collections::BTreeMap;

use std::sync::Arc;

use super::negative::{self, Negative};
use super::node::{self, Kind, Node, Place, Records, render};
use super::table::{self, Entry, Spot, Table};
use super::{Identity, Zone};
use crate::model::{Addresses, Name, Serial};
use crate::wire::RecordType;

/// Records longer than this, in octets, are kept apart from their node: the
/// names of a leaf are copied when one of them changes.
const LONG: usize = 256;

const _: () = assert!(node::HEAD + LONG <= table::MAX_VALUE, "a node fits into the table");

/// One immutable version of everything that is served.
#[derive(Clone, Default)]
pub struct Snapshot {
    pub(super) names: Table,
    /// Long records: of zone files, and of hosts with much beside their
    /// addresses.
    long: imbl::Vector<Arc<[u8]>>,
    /// Places in `long` that are free again.
    free: imbl::Vector<u32>,
    zones: imbl::Vector<Served>,
    identity: Arc<Identity>,
}

/// A zone as answers need it.
#[derive(Clone, Debug)]
pub struct Served {
    /// The apex.
    pub origin: Name,
    /// The SOA record of negative answers.
    pub negative: Negative,
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
        self.zones.push_back(Served {
            origin: origin.clone(),
            negative: Negative::default(),
            above,
        });
        self.put(Node::new(origin.wire(), number, Kind::Apex));
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
            // The apex is there, and so may be names that exist only for
            // those below them.
            let node = self.node(name.wire());
            let node = node.unwrap_or(Node::new(name.wire(), number, kind));
            self.put(Node { kind, ..node.with_records(name.wire(), &bytes) });
        }
        let apex = self.node(zone.origin().wire()).expect("added before");
        let soa = apex.records.of(RecordType::SOA);
        let record = soa.into_iter().next().expect("a zone has its SOA");
        let negative = Negative::new(zone.origin(), record);
        self.zones[number as usize].negative = negative;
    }

    /// What a host answers from now on, in the zone that holds it. No
    /// addresses: the name is gone (or an empty non-terminal). O(log n).
    /// A name outside every zone is left out, and so is one where the zone
    /// has fixed records or a delegation.
    pub fn set_host(&mut self, host: &Name, addresses: Addresses, ttl: u32, wildcard: bool) {
        let mut records = Vec::new();
        render_addresses(&mut records, addresses, ttl);
        let had_wildcard = self.node(host.wire()).is_some_and(|node| node.wildcard);
        if (wildcard || had_wildcard)
            && let Ok(star) = host.child(b"*")
        {
            self.set_records(&star, if wildcard { &records } else { &[] });
        }
        self.set_records(host, &records);
    }

    /// What a name at or below a host answers from now on: types, TTLs and
    /// data, the records of a set together. As [`Snapshot::set_host`].
    pub fn set_name<'r>(
        &mut self,
        name: &Name,
        records: impl Iterator<Item = (RecordType, u32, &'r [u8])>,
    ) {
        let mut rendered = Vec::new();
        for (rtype, ttl, rdata) in records {
            render(&mut rendered, rtype, ttl, rdata);
        }
        self.set_records(name, &rendered);
    }

    /// The records of a host's name; none: it has none any more.
    fn set_records(&mut self, name: &Name, records: &[u8]) {
        let Some(closest) = self.closest(name.wire()) else { return };
        if matches!(closest.kind, Kind::Cut | Kind::Glue) {
            return;
        }
        let node = match closest.name == name.wire() {
            // Fixed records, an apex among them, stay.
            true if closest.kind == Kind::Apex => return,
            true if !closest.host && !closest.records.is_empty() => return,
            true => closest,
            false if records.is_empty() => return,
            false => Node::new(name.wire(), closest.zone, Kind::Plain),
        };
        if records.is_empty() && node.children == 0 {
            return self.remove(name.wire());
        }
        let node = node.with_records(name.wire(), records);
        self.put(Node { host: !records.is_empty(), ..node });
    }

    /// The zone's SOA carries this serial from now on.
    pub fn set_serial(&mut self, origin: &Name, serial: Serial) {
        let Some(node) = self.node(origin.wire()).filter(|node| node.kind == Kind::Apex) else {
            return;
        };
        let number = node.zone as usize;
        let mut records = Vec::new();
        for record in node.records {
            let start = records.len();
            records.extend_from_slice(record.rendered());
            if record.rtype() == RecordType::SOA {
                negative::write_serial(&mut records[start..], serial);
            }
        }
        self.put(node.with_records(origin.wire(), &records));
        self.zones[number].negative.set_serial(serial);
    }

    /// Where a name stands if it exists: lower case, wire form.
    #[inline]
    pub fn spot(&self, name: &[u8]) -> Spot<'_> {
        self.names.spot(name)
    }

    /// The name itself, if it exists: lower case, wire form.
    #[inline]
    pub fn node(&self, name: &[u8]) -> Option<Node<'_>> {
        self.node_at(self.spot(name), name)
    }

    #[inline]
    fn node_at<'s>(&'s self, spot: Spot<'s>, name: &[u8]) -> Option<Node<'s>> {
        spot.find(name).map(|entry| self.unpack(entry))
    }

    #[inline]
    fn unpack<'s>(&'s self, Entry { name, value }: Entry<'s>) -> Node<'s> {
        let (node, place) = Node::unpack(name, value);
        let records = match place {
            Place::Here(records) => records,
            Place::Apart(number) => &self.long[number as usize],
        };
        Node { records: Records(records), ..node }
    }

    /// The name itself, or the closest ancestor of it that exists: its
    /// closest encloser (RFC 4592 §3.3.1). `None` outside our zones.
    pub fn closest(&self, name: &[u8]) -> Option<Node<'_>> {
        self.closest_from(self.spot(name), name)
    }

    /// The same, the name's spot being known.
    ///
    /// Every ancestor of a name that exists does too, up to the apex, so a
    /// name of 127 labels would not have to be looked up 127 times; but that
    /// many labels fit into one name only, and nearly all have three.
    #[inline]
    pub fn closest_from<'s>(&'s self, spot: Spot<'s>, mut name: &[u8]) -> Option<Node<'s>> {
        let mut spot = spot;
        loop {
            match self.node_at(spot, name) {
                Some(node) => return Some(node),
                None if name[0] == 0 => return None,
                None => name = parent_of(name),
            }
            spot = self.spot(name);
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
        self.names.len() == 0
    }

    /// Every record that is served, glue included, in no order: owner, type,
    /// TTL, data in wire form.
    pub fn records(&self) -> impl Iterator<Item = (Name, RecordType, u32, &[u8])> {
        self.names.iter().map(|entry| self.unpack(entry)).flat_map(|node| {
            let name = Name::from_wire(node.name).expect("only names are put in");
            let records = node.records.into_iter();
            records.map(move |record| (name.clone(), record.rtype(), record.ttl(), record.rdata()))
        })
    }

    /// Puts a node in, or another in its place, and the names above it that
    /// do not exist yet.
    fn put(&mut self, node: Node<'_>) {
        let name = node.name;
        let is_new = self.names.get(name).is_none();
        self.free_apart(name);
        let packed = if node.records.0.len() <= LONG {
            node.pack(Place::Here(node.records.0))
        } else {
            node.pack(Place::Apart(self.put_apart(node.records.0)))
        };
        self.names.insert(name, &packed);
        if !is_new || name == [0] {
            return;
        }
        let parent = parent_of(name);
        let Some(closest) = self.closest(parent) else { return };
        if closest.name == parent {
            return self.recount(name, |children| children + 1);
        }
        let kind = match closest.kind {
            Kind::Plain | Kind::Apex => Kind::Plain,
            Kind::Cut | Kind::Glue => Kind::Glue,
        };
        let above = Node::new(parent, closest.zone, kind);
        self.put(Node { children: 1, wildcard: is_wildcard(name), ..above });
    }

    /// Keeps long records, and says under which number.
    fn put_apart(&mut self, records: &[u8]) -> u32 {
        match self.free.pop_back() {
            Some(number) => {
                self.long[number as usize] = records.into();
                number
            }
            None => {
                self.long.push_back(records.into());
                self.long.len() as u32 - 1
            }
        }
    }

    /// Lets the place of a name's long records go, if it has such.
    fn free_apart(&mut self, name: &[u8]) {
        let place = self.names.get(name).map(|entry| Node::unpack(name, entry.value).1);
        if let Some(Place::Apart(number)) = place {
            self.long[number as usize] = [].into();
            self.free.push_back(number);
        }
    }

    /// Takes a name without names below it out, and the names above it that
    /// existed only for it.
    fn remove(&mut self, name: &[u8]) {
        self.free_apart(name);
        self.names.remove(name);
        self.recount(name, |children| children - 1);
        let parent = parent_of(name);
        let needed = self.node(parent).is_none_or(|node| {
            node.children > 0 || !node.records.is_empty() || node.kind == Kind::Apex
        });
        if !needed {
            self.remove(parent);
        }
    }

    /// Takes down at its parent that a name has come or gone.
    fn recount(&mut self, name: &[u8], change: fn(u32) -> u32) {
        let parent = parent_of(name);
        let exists = self.names.get(name).is_some();
        let Some(entry) = self.names.get(parent) else { return };
        let (mut node, place) = Node::unpack(parent, entry.value);
        let before = node;
        if node.kind != Kind::Apex {
            node.children = change(node.children);
        }
        if is_wildcard(name) {
            node.wildcard = exists;
        }
        if node != before {
            let packed = node.pack(place);
            self.names.insert(parent, &packed);
        }
    }
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Snapshot({} names, {} zones)", self.names.len(), self.zones.len())
    }
}

/// A host's addresses as they go into answers.
pub fn render_addresses(records: &mut Vec<u8>, addresses: Addresses, ttl: u32) {
    if let Some(v4) = addresses.v4 {
        render(records, RecordType::A, ttl, &v4.octets());
    }
    if let Some(v6) = addresses.v6 {
        render(records, RecordType::AAAA, ttl, &v6.octets());
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

/// The name without its first label; not for the root.
pub fn parent_of(name: &[u8]) -> &[u8] {
    &name[1 + usize::from(name[0])..]
}

/// Whether the first label is `*`.
pub fn is_wildcard(name: &[u8]) -> bool {
    name.starts_with(b"\x01*")
}
