//! Files that were cut short, and devices that refuse what they have read before: whatever does not come over is told.

use super::*;
use std::ops::Range;
use std::sync::Mutex;

/// Salvages, and returns whether the report says that all came over, and the records.
fn salvaged_from(storage: &dyn Storage) -> (SalvageReport, (Customers, usize, usize)) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new.tam");
    let mut silent = |_| {};
    let mut source = Source::open(storage, &mut silent).unwrap();
    let report = salvage_to(&mut source, &path, |file| Arc::new(file)).unwrap();
    assert!(check_file(&path, &mut |_| {}).unwrap().is_sound(), "{report}");
    let file = RealFile::open(&path, OpenMode::CreateOrOpen).unwrap();
    (report, contents(&Database::<Shop>::on(Arc::new(file), options()).unwrap()))
}

fn of_bytes(bytes: &[u8]) -> MemoryFile {
    let file = MemoryFile::default();
    file.set_len(bytes.len() as u64).unwrap();
    file.write_at(bytes, 0).unwrap();
    file
}

/// Whatever lies behind the cut.
#[test]
fn what_a_cut_takes_is_told() {
    let (world, all) = (World::new(), original());
    let bytes = world.bytes();
    let superblock = world.superblock();
    let log = superblock.segments[0];
    let from = (log.address * 512 + log.length) as usize / 512;
    let (mut whole, mut parts) = (0, 0);
    for blocks in (from..bytes.len() / 512).rev() {
        let (report, rows) = salvaged_from(&of_bytes(&bytes[..blocks * 512]));
        assert!(!report.is_complete(), "{blocks} blocks: {report}");
        if rows == all {
            whole += 1;
        } else {
            parts += 1;
            assert!(!report.lost().is_empty() || report.to_string().contains("cut short"), "{blocks}: {report}");
        }
    }
    // Behind the pages of the trees, and without all of them.
    assert!(whole > 0 && parts > 0, "{whole} and {parts}");
}

/// A superblock that the device refuses to read is not needed, and named. Check and salvage could not begin.
#[test]
fn a_superblock_that_cannot_be_read_is_told() {
    let (world, all) = (World::new(), original());
    for slot in SLOTS {
        let storage = Tired { below: of_bytes(&world.bytes()), bytes: slot..slot + 4096, left: Mutex::new(0) };
        let slots = read_slots(&storage).unwrap();
        assert!(slots.superblocks.len() == 1 && slots.found.list.len() == 1, "{:?}", slots.found);
        assert!(slots.found.list[0].unread && slots.found.list[0].what.contains("could not be read"));
        let (report, rows) = salvaged_from(&storage);
        assert_eq!(rows, all);
        assert!(!report.is_complete() && report.lost().is_empty(), "{report}");
    }
    let storage = Tired { below: of_bytes(&world.bytes()), bytes: 0..SLOTS[1] + 4096, left: Mutex::new(0) };
    assert_eq!(read_slots(&storage).map(drop).unwrap_err().kind(), crate::ErrorKind::Io);
}

/// Reads some bytes so often, and no more.
struct Tired {
    below: MemoryFile,
    bytes: Range<u64>,
    left: Mutex<u32>,
}

impl Storage for Tired {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        if offset < self.bytes.end && self.bytes.start < offset + buffer.len() as u64 {
            let mut left = self.left.lock().unwrap();
            *left = left.checked_sub(1).ok_or_else(|| io::Error::other("a bad sector"))?;
        }
        self.below.read_at(buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.below.write_at(bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        self.below.len()
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.below.set_len(length)
    }
}

/// Trees are gone through twice, the log three times. What could be read the first time and not the next was left out in silence.
#[test]
fn what_can_be_read_once_and_not_again_is_told() {
    let (world, all) = (World::new(), original());
    let bytes = world.bytes();
    let superblock = world.superblock();
    let pages = world.pages(world.tree(0)).into_iter().map(|(page, _)| page.address);
    let value = world.value_block(world.tree(0));
    let log = superblock.segments[0];
    let log = log.address..log.address + log.length / 512;
    let (mut whole, mut parts) = (0, 0);
    for block in pages.chain([value]).chain(log.step_by(8)) {
        for times in 1..4 {
            let bytes = block * 512..(block + 1) * 512;
            let storage = Tired { below: of_bytes(&world.bytes()), bytes, left: Mutex::new(times) };
            let (report, rows) = salvaged_from(&storage);
            if rows == all {
                whole += 1;
            } else {
                parts += 1;
                assert!(!report.is_complete(), "block {block}, {times} times: {report}");
            }
        }
    }
    assert!(whole > 0 && parts > 0 && bytes == world.bytes(), "{whole} and {parts}");
}

/// A check goes over an index that is wrong, and over its table, three times, and looks entries up. What it could not read again it passed over, and the
/// file was sound.
#[test]
fn a_wrong_index_is_told_though_it_cannot_be_read_again() {
    let world = World::new();
    world.scribble(|txn| txn.delete(TreeId(world.tree(2)), b"c41@example.org").unwrap());
    let blocks = [world.tree(0), world.tree(2)].into_iter().flat_map(|tree| world.pages(tree));
    for block in blocks.map(|(page, _)| page.address) {
        for times in 0..4 {
            let bytes = block * 512..(block + 1) * 512;
            let storage = Tired { below: of_bytes(&world.bytes()), bytes, left: Mutex::new(times) };
            let report = crate::typed::check::check_storage(&storage, &mut |_| {}).unwrap();
            assert!(!report.is_sound(), "block {block}, {times} times: {report}");
        }
    }
}
