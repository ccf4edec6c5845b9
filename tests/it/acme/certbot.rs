//! certbot with its plugin for DNS UPDATE, as `host show` prints its settings.
//!
//! | certbot: dns-rfc2136 | DNS UPDATE | real program |

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::super::daemon::{Home, Said};
use super::super::network::Network;
use super::pebble::DIRECTORY;
use super::{CAM, HOST, issued, refused, stage};

/// The options that keep certbot within a directory, and to our authority.
pub fn aside(directory: &Path) -> String {
    let directory = directory.display();
    format!(
        "--non-interactive --agree-tos --register-unsafely-without-email --server {DIRECTORY} \
         --config-dir {directory}/etc --work-dir {directory}/lib --logs-dir {directory}/log"
    )
}

/// Runs the line that stands in the settings' own comment.
/// They are those of some host; the certificate is for ours.
fn as_printed(network: &Network, server: &Home, host: &str, directory: &Path) -> Said {
    let settings = server.done(&["host", "show", host, "--settings", "certbot"]);
    let settings = settings.replace(host, HOST);
    let file = directory.join("truename.ini");
    let line = settings.lines().find_map(|line| line.strip_prefix("#   certbot ")).unwrap();
    assert!(line.contains("/etc/letsencrypt/truename.ini"), "{line}");
    let line = line.replace("/etc/letsencrypt/truename.ini", file.to_str().unwrap());
    std::fs::write(&file, &settings).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    network.home.run("sh", &["-c", &format!("certbot {line} {}", aside(directory))])
}

/// Where certbot leaves it.
pub fn chain(directory: &Path, name: &str) -> PathBuf {
    directory.join("etc/live").join(name).join("fullchain.pem")
}

#[test]
fn settings() {
    let network = Network::new();
    let (server, pebble) = stage(&network);
    let _running = server.start();
    server.add_host(HOST, &[]);
    server.add_host(CAM, &[]);

    let directory = tempfile::tempdir().unwrap();
    let said = as_printed(&network, &server, CAM, directory.path());
    refused(&network, &said, "Received response from server: REFUSED");
    let said = as_printed(&network, &server, HOST, directory.path());
    issued(&network, &pebble, &said, &chain(directory.path(), HOST));
}
