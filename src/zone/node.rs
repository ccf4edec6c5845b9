//! One name that exists, and its records as they go into answers.

use crate::wire::RecordType;

/// Octets of a rendered record before its data.
const FIXED: usize = 10;

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

impl Kind {
    /// In the order of the numbers they are kept as.
    const ALL: [Kind; 4] = [Kind::Plain, Kind::Apex, Kind::Cut, Kind::Glue];
}

/// One name that exists: it has records, or names below it do (an empty
/// non-terminal).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Node<'s> {
    /// The name, in wire form and lower case.
    pub name: &'s [u8],
    /// Its records.
    pub records: Records<'s>,
    /// Which of the Snapshot's zones it belongs to.
    pub zone: u32,
    /// What it is there.
    pub kind: Kind,
    /// Whether `*` stands directly below (RFC 4592 §2.1.1).
    pub wildcard: bool,
    /// Whether the records are a host's, and so may be replaced.
    pub host: bool,
    /// How many names stand directly below; not counted for an apex, which
    /// exists without any.
    pub children: u32,
}

/// Where a node's records are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place<'s> {
    /// With the node.
    Here(&'s [u8]),
    /// Apart, under this number: they are long.
    Apart(u32),
}

/// The form nodes are kept in:
///
/// ```text
/// kind (bits 0, 1), WILDCARD, HOST, APART │ zone │ children │ records, or their number
/// ```
///
/// Numbers have seven bits an octet, the lowest first; the last octet has its
/// highest bit clear.
impl<'s> Node<'s> {
    /// A name with nothing yet.
    pub fn new(name: &'s [u8], zone: u32, kind: Kind) -> Node<'s> {
        Node { name, records: Records(&[]), zone, kind, wildcard: false, host: false, children: 0 }
    }

    /// The same node with other records; it borrows nothing any more from
    /// where it was.
    pub fn with_records<'n>(self, name: &'n [u8], records: &'n [u8]) -> Node<'n> {
        let Node { zone, kind, wildcard, host, children, .. } = self;
        Node { name, records: Records(records), zone, kind, wildcard, host, children }
    }

    /// The form it is kept in, its records at `place`.
    pub fn pack(&self, place: Place<'_>) -> Vec<u8> {
        let mut packed = Vec::new();
        self.pack_into(&mut packed, place);
        packed
    }

    /// The same behind what is there.
    pub fn pack_into(&self, packed: &mut Vec<u8>, place: Place<'_>) {
        let flag = |set, bit| if set { bit } else { 0 };
        let flags = self.kind as u8
            | flag(self.wildcard, WILDCARD)
            | flag(self.host, HOST)
            | flag(matches!(place, Place::Apart(_)), APART);
        packed.push(flags);
        put_number(packed, self.zone);
        put_number(packed, self.children);
        match place {
            Place::Here(records) => packed.extend_from_slice(records),
            Place::Apart(number) => put_number(packed, number),
        }
    }

    /// The node without its records, and where they are. Only what
    /// [`Node::pack`] made is ever read.
    #[inline]
    pub fn unpack(name: &'s [u8], packed: &'s [u8]) -> (Node<'s>, Place<'s>) {
        let flags = packed[0];
        let (zone, rest) = number(&packed[1..]);
        let (children, rest) = number(rest);
        let node = Node {
            name,
            records: Records(&[]),
            zone,
            kind: Kind::ALL[usize::from(flags & 3)],
            wildcard: flags & WILDCARD != 0,
            host: flags & HOST != 0,
            children,
        };
        let place = match flags & APART {
            0 => Place::Here(rest),
            _ => Place::Apart(number(rest).0),
        };
        (node, place)
    }
}

/// The most octets before the records: the kind and its flags, two numbers.
pub const HEAD: usize = 1 + 2 * 5;

const WILDCARD: u8 = 4;
const HOST: u8 = 8;
const APART: u8 = 16;

fn put_number(out: &mut Vec<u8>, mut number: u32) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// A number and what follows it.
#[inline]
fn number(mut packed: &[u8]) -> (u32, &[u8]) {
    let (mut number, mut shift) = (0, 0);
    loop {
        let octet = packed[0];
        packed = &packed[1..];
        number |= u32::from(octet & 0x7f) << shift;
        shift += 7;
        if octet < 0x80 {
            return (number, packed);
        }
    }
}

/// Records as they go into answers, one after the other, those of one type
/// together, each without its owner: type, class, TTL, length, data.
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
    #[inline]
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

    /// Those of the type whose set is the shortest; of several the first.
    pub fn shortest_set(&self) -> Records<'a> {
        let (mut shortest, mut rest) = (Records(&[]), *self);
        while let Some(first) = Record::first(rest.0) {
            let set = rest.of(first.rtype());
            rest = Records(&rest.0[set.0.len()..]);
            if shortest.is_empty() || set.size() < shortest.size() {
                shortest = set;
            }
        }
        shortest
    }

    /// Octets in an answer.
    fn size(&self) -> usize {
        self.into_iter().map(|record| record.size()).sum()
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

    #[inline]
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
        RecordType(u16::from_be_bytes([self.0[0], self.0[1]]))
    }

    /// Its TTL in seconds.
    pub fn ttl(&self) -> u32 {
        u32::from_be_bytes([self.0[4], self.0[5], self.0[6], self.0[7]])
    }

    /// Its data.
    #[inline]
    pub fn rdata(&self) -> &'a [u8] {
        &self.0[FIXED..]
    }

    /// Octets in an answer, the owner's name being a pointer of two.
    #[inline]
    pub fn size(&self) -> usize {
        2 + self.0.len()
    }

    /// The record as it goes behind its owner's name.
    #[inline]
    pub fn rendered(&self) -> &'a [u8] {
        self.0
    }
}

/// Appends a record as it goes behind its owner's name in answers.
pub fn render(out: &mut Vec<u8>, rtype: RecordType, ttl: u32, rdata: &[u8]) {
    out.extend(rtype.0.to_be_bytes());
    out.extend(crate::wire::CLASS_IN.to_be_bytes());
    out.extend(ttl.to_be_bytes());
    out.extend((rdata.len() as u16).to_be_bytes());
    out.extend_from_slice(rdata);
}
