//! Dump files: an error with a line, or rows that make the same file again.

use truename::store::dump;

use super::{Target, memory, text};
use crate::dice::Dice;

pub const TARGET: Target =
    Target { name: "dump", holds, seeds, mutate, longest: 4096, rounds: 4_000 };

fn seeds() -> Vec<Vec<u8>> {
    let directory = memory::directory();
    let file = directory.path().join("dump");
    let all = memory::rows().into_iter().map(Ok);
    dump::write(&file, all).expect("room for a dump");
    let whole = std::fs::read(&file).expect("just written");
    dump::write(&file, std::iter::empty()).expect("room for a dump");
    vec![whole, std::fs::read(&file).expect("just written")]
}

const PIECES: [&str; 12] = [
    "# truename dump 1\n",
    "# truename dump 2\n",
    "# end 0 rows crc32 00000000\n",
    "# end ",
    "\t",
    "\n",
    "\r\n",
    "#",
    "a\tb\n",
    "z\t1\n",
    "\u{0}",
    "\u{85}",
];

fn mutate(octets: &mut Vec<u8>, dice: &mut Dice) {
    text::mutate(octets, dice, &PIECES);
    // Most changes end at the checksum: mend it, so that there is more to see.
    if dice.roll(3) > 0 {
        let mut lines: Vec<&[u8]> = octets.split_inclusive(|octet| *octet == b'\n').collect();
        lines.retain(|line| !line.starts_with(b"# end "));
        let rows = lines.get(1..).unwrap_or_default().concat();
        let count = lines.len().saturating_sub(1);
        let end = format!("# end {count} rows crc32 {:08x}\n", crc32(&rows));
        *octets = [&lines.concat()[..], end.as_bytes()].concat();
    }
}

/// Of zlib, a bit at a time.
fn crc32(octets: &[u8]) -> u32 {
    !octets.iter().fold(u32::MAX, |crc, octet| {
        (0..8).fold(crc ^ u32::from(*octet), |crc, _| {
            crc >> 1 ^ if crc & 1 == 1 { 0xedb8_8320 } else { 0 }
        })
    })
}

fn holds(octets: &[u8]) {
    let file = DIRECTORY.with(|directory| directory.path().join("dump"));
    std::fs::write(&file, octets).expect("room for a dump");
    let rows: Result<Vec<_>, _> = dump::read(&file).and_then(Iterator::collect);
    match rows {
        Ok(rows) => {
            dump::write(&file, rows.into_iter().map(Ok)).expect("they can be written");
            let again = std::fs::read(&file).expect("just written");
            assert_eq!(again, octets, "{}", String::from_utf8_lossy(octets));
        }
        Err(error) => {
            let said = error.to_string();
            let place = format!("{}:", file.display());
            let line = said.strip_prefix(&place).and_then(|rest| rest.split(':').next());
            let line: usize = line.and_then(|line| line.parse().ok()).expect("a line");
            let lines = octets.split(|octet| *octet == b'\n').count();
            assert!((1..=lines + 1).contains(&line), "{said}");
        }
    }
}

thread_local! {
    static DIRECTORY: tempfile::TempDir = memory::directory();
}
