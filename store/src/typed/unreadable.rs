//! Pages that cannot be read while records are written.

use super::check::tests::{Customer, Shop, customer, fill, options};
use super::*;
use crate::engine::Background;
use crate::vfs::fault::{Call, Waiting};
use crate::vfs::{Failure, FaultFile, FaultPlan, Storage};
use crate::{ErrorKind, Id};
use std::sync::Arc;

type Write = fn(&Database<Shop>) -> crate::Result<()>;

fn open(file: &Arc<FaultFile>) -> Database<Shop> {
    let mut options = options();
    // A small part of the file.
    options.engine.memory = Some(1 << 20);
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
            let from = file.calls() + nth;
            // It fails again when it is tried again.
            (0..8).for_each(|_| file.fail(Waiting { from, on: Call::Read, failure: Failure::Io }));
            let failed = write(&db).err().map(|error| error.kind());
            if file.fired().failed_reads == 0 {
                assert!(nth > 3, "write {number} reads nothing");
                break;
            }
            file.heal();
            assert!(failed.is_none_or(|kind| kind == ErrorKind::Io), "write {number}, call {nth}: {failed:?}");
            write(&db).unwrap_or_else(|error| panic!("write {number} after call {nth} had failed: {error}"));
            db.close().unwrap();
        }
    }
}
