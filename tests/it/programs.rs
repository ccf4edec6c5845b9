//! Real programs from Debian report to the real server, each from a home of
//! its own: an update that is good, one that changes nothing, a wrong
//! password, a host that is not theirs, a server that is not there. After
//! each, `dig` says what the world sees.

mod ddclient;
mod fetchers;
mod import;
mod inadyn;
mod protocols;
mod settings;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::daemon::{Home, Login, until};
use super::network::{Network, PROVIDER, PROVIDER6};
use super::trust::Trust;

/// The host of most stories.
const HOST: &str = "home.dyn.example.org";
/// Another.
const CAM: &str = "cam.home.dyn.example.org";
/// No host of anybody's.
const NOBODY: &str = "nobody.dyn.example.org";

/// A provider as routers expect it: port 53, ports 80 and 8245, IPv4 and
/// IPv6, and the name that its clients know it by.
pub fn provider(network: &Network) -> Home<'_> {
    let more = format!(", \"{PROVIDER}:8245\", \"[{PROVIDER6}]:80\"");
    let server = Home::within(&network.provider, PROVIDER.parse().unwrap(), &more);
    server.reconfigure("[http]\n", "[http]\npublic = \"http://ddns.dyn.example.org\"\n");
    server
}

/// The same behind TLS, too, and known by that: its certificate is of an
/// authority that the home trusts.
pub fn provider_with_tls(network: &Network) -> Home<'_> {
    let trust = Trust::new();
    network.home_trusts(&trust.pem());
    let identity = trust.identity(&["ddns.dyn.example.org"]);

    let server = provider(network);
    std::fs::write(server.path().join("certificate.pem"), identity.certificate).unwrap();
    std::fs::write(server.path().join("key.pem"), identity.key).unwrap();
    server.reconfigure("http://ddns", "https://ddns");
    server.append(&format!(
        "\n[http.tls]\nlisten = [\"{PROVIDER}:443\"]\n\
         certificate = \"certificate.pem\"\nkey = \"key.pem\"\n"
    ));
    server
}

/// An account with a token that is good for all its hosts.
fn account(server: &Home, hosts: &[&str]) -> Login {
    server.done(&["account", "add", "ann"]);
    for host in hosts {
        server.done(&["host", "add", host, "--owner", "ann", "--no-key"]);
    }
    Login::from(&server.done(&["key", "add", "--account", "ann"]))
}

/// Starts a daemon whose words go into a file.
fn started(daemon: &mut Command, log: &Path) -> Child {
    let out = std::fs::File::create(log).unwrap();
    let daemon = daemon.stdin(Stdio::null()).stdout(out.try_clone().unwrap()).stderr(out);
    daemon.spawn().unwrap()
}

/// Waits until the world sees this address of [`HOST`].
fn until_seen(network: &Network, address: &str, within: Duration) {
    until(&format!("{address} in the DNS"), within, || {
        (seen(network, HOST) == address).then_some(())
    });
}

/// What the world sees of a host.
fn seen(network: &Network, host: &str) -> String {
    network.home.dig(host, "A").join(" ")
}

/// A file of a client, only for its owner: ddclient insists.
fn client_file(directory: &tempfile::TempDir, name: &str, text: &str) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let file = directory.path().join(name);
    std::fs::write(&file, text).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    file
}
