//! Rule by rule what we answer, and what NSD, Knot DNS, BIND and PowerDNS
//! answer in the same run: `tests/conformance/*.txt`. All five serve the zones
//! of `tests/differential/`, with one cookie secret, one name, and 1232 octets
//! over UDP at most.
//!
//! ```text
//! == RFC 6891 §6.1.3: what the rows below are about
//!
//! > example. SOA edns version=1
//! truename nsd knot bind powerdns: badvers question edns=1232
//! why: needed where nobody answers as we do
//! ```
//!
//! What may stand behind `>` is in `conformance/question.rs`, how answers are
//! told in `conformance/told.rs`. `UPDATE=1` writes down what was seen. A row
//! in which we are alone and that does not say why fails the test, and so does
//! one that says why for nothing.

mod exchange;
mod programs;
mod question;
mod told;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use truename::answer::{CookieSecrets, Cookies};
use truename::clock;
use truename::dns::{Options, Server, serve};
use truename::zone::{self, Snapshot};

use crate::differential::peer::{Identity, Peer};
use crate::differential::{directory, zones};
use exchange::exchange;
use question::{MOST, Question};

/// What every server is called, and the secret they share.
const IDENTITY: Identity<'static> =
    Identity { id: "ns.test", cookie_secret: "e5e973e5a6b2a43f48e7dc849e37bfcf" };

/// The servers, in the order they are told in.
const NAMES: [&str; 5] = ["truename", "nsd", "knot", "bind", "powerdns"];

/// The rows there are at least: as many as the checks that this list grew
/// from.
const ROWS: usize = 212;

/// Our own server, on a free port.
struct Own {
    _server: Server,
    _runtime: tokio::runtime::Runtime,
    address: SocketAddr,
}

impl Own {
    fn start() -> Own {
        let zones = zones();
        let served: Vec<_> = zones.iter().map(|zone| (zone, zone.file_serial())).collect();
        let identity = zone::Identity { version: None, id: Some(IDENTITY.id.to_owned()) };
        let snapshot = Arc::new(ArcSwap::from_pointee(Snapshot::new(&served, identity)));
        let secrets = CookieSecrets::parse(IDENTITY.cookie_secret).unwrap();
        let options = Options {
            listen: vec!["127.0.0.1:0".parse().unwrap()],
            threads: 1,
            cookies: Arc::new(Cookies::new(secrets)),
            ..Options::default()
        };
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let server = {
            let _inside = runtime.enter();
            serve(&options, snapshot, None, &clock::moments()).unwrap()
        };
        let address = server.addresses()[0];
        Own { _server: server, _runtime: runtime, address }
    }
}

#[test]
fn rules_and_what_the_others_answer() {
    let files = files();
    let texts: Vec<String> =
        files.iter().map(|file| std::fs::read_to_string(file).unwrap()).collect();
    let rows: Vec<&str> = texts
        .iter()
        .flat_map(|text| text.lines().filter_map(|line| line.strip_prefix("> ")))
        .collect();
    assert!(rows.len() >= ROWS, "only {} rows", rows.len());

    let zones = directory();
    let own = Own::start();
    let peers = [
        Peer::nsd(&zones, Some(IDENTITY)),
        Peer::knot(&zones, Some(IDENTITY)),
        Peer::bind(&zones, IDENTITY),
        Peer::powerdns(&zones, IDENTITY),
    ];
    let addresses: Vec<SocketAddr> =
        std::iter::once(own.address).chain(peers.iter().map(Peer::address)).collect();
    let cookies: BTreeMap<&str, Vec<u8>> =
        NAMES.into_iter().zip(addresses.iter().map(|server| cookie_of(*server))).collect();
    // Every server is asked by a thread of its own.
    let answers: Vec<Vec<String>> = std::thread::scope(|scope| {
        let asked = NAMES.into_iter().zip(addresses).map(|server| {
            let (rows, cookies) = (&rows, &cookies);
            scope.spawn(move || {
                let rows = rows.iter().enumerate();
                rows.map(|(number, row)| ask(server, number, row, cookies)).collect()
            })
        });
        let asked: Vec<_> = asked.collect();
        asked.into_iter().map(|asked| asked.join().unwrap()).collect()
    });

    let mut number = 0;
    let mut wrong = Vec::new();
    for (file, text) in files.iter().zip(&texts) {
        let seen = written(text, &answers, &mut number, &mut wrong);
        if seen == *text {
            continue;
        }
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(file, &seen).unwrap();
        } else {
            wrong.push(format!("{} saw:\n{}", file.display(), changed(text, &seen)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

fn files() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance");
    let files = directory.read_dir().unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> =
        files.filter(|file| file.extension().is_some_and(|e| e == "txt")).collect();
    files.sort();
    files
}

/// The cookie that a server gives us.
fn cookie_of(server: SocketAddr) -> Vec<u8> {
    let question = Question::parse("ns1.example. A edns cookie=0123456789abcdef", &BTreeMap::new());
    let answers = exchange(server, &question.in_message(0xfff));
    told::cookie(answers.first().and_then(Option::as_deref).expect("an answer"))
}

/// What a server answers to a row.
///
/// NSD answers some twenty messages with errors a second, and no more: where it
/// is silent it is asked again in the next second.
fn ask(
    (name, server): (&str, SocketAddr),
    number: usize,
    row: &str,
    cookies: &BTreeMap<&str, Vec<u8>>,
) -> String {
    let second = wall_second();
    let told = ask_once(server, number, row, cookies);
    if name != "nsd" || !told.contains("silence") {
        return told;
    }
    while wall_second() == second {
        std::thread::sleep(Duration::from_millis(5));
    }
    ask_once(server, number, row, cookies)
}

fn wall_second() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()
}

fn ask_once(
    server: SocketAddr,
    number: usize,
    row: &str,
    cookies: &BTreeMap<&str, Vec<u8>>,
) -> String {
    let asked = Question::parse(row, cookies).in_message(0x1000 + MOST * number as u16);
    let answers = exchange(server, &asked);
    let told: Vec<String> = answers
        .iter()
        .zip(&asked.messages)
        .map(|(answer, message)| told::told(message, answer.as_deref()))
        .collect();
    match &told[..] {
        [first, rest @ ..] if rest.len() > 2 && rest.iter().all(|told| told == first) => {
            format!("{} times {first}", told.len())
        }
        told => told.join(" | "),
    }
}

/// The text with what was answered in place of what stood there, and what is
/// wrong with it besides.
fn written(
    text: &str,
    answers: &[Vec<String>],
    number: &mut usize,
    wrong: &mut Vec<String>,
) -> String {
    let mut seen = String::new();
    let mut rule = "";
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        if line.starts_with("== ") {
            rule = line;
        }
        let Some(row) = line.strip_prefix("> ") else {
            writeln!(seen, "{line}").unwrap();
            continue;
        };
        // What stood below it: answers, and why.
        let mut why = None;
        while let Some(below) = lines.next_if(|line| !line.is_empty() && !line.starts_with("> ")) {
            why = why.or(below.strip_prefix("why: "));
        }
        let mut groups: Vec<(&str, Vec<&str>)> = Vec::new();
        for (name, answers) in NAMES.iter().zip(answers) {
            let answer = answers[*number].as_str();
            match groups.iter_mut().find(|(same, _)| *same == answer) {
                Some((_, names)) => names.push(name),
                None => groups.push((answer, vec![name])),
            }
        }
        *number += 1;
        writeln!(seen, "{line}").unwrap();
        for (answer, names) in &groups {
            writeln!(seen, "{}: {answer}", names.join(" ")).unwrap();
        }
        let alone = groups[0].1.len() == 1;
        match why {
            Some(why) => writeln!(seen, "why: {why}").unwrap(),
            None if alone => wrong.push(format!("we are alone and do not say why: {row}")),
            None => {}
        }
        if why.is_some() && groups.len() == 1 {
            wrong.push(format!("all answer the same, and yet there is a reason: {row}"));
        }
        if !["== RFC ", "== DNS flag day"].iter().any(|start| rule.starts_with(start)) {
            wrong.push(format!("under no rule: {row}"));
        }
    }
    seen
}

/// The rows that differ: what stood there, and what was seen.
fn changed(before: &str, after: &str) -> String {
    let mut text = String::new();
    for (stood, seen) in before.split("\n> ").zip(after.split("\n> ")) {
        if stood != seen {
            writeln!(text, "> {seen}\nWHERE STOOD\n> {stood}").unwrap();
        }
    }
    text
}
