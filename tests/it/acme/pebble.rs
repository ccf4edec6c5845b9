//! Pebble, the authority of Let's Encrypt for tests, within the provider's
//! network.

use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use super::super::daemon::until;
use super::super::network::{Network, PROVIDER, program};
use super::super::trust::Identity;

/// Its address.
pub const AUTHORITY: &str = "192.0.2.14";
/// Where clients find it.
pub const DIRECTORY: &str = "https://ca.example.net/dir";

/// A running authority. It is killed when this value goes.
pub struct Pebble {
    child: Child,
    files: tempfile::TempDir,
}

impl Pebble {
    /// Starts it, and waits until it answers. It asks the provider whatever
    /// it wants to know of names.
    pub fn start(network: &Network, identity: &Identity) -> Pebble {
        network.provider.set(&format!("ip address add {AUTHORITY}/32 dev wire"));
        let files = tempfile::tempdir().unwrap();
        let file = |name: &str| files.path().join(name);
        std::fs::write(file("certificate.pem"), &identity.certificate).unwrap();
        std::fs::write(file("key.pem"), &identity.key).unwrap();
        let configuration = serde_json::json!({ "pebble": {
            "listenAddress": format!("{AUTHORITY}:443"),
            "managementListenAddress": format!("{AUTHORITY}:15000"),
            "certificate": file("certificate.pem"),
            "privateKey": file("key.pem"),
            "httpPort": 80,
            "tlsPort": 443,
            "ocspResponderURL": "",
            "externalAccountBindingRequired": false,
        } });
        std::fs::write(file("pebble.json"), configuration.to_string()).unwrap();
        let log = std::fs::File::create(file("log")).unwrap();
        let child = network
            .provider
            .command(&program("pebble"))
            .arg("-config")
            .arg(file("pebble.json"))
            .args(["-dnsserver", &format!("{PROVIDER}:53")])
            // It would sleep before it looks, refuse good nonces at random
            // (which certbot 2.1 fails at), and not look twice.
            .envs([("PEBBLE_VA_NOSLEEP", "1"), ("PEBBLE_WFE_NONCEREJECT", "0")])
            .env("PEBBLE_AUTHZREUSE", "0")
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let pebble = Pebble { child, files };
        until("the authority answers", Duration::from_secs(30), || {
            network.home.run(&program("curl"), &["-fsS", DIRECTORY]).status.success().then_some(())
        });
        pebble
    }

    /// What it said so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.files.path().join("log")).unwrap_or_default()
    }

    /// Checks that a file holds a certificate of this authority for exactly
    /// these names, and what lies between.
    pub fn check(&self, network: &Network, chain: &Path, names: &[&str]) {
        let root = self.files.path().join("root.pem");
        let (root, chain) = (root.to_str().unwrap(), chain.to_str().unwrap());
        let roots = "https://ca.example.net:15000/roots/0";
        let fetched = network.home.run(&program("curl"), &["-fsS", "-o", root, roots]);
        assert!(fetched.status.success(), "{fetched}");
        let openssl = program("openssl");
        let verified =
            network.home.run(&openssl, &["verify", "-CAfile", root, "-untrusted", chain, chain]);
        assert!(verified.status.success(), "{verified}");
        let shown =
            network.home.run(&openssl, &["x509", "-in", chain, "-noout", "-ext", "subjectAltName"]);
        let mut have: Vec<&str> = shown
            .out
            .split([',', '\n'])
            .filter_map(|word| word.trim().strip_prefix("DNS:"))
            .collect();
        have.sort_unstable();
        let mut want = names.to_vec();
        want.sort_unstable();
        assert_eq!(have, want, "{shown}");
    }
}

impl Drop for Pebble {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- the authority's log\n{}---", self.log());
        }
    }
}
