//! Any bytes to the answering core, looking for those that break
//! `property.rs`. From the top of the repository, with the stable compiler:
//!
//!     cargo install --locked cargo-fuzz
//!     cargo fuzz run --fuzz-dir tests/fuzz --sanitizer none answer -- -max_len=700 -max_total_time=600
//!
//! (No sanitizer: there is no unsafe code behind `answer`.) What it finds is
//! written to `tests/fuzz/artifacts/`; put it into `tests/it/fuzz.rs`, where
//! it stays found.

#![no_main]

use std::path::Path;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use truename::zone::Snapshot;

#[path = "../it/parsed.rs"]
mod parsed;
mod property;

static SNAPSHOT: LazyLock<Snapshot> = LazyLock::new(property::snapshot);

fuzz_target!(
    init: plant(),
    |request: &[u8]| property::holds(&SNAPSHOT, request)
);

/// Plain questions for the fuzzer to begin with, where it looks for them.
fn plant() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/answer");
    std::fs::create_dir_all(&corpus).expect("a place for the corpus");
    for (number, seed) in property::seeds().iter().enumerate() {
        std::fs::write(corpus.join(format!("question-{number}")), seed).expect("room for a seed");
    }
}
