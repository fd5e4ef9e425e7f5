//! Long random histories against `BTreeMap`: transactions, snapshots held across commits, ranges both ways, trees that are dropped, reopening.

use super::*;
use crate::vfs::MemoryFile;

/// At a time.
const TREES: u32 = 3;

#[test]
fn random_histories_match_the_model() {
    let total = count("TAMARACK_MODEL_OPS", 60_000);
    let mut done = 0;
    let mut seed = 0;
    let (mut shared, mut dropped) = (0, 0);
    while done < total {
        seed += 1;
        done += history(seed, (total - done).min(20_000), &mut shared, &mut dropped);
    }
    println!(
        "{done} operations in {seed} histories, {shared} batches applied by several threads, {dropped} trees dropped"
    );
    assert!(shared > seed && dropped > seed);
}

fn history(seed: u64, operations: u64, shared: &mut u64, dropped: &mut u64) -> u64 {
    let mut random = fastrand::Rng::with_seed(seed);
    let storage = Arc::new(MemoryFile::default());
    let background = if seed.is_multiple_of(2) { Background::Thread } else { Background::Inline };
    let mut engine = open(&storage, small(background, seed));
    let mut world = World::new();
    let mut held: Vec<(Snapshot, World)> = Vec::new();
    // Of the trees there are, and of the next one that is made.
    let (mut trees, mut next) = ((0..TREES).collect::<Vec<_>>(), TREES);
    let mut done = 0;
    while done < operations {
        let most = if random.u32(0..20) == 0 { 400 } else { 12 };
        let count = random.usize(1..most);
        done += count as u64;
        let tx = engine.begin().unwrap();
        let mut after = world.clone();
        let mut left = trees.clone();
        let before = random.usize(0..=count);
        scribble_in(&tx, &mut after, &left, &mut random, before).unwrap();
        let drops = random.u32(0..30) == 0;
        if drops {
            drop_one(&tx, &mut after, &mut left, &mut next, &mut random).unwrap();
        }
        scribble_in(&tx, &mut after, &left, &mut random, count - before).unwrap();
        if random.u32(0..6) == 0 {
            check(&tx, &after, next, &mut random);
        }
        if random.u32(0..8) == 0 {
            drop(tx);
        } else {
            tx.commit(durability(&mut random)).unwrap();
            (world, trees) = (after, left);
            *dropped += u64::from(drops);
        }
        match random.u32(0..40) {
            0..=5 => held.push((engine.snapshot().unwrap(), world.clone())),
            6..=9 if !held.is_empty() => {
                let (snapshot, world) = held.swap_remove(random.usize(0..held.len()));
                check_held(&engine, &snapshot, &world, &mut random);
            }
            10 => {
                engine.checkpoint().unwrap();
            }
            11 => {
                held.clear();
                engine.checkpoint().unwrap();
                audit(&engine);
            }
            12 => {
                held.clear();
                if random.bool() {
                    engine.close().unwrap();
                }
                *shared += applied_by_several(&engine);
                drop(engine);
                engine = open(&storage, small(background, seed + done));
                check(&engine.snapshot().unwrap(), &world, next, &mut random);
            }
            13 => check(&engine.snapshot().unwrap(), &world, next, &mut random),
            14 => {
                engine.compact(&mut |_| {}).unwrap();
                if random.bool() {
                    audit(&engine);
                }
            }
            _ => {}
        }
        if held.len() > 6 {
            held.remove(0);
        }
    }
    for (snapshot, world) in &held {
        check_held(&engine, snapshot, world, &mut random);
    }
    held.clear();
    engine.checkpoint().unwrap();
    audit(&engine);
    *shared += applied_by_several(&engine);
    done
}

fn applied_by_several(engine: &Engine) -> u64 {
    engine.base().counts.shared_applies.load(std::sync::atomic::Ordering::Relaxed)
}

/// A held snapshot sees its world, or says that it was given up; never a mixture (I16).
fn check_held(engine: &Engine, snapshot: &Snapshot, world: &World, random: &mut fastrand::Rng) {
    if engine.base().pager.pool.budget() > 1 << 20 {
        let made = world.keys().last().map_or(0, |&last| last + 1);
        return check(snapshot, world, made, random);
    }
    for (&tree, model) in world {
        partly(snapshot, tree, model);
    }
}

/// Every answer of a snapshot that was given up is right, or an error that says so.
fn partly(snapshot: &Snapshot, tree: u32, model: &Tree) {
    for key in model.keys() {
        match snapshot.get(TreeId(tree), key) {
            Ok(value) => assert_eq!(value.as_deref(), model.get(key).map(Vec::as_slice)),
            Err(error) => assert_eq!(error.kind(), crate::ErrorKind::SnapshotTooOld),
        }
    }
    let mut cursor = snapshot.cursor(TreeId(tree), Bound::Unbounded, Bound::Unbounded).unwrap();
    let mut expected = model.iter();
    loop {
        match cursor.next() {
            Ok(found) => {
                let wanted = expected.next().map(|(key, value)| (key.as_slice(), value.as_slice()));
                assert_eq!(found, wanted);
                if found.is_none() {
                    break;
                }
            }
            Err(error) => {
                assert_eq!(error.kind(), crate::ErrorKind::SnapshotTooOld);
                break;
            }
        }
    }
}
