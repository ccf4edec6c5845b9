//! What only the owner can mend is told in words that say how, and the server
//! is left alone meanwhile.

use super::super::network::{HOMES, Network};
use super::{HOST, Machine, provider, signing_key};

#[test]
fn what_only_the_owner_can_mend() {
    let network = Network::new();
    let server = provider(&network);
    let running = server.start();
    let login = server.add_host(HOST, &[]);
    let key = signing_key(&server, HOST);
    let machine = Machine::new(&network);
    let other = ["--host", "other.dyn.example.org"];
    let number = key.split_whitespace().nth(1).unwrap();
    let wrong_secret = format!("{number} {}", "0a".repeat(32));
    let wrong_number = key.replace(number, "aaaaaaaa");
    for (key, options, advice) in [
        ("wrong-token", &[][..], "the server does not accept the token"),
        (&login.password, &other, "other.dyn.example.org: there is no such host"),
        (&wrong_number, &[], "knows no such key, or not its secret"),
        (&wrong_secret, &[], "what came back is not signed by http://ddns.dyn.example.org"),
        (&key, &other, "other.dyn.example.org: there is no such host"),
    ] {
        machine.key(key);
        let said = machine.fails(options);
        assert!(said.contains(advice), "{key} {options:?}: {said}");
        assert!(said.contains("(tried again in"), "{said}");
        let said = machine.fails(options);
        assert!(said.contains(advice) && said.contains("not tried again before"), "{said}");
    }
    // Blocked by the operator: for hours, over restarts, though it moves; at
    // once when the owner says so.
    machine.key(&key);
    server.done(&["host", "set", HOST, "--block"]);
    assert!(machine.fails(&[]).contains("it is blocked; ask the server's operator"));
    server.done(&["host", "set", HOST, "--unblock"]);
    network.move_home(HOMES[1]);
    assert!(machine.fails(&[]).contains("not tried again before"));
    assert_eq!(network.home.dig(HOST, "A"), [""; 0]);
    assert!(machine.done(&["--force"]).contains("reported"));
    assert_eq!(network.home.dig(HOST, "A"), [HOMES[1]]);

    // With another key there is nothing to wait for.
    machine.key("wrong-token");
    machine.fails(&[]);
    machine.key(&login.password);
    assert!(machine.done(&[]).contains("reported"));

    // One host that is not ours does not keep the other from being found.
    network.move_home(HOMES[2]);
    let both = ["--host", HOST, "--host", "other.dyn.example.org"];
    machine.key(&key);
    let said = machine.fails(&both);
    assert!(said.contains("other.dyn.example.org: there is no such host"), "{said}");
    assert_eq!(network.home.dig(HOST, "A"), [HOMES[2]]);
    network.move_home(HOMES[0]);
    machine.fails(&both);
    assert_eq!(network.home.dig(HOST, "A"), [HOMES[0]]);

    running.stop();
}

/// What is wrong with the command is told before anybody is asked.
#[test]
fn what_is_wrong_with_the_command() {
    let network = Network::new();
    let machine = Machine::new(&network);
    let fails = |options: &[&str]| machine.fails(options);
    assert!(fails(&[]).contains("key: No such file"));
    machine.key("two words");
    assert!(fails(&[]).contains("what `truename key secret NUMBER --for signed` prints"));
    machine.key("token");
    for (options, advice) in [
        (&["--v4", "eth0"][..], "--v4 eth0: an address comes from `auto`"),
        (&["--prefix-from", "lan0/128"], "--prefix-from lan0/128: a prefix is taken from"),
        (&["--map", "http"], "--map http: a port is given as"),
        (&["--refresh", "never"], "--refresh never: say how often"),
        (&["--line", "wan_1"], "--line wan_1: a line's label is"),
        (&["--config", "/nowhere"], "/nowhere: cannot be read"),
        (&["--state", "/proc/nothing"], "/proc/nothing cannot be written"),
        (&["--v4", "none", "--v6", "none"], "no address was found to report"),
        (&["--v6", "router", "--v4", "none"], "routers tell no IPv6 address"),
    ] {
        let said = fails(options);
        assert!(said.contains(advice), "{options:?}: {said}");
    }
    let file = machine.file("report.toml");
    std::fs::write(&file, "servers = \"x\"\n").unwrap();
    assert!(
        fails(&["--config", file.to_str().unwrap()])
            .contains("report.toml:1:1: unknown field `servers`")
    );
}
