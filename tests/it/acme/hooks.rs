//! Clients that call a program of ours: the hook that `host show` prints.
//!
//! | certbot: hook | httpreq | real program |
//! | dehydrated: hook | httpreq | real program |
//! | uacme: hook | httpreq | real program |

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::super::daemon::{Home, Login, Said};
use super::super::network::{Network, program};
use super::pebble::DIRECTORY;
use super::{CAM, HOST, certbot, issued, printed, refused, stage};

/// How a client is run: with its line from the hook's comment, in a directory
/// of its own.
type Run = fn(&Network, &str, &Path) -> Said;

/// With another host's key, then with the host's own.
fn by(client: &str, run: Run, chain: fn(&Path) -> PathBuf) {
    program(client);
    let network = Network::new();
    let (server, pebble) = stage(&network);
    let _running = server.start();
    let theirs = server.add_host(CAM, &[]);
    let ours = server.add_host(HOST, &[]);
    let said = with(&network, &server, client, &theirs, run).0;
    refused(
        &network,
        &said,
        "this key may not set TXT records at _acme-challenge.home.dyn.example.org",
    );
    let (said, directory) = with(&network, &server, client, &ours, run);
    issued(&network, &pebble, &said, &chain(directory.path()));
}

fn with(
    network: &Network,
    server: &Home,
    client: &str,
    login: &Login,
    run: Run,
) -> (Said, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let hook = directory.path().join("acme-hook");
    let text = printed(server, HOST, "acme-hook", &login.password);
    let start = format!("#   {client} ");
    let line = text.lines().find_map(|line| line.strip_prefix(&start)).unwrap();
    assert!(line.contains("/etc/acme-hook"), "{line}");
    let line = line.replace("/etc/acme-hook", hook.to_str().unwrap());
    std::fs::write(&hook, &text).unwrap();
    std::fs::set_permissions(&hook, std::fs::Permissions::from_mode(0o700)).unwrap();
    (run(network, &format!("{client} {line}"), directory.path()), directory)
}

fn shell(network: &Network, line: &str) -> Said {
    network.home.run("sh", &["-c", line])
}

#[test]
fn certbot_by_hand() {
    by(
        "certbot",
        |network, line, directory| shell(network, &format!("{line} {}", certbot::aside(directory))),
        |directory| certbot::chain(directory, HOST),
    );
}

#[test]
fn dehydrated() {
    by(
        "dehydrated",
        |network, line, directory| {
            let file = directory.join("config");
            let text = format!("CA={DIRECTORY}\nBASEDIR={}\n", directory.display());
            std::fs::write(&file, text).unwrap();
            let file = file.display();
            shell(
                network,
                &format!(
                    "dehydrated --register --accept-terms --config {file} && {line} --config {file}"
                ),
            )
        },
        |directory| directory.join("certs").join(HOST).join("fullchain.pem"),
    );
}

#[test]
fn uacme() {
    by(
        "uacme",
        |network, line, directory| {
            let ours = format!("--acme-url {DIRECTORY} --confdir {}", directory.display());
            let line = line.replacen("uacme ", &format!("uacme {ours} "), 1);
            shell(network, &format!("uacme {ours} --yes new && {line}"))
        },
        |directory| directory.join(HOST).join("cert.pem"),
    );
}
