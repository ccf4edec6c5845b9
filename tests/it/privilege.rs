//! The server gives up what it was started with: root, capabilities, the rest
//! of the file system. What it did give up is read from the kernel.

mod confined;
mod owners;
mod unit;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use super::daemon::{Daemon, Home, Said, ZONE, said, until, with_us};
use super::network::{Network, PROVIDER, program};

/// A user of no name, whom root becomes.
const SOMEBODY: u32 = 54_321;

const HOST: &str = "home.dyn.example.org";

/// Whether this test goes on. As a user it runs itself again as root of a
/// namespace that knows other users, too.
fn as_root(test: &str) -> bool {
    const WITHIN: &str = "WITHIN_A_NAMESPACE";
    let unknown: Vec<&str> =
        ["uid_map", "gid_map"].into_iter().filter(|map| !knows_somebody(map)).collect();
    if rustix::process::geteuid().is_root() && unknown.is_empty() {
        return true;
    }
    let what_to_do = "these tests take root, or a user whom /etc/subuid and /etc/subgid give \
                      65536 others (as root: usermod --add-subuids 100000-165535 --add-subgids \
                      100000-165535 USER), and newuidmap (the package uidmap)";
    if std::env::var_os(WITHIN).is_some() {
        panic!("there is no user {SOMEBODY} in {unknown:?} of the namespace: {what_to_do}");
    }
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--map-auto", "--"]);
    command.arg(std::env::current_exe().unwrap()).args(["--exact", test, "--nocapture"]);
    let said = said(command.env(WITHIN, "1"), "");
    assert!(said.status.success() && said.out.contains("1 passed"), "{what_to_do}\n{said}");
    false
}

/// Whether the user of no name is one that there can be in this namespace.
fn knows_somebody(map: &str) -> bool {
    let map = fs::read_to_string(format!("/proc/self/{map}")).unwrap();
    map.lines().any(|line| {
        let numbers: Vec<u32> = line.split_whitespace().map(|word| word.parse().unwrap()).collect();
        (numbers[0]..numbers[0].saturating_add(numbers[2])).contains(&SOMEBODY)
    })
}

/// Others than root may read what is in the home, as in `/etc/truename`.
fn readable(home: &Home) {
    for place in [home.path().to_owned(), home.path().join("zones")] {
        fs::set_permissions(place, fs::Permissions::from_mode(0o755)).unwrap();
    }
}

/// What the kernel says of each thread.
fn threads(daemon: &Daemon) -> Vec<BTreeMap<String, String>> {
    let tasks = fs::read_dir(format!("/proc/{}/task", daemon.id())).unwrap();
    let status = |path: &Path| {
        let text = fs::read_to_string(path.join("status")).unwrap();
        text.lines()
            .filter_map(|line| line.split_once(':'))
            .map(|(key, value)| {
                (key.to_owned(), value.split_whitespace().collect::<Vec<_>>().join(" "))
            })
            .collect()
    };
    tasks.map(|task| status(&task.unwrap().path())).collect()
}

/// No thread has a capability, or a way to one.
fn no_capabilities(daemon: &Daemon, bounding: bool) {
    let all = threads(daemon);
    assert!(all.len() >= 4, "the server has threads: {all:?}");
    for thread in &all {
        let name = &thread["Name"];
        for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
            assert_eq!(thread[set], "0000000000000000", "{set} of {name}");
        }
        if bounding {
            assert_eq!(thread["CapBnd"], "0000000000000000", "of {name}");
        }
        assert_eq!(thread["NoNewPrivs"], "1", "{name}");
    }
}

/// Started as root, it opens ports 53 and 80, is somebody else afterwards with
/// every thread, and does all that it did as root.
#[test]
fn root_opens_the_ports_and_becomes_the_user() {
    if !as_root("privilege::root_opens_the_ports_and_becomes_the_user") {
        return;
    }
    let network = Network::new();
    let home = Home::within(&network.provider, PROVIDER.parse().unwrap(), "");
    home.reconfigure("data = ", &format!("user = \"{SOMEBODY}\"\ndata = "));
    readable(&home);
    let running = home.start();
    for thread in threads(&running) {
        let same = format!("{SOMEBODY} {SOMEBODY} {SOMEBODY} {SOMEBODY}");
        assert_eq!((&thread["Uid"], &thread["Gid"]), (&same, &same), "{}", thread["Name"]);
        assert_eq!(thread["Groups"], "");
    }
    no_capabilities(&running, true);
    let data = home.path().join("data");
    let metadata = fs::metadata(&data).unwrap();
    assert_eq!((metadata.uid(), metadata.mode() & 0o777), (SOMEBODY, 0o700));

    // Root's commands, to a server that is not root.
    let login = home.add_host(HOST, &[]);
    let curl = |address: &str| {
        let url = format!("http://{PROVIDER}/nic/update?hostname={HOST}&myip={address}");
        network.home.run(&program("curl"), &["-s", "-u", &login.pair(), &url]).out
    };
    assert_eq!(curl("192.0.2.7"), "good 192.0.2.7\n");
    assert_eq!(network.home.dig(HOST, "A"), ["192.0.2.7"]);
    let elsewhere = home.path().join("elsewhere.dump");
    home.done(&["export", elsewhere.to_str().unwrap()]);
    assert!(fs::read_to_string(&elsewhere).unwrap().contains(HOST));
    home.zone("dyn.example.org.zone", &format!("{ZONE}new A 192.0.2.81\n"));
    home.done(&["reload"]);
    assert_eq!(network.home.dig("new.dyn.example.org", "A"), ["192.0.2.81"]);
    running.signal("HUP");
    assert!(home.done(&["history", HOST]).contains("192.0.2.7"));
    assert!(running.stop().success());

    // And again, in the directory that is theirs by now.
    let running = home.start();
    assert_eq!(network.home.dig(HOST, "A"), ["192.0.2.7"]);
    assert!(running.stop().success());
    let owners: Vec<u32> =
        fs::read_dir(&data).unwrap().map(|file| file.unwrap().metadata().unwrap().uid()).collect();
    assert!(owners.len() > 2 && owners.iter().all(|owner| *owner == SOMEBODY), "{owners:?}");
}

/// A server that ran as root until now: its data directory becomes the
/// user's, and nothing that was acknowledged is lost.
#[test]
fn a_server_of_roots_becomes_a_users() {
    if !as_root("privilege::a_server_of_roots_becomes_a_users") {
        return;
    }
    for engine in ["sled", "redb"] {
        let home = Home::new();
        home.reconfigure("data = ", &format!("store = \"{engine}\"\ndata = "));
        readable(&home);
        // A link, as to a larger disk.
        fs::create_dir(home.path().join("store")).unwrap();
        symlink("store", home.path().join("data")).unwrap();
        let running = home.start();
        assert!(home.log().contains("this runs as root"), "{}", home.log());
        // What root keeps is to read what is not its own.
        for thread in threads(&running) {
            assert_eq!(thread["CapEff"], "0000000000000004", "{}", thread["Name"]);
            assert_eq!(thread["NoNewPrivs"], "1");
        }
        home.add_host(HOST, &[]);
        assert!(running.stop().success());

        home.reconfigure("data = ", &format!("user = \"{SOMEBODY}:{SOMEBODY}\"\ndata = "));
        let running = home.start();
        assert!(home.log().contains("things in it are 54321's now"), "{}", home.log());
        assert!(home.done(&["host", "list"]).contains(HOST));
        no_capabilities(&running, true);
        assert!(running.stop().success());

        // A server of root's keeps out of it.
        home.reconfigure("user = \"54321:54321\"\n", "");
        let said = home.fails();
        assert!(said.err.contains("belongs to user 54321 and this runs as root"), "{said}");
    }
}

/// Nothing is given away that may not be truename's.
#[test]
fn a_directory_that_may_be_anybodys_is_not_given_away() {
    if !as_root("privilege::a_directory_that_may_be_anybodys_is_not_given_away") {
        return;
    }
    let refused = |prepare: &dyn Fn(&Path), sentence: &str| {
        let home = Home::new();
        home.reconfigure("data = ", &format!("user = \"{SOMEBODY}\"\ndata = "));
        readable(&home);
        let data = home.path().join("data");
        fs::create_dir(&data).unwrap();
        prepare(&data);
        let owner = fs::metadata(&data).unwrap().uid();
        let said = home.fails();
        assert_eq!(said.status.code(), Some(1), "{said}");
        assert!(said.err.contains(sentence) && said.err.contains("chown -R 54321:54321"), "{said}");
        assert_eq!(fs::metadata(&data).unwrap().uid(), owner);
    };
    refused(&|data| chown(data, Some(1234), None).unwrap(), "belongs to user 1234");
    refused(
        &|data| fs::set_permissions(data, fs::Permissions::from_mode(0o1777)).unwrap(),
        "others than root may write",
    );
    refused(&|data| fs::write(data.join("letter"), "").unwrap(), "holds something else");
}

/// A user who cannot be found, or cannot be had.
#[test]
fn a_user_who_cannot_be_had() {
    let refused = |user: &str, sentences: &[&str]| {
        let home = Home::new();
        home.reconfigure("data = ", &format!("user = \"{user}\"\ndata = "));
        let said = home.fails();
        assert_eq!(said.status.code(), Some(1), "{said}");
        for sentence in sentences {
            assert!(said.err.contains(sentence), "{said}");
        }
        assert!(!home.path().join("data").exists(), "something was begun");
    };
    refused("nobody-of-this-name", &["there is no user nobody-of-this-name", "useradd"]);
    refused("root", &["somebody else than root"]);
    refused("not:this", &["truename.toml:1:8", "a user is a name like truename"]);
}

/// What is to be read at a reload must be readable already: a start says so,
/// not a reload weeks later.
#[test]
fn the_user_must_be_able_to_read_the_zones() {
    if !as_root("privilege::the_user_must_be_able_to_read_the_zones") {
        return;
    }
    let home = Home::new();
    home.reconfigure("data = ", &format!("user = \"{SOMEBODY}\"\ndata = "));
    readable(&home);
    let zone = home.path().join("zones/dyn.example.org.zone");
    fs::set_permissions(&zone, fs::Permissions::from_mode(0o600)).unwrap();
    let said = home.fails();
    assert_eq!(said.status.code(), Some(1), "{said}");
    assert!(said.err.contains(zone.to_str().unwrap()), "{said}");
    assert!(said.err.contains("let the user read it"), "{said}");
    fs::set_permissions(&zone, fs::Permissions::from_mode(0o644)).unwrap();
    let _running = home.start();
}

/// As with the systemd unit: a user who may open low ports, and no more once
/// they are open.
#[test]
fn a_user_with_one_capability_gives_it_up() {
    if !as_root("privilege::a_user_with_one_capability_gives_it_up") {
        return;
    }
    let network = Network::new();
    let home = Home::within(&network.provider, PROVIDER.parse().unwrap(), "");
    chown(home.path(), Some(SOMEBODY), Some(SOMEBODY)).unwrap();
    let mut daemon = network.provider.command("setpriv");
    daemon.args(["--reuid", "54321", "--regid", "54321", "--clear-groups"]);
    daemon.args(["--inh-caps", "+net_bind_service", "--ambient-caps", "+net_bind_service", "--"]);
    daemon.arg(copy_of_the_program(&home)).arg("--config").arg(home.path().join("truename.toml"));
    let running = home.start_with(|command| *command = daemon);
    no_capabilities(&running, false);
    assert_eq!(network.home.dig("www.dyn.example.org", "A"), ["192.0.2.80"]);
    assert!(!home.log().contains("this runs as root"), "{}", home.log());
    assert!(running.stop().success());
}

/// The program where others than root can run it.
fn copy_of_the_program(home: &Home) -> std::path::PathBuf {
    let program = home.path().join("truename");
    fs::copy(env!("CARGO_BIN_EXE_truename"), &program).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    program
}

/// Somebody who is not root starts it for somebody else.
#[test]
fn only_root_becomes_another() {
    if !as_root("privilege::only_root_becomes_another") {
        return;
    }
    let home = Home::new();
    home.reconfigure("data = ", "user = \"1234\"\ndata = ");
    chown(home.path(), Some(SOMEBODY), Some(SOMEBODY)).unwrap();
    let mut command = with_us(copy_of_the_program(&home).to_str().unwrap());
    command.arg("--config").arg(home.path().join("truename.toml")).arg("serve");
    let refused: Said = said(command.uid(SOMEBODY).gid(SOMEBODY), "");
    assert_eq!(refused.status.code(), Some(1), "{refused}");
    assert!(
        refused.err.contains("`user` says 1234, and this was started by user 54321"),
        "{refused}"
    );
    // Who is that user already is not told anything.
    home.reconfigure("1234", "54321");
    let mut command = with_us(copy_of_the_program(&home).to_str().unwrap());
    command.arg("--config").arg(home.path().join("truename.toml"));
    command.uid(SOMEBODY).gid(SOMEBODY);
    let running = home.start_with(|daemon| *daemon = command);
    no_capabilities(&running, false);
    until("it says so", std::time::Duration::from_secs(10), || {
        home.log().contains("landlock").then_some(())
    });
}
