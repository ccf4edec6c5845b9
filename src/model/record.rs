//! Records of a host beside its address.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{Name, RecordType, Served};

/// Records one host may have beside its addresses, those below its name
/// counted.
pub const MAX_RECORDS: usize = 64;

/// Octets in the data of all of them: any set of them fits into one message.
pub const MAX_RECORD_OCTETS: usize = 16 * 1024;

/// The longest data of one such record, in octets: room for a DKIM key.
pub const MAX_RDATA: usize = 2048;

/// A record of a host beside the address it reports: at the host's name or
/// below it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostRecord {
    /// Whose record it is: the host, or a name below it.
    pub name: Name,
    /// Its type, never CNAME beside anything else at the same name.
    #[serde(rename = "type")]
    pub rtype: RecordType,
    /// Its TTL in seconds: the same for the whole set (RFC 2181 §5.2).
    pub ttl: u32,
    /// Its data in wire form, names in it uncompressed.
    #[serde(with = "octets")]
    pub rdata: Vec<u8>,
    /// When it is taken away, on the clock leases run on; `None`: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Served>,
    /// The line it is the address of, if the host has several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<Line>,
}

impl HostRecord {
    /// Whether both are one record: the same but for TTL and end (RFC 2181 §5).
    pub fn is_same(&self, other: &HostRecord) -> bool {
        (&self.name, self.rtype, &self.rdata) == (&other.name, other.rtype, &other.rdata)
    }
}

/// One of several lines under one name: `wan1`. 1 to 16 of `a-z 0-9 -`, in
/// lower case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Line(String);

/// Why a text is not the label of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineError;

impl fmt::Display for LineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a line's label is 1 to 16 letters, digits and hyphens: `wan1`")
    }
}

impl std::error::Error for LineError {}

impl Line {
    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Line {
    type Err = LineError;

    fn from_str(text: &str) -> Result<Line, LineError> {
        let fits = (1..=16).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if fits { Ok(Line(text.to_ascii_lowercase())) } else { Err(LineError) }
    }
}

impl TryFrom<String> for Line {
    type Error = LineError;
    fn try_from(text: String) -> Result<Self, LineError> {
        text.parse()
    }
}

impl From<Line> for String {
    fn from(line: Line) -> String {
        line.0
    }
}

/// Octets as text: base64.
mod octets {
    use data_encoding::BASE64_NOPAD;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(octets: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&BASE64_NOPAD.encode(octets))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(from)?;
        BASE64_NOPAD.decode(text.as_bytes()).map_err(D::Error::custom)
    }
}
