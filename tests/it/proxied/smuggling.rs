//! One connection between a proxy and us, on which a stranger's odd requests
//! and somebody else's plain ones come in turn: whatever the stranger sends,
//! the other one gets the answer to his own request.

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};

use super::super::daemon::{Home, body};
use super::super::dice::Dice;
use super::proxy::{Proxy, address, next};
use super::{connect, exchange, get};

/// What a stranger would like somebody else to have asked for: the answer is
/// like no other.
const SMUGGLED: &str = "GET /robots.txt HTTP/1.1\r\nHost: x\r\nX-Swallow: ";

/// Requests put together at random beside the known ones. More with
/// `SMUGGLE=1000`.
const ROUNDS: usize = 60;

fn rounds() -> usize {
    std::env::var("SMUGGLE").ok().and_then(|count| count.parse().ok()).unwrap_or(ROUNDS)
}

#[test]
fn through_haproxy() {
    let home = Home::new();
    let proxy = next(&home);
    home.append(&format!("trusted_proxies = [\"{proxy}\"]\n"));
    let _running = home.start();
    let at = address(&home, 70);
    let config = format!(
        "listen http\n  mode http\n  bind {at}\n  option forwardfor\n  http-reuse always\n  \
         option accept-invalid-http-request\n  server us {} source {proxy} maxconn 1\n",
        home.http
    );
    let _haproxy = Proxy::haproxy(home.path(), &config, at);
    storm(at);
}

#[test]
fn through_nginx() {
    let home = Home::new();
    let at = address(&home, 72);
    home.append(&format!("trusted_proxies = [\"{}\"]\n", at.ip()));
    let _running = home.start();
    let config = format!(
        "  ignore_invalid_headers off;\n  underscores_in_headers on;\n  \
         upstream us {{ server {}; keepalive 1; }}\n  \
         server {{ listen {at}; location / {{ proxy_pass http://us; proxy_http_version 1.1; \
         proxy_bind {}; proxy_request_buffering off; proxy_set_header Connection \"\"; \
         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; }} }}\n",
        home.http,
        at.ip(),
    );
    let _nginx = Proxy::nginx(home.path(), &config, at);
    // nginx adds the address to what the client wrote, so that the whole line
    // has a control character in it; another header is not believed instead.
    let stranger = Ipv4Addr::new(127, 4, 0, 1);
    for odd in ["\u{1}", "a\u{7f}", "192.0.2.1\t\u{b}"] {
        let forged = format!(
            "GET /ip HTTP/1.0\r\nX-Forwarded-For: {odd}\r\nForwarded: for=192.0.2.66\r\n\r\n"
        );
        let answer = exchange(stranger, at, forged.as_bytes());
        assert!(answer.contains(" 400 "), "{odd:?}: {answer}");
    }
    storm(at);
}

/// Behind chunks a request cannot be read as strictly as in front of them: a
/// proxy's connection ends with them. Anybody else's goes on.
#[test]
fn a_proxys_connection_ends_with_chunks() {
    let home = Home::new();
    let proxy = next(&home);
    home.append(&format!("trusted_proxies = [\"{proxy}\"]\n"));
    let _running = home.start();
    let ip = "GET /ip HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let in_chunks = "POST /ip HTTP/1.1\r\nHost: x\r\nConnection: keep-alive\r\n\
                     Transfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n";
    let of_known_length = "POST /ip HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nabcde";
    let answers = |from, request: &str| {
        let answer = exchange(from, home.http, format!("{request}{ip}").as_bytes());
        answer.matches("HTTP/1.1 ").count()
    };
    let somebody = Ipv4Addr::new(127, 4, 0, 1);
    assert_eq!(answers(proxy, in_chunks), 1);
    assert_eq!(answers(proxy, of_known_length), 2);
    assert_eq!(answers(somebody, in_chunks), 2);
}

/// Sends everything there is, and looks after each whether somebody else gets
/// his own answer.
fn storm(proxy: SocketAddr) {
    let (stranger, other) = (Ipv4Addr::new(127, 4, 0, 1), Ipv4Addr::new(127, 4, 0, 2));
    assert_eq!(body(&exchange(other, proxy, &get("/ip"))), other.to_string());
    let mut requests = known();
    let mut dice = Dice(5);
    requests.extend((0..rounds()).map(|_| any(&mut dice)));
    for request in requests {
        let mut stream = connect(stranger, proxy);
        let _ = stream.write_all(request.as_bytes());
        // The stranger stays, and says no more: what it left half said would
        // swallow the beginning of the next request.
        for _ in 0..3 {
            let answer = exchange(other, proxy, &get("/ip"));
            // A proxy whose connection we ended may say 502 or 503 once: that
            // is no answer to somebody else's question.
            let is_own = body(&answer) == other.to_string();
            let is_none = ["502", "503", "504"].iter().any(|code| answer.get(9..12) == Some(code));
            assert!(is_own || is_none, "after {request:?}:\n{answer}");
        }
    }
    assert_eq!(body(&exchange(other, proxy, &get("/ip"))), other.to_string(), "at the end");
}

/// The tricks that are known.
fn known() -> Vec<String> {
    let post = |headers: &str, rest: &str| {
        format!("POST /nic/update HTTP/1.1\r\nHost: x\r\n{headers}\r\n{rest}")
    };
    let chunked = format!("0\r\n\r\n{SMUGGLED}");
    let length = chunked.len();
    let mut requests = Vec::new();
    for te in [
        "Transfer-Encoding: chunked",
        "Transfer-Encoding : chunked",
        "Transfer-Encoding\t: chunked",
        "Transfer-Encoding:\u{b}chunked",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: x",
        "Transfer-Encoding: \"chunked\"",
        "Transfer-Encoding:\r\n chunked",
        "X: y\nTransfer-Encoding: chunked",
        "X: y\rTransfer-Encoding: chunked",
        "Transfer_Encoding: chunked",
        " Transfer-Encoding: chunked",
        "transfer-encoding: CHUNKED",
        "Transfer-Encoding: identity, chunked",
    ] {
        for cl in [format!("Content-Length: {length}\r\n"), "Content-Length: 0\r\n".into()] {
            requests.push(post(&format!("{cl}{te}\r\n"), &chunked));
            requests.push(post(&format!("{te}\r\n{cl}"), &chunked));
        }
    }
    for cl in [
        "Content-Length: 0\r\nContent-Length: 5\r\n",
        "Content-Length: 5\r\nContent-Length: 0\r\n",
        "Content-Length : 5\r\n",
        "Content-Length: 0, 5\r\n",
        "Content-Length: +5\r\n",
        "Content-Length: 5 \r\n",
        "Content-Length: 0x5\r\n",
        "Content-Length:\r\n 5\r\n",
        "Content_Length: 5\r\n",
        "Content-Length: 5;\r\n",
        "X: y\nContent-Length: 5\r\n",
        "X: y\rContent-Length: 5\r\n",
        "X: y\0\r\nContent-Length: 5\r\n",
    ] {
        requests.push(post(cl, SMUGGLED));
        requests.push(format!("GET /ip HTTP/1.1\r\nHost: x\r\n{cl}\r\n{SMUGGLED}"));
    }
    for size in ["0;a=b", "0 ", "00", "0\n", "+0", "0x0", "-0", "g", "0;\n", "fffffffffffffffff"] {
        let chunks = format!("{size}\r\n\r\n{SMUGGLED}");
        requests.push(post("Transfer-Encoding: chunked\r\n", &chunks));
    }
    for line in [
        "GET /ip",
        "GET /ip HTTP/1.1\r",
        "GET  /ip  HTTP/1.1",
        "GET /ip?x=\r\n HTTP/1.1",
        "GET /ip HTTP/0.9",
        "GET /ip HTTP/1.9",
        "GET /ip HTTP/2.0",
        "GET http://x/ip HTTP/1.1",
        "CONNECT x:80 HTTP/1.1",
        "PRI * HTTP/2.0",
    ] {
        requests.push(format!("{line}\r\nHost: x\r\n\r\n{SMUGGLED}"));
    }
    for headers in [
        "Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n",
        "Expect: 100-continue\r\nContent-Length: 5\r\n",
        "Connection: Content-Length\r\nContent-Length: 5\r\n",
        "Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked\r\n",
    ] {
        requests.push(post(headers, SMUGGLED));
    }
    requests
}

/// Pieces that matter to where a request ends, in any order.
fn any(dice: &mut Dice) -> String {
    const LINES: [&str; 4] =
        ["POST /nic/update HTTP/1.1", "GET /ip HTTP/1.1", "POST /x HTTP/1.0", "HEAD / HTTP/1.1"];
    const NAMES: [&str; 7] = [
        "Content-Length",
        "Transfer-Encoding",
        "content-length",
        "X-Padding",
        "Connection",
        "Expect",
        "Content\u{2d}Length",
    ];
    const COLONS: [&str; 7] = [": ", ":", " : ", "\t:", ":\t", ": \u{b}", ":\r\n "];
    const VALUES: [&str; 11] = [
        "0",
        "5",
        "4",
        "chunked",
        "chunked, chunked",
        "identity",
        "close",
        "100-continue",
        "5,5",
        "\0",
        "-1",
    ];
    const ENDS: [&str; 5] = ["\r\n", "\r\n", "\r\n", "\n", "\r"];
    const BODIES: [&str; 6] =
        ["", "0\r\n\r\n", "5\r\nabcde\r\n0\r\n\r\n", "abcde", "0\n\n", "\r\n"];
    let mut pick = |of: &[&str]| of[dice.roll(of.len())].to_owned();
    let mut text = pick(&LINES) + "\r\nHost: x\r\n";
    for _ in 0..3 {
        text += &(pick(&NAMES) + &pick(&COLONS) + &pick(&VALUES) + &pick(&ENDS));
    }
    text + "\r\n" + &pick(&BODIES) + SMUGGLED
}
