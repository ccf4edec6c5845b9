//! The data directory: who may use it, and the file operations that are
//! durable when they return.

use std::fmt;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::{Engine, StoreError};

/// The file that is locked by whoever uses the directory.
pub const LOCK: &str = "lock";

/// What is written down of a store at its start and at its stop: one line, or
/// two.
///
/// ```text
/// revision 1234
/// journal 8388608
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ready {
    /// How many groups it had.
    pub revision: u64,
    /// How long its journal is, in bytes, if there may be groups that stand
    /// there alone. After a stop there are none, and the store is whole
    /// without it.
    pub journal: Option<u64>,
}

impl Ready {
    fn parse(text: &str) -> Option<Ready> {
        let mut lines = text.trim_end().lines();
        let revision = lines.next()?.strip_prefix("revision ")?.trim_end().parse().ok()?;
        let journal = match lines.next() {
            Some(line) => Some(line.strip_prefix("journal ")?.parse().ok()?),
            None => None,
        };
        lines.next().is_none().then_some(Ready { revision, journal })
    }
}

impl fmt::Display for Ready {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "revision {}", self.revision)?;
        self.journal.map_or(Ok(()), |length| writeln!(f, "journal {length}"))
    }
}

/// A data directory that is ours alone as long as this value lives.
pub struct Home {
    directory: PathBuf,
    /// Unlocking it gives the directory to the next.
    lock: File,
}

/// Closing the file would unlock it only when every copy of the descriptor is
/// closed, and a process that is just being started from this one has a copy
/// until it runs its program (flock(2)).
impl Drop for Home {
    fn drop(&mut self) {
        let _ = self.lock.unlock();
    }
}

impl Home {
    /// Makes the directory if it is missing (mode 0700) and takes its lock.
    pub fn claim(directory: &Path) -> Result<Home, StoreError> {
        if !directory.is_dir() {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(directory)
                .map_err(|e| trouble("cannot make the data directory", directory, &e))?;
            if let Some(parent) = directory.canonicalize().ok().as_deref().and_then(Path::parent) {
                // Another owner's parent may not be readable; then its owner
                // made our directory long ago.
                let _ = sync_directory(parent);
            }
        }
        refuse_as_root(directory)?;
        let path = directory.join(LOCK);
        let lock = private()
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(|e| trouble("cannot use the data directory:", &path, &e))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(StoreError::Locked(directory.into())),
            Err(TryLockError::Error(e)) => return Err(trouble("cannot lock", &path, &e)),
        }
        Ok(Home { directory: directory.into(), lock })
    }

    /// Whether the directory is still at its path. What is written into one
    /// that was moved, deleted or replaced would not be found by the next
    /// start, so nothing is to be acknowledged from it.
    pub fn in_place(&self) -> Result<(), StoreError> {
        let path = self.path(LOCK);
        let ours = self.lock.metadata();
        let gone = match (ours, fs::metadata(&path)) {
            (Ok(ours), Ok(there)) => (ours.dev(), ours.ino()) != (there.dev(), there.ino()),
            // Closed to us, by a wrong chmod say: what is open stays so, and
            // the next start says it.
            (_, Err(e)) if e.kind() == io::ErrorKind::PermissionDenied => false,
            (_, Err(_)) | (Err(_), _) => true,
        };
        if !gone {
            return Ok(());
        }
        Err(StoreError::Broken(format!(
            "the data directory {} was moved or deleted while the server runs, so nothing is \
             written down; put it back, or stop the server and start it where its data is",
            self.directory.display()
        )))
    }

    /// A file or directory in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// The directory itself.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The file that says what a store was when it was last known to be whole.
    /// Without it nothing was ever acknowledged from that store.
    fn ready_file(&self, engine: Engine) -> PathBuf {
        match engine {
            Engine::Sled => self.path("sled/READY"),
            Engine::Redb => self.path("redb.ready"),
        }
    }

    /// An engine's journal.
    pub fn journal_file(&self, engine: Engine) -> PathBuf {
        match engine {
            Engine::Sled => self.path("sled/journal"),
            Engine::Redb => self.path("redb.journal"),
        }
    }

    /// What a store was at its last start or stop; `None` when nothing was
    /// ever acknowledged from it.
    pub fn ready(&self, engine: Engine) -> Result<Option<Ready>, StoreError> {
        let path = self.ready_file(engine);
        match fs::read_to_string(&path) {
            Ok(text) => match Ready::parse(&text) {
                Some(ready) => Ok(Some(ready)),
                None => Err(self.damaged_ready(engine, &path)),
            },
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(trouble("cannot read", &path, &e)),
        }
    }

    /// Without the second line what stands in the journal would not count.
    fn damaged_ready(&self, engine: Engine, path: &Path) -> StoreError {
        let journal = match fs::metadata(self.journal_file(engine)) {
            Ok(journal) => format!(", and `journal {}` in a second line,", journal.len()),
            Err(_) => String::new(),
        };
        StoreError::Broken(format!(
            "{} is damaged: it should read `revision` and a number; put `revision 0`{journal} there to go on",
            path.display()
        ))
    }

    /// Writes that down.
    pub fn set_ready(&self, engine: Engine, ready: Ready) -> Result<(), StoreError> {
        let path = self.ready_file(engine);
        replace(&path, |file| write!(file, "{ready}"))
            .map_err(|e| trouble("cannot write", &path, &e))
    }

    /// Renames the files of a store to `NAME.WHY-N` with the first free number
    /// and says where the store is now. Nothing is ever deleted.
    pub fn set_aside(&self, engine: Engine, why: &str) -> Result<PathBuf, StoreError> {
        let name = engine.name();
        let aside = |n: u32, suffix: &str| self.path(&format!("{name}.{why}-{n}{suffix}"));
        let n = (1..)
            .find(|&n| !["", ".ready", ".journal"].iter().any(|suffix| aside(n, suffix).exists()))
            .expect("a directory holds fewer than 2^32 files");
        if engine == Engine::Redb {
            // Without the file that says that there is a store, what is left
            // after a crash would be made anew.
            self.rename_if_there(&self.journal_file(engine), &aside(n, ".journal"))?;
            // And a crash after it leaves rows that nobody counts on.
            self.rename_if_there(&self.path("redb.ready"), &aside(n, ".ready"))?;
        }
        self.rename_if_there(&self.path(name), &aside(n, ""))?;
        sync_directory(&self.directory)
            .map_err(|e| trouble("cannot write", &self.directory, &e))?;
        Ok(aside(n, ""))
    }

    /// Renames a journal to `ENGINE.broken-N.journal` in the data directory,
    /// if there is one, and says where it is now.
    pub fn set_journal_aside(&self, engine: Engine) -> Result<PathBuf, StoreError> {
        let aside = (1..)
            .map(|n: u32| self.path(&format!("{engine}.broken-{n}.journal")))
            .find(|path| !path.exists())
            .expect("a directory holds fewer than 2^32 files");
        let path = self.journal_file(engine);
        self.rename_if_there(&path, &aside)?;
        for directory in [path.parent().expect("a file is in a directory"), &self.directory] {
            sync_directory(directory).map_err(|e| trouble("cannot write", directory, &e))?;
        }
        Ok(aside)
    }

    fn rename_if_there(&self, from: &Path, to: &Path) -> Result<(), StoreError> {
        match fs::rename(from, to) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => {
                Err(trouble("cannot rename", from, &e))
            }
            _ => Ok(()),
        }
    }
}

/// Root in somebody's directory would leave files there that the owner cannot
/// open at the next start.
fn refuse_as_root(directory: &Path) -> Result<(), StoreError> {
    let owner =
        fs::metadata(directory).map_err(|e| trouble("cannot look at", directory, &e))?.uid();
    if rustix::process::geteuid().is_root() && owner != 0 {
        return Err(StoreError::Broken(format!(
            "{} belongs to user {owner} and this runs as root; start it by its systemd unit, or with `user = \"{owner}\"` in the configuration, or chown the directory to root",
            directory.display()
        )));
    }
    Ok(())
}

/// An I/O error as an operator needs it.
pub fn trouble(what: &str, path: &Path, error: &io::Error) -> StoreError {
    if is_full(error) {
        return StoreError::Full;
    }
    let advice = match error.kind() {
        io::ErrorKind::PermissionDenied => {
            let us = rustix::process::geteuid().as_raw();
            let owner = path
                .ancestors()
                .find_map(|p| fs::metadata(p).ok().map(|m| (p.to_path_buf(), m.uid())));
            match owner {
                Some((path, uid)) if uid != us => format!(
                    "; {} belongs to user {uid} and this runs as user {us}: run it as that user, or chown it",
                    path.display()
                ),
                _ => "; give this user the right to write there".into(),
            }
        }
        io::ErrorKind::ReadOnlyFilesystem => "; the file system is mounted read-only".into(),
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
            "; the data directory must be a directory".into()
        }
        _ => String::new(),
    };
    StoreError::Broken(format!("{what} {}: {error}{advice}", path.display()))
}

/// Whether there is no room: on the disk, in the user's quota, or by the
/// process's limit on file sizes.
pub fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
    )
}

/// Options for a file that only its owner reads.
pub fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600);
    options
}

/// Replaces a file: a temporary one beside it, fsync, rename, fsync of the
/// directory. Whoever reads it finds the old content or the new.
pub fn replace(
    path: &Path,
    fill: impl FnOnce(&mut dyn io::Write) -> io::Result<()>,
) -> io::Result<()> {
    let mut name = path.file_name().expect("a file has a name").to_os_string();
    name.push(".new");
    let temporary = path.with_file_name(name);
    let written = (|| {
        let file = private().create(true).truncate(true).open(&temporary)?;
        let mut buffer = io::BufWriter::new(file);
        fill(&mut buffer)?;
        buffer.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        fs::rename(&temporary, path)
    })();
    if written.is_err() {
        // Half a file is of no use and takes room.
        let _ = fs::remove_file(&temporary);
        return written;
    }
    sync_directory(path.parent().expect("a file is in a directory"))
}

/// Makes what was created, renamed and removed in a directory durable.
pub fn sync_directory(path: &Path) -> io::Result<()> {
    // The parent of a bare file name is the empty path.
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    File::open(path)?.sync_all()
}

/// Makes every file under a directory, and the directories, durable, and
/// readable by nobody else.
pub fn sync_tree(path: &Path) -> io::Result<()> {
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_tree(&entry.path())?;
        } else {
            let file = File::open(entry.path())?;
            file.set_permissions(fs::Permissions::from_mode(0o600))?;
            file.sync_all()?;
        }
    }
    sync_directory(path)
}

/// Has what is read from a file from now on come from the disk. After a failed
/// fsync the kernel may hold pages that it takes for written and the disk has
/// not; a start that read those would acknowledge what the next power cut
/// takes away. What can still be written is, and the rest is forgotten.
pub fn from_disk(file: &File) -> io::Result<()> {
    file.sync_all()?;
    // A file system that keeps nothing but memory need not listen.
    let _ = rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::DontNeed);
    Ok(())
}

/// The same for every file under a directory.
pub fn tree_from_disk(path: &Path) -> io::Result<()> {
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            tree_from_disk(&entry.path())?;
        } else {
            from_disk(&File::open(entry.path())?)?;
        }
    }
    Ok(())
}

/// Ends the process. For the moments in which nobody can know any more what
/// is on the disk, a failed fsync above all: the kernel may have dropped the
/// pages, and a second fsync would report success (retrying is how databases
/// lost data in 2018). What was acknowledged is on the disk; the next start
/// reads it from there ([`from_disk`]).
pub fn abort(what: &str, error: &dyn std::fmt::Display) -> ! {
    tracing::error!(
        "{what}: {error}; stopping at once so that nothing is acknowledged that is not on disk"
    );
    eprintln!(
        "truename: {what}: {error}; stopping at once so that nothing is acknowledged that is not on disk"
    );
    std::process::abort()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::io::{Errno, ReadWriteFlags, preadv2};

    /// A read that does not wait for the disk finds what memory holds.
    #[test]
    fn what_a_start_reads_comes_from_the_disk() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("below/file");
        fs::create_dir(path.parent().unwrap()).unwrap();
        fs::write(&path, [7; 8192]).unwrap();
        let file = File::open(&path).unwrap();
        let in_memory = || {
            let mut byte = [0];
            let into = &mut [io::IoSliceMut::new(&mut byte)];
            preadv2(&file, into, 0, ReadWriteFlags::NOWAIT).map(|_| byte[0])
        };
        assert!(matches!(in_memory(), Ok(7) | Err(Errno::OPNOTSUPP)), "{:?}", in_memory());
        // Where files are in memory alone, they stay there.
        const TMPFS: u64 = 0x0102_1994;
        let is_in_memory_alone = rustix::fs::fstatfs(&file).unwrap().f_type as u64 == TMPFS;
        // What somebody else is just busy with, the kernel keeps for a moment.
        let is_forgotten = (0..1000).any(|_| {
            tree_from_disk(directory.path()).unwrap();
            matches!(in_memory(), Err(Errno::AGAIN | Errno::OPNOTSUPP))
        });
        assert!(is_forgotten || is_in_memory_alone);
        assert_eq!(fs::read(&path).unwrap(), [7; 8192]);
    }
}
