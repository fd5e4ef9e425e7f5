//! Whoever tries again does not do so for ever: a closure that conflicts each time it runs gets the turn to write, a thread that wants a
//! latch waits for its holder, and a reader of a node that stays half replaced ends with all writing.
#![allow(clippy::disallowed_methods, reason = "tests use threads as programs do")]

use super::*;
use crate::buffer::{OptimisticLatch, Swip};
use crate::error::{Error, ErrorKind};
use crate::tree::{Access, MAX_LEVEL, Target};
use crate::vfs::MemoryFile;
use std::sync::mpsc::channel;
use std::time::Duration;

/// Long enough for any thread to have tried some thousand times.
const A_WHILE: Duration = Duration::from_millis(50);

#[cfg(feature = "simulate")]
#[test]
fn a_closure_that_conflicts_each_time_writes_alone_in_the_end() {
    const ROWS: crate::TableDef<u32, u32> = crate::TableDef::new("rows");
    let db = crate::Database::<()>::in_memory().unwrap();
    db.write(|tx| tx.open_table(&ROWS)?.insert(0, 0)).unwrap();
    let (mut runs, mut meddled, mut alone) = (0, 0, false);
    db.write(|tx| {
        runs += 1;
        assert!(runs < 16, "it runs again and again");
        let mut rows = tx.open_table(&ROWS)?;
        let seen = rows.get(0)?.unwrap();
        match db.begin_optimistic() {
            Ok(other) => {
                other.open_table(&ROWS)?.insert(0, seen + 100)?;
                other.commit()?;
                meddled += 1;
            }
            // Refused to a thread that has the turn.
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::NestedTransaction, "{error}");
                alone = true;
            }
        }
        rows.insert(0, seen + 1)
    })
    .unwrap();
    assert!(alone && meddled > 1 && runs == meddled + 1, "{runs} runs, {meddled} conflicts");
    assert_eq!(db.stats().retries, u64::from(meddled));
    assert_eq!(db.read(|tx| tx.open_table(&ROWS)?.get(0)).unwrap(), Some(100 * meddled + 1));
}

#[test]
fn who_waits_for_a_latch_gets_it_or_starts_again() {
    for replaced in [false, true] {
        let latch = &OptimisticLatch::new();
        let held = latch.lock().unwrap();
        std::thread::scope(|scope| {
            let waits = scope.spawn(|| latch.lock().is_ok());
            std::thread::sleep(A_WHILE);
            assert!(!waits.is_finished(), "two hold one latch");
            if replaced {
                held.retire()
            } else {
                drop(held)
            }
            assert_eq!(waits.join().unwrap(), !replaced);
        });
    }
}

#[test]
fn a_reader_of_a_node_that_stays_half_replaced_ends_with_all_writing() {
    let storage = Arc::new(MemoryFile::default());
    let engine = open(&storage, small(Background::Inline, 1));
    let tx = engine.begin().unwrap();
    (0..200_u32).for_each(|i| tx.put(TreeId(0), &i.to_be_bytes(), &[1; 40]).unwrap());
    tx.commit(Durability::Synced).unwrap();
    engine.close().unwrap();
    let engine = open(&storage, small(Background::Inline, 1));
    let tree = engine.base().forest.get(0).unwrap();
    let (target, first) = (Target::At(&[]), |root: crate::buffer::Frame<'_>| root.child(0).map(|child| child.freeze()));
    let frozen = tree.with_node(&engine.base().pager, target, MAX_LEVEL, Access::Scan, |root, _| first(root)).unwrap();
    assert!(matches!(frozen, Some(Some(Swip::Cold { frozen: true, .. }))), "{frozen:?}");
    let (reader, (told, is_told)) = (engine.clone(), channel());
    let get =
        |engine: &Engine, key: u32| engine.snapshot()?.get(TreeId(0), &key.to_be_bytes()).map(|value| value.is_some());
    let waits = std::thread::spawn(move || told.send(get(&reader, 0)).unwrap());
    assert!(is_told.recv_timeout(A_WHILE).is_err(), "it read a page that is being replaced");
    assert!(get(&engine, 199).unwrap(), "others go on");
    engine.base().poison.set(&Error::new(ErrorKind::Io, "for a test"));
    let answer = is_told.recv_timeout(Duration::from_secs(30)).expect("it waits for ever");
    assert_eq!(answer.unwrap_err().kind(), ErrorKind::Poisoned);
    waits.join().unwrap();
}
