//! The data directory of a server at work is moved, deleted, replaced, or
//! closed to it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use hickory_proto::rr::RecordType;

use super::super::daemon::{Home, lookup, until};
use super::super::reporters::Reporters;

fn each_engine(story: impl Fn(&Home, &Reporters)) {
    for engine in ["sled", "redb"] {
        let home = Home::new();
        home.reconfigure("data = ", &format!("store = \"{engine}\"\ndata = "));
        let reporters = {
            let running = home.start();
            let reporters = Reporters::new(&home);
            assert!(running.stop().success());
            reporters
        };
        story(&home, &reporters);
    }
}

fn served(home: &Home) {
    let answer = lookup(home.dns, "www.dyn.example.org", RecordType::A).expect("an answer");
    assert_eq!(answer.data, ["192.0.2.80"]);
}

/// Moved away: what is written there now would not be found at the next start,
/// so nothing is acknowledged until it is back.
#[test]
fn moved_away_and_back() {
    each_engine(|home, reporters| {
        let running = home.start();
        let (data, away) = (home.path().join("data"), home.path().join("away"));
        reporters.report_while(home, || {
            reporters.wait_for_acknowledged(20);
            fs::rename(&data, &away).unwrap();
            reporters.wait_for_refused(40);
            served(home);
            fs::rename(&away, &data).unwrap();
            reporters.wait_for_acknowledged(20);
        });
        assert!(home.log().contains("was moved or deleted"), "{}", home.log());
        reporters.check(home, "back again");
        assert!(running.stop().success());
        let _running = home.start();
        reporters.check(home, "after a restart");
    });
}

/// Replaced by another, empty or a copy: this one's is the other still.
#[test]
fn replaced_by_another() {
    each_engine(|home, reporters| {
        let running = home.start();
        let (data, away) = (home.path().join("data"), home.path().join("away"));
        reporters.report_while(home, || {
            reporters.wait_for_acknowledged(20);
            fs::rename(&data, &away).unwrap();
            fs::create_dir(&data).unwrap();
            fs::write(data.join("lock"), "").unwrap();
            reporters.wait_for_refused(40);
        });
        served(home);
        reporters.check(home, "while another is in its place");
        running.kill();
        assert_eq!(fs::read_dir(&data).unwrap().count(), 1, "something was written there");
        fs::remove_dir_all(&data).unwrap();
        fs::rename(&away, &data).unwrap();
        let _running = home.start();
        reporters.check(home, "started on its own");
    });
}

/// Deleted with all that is in it: questions are answered from memory, reports
/// are refused, and the log says so.
#[test]
fn deleted() {
    each_engine(|home, reporters| {
        let running = home.start();
        let data = home.path().join("data");
        reporters.report_while(home, || {
            reporters.wait_for_acknowledged(20);
            // A file may come into being while it goes.
            until("it is gone", Duration::from_secs(30), || {
                let _ = fs::remove_dir_all(&data);
                (!data.exists()).then_some(())
            });
            reporters.wait_for_refused(40);
            served(home);
        });
        assert!(home.log().contains("was moved or deleted"), "{}", home.log());
        running.kill();
    });
}

/// Closed to the server's user by a wrong chmod: files that are open stay so,
/// and what needs others is told of.
#[test]
fn closed_to_the_server() {
    each_engine(|home, reporters| {
        let running = home.start();
        let data = home.path().join("data");
        let mode = |mode| fs::set_permissions(&data, fs::Permissions::from_mode(mode)).unwrap();
        reporters.report_while(home, || {
            reporters.wait_for_acknowledged(20);
            mode(0o000);
            reporters.wait_for_acknowledged(20);
            served(home);
        });
        reporters.check(home, "closed");
        running.kill();
        mode(0o700);
        let _running = home.start();
        reporters.check(home, "opened again");
    });
}
