//! From a dump into a store, and from one engine to the other. For a stopped
//! server: both take the directory's lock.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::home::{Home, Ready};
use super::pending::over;
use super::start::{
    Failure, Kept, Unread, create, fill, open_whole, put, refuse_old_journal, refuse_other_engines,
};
use super::{Engine, StoreError, Write, dump};

/// A row that stands in a store whose rows may be older than what was last
/// published from them: an import and a restore leave it behind, and whoever
/// raises the serials takes it away in the same group. Until then every start
/// finds it, however many were cut short.
pub const IMPORTED: &str = "meta/imported";

/// Fills the store of a data directory from a dump and says how many rows it
/// has now. Only into a directory without a store: nothing is overwritten.
pub fn import(engine: Engine, directory: &Path, dump: &Path) -> Result<u64, StoreError> {
    let home = Arc::new(Home::claim(directory)?);
    if home.ready(engine)?.is_some() {
        return Err(StoreError::Broken(format!(
            "{} has a store already, and an import replaces nothing; give an empty data directory, or rename {engine} there away{}",
            directory.display(),
            if engine == Engine::Redb { ", with redb.ready and redb.journal" } else { "" },
        )));
    }
    refuse_other_engines(&home, engine, false)?;
    let kept = create(engine, &home)?;
    fill(&*kept, dump::read(dump)?)?;
    same(&*kept, dump)?;
    let rows = kept.tally().rows;
    put(&*kept, &[Write::Put(IMPORTED.into(), b"true".into())])?;
    let revision = kept.tally().revision;
    drop(kept);
    refuse_old_journal(&home, engine)?;
    home.set_ready(engine, Ready { revision, journal: None })?;
    Ok(rows)
}

/// What a migration did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Migrated {
    /// How many rows the new store has.
    pub rows: u64,
    /// Where the old store is now.
    pub old: PathBuf,
}

/// Moves the rows of a data directory from one engine to another, through the
/// dump, which is written anew and compared with what the new store holds.
/// The old store is renamed aside (`sled.migrated-1`), never deleted; until
/// that rename it is the one in use.
pub fn migrate(directory: &Path, from: Engine, to: Engine) -> Result<Migrated, StoreError> {
    if from == to {
        return Err(StoreError::Broken(format!("the store is {from} already")));
    }
    let home = Arc::new(Home::claim(directory)?);
    let Some(ready) = home.ready(from)? else {
        return Err(StoreError::Broken(format!(
            "{} has no store of {from} to migrate",
            directory.display()
        )));
    };
    refuse_other_engines(&home, from, true)?;
    let broken = |what: &str, why: &str| {
        StoreError::Broken(format!(
            "the {what} of {from} is broken ({why}); start the server with it once, so that it goes on with what is whole, and migrate then"
        ))
    };
    let (old, Unread) =
        open_whole(from, &home, ready, Unread).map_err(|failure| match failure {
            Failure::Stop(error) => error,
            Failure::Torn(why) => broken("store", &why),
        })?;
    if let Some(why) = &old.lost {
        return Err(broken("journal", why));
    }
    let dump_file = home.path(dump::DUMP_FILE);
    dump::write(&dump_file, over(old.pending.newest(""), old.kept.rows("")))?;
    drop(old);

    let new = create(to, &home)?;
    fill(&*new, dump::read(&dump_file)?)?;
    same(&*new, &dump_file)?;
    let tally = new.tally();
    drop(new);
    refuse_old_journal(&home, to)?;
    home.set_ready(to, Ready { revision: tally.revision, journal: None })?;
    let old = home.set_aside(from, "migrated")?;
    Ok(Migrated { rows: tally.rows, old })
}

/// Compares a store with a dump, row by row.
fn same(kept: &dyn Kept, dump_file: &Path) -> Result<(), StoreError> {
    let mut kept_rows = kept.rows("");
    let mut line = 1;
    for row in dump::read(dump_file)? {
        line += 1;
        let row = row?;
        if kept_rows.next().transpose()?.as_ref() != Some(&row) {
            return Err(StoreError::Broken(format!(
                "{}:{line}: {} is not in the new store, or the dump is not in order; the new store is not used",
                dump_file.display(),
                row.0
            )));
        }
    }
    match kept_rows.next() {
        None => Ok(()),
        Some(_) => Err(StoreError::Broken("the new store has rows that the dump has not".into())),
    }
}
