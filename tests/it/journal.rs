//! The journal before each engine: its bytes, and what a start makes of whole,
//! torn, damaged and missing ones.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tempfile::TempDir;
use truename::store::{self, Engine, Opened, Store, Write};

use crate::crash::Random;
use crate::daemon::until;
use crate::store::copy_all;

/// A record begins at a multiple of this.
const BLOCK: usize = 4096;

/// A journal that wraps around soon.
pub const SMALL: usize = 32 * BLOCK;

macro_rules! each_engine {
    ($($name:ident)*) => {
        mod sled {
            $(#[test] fn $name() { super::$name(super::Engine::Sled) })*
        }
        mod redb {
            $(#[test] fn $name() { super::$name(super::Engine::Redb) })*
        }
    };
}

each_engine! {
    a_record_has_the_bytes_that_are_written_down
    a_record_of_this_version_is_read
    a_record_that_the_engine_holds_already_is_not_read_again
    a_torn_last_record_was_acknowledged_to_nobody
    a_record_lost_before_others_is_told_loudly
    a_journal_that_is_gone_or_cut_is_told_loudly
    a_last_record_that_is_gone_is_told_loudly
    damage_is_never_read_as_if_it_were_right
    the_last_record_is_soon_of_no_consequence
    after_a_stop_the_journal_is_of_no_consequence
    after_a_stop_the_journal_heals_what_the_engine_lost
    what_came_after_the_last_stop_is_of_another_store
    a_journal_of_a_store_that_was_taken_away_is_not_read
    a_store_filled_from_a_dump_has_no_journal_of_another
    a_store_without_a_journal_gets_one
    a_small_journal_goes_round_and_round
    who_reads_meanwhile_sees_what_was_acknowledged
    a_migration_takes_what_stands_in_the_journal_along
}

fn put(key: &str, value: &str) -> Write {
    Write::Put(key.into(), value.into())
}

pub fn journal(engine: Engine, directory: &Path) -> PathBuf {
    match engine {
        Engine::Sled => directory.join("sled/journal"),
        Engine::Redb => directory.join("redb.journal"),
    }
}

fn ready(engine: Engine, directory: &Path) -> PathBuf {
    match engine {
        Engine::Sled => directory.join("sled/READY"),
        Engine::Redb => directory.join("redb.ready"),
    }
}

/// Gives a stopped store a journal that wraps around soon.
pub fn make_small(engine: Engine, directory: &Path) {
    fs::write(journal(engine, directory), vec![0; SMALL]).unwrap();
}

/// A record as `src/store/journal.rs` describes it.
fn record(revision: u64, rows: &[(&str, Option<&str>)]) -> Vec<u8> {
    let mut writes = Vec::new();
    for (key, value) in rows {
        writes.extend((key.len() as u16).to_le_bytes());
        writes.extend(value.map_or(u32::MAX, |value| value.len() as u32).to_le_bytes());
        writes.extend(key.bytes());
        writes.extend(value.unwrap_or_default().bytes());
    }
    let mut head = b"\xfftnjrn1\xfe".to_vec();
    head.extend(revision.to_le_bytes());
    head.extend((writes.len() as u32).to_le_bytes());
    let crc = crc32fast::hash(&[&head[..], &writes].concat());
    let mut record = [&head[..], &crc.to_le_bytes(), &writes].concat();
    record.resize(record.len().next_multiple_of(BLOCK), 0);
    record
}

/// A store that was killed: the engine is at group 2 with the rows `a` and
/// `b`, and these records stand in the journal, one behind the other.
fn killed(engine: Engine, records: &[Vec<u8>]) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let opened = open(engine, directory.path());
    opened.store.commit(&[put("a", "1"), put("b", "2")]).unwrap();
    drop(opened);
    let file = fs::File::options().write(true).open(journal(engine, directory.path())).unwrap();
    file.write_all_at(&records.concat(), 0).unwrap();
    let length = file.metadata().unwrap().len();
    let text = format!("revision 2\njournal {length}\n");
    fs::write(ready(engine, directory.path()), text).unwrap();
    directory
}

fn open(engine: Engine, directory: &Path) -> Opened {
    let opened = store::open(engine, directory).unwrap();
    assert_eq!(opened.warnings, Vec::<String>::new());
    assert!(!opened.restored);
    opened
}

/// What is there, as text.
fn seen(store: &dyn Store) -> String {
    let rows = store.rows("").map(|row| {
        let (key, value) = row.unwrap();
        let value = String::from_utf8(value).unwrap();
        if value.len() > 20 { format!("{key}={}", value.len()) } else { format!("{key}={value}") }
    });
    rows.collect::<Vec<_>>().join(" ")
}

/// Opens it, looks, commits, and looks again after a restart.
fn goes_on_with(engine: Engine, directory: &Path, rows: &str) {
    let opened = open(engine, directory);
    assert_eq!(seen(&*opened.store), rows);
    opened.store.commit(&[put("z", "new")]).unwrap();
    drop(opened);
    assert_eq!(seen(&*open(engine, directory).store), format!("{rows} z=new"));
}

/// Opens one that lost something: loud words, what is whole, and the word for
/// whoever raises the serials, which stays until they have.
fn loud(engine: Engine, directory: &Path, rows: &str, why: &str) {
    let opened = store::open(engine, directory).unwrap();
    let words = opened.warnings.join("\n");
    assert!(opened.restored && !opened.new, "{words}");
    for needed in ["THE JOURNAL IS BROKEN", why, "IS LOST until the hosts report again"] {
        assert!(words.contains(needed), "{needed} is not in: {words}");
    }
    let sorted = |rows: &str| {
        let mut rows: Vec<&str> = rows.split(' ').collect();
        rows.sort_unstable();
        rows.join(" ")
    };
    let and_old = sorted(&format!("{rows} {}=true", store::IMPORTED));
    assert_eq!(seen(&*opened.store), and_old);
    drop(opened);
    let opened = open(engine, directory);
    assert_eq!(seen(&*opened.store), and_old);
    opened.store.commit(&[Write::Delete(store::IMPORTED.into())]).unwrap();
    drop(opened);
    goes_on_with(engine, directory, rows);
}

fn aside(engine: Engine, directory: &Path) -> PathBuf {
    directory.join(format!("{engine}.broken-1.journal"))
}

const GROUP: [(&str, Option<&str>); 3] = [("a", None), ("host/é", Some("{}")), ("n", Some(""))];

/// What GROUP is as the third group of a store, but for the zeros behind it.
const BYTES: &[u8] = &[
    0xff, b't', b'n', b'j', b'r', b'n', b'1', 0xfe, 3, 0, 0, 0, 0, 0, 0, 0, 0x1d, 0, 0, 0, 0x84,
    0xc4, 0x0c, 0xd4, 1, 0, 0xff, 0xff, 0xff, 0xff, b'a', 7, 0, 2, 0, 0, 0, b'h', b'o', b's', b't',
    b'/', 0xc3, 0xa9, b'{', b'}', 1, 0, 0, 0, 0, 0, b'n',
];

fn a_record_has_the_bytes_that_are_written_down(engine: Engine) {
    assert_eq!(record(3, &GROUP)[..BYTES.len()], *BYTES);
    let directory = tempfile::tempdir().unwrap();
    let opened = open(engine, directory.path());
    opened.store.commit(&[put("a", "1")]).unwrap();
    let writes = GROUP.map(|(key, value)| match value {
        Some(value) => put(key, value),
        None => Write::Delete(key.into()),
    });
    opened.store.commit(&writes).unwrap();
    let bytes = fs::read(journal(engine, directory.path())).unwrap();
    assert_eq!(bytes.len(), 8 << 20);
    let there = bytes
        .windows(2 * BLOCK)
        .step_by(BLOCK)
        .position(|two| two == [record(2, &[("a", Some("1"))]), record(3, &GROUP)].concat());
    assert!(there.is_some(), "the records are not there");
}

fn a_record_of_this_version_is_read(engine: Engine) {
    let mut bytes = BYTES.to_vec();
    bytes.resize(BLOCK, 0);
    let directory = killed(engine, &[bytes, record(4, &[("b", Some("3")), ("c", Some("4"))])]);
    goes_on_with(engine, directory.path(), "b=3 c=4 host/é={} n=");

    // Anywhere in the ring, a long one too, and the next at its beginning.
    let long = "x".repeat(3 * BLOCK);
    let directory = killed(engine, &[record(4, &[("b", None)])]);
    let path = journal(engine, directory.path());
    let bytes = record(3, &[("c", Some(&long)), ("b", Some("3"))]);
    let end = fs::metadata(&path).unwrap().len() - bytes.len() as u64;
    fs::File::options().write(true).open(&path).unwrap().write_all_at(&bytes, end).unwrap();
    goes_on_with(engine, directory.path(), "a=1 c=12288");
}

fn a_record_that_the_engine_holds_already_is_not_read_again(engine: Engine) {
    let directory = killed(
        engine,
        &[
            record(2, &[("a", Some("old"))]),
            record(1, &[("b", Some("older"))]),
            record(3, &[("c", Some("3"))]),
        ],
    );
    goes_on_with(engine, directory.path(), "a=1 b=2 c=3");
}

fn a_torn_last_record_was_acknowledged_to_nobody(engine: Engine) {
    let long = record(4, &[("c", Some(&"x".repeat(2 * BLOCK))), ("a", Some("9"))]);
    for (start, end) in [(0, 512), (512, 1024), (BLOCK, 2 * BLOCK), (2 * BLOCK, 3 * BLOCK)] {
        let mut torn = long.clone();
        torn[start..end].fill(0);
        let directory = killed(engine, &[record(3, &[("b", Some("3"))]), torn]);
        goes_on_with(engine, directory.path(), "a=1 b=3");
        assert!(!aside(engine, directory.path()).exists());
    }
}

fn a_record_lost_before_others_is_told_loudly(engine: Engine) {
    let groups = |wrong: usize| -> TempDir {
        let mut records: Vec<Vec<u8>> = (3..=6)
            .map(|revision| record(revision, &[("c", Some(&revision.to_string()))]))
            .collect();
        records[wrong][30] ^= 1;
        killed(engine, &records)
    };
    let directory = groups(1);
    let was = fs::read(journal(engine, directory.path())).unwrap();
    let why = "group 4 is missing in it, and group 5 is there";
    loud(engine, directory.path(), "a=1 b=2 c=3", why);
    assert_eq!(fs::read(aside(engine, directory.path())).unwrap(), was);

    // Nothing at all of it can be used.
    let held = record(2, &[("b", Some("2"))]);
    let others = [4, 5].map(|n| record(n, &[("c", Some("x"))]));
    let [one, two] = &others;
    let directory = killed(engine, &[held, one.clone(), two.clone()]);
    loud(engine, directory.path(), "a=1 b=2", "group 3 is missing in it, and group 4 is there");

    // It was there once, for only what the engine has is written over: the
    // engine has lost its last groups.
    let rolled_back = "it begins with group 4, and the store ends with group 2";
    loud(engine, killed(engine, &others).path(), "a=1 b=2", rolled_back);

    // Where a stop said that the engine has them all, too.
    let directory = groups(1);
    fs::write(ready(engine, directory.path()), "revision 6\n").unwrap();
    loud(engine, directory.path(), "a=1 b=2 c=3", why);

    // And whoever wants to migrate is told to look at it first.
    let other = Engine::ALL.into_iter().find(|&e| e != engine).unwrap();
    let directory = groups(1);
    let error = store::migrate(directory.path(), engine, other).unwrap_err().to_string();
    assert!(error.contains("the journal of") && error.contains("start the server"), "{error}");
    loud(engine, directory.path(), "a=1 b=2 c=3", why);
}

fn a_journal_that_is_gone_or_cut_is_told_loudly(engine: Engine) {
    let records = [record(3, &[("b", Some("3"))]), record(4, &[("c", Some("4"))])];
    let directory = killed(engine, &records);
    fs::remove_file(journal(engine, directory.path())).unwrap();
    loud(engine, directory.path(), "a=1 b=2", "it is gone");

    let directory = killed(engine, &records);
    let file = fs::File::options().write(true).open(journal(engine, directory.path())).unwrap();
    file.set_len(BLOCK as u64).unwrap();
    loud(engine, directory.path(), "a=1 b=3", "it has 4096 bytes of 8388608");
    assert!(aside(engine, directory.path()).exists());
}

/// The record with which a start was content is gone at the next.
fn a_last_record_that_is_gone_is_told_loudly(engine: Engine) {
    let directory = killed(engine, &[record(3, &[("b", Some("3"))])]);
    let text = fs::read_to_string(ready(engine, directory.path())).unwrap();
    let text = text.replace("revision 2", "revision 4");
    fs::write(ready(engine, directory.path()), text).unwrap();
    let why = "it ends with group 3, and group 4 was acknowledged";
    loud(engine, directory.path(), "a=1 b=3", why);
}

/// Any damage in the middle of the journal: what is read is what was written
/// up to some group, and if not up to the last, that is said.
fn damage_is_never_read_as_if_it_were_right(engine: Engine) {
    let mut random = Random::new(23);
    let (mut harmless, mut noticed) = (0, 0);
    for _ in 0..12 {
        let records: Vec<Vec<u8>> = (3..=8)
            .map(|revision| {
                let value = "v".repeat(random.below(9000) as usize);
                record(revision, &[("c", Some(&revision.to_string())), ("big", Some(&value))])
            })
            .collect();
        let directory = killed(engine, &records);
        let path = journal(engine, directory.path());
        let mut bytes = fs::read(&path).unwrap();
        // The last record is left alone: damage there looks like a torn one.
        let end = records[..5].concat().len();
        let at = random.below(end as u64) as usize;
        match random.below(3) {
            0 => bytes[at] ^= 1 << random.below(8),
            1 => bytes[at..end].iter_mut().take(512).for_each(|byte| *byte = 0),
            _ => bytes[at..end].iter_mut().take(3000).for_each(|byte| *byte ^= 0x5a),
        }
        fs::write(&path, bytes).unwrap();
        let opened = store::open(engine, directory.path()).unwrap();
        let rows = seen(&*opened.store);
        if opened.restored {
            let rows = rows.replace(" meta/imported=true", "");
            let up_to = (2..8).any(|last: u64| match last {
                2 => rows == "a=1 b=2",
                last => rows.ends_with(&format!(" c={last}")),
            });
            assert!(up_to && !opened.warnings.is_empty(), "{rows}");
            noticed += 1;
        } else {
            assert!(rows.ends_with(" c=8"), "{rows}");
            harmless += 1;
        }
    }
    eprintln!("{engine}: damage was harmless {harmless} times and noticed {noticed} times");
    assert!(noticed > 0);
}

/// The one record whose damage nobody can tell from a torn write: a moment
/// after it was written the engine holds it, though nothing comes after it.
fn the_last_record_is_soon_of_no_consequence(engine: Engine) {
    let directory = tempfile::tempdir().unwrap();
    let opened = open(engine, directory.path());
    opened.store.commit(&[put("a", "1"), put("b", "2")]).unwrap();
    let seen_without = || {
        let copy = tempfile::tempdir().unwrap();
        copy_all(directory.path(), copy.path());
        let path = journal(engine, copy.path());
        let length = fs::metadata(&path).unwrap().len() as usize;
        fs::write(&path, vec![0; length]).unwrap();
        // A copy of files that are being written may be torn.
        let opened = store::open(engine, copy.path()).ok()?;
        (!opened.restored && seen(&*opened.store) == "a=1 b=2").then_some(())
    };
    until("the engine holds it", Duration::from_secs(60), seen_without);
}

fn after_a_stop_the_journal_is_of_no_consequence(engine: Engine) {
    let directory = tempfile::tempdir().unwrap();
    let opened = open(engine, directory.path());
    opened.store.commit(&[put("a", "1")]).unwrap();
    let running = fs::read_to_string(ready(engine, directory.path())).unwrap();
    assert_eq!(running, "revision 1\njournal 8388608\n");
    drop(opened);
    let stopped = fs::read_to_string(ready(engine, directory.path())).unwrap();
    assert_eq!(stopped, "revision 2\n");
    // A copy that was made without it, say.
    fs::remove_file(journal(engine, directory.path())).unwrap();
    goes_on_with(engine, directory.path(), "a=1");
}

/// What a stop knew to be in the engine is there, and if the engine has lost
/// it since, in the journal.
fn after_a_stop_the_journal_heals_what_the_engine_lost(engine: Engine) {
    let records = [record(3, &[("b", Some("3"))]), record(4, &[("c", Some("4"))])];
    let directory = killed(engine, &records);
    fs::write(ready(engine, directory.path()), "revision 4\n").unwrap();
    goes_on_with(engine, directory.path(), "a=1 b=3 c=4");
}

/// A backup of a stopped store put back beside a newer journal, an older
/// version that knew of no journal: these groups do not follow on those.
fn what_came_after_the_last_stop_is_of_another_store(engine: Engine) {
    for (kept, rows) in [(2, "a=1 b=2"), (3, "a=1 b=3")] {
        let records = [record(3, &[("b", Some("3"))]), record(4, &[("c", Some("4"))])];
        let directory = killed(engine, &records);
        fs::write(ready(engine, directory.path()), format!("revision {kept}\n")).unwrap();
        let was = fs::read(journal(engine, directory.path())).unwrap();
        let opened = store::open(engine, directory.path()).unwrap();
        assert!(!opened.restored && !opened.new);
        let words = opened.warnings.join("\n");
        let aside = aside(engine, directory.path());
        for needed in ["another store's", aside.to_str().unwrap()] {
            assert!(words.contains(needed), "{needed} is not in: {words}");
        }
        assert_eq!(seen(&*opened.store), rows);
        assert_eq!(fs::read(aside).unwrap(), was);
        drop(opened);
        goes_on_with(engine, directory.path(), rows);
    }
}

/// A dump is imported, or another engine's store migrated, where the journal
/// of a store that was renamed away still lies.
fn a_store_filled_from_a_dump_has_no_journal_of_another(engine: Engine) {
    let other = Engine::ALL.into_iter().find(|&e| e != engine).unwrap();
    let dump = tempfile::NamedTempFile::new().unwrap();
    let source = tempfile::tempdir().unwrap();
    open(other, source.path()).store.commit(&[put("x", "1")]).unwrap();
    store::dump::write(dump.path(), open(other, source.path()).store.rows("")).unwrap();

    let taken_away = || {
        let directory = killed(engine, &[4, 5, 6].map(|n| record(n, &[("b", Some("3"))])));
        fs::rename(ready(engine, directory.path()), directory.path().join("old.ready")).unwrap();
        directory
    };
    let directory = taken_away();
    store::import(engine, directory.path(), dump.path()).unwrap();
    let rows = format!("{}=true x=1", store::IMPORTED);
    goes_on_with(engine, directory.path(), &rows);

    let directory = taken_away();
    let opened = store::import(other, directory.path(), dump.path());
    assert_eq!(opened.unwrap(), 1);
    store::migrate(directory.path(), other, engine).unwrap();
    goes_on_with(engine, directory.path(), &rows);
}

fn a_journal_of_a_store_that_was_taken_away_is_not_read(engine: Engine) {
    let directory = killed(engine, &[record(3, &[("b", Some("3"))])]);
    let text = fs::read(journal(engine, directory.path())).unwrap();
    match engine {
        Engine::Sled => fs::remove_dir_all(directory.path().join("sled")).unwrap(),
        Engine::Redb => {
            fs::remove_file(directory.path().join("redb")).unwrap();
            fs::remove_file(directory.path().join("redb.ready")).unwrap();
        }
    }
    let opened = open(engine, directory.path());
    assert!(opened.new);
    opened.store.commit(&[put("x", "1")]).unwrap();
    drop(opened);
    goes_on_with(engine, directory.path(), "x=1");
    if engine == Engine::Redb {
        assert_eq!(fs::read(aside(engine, directory.path())).unwrap(), text);
    }
}

/// As an earlier version left it.
fn a_store_without_a_journal_gets_one(engine: Engine) {
    let directory = tempfile::tempdir().unwrap();
    let opened = open(engine, directory.path());
    opened.store.commit(&[put("a", "1")]).unwrap();
    drop(opened);
    let path = journal(engine, directory.path());
    fs::remove_file(&path).unwrap();
    let opened = open(engine, directory.path());
    assert_eq!(seen(&*opened.store), "a=1");
    assert_eq!(fs::metadata(&path).unwrap().len(), 8 << 20);
    drop(opened);
    goes_on_with(engine, directory.path(), "a=1");
}

/// Many laps, groups of every size, some longer than the ring.
fn a_small_journal_goes_round_and_round(engine: Engine) {
    let directory = tempfile::tempdir().unwrap();
    drop(open(engine, directory.path()));
    make_small(engine, directory.path());
    let mut random = Random::new(5);
    let mut model = std::collections::BTreeMap::new();
    let mut opened = open(engine, directory.path());
    let mut written = 0;
    for round in 0..400 {
        let group: Vec<Write> = (0..1 + random.below(8))
            .map(|_| {
                let key = format!("k/{}", random.below(60));
                let length = match random.below(200) {
                    0 => 2 * SMALL as u64,
                    1..=20 => random.below(30_000),
                    _ => random.below(300),
                };
                match random.below(5) {
                    0 => Write::Delete(key),
                    _ => Write::Put(key, vec![b'a' + random.below(26) as u8; length as usize]),
                }
            })
            .collect();
        opened.store.commit(&group).unwrap();
        for write in group {
            match write {
                Write::Put(key, value) => {
                    written += value.len();
                    model.insert(key, value);
                }
                Write::Delete(key) => drop(model.remove(&key)),
            }
        }
        if round % 60 == 59 {
            drop(opened);
            opened = open(engine, directory.path());
        }
        if round % 10 == 9 {
            let rows: std::collections::BTreeMap<_, _> =
                opened.store.rows("").map(Result::unwrap).collect();
            assert!(rows == model, "round {round}");
        }
    }
    assert_eq!(fs::metadata(journal(engine, directory.path())).unwrap().len(), SMALL as u64);
    assert!(written > 20 * SMALL, "{written} bytes are not many laps");
}

/// What the engine is given while somebody reads is neither missed nor seen
/// as it was before.
fn who_reads_meanwhile_sees_what_was_acknowledged(engine: Engine) {
    const ROWS: u64 = 8;
    let directory = tempfile::tempdir().unwrap();
    drop(open(engine, directory.path()));
    make_small(engine, directory.path());
    let opened = open(engine, directory.path());
    let acknowledged = AtomicU64::new(0);
    let store = &*opened.store;
    let group = |n: u64| -> Vec<Write> {
        (0..ROWS).map(|row| put(&format!("k/{row}"), &n.to_string())).collect()
    };
    store.commit(&group(0)).unwrap();
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for n in 1..=600 {
                store.commit(&group(n)).unwrap();
                acknowledged.store(n, Ordering::SeqCst);
            }
        });
        let mut reads = 0;
        while !writer.is_finished() || reads == 0 {
            let before = acknowledged.load(Ordering::SeqCst);
            let mut rows = 0;
            for row in store.rows("k/") {
                let (key, value) = row.unwrap();
                let there: u64 = String::from_utf8(value).unwrap().parse().unwrap();
                assert!(there >= before, "{key} is {there} after {before} was acknowledged");
                rows += 1;
            }
            assert_eq!(rows, ROWS);
            reads += 1;
        }
        eprintln!("{engine}: read {reads} times meanwhile");
    });
}

fn a_migration_takes_what_stands_in_the_journal_along(engine: Engine) {
    let other = Engine::ALL.into_iter().find(|&e| e != engine).unwrap();
    let directory = killed(engine, &[record(3, &[("b", Some("3")), ("c", Some("4"))])]);
    store::migrate(directory.path(), engine, other).unwrap();
    goes_on_with(other, directory.path(), "a=1 b=3 c=4");
    // And back: neither finds the other's journal, nor its own old one.
    store::migrate(directory.path(), other, engine).unwrap();
    let opened = open(engine, directory.path());
    assert_eq!(seen(&*opened.store), "a=1 b=3 c=4 z=new");
}
