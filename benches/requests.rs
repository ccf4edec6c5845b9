//! Instructions that an HTTP request takes, without its socket, counted by
//! valgrind: unlike time, the same on a busy machine.
//!
//!     cargo bench --bench requests
//!
//! Requests go through the router in process, one after the other, as those
//! of `tests/bench/load.rs` look. What the registry's own thread does for a
//! `good`, the store above all, is not counted. valgrind is a Debian package
//! of that name.

mod counting;

use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::Request;
use counting::count;
use data_encoding::BASE64;
use http_body_util::BodyExt;
use tower::ServiceExt;
use truename::http::{Options, router};
use truename::model::{Holder, Moment, Name, Now, Served, Timestamp};
use truename::registry::{Command, HostSettings, Registry, Reply, Settings};
use truename::store::Engine;
use truename::zone::Zone;

/// Set in the process that valgrind runs.
const COUNTED: &str = "TRUENAME_COUNTED_REQUESTS";

/// Requests of each kind; each is about a host of its own.
const REQUESTS: usize = 500;

/// Hosts in the zone.
const HOSTS: usize = 2_000;

/// What is asked: how it is called, and how its answer begins.
const KINDS: [(&str, &str); 6] = [
    ("static", "User-agent"),
    ("checkip", "203.0.113."),
    ("nochg", "nochg "),
    ("DuckDNS, nothing new", "OK"),
    ("good", "good "),
    ("wrong password", "badauth"),
];

fn main() -> ExitCode {
    if std::env::var(COUNTED).is_ok() {
        be_counted();
        return ExitCode::SUCCESS;
    }
    // In their order.
    match count("requests::measured", KINDS.len(), (COUNTED, "1")) {
        Ok(counts) => {
            let each = |total: u64| total as f64 / REQUESTS as f64;
            println!("| request | instructions | of static |\n|---|---:|---:|");
            for ((what, _), total) in KINDS.into_iter().zip(&counts) {
                let of_static = *total as f64 / counts[0] as f64;
                println!("| {what} | {:.0} | {of_static:.2} |", each(*total));
            }
            ExitCode::SUCCESS
        }
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::FAILURE
        }
    }
}

/// What runs in valgrind: all requests of each kind, some before they count.
fn be_counted() {
    let place = tempfile::tempdir().expect("a directory");
    let registry = start(place.path());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    let token = runtime.block_on(fill(&registry));
    let moments: truename::model::Moments = Arc::new(|| Moment { micros: 0, wall: 0 });
    let router = router(&Options::default(), registry.clone(), &moments);
    for (what, answer) in KINDS {
        for numbers in [0..REQUESTS, REQUESTS..2 * REQUESTS] {
            let counts = numbers.start > 0;
            let requests: Vec<_> = numbers.map(|n| request(what, &token, n)).collect();
            let said = match counts {
                true => measured(&runtime, &router, requests),
                false => asked(&runtime, &router, requests),
            };
            assert!(said.starts_with(answer), "{what} is answered {said}");
        }
    }
    registry.stop();
}

/// What is counted. valgrind knows it by its name.
#[inline(never)]
fn measured(
    runtime: &tokio::runtime::Runtime,
    router: &Router,
    requests: Vec<Request<Body>>,
) -> String {
    asked(runtime, router, requests)
}

/// Asks, and says what the last one was answered.
fn asked(
    runtime: &tokio::runtime::Runtime,
    router: &Router,
    requests: Vec<Request<Body>>,
) -> String {
    runtime.block_on(async {
        let mut last = Default::default();
        for request in requests {
            let response = router.clone().oneshot(request).await.expect("a router has no errors");
            last = response.into_body().collect().await.expect("it is in memory").to_bytes();
        }
        String::from_utf8_lossy(&last).into_owned()
    })
}

fn name(host: usize) -> Name {
    format!("h{host}.dyn.example.org").parse().expect("a name")
}

fn start(directory: &Path) -> Registry {
    let zone = "$ORIGIN dyn.example.org.\n@ 3600 SOA ns1 hostmaster 1 3600 600 86400 60\n\
                @ 3600 NS ns1\nns1 3600 A 192.0.2.53\n";
    let settings = Settings::new(Arc::new(move || {
        let zone = Zone::parse(zone, Path::new("dyn.example.org.zone"));
        zone.map(|zone| vec![zone]).map_err(|error| vec![error])
    }));
    let began = Instant::now();
    let clock = |before: Served| -> truename::registry::Clock {
        Box::new(move || Now {
            wall: Timestamp(1_767_225_600 + began.elapsed().as_secs() as i64),
            served: Served(before.0 + began.elapsed().as_secs()),
        })
    };
    Registry::open(Engine::Redb, directory, settings, clock).expect("started")
}

/// Makes an account with hosts, and says its token. All hosts are where a
/// `nochg` says.
async fn fill(registry: &Registry) -> String {
    let owner: truename::model::AccountName = "bench".parse().expect("a name");
    let account = Command::AccountAdd { name: owner.clone(), password: None };
    registry.command(account).await.expect("an account");
    let hosts: Vec<_> = (0..HOSTS)
        .map(|number| {
            let settings = HostSettings {
                owner: Some(Some(owner.clone())),
                addresses: Some(truename::model::Addresses {
                    v4: Some([93, 255, 255, 255].into()),
                    v6: None,
                }),
                ..HostSettings::default()
            };
            let registry = registry.clone();
            let command = Command::HostAdd { name: name(number), settings, key: false };
            tokio::spawn(async move { registry.command(command).await })
        })
        .collect();
    for host in hosts {
        host.await.expect("nothing panics").expect("a host");
    }
    let key = Command::KeyAdd {
        holder: Holder::Account(owner),
        hosts: Vec::new(),
        networks: Vec::new(),
        label: String::new(),
        may: truename::model::May::default(),
        ends: None,
    };
    match registry.command(key).await.expect("a key") {
        Reply::KeyAdded(key) => key.token,
        other => panic!("not a key: {other:?}"),
    }
}

fn request(what: &str, token: &str, number: usize) -> Request<Body> {
    let [high, low] = (number as u16).to_be_bytes();
    let target = match what {
        "static" => "/robots.txt".to_owned(),
        "checkip" => "/checkip".to_owned(),
        "DuckDNS, nothing new" => {
            format!("/update?domains=h{number}&token={token}&ip=93.255.255.255")
        }
        "good" => {
            format!("/nic/update?hostname=h{number}.dyn.example.org&myip=93.184.{high}.{low}")
        }
        _ => format!("/nic/update?hostname=h{number}.dyn.example.org&myip=93.255.255.255"),
    };
    let secret = if what == "wrong password" { "not-the-token" } else { token };
    let login = BASE64.encode(format!("bench:{secret}").as_bytes());
    let peer: SocketAddr = ([203, 0, 113, low], 40_000).into();
    Request::builder()
        .uri(target)
        .header("host", "localhost")
        .header("authorization", format!("Basic {login}"))
        .header("user-agent", "truename-bench/1 bench@example.org")
        .header("connection", "keep-alive")
        .extension(ConnectInfo(peer))
        .body(Body::empty())
        .expect("a request")
}
