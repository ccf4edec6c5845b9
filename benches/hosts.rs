//! What a million hosts cost: memory for each, and seconds to the first answer.
//!
//! `cargo bench --bench hosts [-- --engines sled,redb --hosts 1000,100000,1000000 DIRECTORY]`
//!
//! Each host has an A and an AAAA record, a key of its own and a history of
//! one change; ten hosts have an owner together. They are made by the
//! commands of an operator, so that the store has what a real one has. Every
//! figure comes from a process of its own, which this program starts:
//!
//! - *store*: the store is opened and read once as a whole.
//! - *state*: the registry is started, but the hosts' zone is not served, so
//!   that nothing is rendered for answers.
//! - *all*: the registry is started and one address is looked up.
//!
//! Memory is the resident set once the memory allocator gave back what it has
//! no use for; time is from the start of the process, and in parentheses what
//! of it the processors worked, on a machine that has other things to do.

use std::path::{Path, PathBuf};
use std::process::Command as Process;
use std::sync::Arc;
use std::time::Instant;

use truename::model::{AccountName, Addresses, Name, Now, Served, Timestamp};
use truename::registry::{Command, HostSettings, Registry, Settings};
use truename::store::{self, Engine};
use truename::zone::Zone;

/// Commands asked at once.
const GROUP: usize = 256;

/// Hosts of one owner.
const HOSTS_AN_OWNER: usize = 10;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["make", engine, hosts, directory] => {
            make(engine.parse().expect("an engine"), number(hosts), Path::new(directory));
        }
        ["measure", phase, engine, hosts, directory] => {
            measure(phase, engine.parse().expect("an engine"), number(hosts), Path::new(directory));
        }
        words => all(words),
    }
}

fn number(text: &str) -> usize {
    text.parse().expect("a number")
}

/// Every engine and size, as a table.
fn all(words: &[&str]) {
    let option = |name: &str, default: &str| -> Vec<String> {
        let at = words.iter().position(|word| *word == name);
        let value = at.map_or(default, |at| words[at + 1]);
        value.split(',').map(str::to_owned).collect()
    };
    let place = words.last().filter(|word| Path::new(word).is_dir());
    let place = place.map_or_else(std::env::temp_dir, PathBuf::from);
    println!(
        "| engine | hosts | on disk, MB | store, MB | state, MB | all, MB | state, bytes a host | all, bytes a host | store opened and read, s (CPU) | first answer, s (CPU) |"
    );
    println!("|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|");
    for engine in option("--engines", "sled,redb") {
        for hosts in option("--hosts", "0,1000,100000,1000000") {
            let directory = place.join(format!("truename-hosts-{}", std::process::id()));
            let ours = std::env::current_exe().expect("this program");
            let run = |words: &[&str]| {
                let output =
                    Process::new(&ours).args(words).arg(&directory).output().expect("started");
                assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
                String::from_utf8(output.stdout).expect("text")
            };
            run(&["make", &engine, &hosts]);
            let disk = size(&directory.join(&engine));
            let figures = |phase: &str| -> (f64, String) {
                let text = run(&["measure", phase, &engine, &hosts]);
                let (bytes, seconds) = text.trim().split_once(' ').expect("two figures");
                (bytes.parse().expect("bytes"), seconds.to_owned())
            };
            let (store, read) = figures("store");
            let (state, _) = figures("state");
            let (all, answer) = figures("all");
            let each = |bytes: f64| (bytes - store) / number(&hosts).max(1) as f64;
            println!(
                "| {engine} | {hosts} | {:.0} | {:.1} | {:.1} | {:.1} | {:.0} | {:.0} | {read} | {answer} |",
                disk as f64 / 1e6,
                store / 1e6,
                state / 1e6,
                all / 1e6,
                each(state),
                each(all),
            );
            std::fs::remove_dir_all(&directory).expect("the directory is ours");
        }
    }
}

fn size(path: &Path) -> u64 {
    let metadata = std::fs::metadata(path).expect("made before");
    if !metadata.is_dir() {
        return metadata.len();
    }
    std::fs::read_dir(path).expect("ours").map(|entry| size(&entry.expect("ours").path())).sum()
}

fn host(number: usize) -> Name {
    format!("host{number:07}.dyn.example.org").parse().expect("a name")
}

fn start(engine: Engine, directory: &Path, origin: &str) -> Registry {
    let zone = format!(
        "$ORIGIN {origin}.\n@ 3600 SOA ns1 hostmaster 1 3600 600 86400 60\n@ 3600 NS ns1\nns1 3600 A 192.0.2.53\n"
    );
    let settings = Settings::new(Arc::new(move || {
        Zone::parse(&zone, Path::new("bench.zone"))
            .map(|zone| vec![zone])
            .map_err(|error| vec![error])
    }));
    let began = Instant::now();
    Registry::open(engine, directory, settings, |before| {
        Box::new(move || Now {
            wall: Timestamp(1_767_225_600 + began.elapsed().as_secs() as i64),
            served: Served(before.0 + began.elapsed().as_secs()),
        })
    })
    .expect("started")
}

fn make(engine: Engine, hosts: usize, directory: &Path) {
    let registry = start(engine, directory, "dyn.example.org");
    let owner = |number: usize| -> AccountName {
        format!("member{:06}", number / HOSTS_AN_OWNER).parse().expect("an account")
    };
    let accounts = (0..hosts)
        .step_by(HOSTS_AN_OWNER)
        .map(|number| Command::AccountAdd { name: owner(number), password: None });
    let hosts = (0..hosts).map(|number| {
        let v4 = (0xc612_0000 + number as u32).into();
        let v6 = (0x2001_0db8_u128 << 96 | (number as u128) << 64 | 0x5054_00ff_fe12_3456).into();
        let settings = HostSettings {
            owner: Some(Some(owner(number))),
            addresses: Some(Addresses { v4: Some(v4), v6: Some(v6) }),
            ..HostSettings::default()
        };
        Command::HostAdd { name: host(number), settings, key: true }
    });
    let mut commands = accounts.chain(hosts);
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        loop {
            let group: Vec<_> = commands
                .by_ref()
                .take(GROUP)
                .map(|command| {
                    let registry = registry.clone();
                    tokio::spawn(async move { registry.command(command).await })
                })
                .collect();
            if group.is_empty() {
                break;
            }
            for done in group {
                done.await.expect("nothing panics").expect("done");
            }
        }
    });
    registry.stop();
}

/// Prints the resident set in bytes and the seconds it took.
fn measure(phase: &str, engine: Engine, hosts: usize, directory: &Path) {
    let began = Instant::now();
    match phase {
        "store" => {
            let opened = store::open(engine, directory).expect("the store");
            let mut rows = 0;
            opened.store.rows("").for_each(|row| rows += usize::from(row.is_ok()));
            assert!(rows >= hosts);
            let took = began.elapsed();
            print(took);
            drop(opened);
        }
        "state" => {
            let registry = start(engine, directory, "other.example");
            assert_eq!(registry.state().host_count(), hosts);
            print(began.elapsed());
        }
        "all" => {
            let registry = start(engine, directory, "dyn.example.org");
            let snapshot = registry.snapshot().load_full();
            let known = hosts == 0 || snapshot.node(host(hosts / 2).wire()).is_some();
            assert!(known, "it is answered");
            print(began.elapsed());
        }
        other => panic!("no phase is called {other}"),
    }
    // What was measured is as it was: nothing is written at the end.
    std::process::exit(0);
}

fn print(took: std::time::Duration) {
    // SAFETY: malloc_trim takes no pointer and may be called at any time.
    unsafe { libc::malloc_trim(0) };
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("Linux");
    let kilobytes: u64 = line.split_whitespace().nth(1).expect("a figure").parse().expect("one");
    let text = std::fs::read_to_string("/proc/self/stat").expect("Linux");
    // Hundredths of seconds in user and in system mode (proc(5)).
    let ticks: u64 =
        text.split_whitespace().skip(13).take(2).map(|t| t.parse::<u64>().expect("ticks")).sum();
    println!("{} {:.2} ({:.2})", kilobytes * 1024, took.as_secs_f64(), ticks as f64 / 100.0);
}
