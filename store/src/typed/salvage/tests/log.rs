//! What a salvage takes from the log: whole commits only, and none that never was.

use super::*;
use crate::TableDef;
use crate::blob::BlobRef;
use crate::format::PageKind;
use crate::wal::{Op, OpsReader};

const FROM: TableDef<u64, Vec<u8>> = TableDef::new("from");
const TO: TableDef<u64, Vec<u8>> = TableDef::new("to");

/// How many records each of the tables has; none where it does not exist.
fn lengths(storage: Arc<MemoryFile>) -> (u64, u64) {
    let db = Database::<()>::on(storage, options()).unwrap();
    db.read(|tx| Ok((tx.open_table(&FROM)?.len()?, tx.open_table(&TO)?.len()?))).unwrap()
}

/// A file as a crash leaves it behind a large transaction that moves records from a table to another, and one more commit.
fn moved() -> (Vec<u8>, u64) {
    let storage = Arc::new(MemoryFile::default());
    let mut small_buffer = options();
    (small_buffer.engine.log_size, small_buffer.engine.write_buffer) = (1 << 20, 2000);
    let db = Database::<()>::on(storage.clone(), small_buffer).unwrap();
    const RECORDS: u64 = 90;
    db.write(|tx| {
        let mut from = tx.open_table(&FROM)?;
        (0..RECORDS).try_for_each(|i| from.insert(i, vec![i as u8; 50]).map(|_| ()))
    })
    .unwrap();
    db.checkpoint().unwrap();
    db.write(|tx| tx.open_table(&TO)?.insert(1000, vec![]).map(|_| ())).unwrap();
    db.write(|tx| {
        let (mut from, mut to) = (tx.open_table(&FROM)?, tx.open_table(&TO)?);
        for i in 0..RECORDS {
            let value = from.get(i)?.unwrap();
            from.remove(i)?;
            to.insert(i, value)?;
        }
        Ok(())
    })
    .unwrap();
    db.write(|tx| tx.open_table(&FROM)?.insert(2000, vec![]).map(|_| ())).unwrap();
    (bytes_of(&storage), RECORDS)
}

/// The blocks of the pages that hold what a transaction puts into a tree and had no room for in memory.
fn spills_with_puts(bytes: &[u8], of: u32) -> Vec<u64> {
    let image = MemoryFile::default();
    image.write_at(bytes, 0).unwrap();
    let superblock = read_slots(&image).unwrap().superblocks[0].clone();
    let ctx = World::ctx(&superblock, PageKind::Spill);
    let mut found = Vec::new();
    for (_, body) in commits_in(bytes) {
        for op in OpsReader::new(&body).flatten() {
            let Op::Spill { reference } = op else { continue };
            let blob = BlobRef::decode(reference).unwrap();
            let part = crate::blob::read(&image, &ctx, &blob).unwrap();
            if OpsReader::new(&part).flatten().any(|op| matches!(op, Op::Put { tree, .. } if tree == of)) {
                found.push(blob.place());
            }
        }
    }
    found
}

#[test]
fn a_commit_of_which_a_part_is_damaged_does_not_come_over_half() {
    let (bytes, records) = moved();
    let salvage_of = |bytes: &[u8]| {
        let image = MemoryFile::default();
        image.write_at(bytes, 0).unwrap();
        let new = Arc::new(MemoryFile::default());
        let mut silent = |_| {};
        let report = salvage(&mut Source::open(&image, &mut silent).unwrap(), new.clone(), Limits::default()).unwrap();
        let check = crate::typed::check::check_storage(&*new, &mut |_| {}).unwrap();
        assert!(check.is_sound(), "{check}\n{report}");
        (report, lengths(new))
    };
    let (report, kept) = salvage_of(&bytes);
    assert!(report.is_complete() && report.log_commits() == 3, "{report}");
    assert_eq!(kept, (1, records + 1), "{report}");

    let spills = spills_with_puts(&bytes, catalog::FIRST_TREE + 1);
    assert!(spills.len() > 2, "{spills:?}");
    for block in [spills[0], spills[spills.len() / 2], spills[spills.len() - 1]] {
        let mut bad = bytes.clone();
        bad[block as usize * 512 + 70] ^= 1;
        let (report, kept) = salvage_of(&bad);
        assert_eq!(kept, (records, 1), "block {block}: {report}");
        assert_eq!(report.log_commits(), 1, "block {block}: {report}");
        assert!(!report.is_complete(), "{report}");
        let [remark] = report.remarks() else { panic!("{report}") };
        assert!(remark.contains("what commits from there on did is lost"), "{report}");
    }
}

const KEEP: TableDef<u64, Vec<u8>> = TableDef::new("keep");
const GHOST: TableDef<u64, u64> = TableDef::new("a ghost");
const TRUE: TableDef<u64, u64> = TableDef::new("true");

/// Tables of records are in the catalog before anything is written to them; the directory names them only afterwards.
#[test]
fn records_of_the_log_come_over_though_the_catalog_and_no_root_names_their_table() {
    let storage = Arc::new(MemoryFile::default());
    let mut long_log = options();
    long_log.engine.log_size = 1 << 20;
    Database::<Shop>::on(storage.clone(), long_log.clone()).unwrap().close().unwrap();
    let db = Database::<Shop>::on(storage.clone(), long_log).unwrap();
    for i in 0..20 {
        db.write(|tx| tx.table::<Customer>()?.insert(customer(i))).unwrap();
    }
    let bytes = bytes_of(&storage);
    let world = World::new();
    world.file().set_len(bytes.len() as u64).unwrap();
    world.file().write_at(&bytes, 0).unwrap();
    world.pages(catalog::TREE.0).iter().filter(|(_, level)| *level == 0).for_each(|(leaf, _)| world.flip_page(leaf));
    let path = world.path.with_extension("new");
    let report = salvage_file(&world.path, &path, &mut |_| {}).unwrap();
    assert!(check_file(&path, &mut |_| {}).unwrap().is_sound(), "{report}");
    let file = RealFile::open(&path, OpenMode::CreateOrOpen).unwrap();
    let (customers, ..) = contents(&Database::<Shop>::on(Arc::new(file), options()).unwrap());
    assert_eq!(customers.len(), 20, "{report}");
}

/// A file whose log holds a table of a lost tail above what was written since: a power cut took the commit before it, so recovery cut the log
/// there, and the table that was made next has its numbers.
fn haunted() -> World {
    let storage = Arc::new(MemoryFile::default());
    let mut long_log = options();
    long_log.engine.log_size = 1 << 20;
    let db = Database::<()>::on(storage.clone(), long_log).unwrap();
    db.write(|tx| tx.open_table(&KEEP)?.insert(1, vec![]).map(|_| ())).unwrap();
    db.checkpoint().unwrap();
    let before = bytes_of(&storage);
    let buffered = crate::Durability::Buffered;
    db.write_with(buffered, |tx| {
        let mut keep = tx.open_table(&KEEP)?;
        (2..90).try_for_each(|i| keep.insert(i, vec![7; 100]).map(|_| ()))
    })
    .unwrap();
    db.write_with(buffered, |tx| tx.open_table(&GHOST)?.insert(1, 1).map(|_| ())).unwrap();
    let mut bytes = bytes_of(&storage);
    let [(filler, _), (ghost, _)] = commits_in(&bytes)[..] else { panic!("not two commits") };
    assert!(ghost - filler > 8192 && ghost % crate::wal::UNIT == 0, "{filler} {ghost}");
    let lost = filler as usize..ghost as usize;
    bytes[lost.clone()].copy_from_slice(&before[lost]);

    let storage = Arc::new(MemoryFile::default());
    storage.write_at(&bytes, 0).unwrap();
    let db = Database::<()>::on(storage.clone(), options()).unwrap();
    db.write(|tx| {
        let mut table = tx.open_table(&TRUE)?;
        (0..20).try_for_each(|i| table.insert(i, i).map(|_| ()))
    })
    .unwrap();
    db.close().unwrap();
    let after = bytes_of(&storage);
    assert!(after[ghost as usize..][..100] == bytes[ghost as usize..][..100], "the ghost was written over");
    let world = World::new();
    world.file().set_len(after.len() as u64).unwrap();
    world.file().write_at(&after, 0).unwrap();
    world
}

#[test]
fn a_table_of_a_lost_tail_takes_no_other_tables_place() {
    let world = haunted();
    world.flip_page(&world.page(1, 0));
    let (report, tables) = tables_of(&world);
    assert_eq!(tables, ["keep", "true"], "{report}");
    let db = Database::<()>::open(world.path.with_extension("new")).unwrap();
    let rows: Vec<_> = db.read(|tx| tx.open_table(&TRUE)?.iter().collect()).unwrap();
    assert_eq!(rows, (0..20).map(|i| (i, i)).collect::<Vec<_>>());
    // Writes to a table that is new show up in no other.
    db.write(|tx| tx.open_table(&GHOST)?.insert(100, 1).map(|_| ())).unwrap();
    assert_eq!(db.read(|tx| tx.open_table(&TRUE)?.len()).unwrap(), 20);
    assert!(db.check_with(&mut |_| {}).unwrap().is_sound());
}
