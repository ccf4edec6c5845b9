//! The systemd units: systemd understands them, and counts them among the
//! well-protected.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use hickory_proto::rr::RecordType;

use crate::daemon::{Home, body, get, lookup, said, until, with_us};
use crate::network::program;

/// The most exposure that systemd may find, of 10; the usual figure of a
/// service without any protection is 9.6. 0.2 of the server's is that it may
/// give up its capability (capset).
const MOST: [(&str, f64); 2] = [("truename.service", 1.6), ("truename-report.service", 1.1)];

fn unit(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docker").join(name);
    path.to_string_lossy().into_owned()
}

#[test]
fn systemd_finds_little_exposed() {
    for (name, most) in MOST {
        let mut command = with_us(&program("systemd-analyze"));
        command.args(["security", "--offline=true", "--no-pager", &unit(name)]);
        let said = said(&mut command, "");
        let last = said.out.lines().rfind(|line| line.contains("Overall exposure level"));
        let level =
            last.and_then(|line| line.split_whitespace().find_map(|word| word.parse::<f64>().ok()));
        let level = level.unwrap_or_else(|| panic!("no figure\n{said}"));
        eprintln!("{name}: {level}");
        assert!(level <= most, "{name}: {level}, {most} at most\n{said}");
    }
}

#[test]
fn systemd_understands_the_units() {
    let home = Home::new();
    for (name, _) in MOST {
        // The program is elsewhere than where the unit is installed to.
        let text = std::fs::read_to_string(unit(name)).unwrap();
        let text = text.replace("/usr/local/bin/truename", env!("CARGO_BIN_EXE_truename"));
        let file = home.path().join(name);
        std::fs::write(&file, text).unwrap();
        let mut command = with_us(&program("systemd-analyze"));
        command.args(["verify", "--man=false", "--recursive-errors=no", file.to_str().unwrap()]);
        let said = said(&mut command, "");
        let about: Vec<&str> = said.err.lines().filter(|line| line.contains(name)).collect();
        assert!(said.status.success() && about.is_empty(), "{said}");
    }
}

/// The server's system calls, as a unit's `SystemCallFilter` lines have them:
/// where one is missing, a server that works here would be killed or fail
/// there.
#[test]
fn the_unit_allows_every_system_call_that_is_made() {
    let allowed = allowed(&std::fs::read_to_string(unit("truename.service")).unwrap());
    assert!(allowed.len() > 200, "{allowed:?}");
    let home = Home::new();
    let calls = home.path().join("calls");
    let mut command = with_us(&program("prlimit"));
    // All that there are, as by the unit's LimitNOFILE.
    let most = rustix::process::getrlimit(rustix::process::Resource::Nofile).maximum.unwrap();
    command.arg(format!("--nofile={most}:{most}")).arg(program("strace"));
    // It watches from aside (-D), so that signals go to the server.
    command.args(["-D", "-f", "-qq", "-o", calls.to_str().unwrap()]);
    command.arg(env!("CARGO_BIN_EXE_truename")).arg("--config");
    command.arg(home.path().join("truename.toml"));
    let running = home.start_with(|daemon| *daemon = command);
    let login = home.add_host("home.dyn.example.org", &[]);
    let target = "/nic/update?hostname=home.dyn.example.org&myip=192.0.2.7";
    let answer = get(home.http, target, Some(&login)).unwrap();
    assert_eq!(body(&answer), "good 192.0.2.7\n");
    assert!(lookup(home.dns, "home.dyn.example.org", RecordType::A).is_some());
    // As `ExecReload` has it.
    let reloaded = home.path().join("reloaded");
    let mut reload = with_us(&program("strace"));
    reload.args(["-f", "-qq", "-o", reloaded.to_str().unwrap(), env!("CARGO_BIN_EXE_truename")]);
    reload.arg("--config").arg(home.path().join("truename.toml")).arg("reload");
    let reload = said(&mut reload, "");
    assert!(reload.status.success(), "{reload}");
    home.done(&["export", home.path().join("kept").to_str().unwrap()]);
    home.done(&["history", "home.dyn.example.org"]);
    assert!(running.stop().success());

    let made = until("all is written down", Duration::from_secs(30), || {
        let made = std::fs::read_to_string(&calls).unwrap();
        made.contains("exit_group(").then_some(made)
    });
    let reloaded = std::fs::read_to_string(&reloaded).unwrap();
    assert!(reloaded.contains("connect("), "it was not watched: {reloaded}");
    let made: BTreeSet<&str> = made
        .lines()
        .chain(reloaded.lines())
        .filter_map(|line| line.split_once(' ')?.1.trim_start().split_once('('))
        .map(|(call, _)| call)
        .filter(|call| {
            call.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        })
        .collect();
    for call in ["recvmmsg", "fdatasync", "landlock_restrict_self", "epoll_wait"] {
        assert!(made.contains(call), "it was not watched: {made:?}");
    }
    let missing: Vec<_> = made.iter().filter(|call| !allowed.contains(**call)).collect();
    assert!(missing.is_empty(), "docker/truename.service does not allow {missing:?}");
}

/// What the lines come to: sets and calls are added, or taken away after `~`.
fn allowed(unit: &str) -> BTreeSet<String> {
    let mut allowed = set("@default");
    for line in unit.lines().filter_map(|line| line.strip_prefix("SystemCallFilter=")) {
        let (line, take) = line.strip_prefix('~').map_or((line, false), |rest| (rest, true));
        for word in line.split_whitespace() {
            let calls = if word.starts_with('@') { set(word) } else { [word.to_owned()].into() };
            match take {
                true => allowed.retain(|call| !calls.contains(call)),
                false => allowed.extend(calls),
            }
        }
    }
    allowed
}

/// A set of systemd's, with the sets in it.
fn set(name: &str) -> BTreeSet<String> {
    let mut command = with_us(&program("systemd-analyze"));
    let said = said(command.args(["syscall-filter", "--no-pager", name]), "");
    assert!(said.status.success(), "{said}");
    let words = said.out.lines().skip(1).map(str::trim);
    words
        .filter(|word| !word.is_empty() && !word.starts_with('#'))
        .flat_map(|word| if word.starts_with('@') { set(word) } else { [word.to_owned()].into() })
        .collect()
}
