//! What proves an identity, and what it allows.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::{AccountName, Name, RecordType, Served, Timestamp, unmapped};

/// A secret on its way in. Never shown: `Debug` hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// A key's public number, for lists and `key remove`: 8 characters of
/// `a-z 2-7`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeyId(pub String);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// HMAC-SHA-256 of a token under the store's own token key, the first half of
/// it (RFC 2104 §5): nobody finds another token for 128 bits either, and there
/// are as many digests as hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyDigest(pub [u8; KeyDigest::LENGTH]);

impl KeyDigest {
    /// In octets.
    pub const LENGTH: usize = 16;
}

impl From<KeyDigest> for String {
    fn from(digest: KeyDigest) -> String {
        data_encoding::HEXLOWER.encode(&digest.0)
    }
}

impl TryFrom<String> for KeyDigest {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        // Version 0.1 kept the other half too.
        let bytes = data_encoding::HEXLOWER.decode(text.as_bytes()).unwrap_or_default();
        match (bytes.len(), bytes.first_chunk()) {
            (16 | 32, Some(digest)) => Ok(KeyDigest(*digest)),
            _ => Err("a key digest is 32 hexadecimal digits, or 64 in older stores"),
        }
    }
}

/// Whose key it is: one host's, or an account's.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Holder {
    /// Good for this host alone.
    Host(Name),
    /// Good for every host the account owns.
    Account(AccountName),
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Holder::Host(name) => name.fmt(f),
            Holder::Account(name) => name.fmt(f),
        }
    }
}

/// A long random token, as kept: the token itself is shown once and forgotten.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key {
    /// Its public number.
    pub id: KeyId,
    /// Whose it is.
    pub holder: Holder,
    /// What it is compared by.
    pub digest: KeyDigest,
    /// Only these of the holder's hosts; empty: all of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<Name>,
    /// Only from these networks; empty: from anywhere.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub networks: Vec<IpNet>,
    /// What the key is for, in the owner's words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub label: String,
    /// When the key was made.
    pub created: Timestamp,
    /// What it may change.
    #[serde(default)]
    pub may: May,
    /// When the latest signed update by it that was accepted says it was
    /// made, in milliseconds since 1970; 0: there was none. Only later ones
    /// are accepted.
    #[serde(default)]
    pub stamp: u64,
    /// What another program kept of the secret, until it is first used here;
    /// the digest is nobody's until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub foreign: Option<String>,
    /// When it ends and proves nothing any more; `None`: it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Served>,
}

/// What a key may change of the hosts it is good for. Usually addresses, and
/// the TXT records at `_acme-challenge` by which a certificate is proved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct May {
    /// The addresses they report.
    pub addresses: bool,
    /// TXT records at names below them that begin with `_acme-challenge`, and
    /// at `_acme-challenge` right below.
    pub acme: bool,
    /// Records of these types at and below their names; A and AAAA mean
    /// addresses beside the reported ones.
    pub types: Vec<RecordType>,
}

impl Default for May {
    fn default() -> May {
        May { addresses: true, acme: true, types: Vec::new() }
    }
}

/// `addresses,acme,MX`; `nothing` when it may nothing.
impl fmt::Display for May {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut words: Vec<String> = Vec::new();
        words.extend(self.addresses.then(|| "addresses".into()));
        words.extend(self.acme.then(|| "acme".into()));
        words.extend(self.types.iter().map(RecordType::to_string));
        f.write_str(if words.is_empty() { "nothing" } else { "" })?;
        f.write_str(&words.join(","))
    }
}

/// Why a text does not say what a key may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MayError(String);

impl fmt::Display for MayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` is nothing a key may do: say `addresses`, `acme` and record types that hosts \
             can have (`TXT`, `MX`), with commas",
            self.0
        )
    }
}

impl std::error::Error for MayError {}

impl FromStr for May {
    type Err = MayError;

    fn from_str(text: &str) -> Result<May, MayError> {
        let mut may = May { addresses: false, acme: false, types: Vec::new() };
        for word in text.split(',').map(str::trim) {
            match word.to_ascii_lowercase().as_str() {
                "nothing" => {}
                "addresses" => may.addresses = true,
                "acme" => may.acme = true,
                _ => match word.parse::<RecordType>() {
                    Ok(rtype) if rtype.is_hosts() => may.types.push(rtype),
                    _ => return Err(MayError(word.to_owned())),
                },
            }
        }
        may.types.sort_unstable();
        may.types.dedup();
        Ok(may)
    }
}

impl TryFrom<String> for May {
    type Error = MayError;
    fn try_from(text: String) -> Result<Self, MayError> {
        text.parse()
    }
}

impl From<May> for String {
    fn from(may: May) -> String {
        may.to_string()
    }
}

impl Key {
    /// Whether it has ended and proves nothing any more.
    pub fn has_ended(&self, now: Served) -> bool {
        self.until.is_some_and(|until| until <= now)
    }

    /// Whether the key may be used from this address.
    pub fn allows_source(&self, source: IpAddr) -> bool {
        let source = unmapped(source);
        self.networks.is_empty() || self.networks.iter().any(|net| net.contains(&source))
    }
}

/// What a proved identity may touch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Who it is.
    pub holder: Holder,
    /// Only these hosts; empty: all the holder's.
    pub hosts: Vec<Name>,
    /// The key that proved it; a person's password has none.
    pub key: Option<KeyId>,
    /// What it may change of them.
    pub may: May,
}
