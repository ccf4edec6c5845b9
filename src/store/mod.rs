//! The only disk. A [`Store`] keeps rows, text key to text value, and commits
//! groups of writes that are on disk when the call returns.
//!
//! What is in a data directory:
//!
//! | name | what |
//! |---|---|
//! | `lock` | held (flock) by the one process that uses the directory |
//! | `sled/` | the store of the engine sled; what is in it: `sled.rs` |
//! | `redb`, `redb.ready` | the store of the engine redb; `redb.rs` |
//! | `sled/journal`, `redb.journal` | the groups that the engine has yet to be given; `journal.rs` |
//! | `truename.dump` | every row as text; `dump.rs` |
//! | `ballast` | room kept free for a start on a full disk; `room.rs` |
//! | `sled.broken-1`, `redb.migrated-1`, `sled.broken-1.journal`, … | set aside, never read again, never deleted |
//!
//! A group goes into the journal, where one fdatasync makes it durable
//! (`journal.rs`); what reads the store sees it from then on (`pending.rs`),
//! and a thread gives it to the engine together with others (`journaled.rs`).
//!
//! Each engine keeps one row of its own beside those of its user: at which
//! group it is and how many rows it holds (`tally.rs`). A start that finds less
//! than was acknowledged is an error or a restore from the dump, never a first
//! start.

pub mod dump;
mod home;
mod journal;
mod journaled;
mod look;
mod migrate;
mod pending;
mod redb;
mod room;
mod sled;
mod start;
mod tally;

use std::fmt;
use std::path::PathBuf;

pub use look::{Seen, look};
pub use migrate::{IMPORTED, Migrated, import, migrate};
pub use start::{Reader, open, open_reading, read};

/// One row: its key and its value.
pub type Row = (String, Vec<u8>);

/// Whoever looks at rows: is shown a key and its value.
pub type See<'a> = &'a mut dyn FnMut(&str, &[u8]);

/// The longest key, in bytes. Keys are names with a prefix: a DNS name as
/// text is at most 1004 bytes.
pub const MAX_KEY: usize = 1024;

/// The longest value, in bytes. The largest rows are those of a person's
/// keys limited to many hosts.
pub const MAX_VALUE: usize = 1 << 20;

/// One write of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// The row has this value from now on.
    Put(String, Vec<u8>),
    /// The row is gone.
    Delete(String),
}

/// An open store with one owner: this process.
pub trait Store: Send + Sync {
    /// Every row whose key starts with `prefix`, in the order of the keys'
    /// bytes. An empty prefix: everything. Rows committed while the iterator
    /// is in use may or may not be seen.
    fn rows<'a>(&'a self, prefix: &str) -> Box<dyn Iterator<Item = Result<Row, StoreError>> + 'a>;

    /// Shows every row, in the order of the keys' bytes, where the engine has
    /// it: what is only looked at is not copied.
    ///
    /// # Errors
    /// When a row cannot be read; those behind it are not shown then.
    fn each(&self, see: See<'_>) -> Result<(), StoreError> {
        self.rows("").try_for_each(|row| row.map(|(key, value)| see(&key, &value)))
    }

    /// Writes a group, all or nothing, durable (fsync) when it returns `Ok`.
    /// Of several writes to one key the last counts. Keys are 1 to [`MAX_KEY`]
    /// bytes of text without control characters; values are up to
    /// [`MAX_VALUE`] bytes of text without line ends and tabs (JSON on one
    /// line is), so that every row fits into the dump.
    ///
    /// After an error nothing of the group is visible now or at the next open
    /// and the store goes on; where that cannot be promised (a failed fsync)
    /// the process aborts.
    fn commit(&self, group: &[Write]) -> Result<(), StoreError>;

    /// Whether groups come faster than they can be kept up with, so that soon
    /// they would have to wait for one another: what nobody waits for does well
    /// to let the others go first.
    fn is_behind(&self) -> bool {
        false
    }
}

/// Why a store does not do what it was asked.
#[derive(Clone, Debug)]
pub enum StoreError {
    /// Another process has it open.
    Locked(PathBuf),
    /// The disk is full; nothing was written.
    Full,
    /// Something else, in a sentence that says what to do.
    Broken(String),
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreError::Locked(path) => write!(
                f,
                "{} is in use by another truename; stop that one first, or give another data directory",
                path.display()
            ),
            StoreError::Full => {
                f.write_str("the disk is full; nothing was written; make room on it")
            }
            StoreError::Broken(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for StoreError {}

/// Which engine keeps the rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    /// sled 0.34.7 behind the guard.
    #[default]
    Sled,
    /// redb.
    Redb,
}

impl Engine {
    /// Every engine.
    pub const ALL: [Engine; 2] = [Engine::Sled, Engine::Redb];

    /// Its name, as in the configuration and in the data directory.
    pub fn name(self) -> &'static str {
        match self {
            Engine::Sled => "sled",
            Engine::Redb => "redb",
        }
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl std::str::FromStr for Engine {
    type Err = String;

    fn from_str(text: &str) -> Result<Engine, String> {
        Engine::ALL
            .into_iter()
            .find(|engine| engine.name() == text)
            .ok_or_else(|| format!("no engine is called {text:?}: use sled or redb"))
    }
}

/// A store as found on the disk.
pub struct Opened {
    /// The rows.
    pub store: Box<dyn Store>,
    /// Whether nothing was ever acknowledged here: the very first start.
    pub new: bool,
    /// Whether the rows come from the dump because the store itself was
    /// broken or gone, or its journal was: what was acknowledged last is lost,
    /// so serials must be raised past whatever was published. The row
    /// [`IMPORTED`] says so too, to this start and to later ones, until it is
    /// deleted.
    pub restored: bool,
    /// Loud words for the operator: the store was broken and the dump was
    /// taken, say.
    pub warnings: Vec<String>,
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened")
            .field("new", &self.new)
            .field("restored", &self.restored)
            .field("warnings", &self.warnings)
            .finish_non_exhaustive()
    }
}
