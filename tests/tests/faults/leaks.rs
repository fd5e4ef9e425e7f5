//! Transactions, cursors and databases that are leaked: their `Drop` never runs. What they hold is held until the process ends; nobody waits for it for
//! ever, and nothing is lost. The leaked snapshot holds the file's lock too, so each scene has a process of its own, and its parent looks at what is left.

use super::{FILE, Folder, ROWS, child, contents, left, model, put};
use std::mem::forget;
use std::path::Path;
use std::time::{Duration, Instant};
use tamarack::{Database, Durability, ErrorKind, Options};

/// The last one is synced: an odd number.
const ROUNDS: u64 = 31;
const KEYS: u64 = 1500;
const PATIENCE: Duration = Duration::from_millis(300);

fn open(folder: &Path) -> Database<()> {
    let options = Options::new().memory(1 << 20).log_size(256 << 10).write_timeout(PATIENCE);
    options.open(folder.join(FILE)).unwrap()
}

/// Writes all keys again and again: far more than memory and log hold.
fn churn(db: &Database<()>) {
    for round in 1..=ROUNDS {
        for from in (0..KEYS).step_by(100) {
            let durability = [Durability::Deferred, Durability::Synced][(round % 2) as usize];
            put(db, from..from + 100, round, durability).unwrap();
        }
    }
}

fn play(scene: &str) {
    let folder = Folder::new();
    child::play(scene, folder.path());
    assert_eq!(left(&folder.file()), model(0..KEYS, ROUNDS));
}

#[test]
fn leaked_read_transactions() {
    play("leaked reads");
}

/// Some are begun before each round; memory is bounded, so old ones are given up, also those that nobody will drop.
pub(super) fn reads(folder: &Path) {
    let db = open(folder);
    put(&db, 0..KEYS, 0, Durability::Synced).unwrap();
    let watched = db.begin_read().unwrap();
    for _ in 0..10 {
        forget(db.begin_read().unwrap());
        churn(&db);
    }
    assert_eq!(contents(&watched).unwrap_err().kind(), ErrorKind::SnapshotTooOld);
    let stats = db.stats();
    assert!(stats.resident + stats.limbo + stats.old_versions <= 3 * stats.memory_budget, "{stats:?}");
    db.check().unwrap();
    db.close().unwrap();
}

#[test]
fn leaked_read_transactions_by_the_thousand() {
    play("leaked snapshots");
}

/// All of one moment, which is given up once.
pub(super) fn snapshots(folder: &Path) {
    let db = open(folder);
    put(&db, 0..KEYS, 0, Durability::Synced).unwrap();
    for _ in 0..10_000 {
        forget(db.begin_read().unwrap());
    }
    churn(&db);
    assert_eq!(db.read(contents).unwrap(), model(0..KEYS, ROUNDS));
    db.check().unwrap();
    db.close().unwrap();
}

#[test]
fn leaked_cursors() {
    play("leaked cursors");
}

/// Cursors keep a page each in memory, for ever.
pub(super) fn cursors(folder: &Path) {
    let db = open(folder);
    put(&db, 0..KEYS, 0, Durability::Synced).unwrap();
    for key in 0..100 {
        let tx = db.begin_read().unwrap();
        {
            let table = tx.open_table(&ROWS).unwrap();
            let mut range = table.range(key * 10..);
            assert_eq!(range.next().unwrap().unwrap().0, key * 10);
            forget(range);
            let mut back = table.iter();
            back.next_back().unwrap().unwrap();
            forget(back);
            forget(table.get_ref(key * 10 + 1).unwrap());
        }
        // The transaction ends; what it lent does not.
        drop(tx);
        let written = db.write(|tx| {
            let mut table = tx.open_table(&ROWS)?;
            table.insert(key, vec![1])?;
            let mut own = table.iter();
            own.next().unwrap()?;
            forget(own);
            forget(table.extract_if(.., |_, _| false));
            table.insert(key, vec![2]).map(|_| ())
        });
        written.unwrap();
    }
    churn(&db);
    assert_eq!(db.read(contents).unwrap(), model(0..KEYS, ROUNDS));
    db.check().unwrap();
    db.close().unwrap();
}

/// Each of these ends with a typed error, in about the time that is allowed.
fn in_time<T: std::fmt::Debug>(kind: ErrorKind, what: impl FnOnce() -> tamarack::Result<T>) {
    let begun = Instant::now();
    let error = what().unwrap_err();
    assert_eq!(error.kind(), kind, "{error}");
    let waited = begun.elapsed();
    assert!(waited < Duration::from_secs(20), "waited for {waited:?}");
    if kind == ErrorKind::Timeout {
        assert!(waited >= PATIENCE / 2, "waited for {waited:?} only");
        assert!(error.to_string().contains("write_timeout"), "{error}");
    }
}

#[test]
fn a_leaked_write_transaction_of_another_thread() {
    play("leaked writer");
}

pub(super) fn writer(folder: &Path) {
    let db = open(folder);
    churn(&db);
    let other = db.clone();
    std::thread::spawn(move || {
        let tx = other.begin_write().unwrap();
        tx.open_table(&ROWS).unwrap().insert(1 << 40, vec![1]).unwrap();
        forget(tx);
    })
    .join()
    .unwrap();
    assert_eq!(db.read(contents).unwrap(), model(0..KEYS, ROUNDS));
    in_time(ErrorKind::Timeout, || db.begin_write().map(|_| ()));
    in_time(ErrorKind::Timeout, || put(&db, 0..1, 0, Durability::Deferred));
    in_time(ErrorKind::Timeout, || db.clone().close());
    // Nothing was closed by that, and what needs no writer goes on.
    assert_eq!(db.read(contents).unwrap(), model(0..KEYS, ROUNDS));
    db.flush().unwrap();
    db.checkpoint().unwrap();
    db.check().unwrap();
    db.backup(&mut Vec::new()).unwrap();
    db.compact().unwrap();
    in_time(ErrorKind::Timeout, || db.begin_write().map(|_| ()));
    in_time(ErrorKind::Timeout, || db.close());
}

#[test]
fn a_leaked_write_transaction_of_the_same_thread() {
    play("leaked own writer");
}

pub(super) fn own_writer(folder: &Path) {
    let db = open(folder);
    churn(&db);
    let tx = db.begin_write().unwrap();
    tx.open_table(&ROWS).unwrap().insert(1 << 40, vec![1]).unwrap();
    forget(tx);
    in_time(ErrorKind::NestedTransaction, || db.begin_write().map(|_| ()));
    in_time(ErrorKind::NestedTransaction, || put(&db, 0..1, 0, Durability::Synced));
    in_time(ErrorKind::NestedTransaction, || db.clone().close());
    assert_eq!(db.read(contents).unwrap(), model(0..KEYS, ROUNDS));
}

#[test]
fn a_leaked_database() {
    play("leaked database");
}

pub(super) fn database(folder: &Path) {
    let db = open(folder);
    churn(&db);
    put(&db, 0..KEYS, 0, Durability::Synced).unwrap();
    // Deferred commits are flushed by a thread that lives on.
    put(&db, 0..KEYS, ROUNDS, Durability::Deferred).unwrap();
    std::thread::sleep(Duration::from_millis(500));
    forget(db);
    assert_eq!(Database::<()>::open(folder.join(FILE)).unwrap_err().kind(), ErrorKind::Locked);
}

#[test]
fn a_leaked_long_read() {
    play("leaked long read");
}

pub(super) fn long_read(folder: &Path) {
    let db = open(folder);
    put(&db, 0..KEYS, 0, Durability::Synced).unwrap();
    for _ in 0..3 {
        forget(db.begin_long_read().unwrap());
        churn(&db);
        db.checkpoint().unwrap();
    }
    db.check().unwrap();
    db.compact().unwrap();
    db.close().unwrap();
}

/// The other way round: what the thread itself drops at its end writes, and closes. What the database keeps for each thread is gone by then.
#[test]
fn a_database_is_used_by_the_last_destructors_of_a_thread() {
    let folder = Folder::new();
    child::play("destructors", folder.path());
    assert_eq!(left(&folder.file()), model(0..KEYS, 2));
}

struct Last(Option<Database<()>>);

impl Drop for Last {
    fn drop(&mut self) {
        let Some(db) = self.0.take() else { return };
        put(&db, 0..KEYS, 2, Durability::Deferred).unwrap();
        db.close().unwrap();
    }
}

pub(super) fn destructors(folder: &Path) {
    thread_local! {
        static LAST: std::cell::RefCell<Last> = const { std::cell::RefCell::new(Last(None)) };
    }
    let db = open(folder);
    let thread = std::thread::spawn(move || {
        // First of all, so that it is dropped last.
        LAST.with(|last| last.borrow_mut().0 = Some(db.clone()));
        put(&db, 0..KEYS, 1, Durability::Synced).unwrap();
    });
    thread.join().unwrap();
}
