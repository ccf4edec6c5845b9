//! One immutable version of everything that is served, rendered to wire form.
//!
//! A map from names to [`Node`]s, each with its RRsets as they go on the wire.
//! Names that exist only because something lies below them (empty
//! non-terminals, RFC 4592 §2.2.2) have nodes too, counted in and out, so
//! that the closest encloser of a name is the first of its ancestors that is
//! in the map.

use std::sync::Arc;

use imbl::GenericHashMap;
use imbl::shared_ptr::DefaultSharedPtr;

use super::{RrSet, Zone};
use crate::model::{Addresses, MAX_NAME, Name, Serial};
use crate::wire::{class, rtype};

/// Seeded, since strangers choose the names that are looked up.
type Nodes = GenericHashMap<Name, Arc<Node>, foldhash::quality::RandomState, DefaultSharedPtr>;

/// One immutable version of everything that is served.
#[derive(Clone, Default)]
pub struct Snapshot {
    zones: Vec<Arc<ServedZone>>,
    nodes: Nodes,
    identity: Arc<Identity>,
}

/// What questions in class CHAOS are told (RFC 4892); `None`: REFUSED.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// `version.bind`, `version.server`.
    pub version: Option<String>,
    /// `id.server`, `hostname.bind`.
    pub id: Option<String>,
}

/// What is the same for all names of a zone.
#[derive(Clone, Debug)]
pub struct ServedZone {
    /// The apex.
    pub origin: Name,
    /// The SOA record.
    pub soa: RenderedSet,
    /// The SOA record of negative answers, with the TTL they have: the
    /// smaller of the record's own and its MINIMUM (RFC 2308 §3).
    pub negative: RenderedSet,
}

/// One RRset as it goes on the wire: each record with the owner `c00c`, the
/// name in the question.
#[derive(Clone, Debug)]
pub struct RenderedSet {
    /// The type.
    pub rtype: u16,
    /// How many records.
    pub count: u16,
    /// The records one after the other.
    pub wire: Box<[u8]>,
}

/// What is known at one name.
#[derive(Clone, Debug)]
pub struct Node {
    /// Which of the zones it is in.
    zone: u32,
    /// Names one label longer that are in the map.
    children: u32,
    kind: Kind,
    /// Whether the RRsets are a host's; fixed records otherwise.
    is_host: bool,
    /// In the order of types.
    sets: Vec<RenderedSet>,
}

#[derive(Clone, Debug)]
enum Kind {
    /// Ours to answer.
    Plain,
    /// Delegated from here on; with the addresses of name servers inside.
    Cut { glue: RenderedSet },
    /// Below a delegation: not ours to answer.
    Below,
}

/// What a name comes to.
#[derive(Clone, Copy, Debug)]
pub enum Found<'s> {
    /// The name exists, or a wildcard stands for it.
    Node(&'s Node),
    /// The name is at or below a delegation.
    Referral {
        /// The node of the delegation.
        cut: &'s Node,
        /// Where its name begins in the name asked for, in octets.
        at: usize,
        /// Addresses of the name servers, with their full names as owners.
        glue: &'s RenderedSet,
    },
    /// The name is in a zone of ours, and nothing is there.
    Nothing(&'s ServedZone),
    /// In none of our zones.
    Outside,
}

impl Node {
    /// The RRset of a type.
    pub fn set(&self, rtype: u16) -> Option<&RenderedSet> {
        self.sets.iter().find(|set| set.rtype == rtype)
    }

    /// Any RRset; `None` at an empty non-terminal.
    pub fn any(&self) -> Option<&RenderedSet> {
        self.sets.first()
    }
}

impl Snapshot {
    /// Everything afresh: these zones with their serials, no hosts yet, and
    /// what CHAOS questions are told. A zone below another one answers for
    /// itself, whatever the other says.
    pub fn new(zones: &[(&Zone, Serial)], identity: Identity) -> Snapshot {
        let mut snapshot = Snapshot { identity: Arc::new(identity), ..Snapshot::default() };
        for (index, (zone, serial)) in (0..).zip(zones) {
            let mut served = ServedZone::new(zone);
            served.set_serial(*serial);
            snapshot.zones.push(Arc::new(served));
            let deeper = |owner: &Name| {
                let others = zones.iter().map(|(other, _)| other.origin());
                others.clone().any(|other| {
                    other != zone.origin()
                        && other.is_within(zone.origin())
                        && owner.is_within(other)
                })
            };
            snapshot.add_zone(zone, index, deeper);
        }
        snapshot
    }

    fn add_zone(&mut self, zone: &Zone, index: u32, deeper: impl Fn(&Name) -> bool) {
        self.ensure(zone.origin(), index, zone.origin());
        for (owner, sets) in &zone.sets {
            if deeper(owner) {
                continue;
            }
            let cut = zone.cut_above(owner);
            let kind = match &cut {
                None => Kind::Plain,
                Some((cut, ns)) if cut == owner => Kind::Cut { glue: glue(zone, cut, ns) },
                Some(_) => Kind::Below,
            };
            let at_cut = matches!(kind, Kind::Cut { .. });
            let answered = sets.iter().filter(|set| match set.rtype {
                rtype::SOA => false,
                rtype::A | rtype::AAAA => !at_cut,
                _ => true,
            });
            let sets = answered.map(RenderedSet::new).collect();
            self.ensure(owner, index, zone.origin());
            self.change(owner, |node| {
                node.kind = kind;
                node.sets = sets;
            });
            // What lies between glue and its delegation is not ours either.
            let mut between = cut.and_then(|(cut, _)| Some((owner.parent()?, cut)));
            while let Some((name, cut)) = between.filter(|(name, cut)| name.is_within(cut)) {
                if name == cut {
                    break;
                }
                self.change(&name, |node| node.kind = Kind::Below);
                between = name.parent().map(|name| (name, cut));
            }
        }
    }

    /// What a host answers from now on, in the zone that holds it. No
    /// addresses: the name is gone (or an empty non-terminal). O(log n).
    /// A name outside every zone is left out.
    pub fn set_host(&mut self, host: &Name, addresses: Addresses, ttl: u32, wildcard: bool) {
        let sets = host_sets(addresses, ttl);
        if let Ok(star) = host.child(b"*") {
            self.put_host(&star, if wildcard { sets.clone() } else { Vec::new() });
        }
        self.put_host(host, sets);
    }

    fn put_host(&mut self, name: &Name, sets: Vec<RenderedSet>) {
        let is_host = self.nodes.get(name).is_some_and(|node| node.is_host);
        if sets.is_empty() {
            if is_host {
                self.change(name, |node| {
                    node.is_host = false;
                    node.sets = Vec::new();
                });
                self.prune(name);
            }
            return;
        }
        let Some((index, origin)) = self.zone_index(name.wire()) else { return };
        self.ensure(name, index, &origin);
        self.change(name, |node| {
            node.is_host = true;
            node.sets = sets;
        });
    }

    /// The zone's SOA carries this serial from now on.
    pub fn set_serial(&mut self, origin: &Name, serial: Serial) {
        let zone = self.zones.iter_mut().find(|zone| zone.origin == *origin);
        if let Some(zone) = zone {
            Arc::make_mut(zone).set_serial(serial);
        }
    }

    /// What a name comes to: lower case, uncompressed wire form.
    pub fn find(&self, name: &[u8]) -> Found<'_> {
        let mut at = 0;
        let mut exact = true;
        loop {
            if let Some(node) = self.nodes.get(&name[at..]) {
                match &node.kind {
                    Kind::Plain if exact => return Found::Node(node),
                    Kind::Plain => return self.wildcard(node, &name[at..]),
                    Kind::Cut { glue } => return Found::Referral { cut: node, at, glue },
                    // The delegation is further up.
                    Kind::Below => {}
                }
            }
            if name[at] == 0 {
                return Found::Outside;
            }
            at += 1 + usize::from(name[at]);
            exact = false;
        }
    }

    /// The wildcard below the closest encloser stands for names that do not
    /// exist (RFC 4592 §3.3.1).
    fn wildcard(&self, encloser: &Node, name: &[u8]) -> Found<'_> {
        let mut star = [0; MAX_NAME + 2];
        star[..2].copy_from_slice(b"\x01*");
        star[2..2 + name.len()].copy_from_slice(name);
        match self.nodes.get(&star[..2 + name.len()]) {
            Some(node) if matches!(node.kind, Kind::Plain) => Found::Node(node),
            _ => Found::Nothing(&self.zones[encloser.zone as usize]),
        }
    }

    /// The zone a node is in.
    pub fn zone(&self, node: &Node) -> &ServedZone {
        &self.zones[node.zone as usize]
    }

    /// The zone a name is in: lower case, uncompressed wire form.
    pub fn zone_of(&self, name: &[u8]) -> Option<&ServedZone> {
        match self.find(name) {
            Found::Node(node) | Found::Referral { cut: node, .. } => Some(self.zone(node)),
            Found::Nothing(zone) => Some(zone),
            Found::Outside => None,
        }
    }

    /// The zones, in the order they were given.
    pub fn zones(&self) -> impl Iterator<Item = &ServedZone> {
        self.zones.iter().map(|zone| &**zone)
    }

    /// What CHAOS questions are told.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// How many names there are, empty non-terminals included.
    pub fn names(&self) -> usize {
        self.nodes.len()
    }

    fn zone_index(&self, name: &[u8]) -> Option<(u32, Name)> {
        let zone = self.zone_of(name)?.origin.clone();
        let index = self.zones.iter().position(|served| served.origin == zone)?;
        Some((u32::try_from(index).ok()?, zone))
    }

    /// Makes the node of a name, and those between it and the apex.
    fn ensure(&mut self, name: &Name, zone: u32, origin: &Name) {
        if self.nodes.contains_key(name) {
            return;
        }
        let empty = Node { zone, children: 0, kind: Kind::Plain, is_host: false, sets: vec![] };
        let parent_of_one = Arc::new(Node { children: 1, ..empty.clone() });
        self.nodes.insert(name.clone(), Arc::new(empty));
        let mut at = name.clone();
        while at != *origin {
            let Some(parent) = at.parent() else { return };
            if self.nodes.contains_key(&parent) {
                self.change(&parent, |node| node.children += 1);
                return;
            }
            self.nodes.insert(parent.clone(), parent_of_one.clone());
            at = parent;
        }
    }

    /// Takes the node of a name away if nothing is at it or below it, and
    /// those above that were there only for it.
    fn prune(&mut self, name: &Name) {
        let mut name = name.clone();
        loop {
            let Some(node) = self.nodes.get(&name) else { return };
            let is_apex = self.zones.iter().any(|zone| zone.origin == name);
            if is_apex || node.children > 0 || !node.sets.is_empty() {
                return;
            }
            self.nodes.remove(&name);
            let Some(parent) = name.parent() else { return };
            self.change(&parent, |node| node.children -= 1);
            name = parent;
        }
    }

    fn change(&mut self, name: &Name, change: impl FnOnce(&mut Node)) {
        if let Some(node) = self.nodes.get_mut(name) {
            change(Arc::make_mut(node));
        }
    }
}

impl ServedZone {
    fn new(zone: &Zone) -> ServedZone {
        let set = zone.soa();
        let data = &set.data[0];
        let minimum = data[data.len() - 4..].try_into().expect("a SOA record ends in 32 bits");
        let ttl = set.ttl.min(u32::from_be_bytes(minimum));
        ServedZone {
            origin: zone.origin().clone(),
            soa: RenderedSet::new(set),
            negative: RenderedSet::new(&RrSet { ttl, ..set.clone() }),
        }
    }

    fn set_serial(&mut self, serial: Serial) {
        for set in [&mut self.soa, &mut self.negative] {
            // The five numbers that end a SOA record begin with the serial.
            let at = set.wire.len() - 20;
            set.wire[at..at + 4].copy_from_slice(&serial.0.to_be_bytes());
        }
    }
}

impl RenderedSet {
    /// Records owned by the name in the question.
    fn new(set: &RrSet) -> RenderedSet {
        let mut rendered = RenderedSet { rtype: set.rtype, count: 0, wire: Box::default() };
        let mut wire = Vec::new();
        for data in &set.data {
            rendered.count += 1;
            wire.extend_from_slice(b"\xc0\x0c");
            fixed(&mut wire, set.rtype, set.ttl, data);
        }
        rendered.wire = wire.into();
        rendered
    }
}

/// What follows a record's owner (RFC 1035 §4.1.3).
fn fixed(wire: &mut Vec<u8>, rtype: u16, ttl: u32, data: &[u8]) {
    wire.extend_from_slice(&rtype.to_be_bytes());
    wire.extend_from_slice(&class::IN.to_be_bytes());
    wire.extend_from_slice(&ttl.to_be_bytes());
    let length = u16::try_from(data.len()).expect("record data is read with a 16-bit length");
    wire.extend_from_slice(&length.to_be_bytes());
    wire.extend_from_slice(data);
}

fn host_sets(addresses: Addresses, ttl: u32) -> Vec<RenderedSet> {
    let set =
        |rtype, data: Box<[u8]>| RenderedSet::new(&RrSet { rtype, ttl, data: vec![data], line: 0 });
    let v4 = addresses.v4.map(|v4| set(rtype::A, Box::new(v4.octets())));
    let v6 = addresses.v6.map(|v6| set(rtype::AAAA, Box::new(v6.octets())));
    v4.into_iter().chain(v6).collect()
}

/// The addresses that a referral needs: of every name server whose name is
/// in this zone (in-domain and sibling glue, RFC 9471 §2).
fn glue(zone: &Zone, cut: &Name, ns: &RrSet) -> RenderedSet {
    let mut wire = Vec::new();
    let mut count = 0;
    let mut targets: Vec<Name> =
        ns.data.iter().filter_map(|data| Name::from_wire(data).ok()).collect();
    // What lies inside the delegation first: without it nobody gets there.
    targets.sort_by_key(|target| !target.is_within(cut));
    for target in targets {
        for rtype in [rtype::A, rtype::AAAA] {
            let Some(set) = zone.set(&target, rtype) else { continue };
            for data in &set.data {
                wire.extend_from_slice(target.wire());
                fixed(&mut wire, rtype, set.ttl, data);
                count += 1;
            }
        }
    }
    RenderedSet { rtype: rtype::A, count, wire: wire.into() }
}
