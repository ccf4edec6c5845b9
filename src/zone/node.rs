//! One name that exists, and its records as they go into answers.

use std::borrow::Borrow;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use crate::model::Name;
use crate::wire::RecordType;

/// The owner of a rendered record: a pointer to the name of the question,
/// right after the header.
pub const OWNER: [u8; 2] = [0xc0, 12];

/// Octets of a rendered record before its data.
const FIXED: usize = 12;

/// What a name is in its zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A name of the zone, with or without records of its own.
    Plain,
    /// The zone's own name.
    Apex,
    /// Delegated away here: NS records, and addresses that are glue.
    Cut,
    /// Below a delegation: its addresses are glue and nothing else.
    Glue,
}

/// One name that exists: it has records, or names below it do (an empty
/// non-terminal). A pointer to clone, so that the map that holds a million
/// of them is cheap to change.
#[derive(Clone)]
pub struct Node(Arc<Content>);

/// What a [`Node`] points to.
#[derive(Clone)]
pub struct Content {
    /// The name.
    pub name: Name,
    /// The records, rendered: see [`Records`].
    pub records: Box<[u8]>,
    /// How many names stand directly below.
    pub children: u32,
    /// Which of the Snapshot's zones it belongs to.
    pub zone: u32,
    /// What it is there.
    pub kind: Kind,
    /// Whether `*` stands directly below (RFC 4592 §2.1.1).
    pub wildcard: bool,
    /// Whether the records are a host's, and so may be replaced.
    pub host: bool,
}

impl Node {
    /// A name with nothing yet.
    pub fn new(name: Name, zone: u32, kind: Kind) -> Node {
        Node(Arc::new(Content {
            name,
            records: Box::default(),
            children: 0,
            zone,
            kind,
            wildcard: false,
            host: false,
        }))
    }

    /// The same with something changed.
    pub fn with(&self, change: impl FnOnce(&mut Content)) -> Node {
        let mut content = Content::clone(&self.0);
        change(&mut content);
        Node(Arc::new(content))
    }

    /// Its records.
    pub fn records(&self) -> Records<'_> {
        Records(&self.0.records)
    }
}

impl std::ops::Deref for Node {
    type Target = Content;
    fn deref(&self) -> &Content {
        &self.0
    }
}

impl PartialEq for Node {
    fn eq(&self, other: &Node) -> bool {
        self.name == other.name
    }
}

impl Eq for Node {}

impl Hash for Node {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.wire().hash(state);
    }
}

impl Borrow<[u8]> for Node {
    fn borrow(&self) -> &[u8] {
        self.name.wire()
    }
}

/// Records as they go into answers, one after the other, those of one type
/// together: owner (a pointer to the question's name), type, class, TTL,
/// length, data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Records<'a>(pub &'a [u8]);

/// One rendered record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a>(&'a [u8]);

impl<'a> Records<'a> {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Those of one type, maybe none.
    pub fn of(&self, rtype: RecordType) -> Records<'a> {
        let mut start = 0;
        while let Some(record) = Record::first(&self.0[start..]) {
            if record.rtype() == rtype {
                let mut end = start + record.0.len();
                while let Some(next) = Record::first(&self.0[end..])
                    && next.rtype() == rtype
                {
                    end += next.0.len();
                }
                return Records(&self.0[start..end]);
            }
            start += record.0.len();
        }
        Records(&[])
    }

    /// The type of the first one.
    pub fn first_type(&self) -> Option<RecordType> {
        Record::first(self.0).map(|record| record.rtype())
    }
}

impl<'a> IntoIterator for Records<'a> {
    type Item = Record<'a>;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        Iter(self.0)
    }
}

/// Goes through [`Records`] one by one.
pub struct Iter<'a>(&'a [u8]);

impl<'a> Iterator for Iter<'a> {
    type Item = Record<'a>;

    fn next(&mut self) -> Option<Record<'a>> {
        let record = Record::first(self.0)?;
        self.0 = &self.0[record.0.len()..];
        Some(record)
    }
}

impl<'a> Record<'a> {
    /// Only what [`render`] wrote is ever read.
    #[inline]
    fn first(rendered: &'a [u8]) -> Option<Record<'a>> {
        let length = rendered.get(FIXED - 2..FIXED)?;
        let data = usize::from(u16::from_be_bytes([length[0], length[1]]));
        Some(Record(&rendered[..FIXED + data]))
    }

    /// Its type.
    #[inline]
    pub fn rtype(&self) -> RecordType {
        RecordType(u16::from_be_bytes([self.0[2], self.0[3]]))
    }

    /// Its TTL in seconds.
    pub fn ttl(&self) -> u32 {
        u32::from_be_bytes([self.0[6], self.0[7], self.0[8], self.0[9]])
    }

    /// Its data.
    #[inline]
    pub fn rdata(&self) -> &'a [u8] {
        &self.0[FIXED..]
    }

    /// Octets in an answer.
    #[inline]
    pub fn size(&self) -> usize {
        self.0.len()
    }
}

/// Appends a record as it goes into answers.
pub fn render(out: &mut Vec<u8>, rtype: RecordType, ttl: u32, rdata: &[u8]) {
    out.extend(OWNER);
    out.extend(rtype.0.to_be_bytes());
    out.extend(crate::wire::CLASS_IN.to_be_bytes());
    out.extend(ttl.to_be_bytes());
    out.extend((rdata.len() as u16).to_be_bytes());
    out.extend_from_slice(rdata);
}
