//! Threads that panic with a transaction open, and databases that are dropped by a panic.

use super::{Folder, ROWS, left, model, put};
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::sync::atomic::{AtomicU64, Ordering};
use tamarack::{Database, Durability, Options, TableDef, WriteTxn};

const COUNTS: TableDef<u64, u64> = TableDef::new("counts");
const THREADS: u64 = 4;
const EACH: u64 = 150;

/// A panic that prints nothing.
struct Quiet;

fn quiet() -> ! {
    // A hook for all tests of this process: theirs say what they have to say by their messages.
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let default = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !info.payload().is::<Quiet>() {
                default(info);
            }
        }));
    });
    panic_any(Quiet)
}

/// One more in the count of a thread, and as many rows of its own; then a panic, in one of several places.
fn step(tx: &WriteTxn<()>, thread: u64, place: Option<u64>) -> tamarack::Result<()> {
    let mut counts = tx.open_table(&COUNTS)?;
    let count = counts.get(thread)?.unwrap_or(0);
    if place == Some(0) {
        quiet();
    }
    counts.insert(thread, count + 1)?;
    let mut rows = tx.open_table(&ROWS)?;
    rows.insert(thread << 32 | count, super::row(count, thread))?;
    match place {
        None => return Ok(()),
        // With a cursor open, over what it has written itself.
        Some(1) => {
            let mut all = rows.iter();
            all.next().unwrap()?;
            quiet()
        }
        // Inside the table's own loops.
        Some(2) => rows.retain(|_, _| quiet())?,
        Some(3) => drop(rows.extract_if(.., |_, _| quiet()).next()),
        Some(4) => drop(rows.get_with(thread << 32 | count, |_| quiet())?),
        _ => {}
    }
    quiet()
}

#[test]
fn threads_that_panic_lose_their_transaction_and_nothing_else() {
    let folder = Folder::new();
    let db: Database<()> = Options::new().memory(1 << 20).log_size(256 << 10).open(folder.file()).unwrap();
    let (panics, commits) = (AtomicU64::new(0), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (db, panics, commits) = (&db, &panics, &commits);
            scope.spawn(move || {
                let mut random = fastrand::Rng::with_seed(thread);
                for _ in 0..EACH {
                    let place = random.bool().then(|| random.u64(0..6));
                    let durability = [Durability::Synced, Durability::Deferred][random.usize(0..2)];
                    let guard = random.bool();
                    let done = catch_unwind(AssertUnwindSafe(|| {
                        if guard {
                            let tx = db.begin_write().unwrap();
                            step(&tx, thread, place).unwrap();
                            tx.commit_with(durability).unwrap();
                        } else {
                            db.write_with(durability, |tx| step(tx, thread, place)).unwrap();
                        }
                    }));
                    assert_eq!(done.is_ok(), place.is_none());
                    let tally = if done.is_ok() { commits } else { panics };
                    tally.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    let (panics, commits) = (panics.into_inner(), commits.into_inner());
    println!("{panics} panics, {commits} commits");
    assert!(panics > 100 && commits > 100);
    let counts = |db: &Database<()>| {
        db.read(|tx| {
            let rows = tx.open_table(&ROWS)?;
            let counts = tx.open_table(&COUNTS)?;
            assert_eq!(rows.len()?, commits);
            for thread in 0..THREADS {
                let count = counts.get(thread)?.unwrap_or(0);
                assert_eq!(rows.range(thread << 32..(thread + 1) << 32).count() as u64, count);
            }
            counts.values().sum::<tamarack::Result<u64>>()
        })
    };
    assert_eq!(counts(&db).unwrap(), commits);
    db.check().unwrap();
    db.close().unwrap();
    let db = Database::<()>::open(folder.file()).unwrap();
    assert_eq!(counts(&db).unwrap(), commits);
    db.check().unwrap();
}

fn salts(folder: &Folder) -> u32 {
    super::salts(&std::fs::read(folder.file()).unwrap())
}

/// I37: an unwinding thread that drops the last handle does not end the session, and loses nothing.
#[test]
fn i37_a_database_that_a_panic_drops_is_not_marked_clean() {
    for open_writer in [false, true] {
        let folder = Folder::new();
        let db = Database::<()>::open(folder.file()).unwrap();
        let done = catch_unwind(AssertUnwindSafe(|| {
            let db = db;
            put(&db, 0..300, 1, Durability::Synced).unwrap();
            put(&db, 300..400, 1, Durability::Deferred).unwrap();
            let writer = open_writer.then(|| db.begin_write().unwrap());
            if let Some(tx) = &writer {
                tx.open_table(&ROWS).unwrap().insert(1000, vec![1]).unwrap();
            }
            quiet();
        }));
        assert!(done.is_err());
        assert!(salts(&folder) > 0, "the session is marked as ended");
        let left = left(&folder.file());
        // Deferred ones are there as a whole or not at all.
        assert!(left == model(0..300, 1) || left == model(0..400, 1), "{} rows", left.len());
    }
    // Dropped without a panic, it ends too.
    let folder = Folder::new();
    put(&Database::<()>::open(folder.file()).unwrap(), 0..300, 1, Durability::Deferred).unwrap();
    assert_eq!(salts(&folder), 0);
    assert_eq!(left(&folder.file()), model(0..300, 1));
}
