//! A certificate authority whose resolver's network is being flooded through
//! us: it finds what it asks for all the same.
//!
//! As Let's Encrypt validates: a resolver (unbound) with letters of random
//! case (0x20) and no memory to speak of, which asks a handful of names within
//! a second, tries a question three times, and asks over TCP where it is told
//! to. Somebody asks 50,000 times a second in the name of its network, for
//! the very names it is about to ask, and for so many others that the network
//! is over each of its limits all the time.

use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::*;
use crate::network::program;

/// The server's, the resolver's, and one of those in its name.
const SERVER: &str = "192.0.2.53:53";
const RESOLVER: &str = "198.51.100.7";
const FLOODER: &str = "198.51.100.66";

/// What is looked up for one certificate, and the last is what it is for.
const LOOKUPS: [(&str, RecordType, &str); 6] = [
    ("home.dyn.example.org.", RecordType::CAA, ""),
    ("dyn.example.org.", RecordType::CAA, "0 issue \"ca.example\""),
    ("home.dyn.example.org.", RecordType::A, "192.0.2.1"),
    ("home.dyn.example.org.", RecordType::AAAA, "2001:db8::1"),
    ("_acme-challenge.any.wild.dyn.example.org.", RecordType::TXT, "wild"),
    ("_acme-challenge.home.dyn.example.org.", RecordType::TXT, "gfj9Xq_Rg85nM"),
];

/// Requests a second in the network's name.
const RATE: u64 = 50_000;

struct Unbound(Child, #[expect(dead_code, reason = "it goes with it")] tempfile::TempDir);

impl Unbound {
    fn start() -> Unbound {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("unbound.conf");
        let settings = format!(
            "server:\n\
             \x20 interface: 127.0.0.1@5353\n\
             \x20 outgoing-interface: {RESOLVER}\n\
             \x20 use-caps-for-id: yes\n\
             \x20 cache-max-ttl: 0\n\
             \x20 cache-max-negative-ttl: 0\n\
             \x20 module-config: \"iterator\"\n\
             \x20 do-daemonize: no\n\
             \x20 use-syslog: no\n\
             \x20 username: \"\"\n\
             \x20 chroot: \"\"\n\
             \x20 directory: {directory:?}\n\
             \x20 pidfile: \"\"\n\
             stub-zone:\n\
             \x20 name: dyn.example.org\n\
             \x20 stub-addr: 192.0.2.53\n",
            directory = directory.path(),
        );
        std::fs::write(&file, settings).unwrap();
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "--", &program("unbound"), "-c"])
            .arg(&file)
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Unbound(child, directory)
    }

    /// A question that is asked three times, as the authority does. What an
    /// answer of its says, sorted; `None`: no answer.
    fn look_up(name: &str, kind: RecordType) -> Option<Vec<String>> {
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        client.connect("127.0.0.1:5353").unwrap();
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut request = question(7, name, kind);
        request.metadata.recursion_desired = true;
        for _ in 0..3 {
            if client.send(&request.to_vec().unwrap()).is_err() {
                continue;
            }
            let Some(answer) = receive(&client).map(|answer| parsed(&answer)) else { continue };
            if answer.metadata.response_code == ResponseCode::NoError {
                let mut data: Vec<String> =
                    answer.answers.iter().map(|record| record.data.to_string()).collect();
                data.sort();
                return Some(data);
            }
        }
        None
    }
}

impl Drop for Unbound {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Asks in the network's name until it is told to end.
fn flood(stop: &AtomicBool, asked: &AtomicU64) {
    let client = UdpSocket::bind((FLOODER, 0)).unwrap();
    client.connect(SERVER).unwrap();
    client.set_nonblocking(true).unwrap();
    let begun = Instant::now();
    for n in 0_u64.. {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let (name, kind, _) = LOOKUPS[(n / 2) as usize % LOOKUPS.len()];
        // Every other one is for a name of its own.
        let made_up = format!("host{n}.wild.dyn.example.org.");
        let name = if n.is_multiple_of(2) { name } else { &made_up };
        let _ = client.send(&ask(n as u16, name, kind));
        asked.fetch_add(1, Ordering::Relaxed);
        while client.recv(&mut [0; 2048]).is_ok() {}
        let due = Duration::from_micros(n * 1_000_000 / RATE);
        std::thread::sleep(due.saturating_sub(begun.elapsed()));
    }
}

#[test]
fn a_certificate_authority_is_not_shut_out() {
    let this = "transports::validation::a_certificate_authority_is_not_shut_out";
    let script = "ip addr add 192.0.2.53/32 dev lo && \
        ip route add local 198.51.100.0/24 dev lo";
    if !is_inside(this, script) {
        return;
    }
    let zone = "$ORIGIN dyn.example.org.\n$TTL 60\n\
        @ SOA ns1 hostmaster 7 3600 600 604800 60\n@ NS ns1\nns1 A 192.0.2.53\n\
        @ CAA 0 issue \"ca.example\"\nhome A 192.0.2.1\nhome AAAA 2001:db8::1\n\
        _acme-challenge.home TXT gfj9Xq_Rg85nM\n*.wild TXT wild\n*.wild A 192.0.2.3\n";
    let zone = Zone::parse(zone, Path::new("dyn.example.org.zone")).unwrap();
    let snapshot = Snapshot::new(&[(&zone, Serial(7))], Identity::default());
    let options = Options { listen: addresses(&[SERVER]), threads: 1, ..Options::default() };
    let dns = Dns::serving(options, snapshot, clock::moments());
    let _unbound = Unbound::start();
    let begun = Instant::now();
    while Unbound::look_up("ns1.dyn.example.org.", RecordType::A).is_none() {
        assert!(begun.elapsed() < PATIENCE, "unbound does not start");
    }

    let (stop, asked) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| flood(&stop, &asked));
        // Both limits are reached, and reached again, before anybody looks.
        let held = || dns.server.as_ref().unwrap().counters().held_back().dropped;
        let begun = Instant::now();
        while held() < 5_000 && begun.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(10));
        }
        let before = held();
        let found: Vec<_> = LOOKUPS
            .map(|(name, kind, _)| scope.spawn(move || Unbound::look_up(name, kind)))
            .into_iter()
            .map(|looking| looking.join().unwrap())
            .collect();
        let during = held() - before;
        stop.store(true, Ordering::Relaxed);
        for ((name, kind, expected), found) in LOOKUPS.into_iter().zip(found) {
            let expected: Vec<String> =
                Some(expected.to_owned()).filter(|data| !data.is_empty()).into_iter().collect();
            assert_eq!(found.as_ref(), Some(&expected), "{name} {kind}");
        }
        assert!(before >= 5_000 && during > 0, "the flood was none: {before}, {during}");
    });
    // Who floods does not gain: far fewer are sent whole than were asked.
    let held = dns.server.as_ref().unwrap().counters().held_back();
    assert!(held.truncated + held.dropped > asked.load(Ordering::Relaxed) / 2, "{held:?}");
}
