//! What holds for any octets that strangers send, or that are found in files:
//! one property for each place where octets are read.
//!
//! A fuzzer asks each with whatever reaches new code (`../bin/`); `it/fuzz.rs`
//! asks all of them in every test run, with the octets kept in `../corpus/`
//! and with mutations of those and of the seeds named here.

mod answer;
mod configuration;
mod dump;
mod grammar;
mod http;
mod import;
mod journal;
mod memory;
mod message;
mod proxied;
mod proxy;
mod rows;
mod slow;
mod stream;
mod text;
mod tsig;
mod zone_file;

use crate::dice::Dice;

/// A place where octets are read.
pub struct Target {
    /// Its name, as `cargo fuzz` and the directories of `corpus/` have it.
    pub name: &'static str,
    /// The property. It panics where that does not hold.
    pub holds: fn(&[u8]),
    /// Octets as they should be, to begin with.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// Makes something else of some octets, in the language of the place.
    pub mutate: fn(&mut Vec<u8>, &mut Dice),
    /// The longest input worth trying, in octets.
    pub longest: usize,
    /// Mutations in a test run: a second's worth or two.
    pub rounds: usize,
}

/// All of them.
pub const ALL: [&Target; 14] = [
    &answer::TARGET,
    &message::TARGET,
    &tsig::TARGET,
    &slow::TARGET,
    &stream::TARGET,
    &http::TARGET,
    &proxied::TARGET,
    &proxy::TARGET,
    &zone_file::TARGET,
    &rows::TARGET,
    &journal::TARGET,
    &dump::TARGET,
    &import::TARGET,
    &configuration::TARGET,
];

/// The target of this name.
///
/// # Panics
/// Where there is none.
pub fn named(name: &str) -> &'static Target {
    ALL.into_iter().find(|target| target.name == name).expect("a name that is in ALL")
}
