//! landlock(7): what this process may touch, whoever has taken it over. It
//! writes in the data directory, reads what it was told of, runs no program,
//! and opens no TCP connection or port.

use std::fmt;
use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, PathBeneath, PathFd,
    Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetError, RulesetStatus, Scope,
    path_beneath_rules,
};

use super::PrivilegeError;

/// The newest rules that are asked for. An older kernel enforces what it
/// knows of them: files from 5.13, TCP from 6.7, signals from 6.12.
const NEWEST: ABI = ABI::V6;

/// Where the runtime and the store look how much memory and how many cores
/// they may use.
const SYSTEM: [&str; 2] = ["/proc", "/sys/fs/cgroup"];

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Confined {
    /// All that is asked for is enforced.
    Fully,
    /// The kernel knows an older form: TCP is not restricted, say.
    Partly,
    /// The kernel has none.
    Not,
}

impl fmt::Display for Confined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Confined::Fully => "landlock: writes in the data directory alone, no programs, no TCP",
            Confined::Partly => {
                "landlock: writes in the data directory alone, no programs; this kernel knows no more"
            }
            Confined::Not => "this kernel has no landlock; the rights of the user are the limit",
        })
    }
}

/// From now on this thread, and those it starts, write in `data` alone, and
/// read there and in `readable`. `data` must exist; what of `readable` does
/// not is left out.
///
/// # Errors
/// When the rules cannot be made, though the kernel knows them.
pub fn confine(data: &Path, readable: &[PathBuf]) -> Result<Confined, PrivilegeError> {
    let refused = |error: &dyn fmt::Display| {
        PrivilegeError(format!(
            "the server cannot be confined to {}: {error}; `confine = false` in the \
             configuration starts it without landlock",
            data.display()
        ))
    };
    let directory = PathFd::new(data).map_err(|error| refused(&error))?;
    match restrict(directory, readable) {
        Ok(RulesetStatus::FullyEnforced) => Ok(Confined::Fully),
        Ok(RulesetStatus::PartiallyEnforced) => Ok(Confined::Partly),
        Ok(RulesetStatus::NotEnforced) => Ok(Confined::Not),
        Err(error) => Err(refused(&error)),
    }
}

fn restrict(data: PathFd, readable: &[PathBuf]) -> Result<RulesetStatus, RulesetError> {
    let read: BitFlags<AccessFs> = AccessFs::ReadFile | AccessFs::ReadDir;
    let no_part_of_it =
        AccessFs::Execute | AccessFs::MakeChar | AccessFs::MakeBlock | AccessFs::IoctlDev;
    let own = AccessFs::from_all(NEWEST) & !no_part_of_it;
    let readable = SYSTEM.iter().map(Path::new).chain(readable.iter().map(PathBuf::as_path));
    let status = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(NEWEST))?
        .handle_access(AccessNet::from_all(NEWEST))?
        // Not the abstract sockets: systemd's for READY=1 may be one.
        .scope(Scope::Signal)?
        .create()?
        .add_rules(path_beneath_rules(readable, read))?
        .add_rule(PathBeneath::new(data, own))?
        .restrict_self()?;
    Ok(status.ruleset)
}
