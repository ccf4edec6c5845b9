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

impl Peer {
    pub fn nsd(zones: &Path) -> Peer {
        Peer::start("nsd", "nsd", &["-d", "-c"], |directory, port| {
            format!(
                "server:\n  ip-address: 127.0.0.1@{port}\n  server-count: 1\n  username: \"\"\n  \
                 zonesdir: \"{directory}\"\n  database: \"\"\n  pidfile: \"{directory}/pid\"\n  \
                 xfrdfile: \"{directory}/xfrd\"\n  zonelistfile: \"{directory}/list\"\n  \
                 logfile: \"{directory}/log\"\n  xfrdir: \"{directory}\"\n  hide-version: yes\n  \
                 hide-identity: yes\n  ipv4-edns-size: 1232\n  minimal-responses: yes\n  \
                 rrl-ratelimit: 0\n  round-robin: no\nremote-control:\n  control-enable: no\n\
                 zone:\n  name: example\n  zonefile: {z}/example.zone\n\
                 zone:\n  name: child.example\n  zonefile: {z}/child.example.zone\n",
                z = zones.display(),
            )
        })
    }

    pub fn knot(zones: &Path) -> Peer {
        Peer::start("knotd", "knot", &["-c"], |directory, port| {
            format!(
                "server:\n  rundir: \"{directory}\"\n  listen: 127.0.0.1@{port}\n  \
                 udp-max-payload: 1232\n  udp-workers: 1\n  tcp-workers: 1\n\
                 \x20 background-workers: 1\n  identity: \"\"\n  version: \"\"\n\
                 log:\n  - target: \"{directory}/log\"\n    any: info\n\
                 control:\n  listen: \"{directory}/control\"\n\
                 database:\n  storage: \"{directory}\"\n\
                 template:\n  - id: default\n    storage: \"{z}\"\n    zonefile-sync: -1\n    \
                 journal-content: none\n\
                 zone:\n  - domain: example\n    file: example.zone\n  - domain: child.example\n    \
                 file: child.example.zone\n",
                z = zones.display(),
            )
        })
    }

    fn start(
        program: &str,
        package: &str,
        arguments: &[&str],
        config: impl Fn(&str, u16) -> String,
    ) -> Peer {
        let directory = tempfile::tempdir().unwrap();
        let port = free_port();
        let file = directory.path().join("conf");
        let path = directory.path().display().to_string();
        std::fs::write(&file, config(&path, port)).unwrap();
        // Debian keeps daemons where a user's PATH may not look.
        let search = format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default());
        let output = std::fs::File::create(directory.path().join("output")).unwrap();
        let child = Command::new(program)
            .env("PATH", search)
            .args(arguments)
            .arg(&file)
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
