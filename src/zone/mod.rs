//! What is served: a zone's fixed records as read from its master file, and
//! the [`Snapshot`], one immutable version of everything that is answered,
//! rendered to wire form.
//!
//! A `Snapshot` is cheap to clone (persistent maps); the registry clones it,
//! changes the clone, and publishes that.

mod check;
mod data_text;
mod file;
mod filling;
mod leaves;
mod lex;
mod negative;
mod node;
mod rdata;
mod snapshot;
mod svcb;
mod table;
mod units;

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

pub use data_text::{data_from_text, data_from_words, data_to_text};
pub use file::{Line, Place, records};
pub use filling::Filling;
pub use negative::{Base, Negative, Pointer};
pub use node::{Kind, Node, Record, Records};
pub use rdata::received;
pub use snapshot::{Served, Snapshot};
pub use table::Spot;

use crate::model::{Name, Serial};
use crate::wire::{RecordType, u32_at};

/// A zone's fixed records, from its master file (RFC 1035 §5).
#[derive(Clone, Debug)]
pub struct Zone {
    origin: Name,
    file: PathBuf,
    names: BTreeMap<Name, Vec<RrSet>>,
}

/// The fixed records of one name and type.
#[derive(Clone, Debug)]
pub struct RrSet {
    /// The type.
    pub rtype: RecordType,
    /// The TTL of all of them, in seconds.
    pub ttl: u32,
    /// The data of each, in wire form, names in lower case and uncompressed.
    pub rdata: Vec<Box<[u8]>>,
    /// Where the first of them stands.
    pub place: Place,
}

impl RrSet {
    /// Octets in an answer, owners as pointers.
    fn size(&self) -> usize {
        self.rdata.iter().map(|rdata| 12 + rdata.len()).sum()
    }
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
    /// Reads a master file. The origin is the owner of its SOA record; until
    /// an `$ORIGIN` line the file's own name without `.zone`.
    pub fn load(path: &Path) -> Result<Zone, ZoneError> {
        Zone::parse(&file::text_of(path)?, path)
    }

    /// The same from text; `file` only names it in errors, and files it
    /// includes are looked for beside it.
    pub fn parse(text: &str, file: &Path) -> Result<Zone, ZoneError> {
        check::zone(file::records(text, file)?, file)
    }

    /// The apex.
    pub fn origin(&self) -> &Name {
        &self.origin
    }

    /// The file it came from.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// The serial the file gives. Only a new zone starts from it.
    pub fn file_serial(&self) -> Serial {
        let soa = self.rrset(&self.origin, RecordType::SOA).expect("a zone has its SOA");
        Serial(u32_at(&soa.rdata[0], soa.rdata[0].len() - 20).expect("checked when read"))
    }

    /// Every set of records, the names in canonical order.
    pub fn rrsets(&self) -> impl Iterator<Item = (&Name, &RrSet)> {
        self.names.iter().flat_map(|(name, sets)| sets.iter().map(move |set| (name, set)))
    }

    /// A digest of every record but the SOA's serial: equal exactly when the
    /// same answers are given, whatever the order and the comments. The same
    /// in every version of the program, since it is kept in the store.
    pub fn digest(&self) -> u64 {
        let mut lines: Vec<Vec<u8>> = Vec::new();
        for (name, set) in self.rrsets() {
            for rdata in &set.rdata {
                let mut line = name.wire().to_vec();
                line.extend(set.rtype.0.to_be_bytes());
                line.extend(set.ttl.to_be_bytes());
                line.extend_from_slice(rdata);
                if set.rtype == RecordType::SOA {
                    let serial = line.len() - 20;
                    line[serial..serial + 4].fill(0);
                }
                lines.push(line);
            }
        }
        lines.sort_unstable();
        let mut digest = Sha256::new();
        for line in lines {
            digest.update((line.len() as u32).to_be_bytes());
            digest.update(line);
        }
        let octets = digest.finalize();
        u64::from_be_bytes(octets[..8].try_into().expect("eight octets"))
    }

    /// Why a host cannot have this name, if it cannot: there are fixed
    /// records at it (or, for a `wildcard` host, at `*.name`), it is the apex,
    /// it lies at or below a delegation, or outside the zone. The sentence
    /// names the file and the line.
    pub fn refuses_host(&self, name: &Name, wildcard: bool) -> Option<String> {
        let host = name.without_dot();
        if !name.is_within(&self.origin) {
            return Some(format!("{host} is outside the zone {}", self.origin.without_dot()));
        }
        if name == &self.origin {
            return Some(format!("{host} is the zone itself; a host is a name below it"));
        }
        if let Some(cut) = self.delegation_of(name) {
            let place = &self.rrset(cut, RecordType::NS).expect("a cut has NS records").place;
            return Some(format!(
                "{host} cannot be a host: {} is delegated away ({}:{}); remove that, or give the host another name",
                cut.without_dot(),
                place.file.display(),
                place.line
            ));
        }
        let star = name.child(b"*").ok().filter(|_| wildcard);
        for taken in std::iter::once(name).chain(&star) {
            if let Some(set) = self.names.get(taken).and_then(|sets| sets.first()) {
                return Some(format!(
                    "{host} cannot be a host: the zone file has a {} record at {} ({}:{}); remove that, or give the host another name",
                    set.rtype,
                    taken.without_dot(),
                    set.place.file.display(),
                    set.place.line
                ));
            }
        }
        None
    }

    /// The NS targets with their in-zone addresses, as (name, addresses):
    /// what the parent zone needs for the delegation.
    pub fn name_servers(&self) -> Vec<(Name, Vec<IpAddr>)> {
        let servers = self.rrset(&self.origin, RecordType::NS).expect("a zone has NS records");
        let names = servers.rdata.iter().map(|rdata| Name::from_wire(rdata).expect("a name"));
        names.map(|name| (name.clone(), self.addresses(&name))).collect()
    }

    fn rrset(&self, name: &Name, rtype: RecordType) -> Option<&RrSet> {
        self.names.get(name)?.iter().find(|set| set.rtype == rtype)
    }

    /// The fixed addresses of a name, IPv4 first.
    fn addresses(&self, name: &Name) -> Vec<IpAddr> {
        let data = |rtype| self.rrset(name, rtype).into_iter().flat_map(|set| &set.rdata);
        let v4 = data(RecordType::A).map(|rdata| {
            let octets: [u8; 4] = rdata[..].try_into().expect("checked when read");
            IpAddr::V4(Ipv4Addr::from(octets))
        });
        let v6 = data(RecordType::AAAA).map(|rdata| {
            let octets: [u8; 16] = rdata[..].try_into().expect("checked when read");
            IpAddr::V6(Ipv6Addr::from(octets))
        });
        v4.chain(v6).collect()
    }

    /// The delegation a name lies in: at it, or below it.
    fn delegation_of(&self, name: &Name) -> Option<&Name> {
        let mut at = Some(name.clone());
        while let Some(name) = at.filter(|name| name != &self.origin) {
            if let Some((cut, sets)) = self.names.get_key_value(&name)
                && sets.iter().any(|set| set.rtype == RecordType::NS)
            {
                return Some(cut);
            }
            at = name.parent();
        }
        None
    }

    /// The delegation a name lies below.
    fn delegation_above(&self, name: &Name) -> Option<&Name> {
        self.delegation_of(&name.parent().filter(|_| name != &self.origin)?)
    }
}

/// What questions in class CHAOS are told (RFC 4892); `None`: REFUSED.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// `version.bind`, `version.server`.
    pub version: Option<String>,
    /// `id.server`, `hostname.bind`.
    pub id: Option<String>,
}

#[cfg(test)]
mod tests;
