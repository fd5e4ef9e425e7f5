//! What writes no log (I33): splits, merges, eviction, compaction. The log gets what commits say, and nothing else.

use super::compact::{fill as fill_mixed, options as mixed, thin_out};
use super::*;
use crate::tree::{Access, MAX_LEVEL, Target};
use crate::vfs::MemoryFile;
use std::sync::atomic::Ordering;

/// How much the log has been given so far, and the bytes of its ring. Nothing waits in memory.
fn log_of(engine: &Engine, storage: &MemoryFile) -> (u64, Vec<u8>) {
    engine.flush().unwrap();
    let superblock = engine.base().superblock.lock();
    let mut ring = Vec::new();
    for segment in &superblock.segments {
        let from = ring.len();
        ring.resize(from + segment.length as usize, 0);
        storage.read_at(&mut ring[from..], segment.address * u64::from(superblock.block_size)).unwrap();
    }
    (engine.base().counts.log_bytes.load(Ordering::Relaxed), ring)
}

/// Room for a third of the records.
const TIGHT: u64 = 1 << 20;
const RECORDS: u32 = 30_000;

fn key(i: u32) -> [u8; 4] {
    i.wrapping_mul(0x9e37_79b1).to_be_bytes()
}

/// A tree of that many records, twenty to a commit. The log alone makes no checkpoint due, and each commit fills it up to a unit.
fn filled(storage: &Arc<MemoryFile>, background: Background, memory: u64) -> Engine {
    let sizes = EngineOptions { memory: Some(memory), page_size: 4096, log_size: 16 << 20, ..small(background, 1) };
    let engine = open(storage, sizes);
    for first in (0..RECORDS).step_by(20) {
        let tx = engine.begin().unwrap();
        (first..first + 20).for_each(|i| tx.put(TreeId(1), &key(i), &[i as u8; 80]).unwrap());
        tx.commit(Durability::Synced).unwrap();
    }
    engine
}

fn level(engine: &Engine, tree: u32) -> u8 {
    let tree = engine.base().forest.get(tree).unwrap();
    let root = |root: crate::buffer::Frame<'_>, _: &crate::buffer::Guard| root.level();
    tree.with_node(&engine.base().pager, Target::At(&[]), MAX_LEVEL, Access::Scan, root).unwrap().unwrap()
}

#[test]
fn i33_a_compaction_writes_no_log() {
    for background in [Background::Inline, Background::Thread] {
        let storage = Arc::new(MemoryFile::default());
        let engine = open(&storage, mixed(background, 1));
        let (mut random, mut world) = (fastrand::Rng::with_seed(3), World::new());
        fill_mixed(&engine, &mut world, 4_000, &mut random);
        thin_out(&engine, &mut world, &mut random);
        let before = log_of(&engine, &storage);
        let did = engine.compact(&mut |_| {}).unwrap();
        assert!(did.leaves > did.packed && did.moved > 0 && did.after < did.before, "{did:?}");
        let after = log_of(&engine, &storage);
        assert_eq!(after.0, before.0, "{background:?}: bytes of log");
        assert!(after.1 == before.1, "{background:?}: the ring is another");
        // The next commit is seen, so all of the ring was looked at.
        let tx = engine.begin().unwrap();
        tx.put(TreeId(0), b"key", b"value").unwrap();
        tx.commit(Durability::Synced).unwrap();
        let last = log_of(&engine, &storage);
        assert!(last.0 > after.0 && last.1 != after.1);
    }
}

/// Reads of more than fits memory: clean leaves leave it all the time.
#[test]
fn i33_eviction_writes_no_log() {
    for background in [Background::Inline, Background::Thread] {
        let storage = Arc::new(MemoryFile::default());
        let engine = filled(&storage, background, TIGHT);
        let counts = &engine.base().pager.clock.counts;
        let (before, evicted) = (log_of(&engine, &storage), counts.evictions.load(Ordering::Relaxed));
        let snapshot = engine.snapshot().unwrap();
        for i in (0..RECORDS).chain(0..RECORDS) {
            assert_eq!(snapshot.get(TreeId(1), &key(i)).unwrap().as_deref(), Some(&[i as u8; 80][..]));
            if i % 500 == 0 {
                crate::ckpt::evict(engine.base()).unwrap();
            }
        }
        let evicted = counts.evictions.load(Ordering::Relaxed) - evicted;
        assert!(evicted > 10_000, "{background:?}: {evicted} evicted");
        let after = log_of(&engine, &storage);
        assert_eq!(after.0, before.0, "{background:?}: bytes of log");
        assert!(after.1 == before.1, "{background:?}: the ring is another");
    }
}

/// Dirty leaves leave memory between commits, and are written before. Where there is room for all of them the log is the same, byte for byte.
#[test]
fn i33_dirty_leaves_that_are_written_early_write_no_log() {
    let [tight, ample] = [TIGHT, 64 << 20].map(|memory| {
        let storage = Arc::new(MemoryFile::default());
        let engine = filled(&storage, Background::Inline, memory);
        let written = engine.base().pager.clock.counts.written.load(Ordering::Relaxed);
        (written, log_of(&engine, &storage))
    });
    assert!(tight.0 > 0 && ample.0 == 0, "{} and {} leaves were written", tight.0, ample.0);
    assert_eq!(tight.1.0, ample.1.0, "bytes of log");
    assert!(tight.1.1 == ample.1.1, "another log");
}

/// The same commits to a tree that splits and merges, and to one that is a single leaf all the time: the logs are the same, byte for byte.
#[test]
fn i33_splits_and_merges_write_no_log() {
    const RECORDS: u32 = 600;
    for durability in [Durability::Synced, Durability::Deferred] {
        // What the log holds after the inserts and at the end, and how high the tree is then.
        let run = |page_size: u32| {
            let storage = Arc::new(MemoryFile::default());
            let options = EngineOptions { page_size, log_size: 4 << 20, ..small(Background::Inline, 1) };
            let engine = open(&storage, options);
            let commit = |numbers: std::ops::Range<u32>, with: &dyn Fn(&WriteTxn, u32)| {
                let tx = engine.begin().unwrap();
                numbers.for_each(|i| with(&tx, i));
                tx.commit(durability).unwrap();
            };
            let mut seen = Vec::new();
            for first in (0..RECORDS).step_by(10) {
                commit(first..first + 10, &|tx, i| tx.put(TreeId(0), &key(i), &[i as u8; 20]).unwrap());
            }
            seen.push((level(&engine, 0), log_of(&engine, &storage)));
            for first in (0..RECORDS).step_by(10) {
                commit(first..first + 10, &|tx, i| tx.delete(TreeId(0), &key(i)).unwrap());
            }
            // What is too small is looked for by the commits that follow.
            for i in 0..20 {
                commit(i..i + 1, &|tx, i| tx.put(TreeId(1), &key(i), b"value").unwrap());
            }
            seen.push((level(&engine, 0), log_of(&engine, &storage)));
            assert_eq!(engine.base().counts.checkpoints.load(Ordering::Relaxed), 0);
            assert_eq!(contents(&engine.snapshot().unwrap(), 0).len(), 0);
            audit(&engine);
            seen
        };
        let (many, one) = (run(512), run(32_768));
        let levels = |seen: &[(u8, (u64, Vec<u8>))]| seen.iter().map(|(level, _)| *level).collect::<Vec<_>>();
        assert_eq!(levels(&one), [0, 0], "it was to be one leaf");
        assert!(levels(&many)[0] >= 2 && levels(&many)[1] < levels(&many)[0], "{:?}", levels(&many));
        for ((_, many), (_, one)) in many.iter().zip(&one) {
            assert_eq!(many.0, one.0, "{durability:?}: bytes of log");
            assert!(many.1 == one.1, "{durability:?}: another log");
        }
    }
}
