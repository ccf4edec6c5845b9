//! Room on the disk. An engine that meets a full disk in the middle of a
//! write is hard to reason about (sled 0.34.7 may wait for ever for a write
//! that failed), so the blocks a group may need are allocated before the
//! engine hears of the group. No blocks: the group is refused and nothing was
//! touched.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{FallocateFlags, fallocate, fstatvfs};

use super::home::{is_full, private};

/// How much is allocated at a time, in bytes, so that most groups need no
/// call.
const STEP: u64 = 4 << 20;

/// What stays free on file systems that cannot allocate ahead, in bytes:
/// others write there too between our look and our write.
const MARGIN: u64 = 16 << 20;

/// Blocks allocated past the end of a growing file.
pub struct Room {
    file: File,
    /// Up to here blocks are allocated, as far as we know.
    until: u64,
    /// The length of the file when last seen.
    length: u64,
}

impl Room {
    /// For a file that an engine appends to.
    pub fn new(file: File) -> Room {
        Room { file, until: 0, length: 0 }
    }

    /// The file.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Makes sure that the file can grow by `bytes`.
    pub fn reserve(&mut self, bytes: u64) -> io::Result<()> {
        let length = self.file.metadata()?.len();
        if length < self.length {
            // Cut by the engine; what was allocated behind is gone.
            self.until = length;
        }
        self.length = length;
        if self.until.saturating_sub(length) >= bytes {
            return Ok(());
        }
        let want = bytes.max(STEP);
        match allocate(&self.file, length, want) {
            // Not a whole step: exactly what is needed may still fit.
            Err(e) if is_full(&e) && want > bytes => {
                allocate(&self.file, length, bytes)?;
                self.until = length + bytes;
            }
            other => {
                other?;
                self.until = length + want;
            }
        }
        Ok(())
    }
}

/// Allocates blocks for a range of a file without changing its length.
pub fn allocate(file: &File, offset: u64, length: u64) -> io::Result<()> {
    loop {
        match fallocate(file, FallocateFlags::KEEP_SIZE, offset, length) {
            Ok(()) => return Ok(()),
            Err(rustix::io::Errno::INTR) => {}
            Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => {
                // ZFS before 2.0, NFS before 4.2, FAT: the best one can do is look.
                let disk = fstatvfs(file)?;
                let free = disk.f_bavail.saturating_mul(disk.f_frsize);
                return if free >= length.saturating_add(MARGIN) {
                    Ok(())
                } else {
                    Err(io::Error::from(io::ErrorKind::StorageFull))
                };
            }
            Err(e) => return Err(e.into()),
        }
    }
}

/// A file that takes up room as long as the server runs. A start needs some
/// (sled writes a snapshot of its page table, redb a new root), and without
/// it a server whose disk filled up could not be started any more, to answer
/// at least what it knows.
pub struct Ballast {
    path: PathBuf,
    /// Whether it has less than it wants.
    short: AtomicBool,
}

impl Ballast {
    /// The least it wants, in bytes.
    const WANTED: u64 = 4 << 20;

    /// Less than this is of no use.
    const USEFUL: u64 = 64 << 10;

    /// In this directory.
    pub fn new(directory: &Path) -> Ballast {
        Ballast { path: directory.join("ballast"), short: AtomicBool::new(true) }
    }

    /// Gives the room free.
    pub fn free(&self) {
        // Not there at the first start; else the start will tell.
        let _ = fs::remove_file(&self.path);
    }

    /// Takes the room, twice the size of what a start writes, or what there is
    /// of it.
    pub fn take(&self, start_writes: u64) {
        let wanted = Self::WANTED.max(2 * start_writes);
        let Ok(file) = private().create(true).truncate(false).open(&self.path) else { return };
        let mut size = wanted;
        while size >= Self::USEFUL {
            if allocate(&file, 0, size).is_ok() {
                self.short.store(size < wanted, Ordering::Relaxed);
                return;
            }
            size /= 2;
        }
    }

    /// Whether the disk was too full to take all of it.
    pub fn is_short(&self) -> bool {
        self.short.load(Ordering::Relaxed)
    }
}
