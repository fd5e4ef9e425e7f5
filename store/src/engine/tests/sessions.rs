//! What several threads, or a failed write, must not do to each other's transactions.

use super::*;
use crate::error::{Error, ErrorKind};
use crate::txn::write_set::WriteSet;
use crate::txn::{Batch, apply_batches};
use crate::vfs::{CrashPolicy, FaultFile, FaultPlan, MemoryFile};

fn bytes(storage: &MemoryFile) -> Vec<u8> {
    let mut bytes = vec![0; storage.len().unwrap() as usize];
    storage.read_at(&mut bytes, 0).unwrap();
    bytes
}

/// A commit whose writes have outgrown memory is applied in parts. A snapshot that began between them used to miss whole leaves.
#[test]
fn i17_what_is_visible_stays_while_a_group_is_applied_in_parts() {
    let storage = Arc::new(MemoryFile::default());
    let engine = open(&storage, small(Background::Inline, 1));
    let base = engine.base();
    let mut state = base.apply.lock();
    let mut apply = |timestamp: u64, key: &[u8]| {
        let mut writes = WriteSet::default();
        writes.put(1, key, b"value", false);
        apply_batches(base, &mut state, &[Batch { timestamp, writes: &writes, extents: &[], spills: &[] }]).unwrap();
    };
    apply(1, b"a");
    base.registry.publish(1);
    apply(2, b"b");
    apply(3, b"c");
    let snapshot = engine.snapshot().unwrap();
    assert_eq!(contents(&snapshot, 1).into_keys().collect::<Vec<_>>(), [b"a".to_vec()]);
    assert!(snapshot.get(TreeId(1), b"a").unwrap().is_some());
    assert!(snapshot.get(TreeId(1), b"b").unwrap().is_none());
}

/// It used to be told of damage: what it would have read may be overwritten by then.
#[test]
fn i16_a_snapshot_that_was_given_up_says_so_whatever_it_reads() {
    let storage = Arc::new(MemoryFile::default());
    let engine = open(&storage, small(Background::Inline, 1));
    let tx = engine.begin().unwrap();
    for key in 0..200_u32 {
        tx.put(TreeId(1), &key.to_be_bytes(), &[1; 50]).unwrap();
    }
    tx.commit(Durability::Synced).unwrap();
    engine.close().unwrap();
    drop(engine);
    let engine = open(&storage, small(Background::Inline, 1));
    let snapshot = engine.snapshot().unwrap();
    let tx = engine.begin().unwrap();
    tx.put(TreeId(2), b"key", b"value").unwrap();
    tx.commit(Durability::Synced).unwrap();
    assert!(engine.base().registry.cancel_oldest(|_| false));
    let length = storage.len().unwrap() as usize;
    storage.write_at(&vec![0xee; length], 0).unwrap();
    let kind = |error: Error| error.kind();
    assert_eq!(snapshot.get(TreeId(1), &[0; 4]).err().map(kind), Some(ErrorKind::SnapshotTooOld));
    let mut cursor = snapshot.cursor(TreeId(1), Bound::Unbounded, Bound::Unbounded).unwrap();
    assert_eq!(cursor.next().err().map(kind), Some(ErrorKind::SnapshotTooOld));
}

/// After it the file may be copied; a compaction that ran used to go on writing.
#[test]
fn a_compaction_ends_when_the_database_is_closed() {
    let storage = Arc::new(MemoryFile::default());
    let engine = open(&storage, small(Background::Inline, 1));
    for keys in [0..3000_u32, 0..2900] {
        let tx = engine.begin().unwrap();
        for key in keys.clone() {
            if keys.end == 3000 {
                tx.put(TreeId(1), &key.to_be_bytes(), &[1; 100]).unwrap();
            } else {
                tx.delete(TreeId(1), &key.to_be_bytes()).unwrap();
            }
        }
        tx.commit(Durability::Deferred).unwrap();
        engine.checkpoint().unwrap();
    }
    let mut closed = None;
    let compacted = engine.compact(&mut |_| {
        if closed.is_none() {
            engine.close().unwrap();
            closed = Some(bytes(&storage));
        }
    });
    assert_eq!(compacted.unwrap_err().kind(), ErrorKind::Closed);
    assert!(closed.unwrap() == bytes(&storage), "the file has changed after it was closed");
    drop(engine);
    assert_eq!(contents(&open(&storage, small(Background::Inline, 1)).snapshot().unwrap(), 1).len(), 100);
}

/// It used to commit the rest: a large value whose blocks were free, index entries without their record.
#[test]
fn i20_a_transaction_with_a_write_that_failed_commits_nothing() {
    let file = Arc::new(FaultFile::from_image(Vec::new(), FaultPlan::default()));
    let options = || EngineOptions { log_size: 16 << 20, write_buffer: 64 << 20, ..small(Background::Inline, 1) };
    let engine = open(&file, options());
    let tx = engine.begin().unwrap();
    tx.put(TreeId(1), b"key", &vec![1; 2 << 20]).unwrap();
    file.set_plan(FaultPlan { capacity: Some(file.len().unwrap()), ..FaultPlan::default() });
    assert_eq!(tx.put(TreeId(1), b"key", &vec![2; 64 << 20]).unwrap_err().kind(), ErrorKind::StorageFull);
    assert_eq!(tx.get(TreeId(1), b"key").unwrap().unwrap()[..4], [1; 4], "a write that failed changes nothing");
    file.set_plan(FaultPlan::default());
    assert_eq!(tx.commit(Durability::Synced).unwrap_err().kind(), ErrorKind::StorageFull);
    for key in [b"other", b"third"] {
        let tx = engine.begin().unwrap();
        tx.put(TreeId(1), key, &vec![3; 2 << 20]).unwrap();
        tx.commit(Durability::Synced).unwrap();
    }
    audit(&engine);
    let image = file.crash(CrashPolicy::KeepAll, 0);
    let engine = open(&Arc::new(FaultFile::from_image(image, FaultPlan::default())), options());
    assert_eq!(contents(&engine.snapshot().unwrap(), 1).len(), 2);
    audit(&engine);
}

/// What was committed meanwhile is kept as long as it takes a part of the memory; the bytes of keys and values were counted alone, a thirtieth of it.
#[test]
fn a_closure_that_outlives_the_window_runs_again() {
    let engine = open(&Arc::new(MemoryFile::default()), small(Background::Inline, 1));
    let commit = |txn: WriteTxn| txn.commit(Durability::Deferred).map_err(|error| error.to_string());
    for (commits, knows_them) in [(1_000, true), (20_000, false)] {
        let closure = engine.begin_optimistic().unwrap();
        assert!(closure.get(TreeId(2), b"key").unwrap().is_none());
        closure.put(TreeId(2), b"other", b"").unwrap();
        for i in 0..commits {
            let txn = engine.begin_optimistic().unwrap();
            txn.put(TreeId(1), &u32::to_be_bytes(i % 100), b"value").unwrap();
            commit(txn).unwrap();
        }
        match commit(closure) {
            Ok(_) => assert!(knows_them, "{commits} commits were kept"),
            Err(why) => assert!(!knows_them && why.contains("for so long"), "{commits} commits: {why}"),
        }
    }
}
