//! Changes of records, one by one: what DNS UPDATE (RFC 2136) and the
//! certificate protocols ask for.

use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::{Name, Protocol, RecordType};

/// How long a TXT record at `_acme-challenge` stays that does not say so
/// itself: a certificate is proved in minutes, and nothing stays behind.
pub const CHALLENGE: Duration = Duration::from_secs(86_400);

/// The label of names at which a certificate is proved (RFC 8555 §8.4).
pub const CHALLENGE_LABEL: &[u8] = b"_acme-challenge";

/// Changes of records: all are made, or none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edits {
    /// What must hold, checked in order before anything is changed.
    pub requires: Vec<Requirement>,
    /// The changes, made in order.
    pub edits: Vec<Edit>,
    /// By which protocol.
    pub protocol: Protocol,
    /// The client's own address.
    pub source: IpAddr,
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edit {
    /// Whose records: a host of ours, or a name below it.
    pub name: Name,
    /// What becomes of them.
    pub change: RecordChange,
}

/// What becomes of the records of a name (RFC 2136 §2.5).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RecordChange {
    /// This one is added, if it is not there; the whole set gets its TTL.
    Add {
        /// Its type.
        rtype: RecordType,
        /// In seconds; `None`: the host's.
        ttl: Option<u32>,
        /// Its data in wire form, names in it uncompressed.
        rdata: Vec<u8>,
        /// How long it stays; `None`: until it is taken away, but a TXT record
        /// at `_acme-challenge` for [`CHALLENGE`].
        keep: Option<Duration>,
        /// How many of the set remain, the newest; `None`: all.
        newest: Option<usize>,
    },
    /// This one is taken away, if it is there.
    Remove {
        /// Its type.
        rtype: RecordType,
        /// Its data in wire form.
        rdata: Vec<u8>,
    },
    /// All of one type are taken away.
    RemoveSet {
        /// Which type.
        rtype: RecordType,
    },
    /// All are taken away.
    RemoveName,
}

/// What must hold before anything is changed (RFC 2136 §2.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Requirement {
    /// The name has some record.
    NameInUse(Name),
    /// The name has none.
    NameNotInUse(Name),
    /// The name has records of the type.
    SetExists {
        /// The name.
        name: Name,
        /// The type.
        rtype: RecordType,
    },
    /// The name has exactly these records of the type, in any order.
    SetIs {
        /// The name.
        name: Name,
        /// The type.
        rtype: RecordType,
        /// Their data in wire form.
        rdata: Vec<Vec<u8>>,
    },
    /// The name has no records of the type.
    SetAbsent {
        /// The name.
        name: Name,
        /// The type.
        rtype: RecordType,
    },
}

/// What became of edits. Whatever is not `Done` has changed nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edited {
    /// All are made.
    Done {
        /// Whether anything is other than before.
        changed: bool,
    },
    /// A name is at or below no host of this client's: a stranger is not told
    /// which.
    Unknown,
    /// The key may not change records of this type, or this name.
    NotAllowed,
    /// The host or its owner is blocked by a person.
    Blocked,
    /// An address cannot be published here.
    BadAddress,
    /// The data is no data of the type, or too long.
    BadData,
    /// A CNAME would stand beside other records. DNS UPDATE leaves such an
    /// addition out without a word (RFC 2136 §3.4.2.2); whoever speaks another
    /// language is told.
    BesideCname,
    /// The host would have more records than [`crate::model::MAX_RECORDS`], or
    /// more than [`crate::model::MAX_RECORD_OCTETS`] octets in them.
    TooMany,
    /// The first requirement that does not hold.
    Failed(Requirement),
}
