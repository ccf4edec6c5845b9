//! Whatever somebody sends to the HTTP port, from the first octet of a
//! connection to its end: answers that are well formed, the same however the
//! octets arrive, and no secret in them.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use truename::http::{Limits, Options, converse};
use truename::model::Addresses;
use truename::registry::Registry;

use super::memory::{self, ALL_TOKEN, OTHER_TOKEN, TOKEN};
use super::{Target, text};
use crate::dice::Dice;

pub const TARGET: Target =
    Target { name: "http", holds, seeds, mutate, longest: 4096, rounds: 150 };

/// `home.example:TOKEN` and `us:ALL_TOKEN`, as clients send them.
fn basic(user: &str, token: &str) -> String {
    data_encoding::BASE64.encode(format!("{user}:{token}").as_bytes())
}

pub fn seeds() -> Vec<Vec<u8>> {
    let login = basic("home.example", TOKEN);
    let form = |target: &str, body: &str| {
        format!(
            "POST {target} HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let json = |target: &str, head: &str, body: &str| {
        format!(
            "POST {target} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n{head}\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let get = |target: &str| {
        format!("GET {target} HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {login}\r\n\r\n")
    };
    let update = get("/nic/update?hostname=home.example&myip=192.0.2.7&myipv6=2001:db8::7");
    let signed = "truename-update-1\nkey ijklmnop\ntime 1767225600123\nhost home.example\n\
                  v4 203.0.113.7\nmac 00\n";
    let texts = [
        update.clone(),
        update.clone() + &update,
        update.replace("HTTP/1.1", "HTTP/1.0"),
        update.replace("Host: x\r\n", "Host: x\r\nConnection: close\r\n"),
        get("/nic/update?hostname=home.example,nas.example&wildcard=ON&offline=YES"),
        get("/nic/dyndns?action=edit&started=1&hostname=YES&host_id=home.example&myip=192.0.2.8"),
        get("/v3/update?hostname=home.example"),
        get("/update?domain=home.example&clear=true"),
        "GET /checkip HTTP/1.0\r\n\r\n".into(),
        "GET http://checkip.dyndns.org HTTP/1.0\r\n\r\n".into(),
        "get  nic/update?hostname=<domain>&myip=<ipaddr>  http/1.0\n\n".into(),
        format!("GET /update?domains=home&token={TOKEN}&ip=192.0.2.9&verbose=true HTTP/1.1\r\n\r\n"),
        format!("GET /u/{TOKEN} HTTP/1.0\r\n\r\n"),
        format!("GET /dynamic/update.php?{TOKEN} HTTP/1.0\r\n\r\n"),
        format!("GET /update?host=home&domain=example&password={TOKEN}&ip=192.0.2.4 HTTP/1.0\r\n\r\n"),
        format!("GET /api/?action=getdyndns&sha={} HTTP/1.0\r\n\r\n", "ab".repeat(20)),
        form("/nic/update", &format!("hostname=home.example&password={TOKEN}&txt=value")),
        json("/update", &format!("X-Api-User: ijklmnop\r\nX-Api-Key: {TOKEN}\r\n"),
            &format!("{{\"subdomain\":\"home.example\",\"txt\":\"{}\"}}", "a".repeat(43))),
        json("/present", &format!("Authorization: Basic {login}\r\n"),
            "{\"fqdn\":\"_acme-challenge.home.example.\",\"value\":\"abc\"}"),
        json("/api/records", &format!("Authorization: Basic {login}\r\n"),
            "{\"host\":\"home.example\",\"add\":[{\"name\":\"home.example\",\"type\":\"TXT\",\"data\":\"x\"}]}"),
        json("/register", "", "{\"allowfrom\":[\"192.0.2.0/24\"]}"),
        format!("POST /signed/update HTTP/1.1\r\nContent-Length: {}\r\n\r\n{signed}", signed.len()),
        "POST /nic/update HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\na=b&c\r\n0\r\n\r\n".into(),
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd".into(),
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n".into(),
        "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\na=b".into(),
        "\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 192.0.2.1\r\nForwarded: for=192.0.2.1\r\n\r\n".into(),
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".into(),
        "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n".into(),
        "\x16\x03\x01\x02\0\x01\0".into(),
    ];
    texts.into_iter().map(String::into_bytes).collect()
}

const PIECES: [&str; 60] = [
    "GET ",
    "POST ",
    "HEAD ",
    " HTTP/1.1\r\n",
    " HTTP/1.0\r\n",
    " HTTP/9\r\n",
    "\r\n",
    "\n",
    "\r",
    "\r\n\r\n",
    "Host: x\r\n",
    "Host: checkip.x\r\n",
    "Content-Length: 5\r\n",
    "Content-Length: +5\r\n",
    "Content-Length: 99999999999999999999\r\n",
    "Content-Length : 3\r\n",
    "Content-Length:\t0\r\n",
    "Content-Length: 3, 3\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Transfer-Encoding: identity\r\n",
    "Transfer-Encoding : chunked\r\n",
    " folded\r\n",
    "Connection: close\r\n",
    "Connection: keep-alive, upgrade\r\n",
    "Upgrade: h2c\r\n",
    "Expect: 100-continue\r\n",
    "Content-Type: application/json\r\n",
    "Content-Type: application/x-www-form-urlencoded\r\n",
    "Authorization: Basic ",
    "Authorization: Bearer ",
    "Authorization: Token ",
    "0\r\n\r\n",
    "5;x=y\r\n",
    "ffffffffffffffff\r\n",
    "/nic/update?hostname=",
    "/update",
    "/api/update",
    "/register",
    "/present",
    "/cleanup",
    "/u/",
    "/checkip",
    "http://",
    "http://[::1]:80/",
    "&myip=",
    "&myipv6=2001:db8::/0",
    "&hostname=other.example",
    "&hostname=home.example",
    "&domains=home,nas",
    "&txt=",
    "&clear=true",
    "&offline=YES",
    "&line=wan1",
    "%00",
    "%",
    "<",
    " ",
    "\0",
    "\u{ff}",
    "iiiijjjjkkkkllllmmmmnnnnoooopppp",
];

pub fn mutate(octets: &mut Vec<u8>, dice: &mut Dice) {
    text::mutate(octets, dice, &PIECES);
}

fn holds(octets: &[u8]) {
    let options = Options::default();
    let at_once = exchange(&options, octets, usize::MAX);
    // Octet by octet, or long ones in as many pieces.
    let in_dribs = exchange(&options, octets, 1 + octets.len() / 200);
    let shown = || String::from_utf8_lossy(octets).into_owned();
    let said = |answers: &[u8]| String::from_utf8_lossy(answers).into_owned();
    // What breaks off is told so or not; that is all that may differ.
    let same = at_once == in_dribs
        || [(&at_once, &in_dribs), (&in_dribs, &at_once)].iter().any(|(long, short)| {
            long.strip_prefix(&short[..]).is_some_and(|more| {
                more.starts_with(b"HTTP/1.1 400 ") && one_answer(more) == Some(&[])
            })
        });
    assert!(same, "whole:\n{}\nin octets:\n{}\n{}", said(&at_once), said(&in_dribs), shown());
    let mut rest = &at_once[..];
    while !rest.is_empty() {
        rest = one_answer(rest).unwrap_or_else(|| panic!("{}\n{}", said(rest), shown()));
    }
    let answers = said(&at_once);
    assert!(!answers.contains(OTHER_TOKEN), "another's secret:\n{answers}\n{}", shown());
    // FreeDNS's list gives back the secret it was asked with, in the URLs that
    // it is a list of.
    let is_list = answers.contains("/dynamic/update.php?");
    let told = [TOKEN, ALL_TOKEN].iter().any(|token| answers.contains(token));
    assert!(is_list || !told, "a secret:\n{answers}\n{}", shown());
}

/// What comes back for these octets, sent `step` at a time to a server that is
/// always the same. `Date` is left out.
pub fn exchange(options: &Options, octets: &[u8], step: usize) -> Vec<u8> {
    thread_local!(static RUNTIME: tokio::runtime::Runtime = memory::runtime());
    let registry = memory::registry(memory::Memory::of(memory::rows())).expect("good rows");
    // It is the client that ends: none of these times passes.
    let long = Duration::from_secs(3600);
    let limits = Limits {
        head_time: long,
        body_time: long,
        write_time: long,
        life_time: long,
        requests: None,
        ..Limits::default()
    };
    let options = Options { limits, ..options.clone() };
    let moments = memory::moments();
    // Answers are taken whole, as sockets take them.
    let (mut write, to_read) = tokio::io::duplex(step.min(1 << 20));
    let (mut read, to_write) = tokio::io::duplex(1 << 20);
    let theirs = tokio::io::join(to_read, to_write);
    let peer = SocketAddr::new(memory::PEER, 40_000);
    let answers = RUNTIME.with(|runtime| {
        runtime.block_on(async {
            let serve = converse(&options, registry.clone(), &moments, theirs, peer);
            let send = async {
                // It may have answered and gone.
                let _ = write.write_all(octets).await;
                let _ = write.shutdown().await;
            };
            let receive = async {
                let mut answers = Vec::new();
                let _ = read.read_to_end(&mut answers).await;
                answers
            };
            tokio::join!(serve, send, receive).2
        })
    });
    others_are_as_they_were(&registry);
    registry.stop();
    let lines = answers.split_inclusive(|octet| *octet == b'\n');
    lines.filter(|line| !line.starts_with(b"Date: ")).flatten().copied().collect()
}

/// The rest behind one well-formed answer.
pub fn one_answer(answers: &[u8]) -> Option<&[u8]> {
    let end = answers.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(&answers[..end]).ok()?;
    let status = head.strip_prefix("HTTP/1.").and_then(|rest| rest.get(2..5))?;
    if status == "100" {
        return Some(&answers[end..]);
    }
    let bearable = ["200", "400", "401", "403", "404", "405", "413", "414", "431", "503"];
    let length: usize =
        head.lines().find_map(|line| line.strip_prefix("Content-Length: "))?.parse().ok()?;
    let rest = &answers[end..];
    // What is said to HEAD has no body.
    let next = rest.get(length..).filter(|next| next.is_empty() || next.starts_with(b"HTTP/1."));
    let next = next.or_else(|| rest.is_empty().then_some(rest));
    let next = next.or_else(|| rest.starts_with(b"HTTP/1.").then_some(rest));
    next.filter(|_| bearable.contains(&status) || status.starts_with('4'))
}

fn others_are_as_they_were(registry: &Registry) {
    let state = registry.state();
    let other = state.host(&"other.example".parse().expect("a name")).expect("it is there");
    let before = Addresses { v4: "192.0.2.2".parse().ok(), v6: None };
    assert_eq!(other.addresses(), before, "another's host was changed");
}
