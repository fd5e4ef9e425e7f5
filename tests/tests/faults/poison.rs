//! The storage failed, and with it all writing until the file is opened again (I30): what every public operation says then.

use super::{Model, ROWS, contents, model, put, salts};
use tamarack::simulate::{Crash, Disk, Fault, On};
use tamarack::{Database, Durability, Error, ErrorKind, Options, Result};

/// Up to here, none of the rows is so long that it has pages of its own: only the log is written.
const LAST: u64 = 629;

type Operation = (&'static str, fn(&Database<()>) -> Result<()>);

/// All that could write.
const REFUSED: [Operation; 14] = [
    ("write", |db| put(db, 0..1, 9, Durability::Synced)),
    ("write, buffered", |db| put(db, 0..1, 9, Durability::Buffered)),
    ("write, deferred", |db| put(db, 0..1, 9, Durability::Deferred)),
    ("write of nothing", |db| db.write(|_| Ok(()))),
    ("try_write", |db| db.try_write(|tx| tx.open_table(&ROWS)?.insert(1, vec![9]).map(|_| ()))),
    ("begin_write", |db| db.begin_write().map(|_| ())),
    ("write_async", |db| block(db.write_async(|tx| tx.open_table(&ROWS)?.insert(1, vec![9]).map(|_| ())))),
    ("flush", Database::flush),
    ("checkpoint", Database::checkpoint),
    ("compact", |db| db.compact().map(|_| ())),
    ("backup", |db| db.backup(&mut Vec::new()).map(|_| ())),
    ("begin_long_read", |db| db.begin_long_read().map(|_| ())),
    ("close", |db| db.clone().close()),
    // Once more, behind it.
    ("close again", |db| db.clone().close()),
];

fn block<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

/// A database with 600 rows, and the error of the commit that would have added more.
fn poison(disk: &Disk, fault: Fault, on: On) -> (Database<()>, Error) {
    let db = disk.open::<()>(Options::new().log_size(256 << 10)).unwrap();
    put(&db, 0..300, 1, Durability::Synced).unwrap();
    db.checkpoint().unwrap();
    put(&db, 300..600, 1, Durability::Synced).unwrap();
    disk.fail(on, 0, fault);
    let error = put(&db, 600..LAST, 1, Durability::Synced).unwrap_err();
    (db, error)
}

/// I37: the file says that its last session did not end by itself.
#[track_caller]
fn is_not_marked_clean(disk: &Disk) {
    assert!(salts(&disk.bytes()) > 0, "the session is marked as ended");
}

fn goes_on_reading(db: &Database<()>, known: &[Model]) {
    let seen = db.read(contents).unwrap();
    assert!(known.contains(&seen), "{} rows", seen.len());
    let tx = db.begin_read().unwrap();
    let rows = tx.open_table(&ROWS).unwrap();
    assert_eq!(rows.get(7).unwrap(), Some(super::row(7, 1)));
    assert_eq!(rows.range(..300).count(), 300);
    assert_eq!(rows.len().unwrap(), seen.len() as u64);
}

#[test]
fn i22_i30_every_operation_of_a_poisoned_database() {
    let known = [model(0..600, 1), model(0..LAST, 1)];
    let mut tried = 0;
    for (fault, on) in
        [(Fault::Error, On::Write), (Fault::Short, On::Write), (Fault::Error, On::Sync), (Fault::Forgotten, On::Sync)]
    {
        for (name, operation) in REFUSED {
            let disk = Disk::new(7);
            let (db, first) = poison(&disk, fault, on);
            // I22: nobody sees a synced commit whose record is not durable, though the record may be in the file.
            assert_eq!(db.read(contents).unwrap(), known[0]);
            assert_eq!(first.kind(), ErrorKind::Io, "{first}");
            let open = db.begin_read().unwrap();
            for _ in 0..2 {
                let error = operation(&db).expect_err(name);
                let closed = name.starts_with("close") && error.kind() == ErrorKind::Closed;
                assert!(closed || error.kind() == ErrorKind::Poisoned, "{name}: {error}");
                let helps = error.to_string().contains("open the database again");
                assert!(closed || helps, "{name}: {error}");
                tried += 1;
            }
            assert!(known.contains(&contents(&open).unwrap()), "an open snapshot goes on");
            if !name.starts_with("close") {
                goes_on_reading(&db, &known);
                assert!(db.check_with(&mut |_| {}).is_ok_and(|report| report.is_sound()), "{name}");
                let _ = db.stats();
            }
            drop((open, db));
            // Another process; then the power goes as well.
            let db = disk.open::<()>(Options::new()).unwrap();
            goes_on_reading(&db, &known);
            put(&db, 700..750, 1, Durability::Synced).unwrap();
            db.check().unwrap();
            let there = db.read(contents).unwrap();
            disk.cut_power(Crash::DropAll);
            drop(db);
            let db = disk.open::<()>(Options::new()).unwrap();
            assert_eq!(db.read(contents).unwrap(), there);
            db.check().unwrap();
        }
    }
    println!("{tried} operations tried");
    assert_eq!(tried, 4 * 2 * REFUSED.len());
}

/// A transaction that was open when another one's commit failed.
#[test]
fn i30_a_transaction_that_was_open_when_the_storage_failed() {
    let disk = Disk::new(8);
    let db = disk.open::<()>(Options::new()).unwrap();
    put(&db, 0..300, 1, Durability::Synced).unwrap();
    let tx = db.begin_write().unwrap();
    tx.open_table(&ROWS).unwrap().insert(1000, vec![1]).unwrap();
    disk.fail(On::Sync, 0, Fault::Error);
    assert_eq!(db.flush().and_then(|()| db.checkpoint()).unwrap_err().kind(), ErrorKind::Io);
    // It still sees what it saw, and cannot commit.
    assert_eq!(tx.open_table(&ROWS).unwrap().get(7).unwrap(), Some(super::row(7, 1)));
    let error = tx.commit().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Poisoned, "{error}");
    drop(db);
    let db = disk.open::<()>(Options::new()).unwrap();
    assert_eq!(db.read(contents).unwrap(), model(0..300, 1));
}

/// I37: whoever closes it is told, and neither that nor dropping it marks the file, whatever else was tried before.
#[test]
fn i37_a_poisoned_database_is_not_marked_clean() {
    for (fault, on) in
        [(Fault::Error, On::Write), (Fault::Short, On::Write), (Fault::Error, On::Sync), (Fault::Forgotten, On::Sync)]
    {
        for closed in [false, true] {
            let disk = Disk::new(9);
            let (db, _) = poison(&disk, fault, on);
            is_not_marked_clean(&disk);
            if closed {
                let error = db.clone().close().unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Poisoned, "{error}");
                is_not_marked_clean(&disk);
            }
            drop(db);
            is_not_marked_clean(&disk);
            // The next one makes good what is left, and ends by itself.
            let db = disk.open::<()>(Options::new()).unwrap();
            goes_on_reading(&db, &[model(0..600, 1), model(0..LAST, 1)]);
            put(&db, 700..750, 1, Durability::Synced).unwrap();
            if closed {
                db.close().unwrap();
            } else {
                drop(db);
            }
            assert_eq!(salts(&disk.bytes()), 0);
        }
    }
}

/// I37: each call of a close fails once, and it says so. The file is not marked before the checkpoint is there that holds everything: when its
/// superblocks are written.
#[test]
fn i37_a_close_that_fails_is_told_and_marks_nothing_too_early() {
    let (mut early, mut late) = (0, 0);
    for (fault, on) in [(Fault::Error, On::Write), (Fault::Full, On::Write), (Fault::Error, On::Sync)] {
        for after in 0..40 {
            let disk = Disk::new(10);
            let db = disk.open::<()>(Options::new().log_size(256 << 10)).unwrap();
            put(&db, 0..300, 1, Durability::Synced).unwrap();
            put(&db, 300..600, 1, Durability::Deferred).unwrap();
            let before = disk.faults().total();
            disk.fail(on, after, fault);
            let closed = db.clone().close();
            drop(db);
            let (failed, clean) = (disk.faults().total() > before, salts(&disk.bytes()) == 0);
            assert_eq!(closed.is_err(), failed, "{fault:?}, {on:?}, {after} calls later: {closed:?}");
            if let Err(error) = &closed {
                let at_the_end = error.to_string().contains("writing a superblock");
                assert!(at_the_end || !clean, "marked as ended: {error}");
                *if at_the_end { &mut late } else { &mut early } += 1;
            }
            disk.heal();
            let there = disk.open::<()>(Options::new()).unwrap().read(contents).unwrap();
            let all = there == model(0..600, 1);
            assert!(all || !clean && closed.is_err() && there == model(0..300, 1), "{} rows", there.len());
        }
    }
    assert!(early > 10 && late > 4, "{early} {late}");
}
