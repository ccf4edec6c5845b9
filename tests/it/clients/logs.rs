//! What the log says of requests: hints for owners, and never a secret.

use std::io::Write;
use std::sync::{Arc, Mutex};

use tracing_subscriber::filter::LevelFilter;

use super::http_server::{PASSWORD, Provider};
use super::script::Script;

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

const REQUESTS: &str = "\
> GET /nic/update?hostname=home.dyn.example.org&myip=192.0.2.1&password={home} HTTP/1.0
>
<
> GET /nic/update?hostname=%h&myip=__MYIP__ HTTP/1.0
> Authorization: Basic {basic home.dyn.example.org:{home}}
> User-Agent: camera\\xff
>
<
> GET /nic/update?hostname=one.dyn.example.org HTTP/1.0
> Authorization: Basic {basic ann:{password}}
>
<
> GET http://ann:{ann}@x/nic/update?hostname=one.dyn.example.org&myip=192.0.2.1 HTTP/1.0
>
<
> POST /nic/update HTTP/1.0
> Content-Length: 69
>
>> hostname=home.dyn.example.org&secret={home}
<
> GET /nic/update?hostname=home.dyn.example.org&token=nearly-{home} HTTP/1.0
>
";

/// What is logged, down to a level, while requests are played; and the tokens
/// of the provider they are played to.
async fn logged(level: LevelFilter, requests: &str) -> (String, Vec<String>) {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    // One thread runs all of this test, so the subscriber sees all of it.
    let guard = tracing::subscriber::set_default(subscriber);
    let provider = Provider::start().await;
    let before = lines.0.lock().unwrap().len();
    Script::parse("logs", requests).play(&provider, false).await;
    let tokens: Vec<String> = provider.tokens.values().cloned().collect();
    let log = String::from_utf8_lossy(&lines.0.lock().unwrap()[before..]).into_owned();
    provider.stop().await;
    drop(guard);
    (log, tokens)
}

#[tokio::test]
async fn hints_and_no_secrets() {
    // Everything of our own, and of hyper and axum what an operator would
    // turn on to find a fault.
    let (log, tokens) = logged(LevelFilter::TRACE, REQUESTS).await;
    let encoded = data_encoding::BASE64.encode(format!("ann:{PASSWORD}").as_bytes());
    for secret in tokens.iter().map(String::as_str).chain([PASSWORD, encoded.as_str()]) {
        assert!(!log.contains(secret), "a secret in the log:\n{log}");
    }
    for hint in [
        "INFO truename::http: good 192.0.2.1 source=127.0.0.1 agent=None hosts=home.dyn.example.org",
        "sent its template for the host",
        "sent its template for an address",
        "set trusted_proxies",
        "notfqdn source=127.0.0.1 agent=Some(\"camera\\xff\") hosts=?",
    ] {
        assert!(log.contains(hint), "`{hint}` is missing:\n{log}");
    }
}

/// Nobody's disk is filled by requests that prove nothing, and whoever proves
/// himself does not fill it with one.
#[tokio::test]
async fn a_stranger_writes_nothing_and_nobody_writes_much() {
    let many: Vec<String> = (0..4000).map(|n| format!("a.b{n}")).collect();
    let many = many.join(",");
    let requests = format!(
        "> PUT /?hostname={many} HTTP/1.0\n>\n<\n\
         > HEAD /nic/update?hostname=%h&myip=__MYIP__ HTTP/1.0\n>\n<\n\
         > POST /register HTTP/1.0\n> Content-Type: application/json\n> Content-Length: 2\n>\n>> {{}}\n<\n\
         > GET /nic/update?hostname={many}&password=guess HTTP/1.0\n>\n<\n"
    );
    let (log, _) = logged(LevelFilter::INFO, &requests).await;
    let once = "this is said once an hour";
    assert!(log.lines().all(|line| line.contains(once)) && log.len() < 200, "{log}");
    let own = format!("> GET /nic/update?hostname={many}&password={{home}} HTTP/1.0\n>\n<\n");
    let (log, _) = logged(LevelFilter::INFO, &own).await;
    assert!(log.contains("numhost") && log.len() < 1000, "{log}");
}
