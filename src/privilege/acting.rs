//! What root does for another user, done as that user and no more: what is made
//! in their directory is theirs, and a link that they put there leads no further
//! than they may go themselves. Root again afterwards.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::unistd::{self, Gid, Uid};

use super::PrivilegeError;
use super::user::User;

/// Does some work in a directory that is there, as whoever owns it, if this is
/// root. The work is told how its user gets to the directory: not always by its
/// path, for systemd keeps those of users that come and go where only root does
/// (/var/lib/private). To be called while there is one thread.
///
/// # Errors
/// When root cannot open the directory, or become its owner.
pub fn as_owner_of<T>(
    directory: &Path,
    work: impl FnOnce(&Path) -> T,
) -> Result<T, PrivilegeError> {
    let owner = fs::metadata(directory).ok().filter(|found| found.is_dir() && found.uid() != 0);
    let Some(owner) = owner.filter(|_| rustix::process::geteuid().is_root()) else {
        return Ok(work(directory));
    };
    let open = File::open(directory).map_err(|error| {
        PrivilegeError(format!("{} cannot be opened: {error}", directory.display()))
    })?;
    let acting = Acting::begin(owner.uid(), owner.gid())?;
    let by_path = fs::metadata(directory.join(".")).is_ok();
    let within = match by_path {
        true => directory.to_owned(),
        false => PathBuf::from(format!("/proc/self/fd/{}", open.as_raw_fd())),
    };
    let done = work(&within);
    drop(acting);
    Ok(done)
}

/// Why a server could not read a file: one that becomes `user`, or that runs as
/// whoever owns its data directory. `None`: it can, or nobody but root can tell.
pub fn cannot_read(user: Option<&User>, data: &Path, file: &Path) -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let (who, uid, gid) = match user {
        Some(user) => {
            let identity = user.identity().ok()?;
            (identity.to_string(), identity.uid, identity.gid)
        }
        None => {
            let owner = fs::metadata(data).ok().filter(|found| found.uid() != 0)?;
            let name = unistd::User::from_uid(Uid::from_raw(owner.uid())).ok().flatten();
            let who = name.map_or_else(|| format!("user {}", owner.uid()), |user| user.name);
            (who, owner.uid(), owner.gid())
        }
    };
    let acting = Acting::begin(uid, gid).ok()?;
    let read = File::open(file).map(drop);
    drop(acting);
    let error = read.err()?;
    Some(match error.kind() {
        io::ErrorKind::PermissionDenied => format!(
            "{who}, as whom the server runs, cannot read {}: let it read the file, and into each \
             directory on the way",
            file.display()
        ),
        _ => format!("{who}, as whom the server runs, cannot read {}: {error}", file.display()),
    })
}

/// Root, being another for a while.
struct Acting {
    gid: Gid,
    groups: Vec<Gid>,
}

impl Acting {
    fn begin(uid: u32, gid: u32) -> Result<Acting, PrivilegeError> {
        let refused = |error: nix::Error| {
            PrivilegeError(format!(
                "root cannot act as user {uid} here: {error}; run this as that user"
            ))
        };
        let groups = unistd::getgroups().map_err(refused)?;
        // Root that may not do this, as in a container, has changed nothing yet.
        unistd::setgroups(&[]).map_err(refused)?;
        // Whatever fails from here on is undone by `drop`.
        let acting = Acting { gid: unistd::getegid(), groups };
        unistd::setegid(Gid::from_raw(gid)).map_err(refused)?;
        unistd::seteuid(Uid::from_raw(uid)).map_err(refused)?;
        Ok(acting)
    }
}

impl Drop for Acting {
    fn drop(&mut self) {
        let back = unistd::seteuid(Uid::from_raw(0))
            .and_then(|()| unistd::setegid(self.gid))
            .and_then(|()| unistd::setgroups(&self.groups));
        back.expect("the real and the saved user are root still");
    }
}
