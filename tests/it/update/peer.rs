//! BIND or Knot DNS with a zone that one key may change, on a free port.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::process::{Child, Stdio};
use std::time::Duration;

use super::message::Key;
use crate::daemon::{until, with_us};
use crate::network::program;

pub struct Peer {
    child: Child,
    address: SocketAddr,
    directory: tempfile::TempDir,
}

impl Peer {
    pub fn bind(zone: &str, key: &Key) -> Peer {
        Peer::start("named", &["-f", "-c"], zone, |directory, port| {
            format!(
                "options {{ directory \"{directory}\"; listen-on port {port} {{ 127.0.0.1; }};\n\
                 listen-on-v6 {{ none; }}; pid-file none; session-keyfile none; recursion no;\n\
                 dnssec-validation no; notify no; minimal-responses yes; }};\ncontrols {{ }};\n\
                 logging {{ channel own {{ file \"log\"; severity info; }};\n\
                 category default {{ own; }}; }};\n\
                 key \"{}\" {{ algorithm hmac-sha256; secret \"{}\"; }};\n\
                 zone \"dyn.example\" {{ type primary; file \"zone\";\n\
                 allow-update {{ key \"{}\"; }}; }};\n",
                key.name,
                data_encoding::BASE64.encode(&key.secret),
                key.name,
            )
        })
    }

    pub fn knot(zone: &str, key: &Key) -> Peer {
        Peer::start("knotd", &["-c"], zone, |directory, port| {
            format!(
                "server:\n  rundir: \"{directory}\"\n  listen: 127.0.0.1@{port}\n\
                 \x20 udp-workers: 1\n  tcp-workers: 1\n  background-workers: 1\n\
                 log:\n  - target: \"{directory}/log\"\n    any: info\n\
                 control:\n  listen: \"{directory}/control\"\n\
                 database:\n  storage: \"{directory}\"\n\
                 key:\n  - id: {}\n    algorithm: hmac-sha256\n    secret: {}\n\
                 acl:\n  - id: ours\n    key: {}\n    action: update\n\
                 zone:\n  - domain: dyn.example\n    storage: \"{directory}\"\n    file: zone\n\
                 \x20   zonefile-sync: -1\n    acl: ours\n",
                key.name,
                data_encoding::BASE64.encode(&key.secret),
                key.name,
            )
        })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Starts it; once more where it ends at once, since another test may have
    /// got the port meanwhile.
    fn start(
        name: &str,
        arguments: &[&str],
        zone: &str,
        config: impl Fn(&str, u16) -> String,
    ) -> Peer {
        let begun = || Peer::begin(name, arguments, zone, &config);
        begun().or_else(|_| begun()).or_else(|_| begun()).unwrap_or_else(|log| panic!("{log}"))
    }

    fn begin(
        name: &str,
        arguments: &[&str],
        zone: &str,
        config: impl Fn(&str, u16) -> String,
    ) -> Result<Peer, String> {
        let directory = tempfile::tempdir().unwrap();
        let port = free_port();
        let path = directory.path().display().to_string();
        std::fs::write(directory.path().join("zone"), zone).unwrap();
        std::fs::write(directory.path().join("conf"), config(&path, port)).unwrap();
        let output = std::fs::File::create(directory.path().join("output")).unwrap();
        let child = with_us(&program(name))
            .args(arguments)
            .arg(directory.path().join("conf"))
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .spawn()
            .unwrap();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut peer = Peer { child, address, directory };
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(address).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        let soa = b"\x10\x35\0\0\0\x01\0\0\0\0\0\0\x03dyn\x07example\0\0\x06\0\x01";
        until("the other server answers", Duration::from_secs(30), || {
            if peer.child.try_wait().unwrap().is_some() {
                return Some(Err(format!("{name} ends:\n{}", peer.log())));
            }
            let mut answer = [0; 512];
            socket.send(soa).ok()?;
            socket.recv(&mut answer).ok()?;
            // With authority and an answer.
            (answer[2] & 4 != 0 && answer[7] == 1).then_some(Ok(()))
        })?;
        Ok(peer)
    }

    /// What it has said.
    fn log(&self) -> String {
        let read = |name| std::fs::read_to_string(self.directory.path().join(name));
        format!("{}{}", read("output").unwrap_or_default(), read("log").unwrap_or_default())
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- the other server's log\n{}---", self.log());
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
