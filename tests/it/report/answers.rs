//! What a server may answer, octet by octet, and what `truename report` makes
//! of it; and what it sends.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Command;

use super::super::daemon::{Said, said, with_us};
use super::HOST;

/// Reports once to a server that answers this; what it said, and what it sent.
fn reports(answer: &'static str, options: &[&str]) -> (Said, String) {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", server.local_addr().unwrap());
    let answering = std::thread::spawn(move || {
        let (mut stream, _) = server.accept().unwrap();
        let mut request = Vec::new();
        let mut octets = [0; 4096];
        while !request.ends_with(b"\r\n\r\n") {
            let length = stream.read(&mut octets).unwrap();
            assert!(length > 0, "{}", String::from_utf8_lossy(&request));
            request.extend_from_slice(&octets[..length]);
        }
        // Whoever has heard enough may hang up.
        let _ = stream.write_all(answer.as_bytes());
        String::from_utf8(request).unwrap()
    });
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("key"), "token").unwrap();
    let mut command: Command = with_us(env!("CARGO_BIN_EXE_truename"));
    command.args(["report", "--once", "--server", &url, "--host", HOST]).args(options);
    command.arg("--key-file").arg(directory.path().join("key"));
    command.arg("--state").arg(directory.path().join("state.json"));
    let said = said(&mut command, "");
    (said, answering.join().unwrap())
}

#[test]
fn what_is_sent() {
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\ngood 192.0.2.1\n";
    let options = ["--v4", "192.0.2.1", "--v6", "2001:db8::1", "--line", "wan1", "--user", "a:b"];
    let (said, sent) = reports(answer, &options);
    assert_eq!(said.out, format!("{HOST}: reported: 192.0.2.1, 2001:db8::1\n"), "{said}");
    let mut lines = sent.lines();
    assert_eq!(
        lines.next(),
        Some(
            "GET /nic/update?hostname=home.dyn.example.org&myip=192.0.2.1&myipv6=2001:db8::1&line=wan1 HTTP/1.1"
        )
    );
    // `a:b:token` in base64.
    assert!(sent.contains("\r\nauthorization: Basic YTpiOnRva2Vu\r\n"), "{sent}");
    assert!(sent.contains("\r\nuser-agent: truename-report/"), "{sent}");
    assert!(sent.contains("\r\nhost: 127.0.0.1:"), "{sent}");
}

/// For programs, with `--json`: what the server has, or nothing and a sentence.
#[test]
fn what_programs_are_told() {
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\ngood 192.0.2.1\n";
    let options = ["--json", "--v4", "192.0.2.1", "--v6", "none"];
    let (said, _) = reports(answer, &options);
    let told: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    let expected = serde_json::json!({
        "hosts": [HOST], "reported": true,
        "v4": "192.0.2.1", "v6": null, "prefix": null, "notes": [],
    });
    assert_eq!(told, expected, "{said}");

    let (said, _) = reports("HTTP/1.0 200 OK\r\n\r\nabuse", &options);
    assert_eq!((said.status.code(), said.out.as_str()), (Some(1), ""), "{said}");
    assert!(said.err.contains("it is blocked"), "{said}");

    // Whoever watches reads the log.
    let mut command: Command = with_us(env!("CARGO_BIN_EXE_truename"));
    let refused = super::super::daemon::said(command.args(["report", "--json"]), "");
    assert_eq!(refused.status.code(), Some(1), "{refused}");
    assert!(refused.err.contains("--json goes with --once"), "{refused}");
}

#[test]
fn what_may_be_answered() {
    let options = ["--v4", "192.0.2.1", "--v6", "none"];
    for (answer, told) in [
        (
            "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 3000\r\nContent-Length: 4\r\n\r\n911\n",
            "cannot take reports now (503) (tried again in 50 min)",
        ),
        ("HTTP/1.0 200 OK\r\n\r\n911", "cannot take reports now (tried again in"),
        ("HTTP/1.0 200 OK\r\n\r\nabuse", "it is blocked; ask the server's operator"),
        ("HTTP/1.0 200 OK\r\n\r\ndnserr\n", "its address cannot be published there"),
        ("HTTP/1.0 200 OK\r\n\r\nnotfqdn\n", "this is not the name of a host"),
        ("HTTP/1.0 200 OK\r\n\r\n<html>\n<body>\n", "answers something else; is it truename?"),
        ("HTTP/1.0 401 Unauthorized\r\n\r\nbadauth", "the server does not accept the token"),
        ("HTTP/1.0 404 Not Found\r\n\r\n", "answers 404; is it truename?"),
        (
            "HTTP/1.0 302 Found\r\nLocation: https://elsewhere.example/\r\n\r\n",
            "sends reports elsewhere; give the new place with --server",
        ),
        ("", "broke off"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\ngood", "broke off"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\ngood", "broke off"),
        ("SSH-2.0-OpenSSH_9.2\r\n", "broke off"),
    ] {
        let (said, _) = reports(answer, &options);
        assert!(!said.status.success() && said.err.contains(told), "{answer}\n{said}");
    }
    for answer in ["good 192.0.2.1", "good", "nochg 192.0.2.1\r\n"] {
        let text = format!("HTTP/1.0 200 OK\r\n\r\n{answer}");
        let (said, _) = reports(text.leak(), &options);
        assert!(said.status.success(), "{answer}\n{said}");
    }
}
