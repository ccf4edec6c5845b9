//! Another name server, started with our zones on a free loopback port.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::questions::Asked;

/// How long a server may take to load two small zones.
const START: Duration = Duration::from_secs(20);

/// How long an answer may take before it is taken for silence.
const PATIENCE: Duration = Duration::from_millis(700);

pub struct Peer {
    child: Child,
    address: SocketAddr,
    udp: UdpSocket,
    /// Its files; gone with it.
    directory: tempfile::TempDir,
}

/// What a server tells of itself, and makes cookies with; the same for all.
#[derive(Clone, Copy)]
pub struct Identity<'a> {
    /// By NSID and `id.server`.
    pub id: &'a str,
    /// In hexadecimal digits.
    pub cookie_secret: &'a str,
}

impl Peer {
    pub fn nsd(zones: &Path, identity: Option<Identity<'_>>) -> Peer {
        let identity = match identity {
            None => "hide-identity: yes".to_owned(),
            Some(Identity { id, cookie_secret }) => format!(
                "identity: \"{id}\"\n  nsid: \"ascii_{id}\"\n  answer-cookie: yes\n  \
                 cookie-secret: \"{cookie_secret}\"\n  cookie-secret-file: \"\""
            ),
        };
        Peer::start("nsd", "nsd", &["-d", "-c", "conf"], |directory, port| {
            let config = format!(
                "server:\n  ip-address: 127.0.0.1@{port}\n  server-count: 1\n  username: \"\"\n  \
                 zonesdir: \"{directory}\"\n  database: \"\"\n  pidfile: \"{directory}/pid\"\n  \
                 xfrdfile: \"{directory}/xfrd\"\n  zonelistfile: \"{directory}/list\"\n  \
                 logfile: \"{directory}/log\"\n  xfrdir: \"{directory}\"\n  hide-version: yes\n  \
                 {identity}\n  ipv4-edns-size: 1232\n  minimal-responses: yes\n  \
                 rrl-ratelimit: 0\n  round-robin: no\nremote-control:\n  control-enable: no\n\
                 zone:\n  name: example\n  zonefile: {z}/example.zone\n\
                 zone:\n  name: child.example\n  zonefile: {z}/child.example.zone\n",
                z = zones.display(),
            );
            vec![("conf", config)]
        })
    }

    pub fn knot(zones: &Path, identity: Option<Identity<'_>>) -> Peer {
        let (server, module, template) = match identity {
            None => ("identity: \"\"".to_owned(), String::new(), ""),
            Some(Identity { id, cookie_secret }) => (
                format!("identity: \"{id}\"\n  nsid: \"{id}\""),
                format!("mod-cookies:\n  - id: c\n    secret: 0x{cookie_secret}\n"),
                "    global-module: mod-cookies/c\n",
            ),
        };
        Peer::start("knotd", "knot", &["-c", "conf"], |directory, port| {
            let config = format!(
                "server:\n  rundir: \"{directory}\"\n  listen: 127.0.0.1@{port}\n  \
                 udp-max-payload: 1232\n  udp-workers: 1\n  tcp-workers: 1\n\
                 \x20 background-workers: 1\n  {server}\n  version: \"\"\n\
                 log:\n  - target: \"{directory}/log\"\n    any: info\n\
                 control:\n  listen: \"{directory}/control\"\n\
                 database:\n  storage: \"{directory}\"\n{module}\
                 template:\n  - id: default\n    storage: \"{z}\"\n    zonefile-sync: -1\n    \
                 journal-content: none\n{template}\
                 zone:\n  - domain: example\n    file: example.zone\n  - domain: child.example\n    \
                 file: child.example.zone\n",
                z = zones.display(),
            );
            vec![("conf", config)]
        })
    }

    pub fn bind(zones: &Path, Identity { id, cookie_secret }: Identity<'_>) -> Peer {
        Peer::start("named", "bind9", &["-f", "-n", "1", "-c", "conf"], |directory, port| {
            // BIND's own view of class CHAOS gives three answers a second; this
            // one gives all of them.
            let chaos = ["version", "hostname", "authors", "id"].map(|what| {
                let name =
                    if what == "id" { "id.server".to_owned() } else { format!("{what}.bind") };
                format!(
                    "zone \"{name}\" chaos {{ type primary; database \"_builtin {what}\"; }};\n"
                )
            });
            // What is longer than 512 octets needs a cookie, as with us.
            let config = format!(
                "options {{ directory \"{directory}\"; pid-file none; session-keyfile none;\n\
                 managed-keys-directory \"{directory}\"; listen-on port {port} {{ 127.0.0.1; }};\n\
                 listen-on-v6 {{ none; }}; recursion no; dnssec-validation no; notify no;\n\
                 minimal-responses yes; minimal-any yes; allow-transfer {{ none; }};\n\
                 edns-udp-size 1232; max-udp-size 1232; nocookie-udp-size 512;\n\
                 cookie-algorithm siphash24; cookie-secret \"{cookie_secret}\";\n\
                 server-id \"{id}\"; hostname \"{id}\"; version none;\n\
                 tcp-advertised-timeout 100; check-names primary ignore; check-integrity no; }};\ncontrols {{ }};\n\
                 logging {{ channel own {{ file \"log\"; severity info; }};\n\
                 category default {{ own; }}; }};\n\
                 view internet {{ recursion no;\n\
                 zone \"example\" {{ type primary; file \"{z}/example.zone\"; }};\n\
                 zone \"child.example\" {{ type primary; file \"{z}/child.example.zone\"; }}; }};\n\
                 view chaos chaos {{ recursion no;\n{} }};\n",
                chaos.concat(),
                z = zones.display(),
            );
            vec![("conf", config)]
        })
    }

    pub fn powerdns(zones: &Path, Identity { id, cookie_secret }: Identity<'_>) -> Peer {
        // It wants its settings under a name of its own choice.
        let arguments = ["--config-dir=."];
        Peer::start("pdns_server", "pdns-server", &arguments, |directory, port| {
            let config = format!(
                "local-address=127.0.0.1\nlocal-port={port}\nsocket-dir={directory}\nlaunch=bind\n\
                 bind-config={directory}/named.conf\nbind-check-interval=0\nreceiver-threads=1\n\
                 distributor-threads=1\nreuseport=no\ndaemon=no\nguardian=no\n\
                 disable-syslog=yes\nloglevel=3\nwebserver=no\nexpand-alias=no\n\
                 version-string=anonymous\nserver-id={id}\nedns-cookie-secret={cookie_secret}\n\
                 udp-truncation-threshold=1232\n"
            );
            let zone = |name: &str| {
                format!(
                    "zone \"{name}\" {{ type master; file \"{}/{name}.zone\"; }};\n",
                    zones.display()
                )
            };
            vec![("pdns.conf", config), ("named.conf", zone("example") + &zone("child.example"))]
        })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Starts a program in a directory of its own, once its files, whose
    /// contents depend on it and on the port, are there.
    fn start(
        program: &str,
        package: &str,
        arguments: &[&str],
        files: impl Fn(&str, u16) -> Vec<(&'static str, String)>,
    ) -> Peer {
        let directory = tempfile::tempdir().unwrap();
        let port = free_port();
        let path = directory.path().display().to_string();
        for (name, text) in files(&path, port) {
            std::fs::write(directory.path().join(name), text).unwrap();
        }
        // Debian keeps daemons where a user's PATH may not look.
        let search = format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default());
        let output = std::fs::File::create(directory.path().join("output")).unwrap();
        let child = Command::new(program)
            .env("PATH", search)
            .current_dir(directory.path())
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .spawn()
            .unwrap_or_else(|why| {
                panic!("{program} cannot be started ({why}): apt-get install {package}")
            });
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        udp.connect(address).unwrap();
        let mut peer = Peer { child, address, udp, directory };
        peer.wait_until_it_answers();
        peer
    }

    /// Until it answers with authority for the last of the zones.
    fn wait_until_it_answers(&mut self) {
        let soa = Asked::plain(b"\x05child\x07example\0", 6);
        self.udp.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        let start = Instant::now();
        let mut buffer = [0; 1500];
        loop {
            let sent = self.udp.send(&soa.bytes);
            if let (Ok(_), Ok(length)) = (sent, self.udp.recv(&mut buffer))
                && length > 12
                && buffer[2] & 4 != 0
            {
                break;
            }
            let ended = self.child.try_wait().unwrap();
            if ended.is_some() || start.elapsed() > START {
                let read = |name| {
                    std::fs::read_to_string(self.directory.path().join(name)).unwrap_or_default()
                };
                panic!("it does not start ({ended:?}):\n{}{}", read("output"), read("log"));
            }
            // A refused datagram comes back at once.
            std::thread::sleep(Duration::from_millis(10));
        }
        // Late answers to the questions asked so far.
        while self.udp.recv(&mut buffer).is_ok() {}
        self.udp.set_read_timeout(Some(PATIENCE)).unwrap();
    }

    /// What it answers; `None`: nothing.
    pub fn ask(&mut self, question: &Asked) -> Option<Vec<u8>> {
        if question.tcp { self.ask_tcp(&question.bytes) } else { self.ask_udp(&question.bytes) }
    }

    fn ask_udp(&mut self, bytes: &[u8]) -> Option<Vec<u8>> {
        self.udp.send(bytes).unwrap();
        let mut buffer = vec![0; 65_535];
        let length = self.udp.recv(&mut buffer).ok()?;
        buffer.truncate(length);
        Some(buffer)
    }

    fn ask_tcp(&mut self, bytes: &[u8]) -> Option<Vec<u8>> {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut framed = (bytes.len() as u16).to_be_bytes().to_vec();
        framed.extend_from_slice(bytes);
        stream.write_all(&framed).unwrap();
        let mut length = [0; 2];
        stream.read_exact(&mut length).ok()?;
        let mut reply = vec![0; usize::from(u16::from_be_bytes(length))];
        stream.read_exact(&mut reply).ok()?;
        Some(reply)
    }
}

impl Drop for Peer {
    /// Asked to stop, so that it stops its own children; killed if it does
    /// not listen.
    fn drop(&mut self) {
        let id = self.child.id().to_string();
        let _ = Command::new("kill").args(["-TERM", &id]).status();
        let start = Instant::now();
        while self.child.try_wait().is_ok_and(|ended| ended.is_none()) {
            if start.elapsed() > Duration::from_secs(5) {
                let _ = self.child.kill();
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// A port that is free for UDP and TCP.
fn free_port() -> u16 {
    loop {
        let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = tcp.local_addr().unwrap().port();
        if UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}
