//! Reading a master file (RFC 1035 §5), record by record, so that every fault
//! has its line. The data of each record is parsed by hickory-proto, except
//! the form for unknown types (RFC 3597 §5), which is read here.

use std::collections::BTreeMap;
use std::path::Path;
use std::str::FromStr;

use hickory_proto::rr::{RData, Record, RecordType};
use hickory_proto::serialize::binary::{BinEncodable, BinEncoder, NameEncoding};
use hickory_proto::serialize::txt::{Parser, parse_ttl};

use super::entry::{Entry, Word, entries};
use super::{RrSet, Zone, ZoneError};
use crate::model::{Name, NameError};
use crate::wire::rtype;

/// The longest TTL, in seconds (RFC 2181 §8).
const MAX_TTL: u32 = i32::MAX as u32;

/// Reads a whole file and checks that it is a zone.
pub fn parse(text: &str, file: &Path) -> Result<Zone, ZoneError> {
    let wrong = |line: usize, problem: String| ZoneError { file: file.to_owned(), line, problem };
    let mut reader = Reader {
        origin: origin_of_file(file),
        owner: None,
        default_ttl: None,
        last_ttl: None,
        soa: None,
        sets: BTreeMap::new(),
    };
    for entry in entries(text).map_err(|(line, problem)| wrong(line, problem))? {
        reader.entry(&entry).map_err(|problem| wrong(entry.line, problem))?;
    }
    let Some((origin, _)) = reader.soa else {
        return Err(wrong(0, "there is no SOA record: a zone begins with one".into()));
    };
    let mut sets = reader.sets;
    for set in sets.values_mut().flatten() {
        set.data.sort();
    }
    let zone = Zone { origin, file: file.to_owned(), sets };
    check(&zone).map_err(|(line, problem)| wrong(line, problem))?;
    Ok(zone)
}

/// `dyn.example.org.zone` is relative to `dyn.example.org` until it says
/// otherwise.
fn origin_of_file(file: &Path) -> Option<Name> {
    let name = file.file_name()?.to_str()?;
    let name = name.strip_suffix(".zone").filter(|name| name.contains('.'))?;
    name.parse().ok()
}

struct Reader {
    origin: Option<Name>,
    owner: Option<Name>,
    /// `$TTL` (RFC 2308 §4).
    default_ttl: Option<u32>,
    /// The TTL of the record before: counts where `$TTL` says nothing.
    last_ttl: Option<u32>,
    soa: Option<(Name, usize)>,
    sets: BTreeMap<Name, Vec<RrSet>>,
}

impl Reader {
    fn entry(&mut self, entry: &Entry) -> Result<(), String> {
        let first = &entry.words[0];
        if !entry.continued && !first.quoted && first.text.starts_with('$') {
            return self.directive(&entry.words);
        }
        let mut words = &entry.words[..];
        if !entry.continued {
            self.owner = Some(self.name(&words[0].text)?);
            words = &words[1..];
        }
        let owner = self.owner.clone().ok_or("the first record has no owner name")?;
        let mut ttl = None;
        loop {
            let word = words.first().ok_or("the record has no type")?;
            words = &words[1..];
            if ttl.is_none() && word.text.starts_with(|c: char| c.is_ascii_digit()) {
                ttl = Some(read_ttl(&word.text)?);
            } else if let Some(class) = read_class(&word.text) {
                class?;
            } else {
                let rtype = read_type(&word.text)?;
                let ttl = self.ttl(ttl, rtype, words)?;
                return self.record(owner, ttl, rtype, words, entry.line);
            }
        }
    }

    fn directive(&mut self, words: &[Word]) -> Result<(), String> {
        let value = match words {
            [_, value] => value.text.as_str(),
            _ => return Err(format!("{} takes one value", words[0].text)),
        };
        match words[0].text.to_ascii_uppercase().as_str() {
            "$ORIGIN" => self.origin = Some(self.name(value)?),
            "$TTL" => self.default_ttl = Some(read_ttl(value)?),
            "$INCLUDE" => {
                return Err("$INCLUDE is not supported: put the records into this file".into());
            }
            other => return Err(format!("there is no directive {other} here")),
        }
        Ok(())
    }

    /// A name as written: absolute with a dot at the end, else relative.
    fn name(&self, text: &str) -> Result<Name, String> {
        let explained = |error: NameError| format!("`{text}` is no domain name: {error}");
        let origin = || {
            self.origin.as_ref().ok_or_else(|| {
                format!("`{text}` is relative, and there was no $ORIGIN line before it")
            })
        };
        if text == "@" {
            return origin().cloned();
        }
        let escaped = text.ends_with("\\.") && !text.ends_with("\\\\.");
        if text.ends_with('.') && !escaped {
            return text.parse().map_err(explained);
        }
        let relative: Name = text.parse().map_err(explained)?;
        let labels: Vec<&[u8]> = relative.labels().collect();
        let mut name = origin()?.clone();
        for label in labels.into_iter().rev() {
            name = name.child(label).map_err(explained)?;
        }
        Ok(name)
    }

    /// The TTL a record has, in the order of RFC 2308 §4.
    fn ttl(&mut self, said: Option<u32>, rtype: u16, data: &[Word]) -> Result<u32, String> {
        let ttl = said.or(self.default_ttl).or(self.last_ttl);
        let ttl = match ttl {
            Some(ttl) => ttl,
            // A SOA record without one: its own MINIMUM, as others read it.
            None if rtype == rtype::SOA => data
                .last()
                .and_then(|word| parse_ttl(&word.text).ok())
                .ok_or("the SOA record ends with its minimum TTL")?,
            None => return Err("the record has no TTL, and there was no $TTL line".into()),
        };
        self.last_ttl = Some(ttl);
        Ok(ttl)
    }

    fn record(
        &mut self,
        owner: Name,
        ttl: u32,
        rtype: u16,
        words: &[Word],
        line: usize,
    ) -> Result<(), String> {
        let origin = self.origin.clone().unwrap_or_else(Name::root);
        let data = match words {
            [mark, rest @ ..] if mark.text == "\\#" && !mark.quoted => {
                let data = unknown_data(rest)?;
                is_data_of(rtype, &data).ok_or("\\# holds no data of this type")?;
                data
            }
            _ if rtype == rtype::DS => ds_data(words)?,
            _ => known_data(&origin, rtype, words)?,
        };
        if rtype == rtype::SOA {
            if let Some((_, first)) = &self.soa {
                return Err(format!("a second SOA record; the first is in line {first}"));
            }
            self.soa = Some((owner.clone(), line));
        }
        let sets = self.sets.entry(owner).or_default();
        let known = sets.iter_mut().find(|set| set.rtype == rtype);
        let Some(set) = known else {
            sets.push(RrSet { rtype, ttl, data: vec![data], line });
            sets.sort_by_key(|set| set.rtype);
            return Ok(());
        };
        if set.ttl != ttl {
            return Err(format!(
                "the records of one name and type have one TTL (RFC 2181 §5.2): line {} says {}, this one {ttl}",
                set.line, set.ttl
            ));
        }
        // The same record twice is one record (RFC 2181 §5).
        if !set.data.contains(&data) {
            set.data.push(data);
        }
        Ok(())
    }
}

fn read_ttl(text: &str) -> Result<u32, String> {
    match parse_ttl(text) {
        Ok(ttl) if ttl <= MAX_TTL => Ok(ttl),
        _ => Err(format!("`{text}` is no TTL: 0 to {MAX_TTL} seconds, or like 1h30m")),
    }
}

/// `None`: not a class at all.
fn read_class(text: &str) -> Option<Result<(), String>> {
    match text.to_ascii_uppercase().as_str() {
        "IN" | "CLASS1" => Some(Ok(())),
        "CH" | "CHAOS" | "HS" | "CS" => {
            Some(Err(format!("class {text}: zones here are of class IN")))
        }
        other if other.strip_prefix("CLASS").is_some_and(|n| n.parse::<u16>().is_ok()) => {
            Some(Err(format!("class {text}: zones here are of class IN")))
        }
        _ => None,
    }
}

fn read_type(text: &str) -> Result<u16, String> {
    let upper = text.to_ascii_uppercase();
    let number = match upper.strip_prefix("TYPE").map(str::parse::<u16>) {
        Some(Ok(number)) => number,
        _ => RecordType::from_str(&upper)
            .map_err(|_| format!("`{text}` is no record type known here (write TYPEn \\# …)"))?
            .into(),
    };
    match number {
        0 | rtype::OPT | 128..=255 => Err(format!("`{text}` is not a type that zones hold")),
        rtype::DNAME => Err("DNAME is not supported: use CNAME records or a delegation".into()),
        46 | 47 | 50 | 51 => {
            Err(format!("`{text}`: DNSSEC is not supported; serve the zone unsigned"))
        }
        number => Ok(number),
    }
}

/// `\# length hex…` (RFC 3597 §5).
fn unknown_data(words: &[Word]) -> Result<Box<[u8]>, String> {
    let [length, hex @ ..] = words else {
        return Err("\\# is followed by a length and hexadecimal digits".into());
    };
    let digits: String = hex.iter().map(|word| word.text.to_ascii_lowercase()).collect();
    let data = data_encoding::HEXLOWER
        .decode(digits.as_bytes())
        .map_err(|_| "\\# is followed by a length and pairs of hexadecimal digits".to_owned())?;
    if length.text.parse() != Ok(data.len()) || data.len() > usize::from(u16::MAX) {
        return Err(format!("\\# says {} octets, and there are {}", length.text, data.len()));
    }
    Ok(data.into())
}

/// Whether these octets can be the data of a type whose names are looked
/// into here; other types may hold anything.
fn is_data_of(rtype: u16, data: &[u8]) -> Option<()> {
    let name = |data: &[u8]| Name::from_wire(data).ok().map(drop);
    match rtype {
        rtype::A => (data.len() == 4).then_some(()),
        rtype::AAAA => (data.len() == 16).then_some(()),
        rtype::NS | rtype::CNAME => name(data),
        rtype::SOA => {
            let names = data.get(..data.len().checked_sub(20)?)?;
            (1..names.len()).find_map(|at| name(&names[..at]).and(name(&names[at..])))
        }
        _ => Some(()),
    }
}

/// `key-tag algorithm digest-type hex…` (RFC 4034 §5.3): hickory-proto reads
/// it only when it is built to sign.
fn ds_data(words: &[Word]) -> Result<Box<[u8]>, String> {
    let wrong = "a DS record is a key tag, two small numbers and hexadecimal digits";
    let [tag, algorithm, kind, hex @ ..] = words else { return Err(wrong.into()) };
    let mut data = Vec::new();
    data.extend(tag.text.parse::<u16>().map_err(|_| wrong)?.to_be_bytes());
    data.push(algorithm.text.parse().map_err(|_| wrong)?);
    data.push(kind.text.parse().map_err(|_| wrong)?);
    let digits: String = hex.iter().map(|word| word.text.to_ascii_lowercase()).collect();
    let digest = data_encoding::HEXLOWER.decode(digits.as_bytes()).map_err(|_| wrong)?;
    if digest.is_empty() {
        return Err(wrong.into());
    }
    data.extend(digest);
    Ok(data.into())
}

/// The data of a record as hickory-proto reads it, in wire form.
fn known_data(origin: &Name, rtype: u16, words: &[Word]) -> Result<Box<[u8]>, String> {
    let kind = RecordType::from(rtype);
    if matches!(kind, RecordType::Unknown(_)) {
        return Err(format!("the data of TYPE{rtype} is written as \\# length hexadecimal"));
    }
    if words.is_empty() {
        return Err(format!("the {kind} record has no data"));
    }
    let mut line = format!(". 0 IN {kind}");
    for word in words {
        line.push(' ');
        // TXT takes anything in quotation marks; so that a `;` or a blank
        // stays one word there, what was quoted is quoted again.
        if word.quoted {
            line.push_str(&format!("\"{}\"", word.text));
        } else {
            line.push_str(&word.text);
        }
    }
    line.push('\n');
    let origin = hickory_proto::rr::Name::from_ascii(origin.to_string())
        .map_err(|error| format!("the origin is no name: {error}"))?;
    let (_, sets) = Parser::new(line, None, Some(origin))
        .parse()
        .map_err(|error| format!("the {kind} record cannot be read: {error}"))?;
    let record: Option<Record> =
        sets.values().next().and_then(|set| set.records_without_rrsigs().next().cloned());
    let Some(record) = record else {
        return Err(format!("the {kind} record cannot be read"));
    };
    to_wire(&record.data).map_err(|error| format!("the {kind} record cannot be written: {error}"))
}

/// Wire form without compression, names as they were written.
fn to_wire(data: &RData) -> Result<Box<[u8]>, String> {
    let mut bytes = Vec::new();
    let mut encoder = BinEncoder::new(&mut bytes);
    encoder.set_name_encoding(NameEncoding::Uncompressed);
    data.emit(&mut encoder).map_err(|error| error.to_string())?;
    Ok(bytes.into())
}

/// What makes records a zone (RFC 1034 §4.2, RFC 1912 §2).
fn check(zone: &Zone) -> Result<(), (usize, String)> {
    let origin = zone.origin();
    for (owner, sets) in &zone.sets {
        let line = sets[0].line;
        if !owner.is_within(origin) {
            return Err((
                line,
                format!(
                    "{} is not in the zone {}: a name without a dot at its end is relative",
                    owner.without_dot(),
                    origin.without_dot()
                ),
            ));
        }
        if let Some(cname) = sets.iter().find(|set| set.rtype == rtype::CNAME)
            && (sets.len() > 1 || cname.data.len() > 1)
        {
            return Err((
                cname.line,
                format!("a CNAME record stands alone at its name ({})", owner.without_dot()),
            ));
        }
        // At a delegation: NS and DS. Below it: addresses, as glue.
        let cut = zone.cut_above(owner);
        if let Some((cut, ns)) = cut {
            for set in sets {
                let allowed: &[u16] = if *owner == cut {
                    &[rtype::NS, rtype::DS, rtype::A, rtype::AAAA]
                } else {
                    &[rtype::A, rtype::AAAA]
                };
                if !allowed.contains(&set.rtype) {
                    return Err((
                        set.line,
                        format!(
                            "{} is delegated in line {}: at it and below it only NS, DS and glue addresses can be",
                            cut.without_dot(),
                            ns.line
                        ),
                    ));
                }
            }
        }
    }
    if zone.set(origin, rtype::NS).is_none() {
        return Err((0, format!("there is no NS record at {}", origin.without_dot())));
    }
    for (owner, set) in zone.sets().filter(|(_, set)| set.rtype == rtype::NS) {
        for data in &set.data {
            let target = Name::from_wire(data).map_err(|error| (set.line, error.to_string()))?;
            let glue_is_ours = target.is_within(if *owner == *origin { origin } else { owner });
            if glue_is_ours && zone.addresses(&target).is_empty() {
                return Err((
                    set.line,
                    format!(
                        "the name server {} is in this zone and has no A or AAAA record here",
                        target.without_dot()
                    ),
                ));
            }
        }
    }
    Ok(())
}
