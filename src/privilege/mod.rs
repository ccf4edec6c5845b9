//! What the server may do to the machine it runs on: it opens its ports with
//! what that takes, and goes on with nothing.
//!
//! ```text
//! root        ─ ports ─▶ another user ─▶ no capabilities ─▶ landlock ─▶ threads
//! a user with
//! CAP_NET_BIND_SERVICE ─ ports ─────────▶ no capabilities ─▶ landlock ─▶ threads
//! ```
//!
//! In this order, and before there is a second thread: user, capabilities and
//! landlock belong to a thread, and only those that are started afterwards
//! have them, too. What was given up is asked for again at the end, and must
//! be refused.

mod acting;
mod confine;
mod directory;
mod user;

use std::fmt;
use std::io;
use std::path::Path;

use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, clear_ambient_capability_set, no_new_privs,
    remove_capability_from_bounding_set, set_capabilities, set_no_new_privs,
};

pub use acting::{as_owner_of, cannot_read};
pub use confine::{Confined, confine};
pub use directory::make;
pub use user::{User, UserError};

use user::Identity;

/// Why the server cannot run with less: a sentence that says what to do.
#[derive(Debug)]
pub struct PrivilegeError(String);

impl fmt::Display for PrivilegeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for PrivilegeError {}

/// What is decided before anything is opened: as whom the server is to go on.
#[derive(Debug)]
pub enum Plan {
    /// As whom it was started, who is not root.
    Stay,
    /// As root, since nobody says as whom else.
    StayRoot,
    /// As this user, once the ports are open.
    Become(Identity),
}

/// Finds the user, and gives the data directory to them.
///
/// # Errors
/// When there is no such user, when it is root, when another user than root
/// was to become it, or when the data directory is somebody else's.
pub fn plan(user: Option<&User>, data: &Path) -> Result<Plan, PrivilegeError> {
    let us = rustix::process::geteuid().as_raw();
    let plan = match user.map(User::identity).transpose()? {
        None if us == 0 => Plan::StayRoot,
        None => Plan::Stay,
        Some(identity) if identity.uid == us => Plan::Stay,
        Some(identity) if us == 0 => Plan::Become(identity),
        Some(identity) => {
            return Err(PrivilegeError(format!(
                "`user` says {identity}, and this was started by user {us}, who can become nobody \
                 else; start it as root or as {identity}, or take `user` out of the configuration"
            )));
        }
    };
    if let Plan::Become(identity) = &plan {
        directory::give(data, identity)?;
    }
    Ok(plan)
}

/// Gives up everything that opening the ports took, and sees to it that
/// nothing of it comes back. To be called while there is one thread.
///
/// # Errors
/// When the system does not let the process become the user, or leaves it a
/// way back.
pub fn drop(plan: &Plan) -> Result<(), PrivilegeError> {
    if let Plan::Become(identity) = plan {
        // Root may change this set only as long as it is root.
        empty_bounding_set();
        identity.become_it()?;
    }
    let keep = match plan {
        // Root's files are open to root without any capability. Whoever runs it
        // as root may have zones and keys that are not root's.
        Plan::StayRoot => CapabilitySet::DAC_READ_SEARCH,
        Plan::Stay | Plan::Become(_) => CapabilitySet::empty(),
    };
    empty_bounding_set();
    match give_up(keep) {
        Ok(()) => verify(plan, keep),
        // A unit of systemd's from before this was asked for. What the operator
        // gave it is no reason not to serve.
        Err(error) if matches!(plan, Plan::Stay) => {
            tracing::warn!(
                "the capabilities of this process cannot be given up: {error}; if this is a \
                 systemd unit, SystemCallFilter=capset lets it"
            );
            Ok(())
        }
        Err(error) => Err(PrivilegeError(format!(
            "the capabilities of this process cannot be given up: {error}"
        ))),
    }
}

/// No program started from here could get a capability again. Needs one
/// itself; without it, `no_new_privs` sees to the same.
fn empty_bounding_set() {
    for capability in CapabilitySet::all().iter() {
        let _ = remove_capability_from_bounding_set(capability);
    }
}

fn give_up(keep: CapabilitySet) -> io::Result<()> {
    clear_ambient_capability_set()?;
    let had = capabilities(None)?;
    let left = had.permitted & keep;
    let sets =
        CapabilitySets { effective: left, permitted: left, inheritable: CapabilitySet::empty() };
    if sets != had {
        set_capabilities(None, sets)?;
    }
    set_no_new_privs(true)?;
    Ok(())
}

/// Asks for what was given up.
fn verify(plan: &Plan, keep: CapabilitySet) -> Result<(), PrivilegeError> {
    let back = |what: &str| {
        Err(PrivilegeError(format!(
            "this system lets the process {what} after it gave that up; it will not serve like that"
        )))
    };
    if let Plan::Become(identity) = plan
        && !identity.is_final()
    {
        return back("become root");
    }
    let left = capabilities(None).map_err(|error| PrivilegeError(error.to_string()))?;
    if !(left.permitted | left.effective | left.inheritable).difference(keep).is_empty() {
        return back("keep capabilities");
    }
    if !no_new_privs().unwrap_or(false) {
        return back("gain privileges");
    }
    Ok(())
}
