//! The TXT record by which the owner of a name proves it to a certificate
//! authority (RFC 8555 §8.4), as update languages set it.

use super::language::Request;
use crate::model::{Name, RecordType};
use crate::update::{CHALLENGE, CHALLENGE_LABEL, RecordChange};

/// How many values a client that only ever has one is given: two certificates
/// (`x` and `*.x`) may be proved at once.
const NEWEST: usize = 2;

/// Where a host's challenge stands. A name that begins with the label already
/// is itself.
pub fn at(host: &Name) -> Option<Name> {
    match host.labels().next() {
        Some(first) if first == CHALLENGE_LABEL => Some(host.clone()),
        _ => host.child(CHALLENGE_LABEL).ok(),
    }
}

/// Sets a value beside the one before; `None`: it is empty, or too long to
/// be one.
pub fn set(value: &str) -> Option<RecordChange> {
    add(value, Some(NEWEST))
}

/// Sets a value beside all others, for a client that takes it away itself.
pub fn present(value: &str) -> Option<RecordChange> {
    add(value, None)
}

fn add(value: &str, newest: Option<usize>) -> Option<RecordChange> {
    // Whatever the name is: a proof of today means nothing tomorrow.
    let keep = Some(CHALLENGE);
    Some(RecordChange::Add {
        rtype: RecordType::TXT,
        ttl: None,
        rdata: rdata(value)?,
        keep,
        newest,
    })
}

/// A TXT record of one string (RFC 1035 §3.3.14).
fn rdata(value: &str) -> Option<Vec<u8>> {
    let length = u8::try_from(value.len()).ok().filter(|_| !value.is_empty())?;
    let mut rdata = vec![length];
    rdata.extend_from_slice(value.as_bytes());
    Some(rdata)
}

/// Takes one value away.
pub fn cleanup(value: &str) -> Option<RecordChange> {
    Some(RecordChange::Remove { rtype: RecordType::TXT, rdata: rdata(value)? })
}

/// Takes all values away.
pub fn clear() -> RecordChange {
    RecordChange::RemoveSet { rtype: RecordType::TXT }
}

/// The value a request sent as `txt`, if it looks like one: anybody may have
/// written something else, which is repeated to nobody.
pub fn plain(request: &Request) -> &str {
    let value = request.parameters.first(&["txt"]).unwrap_or_default();
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if value.chars().all(plain) { value } else { "" }
}
