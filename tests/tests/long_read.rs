//! Reads that last: a pinned checkpoint keeps its pages in the file, whatever is written, and gives them back.

#![allow(clippy::disallowed_methods, reason = "tests use files and threads as programs do")]

use tamarack::{Database, ErrorKind, Options, ReadTxn, TableDef};

const SMALL: TableDef<u64, Vec<u8>> = TableDef::new("small");
const LARGE: TableDef<u64, Vec<u8>> = TableDef::new("large");

const RECORDS: u64 = 4000;

fn fill(db: &Database<()>, round: u64) {
    for chunk in (0..RECORDS).collect::<Vec<_>>().chunks(500) {
        db.write(|tx| {
            let mut small = tx.open_table(&SMALL)?;
            chunk.iter().try_for_each(|&key| small.insert(key, round.to_le_bytes().repeat(12)).map(|_| ()))
        })
        .unwrap();
    }
    db.write(|tx| {
        let mut large = tx.open_table(&LARGE)?;
        (0..5).try_for_each(|key| large.insert(key, vec![round as u8; 100_000]).map(|_| ()))
    })
    .unwrap();
}

fn holds(tx: &ReadTxn<()>, round: u64) -> tamarack::Result<()> {
    let small = tx.open_table(&SMALL)?;
    let mut count = 0;
    for entry in &small {
        let (key, value) = entry?;
        assert_eq!((key, value), (count, round.to_le_bytes().repeat(12)));
        count += 1;
    }
    assert_eq!(count, RECORDS);
    let large = tx.open_table(&LARGE)?;
    for key in 0..5 {
        assert_eq!(large.get(key)?, Some(vec![round as u8; 100_000]));
    }
    Ok(())
}

/// I25, I29: nothing that a pinned checkpoint references is used again before it ends, and everything is afterwards.
#[test]
fn i25_a_long_read_keeps_its_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("test.tam");
    let length = || std::fs::metadata(&path).unwrap().len();
    let db: Database<()> = Options::new().memory(256 << 10).log_size(1 << 20).open(&path).unwrap();
    fill(&db, 1);
    let (short, long) = (db.begin_read().unwrap(), db.begin_long_read().unwrap());
    assert_eq!(short.timestamp(), long.timestamp());
    for round in 2..8 {
        fill(&db, round);
        db.checkpoint().unwrap();
        holds(&long, 1).unwrap();
        db.check().unwrap();
    }
    assert_eq!(holds(&short, 1).unwrap_err().kind(), ErrorKind::SnapshotTooOld);
    let later = db.begin_long_read().unwrap();
    fill(&db, 8);
    holds(&long, 1).unwrap();
    drop((short, long));
    db.checkpoint().unwrap();
    fill(&db, 9);
    db.checkpoint().unwrap();
    holds(&later, 7).unwrap();
    db.check().unwrap();
    drop(later);
    let grown = length();
    for round in 10..16 {
        fill(&db, round);
        db.checkpoint().unwrap();
    }
    assert!(length() <= grown, "{} bytes, {grown} before", length());
    db.check().unwrap();
    db.close().unwrap();
    let db = Database::<()>::open(&path).unwrap();
    holds(&db.begin_read().unwrap(), 15).unwrap();
    db.check().unwrap();
}

/// Where nobody writes, an ordinary snapshot does; and a long read outlives the handle that it came from.
#[test]
fn long_reads_of_handles_that_are_gone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("test.tam");
    let db = Database::<()>::open(&path).unwrap();
    fill(&db, 1);
    let long = db.begin_long_read().unwrap();
    drop(db);
    holds(&long, 1).unwrap();
    assert_eq!(Database::<()>::open(&path).unwrap_err().kind(), ErrorKind::Locked);
    drop(long);
    let db = Database::<()>::open_read_only(&path).unwrap();
    holds(&db.begin_long_read().unwrap(), 1).unwrap();
    drop(db);
    let db = Database::<()>::open(&path).unwrap();
    db.check().unwrap();
    fill(&db, 2);
    let long = db.begin_long_read().unwrap();
    db.close().unwrap();
    holds(&long, 2).unwrap();
}
