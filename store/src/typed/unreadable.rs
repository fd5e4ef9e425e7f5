//! Pages that cannot be read while records are written.

use super::check::tests::{Customer, Shop, customer, fill, options};
use super::*;
use crate::engine::Background;
use crate::vfs::fault::{Call, Waiting};
use crate::vfs::{Failure, FaultFile, FaultPlan, Storage};
use crate::{ErrorKind, Id};
use std::sync::{Arc, LazyLock};

type Write = fn(&Database<Shop>) -> crate::Result<()>;

/// The first read behind `calls` calls fails, and again when it is tried again.
fn fail_reads(file: &FaultFile, calls: u64) {
    let from = file.calls() + calls;
    (0..8).for_each(|_| file.fail(Waiting { from, on: Call::Read, failure: Failure::Io }));
}

fn open(file: &Arc<FaultFile>) -> Database<Shop> {
    let mut options = options();
    // A small part of the file.
    options.engine.memory = Some(48 << 10);
    options.engine.background = Background::Inline;
    Database::<Shop>::on(Arc::clone(file) as Arc<dyn Storage>, options).unwrap()
}

/// An index entry is written without being read before. The page that it belongs to was read after the commit had its place in the log: then
/// nothing could be written any more, and the file did not open if the page was damaged.
#[test]
fn i20_a_page_that_cannot_be_read_fails_one_transaction() {
    let file = Arc::new(FaultFile::from_image(Vec::new(), FaultPlan::default()));
    let db = open(&file);
    fill(&db);
    db.close().unwrap();
    let image = file.image();
    let writes: [Write; 3] = [
        |db| db.write(|tx| tx.table::<Customer>()?.insert(customer(7777)).map(|_| ())),
        |db| db.write(|tx| tx.table::<Customer>()?.update(Id::new(40), |one| one.age += 1).map(|_| ())),
        |db| db.write(|tx| tx.table::<Customer>()?.remove(Id::new(41)).map(|_| ())),
    ];
    for (number, write) in writes.into_iter().enumerate() {
        for nth in 0.. {
            let file = Arc::new(FaultFile::from_image(image.clone(), FaultPlan::default()));
            let db = open(&file);
            // The counters are known now, and their page is not in memory.
            db.write(|tx| tx.table::<Customer>()?.insert(customer(8888)).map(|_| ())).unwrap();
            db.checkpoint().unwrap();
            let all = db.read(|tx| Ok(tx.table::<Customer>()?.iter().filter(Result::is_ok).count()));
            assert!(all.unwrap() > 100);
            fail_reads(&file, nth);
            let failed = write(&db).err().map(|error| error.kind());
            if file.fired().failed_reads == 0 {
                assert!(nth > 0, "write {number} reads nothing");
                break;
            }
            file.heal();
            assert!(failed.is_none_or(|kind| kind == ErrorKind::Io), "write {number}, call {nth}: {failed:?}");
            write(&db).unwrap_or_else(|error| panic!("write {number} after call {nth} had failed: {error}"));
            db.close().unwrap();
        }
    }
}

/// Indexes are emptied before the records: who went on after an error kept records that no index names.
#[test]
fn i20_after_a_clear_that_failed_nothing_is_committed() {
    let file = Arc::new(FaultFile::from_image(Vec::new(), FaultPlan::default()));
    let db = open(&file);
    fill(&db);
    db.close().unwrap();
    let image = file.image();
    let mut failures = 0;
    for nth in (0..).step_by(7) {
        let file = Arc::new(FaultFile::from_image(image.clone(), FaultPlan::default()));
        let db = open(&file);
        let tx = db.begin_write().unwrap();
        fail_reads(&file, nth);
        let cleared = tx.table::<Customer>().and_then(|mut customers| customers.clear());
        let failed = file.fired().failed_reads > 0;
        file.heal();
        assert_eq!(cleared.is_err(), failed);
        assert_eq!(tx.commit().is_err(), failed, "call {nth}");
        db.check().unwrap();
        if !failed {
            break;
        }
        failures += 1;
    }
    assert!(failures > 3, "{failures} reads failed");
}

/// The counter of a deleted table goes with it, and lies in another page of the catalog than the table's entry: that page was read only when the
/// commit was in the log. A refused read ended all writing, and a damaged page kept the file from opening.
#[test]
fn i20_a_table_is_not_deleted_while_its_counter_cannot_be_read() {
    // Names live for ever; in a static, so that LeakSanitizer does not take them for lost.
    static NAMES: LazyLock<Vec<String>> =
        LazyLock::new(|| (0..60).map(|i| format!("{i}{}", "x".repeat(200))).collect());
    let table = |i: u32| TableDef::<u32, u32>::new(&NAMES[i as usize]);
    let open = |file: &Arc<FaultFile>| {
        let mut options = options();
        options.engine.background = Background::Inline;
        Database::<()>::on(Arc::clone(file) as Arc<dyn Storage>, options).unwrap()
    };
    let file = Arc::new(FaultFile::from_image(Vec::new(), FaultPlan::default()));
    let db = open(&file);
    (0..60).for_each(|i| {
        db.write(|tx| tx.open_table(&table(i))?.insert(i, i)).unwrap();
    });
    db.close().unwrap();
    let image = file.image();
    for nth in 0.. {
        let file = Arc::new(FaultFile::from_image(image.clone(), FaultPlan::default()));
        let db = open(&file);
        fail_reads(&file, nth);
        let failed = db.write(|tx| tx.delete_table(&table(9))).err().map(|error| error.kind());
        if file.fired().failed_reads == 0 {
            assert!(nth > 1, "{nth} reads");
            break;
        }
        file.heal();
        assert!(failed.is_none_or(|kind| kind == ErrorKind::Io), "call {nth}: {failed:?}");
        assert_eq!(db.write(|tx| tx.delete_table(&table(9))).unwrap(), failed.is_some(), "call {nth}");
        assert_eq!(db.write(|tx| tx.open_table(&table(8))?.insert(1, 1)).unwrap(), None);
        db.close().unwrap();
    }
}
