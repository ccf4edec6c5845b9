//! The whole server is killed (SIGKILL) again and again while clients report,
//! and while it opens its store. After each start: every `good` that a client
//! has read is there, and the serial has not fallen.
//!
//! `TRUENAME_CRASH_ROUNDS=N` makes the runs N times as long.

use std::time::Duration;

use hickory_proto::rr::RecordType;

use super::crash::rounds;
use super::daemon::{Home, lookup};
use super::reporters::{CLIENTS, Reporters};

/// How many times the server is killed while they do.
const KILLS: u64 = 20;

/// How many times it is killed while it opens, before each of those.
const KILLS_WHILE_OPENING: u64 = 3;

#[test]
fn sled() {
    nothing_acknowledged_is_lost("sled");
}

#[test]
fn redb() {
    nothing_acknowledged_is_lost("redb");
}

fn nothing_acknowledged_is_lost(engine: &str) {
    let home = Home::new();
    home.reconfigure("data = ", &format!("store = \"{engine}\"\ndata = "));
    let reporters = {
        let running = home.start();
        let reporters = Reporters::new(&home);
        running.kill();
        reporters
    };
    let mut serial = 0;
    let rounds = KILLS * rounds();
    for round in 0..=rounds {
        for attempt in 0..KILLS_WHILE_OPENING {
            let opening = home.spawn();
            std::thread::sleep(Duration::from_millis(pause(round * 17 + attempt, 40)));
            opening.kill();
        }
        let running = home.start();
        let now = lookup(home.dns, "dyn.example.org", RecordType::SOA).unwrap().serial.unwrap();
        assert!(now >= serial, "round {round}: the serial fell from {serial} to {now}");
        reporters.check(&home, &format!("round {round}"));
        if round == rounds {
            break;
        }
        reporters.report_while(&home, || {
            // At any moment after some: however busy the machine is, there is
            // something that could be lost.
            reporters.wait_for_acknowledged(1 + pause(round, 20));
            std::thread::sleep(Duration::from_millis(pause(round, 60)));
            if let Some(answer) = lookup(home.dns, "dyn.example.org", RecordType::SOA) {
                serial = answer.serial.unwrap();
            }
            running.kill();
        });
        if round > 0 && round.is_multiple_of(100) {
            eprintln!("{engine}: {} kills so far", round * (1 + KILLS_WHILE_OPENING));
        }
    }
    let acknowledged = reporters.acknowledged();
    eprintln!(
        "{engine}: {} kills, {rounds} of them under {CLIENTS} clients, the others while it \
         opened; {acknowledged} updates acknowledged, none lost; serial {serial}",
        rounds * (1 + KILLS_WHILE_OPENING)
    );
    assert!(acknowledged > 5 * rounds, "hardly anything was tested");
    assert_eq!(reporters.refused(), 0, "911 without a reason");
    assert!(!home.log().contains("BROKEN"), "{}", home.log());
}

/// Milliseconds below `end` that differ from round to round, the same in
/// every run.
fn pause(round: u64, end: u64) -> u64 {
    round.wrapping_mul(0x9e37_79b9_7f4a_7c15) % end
}
