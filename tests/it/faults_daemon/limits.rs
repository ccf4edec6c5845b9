//! The server reaches what the system allows it: file descriptors, memory.

use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use hickory_proto::rr::RecordType;

use super::super::daemon::{Daemon, Home, lookup, said, until, with_us};
use super::super::network::program;
use super::super::reporters::Reporters;

/// Sets a limit of a running server.
fn limit(daemon: &Daemon, limit: &str) {
    let mut command = with_us(&program("prlimit"));
    command.args(["--pid", &daemon.id().to_string(), limit]);
    let said = said(&mut command, "");
    assert!(said.status.success(), "{said}");
}

fn descriptors(daemon: &Daemon) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", daemon.id())).unwrap().count()
}

/// No descriptor is left, and more connections want one: questions over UDP
/// are answered, the store goes on, nothing acknowledged is lost; when they
/// go, everything is as before.
#[test]
fn out_of_descriptors() {
    for engine in ["sled", "redb"] {
        let home = Home::new();
        home.reconfigure("data = ", &format!("store = \"{engine}\"\ndata = "));
        let running = home.start();
        let reporters = Reporters::new(&home);
        let most = descriptors(&running) + 24;
        limit(&running, &format!("--nofile={most}:{most}"));
        reporters.report_while(&home, || {
            reporters.wait_for_acknowledged(20);
            // More than there is room for, over both; each says something, so
            // that it is no idle one.
            let mut crowd = Vec::new();
            for number in 0..200 {
                let to = if number % 2 == 0 { home.http } else { home.dns };
                let Ok(mut stream) = TcpStream::connect(to) else { continue };
                let _ = stream.write_all(b"G");
                crowd.push(stream);
            }
            until("no descriptor is left", Duration::from_secs(30), || {
                (descriptors(&running) >= most - 1).then_some(())
            });
            for _ in 0..20 {
                let soa = lookup(home.dns, "dyn.example.org", RecordType::SOA);
                assert!(soa.is_some(), "UDP is not answered");
            }
            drop(crowd);
            reporters.wait_for_acknowledged(50);
        });
        reporters.check(&home, "descriptors are back");
        assert!(running.stop().success());
        let _running = home.start();
        reporters.check(&home, "after a restart");
    }
}

/// The system gives no more memory: it stops, as every Rust program does, and
/// starts again with everything that was acknowledged.
#[test]
fn out_of_memory() {
    for engine in ["sled", "redb"] {
        let home = Home::new();
        home.reconfigure("data = ", &format!("store = \"{engine}\"\ndata = "));
        // As they come, a hundred connections of one network are all there are.
        home.reconfigure("[http.limits]\n", "[http.limits]\nnetwork_connections = 100000\n");
        home.reconfigure("[http]\n", "[http]\nconnections = 100000\n");
        let mut running = home.start();
        let reporters = Reporters::new(&home);
        reporters.report_while(&home, || {
            reporters.wait_for_acknowledged(20);
            // Address space: a little above what it has.
            let status = std::fs::read_to_string(format!("/proc/{}/status", running.id())).unwrap();
            let now = status.lines().find_map(|line| line.strip_prefix("VmSize:")).unwrap();
            let now: u64 = now.trim().trim_end_matches(" kB").parse().unwrap();
            limit(&running, &format!("--as={}", now * 1024));
            let mut crowd = Vec::new();
            until("it is out of memory", Duration::from_secs(120), || {
                for _ in 0..50 {
                    if let Ok(mut stream) = TcpStream::connect(home.http) {
                        let _ = stream.set_nonblocking(true);
                        let _ = stream.write(&[b'G'; 60_000]);
                        crowd.push(stream);
                    }
                }
                running.ended()
            });
        });
        assert!(home.log().contains("memory allocation"), "{}", home.log());
        let running = home.start();
        reporters.check(&home, "started again");
        assert!(running.stop().success());
    }
}
