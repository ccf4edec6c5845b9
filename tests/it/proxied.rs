//! Behind real proxies: haproxy, which says before a connection whose it is
//! (the PROXY protocol), and haproxy and nginx, which send the requests of many
//! clients on one connection. Clients and proxies are at addresses of their own
//! in 127.0.0.0/8.

mod proxy;
mod smuggling;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use super::daemon::{Home, body};
use proxy::{Proxy, address};

const PATIENCE: Duration = Duration::from_secs(30);

/// A client's connection to a proxy, or to us.
fn connect(from: Ipv4Addr, to: SocketAddr) -> TcpStream {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((from, 0)).into()).unwrap();
    socket.connect(&to.into()).unwrap();
    let stream: TcpStream = socket.into();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Sends some octets, and reads to the end of the connection.
fn exchange(from: Ipv4Addr, to: SocketAddr, request: &[u8]) -> String {
    let mut stream = connect(from, to);
    let _ = stream.write_all(request);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

fn get(target: &str) -> Vec<u8> {
    format!("GET {target} HTTP/1.0\r\nHost: ddns.dyn.example.org\r\n\r\n").into_bytes()
}

/// What a client behind a proxy is told its address is.
fn ip(from: Ipv4Addr, proxy: SocketAddr) -> String {
    body(&exchange(from, proxy, &get("/ip"))).to_owned()
}

/// The server takes no connection but with a header, plain and over TLS; its
/// proxy is at `proxy`.
fn proxied(home: &Home, proxy: Ipv4Addr) -> SocketAddr {
    let made = rcgen::generate_simple_self_signed(["ddns.dyn.example.org".to_owned()]).unwrap();
    std::fs::write(home.path().join("certificate.pem"), made.cert.pem()).unwrap();
    std::fs::write(home.path().join("key.pem"), made.signing_key.serialize_pem()).unwrap();
    let pem = made.cert.pem() + &made.signing_key.serialize_pem();
    std::fs::write(home.path().join("both.pem"), pem).unwrap();
    let tls = address(home, 40);
    home.append(&format!(
        "trusted_proxies = [\"{proxy}\"]\nproxy_protocol = true\n\n\
         [http.tls]\nlisten = [\"{tls}\"]\ncertificate = \"certificate.pem\"\nkey = \"key.pem\"\n\
         proxy_protocol = true\n"
    ));
    tls
}

#[test]
fn haproxy_says_whose_a_connection_is() {
    let home = Home::new();
    let proxy = proxy::next(&home);
    let tls = proxied(&home, proxy);
    let _running = home.start();
    let [v1, v2, over_tls, ends_tls] = [50, 52, 54, 56].map(|more| address(&home, more));
    let pem = home.path().join("both.pem");
    let forward = |name: &str, bind: &str, server: SocketAddr, how: &str| {
        format!(
            "listen {name}\n  mode tcp\n  bind {bind}\n  server us {server} source {proxy} {how}\n"
        )
    };
    let _haproxy = Proxy::haproxy(
        home.path(),
        &[
            forward("v1", &v1.to_string(), home.http, "send-proxy"),
            forward("v2", &v2.to_string(), home.http, "send-proxy-v2 check inter 100ms"),
            forward("over_tls", &over_tls.to_string(), tls, "send-proxy-v2"),
            forward(
                "ends_tls",
                &format!("{ends_tls} ssl crt {}", pem.display()),
                home.http,
                "send-proxy-v2-ssl",
            ),
        ]
        .concat(),
        v2,
    );
    let (ann, ben) = (Ipv4Addr::new(127, 2, 0, 1), Ipv4Addr::new(127, 2, 0, 2));
    for at in [v1, v2] {
        assert_eq!(ip(ann, at), ann.to_string());
        assert_eq!(ip(ben, at), ben.to_string());
    }
    for at in [over_tls, ends_tls] {
        assert_eq!(proxy::ip_over_tls(ann, at), ann.to_string());
    }
    // What a client writes itself counts for nothing.
    let forged = b"GET /ip HTTP/1.0\r\nX-Forwarded-For: 192.0.2.66\r\n\r\n";
    assert_eq!(body(&exchange(ann, v2, forged)), ann.to_string());
    let forged = b"PROXY TCP4 192.0.2.66 192.0.2.53 1 80\r\nGET /ip HTTP/1.0\r\n\r\n";
    assert!(!exchange(ann, v2, forged).contains("192.0.2.66"));

    // Nobody comes in past the proxy, with a header or without.
    let header = b"PROXY TCP4 192.0.2.66 192.0.2.53 1 80\r\nGET /ip HTTP/1.0\r\n\r\n";
    assert_eq!(exchange(ann, home.http, header), "");
    assert_eq!(exchange(ann, home.http, &get("/ip")), "");
    assert_eq!(exchange(proxy, home.http, &get("/ip")), "");
    assert_eq!(body(&exchange(proxy, home.http, header)), "192.0.2.66");
    let why = home.done(&["why", "--recent"]);
    assert!(why.contains("without a PROXY header"), "{why}");

    // A proxy that cannot say who it is: neither can the client.
    let unknown = b"PROXY UNKNOWN\r\nGET /ip HTTP/1.0\r\nX-Forwarded-For: 192.0.2.66\r\n\r\n";
    assert!(!exchange(proxy, home.http, unknown).contains("192.0.2.66"));
}

/// What one client behind the proxy has too much of, the proxy and its other
/// clients do not pay for.
#[test]
fn limits_count_for_the_client_behind_the_proxy() {
    let home = Home::new();
    let proxy = proxy::next(&home);
    proxied(&home, proxy);
    home.reconfigure("requests = 0", "requests = 60\nnetwork_connections = 5");
    let _running = home.start();
    let at = address(&home, 60);
    let config = format!(
        "listen v2\n  mode tcp\n  bind {at}\n  server us {} source {proxy} send-proxy-v2\n",
        home.http
    );
    let _haproxy = Proxy::haproxy(home.path(), &config, at);
    let (ann, ben) = (Ipv4Addr::new(127, 3, 0, 1), Ipv4Addr::new(127, 3, 0, 2));
    for _ in 0..60 {
        assert_eq!(ip(ben, at), ben.to_string());
    }
    assert_eq!(ip(ben, at), "911\n");
    let silent: Vec<TcpStream> = (0..20).map(|_| connect(ben, at)).collect();
    for _ in 0..30 {
        assert_eq!(ip(ann, at), ann.to_string());
    }
    drop(silent);
}
