//! A full disk: a group is refused as a whole, what was acknowledged stays,
//! and it goes on when there is room.
//!
//! On a small file system of its own (tmpfs in a namespace), which needs no
//! root where users may make namespaces; elsewhere with the shim of the crash
//! tests, which refuses writes as a full disk does.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use truename::store::{self, Engine, Store, StoreError, Write};

use crate::crash::{Random, shim, this_test};
use crate::journal::journal;

#[test]
fn sled_on_a_full_disk() {
    full_disk("faults::full_disk::sled_on_a_full_disk", Engine::Sled);
}

#[test]
fn redb_on_a_full_disk() {
    full_disk("faults::full_disk::redb_on_a_full_disk", Engine::Redb);
}

fn full_disk(test: &str, engine: Engine) {
    if let Some(disk) = std::env::var_os("FULL_DISK") {
        return story(engine, Path::new(&disk));
    }
    let place = tempfile::tempdir().unwrap();
    let disk = place.path().join("disk");
    fs::create_dir(&disk).unwrap();
    let mut child = if can_mount(&disk) {
        eprintln!("on a tmpfs of 48 MiB");
        let this = this_test(test);
        let mut command = Command::new("unshare");
        command
            .args(["--user", "--map-root-user", "--mount", "sh", "-c"])
            .arg("mount -t tmpfs -o size=48m none \"$FULL_DISK\" && exec \"$0\" \"$@\"")
            .arg(this.get_program())
            .args(this.get_args());
        command
    } else {
        eprintln!("no small file system can be mounted here: with the shim");
        let mut command = this_test(test);
        command
            .env("LD_PRELOAD", shim::compile(place.path()))
            .env("DISK_DIR", &disk)
            .env("DISK_FULL", place.path().join("full"))
            .env("FULL_FLAG", place.path().join("full"));
        command
    };
    let output = child
        .env("FULL_DISK", &disk)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    let words = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && words.contains("1 passed"), "{words}");
    eprintln!("{}", words.lines().filter(|l| l.contains("full disk:")).collect::<String>());
}

fn can_mount(disk: &Path) -> bool {
    Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "mount", "-t", "tmpfs", "none"])
        .arg(disk)
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
        && std::env::var_os("FULL_DISK_WITH_SHIM").is_none()
}

/// A disk that can be filled and emptied.
struct Disk {
    filler: PathBuf,
    flag: Option<PathBuf>,
}

impl Disk {
    fn fill(&self) {
        if let Some(flag) = &self.flag {
            File::create(flag).unwrap();
            return;
        }
        let mut file = File::options().create(true).append(true).open(&self.filler).unwrap();
        for size in [1 << 20, 4096, 1] {
            while file.write_all(&vec![b'x'; size]).is_ok() {}
        }
    }

    fn empty(&self) {
        fs::remove_file(self.flag.as_ref().unwrap_or(&self.filler)).unwrap();
    }
}

type Model = BTreeMap<String, Vec<u8>>;

fn story(engine: Engine, place: &Path) {
    let flag = std::env::var_os("FULL_FLAG").map(PathBuf::from);
    let disk = Disk { filler: place.join("filler"), flag };
    let directory = place.join("data");
    let mut random = Random::new(11);
    let mut model = Model::new();
    let mut store = store::open(engine, &directory).unwrap().store;
    let (mut accepted, mut refused) = (0, 0);
    for round in 0..3 {
        for _ in 0..50 {
            assert!(write(&*store, &mut model, &mut random), "round {round}: there is room");
        }
        disk.fill();
        // What was allocated before is used up first; then every group is
        // refused, and none leaves a trace.
        let mut in_a_row = 0;
        while in_a_row < 20 {
            if write(&*store, &mut model, &mut random) {
                accepted += 1;
                in_a_row = 0;
            } else {
                refused += 1;
                in_a_row += 1;
                disk.fill();
            }
            assert!(accepted < 5_000, "this disk does not fill up");
        }
        compare(&*store, &model);
        if round % 2 == 1 {
            // Started anew on the full disk: what was kept can be served.
            drop(store);
            let opened = store::open(engine, &directory).unwrap();
            assert_eq!(opened.warnings, Vec::<String>::new());
            store = opened.store;
            compare(&*store, &model);
        }
        disk.empty();
    }
    assert!(write(&*store, &mut model, &mut random));
    drop(store);
    compare(&*store::open(engine, &directory).unwrap().store, &model);

    // A store of an earlier version, which has no journal, and no room for
    // one: it starts, and does without.
    fs::remove_file(journal(engine, &directory)).unwrap();
    disk.fill();
    let opened = store::open(engine, &directory).unwrap();
    assert_eq!(opened.warnings, Vec::<String>::new());
    compare(&*opened.store, &model);
    assert!(!journal(engine, &directory).exists());
    disk.empty();
    assert!(write(&*opened.store, &mut model, &mut random), "there is room");
    drop(opened);
    let opened = store::open(engine, &directory).unwrap();
    assert!(journal(engine, &directory).exists());
    compare(&*opened.store, &model);
    println!(
        "full disk: {engine}: {accepted} groups taken and {refused} refused while it was full"
    );
}

/// Commits a random group; whether it was taken.
fn write(store: &dyn Store, model: &mut Model, random: &mut Random) -> bool {
    let group: Vec<Write> = (0..1 + random.below(40))
        .map(|_| {
            let known = random.below(model.len() as u64 + 1) as usize;
            let key = match model.keys().nth(known) {
                Some(key) if random.below(2) == 0 => key.clone(),
                _ => format!("k/{}", random.below(u64::MAX)),
            };
            if random.below(10) == 0 {
                return Write::Delete(key);
            }
            let length = if random.below(60) == 0 { 20_000 } else { random.below(3_000) };
            Write::Put(key, vec![b'a' + random.below(26) as u8; length as usize])
        })
        .collect();
    match store.commit(&group) {
        Ok(()) => {
            for write in group {
                match write {
                    Write::Put(key, value) => drop(model.insert(key, value)),
                    Write::Delete(key) => drop(model.remove(&key)),
                }
            }
            true
        }
        Err(StoreError::Full) => false,
        Err(other) => panic!("{other}"),
    }
}

fn compare(store: &dyn Store, model: &Model) {
    let rows: Model = store.rows("").collect::<Result<_, _>>().unwrap();
    assert!(rows == *model, "{} rows are there, {} should be", rows.len(), model.len());
}
