//! The disk under a server at work is full, fails, or becomes read-only, while
//! clients report all the time.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hickory_proto::rr::RecordType;
use truename::model::{Name, RecordType as Type};
use truename::registry::Command;
use truename::update::{Edit, RecordChange};

use super::super::crash::shim;
use super::super::daemon::{Daemon, Home, lookup, until};
use super::super::network::Space;
use super::super::reporters::Reporters;

const TXT: Type = Type::TXT;

#[test]
fn sled_when_the_disk_is_full() {
    // Too small for a journal: groups go to the engine itself.
    full("sled", "14m");
}

#[test]
fn redb_when_the_disk_is_full() {
    full("redb", "64m");
}

/// Hosts whose records fill the disk, and how many each command writes.
const GROWING: usize = 400;
const AT_ONCE: usize = 4;

/// A full disk: reports are refused (911), none is half taken, questions are
/// answered; a start needs no room. When there is room again, it goes on by
/// itself.
fn full(engine: &str, size: &str) {
    let space = Space::of_mounts();
    let home = Home::with_mounts(&space);
    let disk = home.path().join("disk");
    fs::create_dir(&disk).unwrap();
    space.set(&format!("mount -t tmpfs -o size={size} none {}", disk.display()));
    home.reconfigure("data = \"data\"", &format!("store = \"{engine}\"\ndata = \"disk/data\""));
    let filler = space.seen_from_outside(&disk).join("filler");

    let running = home.start();
    let reporters = Reporters::new(&home);
    add_growing(&home);
    let control = space.seen_from_outside(&disk).join("data/control");
    reporters.report_while(&home, || {
        reporters.wait_for_acknowledged(50);
        fill(&filler);
        // The room that it has in advance is used up first.
        let said = grow_until_refused(&control, &filler);
        assert!(said.contains("the disk is full"), "{said}");
        reporters.wait_for_refused(50);
        served(&home);
        // And it stays so.
        reporters.wait_for_refused(50);
    });
    reporters.check(&home, "the disk is full");
    assert!(home.log().contains("the disk is full"), "{}", home.log());

    // Nothing but memory knows more than the disk.
    running.kill();
    fill(&filler);
    let running = home.start();
    reporters.check(&home, "killed and started on a full disk");
    reporters.report_while(&home, || {
        served(&home);
        fs::remove_file(&filler).unwrap();
        reporters.wait_for_acknowledged(50);
    });
    reporters.check(&home, "there is room again");
    assert!(running.stop().success());
    let _running = home.start();
    reporters.check(&home, "after a restart");
}

/// Hosts without a word from them, to write records of.
fn add_growing(home: &Home) {
    let list = home.path().join("token.list");
    let lines = (0..GROWING).map(|n| format!("growing-token-{n:09}:g{n}\n"));
    fs::write(&list, lines.collect::<String>()).unwrap();
    home.done(&["import", "--from", "token.list", list.to_str().unwrap()]);
}

/// Writes as many records as a name can have, of one host after the other,
/// until the server refuses; what it says then.
fn grow_until_refused(control: &Path, filler: &Path) -> String {
    let mut socket = UnixStream::connect(control).unwrap();
    let mut replies = BufReader::new(socket.try_clone().unwrap());
    for turn in 0..4000 {
        let edits = (0..AT_ONCE).flat_map(|n| {
            let host = (turn * AT_ONCE + n) % GROWING;
            let name: Name = format!("g{host}.dyn.example.org").parse().unwrap();
            let empty = RecordChange::RemoveSet { rtype: TXT };
            let records = (0..7).map(move |record| {
                let fill = [(turn % 251) as u8, record].repeat(127);
                let rdata = [&[254][..], &fill].concat().repeat(7);
                RecordChange::Add { rtype: TXT, ttl: None, rdata, keep: None, newest: None }
            });
            std::iter::once(empty)
                .chain(records)
                .map(move |change| Edit { name: name.clone(), change })
        });
        let command = Command::Edit { edits: edits.collect() };
        socket.write_all(&serde_json::to_vec(&command).unwrap()).unwrap();
        socket.write_all(b"\n").unwrap();
        let mut reply = String::new();
        replies.read_line(&mut reply).unwrap();
        if reply.starts_with("{\"Err\"") {
            return reply;
        }
        fill(filler);
    }
    panic!("this disk does not fill up");
}

/// Takes all room there is.
fn fill(filler: &Path) {
    let mut file = File::options().create(true).append(true).open(filler).unwrap();
    for size in [1 << 20, 4096, 1] {
        while file.write_all(&vec![b'x'; size]).is_ok() {}
    }
}

/// What a stranger asks is answered all the while.
fn served(home: &Home) {
    for _ in 0..20 {
        let answer = lookup(home.dns, "www.dyn.example.org", RecordType::A).expect("an answer");
        assert_eq!(answer.data, ["192.0.2.80"]);
    }
}

/// A home whose disk fails when a test says so.
struct Failing {
    home: Home<'static>,
    library: PathBuf,
}

impl Failing {
    fn new(engine: &str) -> Failing {
        let home = Home::new();
        home.reconfigure("data = ", &format!("store = \"{engine}\"\ndata = "));
        let library = shim::compile(home.path());
        fs::create_dir(home.path().join("faults")).unwrap();
        Failing { home, library }
    }

    fn start(&self) -> Daemon<'_> {
        self.home.start_with(|command| {
            command
                .env("LD_PRELOAD", &self.library)
                .env("DISK_DIR", self.home.path().join("data"))
                .env("DISK_FAULTS", self.home.path().join("faults"));
        })
    }

    fn fail(&self, how: &str) {
        File::create(self.home.path().join("faults").join(how)).unwrap();
    }

    fn mend(&self, how: &str) {
        fs::remove_file(self.home.path().join("faults").join(how)).unwrap();
    }
}

#[test]
fn sled_when_writing_fails() {
    it_stops_and_starts_again("sled", "write");
}

#[test]
fn redb_when_writing_fails() {
    it_stops_and_starts_again("redb", "write");
}

#[test]
fn sled_when_fsync_fails() {
    it_stops_and_starts_again("sled", "fsync");
}

#[test]
fn redb_when_fsync_fails() {
    it_stops_and_starts_again("redb", "fsync");
}

#[test]
fn sled_when_the_disk_becomes_read_only() {
    it_stops_and_starts_again("sled", "read-only");
}

#[test]
fn redb_when_the_disk_becomes_read_only() {
    it_stops_and_starts_again("redb", "read-only");
}

/// What the disk says that it cannot do: nobody knows what is on it, so the
/// server stops at once and says why; on a disk that works it starts again,
/// with everything that was acknowledged. On one that does not it says so, and
/// destroys nothing.
fn it_stops_and_starts_again(engine: &str, how: &str) {
    let failing = Failing::new(engine);
    let home = &failing.home;
    let mut running = failing.start();
    let reporters = Reporters::new(home);
    let status = reporters.report_while(home, || {
        reporters.wait_for_acknowledged(50);
        served(home);
        failing.fail(how);
        until("it stops", Duration::from_secs(60), || running.ended())
    });
    assert_eq!(status.signal(), Some(6), "aborted, so that a unit starts it again: {status}");
    assert!(home.log().contains("stopping at once"), "{}", home.log());
    drop(running);

    for _ in 0..2 {
        let mut starting = failing.spawn();
        let status = until("it does not start", Duration::from_secs(60), || starting.ended());
        assert!(!status.success(), "{status}");
    }
    failing.mend(how);
    let running = failing.start();
    reporters.check(home, "started on a disk that works");
    reporters.report_while(home, || reporters.wait_for_acknowledged(50));
    assert!(running.stop().success());
    let _running = failing.start();
    reporters.check(home, "after a restart");
    assert!(!home.log().contains("BROKEN"), "{}", home.log());
}

impl Failing {
    /// Started, and not waited for.
    fn spawn(&self) -> Daemon<'_> {
        self.home.spawn_with(|command| {
            command
                .env("LD_PRELOAD", &self.library)
                .env("DISK_DIR", self.home.path().join("data"))
                .env("DISK_FAULTS", self.home.path().join("faults"));
        })
    }
}
