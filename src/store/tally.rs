//! What a group comes to, and the row in which an engine counts: how many
//! groups were ever committed (the revision) and how many rows there are.
//! It is written in the same batch as the group, so that a start can tell a
//! store that lost rows from one that has few.

use std::collections::BTreeMap;
use std::fmt;

use super::{MAX_KEY, MAX_VALUE, StoreError, Write};

/// The key of that row. No key of a user starts with NUL, so it sorts first.
pub const TALLY_KEY: &str = "\0tally";

/// How many groups and rows a store holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Groups committed since the store was made, the empty first one included.
    pub revision: u64,
    /// Rows, this one not included.
    pub rows: u64,
    /// Bytes of their keys and values.
    pub bytes: u64,
}

impl Tally {
    /// As kept: three decimal numbers.
    pub fn parse(text: &[u8]) -> Option<Tally> {
        let mut numbers = std::str::from_utf8(text).ok()?.split(' ').map(str::parse);
        let mut next = || numbers.next()?.ok();
        Some(Tally { revision: next()?, rows: next()?, bytes: next()? })
    }

    /// Counts one write: what its row was, and what it is now (lengths of the
    /// value, `None` for no row).
    pub fn count(&mut self, key: &str, old: Option<usize>, new: Option<usize>) {
        if let Some(length) = new {
            self.rows += 1;
            self.bytes += (key.len() + length) as u64;
        }
        if let Some(length) = old {
            self.rows -= 1;
            self.bytes -= (key.len() + length) as u64;
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.revision, self.rows, self.bytes)
    }
}

/// The last word of a group on each of its keys: a value, or `None` for gone.
pub type Plan<'a> = BTreeMap<&'a str, Option<&'a [u8]>>;

/// Reads a group into a plan.
///
/// # Errors
/// When a row would not fit into a dump.
pub fn plan(group: &[Write]) -> Result<Plan<'_>, StoreError> {
    let mut plan = Plan::new();
    for write in group {
        let (key, value) = match write {
            Write::Put(key, value) => (key, Some(value.as_slice())),
            Write::Delete(key) => (key, None),
        };
        check(key, value).map_err(StoreError::Broken)?;
        plan.insert(key, value);
    }
    Ok(plan)
}

/// Whether a store and a dump can hold this row.
pub fn check(key: &str, value: Option<&[u8]>) -> Result<(), String> {
    if key.is_empty() || key.len() > MAX_KEY {
        return Err(format!("a key of {} bytes; 1 to {MAX_KEY} are possible", key.len()));
    }
    if key.chars().any(char::is_control) {
        return Err(format!("the key {key:?} has control characters"));
    }
    let Some(value) = value else { return Ok(()) };
    if value.len() > MAX_VALUE {
        return Err(format!("{key}: a value of {} bytes; {MAX_VALUE} are possible", value.len()));
    }
    if std::str::from_utf8(value).is_err() {
        return Err(format!("{key}: the value is not text"));
    }
    if value.iter().any(|byte| matches!(byte, b'\n' | b'\r' | b'\t')) {
        return Err(format!("{key}: the value has a line end or a tab"));
    }
    Ok(())
}
