//! Which update languages are on is the operator's choice.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use truename::http::{Options, Protocols};

use super::http_server::Provider;

/// What a target is answered, status and body.
async fn get(provider: &Provider, target: &str) -> String {
    let mut stream = TcpStream::connect(provider.address()).await.unwrap();
    let request = format!("GET {target} HTTP/1.0\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    format!("{} {}", &answer[9..12], body.trim_end())
}

#[tokio::test]
async fn what_is_off_is_as_if_it_were_not_there() {
    let mut protocols = Protocols::none();
    assert!(protocols.add("dyndns2") && !protocols.add("gnudip"));
    let provider = Provider::with(Options { protocols, ..Options::default() }).await;
    let token = provider.tokens["home"].clone();
    let host = "home.dyn.example.org";
    // What dyndns2 makes of it, or nothing.
    let duckdns = format!("/update?domains={host}&token={token}&ip=192.0.2.1");
    assert_eq!(get(&provider, &duckdns).await, "200 good 192.0.2.1");
    let dynv6 = format!("/api/update?zone={host}&token={token}&ipv4=192.0.2.1");
    assert_eq!(get(&provider, &dynv6).await, "200 nochg 192.0.2.1");
    assert_eq!(get(&provider, &format!("/{token}")).await, "404 not found");
    assert_eq!(get(&provider, &format!("/u/{token}/")).await, "404 not found");
    assert_eq!(get(&provider, "/signed/address?nonce=b").await, "404 not found");
    provider.stop().await;
}

#[tokio::test]
async fn each_that_is_known_can_be_on_alone() {
    let known: Vec<&str> = Protocols::known().collect();
    assert!(known.len() > 10, "{known:?}");
    for name in known {
        let mut protocols = Protocols::none();
        assert!(protocols.add(name) && protocols.add(name), "{name}");
        let provider = Provider::with(Options { protocols, ..Options::default() }).await;
        let login = format!("hostname=home.dyn.example.org&password={}", provider.tokens["home"]);
        let answer = get(&provider, &format!("/nic/update?myip=192.0.2.1&{login}")).await;
        let expected = if name == "dyndns2" { "200 good 192.0.2.1" } else { "404 not found" };
        assert_eq!(answer, expected, "{name}");
        provider.stop().await;
    }
}
