//! curl, GNU wget and BusyBox wget, as scripts and firmware use them.
//!
//! | curl | dyndns2 | real program |
//! | GNU wget | dyndns2 | real program |
//! | BusyBox wget | dyndns2 | real program |

use super::super::daemon::{Home, Login, Said};
use super::super::network::{DEAF, HOME6, HOMES, Network, PROVIDER, program};
use super::{HOST, NOBODY, provider, seen};

/// How a program fetches a path of the server at `ddns.dyn.example.org`.
type Fetch = fn(&Network, &str, &Login) -> Said;

#[test]
fn curl() {
    all_five(
        |network, path, login| {
            let url = format!("http://ddns.dyn.example.org{path}");
            network.home.run(&program("curl"), &["-sS", "-m", "20", "-u", &login.pair(), &url])
        },
        "badauth",
    );
}

/// GNU wget keeps its password to itself until it is asked: the first request
/// of each pair comes without.
#[test]
fn gnu_wget() {
    all_five(
        |network, path, login| {
            let url = format!("http://ddns.dyn.example.org{path}");
            let user = format!("--user={}", login.user);
            let password = format!("--password={}", login.password);
            let rest = ["-nv", "-O", "-", "--content-on-error", "--tries=1", "--timeout=20"];
            network.home.run(&program("wget"), &[&rest[..], &[&user[..], &password, &url]].concat())
        },
        "Username/Password Authentication Failed",
    );
}

#[test]
fn busybox_wget() {
    all_five(
        |network, path, login| {
            let url = format!("http://{}@ddns.dyn.example.org{path}", login.pair());
            network.home.run(&program("busybox"), &["wget", "-q", "-O", "-", &url])
        },
        "401",
    );
}

fn all_five(fetch: Fetch, refusal: &str) {
    let network = Network::new();
    let server = provider(&network);
    let _running = server.start();
    let login = server.add_host(HOST, &[]);
    let update = format!("/nic/update?hostname={HOST}");
    assert_eq!(seen(&network, HOST), "", "it has not reported yet");

    let said = fetch(&network, &update, &login);
    assert_eq!(said.out, format!("good {}\n", HOMES[0]), "{said}");
    assert!(said.status.success(), "{said}");
    assert_eq!(seen(&network, HOST), HOMES[0]);

    let said = fetch(&network, &update, &login);
    assert_eq!(said.out, format!("nochg {}\n", HOMES[0]), "{said}");
    assert_eq!(seen(&network, HOST), HOMES[0]);

    network.move_home(HOMES[1]);
    let said = fetch(&network, &update, &login);
    assert_eq!(said.out, format!("good {}\n", HOMES[1]), "{said}");
    assert_eq!(seen(&network, HOST), HOMES[1]);

    network.move_home(HOMES[2]);
    let said = fetch(&network, &update, &login.wrong());
    assert!(said.all().contains(refusal), "{said}");
    assert!(!said.all().contains("good") && !said.all().contains("nochg"), "{said}");
    assert_eq!(seen(&network, HOST), HOMES[1]);

    let said = fetch(&network, &format!("/nic/update?hostname={NOBODY}"), &login);
    assert_eq!(said.out, "nohost\n", "{said}");
    assert_eq!(seen(&network, NOBODY), "");
    assert_eq!(seen(&network, HOST), HOMES[1]);

    network.names_at(DEAF);
    let said = fetch(&network, &update, &login);
    assert!(!said.status.success() && said.out.is_empty(), "{said}");
    assert_eq!(seen(&network, HOST), HOMES[1]);

    // And when the server is there again, all is well.
    network.names_at(PROVIDER);
    let said = fetch(&network, &format!("{update}&myip=192.0.2.200"), &login);
    assert_eq!(said.out, "good 192.0.2.200\n", "{said}");
    assert_eq!(seen(&network, HOST), "192.0.2.200");
}

/// A host that reports over IPv6 keeps what it said of IPv4.
#[test]
fn each_family_is_left_alone_by_the_other() {
    let network = Network::new();
    let server = provider(&network);
    let _running = server.start();
    let login = server.add_host(HOST, &[]);
    let curl = |url: String| {
        let said = network.home.run(&program("curl"), &["-gsS", "-u", &login.pair(), &url]);
        assert!(said.status.success(), "{said}");
        said.out
    };
    let v4 = format!("http://{PROVIDER}:8245/nic/update?hostname={HOST}");
    assert_eq!(curl(v4), format!("good {}\n", HOMES[0]));
    let v6 = format!("http://[2001:db8:53::53]/nic/update?hostname={HOST}");
    let answer = curl(v6);
    assert!(answer.starts_with("good ") && answer.contains(HOME6), "{answer}");
    assert_eq!(seen(&network, HOST), HOMES[0]);
    assert_eq!(network.home.dig(HOST, "AAAA"), [HOME6]);
}

/// The page that tells a client its address, on the names that clients know.
#[test]
fn everybody_is_told_their_address() {
    let network = Network::new();
    let server = provider(&network);
    let _running = server.start();
    let page = |address: &str| {
        format!(
            "<html><head><title>Current IP Check</title></head>\
             <body>Current IP Address: {address}</body></html>"
        )
    };
    let own = "http://ddns.dyn.example.org/checkip";
    let curl = &["curl", "-sS"][..];
    let others = [&["wget", "-q", "-O", "-"][..], &["busybox", "wget", "-q", "-O", "-"]];
    for url in ["http://checkip.dyndns.org/", "http://checkip.dyndns.com", own] {
        for fetcher in [curl].iter().chain(&others) {
            let said = network.home.run(&program(fetcher[0]), &[&fetcher[1..], &[url]].concat());
            // Whoever types curl wants to read an address, except on names
            // that scripts have asked for the page for twenty years.
            let bare = *fetcher == curl && url == own;
            let expected = if bare { HOMES[0].to_owned() } else { page(HOMES[0]) };
            assert_eq!(said.out.trim_end(), expected, "{fetcher:?} {url}\n{said}");
        }
    }
    network.move_home(HOMES[1]);
    let said = network.home.run(&program("curl"), &["-sS", "http://checkip.dyndns.org/"]);
    assert_eq!(said.out.trim_end(), page(HOMES[1]), "{said}");
}

/// The server is killed and started again: what was `good` is still so, and
/// the client that reports again changes nothing.
#[test]
fn what_was_good_is_there_after_a_kill() {
    let network = Network::new();
    let server = provider(&network);
    let running = server.start();
    let login = server.add_host(HOST, &[]);
    let report = || {
        let url = format!("http://ddns.dyn.example.org/v3/update?hostname={HOST}");
        network.home.run(&program("curl"), &["-sS", "-u", &login.pair(), &url]).out
    };
    assert_eq!(report(), format!("good {}\n", HOMES[0]));
    running.kill();
    let _running = server.start();
    assert_eq!(seen(&network, HOST), HOMES[0]);
    assert_eq!(report(), format!("nochg {}\n", HOMES[0]));
    reads_back(&server);
}

fn reads_back(server: &Home) {
    let history = server.done(&["history", HOST]);
    assert_eq!(history.matches(HOMES[0]).count(), 2, "address and source, once:\n{history}");
}
