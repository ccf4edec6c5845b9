//! Record types by number and by name.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A record type, or a type of question (RFC 6895 §3.1).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RecordType(pub u16);

/// A text that is no record type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownType;

macro_rules! types {
    ($($name:ident = $number:literal)*) => {
        #[allow(missing_docs)] // The names are those of the IANA registry.
        impl RecordType {
            $(pub const $name: RecordType = RecordType($number);)*
        }

        /// Every type with a name here, as (name, number).
        const NAMES: &[(&str, u16)] = &[$((stringify!($name), $number)),*];
    };
}

types! {
    A = 1 NS = 2 MD = 3 MF = 4 CNAME = 5 SOA = 6 MB = 7 MG = 8 MR = 9 NULL = 10 WKS = 11 PTR = 12
    HINFO = 13 MINFO = 14 MX = 15 TXT = 16 RP = 17 AFSDB = 18 X25 = 19 ISDN = 20 RT = 21
    SIG = 24 KEY = 25 PX = 26 AAAA = 28 LOC = 29 SRV = 33 NAPTR = 35 KX = 36 CERT = 37 DNAME = 39
    OPT = 41 APL = 42 DS = 43 SSHFP = 44 IPSECKEY = 45 RRSIG = 46 NSEC = 47 DNSKEY = 48 DHCID = 49
    NSEC3 = 50 NSEC3PARAM = 51 TLSA = 52 SMIMEA = 53 HIP = 55 CDS = 59 CDNSKEY = 60 OPENPGPKEY = 61
    CSYNC = 62 ZONEMD = 63 SVCB = 64 HTTPS = 65 SPF = 99 NID = 104 L32 = 105 L64 = 106 LP = 107
    EUI48 = 108 EUI64 = 109 TKEY = 249 TSIG = 250 IXFR = 251 AXFR = 252 MAILB = 253 MAILA = 254
    ANY = 255 URI = 256 CAA = 257 AVC = 258 RESINFO = 261 WALLET = 262
}

impl RecordType {
    /// The type of an address: A or AAAA.
    pub fn of(address: IpAddr) -> RecordType {
        match address {
            IpAddr::V4(_) => RecordType::A,
            IpAddr::V6(_) => RecordType::AAAA,
        }
    }

    /// Whether this number can only be asked for, or only travels in
    /// messages, and is never a zone's data: OPT and the range RFC 6895 §3.1
    /// sets apart, and 0.
    pub fn is_meta(self) -> bool {
        self == RecordType::OPT || self.0 == 0 || (128..=255).contains(&self.0)
    }

    /// Whether a host may have records of this type: data of its own, and
    /// nothing that says where a zone begins or how it is signed.
    pub fn is_hosts(self) -> bool {
        const ZONES: [RecordType; 15] = [
            RecordType::SOA,
            RecordType::NS,
            RecordType::DNAME,
            RecordType::DS,
            RecordType::CDS,
            RecordType::DNSKEY,
            RecordType::CDNSKEY,
            RecordType::RRSIG,
            RecordType::NSEC,
            RecordType::NSEC3,
            RecordType::NSEC3PARAM,
            RecordType::CSYNC,
            RecordType::ZONEMD,
            RecordType::SIG,
            RecordType::KEY,
        ];
        !self.is_meta() && !ZONES.contains(&self)
    }
}

/// `AAAA`, or `TYPE65280` where there is no name (RFC 3597 §5).
impl fmt::Display for RecordType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match NAMES.iter().find(|(_, number)| *number == self.0) {
            Some((name, _)) => f.write_str(name),
            None => write!(f, "TYPE{}", self.0),
        }
    }
}

impl fmt::Debug for RecordType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for RecordType {
    type Err = UnknownType;

    /// In any case; `TYPE28` is AAAA too (RFC 3597 §5).
    fn from_str(text: &str) -> Result<RecordType, UnknownType> {
        if let Some((_, number)) = NAMES.iter().find(|(name, _)| text.eq_ignore_ascii_case(name)) {
            return Ok(RecordType(*number));
        }
        match text.get(..4) {
            Some(prefix) if prefix.eq_ignore_ascii_case("TYPE") => {
                let digits = &text[4..];
                let plain = digits.bytes().all(|digit| digit.is_ascii_digit());
                digits.parse().ok().filter(|_| plain).map(RecordType).ok_or(UnknownType)
            }
            _ => Err(UnknownType),
        }
    }
}

impl fmt::Display for UnknownType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a record type is a name like `TXT`, or `TYPE65280`")
    }
}

impl std::error::Error for UnknownType {}

impl TryFrom<String> for RecordType {
    type Error = UnknownType;
    fn try_from(text: String) -> Result<Self, UnknownType> {
        text.parse()
    }
}

impl From<RecordType> for String {
    fn from(rtype: RecordType) -> String {
        rtype.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::RecordType;

    #[test]
    fn names_and_numbers() {
        assert_eq!("aaaa".parse(), Ok(RecordType::AAAA));
        assert_eq!("TYPE28".parse(), Ok(RecordType::AAAA));
        assert_eq!("type65280".parse(), Ok(RecordType(65280)));
        assert_eq!(RecordType(65280).to_string(), "TYPE65280");
        assert_eq!(RecordType(28).to_string(), "AAAA");
        assert!("TYPE65536".parse::<RecordType>().is_err());
        assert!("TYPE+1".parse::<RecordType>().is_err());
        assert!("größe".parse::<RecordType>().is_err());
    }
}
