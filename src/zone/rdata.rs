//! RDATA from text: for each type the fields it is made of.
//!
//! A table rather than a function a type: one line says both how a type is
//! written and how its octets are checked when they come as `\# 4 c0000201`
//! (RFC 3597 §5). Types that are not in the table can only be written so.

use std::ops::Range;

use super::lex::{Word, octets};
use super::svcb;
use super::units;
use crate::model::Name;
use crate::wire::{RecordType, name_at, skip_name};

/// A part of some RDATA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    /// A domain name, relative to the origin unless it ends in a dot.
    Name,
    /// One octet, a number.
    U8,
    /// Two octets, a number.
    U16,
    /// Four octets, a number.
    U32,
    /// Four octets, seconds or units (`1h`).
    Span,
    /// An IPv4 address.
    V4,
    /// An IPv6 address.
    V6,
    /// A string with its length in front.
    Text,
    /// One or more of these, to the end.
    Texts,
    /// A string of letters and digits, one at least, with its length in front
    /// (RFC 8659 §4.1).
    Tag,
    /// One string without its length, to the end.
    Rest,
    /// Hexadecimal octets, to the end, over several words perhaps.
    Hex,
    /// Base64, to the end, over several words perhaps.
    Base64,
    /// The parameters of SVCB, to the end.
    Params,
}

use Field::{
    Base64, Hex, Name as Owner, Params, Rest, Span, Tag, Text, Texts, U8, U16, U32, V4, V6,
};

/// The fields of a type; `None` where only RFC 3597 helps.
fn fields(rtype: RecordType) -> Option<&'static [Field]> {
    type T = RecordType;
    Some(match rtype {
        T::A => &[V4],
        T::AAAA => &[V6],
        T::NS | T::CNAME | T::PTR | T::MB | T::MG | T::MR => &[Owner],
        T::SOA => &[Owner, Owner, U32, Span, Span, Span, Span],
        T::HINFO => &[Text, Text],
        T::MINFO | T::RP => &[Owner, Owner],
        T::MX | T::AFSDB | T::RT | T::KX | T::LP => &[U16, Owner],
        T::TXT | T::SPF | T::AVC | T::RESINFO | T::WALLET => &[Texts],
        T::PX => &[U16, Owner, Owner],
        T::SRV => &[U16, U16, U16, Owner],
        T::NAPTR => &[U16, U16, Text, Text, Text, Owner],
        T::CERT => &[U16, U16, U8, Base64],
        T::DS | T::CDS => &[U16, U8, U8, Hex],
        T::DNSKEY | T::CDNSKEY => &[U16, U8, U8, Base64],
        T::SSHFP => &[U8, U8, Hex],
        T::TLSA | T::SMIMEA => &[U8, U8, U8, Hex],
        T::ZONEMD => &[U32, U8, U8, Hex],
        T::OPENPGPKEY | T::DHCID => &[Base64],
        T::SVCB | T::HTTPS => &[U16, Owner, Params],
        T::URI => &[U16, U16, Rest],
        T::CAA => &[U8, Tag, Rest],
        _ => return None,
    })
}

/// Whether data of a type that is written as RFC 3597 says can be its: some
/// always have so many octets.
fn is_length(rtype: RecordType, data: &[u8]) -> bool {
    type T = RecordType;
    match (rtype, data.len()) {
        (T::EUI48 | T::L32, length) => length == 6,
        (T::EUI64, length) => length == 8,
        (T::NID | T::L64, length) => length == 10,
        // What another version holds, RFC 1876 §2 leaves open.
        (T::LOC, length) => length == 16 || data.first().is_some_and(|version| *version > 0),
        _ => true,
    }
}

/// RDATA in wire form, names in lower case and uncompressed.
///
/// # Errors
/// A sentence that says what is wrong with the words.
pub fn read(rtype: RecordType, words: &[Word<'_>], origin: &Name) -> Result<Vec<u8>, String> {
    if let Some(first) = words.first()
        && first.text == "\\#"
        && !first.quoted
    {
        return read_generic(rtype, &words[1..]);
    }
    let Some(fields) = fields(rtype) else {
        return Err(format!("{rtype} data can only be written as `\\# length hex` (RFC 3597)"));
    };
    let mut wire = Vec::new();
    let mut words = words.iter();
    for field in fields {
        if matches!(field, Hex | Base64 | Params | Texts) {
            read_many(*field, words.as_slice(), origin, &mut wire)?;
            words = [].iter();
            break;
        }
        let Some(word) = words.next() else {
            return Err(format!("the {rtype} record ends too early"));
        };
        read_one(*field, word, origin, &mut wire)?;
    }
    match words.next() {
        Some(word) => Err(format!("`{}` is too much for a {rtype} record", word.text)),
        None => fit(wire, rtype),
    }
}

/// `length hex…` after `\#`.
fn read_generic(rtype: RecordType, words: &[Word<'_>]) -> Result<Vec<u8>, String> {
    let Some((length, hex)) = words.split_first() else {
        return Err("`\\#` is followed by the number of octets and the octets in hex".to_owned());
    };
    let length: usize = number(length, u16::MAX.into())? as usize;
    let mut wire = Vec::with_capacity(length);
    if !hex.is_empty() {
        read_many(Hex, hex, &Name::root(), &mut wire)?;
    }
    if wire.len() != length {
        return Err(format!("{length} octets are announced, {} follow", wire.len()));
    }
    match fields(rtype) {
        None => Some(wire).filter(|wire| is_length(rtype, wire)),
        Some(fields) => normal(fields, &wire, 0..wire.len(), false),
    }
    .ok_or_else(|| format!("these octets are not those of a {rtype} record"))
}

fn fit(wire: Vec<u8>, rtype: RecordType) -> Result<Vec<u8>, String> {
    match wire.len() {
        0..=65_535 => Ok(wire),
        _ => Err(format!("the data of this {rtype} record are over 65535 octets")),
    }
}

fn number(word: &Word<'_>, most: u32) -> Result<u32, String> {
    let digits = word.text.bytes().all(|byte| byte.is_ascii_digit());
    match word.text.parse() {
        Ok(value) if digits && value <= most => Ok(value),
        _ => Err(format!("`{}` is not a number from 0 to {most}", word.text)),
    }
}

fn read_one(
    field: Field,
    word: &Word<'_>,
    origin: &Name,
    wire: &mut Vec<u8>,
) -> Result<(), String> {
    match field {
        Field::Name => wire.extend_from_slice(absolute(word, origin)?.wire()),
        U8 => wire.push(number(word, u8::MAX.into())? as u8),
        U16 => wire.extend((number(word, u16::MAX.into())? as u16).to_be_bytes()),
        U32 => wire.extend(number(word, u32::MAX)?.to_be_bytes()),
        Span => {
            let seconds = units::seconds(word.text)
                .ok_or_else(|| format!("`{}` is not a span of time, like 3600 or 1h", word.text))?;
            wire.extend(seconds.to_be_bytes());
        }
        V4 => {
            let address: std::net::Ipv4Addr = (word.text.parse())
                .map_err(|_| format!("`{}` is not an IPv4 address", word.text))?;
            wire.extend(address.octets());
        }
        V6 => {
            let address: std::net::Ipv6Addr = (word.text.parse())
                .map_err(|_| format!("`{}` is not an IPv6 address", word.text))?;
            wire.extend(address.octets());
        }
        Text => {
            let text = string(word)?;
            let length = u8::try_from(text.len()).map_err(|_| {
                format!("a string is {} octets long, 255 at most: cut it in two", text.len())
            })?;
            wire.push(length);
            wire.extend(text);
        }
        Tag => {
            let tag = string(word).ok().filter(|tag| is_tag(tag));
            let tag = tag.ok_or_else(|| {
                format!("`{}` is not a tag, like issue: 1 to 255 letters and digits", word.text)
            })?;
            wire.push(tag.len() as u8);
            wire.extend(tag);
        }
        Rest => wire.extend(string(word)?),
        Texts | Hex | Base64 | Params => unreachable!("fields of several words"),
    }
    Ok(())
}

fn read_many(
    field: Field,
    words: &[Word<'_>],
    origin: &Name,
    wire: &mut Vec<u8>,
) -> Result<(), String> {
    let joined = || words.iter().map(|word| word.text).collect::<String>();
    match field {
        Params => return svcb::read(words, wire),
        _ if words.is_empty() => return Err("data are missing at the end".to_owned()),
        Texts => {
            for word in words {
                read_one(Text, word, origin, wire)?;
            }
        }
        Hex => wire.extend(
            (data_encoding::HEXLOWER_PERMISSIVE.decode(joined().as_bytes()))
                .map_err(|_| format!("`{}` is not hexadecimal", joined()))?,
        ),
        Base64 if joined().is_empty() => return Err("data are missing at the end".to_owned()),
        Base64 => wire.extend(
            (data_encoding::BASE64.decode(joined().as_bytes()))
                .map_err(|_| format!("`{}` is not base64", joined()))?,
        ),
        _ => unreachable!("fields of one word"),
    }
    Ok(())
}

fn is_tag(tag: &[u8]) -> bool {
    (1..=255).contains(&tag.len()) && tag.iter().all(u8::is_ascii_alphanumeric)
}

fn string(word: &Word<'_>) -> Result<Vec<u8>, String> {
    octets(word.text).ok_or_else(|| format!("`{}` has a broken escape (\\DDD, \\X)", word.text))
}

/// A name as master files have them: `@` is the origin, and without a dot at
/// its end it is below the origin (RFC 1035 §5.1).
pub fn absolute(word: &Word<'_>, origin: &Name) -> Result<Name, String> {
    let text = word.text;
    if text == "@" && !word.quoted {
        return Ok(origin.clone());
    }
    let said = |error| format!("`{text}`: {error}");
    let name: Name = text.parse().map_err(said)?;
    let before_dot = text.strip_suffix('.').unwrap_or("\\");
    let backslashes = before_dot.bytes().rev().take_while(|byte| *byte == b'\\').count();
    if text.ends_with('.') && backslashes % 2 == 0 {
        return Ok(name);
    }
    let labels: Vec<&[u8]> = name.labels().collect();
    labels.iter().rev().try_fold(origin.clone(), |name, label| name.child(label)).map_err(said)
}

/// The data of a record in a message, as zones keep them: names in lower case
/// and uncompressed. Data of a type that is not in the table are taken as they
/// are (RFC 3597 §3) if their length can be theirs. `None`: they are not data of the type, or a name is
/// compressed where none may be (RFC 3597 §4).
pub fn received(rtype: RecordType, message: &[u8], data: Range<usize>) -> Option<Vec<u8>> {
    match fields(rtype) {
        Some(fields) => normal(fields, message, data, may_point(rtype)),
        None => message.get(data).filter(|data| is_length(rtype, data)).map(<[u8]>::to_vec),
    }
}

/// Whether names in data of the type may be compressed: in those of RFC 1035,
/// and in those that others compressed before they might not (RFC 3597 §4).
fn may_point(rtype: RecordType) -> bool {
    type T = RecordType;
    let old = [T::NS, T::CNAME, T::PTR, T::SOA, T::MB, T::MG, T::MR, T::MINFO, T::MX];
    let later = [T::RP, T::AFSDB, T::RT, T::PX, T::NAPTR, T::SRV];
    old.contains(&rtype) || later.contains(&rtype)
}

/// These octets of a message with names in lower case and uncompressed; `None`
/// if they are not what the fields say.
fn normal(
    fields: &[Field],
    message: &[u8],
    data: Range<usize>,
    may_point: bool,
) -> Option<Vec<u8>> {
    let message = message.get(..data.end)?;
    let mut at = data.start;
    let mut out = Vec::with_capacity(data.len());
    for field in fields {
        let rest = message.get(at..)?;
        let taken = match field {
            Field::Name if may_point => {
                let (name, end) = name_at(message, at)?;
                out.extend_from_slice(name.wire());
                at = end;
                continue;
            }
            Field::Name => {
                // What stands at the front has nothing to point to.
                let name = Name::from_wire(&rest[..skip_name(rest, 0)?]).ok()?;
                out.extend_from_slice(name.wire());
                at += name.wire().len();
                continue;
            }
            U8 => 1,
            U16 => 2,
            U32 | Span | V4 => 4,
            V6 => 16,
            Text => 1 + usize::from(*rest.first()?),
            Tag => {
                let end = 1 + usize::from(*rest.first()?);
                rest.get(1..end).filter(|tag| is_tag(tag)).map(|_| end)?
            }
            Texts => {
                let mut end = 0;
                while end < rest.len() {
                    end += 1 + usize::from(rest[end]);
                }
                if end == 0 { return None } else { end }
            }
            Params if !svcb::is_well_formed(rest) => return None,
            Base64 if rest.is_empty() => return None,
            Rest | Hex | Base64 | Params => rest.len(),
        };
        out.extend_from_slice(rest.get(..taken)?);
        at += taken;
    }
    (at == message.len()).then_some(out)
}

#[cfg(test)]
mod tests {
    use hickory_proto::rr::{RData, RecordType as Theirs};
    use hickory_proto::serialize::binary::{BinDecoder, Restrict};

    use super::super::lex::Lexer;
    use super::{Name, RecordType, read, received};

    fn rdata(text: &str) -> Result<String, String> {
        let entry = Lexer::new(text).entry().unwrap().unwrap();
        let rtype: RecordType = entry.words[0].text.parse().unwrap();
        let origin: Name = "dyn.example.org".parse().unwrap();
        let wire = read(rtype, &entry.words[1..], &origin)?;
        // A second opinion on the octets, where hickory knows the type.
        let mut decoder = BinDecoder::new(&wire);
        let length = Restrict::new(wire.len() as u16);
        RData::read(&mut decoder, Theirs::from(rtype.0), length)
            .unwrap_or_else(|error| panic!("hickory does not read {text}: {error}"));
        Ok(data_encoding::HEXLOWER.encode(&wire))
    }

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let seen = rdata(text).unwrap_or_else(|problem| problem);
        assert_eq!(seen, expected, "{text}");
    }

    #[test]
    fn types_as_their_rfcs_show_them() {
        check("A 192.0.2.1", "c0000201");
        check("MB mail", "046d61696c0364796e076578616d706c65036f726700");
        check("EUI48 \\# 6 00005e00532a", "00005e00532a");
        check("AAAA 2001:db8::1", "20010db8000000000000000000000001");
        check("MX 10 mail", "000a046d61696c0364796e076578616d706c65036f726700");
        check("MX 0 .", "000000");
        check("NS ns1.Example.NET.", "036e7331076578616d706c65036e657400");
        check("TXT a \"b c\" \"\" \\065", "016103622063000141");
        check("CAA 0 issue \"ca.example; x=y\"", "0005697373756563612e6578616d706c653b20783d79");
        check("SRV 1 2 443 @", "0001000201bb0364796e076578616d706c65036f726700");
        check(
            "NAPTR 100 50 \"s\" \"z3950+I2L+I2C\" \"\" _z3950._tcp.gatech.edu.",
            "0064003201730d7a333935302b49324c2b49324300065f7a33393530045f746370066761746563680365647500",
        );
        check(
            "SSHFP 2 1 123456789abcdef67890123456789abcdef67890",
            "0201123456789abcdef67890123456789abcdef67890",
        );
        check(
            "TLSA 0 0 1 ( d2abde240d7cd3ee6b4b28c54df034b9 7983A1D16E8A410E4561CB106618E971 )",
            "000001d2abde240d7cd3ee6b4b28c54df034b97983a1d16e8a410e4561cb106618e971",
        );
        check(
            "DS 60485 5 1 ( 2BB183AF5F22588179A53B0A 98631FAD1A292118 )",
            "ec4505012bb183af5f22588179a53b0a98631fad1a292118",
        );
        check(
            "SOA ns1 admin.example.org. 7 1h 15m 2w 60",
            "036e73310364796e076578616d706c65036f7267000561646d696e076578616d706c65036f7267000000000700000e1000000384001275000000003c",
        );
        check("HTTPS 1 . alpn=h2,h3 port=8443", "000100000100060268320268330003000220fb");
        check("A \\# 4 c0 00 02 01", "c0000201");
        check("TYPE65280 \\# 4 0a000001", "0a000001");
        check("TYPE65280 \\# 0", "");
        check("URI 10 1 \"ftp://ftp.example/\"", "000a00016674703a2f2f6674702e6578616d706c652f");
    }

    #[test]
    fn what_is_wrong_is_said() {
        check("A 192.0.2.256", "`192.0.2.256` is not an IPv4 address");
        check("A 192.0.2.1 x", "`x` is too much for a A record");
        check("MX 10", "the MX record ends too early");
        check("MX 65536 a", "`65536` is not a number from 0 to 65535");
        check("TXT \\256", "`\\256` has a broken escape (\\DDD, \\X)");
        check("TXT", "data are missing at the end");
        check("NS a..b", "`a..b`: the name has an empty label (two dots, or one in front)");
        check("A \\# 3 c00002", "these octets are not those of a A record");
        check("TYPE65280 \\# 4 0a0000", "4 octets are announced, 3 follow");
        check("EUI48 \\# 5 00005e0053", "these octets are not those of a EUI48 record");
        check("TYPE65280 1", "TYPE65280 data can only be written as `\\# length hex` (RFC 3597)");
        check("CAA 0 \"\" x", "`` is not a tag, like issue: 1 to 255 letters and digits");
        check(
            "CAA 0 iss\\000ue x",
            "`iss\\000ue` is not a tag, like issue: 1 to 255 letters and digits",
        );
        check("CAA \\# 3 000101", "these octets are not those of a CAA record");
        check("SSHFP 1 1 xyz", "`xyz` is not hexadecimal");
    }

    /// Data as they came in a message that has `dyn.example.org` after its
    /// header; `-` if they are none.
    #[track_caller]
    fn came(rtype: RecordType, data: &[u8], expected: &[u8]) {
        let message = [&[0; 12], &b"\x03dyn\x07example\x03org\0"[..], data].concat();
        let seen = received(rtype, &message, 29..message.len());
        assert_eq!(seen.as_deref(), (expected != b"-").then_some(expected), "{rtype}");
    }

    #[test]
    fn data_in_a_message() {
        type T = RecordType;
        came(T::A, &[192, 0, 2, 1], &[192, 0, 2, 1]);
        came(T::MX, b"\0\x0a\x04Mail\xc0\x0c", b"\0\x0a\x04mail\x03dyn\x07example\x03org\0");
        came(T::SRV, b"\0\x01\0\x02\x01\xbb\xc0\x10", b"\0\x01\0\x02\x01\xbb\x07example\x03org\0");
        came(T::TXT, b"\x01a\0", b"\x01a\0");
        came(RecordType(65_280), b"\xc0\x0c", b"\xc0\x0c");
        came(RecordType(65_280), b"", b"");
        came(T::HTTPS, b"\0\x01\0\0\x03\0\x02\x20\xfb", b"\0\x01\0\0\x03\0\x02\x20\xfb");
        // All that RFC 3597 §4 lets others compress.
        came(T::MB, b"\xc0\x10", b"\x07example\x03org\0");
        came(T::PX, b"\0\x01\xc0\x10\0", b"\0\x01\x07example\x03org\0\0");
        came(T::LOC, &[0; 16], &[0; 16]);
        came(T::LOC, &[1], &[1]);
        came(T::EUI48, &[7; 6], &[7; 6]);
    }

    #[test]
    fn data_in_a_message_that_are_none() {
        type T = RecordType;
        came(T::A, &[192, 0, 2], b"-");
        came(T::A, &[192, 0, 2, 1, 0], b"-");
        came(T::AAAA, &[192, 0, 2, 1], b"-");
        came(T::MX, b"\0\x0a", b"-");
        came(T::MX, b"\0\x0a\x04mail", b"-");
        came(T::CNAME, b"\xc0\x1d", b"-");
        came(T::CNAME, b"\xc0\x0c\0", b"-");
        came(T::TXT, b"", b"-");
        came(T::TXT, b"\x02a", b"-");
        came(T::CAA, b"\0\x05is", b"-");
        came(T::CAA, b"\0\0", b"-");
        came(T::CAA, b"\0\x03\0is;", b"-");
        came(T::CAA, b"\0\x02\xc3\xa9;", b"-");
        // No pointers in types younger than RFC 3597.
        came(T::KX, b"\0\x01\xc0\x0c", b"-");
        came(T::MR, b"", b"-");
        came(T::PX, b"\0\x01\xc0\x10", b"-");
        for rtype in [T::LOC, T::EUI48, T::EUI64, T::NID, T::L32, T::L64] {
            came(rtype, &[0; 7], b"-");
            came(rtype, b"", b"-");
        }
        for rtype in [T::OPENPGPKEY, T::DHCID] {
            came(rtype, b"", b"-");
        }
        came(T::CERT, b"\0\x01\0\x02\x08", b"-");
        came(T::SVCB, b"\0\x01\xc0\x0c", b"-");
        // Parameters out of order, twice, cut off.
        came(T::HTTPS, b"\0\x01\0\0\x03\0\x02\0\x01\0\x01\0\x03\x02h2", b"-");
        came(T::HTTPS, b"\0\x01\0\0\x03\0\x02\0\x01\0\x03\0\x02\0\x01", b"-");
        came(T::HTTPS, b"\0\x01\0\0\x03\0\x03\0\x01", b"-");
    }
}
