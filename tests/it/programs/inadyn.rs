//! inadyn 2.10, as Debian 12 ships it; UniFi, ASUS and DD-WRT have its
//! relatives inside.
//!
//! | inadyn 2.10: dyndns.org | dyndns2 | real program |
//! | inadyn 2.10: custom | dyndns2 | real program |

use std::time::Duration;

use super::super::daemon::{Login, Said, send, until};
use super::super::network::{DEAF, HOMES, Network, PROVIDER, program};
use super::{CAM, HOST, NOBODY, account, client_file, provider, seen, started, until_seen};

/// inadyn's own words for dyndns.org, whose names it has inside.
fn dyndns_org(login: &Login, host: &str) -> String {
    format!(
        "period = 300\n\
         provider default@dyndns.org {{\n\
             ssl = false\n\
             username = \"{}\"\n\
             password = \"{}\"\n\
             hostname = {host}\n\
         }}\n",
        login.user, login.password
    )
}

/// Its words for a server of one's own.
fn custom(login: &Login, host: &str) -> String {
    format!(
        "period = 300\n\
         custom own {{\n\
             ssl = false\n\
             checkip-ssl = false\n\
             checkip-server = checkip.dyndns.org\n\
             ddns-server = ddns.dyn.example.org\n\
             ddns-path = \"/nic/update?hostname=%h&myip=%i\"\n\
             username = \"{}\"\n\
             password = \"{}\"\n\
             hostname = {host}\n\
         }}\n",
        login.user, login.password
    )
}

/// One run that ends by itself, remembering nothing.
fn once(network: &Network, configuration: &str) -> Said {
    let memory = tempfile::tempdir().unwrap();
    let file = client_file(&memory, "inadyn.conf", configuration);
    network.home.run(
        &program("inadyn"),
        &[
            "--once",
            "--force",
            "--foreground",
            "--no-pidfile",
            "--loglevel=debug",
            "--config",
            file.to_str().unwrap(),
            "--cache-dir",
            memory.path().to_str().unwrap(),
        ],
    )
}

#[test]
fn dyndns_org_unchanged() {
    all_five(dyndns_org);
}

#[test]
fn a_server_of_ones_own() {
    all_five(custom);
}

fn all_five(configuration: fn(&Login, &str) -> String) {
    let network = Network::new();
    let server = provider(&network);
    let _running = server.start();
    let login = server.add_host(HOST, &[]);

    let said = once(&network, &configuration(&login, HOST));
    assert!(said.status.success(), "{said}");
    assert!(said.all().contains(&format!("good {}", HOMES[0])), "{said}");
    assert_eq!(seen(&network, HOST), HOMES[0]);

    let said = once(&network, &configuration(&login, HOST));
    assert!(said.status.success(), "{said}");
    assert!(said.all().contains(&format!("nochg {}", HOMES[0])), "{said}");
    assert_eq!(seen(&network, HOST), HOMES[0]);

    network.move_home(HOMES[1]);
    let said = once(&network, &configuration(&login.wrong(), HOST));
    assert!(!said.status.success() && said.all().contains("badauth"), "{said}");
    assert_eq!(seen(&network, HOST), HOMES[0]);

    let said = once(&network, &configuration(&login, NOBODY));
    assert!(said.all().contains("Fatal error") && said.all().contains("nohost"), "{said}");
    assert_eq!(seen(&network, NOBODY), "");
    assert_eq!(seen(&network, HOST), HOMES[0]);

    network.names_at(DEAF);
    let said = once(&network, &configuration(&login, HOST));
    assert!(said.all().contains("Connection refused"), "{said}");
    assert_eq!(seen(&network, HOST), HOMES[0]);

    network.names_at(PROVIDER);
    let said = once(&network, &configuration(&login, HOST));
    assert!(said.status.success(), "{said}");
    assert_eq!(seen(&network, HOST), HOMES[1]);
}

/// It asks for each host by itself.
#[test]
fn several_hosts() {
    let network = Network::new();
    let server = provider(&network);
    let _running = server.start();
    let login = account(&server, &[HOST, CAM]);
    let both = format!("{{ {HOST}, {CAM} }}");
    let said = once(&network, &dyndns_org(&login, &both));
    assert!(said.status.success(), "{said}");
    assert_eq!((seen(&network, HOST).as_str(), seen(&network, CAM).as_str()), (HOMES[0], HOMES[0]));
}

/// The daemon, told to look again (SIGUSR2), follows its home.
#[test]
fn the_daemon_follows_its_home() {
    let network = Network::new();
    let server = provider(&network);
    let _running = server.start();
    let login = server.add_host(HOST, &[]);
    let memory = tempfile::tempdir().unwrap();
    let file = client_file(&memory, "inadyn.conf", &dyndns_org(&login, HOST));
    let log = memory.path().join("log");
    let mut inadyn = network.home.command(&program("inadyn"));
    inadyn.args(["--foreground", "--no-pidfile", "--loglevel=debug", "--config"]).arg(file);
    inadyn.arg("--cache-dir").arg(memory.path());
    let mut inadyn = started(&mut inadyn, &log);
    until_seen(&network, HOMES[0], Duration::from_secs(60));
    network.move_home(HOMES[2]);
    until("the next report", Duration::from_secs(60), || {
        // Whoever is told while it is still busy does not look.
        send("USR2", &inadyn);
        std::thread::sleep(Duration::from_millis(500));
        (seen(&network, HOST) == HOMES[2]).then_some(())
    });
    let alive = inadyn.try_wait().unwrap();
    inadyn.kill().unwrap();
    inadyn.wait().unwrap();
    assert!(alive.is_none(), "{alive:?}\n{}", std::fs::read_to_string(log).unwrap());
}
