//! Octets that nobody should send, at every place where octets are read: the
//! properties of `tests/fuzz/targets/`, asked with the octets kept in
//! `tests/fuzz/corpus/`, with what the place is used to, cut short everywhere,
//! and with seeded mutations of all of these.
//!
//! A coverage-guided fuzzer asks the same with whatever it comes to:
//! `tests/fuzz/README.md`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::dice::Dice;

#[path = "../fuzz/targets/mod.rs"]
mod targets;

use targets::{ALL, Target, named};

/// Fewer kept octets than this are none: the fuzzer finds more in a second.
const KEPT: usize = 10;

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus")
}

/// What is in a directory, in the order of the names.
fn files(directory: &Path) -> Vec<PathBuf> {
    let files = std::fs::read_dir(directory);
    let files = files.unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    files.sort();
    files
}

/// The kept octets of a target.
fn corpus(target: &Target) -> Vec<Vec<u8>> {
    let files = files(&directory().join(target.name));
    files.into_iter().map(|file| std::fs::read(file).unwrap()).collect()
}

/// Asks a target. More rounds: `ROUNDS=100000`.
fn ask(name: &str) {
    let target = named(name);
    let mut octets = (target.seeds)();
    assert!(!octets.is_empty(), "{name} begins with nothing");
    octets.extend(corpus(target));
    octets.iter().for_each(|octets| (target.holds)(octets));
    let rounds = std::env::var("ROUNDS").map_or(target.rounds, |rounds| rounds.parse().unwrap());
    let seed = name.bytes().fold(0x7472_7565, |seed, octet| seed << 5 ^ u64::from(octet));
    let mut dice = Dice(seed);
    for round in 0..rounds {
        let mut octets = octets[dice.roll(octets.len())].clone();
        match round % 8 {
            // Cut short somewhere.
            0 => octets.truncate(dice.roll(octets.len() + 1)),
            _ => (target.mutate)(&mut octets, &mut dice),
        }
        octets.truncate(target.longest);
        (target.holds)(&octets);
    }
}

macro_rules! tests {
    ($($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                ask(stringify!($name));
            }
        )*

        #[test]
        fn every_target_is_asked() {
            let asked = [$(stringify!($name)),*];
            assert_eq!(ALL.map(|target| target.name), asked);
        }
    };
}

tests! {
    answer message tsig slow stream http proxied proxy
    zone_file rows journal dump import configuration
}

/// What a fuzzer came to is here, of each target and of nothing else, and small
/// enough to be kept with the source.
#[test]
fn what_was_found_is_kept() {
    let names = files(&directory());
    let names: BTreeSet<_> =
        names.iter().map(|path| path.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(names, ALL.map(|target| target.name).into());
    for target in ALL {
        let kept = corpus(target);
        assert!(kept.len() >= KEPT, "tests/fuzz/corpus/{}: {} files", target.name, kept.len());
        let octets: usize = kept.iter().map(Vec::len).sum();
        assert!(octets < 500_000, "tests/fuzz/corpus/{}: {octets} octets", target.name);
    }
}

/// Plain questions, cut short at every octet.
#[test]
fn questions_cut_short() {
    let answer = named("answer");
    for seed in (answer.seeds)() {
        for length in 0..seed.len() {
            (answer.holds)(&seed[..length]);
        }
    }
}
