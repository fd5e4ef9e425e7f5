//! Each kind of damage, planted in a real file: all other records come over, and what is lost is named.

use super::*;
use crate::check::read_slots;
use crate::ckpt::SLOTS;
use crate::engine::{EngineOptions, TreeId};
use crate::typed::check::tests::{CUSTOMERS, Customer, HITS, Seat, Shop, World, customer, fill, options};
use crate::typed::{CheckReport, Database, check_file};
use crate::vfs::{CrashPolicy, FaultFile, FaultPlan, MemoryFile};
use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

mod log;
mod numbers;
mod unread;

type Customers = BTreeMap<u64, Customer>;

fn contents(db: &Database<Shop>) -> (Customers, usize, usize) {
    db.read(|tx| {
        let customers = tx.table::<Customer>()?;
        let all: Customers = customers.iter().map(|row| row.map(|row| (row.id.get(), row))).collect::<Result<_>>()?;
        assert_eq!(customers.len()?, all.len() as u64);
        for row in all.values() {
            assert_eq!(customers.find(Customer::EMAIL.at(&row.email))?.as_ref(), Some(row));
        }
        assert_eq!(customers.query(Customer::CITY_AGE).count(), all.len());
        Ok((all, tx.table::<Seat>()?.iter().count(), tx.open_table(&HITS)?.len()? as usize))
    })
    .unwrap()
}

struct Salvaged {
    report: SalvageReport,
    path: PathBuf,
    rows: (Customers, usize, usize),
}

/// Salvages a world, checks that the source is as it was and the new file sound, and opens it with the program's schema.
fn salvaged(world: &World) -> Salvaged {
    let before = world.bytes();
    let path = world.path.with_extension("new");
    let report = salvage_file(&world.path, &path, &mut |_| {}).unwrap();
    assert!(world.bytes() == before, "the source was changed");
    let check = check_file(&path, &mut |_| {}).unwrap();
    assert!(check.is_sound(), "{check}\n{report}");
    let file = RealFile::open(&path, OpenMode::CreateOrOpen).unwrap();
    let db = Database::<Shop>::on(Arc::new(file), options()).unwrap();
    let rows = contents(&db);
    let largest = rows.0.keys().next_back().copied().unwrap_or(0);
    let id = db.write(|tx| tx.table::<Customer>()?.insert(customer(5000))).unwrap();
    assert!(id.get() > largest);
    drop(db);
    Salvaged { report, path, rows }
}

/// What the undamaged world holds.
fn original() -> (Customers, usize, usize) {
    let world = World::new();
    let file = RealFile::open(&world.path, OpenMode::ReadOnly).unwrap();
    let mut read_only = options();
    read_only.engine.read_only = true;
    contents(&Database::<Shop>::on(Arc::new(file), read_only).unwrap())
}

/// Ids that are in the first and not in the second; whatever is in both is equal, and nothing is in the second alone.
fn missing(all: &Customers, some: &Customers) -> Vec<u64> {
    assert!(some.iter().all(|(id, row)| all.get(id) == Some(row)), "something changed");
    all.keys().filter(|id| !some.contains_key(id)).copied().collect()
}

#[test]
fn a_sound_file_comes_over_whole() {
    let world = World::new();
    let new = salvaged(&world);
    assert!(new.report.is_complete(), "{}", new.report);
    assert_eq!(new.rows, original());
    assert_eq!(new.report.tables()[0].records, CUSTOMERS - 15);
    assert!(new.report.to_string().ends_with("nothing was lost"), "{}", new.report);
    // It overwrites nothing.
    let again = salvage_file(&world.path, &new.path, &mut |_| {}).unwrap_err();
    assert_eq!(again.kind(), ErrorKind::InvalidArgument, "{again}");
    assert!(salvage_file(&world.path, &world.path, &mut |_| {}).is_err());
}

#[test]
fn a_damaged_leaf_costs_its_own_records_and_no_others() {
    let (world, all) = (World::new(), original());
    let page = world.page(world.tree(0), 0);
    world.flip_page(&page);
    let new = salvaged(&world);
    let missing = missing(&all.0, &new.rows.0);
    assert!(!missing.is_empty() && missing.len() < 40, "{missing:?}");
    let [lost] = new.report.lost() else { panic!("{}", new.report) };
    assert_eq!(lost.table, "customers");
    assert!(lost.what.contains(&format!("block {}", page.address)) && lost.what.contains("checksum"), "{lost}");
    // The range that is named is that of the records that are gone.
    let numbers: Vec<u64> = lost.keys.split(' ').filter_map(|word| word.parse().ok()).collect();
    let [from, to] = numbers[..] else { panic!("{lost}") };
    assert!(missing.iter().all(|id| (from..to).contains(id)), "{missing:?} in {lost}");
    assert!(new.rows.0.keys().all(|id| !(from..to).contains(id)), "{lost}");
    assert_eq!((new.rows.1, new.rows.2), (all.1, all.2));
}

#[test]
fn damage_outside_the_leaves_of_tables_costs_nothing() {
    let all = original();
    let inner = |world: &World| {
        let page = world.page(world.tree(0), 1);
        world.flip_page(&page);
    };
    let root = |world: &World| {
        let (root, level) = world.pages(world.tree(0))[0];
        assert!(level > 0);
        world.flip_page(&root);
    };
    let index_leaf = |world: &World| world.flip_page(&world.page(world.tree(2), 0));
    let index_root = |world: &World| world.flip_page(&world.pages(world.tree(1))[0].0);
    let free_map = |world: &World| world.flip(world.superblock().free_map.unwrap().place() * 512 + 60);
    let directory = |world: &World| world.flip(world.superblock().directory.unwrap().place() * 512 + 60);
    let superblock = |world: &World| world.flip(SLOTS[0] + 60);
    let entry = |world: &World| world.scribble(|txn| txn.delete(TreeId(world.tree(2)), b"c41@example.org").unwrap());
    let extra = |world: &World| world.scribble(|txn| txn.put(TreeId(world.tree(2)), b"nobody", &[0; 8]).unwrap());
    let checksums = |world: &World| SLOTS.iter().for_each(|slot| world.flip(slot + 4090));
    type Plant<'a> = (&'a str, &'a dyn Fn(&World));
    let plants: [Plant<'_>; 10] = [
        ("inner page", &inner),
        ("root", &root),
        ("index leaf", &index_leaf),
        ("index root", &index_root),
        ("free map", &free_map),
        ("directory", &directory),
        ("superblock", &superblock),
        ("index entry gone", &entry),
        ("index entry too many", &extra),
        ("both superblocks' checksums", &checksums),
    ];
    for (name, plant) in plants {
        let world = World::new();
        plant(&world);
        let new = salvaged(&world);
        assert_eq!(new.rows, all, "{name}: {}", new.report);
        assert!(new.report.lost().is_empty(), "{name}: {}", new.report);
    }
}

#[test]
fn a_damaged_value_costs_one_record() {
    let (world, all) = (World::new(), original());
    world.flip(world.value_block(world.tree(0)) * 512 + 100);
    let new = salvaged(&world);
    let missing = missing(&all.0, &new.rows.0);
    let [id] = missing[..] else { panic!("{missing:?}") };
    let [lost] = new.report.lost() else { panic!("{}", new.report) };
    assert_eq!((lost.table.as_str(), lost.keys.as_str()), ("customers", format!("key {id}").as_str()));
}

#[test]
fn tables_are_known_from_older_pages_and_records_where_the_catalog_is_damaged() {
    let (world, all) = (World::new(), original());
    world.flip_page(&world.page(1, 0));
    let new = salvaged(&world);
    assert_eq!(new.rows, all, "{}", new.report);
    assert!(new.report.remarks().iter().any(|remark| remark.contains("older pages")), "{}", new.report);

    // With every trace of it gone, the bytes are kept.
    let superblock = world.superblock();
    let file = world.file();
    let log = superblock.segments[0];
    file.write_at(&vec![0; log.length as usize], log.address * 512).unwrap();
    let pages = crate::check::Pages::new(&file, &superblock);
    for block in 0..superblock.tail {
        if let Some(stray) = pages.stray(block).unwrap().filter(|stray| stray.page.header.tree == 1) {
            file.write_at(&vec![0; stray.entry.length as usize], block * 512).unwrap();
        }
    }
    drop(file);
    let path = world.path.with_extension("bytes");
    let report = salvage_file(&world.path, &path, &mut |_| {}).unwrap();
    assert!(report.tables().iter().all(|table| table.table.starts_with("lost+found/")), "{report}");
    let check = check_file(&path, &mut |_| {}).unwrap();
    assert!(check.is_sound(), "{check}");
    let db = Database::<()>::open(&path).unwrap();
    const ROWS: crate::TableDef<Vec<u8>, Vec<u8>> = crate::TableDef::new("lost+found/16");
    let kept = db.read(|tx| tx.open_table(&ROWS)?.len()).unwrap();
    assert_eq!(kept as usize, all.0.len());
}

/// Everything that a file in memory holds.
fn bytes_of(storage: &MemoryFile) -> Vec<u8> {
    let mut bytes = vec![0; storage.len().unwrap() as usize];
    storage.read_at(&mut bytes, 0).unwrap();
    bytes
}

/// Where in a file the records of its log's commits begin, and their bodies.
fn commits_in(bytes: &[u8]) -> Vec<(u64, Vec<u8>)> {
    let image = MemoryFile::default();
    image.write_at(bytes, 0).unwrap();
    let superblock = read_slots(&image).unwrap().superblocks[0].clone();
    let crate::format::Segment { first, address, length } = superblock.segments[0];
    let segment = crate::wal::RingSegment { first, offset: address * u64::from(superblock.block_size), length };
    let ring = crate::wal::Ring::new(vec![segment], crate::wal::UNIT).unwrap();
    let start = crate::wal::LogStart {
        position: superblock.log_start,
        chain: superblock.chain,
        salts: &superblock.salts,
        timestamp: superblock.commit_timestamp,
    };
    let mut found = Vec::new();
    crate::wal::scan(&image, &ring, start, &mut |commit| {
        found.push((ring.locate(commit.position, 1).next().unwrap().offset, commit.body.to_vec()));
        Ok::<_, Error>(())
    })
    .unwrap();
    found
}

#[test]
fn the_logs_commits_come_too_up_to_damage() {
    let storage = Arc::new(MemoryFile::default());
    let mut long_log = options();
    long_log.engine.log_size = 1 << 20;
    let db = Database::<Shop>::on(storage.clone(), long_log).unwrap();
    fill(&db);
    db.checkpoint().unwrap();
    for i in 0..6 {
        let note = if i == 2 { "x".repeat(9000) } else { "late".into() };
        db.write(|tx| {
            let mut customers = tx.table::<Customer>()?;
            customers.remove(crate::Id::new(100 + i))?;
            customers.insert(Customer { note: note.clone(), ..customer(2000 + i) }).map(|_| ())
        })
        .unwrap();
    }
    let all = contents(&db);
    let mut bytes = bytes_of(&storage);
    let run = |bytes: &[u8]| {
        let image = MemoryFile::default();
        image.write_at(bytes, 0).unwrap();
        let new = Arc::new(MemoryFile::default());
        let mut silent = |_| {};
        let report = salvage(&mut Source::open(&image, &mut silent).unwrap(), new.clone(), Limits::default()).unwrap();
        let db = Database::<Shop>::on(new, options()).unwrap();
        db.check().unwrap();
        (report, contents(&db))
    };
    let (report, rows) = run(&bytes);
    assert_eq!(rows, all, "{report}");
    assert!(report.is_complete() && report.log_commits() == 6, "{report}");

    // The fourth commit is damaged.
    let fourth = commits_in(&bytes)[3].0;
    bytes[fourth as usize + 70] ^= 1;
    let (report, rows) = run(&bytes);
    assert_eq!(report.log_commits(), 3, "{report}");
    assert!(report.remarks()[0].contains("had been durable"), "{report}");
    assert_eq!(rows.0.len(), all.0.len());
    assert!(rows.0.contains_key(&103) && !rows.0.contains_key(&102), "three removals came over");
}

#[test]
fn of_two_records_with_one_unique_key_the_later_is_left_out() {
    let (world, all) = (World::new(), original());
    let copy = {
        let file = RealFile::open(&world.path, OpenMode::ReadOnly).unwrap();
        let read_only = EngineOptions { read_only: true, ..EngineOptions::default() };
        let engine = crate::engine::Engine::open(Arc::new(file), read_only).unwrap();
        let view = engine.snapshot().unwrap();
        crate::engine::View::get(&view, TreeId(world.tree(0)), &42_u64.to_be_bytes()).unwrap().unwrap().to_vec()
    };
    world.scribble(|txn| txn.put(TreeId(world.tree(0)), &900_u64.to_be_bytes(), &copy).unwrap());
    world.scribble(|txn| txn.put(TreeId(world.tree(0)), &901_u64.to_be_bytes(), b"\x01\x01no row").unwrap());
    let new = salvaged(&world);
    assert_eq!(new.rows, all);
    let text = new.report.to_string();
    assert!(text.contains("key 900: the record 42 has the same key in the unique index `email`"), "{text}");
    assert!(text.contains("key 901: "), "{text}");
}

#[test]
fn i36_hostile_files_end_in_a_new_file_or_an_error() {
    let world = World::new();
    let bytes = world.bytes();
    let mut random = fastrand::Rng::with_seed(5);
    for _ in 0..40 {
        let mut bad = bytes.clone();
        for _ in 0..random.usize(1..60) {
            let at = random.usize(140..bad.len() / 512) * 512;
            match random.u32(0..3) {
                0 => bad[at..at + 512].fill(random.u8(..)),
                1 => bad[at + random.usize(0..512)] ^= 1 << random.u32(0..8),
                _ => {
                    let from = random.usize(0..bad.len() / 512) * 512;
                    bad.copy_within(from..from + 512, at);
                }
            }
        }
        let image = MemoryFile::default();
        image.write_at(&bad, 0).unwrap();
        let new = Arc::new(MemoryFile::default());
        let mut silent = |_| {};
        let report = salvage(&mut Source::open(&image, &mut silent).unwrap(), new.clone(), Limits::default()).unwrap();
        let db = Database::<()>::on(new, options()).unwrap();
        let check = db.check_with(&mut |_| {}).unwrap();
        assert!(check.is_sound(), "{check}\n{report}");
    }
}

/// Salvages a file: the report, what the new one holds, its length, and what a check says of it.
fn with_limits(bytes: &[u8], limits: Limits) -> (SalvageReport, (Customers, usize, usize), u64, CheckReport) {
    let image = MemoryFile::default();
    image.write_at(bytes, 0).unwrap();
    let new = Arc::new(MemoryFile::default());
    let mut silent = |_| {};
    let report = salvage(&mut Source::open(&image, &mut silent).unwrap(), new.clone(), limits).unwrap();
    let length = new.len().unwrap();
    let check = crate::typed::check::check_storage(&*new, &mut |_| {}).unwrap();
    assert!(check.is_sound(), "{check}\n{report}");
    (report, contents(&Database::<Shop>::on(new, options()).unwrap()), length, check)
}

/// Gathered a few at a time or all at once: the same records are left out, also where the other one was put long before.
#[test]
fn batches_of_entries_do_not_change_what_is_left_out() {
    let (world, all) = (World::new(), original());
    let tree = TreeId(world.tree(0));
    world.scribble(|txn| {
        for (from, to) in [(42_u64, 900_u64), (299, 901), (42, 902), (150, 6), (60, 903)] {
            let row = crate::engine::View::get(txn, tree, &from.to_be_bytes()).unwrap().unwrap().to_vec();
            txn.put(tree, &to.to_be_bytes(), &row).unwrap();
        }
    });
    let bytes = world.bytes();
    let (report, rows, ..) = with_limits(&bytes, Limits::default());
    assert_eq!(report.lost().len(), 5, "{report}");
    // The first of two stays, whichever was there before.
    assert!(rows.0.contains_key(&6) && !rows.0.contains_key(&150) && rows.0.len() == all.0.len(), "{report}");
    for gathered in [0, 500, 4000, 30_000] {
        let (few, again, ..) = with_limits(&bytes, Limits { nodes: 1 << 20, gathered });
        assert_eq!((few, again), (report.clone(), rows.clone()), "{gathered} bytes gathered");
    }
}

/// Much more than memory, with entries that come at random places of their indexes.
#[test]
fn a_large_file_takes_bounded_memory_and_no_more_room_than_its_data() {
    let storage = Arc::new(MemoryFile::default());
    let db = Database::<Shop>::on(storage.clone(), options()).unwrap();
    let mut random = fastrand::Rng::with_seed(8);
    for _ in 0..80 {
        db.write(|tx| {
            let mut customers = tx.table::<Customer>()?;
            (0..500).try_for_each(|_| {
                let email = format!("{:016x}@example.org", random.u64(..));
                let note = "x".repeat(random.usize(100..200));
                customers.insert(Customer { email, note, ..customer(random.u64(..)) }).map(|_| ())
            })
        })
        .unwrap();
    }
    db.close().unwrap();
    let bytes = bytes_of(&storage);

    let limits = Limits { nodes: 1 << 20, gathered: 200_000 };
    let (report, rows, length, check) = with_limits(&bytes, limits);
    assert!(report.is_complete() && rows.0.len() == 40_000, "{report}");
    assert_eq!(check.totals().bytes, length);
    let free = check.totals().free;
    assert!(free * 20 < length && length > 10 << 20, "{free} bytes free of {length}");

    let image = MemoryFile::default();
    image.write_at(&bytes, 0).unwrap();
    let mut silent = |_| {};
    let mut source = Source::open(&image, &mut silent).unwrap();
    let mut notes = Notes::default();
    let raw = source.catalog(&mut notes).unwrap();
    let schema = Schema::of(&raw, &mut Findings::default());
    source.look(&schema).unwrap();
    let mut target = Target::create(Arc::new(MemoryFile::default()), &source.superblock, limits).unwrap();
    target.catalog(&raw, &schema, &[]).unwrap();
    bring(&mut source, &mut target, &schema, &[], &mut notes).unwrap();
    let resident = target.resident();
    // What one commit of 4 MiB touches may be there beside it.
    assert!(resident < limits.nodes + (4 << 20), "{resident} bytes of nodes");
}

/// A file on a disk that is full behind so many bytes.
struct Full(RealFile, u64);

impl Storage for Full {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.0.read_at(buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let fits = offset + bytes.len() as u64 <= self.1;
        if fits { self.0.write_at(bytes, offset) } else { Err(io::ErrorKind::StorageFull.into()) }
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync()
    }

    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.0.set_len(length)
    }
}

/// What a salvage that failed has brought over looks whole to whoever opens it.
#[test]
fn no_file_is_left_of_a_salvage_that_failed() {
    let world = World::new();
    let path = world.path.with_extension("new");
    let file = RealFile::open(&world.path, OpenMode::ReadOnly).unwrap();
    for room in [10_000, 150_000] {
        let mut silent = |_| {};
        let mut source = Source::open(&file, &mut silent).unwrap();
        let failed = salvage_to(&mut source, &path, |file| Arc::new(Full(file, room))).unwrap_err();
        assert_eq!(failed.kind(), ErrorKind::StorageFull, "{failed}");
        assert!(!path.exists(), "{failed}");
    }
}

/// A process that is killed removes nothing, nor does a power cut. What is left is refused, or it is whole.
#[test]
fn a_salvage_that_was_killed_is_told_as_such() {
    let (world, all) = (World::new(), original());
    let file = RealFile::open(&world.path, OpenMode::ReadOnly).unwrap();
    let run = |stop: Option<u64>| {
        let new = Arc::new(FaultFile::from_image(Vec::new(), FaultPlan { stop, ..FaultPlan::default() }));
        let mut silent = |_| {};
        let mut source = Source::open(&file, &mut silent).unwrap();
        let ended = salvage(&mut source, new.clone(), Limits::default());
        (new, ended)
    };
    let (whole, ended) = run(None);
    let _ = ended.unwrap();
    let calls = whole.calls();
    let (mut refused, mut complete) = (0, 0);
    // A slow machine makes another number of calls each time: whether one was stopped is known at its end alone.
    for stop in (2..).filter(|stop| stop % 23 == 0 || stop + 40 > calls || *stop < 30) {
        let (new, ended) = run(Some(stop));
        let stopped = ended.is_err();
        let cuts = CrashPolicy::ALL.into_iter().map(|policy| new.crash(policy, stop));
        for (at, image) in cuts.chain([new.image()]).enumerate() {
            let left = MemoryFile::default();
            left.write_at(&image, 0).unwrap();
            match Database::<Shop>::on(Arc::new(left), options()) {
                Ok(db) => assert!(contents(&db) == all, "call {stop} of {calls}, {at}: a part of it opens"),
                Err(error) => {
                    assert!(stopped, "call {stop} of {calls}, {at}: a salvage that ended leaves {error}");
                    assert_eq!(error.kind(), ErrorKind::NotADatabase, "call {stop} of {calls}, {at}: {error}");
                    assert!(error.to_string().contains("a salvage into this file did not end"), "{error}");
                    refused += 1;
                    continue;
                }
            }
            complete += 1;
        }
        if !stopped {
            break;
        }
    }
    assert!(refused > 400 && complete > 0, "{refused} refused, {complete} complete");
}

/// Where the numbers to be given next are lost, none is given: it would be one that a table has.
#[test]
fn no_table_is_made_without_the_numbers_to_be_given_next() {
    const NEW: crate::TableDef<u64, u64> = crate::TableDef::new("new");
    let (world, all) = (World::new(), original());
    world.scribble(|txn| txn.delete(catalog::TREE, &[0]).unwrap());
    let db = Database::<Shop>::on(Arc::new(world.file()), options()).unwrap();
    assert_eq!(contents(&db), all);
    let refused = db.write(|tx| tx.open_table(&NEW)?.insert(1, 1).map(|_| ())).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Corrupt, "{refused}");
    drop(db);
    let path = world.path.with_extension("new");
    let _ = salvage_file(&world.path, &path, &mut |_| {}).unwrap();
    let db = Database::<()>::open(&path).unwrap();
    db.write(|tx| tx.open_table(&NEW)?.insert(1, 1)).unwrap();
    db.check().unwrap();
}

const LATER: crate::TableDef<u64, u64> = crate::TableDef::new("later");

/// A world whose table of hits was written to, and then deleted, in the log or in a checkpoint too.
fn without_hits(checkpoint: bool) -> World {
    let world = World::new();
    let storage = Arc::new(MemoryFile::default());
    storage.write_at(&world.bytes(), 0).unwrap();
    let db = Database::<Shop>::on(storage.clone(), options()).unwrap();
    db.write(|tx| {
        let mut hits = tx.open_table(&HITS)?;
        hits.remove(("/page7", 1))?;
        hits.insert(("/late", 1), vec![1; 9000]).map(|_| ())
    })
    .unwrap();
    assert!(db.write(|tx| tx.delete_table(&HITS)).unwrap());
    db.write(|tx| tx.open_table(&LATER)?.insert(1, 2)).unwrap();
    if checkpoint {
        db.checkpoint().unwrap();
    }
    let bytes = bytes_of(&storage);
    world.file().set_len(bytes.len() as u64).unwrap();
    world.file().write_at(&bytes, 0).unwrap();
    world
}

/// Salvages a world, and checks the new file: the report, and which tables it names.
fn tables_of(world: &World) -> (SalvageReport, Vec<String>) {
    let path = world.path.with_extension("new");
    let report = salvage_file(&world.path, &path, &mut |_| {}).unwrap();
    let check = check_file(&path, &mut |_| {}).unwrap();
    assert!(check.is_sound(), "{check}\n{report}");
    let names = report.tables().iter().map(|table| table.table.clone()).collect();
    (report, names)
}

#[test]
fn a_deleted_table_neither_comes_back_nor_counts_as_loss() {
    let hits = World::new().directory().last().unwrap().tree;
    for checkpoint in [false, true] {
        let world = without_hits(checkpoint);
        assert_eq!(world.directory().iter().any(|entry| entry.tree == hits), !checkpoint);
        let (report, tables) = tables_of(&world);
        assert_eq!(tables, ["customers", "later", "seats"], "{report}");
        assert!(report.is_complete(), "{report}");
    }
    // Nor does damage of it matter, as long as a checkpoint still names its pages.
    for level in [0, 1] {
        let world = without_hits(false);
        world.flip_page(&world.page(hits, level));
        let (report, tables) = tables_of(&world);
        assert_eq!(tables, ["customers", "later", "seats"], "level {level}: {report}");
        assert!(report.is_complete(), "level {level}: {report}");
    }
}

#[test]
fn a_deleted_table_does_not_come_back_where_directory_or_catalog_are_damaged() {
    let catalog = |world: &World| world.flip_page(&world.page(1, 0));
    let directory = |world: &World| world.flip(world.superblock().directory.unwrap().place() * 512 + 60);
    let free_map = |world: &World| world.flip(world.superblock().free_map.unwrap().place() * 512 + 60);
    for checkpoint in [false, true] {
        for (name, plant) in
            [("catalog", &catalog as &dyn Fn(&World)), ("directory", &directory), ("free map", &free_map)]
        {
            let world = without_hits(checkpoint);
            plant(&world);
            let (report, tables) = tables_of(&world);
            assert_eq!(tables, ["customers", "later", "seats"], "{name}, {checkpoint}: {report}");
            assert!(report.lost().iter().all(|lost| lost.table == "the catalog"), "{name}, {checkpoint}: {report}");
        }
    }
}

/// Only what the log says for sure makes a table go: where the commit that deletes it is damaged, its records come over.
#[test]
fn a_table_whose_deletion_is_damaged_comes_over() {
    for catalog in [false, true] {
        let world = without_hits(false);
        let deletion = commits_in(&world.bytes())[1].0;
        world.flip(deletion + 70);
        if catalog {
            world.flip_page(&world.page(1, 0));
        }
        let (report, tables) = tables_of(&world);
        assert_eq!(tables, ["customers", "hits", "seats"], "{report}");
        assert!(!report.is_complete() && report.tables()[1].records == CUSTOMERS, "{report}");
    }
}
