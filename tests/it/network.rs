//! Two network namespaces with a wire between them: a provider, where the
//! server is, and a home, where clients are. Nothing in them can reach
//! anything else, and names like `members.dyndns.org` are whoever a test says
//! they are. Not a test by itself.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use super::daemon::{Said, said};

/// The provider's address.
pub const PROVIDER: &str = "192.0.2.53";
/// An address of the provider where nothing listens.
pub const DEAF: &str = "192.0.2.54";
/// The provider's address over IPv6.
pub const PROVIDER6: &str = "2001:db8:53::53";
/// The addresses a home has one after the other.
pub const HOMES: [&str; 3] = ["203.0.113.7", "203.0.113.8", "198.51.100.9"];
/// And over IPv6.
pub const HOME6: &str = "2001:db8:7::7";

/// One network namespace, with files of its own in place of `/etc/hosts` and
/// `/etc/resolv.conf`.
pub struct Space {
    holder: Child,
    files: tempfile::TempDir,
    /// Which namespaces it has of its own.
    own: &'static [&'static str],
}

/// Both, connected.
pub struct Network {
    pub provider: Space,
    pub home: Space,
}

impl Network {
    pub fn new() -> Network {
        // As a user, both are made within one user namespace: the first's.
        let provider = Space::new(None);
        let home = Space::new(Some(&provider));
        let pid = home.holder.id().to_string();
        provider.set(&format!("ip link add wire type veth peer name wire netns {pid}"));
        for space in [&provider, &home] {
            // IPv6 addresses are there at once, without looking for others.
            space.set("ip link set wire up");
            space.set("ip route add default dev wire");
            space.set("ip -6 route add default dev wire");
        }
        for address in [PROVIDER, DEAF] {
            provider.set(&format!("ip address add {address}/32 dev wire"));
        }
        provider.set(&format!("ip address add {PROVIDER6}/128 dev wire nodad"));
        let network = Network { provider, home };
        network.move_home(HOMES[0]);
        network.home.set(&format!("ip address add {HOME6}/128 dev wire nodad"));
        network.names_at(PROVIDER);
        network.home.resolver(PROVIDER);
        network
    }

    /// The home has this IPv4 address now, and no other.
    pub fn move_home(&self, address: &str) {
        self.home.set("ip -4 address flush dev wire");
        self.home.set(&format!("ip address add {address}/32 dev wire"));
        self.home.set("ip route replace default dev wire");
    }

    /// The home trusts this certificate authority and no other.
    pub fn home_trusts(&self, authority: &str) {
        let directory = self.home.file("certs");
        std::fs::create_dir(&directory).unwrap();
        std::fs::write(directory.join("ca-certificates.crt"), authority).unwrap();
        let directory = directory.to_str().unwrap();
        // Some look into the file, some for a file by the authority's hash.
        let said = self.home.run(&program("openssl"), &["rehash", directory]);
        assert!(said.status.success(), "{said}");
        self.home.set(&format!("mount --bind {directory} /etc/ssl/certs"));
    }

    /// What the home's own resolver would have to say: the well-known names
    /// are at this address.
    pub fn names_at(&self, address: &str) {
        self.home.hosts(&format!(
            "127.0.0.1 localhost\n\
             {address} members.dyndns.org checkip.dyndns.org checkip.dyndns.com\n\
             {address} ddns.dyn.example.org\n"
        ));
    }
}

impl Space {
    /// One with mounts of its own, on the network that all are on.
    pub fn of_mounts() -> Space {
        Space::made(None, &["--mount"], "")
    }

    /// Whether it has a network of its own.
    pub fn is_apart(&self) -> bool {
        self.own.contains(&"--net")
    }

    /// The path by which others reach what is mounted in here.
    pub fn seen_from_outside(&self, path: &std::path::Path) -> PathBuf {
        let root = PathBuf::from(format!("/proc/{}/root", self.holder.id()));
        root.join(path.strip_prefix("/").expect("an absolute path"))
    }

    fn new(beside: Option<&Space>) -> Space {
        let script = "
            ip link set lo up
            mount --bind \"$0/hosts\" /etc/hosts
            mount --bind \"$0/resolv.conf\" /etc/resolv.conf";
        Space::made(beside, &["--net", "--mount"], script)
    }

    fn made(beside: Option<&Space>, own: &'static [&'static str], script: &str) -> Space {
        let files = tempfile::tempdir().unwrap();
        for file in ["hosts", "resolv.conf"] {
            std::fs::write(files.path().join(file), "").unwrap();
        }
        // It lives as long as its standard input, which is ours.
        let script = format!("set -e\n{script}\necho ready\nexec cat");
        let mut command = match beside {
            Some(space) => space.entered(),
            None => Command::new("setpriv"),
        };
        if beside.is_none() {
            command.args(["--pdeathsig", "KILL", "--"]);
        }
        command.arg("unshare").args(own);
        if beside.is_none() && !may_as_is() {
            command.args(["--user", "--map-root-user"]);
        }
        command.args(["--", "sh", "-c", &script]).arg(files.path());
        let mut holder = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(holder.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n", "no network namespace; tests/README.md says what it takes");
        Space { holder, files, own }
    }

    /// A command in here. It ends when this test does.
    pub fn command(&self, program: &str) -> Command {
        let mut command = self.entered();
        command.arg(program).env("LC_ALL", "C");
        // What is trusted in here is said in here.
        for variable in ["SSL_CERT_FILE", "SSL_CERT_DIR", "CURL_CA_BUNDLE"] {
            command.env_remove(variable);
        }
        command
    }

    fn entered(&self) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.holder.id().to_string()]).args(self.own);
        if !may_as_is() {
            command.args(["--user", "--preserve-credentials"]);
        }
        command.args(["--", "setpriv", "--pdeathsig", "KILL", "--"]);
        command
    }

    /// What a program says in here; it may fail.
    pub fn run(&self, program: &str, arguments: &[&str]) -> Said {
        said(self.command(program).args(arguments), "")
    }

    /// A command that is meant to be done.
    pub fn set(&self, line: &str) {
        let words: Vec<&str> = line.split(' ').collect();
        let said = self.run(words[0], &words[1..]);
        assert!(said.status.success(), "{line}\n{said}");
    }

    /// `/etc/hosts` in here.
    pub fn hosts(&self, text: &str) {
        std::fs::write(self.file("hosts"), text).unwrap();
    }

    /// `/etc/resolv.conf` in here.
    pub fn resolver(&self, address: &str) {
        std::fs::write(self.file("resolv.conf"), format!("nameserver {address}\n")).unwrap();
    }

    fn file(&self, name: &str) -> PathBuf {
        self.files.path().join(name)
    }

    /// What `dig +short` says of a name, asked at the provider: the
    /// addresses, sorted.
    pub fn dig(&self, name: &str, kind: &str) -> Vec<String> {
        let said = self.run(
            &program("dig"),
            &[&format!("@{PROVIDER}"), name, kind, "+short", "+norecurse", "+tries=2", "+time=2"],
        );
        assert!(said.status.success(), "{said}");
        let mut lines: Vec<String> = said.out.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    }
}

impl Drop for Space {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

/// Whether this user makes network namespaces as they are.
fn may_as_is() -> bool {
    static MAY: OnceLock<bool> = OnceLock::new();
    *MAY.get_or_init(|| {
        let unshare = Command::new("unshare").args(["--net", "--mount", "true"]).output();
        unshare.is_ok_and(|output| output.status.success())
    })
}

/// The Debian package of each real program the tests run.
const PACKAGES: &[(&str, &str)] = &[
    ("ddclient", "ddclient"),
    ("inadyn", "inadyn"),
    ("curl", "curl"),
    ("wget", "wget"),
    ("busybox", "busybox"),
    ("dig", "bind9-dnsutils"),
    ("nsupdate", "bind9-dnsutils"),
    ("kdig", "knot-dnsutils"),
    ("knsupdate", "knot-dnsutils"),
    ("unbound", "unbound"),
    ("chromium", "chromium"),
    ("openssl", "openssl"),
    ("named", "bind9"),
    ("knotd", "knot"),
    ("cc", "gcc"),
    ("miniupnpd", "miniupnpd-nftables"),
    ("nft", "nftables"),
    ("strace", "strace"),
    ("dash", "dash"),
    ("bash", "bash"),
    ("python3", "python3"),
    ("systemd-analyze", "systemd"),
    ("haproxy", "haproxy"),
    ("nginx", "nginx-light"),
    ("prlimit", "util-linux"),
];

/// The full path of a real program. One that is missing fails the test:
/// nothing is skipped.
pub fn program(name: &str) -> String {
    let path = std::env::var("PATH").unwrap_or_default();
    let found = path
        .split(':')
        .chain(["/usr/local/sbin", "/usr/sbin", "/sbin"])
        .map(|directory| PathBuf::from(directory).join(name))
        .find(|file| file.is_file());
    let package =
        PACKAGES.iter().find(|(program, _)| *program == name).map_or(name, |(_, package)| package);
    match found {
        Some(file) => file.to_string_lossy().into_owned(),
        None => panic!(
            "{name} is not installed: apt-get install --no-install-recommends {package} \
             (tests/run does)"
        ),
    }
}
