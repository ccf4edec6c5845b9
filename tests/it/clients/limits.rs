//! What one network may have, and that the others are none the worse for it.
//! Clients are at addresses of their own in 127.0.0.0/8.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;
use truename::http::{Limits, Options};
use truename::model::Secret;
use truename::registry::{Auth, Login, Purpose, Registry};
use truename::signed::{SharedSecret, Update};
use truename::update::Said;

use super::http_server::{PASSWORD, Provider};
use super::stream::{PATIENCE, body, rest};

/// The address of one of many clients.
fn client(number: u32) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(Ipv4Addr::new(127, 1, 0, 1)) + number)
}

async fn connect(provider: &Provider, from: Ipv4Addr) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::from((from, 0)))?;
    socket.connect(provider.address()).await
}

/// Asks on a connection of its own, and reads to its end.
async fn ask(provider: &Provider, from: Ipv4Addr, request: &str) -> String {
    let mut stream = connect(provider, from).await.unwrap();
    let _ = stream.write_all(request.as_bytes()).await;
    rest(&mut stream).await
}

fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.0\r\n\r\n")
}

fn update(token: &str, address: &str) -> String {
    get(&format!("/nic/update?hostname=home.dyn.example.org&myip={address}&token={token}"))
}

fn post(target: &str, message: &str) -> String {
    format!("POST {target} HTTP/1.0\r\nContent-Length: {}\r\n\r\n{message}", message.len())
}

/// An update of `home` that is signed with the key of this token.
fn signed_update(registry: &Registry, token: &str) -> String {
    let login = Login { user: String::new(), secret: Secret(token.into()) };
    let grant = registry.recognise(&login, client(0).into()).expect("its token");
    let key = grant.key.expect("a token is a key's");
    let (_, octets) =
        registry.shared_secret(&key, Purpose::Signed, client(0).into()).expect("its secret");
    let update = Update {
        key,
        time: u64::try_from(registry.now().wall.0).unwrap() * 1000,
        hosts: vec!["home.dyn.example.org".parse().unwrap()],
        v4: Said::Is("192.0.2.9".parse().unwrap()),
        v6: Said::Nothing,
        prefix: Said::Nothing,
        line: None,
    };
    update.write(&SharedSecret::new(octets)).0
}

fn limited(limits: Limits) -> Options {
    Options { limits, ..Options::default() }
}

async fn is_closed(stream: &mut TcpStream) -> bool {
    let mut space = [0; 16];
    matches!(timeout(PATIENCE, stream.read(&mut space)).await, Ok(Ok(0) | Err(_)))
}

#[tokio::test]
async fn connections_of_one_network_are_its_share() {
    let limits = Limits { network_connections: 4, ..Limits::default() };
    let provider = Provider::with(limited(limits)).await;
    let mut other = connect(&provider, client(1)).await.unwrap();
    let mut silent = Vec::new();
    for _ in 0..20 {
        silent.push(connect(&provider, client(0)).await.unwrap());
    }
    // Its own longest silent ones made room.
    for stream in &mut silent[..16] {
        assert!(is_closed(stream).await);
    }
    // What is left works, and so does another network's.
    for stream in [&mut silent[19], &mut other] {
        stream.write_all(get("/health").as_bytes()).await.unwrap();
        assert!(rest(stream).await.ends_with("ok\n"));
    }
    assert_eq!(body(&ask(&provider, client(0), &get("/ip")).await), client(0).to_string());
    provider.stop().await;
}

#[tokio::test]
async fn requests_of_one_network_are_limited_and_who_has_a_right_password_is_not() {
    let limits = Limits { requests: Some(60), ..Limits::default() };
    let provider = Provider::with(limited(limits)).await;
    let token = &provider.tokens["home"];
    for _ in 0..60 {
        assert_eq!(body(&ask(&provider, client(0), &get("/ip")).await), client(0).to_string());
    }
    let refused = ask(&provider, client(0), &get("/ip")).await;
    assert!(refused.starts_with("HTTP/1.0 503 "), "{refused}");
    assert!(refused.contains("\r\nRetry-After: 60\r\n"), "{refused}");
    assert_eq!(body(&refused), "911\n");
    // In the words of each language.
    let wrong = ask(&provider, client(0), &get("/update?domains=home&token=wrong")).await;
    assert!(wrong.starts_with("HTTP/1.0 503 "), "{wrong}");
    assert_eq!(body(&wrong), "KO");
    // Signed updates are no way around.
    for unsigned in [get("/signed/address?key=k&nonce=00"), post("/signed/update", "no update")] {
        assert_eq!(body(&ask(&provider, client(0), &unsigned).await), "911\n");
    }
    // The honest one behind the same address, by each way to log in.
    let signed = post("/signed/update", &signed_update(&provider.registry, token));
    let answer = ask(&provider, client(0), &signed).await;
    assert!(answer.contains("\nstatus done\n"), "{answer}");
    let own = ask(&provider, client(0), &update(token, "192.0.2.1")).await;
    assert_eq!(body(&own), "good 192.0.2.1\n");
    let own = ask(&provider, client(0), &update(token, "192.0.2.1")).await;
    assert_eq!(body(&own), "nochg 192.0.2.1\n");
    // But for an allowance of its own.
    let mut told = Vec::new();
    for _ in 0..60 {
        told.push(ask(&provider, client(0), &update(token, "192.0.2.1")).await);
    }
    assert_eq!(body(told.last().unwrap()), "911\n");
    // Whoever watches us is answered, and others notice nothing.
    assert!(ask(&provider, client(0), &get("/health")).await.ends_with("ok\n"));
    assert_eq!(body(&ask(&provider, client(1), &get("/ip")).await), client(1).to_string());
    // This machine itself has as many as it likes.
    for _ in 0..61 {
        let answer = ask(&provider, Ipv4Addr::LOCALHOST, &get("/ip")).await;
        assert!(answer.starts_with("HTTP/1.0 200 "), "{answer}");
    }
    // `why` knows, once.
    let views = provider.registry.recent().latest(usize::MAX);
    let said = views.iter().flat_map(|view| &view.why);
    assert_eq!(said.filter(|why| why.rule.starts_with("limits:")).count(), 1);
    provider.stop().await;
}

#[tokio::test]
async fn so_many_requests_on_one_connection() {
    let limits = Limits { connection_requests: 3, ..Limits::default() };
    let provider = Provider::with(limited(limits)).await;
    let mut stream = connect(&provider, client(0)).await.unwrap();
    stream.write_all("GET /health HTTP/1.1\r\n\r\n".repeat(5).as_bytes()).await.unwrap();
    let answers = rest(&mut stream).await;
    assert_eq!(answers.matches("HTTP/1.1 200").count(), 3, "{answers}");
    assert_eq!(answers.matches("Connection: close").count(), 1, "{answers}");
    provider.stop().await;
}

/// Whoever announces a body and keeps it back, or takes no answer, does not
/// hold the place of others.
#[tokio::test]
async fn bodies_kept_back_keep_nobody_out() {
    let provider = Provider::with(Options { connections: 4, ..Options::default() }).await;
    let mut withheld = Vec::new();
    for number in 0..20 {
        let mut stream = connect(&provider, client(number)).await.unwrap();
        let head = "POST /nic/update HTTP/1.1\r\nContent-Length: 10\r\n\r\nhost";
        let _ = stream.write_all(head.as_bytes()).await;
        withheld.push(stream);
    }
    for _ in 0..20 {
        let answer = ask(&provider, client(100), &get("/ip")).await;
        assert_eq!(body(&answer), client(100).to_string());
    }
    provider.stop().await;
}

#[tokio::test]
async fn who_takes_no_answer_is_left() {
    let limits = Limits {
        write_time: Duration::from_millis(300),
        connection_requests: usize::MAX,
        requests: None,
        ..Limits::default()
    };
    let provider = Provider::with(limited(limits)).await;
    let mut stream = connect(&provider, client(0)).await.unwrap();
    let requests = "GET / HTTP/1.1\r\nHost: x\r\n\r\n".repeat(1000);
    // It reads nothing: at some point nothing is taken from it either, and
    // then it is left.
    let gone = async { while stream.write_all(requests.as_bytes()).await.is_ok() {} };
    timeout(PATIENCE, gone).await.expect("the server ends the connection");
    provider.stop().await;
}

/// A disk that does not answer, and two thousand clients with something new to
/// write down: each is told to come back, and what needs no disk goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_thousand_clients_and_a_disk_that_does_not_answer() {
    const CLIENTS: u32 = 2000;
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let raised = rustix::process::Rlimit { current: limit.maximum, ..limit };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, raised).unwrap();
    let provider = Arc::new(Provider::start().await);
    let token = provider.tokens["home"].clone();
    let first = ask(&provider, client(0), &update(&token, "192.0.2.1")).await;
    assert_eq!(body(&first), "good 192.0.2.1\n");

    provider.stuck.store(true, Ordering::Relaxed);
    let mut clients = JoinSet::new();
    for number in 0..CLIENTS {
        let (provider, token) = (provider.clone(), token.clone());
        clients.spawn(async move {
            // Fifty behind each address.
            let address = format!("10.0.{}.{}", number / 256, number % 256);
            // On a busy machine one may have to make room before it has asked.
            loop {
                let answer = ask(&provider, client(number / 50), &update(&token, &address)).await;
                if !answer.is_empty() {
                    break answer;
                }
            }
        });
    }
    for answer in clients.join_all().await {
        assert!(answer.starts_with("HTTP/1.0 503 "), "{answer}");
        assert!(answer.contains("\r\nRetry-After: "), "{answer}");
        assert_eq!(body(&answer), "911\n");
    }
    // By now nobody has to wait to be told.
    let asked = Instant::now();
    let answer = ask(&provider, client(0), &update(&token, "10.9.9.9")).await;
    assert_eq!(body(&answer), "911\n");
    assert!(asked.elapsed() < Duration::from_secs(4), "it was told at once");
    assert_eq!(body(&ask(&provider, client(1), &get("/ip")).await), client(1).to_string());

    provider.stuck.store(false, Ordering::Relaxed);
    let goes_on = async {
        loop {
            let answer = ask(&provider, client(0), &update(&token, "192.0.2.77")).await;
            if body(&answer).ends_with("192.0.2.77\n") {
                break;
            }
        }
    };
    timeout(PATIENCE, goes_on).await.expect("it goes on");
    let same = ask(&provider, client(0), &update(&token, "192.0.2.77")).await;
    assert_eq!(body(&same), "nochg 192.0.2.77\n");
    let provider = Arc::into_inner(provider).expect("nobody else has it");
    provider.stop().await;
}

fn login(password: &str) -> Login {
    Login { user: "ann".into(), secret: Secret(password.into()) }
}

/// Strangers who guess ann's password without a pause, each from his address;
/// they go with what is returned.
fn strangers(provider: &Provider, addresses: impl Iterator<Item = IpAddr>) -> JoinSet<()> {
    let mut strangers = JoinSet::new();
    for (number, address) in addresses.enumerate() {
        let registry = provider.registry.clone();
        strangers.spawn(async move {
            for guess in 0_u64.. {
                let guess = login(&format!("guess {number} {guess}"));
                let auth = registry.authenticate(&guess, address).await;
                assert!(matches!(auth, Auth::Wrong | Auth::Busy));
                tokio::task::yield_now().await;
            }
        });
    }
    strangers
}

fn home() -> IpAddr {
    "198.51.100.9".parse().unwrap()
}

fn thousand() -> impl Iterator<Item = IpAddr> {
    (0..1000_u32).map(|number| IpAddr::from(Ipv4Addr::from(0x0a00_0000 + number)))
}

/// Ann has not logged in since the server started; one of her hosts has
/// reported from her network, with a key.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_strangers_who_guess_do_not_keep_the_owner_out() {
    let provider = Provider::start().await;
    let report = format!(
        "GET /nic/update?hostname=one.dyn.example.org&token={} HTTP/1.0\r\n\r\n",
        provider.tokens["ann"]
    );
    let answer = super::script::ask_from(&provider, home(), &report).await;
    assert_eq!(body(&answer), "good 198.51.100.9\n");

    let crowd = strangers(&provider, thousand());
    for _ in 0..20 {
        let ann = login(PASSWORD);
        let auth = timeout(PATIENCE, provider.registry.authenticate(&ann, home())).await;
        assert!(matches!(auth, Ok(Auth::Granted(_))), "{auth:?}");
    }
    // From now on from anywhere: it is known.
    let hotel = "203.0.113.200".parse().unwrap();
    let auth = provider.registry.authenticate(&login(PASSWORD), hotel).await;
    assert!(matches!(auth, Auth::Granted(_)));
    drop(crowd);
    provider.stop().await;
}

/// Ann's router is behind the address of a mobile network, and so are those
/// who guess. She logged in before they began.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_behind_the_owners_own_address_do_not_keep_her_out() {
    let provider = Provider::start().await;
    let auth = provider.registry.authenticate(&login(PASSWORD), home()).await;
    assert!(matches!(auth, Auth::Granted(_)));
    let crowd = strangers(&provider, (0..1000).map(|_| home()));
    for _ in 0..1000 {
        let auth = provider.registry.authenticate(&login(PASSWORD), home()).await;
        assert!(matches!(auth, Auth::Granted(_)));
    }
    drop(crowd);
    provider.stop().await;
}

/// The same wrong password every minute for ever costs no slow hash after the
/// first, and is no guess.
#[tokio::test]
async fn a_router_with_an_old_password_costs_nothing() {
    let provider = Provider::start().await;
    let old = login("the password before");
    for _ in 0..2000 {
        assert_eq!(provider.registry.authenticate(&old, home()).await, Auth::Wrong);
    }
    let auth = provider.registry.authenticate(&login(PASSWORD), home()).await;
    assert!(matches!(auth, Auth::Granted(_)));
    provider.stop().await;
}
