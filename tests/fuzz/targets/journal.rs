//! The journal at rest: whatever befell its ring, a start comes to the rows as
//! they were after some group that was written whole, says loudly where a
//! later one is missing, and goes on.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use truename::store::{Engine, Opened, Write, open};

use super::{Target, memory};
use crate::dice::Dice;

pub const TARGET: Target =
    Target { name: "journal", holds, seeds, mutate, longest: 512, rounds: 20 };

/// A record begins at a multiple of this.
const BLOCK: usize = 4096;

/// What stands before the writes of a record.
const HEAD: usize = 24;

/// The group with which the engine was left.
const HELD: u64 = 2;

const KEYS: [&str; 6] = ["a", "b", "c", "host/home.example", "host/größe", "zone/example"];

type Rows = BTreeMap<String, String>;

/// What an input says: an octet for each choice, and zeros behind its end.
struct Said<'a>(&'a [u8]);

impl Said<'_> {
    fn octet(&mut self) -> usize {
        let Some((&first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        first.into()
    }

    fn below(&mut self, most: usize) -> usize {
        (self.octet() << 8 | self.octet()) % most.max(1)
    }
}

/// One octet for each: the engine, what the start before wrote down, how long
/// the ring is, where the first group stands. Then what was written and what
/// befell it.
fn seeds() -> Vec<Vec<u8>> {
    let group = |value: &[u8]| [&[0, 1, 0], value, &[3, 0]].concat();
    let [gone, word, long] = [&[0][..], b"\x01x\x05", b"\x02y\x02\x10"].map(group);
    let damage = [3, 0, 0, 40, 0, 0];
    let mut seeds = Vec::new();
    for engine in [0, 1] {
        let start = [engine, 0, 0, 3];
        for said in [
            [&word[..], &word].concat(),
            [&word[..], &long, &gone].concat(),
            [&word[..], &long, &word, &damage].concat(),
            [&word[..], &long, &word, &[3, 1, 32, 0, 1, 255]].concat(),
            [&word[..], &word, &[2, 1, 5], &word].concat(),
            [&word[..], &[4, 1, 0, 4]].concat(),
            [&word[..], &[5, 3, 9, 1, 0, 255, 255, 255, 255, b'a', 0, 0]].concat(),
            [&word[..], &[6, 0, 30]].concat(),
        ] {
            seeds.push([&start[..], &said].concat());
        }
    }
    // It wraps around; the last start knew more than is there.
    seeds.push([&[0, 0, 0, 14][..], &long, &long, &word].concat());
    seeds.push([&[1, 9, 3, 14][..], &long, &long, &word].concat());
    seeds
}

fn mutate(octets: &mut Vec<u8>, dice: &mut Dice) {
    for _ in 0..=dice.roll(3) {
        let at = dice.roll(octets.len() + 1);
        match dice.roll(6) {
            0 => octets.truncate(at),
            1 => octets.insert(at, dice.roll(8) as u8),
            2 => octets.insert(at, dice.roll(256) as u8),
            // A damage, a forgery.
            3 => octets.extend(
                [3, dice.roll(9), dice.roll(33), dice.roll(256), dice.roll(5), 0, 9]
                    .map(|n| n as u8),
            ),
            4 => octets.extend(
                [5, dice.roll(8), 4, dice.roll(3), 0, 255, 255, 255, 255, 98].map(|n| n as u8),
            ),
            _ if at < octets.len() => octets[at] = dice.roll(256) as u8,
            _ => octets.extend([0, 1, dice.roll(6), 1, 97, 3].map(|n| n as u8)),
        }
    }
}

/// A record as `src/store/journal.rs` describes it.
fn record(revision: u64, writes: &[u8]) -> Vec<u8> {
    let mut head = b"\xfftnjrn1\xfe".to_vec();
    head.extend(revision.to_le_bytes());
    head.extend((writes.len() as u32).to_le_bytes());
    let crc = crc32fast::hash(&[&head[..], writes].concat());
    let mut record = [&head[..], &crc.to_le_bytes(), writes].concat();
    record.resize(record.len().next_multiple_of(BLOCK), 0);
    record
}

/// A ring, and what is known of it.
struct Ring {
    octets: Vec<u8>,
    /// Where the next group goes.
    next: usize,
    /// How much room there is without overwriting the first group.
    room: usize,
    /// Each group as it was written, where it stands, the rows after it.
    groups: Vec<(Vec<u8>, usize, Rows)>,
    /// There are records that no group made, or a record is there twice.
    is_forged: bool,
}

impl Ring {
    fn read(blocks: usize, first: usize, said: &mut Said<'_>) -> Ring {
        let octets = vec![0; blocks * BLOCK];
        let (next, room) = ((first % blocks) * BLOCK, octets.len());
        let mut ring = Ring { octets, next, room, groups: Vec::new(), is_forged: false };
        while !said.0.is_empty() {
            match said.octet() % 7 {
                0 | 1 => ring.group(said),
                2 => {
                    // Of long ago, at a place that is free.
                    let old = record(said.octet() as u64 % (HELD + 1), b"\x01\0\x01\0\0\0aZ");
                    let at = said.below(blocks) * BLOCK;
                    if ring.octets[at..at + BLOCK].iter().all(|octet| *octet == 0) {
                        ring.octets[at..at + BLOCK].copy_from_slice(&old);
                    }
                }
                3 => ring.damage(said),
                4 => {
                    // Written in a wrong place.
                    let (from, to) = (said.octet(), said.below(blocks) * BLOCK);
                    if let Some((record, ..)) = ring.groups.get(from % ring.groups.len().max(1)) {
                        let length = record.len().min(ring.octets.len() - to);
                        let record = record[..length].to_vec();
                        ring.octets[to..to + length].copy_from_slice(&record);
                        ring.is_forged = true;
                    }
                }
                5 => {
                    let revision = match said.octet() as u64 {
                        near @ 0..128 => near,
                        far => u64::MAX - (far - 128),
                    };
                    let at = said.below(blocks) * BLOCK;
                    let (writes, rest) = said.0.split_at(said.0.len().min(64));
                    said.0 = rest;
                    ring.octets[at..at + BLOCK].copy_from_slice(&record(revision, writes));
                    ring.is_forged = true;
                }
                _ => {
                    let length = said.below(ring.octets.len());
                    ring.octets.truncate(ring.octets.len() - length);
                    return ring;
                }
            }
        }
        ring
    }

    fn group(&mut self, said: &mut Said<'_>) {
        let mut rows = self.groups.last().map_or_else(held, |(.., rows)| rows.clone());
        let mut plan = BTreeMap::new();
        for _ in 0..1 + said.octet() % 3 {
            let key = KEYS[said.octet() % KEYS.len()];
            let letter =
                |said: &mut Said<'_>| char::from(b'a' + said.octet() as u8 % 26).to_string();
            let value = match said.octet() % 4 {
                0 => None,
                1 => Some(letter(said).repeat(said.octet())),
                2 => Some(letter(said).repeat(said.octet() % 3 * BLOCK + said.octet() * 16)),
                _ => Some(format!("\"{}\\u00ffé\"", letter(said))),
            };
            plan.insert(key, value);
        }
        let mut writes = Vec::new();
        for (key, value) in plan {
            let length = value.as_ref().map_or(u32::MAX, |value| value.len() as u32);
            writes.extend((key.len() as u16).to_le_bytes());
            writes.extend(length.to_le_bytes());
            writes.extend(key.bytes());
            writes.extend(value.iter().flat_map(|value| value.bytes()));
            match value {
                Some(value) => drop(rows.insert(key.into(), value)),
                None => drop(rows.remove(key)),
            }
        }
        let record = record(HELD + 1 + self.groups.len() as u64, &writes);
        let left = self.octets.len() - self.next;
        let skipped = if record.len() > left { left } else { 0 };
        let Some(room) = self.room.checked_sub(skipped + record.len()) else { return };
        let at = (self.next + skipped) % self.octets.len();
        self.octets[at..at + record.len()].copy_from_slice(&record);
        (self.room, self.next) = (room, (at + record.len()) % self.octets.len());
        self.groups.push((record, at, rows));
    }

    fn damage(&mut self, said: &mut Said<'_>) {
        let which = said.octet();
        let (at, length) = match self.groups.get(which % self.groups.len().max(1)) {
            Some((record, at, _)) => (at + said.below(record.len()), 1 + said.octet() * 16),
            None => (said.below(self.octets.len()), 1 + said.octet() * 16),
        };
        let end = (at + length).min(self.octets.len());
        match said.octet() % 4 {
            0 => self.octets[at] ^= 1 << (said.octet() % 8),
            1 => self.octets[at..end].fill(0),
            2 => self.octets[at..end].fill(0xff),
            _ => {
                let from = said.below(self.octets.len() - (end - at));
                self.octets.copy_within(from..from + (end - at), at);
                // It may be the beginning of another record.
                self.is_forged = true;
            }
        }
    }

    /// The groups that stand as they were written.
    fn whole(&self) -> impl Iterator<Item = u64> {
        let groups = (HELD + 1..).zip(&self.groups);
        groups.filter_map(|(revision, (record, at, _))| {
            // The zeros behind its writes say nothing.
            let end = HEAD + u32::from_le_bytes(*record[16..].first_chunk()?) as usize;
            let there = self.octets.get(*at..at + end.max(BLOCK))?;
            (there[..end] == record[..end]).then_some(revision)
        })
    }
}

/// The rows at group 2.
fn held() -> Rows {
    [("a", "1"), ("b", "2")].map(|(key, value)| (key.to_owned(), value.to_owned())).into()
}

/// Files of a store that was stopped at group 2.
type Files = Vec<(PathBuf, Vec<u8>)>;

static STORES: LazyLock<[Files; 2]> = LazyLock::new(|| {
    Engine::ALL.map(|engine| {
        let directory = memory::directory();
        let opened = open(engine, directory.path()).expect("a new store");
        let group = held().into_iter().map(|(key, value)| Write::Put(key, value.into_bytes()));
        opened.store.commit(&group.collect::<Vec<_>>()).expect("room for it");
        drop(opened);
        let mut files = Files::new();
        collect(directory.path(), Path::new(""), &mut files);
        files.retain(|(path, _)| !path.ends_with("ballast") && !path.ends_with("lock"));
        files
    })
});

fn collect(root: &Path, below: &Path, files: &mut Files) {
    for entry in fs::read_dir(root.join(below)).expect("it is there") {
        let path = below.join(entry.expect("it can be read").file_name());
        match root.join(&path).is_dir() {
            true => collect(root, &path, files),
            false => {
                let octets = fs::read(root.join(&path)).expect("it can be read");
                files.push((path, octets));
            }
        }
    }
}

fn seen(opened: &Opened) -> Rows {
    let rows = opened.store.rows("").map(|row| row.expect("it can be read"));
    rows.map(|(key, value)| (key, String::from_utf8(value).expect("it is text"))).collect()
}

fn holds(octets: &[u8]) {
    let mut said = Said(octets);
    let which = said.octet() % 2;
    let (engine, before) = (Engine::ALL[which], said.octet());
    let blocks = 16 + said.octet() % 16;
    let first = said.octet();
    let ring = Ring::read(blocks, first, &mut said);
    let shown = || format!("{engine}: {octets:02x?}");

    let directory = memory::directory();
    let (journal, ready) = match engine {
        Engine::Sled => ("sled/journal", "sled/READY"),
        Engine::Redb => ("redb.journal", "redb.ready"),
    };
    for (path, octets) in &STORES[which] {
        let path = directory.path().join(path);
        fs::create_dir_all(path.parent().expect("it is in a directory")).expect("room for it");
        fs::write(path, octets).expect("room for it");
    }
    // No room is kept free for a start: that would take most of the time.
    fs::create_dir(directory.path().join("ballast")).expect("room for it");
    fs::write(directory.path().join(journal), &ring.octets).expect("room for a ring");
    // The start before found some of the groups.
    let known = HELD + (before % 8).min(ring.groups.len()) as u64;
    let length = blocks * BLOCK;
    fs::write(directory.path().join(ready), format!("revision {known}\njournal {length}\n"))
        .expect("room for a line");

    let opened = open(engine, directory.path()).unwrap_or_else(|e| panic!("{e}: {}", shown()));
    let mut rows = seen(&opened);
    // Serials are to be raised, until somebody has done so.
    let mark = rows.remove_entry("meta/imported");
    assert_eq!(mark.is_some(), opened.restored, "{}", shown());
    let said = opened.warnings.join("\n");
    let is_loud = said.contains("THE JOURNAL IS BROKEN") && said.contains("IS LOST until");
    assert_eq!(opened.restored, is_loud, "{said}: {}", shown());
    assert!(!opened.new && (opened.restored || said.is_empty()), "{said}: {}", shown());
    if !ring.is_forged {
        let whole: Vec<u64> = ring.whole().collect();
        // Up to the first that is not whole, and not a row of those behind.
        let last = (HELD + 1..).zip(&whole).take_while(|(n, there)| n == *there).count();
        let expected = match last {
            0 => &held(),
            last => &ring.groups[last - 1].2,
        };
        assert_eq!(&rows, expected, "{}", shown());
        let last = HELD + last as u64;
        let is_lost = last < known || whole.iter().any(|there| *there > last);
        let is_cut = ring.octets.len() != length;
        assert_eq!(opened.restored, is_lost || is_cut, "up to {last}: {said}: {}", shown());
    }
    let group = [Write::Put("z".into(), b"new".to_vec()), Write::Delete("a".into())];
    opened.store.commit(&group).expect("room for a group");
    drop(opened);
    rows.insert("z".into(), "new".into());
    rows.remove("a");
    rows.extend(mark);
    let again = open(engine, directory.path()).unwrap_or_else(|e| panic!("{e}: {}", shown()));
    assert_eq!((seen(&again), again.restored), (rows, false), "{}", shown());
    assert_eq!(again.warnings, Vec::<String>::new(), "{}", shown());
}
