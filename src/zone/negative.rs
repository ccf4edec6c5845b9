//! The SOA record that comes with negative answers (RFC 2308 §3), as short as
//! it can be: made when the zone is published, finished by writing two
//! pointers.
//!
//! A negative answer is what whoever asks in another's name gets for any name
//! that he makes up, and most of it is this record. Its names mostly lie in the
//! zone, whose apex stands in the question, so that they end in a pointer to
//! there (RFC 1035 §4.1.4). Where in the message that is differs from question
//! to question; where in the record the pointers are does not.

use super::node::{Record, render};
use crate::model::{Name, Serial};
use crate::wire::{RecordType, u32_at};

/// Octets of the numbers that end an SOA record's data.
const NUMBERS: usize = 5 * 4;

/// What a zone's negative answers hold.
#[derive(Clone, Debug, Default)]
pub struct Negative {
    rendered: Box<[u8]>,
    /// Of MNAME, of RNAME.
    pointers: [Option<Pointer>; 2],
}

/// A place in the record where a pointer belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pointer {
    /// Where it stands, in octets from the record's type on.
    pub at: u16,
    /// What it points into.
    pub base: Base,
    /// Where in that.
    pub to: u16,
}

/// What a pointer points into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Base {
    /// The apex, where it stands uncompressed.
    Apex,
    /// The record itself, from its type on.
    Record,
}

impl Negative {
    /// From a zone's SOA record: its TTL is the lesser of its own and its last
    /// field (RFC 2308 §3).
    pub fn new(origin: &Name, soa: Record<'_>) -> Negative {
        let data = soa.rdata();
        let mname = first_name(data);
        let rname = first_name(&data[mname.len()..]);
        let numbers = &data[mname.len() + rname.len()..];
        let minimum = u32_at(numbers, NUMBERS - 4).expect("checked when read");
        let mut rendered = Vec::new();
        render(&mut rendered, RecordType::SOA, soa.ttl().min(minimum), &[]);
        let start = rendered.len();
        let apex = (Base::Apex, 0, origin.wire());
        let first = append(&mut rendered, mname, &[apex]);
        let second = append(&mut rendered, rname, &[apex, (Base::Record, start as u16, mname)]);
        rendered.extend_from_slice(numbers);
        let length = (rendered.len() - start) as u16;
        rendered[start - 2..start].copy_from_slice(&length.to_be_bytes());
        Negative { rendered: rendered.into(), pointers: [first, second] }
    }

    /// The record without its owner, nothing standing yet where the
    /// [`Negative::pointers`] do.
    #[inline]
    pub fn rendered(&self) -> &[u8] {
        &self.rendered
    }

    /// The pointers that belong into it.
    #[inline]
    pub fn pointers(&self) -> impl Iterator<Item = Pointer> {
        self.pointers.into_iter().flatten()
    }

    /// The record carries this serial from now on.
    pub fn set_serial(&mut self, serial: Serial) {
        write_serial(&mut self.rendered, serial);
    }
}

/// Writes the serial of an SOA record: the first of the numbers that end it.
pub fn write_serial(record: &mut [u8], serial: Serial) {
    let at = record.len() - NUMBERS;
    record[at..at + 4].copy_from_slice(&serial.0.to_be_bytes());
}

/// The name that data begin with.
fn first_name(data: &[u8]) -> &[u8] {
    let mut end = 0;
    while data[end] != 0 {
        end += 1 + usize::from(data[end]);
    }
    &data[..=end]
}

/// Appends a name, and room for a pointer to the longest end that it has in
/// common with one of these names. An end within what is a pointer itself in
/// that name is found in the one that it points to.
fn append(rendered: &mut Vec<u8>, name: &[u8], known: &[(Base, u16, &[u8])]) -> Option<Pointer> {
    let mut rest = name;
    while rest[0] != 0 {
        let end = known.iter().find_map(|(base, at, known)| {
            let before = ends(known).find(|end| *end == rest)?;
            Some((*base, at + (known.len() - before.len()) as u16))
        });
        if let Some((base, to)) = end {
            let at = rendered.len() as u16;
            rendered.extend([0; 2]);
            return Some(Pointer { at, base, to });
        }
        let label;
        (label, rest) = rest.split_at(1 + usize::from(rest[0]));
        rendered.extend_from_slice(label);
    }
    rendered.push(0);
    None
}

/// A name, and every name above it but the root.
fn ends(name: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::successors(Some(name), |name| name.get(1 + usize::from(name[0])..))
        .take_while(|name| name[0] != 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{HEADER, name_at};
    use crate::zone::Records;

    /// What answers a question for `x.ORIGIN`: the octets of the record with
    /// its owner, and MNAME and RNAME as they are read from the message.
    fn written(origin: &str, mname: &str, rname: &str) -> (usize, [String; 2]) {
        let origin: Name = origin.parse().unwrap();
        let [mname, rname] = [mname, rname].map(|name| name.parse::<Name>().unwrap());
        let mut data = [mname.wire(), rname.wire()].concat();
        data.extend([1_u32, 2, 3, 4, 30].map(u32::to_be_bytes).as_flattened());
        let mut records = Vec::new();
        render(&mut records, RecordType::SOA, 60, &data);
        let soa = Records(&records).into_iter().next().unwrap();
        let mut negative = Negative::new(&origin, soa);
        negative.set_serial(Serial(0x1234_5678));

        let mut message = vec![0; HEADER];
        message.extend(b"\x01x");
        let apex = message.len() as u16;
        message.extend_from_slice(origin.wire());
        let start = message.len();
        message.extend((0xc000 | apex).to_be_bytes());
        let data = message.len();
        message.extend_from_slice(negative.rendered());
        for Pointer { at, base, to } in negative.pointers() {
            let base = if base == Base::Apex { apex } else { data as u16 };
            let at = data + usize::from(at);
            message[at..at + 2].copy_from_slice(&(0xc000 | (base + to)).to_be_bytes());
        }
        let length = usize::from(u16::from_be_bytes([message[data + 8], message[data + 9]]));
        assert_eq!(data + 10 + length, message.len());
        assert_eq!(message[data + 4..data + 8], [0, 0, 0, 30]);
        let numbers = message.len() - NUMBERS;
        assert_eq!(message[numbers..numbers + 4], [0x12, 0x34, 0x56, 0x78]);
        let (mname, end) = name_at(&message, data + 10).unwrap();
        let (rname, end) = name_at(&message, end).unwrap();
        assert_eq!(end, numbers);
        (message.len() - start, [mname, rname].map(|name| name.to_string()))
    }

    #[test]
    fn names_end_where_the_same_stands_already() {
        let check = |origin, mname, rname, names: usize| {
            let around = 12 + NUMBERS;
            let read = [mname, rname].map(|name: &str| name.to_owned());
            assert_eq!(written(origin, mname, rname), (around + names, read), "{mname} {rname}");
        };
        // In the zone, and the zone itself.
        check("dyn.example.", "ns1.dyn.example.", "hostmaster.dyn.example.", 6 + 13);
        check("dyn.example.", "dyn.example.", "dyn.example.", 2 + 2);
        // Above it, beside it, elsewhere.
        check("dyn.example.", "ns.example.", "example.", 5 + 2);
        check("dyn.example.", "ns.test.", "a.b.ns.test.", 9 + 6);
        check("dyn.example.", "ns.test.", "a.test.", 9 + 4);
        check("dyn.example.", "ns.test.", "a.dyn.example.", 9 + 4);
        check("dyn.example.", "ns.test.", "a.net.", 9 + 7);
        // What ends alike in letters, not in labels.
        check("dyn.example.", "xdyn.example.", "a.xdyn.example.", 7 + 4);
        // Nothing to point to.
        check(".", ".", ".", 1 + 1);
        check(".", "ns.", "a.ns.", 4 + 4);
    }
}
