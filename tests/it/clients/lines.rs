//! Odd request lines: what hyper alone makes of them, and what we answer.
//!
//! The second column is why `http/tolerant.rs` exists. When a hyper of later
//! days lets more through, this test says so.

use axum::body::Body;
use axum::http::{Request, Response};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use truename::clock;
use truename::http;

use super::http_server::Provider;

const OK: &str = "200 good 198.51.100.9";

/// As sent, what hyper alone says, what we say. `Q` stands for a query that is
/// all right.
const LINES: &[(&str, &str, &str)] = &[
    ("GET /nic/update?Q HTTP/1.1\r\n", "200", OK),
    ("GET /nic/update?Q HTTP/1.0\r\n", "200", OK),
    ("GET http://members.dyndns.org:80/nic/update?Q HTTP/1.0\r\n", "200", OK),
    ("GET http://members.dyndns.org HTTP/1.0\r\n", "200", OK),
    ("GET http://user:pass@members.dyndns.org/nic/update?Q HTTP/1.0\r\n", "200", OK),
    ("GET http://{server}/nic/update?Q HTTP/1.0\r\n", "400", OK),
    ("GET ddns.example.org HTTP/1.0\r\n", "200", OK),
    ("GET ddns.example.org/nic/update?Q HTTP/1.0\r\n", "400", OK),
    ("GET nic/update?Q HTTP/1.0\r\n", "400", OK),
    ("GET ?Q HTTP/1.0\r\n", "400", OK),
    ("GET  HTTP/1.0\r\n", "400", OK),
    ("GET  /nic/update?Q  HTTP/1.0\r\n", "400", OK),
    ("GET\t/nic/update?Q\tHTTP/1.0\r\n", "400", OK),
    (" GET /nic/update?Q HTTP/1.0\r\n", "400", OK),
    ("GET /nic/update?Q HTTP/1.0 \r\n", "400", OK),
    ("get /nic/update?Q HTTP/1.0\r\n", "200", OK),
    ("GET //nic/update?Q HTTP/1.0\r\n", "200", OK),
    ("GET /nic/update/?Q HTTP/1.0\r\n", "200", OK),
    ("GET /\\/nic/update?Q HTTP/1.0\r\n", "200", OK),
    ("GET /nic/update?Q&myipv6=<ip6addr> HTTP/1.0\r\n", "400", OK),
    ("GET /nic/update?Q&x=a b HTTP/1.0\r\n", "400", OK),
    ("GET /nic/update?Q&x=| HTTP/1.0\r\n", "200", OK),
    ("GET /nic/update?Q&x={} HTTP/1.0\r\n", "200", OK),
    ("GET /nic/update?Q&x=^ HTTP/1.0\r\n", "200", OK),
    ("GET /nic/update?Q&x=` HTTP/1.0\r\n", "200", OK),
    ("GET /nic/update?Q&x=\" HTTP/1.0\r\n", "400", OK),
    ("GET /nic/update?Q&x=[] HTTP/1.0\r\n", "200", OK),
    ("GET /nic/update?Q&x=#y HTTP/1.0\r\n", "200", OK),
    ("GET /nic/update?Q&x=%h&y=% HTTP/1.0\r\n", "200", OK),
    ("GET /nic/update?Q&x=größe HTTP/1.0\r\n", "200", OK),
    ("GET /nic/update?Q&x=gr\u{0}e HTTP/1.0\r\n", "400", OK),
    ("GET /nic/update?Q& HTTP/1.0\r\n", "200", OK),
    ("GET /nic/update?&&Q HTTP/1.0\r\n", "200", OK),
    ("GET /update?ip=%i&hostname=%h/nic/update?Q HTTP/1.0\r\n", "200", OK),
    ("GET /nic/update%20http:/ipv6.example.org/nic/update HTTP/1.1\r\n", "200", OK),
    ("GET /nic/update http://ipv6.example.org/nic/update HTTP/1.1\r\n", "400", OK),
    ("GET /nic/update?Q https://ddns.example.org/nic/update?Q HTTP/1.1\r\n", "400", OK),
    ("GET /nic/update?Qhttps://ddns.example.org/nic/update?Q HTTP/1.1\r\n", "200", OK),
    ("GET /nic/update?Q HTTP/1.0\n", "200", OK),
    ("\r\n\r\nGET /nic/update?Q HTTP/1.0\r\n", "200", OK),
    ("\n\nGET /nic/update?Q HTTP/1.0\n", "200", OK),
    ("GET /nic/update?Q\r\n", "400", OK),
    ("GET /nic/update?Q http/1.0\r\n", "400", OK),
    ("GET /nic/update?Q HTTP/1\r\n", "400", OK),
    ("GET /nic/update?Q HTTP/1.2\r\n", "400", OK),
    ("POST /nic/update?Q HTTP/1.0\r\n", "200", OK),
    ("HEAD /nic/update?Q HTTP/1.0\r\n", "200", "405 "),
    ("PUT /nic/update?Q HTTP/1.0\r\n", "200", "405 badagent"),
    ("DELETE /nic/update?Q HTTP/1.0\r\n", "200", "405 badagent"),
    ("OPTIONS * HTTP/1.0\r\n", "200", "405 badagent"),
    ("GET\r\n", "400", "400 "),
    ("PRI * HTTP/2.0\r\n", "400", "400 "),
];

#[tokio::test]
async fn every_line_that_can_be_understood_is() {
    let provider = Provider::start().await;
    let userinfo = format!("home.dyn.example.org:{}", provider.tokens["home"]);
    let basic = data_encoding::BASE64.encode(userinfo.as_bytes());
    let mut wrong = Vec::new();
    for &(line, alone, expected) in LINES {
        let query = "hostname=home.dyn.example.org&myip=198.51.100.9";
        let line = line.replace('Q', query);
        let request =
            format!("{line}Host: ddns.example.org\r\nAuthorization: Basic {basic}\r\n\r\n");
        let heard = (by_hyper(&request).await, by_us(&provider, &request).await);
        if (heard.0.as_str(), heard.1.replace("nochg", "good").as_str()) != (alone, expected) {
            wrong.push(format!("{line:?}: hyper {}, ours {}", heard.0, heard.1));
        }
    }
    provider.stop().await;
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn each_request_of_a_kept_connection_is_cleaned() {
    let provider = Provider::start().await;
    let userinfo = format!("home.dyn.example.org:{}", provider.tokens["home"]);
    let basic = data_encoding::BASE64.encode(userinfo.as_bytes());
    let head = format!("Host: x\r\nAuthorization: Basic {basic}\r\n");
    // A body that looks like a request line stays as it is.
    let form = "myip=192.0.2.3&x=\r\nGET  /<a>  HTTP/1.1\r\n\r\n";
    let form = format!("{head}Content-Length: {}\r\n\r\n{form}", form.len());
    let request = format!(
        "GET /?hostname=home.dyn.example.org&myip=192.0.2.1&x=<x> HTTP/1.1\r\n{head}\r\n\
         GET  /?myip=192.0.2.2&x=<x>  HTTP/1.1\r\n{head}\r\n\
         POST /a b HTTP/1.1\r\n{form}\
         GET /\\/?myip=192.0.2.4 HTTP/1.1\r\n{head}Connection: close\r\n\r\n"
    );
    let answers = ask(&provider, request.as_bytes()).await;
    provider.stop().await;
    let bodies: Vec<&str> = answers.lines().filter(|line| line.contains("192.0.2.")).collect();
    assert_eq!(
        bodies,
        ["good 192.0.2.1", "good 192.0.2.2", "good 192.0.2.3", "good 192.0.2.4"],
        "{answers}"
    );
}

async fn by_us(provider: &Provider, request: &str) -> String {
    short(&ask(provider, request.as_bytes()).await)
}

async fn ask(provider: &Provider, request: &[u8]) -> String {
    let (ours, theirs) = tokio::io::duplex(64 * 1024);
    let (options, registry) = (provider.options.clone(), provider.registry.clone());
    let peer = "198.51.100.9:40000".parse().unwrap();
    let served = tokio::spawn(async move {
        http::converse(&options, registry, &clock::moments(), theirs, peer).await
    });
    let answer = talk(ours, request).await;
    served.await.unwrap();
    answer
}

/// hyper's HTTP/1 as it is, answering everything with 200.
async fn by_hyper(request: &str) -> String {
    let (ours, theirs) = tokio::io::duplex(64 * 1024);
    tokio::spawn(async move {
        let answer = service_fn(|_: Request<hyper::body::Incoming>| async {
            Ok::<_, std::convert::Infallible>(Response::new(Body::empty()))
        });
        let _ = http1::Builder::new()
            .half_close(true)
            .serve_connection(TokioIo::new(theirs), answer)
            .await;
    });
    short(&talk(ours, request.as_bytes()).await).trim().to_owned()
}

async fn talk(mut stream: tokio::io::DuplexStream, request: &[u8]) -> String {
    stream.write_all(request).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer).await;
    answer
}

/// Status and the first line of the body.
fn short(answer: &str) -> String {
    let status = answer.get(9..12).unwrap_or("none");
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    format!("{status} {}", body.lines().next().unwrap_or_default())
}
