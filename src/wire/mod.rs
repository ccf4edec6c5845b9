//! The bytes of DNS messages: numbers, headers, questions (RFC 1035 §4).

mod message;

pub use crate::model::{RecordType, UnknownType};
pub use message::{Question, Record, name_at, skip_name};

/// Octets in a message's header (RFC 1035 §4.1.1).
pub const HEADER: usize = 12;

/// The Internet.
pub const CLASS_IN: u16 = 1;
/// CHAOS: questions about the server itself (RFC 4892).
pub const CLASS_CH: u16 = 3;

/// No class: in an UPDATE, that something is not there or is taken away
/// (RFC 2136 §2.4, §2.5).
pub const CLASS_NONE: u16 = 254;
/// Any class, or none in particular.
pub const CLASS_ANY: u16 = 255;

/// Operation codes (RFC 6895 §2.2), in the third octet of the header.
pub mod opcode {
    /// A question.
    pub const QUERY: u8 = 0;
    /// A zone has changed (RFC 1996).
    pub const NOTIFY: u8 = 4;
    /// Change a zone (RFC 2136).
    pub const UPDATE: u8 = 5;
}

/// Response codes (RFC 6895 §2.3).
pub mod rcode {
    /// All is well.
    pub const NOERROR: u16 = 0;
    /// The request is not a well-formed message.
    pub const FORMERR: u16 = 1;
    /// The server is broken.
    pub const SERVFAIL: u16 = 2;
    /// No such name.
    pub const NXDOMAIN: u16 = 3;
    /// The server does not do this.
    pub const NOTIMP: u16 = 4;
    /// The server does not want to.
    pub const REFUSED: u16 = 5;
    /// The name exists and should not (RFC 2136 §2.2, as those below).
    pub const YXDOMAIN: u16 = 6;
    /// The record set exists and should not.
    pub const YXRRSET: u16 = 7;
    /// The record set should exist and does not.
    pub const NXRRSET: u16 = 8;
    /// The server does not hold the zone; or the signature does not hold.
    pub const NOTAUTH: u16 = 9;
    /// A name lies outside the zone.
    pub const NOTZONE: u16 = 10;
    /// An EDNS version that is not ours (RFC 6891 §6.1.3).
    pub const BADVERS: u16 = 16;
    /// The server's cookie is not good (RFC 7873 §8).
    pub const BADCOOKIE: u16 = 23;
}

/// Options of an OPT record (RFC 6891 §6.1.2).
pub mod option {
    /// Which server it is (RFC 5001).
    pub const NSID: u16 = 3;
    /// That a client is where it says it is (RFC 7873).
    pub const COOKIE: u16 = 10;
    /// How long a connection may be idle (RFC 7828).
    pub const KEEPALIVE: u16 = 11;
    /// Why it is an error (RFC 8914).
    pub const EXTENDED_ERROR: u16 = 15;
}

/// Why a question is not answered, for people who look into it (RFC 8914 §4).
pub mod extended {
    /// Not to those who ask.
    pub const PROHIBITED: u16 = 18;
    /// None of our zones.
    pub const NOT_AUTHORITATIVE: u16 = 20;
}

/// Flags in the header's third and fourth octets, as one number.
pub mod flag {
    /// This is a response.
    pub const QR: u16 = 1 << 15;
    /// The answer is authoritative.
    pub const AA: u16 = 1 << 10;
    /// The answer was cut to fit.
    pub const TC: u16 = 1 << 9;
    /// Recursion desired: copied from the question.
    pub const RD: u16 = 1 << 8;
}

/// Two octets as a number.
pub fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    let octets = bytes.get(at..at + 2)?;
    Some(u16::from_be_bytes([octets[0], octets[1]]))
}

/// Four octets as a number.
pub fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let octets = bytes.get(at..at + 4)?;
    Some(u32::from_be_bytes([octets[0], octets[1], octets[2], octets[3]]))
}
