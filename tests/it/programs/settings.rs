//! The settings that `truename host show HOST --settings CLIENT` prints are
//! given to the client exactly as printed: for a server without TLS, and for
//! one with a certificate that the client checks.

use super::super::daemon::{Home, Login, Said, said};
use super::super::network::{HOMES, Network, program};
use super::{HOST, client_file, provider, provider_with_tls, seen};

/// The settings with the password in them.
fn printed(server: &Home, client: &str, login: &Login) -> String {
    let mut show =
        server.program(&["host", "show", HOST, "--settings", client, "--password-stdin"]);
    let said = said(&mut show, &login.password);
    assert!(said.status.success(), "{said}");
    assert!(said.out.contains(&login.password), "{said}");
    said.out
}

/// How a client is run once: with a directory of its own, and its settings.
type Run = fn(&Network, &tempfile::TempDir, &str) -> Said;

fn follows(client: &str, run: Run) {
    follows_by(provider, client, run);
    follows_by(provider_with_tls, client, run);
}

/// Good, then the same again, then from another address.
fn follows_by(provider: fn(&Network) -> Home<'_>, client: &str, run: Run) {
    let network = Network::new();
    let server = provider(&network);
    let _running = server.start();
    let login = server.add_host(HOST, &[]);
    let text = printed(&server, client, &login);
    for home in [HOMES[0], HOMES[0], HOMES[2]] {
        network.move_home(home);
        let memory = tempfile::tempdir().unwrap();
        let said = run(&network, &memory, &text);
        assert!(said.status.success(), "{text}\n{said}");
        assert_eq!(seen(&network, HOST), home, "{text}\n{said}");
    }
    let history = server.done(&["history", HOST, "--json"]);
    assert_eq!(history.matches("\"serial\"").count(), 2, "two changes:\n{history}");
}

#[test]
fn ddclient() {
    follows("ddclient", |network, memory, text| {
        let file = client_file(memory, "ddclient.conf", text);
        let cache = memory.path().join("ddclient.cache");
        let (file, cache) = (file.to_str().unwrap(), cache.to_str().unwrap());
        let once = ["-daemon=0", "-foreground", "-file", file, "-cache", cache];
        network.home.run(&program("ddclient"), &once)
    });
}

#[test]
fn inadyn() {
    follows("inadyn", |network, memory, text| {
        let file = client_file(memory, "inadyn.conf", text);
        let (file, cache) = (file.to_str().unwrap(), memory.path().to_str().unwrap());
        let once = ["--once", "--force", "--foreground", "--no-pidfile", "--config", file];
        network.home.run(&program("inadyn"), &[&once[..], &["--cache-dir", cache]].concat())
    });
}

/// curl, with the line for cron that is in the settings' own comment.
#[test]
fn curl() {
    follows("curl-cron", |network, memory, text| {
        let cron = text.lines().find_map(|line| line.split_once("* * * * root ")).unwrap().1;
        let file = client_file(memory, "ddns.curl", text);
        assert!(cron.contains("/etc/ddns.curl"), "{cron}");
        let line = cron.replace("/etc/ddns.curl", file.to_str().unwrap());
        let said = network.home.run("sh", &["-c", &line]);
        assert_eq!(said.all(), "", "cron would mail this");
        // grep -v found nothing to mail, which it calls 1.
        network.home.run("sh", &["-c", &format!("{line}; test $? -eq 1")])
    });
}
