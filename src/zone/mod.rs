//! What is served: a zone's fixed records as read from its master file, and
//! the [`Snapshot`], one immutable version of everything that is answered,
//! rendered to wire form.
//!
//! A `Snapshot` is cheap to clone (persistent maps); the registry clones it,
//! changes the clone, and publishes that.

mod entry;
mod file;
mod snapshot;

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};

pub use snapshot::{Found, Identity, Node, RenderedSet, ServedZone, Snapshot};

use crate::model::{Name, Serial};
use crate::wire::rtype;

/// Records of one owner and type (RFC 2181 §5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RrSet {
    /// The type.
    pub rtype: u16,
    /// The TTL, in seconds: one for all of them (RFC 2181 §5.2).
    pub ttl: u32,
    /// Each record's data in uncompressed wire form, in order, none twice.
    pub data: Vec<Box<[u8]>>,
    /// The line of the first of them in the file.
    pub line: usize,
}

/// A zone's fixed records, from its master file (RFC 1035 §5).
#[derive(Clone, Debug)]
pub struct Zone {
    origin: Name,
    file: PathBuf,
    sets: BTreeMap<Name, Vec<RrSet>>,
}

/// What is wrong with a master file, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZoneError {
    /// The file.
    pub file: PathBuf,
    /// The line, from 1; 0 when the fault has none (no SOA, say).
    pub line: usize,
    /// What is wrong and what to do, in a sentence without the file's name.
    pub problem: String,
}

/// `zones/dyn.example.org.zone:12: …`
impl fmt::Display for ZoneError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.file.display())?;
        if self.line > 0 {
            write!(f, "{}:", self.line)?;
        }
        write!(f, " {}", self.problem)
    }
}

impl std::error::Error for ZoneError {}

impl Zone {
    /// Reads a master file. Until an `$ORIGIN` line names are relative to the
    /// file's own name without `.zone`; the zone is the owner of the SOA.
    ///
    /// # Errors
    /// With file and line, what is wrong first.
    pub fn load(path: &Path) -> Result<Zone, ZoneError> {
        let text = std::fs::read(path).map_err(|error| ZoneError {
            file: path.to_owned(),
            line: 0,
            problem: format!("the zone file cannot be read: {error}"),
        })?;
        Zone::parse(&String::from_utf8_lossy(&text), path)
    }

    /// The same from text; `file` names it in errors and gives the first
    /// origin.
    ///
    /// # Errors
    /// As [`Zone::load`].
    pub fn parse(text: &str, file: &Path) -> Result<Zone, ZoneError> {
        file::parse(text, file)
    }

    /// The apex.
    pub fn origin(&self) -> &Name {
        &self.origin
    }

    /// The file it came from.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Every RRset with its owner, in canonical order of owners.
    pub fn sets(&self) -> impl Iterator<Item = (&Name, &RrSet)> {
        self.sets.iter().flat_map(|(owner, sets)| sets.iter().map(move |set| (owner, set)))
    }

    /// The RRset of an owner and type.
    pub fn set(&self, owner: &Name, rtype: u16) -> Option<&RrSet> {
        self.sets.get(owner)?.iter().find(|set| set.rtype == rtype)
    }

    fn soa(&self) -> &RrSet {
        self.set(&self.origin, rtype::SOA).expect("a zone is made with one SOA record")
    }

    /// The serial the file gives. Only a new zone starts from it.
    pub fn file_serial(&self) -> Serial {
        let data = &self.soa().data[0];
        let at = data.len() - 20;
        let serial = data[at..at + 4].try_into().expect("five 32-bit numbers end a SOA record");
        Serial(u32::from_be_bytes(serial))
    }

    /// A digest of every record but the SOA's serial: equal exactly when the
    /// same answers are given, whatever the order and the comments.
    pub fn digest(&self) -> u64 {
        let mut digest = Fnv::default();
        digest.add(self.origin.wire());
        for (owner, set) in self.sets() {
            digest.add(owner.wire());
            digest.add(&set.rtype.to_be_bytes());
            digest.add(&set.ttl.to_be_bytes());
            for data in &set.data {
                if set.rtype == rtype::SOA {
                    let serial = data.len() - 20;
                    digest.add(&data[..serial]);
                    digest.add(&data[serial + 4..]);
                } else {
                    digest.add(data);
                }
            }
        }
        digest.0
    }

    /// Why a host cannot have this name, if it cannot: there are fixed
    /// records at it (or, for a `wildcard` host, at `*.name`), it is the apex,
    /// it lies at or below a delegation, or outside the zone. The sentence
    /// names the file and the line.
    pub fn refuses_host(&self, name: &Name, wildcard: bool) -> Option<String> {
        let host = name.without_dot();
        let zone = self.origin.without_dot();
        let file = self.file.display();
        if *name == self.origin {
            return Some(format!("{host} is the zone's own name and cannot be a host"));
        }
        if !name.is_within(&self.origin) {
            return Some(format!("{host} is not in the zone {zone}"));
        }
        let star = if wildcard { name.child(b"*").ok() } else { None };
        for owner in std::iter::once(name).chain(star.as_ref()) {
            if let Some(set) = self.sets.get(owner).and_then(|sets| sets.first()) {
                return Some(format!(
                    "{file}:{}: {} has a fixed record, and a host {host} cannot be beside it: remove the record, or the host",
                    set.line,
                    owner.without_dot()
                ));
            }
        }
        let cut = self.cut_above(name)?;
        Some(format!(
            "{file}:{}: {} is delegated to other name servers, and {host} lies below it: choose another name",
            cut.1.line,
            cut.0.without_dot()
        ))
    }

    /// The delegation at or above a name (RFC 1034 §4.2.1), the highest.
    fn cut_above(&self, name: &Name) -> Option<(Name, &RrSet)> {
        let mut found = None;
        let mut at = Some(name.clone());
        while let Some(name) = at.filter(|name| *name != self.origin) {
            if let Some(set) = self.set(&name, rtype::NS) {
                found = Some((name.clone(), set));
            }
            at = name.parent();
        }
        found
    }

    /// The NS targets with their in-zone addresses: what the parent zone
    /// needs for the delegation.
    pub fn name_servers(&self) -> Vec<(Name, Vec<IpAddr>)> {
        let targets = self.set(&self.origin, rtype::NS).map_or(&[][..], |set| &set.data);
        let targets = targets.iter().filter_map(|data| Name::from_wire(data).ok());
        targets.map(|target| (target.clone(), self.addresses(&target))).collect()
    }

    fn addresses(&self, name: &Name) -> Vec<IpAddr> {
        let data = |rtype| self.set(name, rtype).map_or(&[][..], |set| &set.data);
        let v4 = data(rtype::A).iter().filter_map(|data| <[u8; 4]>::try_from(&**data).ok());
        let v6 = data(rtype::AAAA).iter().filter_map(|data| <[u8; 16]>::try_from(&**data).ok());
        v4.map(|a| Ipv4Addr::from(a).into()).chain(v6.map(|a| Ipv6Addr::from(a).into())).collect()
    }
}

/// FNV-1a, 64 bits: kept in the store, so it must never change.
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Fnv(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv {
    /// Adds octets and their count, so that boundaries matter.
    fn add(&mut self, bytes: &[u8]) {
        for byte in (bytes.len() as u32).to_be_bytes().iter().chain(bytes) {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}
