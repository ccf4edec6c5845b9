//! acme-dns's API, with the library of its author: for our hosts, and for
//! whoever registers.
//!
//! | certbot: hook with pyacmedns | acme-dns | real program |

use std::path::{Path, PathBuf};

use super::super::daemon::{Home, Login, Said, ZONE};
use super::super::network::{HOMES, Network, program};
use super::certbot;
use super::pebble::Pebble;
use super::{CAM, HOST, refused, stage, values};

/// A name that is not a host's: it stands in a zone file, with an address of
/// its own.
const WWW: &str = "www.dyn.example.org";

/// Where `tests/run` puts what comes from PyPI.
const PYPI: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/pypi");

/// Has certbot get a certificate for a name and all below it, with a hook that
/// keeps its accounts in a file.
fn certbot(network: &Network, directory: &Path, name: &str) -> Said {
    assert!(
        Path::new(PYPI).join("pyacmedns").exists(),
        "pyacmedns is missing: python3 -m pip install --no-deps --target target/pypi \
         pyacmedns==0.4 (tests/run does)"
    );
    let hook = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/acme/acme-dns-hook.py");
    let line = format!(
        "certbot certonly --manual --preferred-challenges dns \
         --manual-auth-hook '/usr/bin/python3 {hook}' -d {name} -d '*.{name}' {}",
        certbot::aside(directory)
    );
    let mut shell = network.home.command("sh");
    shell
        .args(["-c", &line])
        .env("PYTHONPATH", PYPI)
        .env("ACMEDNS_URL", "https://ddns.dyn.example.org")
        .env("ACMEDNS_STORAGE", accounts(directory));
    super::super::daemon::said(&mut shell, "")
}

fn accounts(directory: &Path) -> PathBuf {
    directory.join("accounts.json")
}

/// The host itself is the account: nothing to register, no CNAME. acme-dns
/// knows no way to take values away; they end by themselves.
#[test]
fn a_host_is_an_account() {
    let network = Network::new();
    let (server, pebble) = stage(&network);
    let _running = server.start();
    let theirs = server.add_host(CAM, &[]);
    let ours = server.add_host(HOST, &[]);
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let run = |login: &Login| {
        let account = serde_json::json!({ HOST: {
            "fulldomain": HOST,
            "subdomain": "home",
            "username": login.user,
            "password": login.password,
            "allowfrom": [],
        } });
        std::fs::write(accounts(directory), account.to_string()).unwrap();
        certbot(&network, directory, HOST)
    };
    refused(&network, &run(&theirs), "\"error\": \"forbidden\"");
    let said = run(&ours);
    assert!(said.status.success(), "{said}");
    pebble.check(&network, &certbot::chain(directory, HOST), &[HOST, super::BELOW]);
    assert_eq!(values(&network).len(), 2);
    let shown = server.done(&["host", "show", HOST, "--json"]);
    assert_eq!(shown.matches("\"until\"").count(), 2, "each has an end:\n{shown}");
}

fn allowing<'a>(network: &'a Network, settings: &str) -> (Home<'a>, Pebble) {
    let (server, pebble) = stage(network);
    server.append(&format!("\n[http.register]\nzone = \"dyn.example.org\"\n{settings}"));
    (server, pebble)
}

/// What curl is told: the body, and the status.
fn post(network: &Network, path: &str, headers: &[(&str, &str)], body: &str) -> (String, String) {
    let url = format!("https://ddns.dyn.example.org{path}");
    let headers: Vec<String> = headers
        .iter()
        .flat_map(|(name, value)| ["-H".into(), format!("{name}: {value}")])
        .collect();
    let mut arguments = vec!["-sS", "-m", "20", "-w", "\n%{http_code}", "-d", body];
    arguments.extend(headers.iter().map(String::as_str));
    arguments.push(&url);
    let said = network.home.run(&program("curl"), &arguments);
    assert!(said.status.success(), "{said}");
    let (body, status) = said.out.rsplit_once('\n').unwrap();
    (body.to_owned(), status.to_owned())
}

/// Whoever owns a name elsewhere registers, points a CNAME at what they got,
/// and gets a certificate.
#[test]
fn a_cname_to_what_was_registered() {
    let network = Network::new();
    let (server, pebble) = allowing(&network, "");
    let running = server.start();
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let said = certbot(&network, directory, WWW);
    assert!(!said.status.success(), "there is no CNAME yet: {said}");

    let registered = std::fs::read_to_string(accounts(directory)).unwrap();
    let registered: serde_json::Value = serde_json::from_str(&registered).unwrap();
    let target = registered[WWW]["fulldomain"].as_str().unwrap();
    server.zone("dyn.example.org.zone", &format!("{ZONE}_acme-challenge.www CNAME {target}.\n"));
    server.done(&["reload"]);
    let said = certbot(&network, directory, WWW);
    assert!(said.status.success(), "{said}");
    pebble.check(&network, &certbot::chain(directory, WWW), &[WWW, "*.www.dyn.example.org"]);
    assert_eq!(network.home.dig(target, "TXT").len(), 2, "the last two, of four");

    // They are written down like everything else.
    running.kill();
    let _running = server.start();
    assert_eq!(network.home.dig(target, "TXT").len(), 2);
}

/// What is registered is good for TXT records at its own name.
#[test]
fn good_for_its_own_proof_alone() {
    let network = Network::new();
    let (server, _pebble) = allowing(&network, "names = 2\n");
    let _running = server.start();
    server.add_host(HOST, &[]);
    let (body, status) = post(&network, "/register", &[], "");
    assert_eq!(status, "201");
    let made: serde_json::Value = serde_json::from_str(&body).unwrap();
    let text = |key: &str| made[key].as_str().unwrap().to_owned();
    assert_eq!(text("password").len(), 40, "as acme-dns's");
    assert_eq!(text("subdomain").len(), 36, "a UUID");
    assert_eq!(text("fulldomain"), format!("{}.dyn.example.org", text("subdomain")));
    assert_eq!(made["allowfrom"], serde_json::json!([]));

    let login = (text("username"), text("password"));
    let headers = [("X-Api-User", login.0.as_str()), ("X-Api-Key", login.1.as_str())];
    let value = |letter: &str| letter.repeat(43);
    let update = |subdomain: &str, letter: &str| {
        let body = serde_json::json!({ "subdomain": subdomain, "txt": value(letter) });
        post(&network, "/update", &headers, &body.to_string())
    };
    let subdomain = text("subdomain");
    for letter in ["a", "b", "c"] {
        let expected = format!("{{\"txt\": \"{}\"}}", value(letter));
        assert_eq!(update(&subdomain, letter), (expected, "200".into()));
    }
    let values = network.home.dig(&text("fulldomain"), "TXT");
    assert_eq!(values, ["b", "c"].map(|letter| format!("\"{}\"", value(letter))), "the last two");
    assert_eq!(update("home", "d"), ("{\"error\": \"forbidden\"}".into(), "401".into()));
    // No address for it, and nothing for anybody else.
    let moved = network.home.run(
        &program("curl"),
        &[
            "-sS",
            "-u",
            &format!("{}:{}", text("fulldomain"), login.1),
            &format!("https://ddns.dyn.example.org/nic/update?hostname={}", text("fulldomain")),
        ],
    );
    assert!(!moved.out.starts_with("good"), "{moved}");
    assert_eq!(network.home.dig(&text("fulldomain"), "A"), [""; 0]);

    // Its owner may say from where it is used.
    let networks = "{\"allowfrom\": [\"198.51.100.0/24\"]}";
    let (body, status) = post(&network, "/register", &[], networks);
    assert_eq!(status, "201", "{body}");
    let made: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(made["allowfrom"], serde_json::json!(["198.51.100.0/24"]));
    let headers = [
        ("X-Api-User", made["username"].as_str().unwrap()),
        ("X-Api-Key", made["password"].as_str().unwrap()),
    ];
    let body = serde_json::json!({ "subdomain": made["subdomain"], "txt": value("e") });
    let update = || post(&network, "/update", &headers, &body.to_string()).1;
    assert_eq!(update(), "401");
    network.move_home(HOMES[2]);
    assert_eq!(update(), "200");

    // Two is as many as the operator allows.
    let (body, status) = post(&network, "/register", &[], "");
    assert_eq!(status, "503", "{body}");
    assert!(body.contains("2 names are registered"), "{body}");
    // They are an account's, who can be looked at and sent away.
    let listed = server.done(&["host", "list", "--owner", "acme-dns"]);
    assert_eq!(listed.matches(".dyn.example.org").count(), 2, "{listed}");
}

/// What `import --from acme-dns` makes is what a CNAME elsewhere points at
/// already: its record stands at its own name, too.
#[test]
fn names_that_were_imported() {
    // The password is `correct horse`.
    const DUMP: &str = "INSERT INTO records VALUES('u',\
        X'2432612431302435473071726347366c754d3338377443377a47626965314e7737786154484747427473323042674950563575714443745671305661',\
        'c36f50e8-4632-44f0-83fe-e070fef28a10','[]');\n";
    let network = Network::new();
    let (server, _pebble) = stage(&network);
    let _running = server.start();
    let dump = server.path().join("dump.sql");
    std::fs::write(&dump, DUMP).unwrap();
    let dump = dump.to_str().unwrap();
    server.done(&["import", "--from", "acme-dns", "--zone", "dyn.example.org", dump]);
    let name = "c36f50e8-4632-44f0-83fe-e070fef28a10.dyn.example.org";
    let keys = server.done(&["key", "list", "--host", name, "--json"]);
    assert!(keys.contains("\"acme,TXT\""), "what another key is made for here:\n{keys}");
    let headers = [("X-Api-User", "u"), ("X-Api-Key", "correct horse")];
    let value = "v".repeat(43);
    let subdomain = name.split('.').next().unwrap();
    let body = serde_json::json!({ "subdomain": subdomain, "txt": value });
    let wrong = [("X-Api-User", "u"), ("X-Api-Key", "correct house")];
    assert_eq!(post(&network, "/update", &wrong, &body.to_string()).1, "401");
    assert_eq!(post(&network, "/update", &headers, &body.to_string()).1, "200");
    assert_eq!(network.home.dig(name, "TXT"), [format!("\"{value}\"")]);
}

/// Only from where the operator says, and not at all unless told to.
#[test]
fn who_may_register() {
    let network = Network::new();
    let (server, _pebble) = stage(&network);
    let running = server.start();
    let disabled = ("{\"error\": \"registration_disabled\"}".to_owned(), "404".to_owned());
    assert_eq!(post(&network, "/register", &[], ""), disabled);
    running.kill();
    server.append("\n[http.register]\nzone = \"dyn.example.org\"\nfrom = [\"198.51.100.0/24\"]\n");
    let _running = server.start();
    assert_eq!(post(&network, "/register", &[], ""), disabled);
    network.move_home(HOMES[2]);
    assert_eq!(post(&network, "/register", &[], "").1, "201");
}
