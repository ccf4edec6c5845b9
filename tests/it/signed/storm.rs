//! The real server, many copies of one update at the same moment, and SIGKILL
//! in the middle of it: of all copies one counts, whenever they come.

use std::collections::HashSet;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Barrier;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use truename::model::{KeyId, Name};
use truename::signed::{Answer, Mac, SharedSecret, Status, Update};
use truename::update::Said;

use super::super::daemon::{Daemon, Home};

const HOST: &str = "home.dyn.example.org";

/// Copies of each update, sent at the same moment on connections of their own.
const COPIES: usize = 6;

/// Rounds, each ended by SIGKILL.
const KILLS: usize = 12;

/// Updates in each round.
const UPDATES: usize = 8;

struct Key {
    id: KeyId,
    secret: SharedSecret,
}

fn key(home: &Home) -> Key {
    home.add_host(HOST, &[]);
    let list = home.done(&["key", "list", "--json"]);
    let keys: serde_json::Value = serde_json::from_str(&list).unwrap();
    let text = keys.to_string();
    let id = text.split("\"id\":\"").nth(1).and_then(|rest| rest.split('"').next());
    let id = id.unwrap_or_else(|| panic!("{text}"));
    let shown = home.done(&["key", "secret", id, "--for", "signed"]);
    let secret = shown.lines().find_map(|line| line.trim().strip_prefix("secret ")).unwrap();
    Key { id: KeyId(id.to_owned()), secret: secret.trim().parse().unwrap() }
}

impl Key {
    fn update(&self, number: u32, time: u64) -> (String, Mac) {
        let host: Name = HOST.parse().unwrap();
        let update = Update {
            key: self.id.clone(),
            time,
            hosts: vec![host],
            v4: Said::Is((0x0a00_0000 + number).into()),
            v6: Said::Nothing,
            prefix: Said::Nothing,
            line: None,
        };
        update.write(&self.secret)
    }

    fn read(&self, answer: &str, mac: Mac) -> Status {
        let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        let answer = Answer::read(body.as_bytes(), &self.secret, mac);
        answer.unwrap_or_else(|| panic!("not the answer to this update: {body}")).status
    }
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    u64::try_from(since.as_millis()).unwrap()
}

/// Sends an update; `None`: the server went before it answered.
fn send(server: SocketAddr, text: &str) -> Option<String> {
    let mut stream = TcpStream::connect(server).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let length = text.len();
    let request = format!(
        "POST /signed/update HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{text}"
    );
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    answer.contains("\nmac ").then_some(answer)
}

#[test]
fn of_all_copies_one_counts_with_sled() {
    one_counts("sled");
}

#[test]
fn of_all_copies_one_counts_with_redb() {
    one_counts("redb");
}

fn one_counts(engine: &str) {
    let home = Home::new();
    home.reconfigure("data = ", &format!("store = \"{engine}\"\ndata = "));
    let mut running = home.start();
    let key = key(&home);
    let mut time = now();
    let mut sent: Vec<(String, Mac)> = Vec::new();
    let mut accepted: HashSet<usize> = HashSet::new();
    for round in 0..KILLS {
        for at in 0..UPDATES {
            time = (time + 1).max(now());
            // Some change the address, some say it again: both count once.
            let number = u32::try_from(sent.len().div_ceil(2)).unwrap();
            let update = key.update(number, time);
            let dies = at == UPDATES - 1;
            let done = storm(&key, &home, &update, dies.then_some((&running, round)));
            assert!(done <= 1, "{engine} {round}.{at}: {done} copies of one update were accepted");
            assert!(dies || done == 1, "{engine} {round}.{at}: no copy was accepted");
            if dies {
                running.kill();
                running = home.start();
            }
            if done == 1 {
                accepted.insert(sent.len());
            }
            sent.push(update);
        }
        // Every copy of everything that was accepted, and of what was sent
        // when the server died: that counted, or counts now, and never again.
        for _ in 0..2 {
            for (at, (text, mac)) in sent.iter().enumerate().rev() {
                match key.read(&send(home.http, text).unwrap(), *mac) {
                    Status::Replayed | Status::Clock => {}
                    Status::Done if at == sent.len() - 1 && accepted.insert(at) => {}
                    other => panic!("{engine} {round}: update {at} was {other} once more"),
                }
            }
        }
    }
    assert!(accepted.len() >= KILLS * (UPDATES - 1));
}

/// Sends all copies at the same moment, and kills the server while it answers
/// them, a little later in each round. How many were accepted.
fn storm(
    key: &Key,
    home: &Home,
    (text, mac): &(String, Mac),
    kill: Option<(&Daemon<'_>, usize)>,
) -> usize {
    let start = Barrier::new(COPIES + 1);
    std::thread::scope(|scope| {
        let copies: Vec<_> = (0..COPIES)
            .map(|_| {
                scope.spawn(|| {
                    start.wait();
                    send(home.http, text).map(|answer| key.read(&answer, *mac))
                })
            })
            .collect();
        start.wait();
        if let Some((running, round)) = kill {
            std::thread::sleep(Duration::from_micros(300 * u64::try_from(round).unwrap()));
            running.signal("KILL");
        }
        let answers = copies.into_iter().map(|copy| copy.join().unwrap());
        answers.filter(|answer| *answer == Some(Status::Done)).count()
    })
}
