//! Backups of a shop: what is damaged, cut, mixed up or refused by the writer, and what increments cost.

use super::restore::into_storage;
use super::*;
use crate::backup::{Header, Kind, StreamReader, StreamWriter, Streams};
use crate::check::read_slots;
use crate::typed::check::tests::{Customer, HITS, Shop, World, customer, fill, options};
use crate::typed::{Options, TableDef};
use crate::vfs::{FaultFile, FaultPlan, MemoryFile, Storage};
use crate::{Id, restore, restore_file};
use std::error::Error as _;

type Rows = Vec<(String, Vec<u8>)>;

/// Everything that a shop's tables hold.
fn rows(db: &Database<Shop>) -> (Vec<Customer>, Rows) {
    db.read(|tx| {
        let customers = tx.table::<Customer>()?.iter().collect::<Result<Vec<_>>>()?;
        let hits = tx.open_table(&HITS)?;
        let hits = hits.iter().map(|hit| hit.map(|((page, _), bytes)| (page, bytes))).collect::<Result<Vec<_>>>()?;
        Ok((customers, hits))
    })
    .unwrap()
}

fn shop() -> Database<Shop> {
    let db = Database::<Shop>::on(Arc::new(MemoryFile::default()), options()).unwrap();
    fill(&db);
    db
}

fn backup(db: &Database<Shop>, since: Option<&Backup>) -> (Vec<u8>, Backup) {
    let mut bytes = Vec::new();
    let backup = db.backup_with(since, &mut bytes, &mut |_| {}).unwrap();
    (bytes, backup)
}

fn restored(backups: &[&[u8]]) -> Result<Arc<MemoryFile>> {
    let storage = Arc::new(MemoryFile::default());
    let named = backups.iter().enumerate().map(|(at, bytes)| (format!("backup {at}"), *bytes));
    let result = Streams::open(named).and_then(|streams| into_storage(streams, &*storage, 0, &mut |_| {}));
    if result.is_err() && storage.len().unwrap() > 0 {
        let found = read_slots(&*storage).err().map(|error| error.kind());
        assert_eq!(found, Some(ErrorKind::NotADatabase), "a failed restore left a database");
    }
    result.map(|_| storage)
}

#[test]
fn a_shop_comes_back_with_indexes_values_and_ids() {
    let db = shop();
    let (full, first) = backup(&db, None);
    let before = rows(&db);
    db.write(|tx| {
        let mut customers = tx.table::<Customer>()?;
        customers.update(Id::new(100), |customer| customer.note = "x".repeat(5000))?;
        customers.remove(Id::new(101))?;
        customers.insert(customer(9999)).map(|_| ())
    })
    .unwrap();
    let (increment, second) = backup(&db, Some(&first));
    assert!(second.follows(&first) && second.is_increment() && increment.len() < full.len() / 2);
    let open = |storage| Database::<Shop>::on(storage, options()).unwrap();
    let old = open(restored(&[&full]).unwrap());
    assert_eq!((rows(&old), old.begin_read().unwrap().timestamp()), (before, first.timestamp()));
    let new = open(restored(&[&full, &increment]).unwrap());
    assert_eq!((rows(&new), new.begin_read().unwrap().timestamp()), (rows(&db), second.timestamp()));
    new.check().unwrap();
    // Ids go on behind the largest.
    let ids = [&db, &new].map(|db| db.write(|tx| tx.table::<Customer>()?.insert(customer(5000))).unwrap());
    assert_eq!(ids[0], ids[1]);
}

/// Found by the simulator: of a database without trees, the two differed.
#[test]
fn a_backup_of_an_empty_database_reads_as_it_was_made() {
    let db = Database::<()>::on(Arc::new(MemoryFile::default()), options()).unwrap();
    let mut bytes = Vec::new();
    let made = db.backup(&mut bytes).unwrap();
    assert_eq!(Backup::verify(&bytes[..]).unwrap(), made);
    let mut increment = Vec::new();
    assert!(db.backup_since(&made, &mut increment).unwrap().follows(&made));
    restored(&[&bytes, &increment]).unwrap();
}

/// Every byte flipped, and every cut: refused, with a typed error, and no database is left.
#[test]
fn every_flipped_byte_and_every_cut_is_refused() {
    let mut options = options();
    options.engine.log_size = 1 << 16;
    let db = Database::<()>::on(Arc::new(MemoryFile::default()), options).unwrap();
    let bytes = TableDef::<u64, Vec<u8>>::new("bytes");
    db.write(|tx| {
        let mut table = tx.open_table(&bytes)?;
        (0..30).try_for_each(|key| table.insert(key, vec![key as u8; 20]).map(|_| ()))?;
        table.insert(100, vec![1; 2000]).map(|_| ())
    })
    .unwrap();
    let (mut full, mut increment) = (Vec::new(), Vec::new());
    let first = db.backup(&mut full).unwrap();
    db.write(|tx| tx.open_table(&bytes)?.insert(7, vec![9; 20])).unwrap();
    db.backup_since(&first, &mut increment).unwrap();
    restored(&[&full, &increment]).unwrap();
    let mut kinds = std::collections::BTreeMap::<String, u32>::new();
    for at in 0..full.len() + increment.len() {
        let (mut full, mut increment) = (full.clone(), increment.clone());
        let (of, at) = if at < full.len() { (&mut full, at) } else { (&mut increment, at - full.len()) };
        of[at] ^= 1 << (at % 8);
        let error = restored(&[&full, &increment]).err().unwrap_or_else(|| panic!("byte {at} was not missed"));
        *kinds.entry(format!("{:?}", error.kind())).or_default() += 1;
    }
    println!("{kinds:?}");
    assert!(kinds["Corrupt"] > 10_000, "{kinds:?}");
    for cut in 0..full.len() {
        assert_eq!(restored(&[&full[..cut], &increment]).err().unwrap().kind(), ErrorKind::Truncated, "cut at {cut}");
    }
    for cut in 0..increment.len() {
        assert_eq!(restored(&[&full, &increment[..cut]]).err().unwrap().kind(), ErrorKind::Truncated, "cut at {cut}");
    }
}

#[test]
fn what_does_not_follow_is_refused() {
    let (db, other) = (shop(), shop());
    let (full, first) = backup(&db, None);
    let step = |db: &Database<Shop>, i| db.write(|tx| tx.table::<Customer>()?.insert(customer(i)).map(|_| ())).unwrap();
    step(&db, 2000);
    let (one, second) = backup(&db, Some(&first));
    step(&db, 2001);
    let (two, third) = backup(&db, Some(&second));
    let (another, _) = backup(&other, None);
    let kind = |backups: &[&[u8]]| restored(backups).err().map(|error| error.kind());
    assert_eq!(kind(&[&full, &one, &two]), None);
    let wrong: [&[&[u8]]; 7] = [
        &[&one],
        &[&full, &two],
        &[&full, &two, &one],
        &[&full, &one, &one],
        &[&another, &one],
        &[&full, &full],
        &[&full, &one, &full],
    ];
    for backups in wrong {
        assert_eq!(kind(backups), Some(ErrorKind::BackupMismatch));
    }
    assert_eq!(kind(&[]), Some(ErrorKind::InvalidArgument));
    let told = restored(&[&full, &two]).err().unwrap().to_string();
    assert!(told.contains("backup 1 does not follow backup 0"), "{told}");

    // A copy that goes its own way, from the state of the first increment.
    let copy = Database::<Shop>::on(restored(&[&full, &one]).unwrap(), options()).unwrap();
    step(&copy, 3000);
    backup(&copy, Some(&first));
    let (three, _) = backup(&copy, Some(&second));
    assert_eq!(kind(&[&full, &one, &three]), None);
    let mut nothing = Vec::new();
    let refused = |db: &Database<Shop>, since: &Backup, out: &mut Vec<u8>| db.backup_since(since, out).unwrap_err();
    assert_eq!(refused(&copy, &third, &mut nothing).kind(), ErrorKind::BackupMismatch);
    assert_eq!(refused(&other, &first, &mut nothing).kind(), ErrorKind::BackupMismatch);
    assert!(refused(&other, &first, &mut nothing).to_string().contains("another database"));
    assert!(nothing.is_empty());
    // The oldest of very many is forgotten.
    for _ in 0..crate::format::MAX_BACKUPS {
        db.backup(&mut std::io::sink()).unwrap();
    }
    assert_eq!(refused(&db, &third, &mut nothing).kind(), ErrorKind::BackupMismatch);
    db.check().unwrap();
}

/// A power cut may take a backup that is written and not durable; increments of it could not be restored.
#[test]
fn the_database_knows_of_a_backup_when_that_is_durable() {
    let storage = Arc::new(MemoryFile::default());
    let db = Database::<Shop>::on(Arc::clone(&storage) as Arc<dyn Storage>, options()).unwrap();
    fill(&db);
    let engine = &db.inner.engine;
    let known = || read_slots(&*storage).unwrap().superblocks[0].backups.len();
    let (mut full, mut written) = (Vec::new(), 0);
    let fails = |out: &Vec<u8>| {
        written = out.len();
        assert_eq!(known(), 0, "before it is durable");
        Err(io::Error::other("the sync failed"))
    };
    let error = write_durably(engine, None, &mut full, fails, &mut |_| {}).unwrap_err();
    assert!(error.to_string().contains("making the backup durable"), "{error}");
    assert_eq!((written, known()), (full.len(), 0), "all of it was written, and none of it counts");
    let lost = Backup::verify(&full[..]).unwrap();
    let mut increment = Vec::new();
    assert_eq!(db.backup_since(&lost, &mut increment).unwrap_err().kind(), ErrorKind::BackupMismatch);
    let passes = |_: &Vec<u8>| {
        assert_eq!(known(), 0);
        Ok(())
    };
    full.clear();
    let kept = write_durably(engine, None, &mut full, passes, &mut |_| {}).unwrap();
    assert_eq!(known(), 1);
    db.backup_since(&kept, &mut increment).unwrap();
    restored(&[&full, &increment]).unwrap();
}

/// Takes so many bytes, then fails.
struct Filling {
    left: usize,
    panics: bool,
}

impl Write for Filling {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(self.left);
        self.left -= taken;
        assert!(taken > 0 || !self.panics, "the writer panics");
        if taken > 0 { Ok(taken) } else { Err(io::Error::new(io::ErrorKind::StorageFull, "the tape is full")) }
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.left > 0 { Ok(()) } else { Err(io::Error::other("not flushed")) }
    }
}

#[test]
fn a_writer_that_fails_is_told_of_and_nothing_stays_pinned() {
    let db = shop();
    let (full, first) = backup(&db, None);
    let length = full.len();
    let pins = || db.inner.engine.base().space().unwrap().pins();
    for left in [0, 1, 15, 4191, 4192, 5000, length / 2, length - 1, length] {
        let error = db.backup(&mut Filling { left, panics: false }).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Io, "{error}");
        let source = error.source().and_then(|source| source.downcast_ref::<io::Error>());
        assert!(source.is_some() && error.to_string().starts_with("writing the backup: "), "{error:?}");
        assert_eq!(pins(), 0, "after {left} bytes");
    }
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        db.backup(&mut Filling { left: 10_000, panics: true })
    }));
    assert!(panicked.is_err() && pins() == 0);
    db.write(|tx| tx.table::<Customer>()?.insert(customer(2000)).map(|_| ())).unwrap();
    db.check().unwrap();
    // Backups that failed do not push the others from the list.
    for _ in 0..crate::format::MAX_BACKUPS {
        db.backup(&mut Filling { left: 0, panics: false }).unwrap_err();
    }
    let (increment, _) = backup(&db, Some(&first));
    assert_eq!(rows(&Database::<Shop>::on(restored(&[&full, &increment]).unwrap(), options()).unwrap()), rows(&db));
}

/// Keeps so many bytes, then panics: what a process that is killed leaves of a backup.
struct Killed {
    bytes: Vec<u8>,
    most: usize,
}

impl Write for Killed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(self.most - self.bytes.len());
        assert!(taken > 0, "the writer panics");
        self.bytes.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// No restore would take it.
#[test]
fn nothing_follows_a_backup_that_was_not_completed() {
    let db = shop();
    let (full, first) = backup(&db, None);
    let mut writer = Killed { bytes: Vec::new(), most: full.len() / 2 };
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| db.backup(&mut writer))).unwrap_err();
    let cut = Backup::read_header(&writer.bytes[..]).unwrap();
    let refused = db.backup_since(&cut, &mut io::sink()).map(|made| made.to_string());
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::BackupMismatch);
    // Nor do they push the others from the list.
    for _ in 0..crate::format::MAX_BACKUPS {
        let mut writer = Killed { bytes: Vec::new(), most: 1 };
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| db.backup(&mut writer))).unwrap_err();
    }
    let (increment, _) = backup(&db, Some(&first));
    assert_eq!(rows(&Database::<Shop>::on(restored(&[&full, &increment]).unwrap(), options()).unwrap()), rows(&db));
}

/// Closes the database while it is backed up.
struct Closing(Database<Shop>);

impl Write for Closing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.0.clone().close() {
            Err(error) if error.kind() != ErrorKind::Closed => Err(io::Error::other(error)),
            _ => Ok(bytes.len()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A closed database writes nothing any more, so it cannot note that the backup was made.
#[test]
fn a_backup_of_a_database_that_is_closed_meanwhile_fails() {
    let db = shop();
    let failed = db.backup(&mut Closing(db.clone())).map(|made| made.to_string());
    assert_eq!(failed.unwrap_err().kind(), ErrorKind::Closed);
}

/// What has not changed is neither written nor read.
#[test]
fn an_increment_costs_what_has_changed() {
    let file = Arc::new(FaultFile::from_image(Vec::new(), FaultPlan::default()));
    let options = || Options::new().memory(1 << 20);
    let db = Database::<()>::on(Arc::clone(&file) as Arc<dyn Storage>, options()).unwrap();
    let (small, large) = (TableDef::<u64, Vec<u8>>::new("small"), TableDef::<u64, Vec<u8>>::new("large"));
    for chunk in (0..40_000_u64).collect::<Vec<_>>().chunks(4000) {
        db.write(|tx| {
            let mut table = tx.open_table(&small)?;
            chunk.iter().try_for_each(|&key| table.insert(key, vec![key as u8; 100]).map(|_| ()))
        })
        .unwrap();
    }
    db.write(|tx| {
        let mut table = tx.open_table(&large)?;
        (0..20).try_for_each(|key| table.insert(key, vec![key as u8; 100_000]).map(|_| ()))
    })
    .unwrap();
    let measured = |since: Option<&Backup>| {
        db.checkpoint().unwrap();
        let before = file.calls();
        let mut bytes = Vec::new();
        let backup = db.backup_with(since, &mut bytes, &mut |_| {}).unwrap();
        (bytes, backup, file.calls() - before)
    };
    let (full, first, many) = measured(None);
    assert!(full.len() > 6_000_000 && many > 30, "{} bytes, {many} calls", full.len());
    // Leaves that lie next to each other are read together.
    assert!(many < 150, "{many} calls");
    let (nothing, second, few) = measured(Some(&first));
    // Most of them are for the superblocks.
    assert!(nothing.len() < 8_000 && few < 20, "{} bytes, {few} calls", nothing.len());
    db.write(|tx| {
        tx.open_table(&small)?.insert(20_000, vec![7; 100])?;
        tx.open_table(&small)?.remove(123)?;
        // Its neighbours' values do not move with it.
        tx.open_table(&large)?.insert(3, vec![1; 50_000]).map(|_| ())
    })
    .unwrap();
    let (little, _, few) = measured(Some(&second));
    assert!((50_000..160_000).contains(&little.len()) && few < 30, "{} bytes, {few} calls", little.len());
    let storage = restored(&[&full, &nothing, &little]).unwrap();
    let new = Database::<()>::on(storage, options()).unwrap();
    let lengths = |db: &Database<()>| {
        db.read(|tx| Ok((tx.open_table(&small)?.len()?, tx.open_table(&large)?.get(3)?.map(|value| value.len()))))
            .unwrap()
    };
    assert_eq!((lengths(&new), lengths(&new)), (lengths(&db), (39_999, Some(50_000))));
}

#[test]
fn files_are_backed_up_and_restored_durably_or_not_at_all() {
    let world = World::new();
    let path = |name: &str| world.path.with_file_name(name);
    let (full, one, new) = (path("full"), path("one"), path("new.tam"));
    let first = backup_file(&world.path, None, &full, &mut |_| {}).unwrap();
    let exists = backup_file(&world.path, None, &full, &mut |_| {}).unwrap_err();
    assert_eq!(exists.kind(), ErrorKind::InvalidArgument, "{exists}");
    {
        let db = Database::<Shop>::open(&world.path).unwrap();
        db.write(|tx| tx.table::<Customer>()?.insert(customer(2000)).map(|_| ())).unwrap();
        let locked = backup_file(&world.path, None, &one, &mut |_| {}).unwrap_err();
        assert_eq!(locked.kind(), ErrorKind::Locked, "{locked}");
    }
    let mut last = Progress::default();
    backup_file(&world.path, Some(&first), &one, &mut |progress| last = progress).unwrap();
    assert!(last.done > 0 && last.done == last.total);
    let report = restore_file([&full, &one], &new, &mut |progress| last = progress).unwrap();
    assert!(report.is_sound() && last.done == last.total, "{last:?}");
    let exists = restore_file([&full, &one], &new, &mut |_| {}).unwrap_err();
    assert_eq!(exists.kind(), ErrorKind::InvalidArgument, "{exists}");
    let (old, new) = (Database::<Shop>::open(&world.path).unwrap(), Database::<Shop>::open(&new).unwrap());
    assert_eq!(rows(&old), rows(&new));
    new.check().unwrap();
    drop(old);
    // Nothing is left of what failed.
    let (nowhere, missing) = (path("nowhere"), path("missing"));
    assert_eq!(restore_file([&one], &nowhere, &mut |_| {}).unwrap_err().kind(), ErrorKind::BackupMismatch);
    assert_eq!(restore([&b"TAMBACKUP"[..]], &nowhere, &mut |_| {}).unwrap_err().kind(), ErrorKind::Truncated);
    let short = vec![0; 3000];
    assert_eq!(restore([&short[..]], &nowhere, &mut |_| {}).unwrap_err().kind(), ErrorKind::NotADatabase);
    assert_eq!(backup_file(&missing, None, &nowhere, &mut |_| {}).unwrap_err().kind(), ErrorKind::Io);
    let mut bytes = Vec::new();
    io::Read::read_to_end(&mut crate::vfs::open_plain(&full).unwrap(), &mut bytes).unwrap();
    bytes.pop();
    assert_eq!(restore([&bytes[..]], &nowhere, &mut |_| {}).unwrap_err().kind(), ErrorKind::Truncated);
    assert!(!nowhere.exists() && !missing.exists());
}

/// What a crash leaves of a restore is told as such, by whoever looks at it.
#[test]
fn a_restore_that_did_not_end_is_told_as_such() {
    let world = World::new();
    let new = world.path.with_file_name("new.tam");
    let mut marker = vec![0; 200_000];
    marker[..16].copy_from_slice(&crate::format::UNFINISHED);
    marker[150_000] = 1;
    io::Write::write_all(&mut create_plain(&new).unwrap(), &marker).unwrap();
    let opened = Database::<()>::open(&new).unwrap_err();
    let checked = crate::check_file(&new, &mut |_| {}).unwrap_err();
    for error in [opened, checked] {
        assert_eq!(error.kind(), ErrorKind::NotADatabase);
        assert!(error.to_string().contains("a restore into this file did not end"), "{error}");
    }
}

#[test]
fn a_database_that_cannot_answer_for_its_newest_commits_says_so() {
    let db = shop();
    db.clone().close().unwrap();
    assert_eq!(db.backup(&mut std::io::sink()).unwrap_err().kind(), ErrorKind::Closed);
    let file = Arc::new(FaultFile::from_image(Vec::new(), FaultPlan::default()));
    let db = Database::<Shop>::on(Arc::clone(&file) as Arc<dyn Storage>, options()).unwrap();
    fill(&db);
    file.set_plan(FaultPlan {
        fail: Some((file.calls(), crate::vfs::Failure::LostSync)),
        sticky: true,
        ..FaultPlan::default()
    });
    db.write(|tx| tx.table::<Customer>()?.insert(customer(2000)).map(|_| ())).unwrap_err();
    file.heal();
    let mut bytes = Vec::new();
    let error = db.backup(&mut bytes).unwrap_err();
    assert!(error.kind() == ErrorKind::Poisoned && bytes.is_empty(), "{error}");
}

/// Damage is not copied: the backup fails, and names where.
#[test]
fn a_damaged_page_ends_a_backup_with_its_place() {
    let world = World::new();
    let leaf = world.page(world.tree(0), 0);
    world.flip_page(&leaf);
    let leaf = leaf.address;
    let to = world.path.with_file_name("backup");
    let error = backup_file(&world.path, None, &to, &mut |_| {}).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.to_string().contains(&format!("the page at block {leaf} cannot be backed up")), "{error}");
    assert!(!to.exists());
}

type Frames = Vec<(Kind, u64, Vec<u8>)>;

fn taken_apart(bytes: &[u8]) -> (Header, Frames) {
    let mut reader = StreamReader::new(bytes).unwrap();
    let mut frames = Vec::new();
    while let Some(frame) = reader.next().unwrap() {
        frames.push((frame.kind, frame.address, frame.payload.to_vec()));
    }
    (reader.header, frames)
}

fn put_together(header: &Header, frames: &Frames) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = StreamWriter::new(&mut bytes, header);
    frames.iter().for_each(|(kind, address, payload)| writer.frame(*kind, *address, payload).unwrap());
    writer.finish().unwrap();
    bytes
}

/// I36: a stream whose checks are all in order, and that somebody has tampered with. The pages' own checksums and the check of the whole find it.
#[test]
fn i36_a_forged_backup_is_refused_or_harmless() {
    let db = shop();
    let before = rows(&db);
    let (header, frames) = taken_apart(&backup(&db, None).0);
    let mut random = fastrand::Rng::with_seed(1);
    let (mut refused, mut harmless) = (0, 0);
    for round in 0..400 {
        let (mut header, mut frames) = (header.clone(), frames.clone());
        let at = random.usize(0..frames.len());
        let other = random.usize(0..frames.len());
        let (_, address, payload) = &mut frames[at];
        match round % 10 {
            0 => drop(frames.remove(at)),
            1 => {
                let bit = random.usize(0..payload.len() * 8);
                payload[bit / 8] ^= 1 << (bit % 8);
            }
            2 => *address ^= 1 << random.u32(0..64),
            3 => *address = random.u64(0..header.superblock.tail + 10),
            4 => payload.truncate(random.usize(0..payload.len())),
            5 => payload.extend(vec![1; random.usize(1..5000)]),
            6 => {
                let page = frames[other].2.clone();
                frames[at].2 = page;
            }
            7 => header.superblock.tail = random.u64(0..header.superblock.tail * 2),
            8 => header.superblock.file_id[random.usize(0..16)] ^= 1,
            _ => match random.u32(0..5) {
                0 => header.superblock.generation -= 1,
                1 => header.superblock.commit_timestamp = random.u64(0..header.superblock.commit_timestamp),
                2 => header.superblock.directory = None,
                3 => header.superblock.segments[0].address = random.u64(0..header.superblock.tail),
                _ => header.superblock.free_map = header.superblock.directory,
            },
        }
        match restored(&[&put_together(&header, &frames)]) {
            Ok(storage) => {
                harmless += 1;
                let db = Database::<Shop>::on(storage, options()).unwrap();
                assert!(rows(&db) == before, "round {round}");
                let report = db.check_with(&mut |_| {}).unwrap();
                let leak = |finding: &crate::Finding| finding.kind() == crate::FindingKind::Leak;
                assert!(report.findings().iter().all(leak), "round {round}: {report}");
            }
            Err(_) => refused += 1,
        }
    }
    println!("{refused} refused, {harmless} harmless");
    assert!(refused > 300, "{refused} {harmless}");
}

/// Blocks that only a damaged chunk names stay in use for good when its value is deleted. Restoring called that unsound: every backup from
/// then on could be made, and never be restored.
#[test]
fn a_database_that_dropped_what_was_damaged_has_backups() {
    let file = Arc::new(FaultFile::from_image(Vec::new(), FaultPlan::default()));
    let db = Database::<()>::on(Arc::clone(&file) as Arc<dyn Storage>, options()).unwrap();
    let values = TableDef::<u32, Vec<u8>>::new("values");
    db.write(|tx| {
        let mut values = tx.open_table(&values)?;
        values.insert(1, vec![1; 3 << 20])?;
        values.insert(2, vec![2; 100]).map(drop)
    })
    .unwrap();
    db.checkpoint().unwrap();
    // The one chunk that names others.
    let image = file.image();
    let is_index = |block: &usize| {
        let page = &image[block * 512..][..16];
        page[..2] == [3, 1] && page[8..] == (*block as u64).to_le_bytes()
    };
    let index: Vec<usize> = (0..image.len() / 512).filter(is_index).collect();
    assert_eq!(index.len(), 1);
    file.damage(|image| image.put(index[0] * 512 + 50, &[0xaa; 4]));
    let error = db.read(|tx| tx.open_table(&values)?.get(1)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    db.write(|tx| tx.open_table(&values)?.discard(1)).unwrap();
    db.checkpoint().unwrap();
    let mut full = Vec::new();
    let first = db.backup(&mut full).unwrap();
    db.write(|tx| tx.open_table(&values)?.insert(3, vec![3; 100])).unwrap();
    let mut increment = Vec::new();
    db.backup_since(&first, &mut increment).unwrap();
    let storage = restored(&[&full, &increment]).unwrap();
    let report = crate::typed::check::check_storage(&*storage, &mut |_| {}).unwrap();
    let kinds: Vec<_> = report.findings().iter().map(crate::Finding::kind).collect();
    assert!(!kinds.is_empty() && kinds.iter().all(|&kind| kind == crate::FindingKind::Leak), "{report}");
    let new = Database::<()>::on(storage, options()).unwrap();
    let found: Vec<(u32, Vec<u8>)> = new.read(|tx| tx.open_table(&values)?.iter().collect()).unwrap();
    assert_eq!(found, [(2, vec![2; 100]), (3, vec![3; 100])]);
}
