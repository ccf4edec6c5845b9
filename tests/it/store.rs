//! One battery for every engine: what a store keeps, and what it says when it
//! cannot.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use tempfile::TempDir;
use truename::store::{
    self, Engine, MAX_KEY, MAX_VALUE, Opened, Row, Store, StoreError, Write, dump,
};

/// Every test below, once for each engine.
macro_rules! battery {
    ($($name:ident)*) => {
        mod sled {
            $(#[test] fn $name() { super::$name(super::Engine::Sled) })*
        }
        mod redb {
            $(#[test] fn $name() { super::$name(super::Engine::Redb) })*
        }
    };
}

battery! {
    the_first_start_is_new_and_the_second_is_not
    rows_come_in_the_order_of_their_bytes
    a_prefix_gives_its_rows_and_no_others
    a_group_puts_and_deletes
    the_last_write_to_a_key_counts
    an_empty_group_is_nothing
    what_a_dump_cannot_hold_is_refused_as_a_whole_group
    long_values_come_back
    a_long_value_leaves_nothing_behind
    many_rows_survive_a_restart
    a_large_group_is_one_group
    a_random_history_reads_like_a_map
    a_second_owner_is_told_so
    only_the_owner_reads_the_files
    a_store_that_is_gone_is_not_a_new_one
    an_older_copy_is_noticed
    a_store_of_another_engine_is_not_overlooked
    a_dump_makes_the_same_store
    an_import_replaces_nothing
    a_migration_moves_every_row
}

fn put(key: &str, value: &str) -> Write {
    Write::Put(key.into(), value.into())
}

fn delete(key: &str) -> Write {
    Write::Delete(key.into())
}

fn open(engine: Engine, directory: &TempDir) -> Opened {
    let opened = store::open(engine, directory.path()).unwrap();
    assert_eq!(opened.warnings, Vec::<String>::new());
    opened
}

/// Everything, or what begins with a prefix, as text: `key=value key=value`.
fn seen(store: &dyn Store, prefix: &str) -> String {
    let rows: Vec<String> = rows(store, prefix)
        .into_iter()
        .map(|(key, value)| format!("{key}={}", String::from_utf8(value).unwrap()))
        .collect();
    rows.join(" ")
}

fn rows(store: &dyn Store, prefix: &str) -> Vec<Row> {
    store.rows(prefix).collect::<Result<_, _>>().unwrap()
}

fn temporary() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn the_first_start_is_new_and_the_second_is_not(engine: Engine) {
    let directory = temporary();
    let first = open(engine, &directory);
    assert!(first.new);
    assert!(!first.restored);
    assert_eq!(seen(&*first.store, ""), "");
    drop(first);
    let second = open(engine, &directory);
    assert!(!second.new, "a store that was handed out empty is still not new");
    second.store.commit(&[put("a", "1")]).unwrap();
    drop(second);
    let third = open(engine, &directory);
    assert!(!third.new);
    assert_eq!(seen(&*third.store, ""), "a=1");
}

fn rows_come_in_the_order_of_their_bytes(engine: Engine) {
    let directory = temporary();
    let Opened { store, .. } = open(engine, &directory);
    let group = ["b", "a", "é", "B", "a/b", "a-", "aa", "~"].map(|key| put(key, "x"));
    store.commit(&group).unwrap();
    let keys: Vec<String> = rows(&*store, "").into_iter().map(|(key, _)| key).collect();
    assert_eq!(keys, ["B", "a", "a-", "a/b", "aa", "b", "~", "é"]);
}

fn a_prefix_gives_its_rows_and_no_others(engine: Engine) {
    let directory = temporary();
    let Opened { store, .. } = open(engine, &directory);
    let group = ["due/1", "host/a", "host/b", "host", "hosts/c", "key/1"].map(|key| put(key, "x"));
    store.commit(&group).unwrap();
    assert_eq!(seen(&*store, "host/"), "host/a=x host/b=x");
    assert_eq!(seen(&*store, "host"), "host=x host/a=x host/b=x hosts/c=x");
    assert_eq!(seen(&*store, "zone/"), "");
    assert_eq!(rows(&*store, "").len(), 6);
}

fn a_group_puts_and_deletes(engine: Engine) {
    let directory = temporary();
    let Opened { store, .. } = open(engine, &directory);
    store.commit(&[put("a", "1"), put("b", "2"), put("c", "3")]).unwrap();
    store.commit(&[delete("a"), put("b", "two"), put("d", ""), delete("never")]).unwrap();
    assert_eq!(seen(&*store, ""), "b=two c=3 d=");
    drop(store);
    assert_eq!(seen(&*open(engine, &directory).store, ""), "b=two c=3 d=");
}

fn the_last_write_to_a_key_counts(engine: Engine) {
    let directory = temporary();
    let Opened { store, .. } = open(engine, &directory);
    store.commit(&[put("a", "1"), delete("a"), put("b", "1"), put("b", "2")]).unwrap();
    store.commit(&[delete("c"), put("c", "3"), put("b", "3"), delete("b")]).unwrap();
    assert_eq!(seen(&*store, ""), "c=3");
    drop(store);
    // The count of rows is checked here, too.
    assert_eq!(seen(&*open(engine, &directory).store, ""), "c=3");
}

fn an_empty_group_is_nothing(engine: Engine) {
    let directory = temporary();
    let Opened { store, .. } = open(engine, &directory);
    store.commit(&[]).unwrap();
    assert_eq!(seen(&*store, ""), "");
}

fn what_a_dump_cannot_hold_is_refused_as_a_whole_group(engine: Engine) {
    let directory = temporary();
    let Opened { store, .. } = open(engine, &directory);
    let bad = [
        put("", "x"),
        put(&"k".repeat(MAX_KEY + 1), "x"),
        put("a\tb", "x"),
        put("a\nb", "x"),
        put("\0tally", "7 7"),
        delete("\0tally"),
        put("a", "two\nlines"),
        put("a", "a\ttab"),
        Write::Put("a".into(), vec![0xff]),
        Write::Put("a".into(), vec![b'x'; MAX_VALUE + 1]),
    ];
    for write in bad {
        let refused = store.commit(&[put("good", "x"), write]);
        assert!(matches!(refused, Err(StoreError::Broken(_))), "{refused:?}");
    }
    assert_eq!(seen(&*store, ""), "");
    store.commit(&[put(&"k".repeat(MAX_KEY), "x")]).unwrap();
    drop(store);
    assert_eq!(rows(&*open(engine, &directory).store, "").len(), 1);
}

fn long_values_come_back(engine: Engine) {
    let directory = temporary();
    let Opened { store, .. } = open(engine, &directory);
    // Around the length at which sled's rows are split, and far beyond.
    let lengths = [0, 1, 4095, 4096, 4097, 8191, 8192, 8193, 70_000, MAX_VALUE];
    let value = |length: usize| -> Vec<u8> { (0..length).map(|i| b'a' + (i % 23) as u8).collect() };
    let group: Vec<Write> =
        lengths.iter().map(|&n| Write::Put(format!("v/{n:07}"), value(n))).collect();
    store.commit(&group).unwrap();
    // A key that continues another one, between the rows of its parts.
    store.commit(&[put("v/0008193 ", "after"), put("v/0008193!", "later")]).unwrap();
    let check = |store: &dyn Store| {
        for n in lengths {
            let found = rows(store, &format!("v/{n:07}"));
            assert_eq!(found[0], (format!("v/{n:07}"), value(n)), "{n} bytes");
        }
        assert_eq!(rows(store, "").len(), lengths.len() + 2);
    };
    check(&*store);
    drop(store);
    check(&*open(engine, &directory).store);
    if engine == Engine::Sled {
        let blobs = fs::read_dir(directory.path().join("sled/blobs")).unwrap().count();
        assert_eq!(blobs, 0, "blobs are not durable");
    }
}

fn a_long_value_leaves_nothing_behind(engine: Engine) {
    let directory = temporary();
    let Opened { store, .. } = open(engine, &directory);
    for length in [100_000, 5_000, 4_096, 50_000, 3] {
        store.commit(&[Write::Put("a".into(), vec![b'x'; length])]).unwrap();
        assert_eq!(rows(&*store, ""), [("a".into(), vec![b'x'; length])]);
    }
    store.commit(&[Write::Put("a".into(), vec![b'x'; 100_000])]).unwrap();
    store.commit(&[delete("a")]).unwrap();
    assert_eq!(rows(&*store, ""), []);
    store.commit(&[put("a", "short")]).unwrap();
    drop(store);
    assert_eq!(seen(&*open(engine, &directory).store, ""), "a=short");
}

fn many_rows_survive_a_restart(engine: Engine) {
    let directory = temporary();
    let Opened { store, .. } = open(engine, &directory);
    for hundred in 0..100 {
        let group: Vec<Write> = (0..100)
            .map(|i| put(&format!("host/{:05}", i * 100 + hundred), &"value ".repeat(20)))
            .collect();
        store.commit(&group).unwrap();
    }
    for hundred in 0..50 {
        let group: Vec<Write> =
            (0..100).map(|i| delete(&format!("host/{:05}", i * 100 + hundred))).collect();
        store.commit(&group).unwrap();
    }
    drop(store);
    let Opened { store, .. } = open(engine, &directory);
    let keys: Vec<String> = rows(&*store, "").into_iter().map(|(key, _)| key).collect();
    let expected: Vec<String> = (0..100)
        .flat_map(|i| (50..100).map(move |hundred| format!("host/{:05}", i * 100 + hundred)))
        .collect();
    assert_eq!(keys, expected);
}

fn a_large_group_is_one_group(engine: Engine) {
    let directory = temporary();
    let Opened { store, .. } = open(engine, &directory);
    let group: Vec<Write> =
        (0..20_000).map(|i| put(&format!("{i:06}"), &"x".repeat(200))).collect();
    store.commit(&group).unwrap();
    assert_eq!(rows(&*store, "").len(), 20_000);
    drop(store);
    let Opened { store, .. } = open(engine, &directory);
    assert_eq!(rows(&*store, "").len(), 20_000);
    let group: Vec<Write> = (0..20_000).map(|i| delete(&format!("{i:06}"))).collect();
    store.commit(&group).unwrap();
    drop(store);
    assert_eq!(rows(&*open(engine, &directory).store, "").len(), 0);
}

/// Random groups and restarts against a map.
fn a_random_history_reads_like_a_map(engine: Engine) {
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    let mut below = move |n: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random % n
    };
    let directory = temporary();
    let mut opened = open(engine, &directory);
    let mut model = BTreeMap::new();
    for round in 0..300 {
        let group: Vec<Write> = (0..below(30))
            .map(|_| {
                let key = format!("k/{}", below(200));
                if below(3) == 0 {
                    Write::Delete(key)
                } else {
                    let length = if below(40) == 0 { below(20_000) } else { below(60) };
                    Write::Put(key, vec![b'a' + below(26) as u8; length as usize])
                }
            })
            .collect();
        opened.store.commit(&group).unwrap();
        for write in group {
            match write {
                Write::Put(key, value) => drop(model.insert(key, value)),
                Write::Delete(key) => drop(model.remove(&key)),
            }
        }
        if round % 20 == 19 {
            drop(opened);
            opened = open(engine, &directory);
        }
        if round % 5 == 4 {
            let model: Vec<Row> = model.clone().into_iter().collect();
            assert_eq!(rows(&*opened.store, ""), model, "after round {round}");
        }
    }
}

fn a_second_owner_is_told_so(engine: Engine) {
    let directory = temporary();
    let first = open(engine, &directory);
    for other in Engine::ALL {
        let second = store::open(other, directory.path()).unwrap_err();
        assert!(matches!(&second, StoreError::Locked(path) if path == directory.path()));
        assert!(second.to_string().contains("in use by another truename; stop that one first"));
    }
    drop(first);
    assert!(!open(engine, &directory).new);
}

fn only_the_owner_reads_the_files(engine: Engine) {
    use std::os::unix::fs::MetadataExt;
    fn look(path: &Path, seen: &mut Vec<String>) {
        let mode = fs::metadata(path).unwrap().mode() & 0o777;
        let wanted = if path.is_dir() { 0o700 } else { 0o600 };
        if mode != wanted && !path.ends_with("blobs") {
            seen.push(format!("{}: {mode:o}", path.display()));
        }
        if path.is_dir() {
            for entry in fs::read_dir(path).unwrap() {
                look(&entry.unwrap().path(), seen);
            }
        }
    }
    let outer = temporary();
    let directory = outer.path().join("made/by/us");
    let opened = store::open(engine, &directory).unwrap();
    opened.store.commit(&[put("a", "1")]).unwrap();
    dump::write(&directory.join(dump::DUMP_FILE), opened.store.rows("")).unwrap();
    drop(opened);
    let mut open_to_others = Vec::new();
    look(&directory, &mut open_to_others);
    assert_eq!(open_to_others, Vec::<String>::new());
}

/// Removes the rows, but not what says that there were some.
fn lose(engine: Engine, directory: &Path) {
    match engine {
        Engine::Sled => {
            for entry in fs::read_dir(directory.join("sled")).unwrap() {
                let path = entry.unwrap().path();
                if path.is_file() && !path.ends_with("READY") {
                    fs::remove_file(path).unwrap();
                }
            }
        }
        Engine::Redb => fs::remove_file(directory.join("redb")).unwrap(),
    }
}

fn a_store_that_is_gone_is_not_a_new_one(engine: Engine) {
    let directory = temporary();
    let opened = open(engine, &directory);
    opened.store.commit(&[put("a", "1")]).unwrap();
    drop(opened);
    lose(engine, directory.path());
    let error = store::open(engine, directory.path()).unwrap_err().to_string();
    assert!(error.contains("is broken") && error.contains("no dump to start from"), "{error}");
    assert!(error.contains("put a backup"), "{error}");
    // And it stays so.
    store::open(engine, directory.path()).unwrap_err();
}

/// Copies a file, or a directory with all that is in it.
pub fn copy_all(from: &Path, to: &Path) {
    if from.is_dir() {
        fs::create_dir_all(to).unwrap();
        for entry in fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            copy_all(&entry.path(), &to.join(entry.file_name()));
        }
    } else {
        fs::copy(from, to).unwrap();
    }
}

fn an_older_copy_is_noticed(engine: Engine) {
    let directory = temporary();
    let opened = open(engine, &directory);
    opened.store.commit(&[put("a", "1")]).unwrap();
    drop(opened);
    let kept = temporary();
    copy_all(directory.path(), kept.path());
    let opened = open(engine, &directory);
    opened.store.commit(&[put("a", "2")]).unwrap();
    drop(opened);
    // The files of the engine as they were, with the word of what came after.
    let ready = match engine {
        Engine::Sled => "sled/READY",
        Engine::Redb => "redb.ready",
    };
    fs::copy(directory.path().join(ready), kept.path().join(ready)).unwrap();
    let error = store::open(engine, kept.path()).unwrap_err().to_string();
    assert!(error.contains("it ends with group 2, and group 3 was acknowledged"), "{error}");
}

fn a_store_of_another_engine_is_not_overlooked(engine: Engine) {
    let other = Engine::ALL.into_iter().find(|&e| e != engine).unwrap();
    let directory = temporary();
    drop(open(engine, &directory));
    let error = store::open(other, directory.path()).unwrap_err().to_string();
    assert!(
        error.contains(&format!("has a store of {engine}, and {other} is asked for")),
        "{error}"
    );
    assert!(error.contains("truename migrate"), "{error}");
}

fn a_dump_makes_the_same_store(engine: Engine) {
    let directory = temporary();
    let Opened { store, .. } = open(engine, &directory);
    let group: Vec<Write> = (0..5_000)
        .map(|i| put(&format!("k/{i:05}"), &format!("{{\"n\":{i},\"ä\":\"€\"}}")))
        .collect();
    store.commit(&group).unwrap();
    store.commit(&[put("long", &"x".repeat(300_000))]).unwrap();
    let before = rows(&*store, "");
    let file = directory.path().join("out.dump");
    assert_eq!(dump::write(&file, store.rows("")).unwrap(), 5_001);
    for other in Engine::ALL {
        let fresh = temporary();
        assert_eq!(store::import(other, fresh.path(), &file).unwrap(), 5_001);
        let opened = open(other, &fresh);
        assert!(!opened.new && !opened.restored);
        // And the word for the registry that its serials may be old.
        opened.store.commit(&[delete(store::IMPORTED)]).unwrap();
        assert_eq!(rows(&*opened.store, ""), before);
    }
}

fn an_import_replaces_nothing(engine: Engine) {
    let directory = temporary();
    let file = directory.path().join("in.dump");
    dump::write(&file, [Ok(("b".into(), b"2".to_vec()))].into_iter()).unwrap();
    let opened = open(engine, &directory);
    opened.store.commit(&[put("a", "1")]).unwrap();
    let locked = store::import(engine, directory.path(), &file).unwrap_err();
    assert!(matches!(locked, StoreError::Locked(_)));
    drop(opened);
    for other in Engine::ALL {
        let error = store::import(other, directory.path(), &file).unwrap_err().to_string();
        assert!(error.contains("has a store"), "{error}");
    }
    assert_eq!(seen(&*open(engine, &directory).store, ""), "a=1");

    // A torn dump leaves nothing behind that would count as a store.
    let fresh = temporary();
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, &text[..text.len() - 4]).unwrap();
    store::import(engine, fresh.path(), &file).unwrap_err();
    assert!(open(engine, &fresh).new);
}

fn a_migration_moves_every_row(engine: Engine) {
    let other = Engine::ALL.into_iter().find(|&e| e != engine).unwrap();
    let directory = temporary();
    let opened = open(engine, &directory);
    let group: Vec<Write> = (0..3_000).map(|i| put(&format!("{i:05}"), "x")).collect();
    opened.store.commit(&group).unwrap();
    let before = rows(&*opened.store, "");
    let locked = store::migrate(directory.path(), engine, other).unwrap_err();
    assert!(matches!(locked, StoreError::Locked(_)));
    drop(opened);
    assert!(store::migrate(directory.path(), other, engine).is_err());
    assert!(store::migrate(directory.path(), engine, engine).is_err());

    let moved = store::migrate(directory.path(), engine, other).unwrap();
    assert_eq!(moved.rows, 3_000);
    assert_eq!(moved.old, directory.path().join(format!("{engine}.migrated-1")));
    assert!(moved.old.exists());
    let opened = open(other, &directory);
    assert!(!opened.new && !opened.restored);
    assert_eq!(rows(&*opened.store, ""), before);
    drop(opened);

    // There and back again.
    store::migrate(directory.path(), other, engine).unwrap();
    assert_eq!(rows(&*open(engine, &directory).store, ""), before);
}

/// A dump that was cut, edited or garbled is told from a whole one, by file
/// and line.
#[test]
fn a_wrong_dump_is_refused_with_its_line() {
    let directory = temporary();
    let file = directory.path().join("d");
    let good = "# truename dump 1\na\t1\nb\t{\"x\":2}\n# end 2 rows crc32 ";
    let rows = [("a", "1"), ("b", "{\"x\":2}")]
        .map(|(key, value)| Ok((key.to_string(), value.as_bytes().to_vec())));
    assert_eq!(dump::write(&file, rows.into_iter()).unwrap(), 2);
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.starts_with(good), "{text}");
    let end = &text[text.len() - 9..text.len() - 1];

    let read = |text: &[u8]| -> String {
        fs::write(&file, text).unwrap();
        match dump::read(&file).and_then(Iterator::collect::<Result<Vec<Row>, _>>) {
            Ok(rows) => format!("{} rows", rows.len()),
            Err(e) => e.to_string().replace(&format!("{}:", file.display()), "line "),
        }
    };
    assert_eq!(read(text.as_bytes()), "2 rows");
    for cut in 0..text.len() {
        let said = read(&text.as_bytes()[..cut]);
        assert!(said.starts_with("line "), "cut at {cut}: {said}");
    }
    let flip = |at: usize| {
        let mut bytes = text.clone().into_bytes();
        bytes[at] ^= 4;
        bytes
    };
    for at in 0..text.len() {
        let said = read(&flip(at));
        assert!(said.starts_with("line "), "bit flipped at {at}: {said}");
    }
    for (text, said) in [
        (
            "",
            "line 1: not a dump of a version known here; the first line should be `# truename dump 1`",
        ),
        (
            "# truename dump 2\n",
            "line 1: not a dump of a version known here; the first line should be `# truename dump 1`",
        ),
        ("# truename dump 1\na 1\n", "line 2: a row is a key, a tab and a value; there is no tab"),
        ("# truename dump 1\na\t1\nb\t2", "line 3: the line has no end; the dump was cut"),
        (
            "# truename dump 1\na\t1\n",
            "line 3: the dump ends here without its last line; it was cut",
        ),
        (
            "# truename dump 1\nb\t1\na\t2\n",
            "line 3: a comes after b; keys stand in order, each once",
        ),
        (
            "# truename dump 1\nb\t1\nb\t2\n",
            "line 3: b comes after b; keys stand in order, each once",
        ),
        ("# truename dump 1\na\t1\t2\n", "line 2: a: the value has a line end or a tab"),
        (
            "# truename dump 1\n# end 0 rows crc32 00000000\nmore",
            "line 2: there is more behind the last line",
        ),
    ] {
        assert_eq!(read(text.as_bytes()), said);
    }
    assert_eq!(read(b"# truename dump 1\n# end 0 rows crc32 00000000\n"), "0 rows");
    assert_eq!(
        read(&[b"# truename dump 1\n", &vec![b'x'; 2 * MAX_VALUE][..]].concat()),
        "line 2: the line is too long"
    );
    let edited = text.replace("\"x\":2", "\"x\":3");
    assert!(read(edited.as_bytes()).contains("the dump is damaged or was edited"), "{end}");
}

/// Two who write a dump into one file at the same time: it is one of theirs.
#[test]
fn two_dumps_into_one_file_are_two_dumps() {
    let directory = temporary();
    let file = directory.path().join("d");
    std::thread::scope(|scope| {
        for writer in ["a", "b"] {
            let file = &file;
            scope.spawn(move || {
                for _ in 0..50 {
                    let row = |n: u32| Ok((format!("{n:05}"), writer.repeat(100).into_bytes()));
                    let written = dump::write(file, (0..500).map(row)).unwrap();
                    assert_eq!(written, 500);
                    let rows = dump::read(file).unwrap();
                    assert_eq!(rows.map(Result::unwrap).count(), 500);
                }
            });
        }
    });
}

/// A dump that cannot be written leaves the one before it in place.
#[test]
fn a_failed_dump_keeps_the_old_one() {
    let directory = temporary();
    let file = directory.path().join("d");
    let row = |key: &str, value: &str| Ok((key.to_string(), value.as_bytes().to_vec()));
    dump::write(&file, [row("a", "1")].into_iter()).unwrap();
    let old = fs::read(&file).unwrap();
    for bad in [
        row("b", "two\nlines"),
        row("#b", "1"),
        row("a", "1"),
        Err(StoreError::Broken("unreadable".into())),
    ] {
        dump::write(&file, [row("a", "2"), bad].into_iter()).unwrap_err();
        assert_eq!(fs::read(&file).unwrap(), old);
    }
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "half a dump was left");
}
