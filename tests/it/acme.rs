//! Certificates. Real clients get them from a real authority, Pebble, which
//! asks our DNS for the proof: one certificate for a host and everything below
//! it, so that two values stand at one name at once. Each client proves
//! itself to us with the host's own key, by one of the protocols there are
//! for that.

mod acme_dns;
mod certbot;
mod hooks;
mod lego;
mod own;
mod pebble;

use super::daemon::{Home, Login, Said};
use super::network::{Network, PROVIDER};
use super::trust::Trust;
use pebble::{AUTHORITY, Pebble};

/// The host that certificates are for.
const HOST: &str = "home.dyn.example.org";
/// Everything below it.
const BELOW: &str = "*.home.dyn.example.org";
/// Where both are proved.
const PROOF: &str = "_acme-challenge.home.dyn.example.org";
/// Another host, of somebody else.
const CAM: &str = "cam.dyn.example.org";

/// A provider with TLS, known by its names to a home that trusts it, and an
/// authority beside it.
fn stage(network: &Network) -> (Home<'_>, Pebble) {
    let trust = Trust::new();
    network.home_trusts(&trust.pem());
    network.home.hosts(&format!(
        "127.0.0.1 localhost\n\
         {PROVIDER} ddns.dyn.example.org www.duckdns.org\n\
         {AUTHORITY} ca.example.net\n"
    ));
    let server = Home::within(&network.provider, PROVIDER.parse().unwrap(), "");
    server.reconfigure("[http]\n", "[http]\npublic = \"https://ddns.dyn.example.org\"\n");
    let identity = trust.identity(&["ddns.dyn.example.org", "www.duckdns.org"]);
    std::fs::write(server.path().join("certificate.pem"), identity.certificate).unwrap();
    std::fs::write(server.path().join("key.pem"), identity.key).unwrap();
    server.append(&format!(
        "\n[http.tls]\nlisten = [\"{PROVIDER}:443\"]\n\
         certificate = \"certificate.pem\"\nkey = \"key.pem\"\n"
    ));
    let pebble = Pebble::start(network, &trust.identity(&["ca.example.net"]));
    (server, pebble)
}

/// The settings for a host's client, as printed.
fn printed(server: &Home, host: &str, client: &str, password: &str) -> String {
    let mut show =
        server.program(&["host", "show", host, "--settings", client, "--password-stdin"]);
    let said = super::daemon::said(&mut show, password);
    assert!(said.status.success(), "{said}");
    assert!(said.out.contains(password), "{said}");
    said.out
}

/// The values at the name where the host is proved, as the world sees them.
fn values(network: &Network) -> Vec<String> {
    network.home.dig(PROOF, "TXT")
}

/// It was issued, and nothing stays behind.
fn issued(network: &Network, pebble: &Pebble, said: &Said, chain: &std::path::Path) {
    assert!(said.status.success(), "{said}\n{}", pebble.log());
    pebble.check(network, chain, &[HOST, BELOW]);
    assert_eq!(values(network), [""; 0], "it cleans up");
}

/// It was refused, in words of ours, and nothing was ever set.
fn refused(network: &Network, said: &Said, words: &str) {
    assert!(!said.status.success(), "{said}");
    assert!(said.all().contains(words), "{said}");
    assert_eq!(values(network), [""; 0]);
}

/// The public number of a host's only key.
fn key_id(server: &Home, host: &str) -> String {
    let shown = server.done(&["host", "show", host, "--json"]);
    let host: serde_json::Value = serde_json::from_str(&shown).unwrap();
    let id = host["value"]["keys"][0].as_str();
    id.unwrap_or_else(|| panic!("no key in {shown}")).to_owned()
}

/// A login with the secret for DNS UPDATE: the key's number and its TSIG
/// secret.
fn tsig(server: &Home, host: &str) -> Login {
    let user = key_id(server, host);
    let shown = server.done(&["key", "secret", &user, "--for", "tsig", "--json"]);
    let secret: serde_json::Value = serde_json::from_str(&shown).unwrap();
    let password = secret["value"]["secret"].as_str();
    let password = password.unwrap_or_else(|| panic!("no secret in {shown}")).to_owned();
    Login { user, password }
}
