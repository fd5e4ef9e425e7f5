//! Numbers and names in the catalog that nobody can have given.

use super::*;
use crate::TableDef;
use crate::check::Pages;
use crate::typed::{MAX_TABLES, catalog::FIRST_TREE};

const NEW: TableDef<u64, u64> = TableDef::new("new");

type Entry = (Vec<u8>, Vec<u8>);

/// Entries that no program wrote, with what they are.
fn impossible() -> Vec<(&'static str, Entry)> {
    let header = |table, tree| {
        let (key, value) = catalog::header_entry(table, tree);
        (key.to_vec(), value)
    };
    let counter = |table| (catalog::counter_key(table).to_vec(), [1; 16].to_vec());
    let table = |table, tree| catalog::bytes_table("strange", table, tree);
    vec![
        ("next tree u32::MAX", header(4, u32::MAX)),
        ("next tree 2^31", header(4, 1 << 31)),
        ("next table 2^31", header(1 << 31, 40)),
        ("next table u32::MAX", header(u32::MAX, 40)),
        ("nothing to be given next", header(MAX_TABLES + 1, crate::engine::MAX_TREES)),
        ("next table 0", header(0, 0)),
        ("next ones below those given", header(1, FIRST_TREE)),
        ("counter u32::MAX", counter(u32::MAX)),
        ("counter 0", counter(0)),
        ("table u32::MAX", table(u32::MAX, 90)),
        ("table 0", table(0, 90)),
        ("tree u32::MAX", table(90, u32::MAX)),
        ("tree of the catalog", table(90, catalog::TREE.0)),
        ("another table's tree", table(90, FIRST_TREE)),
        ("another table's number", table(1, 90)),
        ("last numbers", table(MAX_TABLES, crate::engine::MAX_TREES - 1)),
    ]
}

/// Salvages a world: all is there, the new file is sound, and takes a table more.
fn comes_over_whole(name: &str, world: &World) {
    let path = world.path.with_extension("new");
    let report = salvage_file(&world.path, &path, &mut |_| {}).unwrap_or_else(|error| panic!("{name}: {error}"));
    let check = check_file(&path, &mut |_| {}).unwrap();
    assert!(check.is_sound(), "{name}: {check}\n{report}");
    let db = Database::<Shop>::on(Arc::new(RealFile::open(&path, OpenMode::CreateOrOpen).unwrap()), options()).unwrap();
    assert!(contents(&db) == original(), "{name}: {report}");
    if name != "last numbers" {
        db.write(|tx| tx.open_table(&NEW)?.insert(1, 1).map(|_| ())).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    let check = db.check_with(&mut |_| {}).unwrap();
    assert!(check.is_sound(), "{name}: {check}");
}

#[test]
fn i36_impossible_numbers_in_the_catalog_are_not_believed() {
    for (name, (key, value)) in impossible() {
        let world = World::new();
        world.scribble(|txn| {
            txn.put(catalog::TREE, &key, &value).unwrap();
            // Its bytes get a table with numbers that are free.
            txn.put(TreeId(999), b"key", b"value").unwrap();
        });
        comes_over_whole(name, &world);
    }
}

#[test]
fn i36_impossible_numbers_in_older_pages_of_the_catalog_are_not_believed() {
    for (name, (key, value)) in impossible() {
        let world = World::new();
        world.scribble(|txn| txn.put(catalog::TREE, &key, &value).unwrap());
        let old = world.page(1, 0);
        world.scribble(|txn| {
            txn.put(TreeId(999), b"key", b"value").unwrap();
            txn.put(catalog::TREE, &catalog::counter_key(77), &[1; 16]).unwrap();
        });
        let current = world.page(1, 0);
        assert_ne!(old.address, current.address);
        let (superblock, file) = (world.superblock(), world.file());
        assert_eq!(Pages::new(&file, &superblock).stray(old.address).unwrap().unwrap().entry, old, "it is still there");
        drop(file);
        world.flip_page(&current);
        comes_over_whole(name, &world);
    }
}

#[test]
fn i36_no_table_is_made_with_numbers_that_are_impossible() {
    for (table, tree) in [(0, 40), (0, u32::MAX), (4, 0), (4, 15), (4, u32::MAX), (u32::MAX, 40), (u32::MAX, u32::MAX)]
    {
        let world = World::new();
        let (key, value) = catalog::header_entry(table, tree);
        world.scribble(|txn| txn.put(catalog::TREE, &key, &value).unwrap());
        let db = Database::<Shop>::on(Arc::new(world.file()), options()).unwrap();
        let refused = db.write(|tx| tx.open_table(&NEW)?.insert(1, 1).map(|_| ())).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Decode, "table {table}, tree {tree}: {refused}");
        assert_eq!(contents(&db), original());
    }
    // A record's table, which is made when the file is opened.
    let world = World::new();
    world.scribble(|txn| {
        let (key, value) = catalog::header_entry(0, u32::MAX);
        txn.put(catalog::TREE, &key, &value).unwrap();
        txn.delete(catalog::TREE, b"\x01seats").unwrap();
    });
    let refused = Database::<Shop>::on(Arc::new(world.file()), options()).err().unwrap();
    assert_eq!(refused.kind(), ErrorKind::Decode, "{refused}");
}
