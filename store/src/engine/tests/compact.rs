//! Compaction: contents stay, the file becomes short, whatever runs beside it and wherever it is cut off.

#![allow(clippy::disallowed_methods, reason = "tests use threads as programs do")]

use super::*;
use crate::compact::Compacted;
use crate::error::ErrorKind;
use crate::format::PageHeader;
use crate::vfs::{CrashPolicy, Failure, FaultFile, FaultPlan, MemoryFile};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

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
pub(super) fn fill(engine: &Engine, world: &mut World, count: u32, random: &mut fastrand::Rng) {
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
pub(super) fn thin_out(engine: &Engine, world: &mut World, random: &mut fastrand::Rng) {
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

pub(super) fn options(background: Background, seed: u64) -> EngineOptions {
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
        let did = compact(&engine);
        let (file, data) = (storage.len().unwrap() - fixed(&engine), live(&world));
        println!("{did:?}: {file} bytes for {data}");
        assert_eq!(did.after, storage.len().unwrap());
        assert!(file * 2 <= data * 3, "{file} bytes for {data}: {did:?}");
        assert!(did.after * 2 < did.before && did.leaves > did.packed && did.moved > 0, "{did:?}");
        assert_eq!(did.held, 0);
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

/// Beside a writer that changes and deletes records, a reader that looks at all that a snapshot sees, and large values that come and go.
#[test]
fn i19_beside_a_writer_and_a_reader() {
    let storage = Arc::new(MemoryFile::default());
    let engine = open(&storage, EngineOptions { memory: Some(64 << 20), ..options(Background::Thread, 4) });
    let (mut random, mut world) = (fastrand::Rng::with_seed(8), World::new());
    fill(&engine, &mut world, 10_000, &mut random);
    thin_out(&engine, &mut world, &mut random);
    let (stop, commits, reads) = (&AtomicBool::new(false), &AtomicU32::new(0), &AtomicU32::new(0));
    let mut world = std::thread::scope(|scope| {
        let writer = scope.spawn({
            let engine = engine.clone();
            move || {
                while !stop.load(Ordering::Relaxed) {
                    write_some(&engine, &mut world, &mut random, commits.fetch_add(1, Ordering::Relaxed));
                }
                world
            }
        });
        let reader = scope.spawn({
            let engine = engine.clone();
            move || {
                while !stop.load(Ordering::Relaxed) {
                    let snapshot = engine.snapshot().unwrap();
                    let (one, two) = (contents(&snapshot, 0), contents(&snapshot, 1));
                    // Every commit puts its number into both.
                    assert_eq!(one.get(b"number".as_slice()), two.get(b"number".as_slice()));
                    assert!(contents(&snapshot, 0) == one, "a snapshot changed");
                    reads.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
        let mut did = Compacted::default();
        let going = |scope: &std::thread::ScopedJoinHandle<'_, _>| !scope.is_finished() && !reader.is_finished();
        let count = |of: &AtomicU32| of.load(Ordering::Relaxed);
        // Where others use the processors, the first passes may find no leaf that the writer leaves alone.
        let done = |did: &Compacted| did.leaves > 0 && did.moved > 0 && count(commits) >= 200 && count(reads) >= 20;
        while !done(&did) && count(commits) < 20_000 && going(&writer) {
            let next = compact(&engine);
            did.leaves += next.leaves;
            did.moved += next.moved;
        }
        stop.store(true, Ordering::Relaxed);
        reader.join().unwrap();
        assert!(did.leaves > 0 && did.moved > 0, "{did:?}");
        writer.join().unwrap()
    });
    same(&engine, &world);
    audit(&engine);
    engine.pinned_image().unwrap();
    thin_out(&engine, &mut world, &mut fastrand::Rng::with_seed(1));
    let did = compact(&engine);
    same(&engine, &world);
    audit(&engine);
    let (file, data) = (storage.len().unwrap() - fixed(&engine), live(&world));
    // What a checkpoint writes of its own weighs more where there is so little.
    assert!(file <= data * 3 / 2 + (64 << 10), "{file} bytes for {data}: {did:?}");
}

fn write_some(engine: &Engine, world: &mut World, random: &mut fastrand::Rng, commits: u32) {
    let tx = engine.begin().unwrap();
    for tree in 0..TREES {
        let records = world.get_mut(&tree).unwrap();
        let number = (b"number".to_vec(), commits.to_be_bytes().to_vec());
        let gone: Vec<Vec<u8>> =
            records.keys().skip(random.usize(0..records.len())).step_by(7).take(8).cloned().collect();
        for key in gone {
            tx.delete(TreeId(tree), &key).unwrap();
            records.remove(&key);
        }
        for _ in 0..8 {
            let i = random.u32(..);
            let (key, value) = record(random, i);
            tx.put(TreeId(tree), &key, &value).unwrap();
            records.insert(key, value);
        }
        tx.put(TreeId(tree), &number.0, &number.1).unwrap();
        records.insert(number.0, number.1);
    }
    tx.commit(if commits.is_multiple_of(8) { Durability::Synced } else { Durability::Deferred }).unwrap();
}

/// I16, I25: what a snapshot and a pinned checkpoint see stays, also values that move without a commit; and comes back when they are gone.
#[test]
fn i25_what_is_being_read_stays_where_it_is() {
    for background in [Background::Inline, Background::Thread] {
        let storage = Arc::new(MemoryFile::default());
        let engine = open(&storage, EngineOptions { memory: Some(64 << 20), ..options(background, 4) });
        let (mut random, mut world) = (fastrand::Rng::with_seed(9), World::new());
        fill(&engine, &mut world, 6_000, &mut random);
        let (pinned, before) = (engine.pinned_snapshot().unwrap(), world.clone());
        thin_out(&engine, &mut world, &mut random);
        let held = compact(&engine);
        for tree in 0..TREES {
            assert!(contents(&pinned, tree) == before[&tree], "tree {tree}");
        }
        assert!(held.held > 1 << 20, "{held:?}");
        drop(pinned);
        let second = compact(&engine);
        assert!(second.after < held.after && second.moved > 0 && second.held == 0, "{held:?}, {second:?}");
        // Values move while a snapshot of the newest commit is open, and a cursor holds a leaf with their old references.
        leave_holes(&engine);
        let snapshot = engine.snapshot().unwrap();
        let mut cursor = snapshot.cursor(TreeId(0), Bound::Unbounded, Bound::Unbounded).unwrap();
        let mut walked = Tree::new();
        let (key, value) = cursor.next().unwrap().unwrap();
        walked.insert(key.to_vec(), value.to_vec());
        let third = compact(&engine);
        assert!(third.moved > 0 && third.held > 0, "{third:?}");
        // Space is used again meanwhile.
        leave_holes(&engine);
        for tree in 0..TREES {
            assert!(contents(&snapshot, tree) == world[&tree], "tree {tree}");
        }
        while let Some((key, value)) = cursor.next().unwrap() {
            walked.insert(key.to_vec(), value.to_vec());
        }
        assert!(walked == world[&0], "a cursor that was open");
        drop(cursor);
        drop(snapshot);
        audit(&engine);
        let last = compact(&engine);
        assert_eq!(last.held, 0, "{last:?}");
        let (file, data) = (storage.len().unwrap() - fixed(&engine), live(&world));
        assert!(file <= data * 3 / 2, "{file} bytes for {data}: {last:?}");
        same(&engine, &world);
        audit(&engine);
    }
}

/// Has all values of both trees lie behind a hole.
fn leave_holes(engine: &Engine) {
    let tx = engine.begin().unwrap();
    (0..40_u32).for_each(|i| tx.put(TreeId(7), &i.to_be_bytes(), &vec![i as u8; 30_000]).unwrap());
    tx.commit(Durability::Synced).unwrap();
    engine.checkpoint().unwrap();
    for tree in 0..TREES {
        let all = contents(&engine.snapshot().unwrap(), tree);
        let tx = engine.begin().unwrap();
        all.iter().for_each(|(key, value)| tx.put(TreeId(tree), key, value).unwrap());
        tx.commit(Durability::Deferred).unwrap();
    }
    let tx = engine.begin().unwrap();
    (0..40_u32).for_each(|i| tx.delete(TreeId(7), &i.to_be_bytes()).unwrap());
    tx.commit(Durability::Synced).unwrap();
    engine.checkpoint().unwrap();
}

/// Small blocks and pages: many levels, and an image whose compaction is a few hundred calls.
fn sparse_image(seed: u64) -> (Vec<u8>, World) {
    let file = Arc::new(FaultFile::from_image(Vec::new(), FaultPlan::default()));
    let engine = open(&file, small(Background::Inline, seed));
    let (mut random, mut world) = (fastrand::Rng::with_seed(seed), World::new());
    for first in (0..900).step_by(30) {
        let tx = engine.begin().unwrap();
        for i in first..first + 30 {
            let (mut key, mut value) = record(&mut random, i);
            key.truncate(12);
            value.truncate(if i % 40 == 0 { 3000 } else { 150 });
            tx.put(TreeId(i % TREES), &key, &value).unwrap();
            world.entry(i % TREES).or_default().insert(key, value);
        }
        tx.commit(Durability::Deferred).unwrap();
    }
    thin_out(&engine, &mut world, &mut random);
    engine.close().unwrap();
    (file.image(), world)
}

/// Compacts, and commits a record now and then meanwhile; `worlds` gets what may be found after a crash.
fn compact_and_commit(file: &Arc<FaultFile>, seed: u64, worlds: &mut Vec<World>) -> Result<Compacted> {
    let engine = Engine::open(Arc::clone(file) as Arc<dyn Storage>, small(Background::Inline, seed))?;
    let mut steps = 0;
    engine.compact(&mut |_| {
        steps += 1;
        if steps % 4 != 0 {
            return;
        }
        let mut world = worlds.last().cloned().unwrap_or_default();
        let key = format!("step {steps}").into_bytes();
        world.entry(0).or_default().insert(key.clone(), vec![steps as u8; 100]);
        let Ok(tx) = engine.begin() else { return };
        if tx.put(TreeId(0), &key, &[steps as u8; 100]).is_err() {
            return;
        }
        let before = worlds.last().cloned();
        worlds.push(world.clone());
        match tx.commit(Durability::Synced) {
            Ok(_) => *worlds = vec![world],
            // It may be there all the same, and nobody goes on from it.
            Err(_) => worlds.extend(before),
        }
    })
}

fn is_one_of(engine: &Engine, worlds: &[World]) -> bool {
    let snapshot = engine.snapshot().unwrap();
    let found: Vec<Tree> = (0..TREES).map(|tree| contents(&snapshot, tree)).collect();
    let is = |world: &World| {
        found.iter().zip(0..).all(|(found, tree)| *found == world.get(&tree).cloned().unwrap_or_default())
    };
    worlds.iter().any(is)
}

/// I34: the power fails at each call of a compaction, beside commits.
#[test]
fn i34_a_crash_at_any_call_loses_nothing() {
    let (mut crashes, mut cut_off) = (0, 0);
    for seed in 1..4 {
        let (image, world) = sparse_image(seed);
        let whole = Arc::new(FaultFile::from_image(image.clone(), FaultPlan::default()));
        let mut worlds = vec![world.clone()];
        let did = compact_and_commit(&whole, seed, &mut worlds).unwrap();
        assert!(did.leaves > 0 && did.moved > 0 && did.after < did.before, "{did:?}");
        assert!(worlds[0] != world, "no commit meanwhile");
        let calls = whole.calls();
        println!("{did:?}, {calls} calls");
        for stop in 0..calls {
            let plan = FaultPlan { stop: Some(stop), direct: stop % 2 == 0, ..FaultPlan::default() };
            let file = Arc::new(FaultFile::from_image(image.clone(), plan));
            let mut worlds = vec![world.clone()];
            cut_off += u32::from(compact_and_commit(&file, seed, &mut worlds).is_err());
            let policy = CrashPolicy::ALL[stop as usize % CrashPolicy::ALL.len()];
            let after = Arc::new(FaultFile::from_image(file.crash(policy, stop), FaultPlan::default()));
            let engine = open(&after, small(Background::Inline, seed + 50));
            assert!(is_one_of(&engine, &worlds), "seed {seed}, call {stop}, {policy:?}");
            audit(&engine);
            crashes += 1;
            if stop % 8 == 0 {
                compact(&engine);
                assert!(is_one_of(&engine, &worlds), "seed {seed}, call {stop}, {policy:?}: the second one");
                audit(&engine);
            }
        }
    }
    println!("{crashes} crashes, {cut_off} of them before its end");
    assert!(cut_off > 400, "{cut_off}");
}

/// I31: each call fails once; what was acknowledged is there, and the database goes on unless that poisons it.
#[test]
fn i31_after_a_failed_call_the_database_goes_on() {
    let (image, world) = sparse_image(5);
    let whole = Arc::new(FaultFile::from_image(image.clone(), FaultPlan::default()));
    compact_and_commit(&whole, 5, &mut vec![world.clone()]).unwrap();
    let (calls, mut went_on) = (whole.calls(), 0);
    for fail in 0..calls {
        for failure in [Failure::Io, Failure::NoSpace, Failure::Short, Failure::LostSync] {
            let plan = FaultPlan { fail: Some((fail, failure)), ..FaultPlan::default() };
            let file = Arc::new(FaultFile::from_image(image.clone(), plan));
            let Ok(engine) = Engine::open(Arc::clone(&file) as Arc<dyn Storage>, small(Background::Inline, 5)) else {
                continue;
            };
            let failed = engine.compact(&mut |_| {}).err();
            file.set_plan(FaultPlan::default());
            if let Some(error) = &failed {
                assert!(
                    matches!(error.kind(), ErrorKind::Io | ErrorKind::StorageFull | ErrorKind::Poisoned),
                    "{error}"
                );
            }
            assert!(is_one_of(&engine, std::slice::from_ref(&world)), "call {fail}, {failure:?}");
            if engine.base().poison.check().is_ok() {
                went_on += u32::from(failed.is_some());
                audit(&engine);
                compact(&engine);
                audit(&engine);
                engine.close().unwrap();
            }
            drop(engine);
            let after = FaultFile::from_image(file.crash(CrashPolicy::Random, fail), FaultPlan::default());
            let engine = open(&Arc::new(after), small(Background::Inline, 6));
            assert!(is_one_of(&engine, std::slice::from_ref(&world)), "call {fail}, {failure:?}, a crash");
            audit(&engine);
        }
    }
    assert!(went_on > 100, "{went_on}");
}

/// What was copied and of which nothing was told, because it did not come to that, was nobody's until the file was opened again.
#[test]
fn i29_what_was_copied_in_vain_is_free_again() {
    let (image, _) = sparse_image(5);
    for after in 0..12 {
        let engine =
            open(&Arc::new(FaultFile::from_image(image.clone(), FaultPlan::default())), small(Background::Inline, 5));
        let mut told = 0;
        let ended = engine.compact(&mut |_| {
            if told == after {
                engine.base().poison.set(&crate::error::Error::new(ErrorKind::Io, "for a test"));
            }
            told += 1;
        });
        assert_eq!(ended.is_err(), told > after, "{ended:?}");
        assert_eq!(engine.base().space().unwrap().unnamed(), 0, "after {after}");
    }
}

/// Where the pages of a tree begin, those that are left of before too.
fn pages_of(image: &[u8], block: usize, tree: u32) -> Vec<u64> {
    let blocks = image.chunks_exact(block).zip(0..);
    let pages =
        blocks.filter_map(|(bytes, number): (_, u64)| Some((PageHeader::decode(bytes.first_chunk()?)?, number)));
    pages
        .filter(|(header, number)| header.tree == tree && header.address == *number)
        .map(|(_, number)| number * block as u64)
        .collect()
}

/// The blocks of a table that is deleted meanwhile may be used again while a compaction still looks for pages there: that was told as damage.
#[test]
fn a_table_that_is_deleted_meanwhile_is_not_damaged() {
    let (image, world) = sparse_image(5);
    let mut met = 0;
    for after in 0..60 {
        let file = Arc::new(FaultFile::from_image(image.clone(), FaultPlan::default()));
        let engine = open(&file, small(Background::Inline, 5));
        let block = engine.base().pager.block_size as usize;
        let (mut steps, mut damaged) = (0, Vec::new());
        let done = engine.compact(&mut |_| {
            if steps == after {
                let tx = engine.begin().unwrap();
                tx.drop_tree(TreeId(1)).unwrap();
                tx.commit(Durability::Synced).unwrap();
                // As if all of its blocks had been used again.
                damaged = pages_of(&file.image(), block, 1);
                damaged.iter().for_each(|&place| file.write_at(&[0x5a; 32], place).unwrap());
            }
            steps += 1;
        });
        met += usize::from(steps > after && !damaged.is_empty());
        assert!(done.is_ok(), "deleted at step {after}: {done:?}");
        let found = contents(&engine.snapshot().unwrap(), 0);
        assert_eq!(found, world.get(&0).cloned().unwrap_or_default());
    }
    assert!(met > 20, "{met}");
}

/// A full device: holes are enough.
#[test]
fn it_needs_no_room_to_grow() {
    let (image, world) = sparse_image(7);
    let capacity = Some(image.len() as u64);
    let file = Arc::new(FaultFile::from_image(image, FaultPlan { capacity, ..FaultPlan::default() }));
    let engine = open(&file, small(Background::Inline, 7));
    let did = compact(&engine);
    assert!(did.after < did.before, "{did:?}");
    assert!(is_one_of(&engine, &[world]));
    audit(&engine);
    file.set_plan(FaultPlan { capacity: Some(did.after), ..FaultPlan::default() });
    // Now there is none for the next checkpoint.
    for first in (0..200_u32).step_by(20) {
        let tx = engine.begin().unwrap();
        (first..first + 20).for_each(|i| tx.put(TreeId(1), &i.to_be_bytes(), &[1; 90]).unwrap());
        tx.commit(Durability::Deferred).unwrap();
    }
    assert_eq!(engine.compact(&mut |_| {}).unwrap_err().kind(), ErrorKind::StorageFull);
    file.set_plan(FaultPlan::default());
    compact(&engine);
    audit(&engine);
}

/// Levels go, and a tree whose records are all deleted becomes one empty leaf.
#[test]
fn trees_become_low() {
    let storage = Arc::new(MemoryFile::default());
    let engine = open(&storage, small(Background::Inline, 5));
    let level = |tree| {
        let (target, most) = (crate::tree::Target::At(&[]), crate::tree::MAX_LEVEL);
        let tree = engine.base().forest.get(tree).unwrap();
        tree.with_node(&engine.base().pager, target, most, crate::tree::Access::Scan, |root, _| root.level()).unwrap()
    };
    let key = |i: u32| i.wrapping_mul(0x9e37_79b1).to_be_bytes();
    for first in (0..6_000).step_by(100) {
        let tx = engine.begin().unwrap();
        for i in first..first + 100 {
            (0..2).for_each(|tree| tx.put(TreeId(tree), &key(i), &[i as u8; 40]).unwrap());
        }
        tx.commit(Durability::Deferred).unwrap();
    }
    assert!(level(0) >= Some(3), "{:?}", level(0));
    // A snapshot keeps deletes from being merged at once.
    let snapshot = engine.snapshot().unwrap();
    for first in (0..6_000).step_by(100) {
        let tx = engine.begin().unwrap();
        for i in first..first + 100 {
            tx.delete(TreeId(0), &key(i)).unwrap();
            if i % 50 > 0 {
                tx.delete(TreeId(1), &key(i)).unwrap();
            }
        }
        tx.commit(Durability::Deferred).unwrap();
    }
    drop(snapshot);
    let did = compact(&engine);
    assert_eq!((level(0), level(1)), (Some(0), Some(2)), "{did:?}");
    let snapshot = engine.snapshot().unwrap();
    assert_eq!((contents(&snapshot, 0).len(), contents(&snapshot, 1).len()), (0, 120));
    audit(&engine);
    assert!(engine.base().pager.pool.usage().dirty == 0, "the count of dirty bytes drifts");
}
