//! The shim between a process and its disk; what it does stands in
//! `tests/crash/disk.c`.

use std::path::{Path, PathBuf};
use std::process::Command;

/// How a process gets it.
pub struct Shim {
    pub library: PathBuf,
    /// Where changes and syncs are written down.
    pub trace: PathBuf,
    /// A sync that does nothing.
    pub lie: Option<&'static str>,
}

impl Shim {
    pub fn attach(&self, command: &mut Command, directory: &Path, acks: &Path) {
        command
            .env("LD_PRELOAD", &self.library)
            .env("DISK_DIR", directory)
            .env("DISK_TRACE", &self.trace)
            .env("DISK_ACKS", acks);
        if let Some(call) = self.lie {
            command.env("DISK_LIE", call);
        }
    }
}

/// Compiles it.
pub fn compile(into: &Path) -> PathBuf {
    let library = into.join("disk.so");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/crash/disk.c");
    let output = Command::new("cc")
        .args(["-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o"])
        .args([library.as_os_str(), source.as_ref()])
        .arg("-ldl")
        .output()
        .expect("this test needs a C compiler called cc");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    library
}
