//! The bytes of DNS messages: numbers, the header, the question.
//!
//! Only what the answering core reads for every query; everything that is not
//! a plain question is parsed with hickory-proto elsewhere.

mod query;

pub use query::{Edns, Malformed, Query, parse};

/// Octets of a message header (RFC 1035 §4.1.1).
pub const HEADER: usize = 12;

/// Record types, by number (RFC 1035 §3.2.2 and later).
#[allow(missing_docs, reason = "they are named as in the registry of DNS parameters")]
pub mod rtype {
    pub const A: u16 = 1;
    pub const NS: u16 = 2;
    pub const CNAME: u16 = 5;
    pub const SOA: u16 = 6;
    pub const TXT: u16 = 16;
    pub const AAAA: u16 = 28;
    pub const DNAME: u16 = 39;
    pub const OPT: u16 = 41;
    pub const DS: u16 = 43;
    pub const TSIG: u16 = 250;
    pub const IXFR: u16 = 251;
    pub const AXFR: u16 = 252;
    pub const MAILB: u16 = 253;
    pub const MAILA: u16 = 254;
    pub const ANY: u16 = 255;
}

/// Classes, by number (RFC 1035 §3.2.4).
#[allow(missing_docs, reason = "they are named as in the registry of DNS parameters")]
pub mod class {
    pub const IN: u16 = 1;
    pub const CHAOS: u16 = 3;
}

/// Response codes (RFC 1035 §4.1.1, RFC 6891 §9).
#[allow(missing_docs, reason = "they are named as in the registry of DNS parameters")]
pub mod rcode {
    pub const NOERROR: u16 = 0;
    pub const FORMERR: u16 = 1;
    pub const SERVFAIL: u16 = 2;
    pub const NXDOMAIN: u16 = 3;
    pub const NOTIMP: u16 = 4;
    pub const REFUSED: u16 = 5;
    pub const BADVERS: u16 = 16;
}

/// Two octets at a place, in network order; `None` past the end.
pub fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    let pair = bytes.get(at..at + 2)?;
    Some(u16::from_be_bytes([pair[0], pair[1]]))
}
