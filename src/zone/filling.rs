//! Many hosts at once into a Snapshot, at a start and at a reload.

use super::node::{Kind, Node, Place};
use super::snapshot::{Snapshot, is_wildcard, parent_of, render_addresses};
use super::table::NewNames;
use crate::model::Addresses;

/// A Snapshot that many hosts are put into at once: those that stand right
/// below the apex of a zone, as nearly all do, and have nothing beside their
/// addresses. Others are put in one by one when it is done.
pub struct Filling {
    snapshot: Snapshot,
    hosts: NewNames,
    /// The parent of the last name, and its zone if it is that one's apex:
    /// mostly the next one's, too.
    parent: Vec<u8>,
    zone: Option<u32>,
    records: Vec<u8>,
    packed: Vec<u8>,
}

impl Filling {
    /// Puts hosts into this one.
    pub fn new(snapshot: Snapshot) -> Filling {
        Filling {
            snapshot,
            hosts: NewNames::default(),
            parent: Vec::new(),
            zone: None,
            records: Vec::new(),
            packed: Vec::new(),
        }
    }

    /// Whether a name stands right below an apex, and the zone's file has
    /// nothing at it, below it or delegated above it.
    pub fn is_free(&mut self, name: &[u8]) -> bool {
        if name == [0] || is_wildcard(name) {
            return false;
        }
        let parent = parent_of(name);
        if parent != self.parent {
            let apex = self.snapshot.node(parent).filter(|node| node.kind == Kind::Apex);
            self.zone = apex.map(|node| node.zone);
            self.parent = parent.to_vec();
        }
        self.zone.is_some() && self.snapshot.names.get(name).is_none()
    }

    /// Puts in a host, each once, that [`Filling::is_free`] said so of last.
    pub fn add(&mut self, name: &[u8], addresses: Addresses, ttl: u32) {
        let Some(zone) = self.zone else { return };
        self.records.clear();
        render_addresses(&mut self.records, addresses, ttl);
        let node = Node { host: true, ..Node::new(name, zone, Kind::Plain) };
        self.packed.clear();
        node.pack_into(&mut self.packed, Place::Here(&self.records));
        self.hosts.push(&self.snapshot.names, name, &self.packed);
    }

    /// The Snapshot with all of them.
    pub fn done(self) -> Snapshot {
        let mut snapshot = self.snapshot;
        snapshot.names.insert_new(self.hosts);
        snapshot
    }
}
