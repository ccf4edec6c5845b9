//! The parameters of SVCB and HTTPS records (RFC 9460 §2.1, §7, appendix A).

use std::collections::BTreeMap;

use super::lex::{Word, octets};
use crate::wire::u16_at;

const MANDATORY: u16 = 0;
const ALPN: u16 = 1;
const NO_DEFAULT_ALPN: u16 = 2;
const PORT: u16 = 3;
const IPV4HINT: u16 = 4;
const ECH: u16 = 5;
const IPV6HINT: u16 = 6;
const DOHPATH: u16 = 7;
const OHTTP: u16 = 8;

/// Appends the parameters in the order of their keys, as the wire form wants
/// them (RFC 9460 §2.2).
pub fn read(words: &[Word<'_>], wire: &mut Vec<u8>) -> Result<(), String> {
    let mut params: BTreeMap<u16, Vec<u8>> = BTreeMap::new();
    for word in words {
        let (name, value) = match word.text.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (word.text, None),
        };
        let key = key(name).ok_or_else(|| {
            format!("`{name}` is not a parameter known here; write it as keyNNNNN=value")
        })?;
        let value = value.map(unquoted);
        let data = read_value(key, value)
            .filter(|data| fits(key, data))
            .ok_or_else(|| format!("`{}` does not have a value that fits `{name}`", word.text))?;
        if data.len() > usize::from(u16::MAX) {
            return Err(format!("the value of `{name}` is over 65535 octets"));
        }
        if params.insert(key, data).is_some() {
            return Err(format!("`{name}` is there twice"));
        }
    }
    // RFC 9460 §8: what is mandatory is there, and is not `mandatory` itself.
    for listed in params.get(&MANDATORY).into_iter().flat_map(|keys| keys.chunks_exact(2)) {
        let listed = u16::from_be_bytes([listed[0], listed[1]]);
        if listed == MANDATORY || !params.contains_key(&listed) {
            return Err("`mandatory` lists a parameter that is not there".to_owned());
        }
    }
    if params.contains_key(&NO_DEFAULT_ALPN) && !params.contains_key(&ALPN) {
        return Err("`no-default-alpn` needs an `alpn` (RFC 9460 §7.1.1)".to_owned());
    }
    for (key, data) in params {
        wire.extend(key.to_be_bytes());
        wire.extend((data.len() as u16).to_be_bytes());
        wire.extend(data);
    }
    Ok(())
}

/// Whether these octets are parameters: whole, each key once, in the order of
/// the keys, and of the form that a key known here has (RFC 9460 §2.2).
pub fn is_well_formed(wire: &[u8]) -> bool {
    let mut params: BTreeMap<u16, &[u8]> = BTreeMap::new();
    let mut at = 0;
    while at < wire.len() {
        let (Some(key), Some(length)) = (u16_at(wire, at), u16_at(wire, at + 2)) else {
            return false;
        };
        let Some(value) = wire.get(at + 4..at + 4 + usize::from(length)) else { return false };
        let in_order = params.last_key_value().is_none_or(|(last, _)| *last < key);
        if !in_order || !fits(key, value) {
            return false;
        }
        params.insert(key, value);
        at += 4 + value.len();
    }
    // RFC 9460 §8 and §7.1.1.
    let listed = params.get(&MANDATORY).into_iter().flat_map(|keys| keys.chunks_exact(2));
    let mut listed = listed.map(|key| u16::from_be_bytes([key[0], key[1]]));
    listed.all(|key| key != MANDATORY && params.contains_key(&key))
        && (!params.contains_key(&NO_DEFAULT_ALPN) || params.contains_key(&ALPN))
}

/// Whether a value has the form of its key's (RFC 9460 §7, §8).
fn fits(key: u16, value: &[u8]) -> bool {
    match key {
        MANDATORY => {
            let keys: Vec<&[u8]> = value.chunks(2).collect();
            !value.is_empty()
                && value.len().is_multiple_of(2)
                && keys.is_sorted_by(|one, next| one < next)
        }
        ALPN => {
            let mut rest = value;
            while let Some((length, more)) = rest.split_first() {
                let Some((_, next)) = more.split_at_checked(usize::from(*length)) else {
                    return false;
                };
                if *length == 0 {
                    return false;
                }
                rest = next;
            }
            !value.is_empty()
        }
        NO_DEFAULT_ALPN | OHTTP => value.is_empty(),
        PORT => value.len() == 2,
        IPV4HINT => !value.is_empty() && value.len().is_multiple_of(4),
        IPV6HINT => !value.is_empty() && value.len().is_multiple_of(16),
        ECH | DOHPATH => !value.is_empty(),
        _ => true,
    }
}

fn key(name: &str) -> Option<u16> {
    Some(match name {
        "mandatory" => MANDATORY,
        "alpn" => ALPN,
        "no-default-alpn" => NO_DEFAULT_ALPN,
        "port" => PORT,
        "ipv4hint" => IPV4HINT,
        "ech" => ECH,
        "ipv6hint" => IPV6HINT,
        "dohpath" => DOHPATH,
        "ohttp" => OHTTP,
        _ => {
            let digits = name.strip_prefix("key")?;
            let plain = digits == "0" || digits.starts_with(|c: char| ('1'..='9').contains(&c));
            return digits.parse().ok().filter(|_| plain);
        }
    })
}

fn unquoted(value: &str) -> &str {
    value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(value)
}

fn read_value(key: u16, value: Option<&str>) -> Option<Vec<u8>> {
    let mut data = Vec::new();
    match (key, value) {
        (NO_DEFAULT_ALPN | OHTTP, None) => {}
        (NO_DEFAULT_ALPN | OHTTP, Some(_)) => return None,
        (MANDATORY, Some(value)) => {
            let mut keys = value.split(',').map(self::key).collect::<Option<Vec<u16>>>()?;
            keys.sort_unstable();
            let count = keys.len();
            keys.dedup();
            if keys.len() < count {
                return None;
            }
            data.extend(keys.into_iter().flat_map(u16::to_be_bytes));
        }
        (ALPN, Some(value)) => {
            for item in list(&octets(value)?)? {
                data.push(u8::try_from(item.len()).ok().filter(|length| *length > 0)?);
                data.extend(item);
            }
        }
        (PORT, Some(value)) => data.extend(value.parse::<u16>().ok()?.to_be_bytes()),
        (IPV4HINT, Some(value)) => {
            for address in value.split(',') {
                data.extend(address.parse::<std::net::Ipv4Addr>().ok()?.octets());
            }
        }
        (IPV6HINT, Some(value)) => {
            for address in value.split(',') {
                data.extend(address.parse::<std::net::Ipv6Addr>().ok()?.octets());
            }
        }
        (ECH, Some(value)) => data = data_encoding::BASE64.decode(value.as_bytes()).ok()?,
        (MANDATORY..=DOHPATH, None) => return None,
        (_, Some(value)) => data = octets(value)?,
        (_, None) => {}
    }
    Some(data)
}

/// Items between commas; in an item `\,` and `\\` are escapes once more
/// (RFC 9460 appendix A.1).
fn list(octets: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut items = vec![Vec::new()];
    let mut rest = octets.iter();
    while let Some(&octet) = rest.next() {
        let item = items.last_mut().expect("starts with one");
        match octet {
            b',' => items.push(Vec::new()),
            b'\\' => item.push(*rest.next()?),
            _ => item.push(octet),
        }
    }
    Some(items)
}

#[cfg(test)]
mod tests {
    use super::super::lex::Lexer;
    use super::{is_well_formed, read};

    fn params(text: &str) -> Result<String, String> {
        let entry = Lexer::new(text).entry().unwrap().unwrap();
        let mut wire = Vec::new();
        read(&entry.words, &mut wire)?;
        Ok(data_encoding::HEXLOWER.encode(&wire))
    }

    // The vectors of RFC 9460 appendix D.
    #[test]
    fn the_vectors_of_the_rfc() {
        assert_eq!(params("port=53").unwrap(), "000300020035");
        assert_eq!(params("key667=hello").unwrap(), "029b000568656c6c6f");
        assert_eq!(params("key667=\"hello\\210qoo\"").unwrap(), "029b000968656c6c6fd2716f6f");
        assert_eq!(
            params("ipv6hint=\"2001:db8::1,2001:db8::53:1\"").unwrap(),
            "0006002020010db800000000000000000000000120010db8000000000000000000530001"
        );
        assert_eq!(
            params("alpn=h2,h3-19 mandatory=ipv4hint,alpn ipv4hint=192.0.2.1").unwrap(),
            "0000000400010004000100090268320568332d313900040004c0000201"
        );
        let escaped = "08665c6f6f2c626172026832";
        assert_eq!(params(r#"alpn="f\\\\oo\\,bar,h2""#).unwrap(), format!("0001000c{escaped}"));
        assert_eq!(params(r"alpn=f\\\092oo\092,bar,h2").unwrap(), format!("0001000c{escaped}"));
    }

    /// The same faults in octets, as an UPDATE or `\#` brings them.
    #[test]
    fn the_faults_of_the_rfc_on_the_wire() {
        let well_formed =
            |hex: &str| is_well_formed(&data_encoding::HEXLOWER.decode(hex.as_bytes()).unwrap());
        for good in [
            "",
            "0000000400010004000100090268320568332d313900040004c0000201",
            "00010003026832000200000003000201bb",
            "029b0000",
        ] {
            assert!(well_formed(good), "{good}");
        }
        for bad in [
            // Cut off; a key twice; keys out of order.
            "00",
            "0003000200",
            "029b0000029b0000",
            "029b0000029a0000",
            // `mandatory`: empty, half a key, itself, not in order, not there.
            "00000000",
            "0000000100",
            "000000020000",
            "00000004000400010001000302683200040004c0000201",
            "00000002029b",
            // `alpn`: empty, an empty one, one that is cut off.
            "00010000",
            "0001000100",
            "000100020268",
            // `no-default-alpn`: alone, with a value. A port and hints that are
            // none.
            "00020000",
            "00010003026832000200010a",
            "000300010a",
            "00040000",
            "00040003c00002",
            "0006000420010db8",
            "00080001ff",
        ] {
            assert!(!well_formed(bad), "{bad}");
        }
    }

    #[test]
    fn the_faults_of_the_rfc() {
        for bad in [
            "key123=abc key123=def",
            "mandatory",
            "alpn",
            "port",
            "ipv4hint",
            "ipv6hint",
            "no-default-alpn=abc",
            "mandatory=key123",
            "mandatory=mandatory",
            "mandatory=key123,key123 key123=abc",
            "no-default-alpn",
            "what=1",
            "ech=",
            "dohpath=",
        ] {
            assert!(params(bad).is_err(), "{bad}");
        }
    }
}
