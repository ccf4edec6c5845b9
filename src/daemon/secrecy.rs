//! What others of this machine get of the server: nothing of its memory, and
//! nothing of its data directory.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::DaemonError;
use crate::config::Config;

/// Closes the memory, and looks at who may use the data directory. After the
/// privileges are dropped, for that opens the memory again (prctl(2)).
///
/// # Errors
/// When anybody may write into the data directory.
pub fn keep(config: &Config) -> Result<(), DaemonError> {
    if !config.core_dumps {
        close_memory();
    }
    look_at(&config.data)
}

/// There are secrets in it: tokens as they arrive, the key of the certificate.
/// No core dump is written, and no debugger of the same user may look.
fn close_memory() {
    use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    let limited = setrlimit(Resource::Core, none);
    let closed = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    if let Err(error) = limited.and(closed) {
        tracing::warn!("a core dump of this process would have secrets in it: {error}");
    }
}

/// The files in it are their owner's alone. Whoever may write into it could put
/// others in their place.
fn look_at(data: &Path) -> Result<(), DaemonError> {
    let Ok(found) = data.metadata() else { return Ok(()) };
    let mode = found.permissions().mode();
    let data = data.display();
    if mode & 0o002 != 0 {
        return Err(super::failed(format_args!(
            "anybody may write into the data directory {data}: chmod 700 {data}"
        )));
    }
    if mode & 0o077 != 0 {
        tracing::warn!(
            "others than its owner may use the data directory {data} (mode {:o}): chmod 700 {data}",
            mode & 0o777
        );
    }
    Ok(())
}
