//! Rows at rest as nearly all of them are, read without a value of their own
//! for each part: a start reads a million of them.
//!
//! Only what `rows.rs` writes for a host without settings and a key without
//! limits is understood here, octet by octet; what differs in anything is
//! `None`, and for `rows.rs` to read or to refuse. Nothing is understood
//! otherwise than there (`tests` below).

use std::net::IpAddr;
use std::str::FromStr;

use crate::model::{Addresses, KeyDigest, LastReport, Presence, Protocol, Served, Timestamp};

/// A host, but for its name, which is in its row's key.
#[derive(Debug, PartialEq, Eq)]
pub struct PlainHost<'a> {
    /// Perhaps not in the one spelling.
    pub owner: Option<&'a str>,
    pub created: Timestamp,
    pub changes: u64,
    pub presence: Presence,
    pub report: Option<LastReport>,
}

/// A key, but for its number, which is in its row's key.
#[derive(Debug, PartialEq, Eq)]
pub struct PlainKey<'a> {
    pub holder: PlainHolder<'a>,
    pub digest: KeyDigest,
    pub created: Timestamp,
}

/// Whose key it is, perhaps not in the one spelling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlainHolder<'a> {
    Host(&'a str),
    Account(&'a str),
}

/// `[2,owner,created,changes,standing,addresses,when,report,null]`
pub fn host(value: &[u8]) -> Option<PlainHost<'_>> {
    let mut text = Text(value);
    text.skip(b"[2,")?;
    let owner = text.maybe(Text::string)?;
    text.skip(b",")?;
    let created = Timestamp(text.signed()?);
    text.skip(b",")?;
    let changes = text.number()?;
    text.skip(b",")?;
    let standing = text.string()?;
    text.skip(b",")?;
    let addresses: Addresses = text.parsed()?;
    text.skip(b",")?;
    let when = text.signed()?;
    text.skip(b",")?;
    let report = text.maybe(Text::report)?;
    text.skip(b",null]")?;
    let since = Timestamp(when);
    let presence = match standing {
        "unheard" => Presence::Unheard,
        "present" => Presence::Present { addresses, heard: Served(when as u64) },
        "lapsed" => Presence::Lapsed { since },
        "offline" => Presence::Offline { since },
        _ => return None,
    };
    text.0.is_empty().then_some(PlainHost { owner, created, changes, presence, report })
}

/// `[2,"host" or "account",its name,digest,created,null]`
pub fn key(value: &[u8]) -> Option<PlainKey<'_>> {
    let mut text = Text(value);
    text.skip(b"[2,")?;
    let kind = text.string()?;
    text.skip(b",")?;
    let holder = text.string()?;
    text.skip(b",")?;
    let digest = text.string()?;
    text.skip(b",")?;
    let created = Timestamp(text.signed()?);
    text.skip(b",null]")?;
    let holder = match kind {
        "host" => PlainHolder::Host(holder),
        "account" => PlainHolder::Account(holder),
        _ => return None,
    };
    let mut octets = [0; KeyDigest::LENGTH];
    let (pairs, []) = digest.as_bytes().as_chunks::<2>() else { return None };
    if pairs.len() != octets.len() {
        return None;
    }
    for (octet, [high, low]) in octets.iter_mut().zip(pairs) {
        *octet = hexadecimal(*high)? << 4 | hexadecimal(*low)?;
    }
    let digest = KeyDigest(octets);
    text.0.is_empty().then_some(PlainKey { holder, digest, created })
}

fn hexadecimal(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

/// Puts a name's wire form in the place of what is there; `false`: it is not
/// in the one spelling, or is written with escapes, or is none.
pub fn name(text: &str, wire: &mut Vec<u8>) -> bool {
    wire.clear();
    wire.push(0);
    let mut label = 0;
    for &byte in text.as_bytes() {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' => wire.push(byte),
            b'.' => {
                if !close(wire, label) {
                    return false;
                }
                label = wire.len();
                wire.push(0);
            }
            _ => return false,
        }
    }
    let whole = close(wire, label);
    wire.push(0);
    whole && wire.len() <= crate::model::MAX_NAME
}

/// Writes the length of the label that begins there.
fn close(wire: &mut [u8], label: usize) -> bool {
    let length = wire.len() - label - 1;
    wire[label] = length as u8;
    (1..=63).contains(&length)
}

/// What is left of a row.
struct Text<'a>(&'a [u8]);

impl<'a> Text<'a> {
    fn skip(&mut self, what: &[u8]) -> Option<()> {
        self.0 = self.0.strip_prefix(what)?;
        Some(())
    }

    /// Something, or `null`.
    fn maybe<T>(&mut self, read: impl FnOnce(&mut Text<'a>) -> Option<T>) -> Option<Option<T>> {
        match self.0.first() {
            Some(b'n') => self.skip(b"null").map(|()| None),
            _ => read(self).map(Some),
        }
    }

    fn number(&mut self) -> Option<u64> {
        let digits = self.0.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (number, rest) = self.0.split_at(digits);
        if digits == 0 || (digits > 1 && number[0] == b'0') {
            return None;
        }
        self.0 = rest;
        number
            .iter()
            .try_fold(0u64, |sum, digit| sum.checked_mul(10)?.checked_add(u64::from(digit - b'0')))
    }

    fn signed(&mut self) -> Option<i64> {
        match self.skip(b"-") {
            // There is no -0 in a row.
            Some(()) => 0i64.checked_sub_unsigned(self.number().filter(|number| *number > 0)?),
            None => self.number()?.try_into().ok(),
        }
    }

    /// A text without anything that is escaped.
    fn string(&mut self) -> Option<&'a str> {
        self.skip(b"\"")?;
        let end = self
            .0
            .iter()
            .position(|byte| !matches!(byte, b' '..=b'~') || b"\"\\".contains(byte))?;
        let (text, rest) = self.0.split_at(end);
        self.0 = rest.strip_prefix(b"\"")?;
        std::str::from_utf8(text).ok()
    }

    fn parsed<T: FromStr>(&mut self) -> Option<T> {
        self.string()?.parse().ok()
    }

    /// `[at,from,by]`
    fn report(&mut self) -> Option<LastReport> {
        self.skip(b"[")?;
        let at = Timestamp(self.signed()?);
        self.skip(b",")?;
        let source: Option<IpAddr> = self.maybe(Text::parsed)?;
        self.skip(b",")?;
        let protocol = self.string()?;
        let protocol = Protocol::ALL.into_iter().find(|known| known.as_str() == protocol)?;
        self.skip(b"]")?;
        Some(LastReport { at, source, protocol })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::{AccountName, Holder, Host, Key, KeyId, May, Name};
    use crate::registry::rows;

    /// A row's host by the short way, if it goes.
    fn plainly(key: &str, value: &[u8]) -> Option<Host> {
        let mut wire = Vec::new();
        let plain = host(value)?;
        let text = key.strip_prefix(rows::HOSTS)?;
        if !name(text, &mut wire) {
            return None;
        }
        let owner = plain.owner.map(str::parse::<AccountName>).transpose().ok()?;
        let mut host = Host::new(Name::from_wire(&wire).unwrap(), plain.created);
        host.owner = owner;
        host.presence = plain.presence;
        host.last_report = plain.report;
        host.changes = plain.changes;
        Some(host)
    }

    fn key_plainly(id: &str, value: &[u8]) -> Option<Key> {
        let mut wire = Vec::new();
        let plain = key(value)?;
        let holder = match plain.holder {
            PlainHolder::Host(text) => {
                let known = name(text, &mut wire).then(|| Name::from_wire(&wire).unwrap());
                Holder::Host(known?)
            }
            PlainHolder::Account(text) => Holder::Account(text.parse().ok()?),
        };
        Some(Key {
            id: KeyId(id.into()),
            holder,
            digest: plain.digest,
            hosts: Vec::new(),
            networks: Vec::new(),
            label: String::new(),
            created: plain.created,
            may: May::default(),
            stamp: 0,
            foreign: None,
            until: None,
        })
    }

    const HOSTS: [&str; 7] = [
        r#"[2,null,1000,0,"unheard","-",0,null,null]"#,
        r#"[2,"ann",-7,18446744073709551615,"present","192.0.2.1,2001:db8::1",77,[1234,"203.0.113.9","dyndns2"],null]"#,
        r#"[2,"ann@example.org",1000,3,"present","2001:db8::1",-1,[1234,null,"docker-ddns"],null]"#,
        r#"[2,null,0,1,"lapsed","-",5,[-1,"::1","command"],null]"#,
        r#"[2,null,1000,0,"offline","-",9223372036854775807,null,null]"#,
        r#"[2,null,1000,0,"offline","-",5,null,[null,"never",false,false]]"#,
        r#"[3,null,1000,0,"unheard","-",0,null,null,{}]"#,
    ];
    const KEYS: [&str; 4] = [
        r#"[2,"host","home.dyn.example.org","abababababababababababababababab",1,null]"#,
        r#"[2,"account","ann","0123456789abcdef0123456789abcdef",-1,null]"#,
        r#"[2,"account","ann","0123456789abcdef0123456789abcdef",1,[[],[],"box"]]"#,
        r#"[2,"account","ann","0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",1,null]"#,
    ];

    #[test]
    fn what_most_rows_say_is_understood() {
        for (row, is_plain) in HOSTS.iter().zip([true, true, true, true, true, false, false]) {
            let read = plainly("host/home.dyn.example.org", row.as_bytes());
            assert_eq!(read.is_some(), is_plain, "{row}");
        }
        for (row, is_plain) in KEYS.iter().zip([true, true, false, false]) {
            assert_eq!(key_plainly("abc", row.as_bytes()).is_some(), is_plain, "{row}");
        }
        for text in
            ["Home.example", "a..b", "a.", "", ".a", "a\\.b", &"a".repeat(64), &"a.".repeat(128)]
        {
            assert!(!name(text, &mut Vec::new()), "{text}");
        }
        assert!(name(&format!("{}a", "a.".repeat(126)), &mut Vec::new()));
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: 4000, failure_persistence: None, ..ProptestConfig::default()
        })]

        /// Whatever is done to a row: what is understood here is understood
        /// there, and says the same.
        #[test]
        fn nothing_is_understood_otherwise(
            row in prop::sample::select(HOSTS.iter().chain(&KEYS).copied().collect::<Vec<_>>()),
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<bool>(), prop::sample::select(b"0123456789-+.,:[]{}\"\\ eEnabfu\x7f\x00\xc3".to_vec())), 0..4),
            key in prop::sample::select(vec!["home.dyn.example.org", "a", "Home.example", "a\\.b", "a..b", "_x.-y-"]),
        ) {
            let mut row = row.as_bytes().to_vec();
            for (at, takes_place, byte) in changes {
                let at = at.index(row.len());
                if takes_place { row[at] = byte } else { row.insert(at, byte) }
            }
            let host_key = format!("host/{key}");
            if let Some(host) = plainly(&host_key, &row) {
                prop_assert_eq!(rows::read_host(&host_key, &row).ok(), Some(host));
            }
            if let Some(read) = key_plainly("abc", &row) {
                prop_assert_eq!(rows::read_key("key/abc", &row).ok(), Some(read));
            }
        }
    }
}
