//! The whole server is killed (SIGKILL) again and again while clients report,
//! and while it opens its store. After each start: every `good` that a client
//! has read is there, and the serial has not fallen.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use hickory_proto::rr::RecordType;

use super::daemon::{Home, Login, body, get, lookup, until};

/// How many clients report at the same time, each for a host of its own.
const CLIENTS: usize = 8;

/// How many times the server is killed while they do.
const KILLS: u64 = 25;

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

/// What one client knows of its host.
#[derive(Clone, Copy, Default)]
struct Known {
    /// The last report it has read a `good` for.
    good: u32,
    /// The last report it has sent; without an answer nobody knows what
    /// became of it.
    sent: u32,
}

fn nothing_acknowledged_is_lost(engine: &str) {
    let home = Home::new();
    home.reconfigure("data = ", &format!("store = \"{engine}\"\ndata = "));
    let mut clients: Vec<(String, Login)> = Vec::new();
    {
        let running = home.start();
        for client in 0..CLIENTS {
            let name = format!("host{client}.dyn.example.org");
            let login = home.add_host(&name, &[]);
            clients.push((name, login));
        }
        running.kill();
    }
    let known = Mutex::new(HashMap::<usize, Known>::new());
    let mut serial = 0;
    let acknowledged = AtomicU64::new(0);
    for round in 0..=KILLS {
        for attempt in 0..KILLS_WHILE_OPENING {
            let opening = home.spawn();
            std::thread::sleep(Duration::from_millis(pause(round * 17 + attempt, 40)));
            opening.kill();
        }
        let running = home.start();
        let now = lookup(home.dns, "dyn.example.org", RecordType::SOA).unwrap().serial.unwrap();
        assert!(now >= serial, "round {round}: the serial fell from {serial} to {now}");
        for (client, known) in known.lock().unwrap().iter_mut() {
            let (name, _) = &clients[*client];
            let answer = lookup(home.dns, name, RecordType::A).unwrap();
            let there = answer.data.first().map_or(0, |address| number(address));
            assert!(
                known.good <= there && there <= known.sent,
                "round {round}: {name} was told `good` for {}, has sent {}, and answers {there}",
                known.good,
                known.sent
            );
            known.good = there;
        }
        if round == KILLS {
            break;
        }

        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for (client, (name, login)) in clients.iter().enumerate() {
                let (home, over, known, acknowledged) = (&home, &over, &known, &acknowledged);
                scope.spawn(move || {
                    let mut mine = known.lock().unwrap().get(&client).copied().unwrap_or_default();
                    while !over.load(Ordering::Relaxed) {
                        mine.sent += 1;
                        let target =
                            format!("/nic/update?hostname={name}&myip={}", address(mine.sent));
                        known.lock().unwrap().insert(client, mine);
                        let Some(answer) = get(home.http, &target, Some(login)) else {
                            // It was killed, and not otherwise gone.
                            until("the kill", Duration::from_secs(20), || {
                                over.load(Ordering::Relaxed).then_some(())
                            });
                            break;
                        };
                        let expected = format!("good {}\n", address(mine.sent));
                        assert_eq!(body(&answer), expected, "{answer}");
                        mine.good = mine.sent;
                        acknowledged.fetch_add(1, Ordering::Relaxed);
                        known.lock().unwrap().insert(client, mine);
                    }
                });
            }
            std::thread::sleep(Duration::from_millis(30 + pause(round, 300)));
            if let Some(answer) = lookup(home.dns, "dyn.example.org", RecordType::SOA) {
                serial = answer.serial.unwrap();
            }
            running.kill();
            over.store(true, Ordering::Relaxed);
        });
    }
    let acknowledged = acknowledged.into_inner();
    eprintln!("{engine}: {acknowledged} updates acknowledged over {KILLS} kills, serial {serial}");
    assert!(acknowledged > 10 * KILLS, "hardly anything was tested");
}

/// The address of the nth report: each is another.
fn address(report: u32) -> String {
    let [_, a, b, c] = report.to_be_bytes();
    format!("10.{a}.{b}.{c}")
}

fn number(address: &str) -> u32 {
    u32::from(address.parse::<std::net::Ipv4Addr>().unwrap()) & 0x00ff_ffff
}

/// Milliseconds below `end` that differ from round to round, the same in
/// every run.
fn pause(round: u64, end: u64) -> u64 {
    round.wrapping_mul(0x9e37_79b9_7f4a_7c15) % end
}
