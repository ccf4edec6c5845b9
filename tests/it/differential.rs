//! The same zones and thousands of questions to us, to NSD and to Knot DNS.
//!
//! Answers are compared as text: code, flags, question, each section as a set
//! of records with TTLs, EDNS. A difference is either a fault, or its class is
//! explained in `tests/differential/differences.txt`; a class that is no longer
//! seen fails the test too.

mod canonical;
mod explained;
mod hickory;
pub mod peer;
mod questions;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use truename::answer::{Meta, Verdict, answer};
use truename::zone::{Identity, Snapshot, Zone};

use canonical::Canonical;
use peer::Peer;
use questions::Asked;

/// Differences shown before the rest is only counted.
const SHOWN: usize = 60;

pub fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/differential")
}

pub fn zones() -> Vec<Zone> {
    let files = ["example.zone", "child.example.zone"];
    files.iter().map(|file| Zone::load(&directory().join(file)).unwrap()).collect()
}

#[test]
fn nsd_answers_the_same() {
    compare("nsd", Peer::nsd(&directory(), None));
}

#[test]
fn knot_answers_the_same() {
    compare("knot", Peer::knot(&directory(), None));
}

fn compare(name: &str, mut peer: Peer) {
    let zones = zones();
    let served: Vec<_> = zones.iter().map(|zone| (zone, zone.file_serial())).collect();
    let snapshot = Snapshot::new(&served, Identity::default());
    let explained = explained::table(&directory().join("differences.txt"), name);
    let mut seen: BTreeMap<&'static str, usize> = BTreeMap::new();
    let mut faults = Vec::new();
    let asked = questions::all(&zones);
    assert!(asked.len() > 5_000, "only {} questions", asked.len());
    for question in &asked {
        let ours = ours(&snapshot, question);
        let theirs = Canonical::read(&question.bytes, peer.ask(question).as_deref());
        match explained::difference(question, &ours, &theirs) {
            Ok(None) => {}
            Ok(Some(class)) if explained.contains_key(class) => {
                *seen.entry(class).or_default() += 1;
            }
            Ok(Some(class)) => faults.push(format!(
                "{question}\n  not explained: {class}\n  ours:   {ours}\n  theirs: {theirs}"
            )),
            Err(what) => faults.push(format!("{question}\n{what}")),
        }
    }
    let unseen: Vec<_> =
        explained.keys().filter(|class| !seen.contains_key(class.as_str())).collect();
    let count = faults.len();
    faults.truncate(SHOWN);
    assert!(
        faults.is_empty(),
        "{count} of {} questions are answered otherwise by {name}:\n\n{}",
        asked.len(),
        faults.join("\n\n")
    );
    assert!(unseen.is_empty(), "explained, but not seen with {name}: {unseen:?}");
    eprintln!("{} questions, {name} explained: {seen:?}", asked.len());
}

fn ours(snapshot: &Snapshot, question: &Asked) -> Canonical {
    let meta = if question.tcp { Meta::TCP } else { Meta::UDP };
    let mut out = Vec::new();
    match answer(snapshot, &question.bytes, &meta, &mut out) {
        Verdict::Sent => Canonical::read(&question.bytes, Some(&out)),
        Verdict::Drop => Canonical::read(&question.bytes, None),
        Verdict::Slow(why) => panic!("{question}: {why:?}"),
    }
}
