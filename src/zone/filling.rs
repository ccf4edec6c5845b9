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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::*;

    use super::*;
    use crate::model::{Name, Serial};
    use crate::zone::{Identity, Zone};

    const OUTER: &str = "$ORIGIN example.\n$TTL 60\n@ SOA ns m 1 1h 1h 1w 60\n@ NS ns\nns A 192.0.2.1\n\
        a.b A 192.0.2.2\ncut NS ns.cut\nns.cut A 192.0.2.3\n*.w A 192.0.2.4\n\
        inner NS ns\nx.inner A 192.0.2.5\n";
    const INNER: &str = "$ORIGIN inner.example.\n$TTL 60\n@ SOA ns m 1 1h 1h 1w 60\n@ NS ns.example.\n\
        taken TXT x\n";

    fn name() -> impl Strategy<Value = Name> {
        let label = prop::sample::select(vec![
            "a", "b", "c", "d", "ns", "cut", "w", "*", "inner", "taken", "x",
        ]);
        let end = prop::sample::select(vec!["example", "inner.example", "other"]);
        (prop::collection::vec(label, 0..3), end).prop_map(|(labels, end)| {
            let labels = labels.into_iter().chain([end]).collect::<Vec<_>>();
            labels.join(".").parse().unwrap()
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// What is put in at once is served as if it were put in one by one,
        /// and nothing that the file refuses is among it.
        #[test]
        fn at_once_is_as_one_by_one(hosts in prop::collection::btree_map(name(), any::<u32>(), 0..40)) {
            let zone = |text: &str| Zone::parse(text, Path::new("zone")).unwrap();
            let zones = [zone(OUTER), zone(INNER)];
            let both = [(&zones[0], Serial(1)), (&zones[1], Serial(1))];
            let mut model = Snapshot::new(&both, Identity::default());
            let mut filling = Filling::new(model.clone());
            let addresses = |n: u32| Addresses { v4: Some(n.into()), v6: None };
            let mut others = Vec::new();
            for (name, n) in &hosts {
                model.set_host(name, addresses(*n), 60, false);
                if filling.is_free(name.wire()) {
                    let zone = zones.iter().rfind(|zone| name.is_within(zone.origin())).unwrap();
                    prop_assert_eq!(zone.refuses_host(name, false), None);
                    filling.add(name.wire(), addresses(*n), 60);
                } else {
                    others.push((name, n));
                }
            }
            let mut snapshot = filling.done();
            for (name, n) in others {
                snapshot.set_host(name, addresses(*n), 60, false);
            }
            let mut names = hosts.keys().cloned();
            loop {
                prop_assert_eq!(snapshot.len(), model.len());
                for name in hosts.keys() {
                    prop_assert_eq!(snapshot.node(name.wire()), model.node(name.wire()));
                    prop_assert_eq!(snapshot.closest(name.wire()), model.closest(name.wire()));
                }
                // They go as they came.
                let Some(name) = names.next() else { break };
                snapshot.set_host(&name, Addresses::NONE, 60, false);
                model.set_host(&name, Addresses::NONE, 60, false);
            }
        }
    }
}
