//! Domain names, as they are compared and stored.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The longest name on the wire, in octets, with the root's zero
/// (RFC 1035 §2.3.4).
pub const MAX_NAME: usize = 255;

/// A domain name: absolute and in lower case, because it can only be made by
/// parsing. Kept in wire form (RFC 1035 §3.1), uncompressed.
///
/// Names are ordered label by label from the root (RFC 4034 §6.1), so that a
/// zone's names stand together.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Name(Box<[u8]>);

/// Why a text or some bytes are not a domain name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameError {
    /// Nothing there at all.
    Empty,
    /// Two dots in a row, or one at the front.
    EmptyLabel,
    /// A label over 63 octets (RFC 1035 §2.3.4).
    LongLabel,
    /// Over 255 octets in all (RFC 1035 §2.3.4).
    TooLong,
    /// A character that needs an escape, or a broken escape.
    Character,
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NameError::Empty => "the name is empty",
            NameError::EmptyLabel => "the name has an empty label (two dots, or one in front)",
            NameError::LongLabel => "a label of the name is longer than 63 octets",
            NameError::TooLong => "the name is longer than 255 octets",
            NameError::Character => "the name has a character that names do not have",
        })
    }
}

impl std::error::Error for NameError {}

impl Name {
    /// The root, `.`.
    pub fn root() -> Name {
        Name(Box::new([0]))
    }

    /// A name from uncompressed wire form; upper case is folded.
    ///
    /// # Errors
    /// When the bytes are not exactly one uncompressed name.
    pub fn from_wire(wire: &[u8]) -> Result<Name, NameError> {
        Name::from_owned(wire.to_vec())
    }

    fn from_owned(mut wire: Vec<u8>) -> Result<Name, NameError> {
        if wire.len() > MAX_NAME {
            return Err(NameError::TooLong);
        }
        let mut at = 0;
        loop {
            match wire.get(at) {
                None => return Err(NameError::Empty),
                Some(0) if at + 1 == wire.len() => break,
                Some(0) => return Err(NameError::EmptyLabel),
                Some(&length @ 1..=63) => at += 1 + usize::from(length),
                Some(_) => return Err(NameError::LongLabel),
            }
        }
        // Length octets are at most 63 and so never change when folded.
        wire.make_ascii_lowercase();
        Ok(Name(wire.into()))
    }

    /// The name in wire form: lower case, uncompressed, ending in the zero
    /// octet.
    pub fn wire(&self) -> &[u8] {
        &self.0
    }

    /// The labels from the left, without the root's empty one.
    pub fn labels(&self) -> impl DoubleEndedIterator<Item = &[u8]> {
        let mut starts = [0u8; MAX_NAME / 2 + 1];
        let mut count = 0;
        let mut at = 0;
        while self.0[at] != 0 {
            starts[count] = at as u8;
            count += 1;
            at += 1 + usize::from(self.0[at]);
        }
        (0..count).map(move |i| {
            let start = usize::from(starts[i]);
            &self.0[start + 1..start + 1 + usize::from(self.0[start])]
        })
    }

    /// How many labels, the root's not counted.
    pub fn depth(&self) -> usize {
        self.labels().count()
    }

    /// The name without its first label; `None` for the root.
    pub fn parent(&self) -> Option<Name> {
        match self.0[0] {
            0 => None,
            length => Some(Name(self.0[1 + usize::from(length)..].into())),
        }
    }

    /// Whether this is `ancestor` or below it.
    pub fn is_within(&self, ancestor: &Name) -> bool {
        let Some(cut) = self.0.len().checked_sub(ancestor.0.len()) else { return false };
        let mut at = 0;
        while at < cut {
            at += 1 + usize::from(self.0[at]);
        }
        at == cut && self.0[cut..] == ancestor.0[..]
    }

    /// Whether the first label is `*` (RFC 4592 §2.1.1).
    pub fn is_wildcard(&self) -> bool {
        self.0.starts_with(b"\x01*")
    }

    /// `label.self`.
    ///
    /// # Errors
    /// When the label or the whole would be too long, or the label is empty.
    pub fn child(&self, label: &[u8]) -> Result<Name, NameError> {
        match label.len() {
            0 => return Err(NameError::EmptyLabel),
            64.. => return Err(NameError::LongLabel),
            length if 1 + length + self.0.len() > MAX_NAME => return Err(NameError::TooLong),
            _ => {}
        }
        let mut wire = Vec::with_capacity(1 + label.len() + self.0.len());
        wire.push(label.len() as u8);
        wire.extend(label.to_ascii_lowercase());
        wire.extend_from_slice(&self.0);
        Ok(Name(wire.into()))
    }

    /// Whether every label is a host name's: letters, digits, hyphens inside
    /// (RFC 1123 §2.1); underscores are let through, since people have them.
    pub fn is_hostname(&self) -> bool {
        self.labels().all(|label| {
            let inner = |c: &u8| c.is_ascii_alphanumeric() || *c == b'-' || *c == b'_';
            label.iter().all(inner) && label[0] != b'-' && label[label.len() - 1] != b'-'
        })
    }

    /// The name as people write it: without the dot at the end.
    pub fn without_dot(&self) -> String {
        let mut text = self.to_string();
        if text.len() > 1 {
            text.pop();
        }
        text
    }
}

impl FromStr for Name {
    type Err = NameError;

    /// Reads presentation form (RFC 1035 §5.1): `\.` and `\DDD` are escapes,
    /// the dot at the end may be left out.
    fn from_str(text: &str) -> Result<Name, NameError> {
        if text.is_empty() {
            return Err(NameError::Empty);
        }
        if text == "." {
            return Ok(Name::root());
        }
        let mut wire = Vec::with_capacity(text.len() + 2);
        let mut length_at = 0;
        wire.push(0);
        let mut close = |wire: &mut Vec<u8>| {
            let length = wire.len() - length_at - 1;
            match length {
                0 => return Err(NameError::EmptyLabel),
                64.. => return Err(NameError::LongLabel),
                _ => wire[length_at] = length as u8,
            }
            length_at = wire.len();
            wire.push(0);
            Ok(())
        };
        let mut bytes = text.bytes();
        let mut open = false;
        while let Some(byte) = bytes.next() {
            open = true;
            match byte {
                b'.' => {
                    close(&mut wire)?;
                    open = false;
                }
                b'\\' => wire.push(unescape(&mut bytes).ok_or(NameError::Character)?),
                b'!'..=b'~' => wire.push(byte),
                _ => return Err(NameError::Character),
            }
        }
        if open {
            close(&mut wire)?;
        }
        Name::from_owned(wire)
    }
}

/// What follows a backslash: three digits, or the character itself.
fn unescape(bytes: &mut impl Iterator<Item = u8>) -> Option<u8> {
    let first = bytes.next()?;
    if !first.is_ascii_digit() {
        return (b'!'..=b'~').contains(&first).then_some(first);
    }
    let mut value = u16::from(first - b'0');
    for _ in 0..2 {
        let digit = bytes.next().filter(u8::is_ascii_digit)?;
        value = value * 10 + u16::from(digit - b'0');
    }
    u8::try_from(value).ok()
}

/// Presentation form with the dot at the end.
impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0[0] == 0 {
            return f.write_str(".");
        }
        for label in self.labels() {
            // Nearly every label is written as it is: a million at a start.
            let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_*".contains(byte);
            if label.iter().all(plain) {
                f.write_str(std::str::from_utf8(label).expect("it is ASCII"))?;
                f.write_str(".")?;
                continue;
            }
            for &byte in label {
                match byte {
                    b'.' | b'\\' | b'"' | b'(' | b')' | b';' | b'@' | b'$' => {
                        write!(f, "\\{}", byte as char)?
                    }
                    b'!'..=b'~' => write!(f, "{}", byte as char)?,
                    _ => write!(f, "\\{byte:03}")?,
                }
            }
            f.write_str(".")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Name({self})")
    }
}

impl Ord for Name {
    fn cmp(&self, other: &Name) -> std::cmp::Ordering {
        self.labels().rev().cmp(other.labels().rev())
    }
}

impl PartialOrd for Name {
    fn partial_cmp(&self, other: &Name) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// So that a map keyed by names is asked with the octets of a question.
impl Borrow<[u8]> for Name {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

impl Serialize for Name {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.without_dot())
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Name, D::Error> {
        super::parsed(deserializer)
    }
}

#[cfg(test)]
mod tests {
    use super::{Name, NameError};

    fn name(text: &str) -> Name {
        text.parse().unwrap()
    }

    #[test]
    fn spelled_one_way_whatever_the_case_and_the_dot() {
        assert_eq!(name("Home.DYN.example.org"), name("home.dyn.example.org."));
        assert_eq!(name("a\\.b.c").to_string(), "a\\.b.c.");
        assert_eq!(name("a\\046b.c").to_string(), "a\\.b.c.");
        assert_eq!(name(".").to_string(), ".");
        assert_eq!(name("a.b.").without_dot(), "a.b");
    }

    #[test]
    fn what_is_not_a_name() {
        let long = "a".repeat(64);
        assert_eq!("".parse::<Name>(), Err(NameError::Empty));
        assert_eq!("a..b".parse::<Name>(), Err(NameError::EmptyLabel));
        assert_eq!(".a".parse::<Name>(), Err(NameError::EmptyLabel));
        assert_eq!(long.parse::<Name>(), Err(NameError::LongLabel));
        assert_eq!(format!("{}a", "a.".repeat(127)).parse::<Name>(), Err(NameError::TooLong));
        assert_eq!("a b".parse::<Name>(), Err(NameError::Character));
        assert_eq!("a\\25".parse::<Name>(), Err(NameError::Character));
        assert_eq!("a\\256".parse::<Name>(), Err(NameError::Character));
        assert_eq!("größe.de".parse::<Name>(), Err(NameError::Character));
    }

    #[test]
    fn within_means_whole_labels() {
        assert!(name("a.b.c").is_within(&name("b.c")));
        assert!(name("b.c").is_within(&name("b.c")));
        assert!(name("b.c").is_within(&name(".")));
        assert!(!name("ab.c").is_within(&name("b.c")));
        assert!(!name("c").is_within(&name("b.c")));
    }

    #[test]
    fn ordered_from_the_root() {
        let mut names = ["z.a", "a.z", "a.b.a", "a", "b.a"].map(name);
        names.sort();
        assert_eq!(names.map(|n| n.without_dot()), ["a", "b.a", "a.b.a", "z.a", "a.z"]);
    }

    #[test]
    fn wire_form_is_checked() {
        assert_eq!(Name::from_wire(b"\x01A\x00"), Ok(name("a")));
        assert_eq!(Name::from_wire(b"\x01A"), Err(NameError::Empty));
        assert_eq!(Name::from_wire(b"\x00\x00"), Err(NameError::EmptyLabel));
        assert_eq!(Name::from_wire(b"\xc0\x00"), Err(NameError::LongLabel));
        assert!(Name::from_wire(&[]).is_err());
    }
}
