//! Signals while the server starts. The start is held up by a zone file that is
//! a pipe: nothing of it comes until somebody writes there.

use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use crate::daemon::{Daemon, Home, ZONE, said, until, with_us};

/// A server that waits for its zone file.
fn held_up<'h>(home: &'h Home<'h>) -> Daemon<'h> {
    let zone = home.path().join("zones/dyn.example.org.zone");
    std::fs::remove_file(&zone).unwrap();
    let made = said(with_us("mkfifo").arg(&zone), "");
    assert!(made.status.success(), "{made}");
    home.spawn()
}

/// Whether the process does something of its own at SIGHUP (proc(5)).
fn takes_sighup(server: &Daemon) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.id())).unwrap();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap();
    u64::from_str_radix(caught.trim(), 16).unwrap() & 1 == 1
}

#[test]
fn a_reload_that_comes_too_early_is_done_once_it_runs() {
    let home = Home::new();
    let mut server = held_up(&home);
    until("it takes SIGHUP", Duration::from_secs(60), || takes_sighup(&server).then_some(()));
    server.signal("HUP");
    let pipe = home.path().join("zones/dyn.example.org.zone");
    let mut writer = std::fs::File::options().write(true).open(&pipe).unwrap();
    // Who reads it next finds a file.
    home.zone("next", ZONE);
    std::fs::rename(home.path().join("zones/next"), &pipe).unwrap();
    writer.write_all(ZONE.as_bytes()).unwrap();
    drop(writer);
    until("it reloads", Duration::from_secs(60), || {
        assert_eq!(server.ended(), None, "{}", home.log());
        home.log().contains("reload: zones served: 1").then_some(())
    });
    assert!(server.stop().success());
}

#[test]
fn a_start_is_ended_by_sigterm() {
    let home = Home::new();
    let server = held_up(&home);
    until("it takes SIGHUP", Duration::from_secs(60), || takes_sighup(&server).then_some(()));
    assert_eq!(server.stop().signal(), Some(15));
}
