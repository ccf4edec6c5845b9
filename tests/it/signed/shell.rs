//! `clients/signed.sh`, exactly as `truename host show HOST --settings signed`
//! prints it, against the real server over plain HTTP: with curl, GNU wget and
//! BusyBox, and with somebody on the way who changes what passes.
//!
//! | clients/signed.sh: curl, GNU wget, BusyBox | signed updates | real program |

use std::io::Read;
use std::path::Path;

use super::super::daemon::{Home, Said};
use super::super::network::{HOMES, Network, PROVIDER, program};

const HOST: &str = "home.dyn.example.org";

fn provider(network: &Network) -> Home<'_> {
    let server = Home::within(&network.provider, PROVIDER.parse().unwrap(), "");
    server.reconfigure("[http]\n", "[http]\npublic = \"http://ddns.dyn.example.org\"\n");
    server
}

/// The script as printed, in a file.
fn printed(server: &Home, directory: &Path) -> String {
    let said = server.run(&["host", "show", HOST, "--settings", "signed"]);
    assert!(said.status.success() && said.err.is_empty(), "nothing is left to fill in: {said}");
    let file = directory.join("ddns-signed.sh");
    std::fs::write(&file, said.out).unwrap();
    file.to_str().unwrap().to_owned()
}

/// Runs the script by this shell, with no programs but these and what a
/// minimal system has.
fn run(
    network: &Network,
    directory: &Path,
    shell: &[&str],
    tools: &[(&str, &str)],
    script: &str,
) -> Said {
    let bin = directory.join("bin");
    let _ = std::fs::remove_dir_all(&bin);
    std::fs::create_dir(&bin).unwrap();
    let usual = ["openssl", "cat", "cut", "sed"].map(|name| (name, program(name)));
    let own = tools.iter().map(|(name, file)| (*name, program(file)));
    for (name, file) in usual.into_iter().chain(own) {
        std::os::unix::fs::symlink(file, bin.join(name)).unwrap();
    }
    let path = format!("PATH={}", bin.display());
    let shell: Vec<String> = [&[program(shell[0]).as_str()], &shell[1..]]
        .concat()
        .iter()
        .map(|s| (*s).to_owned())
        .collect();
    let words: Vec<&str> = shell.iter().map(String::as_str).collect();
    network.home.run("env", &[&[path.as_str()], &words[..], &[script]].concat())
}

#[test]
fn each_shell_and_each_fetcher() {
    let network = Network::new();
    let server = provider(&network);
    let _running = server.start();
    server.add_host(HOST, &[]);
    let directory = tempfile::tempdir().unwrap();
    let script = printed(&server, directory.path());
    let fetchers = [
        (&["dash"][..], &[("curl", "curl")]),
        (&["bash", "--posix"], &[("wget", "wget")]),
        (&["busybox", "sh"], &[("wget", "busybox")]),
        (&["busybox", "sh"], &[("curl", "curl")]),
    ];
    for (shell, tools) in fetchers {
        for (home, word) in
            [(HOMES[0], "good"), (HOMES[0], "nochg"), (HOMES[1], "good"), (HOMES[2], "good")]
        {
            network.move_home(home);
            let said = run(&network, directory.path(), shell, tools, &script);
            assert_eq!(
                said.out,
                format!("done {HOST} {word} {home}\n"),
                "{shell:?} {tools:?} {said}"
            );
            assert!(said.status.success() && said.err.is_empty(), "{said}");
            assert_eq!(network.home.dig(HOST, "A"), [home]);
        }
    }
    // The secret stands in no argument of any program.
    let text = std::fs::read_to_string(&script).unwrap();
    let secret = text.lines().find_map(|line| line.strip_prefix("secret=")).unwrap();
    assert_eq!(secret.len(), 64, "{secret}");
    let traced = run(&network, directory.path(), &["bash", "-x"], &[("curl", "curl")], &script);
    assert!(traced.err.contains("openssl dgst"), "{traced}");
    for line in traced.err.lines().filter(|line| line.contains("openssl") || line.contains("curl"))
    {
        assert!(!line.contains(secret), "{line}");
    }
}

#[test]
fn what_goes_wrong_is_told() {
    let network = Network::new();
    let server = provider(&network);
    let running = server.start();
    server.add_host(HOST, &[]);
    let directory = tempfile::tempdir().unwrap();
    let script = printed(&server, directory.path());
    let text = std::fs::read_to_string(&script).unwrap();
    let curl = |text: &str| {
        std::fs::write(&script, text).unwrap();
        let said = run(&network, directory.path(), &["dash"], &[("curl", "curl")], &script);
        assert!(!said.status.success() && said.out.is_empty(), "{said}");
        said.err
    };
    let secret = text.lines().find(|line| line.starts_with("secret=")).unwrap();
    let wrong = text.replace(secret, &format!("secret={}", "0a".repeat(32)));
    let said = curl(&wrong);
    assert!(
        said.starts_with("ddns: this is not signed by the server: truename-address-1"),
        "{said}"
    );
    let other = text.replace(&format!("host={HOST}"), "host=other.dyn.example.org");
    assert_eq!(curl(&other), "ddns: not accepted: done other.dyn.example.org nohost\n");
    server.done(&["host", "set", HOST, "--block"]);
    assert_eq!(curl(&text), format!("ddns: not accepted: done {HOST} abuse\n"));
    running.stop();
    assert!(curl(&text).contains("ddns: http://ddns.dyn.example.org does not answer"));
}

/// Somebody on the way changes an octet here or there, or answers with what
/// was said before: the script notices, and nothing moves.
#[test]
fn whoever_is_on_the_way_is_noticed() {
    let network = Network::new();
    let server = provider(&network);
    let _running = server.start();
    server.add_host(HOST, &[]);
    let directory = tempfile::tempdir().unwrap();
    let script = printed(&server, directory.path());
    let run = || run(&network, directory.path(), &["dash"], &[("curl", "curl")], &script);
    assert!(run().status.success());
    let liar = format!("{}/liar.py", directory.path().display());
    std::fs::write(&liar, include_str!("liar.py")).unwrap();
    for (lie, told) in [
        ("address", "ddns: this is not signed by the server"),
        ("old", "ddns: this answers another question"),
        ("done", "ddns: this answers another update"),
        ("update", "ddns: this is not signed by the server"),
    ] {
        let mut python = network.provider.command(&program("python3"));
        let mut child = python
            .args([&liar, lie, PROVIDER])
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut ready = [0; 1];
        child.stdout.as_mut().unwrap().read_exact(&mut ready).unwrap();
        network.names_at(super::super::network::DEAF);
        let said = run();
        network.names_at(PROVIDER);
        let _ = child.kill();
        let _ = child.wait();
        assert!(!said.status.success() && said.err.starts_with(told), "{lie}: {said}");
        assert_eq!(network.home.dig(HOST, "A"), [HOMES[0]], "{lie}");
    }
    assert!(run().status.success());
}
