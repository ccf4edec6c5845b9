//! The only disk. A [`Store`] keeps rows, text key to bytes, and commits
//! groups of writes that are on disk when the call returns.

use std::fmt;
use std::path::Path;

/// One row: its key and its value.
pub type Row = (String, Vec<u8>);

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
    /// bytes. An empty prefix: everything.
    fn rows<'a>(&'a self, prefix: &str) -> Box<dyn Iterator<Item = Result<Row, StoreError>> + 'a>;

    /// Writes a group, all or nothing, durable (fsync) when it returns `Ok`.
    /// After an error nothing of the group is visible now or at the next open
    /// and the store goes on; where that cannot be promised (a failed fsync)
    /// the process aborts.
    fn commit(&self, group: &[Write]) -> Result<(), StoreError>;
}

/// Why a store does not do what it was asked.
#[derive(Debug)]
pub enum StoreError {
    /// Another process has it open.
    Locked(std::path::PathBuf),
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
            StoreError::Full => f.write_str("the disk is full; nothing was written"),
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

/// A store as found on the disk.
pub struct Opened {
    /// The rows.
    pub store: Box<dyn Store>,
    /// Whether nothing was ever acknowledged here: the very first start.
    pub new: bool,
    /// Loud words for the operator: the store was broken and the dump was
    /// taken, say.
    pub warnings: Vec<String>,
}

/// Opens the store in `directory` (made if missing).
pub fn open(engine: Engine, directory: &Path) -> Result<Opened, StoreError> {
    let _ = (engine, directory);
    todo!()
}
