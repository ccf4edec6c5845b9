//! The fuzzer's side of the properties in `targets/`: see README.md.

#[path = "../it/dice.rs"]
pub mod dice;
#[path = "../it/parsed.rs"]
pub mod parsed;
pub mod targets;

use std::path::PathBuf;

use dice::Dice;
use targets::Target;

/// Makes a program of a target.
#[macro_export]
macro_rules! fuzz {
    ($name:literal) => {
        static TARGET: std::sync::LazyLock<&truename_fuzz::targets::Target> =
            std::sync::LazyLock::new(|| truename_fuzz::targets::named($name));

        libfuzzer_sys::fuzz_target!(
            init: truename_fuzz::plant(&TARGET),
            |octets: &[u8]| (TARGET.holds)(octets)
        );

        libfuzzer_sys::fuzz_mutator!(|data: &mut [u8], size: usize, room: usize, seed: u32| {
            truename_fuzz::mutate(&TARGET, data, size, room, seed)
        });
    };
}

/// Writes the seeds where the fuzzer begins: `work/NAME/`.
pub fn plant(target: &Target) {
    let work = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("work").join(target.name);
    std::fs::create_dir_all(&work).expect("a place for what is found");
    for (number, seed) in (target.seeds)().iter().enumerate() {
        std::fs::write(work.join(format!("seed-{number}")), seed).expect("room for a seed");
    }
}

/// Half of all mutations know the language, the other half are the fuzzer's.
pub fn mutate(target: &Target, data: &mut [u8], size: usize, room: usize, seed: u32) -> usize {
    if seed & 1 == 0 {
        return libfuzzer_sys::fuzzer_mutate(data, size, room);
    }
    let mut octets = data[..size].to_vec();
    (target.mutate)(&mut octets, &mut Dice(u64::from(seed) << 20 | 1));
    let length = octets.len().min(room);
    data[..length].copy_from_slice(&octets[..length]);
    length
}
