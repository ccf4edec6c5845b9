//! The engine redb 4.
//!
//! On the disk:
//!
//! | name | what |
//! |---|---|
//! | `redb` | the database: one table `rows`, key text to value bytes; the row `NUL tally` counts groups and rows |
//! | `redb.journal` | groups that are yet to come; `journal.rs` |
//! | `redb.ready` | `revision N`: the store was whole at its Nth group; see `Ready` |
//!
//! redb is durable as it comes (`Durability::Immediate`: write, fdatasync,
//! then the commit is visible), so its guard is short: the ready file and the
//! tally tell a lost store from a new one; the file has all its blocks before
//! redb writes into it; a failed fdatasync ends the process; and after any
//! other error of a commit, when redb itself does not know whether the group
//! is on the disk, the database is opened anew and the tally says.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use ::redb::{
    Database, Durability, Error, ReadableDatabase, StorageBackend, TableDefinition, TableError,
};

use super::home::{Home, abort, from_disk, private, sync_directory, trouble};
use super::room::allocate;
use super::start::{Failure, Kept, panic_words};
use super::tally::{Plan, TALLY_KEY, Tally};
use super::{Row, See, StoreError};

const ROWS: TableDefinition<&str, &[u8]> = TableDefinition::new("rows");

/// What redb may keep in memory, in bytes. The registry reads everything once
/// and then only writes.
const CACHE: usize = 64 << 20;

/// A store kept by redb.
pub struct Redb {
    path: PathBuf,
    /// `None`: an error closed it, and opening it again has not worked yet.
    database: RwLock<Option<Database>>,
    tally: Mutex<Tally>,
    wanted: Wanted,
}

/// How many bytes the file was to grow by when the disk was full; 0: it was
/// not. Until they are there, groups are refused without asking redb, which
/// would have to be opened anew each time.
type Wanted = Arc<AtomicU64>;

/// Makes an empty store, durable, without the ready file.
pub fn create(home: &Home) -> Result<Redb, StoreError> {
    let path = home.path("redb");
    match fs::remove_file(&path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => {
            return Err(trouble("cannot clear", &path, &e));
        }
        _ => {}
    }
    let wanted = Wanted::default();
    let database = start(&path, true, &wanted).map_err(|failure| match failure {
        Failure::Torn(why) => StoreError::Broken(format!("redb cannot make a store: {why}")),
        Failure::Stop(e) => e,
    })?;
    sync_directory(home.directory()).map_err(|e| trouble("cannot sync", home.directory(), &e))?;
    let redb = Redb::new(path, database, Tally::default(), wanted);
    redb.write(&Plan::new(), 1)?;
    Ok(redb)
}

/// Opens a store that has a ready file.
pub fn open(home: &Home) -> Result<Redb, Failure> {
    let path = home.path("redb");
    if !path.exists() {
        return Err(Failure::Torn("its file is gone".into()));
    }
    File::open(&path)
        .and_then(|file| from_disk(&file))
        .map_err(|e| Failure::Stop(trouble("cannot sync", &path, &e)))?;
    let wanted = Wanted::default();
    let mut database = start(&path, false, &wanted)?;
    // Damage shows as a panic here and there.
    let tally_of = |database: &Database| {
        catch_unwind(AssertUnwindSafe(|| read_tally(database)))
            .map_err(|panic| Failure::Torn(panic_words(&*panic)))?
            .map_err(failure)
    };
    let tally = tally_of(&database)?;
    // After a clean stop redb trusts its file; a page damaged since would be
    // read as if it were right.
    let check = catch_unwind(AssertUnwindSafe(|| database.check_integrity()));
    check
        .map_err(|panic| Failure::Torn(panic_words(&*panic)))?
        .map_err(|error| failure(error.into()))?;
    if tally_of(&database)? != tally {
        return Err(Failure::Torn("its last group is damaged".into()));
    }
    match tally {
        Some(tally) => Ok(Redb::new(path, database, tally, wanted)),
        None => Err(Failure::Torn("it is empty, and was not when it was last used".into())),
    }
}

/// Opens redb itself.
fn start(path: &Path, new: bool, wanted: &Wanted) -> Result<Database, Failure> {
    let file = private()
        .create(new)
        .truncate(false)
        .open(path)
        .map_err(|e| Failure::Stop(trouble("cannot open", path, &e)))?;
    if !new && file.metadata().is_ok_and(|m| m.len() == 0) {
        // redb would take it for a new one.
        return Err(Failure::Torn("its file is empty".into()));
    }
    let backend = Backend { file, wanted: wanted.clone() };
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE);
    // A damaged file makes redb assert here and there; nothing of ours is
    // touched by such a panic, and the store counts as torn.
    match catch_unwind(AssertUnwindSafe(|| builder.create_with_backend(backend))) {
        Ok(Ok(database)) => Ok(database),
        Ok(Err(error)) => Err(failure(error.into())),
        Err(panic) => Err(Failure::Torn(panic_words(&*panic))),
    }
}

/// Whether an error of redb's means that the store is torn.
fn failure(error: Error) -> Failure {
    match error {
        // A file that is shorter than its header says.
        Error::Io(e)
            if matches!(e.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData) =>
        {
            Failure::Torn(e.to_string())
        }
        Error::Io(e) => Failure::Stop(trouble("redb cannot use", Path::new("its file"), &e)),
        Error::UpgradeRequired(version) => Failure::Stop(StoreError::Broken(format!(
            "the store is of redb file format {version}; export it with the truename that wrote it, and import the dump"
        ))),
        other => Failure::Torn(other.to_string()),
    }
}

fn read_tally(database: &Database) -> Result<Option<Tally>, Error> {
    let table = match database.begin_read()?.open_table(ROWS) {
        Err(TableError::TableDoesNotExist(_)) => return Ok(None),
        other => other?,
    };
    Ok(table.get(TALLY_KEY)?.and_then(|value| Tally::parse(value.value())))
}

impl Redb {
    fn new(path: PathBuf, database: Database, tally: Tally, wanted: Wanted) -> Redb {
        Redb { path, database: RwLock::new(Some(database)), tally: Mutex::new(tally), wanted }
    }

    /// Refuses while the disk has not the room that was missing the last time.
    fn ask_for_room(&self) -> io::Result<()> {
        let wanted = self.wanted.load(Ordering::Relaxed);
        if wanted > 0 {
            let file = private().open(&self.path)?;
            allocate(&file, file.metadata()?.len(), wanted)?;
            self.wanted.store(0, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Opens the database again if an error closed it, and says which of two
    /// states it is in.
    fn reopen(
        &self,
        database: &mut Option<Database>,
        before: Tally,
        after: Tally,
    ) -> Result<Tally, StoreError> {
        if database.is_some() {
            return Ok(before);
        }
        let (open, tally) = start(&self.path, false, &self.wanted)
            .and_then(|open| {
                let tally = read_tally(&open).map_err(failure)?;
                Ok((open, tally))
            })
            .map_err(|failure| match failure {
                Failure::Stop(error) => error,
                Failure::Torn(why) => abort("redb's file is damaged", &why),
            })?;
        match tally {
            Some(tally) if tally == before || tally == after => {
                *database = Some(open);
                Ok(tally)
            }
            _ => abort("redb has another state than was committed", &"restart it"),
        }
    }
}

/// The group as one durable transaction; its rows are counted in `tally`.
fn put(database: &Database, plan: &Plan, tally: &mut Tally) -> Result<(), Error> {
    let mut transaction = database.begin_write()?;
    transaction.set_durability(Durability::Immediate)?;
    {
        let mut table = transaction.open_table(ROWS)?;
        for (&key, &value) in plan {
            let old = match value {
                Some(value) => table.insert(key, value)?,
                None => table.remove(key)?,
            };
            tally.count(key, old.map(|old| old.value().len()), value.map(<[u8]>::len));
        }
        table.insert(TALLY_KEY, tally.to_string().as_bytes())?;
    }
    Ok(transaction.commit()?)
}

impl Kept for Redb {
    fn rows<'a>(&'a self, prefix: &str) -> Box<dyn Iterator<Item = Result<Row, StoreError>> + 'a> {
        let database = self.database.read().unwrap_or_else(PoisonError::into_inner);
        let Some(database) = database.as_ref() else {
            return Box::new(std::iter::once(Err(StoreError::Full)));
        };
        let range = (|| -> Result<_, Error> {
            let table = database.begin_read()?.open_table(ROWS)?;
            Ok(table.range(prefix..)?)
        })();
        let range = match range {
            Ok(range) => range,
            Err(error) => return Box::new(std::iter::once(Err(unreadable(&error)))),
        };
        let prefix = prefix.to_owned();
        Box::new(
            range
                .map(|row| {
                    let (key, value) = row.map_err(|e| unreadable(&e.into()))?;
                    Ok((key.value().to_owned(), value.value().to_vec()))
                })
                .take_while(move |row| {
                    row.as_ref().map_or(true, |(key, _)| key.starts_with(&prefix))
                })
                .filter(|row| row.as_ref().map_or(true, |(key, _)| key != TALLY_KEY)),
        )
    }

    fn each(&self, see: See<'_>) -> Result<(), StoreError> {
        let database = self.database.read().unwrap_or_else(PoisonError::into_inner);
        let database = database.as_ref().ok_or(StoreError::Full)?;
        let mut shown = || -> Result<(), Error> {
            let table = database.begin_read()?.open_table(ROWS)?;
            for row in table.range::<&str>(..)? {
                let (key, value) = row?;
                if key.value() != TALLY_KEY {
                    see(key.value(), value.value());
                }
            }
            Ok(())
        };
        shown().map_err(|error| unreadable(&error))
    }

    fn write(&self, plan: &Plan, revision: u64) -> Result<(), StoreError> {
        let mut tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
        let mut database = self.database.write().unwrap_or_else(PoisonError::into_inner);
        self.ask_for_room().map_err(|e| trouble("cannot write", &self.path, &e))?;
        self.reopen(&mut database, *tally, *tally)?;
        let open = database.as_ref().expect("just opened");

        let mut next = Tally { revision, ..*tally };
        let error = match put(open, plan, &mut next) {
            Ok(()) => {
                *tally = next;
                return Ok(());
            }
            Err(error) => error,
        };
        // redb takes no more writes after an error, and may or may not have
        // committed this one.
        *database = None;
        match self.reopen(&mut database, *tally, next) {
            Ok(now) if now == next => {
                *tally = next;
                return Ok(());
            }
            Ok(_) => {}
            // Whoever is told that the group is not there may find it at the
            // next start.
            Err(error) => abort("nobody can say whether redb has the last group", &error),
        }
        Err(match error {
            Error::Io(e) => trouble("redb cannot write", &self.path, &e),
            other => StoreError::Broken(format!("redb cannot write: {other}")),
        })
    }

    fn tally(&self) -> Tally {
        *self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn start_writes(&self) -> u64 {
        // A start after a crash writes the page allocator's state: a bit a page.
        fs::metadata(&self.path).map_or(0, |m| m.len() / 256)
    }
}

fn unreadable(error: &Error) -> StoreError {
    StoreError::Broken(format!(
        "redb cannot read its own store: {error}; restart, so that the damage is looked at"
    ))
}

/// The file as redb uses it. It is not locked here: the directory is.
#[derive(Debug)]
struct Backend {
    file: File,
    wanted: Wanted,
}

impl StorageBackend for Backend {
    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(out, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        // A file grown by its length alone has no blocks, and a write into it
        // may find the disk full in the middle of a commit.
        let now = self.len()?;
        if len > now
            && let Err(e) = allocate(&self.file, now, len - now)
        {
            self.wanted.store(len - now, Ordering::Relaxed);
            return Err(e);
        }
        self.file.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        match self.file.sync_data() {
            Ok(()) => Ok(()),
            Err(e) => abort("fdatasync of redb failed", &e),
        }
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.file.write_all_at(data, offset)
    }
}
