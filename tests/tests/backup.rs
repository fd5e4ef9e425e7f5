//! Backups beside threads that write: each holds a prefix of the commits, and all that were acknowledged before it began.

#![allow(clippy::disallowed_methods, reason = "tests use files and threads as programs do")]

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tamarack::{Backup, Database, Durability, Options, TableDef};

const COUNTER: TableDef<u8, u64> = TableDef::new("counter");
const ROWS: TableDef<u64, Vec<u8>> = TableDef::new("rows");
const TIMES: TableDef<u64, u64> = TableDef::new("times");

const KEYS: u64 = 3000;
const WRITERS: u64 = 3;

/// What commit `n` puts; some of it is too long for a page.
fn value(n: u64) -> Vec<u8> {
    let length = if n.is_multiple_of(17) { 9000 } else { 40 + n % 200 };
    vec![n as u8; length as usize]
}

/// Commit `n` follows from `n` alone, so that what a database must hold follows from how many there were.
fn commit(db: &Database<()>, durability: Durability) -> tamarack::Result<u64> {
    db.write_with(durability, |tx| {
        let mut counter = tx.open_table(&COUNTER)?;
        let n = counter.get(0)?.unwrap_or(0) + 1;
        counter.insert(0, n)?;
        tx.open_table(&ROWS)?.insert(n * 7919 % KEYS, value(n))?;
        if n.is_multiple_of(5) {
            tx.open_table(&ROWS)?.remove((n / 2) * 7919 % KEYS)?;
        }
        tx.open_table(&TIMES)?.insert(n, n * 3)?;
        Ok(n)
    })
}

fn commits(db: &Database<()>, count: u64) {
    for _ in 0..count {
        commit(db, Durability::Deferred).unwrap();
    }
}

/// What the tables hold after `n` commits.
fn model(n: u64) -> Vec<Option<u64>> {
    let mut rows = vec![None; KEYS as usize];
    for n in 1..=n {
        rows[(n * 7919 % KEYS) as usize] = Some(n);
        if n.is_multiple_of(5) {
            rows[((n / 2) * 7919 % KEYS) as usize] = None;
        }
    }
    rows
}

/// Restores, compares with the model, and returns how many commits there are.
fn verify(backups: &[Vec<u8>], last: &Backup, new: &Path) -> u64 {
    let report = tamarack::restore(backups.iter().map(Vec::as_slice), new, &mut |_| {}).unwrap();
    assert!(report.is_sound());
    let db = Database::<()>::open(new).unwrap();
    let tx = db.begin_read().unwrap();
    assert_eq!(tx.timestamp(), last.timestamp());
    let n = tx.open_table(&COUNTER).unwrap().get(0).unwrap().unwrap_or(0);
    let (rows, times) = (tx.open_table(&ROWS).unwrap(), tx.open_table(&TIMES).unwrap());
    for (key, expected) in model(n).into_iter().enumerate() {
        assert!(rows.get(key as u64).unwrap() == expected.map(value), "row {key} after {n} commits");
    }
    let mut count = 0;
    for entry in &times {
        count += 1;
        assert_eq!(entry.unwrap(), (count, count * 3));
    }
    assert_eq!(count, n);
    drop((rows, times));
    drop(tx);
    // Life can go on there.
    assert_eq!(commit(&db, Durability::Synced).unwrap(), n + 1);
    db.close().unwrap();
    std::fs::remove_file(new).unwrap();
    n
}

/// A backup, the one that it follows, and how many commits were acknowledged before it, at least, and after it, at most.
struct Made {
    bytes: Vec<u8>,
    backup: Backup,
    since: Option<usize>,
    before: u64,
    after: u64,
}

/// A slow destination, so that much is written meanwhile.
struct Slow(Vec<u8>);

impl std::io::Write for Slow {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        std::thread::sleep(std::time::Duration::from_millis(2));
        let taken = bytes.len().min(100_000);
        self.0.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// I16, I25, I26: backups while threads commit, checkpoints come and leaves are evicted.
#[test]
fn a_backup_holds_a_prefix_with_all_that_was_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let (path, new) = (folder.path().join("a.tam"), folder.path().join("new.tam"));
    let options = Options::new().memory(1 << 20).log_size(256 << 10).page_size(4 << 10);
    let db: Database<()> = options.open(&path).unwrap();
    commits(&db, KEYS / 2);
    let (stop, acknowledged) = (AtomicBool::new(false), AtomicU64::new(0));
    let durabilities = [Durability::Synced, Durability::Buffered, Durability::Deferred];
    let made = std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (db, stop, acknowledged) = (db.clone(), &stop, &acknowledged);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let n = commit(&db, durabilities[writer as usize]).unwrap();
                    acknowledged.fetch_max(n, Ordering::SeqCst);
                }
            });
        }
        let mut made: Vec<Made> = Vec::new();
        for round in 0..12_usize {
            // Full, increment of it, increment of that, increment of the first again, ...
            let since = match round % 6 {
                0 => None,
                3 => Some(round - 3),
                _ => Some(round - 1),
            };
            let before = acknowledged.load(Ordering::SeqCst);
            let mut out = Slow(Vec::new());
            let backup = db.backup_with(since.map(|at| &made[at].backup), &mut out, &mut |_| {}).unwrap();
            // One that a writer had committed may not be acknowledged yet.
            let after = acknowledged.load(Ordering::SeqCst) + WRITERS;
            made.push(Made { bytes: out.0, backup, since, before, after });
            while acknowledged.load(Ordering::SeqCst) < after + 50 {
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
        }
        stop.store(true, Ordering::Relaxed);
        made
    });
    for at in 0..made.len() {
        let mut chain = vec![at];
        while let Some(since) = made[chain[0]].since {
            chain.insert(0, since);
        }
        let backups: Vec<Vec<u8>> = chain.iter().map(|&at| made[at].bytes.clone()).collect();
        let Made { backup, before, after, .. } = &made[at];
        let n = verify(&backups, backup, &new);
        assert!((*before..=*after).contains(&n), "{before} were acknowledged before, {n} are there, {after} after");
    }
    db.check().unwrap();
    // What the backups held back is free again.
    (0..3).for_each(|_| db.checkpoint().unwrap());
    let used = db.check_with(&mut |_| {}).unwrap();
    assert_eq!(used.totals().unreachable, 0);
    println!("{} commits", acknowledged.load(Ordering::SeqCst));
}

/// Backups beside an exclusive transaction do not wait for it, and do not hold what it has not committed.
#[test]
fn a_backup_does_not_wait_for_an_open_transaction() {
    let folder = tempfile::tempdir().unwrap();
    let new = folder.path().join("new.tam");
    let db: Database<()> = Options::new().write_buffer(1 << 20).open(folder.path().join("a.tam")).unwrap();
    commits(&db, 200);
    let tx = db.begin_write().unwrap();
    {
        let mut rows = tx.open_table(&ROWS).unwrap();
        (0..400).for_each(|key| drop(rows.insert(KEYS + key, vec![1; 20_000]).unwrap()));
    }
    let mut full = Vec::new();
    let first = db.backup(&mut full).unwrap();
    assert!(full.len() < 1_000_000, "{}", full.len());
    tx.commit().unwrap();
    let mut increment = Vec::new();
    let second = db.backup_since(&first, &mut increment).unwrap();
    assert!(increment.len() > 8_000_000, "{}", increment.len());
    assert_eq!(verify(&[full.clone()], &first, &new), 200);
    assert_eq!(verify(&[full, increment], &second, &new), 200);
}
