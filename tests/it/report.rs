//! `truename report` against the real server, in namespaces: what the kernel
//! says of a home's addresses is in the DNS a moment later, and nobody is asked
//! more often than needed.
//!
//! | truename report: signed | signed updates | real program |
//! | truename report: token | dyndns2 | real program |

mod answers;
mod refusals;
mod router;

use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::daemon::{Home, Login, Said, said, send, until};
use super::network::{HOME6, HOMES, Network};
use super::programs::{provider, provider_with_tls};

const HOST: &str = "home.dyn.example.org";

/// How long a change may take until the DNS has it: the kernel's news, a
/// second of quiet, the report; on a machine that does other things, too.
const SOON: Duration = Duration::from_secs(30);

/// A machine of a home that reports.
struct Machine<'a> {
    network: &'a Network,
    directory: tempfile::TempDir,
    /// Where the server is.
    server: &'static str,
}

impl<'a> Machine<'a> {
    fn new(network: &'a Network) -> Machine<'a> {
        let server = "http://ddns.dyn.example.org";
        Machine { network, directory: tempfile::tempdir().unwrap(), server }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn key(&self, text: &str) {
        std::fs::write(self.file("key"), text).unwrap();
    }

    /// The command with these options beside the usual ones.
    fn command(&self, options: &[&str]) -> Command {
        let mut command = self.network.home.command(env!("CARGO_BIN_EXE_truename"));
        command.args(["report", "--server", self.server, "--key-file"]).arg(self.file("key"));
        if !options.contains(&"--state") {
            command.arg("--state").arg(self.file("state.json"));
        }
        command.args(options);
        if !options.contains(&"--host") {
            command.args(["--host", HOST]);
        }
        command
    }

    fn once(&self, options: &[&str]) -> Said {
        said(self.command(options).arg("--once"), "")
    }

    /// One that is meant to be done: what it says.
    fn done(&self, options: &[&str]) -> String {
        let said = self.once(options);
        assert!(said.status.success() && said.err.is_empty(), "{said}");
        said.out
    }

    /// One that is meant to fail: what it says.
    fn fails(&self, options: &[&str]) -> String {
        let said = self.once(options);
        assert!(!said.status.success() && said.out.is_empty(), "{said}");
        said.err
    }

    fn daemon(&self, options: &[&str]) -> Daemon {
        self.daemon_with(options, |command| command)
    }

    fn daemon_with(
        &self,
        options: &[&str],
        with: impl FnOnce(&mut Command) -> &mut Command,
    ) -> Daemon {
        let log = self.file("log");
        let out = std::fs::File::options().create(true).append(true).open(&log).unwrap();
        let mut command = self.command(options);
        let command = with(&mut command).stdin(Stdio::null());
        let child = command.stdout(out.try_clone().unwrap()).stderr(out).spawn().unwrap();
        Daemon { child, log }
    }
}

/// A running one.
struct Daemon {
    child: Child,
    log: PathBuf,
}

impl Daemon {
    fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    fn until_said(&self, text: &str) {
        until(text, SOON, || self.log().contains(text).then_some(()));
    }

    /// SIGTERM, and an end that is no failure.
    fn stop(mut self) {
        send("TERM", &self.child);
        let status = until("it stops", SOON, || self.child.try_wait().unwrap());
        assert!(status.success(), "{status}: {}", self.log());
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- the report's log\n{}---", self.log());
        }
    }
}

/// The number and the secret of a key of this host, as they are printed.
fn signing_key(server: &Home, host: &str) -> String {
    let shown: serde_json::Value =
        serde_json::from_str(&server.done(&["host", "show", host, "--json"])).unwrap();
    let text = shown.to_string();
    let keys = text.split("\"keys\":[\"").nth(1).unwrap_or_else(|| panic!("{text}"));
    let id = keys.split('"').next().unwrap();
    server.done(&["key", "secret", id, "--for", "signed"])
}

fn until_dns(network: &Network, host: &str, kind: &str, addresses: &[&str]) {
    until(&format!("{host} {kind} {addresses:?}"), SOON, || {
        (network.home.dig(host, kind) == addresses).then_some(())
    });
}

#[test]
fn what_the_kernel_says_is_in_the_dns_a_moment_later() {
    let network = Network::new();
    let server = provider(&network);
    let _running = server.start();
    server.add_host(HOST, &[]);
    let machine = Machine::new(&network);
    machine.key(&signing_key(&server, HOST));
    // News alone may wake it: it looks by itself once an hour.
    let reporter = machine.daemon(&["--interval", "1h"]);
    until_dns(&network, HOST, "A", &[HOMES[0]]);
    until_dns(&network, HOST, "AAAA", &[HOME6]);
    reporter.until_said(&format!("{HOST}: reported: {}, {HOME6}", HOMES[0]));

    for home in [HOMES[1], HOMES[2]] {
        network.move_home(home);
        until_dns(&network, HOST, "A", &[home]);
        assert_eq!(network.home.dig(HOST, "AAAA"), [HOME6]);
    }
    // The kernel makes up a temporary address beside a stable one, which is
    // what is reported; once that is deprecated, another stable one is.
    let set = |line: &str| network.home.set(line);
    let temporary = || network.home.run("ip", &["-6", "address", "show", "temporary"]).out;
    set("sysctl -qw net.ipv6.conf.wire.use_tempaddr=2");
    set("ip address add 2001:db8:7::8/64 dev wire nodad preferred_lft 4000 valid_lft 8000");
    set("ip address add 2001:db8:7::9/64 dev wire nodad mngtmpaddr");
    until("a temporary address", SOON, || temporary().contains("2001:db8:7:").then_some(()));
    set("ip address del 2001:db8:7::7/128 dev wire");
    until_dns(&network, HOST, "AAAA", &["2001:db8:7::9"]);
    set("ip address change 2001:db8:7::9/64 dev wire nodad preferred_lft 0");
    until_dns(&network, HOST, "AAAA", &["2001:db8:7::8"]);
    reporter.stop();

    // It remembers what was acknowledged: with the server gone there is
    // nothing to ask it, and nothing to say.
    network.names_at(super::network::DEAF);
    let said = machine.done(&[]);
    assert_eq!(said, format!("{HOST}: nothing changed: {}, 2001:db8:7::8\n", HOMES[2]));
    assert!(machine.fails(&["--force"]).contains("does the server run?"));
}

#[test]
fn a_server_that_is_away_is_told_when_it_is_back() {
    let network = Network::new();
    let server = provider(&network);
    let running = server.start();
    server.add_host(HOST, &[]);
    let machine = Machine::new(&network);
    machine.key(&signing_key(&server, HOST));
    running.stop();
    let said = machine.fails(&[]);
    assert!(said.contains("does the server run?") && said.contains("(tried again in"), "{said}");
    let said = machine.fails(&[]);
    assert!(said.contains("not tried again before"), "{said}");

    let reporter = machine.daemon(&[]);
    reporter.until_said("does the server run?");
    network.move_home(HOMES[1]);
    let _running = server.start();
    until_dns(&network, HOST, "A", &[HOMES[1]]);
    reporter.stop();
}

/// With a token over TLS: the authority is the system's, or the one given, and
/// no other will do.
#[test]
fn a_token_over_tls() {
    let network = Network::new();
    let server = provider_with_tls(&network);
    let _running = server.start();
    let login = server.add_host(HOST, &[]);
    let mut machine = Machine::new(&network);
    machine.key(&login.password);
    machine.server = "https://ddns.dyn.example.org";
    assert_eq!(machine.done(&["--v6", "none"]), format!("{HOST}: reported: {}\n", HOMES[0]));
    assert_eq!(network.home.dig(HOST, "A"), [HOMES[0]]);
    assert_eq!(network.home.dig(HOST, "AAAA"), [""; 0]);
    assert!(machine.done(&["--force"]).contains(HOME6));
    assert_eq!(network.home.dig(HOST, "AAAA"), [HOME6]);

    // The server's own certificate is signed by the authority that the home
    // trusts, and not by this one.
    let stranger = rcgen::generate_simple_self_signed(vec!["x.example".to_owned()]).unwrap();
    std::fs::write(machine.file("stranger.pem"), stranger.cert.pem()).unwrap();
    let stranger = machine.file("stranger.pem");
    let said = machine.fails(&["--force", "--ca", stranger.to_str().unwrap()]);
    assert!(said.contains("UnknownIssuer") && said.contains("--ca"), "{said}");
    let said = machine.fails(&["--force", "--ca", "/etc/hosts"]);
    assert!(said.contains("there is no authority to check certificates by"), "{said}");

    // In clear it works, too, and the daemon warns of it.
    machine.server = "http://ddns.dyn.example.org";
    let reporter = machine.daemon(&[]);
    reporter.until_said("the token is sent in clear to http://ddns.dyn.example.org");
    reporter.until_said("reported");
    reporter.stop();
}

/// What the server sees, where no interface tells: with a token, and signed.
#[test]
fn an_address_that_only_the_server_sees() {
    let network = Network::new();
    let server = provider(&network);
    let _running = server.start();
    let login: Login = server.add_host(HOST, &[]);
    let machine = Machine::new(&network);
    for key in [login.password, signing_key(&server, HOST)] {
        machine.key(&key);
        for home in [HOMES[0], HOMES[1]] {
            network.move_home(home);
            machine.done(&["--v4", "server", "--v6", "none"]);
            assert_eq!(network.home.dig(HOST, "A"), [home]);
        }
    }
    // A private address on the interface is not what is reported by itself,
    // and is by name.
    network.home.set("ip address add 192.168.7.7/24 dev wire");
    network.home.set(&format!("ip address del {}/32 dev wire", HOMES[1]));
    network.provider.set("ip address add 192.168.7.1/24 dev wire");
    let said = machine.fails(&["--v6", "none"]);
    assert!(
        said.contains("the server sees 192.168.7.7, which is no public IPv4 address"),
        "{said}"
    );
    let said = machine.done(&["--v6", "none", "--v4", "interface:wire"]);
    assert_eq!(said, format!("{HOST}: reported: 192.168.7.7\n"));
    let said = machine.fails(&["--v6", "none", "--v4", "interface:eth7"]);
    assert!(said.contains("there is no interface eth7"), "{said}");
}

/// A router reports the prefix of its network, and the whole site follows.
#[test]
fn a_prefix_renumbers_the_site() {
    let network = Network::new();
    let server = provider(&network);
    let _running = server.start();
    server.add_host(HOST, &[]);
    server.done(&["host", "add", "nas.dyn.example.org", "--no-key"]);
    server.done(&[
        "host",
        "set",
        "nas.dyn.example.org",
        "--site",
        HOST,
        "--interface",
        "::5",
        "--subnet",
        "2",
    ]);
    let machine = Machine::new(&network);
    machine.key(&signing_key(&server, HOST));
    network.home.set("ip address add 2001:db8:aa:ff00::1/64 dev wire nodad");
    network.home.set(&format!("ip address del {HOME6}/128 dev wire"));
    let reporter = machine.daemon(&["--prefix-from", "wire/56", "--interval", "1h"]);
    until_dns(&network, "nas.dyn.example.org", "AAAA", &["2001:db8:aa:ff02::5"]);
    until_dns(&network, HOST, "AAAA", &["2001:db8:aa:ff00::1"]);
    network.home.set("ip address add 2001:db8:bb:ee00::1/64 dev wire nodad");
    network.home.set("ip address del 2001:db8:aa:ff00::1/64 dev wire");
    until_dns(&network, "nas.dyn.example.org", "AAAA", &["2001:db8:bb:ee02::5"]);
    until_dns(&network, HOST, "AAAA", &["2001:db8:bb:ee00::1"]);
    reporter.stop();
}

/// Two lines under one name, each with a report of its own: signed and with a
/// token.
#[test]
fn two_lines_under_one_name() {
    let network = Network::new();
    let server = provider(&network);
    let _running = server.start();
    let login = server.add_host(HOST, &[]);
    let machine = Machine::new(&network);
    for (at, key) in [signing_key(&server, HOST), login.password].into_iter().enumerate() {
        machine.key(&key);
        network.move_home(HOMES[at]);
        machine.done(&["--v6", "none", "--line", &format!("wan{at}")]);
    }
    let mut both = [HOMES[0], HOMES[1]];
    both.sort_unstable();
    assert_eq!(network.home.dig(HOST, "A"), both);
}

/// systemd is told when it is ready, how it stands, and that it ends; the same
/// options come from a file.
#[test]
fn a_service_of_systemd() {
    let network = Network::new();
    let server = provider(&network);
    let _running = server.start();
    server.add_host(HOST, &[]);
    let machine = Machine::new(&network);
    machine.key(&signing_key(&server, HOST));
    let socket = machine.file("notify");
    let systemd = UnixDatagram::bind(&socket).unwrap();
    systemd.set_read_timeout(Some(SOON)).unwrap();
    let file = machine.file("report.toml");
    let text = format!(
        "server = \"{}\"\nhost = [\"{HOST}\"]\nkey-file = \"{}\"\nv6 = \"none\"\n",
        machine.server,
        machine.file("key").display()
    );
    std::fs::write(&file, text).unwrap();
    let mut command = network.home.command(env!("CARGO_BIN_EXE_truename"));
    command.args(["report", "--config"]).arg(&file);
    command.env("NOTIFY_SOCKET", &socket).env("STATE_DIRECTORY", machine.directory.path());
    let log = machine.file("log");
    let out = std::fs::File::create(&log).unwrap();
    let child = command.stdout(out.try_clone().unwrap()).stderr(out).spawn().unwrap();
    let reporter = Daemon { child, log };
    let mut told = String::new();
    let mut hear = |text: &str| {
        let mut octets = [0; 4096];
        while !told.contains(text) {
            let length = systemd.recv(&mut octets).unwrap_or_else(|_| panic!("{text} in {told}"));
            told += &String::from_utf8_lossy(&octets[..length]);
            told.push('\n');
        }
    };
    hear(&format!("STATUS={HOST}: reported: {}", HOMES[0]));
    hear("READY=1");
    assert_eq!(network.home.dig(HOST, "A"), [HOMES[0]]);
    assert!(machine.file(&format!("report-{HOST}.json")).exists());
    // SIGHUP: say it again.
    let heard = server.done(&["host", "show", HOST, "--json"]);
    send("HUP", &reporter.child);
    until("another report", SOON, || {
        (server.done(&["host", "show", HOST, "--json"]) != heard).then_some(())
    });
    send("TERM", &reporter.child);
    hear("STOPPING=1");
    reporter.stop();
}

/// The unit of systemd calls the program by options that it has.
#[test]
fn the_unit_calls_what_is_there() {
    let unit = concat!(env!("CARGO_MANIFEST_DIR"), "/docker/truename-report.service");
    let unit = std::fs::read_to_string(unit).unwrap();
    let call = unit.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap();
    let mut words = call.split(' ');
    assert_eq!(words.next(), Some("/usr/local/bin/truename"));
    assert_eq!(words.next(), Some("report"));
    let help = said(Command::new(env!("CARGO_BIN_EXE_truename")).args(["report", "--help"]), "");
    let mut options = 0;
    for option in words.filter(|word| word.starts_with("--")) {
        assert!(help.out.contains(&format!("{option} <")), "{option}: {help}");
        options += 1;
    }
    assert_eq!(options, 2);
    // Without the kernel's addresses it would find none.
    assert!(unit.contains("RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK"));
}
