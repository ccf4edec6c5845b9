//! ddclient 3.10, as Debian 12 and Raspberry Pi OS ship it.
//!
//! | ddclient 3.10: dyndns2 | dyndns2 | real program |

use std::time::Duration;

use super::super::daemon::{Login, Said, send, until};
use super::super::network::{DEAF, HOMES, Network, PROVIDER, program};
use super::{CAM, HOST, NOBODY, account, client_file, provider, seen, started, until_seen};

/// The classic Raspberry Pi guide, but for the names and `ssl`: both servers
/// are the ones of twenty years ago.
fn guide(login: &Login, hosts: &str) -> String {
    format!(
        "protocol=dyndns2\n\
         use=web, web=checkip.dyndns.com, web-skip='IP Address'\n\
         server=members.dyndns.org\n\
         ssl=no\n\
         login={}\n\
         password='{}'\n\
         {hosts}\n",
        login.user, login.password
    )
}

/// One run as cron would start it. What ddclient remembers is in `directory`.
fn once(network: &Network, directory: &tempfile::TempDir, configuration: &str) -> Said {
    let file = client_file(directory, "ddclient.conf", configuration);
    let cache = directory.path().join("ddclient.cache");
    network.home.run(
        &program("ddclient"),
        &[
            "-daemon=0",
            "-foreground",
            "-verbose",
            "-file",
            file.to_str().unwrap(),
            "-cache",
            cache.to_str().unwrap(),
        ],
    )
}

/// The same without anything to remember.
fn afresh(network: &Network, configuration: &str) -> Said {
    once(network, &tempfile::tempdir().unwrap(), configuration)
}

#[test]
fn the_raspberry_pi_guide_works_unchanged() {
    let network = Network::new();
    let server = provider(&network);
    let _running = server.start();
    let login = server.add_host(HOST, &[]);
    let memory = tempfile::tempdir().unwrap();

    let said = once(&network, &memory, &guide(&login, HOST));
    let good = format!("SUCCESS:  updating {HOST}: good: IP address set to {}", HOMES[0]);
    assert!(said.all().contains(&good), "{said}");
    assert_eq!(seen(&network, HOST), HOMES[0]);

    // It remembers, and does not even ask.
    let said = once(&network, &memory, &guide(&login, HOST));
    assert!(
        said.all().contains(&format!("skipped: IP address was already set to {}", HOMES[0])),
        "{said}"
    );

    // One that has forgotten asks, and hears that nothing changed.
    let said = afresh(&network, &guide(&login, HOST));
    let same = format!("SUCCESS:  updating {HOST}: nochg: IP address set to {}", HOMES[0]);
    assert!(said.all().contains("nochg") && !said.all().contains("FAILED"), "{said}\n{same}");
    assert_eq!(seen(&network, HOST), HOMES[0]);

    network.move_home(HOMES[1]);
    let said = afresh(&network, &guide(&login.wrong(), HOST));
    assert!(
        said.all().contains(&format!("FAILED:   updating {HOST}: authorization failed")),
        "{said}"
    );
    assert_eq!(seen(&network, HOST), HOMES[0]);

    let said = afresh(&network, &guide(&login, NOBODY));
    assert!(said.all().contains(&format!("FAILED:   updating {NOBODY}: nohost")), "{said}");
    assert_eq!(seen(&network, NOBODY), "");
    assert_eq!(seen(&network, HOST), HOMES[0]);

    // The server is not there; the address comes from the interface.
    network.names_at(DEAF);
    let from_interface = guide(&login, HOST)
        .replace("use=web, web=checkip.dyndns.com, web-skip='IP Address'", "use=if, if=wire");
    let said = afresh(&network, &from_interface);
    assert!(said.all().contains("Could not connect to members.dyndns.org"), "{said}");
    assert_eq!(seen(&network, HOST), HOMES[0]);

    network.names_at(PROVIDER);
    let said = afresh(&network, &guide(&login, HOST));
    assert!(said.all().contains(&format!("good: IP address set to {}", HOMES[1])), "{said}");
    assert_eq!(seen(&network, HOST), HOMES[1]);
}

/// Several hosts go in one request, and each has its own line in the answer.
#[test]
fn several_hosts_in_one_request() {
    let network = Network::new();
    let server = provider(&network);
    let _running = server.start();
    let login = account(&server, &[HOST, CAM]);

    let said = afresh(&network, &guide(&login, &format!("{HOST},{NOBODY},{CAM}")));
    for host in [HOST, CAM] {
        let good = format!("SUCCESS:  updating {host}: good: IP address set to {}", HOMES[0]);
        assert!(said.all().contains(&good), "{said}");
        assert_eq!(seen(&network, host), HOMES[0]);
    }
    assert!(said.all().contains(&format!("FAILED:   updating {NOBODY}: nohost")), "{said}");
    assert_eq!(seen(&network, NOBODY), "");
    assert_eq!(server.done(&["history", CAM]).matches(HOMES[0]).count(), 2, "one request each");
}

/// Left alone for as long as ddclient thinks right, which is a minute at
/// least, the daemon follows its home.
#[test]
fn the_daemon_follows_its_home() {
    let network = Network::new();
    let server = provider(&network);
    let _running = server.start();
    let login = server.add_host(HOST, &[]);
    let memory = tempfile::tempdir().unwrap();
    let file = client_file(&memory, "ddclient.conf", &guide(&login, HOST));
    let log = memory.path().join("log");
    let mut ddclient = network.home.command(&program("ddclient"));
    ddclient.args(["-daemon=60", "-foreground", "-verbose", "-file"]).arg(file);
    ddclient.arg("-cache").arg(memory.path().join("ddclient.cache"));
    let mut ddclient = started(&mut ddclient, &log);
    until_seen(&network, HOMES[0], Duration::from_secs(30));
    network.move_home(HOMES[2]);
    until("the next report", Duration::from_secs(150), || {
        std::thread::sleep(Duration::from_millis(500));
        (seen(&network, HOST) == HOMES[2]).then_some(())
    });
    let alive = ddclient.try_wait().unwrap();
    // Killed, it would keep its last words to itself.
    send("TERM", &ddclient);
    until("ddclient ends", Duration::from_secs(30), || ddclient.try_wait().unwrap());
    let log = std::fs::read_to_string(log).unwrap();
    assert!(alive.is_none(), "{alive:?}\n{log}");
    assert!(log.contains(&format!("good: IP address set to {}", HOMES[2])), "{log}");
    assert!(!log.contains("FAILED"), "{log}");
}
