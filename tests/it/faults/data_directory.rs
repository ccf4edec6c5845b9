//! A data directory that is somebody else's, cannot be written, or is in use.

use std::fs;
use std::io::Read;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use truename::store::{self, Engine, StoreError, Write};

use crate::crash::{die_with_parent, this_test};

/// A user that owns nothing.
const SOMEBODY: u32 = 54_321;

fn root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Runs the story as a user who is not root: here, if this is one, else by
/// running this test again as one.
fn as_somebody(test: &str, story: impl FnOnce(&Path)) {
    if let Some(place) = std::env::var_os("FAULTS_PLACE") {
        return story(Path::new(&place));
    }
    let place = tempfile::tempdir().unwrap();
    if !root() {
        return story(place.path());
    }
    // The program may be where only root can read it.
    let program = place.path().join("it");
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let own = place.path().join("own");
    fs::create_dir(&own).unwrap();
    chown(&own, Some(SOMEBODY), Some(SOMEBODY)).unwrap();
    let output = Command::new(&program)
        .args(["--exact", test, "--nocapture"])
        .env("FAULTS_PLACE", &own)
        .current_dir(&own)
        .uid(SOMEBODY)
        .gid(SOMEBODY)
        .output()
        .unwrap();
    let words = format!("{output:?}");
    assert!(output.status.success() && words.contains("1 passed"), "{words}");
}

fn refused(engine: Engine, directory: &Path) -> String {
    match store::open(engine, directory) {
        Err(error @ StoreError::Broken(_)) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_directory_that_cannot_be_written() {
    as_somebody("faults::data_directory::a_directory_that_cannot_be_written", |place| {
        let directory = place.join("data");
        fs::create_dir(&directory).unwrap();
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o500)).unwrap();
        for engine in Engine::ALL {
            let said = refused(engine, &directory);
            assert!(said.contains("cannot use the data directory"), "{said}");
            assert!(said.contains("give this user the right to write there"), "{said}");
        }
        // One that would have to be made there.
        let said = refused(Engine::Sled, &directory.join("inner"));
        assert!(said.contains("cannot make the data directory"), "{said}");
    });
}

#[test]
fn a_directory_of_another_owner() {
    as_somebody("faults::data_directory::a_directory_of_another_owner", |_| {
        for engine in Engine::ALL {
            let said = refused(engine, Path::new("/etc"));
            let us = rustix::process::geteuid().as_raw();
            assert!(said.contains("/etc belongs to user 0"), "{said}");
            assert!(
                said.contains(&format!("this runs as user {us}: run it as that user")),
                "{said}"
            );
        }
    });
}

/// Files that root makes in somebody's directory are files that somebody
/// cannot open at the next start.
#[test]
fn root_keeps_out_of_the_directories_of_others() {
    if std::env::var_os("FAULTS_ROOT").is_some() {
        // Root of a namespace of its own; /etc is of a user unknown there.
        let said = refused(Engine::Sled, Path::new("/etc"));
        assert!(said.contains("and this runs as root; run it as user"), "{said}");
        return;
    }
    if !root() {
        let name = "faults::data_directory::root_keeps_out_of_the_directories_of_others";
        let status = Command::new("unshare")
            .args(["--user", "--map-root-user"])
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", name])
            .env("FAULTS_ROOT", "1")
            .status()
            .expect("this test needs unshare, or to be run as root");
        assert!(status.success());
        return;
    }
    let place = tempfile::tempdir().unwrap();
    chown(place.path(), Some(SOMEBODY), Some(SOMEBODY)).unwrap();
    for engine in Engine::ALL {
        let said = refused(engine, place.path());
        assert!(
            said.contains(&format!("belongs to user {SOMEBODY} and this runs as root")),
            "{said}"
        );
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0, "root left a file there");
    }
}

#[test]
fn a_directory_that_is_a_file() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("data");
    fs::write(&file, "").unwrap();
    let said = refused(Engine::Sled, &file);
    assert!(said.contains("the data directory must be a directory"), "{said}");
    assert_eq!(fs::read(&file).unwrap(), b"");
}

#[test]
fn a_directory_in_use_by_another_process() {
    let name = "faults::data_directory::a_directory_in_use_by_another_process";
    if let Some(directory) = std::env::var_os("FAULTS_HOLD") {
        die_with_parent();
        let opened = store::open(Engine::Sled, Path::new(&directory)).unwrap();
        opened.store.commit(&[Write::Put("a".into(), "1".into())]).unwrap();
        println!("!");
        loop {
            std::thread::park();
        }
    }
    let place = tempfile::tempdir().unwrap();
    let mut holder =
        this_test(name).env("FAULTS_HOLD", place.path()).stdout(Stdio::piped()).spawn().unwrap();
    let mut word = [0];
    let mut words = holder.stdout.take().unwrap();
    while word != *b"!" {
        words.read_exact(&mut word).unwrap();
    }
    for engine in Engine::ALL {
        let error = store::open(engine, place.path()).unwrap_err();
        assert!(matches!(&error, StoreError::Locked(path) if path == place.path()), "{error:?}");
    }
    holder.kill().unwrap();
    holder.wait().unwrap();
    // The dead hold no locks.
    let opened = store::open(Engine::Sled, place.path()).unwrap();
    assert_eq!(opened.store.rows("").count(), 1);
}
