//! What stands in the journal and has yet to be given to the engine.

use std::collections::{BTreeMap, VecDeque};
use std::iter::Peekable;
use std::ops::Bound;
use std::sync::Arc;

use super::journal::{Journal, Last, Record};
use super::tally::Plan;
use super::{Row, See, StoreError};

/// Keys and values that are given to the engine as one group, in bytes: enough
/// that its own sync is shared by hundreds of updates and a row that changes
/// all the time is written once for many, not so much that others wait long
/// for room or that the engine's log grows by leaps. A group that is larger by
/// itself stays one.
const CHUNK: usize = 256 << 10;

/// Groups with revisions one after the other, as one: of several writes to a
/// row the last counts.
pub struct Chunk {
    /// Where its first record begins; see [`Pending::head`].
    from: u64,
    /// The revision of its last group.
    pub revision: u64,
    bytes: usize,
    rows: BTreeMap<String, Option<Vec<u8>>>,
}

impl Chunk {
    /// What to write.
    pub fn plan(&self) -> Plan<'_> {
        self.rows.iter().map(|(key, value)| (key.as_str(), value.as_deref())).collect()
    }
}

/// Groups that the engine does not hold yet, oldest first, and the ring in
/// which they stand.
pub struct Pending {
    /// The ring's length in bytes.
    size: u64,
    /// Where the next record goes, counted on and on: at `head % size` in the
    /// file. From the first chunk's `from` up to here the ring is in use.
    head: u64,
    /// The last group's revision, whether it is pending or in the engine.
    pub revision: u64,
    chunks: VecDeque<Arc<Chunk>>,
}

impl Pending {
    /// With what a start found in the ring, after the engine's revision.
    pub fn new(journal: Option<&Journal>, revision: u64, records: Vec<Record>) -> Pending {
        let size = journal.map_or(1, Journal::size);
        let mut pending = Pending { size, head: 0, revision, chunks: VecDeque::new() };
        for Record { revision, at, length, rows } in records {
            let lap = pending.head - pending.head % size;
            let at = if lap + at < pending.head { lap + size + at } else { lap + at };
            pending.remember(revision, at, length, rows.into_iter());
        }
        pending
    }

    /// Where a record of this length goes; `None` while there is no room.
    pub fn place(&self, length: u64) -> Option<u64> {
        let left = self.size - self.head % self.size;
        let at = if length > left { self.head + left } else { self.head };
        let from = self.chunks.front().map_or(at, |chunk| chunk.from);
        (at + length - from <= self.size).then_some(at)
    }

    /// How much of the ring is in use, in bytes.
    pub fn used(&self) -> u64 {
        self.chunks.front().map_or(0, |chunk| self.head - chunk.from)
    }

    /// The ring's length in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The engine holds everything.
    pub fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// Takes in a group whose record stands at `at`.
    pub fn remember(
        &mut self,
        revision: u64,
        at: u64,
        length: u64,
        rows: impl Iterator<Item = Last>,
    ) {
        // A chunk that is being written stays as it is.
        let open = self.chunks.back_mut().and_then(Arc::get_mut);
        let chunk = match open {
            Some(chunk) if chunk.bytes < CHUNK => chunk,
            _ => {
                let new = Chunk { from: at, revision, bytes: 0, rows: BTreeMap::new() };
                self.chunks.push_back(Arc::new(new));
                self.chunks.back_mut().and_then(Arc::get_mut).expect("it is only here")
            }
        };
        for (key, value) in rows {
            chunk.bytes += key.len() + value.as_ref().map_or(0, Vec::len);
            chunk.rows.insert(key, value);
        }
        chunk.revision = revision;
        self.revision = revision;
        self.head = at + length;
    }

    /// What the engine is to be given next.
    pub fn first(&self) -> Option<Arc<Chunk>> {
        self.chunks.front().cloned()
    }

    /// The engine holds the first chunk: its room is free.
    pub fn forget_first(&mut self) {
        self.chunks.pop_front();
    }

    /// The last word on each row whose key starts with `prefix`.
    pub fn newest(&self, prefix: &str) -> BTreeMap<String, Option<Vec<u8>>> {
        let mut newest = BTreeMap::new();
        for chunk in &self.chunks {
            let rows = chunk.rows.range::<str, _>((Bound::Included(prefix), Bound::Unbounded));
            let rows = rows.take_while(|(key, _)| key.starts_with(prefix));
            newest.extend(rows.map(|(key, value)| (key.clone(), value.clone())));
        }
        newest
    }
}

/// The engine's rows with the newest in their places. Those must have been
/// looked up before the engine's: what it is given meanwhile is in both.
pub fn over<'a>(
    newest: BTreeMap<String, Option<Vec<u8>>>,
    rows: impl Iterator<Item = Result<Row, StoreError>> + 'a,
) -> impl Iterator<Item = Result<Row, StoreError>> + 'a {
    let mut newest = newest.into_iter().peekable();
    let mut rows = rows.peekable();
    std::iter::from_fn(move || {
        loop {
            match (newest.peek(), rows.peek()) {
                (None, _) | (_, Some(Err(_))) => return rows.next(),
                (Some((new, _)), Some(Ok((key, _)))) if key < new => return rows.next(),
                (Some((new, _)), Some(Ok((key, _)))) if key == new => drop(rows.next()),
                _ => {}
            }
            if let Some((key, Some(value))) = newest.next() {
                return Some(Ok((key, value)));
            }
        }
    })
}

/// The same for rows that are only looked at.
pub struct Over(Peekable<std::collections::btree_map::IntoIter<String, Option<Vec<u8>>>>);

impl Over {
    /// With the newest rows.
    pub fn new(newest: BTreeMap<String, Option<Vec<u8>>>) -> Over {
        Over(newest.into_iter().peekable())
    }

    /// Shows the engine's next row: what is new before it, then the row or
    /// what stands in its place.
    pub fn show(&mut self, key: &str, value: &[u8], see: See<'_>) {
        while let Some((new, newer)) = self.0.next_if(|(new, _)| new.as_str() <= key) {
            if let Some(newer) = newer {
                see(&new, &newer);
            }
            if new == key {
                return;
            }
        }
        see(key, value);
    }

    /// Shows what is new behind the engine's last row.
    pub fn show_rest(self, see: See<'_>) {
        for (new, newer) in self.0 {
            if let Some(newer) = newer {
                see(&new, &newer);
            }
        }
    }
}
