//! Pages that cannot be read, where nobody has asked for what they hold.

use super::unread::Refusing;
use super::*;
use crate::blob::BlobRef;
use crate::check::{FindingKind, Findings, Lost, Visit, Walker, read_slots};
use crate::error::{Error, ErrorKind};
use crate::format::ChildEntry;
use crate::tree::node::{Body, Value as Stored};
use crate::vfs::fault::{Call, Waiting};
use crate::vfs::{CrashPolicy, Failure, FaultFile, FaultPlan};

fn new_file() -> Arc<FaultFile> {
    of_image(Vec::new())
}

fn of_image(image: Vec<u8>) -> Arc<FaultFile> {
    Arc::new(FaultFile::from_image(image, FaultPlan::default()))
}

fn put(engine: &Engine, tree: u32, keys: std::ops::Range<u32>, value: &[u8]) -> Result<u64> {
    let tx = engine.begin()?;
    keys.into_iter().try_for_each(|key| tx.put(TreeId(tree), &key.to_be_bytes(), value))?;
    tx.commit(Durability::Synced)
}

fn delete(engine: &Engine, tree: u32, keys: std::ops::Range<u32>) -> Result<u64> {
    let tx = engine.begin()?;
    keys.into_iter().try_for_each(|key| tx.delete(TreeId(tree), &key.to_be_bytes()).map(|_| ()))?;
    tx.commit(Durability::Synced)
}

/// The pages that a tree has on disk at one level, from left to right, each with the number that its keys begin at.
fn pages(engine: &Engine, tree: u32, level: u8) -> Vec<(ChildEntry, u32)> {
    let base = engine.base();
    let root = base.forest.get(tree).unwrap().root().child().entry();
    let mut todo = vec![root];
    let mut found = Vec::new();
    while let Some(entry) = todo.pop() {
        let page = base.pager.read(tree, None, &entry).unwrap();
        let body = Body::trusted(page.body());
        if body.level() > level {
            todo.extend((0..=body.len()).rev().map(|i| page.child(i).unwrap().entry()));
        } else {
            // A separator may be cut short.
            let mut lower = body.lower().to_vec();
            lower.resize(4, 0);
            found.push((entry, u32::from_be_bytes(lower.try_into().unwrap())));
        }
    }
    found
}

/// Changes one byte of the page or chunk at a block.
fn damage(file: &FaultFile, block: u64) {
    let at = block as usize * 256 + 50;
    file.damage(|image| {
        let mut byte = [0];
        assert!(image.get(at, &mut byte));
        image.put(at, &[byte[0] ^ 1]);
    });
}

/// Tree 0 with a middle leaf that has one key left, its neighbours on disk only; also the leaf behind it, and the numbers that it
/// holds.
fn small_leaf() -> (Arc<FaultFile>, Engine, ChildEntry, std::ops::Range<u32>) {
    let file = new_file();
    let engine = open(&file, small(Background::Inline, 1));
    put(&engine, 0, 0..200, &[1; 40]).unwrap();
    engine.close().unwrap();
    drop(engine);
    let engine = open(&file, small(Background::Inline, 1));
    let leaves = pages(&engine, 0, 0);
    let middle = leaves.len() / 2;
    let [(_, first), (next, second), (_, third)] = leaves[middle..middle + 3] else { unreachable!() };
    delete(&engine, 0, first + 1..second).unwrap();
    assert_eq!(engine.base().apply.lock().underfull.len(), 1);
    (file, engine, next, second..third)
}

/// A merge only makes pages fewer. A read that it wanted stopped all writing when it failed.
#[test]
fn a_merge_that_cannot_read_its_neighbours_is_left_out() {
    let (file, engine, _, next) = small_leaf();
    file.fail(Waiting { from: file.calls(), on: Call::Read, failure: Failure::Io });
    put(&engine, 1, 0..1, b"value").unwrap();
    assert_eq!(file.fired().failed_reads, 1, "nothing was read");
    put(&engine, 1, 1..2, b"value").unwrap();
    // Found again when it is touched.
    let before = contents(&engine.snapshot().unwrap(), 0);
    put(&engine, 0, next.start - 1..next.start, b"value").unwrap();
    delete(&engine, 0, next.start - 1..next.start).unwrap();
    assert_eq!(engine.base().apply.lock().underfull.len(), 1);
    // Its earlier versions go first.
    for key in 2..10 {
        put(&engine, 1, key..key + 1, b"value").unwrap();
    }
    assert!(engine.base().apply.lock().underfull.is_empty());
    assert_eq!(contents(&engine.snapshot().unwrap(), 0), before);
    assert_eq!(contents(&engine.snapshot().unwrap(), 1).len(), 10);
    engine.checkpoint().unwrap();
    audit(&engine);
}

/// The same while the log is played again: the file could never be opened.
#[test]
fn a_damaged_neighbour_of_a_small_leaf_does_not_keep_the_file_from_opening() {
    let (file, engine, neighbour, lost) = small_leaf();
    put(&engine, 1, 0..1, b"value").unwrap();
    put(&engine, 1, 1..2, b"value").unwrap();
    let file = of_image(file.crash(CrashPolicy::DropAll, 1));
    drop(engine);
    damage(&file, neighbour.address);
    let engine = Engine::open(Arc::clone(&file) as Arc<dyn Storage>, small(Background::Inline, 1)).unwrap();
    put(&engine, 1, 2..3, b"value").unwrap();
    let snapshot = engine.snapshot().unwrap();
    assert_eq!(contents(&snapshot, 1).len(), 3);
    for key in 0..200_u32 {
        let found = snapshot.get(TreeId(0), &key.to_be_bytes()).map(|value| value.is_some());
        match found {
            Err(error) => assert!(lost.contains(&key) && error.kind() == ErrorKind::Corrupt, "{key}: {error}"),
            Ok(found) => assert!(!lost.contains(&key) && (found || key < lost.start), "{key}"),
        }
    }
    drop(snapshot);
    engine.close().unwrap();
}

/// As `docs/reliability.md` says: it is told of, and nothing is lost in silence. Tables read what they write to before.
#[test]
fn a_blind_write_into_a_damaged_leaf_ends_the_session() {
    let file = new_file();
    let engine = open(&file, small(Background::Inline, 1));
    put(&engine, 1, 0..200, &[1; 50]).unwrap();
    put(&engine, 2, 0..5, b"elsewhere").unwrap();
    engine.close().unwrap();
    let engine = open(&file, small(Background::Inline, 1));
    let (leaf, first) = pages(&engine, 1, 0)[3];
    damage(&file, leaf.address);
    let told = put(&engine, 1, first..first + 1, b"blind").unwrap_err();
    assert_eq!(told.kind(), ErrorKind::Corrupt, "{told}");
    assert!(told.to_string().contains("tree 1"), "{told}");
    assert_eq!(put(&engine, 2, 9..10, b"late").unwrap_err().kind(), ErrorKind::Poisoned);
    let others = |engine: &Engine| contents(&engine.snapshot().unwrap(), 2).len();
    assert_eq!(others(&engine), 5, "reads go on");
    drop(engine);
    // The log holds a commit that cannot be made again: to leave it out would be to lose it.
    let again = Engine::open(Arc::clone(&file) as Arc<dyn Storage>, small(Background::Inline, 1));
    let told = again.err().map(|error| (error.kind(), error.to_string().contains("tree 1")));
    assert_eq!(told, Some((ErrorKind::Corrupt, true)));
    // With the leaf as it was nothing is missing.
    damage(&file, leaf.address);
    let engine = open(&file, small(Background::Inline, 1));
    let found = contents(&engine.snapshot().unwrap(), 1);
    assert_eq!((found.len(), &found[&first.to_be_bytes()[..]][..]), (200, &b"blind"[..]));
}

/// What lies below a damaged page cannot be given back. No checkpoint was possible any more, and no commit once the log was full.
#[test]
fn a_damaged_tree_can_be_dropped() {
    let file = new_file();
    let engine = open(&file, small(Background::Inline, 1));
    put(&engine, 3, 0..300, &[1; 80]).unwrap();
    engine.close().unwrap();
    drop(engine);
    let engine = open(&file, small(Background::Inline, 1));
    let (inner, leaves) = (pages(&engine, 3, 1), pages(&engine, 3, 0));
    assert!(pages(&engine, 3, 2).len() == 1 && inner.len() > 3, "{} inner nodes", inner.len());
    let below = leaves.iter().filter(|(_, lower)| (inner[1].1..inner[2].1).contains(lower)).count();
    damage(&file, inner[1].0.address);
    let tx = engine.begin().unwrap();
    tx.drop_tree(TreeId(3)).unwrap();
    tx.commit(Durability::Synced).unwrap();
    let used = |engine: &Engine| engine.base().space().unwrap().usage().unwrap().used;
    let before = used(&engine);
    engine.checkpoint().unwrap();
    engine.checkpoint().unwrap();
    // All pages are free but those that the damaged one named.
    let free = before - used(&engine);
    let pages = leaves.len() + inner.len() + 1 - below;
    assert!(free >= pages as u64 * 2, "{free} blocks are free, of {pages} pages");
    engine.close().unwrap();
    drop(engine);
    let engine = open(&file, small(Background::Inline, 1));
    put(&engine, 0, 0..300, &[1; 80]).unwrap();
    put(&engine, 0, 300..600, &[1; 80]).unwrap();
    assert_eq!(contents(&engine.snapshot().unwrap(), 0).len(), 600);
    engine.close().unwrap();
    only_leaks(&file);
}

/// The same for a large value.
#[test]
fn a_damaged_large_value_can_be_deleted() {
    for whole_tree in [false, true] {
        let file = new_file();
        let engine = open(&file, small(Background::Inline, 1));
        put(&engine, 3, 0..1, &vec![1; 2 << 20]).unwrap();
        engine.close().unwrap();
        drop(engine);
        let engine = open(&file, small(Background::Inline, 1));
        let leaf = engine.base().pager.read(3, None, &pages(&engine, 3, 0)[0].0).unwrap();
        let Stored::Overflow(reference) = Body::trusted(leaf.body()).value(0) else { panic!("a small value") };
        let top = BlobRef::decode(reference).unwrap().place();
        drop(leaf);
        damage(&file, top);
        let tx = engine.begin().unwrap();
        if whole_tree {
            tx.drop_tree(TreeId(3)).unwrap();
        } else {
            tx.delete(TreeId(3), &0_u32.to_be_bytes()).unwrap();
        }
        tx.commit(Durability::Synced).unwrap();
        engine.checkpoint().unwrap();
        put(&engine, 0, 0..300, &[1; 80]).unwrap();
        engine.close().unwrap();
        drop(engine);
        let engine = open(&file, small(Background::Inline, 1));
        put(&engine, 0, 300..600, &[1; 80]).unwrap();
        engine.close().unwrap();
        only_leaks(&file);
    }
}

/// A check of the closed file names the blocks that were lost, and nothing else.
fn only_leaks(file: &FaultFile) {
    let slots = read_slots(file).unwrap();
    let mut tell = |_| {};
    let mut walker = Walker::new(file, &slots.superblocks[0], slots.length, &mut tell).unwrap();
    walker.fixed();
    walker.free_map();
    for entry in walker.directory() {
        walker.tree(entry.tree, &entry.root, &mut Unseen).unwrap();
    }
    assert!(walker.account() > 0, "nothing was lost");
    for found in &walker.found.list {
        assert!(found.kind == FindingKind::Leak, "{}", found.what);
    }
}

/// A visitor of trees in which nothing may be damaged.
pub(super) struct Unseen;

impl Visit for Unseen {
    fn entry(&mut self, _: u32, _: &[u8], _: &[u8], _: &mut Findings) -> Result<()> {
        Ok(())
    }

    fn lost(&mut self, tree: u32, _: &[u8], _: Option<&[u8]>, why: &Lost) -> Result<()> {
        Err(Error::corrupt(format!("tree {tree}: {}", why.what)))
    }
}

/// A file that stays long after a checkpoint is no failure of the checkpoint.
#[test]
fn a_file_that_cannot_be_cut_is_closed_all_the_same() {
    let file = new_file();
    let engine = open(&file, small(Background::Inline, 1));
    put(&engine, 3, 0..1, &vec![1; 2 << 20]).unwrap();
    put(&engine, 0, 0..1, b"value").unwrap();
    engine.checkpoint().unwrap();
    let long = file.len().unwrap();
    delete(&engine, 3, 0..1).unwrap();
    for _ in 0..20 {
        file.fail(Waiting { from: file.calls(), on: Call::SetLen, failure: Failure::Io });
    }
    engine.close().unwrap();
    drop(engine);
    assert!(file.fired().failed_writes > 0 && file.len().unwrap() == long, "nothing was cut");
    file.heal();
    let engine = open(&file, small(Background::Inline, 1));
    assert_eq!(contents(&engine.snapshot().unwrap(), 0).len(), 1);
    put(&engine, 0, 1..2, b"value").unwrap();
    engine.close().unwrap();
    assert!(file.len().unwrap() < long / 2, "the next one did not cut it");
}

/// The power failed between the two slots. Opening wrote the newer one over the older before it had read what the newer one names.
#[test]
fn i28_an_older_superblock_stays_until_the_newer_one_is_known_to_be_whole() {
    let file = new_file();
    let engine = open(&file, small(Background::Inline, 1));
    put(&engine, 0, 0..50, b"value").unwrap();
    engine.checkpoint().unwrap();
    let before = file.image();
    put(&engine, 0, 50..100, b"value").unwrap();
    engine.checkpoint().unwrap();
    let superblock = engine.base().superblock.lock().clone();
    let mut image = file.image();
    image[65_536..][..4096].copy_from_slice(&before[65_536..][..4096]);
    for part in [superblock.directory, superblock.free_map] {
        let file = of_image(image.clone());
        damage(&file, part.unwrap().place());
        let storage = Arc::clone(&file) as Arc<dyn Storage>;
        let error = Engine::open(storage, small(Background::Inline, 1)).map(drop).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
        assert!(file.image()[65_536..][..4096] == before[65_536..][..4096], "the older one is gone");
    }
    let engine = open(&of_image(image), small(Background::Inline, 1));
    assert_eq!(contents(&engine.snapshot().unwrap(), 0).len(), 100);
}

/// A leaf from after the checkpoint that names it: its records were taken for ones that a snapshot is too old for.
#[test]
fn i32_a_leaf_of_a_later_commit_is_damage() {
    let file = new_file();
    let engine = open(&file, small(Background::Inline, 1));
    put(&engine, 0, 0..50, b"value").unwrap();
    engine.close().unwrap();
    let mut superblock = engine.base().superblock.lock().clone();
    drop(engine);
    superblock.commit_timestamp -= 1;
    let bytes = superblock.encode();
    let mut image = file.image();
    [0, 65_536].into_iter().for_each(|slot| image[slot..][..bytes.len()].copy_from_slice(&bytes));
    let engine = open(&of_image(image), small(Background::Inline, 1));
    let error = engine.snapshot().unwrap().get(TreeId(0), &1_u32.to_be_bytes()).map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
}

/// A counter is known from its first use on: its page was not looked at again before a commit that adds to it was in the log.
#[test]
fn i20_a_counter_on_a_damaged_page_fails_one_transaction() {
    let file = new_file();
    let options = || EngineOptions { memory: Some(32 << 10), ..small(Background::Inline, 1) };
    let engine = open(&file, options());
    put(&engine, 5, 0..300, &[1; 40]).unwrap();
    put(&engine, 6, 0..3000, &[2; 40]).unwrap();
    let count = |engine: &Engine| {
        let tx = engine.begin()?;
        tx.tally(TreeId(5), &150_u32.to_be_bytes(), 1, 0)?;
        tx.commit(Durability::Synced)
    };
    let tx = engine.begin().unwrap();
    tx.delete(TreeId(5), &150_u32.to_be_bytes()).unwrap();
    tx.commit(Durability::Synced).unwrap();
    count(&engine).unwrap();
    engine.checkpoint().unwrap();
    assert_eq!(contents(&engine.snapshot().unwrap(), 6).len(), 3000);
    let leaves = pages(&engine, 5, 0);
    let (leaf, _) = leaves.iter().rfind(|(_, first)| *first <= 150).unwrap();
    damage(&file, leaf.address);
    assert_eq!(count(&engine).unwrap_err().kind(), ErrorKind::Corrupt);
    put(&engine, 6, 0..1, b"goes on").unwrap();
    drop(engine);
    let engine = open(&file, options());
    assert_eq!(contents(&engine.snapshot().unwrap(), 6).len(), 3000);
}

/// The same where the device says that it cannot read. Each checkpoint failed, and with it all commits as soon as the log was full, also after the
/// file was opened again.
#[test]
fn what_the_device_cannot_read_can_be_dropped() {
    for whole_tree in [false, true] {
        let file = new_file();
        let storage = Refusing::new(&file, 0..0);
        let open = || {
            let storage = Arc::clone(&storage) as Arc<dyn Storage>;
            Engine::open(storage, small(Background::Inline, 1)).unwrap()
        };
        let engine = open();
        put(&engine, 3, 0..1, &vec![1; 2 << 20]).unwrap();
        put(&engine, 4, 0..300, &[1; 80]).unwrap();
        engine.close().unwrap();
        drop(engine);
        let engine = open();
        let inner = pages(&engine, 4, 1)[1].0.address;
        let leaf = engine.base().pager.read(3, None, &pages(&engine, 3, 0)[0].0).unwrap();
        let Stored::Overflow(reference) = Body::trusted(leaf.body()).value(0) else { panic!("a small value") };
        let block = if whole_tree { inner } else { BlobRef::decode(reference).unwrap().place() };
        drop(leaf);
        *storage.refused.lock().unwrap() = block * 256..(block + 1) * 256;
        if whole_tree {
            let tx = engine.begin().unwrap();
            tx.drop_tree(TreeId(4)).unwrap();
            tx.commit(Durability::Synced).unwrap();
        } else {
            delete(&engine, 3, 0..1).unwrap();
        }
        engine.checkpoint().unwrap();
        put(&engine, 0, 0..300, &[1; 80]).unwrap();
        engine.close().unwrap();
        drop(engine);
        let engine = open();
        put(&engine, 0, 300..600, &[1; 80]).unwrap();
        assert_eq!(contents(&engine.snapshot().unwrap(), 0).len(), 600);
        engine.close().unwrap();
        only_leaks(&file);
    }
}
