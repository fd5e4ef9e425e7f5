//! Promises of the whole that no other test states as such.

#![allow(clippy::disallowed_methods, reason = "tests use files as programs do")]

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::Path;
use tamarack::{Database, Durability, ErrorKind, Options, Result, TableDef};

const ROWS: TableDef<u64, Vec<u8>> = TableDef::new("rows");

fn row(key: u64, round: u64, length: usize) -> Vec<u8> {
    (0..length as u64).map(|at| (key.wrapping_mul(31) + round * 7 + at) as u8).collect()
}

fn put(db: &Database<()>, keys: std::ops::Range<u64>, round: u64, length: usize) -> Result<()> {
    db.write(|tx| {
        let mut rows = tx.open_table(&ROWS)?;
        keys.clone().try_for_each(|key| rows.insert(key, row(key, round, length)).map(drop))
    })
}

fn names(folder: &Path) -> BTreeSet<OsString> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect()
}

/// Large and spilled transactions, checkpoints, compaction, long reads and backups leave nothing beside the file; a copy of it is the database.
#[test]
fn p2_everything_lies_in_one_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("one.tam");
    let alone = || assert_eq!(names(folder.path()), BTreeSet::from(["one.tam".into()]));
    let db: Database<()> =
        Options::new().memory(1 << 20).log_size(256 << 10).write_buffer(64 << 10).open(&path).unwrap();
    alone();
    for round in 0..3 {
        put(&db, 0..3000, round, 300).unwrap();
        alone();
    }
    put(&db, 3000..3002, 0, 3 << 20).unwrap();
    let long = db.begin_long_read().unwrap();
    put(&db, 0..1000, 3, 300).unwrap();
    db.checkpoint().unwrap();
    db.backup(&mut std::io::sink()).unwrap();
    alone();
    drop(long);
    db.compact().unwrap();
    alone();
    db.close().unwrap();
    alone();
    let copied = folder.path().join("copy.tam");
    fs::copy(&path, &copied).unwrap();
    fs::remove_file(&path).unwrap();
    let db = Database::<()>::open(&copied).unwrap();
    db.read(|tx| {
        let rows = tx.open_table(&ROWS)?;
        assert_eq!(rows.len()?, 3002);
        for key in 0..3002 {
            let (round, length) = if key < 1000 {
                (3, 300)
            } else if key < 3000 {
                (2, 300)
            } else {
                (0, 3 << 20)
            };
            assert_eq!(rows.get(key)?, Some(row(key, round, length)), "{key}");
        }
        Ok(())
    })
    .unwrap();
}

/// A program may have ended while it made the file, and goes on; but who is told to work on a database does not make one.
#[test]
fn zeros_are_made_a_database_by_programs_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (path, other) = (folder.path().join("test.tam"), folder.path().join("other"));
    for length in [0, 4096, 100_000] {
        let zeros = vec![0; length];
        fs::write(&path, &zeros).unwrap();
        let refused = [
            tamarack::backup_file(&path, None, &other, &mut |_| {}).unwrap_err(),
            tamarack::compact_file(&path, &mut |_| {}).unwrap_err(),
        ];
        for error in refused {
            assert_eq!(error.kind(), ErrorKind::NotADatabase, "{error}");
            assert!(error.to_string().contains("test.tam"), "{error}");
        }
        assert_eq!(fs::read(&path).unwrap(), zeros, "nothing was changed");
        assert!(!other.exists());
        Database::<()>::open(&path).unwrap().close().unwrap();
    }
}

/// Speed is measured (`cargo xtask memory`), but what it hangs on is counted: nothing is read of what fits into memory, and about one page a get of what
/// is ten times as large.
#[test]
fn p5_what_fits_is_read_once_and_the_rest_a_page_at_a_time() {
    const KEYS: u64 = 40_000;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large.tam");
    let db: Database<()> = Options::new().memory(64 << 20).durability(Durability::Buffered).open(&path).unwrap();
    for first in (0..KEYS).step_by(1000) {
        put(&db, first..first + 1000, 0, 400).unwrap();
    }
    db.close().unwrap();
    let missed = |memory: u64| {
        let db: Database<()> = Options::new().memory(memory).open(&path).unwrap();
        // The second turn finds in memory what the first has left there.
        let turns = [1_u64, 2].map(|_| {
            let before = db.stats().misses;
            let mut random = fastrand::Rng::with_seed(1);
            db.read(|tx| {
                let rows = tx.open_table(&ROWS)?;
                (0..KEYS).try_for_each(|_| rows.get(random.u64(..KEYS)).map(|found| assert!(found.is_some())))
            })
            .unwrap();
            db.stats().misses - before
        });
        db.close().unwrap();
        turns[1]
    };
    assert_eq!(missed(64 << 20), 0);
    let few = missed(2 << 20);
    assert!(few > KEYS / 2 && few < KEYS * 12 / 10, "{few} pages were read for {KEYS} gets");
}
