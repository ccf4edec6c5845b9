//! Proxies from Debian, started and stopped.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use super::super::daemon::{Home, body, until};
use super::super::network::program;
use super::{connect, get};

/// A running proxy; it ends with this value.
pub struct Proxy(Child);

/// An address where nothing else of this test is: that of the server, and
/// another port.
pub fn address(home: &Home, more: u16) -> SocketAddr {
    SocketAddr::new(home.http.ip(), home.http.port() + 10_000 + more)
}

/// The address next to the server's, for its proxy.
pub fn next(home: &Home) -> Ipv4Addr {
    match home.http.ip() {
        IpAddr::V4(ip) => Ipv4Addr::from(u32::from(ip) ^ 0x0040_0000),
        IpAddr::V6(_) => unreachable!("servers of tests are at IPv4 addresses"),
    }
}

impl Proxy {
    /// haproxy, once it answers at `at`.
    pub fn haproxy(directory: &Path, sections: &str, at: SocketAddr) -> Proxy {
        let file = directory.join("haproxy.cfg");
        let text = format!(
            "global\n  maxconn 500\ndefaults\n  timeout connect 10s\n  timeout client 5s\n  \
             timeout server 5s\n{sections}"
        );
        std::fs::write(&file, text).unwrap();
        let mut command = Command::new(program("haproxy"));
        command.arg("-db").arg("-f").arg(file);
        Proxy::start(command, directory, at)
    }

    /// nginx, once it answers at `at`.
    pub fn nginx(directory: &Path, http: &str, at: SocketAddr) -> Proxy {
        let here = directory.display();
        let text = format!(
            "daemon off;\nmaster_process off;\npid {here}/nginx.pid;\nerror_log {here}/nginx.log;\n\
             events {{}}\nhttp {{\n  access_log off;\n  proxy_read_timeout 5s;\n  client_body_temp_path {here}/body;\n  \
             proxy_temp_path {here}/proxy;\n  fastcgi_temp_path {here}/fastcgi;\n  \
             uwsgi_temp_path {here}/uwsgi;\n  scgi_temp_path {here}/scgi;\n{http}}}\n"
        );
        let file = directory.join("nginx.conf");
        std::fs::write(&file, text).unwrap();
        let mut command = Command::new(program("nginx"));
        command.arg("-p").arg(directory).arg("-c").arg(file);
        Proxy::start(command, directory, at)
    }

    fn start(mut command: Command, directory: &Path, at: SocketAddr) -> Proxy {
        let log = std::fs::File::create(directory.join("proxy.log")).unwrap();
        let child = command
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut proxy = Proxy(child);
        until("the proxy answers", Duration::from_secs(30), || {
            if let Some(status) = proxy.0.try_wait().unwrap() {
                let log = std::fs::read_to_string(directory.join("proxy.log")).unwrap();
                panic!("the proxy ended ({status}):\n{log}");
            }
            TcpStream::connect(at).is_ok().then_some(())
        });
        proxy
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What a client over TLS is told its address is. It trusts any certificate:
/// this is about addresses.
pub fn ip_over_tls(from: Ipv4Addr, at: SocketAddr) -> String {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody(provider)))
        .with_no_client_auth();
    let name = "ddns.dyn.example.org".try_into().unwrap();
    let session = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
    let mut stream = rustls::StreamOwned::new(session, connect(from, at));
    stream.write_all(&get("/ip")).unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    body(&String::from_utf8_lossy(&answer)).to_owned()
}

/// Trusts everybody.
#[derive(Debug)]
struct Anybody(Arc<rustls::crypto::CryptoProvider>);

impl rustls::client::danger::ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &[rustls::pki_types::CertificateDer<'_>],
        _: &rustls::pki_types::ServerName<'_>,
        _: &[u8],
        _: rustls::pki_types::UnixTime,
    ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
        Ok(rustls::client::danger::ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
