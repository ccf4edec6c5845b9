//! The TXT record by which the owner of a name proves it to a certificate
//! authority (RFC 8555 §8.4), as update languages set it.

use super::language::Request;
use crate::model::{Name, RecordType};
use crate::update::RecordChange;

/// The label below a host at which the authority looks.
const LABEL: &[u8] = b"_acme-challenge";

/// How many values a client that only ever has one is given: two certificates
/// (`x` and `*.x`) may be proved at once.
const NEWEST: usize = 2;

/// The longest value, in octets; a real one has 43.
const LONGEST: usize = 255;

/// Where a host's challenge stands. A name that begins with the label already
/// is itself.
pub fn at(host: &Name) -> Option<Name> {
    match host.labels().next() {
        Some(first) if first == LABEL => Some(host.clone()),
        _ => host.child(LABEL).ok(),
    }
}

/// Sets a value beside the one before; `None`: it is too long to be one.
pub fn set(value: &str) -> Option<RecordChange> {
    let length = u8::try_from(value.len()).ok().filter(|_| value.len() <= LONGEST)?;
    let mut rdata = vec![length];
    rdata.extend_from_slice(value.as_bytes());
    Some(RecordChange::Add {
        rtype: RecordType::TXT,
        ttl: None,
        rdata,
        keep: None,
        newest: Some(NEWEST),
    })
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
