//! Instructions that `answer` takes for one question of each common kind,
//! counted by valgrind: unlike time, the same on a busy machine.
//!
//!     cargo bench --bench instructions                  count, and compare with instructions.txt
//!     cargo bench --bench instructions -- --bless       count, and keep the counts there
//!
//! It fails when a question takes more than [`TOLERANCE`] over what was kept.
//! Counts belong to a compiler and a kind of processor, which the file names;
//! those of another are shown beside them and fail nothing. valgrind is a
//! Debian package of that name.

mod counting;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use counting::count;
use truename::answer::{Meta, Verdict, answer};
use truename::model::{Addresses, Name, Serial};
use truename::zone::{Identity, Snapshot, Zone};

/// Per cent that a count may rise: what hash seeds of another run, or an
/// unrelated change of layout, make of it.
const TOLERANCE: f64 = 3.0;

/// Processes that are counted, each with a hash seed of its own; their mean
/// is told. Some names are looked up for every question (`*` in the zone),
/// and where they lie is luck.
const SEEDS: usize = 5;

/// Questions asked of each kind; each is about a host of its own.
const QUESTIONS: usize = 1_000;

/// Hosts in the zone.
const SIZES: [usize; 2] = [1_000, 100_000];

/// Set in the process that valgrind runs: how many hosts.
const COUNTED: &str = "TRUENAME_COUNTED_HOSTS";

/// The fixed part of the zone.
const ZONE: &str = "\
$ORIGIN dyn.example.org.
@      300 SOA   ns1 hostmaster 1 3600 600 604800 60
@      300 NS    ns1
@      300 NS    ns2
ns1    300 A     192.0.2.53
ns2    300 A     198.51.100.53
";

/// Its part of which there are [`QUESTIONS`], numbered: what many questions
/// about one name cost is the luck of where that name is kept.
const MANY: &str = "\
alias%  300 CNAME h%
*.wild% 300 A     192.0.2.1
sub%    300 NS    ns.sub%
sub%    300 NS    ns1
ns.sub% 300 A     192.0.2.9
";

/// What is asked: how it is called, the name (`#` is a host's number, `%` one
/// of [`MANY`]), the type, EDNS.
const KINDS: [(&str, &str, u16, bool); 10] = [
    ("address", "h#.dyn.example.org", 1, false),
    ("address, EDNS", "h#.dyn.example.org", 1, true),
    ("IPv6 address", "h#.dyn.example.org", 28, false),
    ("no such type", "h#.dyn.example.org", 16, false),
    ("no such type, EDNS", "h#.dyn.example.org", 16, true),
    ("no such name", "nobody#.dyn.example.org", 1, false),
    ("no such name, EDNS", "nobody#.dyn.example.org", 1, true),
    ("wildcard", "w#.wild%.dyn.example.org", 1, false),
    ("CNAME", "alias%.dyn.example.org", 1, false),
    ("referral", "w#.sub%.dyn.example.org", 1, false),
];

fn main() -> ExitCode {
    if let Ok(hosts) = std::env::var(COUNTED) {
        be_counted(hosts.parse().expect("a number of hosts"));
        return ExitCode::SUCCESS;
    }
    let mut counts = BTreeMap::new();
    for hosts in SIZES.into_iter().flat_map(|hosts| [hosts; SEEDS]) {
        match count("instructions::measured", KINDS.len(), (COUNTED, &hosts.to_string())) {
            Ok(of_kinds) => {
                for ((what, ..), count) in KINDS.into_iter().zip(of_kinds) {
                    let sum: &mut f64 = counts.entry((hosts, what.to_owned())).or_default();
                    *sum += count as f64 / (SEEDS * QUESTIONS) as f64;
                }
            }
            Err(problem) => {
                eprintln!("{problem}");
                return ExitCode::FAILURE;
            }
        }
    }
    if std::env::args().any(|word| word == "--bless") {
        std::fs::write(file(), written(&counts)).expect("instructions.txt can be written");
    }
    compare(&counts)
}

/// Where the counts are kept.
fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/instructions.txt")
}

/// What a count belongs to.
fn circumstances() -> String {
    let rustc = Command::new("rustc").arg("--version").output();
    let version = rustc.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    format!("{}, {}", version.unwrap_or_default(), std::env::consts::ARCH)
}

fn written(counts: &BTreeMap<(usize, String), f64>) -> String {
    let mut text = format!("# {}\n# hosts, instructions a question, question\n", circumstances());
    for ((hosts, what), each) in counts {
        writeln!(text, "{hosts:>7} {each:>8.1}  {what}").expect("memory");
    }
    text
}

/// Prints counts beside those kept; fails where one is too high.
fn compare(counts: &BTreeMap<(usize, String), f64>) -> ExitCode {
    let text = std::fs::read_to_string(file()).unwrap_or_default();
    let comparable = text.lines().next() == Some(&format!("# {}", circumstances()));
    let kept: BTreeMap<(usize, String), f64> = text
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let (hosts, each) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
            Some(((hosts, words.collect::<Vec<_>>().join(" ")), each))
        })
        .collect();
    println!("| hosts | question | instructions | kept | |\n|---:|---|---:|---:|---:|");
    let mut risen = Vec::new();
    for (row, each) in counts {
        let (hosts, what) = row;
        let Some(before) = kept.get(row) else {
            println!("| {hosts} | {what} | {each:.1} | - | |");
            risen.push(format!("{what}, {hosts} hosts: nothing is kept to compare with"));
            continue;
        };
        let change = (each / before - 1.0) * 100.0;
        println!("| {hosts} | {what} | {each:.1} | {before:.1} | {change:+.1} % |");
        if change > TOLERANCE {
            risen.push(format!("{what}, {hosts} hosts: {each:.1} instructions, {before:.1} kept"));
        }
    }
    let bless = "cargo bench --bench instructions -- --bless";
    if risen.is_empty() {
        ExitCode::SUCCESS
    } else if comparable {
        let list = risen.join("\n  ");
        eprintln!("more than {TOLERANCE} % over what benches/instructions.txt keeps:\n  {list}");
        eprintln!("Find out why; if it is meant to be so: {bless}");
        ExitCode::FAILURE
    } else {
        let now = circumstances();
        eprintln!("NOT COMPARED: this is {now}; what is kept is of another (its first line).");
        eprintln!("Count the version before your change here, too, or: {bless}");
        ExitCode::SUCCESS
    }
}

/// What runs in valgrind: all questions of each kind, once before they count,
/// so that the answer's buffer is there.
fn be_counted(hosts: usize) {
    let many = (0..QUESTIONS).map(|n| MANY.replace('%', &n.to_string()));
    let text = ZONE.to_owned() + &many.collect::<String>();
    let zone = Zone::parse(&text, Path::new("dyn.example.org.zone")).expect("the zone above");
    let mut snapshot = Snapshot::new(&[(&zone, Serial(1))], Identity::default());
    for n in 0..hosts as u32 {
        let name: Name = format!("h{n}.dyn.example.org").parse().expect("a name");
        let addresses = Addresses {
            v4: Some((0xc612_0000 + n).into()),
            v6: Some((0x2001_0db8_u128 << 96 | u128::from(n)).into()),
        };
        snapshot.set_host(&name, addresses, 60, false);
    }
    let mut out = Vec::with_capacity(4096);
    for (what, name, rtype, edns) in KINDS {
        let questions: Vec<Vec<u8>> = (0..QUESTIONS)
            // Neighbours are asked for apart: 7919 is a prime.
            .map(|n| (n, name.replace('#', &(n * 7919 % hosts).to_string())))
            .map(|(n, name)| name.replace('%', &n.to_string()))
            .map(|name| question(&name, rtype, edns))
            .collect();
        assert_eq!(answer(&snapshot, &questions[0], &Meta::UDP, &mut out), Verdict::Sent, "{what}");
        measured(&snapshot, &questions, &mut out);
    }
}

/// What is counted. valgrind knows it by its name.
#[inline(never)]
fn measured(snapshot: &Snapshot, questions: &[Vec<u8>], out: &mut Vec<u8>) {
    for question in questions {
        black_box(answer(black_box(snapshot), question, &Meta::UDP, out));
    }
}

fn question(name: &str, rtype: u16, edns: bool) -> Vec<u8> {
    let mut message = vec![0x12, 0x67, 1, 0, 0, 1, 0, 0, 0, 0, 0, u8::from(edns)];
    for label in name.split('.') {
        message.push(label.len() as u8);
        message.extend_from_slice(label.as_bytes());
    }
    message.push(0);
    message.extend(rtype.to_be_bytes());
    message.extend([0, 1]);
    if edns {
        message.extend_from_slice(b"\0\0\x29\x04\xd0\0\0\0\0\0\0");
    }
    message
}
