//! Every kind of damage is planted in a real file, and the report names it.

use super::*;
use crate::blob::{BlobCtx, BlobRef, MAX_CHUNK};
use crate::check::Pages;
use crate::ckpt::{SLOTS, decode_directory};
use crate::engine::{Durability, Engine, EngineOptions, TreeId};
use crate::format::{ChildEntry, PageKind};
use crate::space::{Extent, decode_free_map, encode_free_map};
use crate::tree::node::Value;
use crate::typed::{Database, Options, TableDef};
use crate::vfs::MemoryFile;
use crate::{Id, Record, Schema as DeriveSchema};
use std::path::PathBuf;
use std::sync::Arc;

#[derive(Record, Debug, Clone, PartialEq)]
#[record(table = "customers")]
#[record(index(city_age = (city, desc age)))]
pub(in crate::typed) struct Customer {
    #[record(key(auto))]
    pub(in crate::typed) id: Id<Customer>,
    #[record(unique)]
    pub(in crate::typed) email: String,
    pub(in crate::typed) city: String,
    pub(in crate::typed) age: u16,
    #[record(index(each))]
    pub(in crate::typed) tags: Vec<String>,
    pub(in crate::typed) note: String,
}

#[derive(Record, Debug, Clone, PartialEq)]
#[record(table = "seats", key(row, name), index(price = (price, name), unique))]
pub(in crate::typed) struct Seat {
    pub(in crate::typed) row: u8,
    pub(in crate::typed) name: String,
    pub(in crate::typed) price: Option<u32>,
}

#[derive(DeriveSchema)]
pub(in crate::typed) struct Shop(Customer, Seat);

pub(in crate::typed) const HITS: TableDef<(String, u16), Vec<u8>> = TableDef::new("hits");

/// A shop of so many customers, some with notes too long for a page.
pub(in crate::typed) const CUSTOMERS: u64 = 300;

pub(in crate::typed) fn customer(i: u64) -> Customer {
    Customer {
        id: Id::AUTO,
        email: format!("c{i}@example.org"),
        city: ["Oslo", "Bergen", "Tromsø"][i as usize % 3].into(),
        age: (i % 90) as u16,
        tags: (0..i % 4).map(|tag| format!("tag{}", (i + tag) % 11)).collect(),
        note: if i % 50 == 7 { "long ".repeat(2000) } else { format!("note {i}") },
    }
}

pub(in crate::typed) fn options() -> Options {
    let mut options = Options::new();
    options.engine.block_size = 512;
    options.engine.page_size = 1024;
    options.engine.log_size = 1 << 16;
    options
}

pub(in crate::typed) fn fill(db: &Database<Shop>) {
    for chunk in (0..CUSTOMERS).collect::<Vec<_>>().chunks(60) {
        db.write(|tx| {
            let mut customers = tx.table::<Customer>()?;
            chunk.iter().try_for_each(|&i| customers.insert(customer(i)).map(|_| ()))?;
            let mut seats = tx.table::<Seat>()?;
            for &i in chunk {
                let price = if i % 3 == 0 { None } else { Some(i as u32) };
                seats.upsert(Seat { row: (i % 7) as u8, name: format!("s{i}"), price })?;
            }
            let mut hits = tx.open_table(&HITS)?;
            chunk.iter().try_for_each(|&i| hits.insert((format!("/page{i}"), 1), vec![i as u8; 40]).map(|_| ()))
        })
        .unwrap();
    }
    db.write(|tx| {
        let mut customers = tx.table::<Customer>()?;
        (5..20).try_for_each(|id| customers.remove(Id::new(id)).map(|_| ()))?;
        customers.update(Id::new(30), |customer| customer.city = "Bodø".into())?;
        customers.update(Id::new(8 + 50), |customer| customer.note.clear()).map(|_| ())
    })
    .unwrap();
}

/// A file with a shop in it.
pub(in crate::typed) struct World {
    _folder: tempfile::TempDir,
    pub(in crate::typed) path: PathBuf,
}

impl World {
    pub(in crate::typed) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("shop.tam");
        // Pages smaller than options allow make a tree of several levels of a few rows.
        let file = RealFile::open(&path, OpenMode::CreateOrOpen).unwrap();
        let db = Database::<Shop>::on(Arc::new(file), options()).unwrap();
        fill(&db);
        db.close().unwrap();
        Self { _folder: folder, path }
    }

    pub(in crate::typed) fn file(&self) -> RealFile {
        RealFile::open(&self.path, OpenMode::CreateOrOpen).unwrap()
    }

    pub(in crate::typed) fn bytes(&self) -> Vec<u8> {
        let file = self.file();
        let mut bytes = vec![0; file.len().unwrap() as usize];
        file.read_at(&mut bytes, 0).unwrap();
        bytes
    }

    pub(in crate::typed) fn superblock(&self) -> Superblock {
        read_slots(&self.file()).unwrap().superblocks[0].clone()
    }

    pub(in crate::typed) fn set_superblock(&self, superblock: &Superblock) {
        SLOTS.iter().for_each(|&slot| self.file().write_at(&superblock.encode(), slot).unwrap());
    }

    pub(in crate::typed) fn flip(&self, at: u64) {
        let mut byte = [0];
        self.file().read_at(&mut byte, at).unwrap();
        self.file().write_at(&[byte[0] ^ 0x10], at).unwrap();
    }

    /// Writes behind the typed layer's back.
    pub(in crate::typed) fn scribble(&self, with: impl FnOnce(&crate::engine::WriteTxn)) {
        let engine = Engine::open(Arc::new(self.file()), EngineOptions::default()).unwrap();
        let txn = engine.begin().unwrap();
        with(&txn);
        txn.commit(Durability::Synced).unwrap();
        engine.close().unwrap();
    }

    pub(in crate::typed) fn ctx(superblock: &Superblock, kind: PageKind) -> BlobCtx {
        let Superblock { file_id, block_size, generation, .. } = *superblock;
        BlobCtx { file_id, block_size, kind, generation, max_chunk: MAX_CHUNK }
    }

    pub(in crate::typed) fn directory(&self) -> Vec<crate::ckpt::DirectoryEntry> {
        let superblock = self.superblock();
        let ctx = Self::ctx(&superblock, PageKind::Blob);
        decode_directory(&crate::blob::read(&self.file(), &ctx, &superblock.directory.unwrap()).unwrap()).unwrap()
    }

    /// Every page of a tree, from its root down, with its level.
    pub(in crate::typed) fn pages(&self, tree: u32) -> Vec<(ChildEntry, u8)> {
        let (superblock, file) = (self.superblock_shared(), self.file_shared());
        let pages = Pages::new(&file, &superblock);
        let root = self.directory_root(&file, &superblock, tree);
        let mut all = Vec::new();
        let mut todo = vec![root];
        while let Some(entry) = todo.pop() {
            let page = pages.read(tree, None, &entry).unwrap();
            all.push((entry, page.header.level));
            todo.extend(page.entries());
        }
        all
    }

    fn directory_root(&self, file: &RealFile, superblock: &Superblock, tree: u32) -> ChildEntry {
        let ctx = Self::ctx(superblock, PageKind::Blob);
        let bytes = crate::blob::read(file, &ctx, &superblock.directory.unwrap()).unwrap();
        decode_directory(&bytes).unwrap().into_iter().find(|entry| entry.tree == tree).unwrap().root
    }

    /// A leaf from the middle, or the lowest inner page there.
    pub(in crate::typed) fn page(&self, tree: u32, level: u8) -> ChildEntry {
        let found: Vec<_> = self.pages(tree).into_iter().filter(|(_, of)| *of == level).collect();
        assert!(!found.is_empty(), "tree {tree} has no level {level}");
        found[found.len() / 2].0
    }

    pub(in crate::typed) fn flip_page(&self, entry: &ChildEntry) {
        let block = u64::from(self.superblock().block_size);
        self.flip(entry.address * block + u64::from(entry.length) / 2);
    }

    /// The first block of some value outside its page.
    pub(in crate::typed) fn value_block(&self, tree: u32) -> u64 {
        let leaves = self.pages(tree).into_iter().filter(|(_, level)| *level == 0);
        let (superblock, file) = (self.superblock_shared(), self.file_shared());
        for (leaf, _) in leaves {
            let page = Pages::new(&file, &superblock).read(tree, Some(0), &leaf).unwrap();
            let body = page.body();
            for i in 0..body.len() {
                if let Value::Overflow(reference) = body.value(i) {
                    return BlobRef::decode(reference).unwrap().place();
                }
            }
        }
        panic!("no value outside its page");
    }

    fn file_shared(&self) -> RealFile {
        RealFile::open(&self.path, OpenMode::ReadOnly).unwrap()
    }

    fn superblock_shared(&self) -> Superblock {
        read_slots(&self.file_shared()).unwrap().superblocks[0].clone()
    }

    pub(in crate::typed) fn check(&self) -> CheckReport {
        check_file(&self.path, &mut |_| {}).unwrap()
    }

    /// Checks that all findings are of these kinds, and that one says all that is given.
    pub(in crate::typed) fn finds(&self, kinds: &[FindingKind], says: &[&str]) {
        let _ = self.found(kinds, says);
    }

    /// The same, and the report.
    pub(in crate::typed) fn found(&self, kinds: &[FindingKind], says: &[&str]) -> CheckReport {
        let report = self.check();
        let text = report.to_string();
        assert!(!report.is_sound(), "nothing was found");
        assert!(report.findings().iter().all(|finding| kinds.contains(&finding.kind())), "{text}");
        let one = report.findings().iter().any(|finding| says.iter().all(|say| finding.to_string().contains(say)));
        assert!(one, "no finding says {says:?}:\n{text}");
        report
    }

    /// Trees of the customers, by the order of the record's indexes: rows, city_age, email, tags.
    pub(in crate::typed) fn tree(&self, role: usize) -> u32 {
        catalog::FIRST_TREE + role as u32
    }
}

#[test]
fn a_sound_file_gives_no_finding() {
    let world = World::new();
    let mut last = Progress::default();
    let report = check_file(&world.path, &mut |progress| {
        assert!(progress.done >= last.done, "{progress:?} after {last:?}");
        last = progress;
    })
    .unwrap();
    assert!(report.is_sound(), "{report}");
    assert_eq!((last.done, last.total > 100_000), (last.total, true), "{last:?}");
    let customers = &report.tables()[0];
    assert_eq!((customers.table.as_str(), customers.records, customers.indexes), ("customers", CUSTOMERS - 15, 3));
    assert!(customers.index_entries > 2 * customers.records);
    assert_eq!((report.tables()[1].table.as_str(), report.tables()[1].records), ("hits", CUSTOMERS));
    assert_eq!(report.totals().unreachable, 0);
    assert!(report.to_string().starts_with("nothing is wrong\n3 tables, "), "{report}");
}

#[test]
fn a_file_as_a_crash_leaves_it_gives_no_finding() {
    let storage = Arc::new(MemoryFile::default());
    // Long enough that no checkpoint empties it meanwhile.
    let mut long_log = options();
    long_log.engine.log_size = 1 << 20;
    let db = Database::<Shop>::on(storage.clone(), long_log).unwrap();
    fill(&db);
    // The log is nearly empty then, and no checkpoint due that would take the commit out of it.
    db.checkpoint().unwrap();
    db.write(|tx| tx.table::<Customer>()?.insert(Customer { note: "x".repeat(9000), ..customer(1000) })).unwrap();
    let image = MemoryFile::default();
    let mut bytes = vec![0; storage.len().unwrap() as usize];
    storage.read_at(&mut bytes, 0).unwrap();
    image.write_at(&bytes, 0).unwrap();
    let report = check_storage(&image, &mut |_| {}).unwrap();
    assert!(report.is_sound(), "{report}");
    assert!(report.totals().log_commits > 0, "{report}");
    // Cut off in the middle of a switch.
    let torn = MemoryFile::default();
    torn.write_at(&bytes, 0).unwrap();
    torn.write_at(&[7; 900], SLOTS[0] + 48).unwrap();
    let report = check_storage(&torn, &mut |_| {}).unwrap();
    assert!(report.is_sound(), "{report}");
    let reopened = Database::<Shop>::on(Arc::new(torn), options()).unwrap();
    let report = reopened.check_with(&mut |_| {}).unwrap();
    assert!(report.is_sound(), "{report}");
    let report = db.check_with(&mut |_| {}).unwrap();
    assert!(report.is_sound() && report.totals().log_commits == 0, "{report}");
    assert!(Database::<Shop>::on(Arc::new(image), options()).unwrap().check_with(&mut |_| {}).unwrap().is_sound());
}

#[test]
fn i32_damaged_pages_are_named_and_the_rest_is_checked() {
    use FindingKind::{Counter, Page, Value};
    for (role, level, index) in
        [(0, 0, ""), (1, 0, "index `city_age`"), (2, 0, "index `email`"), (0, 1, ""), (3, 1, "index `tags`")]
    {
        let world = World::new();
        let page = world.page(world.tree(role), level);
        world.flip_page(&page);
        let block = format!("block {}", page.address);
        let report = world.found(&[Page], &["table `customers`", index, &block, "checksum", "key"]);
        assert_eq!(report.findings().len(), 1, "{report}");
        assert_eq!(report.tables()[1].records, CUSTOMERS, "the other tables are whole");
        assert_eq!(report.findings()[0].table(), Some("customers"));
        assert!(report.totals().unreachable > 0 || level == 0, "{report}");
    }
    let world = World::new();
    let block = world.value_block(world.tree(0));
    world.flip(block * 512 + 100);
    world.finds(&[Value, Counter], &["table `customers`, key ", &format!("block {block}"), "checksum"]);
}

#[test]
fn damage_outside_the_trees_is_named() {
    use FindingKind::{Catalog, Directory, FreeMap, Page, Superblock};
    let world = World::new();
    world.flip_page(&world.page(1, 0));
    world.finds(&[Page, Catalog], &["the catalog", "checksum"]);
    let world = World::new();
    world.flip(world.superblock().free_map.unwrap().place() * 512 + 60);
    world.finds(&[FreeMap], &["checksum"]);
    let world = World::new();
    world.flip(world.superblock().directory.unwrap().place() * 512 + 60);
    world.finds(&[Directory], &["checksum"]);
    for (name, slot) in ["superblock A", "superblock B"].into_iter().zip(SLOTS) {
        let world = World::new();
        world.flip(slot + 60);
        let report = world.found(&[Superblock], &[name, "checksum"]);
        assert_eq!(report.tables()[0].records, CUSTOMERS - 15);
    }
    let world = World::new();
    let mut old = world.superblock();
    old.generation -= 3;
    world.file().write_at(&old.encode(), SLOTS[0]).unwrap();
    world.finds(&[Superblock], &["a write was lost"]);
    SLOTS.iter().for_each(|slot| world.flip(slot + 60));
    assert_eq!(check_file(&world.path, &mut |_| {}).unwrap_err().kind(), crate::ErrorKind::Corrupt);
}

#[test]
fn i24_a_damaged_log_is_no_torn_one() {
    let storage = Arc::new(MemoryFile::default());
    let db = Database::<Shop>::on(storage.clone(), options()).unwrap();
    for i in 0..6 {
        db.write(|tx| tx.table::<Customer>()?.insert(customer(i))).unwrap();
    }
    let slots = read_slots(&*storage).unwrap();
    let (superblock, log) = (&slots.superblocks[0], slots.superblocks[0].segments[0]);
    let start = log.address * 512 + superblock.log_start;
    let mut bytes = [0; 1];
    storage.read_at(&mut bytes, start + 80).unwrap();
    storage.write_at(&[bytes[0] ^ 1], start + 80).unwrap();
    let report = check_storage(&*storage, &mut |_| {}).unwrap();
    assert_eq!(report.findings().len(), 1, "{report}");
    assert_eq!(report.findings()[0].kind(), FindingKind::Log, "{report}");
    assert!(report.to_string().contains("had been durable"), "{report}");
}

#[test]
fn indexes_are_compared_with_their_tables_in_both_directions() {
    let plan = |world: &World| {
        let engine = Engine::open(Arc::new(world.file()), EngineOptions::default()).unwrap();
        let view = engine.snapshot().unwrap();
        let entry = catalog::table(&view, "customers").unwrap().unwrap();
        crate::typed::plan::TablePlan::new("customers".into(), entry)
    };
    let row = |world: &World, id: u64| {
        let engine = Engine::open(Arc::new(world.file()), EngineOptions::default()).unwrap();
        let view = engine.snapshot().unwrap();
        let tree = TreeId(world.tree(0));
        crate::engine::View::get(&view, tree, &id.to_be_bytes()).unwrap().unwrap().to_vec()
    };
    for (index, name) in ["city_age", "email", "tags"].into_iter().enumerate() {
        let world = World::new();
        let listed = plan(&world).entries(&42_u64.to_be_bytes(), &row(&world, 42)).unwrap();
        let entry = listed.into_iter().find(|entry| entry.index == index).unwrap();
        world.scribble(|txn| txn.delete(TreeId(world.tree(1 + index)), &entry.key).unwrap());
        let of = format!("table `customers`, index `{name}`, key ");
        let report = world.found(&[FindingKind::Index], &[&of, "no entry for the record 42"]);
        assert_eq!(report.findings().len(), 1, "{report}");

        // The record goes, and its entries stay.
        let world = World::new();
        world.scribble(|txn| txn.delete(TreeId(world.tree(0)), &42_u64.to_be_bytes()).unwrap());
        let kinds = [FindingKind::Index, FindingKind::Counter];
        let report = world.found(&kinds, &[&of, "the record 42, which does not exist"]);
        assert!(report.to_string().contains("its counter says 285 records, and it has 284"), "{report}");

        // The entry belongs to another state of the record, or to another record.
        let world = World::new();
        let mut wrong = entry.key.to_vec();
        wrong[0] ^= 2;
        let value = if entry.owns { 42_u64.to_be_bytes().to_vec() } else { Vec::new() };
        world.scribble(|txn| txn.put(TreeId(world.tree(1 + index)), &wrong, &value).unwrap());
        world.finds(&[FindingKind::Index], &[&of, "the record 42, which says otherwise"]);
    }
    let world = World::new();
    world.scribble(|txn| txn.put(TreeId(world.tree(2)), b"c41@example.org", &7_u64.to_be_bytes()).unwrap());
    world.finds(&[FindingKind::Index], &["index `email`", "for the record 42 names another one"]);
}

#[test]
fn catalog_rows_and_counters_are_compared() {
    use FindingKind::{Catalog, Counter, Index, Row};
    let world = World::new();
    world.scribble(|txn| txn.put(TreeId(999), b"key", b"value").unwrap());
    world.finds(&[Catalog], &["tree 999 belongs to no table"]);
    let world = World::new();
    world.scribble(|txn| txn.put(TreeId(9), b"key", b"value").unwrap());
    assert!(world.check().is_sound(), "a number that is not for tables");
    let world = World::new();
    world.scribble(|txn| {
        let counter = crate::engine::Tally { sum: 1, max: 2 };
        txn.put(catalog::TREE, &catalog::counter_key(1), &counter.encode()).unwrap();
    });
    let report = world.found(&[Counter], &["table `customers`", "says 1 records, and it has 285"]);
    assert!(report.to_string().contains("largest automatic id is 2 by its counter, and it has 300"), "{report}");
    let world = World::new();
    world.scribble(|txn| txn.put(TreeId(world.tree(0)), &42_u64.to_be_bytes(), b"\x01\x01nonsense").unwrap());
    world.finds(&[Row, Index], &["table `customers`, key 42"]);
    let world = World::new();
    world.scribble(|txn| {
        let (key, value) = catalog::header_entry(1, 16);
        txn.put(catalog::TREE, &key, &value).unwrap();
        txn.put(catalog::TREE, &catalog::counter_key(77), &[0; 16]).unwrap();
    });
    world.finds(&[Catalog], &["to be given next, was given already"]);
    world.finds(&[Catalog], &["counter for table 77"]);
}

/// Writes a free map with these changes.
fn change_free_map(world: &World, change: impl FnOnce(&mut Vec<Extent>)) {
    let (mut superblock, file) = (world.superblock(), world.file_shared());
    let ctx = World::ctx(&superblock, PageKind::Blob);
    let old = superblock.free_map.unwrap();
    let bytes = crate::blob::read(&file, &ctx, &old).unwrap();
    let mut extents = decode_free_map(&bytes, superblock.tail).unwrap();
    change(&mut extents);
    let mut map = encode_free_map(&extents);
    map.resize(bytes.len(), 0);
    let mut places = crate::blob::extents(&file, &ctx, &old).unwrap().into_iter();
    drop(file);
    let mut again = |_| Ok(places.next().unwrap());
    superblock.free_map = Some(crate::blob::write(&world.file(), &ctx, &mut again, &map).unwrap());
    world.set_superblock(&superblock);
}

#[test]
fn i29_every_block_is_accounted_for_once() {
    let world = World::new();
    let mut lost = 0;
    change_free_map(&world, |extents| lost = extents.remove(extents.len() / 2).start);
    world.finds(&[FindingKind::Leak], &[&format!("block {lost}"), "not listed as free"]);

    let world = World::new();
    let leaf = world.page(world.tree(1), 0);
    change_free_map(&world, |extents| {
        extents.push(Extent { start: leaf.address, len: 1 });
        extents.sort_unstable();
    });
    world.finds(&[FindingKind::Space], &["index `city_age`, key", "in use, and is listed as free"]);

    // Two trees with one root.
    let world = World::new();
    let mut directory = world.directory();
    let root = directory[2].root;
    directory[3].root = root;
    let mut superblock = world.superblock();
    let ctx = World::ctx(&superblock, PageKind::Blob);
    let bytes: Vec<u8> = directory
        .iter()
        .flat_map(|entry| {
            let head = [entry.tree.to_le_bytes(), u32::from(entry.has_overflow).to_le_bytes()].concat();
            [head, entry.root.encode().to_vec()].concat()
        })
        .collect();
    let file = world.file();
    let places = crate::blob::extents(&file, &ctx, &superblock.directory.unwrap()).unwrap();
    superblock.directory = Some(crate::blob::write(&file, &ctx, &mut |_| Ok(places[0]), &bytes).unwrap());
    drop(file);
    world.set_superblock(&superblock);
    let twice = format!("block {} belongs to something else too", root.address);
    world.finds(&[FindingKind::Space, FindingKind::Index], &["table `customers`, index `email`", &twice]);
}

#[test]
fn i32_i36_no_flipped_byte_goes_unnoticed() {
    let world = World::new();
    let (bytes, superblock) = (world.bytes(), world.superblock());
    // Every byte of every page of a tree; the front of other byte strings. What lies behind a page in its last block belongs to nobody.
    let mut places: Vec<(u64, u64)> = Vec::new();
    for entry in world.directory() {
        places.extend(world.pages(entry.tree).iter().map(|(page, _)| (page.address * 512, u64::from(page.length))));
    }
    let blobs =
        [superblock.directory.unwrap().place(), superblock.free_map.unwrap().place(), world.value_block(world.tree(0))];
    places.extend(blobs.iter().map(|block| (block * 512, 100)));
    places.extend(SLOTS.iter().map(|&slot| (slot, 4096)));
    let image = MemoryFile::default();
    image.write_at(&bytes, 0).unwrap();
    let mut random = fastrand::Rng::with_seed(1);
    for _ in 0..600 {
        let (start, len) = places[random.usize(0..places.len())];
        let at = start + random.u64(0..len);
        let good = bytes[at as usize];
        image.write_at(&[good ^ (1 << random.u32(0..8))], at).unwrap();
        let report = check_storage(&image, &mut |_| {}).unwrap();
        assert!(!report.is_sound(), "byte {at}, in the page at {start}");
        image.write_at(&[good], at).unwrap();
    }
}

#[test]
fn i36_hostile_files_end_in_a_report() {
    let world = World::new();
    let (bytes, superblock) = (world.bytes(), world.superblock());
    let mut random = fastrand::Rng::with_seed(2);
    for _ in 0..150 {
        let mut bad = bytes.clone();
        for _ in 0..random.usize(1..40) {
            let at = random.usize(0..bad.len() / 512) * 512;
            match random.u32(0..4) {
                0 => bad[at..at + 512].fill(random.u8(..)),
                1 => bad[at..at + 512].iter_mut().for_each(|byte| *byte = random.u8(..)),
                2 => {
                    let from = random.usize(0..bad.len() / 512) * 512;
                    bad.copy_within(from..from + 512, at);
                }
                _ => bad.truncate((at + 100).max(70_000)),
            }
            if bad.len() < 70_000 {
                break;
            }
        }
        let mut wrong = superblock.clone();
        match random.u32(0..6) {
            0 => wrong.tail = random.u64(200..1 << 40),
            1 => wrong.log_start = random.u64(0..1 << 40),
            2 => wrong.free_map = wrong.directory,
            3 => wrong.directory = wrong.free_map,
            4 => wrong.segments[0].length = 8192,
            _ => {}
        }
        let sealed = wrong.encode();
        for slot in SLOTS {
            let slot = slot as usize;
            bad[slot..slot + sealed.len()].copy_from_slice(&sealed);
        }
        let image = MemoryFile::default();
        image.write_at(&bad, 0).unwrap();
        let _ = check_storage(&image, &mut |_| {}).map(|report| report.to_string());
    }
}
