//! The server's own certificate, proved by its own DNS, as the README has it: a
//! host stands at the name of the proof, with a key that may set TXT records
//! there and nothing else.

use std::os::unix::fs::PermissionsExt;

use super::super::daemon::ZONE;
use super::super::network::{Network, PROVIDER};
use super::certbot::{aside, chain};
use super::stage;

const OWN: &str = "ddns.dyn.example.org";
const PROOF: &str = "_acme-challenge.ddns.dyn.example.org";

#[test]
fn certbot_gets_it_and_its_hook_has_it_served() {
    let network = Network::new();
    let (server, pebble) = stage(&network);
    server.zone("dyn.example.org.zone", &format!("{ZONE}ddns A {PROVIDER}\n"));
    let _running = server.start();
    server.done(&["host", "add", PROOF, "--no-key"]);
    server.done(&["key", "add", PROOF, "--may", "TXT"]);

    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("truename.ini");
    std::fs::write(&file, server.done(&["host", "show", PROOF, "--settings", "certbot"])).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    // The hook of the README, with the places of this test.
    let hook = directory.path().join("hook");
    let installed = server.path().display();
    std::fs::write(
        &hook,
        format!(
            "#!/bin/sh\ninstall -m 640 \"$RENEWED_LINEAGE/fullchain.pem\" {installed}/certificate.pem &&\n\
             install -m 640 \"$RENEWED_LINEAGE/privkey.pem\" {installed}/key.pem &&\n\
             {} --config {installed}/truename.toml reload\n",
            env!("CARGO_BIN_EXE_truename")
        ),
    )
    .unwrap();
    std::fs::set_permissions(&hook, std::fs::Permissions::from_mode(0o700)).unwrap();
    let line = format!(
        "certbot certonly --dns-rfc2136 --dns-rfc2136-credentials {} \
         --dns-rfc2136-propagation-seconds 2 -d {OWN} --deploy-hook {} {}",
        file.display(),
        hook.display(),
        aside(directory.path())
    );
    let said = network.home.run("sh", &["-c", &line]);
    assert!(said.status.success(), "{said}\n{}", pebble.log());
    let chain = chain(directory.path(), OWN);
    pebble.check(&network, &chain, &[OWN]);
    assert_eq!(network.home.dig(PROOF, "TXT"), [""; 0], "it cleans up");

    let served = network.home.run(
        "sh",
        &["-c", &format!("openssl s_client -connect {PROVIDER}:443 </dev/null | openssl x509")],
    );
    let first = std::fs::read_to_string(&chain).unwrap();
    assert!(served.out.len() > 500 && first.starts_with(&served.out), "{served}");
    let status = server.done(&["status"]);
    assert!(!status.contains("warning"), "{status}");
}
