//! The data directory of a server that is to become another user: theirs,
//! before the server is.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, lchown};
use std::path::Path;

use super::PrivilegeError;
use super::user::Identity;

/// What says that a directory of root's is a data directory, which may be
/// given away with all that is in it: the store's lock.
const MARK: &str = "lock";

/// Makes the directory if it is missing, and gives it to the user if it is
/// root's: new, empty, or that of a server which ran as root until now.
pub(super) fn give(directory: &Path, to: &Identity) -> Result<(), PrivilegeError> {
    let trouble = |what: &str, error: &io::Error| trouble(directory, what, error);
    make(directory)?;
    // What a link points to is given, not the link.
    let directory = &directory.canonicalize().map_err(|error| trouble("found", &error))?;
    let found = fs::metadata(directory).map_err(|error| trouble("looked at", &error))?;
    if found.uid() == to.uid {
        return Ok(());
    }
    let advice = |why: &str| {
        PrivilegeError(format!(
            "the data directory {} {why}; if it is truename's: chown -R {}:{} {}",
            directory.display(),
            to.uid,
            to.gid,
            directory.display()
        ))
    };
    if found.uid() != 0 {
        return Err(advice(&format!("belongs to user {}, and not to {to}", found.uid())));
    }
    if found.mode() & 0o022 != 0 {
        return Err(advice("is one where others than root may write"));
    }
    let empty = fs::read_dir(directory).is_ok_and(|mut entries| entries.next().is_none());
    if !empty && !directory.join(MARK).exists() {
        return Err(advice("is root's, and holds something else than a store"));
    }
    let given = give_all(directory, to).map_err(|error| trouble("given away", &error))?;
    tracing::info!(
        "the data directory {} was root's; it and {given} things in it are {to}'s now",
        directory.display()
    );
    Ok(())
}

/// Makes the directory, for its owner alone, if it is missing. What is there
/// and is no directory is left to the store, which knows what to say of it.
///
/// # Errors
/// When it cannot be made.
pub fn make(directory: &Path) -> Result<(), PrivilegeError> {
    if directory.exists() {
        return Ok(());
    }
    let made = (|| {
        DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        if let Some(parent) = directory.canonicalize()?.parent() {
            // Another owner's parent may not be readable; then its owner made
            // our directory long ago.
            let _ = File::open(parent).and_then(|parent| parent.sync_all());
        }
        Ok(())
    })();
    made.map_err(|error| trouble(directory, "made", &error))
}

fn trouble(directory: &Path, what: &str, error: &io::Error) -> PrivilegeError {
    PrivilegeError(format!("the data directory {} cannot be {what}: {error}", directory.display()))
}

/// Gives what is inside first, so that one which was interrupted is root's
/// still, and is done again. Links are given themselves, and not followed.
fn give_all(directory: &Path, to: &Identity) -> io::Result<u64> {
    let mut given = 0;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            given += give_all(&entry.path(), to)?;
        } else {
            lchown(entry.path(), Some(to.uid), Some(to.gid))?;
        }
        given += 1;
    }
    lchown(directory, Some(to.uid), Some(to.gid))?;
    Ok(given)
}
