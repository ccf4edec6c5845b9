//! A store that is damaged: set aside, and a new one filled from the dump,
//! with loud words; without a dump, an error that says what to do.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use truename::store::{self, Engine, Opened, Row, Write, dump};

use crate::crash::Random;
use crate::store::copy_all;

/// The file that holds an engine's rows.
fn rows_file(engine: Engine, directory: &Path) -> PathBuf {
    match engine {
        Engine::Sled => directory.join("sled/db"),
        Engine::Redb => directory.join("redb"),
    }
}

fn rows(opened: &Opened) -> Vec<Row> {
    opened.store.rows("").collect::<Result<_, _>>().unwrap()
}

/// The rows of a store that was filled from the dump, but for the word that
/// they are old, which is taken away as whoever raises the serials does.
fn old_rows(opened: &Opened) -> Vec<Row> {
    let said = rows(opened).into_iter().any(|(key, _)| key == store::IMPORTED);
    assert!(said, "nothing tells the next start that these rows are old");
    opened.store.commit(&[Write::Delete(store::IMPORTED.into())]).unwrap();
    rows(opened)
}

/// A stopped store of 500 rows, with a dump of the first 400.
fn kept(engine: Engine) -> (TempDir, Vec<Row>) {
    let directory = tempfile::tempdir().unwrap();
    let open = || store::open(engine, directory.path()).unwrap();
    let mut opened = open();
    let put = |i: u32| Write::Put(format!("k/{i:04}"), format!("value {i} ").repeat(9).into());
    opened.store.commit(&(0..400).map(put).collect::<Vec<_>>()).unwrap();
    dump::write(&directory.path().join(dump::DUMP_FILE), opened.store.rows("")).unwrap();
    for i in 400..500 {
        // The engine is given what there is at a stop, and so more than once.
        if i % 20 == 0 {
            drop(opened);
            opened = open();
        }
        opened.store.commit(&[put(i)]).unwrap();
    }
    let all = rows(&opened);
    (directory, all)
}

fn each_engine(story: impl Fn(Engine)) {
    Engine::ALL.into_iter().for_each(story);
}

/// Leaves so many-th of a file; an engine's has much room at its end.
fn cut(file: &Path, nth: u64) {
    let length = fs::metadata(file).unwrap().len();
    fs::OpenOptions::new().write(true).open(file).unwrap().set_len(length / nth).unwrap();
}

#[test]
fn a_torn_store_starts_from_the_dump_with_loud_words() {
    each_engine(|engine| {
        let (directory, all) = kept(engine);
        fs::write(rows_file(engine, directory.path()), vec![0xa5; 100_000]).unwrap();
        let opened = store::open(engine, directory.path()).unwrap();
        assert!(opened.restored && !opened.new);
        assert_eq!(old_rows(&opened), all[..400]);
        let words = opened.warnings.join("\n");
        let aside = directory.path().join(format!("{engine}.broken-1"));
        for needed in ["THE STORE IS BROKEN", aside.to_str().unwrap(), "400 rows", "IS LOST"] {
            assert!(words.contains(needed), "{needed} is not in: {words}");
        }
        assert!(aside.exists());
        opened.store.commit(&[Write::Put("new".into(), "1".into())]).unwrap();
        drop(opened);

        // The next start is like any other.
        let opened = store::open(engine, directory.path()).unwrap();
        assert!(!opened.restored && !opened.new && opened.warnings.is_empty());
        assert_eq!(rows(&opened).len(), 401);
        drop(opened);

        // And should it break again, the first one stays where it is.
        fs::write(rows_file(engine, directory.path()), "").unwrap();
        assert!(store::open(engine, directory.path()).unwrap().restored);
        assert!(aside.exists());
        assert!(directory.path().join(format!("{engine}.broken-2")).exists());
    });
}

/// Every start that ends before the serials were raised leaves the word for
/// the next one.
#[test]
fn that_the_rows_are_old_is_known_until_it_is_taken_away() {
    each_engine(|engine| {
        let (directory, all) = kept(engine);
        fs::write(rows_file(engine, directory.path()), vec![0xa5; 100_000]).unwrap();
        drop(store::open(engine, directory.path()).unwrap());
        for _ in 0..2 {
            let opened = store::open(engine, directory.path()).unwrap();
            assert!(!opened.restored && opened.warnings.is_empty());
            assert!(rows(&opened).contains(&(store::IMPORTED.into(), b"true".to_vec())));
        }
        let opened = store::open(engine, directory.path()).unwrap();
        assert_eq!(old_rows(&opened), all[..400]);
        drop(opened);
        assert_eq!(rows(&store::open(engine, directory.path()).unwrap()), all[..400]);
    });
}

#[test]
fn a_store_that_is_gone_starts_from_the_dump_too() {
    each_engine(|engine| {
        let (directory, all) = kept(engine);
        match engine {
            Engine::Sled => fs::remove_dir_all(directory.path().join("sled")).unwrap(),
            Engine::Redb => {
                fs::remove_file(directory.path().join("redb")).unwrap();
                fs::remove_file(directory.path().join("redb.ready")).unwrap();
            }
        }
        let opened = store::open(engine, directory.path()).unwrap();
        assert!(opened.restored && !opened.new);
        assert_eq!(old_rows(&opened), all[..400]);
        assert!(opened.warnings[0].contains("THERE IS NO STORE"), "{:?}", opened.warnings);
    });
}

#[test]
fn a_torn_store_without_a_whole_dump_is_left_as_it_is() {
    each_engine(|engine| {
        let (directory, all) = kept(engine);
        let file = rows_file(engine, directory.path());
        let whole = fs::read(&file).unwrap();
        cut(&file, 10);
        let dump_file = directory.path().join(dump::DUMP_FILE);
        let backup = fs::read(&dump_file).unwrap();

        cut(&dump_file, 2);
        let said = store::open(engine, directory.path()).unwrap_err().to_string();
        assert!(said.contains("is broken") && said.contains("truename.dump:"), "{said}");
        assert!(said.contains("the dump was cut") && said.contains("put a backup"), "{said}");
        fs::remove_file(&dump_file).unwrap();
        let said = store::open(engine, directory.path()).unwrap_err().to_string();
        assert!(said.contains("no dump to start from"), "{said}");

        // Nothing was moved: the operator may know better.
        assert!(!directory.path().join(format!("{engine}.broken-1")).exists());
        if engine == Engine::Redb {
            fs::write(&file, whole).unwrap();
            assert_eq!(rows(&store::open(engine, directory.path()).unwrap()), all);
            cut(&file, 10);
        }
        // As the error says: put a backup there.
        fs::write(&dump_file, backup).unwrap();
        let opened = store::open(engine, directory.path()).unwrap();
        assert!(opened.restored);
        assert_eq!(old_rows(&opened), all[..400]);
    });
}

/// Damage anywhere is either harmless or noticed; it is never served.
#[test]
fn damage_is_never_read_as_if_it_were_right() {
    for engine in Engine::ALL {
        let (directory, all) = kept(engine);
        let file = rows_file(engine, directory.path());
        let whole = fs::read(&file).unwrap();
        let (mut harmless, mut noticed) = (0, 0);
        let mut random = Random::new(7);
        for _ in 0..25 {
            let copy = tempfile::tempdir().unwrap();
            copy_all(directory.path(), copy.path());
            let mut bytes = whole.clone();
            // Where there is something: redb's file is mostly room.
            let at = loop {
                let at = random.below(bytes.len() as u64 - 64) as usize;
                if bytes[at..at + 64].iter().any(|&byte| byte != 0) {
                    break at;
                }
            };
            match random.below(4) {
                0 => bytes.truncate(at),
                1 => bytes[at] ^= 1 << random.below(8),
                2 => bytes[at..].iter_mut().take(512).for_each(|byte| *byte = 0),
                _ => bytes[at..].iter_mut().take(5000).for_each(|byte| *byte ^= 0x5a),
            }
            fs::write(rows_file(engine, copy.path()), bytes).unwrap();
            let opened = store::open(engine, copy.path()).unwrap();
            if opened.restored {
                assert_eq!(old_rows(&opened), all[..400]);
                assert!(!opened.warnings.is_empty());
                noticed += 1;
            } else {
                assert!(opened.warnings.is_empty());
                assert_eq!(rows(&opened), all);
                harmless += 1;
            }
        }
        eprintln!("{engine}: damage was harmless {harmless} times and noticed {noticed} times");
        assert!(noticed > 0);
    }
}

/// Rows that are gone although nothing else is amiss: each engine's own means
/// say that all is well.
#[test]
fn rows_that_vanished_are_noticed() {
    each_engine(|engine| {
        let (directory, all) = kept(engine);
        match engine {
            Engine::Sled => {
                let db = sled::open(directory.path().join("sled")).unwrap();
                db.remove("k/0123").unwrap().unwrap();
                db.flush().unwrap();
            }
            Engine::Redb => {
                let db = redb::Database::open(directory.path().join("redb")).unwrap();
                let rows = redb::TableDefinition::<&str, &[u8]>::new("rows");
                let transaction = db.begin_write().unwrap();
                transaction.open_table(rows).unwrap().remove("k/0123").unwrap().unwrap();
                transaction.commit().unwrap();
            }
        }
        let opened = store::open(engine, directory.path()).unwrap();
        assert!(opened.restored);
        assert!(opened.warnings[0].contains("it has 499 rows"), "{:?}", opened.warnings);
        assert_eq!(old_rows(&opened), all[..400]);
    });
}

/// What a kill while sled opens leaves: a snapshot under the name it has while
/// it is written. sled itself would never open again.
#[test]
fn a_half_made_snapshot_does_not_keep_sled_from_opening() {
    let snapshot = |directory: &Path| -> PathBuf {
        fs::read_dir(directory.join("sled"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .find(|path| path.file_name().unwrap().to_str().unwrap().starts_with("snap."))
            .expect("a snapshot")
    };
    for (story, length) in
        [("whole", None), ("cut", Some(20)), ("begun", Some(3)), ("empty", Some(0))]
    {
        let (directory, all) = kept(Engine::Sled);
        // sled writes a snapshot when it opens a log that went on.
        drop(store::open(Engine::Sled, directory.path()).unwrap());
        let found = snapshot(directory.path());
        let generating = match length {
            // Killed between the write and the rename.
            None => {
                let generating = found.with_extension(format!(
                    "{}.generating",
                    found.extension().unwrap().to_str().unwrap()
                ));
                fs::rename(&found, &generating).unwrap();
                generating
            }
            // Killed in the middle of the write of the next one.
            Some(length) => {
                let generating = found.with_file_name("snap.00000000FFFFFFFF.generating");
                let bytes = fs::read(&found).unwrap();
                fs::write(&generating, &bytes[..length.min(bytes.len() - 1)]).unwrap();
                generating
            }
        };
        let opened = store::open(Engine::Sled, directory.path()).unwrap();
        assert!(opened.warnings.is_empty(), "{story}: {:?}", opened.warnings);
        assert_eq!(rows(&opened), all, "{story}");
        assert!(!generating.exists(), "{story}");
    }
}

/// Killed at the very first start, before anything was acknowledged.
#[test]
fn a_store_that_was_never_ready_is_made_anew() {
    each_engine(|engine| {
        let (directory, _) = kept(engine);
        fs::remove_file(directory.path().join(dump::DUMP_FILE)).unwrap();
        fs::remove_file(directory.path().join(match engine {
            Engine::Sled => "sled/READY",
            Engine::Redb => "redb.ready",
        }))
        .unwrap();
        fs::write(rows_file(engine, directory.path()), "half a first start").unwrap();
        let opened = store::open(engine, directory.path()).unwrap();
        assert!(opened.new && opened.warnings.is_empty());
        assert_eq!(rows(&opened), []);
    });
}
