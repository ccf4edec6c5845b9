//! What was acknowledged is there after the process or the power went away,
//! for every engine.
//!
//! `kill -9` leaves what was written, synced or not; a power cut only what was
//! synced. The first is done to a writing process, again and again on the same
//! directory. The second is played: a shim (`tests/crash/disk.c`) writes down
//! every write and every sync of such a process, and `power.rs` rebuilds the
//! directory as a disk might have it that lost power after any one of them.
//!
//! Some of it happens to a journal of 128 KiB, in which the room of a group is
//! used again after some twenty others.
//!
//! `TRUENAME_CRASH_ROUNDS=N` makes the runs N times as long.

mod power;
pub mod shim;
mod writer;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use truename::store::{self, Engine};

use crate::journal::make_small;
use power::{Disk, Trace};
use writer::{Acked, Moment, Seen, Writer};

/// Cheap random numbers (xorshift64*), the same for the same seed.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed | 1)
    }

    /// A number below `n`.
    pub fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) % n.max(1)
    }
}

/// How much longer than usual runs are to be.
pub fn rounds() -> u64 {
    std::env::var("TRUENAME_CRASH_ROUNDS").map_or(1, |n| n.parse().expect("a number of rounds"))
}

#[test]
fn sled_keeps_what_it_acknowledged_when_killed() {
    killed("crash::sled_keeps_what_it_acknowledged_when_killed", Engine::Sled);
}

#[test]
fn redb_keeps_what_it_acknowledged_when_killed() {
    killed("crash::redb_keeps_what_it_acknowledged_when_killed", Engine::Redb);
}

fn killed(test: &'static str, engine: Engine) {
    writer::play_if_asked();
    let directory = tempfile::tempdir().unwrap();
    let mut random = Random::new(0x6b69_6c6c);
    let mut acked = Acked::default();
    let (mut opening, mut writing) = (0, 0);
    let rounds = 30 * rounds();
    let start = Instant::now();
    for round in 0..rounds {
        if round == 6 {
            shrink(engine, &directory.path().join("data"));
        }
        let writer = Writer { test, engine, directory: directory.path().join("data"), shim: None };
        let micros = random.below(80_000);
        let moment = if round % 2 == 0 {
            // redb opens in few milliseconds, sled in many.
            Moment::Opening(Duration::from_micros(micros >> random.below(6)))
        } else {
            Moment::Open(Duration::from_micros(micros))
        };
        let said = writer.run(&directory.path().join("acks"), &acked, moment);
        if let Some(lost) = said.lost {
            panic!("round {round}: {lost}");
        }
        if said.opened {
            writing += 1
        } else {
            opening += 1
        }
        acked = said.acked;
    }
    let opened = store::open(engine, &directory.path().join("data")).unwrap();
    assert_eq!(opened.warnings, Vec::<String>::new());
    writer::check(&*opened.store, &acked).unwrap();
    eprintln!(
        "{engine}: {rounds} kills in {:.0?}, {opening} while opening, {writing} while writing; \
         {} groups acknowledged, none lost, none torn",
        start.elapsed(),
        acked.groups(),
    );
    assert!(opening > 0 && acked.groups() > 20, "the kills missed the store");
}

#[test]
fn sled_keeps_what_it_acknowledged_when_the_power_fails() {
    let test = "crash::sled_keeps_what_it_acknowledged_when_the_power_fails";
    power_fails(test, Engine::Sled, None).expect_no_loss();
}

#[test]
fn redb_keeps_what_it_acknowledged_when_the_power_fails() {
    let test = "crash::redb_keeps_what_it_acknowledged_when_the_power_fails";
    power_fails(test, Engine::Redb, None).expect_no_loss();
}

/// The suite is worth something: without the guard's fdatasync it fails.
#[test]
fn sled_without_the_fdatasync_is_caught() {
    power_fails("crash::sled_without_the_fdatasync_is_caught", Engine::Sled, Some("fdatasync"))
        .expect_loss();
}

#[test]
fn redb_without_its_fdatasync_is_caught() {
    power_fails("crash::redb_without_its_fdatasync_is_caught", Engine::Redb, Some("fdatasync"))
        .expect_loss();
}

/// What came of a number of power cuts.
struct Cuts {
    engine: Engine,
    cuts: u64,
    groups: u64,
    failures: Vec<String>,
    took: Duration,
}

impl Cuts {
    fn say(&self, how: &str) {
        eprintln!(
            "{}{how}: {} power cuts in {:.0?}, {} groups acknowledged before them, {} with loss",
            self.engine,
            self.cuts,
            self.took,
            self.groups,
            self.failures.len(),
        );
    }

    fn expect_no_loss(self) {
        self.say("");
        assert!(self.groups > 20, "hardly anything was acknowledged");
        assert_eq!(self.failures, Vec::<String>::new());
    }

    fn expect_loss(self) {
        self.say(" without fdatasync");
        assert!(!self.failures.is_empty(), "{} cuts, and no loss noticed", self.cuts);
    }
}

/// Lets a writer run with the shim, cuts the power at several points of its
/// trace, and goes on from what one of the cuts left.
fn power_fails(test: &'static str, engine: Engine, lie: Option<&'static str>) -> Cuts {
    writer::play_if_asked();
    let (runs, cuts_a_run) = if lie.is_some() { (2, 8) } else { (5 * rounds(), 12) };
    let work = tempfile::tempdir().unwrap();
    let library = shim::compile(work.path());
    let mut random = Random::new(0x0070_6f77_6572);
    let mut result =
        Cuts { engine, cuts: 0, groups: 0, failures: Vec::new(), took: Duration::ZERO };
    let start = Instant::now();
    let mut acked = Acked::default();
    let directory = work.path().join("data");
    for run in 0..runs {
        let before = Disk::load(&directory);
        let trace_file = work.path().join("trace");
        let _ = fs::remove_file(&trace_file);
        let shim = shim::Shim { library: library.clone(), trace: trace_file.clone(), lie };
        let writer = Writer { test, engine, directory: directory.clone(), shim: Some(shim) };
        let moment = Moment::Open(Duration::from_micros(100_000 + random.below(300_000)));
        let said = writer.run(&work.path().join("acks"), &acked, moment);
        if let Some(lost) = said.lost {
            result.failures.push(format!("run {run}: {lost}"));
            return Cuts { took: start.elapsed(), ..result };
        }
        let trace = Trace::read(&trace_file);
        let mut next = None;
        for cut in 0..cuts_a_run {
            let at = trace.somewhere(&mut random);
            let expected = acked.and(&trace.acknowledged(at));
            let seed = random.below(u64::MAX);
            let rebuilt = work.path().join("cut");
            trace.cut(&before, at, seed).write(&rebuilt);
            result.cuts += 1;
            result.groups += expected.groups() - acked.groups();
            if let Err(lost) = look(engine, &rebuilt, &expected) {
                result.failures.push(format!("run {run}, cut {cut} at {at} (seed {seed}): {lost}"));
            } else {
                next = Some((at, seed, expected));
            }
            fs::remove_dir_all(&rebuilt).unwrap();
        }
        let Some((at, seed, expected)) = next else { break };
        fs::remove_dir_all(&directory).unwrap();
        trace.cut(&before, at, seed).write(&directory);
        acked = expected;
        if run == 0 {
            shrink(engine, &directory);
        }
    }
    result.took = start.elapsed();
    result
}

/// Stops a store in peace and gives it a small journal.
fn shrink(engine: Engine, directory: &Path) {
    drop(store::open(engine, directory).unwrap());
    make_small(engine, directory);
}

/// Opens what a power cut left and compares it with what was acknowledged.
fn look(engine: Engine, directory: &Path, acked: &Acked) -> Result<Seen, String> {
    let opened = store::open(engine, directory).map_err(|e| e.to_string())?;
    if !opened.warnings.is_empty() {
        return Err(opened.warnings.join(" "));
    }
    writer::check(&*opened.store, acked)
}

/// This very test program, to run one test of it in a process of its own.
pub fn this_test(name: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", name, "--nocapture", "--test-threads=1"]);
    command.stdin(Stdio::piped()).stdout(Stdio::null());
    command
}

/// In such a process: ends it when the one that started it is gone, and with
/// it the other end of this one's standard input.
pub fn die_with_parent() {
    std::thread::spawn(|| {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        std::process::exit(0);
    });
}
