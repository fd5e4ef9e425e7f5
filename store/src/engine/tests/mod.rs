//! The engine against a model: plain operations, snapshots, reopening, crashes.

mod backup;
mod basics;
mod compact;
mod crash;
mod damage;
mod ends;
mod faults;
mod isolation;
mod memory;
mod model;
mod refused;
mod retries;
#[cfg(shuttle)]
mod schedules;
mod sessions;
mod unlogged;
mod unread;
mod waits;

use super::*;
use crate::vfs::Storage;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What one tree must hold.
type Tree = BTreeMap<Vec<u8>, Vec<u8>>;
/// What all trees must hold.
type World = BTreeMap<u32, Tree>;

/// Small blocks, pages and a small log, so that splits, merges, checkpoints and overflow values come early.
fn small(background: Background, seed: u64) -> EngineOptions {
    // Every third run moves its writes to the file early.
    let write_buffer = if seed.is_multiple_of(3) { 600 } else { 1 << 20 };
    let (block_size, page_size, log_size) = (256, 512, 1 << 16);
    // Every second run has room for a few nodes only; every fourth allocates what the others reserve.
    let memory = Some(if seed.is_multiple_of(2) { 100 << 10 } else { 64 << 20 });
    let reserve = !seed.is_multiple_of(4);
    // A run without threads is the same each time.
    let appliers = Some(if background == Background::Thread { 1 + seed as usize % 3 } else { 1 });
    EngineOptions {
        block_size,
        page_size,
        log_size,
        write_buffer,
        memory,
        reserve,
        background,
        appliers,
        seed: Some(seed),
        ..EngineOptions::default()
    }
}

fn open(storage: &Arc<impl Storage + 'static>, options: EngineOptions) -> Engine {
    Engine::open(Arc::clone(storage) as Arc<dyn Storage>, options).unwrap()
}

/// Everything a view sees in a tree.
fn contents(view: &dyn View, tree: u32) -> Tree {
    let mut cursor = view.cursor(TreeId(tree), Bound::Unbounded, Bound::Unbounded).unwrap();
    let mut found = Tree::new();
    while let Some((key, value)) = cursor.next().unwrap() {
        assert!(found.insert(key.to_vec(), value.to_vec()).is_none(), "a key twice");
    }
    found
}

/// Checks a view against a model: all keys, both directions, random ranges, single gets.
fn check(view: &dyn View, world: &World, trees: u32, random: &mut fastrand::Rng) {
    for tree in 0..trees {
        let empty = Tree::new();
        let model = world.get(&tree).unwrap_or(&empty);
        assert_eq!(&contents(view, tree), model, "tree {tree}");
        for _ in 0..3 {
            check_range(view, tree, model, random);
        }
        for key in model.keys().take(5) {
            assert_eq!(view.get(TreeId(tree), key).unwrap().as_deref(), model.get(key).map(Vec::as_slice));
        }
        assert!(view.get(TreeId(tree), b"no such key").unwrap().is_none());
    }
}

fn bound(random: &mut fastrand::Rng) -> Bound<Vec<u8>> {
    match random.u32(0..5) {
        0 => Bound::Unbounded,
        1 | 2 => Bound::Included(key(random)),
        _ => Bound::Excluded(key(random)),
    }
}

/// Steps a cursor from both ends at random and compares each step.
fn check_range(view: &dyn View, tree: u32, model: &Tree, random: &mut fastrand::Rng) {
    let (lower, upper) = (bound(random), bound(random));
    let inside = |key: &[u8]| {
        (match &lower {
            Bound::Unbounded => true,
            Bound::Included(lower) => key >= lower.as_slice(),
            Bound::Excluded(lower) => key > lower.as_slice(),
        }) && (match &upper {
            Bound::Unbounded => true,
            Bound::Included(upper) => key <= upper.as_slice(),
            Bound::Excluded(upper) => key < upper.as_slice(),
        })
    };
    let expected: Vec<_> = model.iter().filter(|(key, _)| inside(key)).collect();
    let mut expected = expected.into_iter();
    let slice = |bound: &Bound<Vec<u8>>| bound.clone();
    let (l, u) = (slice(&lower), slice(&upper));
    let mut cursor = view.cursor(TreeId(tree), l.as_ref().map(Vec::as_slice), u.as_ref().map(Vec::as_slice)).unwrap();
    let one_way = random.u32(0..3);
    for _ in 0..random.usize(1..200) {
        let forward = match one_way {
            0 => true,
            1 => false,
            _ => random.bool(),
        };
        let (wanted, found) = if forward {
            (expected.next(), cursor.next().unwrap())
        } else {
            (expected.next_back(), cursor.next_back().unwrap())
        };
        let wanted = wanted.map(|(key, value)| (key.as_slice(), value.as_slice()));
        assert_eq!(found, wanted, "range {lower:?} {upper:?} forward {forward}");
        if wanted.is_none() && random.bool() {
            break;
        }
    }
}

/// Keys that share prefixes, of a few lengths, some very long.
fn key(random: &mut fastrand::Rng) -> Vec<u8> {
    let mut key = match random.u32(0..20) {
        0 => return Vec::new(),
        1 => vec![b'x'; random.usize(0..2000)],
        2..=8 => b"shared/prefix/".to_vec(),
        _ => Vec::new(),
    };
    key.extend_from_slice(&random.u16(0..600).to_be_bytes());
    key
}

fn value(random: &mut fastrand::Rng) -> Vec<u8> {
    let len = match random.u32(0..40) {
        0 => random.usize(0..6000),
        1..=4 => random.usize(100..200),
        _ => random.usize(0..40),
    };
    let byte = random.u8(..);
    vec![byte; len]
}

/// Writes at random, to the transaction and to the model.
fn scribble(tx: &WriteTxn, world: &mut World, trees: u32, random: &mut fastrand::Rng, count: usize) {
    try_scribble(tx, world, trees, random, count).unwrap();
}

/// The same where storage may fail.
fn try_scribble(tx: &WriteTxn, world: &mut World, trees: u32, random: &mut fastrand::Rng, count: usize) -> Result<()> {
    scribble_in(tx, world, &(0..trees).collect::<Vec<_>>(), random, count)
}

/// The same in trees of these numbers.
fn scribble_in(
    tx: &WriteTxn,
    world: &mut World,
    trees: &[u32],
    random: &mut fastrand::Rng,
    count: usize,
) -> Result<()> {
    for _ in 0..count {
        let tree = trees[random.usize(0..trees.len())];
        let model = world.entry(tree).or_default();
        if random.u32(0..10) < 6 {
            let (key, value) = (key(random), value(random));
            tx.put(TreeId(tree), &key, &value)?;
            model.insert(key, value);
        } else if random.bool() {
            let key = key(random);
            tx.delete(TreeId(tree), &key)?;
            model.remove(&key);
        } else if let Some(key) = model.keys().nth(random.usize(0..model.len().max(1))).cloned() {
            tx.delete(TreeId(tree), &key)?;
            model.remove(&key);
        }
    }
    Ok(())
}

/// Drops a tree, and everything in it. One of another number takes its place: none is used twice.
fn drop_one(
    tx: &WriteTxn,
    world: &mut World,
    trees: &mut [u32],
    next: &mut u32,
    random: &mut fastrand::Rng,
) -> Result<()> {
    let place = random.usize(0..trees.len());
    let gone = std::mem::replace(&mut trees[place], *next);
    *next += 1;
    tx.drop_tree(TreeId(gone))?;
    world.remove(&gone);
    Ok(())
}

fn durability(random: &mut fastrand::Rng) -> Durability {
    [Durability::Synced, Durability::Buffered, Durability::Deferred][random.usize(0..3)]
}

/// A number from the environment, for longer runs than the usual ones.
fn count(variable: &str, usual: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.replace('_', "").parse().ok()).unwrap_or(usual)
}

/// Every extent is owned exactly once, and every page can be read (I29, I32).
fn audit(engine: &Engine) {
    crate::check::audit(engine.base()).unwrap();
}
