//! Single promises, one test each.

#![allow(clippy::disallowed_methods, reason = "tests use threads as programs do")]

use super::*;
use crate::error::ErrorKind;
use crate::vfs::{CrashPolicy, Failure, FaultFile, FaultPlan, MemoryFile};

#[test]
fn values_of_all_sizes_survive_reopening() {
    let storage = Arc::new(MemoryFile::default());
    let options = EngineOptions { background: Background::Inline, ..EngineOptions::default() };
    let sizes = [0, 1, 4096, 4097, 65_536, 1 << 20, (1 << 20) + 1, 100 << 20];
    {
        let engine = open(&storage, options.clone());
        for (i, &size) in sizes.iter().enumerate() {
            let tx = engine.begin().unwrap();
            tx.put(TreeId(7), &[i as u8], &vec![i as u8; size]).unwrap();
            tx.commit(Durability::Synced).unwrap();
        }
        engine.close().unwrap();
        assert_eq!(engine.begin().err().map(|error| error.kind()), Some(ErrorKind::Closed));
    }
    let engine = open(&storage, options);
    let snapshot = engine.snapshot().unwrap();
    for (i, &size) in sizes.iter().enumerate() {
        let value = snapshot.get(TreeId(7), &[i as u8]).unwrap().unwrap();
        assert!(value.len() == size && value.iter().all(|&byte| byte == i as u8), "{size}");
    }
}

#[test]
fn limits_give_both_numbers() {
    let engine = open(&Arc::new(MemoryFile::default()), small(Background::Inline, 1));
    let tx = engine.begin().unwrap();
    tx.put(TreeId(1), &[1; MAX_ENTRY], b"fits").unwrap();
    let error = tx.put(TreeId(1), &[1; MAX_ENTRY + 1], b"").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::KeyTooLong);
    assert!(error.to_string().contains("12289") && error.to_string().contains("12288"), "{error}");
    assert_eq!(tx.put(TreeId(MAX_TREES), b"", b"").unwrap_err().kind(), ErrorKind::TooManyTables);
    tx.commit(Durability::Synced).unwrap();
}

#[test]
fn a_second_transaction_on_one_thread_is_refused() {
    let engine = open(&Arc::new(MemoryFile::default()), small(Background::Inline, 1));
    let tx = engine.begin().unwrap();
    assert_eq!(engine.begin().err().map(|error| error.kind()), Some(ErrorKind::NestedTransaction));
    assert_eq!(engine.close().err().map(|error| error.kind()), Some(ErrorKind::NestedTransaction));
    drop(tx);
    engine.begin().unwrap().commit(Durability::Synced).unwrap();
}

#[test]
fn i20_a_dropped_transaction_leaves_nothing() {
    let storage = Arc::new(MemoryFile::default());
    let engine = open(&storage, small(Background::Inline, 1));
    engine.checkpoint().unwrap();
    for _ in 0..50 {
        let tx = engine.begin().unwrap();
        tx.put(TreeId(1), b"large", &vec![1; 2 << 20]).unwrap();
        tx.put(TreeId(1), b"large", &vec![2; 2 << 20]).unwrap();
    }
    assert!(engine.snapshot().unwrap().get(TreeId(1), b"large").unwrap().is_none());
    engine.checkpoint().unwrap();
    audit(&engine);
    assert!(storage.len().unwrap() < 6 << 20, "{}", storage.len().unwrap());
}

#[test]
fn a_dropped_tree_is_seen_by_older_snapshots_only() {
    let engine = open(&Arc::new(MemoryFile::default()), small(Background::Inline, 1));
    let mut random = fastrand::Rng::with_seed(5);
    let mut world = World::new();
    let tx = engine.begin().unwrap();
    scribble(&tx, &mut world, 1, &mut random, 500);
    tx.commit(Durability::Synced).unwrap();
    engine.checkpoint().unwrap();
    let before = engine.snapshot().unwrap();
    let tx = engine.begin().unwrap();
    tx.drop_tree(TreeId(0)).unwrap();
    assert!(contents(&tx, 0).is_empty());
    tx.commit(Durability::Synced).unwrap();
    engine.checkpoint().unwrap();
    assert!(contents(&engine.snapshot().unwrap(), 0).is_empty());
    assert_eq!(contents(&before, 0), world[&0]);
    drop(before);
    for tree in 5..8 {
        let tx = engine.begin().unwrap();
        tx.put(TreeId(tree), b"a", b"b").unwrap();
        tx.commit(Durability::Synced).unwrap();
        engine.checkpoint().unwrap();
    }
    audit(&engine);
}

/// Blocks are used again when everyone has left who was in the tree as they became free: the tests beside this one, too, some of whom have lost their core.
fn wait_for_all() {
    let left = crate::buffer::all_have_left();
    while !left.load(std::sync::atomic::Ordering::Acquire) {
        crate::buffer::pin().flush();
        std::thread::yield_now();
    }
}

#[test]
fn steady_overwriting_does_not_grow_the_file() {
    let storage = Arc::new(MemoryFile::default());
    let engine = open(&storage, small(Background::Inline, 1));
    let mut lengths = Vec::new();
    for round in 0..40u8 {
        for i in 0..100u32 {
            let tx = engine.begin().unwrap();
            tx.put(TreeId(1), &i.to_be_bytes(), &[round; 300]).unwrap();
            tx.commit(Durability::Buffered).unwrap();
            wait_for_all();
        }
        lengths.push(storage.len().unwrap());
    }
    assert!(lengths[39] <= lengths[10] * 3 / 2, "{lengths:?}");
    for i in 0..100u32 {
        let tx = engine.begin().unwrap();
        tx.delete(TreeId(1), &i.to_be_bytes()).unwrap();
        tx.commit(Durability::Buffered).unwrap();
    }
    for _ in 0..4 {
        wait_for_all();
        let tx = engine.begin().unwrap();
        tx.put(TreeId(2), b"x", b"y").unwrap();
        tx.commit(Durability::Synced).unwrap();
        engine.checkpoint().unwrap();
    }
    assert!(storage.len().unwrap() < lengths[39], "the tail is given back");
    audit(&engine);
}

#[test]
fn i30_a_failed_sync_poisons_and_a_reopened_file_is_whole() {
    let file = Arc::new(FaultFile::from_image(Vec::new(), FaultPlan::default()));
    let engine = open(&file, small(Background::Inline, 1));
    let tx = engine.begin().unwrap();
    tx.put(TreeId(1), b"a", b"1").unwrap();
    tx.commit(Durability::Synced).unwrap();
    file.set_plan(FaultPlan { fail: Some((file.calls() + 1, Failure::LostSync)), ..FaultPlan::default() });
    let tx = engine.begin().unwrap();
    tx.put(TreeId(1), b"b", b"2").unwrap();
    assert_eq!(tx.commit(Durability::Synced).unwrap_err().kind(), ErrorKind::Io);
    assert_eq!(engine.begin().err().map(|error| error.kind()), Some(ErrorKind::Poisoned));
    assert_eq!(engine.snapshot().unwrap().get(TreeId(1), b"a").unwrap().as_deref(), Some(&b"1"[..]));
    drop(engine);
    let engine = open(&file, small(Background::Inline, 2));
    assert_eq!(engine.snapshot().unwrap().get(TreeId(1), b"a").unwrap().as_deref(), Some(&b"1"[..]));
}

#[test]
fn a_full_disk_fails_the_commit_and_the_database_goes_on() {
    let file = Arc::new(FaultFile::from_image(Vec::new(), FaultPlan::default()));
    let engine = open(&file, small(Background::Inline, 1));
    let full = FaultPlan { capacity: Some(file.len().unwrap() + 20_000), ..FaultPlan::default() };
    file.set_plan(full);
    let mut stored = 0u32;
    let error = loop {
        let tx = engine.begin().unwrap();
        if let Err(error) =
            tx.put(TreeId(1), &stored.to_be_bytes(), &[7; 700]).and_then(|()| tx.commit(Durability::Synced))
        {
            break error;
        }
        stored += 1;
        assert!(stored < 10_000);
    };
    assert_eq!(error.kind(), ErrorKind::StorageFull, "{error}");
    assert_eq!(contents(&engine.snapshot().unwrap(), 1).len(), stored as usize);
    file.set_plan(FaultPlan::default());
    let tx = engine.begin().unwrap();
    tx.put(TreeId(1), &stored.to_be_bytes(), &[7; 700]).unwrap();
    tx.commit(Durability::Synced).unwrap();
    assert_eq!(contents(&engine.snapshot().unwrap(), 1).len(), stored as usize + 1);
    engine.checkpoint().unwrap();
    audit(&engine);
}

#[test]
fn writers_on_many_threads_are_ordered_and_readers_see_prefixes() {
    let engine = open(&Arc::new(MemoryFile::default()), small(Background::Thread, 1));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for i in 0..200u32 {
                    let tx = engine.begin().unwrap();
                    let now = tx.get(TreeId(1), b"count").unwrap();
                    let now = now.map_or(0, |value| u32::from_be_bytes(value[..].try_into().unwrap()));
                    tx.put(TreeId(1), b"count", &(now + 1).to_be_bytes()).unwrap();
                    tx.put(TreeId(2), &now.to_be_bytes(), b"x").unwrap();
                    let durability = if i % 3 == 0 { Durability::Synced } else { Durability::Deferred };
                    tx.commit(durability).unwrap();
                }
            });
        }
        for _ in 0..2 {
            scope.spawn(|| {
                for _ in 0..200 {
                    let snapshot = engine.snapshot().unwrap();
                    let count = snapshot.get(TreeId(1), b"count").unwrap();
                    let count = count.map_or(0, |value| u32::from_be_bytes(value[..].try_into().unwrap()));
                    assert_eq!(contents(&snapshot, 2).len(), count as usize, "I14: all of a commit or nothing");
                }
            });
        }
    });
    assert_eq!(contents(&engine.snapshot().unwrap(), 2).len(), 800);
    engine.checkpoint().unwrap();
    audit(&engine);
}

#[test]
fn i32_every_damaged_block_is_an_error_or_unused() {
    let storage = Arc::new(MemoryFile::default());
    let mut world = World::new();
    let mut random = fastrand::Rng::with_seed(9);
    {
        let engine = open(&storage, small(Background::Inline, 1));
        let tx = engine.begin().unwrap();
        scribble(&tx, &mut world, 2, &mut random, 800);
        tx.commit(Durability::Synced).unwrap();
        engine.close().unwrap();
    }
    let mut image = vec![0; storage.len().unwrap() as usize];
    storage.read_at(&mut image, 0).unwrap();
    let mut found = 0;
    for _ in 0..600 {
        let mut damaged = image.clone();
        let at = random.usize(0..damaged.len());
        damaged[at] ^= 1 << random.u32(0..8);
        let file = Arc::new(FaultFile::from_image(damaged, FaultPlan::default()));
        let read = Engine::open(file as Arc<dyn Storage>, small(Background::Inline, 2)).and_then(|engine| {
            let snapshot = engine.snapshot()?;
            for tree in 0..2 {
                let mut cursor = snapshot.cursor(TreeId(tree), Bound::Unbounded, Bound::Unbounded)?;
                let mut entries = Tree::new();
                while let Some((key, value)) = cursor.next()? {
                    entries.insert(key.to_vec(), value.to_vec());
                }
                assert_eq!(&entries, &world[&tree], "byte {at}: wrong data without an error");
            }
            Ok(())
        });
        found += u32::from(read.is_err());
    }
    assert!(found > 50, "{found} of 600 flips were in data");
}

/// One transaction many times as large as its buffer: it reads its own writes, in ranges too, through all that it moved to the file; it
/// survives a crash whole, or leaves nothing.
#[test]
fn a_write_set_that_outgrows_memory() {
    let options = EngineOptions { write_buffer: 3000, ..small(Background::Inline, 1) };
    for (seed, commits) in [(1, true), (2, false), (3, true)] {
        let file = Arc::new(FaultFile::from_image(Vec::new(), FaultPlan::default()));
        let engine = open(&file, options.clone());
        let mut random = fastrand::Rng::with_seed(seed);
        let mut world = World::new();
        let tx = engine.begin().unwrap();
        scribble(&tx, &mut world, 3, &mut random, 100);
        tx.commit(Durability::Synced).unwrap();
        let before = world.clone();
        let tx = engine.begin().unwrap();
        for _ in 0..20 {
            scribble(&tx, &mut world, 3, &mut random, 60);
            check(&tx, &world, 3, &mut random);
        }
        tx.put(TreeId(1), b"huge", &vec![7; 3 << 20]).unwrap();
        tx.drop_tree(TreeId(2)).unwrap();
        world.remove(&2);
        world.entry(1).or_default().insert(b"huge".to_vec(), vec![7; 3 << 20]);
        check(&tx, &world, 3, &mut random);
        // A cursor sees what is moved to the file while it is open.
        let mut cursor = tx.cursor(TreeId(0), Bound::Unbounded, Bound::Unbounded).unwrap();
        let mut seen = 0;
        while let Some(key) = cursor.next_key().unwrap().map(<[u8]>::to_vec) {
            assert!(world[&0].contains_key(&key));
            tx.put(TreeId(0), &key, &[9; 200]).unwrap();
            seen += 1;
        }
        assert_eq!(seen, world[&0].len());
        drop(cursor);
        world.entry(0).or_default().values_mut().for_each(|value| *value = vec![9; 200]);
        if commits {
            tx.commit(Durability::Synced).unwrap();
        } else {
            drop(tx);
            world = before;
        }
        check(&engine.snapshot().unwrap(), &world, 3, &mut random);
        audit(&engine);
        let image = file.crash(CrashPolicy::DropAll, seed);
        let engine = open(&Arc::new(FaultFile::from_image(image, FaultPlan::default())), options.clone());
        check(&engine.snapshot().unwrap(), &world, 3, &mut random);
        audit(&engine);
        engine.checkpoint().unwrap();
        audit(&engine);
        check(&engine.snapshot().unwrap(), &world, 3, &mut random);
    }
}
