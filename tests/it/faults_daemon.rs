//! The whole server in a world that is not as it should be: what it says,
//! what it does not lose, and how it goes on. Each test is one story.

mod directory;
mod disk;
mod limits;
mod starting;

use std::net::{TcpListener, UdpSocket};
use std::time::Duration;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;

use super::daemon::{Home, Login, ZONE, body, get, lookup, until};
use super::network::program;

const HOST: &str = "home.dyn.example.org";

/// Reports an address; the answer's body.
fn report(home: &Home, login: &Login, address: &str) -> String {
    let target = format!("/nic/update?hostname={HOST}&myip={address}");
    let answer = get(home.http, &target, Some(login)).expect("an answer");
    body(&answer).to_owned()
}

/// The addresses the world sees, and the serial of the zone.
fn seen(home: &Home) -> (Vec<String>, u32) {
    let host = lookup(home.dns, HOST, RecordType::A).expect("an answer");
    let soa = lookup(home.dns, "dyn.example.org", RecordType::SOA).expect("an answer");
    (host.data, soa.serial.expect("a serial"))
}

/// Something else has the DNS port: the server says which address and what
/// to do, and nothing is left half started.
#[test]
fn the_dns_port_is_in_use() {
    let home = Home::new();
    let other = UdpSocket::bind(home.dns).unwrap();
    let said = home.fails();
    assert_eq!(said.status.code(), Some(1), "{said}");
    assert!(said.err.contains(&home.dns.to_string()), "{said}");
    assert!(said.err.contains("in use"), "{said}");
    assert!(std::net::TcpStream::connect(home.http).is_err(), "HTTP is served without DNS");

    // As soon as it is free, it starts.
    drop(other);
    let _running = home.start();
}

/// Another truename has the ports: SO_REUSEPORT, which our own threads share
/// the port by, must not let two servers share it in silence.
#[test]
fn two_servers_do_not_share_a_port() {
    let home = Home::new();
    let _running = home.start();
    let other = Home::new();
    other.reconfigure(&other.dns.to_string(), &home.dns.to_string());
    let said = other.fails();
    assert_eq!(said.status.code(), Some(1), "{said}");
    assert!(said.err.contains(&home.dns.to_string()), "{said}");
    // The first was not disturbed.
    assert!(lookup(home.dns, "dyn.example.org", RecordType::SOA).is_some());
}

#[test]
fn the_http_port_is_in_use() {
    let home = Home::new();
    let other = TcpListener::bind(home.http).unwrap();
    let said = home.fails();
    assert_eq!(said.status.code(), Some(1), "{said}");
    assert!(said.err.contains(&home.http.to_string()) && said.err.contains("in use"), "{said}");
    drop(other);
    let _running = home.start();
}

/// A second server on the same data directory is refused; the first goes on,
/// and once it is gone the second may.
#[test]
fn the_data_directory_has_one_owner() {
    for engine in ["sled", "redb"] {
        let home = Home::new();
        home.reconfigure("data = ", &format!("store = \"{engine}\"\ndata = "));
        let running = home.start();
        let login = home.add_host(HOST, &[]);
        assert_eq!(report(&home, &login, "192.0.2.7"), "good 192.0.2.7\n");

        let other = Home::new();
        let data = home.path().join("data");
        other.reconfigure("data = \"data\"", &format!("data = \"{}\"", data.display()));
        other.reconfigure("data = ", &format!("store = \"{engine}\"\ndata = "));
        let said = other.fails();
        assert_eq!(said.status.code(), Some(1), "{said}");
        assert!(said.err.contains(&data.display().to_string()), "{said}");
        assert!(said.err.contains("in use"), "{said}");

        // Nothing the second did disturbs the first: neither its answers nor
        // its commands, nor what it keeps.
        assert_eq!(report(&home, &login, "192.0.2.8"), "good 192.0.2.8\n");
        assert!(home.done(&["status"]).contains("hosts"));
        assert!(running.stop().success());

        let _second = other.start();
        assert_eq!(seen(&other).0, ["192.0.2.8"]);
    }
}

/// A malformed zone file at the start: its name, its line, what is wrong.
#[test]
fn a_malformed_zone_file_at_the_start() {
    let home = Home::new();
    home.zone("dyn.example.org.zone", &format!("{ZONE}bad A 192.0.2.300\n"));
    let line = ZONE.lines().count() + 1;
    let said = home.fails();
    assert_eq!(said.status.code(), Some(1), "{said}");
    assert!(said.err.contains(&format!("dyn.example.org.zone:{line}")), "{said}");
}

/// A malformed zone file at a reload, by command or by SIGHUP: it is refused
/// as a whole, and what was served is served on, hosts and all.
#[test]
fn a_malformed_zone_file_at_a_reload() {
    let home = Home::new();
    let running = home.start();
    let login = home.add_host(HOST, &[]);
    assert_eq!(report(&home, &login, "192.0.2.7"), "good 192.0.2.7\n");
    let before = seen(&home);

    home.zone("dyn.example.org.zone", &format!("{ZONE}new A 192.0.2.81\nbad MX nothing\n"));
    let line = ZONE.lines().count() + 2;
    let said = home.run(&["reload"]);
    assert_eq!(said.status.code(), Some(1), "{said}");
    assert!(said.err.contains(&format!("dyn.example.org.zone:{line}")), "{said}");
    assert_eq!(seen(&home), before);

    running.signal("HUP");
    until("the log tells of it", Duration::from_secs(10), || {
        home.log().contains(&format!("dyn.example.org.zone:{line}")).then_some(())
    });
    let new = lookup(home.dns, "new.dyn.example.org", RecordType::A).unwrap();
    assert_eq!(new.code, ResponseCode::NXDomain, "half of a broken file is served");
    assert_eq!(seen(&home), before);
    assert_eq!(report(&home, &login, "192.0.2.7"), "nochg 192.0.2.7\n");

    // Mended, it is taken, and the host is still there.
    home.zone("dyn.example.org.zone", &format!("{ZONE}new A 192.0.2.81\n"));
    running.signal("HUP");
    until("the mended file is served", Duration::from_secs(10), || {
        let new = lookup(home.dns, "new.dyn.example.org", RecordType::A)?;
        (new.data == ["192.0.2.81"]).then_some(())
    });
    let (data, serial) = seen(&home);
    assert_eq!(data, ["192.0.2.7"]);
    assert!(serial > before.1, "{serial} after {}: secondaries would not hear of it", before.1);
}

/// Two files about one zone: both are named.
#[test]
fn two_files_about_one_zone() {
    let home = Home::new();
    home.zone("again.zone", &ZONE.replace("192.0.2.80", "192.0.2.90"));
    let said = home.fails();
    assert_eq!(said.status.code(), Some(1), "{said}");
    assert!(said.err.contains("again.zone"), "{said}");
    assert!(said.err.contains("dyn.example.org.zone"), "{said}");
}

/// A fixed record and a host never share a name, whichever comes second.
#[test]
fn a_fixed_record_and_a_host_at_one_name() {
    let home = Home::new();
    let running = home.start();

    // The host comes second.
    let said = home.run(&["host", "add", "www.dyn.example.org"]);
    assert_eq!(said.status.code(), Some(1), "{said}");
    let line = 1 + ZONE.lines().position(|line| line.starts_with("www")).unwrap();
    assert!(
        said.err.contains(&format!("dyn.example.org.zone:{line}"))
            || (said.err.contains("dyn.example.org.zone")
                && said.err.contains(&format!("line {line}"))),
        "{said}"
    );
    let listed = home.done(&["host", "list"]);
    assert!(!listed.contains("www.dyn.example.org"), "{listed}");

    // The record comes second, at a reload: refused, and the host stays.
    let login = home.add_host(HOST, &[]);
    assert_eq!(report(&home, &login, "192.0.2.7"), "good 192.0.2.7\n");
    home.zone("dyn.example.org.zone", &format!("{ZONE}home TXT \"fixed\"\n"));
    let said = home.run(&["reload"]);
    assert_eq!(said.status.code(), Some(1), "{said}");
    assert!(said.err.contains(HOST) && said.err.contains("dyn.example.org.zone"), "{said}");
    assert_eq!(seen(&home).0, ["192.0.2.7"]);
    assert_eq!(lookup(home.dns, HOST, RecordType::TXT).unwrap().data, Vec::<String>::new());

    // The record comes second, while the server is down: it does not start
    // half right, and says which name to decide about.
    assert!(running.stop().success());
    let said = home.fails();
    assert_eq!(said.status.code(), Some(1), "{said}");
    assert!(said.err.contains(HOST) && said.err.contains("dyn.example.org.zone"), "{said}");
    home.zone("dyn.example.org.zone", ZONE);
    let _running = home.start();
    assert_eq!(seen(&home).0, ["192.0.2.7"]);
}

/// The system clock is stepped back by an hour, then forward by a hundred
/// days, while the server runs or between two runs: no lease ends early, the
/// serial rises on.
#[test]
fn the_clock_is_stepped() {
    let home = Home::new();
    let mut last = 0;
    let mut login = None;
    // Each run of the server sees another date, and its clock moves under it.
    for (run, steps) in [["+0", "-1h"], ["-2h", "+100d"], ["-3h", "+1d"]].into_iter().enumerate() {
        let clock = Clock::new(&home, steps[0]);
        let running = clock.start();
        let login = login.get_or_insert_with(|| home.add_host(HOST, &["--lease", "1h"])).clone();
        if run > 0 {
            assert_eq!(seen(&home).0.len(), 1, "the lease ended over a restart");
        }
        for (at, step) in steps.into_iter().enumerate() {
            clock.set(step);
            assert!(seen(&home).1 >= last, "the serial fell");
            let address = format!("192.0.2.{}", 10 + 2 * run + at);
            assert_eq!(report(&home, &login, &address), format!("good {address}\n"));
            let (data, serial) = seen(&home);
            assert_eq!(data, std::slice::from_ref(&address));
            assert!(serial > last, "{serial} after {last}");
            last = serial;
            // A heartbeat of the server comes and goes; the host stays.
            std::thread::sleep(Duration::from_millis(1200));
            assert_eq!(seen(&home), (vec![address], serial), "the step took the host out");
        }
        assert!(running.stop().success());
    }
    // The log of changes kept the order in which they happened.
    let clock = Clock::new(&home, "+0");
    let _running = clock.start();
    let history = home.done(&["history", HOST]);
    let serials: Vec<u32> = history
        .lines()
        .skip(1)
        .filter_map(|line| line.split_whitespace().nth(2)?.parse().ok())
        .collect();
    assert!(serials.len() >= 6, "{history}");
    assert!(serials.is_sorted_by(|newer, older| newer > older), "{history}");
    // The steps were real: the dates are those the server was made to see.
    let dates: std::collections::BTreeSet<&str> =
        history.lines().skip(1).filter_map(|line| line.get(..10)).collect();
    assert!(dates.len() >= 3, "{history}");
}

/// A wall clock that a test moves under a running server: a small shim, made
/// with the C compiler, in front of the C library's. The monotonic clock
/// stays as it is, as on a machine whose date is set.
struct Clock<'a> {
    home: &'a Home<'a>,
    library: std::path::PathBuf,
    /// Where the server may read.
    offset: std::path::PathBuf,
}

const SHIM: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

static long offset(void) {
    long seconds = 0;
    FILE *file = fopen(getenv("CLOCK_OFFSET"), "r");
    if (file) {
        if (fscanf(file, "%ld", &seconds) != 1) seconds = 0;
        fclose(file);
    }
    return seconds;
}

int clock_gettime(clockid_t clock, struct timespec *time) {
    int result = syscall(SYS_clock_gettime, clock, time);
    if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        time->tv_sec += offset();
    return result;
}

time_t time(time_t *out) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (out) *out = now.tv_sec;
    return now.tv_sec;
}
"#;

impl Clock<'_> {
    fn new<'a>(home: &'a Home<'a>, step: &str) -> Clock<'a> {
        let source = home.path().join("clock.c");
        let library = home.path().join("clock.so");
        std::fs::write(&source, SHIM).unwrap();
        let mut compiler = super::daemon::with_us(&program("cc"));
        compiler.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(source).arg("-ldl");
        let said = super::daemon::said(&mut compiler, "");
        assert!(said.status.success(), "{said}");
        let clock = Clock { home, library, offset: home.path().join("zones/offset") };
        clock.set(step);
        clock
    }

    /// `-1h`, `+100d`, from the real time.
    fn set(&self, step: &str) {
        let (number, unit) = match step.strip_suffix('h') {
            Some(hours) => (hours, 3600),
            None => (step.trim_end_matches('d'), 86_400),
        };
        let seconds = number.parse::<i64>().unwrap() * unit;
        // In one piece, for the server reads it all the time.
        let new = self.offset.with_extension("new");
        std::fs::write(&new, seconds.to_string()).unwrap();
        std::fs::rename(new, &self.offset).unwrap();
    }

    fn start(&self) -> super::daemon::Daemon<'_> {
        self.home.start_with(|command| {
            command.env("LD_PRELOAD", &self.library).env("CLOCK_OFFSET", &self.offset);
        })
    }
}
