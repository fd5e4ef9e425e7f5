//! There is no memory for a node, at every moment of a commit, of a checkpoint and of a compaction: each may fail, and nobody waits for ever.

#![allow(clippy::disallowed_methods, reason = "tests use threads as programs do")]

use super::*;
use crate::error::{Error, ErrorKind};
use crate::vfs::{FaultFile, FaultPlan};
use std::sync::mpsc;
use std::time::Duration;

const TREE: TreeId = TreeId(1);

fn options(appliers: usize) -> EngineOptions {
    let memory = Some(64 << 20);
    EngineOptions { log_size: 4 << 20, memory, appliers: Some(appliers), ..small(Background::Inline, 1) }
}

fn key_of(i: u32, extra: u8) -> Vec<u8> {
    [&i.to_be_bytes()[..], &[extra]].concat()
}

/// A file whose tree has so many records, four to a leaf, all of them on disk.
fn filled(records: u32) -> Vec<u8> {
    let file = Arc::new(FaultFile::from_image(Vec::new(), FaultPlan::default()));
    let engine = open(&file, options(1));
    let tx = engine.begin().unwrap();
    (0..records).for_each(|i| tx.put(TREE, &key_of(i, 0), &[i as u8; 90]).unwrap());
    tx.commit(Durability::Synced).unwrap();
    engine.close().unwrap();
    file.image()
}

/// How many levels the tree has, and its root children.
fn shape(engine: &Engine) -> (u8, usize) {
    let base = engine.base();
    let guard = crate::buffer::pin();
    let crate::buffer::Swip::Resident(id) = base.forest.get(TREE.0).unwrap().root().child().swip() else {
        return (0, 0);
    };
    let root = base.pager.pool.frame(id, &guard).unwrap();
    (root.level() + 1, root.children())
}

fn commit(engine: &Engine, writes: &[(Vec<u8>, Option<u8>)]) -> Result<u64> {
    let tx = engine.begin()?;
    for (key, value) in writes {
        match value {
            Some(byte) => tx.put(TREE, key, &[*byte; 90])?,
            None => tx.delete(TREE, key)?,
        }
    }
    tx.commit(Durability::Synced)
}

/// Everything there is to do after a refusal. What is read is right, whatever failed.
fn go_on(engine: &Engine, world: &Tree) {
    let snapshot = engine.snapshot().unwrap();
    for (key, value) in world {
        assert_eq!(snapshot.get(TREE, key).unwrap().as_deref(), Some(value.as_slice()), "{key:?}");
    }
    drop(snapshot);
    let ends = |error: Error| assert!(matches!(error.kind(), ErrorKind::Poisoned), "{error}");
    let more: Vec<_> = world.keys().step_by(3).map(|key| (key.clone(), Some(7))).collect();
    let committed = commit(engine, &more).map_err(ends);
    let checkpoint = engine.checkpoint().map_err(ends);
    assert_eq!(committed.is_ok(), checkpoint.is_ok());
    if committed.is_ok() {
        audit(engine);
    }
    let _ = engine.close();
}

fn in_time(what: &str, run: impl FnOnce() -> bool + Send + 'static) -> bool {
    let (send, receive) = mpsc::channel();
    let runs = std::thread::spawn(move || send.send(run()).unwrap());
    match receive.recv_timeout(Duration::from_secs(10)) {
        Ok(more) => more,
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("{what}: it hangs"),
        Err(mpsc::RecvTimeoutError::Disconnected) => {
            panic!("{what}: {:?}", runs.join().unwrap_err().downcast_ref::<String>())
        }
    }
}

fn world_of(engine: &Engine) -> Tree {
    contents(&engine.snapshot().unwrap(), TREE.0)
}

#[test]
fn i8_a_split_without_memory_leaves_no_frozen_node_behind() {
    let image = filled(1500);
    let reference = open(&Arc::new(FaultFile::from_image(image.clone(), FaultPlan::default())), options(1));
    let world = Arc::new(world_of(&reference));
    assert_eq!(shape(&reference).0, 4);
    drop(reference);
    for appliers in [1, 4] {
        let mut n = 0;
        loop {
            let (image, world) = (image.clone(), Arc::clone(&world));
            let fired = in_time(&format!("{appliers} appliers, allocation {n}"), move || {
                let engine = open(&Arc::new(FaultFile::from_image(image, FaultPlan::default())), options(appliers));
                // Leaves become three each, in most nodes of level 1, so that these split, too; the leaves between stay on disk.
                let spots =
                    (0..1500).step_by(30).flat_map(|i| (1..9).map(move |extra| (key_of(i, extra), Some(extra))));
                let pool = &engine.base().pager.pool;
                pool.refuse_after(n);
                let committed = commit(&engine, &spots.collect::<Vec<_>>());
                let fired = pool.refuse_after(i64::MAX);
                assert!(fired || committed.is_ok(), "{committed:?}");
                go_on(&engine, &world);
                fired
            });
            if !fired {
                break;
            }
            n += 1;
        }
        assert!(n > 150, "{n} allocations");
    }
}

#[test]
fn i1_a_merge_without_memory_changes_nothing() {
    let image = filled(400);
    let mut n = 0;
    loop {
        let image = image.clone();
        let fired = in_time(&format!("allocation {n}"), move || {
            let engine = open(&Arc::new(FaultFile::from_image(image, FaultPlan::default())), options(1));
            let gone = (0..400).filter(|i| i % 48 >= 6).map(|i| (key_of(i, 0), None));
            commit(&engine, &gone.collect::<Vec<_>>()).unwrap();
            let (world, before) = (world_of(&engine), shape(&engine));
            let pool = &engine.base().pager.pool;
            pool.refuse_after(n);
            let mut failed = false;
            for round in 0..6 {
                failed |= engine.checkpoint().is_err();
                failed |= commit(&engine, &[(key_of(1000, round), Some(1))]).is_err();
            }
            let fired = pool.refuse_after(i64::MAX);
            // Nodes of level 1 were joined.
            assert!(before.0 == 3 && (fired || shape(&engine) < before && !failed), "{before:?} {:?}", shape(&engine));
            go_on(&engine, &world);
            fired
        });
        if !fired {
            break;
        }
        n += 1;
    }
    assert!(n > 60, "{n} allocations");
}

/// Half-empty leaves, and values outside their page that moved to the end of the file: all that a compaction has steps for.
fn sparse() -> Vec<u8> {
    let file = Arc::new(FaultFile::from_image(Vec::new(), FaultPlan::default()));
    let engine = open(&file, options(1));
    let write = |range: std::ops::Range<u32>, length: Option<usize>| {
        let tx = engine.begin().unwrap();
        for i in range {
            let key = key_of(i, 0);
            match length {
                Some(length) => tx.put(TREE, &key, &vec![i as u8; length]).unwrap(),
                None => tx.delete(TREE, &key).unwrap(),
            }
        }
        tx.commit(Durability::Synced).unwrap();
        engine.checkpoint().unwrap();
    };
    write(1000..1010, Some(30_000));
    write(0..400, Some(90));
    write(2000..2010, Some(20_000));
    let tx = engine.begin().unwrap();
    (0..400).filter(|i| i % 4 > 0).for_each(|i| tx.delete(TREE, &key_of(i, 0)).unwrap());
    tx.commit(Durability::Synced).unwrap();
    write(1000..1010, None);
    engine.close().unwrap();
    file.image()
}

/// It used to poison the database, although nothing had changed.
#[test]
fn a_compaction_without_memory_is_given_up_and_begins_anew() {
    let image = sparse();
    let mut n = 0;
    loop {
        let image = image.clone();
        let fired = in_time(&format!("allocation {n}"), move || {
            let engine = open(&Arc::new(FaultFile::from_image(image, FaultPlan::default())), options(1));
            let world = world_of(&engine);
            let pool = &engine.base().pager.pool;
            pool.refuse_after(n);
            let compacted = crate::compact::run(engine.base(), &mut |_| ());
            let fired = pool.refuse_after(i64::MAX);
            match compacted {
                Err(error) => assert_eq!(error.kind(), ErrorKind::OutOfMemory, "{error}"),
                Ok(did) => assert!(fired || did.leaves > 50 && did.moved >= 10, "{did:?}"),
            }
            engine.base().poison.check().unwrap();
            audit(&engine);
            let again = crate::compact::run(engine.base(), &mut |_| ()).unwrap();
            assert!(again.after < again.before || again.leaves == 0, "{again:?}");
            audit(&engine);
            go_on(&engine, &world);
            fired
        });
        if !fired {
            break;
        }
        n += 1;
    }
    assert!(n > 30, "{n} allocations");
}
