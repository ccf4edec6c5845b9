//! Strangers: what they may send, and what they may not do to us.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use truename::clock;
use truename::http::{self, Limits, Options};

use super::http_server::Provider;
use super::stream::{PATIENCE, body, rest};

/// Sends a request and reads until the server ends the connection.
async fn ask(provider: &Provider, request: &str) -> String {
    let mut stream = TcpStream::connect(provider.address()).await.unwrap();
    let _ = stream.write_all(request.as_bytes()).await;
    rest(&mut stream).await
}

fn status(answer: &str) -> &str {
    answer.get(9..12).unwrap_or("none")
}

/// A server that waits for nobody.
fn hasty() -> Options {
    let short = Duration::from_millis(300);
    let limits = Limits { head_time: short, body_time: short, ..Limits::default() };
    Options { limits, ..Options::default() }
}

async fn is_served(provider: &Provider) -> bool {
    let answer = ask(provider, "GET /health HTTP/1.0\r\n\r\n").await;
    answer.ends_with("ok\n")
}

#[tokio::test]
async fn long_lines_and_many_headers() {
    let provider = Provider::start().await;
    let long = |length: usize| format!("GET /ip?x={} HTTP/1.0\r\n\r\n", "<".repeat(length));
    assert_eq!(status(&ask(&provider, &long(8 * 1024)).await), "200");
    assert_eq!(status(&ask(&provider, &long(16 * 1000)).await), "200");
    assert_eq!(status(&ask(&provider, &long(80 * 1024)).await), "431");
    let headers = |count: usize| {
        let lines: String = (0..count).map(|i| format!("X-Padding-{i}: {i}\r\n")).collect();
        format!("GET /ip HTTP/1.0\r\n{lines}\r\n")
    };
    assert_eq!(status(&ask(&provider, &headers(100)).await), "200");
    assert_eq!(status(&ask(&provider, &headers(101)).await), "431");
    let header = format!("GET /ip HTTP/1.0\r\nX: {}\r\n\r\n", "x".repeat(80 * 1024));
    assert_eq!(status(&ask(&provider, &header).await), "431");
    assert!(is_served(&provider).await);
    provider.stop().await;
}

#[tokio::test]
async fn more_hosts_than_one_request_may_name() {
    let provider = Provider::start().await;
    let request = |count: usize| {
        let hosts = vec!["home.dyn.example.org"; count].join(",");
        let token = &provider.tokens["home"];
        format!(
            "GET /nic/update?hostname={hosts}&myip=192.0.2.1 HTTP/1.0\r\n\
             Authorization: Bearer {token}\r\n\r\n"
        )
    };
    let answer = ask(&provider, &request(100)).await;
    assert_eq!(body(&answer).lines().count(), 100, "{answer}");
    assert_eq!(body(&ask(&provider, &request(101)).await), "numhost\n");
    provider.stop().await;
}

#[tokio::test]
async fn a_body_has_an_end() {
    let provider = Provider::with(hasty()).await;
    let max_body = Limits::default().body_size;
    let post = |length: usize, body: &str| {
        format!("POST /nic/update HTTP/1.0\r\nContent-Length: {length}\r\n\r\n{body}")
    };
    let long = "x".repeat(max_body + 1);
    assert_eq!(status(&ask(&provider, &post(max_body, &long[1..])).await), "401");
    assert_eq!(status(&ask(&provider, &post(max_body + 1, &long)).await), "413");
    assert_eq!(status(&ask(&provider, &post(10, "x")).await), "408");
    // Old clients send a line end after the body; the answer arrives whole.
    assert_eq!(status(&ask(&provider, &post(1, "x\r\n\r\nand some more")).await), "401");
    assert!(is_served(&provider).await);
    provider.stop().await;
}

/// Who waits to be asked for the body is asked (RFC 9110 §10.1.1), and what
/// comes after it is the next request.
#[tokio::test]
async fn a_body_is_asked_for() {
    let provider = Provider::start().await;
    let mut stream = TcpStream::connect(provider.address()).await.unwrap();
    let head = "POST /nic/update HTTP/1.1\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut asked = [0; 25];
    stream.read_exact(&mut asked).await.unwrap();
    assert_eq!(&asked, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"a=bGET /health HTTP/1.0\r\n\r\n").await.unwrap();
    let answers = rest(&mut stream).await;
    assert_eq!(answers.matches("HTTP/1.").count(), 2, "{answers}");
    assert!(answers.starts_with("HTTP/1.1 401 ") && answers.ends_with("ok\n"), "{answers}");
    provider.stop().await;
}

#[tokio::test]
async fn who_says_nothing_is_left() {
    let options = hasty();
    let provider = Provider::with(options).await;
    let mut silent = TcpStream::connect(provider.address()).await.unwrap();
    assert_eq!(rest(&mut silent).await, "");

    // Byte by byte does not prolong it, neither in the line nor in a header.
    for start in ["GET /", "GET / HTTP/1.1\r\nX: "] {
        let (mut read, mut write) =
            TcpStream::connect(provider.address()).await.unwrap().into_split();
        write.write_all(start.as_bytes()).await.unwrap();
        let trickle = tokio::spawn(async move {
            while write.write_all(b"x").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        let mut answer = Vec::new();
        let end = timeout(PATIENCE, read.read_to_end(&mut answer)).await;
        end.expect("the server ends the connection").unwrap_or_default();
        drop(read);
        trickle.await.unwrap();
    }

    // Nor does a kept connection stay for ever.
    let mut kept = TcpStream::connect(provider.address()).await.unwrap();
    kept.write_all(b"GET /health HTTP/1.1\r\n\r\n").await.unwrap();
    assert!(rest(&mut kept).await.ends_with("ok\n"));
    provider.stop().await;
}

#[tokio::test]
async fn silent_connections_keep_nobody_out() {
    let options = Options { connections: 4, ..Options::default() };
    let provider = Provider::with(options).await;
    let mut silent = Vec::new();
    for _ in 0..20 {
        silent.push(TcpStream::connect(provider.address()).await.unwrap());
    }
    for _ in 0..20 {
        assert!(is_served(&provider).await);
    }
    provider.stop().await;
}

/// However busy: a certificate or a limit changed since holds for everybody.
#[tokio::test]
async fn a_connection_has_a_longest_life() {
    let limits = Limits { life_time: Duration::from_millis(300), ..Limits::default() };
    let options = Options { limits, ..Options::default() };
    let provider = Provider::with(options).await;
    let mut stream = TcpStream::connect(provider.address()).await.unwrap();
    let busy = async {
        let mut answers = 0;
        while stream.write_all(b"GET /health HTTP/1.1\r\n\r\n").await.is_ok() {
            let mut space = [0; 1024];
            match stream.read(&mut space).await {
                Ok(1..) => answers += 1,
                _ => break,
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        answers
    };
    let answers = timeout(PATIENCE, busy).await.expect("the server ends the connection");
    assert!(answers > 0);
    provider.stop().await;
}

/// A socket closed with bytes unread is reset, and some clients that are reset
/// throw away what they have not read. Linux's own reads it all the same, so
/// what is seen here is whether the server still listens after its answer.
#[tokio::test]
async fn an_answer_is_not_overtaken_by_a_reset() {
    let provider = Provider::start().await;
    let mut stream = TcpStream::connect(provider.address()).await.unwrap();
    let junk = "x".repeat(30_000);
    let request = format!("POST /nic/update HTTP/1.0\r\nContent-Length: 1\r\n\r\nx\r\n{junk}");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let read = timeout(PATIENCE, stream.read_to_string(&mut answer)).await;
    read.expect("the server ends the connection").expect("and does not reset it");
    assert_eq!(body(&answer), "badauth\n");
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_millis(20)).await;
        stream.write_all(b"and more").await.expect("it was not reset");
    }
    provider.stop().await;
}

#[tokio::test]
async fn clients_that_reset_at_once_do_no_harm() {
    let provider = Provider::start().await;
    for _ in 0..200 {
        let stream = TcpStream::connect(provider.address()).await.unwrap();
        socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
    }
    assert!(is_served(&provider).await);
    provider.stop().await;
}

/// Out of descriptors, the server waits and goes on. In a process of its own,
/// since the limit is the whole process's.
#[test]
fn without_descriptors_it_waits_and_goes_on() {
    const CHILD: &str = "TRUENAME_TEST_NO_DESCRIPTORS";
    if std::env::var_os(CHILD).is_none() {
        let this = "clients::strangers::without_descriptors_it_waits_and_goes_on";
        let child = std::process::Command::new(std::env::current_exe().unwrap())
            .args([this, "--exact", "--nocapture"])
            .env(CHILD, "1")
            .output()
            .unwrap();
        let output = String::from_utf8_lossy(&child.stdout);
        assert!(child.status.success() && output.contains("1 passed"), "{child:?}");
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let provider = Provider::start().await;
        // Every client costs two descriptors here, one at each end.
        let limit = rustix::process::Rlimit { current: Some(64), maximum: Some(64) };
        rustix::process::setrlimit(rustix::process::Resource::Nofile, limit).unwrap();
        let mut clients = Vec::new();
        let refused = loop {
            match TcpStream::connect(provider.address()).await {
                Ok(stream) => clients.push(stream),
                Err(error) => break error,
            }
        };
        assert_eq!(refused.raw_os_error(), Some(24), "{refused}");
        drop(clients);
        let served = async { while !is_served(&provider).await {} };
        timeout(PATIENCE, served).await.expect("it goes on");
        provider.stop().await;
    });
}

#[tokio::test]
async fn trouble_of_ours_is_911_and_comes_with_a_time() {
    let provider = Provider::start().await;
    let registry = provider.registry.clone();
    tokio::task::spawn_blocking(move || registry.stop()).await.unwrap();
    let token = &provider.tokens["home"];
    let answer = ask(
        &provider,
        &format!("GET /nic/update?hostname=home.dyn.example.org&myip=192.0.2.1&token={token} HTTP/1.0\r\n\r\n"),
    )
    .await;
    assert_eq!(status(&answer), "503");
    assert_eq!(body(&answer), "911\n");
    assert!(answer.contains("\r\nRetry-After: 300\r\n"), "{answer}");
    provider.stop().await;
}

#[tokio::test]
async fn stopping_is_prompt_and_frees_the_port() {
    let provider = Provider::start().await;
    let address = provider.address();
    let mut kept = TcpStream::connect(address).await.unwrap();
    kept.write_all(b"GET /health HTTP/1.1\r\n\r\n").await.unwrap();
    kept.read_u8().await.unwrap();
    timeout(Duration::from_secs(3), provider.stop()).await.expect("idle clients hold nothing up");
    assert!(rest(&mut kept).await.ends_with("ok\n"));
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn a_port_in_use_is_said_with_what_to_do() {
    let provider = Provider::start().await;
    let address = provider.address();
    let options = Options { listen: vec![address], ..Options::default() };
    let error = http::serve(&options, provider.registry.clone(), &clock::moments())
        .err()
        .expect("it is in use");
    let text = error.to_string();
    assert!(text.contains(&address.to_string()) && text.contains("ss -ltnp"), "{text}");
    provider.stop().await;
}

#[tokio::test]
async fn both_families_are_served() {
    let provider = Provider::start().await;
    let addresses = provider.server.as_ref().unwrap().addresses().to_vec();
    for (address, expected) in addresses.into_iter().zip(["127.0.0.1", "::1"]) {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET /ip HTTP/1.0\r\n\r\n").await.unwrap();
        assert_eq!(body(&rest(&mut stream).await), expected);
    }
    provider.stop().await;
}
