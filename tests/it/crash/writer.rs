//! A process that writes and says what it has written, to be killed.
//!
//! Each of its threads commits groups numbered from 1. Group g of thread t
//! sets every `slot/t/*` to g, adds `log/t/g`, removes `log/t/(g-40)`, and, if
//! g is a multiple of 25, sets `big/t`. So from what is found one sees the
//! last group of each thread, and whether it is there as a whole.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write as _};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use truename::store::{self, Engine, Store, Write};

use super::shim::Shim;
use super::{die_with_parent, this_test};

/// As many updaters at a time.
const THREADS: usize = 16;
const SLOTS: u64 = 6;
const LOG: u64 = 40;
const BIG: u64 = 25;

/// The last group of each thread; 0: none.
pub type Seen = [u64; THREADS];

/// The last group of each thread that was acknowledged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Acked(Seen);

impl Acked {
    /// Reads lines `A t g`; others are left out, and so is half a line at the
    /// end.
    pub fn read(text: &str) -> Acked {
        let mut acked = Acked::default();
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        for line in whole.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            if let ["A", t, g] = words[..] {
                let last = &mut acked.0[t.parse::<usize>().unwrap()];
                *last = (*last).max(g.parse().unwrap());
            }
        }
        acked
    }

    /// What either knows.
    pub fn and(&self, other: &Acked) -> Acked {
        Acked(std::array::from_fn(|t| self.0[t].max(other.0[t])))
    }

    /// How many groups.
    pub fn groups(&self) -> u64 {
        self.0.iter().sum()
    }
}

/// How to start a writer.
pub struct Writer {
    /// The test that starts it, and plays it in the other process.
    pub test: &'static str,
    pub engine: Engine,
    pub directory: PathBuf,
    pub shim: Option<Shim>,
}

/// When a writer is killed.
pub enum Moment {
    /// So long after it began to open the store.
    Opening(Duration),
    /// So long after it had opened it.
    Open(Duration),
}

/// What a writer said before it was killed.
pub struct Said {
    pub opened: bool,
    pub acked: Acked,
    /// What it missed when it opened the store.
    pub lost: Option<String>,
}

impl Writer {
    /// Starts it and kills it at that moment. `acks` is the file it writes
    /// into.
    pub fn run(&self, acks: &Path, acked: &Acked, moment: Moment) -> Said {
        File::create(acks).unwrap();
        let mut command = this_test(self.test);
        command
            .env("CRASH_WRITER", self.engine.name())
            .env("CRASH_DIRECTORY", &self.directory)
            .env("CRASH_ACKS", acks)
            .env("CRASH_ACKED", acked.0.map(|g| g.to_string()).join(" "))
            .stdout(std::process::Stdio::piped());
        if let Some(shim) = &self.shim {
            shim.attach(&mut command, &self.directory, acks);
        }
        let mut child = command.spawn().unwrap();
        let (marks, patience) = match moment {
            Moment::Opening(patience) => ("!", patience),
            Moment::Open(patience) => ("+-", patience),
        };
        let mut stdout = child.stdout.take().unwrap();
        // The test harness says something first, in other characters.
        let mut word = [0];
        while !marks.as_bytes().contains(&word[0]) {
            assert_eq!(stdout.read(&mut word).unwrap(), 1, "the writer ended before it began");
        }
        thread::sleep(patience);
        child.kill().unwrap();
        child.wait().unwrap();
        let text = fs::read_to_string(acks).unwrap();
        Said {
            opened: text.contains("OPEN\n"),
            acked: acked.and(&Acked::read(&text)),
            lost: text.split_once("LOST ").map(|(_, what)| what.trim().to_string()),
        }
    }
}

/// In the other process: writes until it is killed, and never returns.
pub fn play_if_asked() {
    let Ok(engine) = std::env::var("CRASH_WRITER") else { return };
    die_with_parent();
    let engine: Engine = engine.parse().unwrap();
    let directory = PathBuf::from(std::env::var_os("CRASH_DIRECTORY").unwrap());
    let mut acked = Acked::default();
    for (t, g) in std::env::var("CRASH_ACKED").unwrap().split(' ').enumerate() {
        acked.0[t] = g.parse().unwrap();
    }
    let acks =
        OpenOptions::new().append(true).open(std::env::var_os("CRASH_ACKS").unwrap()).unwrap();
    let say = |line: String| (&acks).write_all(line.as_bytes()).unwrap();

    println!("!");
    let found = store::open(engine, &directory).map_err(|e| e.to_string()).and_then(|opened| {
        if !opened.warnings.is_empty() {
            return Err(opened.warnings.join(" "));
        }
        check(&*opened.store, &acked).map(|seen| (opened.store, seen))
    });
    let (store, seen) = match found {
        Ok(found) => found,
        Err(lost) => {
            say(format!("LOST {lost}\n"));
            println!("-");
            loop {
                thread::park();
            }
        }
    };
    say("OPEN\n".into());
    println!("+");
    thread::scope(|scope| {
        for (t, &last) in seen.iter().enumerate() {
            let (store, say) = (&*store, &say);
            scope.spawn(move || {
                for g in last + 1.. {
                    store.commit(&group(t, g)).unwrap();
                    say(format!("A {t} {g}\n"));
                }
            });
        }
    });
}

fn group(t: usize, g: u64) -> Vec<Write> {
    let value = |length: u64| {
        let mut value = format!("{g} ").into_bytes();
        value.resize(value.len() + length as usize, b'a' + (g % 26) as u8);
        value
    };
    let mut group: Vec<Write> = (0..SLOTS)
        .map(|slot| Write::Put(format!("slot/{t}/{slot}"), value((g * 37 + slot * 101) % 300)))
        .collect();
    group.push(Write::Put(format!("log/{t}/{g:09}"), value(g % 20)));
    if g > LOG {
        group.push(Write::Delete(format!("log/{t}/{:09}", g - LOG)));
    }
    if g.is_multiple_of(BIG) {
        group.push(Write::Put(format!("big/{t}/"), value(g * 911 % 30_000)));
    }
    group
}

/// Whether each thread's last group is there as a whole, and not before what
/// was acknowledged.
pub fn check(store: &dyn Store, acked: &Acked) -> Result<Seen, String> {
    let mut seen = Seen::default();
    for (t, seen) in seen.iter_mut().enumerate() {
        let number = |prefix: &str| -> Result<Vec<u64>, String> {
            store
                .rows(prefix)
                .map(|row| {
                    let (key, value) = row.map_err(|e| e.to_string())?;
                    let text = String::from_utf8(value).map_err(|e| e.to_string())?;
                    let (g, fill) = text.split_once(' ').ok_or(format!("{key}: {text}"))?;
                    let g: u64 = g.parse().map_err(|e| format!("{key}: {e}"))?;
                    let right = b'a' + (g % 26) as u8;
                    if fill.bytes().all(|b| b == right) {
                        Ok(g)
                    } else {
                        Err(format!("{key}: mixed"))
                    }
                })
                .collect()
        };
        let slots = number(&format!("slot/{t}/"))?;
        let last = slots.first().copied().unwrap_or(0);
        if slots.iter().any(|&g| g != last) || !(slots.is_empty() || slots.len() as u64 == SLOTS) {
            return Err(format!("thread {t}: half a group: {slots:?}"));
        }
        let log = number(&format!("log/{t}/"))?;
        if log != (last.saturating_sub(LOG) + 1..=last).collect::<Vec<_>>() {
            return Err(format!("thread {t}: group {last}, but the log is {log:?}"));
        }
        let big = number(&format!("big/{t}/"))?;
        if big.first().copied().unwrap_or(0) != last / BIG * BIG {
            return Err(format!("thread {t}: group {last}, but big is of {big:?}"));
        }
        if last < acked.0[t] {
            return Err(format!(
                "thread {t}: group {} was acknowledged, {last} is there",
                acked.0[t]
            ));
        }
        *seen = last;
    }
    Ok(seen)
}
