//! The engine sled 0.34.7, behind a guard.
//!
//! In `sled/`:
//!
//! | name | what |
//! |---|---|
//! | `db`, `conf`, `blobs/`, `snap.*` | sled's own |
//! | `journal` | groups that are yet to come; `journal.rs` |
//! | `READY` | `revision N`: the store was whole at its Nth group; see `Ready` |
//!
//! One tree. A row is its key and its value; a value longer than [`PART`] goes
//! on in rows `key NUL n` (`n` big-endian, 16 bit, from 1). The row `NUL tally`
//! counts groups and rows.
//!
//! sled 0.34.7 as shipped is not durable: its flush ends in `sync_file_range`,
//! which neither writes metadata nor empties the disk's cache, and it never
//! fsyncs its directory. A kill while it opens can leave a `snap.*.generating`,
//! after which every open fails. Its blobs, the files into which it puts nodes
//! of more than 128 KiB, are not synced at all and removed before what replaces
//! them is written. The guard:
//!
//! 1. Before the open: without `READY` nothing was ever acknowledged, so start
//!    clean; each `snap.*.generating` that is whole gets its final name, one
//!    that is not is removed.
//! 2. After the open: fsync every file and the directory; at the first, then
//!    make `READY`.
//! 3. A commit: one writer, one batch, `flush`, then `fdatasync` on our own
//!    descriptor of `db`.
//! 4. No background thread that writes between our syncs (`flush_every_ms`).
//! 5. Values in parts, so that no node becomes a blob.
//! 6. Blocks are allocated before the batch, so that sled never meets a full
//!    disk; any other error of sled's own ends the process.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::iter::Peekable;
use std::os::unix::fs::DirBuilderExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use ::sled::IVec;

use super::home::{Home, abort, private, sync_directory, sync_tree, tree_from_disk, trouble};
use super::room::Room;
use super::start::{Failure, Kept, panic_words};
use super::tally::{Plan, TALLY_KEY, Tally};
use super::{MAX_KEY, Row, See, StoreError};

/// The longest value of a sled row. A leaf has at most 20 rows (16, and what a
/// merge adds) and becomes a blob above 128 KiB, so key and value together
/// must stay below 6.4 KiB.
const PART: usize = 4096;

/// What sled may keep in memory; a wish, it takes more.
const CACHE: u64 = 64 << 20;

/// A store kept by sled.
pub struct Sled {
    db: ::sled::Db,
    writer: Mutex<Writer>,
}

struct Writer {
    tally: Tally,
    /// Our own descriptor of `db`.
    room: Room,
}

/// Makes an empty store, durable, without `READY`.
pub fn create(home: &Home) -> Result<Sled, StoreError> {
    let path = home.path("sled");
    match fs::remove_dir_all(&path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => {
            return Err(trouble("cannot clear", &path, &e));
        }
        _ => {}
    }
    DirBuilder::new()
        .mode(0o700)
        .create(&path)
        .and_then(|()| sync_directory(home.directory()))
        .map_err(|e| trouble("cannot make", &path, &e))?;
    let db = start(&path).map_err(|failure| match failure {
        Failure::Torn(why) => StoreError::Broken(format!("sled cannot make a store: {why}")),
        Failure::Stop(e) => e,
    })?;
    let sled = Sled::new(db, &path, Tally::default())?;
    sled.write(&Plan::new(), 1)?;
    sync_tree(&path).map_err(|e| trouble("cannot sync", &path, &e))?;
    Ok(sled)
}

/// Opens a store that has a `READY`.
pub fn open(home: &Home) -> Result<Sled, Failure> {
    let path = home.path("sled");
    tree_from_disk(&path).map_err(|e| Failure::Stop(trouble("cannot sync", &path, &e)))?;
    repair_snapshots(&path)
        .map_err(|e| Failure::Stop(trouble("cannot look at the snapshots in", &path, &e)))?;
    let db = start(&path)?;
    // The new snapshot's name and the old one's removal may otherwise reach the
    // disk in either order, on file systems that keep none.
    sync_tree(&path).map_err(|e| Failure::Stop(trouble("cannot sync", &path, &e)))?;
    let kept = db.get(TALLY_KEY).map_err(failure)?;
    let Some(tally) = kept.as_deref().and_then(Tally::parse) else {
        return Err(Failure::Torn("it is empty, and was not when it was last used".into()));
    };
    Sled::new(db, &path, tally).map_err(Failure::Stop)
}

/// Finishes what a kill during sled's open left behind: a snapshot that is
/// whole but not yet renamed. Its form: a body, the body's length (8 bytes),
/// the body's CRC-32 (4 bytes), numbers little-endian.
fn repair_snapshots(path: &Path) -> io::Result<()> {
    let mut changed = false;
    for entry in fs::read_dir(path)? {
        let path = entry?.path();
        let is_snapshot = |name: &str| name.starts_with("snap.") && name.ends_with(".generating");
        if !path.file_name().and_then(|n| n.to_str()).is_some_and(is_snapshot) {
            continue;
        }
        let bytes = fs::read(&path)?;
        let whole = bytes.split_last_chunk::<4>().is_some_and(|(rest, crc)| {
            rest.split_last_chunk::<8>().is_some_and(|(body, length)| {
                !body.is_empty()
                    && u64::from_le_bytes(*length) == body.len() as u64
                    && u32::from_le_bytes(*crc) == crc32fast::hash(body)
            })
        });
        if whole {
            File::open(&path)?.sync_all()?;
            fs::rename(&path, path.with_extension(""))?;
        } else {
            fs::remove_file(&path)?;
        }
        changed = true;
    }
    if changed { sync_directory(path) } else { Ok(()) }
}

/// Opens sled itself.
fn start(path: &Path) -> Result<::sled::Db, Failure> {
    let config = ::sled::Config::new().path(path).cache_capacity(CACHE).flush_every_ms(None);
    // Its threads of an earlier open in this process may hold the file for a
    // moment; no other process can, the directory's lock is ours.
    const TRIES: u32 = 500;
    for left in (0..TRIES).rev() {
        // sled asserts its way through a damaged log and panics where it
        // should return an error. Nothing of ours is touched by that panic,
        // and what sled held is dropped: the store counts as torn.
        match catch_unwind(AssertUnwindSafe(|| config.open())) {
            Ok(Ok(db)) => return Ok(db),
            Ok(Err(::sled::Error::Io(e)))
                if left > 0 && e.to_string().contains("could not acquire lock") =>
            {
                std::thread::sleep(Duration::from_millis(10));
            }
            Ok(Err(e)) => return Err(failure(e)),
            Err(panic) => return Err(Failure::Torn(panic_words(&*panic))),
        }
    }
    Err(Failure::Stop(StoreError::Locked(path.into())))
}

/// Whether an error of sled's means that the store is torn.
fn failure(error: ::sled::Error) -> Failure {
    match error {
        ::sled::Error::Io(e) if e.kind() == io::ErrorKind::UnexpectedEof => {
            Failure::Torn(e.to_string())
        }
        ::sled::Error::Io(e) => {
            Failure::Stop(trouble("sled cannot use", Path::new("its files"), &e))
        }
        other => Failure::Torn(other.to_string()),
    }
}

impl Sled {
    fn new(db: ::sled::Db, path: &Path, tally: Tally) -> Result<Sled, StoreError> {
        let path = path.join("db");
        let file = private().open(&path).map_err(|e| trouble("cannot open", &path, &e))?;
        Ok(Sled { db, writer: Mutex::new(Writer { tally, room: Room::new(file) }) })
    }

    /// The group as one batch, and the tally after it.
    fn batch(
        &self,
        plan: &Plan,
        revision: u64,
        now: Tally,
    ) -> Result<(::sled::Batch, Tally), StoreError> {
        let mut batch = ::sled::Batch::default();
        let mut next = Tally { revision, ..now };
        for (&key, &value) in plan {
            let old = self.db.get(key).map_err(unreadable)?;
            let mut old = old.map(|first| first.len());
            // Only a full first part has others behind it.
            if old == Some(PART) {
                for part in self.db.range(part_key(key, 1)..=part_key(key, u16::MAX)) {
                    let (part_key, part) = part.map_err(unreadable)?;
                    batch.remove(part_key);
                    old = old.map(|length| length + part.len());
                }
            }
            next.count(key, old, value.map(<[u8]>::len));
            match value {
                None => batch.remove(key),
                Some(value) => {
                    let (first, rest) = value.split_at(value.len().min(PART));
                    batch.insert(key, first);
                    for (n, part) in (1..).zip(rest.chunks(PART)) {
                        batch.insert(part_key(key, n), part);
                    }
                }
            }
        }
        batch.insert(TALLY_KEY, next.to_string().as_bytes());
        Ok((batch, next))
    }
}

/// The key under which the nth part of a long value is kept.
fn part_key(key: &str, n: u16) -> Vec<u8> {
    [key.as_bytes(), &[0], &n.to_be_bytes()].concat()
}

/// About the most by which a group makes the log grow. Each write appends
/// itself, and every tenth to a leaf the whole leaf, up to 20 rows; each leaf
/// may be one write short of that. The log grows in segments of 512 KiB.
fn growth(plan: &Plan, now: Tally) -> u64 {
    let writes = plan.len() as u64;
    let appended: usize =
        plan.iter().map(|(key, value)| key.len() + value.map_or(0, <[u8]>::len) + 64).sum();
    let appended = appended as u64;
    let row = (appended / writes.max(1)).max(now.bytes / now.rows.max(1) + 64);
    let leaf = 20 * row.min((PART + 2 * MAX_KEY) as u64);
    4 * appended + writes * leaf / 5 + writes.min(now.rows / 4 + 1) * leaf + (2 << 20)
}

fn unreadable(error: ::sled::Error) -> StoreError {
    StoreError::Broken(format!(
        "sled cannot read its own store: {error}; restart, so that the damage is looked at"
    ))
}

impl Kept for Sled {
    fn rows<'a>(&'a self, prefix: &str) -> Box<dyn Iterator<Item = Result<Row, StoreError>> + 'a> {
        let mut rows = Scan::of(self.db.scan_prefix(prefix));
        let next = move || Ok(rows.next()?.map(|(key, value)| (key.to_owned(), value.to_vec())));
        Box::new(until_error(next))
    }

    fn each(&self, see: See<'_>) -> Result<(), StoreError> {
        let mut rows = Scan::of(self.db.iter());
        while let Some((key, value)) = rows.next()? {
            see(key, value);
        }
        Ok(())
    }

    fn write(&self, plan: &Plan, revision: u64) -> Result<(), StoreError> {
        // Nothing in the critical section panics half way: sled's panics end
        // the process there.
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let Writer { tally, room } = &mut *writer;
        let (batch, next) = self.batch(plan, revision, *tally)?;
        room.reserve(growth(plan, *tally))
            .map_err(|e| trouble("cannot write", Path::new("sled/db"), &e))?;

        // From here on an error would leave a group that is perhaps on disk.
        let written = catch_unwind(AssertUnwindSafe(|| {
            self.db.apply_batch(batch)?;
            self.db.flush()
        }));
        match written {
            Ok(Ok(_)) => {}
            Ok(Err(e)) => abort("sled cannot write", &e),
            Err(panic) => abort("sled panicked", &panic_words(&*panic)),
        }
        if let Err(e) = room.file().sync_data() {
            abort("fdatasync of sled/db failed", &e);
        }
        *tally = next;
        Ok(())
    }

    fn tally(&self) -> Tally {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner).tally
    }

    fn start_writes(&self) -> u64 {
        // A snapshot has about 12 bytes for each page, a page about 8 rows and
        // up to 10 fragments; and the tail of a segment is written anew.
        self.tally().rows * 16 + (1 << 20)
    }
}

/// Goes over rows, the parts of each put together.
struct Scan {
    rows: Peekable<::sled::Iter>,
    key: IVec,
    first: IVec,
    /// The whole of a value that has several parts.
    long: Vec<u8>,
}

impl Scan {
    fn of(rows: ::sled::Iter) -> Scan {
        let (key, first) = (IVec::default(), IVec::default());
        Scan { rows: rows.peekable(), key, first, long: Vec::new() }
    }

    /// The next row but for the tally.
    fn next(&mut self) -> Result<Option<(&str, &[u8])>, StoreError> {
        loop {
            let Some(row) = self.rows.next() else { return Ok(None) };
            (self.key, self.first) = row.map_err(unreadable)?;
            if *self.key != *TALLY_KEY.as_bytes() {
                break;
            }
        }
        let Scan { rows, key: of, first, long } = self;
        let key = std::str::from_utf8(of)
            .map_err(|_| StoreError::Broken("the store has a key that is not text".into()))?;
        // Only a full part has another behind it.
        let mut full = first.len() == PART;
        if !full {
            return Ok(Some((key, first)));
        }
        long.clear();
        long.extend_from_slice(first);
        while full {
            let is_part = |row: &::sled::Result<(IVec, IVec)>| match row {
                Ok((part, _)) => {
                    part.strip_prefix(key.as_bytes()).is_some_and(|rest| rest.first() == Some(&0))
                }
                Err(_) => true,
            };
            let Some(part) = rows.next_if(is_part) else { break };
            let (_, part) = part.map_err(unreadable)?;
            long.extend_from_slice(&part);
            full = part.len() == PART;
        }
        Ok(Some((key, long)))
    }
}

/// An iterator that ends after its first error.
fn until_error<T, E>(
    mut next: impl FnMut() -> Result<Option<T>, E>,
) -> impl Iterator<Item = Result<T, E>> {
    let mut failed = false;
    std::iter::from_fn(move || {
        if failed {
            return None;
        }
        let item = next().transpose();
        failed = matches!(item, Some(Err(_)));
        item
    })
}
