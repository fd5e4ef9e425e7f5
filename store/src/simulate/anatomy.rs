//! What the bytes of a file are, page by page, and how they are sealed: for those who damage files on purpose. Changes without notice.

use crate::blob::BlobRef;
use crate::ckpt::{SLOTS, decode_directory};
use crate::format::{
    CHILD_ENTRY_LEN, ChildEntry, PAGE_HEADER_LEN, PageHeader, PageKind, SUPERBLOCK_LEN, Superblock, page_checksum,
};
use crate::tree::node::{Body, Value};
use crate::wal::{Op, OpsReader, Ring, RingSegment, UNIT, record_places, seal_record};
use xxhash_rust::xxh3::xxh3_128;

/// What a part of a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum What {
    SuperblockA,
    SuperblockB,
    Directory,
    FreeMap,
    Catalog,
    Inner,
    Leaf,
    EvenLeaf,
    Value,
    ValueIndex,
    LogCommit,
    LogPad,
    Spill,
}

impl What {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::SuperblockA,
        Self::SuperblockB,
        Self::Directory,
        Self::FreeMap,
        Self::Catalog,
        Self::Inner,
        Self::Leaf,
        Self::EvenLeaf,
        Self::Value,
        Self::ValueIndex,
        Self::LogCommit,
        Self::LogPad,
        Self::Spill,
    ];
}

/// A page, a superblock or a record of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    pub what: What,
    pub start: usize,
    pub length: usize,
    /// Where the child entry stands that names it.
    named: Option<usize>,
}

/// Every part of a sound file that something names, those that name others before these. Empty if the file has no whole superblock.
pub fn parts(bytes: &[u8]) -> Vec<Part> {
    let mut list = Vec::new();
    let mut newest: Option<(usize, Superblock)> = None;
    for (slot, what) in SLOTS.into_iter().zip([What::SuperblockA, What::SuperblockB]) {
        let start = slot as usize;
        list.push(Part { what, start, length: SUPERBLOCK_LEN, named: None });
        let decoded = bytes.get(start..).and_then(<[u8]>::first_chunk).map(Superblock::decode);
        if let Some(Ok(superblock)) = decoded
            && newest.as_ref().is_none_or(|(_, newest)| newest.generation < superblock.generation)
        {
            newest = Some((start, superblock));
        }
    }
    let Some((start, superblock)) = newest else { return Vec::new() };
    let mut walk = Walk { bytes, block: superblock.block_size as usize, list };
    walk.superblock(start, &superblock);
    walk.log(&superblock);
    walk.list
}

fn ring(superblock: &Superblock) -> Option<Ring> {
    let segments = superblock.segments.iter().map(|segment| RingSegment {
        first: segment.first,
        offset: segment.address * u64::from(superblock.block_size),
        length: segment.length,
    });
    Ring::new(segments.collect(), UNIT).ok()
}

struct Walk<'a> {
    bytes: &'a [u8],
    block: usize,
    list: Vec<Part>,
}

impl<'a> Walk<'a> {
    /// Where a slice of the file begins.
    fn place(&self, slice: &[u8]) -> usize {
        slice.as_ptr().addr() - self.bytes.as_ptr().addr()
    }

    fn entry(&self, at: usize) -> Option<ChildEntry> {
        let entry = self.bytes.get(at..)?.first_chunk::<CHILD_ENTRY_LEN>()?;
        ChildEntry::decode(entry).ok().filter(|entry| entry.address != 0)
    }

    fn add(&mut self, what: What, at: usize) -> Option<&'a [u8]> {
        let entry = self.entry(at)?;
        let start = entry.address as usize * self.block;
        let page = self.bytes.get(start..start + entry.length as usize)?;
        self.list.push(Part { what, start, length: page.len(), named: Some(at) });
        page.get(PAGE_HEADER_LEN..)
    }

    /// The chunks of a byte string whose reference stands at a place. Returns the bytes of the first one.
    fn blob(&mut self, what: What, at: usize) -> Option<&'a [u8]> {
        let height = *self.bytes.get(at + 8)?;
        let index = if what == What::Value { What::ValueIndex } else { what };
        let mut todo = vec![(height, at + 16)];
        let mut first = None;
        while let Some((level, at)) = todo.pop() {
            let payload = self.add(if level > 0 { index } else { what }, at)?;
            if level == 0 {
                first = first.or(Some(payload));
                continue;
            }
            let start = self.place(payload);
            todo.extend((0..payload.len() / CHILD_ENTRY_LEN).rev().map(|i| (level - 1, start + i * CHILD_ENTRY_LEN)));
        }
        first
    }

    fn superblock(&mut self, start: usize, superblock: &Superblock) {
        if superblock.free_map.is_some() {
            self.blob(What::FreeMap, start + 120);
        }
        let directory = superblock.directory.and_then(|_| self.blob(What::Directory, start + 72));
        let Some(directory) = directory else { return };
        let Ok(entries) = decode_directory(directory) else { return };
        let place = self.place(directory);
        for (i, entry) in entries.iter().enumerate() {
            self.tree(entry.tree, place + i * 40 + 8);
        }
    }

    fn tree(&mut self, tree: u32, root: usize) {
        let mut todo = vec![root];
        while let Some(at) = todo.pop() {
            let Some(entry) = self.entry(at) else { continue };
            let header = self.bytes.get(entry.address as usize * self.block..).and_then(<[u8]>::first_chunk);
            let Some(header) = header.and_then(PageHeader::decode) else { continue };
            if header.kind == PageKind::Inner {
                let Some(payload) = self.add(What::Inner, at) else { continue };
                let body = payload.first_chunk::<4>().map_or(0, |len| u32::from_le_bytes(*len)) as usize;
                let children = self.place(payload) + 8 + body;
                let count = payload.len().saturating_sub(8 + body) / CHILD_ENTRY_LEN;
                todo.extend((0..count).rev().map(|i| children + i * CHILD_ENTRY_LEN));
                continue;
            }
            let even = self.bytes.get(entry.address as usize * self.block + PAGE_HEADER_LEN + 10) != Some(&0);
            let what = match (tree, even) {
                (1, _) => What::Catalog,
                (_, true) => What::EvenLeaf,
                _ => What::Leaf,
            };
            let Some(payload) = self.add(what, at) else { continue };
            let Ok(body) = Body::parse(payload) else { continue };
            for i in 0..body.len() {
                if let Value::Overflow(reference) = body.value(i) {
                    self.blob(What::Value, self.place(reference));
                }
            }
        }
    }

    fn log(&mut self, superblock: &Superblock) {
        let Some(ring) = ring(superblock) else { return };
        for (start, header, body, commit) in record_places(self.bytes, &ring, superblock.log_start) {
            let what = if commit { What::LogCommit } else { What::LogPad };
            self.list.push(Part { what, start, length: header + body, named: None });
            let Some(body) = self.bytes.get(start + header..start + header + body) else { continue };
            for op in OpsReader::new(body).map_while(Result::ok) {
                match op {
                    Op::Spill { reference } if BlobRef::decode(reference).is_ok() => {
                        self.blob(What::Spill, self.place(reference));
                    }
                    Op::PutOverflow { reference, .. } if BlobRef::decode(reference).is_ok() => {
                        self.blob(What::Value, self.place(reference));
                    }
                    _ => {}
                }
            }
        }
    }
}

/// Makes every check of a file right again, whatever its bytes say now: `parts` are those of the file before it was changed. What is
/// named elsewhere now gets the checksum of what lies there.
pub fn seal(bytes: &mut [u8], parts: &[Part]) {
    let slot = |what: What| parts.iter().find(|part| part.what == what).map_or(0, |part| part.start);
    let (a, b) = (slot(What::SuperblockA), slot(What::SuperblockB));
    let word = |bytes: &[u8], at: usize| {
        bytes.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |word| u64::from_le_bytes(*word))
    };
    let file_id = bytes.get(a + 32..).and_then(<[u8]>::first_chunk::<16>).copied().unwrap_or_default();
    let block = word(bytes, a + 20) as u32;
    for at in parts.iter().rev().filter_map(|part| part.named) {
        let entry = bytes.get(at..).and_then(<[u8]>::first_chunk).map(ChildEntry::decode);
        let Some(Ok(entry)) = entry else { continue };
        let start = (entry.address as usize).saturating_mul(block as usize);
        let page = bytes.get(start..start.saturating_add(entry.length as usize));
        let Some(checksum) = page.map(|page| page_checksum(&file_id, entry.address, page)) else { continue };
        if let Some(place) = bytes.get_mut(at + 24..at + 32) {
            place.copy_from_slice(&checksum.to_le_bytes());
        }
    }
    let mut chain = word(bytes, a + 176);
    for part in parts.iter().filter(|part| matches!(part.what, What::LogCommit | What::LogPad)) {
        if let Some(record) = bytes.get_mut(part.start..part.start + part.length) {
            chain = seal_record(record, chain);
        }
    }
    // Both say the same, so that none is taken for what a crash left.
    if let Some(body) = bytes.get(a..a + SUPERBLOCK_LEN - 16) {
        let sealed = [body, &xxh3_128(body).to_le_bytes()].concat();
        for slot in [a, b] {
            if let Some(place) = bytes.get_mut(slot..slot + SUPERBLOCK_LEN) {
                place.copy_from_slice(&sealed);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::{Disk, raw};
    use crate::{Database, Durability, Options, TableDef};

    const NUMBERS: TableDef<u32, u64> = TableDef::new("numbers");
    const WORDS: TableDef<u32, Vec<u8>> = TableDef::new("words");

    /// A file with every kind of part.
    fn file(seed: u64) -> Vec<u8> {
        let disk = Disk::new(seed);
        let (block, page, memory, write_buffer) = (512, 1024, 16 << 20, 2000);
        let tiny = raw::Tiny { block, page, memory, write_buffer, snapshot_isolation: false, read_only: false };
        let db: Database<()> = raw::open(&disk, tiny).unwrap();
        let fill = |from: u32, to: u32| {
            move |tx: &crate::WriteTxn<()>| {
                for i in from..to {
                    tx.open_table(&NUMBERS)?.insert(i, u64::from(i))?;
                    tx.open_table(&WORDS)?.insert(i, vec![7; i as usize % 50])?;
                }
                Ok(())
            }
        };
        (0..15).for_each(|part| db.write(fill(part * 100, part * 100 + 100)).unwrap());
        db.write(|tx| tx.open_table(&WORDS)?.insert(9, vec![3; 700_000])).unwrap();
        db.checkpoint().unwrap();
        db.write(fill(1490, 1560)).unwrap();
        db.write_with(Durability::Buffered, fill(1560, 1562)).unwrap();
        disk.kill();
        disk.bytes()
    }

    #[test]
    fn every_kind_of_part_is_found_and_nothing_twice() {
        let bytes = file(1);
        let mut parts = parts(&bytes);
        for what in What::ALL {
            assert!(parts.iter().any(|part| part.what == what), "{what:?}");
        }
        parts.sort_by_key(|part| part.start);
        assert!(parts.windows(2).all(|two| two[0].start + two[0].length <= two[1].start), "{parts:?}");
    }

    #[test]
    fn a_sealed_file_is_the_same_and_a_changed_one_passes_its_checksums() {
        let bytes = file(2);
        let list = parts(&bytes);
        let mut sealed = bytes.clone();
        seal(&mut sealed, &list);
        assert!(sealed == bytes);
        // A value's byte: nothing but the checksums can tell.
        let value = list.iter().find(|part| part.what == What::Value).unwrap();
        let words = |bytes: &[u8]| -> crate::Result<Vec<u8>> {
            let db: Database<()> = Disk::holding(3, bytes).open(Options::new())?;
            db.check()?;
            db.read(|tx| tx.open_table(&WORDS)?.get(9)).map(Option::unwrap)
        };
        sealed[value.start + 100] ^= 1;
        assert!(words(&sealed).is_err());
        seal(&mut sealed, &list);
        let found = words(&sealed).unwrap();
        assert_eq!((found.len(), found.iter().filter(|&&byte| byte != 3).count()), (700_000, 1));
    }
}
