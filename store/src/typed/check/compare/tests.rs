//! Buckets find what looking up everything does, with few lookups.

use super::*;
use crate::check::read_slots;
use crate::engine::{TreeId, WriteTxn};
use crate::typed::catalog;
use crate::typed::check::RowsVisit;
use crate::typed::check::tests::World;

/// What a comparison with so many buckets finds, and how many entries it looks up.
fn compared(world: &World, buckets: usize) -> (Vec<Found>, u64) {
    let file = world.file();
    let slots = read_slots(&file).unwrap();
    let superblock = &slots.superblocks[0];
    let mut silent = |_| {};
    let mut walker = Walker::new(&file, superblock, slots.length, &mut silent).unwrap();
    walker.free_map();
    let roots: BTreeMap<u32, _> = walker.directory().iter().map(|entry| (entry.tree, entry.root)).collect();
    let schema = Schema::read(&mut walker, roots.get(&catalog::TREE.0)).unwrap();
    let mut sums = Sums::new(&schema);
    for (&tree, root) in roots.iter().filter(|(tree, _)| **tree != catalog::TREE.0) {
        let role = schema.role(tree);
        walker.tree(tree, root, &mut RowsVisit { schema: &schema, role, sums: &mut sums }).unwrap();
    }
    let again = Again { storage: &file, superblock, length: slots.length, roots: &roots, buckets };
    let mut found = Findings::default();
    let looked = again.compare(&schema, &sums, &mut found).unwrap();
    assert_eq!(found.more, 0);
    (found.list, looked)
}

type Entries = Vec<(Vec<u8>, Vec<u8>)>;

/// Keys and values of a tree.
fn entries(world: &World, tree: u32) -> Entries {
    let mut all = Vec::new();
    world.scribble(|txn| {
        use crate::engine::View;
        use std::ops::Bound;
        let mut cursor = txn.cursor(TreeId(tree), Bound::Unbounded, Bound::Unbounded).unwrap();
        while let Some((key, value)) = cursor.next().unwrap() {
            all.push((key.to_vec(), value.to_vec()));
        }
    });
    all
}

/// Changes entries of the tables and indexes of the customers and the seats, at random.
fn spoil(txn: &WriteTxn, trees: &[(u32, Entries)], random: &mut fastrand::Rng) {
    for _ in 0..random.usize(1..30) {
        let (tree, entries) = &trees[random.usize(0..trees.len())];
        let (key, value) = &entries[random.usize(0..entries.len())];
        let (_, other) = &entries[random.usize(0..entries.len())];
        let mut wrong = key.clone();
        wrong[random.usize(0..key.len())] ^= 1 << random.u32(0..8);
        match random.u32(0..4) {
            0 => txn.delete(TreeId(*tree), key).unwrap(),
            1 => txn.put(TreeId(*tree), key, other).unwrap(),
            2 => txn.put(TreeId(*tree), &wrong, value).unwrap(),
            _ => txn.put(TreeId(*tree), &wrong, other).unwrap(),
        }
    }
}

#[test]
fn buckets_find_what_looking_up_everything_does() {
    let mut random = fastrand::Rng::with_seed(11);
    let (mut all, mut few) = (0, 0);
    for round in 0..40 {
        let world = World::new();
        let trees: Vec<u32> = (0..8).map(|role| world.tree(role)).collect();
        let trees: Vec<_> = trees.into_iter().map(|tree| (tree, entries(&world, tree))).collect();
        let trees: Vec<_> = trees.into_iter().filter(|(_, entries)| !entries.is_empty()).collect();
        assert!(trees.len() > 5, "tables and indexes");
        world.scribble(|txn| spoil(txn, &trees, &mut random));
        let pages: Vec<_> = trees.iter().flat_map(|(tree, _)| world.pages(*tree)).collect();
        let leaves: Vec<_> = pages.iter().filter(|(_, level)| *level == 0).collect();
        for _ in 0..round % 3 {
            world.flip_page(&leaves[random.usize(0..leaves.len())].0);
        }
        let (found, looked) = compared(&world, 1);
        all += looked;
        for buckets in [8, 64, Buckets::MOST] {
            let (with_buckets, looked) = compared(&world, buckets);
            assert_eq!(with_buckets, found, "round {round}, {buckets} buckets");
            few = looked;
        }
        let report = world.check();
        let told = report.findings().iter().filter(|finding| finding.kind() == FindingKind::Index).count();
        assert_eq!(told, found.len(), "{report}");
        assert!(few <= looked);
    }
    assert!(all > 10_000, "{all} lookups of everything");
}

#[test]
fn a_few_wrong_entries_cost_a_few_lookups() {
    let world = World::new();
    let index = entries(&world, world.tree(2));
    world.scribble(|txn| {
        txn.delete(TreeId(world.tree(2)), &index[20].0).unwrap();
        txn.put(TreeId(world.tree(2)), b"nobody", &7_u64.to_be_bytes()).unwrap();
        txn.put(TreeId(world.tree(2)), &index[50].0, &index[51].1).unwrap();
    });
    let (found, all) = compared(&world, 1);
    let (again, few) = compared(&world, Buckets::MOST);
    assert_eq!(again, found);
    assert!(found.len() >= 4, "{found:?}");
    assert!(all > 500 && few < 12, "{all} and {few} lookups");
}

/// Entries that all name one long record had it read again for each: a small forged file kept a check busy for days.
#[test]
fn i36_entries_of_one_long_record_are_not_all_looked_up() {
    let world = World::new();
    world.scribble(|txn| {
        for i in 0..400 {
            txn.put(TreeId(world.tree(2)), format!("nobody{i}").as_bytes(), &108_u64.to_be_bytes()).unwrap();
        }
    });
    let (found, _) = compared(&world, 1);
    let says = |what: &str| found.iter().filter(|found| found.what.contains(what)).count();
    let length = world.bytes().len();
    // 10,000 bytes each.
    assert!(says("says otherwise") <= 8 * length / 10_000, "{length} bytes");
    assert!(says("says otherwise") > 0 && says("not all of its entries were compared") == 1, "{found:?}");
}

/// Lookups read so many bytes of values, and no more.
#[test]
fn i36_lookups_of_long_values_end() {
    let world = World::new();
    let mut rows = Vec::new();
    world.scribble(|txn| {
        use crate::engine::View;
        rows.extend(txn.get(TreeId(world.tree(0)), &108_u64.to_be_bytes()).unwrap().map(|row| row.len()));
    });
    assert!(rows[0] > 9000);
    let (superblock, directory) = (world.superblock(), world.directory());
    let file = world.file();
    let root = directory.iter().find(|entry| entry.tree == world.tree(0)).unwrap().root;
    // The file has room for one such value and not for eight.
    let mut probe = Probe::new(Pages::new(&file, &superblock), world.tree(0), Some(root), 2000);
    assert!(matches!(probe.look(&108_u64.to_be_bytes()), Looked::Found(_)) && !probe.gave_up);
    assert!(matches!(probe.look(&108_u64.to_be_bytes()), Looked::Unknown) && probe.gave_up);
}

/// A page that names one above it as its child made lookups go round for ever, with pages kept by their place alone.
#[test]
fn i36_a_kept_page_is_not_taken_for_another() {
    let world = World::new();
    let (tree, root) = (0..8)
        .map(|role| world.tree(role))
        .find_map(|tree| {
            world.pages(tree).into_iter().find(|(_, level)| *level > 0).map(|(page, level)| (tree, (page, level)))
        })
        .expect("a tree of several levels");
    let (root, level) = root;
    let superblock = world.superblock();
    let file = world.file();
    let mut probe = Probe::new(Pages::new(&file, &superblock), tree, Some(root), 0);
    for known in [None, Some(level)] {
        assert!(probe.page(known, &root).is_some_and(|page| page.header.level == level));
    }
    assert!(probe.page(Some(level - 1), &root).is_none(), "a child of the level of its parent");
    let other = ChildEntry { checksum: !root.checksum, ..root };
    assert!(probe.page(None, &other).is_none(), "with another checksum");
    assert!(probe.page(Some(level), &root).is_some());
}
