//! lego, and so Traefik: by each of the protocols it has that we speak.
//!
//! | lego: httpreq | httpreq | real program |
//! | lego: httpreq in mode RAW | httpreq | real program |
//! | lego: rfc2136 | DNS UPDATE | real program |

use std::path::{Path, PathBuf};

use super::super::daemon::{Home, Login, Said, said};
use super::super::network::{Network, program};
use super::pebble::DIRECTORY;
use super::{BELOW, CAM, HOST, issued, printed, refused, stage, tsig};

/// Where lego leaves a certificate.
fn chain(directory: &Path, name: &str) -> PathBuf {
    directory.join(format!("certificates/{name}.crt"))
}

/// Gets one certificate for these names.
pub fn lego(
    network: &Network,
    directory: &Path,
    protocol: &str,
    environment: &[(&str, &str)],
    names: &[&str],
) -> Said {
    let mut lego = network.home.command(&program("lego"));
    lego.args(["--server", DIRECTORY, "--accept-tos", "--email", "ann@example.org"])
        .args(["--dns", protocol, "--path"])
        .arg(directory);
    for name in names {
        lego.args(["--domains", name]);
    }
    said(lego.arg("run").envs(environment.iter().copied()).envs(QUICK), "")
}

/// What lego waits for between its looks, in seconds.
const QUICK: [(&str, &str); 5] = [
    ("DUCKDNS_POLLING_INTERVAL", "1"),
    ("DUCKDNS_SEQUENCE_INTERVAL", "1"),
    ("HTTPREQ_POLLING_INTERVAL", "1"),
    ("RFC2136_POLLING_INTERVAL", "1"),
    ("RFC2136_SEQUENCE_INTERVAL", "1"),
];

/// The host's own key gets a certificate by a protocol, another's does not.
fn by(
    protocol: &str,
    refusal: &str,
    environment: fn(&Home, &str, &Login) -> Vec<(&'static str, String)>,
) {
    let network = Network::new();
    let (server, pebble) = stage(&network);
    let _running = server.start();
    let theirs = server.add_host(CAM, &[]);
    let ours = server.add_host(HOST, &[]);
    let run = |host: &str, login: &Login| {
        let directory = tempfile::tempdir().unwrap();
        let environment = environment(&server, host, login);
        let environment: Vec<(&str, &str)> =
            environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
        (lego(&network, directory.path(), protocol, &environment, &[HOST, BELOW]), directory)
    };
    let (said, _directory) = run(CAM, &theirs);
    refused(&network, &said, refusal);
    let (said, directory) = run(HOST, &ours);
    issued(&network, &pebble, &said, &chain(directory.path(), HOST));
}

#[test]
fn httpreq() {
    by("httpreq", "this key may not", |_, _, login| {
        vec![
            ("HTTPREQ_ENDPOINT", "https://ddns.dyn.example.org".into()),
            ("HTTPREQ_USERNAME", login.user.clone()),
            ("HTTPREQ_PASSWORD", login.password.clone()),
        ]
    });
}

/// We make name and value, from what the authority gave lego. The endpoint
/// has a path.
#[test]
fn httpreq_raw() {
    by("httpreq", "this key may not", |_, _, login| {
        vec![
            ("HTTPREQ_ENDPOINT", "https://ddns.dyn.example.org/certificates/".into()),
            ("HTTPREQ_MODE", "RAW".into()),
            ("HTTPREQ_USERNAME", login.user.clone()),
            ("HTTPREQ_PASSWORD", login.password.clone()),
        ]
    });
}

#[test]
fn rfc2136() {
    by("rfc2136", "REFUSED", |server, host, _| {
        let login = tsig(server, host);
        vec![
            ("RFC2136_NAMESERVER", super::PROVIDER.into()),
            ("RFC2136_TSIG_ALGORITHM", "hmac-sha512.".into()),
            ("RFC2136_TSIG_KEY", login.user),
            ("RFC2136_TSIG_SECRET", login.password),
        ]
    });
}

/// The settings that `host show` prints, as printed.
#[test]
fn settings() {
    let network = Network::new();
    let (server, pebble) = stage(&network);
    let _running = server.start();
    let login = server.add_host(HOST, &[]);
    let script = printed(&server, HOST, "lego", &login.password);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().to_str().unwrap();
    assert!(script.contains("--path /var/lib/lego "), "{script}");
    let script = script.replace("--path /var/lib/lego ", &format!("--path {path} "));
    let run = ["-c", &script, "lego.sh", "--server", DIRECTORY, "run"];
    let said = network.home.run("sh", &run);
    issued(&network, &pebble, &said, &chain(directory.path(), HOST));
}

/// lego keeps to its own idea of DuckDNS: www.duckdns.org with TLS, and names
/// in duckdns.org. In this network both are us.
#[test]
fn duckdns() {
    const DUCK: &str = "home.duckdns.org";
    let network = Network::new();
    let (server, pebble) = stage(&network);
    server.zone(
        "duckdns.org.zone",
        "$ORIGIN duckdns.org.\n\
         $TTL 3600\n\
         @ SOA ns1.dyn.example.org. hostmaster 1 3600 600 604800 60\n\
         @ NS ns1.dyn.example.org.\n",
    );
    let _running = server.start();
    let theirs = server.add_host("cam.duckdns.org", &[]);
    let ours = server.add_host(DUCK, &[]);
    let names = [DUCK, "*.home.duckdns.org"];
    let run = |login: &Login| {
        let directory = tempfile::tempdir().unwrap();
        let token = [("DUCKDNS_TOKEN", login.password.as_str())];
        (lego(&network, directory.path(), "duckdns", &token, &names), directory)
    };
    let values = || network.home.dig("_acme-challenge.home.duckdns.org", "TXT");
    let (said, _directory) = run(&theirs);
    assert!(!said.status.success(), "{said}");
    assert!(said.all().contains("KO"), "{said}");
    assert_eq!(values(), [""; 0]);
    let (said, directory) = run(&ours);
    assert!(said.status.success(), "{said}");
    pebble.check(&network, &chain(directory.path(), DUCK), &names);
    assert_eq!(values(), [""; 0], "it cleans up");
}
