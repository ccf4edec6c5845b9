//! Opening: new, kept, or torn and restored.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::home::{Home, Ready};
use super::journal::Journal;
use super::journaled::{Journaled, replay};
use super::migrate::IMPORTED;
use super::pending::{Over, Pending};
use super::room::Ballast;
use super::tally::{Plan, Tally, plan};
use super::{Engine, Opened, Row, See, Store, StoreError, Write, dump, redb, sled};

/// An engine's store, as this floor sees it.
pub trait Kept: Send + Sync {
    /// As [`Store::rows`].
    fn rows<'a>(&'a self, prefix: &str) -> Box<dyn Iterator<Item = Result<Row, StoreError>> + 'a>;

    /// As [`Store::each`].
    fn each(&self, see: See<'_>) -> Result<(), StoreError>;

    /// As [`Store::commit`], with what a group comes to. The store is at
    /// `revision` then.
    fn write(&self, plan: &Plan, revision: u64) -> Result<(), StoreError>;

    /// How many groups and rows it has now.
    fn tally(&self) -> Tally;

    /// About how many bytes its next start writes.
    fn start_writes(&self) -> u64;
}

/// Why an engine does not open its store.
pub enum Failure {
    /// What is on the disk is damaged: the dump is the next best thing.
    Torn(String),
    /// Something an operator can put right; the store may be whole.
    Stop(StoreError),
}

/// An open store with all that belongs to it. Fields are dropped in order:
/// the engine, then the claim on the directory.
struct Running {
    journaled: Journaled,
    engine: Engine,
    ballast: Ballast,
    home: Arc<Home>,
}

/// A ballast that is short is tried again after this many groups: asking a
/// full disk for room is slow.
const BALLAST_EVERY: u64 = 64;

/// What takes in a store: it is shown every row, in the order of their keys.
pub trait Reader {
    /// Takes in a row.
    ///
    /// # Errors
    /// When what the row says is of no use: nothing more is shown then.
    fn row(&mut self, key: &str, value: &[u8]) -> Result<(), StoreError>;
}

/// Has no use for what the rows say.
pub struct Unread;

impl Reader for Unread {
    fn row(&mut self, _: &str, _: &[u8]) -> Result<(), StoreError> {
        Ok(())
    }
}

/// Opens the store in `directory`, which is made if it is missing.
///
/// # Errors
/// Those of [`open_reading`].
pub fn open(engine: Engine, directory: &std::path::Path) -> Result<Opened, StoreError> {
    open_reading(engine, directory, &|| Unread).map(|(opened, Unread)| opened)
}

/// Shows a store that is open to a reader.
///
/// # Errors
/// When a row cannot be read, and those of the reader.
pub fn read<R: Reader>(store: &(impl Store + ?Sized), mut reader: R) -> Result<R, StoreError> {
    let mut refused = Ok(());
    store.each(&mut |key, value| {
        if refused.is_ok() {
            refused = reader.row(key, value);
        }
    })?;
    refused.map(|()| reader)
}

/// Opens the store in `directory`, which is made if it is missing, and reads
/// it. A store is read as a whole to see that it is, so that whoever needs
/// every row does well to take them then. A reader that was shown a store
/// which turned out to be torn is dropped, and another one, by `new`, is shown
/// the one that is used.
///
/// A store that is torn is set aside (`sled.broken-1`), and a new one is
/// filled from the text dump, with loud words in [`Opened::warnings`].
///
/// # Errors
/// When the directory is in use or cannot be written, holds the store of
/// another engine, or is torn and has no dump that can be read; and those of
/// the reader.
pub fn open_reading<R: Reader>(
    engine: Engine,
    directory: &std::path::Path,
    new: &dyn Fn() -> R,
) -> Result<(Opened, R), StoreError> {
    let home = Arc::new(Home::claim(directory)?);
    let ready = home.ready(engine)?;
    refuse_other_engines(&home, engine, ready.is_some())?;
    let ballast = Ballast::new(home.directory());
    ballast.free();
    let dump_file = home.path(dump::DUMP_FILE);

    let mut warnings = Vec::new();
    let mut restored = false;
    let (whole, reader) = match ready {
        Some(ready) => match open_whole(engine, &home, ready, new()) {
            Ok((whole, reader)) => {
                restored = whole.lost.is_some();
                (mend(whole, engine, &home, ready, &mut warnings)?, Some(reader))
            }
            Err(Failure::Stop(error)) => return Err(error),
            Err(Failure::Torn(why)) => {
                warnings.push(format!("THE STORE IS BROKEN ({engine}: {why})."));
                restored = true;
                (restore(engine, &home, &why, &mut warnings)?, None)
            }
        },
        None if dump_file.exists() => {
            warnings.push(format!("THERE IS NO STORE of {engine}, but a dump of one."));
            restored = true;
            let kept = create(engine, &home)?;
            fill_from_dump(&*kept, &home, &mut warnings)?;
            (Whole::new(kept, engine, &home)?, None)
        }
        None => (Whole::new(create(engine, &home)?, engine, &home)?, None),
    };
    let journaled = Journaled::start(whole.kept, whole.journal, whole.pending)?;
    let reader = reader.map_or_else(|| read(&journaled, new()), Ok)?;
    home.set_ready(engine, journaled.ready())?;
    ballast.take(journaled.start_writes());
    let is_new = ready.is_none() && !restored;
    let store = Box::new(Running { journaled, engine, ballast, home });
    Ok((Opened { store, new: is_new, restored, warnings }, reader))
}

/// A store, its journal and what stands only there.
pub struct Whole {
    pub kept: Box<dyn Kept>,
    /// `None`: there is none, or there was no room for it.
    journal: Option<Journal>,
    pub pending: Pending,
    /// Groups stand in the journal that are not of this store: they came after
    /// its last stop.
    strange: bool,
    /// Why groups that were acknowledged may be missing, if they may.
    pub lost: Option<String>,
}

impl Whole {
    /// A store that was just made.
    fn new(kept: Box<dyn Kept>, engine: Engine, home: &Home) -> Result<Whole, StoreError> {
        refuse_old_journal(home, engine)?;
        let journal = Journal::make(home, engine)?;
        let pending = Pending::new(journal.as_ref(), kept.tally().revision, Vec::new());
        Ok(Whole { kept, journal, pending, strange: false, lost: None })
    }

    /// A store that was there, with what stands in its journal.
    fn find(
        kept: Box<dyn Kept>,
        engine: Engine,
        home: &Home,
        ready: Ready,
    ) -> Result<Whole, StoreError> {
        let held = kept.tally().revision;
        let journal = Journal::find(home, engine)?;
        let mut records = journal.as_ref().map_or(Ok(Vec::new()), |found| found.records(0))?;
        // The ring forgets nothing that the engine has not, oldest first: with
        // nothing older there, it is the engine that has lost groups.
        let rolled_back = records.first().is_some_and(|first| first.revision > held + 1);
        records.retain(|record| record.revision > held);
        let found = records.len();
        if ready.journal.is_none() {
            // A stop left nothing there that the engine had not, and whatever
            // starts a store says so before it writes there. An engine that
            // lost its last groups all the same finds them up to the stop.
            records.retain(|record| record.revision <= ready.revision);
        }
        let strange = records.len() < found;
        let together = (held + 1..).zip(&records).take_while(|(n, r)| *n == r.revision).count();
        let last = held + together as u64;
        let length = journal.as_ref().map(Journal::size);
        let lost = match (records.get(together), ready.journal) {
            (Some(next), _) if rolled_back => Some(format!(
                "it begins with group {}, and the store ends with group {held}: more likely than not that has lost what was between, and {} is newer",
                next.revision,
                dump::DUMP_FILE
            )),
            (Some(next), _) => Some(format!(
                "group {} is missing in it, and group {} is there",
                last + 1,
                next.revision
            )),
            (None, Some(_)) if length.is_none() => Some("it is gone".into()),
            (None, Some(wanted)) if length != Some(wanted) => {
                Some(format!("it has {} bytes of {wanted}", length.unwrap_or_default()))
            }
            (None, Some(_)) if last < ready.revision => Some(format!(
                "it ends with group {last}, and group {} was acknowledged",
                ready.revision
            )),
            _ => None,
        };
        records.truncate(together);
        let journal = journal.filter(Journal::is_whole);
        let pending = Pending::new(journal.as_ref(), held, records);
        Ok(Whole { kept, journal, pending, strange, lost })
    }
}

/// Sets the journal aside of a store that somebody has taken away.
pub fn refuse_old_journal(home: &Home, engine: Engine) -> Result<(), StoreError> {
    match Journal::find(home, engine)? {
        Some(journal) if !journal.records(0)?.is_empty() => {
            home.set_journal_aside(engine).map(drop)
        }
        _ => Ok(()),
    }
}

/// A journal for a store that has none, or none any more: it goes on with what
/// is whole. A crash at any moment leaves a store of which the next start says
/// the same, or one with the row [`IMPORTED`].
fn mend(
    mut whole: Whole,
    engine: Engine,
    home: &Home,
    ready: Ready,
    warnings: &mut Vec<String>,
) -> Result<Whole, StoreError> {
    if let Some(why) = &whole.lost {
        replay(&*whole.kept, &mut whole.pending)?;
        whole.journal = None;
        if ready.journal.is_none() {
            // The next start is to miss the one that is set aside now.
            home.set_ready(engine, Ready { journal: Some(0), ..ready })?;
        }
        let aside = home.set_journal_aside(engine)?;
        let revision = whole.pending.revision;
        // Not earlier: as a group more it would fill the gap in the journal.
        put(&*whole.kept, &[Write::Put(IMPORTED.into(), b"true".into())])?;
        whole.pending.revision = whole.kept.tally().revision;
        warnings.push(format!("THE JOURNAL IS BROKEN ({engine}: {why})."));
        if aside.exists() {
            warnings.push(format!("It was set aside as {}.", aside.display()));
        }
        warnings.push(format!(
            "This start uses what is whole, up to group {revision}: WHAT WAS REPORTED AFTER IT IS LOST until the hosts report again."
        ));
    } else if whole.strange {
        replay(&*whole.kept, &mut whole.pending)?;
        whole.journal = None;
        let aside = home.set_journal_aside(engine)?;
        warnings.push(format!(
            "THE JOURNAL of {engine} is another store's: what stands in it came after the last stop of this one, at group {}. It was set aside as {} and is not used.",
            ready.revision,
            aside.display()
        ));
    }
    if whole.journal.is_none() {
        whole.journal = Journal::make(home, engine)?;
        whole.pending = Pending::new(whole.journal.as_ref(), whole.pending.revision, Vec::new());
    }
    Ok(whole)
}

/// One directory, one store: two would drift apart unseen.
pub fn refuse_other_engines(home: &Home, engine: Engine, ours: bool) -> Result<(), StoreError> {
    for other in Engine::ALL {
        if other == engine || home.ready(other)?.is_none() {
            continue;
        }
        let directory = home.directory().display();
        return Err(StoreError::Broken(if ours {
            format!(
                "{directory} has a store of {engine} and one of {other}; rename away the one that is not to be used"
            )
        } else {
            format!(
                "{directory} has a store of {other}, and {engine} is asked for; ask for {other}, or stop the server and run `truename migrate`"
            )
        }));
    }
    Ok(())
}

/// A new, empty store, without the mark that something was acknowledged.
pub fn create(engine: Engine, home: &Arc<Home>) -> Result<Box<dyn Kept>, StoreError> {
    Ok(match engine {
        Engine::Sled => Box::new(sled::create(home)?),
        Engine::Redb => Box::new(redb::create(home)?),
    })
}

/// A store that was acknowledged from, read once as a whole: every row that
/// was counted is there.
pub fn open_whole<R: Reader>(
    engine: Engine,
    home: &Arc<Home>,
    ready: Ready,
    reader: R,
) -> Result<(Whole, R), Failure> {
    let kept: Box<dyn Kept> = match engine {
        Engine::Sled => Box::new(sled::open(home)?),
        Engine::Redb => Box::new(redb::open(home)?),
    };
    let tally = kept.tally();
    let whole = Whole::find(kept, engine, home, ready).map_err(Failure::Stop)?;
    if whole.pending.revision < ready.revision && whole.lost.is_none() {
        return Err(Failure::Torn(format!(
            "it ends with group {}, and group {} was acknowledged",
            whole.pending.revision, ready.revision
        )));
    }
    // Both engines panic on some damaged pages; see the note in `sled::start`.
    let counted = catch_unwind(AssertUnwindSafe(|| {
        let mut found = Tally { revision: tally.revision, rows: 0, bytes: 0 };
        let mut over = Over::new(whole.pending.newest(""));
        let mut reader = Ok(reader);
        let mut take = |key: &str, value: &[u8]| {
            if let Ok(taking) = &mut reader
                && let Err(error) = taking.row(key, value)
            {
                reader = Err(error);
            }
        };
        let shown = whole.kept.each(&mut |key, value| {
            // What the reader had no use for counts too.
            found.count(key, None, Some(value.len()));
            over.show(key, value, &mut take);
        });
        over.show_rest(&mut take);
        (found, shown, reader)
    }));
    match counted {
        Ok((_, Err(error), _)) => Err(Failure::Torn(error.to_string())),
        Ok((found, Ok(()), reader)) if found == tally => {
            reader.map(|reader| (whole, reader)).map_err(Failure::Stop)
        }
        Ok((found, Ok(()), _)) => Err(Failure::Torn(format!(
            "it has {} rows of {} bytes where {} of {} were counted",
            found.rows, found.bytes, tally.rows, tally.bytes
        ))),
        Err(panic) => Err(Failure::Torn(panic_words(&*panic))),
    }
}

/// Sets a torn store aside and fills a new one from the dump.
fn restore(
    engine: Engine,
    home: &Arc<Home>,
    why: &str,
    warnings: &mut Vec<String>,
) -> Result<Whole, StoreError> {
    let dump_file = home.path(dump::DUMP_FILE);
    // The whole dump is read before anything is renamed.
    let readable: Result<(), StoreError> =
        dump::read(&dump_file).and_then(|mut rows| rows.try_for_each(|row| row.map(drop)));
    if let Err(error) = readable {
        return Err(StoreError::Broken(format!(
            "the store of {engine} in {} is broken ({why}), and there is no dump to start from ({error}); put a backup of {} there, or, to start with nothing, rename {engine} away{}",
            home.directory().display(),
            dump_file.display(),
            if engine == Engine::Redb { " together with redb.ready and redb.journal" } else { "" },
        )));
    }
    let aside = home.set_aside(engine, "broken")?;
    warnings.push(format!("It was set aside as {}.", aside.display()));
    let kept = create(engine, home)?;
    fill_from_dump(&*kept, home, warnings)?;
    Whole::new(kept, engine, home)
}

fn fill_from_dump(
    kept: &dyn Kept,
    home: &Home,
    warnings: &mut Vec<String>,
) -> Result<(), StoreError> {
    let path = home.path(dump::DUMP_FILE);
    let rows = fill(kept, dump::read(&path)?)?;
    put(kept, &[Write::Put(IMPORTED.into(), b"true".into())])?;
    let written = std::fs::metadata(&path)
        .and_then(|m| m.modified())
        .ok()
        .and_then(|t| jiff::Timestamp::try_from(t).ok())
        .map_or_else(String::new, |t| format!(" of {t:.0}"));
    warnings.push(format!(
        "This start uses the dump {}{written}, {rows} rows: WHAT WAS REPORTED AFTER IT IS LOST until the hosts report again.",
        path.display()
    ));
    Ok(())
}

/// Bytes written as one group while filling a store.
const FILL_GROUP: usize = 256 << 10;

/// Puts rows into a store in groups of some size. A crash in between leaves a
/// store that is not `READY`.
pub fn fill(
    kept: &dyn Kept,
    rows: impl Iterator<Item = Result<Row, StoreError>>,
) -> Result<u64, StoreError> {
    let (mut group, mut bytes, mut count) = (Vec::new(), 0, 0);
    for row in rows {
        let (key, value) = row?;
        bytes += key.len() + value.len();
        count += 1;
        group.push(Write::Put(key, value));
        if bytes >= FILL_GROUP {
            put(kept, &group)?;
            group.clear();
            bytes = 0;
        }
    }
    put(kept, &group)?;
    Ok(count)
}

/// A group to an engine that has no journal yet.
pub fn put(kept: &dyn Kept, group: &[Write]) -> Result<(), StoreError> {
    kept.write(&plan(group)?, kept.tally().revision + 1)
}

/// What a panic said.
pub fn panic_words(panic: &(dyn Any + Send)) -> String {
    let words = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("panic: {}", words.unwrap_or("without words"))
}

impl Store for Running {
    fn rows<'a>(&'a self, prefix: &str) -> Box<dyn Iterator<Item = Result<Row, StoreError>> + 'a> {
        self.journaled.rows(prefix)
    }

    fn each(&self, see: See<'_>) -> Result<(), StoreError> {
        self.journaled.each(see)
    }

    fn commit(&self, group: &[Write]) -> Result<(), StoreError> {
        self.home.in_place()?;
        self.journaled.commit(group)?;
        if self.ballast.is_short() && self.journaled.revision().is_multiple_of(BALLAST_EVERY) {
            self.ballast.take(self.journaled.start_writes());
        }
        Ok(())
    }

    fn is_behind(&self) -> bool {
        self.journaled.is_behind()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // The later the revision written down, the more a later start can
        // miss; without it the one of the last start stands.
        let ready = self.journaled.stop();
        let _ = self.home.set_ready(self.engine, ready);
    }
}
