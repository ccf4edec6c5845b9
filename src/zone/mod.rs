//! What is served: a zone's fixed records as read from its master file, and
//! the [`Snapshot`], one immutable version of everything that is answered,
//! rendered to wire form.
//!
//! A `Snapshot` is cheap to clone (persistent maps); the registry clones it,
//! changes the clone, and publishes that.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::model::{Addresses, Name, Serial};

/// A zone's fixed records, from its master file (RFC 1035 §5).
#[derive(Clone, Debug)]
pub struct Zone {
    origin: Name,
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
        let _ = path;
        todo!()
    }

    /// The same from text; `file` only names it in errors.
    pub fn parse(text: &str, file: &Path) -> Result<Zone, ZoneError> {
        let _ = (text, file);
        todo!()
    }

    /// The apex.
    pub fn origin(&self) -> &Name {
        &self.origin
    }

    /// The file it came from.
    pub fn file(&self) -> &Path {
        todo!()
    }

    /// The serial the file gives. Only a new zone starts from it.
    pub fn file_serial(&self) -> Serial {
        todo!()
    }

    /// A digest of every record but the SOA's serial: equal exactly when the
    /// same answers are given, whatever the order and the comments.
    pub fn digest(&self) -> u64 {
        todo!()
    }

    /// Why a host cannot have this name, if it cannot: there are fixed
    /// records at it (or, for a `wildcard` host, at `*.name`), it is the apex,
    /// it lies at or below a delegation, or outside the zone. The sentence
    /// names the file and the line.
    pub fn refuses_host(&self, name: &Name, wildcard: bool) -> Option<String> {
        let _ = (name, wildcard);
        todo!()
    }

    /// The NS targets with their in-zone addresses, as (name, addresses):
    /// what the parent zone needs for the delegation.
    pub fn name_servers(&self) -> Vec<(Name, Vec<std::net::IpAddr>)> {
        todo!()
    }
}

/// One immutable version of everything that is served.
#[derive(Clone, Default)]
pub struct Snapshot {}

impl Snapshot {
    /// Everything afresh: these zones with their serials, no hosts yet, and
    /// what CHAOS questions are told.
    pub fn new(zones: &[(&Zone, Serial)], identity: Identity) -> Snapshot {
        let _ = (zones, identity);
        todo!()
    }

    /// What a host answers from now on, in the zone that holds it. No
    /// addresses: the name is gone (or an empty non-terminal). O(log n).
    /// A name outside every zone is left out.
    pub fn set_host(&mut self, host: &Name, addresses: Addresses, ttl: u32, wildcard: bool) {
        let _ = (host, addresses, ttl, wildcard);
        todo!()
    }

    /// The zone's SOA carries this serial from now on.
    pub fn set_serial(&mut self, origin: &Name, serial: Serial) {
        let _ = (origin, serial);
        todo!()
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
