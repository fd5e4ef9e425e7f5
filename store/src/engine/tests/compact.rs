//! Compaction: contents stay, the file becomes short, whatever runs beside it and wherever it is cut off.

#![allow(clippy::disallowed_methods, reason = "tests use threads as programs do")]

use super::*;
use crate::compact::Compacted;
use crate::error::ErrorKind;
use crate::vfs::{CrashPolicy, FaultFile, FaultPlan, MemoryFile};
use std::sync::atomic::{AtomicBool, Ordering};

const TREES: u32 = 2;

fn compact(engine: &Engine) -> Compacted {
    engine.compact(&mut |_| {}).unwrap()
}

/// Keys and values of mixed sizes, one in fifty of them outside its page.
fn record(random: &mut fastrand::Rng, i: u32) -> (Vec<u8>, Vec<u8>) {
    let mut key = i.wrapping_mul(0x9e37_79b1).to_be_bytes().to_vec();
    key.extend_from_slice(&b"and some more"[..random.usize(0..13)]);
    let len = match random.u32(0..50) {
        0 => random.usize(5_000..60_000),
        1..=10 => random.usize(200..1500),
        _ => random.usize(20..200),
    };
    (key, vec![random.u8(..); len])
}

/// Fills some trees, a hundred records to a commit.
fn fill(engine: &Engine, world: &mut World, count: u32, random: &mut fastrand::Rng) {
    for first in (0..count).step_by(100) {
        let tx = engine.begin().unwrap();
        for i in first..(first + 100).min(count) {
            let tree = i % TREES;
            let (key, value) = record(random, i);
            tx.put(TreeId(tree), &key, &value).unwrap();
            world.entry(tree).or_default().insert(key, value);
        }
        tx.commit(Durability::Deferred).unwrap();
    }
}

/// Deletes nine records of ten.
fn thin_out(engine: &Engine, world: &mut World, random: &mut fastrand::Rng) {
    for (&tree, records) in world.iter_mut() {
        let gone: Vec<Vec<u8>> = records.keys().filter(|_| random.u32(0..10) > 0).cloned().collect();
        for some in gone.chunks(100) {
            let tx = engine.begin().unwrap();
            for key in some {
                tx.delete(TreeId(tree), key).unwrap();
                records.remove(key);
            }
            tx.commit(Durability::Deferred).unwrap();
        }
    }
}

fn live(world: &World) -> u64 {
    world.values().flatten().map(|(key, value)| (key.len() + value.len()) as u64).sum()
}

/// What the file has beside data: superblocks and log.
fn fixed(engine: &Engine) -> u64 {
    let superblock = engine.base().superblock.lock();
    let end = |segment: &crate::format::Segment| segment.address * u64::from(superblock.block_size) + segment.length;
    superblock.segments.iter().map(end).max().unwrap()
}

fn options(background: Background, seed: u64) -> EngineOptions {
    EngineOptions {
        block_size: 4096,
        page_size: 8192,
        log_size: 1 << 20,
        memory: Some(4 << 20),
        ..small(background, seed)
    }
}

fn same(engine: &Engine, world: &World) {
    let snapshot = engine.snapshot().unwrap();
    for tree in 0..TREES {
        assert!(contents(&snapshot, tree) == world.get(&tree).cloned().unwrap_or_default(), "tree {tree}");
    }
}

#[test]
fn the_file_is_at_most_half_again_as_long_as_the_data() {
    for background in [Background::Inline, Background::Thread] {
        let storage = Arc::new(MemoryFile::default());
        let engine = open(&storage, options(background, 1));
        let (mut random, mut world) = (fastrand::Rng::with_seed(7), World::new());
        fill(&engine, &mut world, 20_000, &mut random);
        thin_out(&engine, &mut world, &mut random);
        let log = engine.base().counts.log_bytes.load(Ordering::Relaxed);
        let did = compact(&engine);
        let (file, data) = (storage.len().unwrap() - fixed(&engine), live(&world));
        println!("{did:?}: {file} bytes for {data}");
        assert_eq!(did.after, storage.len().unwrap());
        assert!(file * 2 <= data * 3, "{file} bytes for {data}: {did:?}");
        assert!(did.after * 2 < did.before && did.leaves > did.packed && did.moved > 0, "{did:?}");
        assert_eq!(did.held, 0);
        // I33. What was deferred may have been flushed meanwhile.
        let unflushed = 1 << 20;
        assert!(engine.base().counts.log_bytes.load(Ordering::Relaxed) - log <= unflushed);
        same(&engine, &world);
        audit(&engine);
        // It gains nothing more.
        let again = compact(&engine);
        println!("again: {again:?}");
        assert!((again.leaves, again.moved) == (0, 0) && again.after <= again.before, "{again:?}");
        engine.close().unwrap();
        let engine = open(&storage, options(background, 2));
        same(&engine, &world);
        audit(&engine);
    }
}
