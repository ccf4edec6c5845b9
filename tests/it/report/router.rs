//! The router at home: miniupnpd with the kernel's own firewall. It tells its
//! outer address and lets ports through, by NAT-PMP, PCP and UPnP.

use std::io::Read;
use std::process::{Child, Stdio};

use super::super::daemon::{send, until};
use super::super::network::{Network, program};
use super::{HOST, Machine, SOON, provider, signing_key, until_dns};

/// The router's outer address. miniupnpd takes none that is kept for
/// documentation.
const OUTER: &str = "11.22.33.44";

/// The router: the provider's side of the wire, with a network inside and an
/// interface outside.
struct Router<'a> {
    network: &'a Network,
    child: Child,
    directory: tempfile::TempDir,
}

impl<'a> Router<'a> {
    fn start(network: &'a Network, options: &str) -> Router<'a> {
        let set = |line: &str| network.provider.set(line);
        behind_nat(network);
        let directory = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let file = directory.path().join(name);
            std::fs::write(&file, text).unwrap();
            file.to_str().unwrap().to_owned()
        };
        let rules = file("rules", RULES);
        set(&format!("{} -f {rules}", program("nft")));
        let configuration = file(
            "miniupnpd.conf",
            &format!(
                "ext_ifname=wan\next_ip={OUTER}\nlistening_ip=192.168.77.1/24\nsecure_mode=yes\n\
                 uuid=00000000-0000-0000-0000-000000000001\nmin_lifetime=120\n\
                 upnp_table_name=filter\nupnp_nat_table_name=filter\n\
                 allow 1-65535 0.0.0.0/0 1-65535\n{options}"
            ),
        );
        let log = directory.path().join("log");
        let out = std::fs::File::create(&log).unwrap();
        let mut miniupnpd = network.provider.command(&program("miniupnpd"));
        miniupnpd.args(["-d", "-f", &configuration, "-P", &file("pid", "")]);
        let miniupnpd = miniupnpd.stdin(Stdio::null()).stdout(out.try_clone().unwrap()).stderr(out);
        let child = miniupnpd.spawn().unwrap();
        let router = Router { network, child, directory };
        until("the router serves", SOON, || router.log().contains("starting").then_some(()));
        router
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("log")).unwrap()
    }

    /// The rules of the firewall that let something through.
    fn rules(&self) -> String {
        self.network.provider.run(&program("nft"), &["list", "ruleset"]).out
    }
}

impl Drop for Router<'_> {
    fn drop(&mut self) {
        send("KILL", &self.child);
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- the router's log\n{}---", self.log());
        }
    }
}

/// The home is in a private network, the provider's side is its router.
fn behind_nat(network: &Network) {
    let set = |line: &str| network.provider.set(line);
    if network.provider.run("ip", &["link", "show", "wan"]).status.success() {
        return;
    }
    set("ip link add wan type veth peer name internet");
    set("ip link set wan up");
    set("ip link set internet up");
    set(&format!("ip address add {OUTER}/32 dev wan"));
    set("ip address add 192.168.77.1/24 dev wire");
    network.home.set("ip -4 address flush dev wire");
    network.home.set("ip address add 192.168.77.2/24 dev wire");
    network.home.set("ip route replace default via 192.168.77.1");
}

/// As miniupnpd's own start script makes them.
const RULES: &str = "\
flush ruleset
table inet filter {
    chain forward { type filter hook forward priority 0; policy accept; jump miniupnpd; }
    chain miniupnpd { }
    chain prerouting { type nat hook prerouting priority -100; policy accept; jump prerouting_miniupnpd; }
    chain prerouting_miniupnpd { }
    chain postrouting { type nat hook postrouting priority 100; policy accept; jump postrouting_miniupnpd; }
    chain postrouting_miniupnpd { }
}
";

#[test]
fn its_outer_address_and_ports_through_it() {
    let network = Network::new();
    let server = provider(&network);
    let _running = server.start();
    server.add_host(HOST, &[]);
    let machine = Machine::new(&network);
    machine.key(&signing_key(&server, HOST));
    for (options, rules) in [
        ("enable_natpmp=yes\nenable_upnp=no\n", "NAT-PMP and PCP"),
        ("enable_natpmp=no\nenable_upnp=yes\n", "UPnP"),
    ] {
        let router = Router::start(&network, options);
        let said = machine.done(&["--v4", "router", "--v6", "none", "--force"]);
        assert_eq!(said, format!("{HOST}: reported: {OUTER}\n"), "{rules}");
        until_dns(&network, HOST, "A", &[OUTER]);

        let reporter = machine.daemon(&[
            "--v4",
            "router",
            "--v6",
            "none",
            "--map",
            "443:8443",
            "--map",
            "51820/udp",
        ]);
        reporter.until_said("the router lets 443:8443/tcp through");
        reporter.until_said("the router lets 51820:51820/udp through");
        let open = router.rules();
        assert!(open.contains("dport 443 dnat ip to 192.168.77.2:8443"), "{rules}: {open}");
        assert!(open.contains("dport 51820 dnat ip to 192.168.77.2:51820"), "{rules}: {open}");
        reporter.stop();
        let closed = router.rules();
        assert!(!closed.contains("dnat"), "{rules}: {closed}");
        std::fs::remove_file(machine.file("log")).unwrap();
    }
}

#[test]
fn a_router_that_is_of_no_help() {
    let network = Network::new();
    let server = provider(&network);
    let _running = server.start();
    server.add_host(HOST, &[]);
    let machine = Machine::new(&network);
    machine.key(&signing_key(&server, HOST));
    behind_nat(&network);
    let said = machine.fails(&["--v4", "router", "--v6", "none"]);
    assert!(said.contains("no router here answers NAT-PMP, PCP or UPnP"), "{said}");
    // What is there is reported all the same, and the port is told of.
    let said = machine.fails(&["--v4", "192.0.2.7", "--v6", "none", "--map", "443"]);
    assert!(said.contains("reported: 192.0.2.7; but"), "{said}");
}

/// A router that knows PCP alone tells its address with a mapping, which is
/// taken back at once.
#[test]
fn a_router_that_knows_pcp_alone() {
    let network = Network::new();
    let server = provider(&network);
    let _running = server.start();
    server.add_host(HOST, &[]);
    let machine = Machine::new(&network);
    machine.key(&signing_key(&server, HOST));
    behind_nat(&network);
    let script = machine.file("pcp.py");
    std::fs::write(&script, include_str!("pcp.py")).unwrap();
    let seen = machine.file("seen");
    let mut python = network.provider.command(&program("python3"));
    python.arg(&script).args(["192.168.77.1", OUTER]).stdout(Stdio::piped());
    let mut router = python.stderr(std::fs::File::create(&seen).unwrap()).spawn().unwrap();
    router.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
    let said = machine.done(&["--v4", "router", "--v6", "none"]);
    assert_eq!(said, format!("{HOST}: reported: {OUTER}\n"));
    let reporter = machine.daemon(&["--v4", OUTER, "--v6", "none", "--map", "443:8443"]);
    reporter.until_said("the router lets 443:8443/tcp through");
    reporter.stop();
    let seen = std::fs::read_to_string(seen).unwrap();
    let _ = router.kill();
    let _ = router.wait();
    assert_eq!(seen, "map 17 9 9\ndrop 17 9\nmap 6 443 8443\ndrop 6 8443\n");
}
