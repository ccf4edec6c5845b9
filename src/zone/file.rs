//! Reading a master file: `$` lines, owners, TTLs and classes left out
//! (RFC 1035 §5, RFC 2308 §4).

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::lex::{Entry, Lexer, Word};
use super::{ZoneError, rdata, units};
use crate::model::Name;
use crate::wire::RecordType;

/// How deep files include files: more is a circle.
const MAX_INCLUDES: usize = 8;

/// A record and where it stands.
pub struct Line {
    /// The name it is at.
    pub owner: Name,
    /// Its type.
    pub rtype: RecordType,
    /// Its TTL in seconds.
    pub ttl: u32,
    /// Its data in wire form.
    pub rdata: Box<[u8]>,
    /// Where it stands.
    pub place: Place,
}

/// A line of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub file: Arc<Path>,
    /// The line, from 1.
    pub line: usize,
}

impl Place {
    /// A fault here.
    pub fn error(&self, problem: impl Into<String>) -> ZoneError {
        ZoneError { file: self.file.to_path_buf(), line: self.line, problem: problem.into() }
    }
}

/// Every record of a master file and of those it includes, in order.
pub fn records(text: &str, file: &Path) -> Result<Vec<Line>, ZoneError> {
    let mut reader = Reader { lines: Vec::new(), default_ttl: None, last_ttl: None, depth: 0 };
    let origin = origin_of(file);
    reader.file(text, file.into(), origin)?;
    Ok(reader.lines)
}

/// The text of a master file.
pub fn text_of(path: &Path) -> Result<String, ZoneError> {
    let error = |line, problem| ZoneError { file: path.to_path_buf(), line, problem };
    let bytes = std::fs::read(path).map_err(|why| {
        let advice = match why.kind() {
            std::io::ErrorKind::PermissionDenied => {
                "; let the user read it as whom the server runs, or, if it lies in a directory \
                 that no zone file lay in before, start the server again"
            }
            _ => "",
        };
        error(0, format!("the zone file cannot be read: {why}{advice}"))
    })?;
    String::from_utf8(bytes).map_err(|why| {
        let before = &why.as_bytes()[..why.utf8_error().valid_up_to()];
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        error(line, "the text is not UTF-8 here; save the file as UTF-8".to_owned())
    })
}

/// `zones/dyn.example.org.zone` is about dyn.example.org.
fn origin_of(file: &Path) -> Option<Name> {
    let name = file.file_name()?.to_str()?;
    name.strip_suffix(".zone").unwrap_or(name).parse().ok()
}

struct Reader {
    lines: Vec<Line>,
    /// From `$TTL` (RFC 2308 §4).
    default_ttl: Option<u32>,
    /// The last one a record gave (RFC 1035 §5.1).
    last_ttl: Option<u32>,
    depth: usize,
}

impl Reader {
    fn file(
        &mut self,
        text: &str,
        file: Arc<Path>,
        mut origin: Option<Name>,
    ) -> Result<(), ZoneError> {
        let mut lexer = Lexer::new(text);
        let mut owner: Option<Name> = None;
        loop {
            let entry = lexer.entry().map_err(|fault| {
                Place { file: file.clone(), line: fault.line }.error(fault.problem)
            })?;
            let Some(entry) = entry else { return Ok(()) };
            let place = Place { file: file.clone(), line: entry.line };
            let first = entry.words[0];
            if first.text.starts_with('$') && !first.quoted {
                self.directive(&entry, &place, &mut origin)?;
            } else {
                self.record(&entry, &place, origin.as_ref(), &mut owner)?;
            }
        }
    }

    /// A `$` line.
    fn directive(
        &mut self,
        entry: &Entry<'_>,
        place: &Place,
        origin: &mut Option<Name>,
    ) -> Result<(), ZoneError> {
        let (first, rest) = entry.words.split_first().expect("an entry has words");
        match (first.text.to_ascii_uppercase().as_str(), rest) {
            ("$ORIGIN", [name]) => *origin = Some(name_at(name, origin.as_ref(), place)?),
            ("$TTL", [span]) => {
                let seconds = units::seconds(span.text).ok_or_else(|| {
                    place.error(format!("`{}` is not a TTL, like 3600 or 1h", span.text))
                })?;
                self.default_ttl = Some(seconds);
            }
            ("$INCLUDE", [path]) => self.include(path, origin.clone(), place)?,
            ("$INCLUDE", [path, name]) => {
                let origin = name_at(name, origin.as_ref(), place)?;
                self.include(path, Some(origin), place)?;
            }
            ("$ORIGIN", _) => return Err(place.error("`$ORIGIN` is followed by one name")),
            ("$TTL", _) => return Err(place.error("`$TTL` is followed by one span of time")),
            ("$INCLUDE", _) => {
                return Err(place.error("`$INCLUDE` is followed by a file and perhaps an origin"));
            }
            (word, _) => {
                return Err(place
                    .error(format!("`{word}` is not known here; $ORIGIN, $TTL and $INCLUDE are")));
            }
        }
        Ok(())
    }

    /// Reads another file in this place. Its origin and its owners are its
    /// own (RFC 1035 §5.1).
    fn include(
        &mut self,
        path: &Word<'_>,
        origin: Option<Name>,
        place: &Place,
    ) -> Result<(), ZoneError> {
        if self.depth == MAX_INCLUDES {
            return Err(place.error("files include each other too deep, or in a circle"));
        }
        let path = match place.file.parent() {
            Some(directory) => directory.join(path.text),
            None => PathBuf::from(path.text),
        };
        let text = text_of(&path).map_err(|error| match error.line {
            0 => place.error(format!("{}: {}", path.display(), error.problem)),
            _ => error,
        })?;
        self.depth += 1;
        self.file(&text, path.into(), origin)?;
        self.depth -= 1;
        Ok(())
    }

    /// `[owner] [TTL] [class] type data`, TTL and class in either order.
    fn record(
        &mut self,
        entry: &Entry<'_>,
        place: &Place,
        origin: Option<&Name>,
        owner: &mut Option<Name>,
    ) -> Result<(), ZoneError> {
        let mut words = entry.words.as_slice();
        if !entry.blank {
            *owner = Some(name_at(&words[0], origin, place)?);
            words = &words[1..];
        }
        let Some(owner) = owner else {
            return Err(place.error("the line starts with a blank, but no name came before it"));
        };
        let mut ttl = None;
        let mut class = false;
        let rtype = loop {
            let Some((word, rest)) = words.split_first() else {
                return Err(place.error("the record has no type"));
            };
            words = rest;
            if let (None, Some(seconds)) = (ttl, units::seconds(word.text)) {
                ttl = Some(seconds);
            } else if !class && is_class(word.text, place)? {
                class = true;
            } else {
                break type_of(word.text, place)?;
            }
        };
        if ttl.is_some() {
            self.last_ttl = ttl;
        }
        let Some(ttl) = ttl.or(self.default_ttl).or(self.last_ttl) else {
            return Err(place.error("there is no TTL: put a line `$TTL 1h` at the top"));
        };
        // Only a name that needs no origin gets by without one.
        let root = Name::root();
        let rdata = rdata::read(rtype, words, origin.unwrap_or(&root))
            .map_err(|problem| place.error(problem))?;
        self.lines.push(Line {
            owner: owner.clone(),
            rtype,
            ttl,
            rdata: rdata.into(),
            place: place.clone(),
        });
        Ok(())
    }
}

fn name_at(word: &Word<'_>, origin: Option<&Name>, place: &Place) -> Result<Name, ZoneError> {
    match origin {
        Some(origin) => rdata::absolute(word, origin),
        None if word.text.ends_with('.') => rdata::absolute(word, &Name::root()),
        None => Err(format!(
            "`{}` does not end in a dot and there is no $ORIGIN to put behind it",
            word.text
        )),
    }
    .map_err(|problem| place.error(problem))
}

/// Whether the word is the class IN.
fn is_class(word: &str, place: &Place) -> Result<bool, ZoneError> {
    let upper = word.to_ascii_uppercase();
    match upper.as_str() {
        "IN" | "CLASS1" => Ok(true),
        "CH" | "HS" | "CS" | "NONE" | "ANY" => {
            Err(place.error(format!("the class is {upper}; only IN is served from files")))
        }
        other if other.starts_with("CLASS") => {
            Err(place.error(format!("the class is {other}; only IN is served from files")))
        }
        _ => Ok(false),
    }
}

fn type_of(word: &str, place: &Place) -> Result<RecordType, ZoneError> {
    let Ok(rtype) = word.parse::<RecordType>() else {
        return Err(place.error(format!(
            "`{word}` is not a record type known here; write it as TYPEnnnnn (RFC 3597)"
        )));
    };
    match rtype {
        RecordType::DNAME => Err(place.error(
            "DNAME is not served: hosts below it could not be; use a CNAME or a delegation",
        )),
        RecordType::RRSIG | RecordType::NSEC | RecordType::NSEC3 | RecordType::NSEC3PARAM => {
            Err(place.error(format!(
                "{rtype} records of a signed zone would be wrong with the first report of a host; use the unsigned zone file"
            )))
        }
        _ if rtype.is_meta() => {
            Err(place.error(format!("{rtype} is only found in messages, not in zones")))
        }
        _ => Ok(rtype),
    }
}
