//! Octets that nobody should send, at every place where octets are read: the
//! properties of `tests/fuzz/targets/`, asked with the octets kept in
//! `tests/fuzz/corpus/`, with what the place is used to, cut short everywhere,
//! and with seeded mutations of all of these.
//!
//! A coverage-guided fuzzer asks the same with whatever it comes to:
//! `tests/fuzz/README.md`.

use std::path::Path;

use crate::dice::Dice;

#[path = "../fuzz/targets/mod.rs"]
mod targets;

use targets::{ALL, Target, named};

/// The kept octets of a target, in the order of their files' names.
fn corpus(target: &Target) -> Vec<Vec<u8>> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus");
    let Ok(files) = std::fs::read_dir(directory.join(target.name)) else { return Vec::new() };
    let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    files.sort();
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

tests!(answer message tsig slow stream http zone_file rows dump import configuration);

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
