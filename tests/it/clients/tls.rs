//! The same over TLS: with and without a server name, and what is no TLS.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use truename::http::{Options, Tls};
use truename::recent::Rule;
use truename::tls::{Certificate, Files};

use super::http_server::Provider;

#[tokio::test]
async fn an_update_over_tls() {
    let directory = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["ddns.example.org".into(), "127.0.0.1".into()])
        .unwrap();
    let files = Files {
        certificate: directory.path().join("certificate.pem"),
        key: directory.path().join("key.pem"),
    };
    std::fs::write(&files.certificate, made.cert.pem()).unwrap();
    std::fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
    let config = Certificate::load(files).unwrap().server_config();
    let listen = vec!["127.0.0.1:0".parse().unwrap()];
    let provider = Provider::with(Options {
        tls: Some(Tls { listen, config, proxy_protocol: false }),
        ..Options::default()
    })
    .await;
    let addresses = provider.server.as_ref().unwrap().addresses().to_vec();
    let address = addresses[2];

    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    // An address as the name is sent as no name at all (RFC 6066 §3).
    for name in ["ddns.example.org", "127.0.0.1"] {
        let answer = update(address, &roots, name, &provider.tokens["home"]).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(answer.replace("nochg", "good").ends_with("\r\n\r\ngood 192.0.2.1\n"), "{answer}");
    }

    let views = provider.registry.recent().latest(usize::MAX);
    assert!(!views.is_empty() && views.iter().all(|view| view.encrypted == Some(true)));

    // Who offers one protocol alone gets it (curl --http1.0), who offers none, any.
    for offered in ["http/1.0", "http/1.1"] {
        let stream = connect_with(address, &roots, "127.0.0.1", vec![offered.into()]).await;
        let stream = stream.unwrap_or_else(|error| panic!("{offered}: {error}"));
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(offered.as_bytes()));
    }

    // Plain HTTP at the port of TLS ends, and the next client is served.
    let mut plain = TcpStream::connect(address).await.unwrap();
    plain.write_all(b"GET /ip HTTP/1.0\r\n\r\n").await.unwrap();
    let mut rest = Vec::new();
    let _ = plain.read_to_end(&mut rest).await;
    assert!(!rest.starts_with(b"HTTP"));
    // TLS at the plain port is no request either.
    assert!(connect(addresses[0], &roots, "127.0.0.1").await.is_err());
    update(address, &roots, "127.0.0.1", &provider.tokens["home"]).await;
    // `truename why` knows both. The connections may end a moment after the
    // clients have gone.
    for rule in [Rule::PlainOnTls, Rule::TlsOnPlain] {
        let is_known = || {
            let views = provider.registry.recent().latest(usize::MAX);
            views.iter().flat_map(|view| &view.why).any(|why| why.rule == rule.words())
        };
        let known = async {
            while !is_known() {
                tokio::task::yield_now().await;
            }
        };
        let known = tokio::time::timeout(Duration::from_secs(10), known).await;
        known.unwrap_or_else(|_| panic!("not remembered: {}", rule.words()));
    }
    provider.stop().await;
}

async fn connect(
    address: SocketAddr,
    roots: &RootCertStore,
    name: &str,
) -> std::io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
    connect_with(address, roots, name, Vec::new()).await
}

async fn connect_with(
    address: SocketAddr,
    roots: &RootCertStore,
    name: &str,
    alpn_protocols: Vec<Vec<u8>>,
) -> std::io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots.clone())
        .with_no_client_auth();
    config.alpn_protocols = alpn_protocols;
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::try_from(name.to_owned()).unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

async fn update(address: SocketAddr, roots: &RootCertStore, name: &str, token: &str) -> String {
    let mut stream = connect(address, roots, name).await.unwrap();
    let request = format!(
        "GET  /nic/update?hostname=home.dyn.example.org&myip=192.0.2.1&x=<x>  HTTP/1.1\r\n\
         Host: {name}\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("ended with close_notify");
    answer
}
