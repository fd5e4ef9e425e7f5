//! A disk in memory that remembers what was asked of it: every write, every flush, and what the process above it said in between. Of any moment of
//! that record it makes what the disk may hold when the power goes: everything before the last flush, and of the rest what the device chose.

use crate::work::Said;
use std::ops::Range;
use std::sync::Arc;

/// Bytes that copies of an image share or do not.
const BLOCK: usize = 4096;
/// What a device writes whole, or not at all.
const SECTOR: usize = 512;
/// Where ext4 has its superblock, of two sectors under one checksum: it relies on a device that does not tear it, or cannot be mounted.
const SUPERBLOCK: Range<u64> = 1024..2048;

type Block = Arc<[u8; BLOCK]>;

/// The bytes of a disk; a block that was never written is zeros. Copies share their blocks.
#[derive(Clone)]
pub(crate) struct Image(Vec<Option<Block>>);

impl Image {
    pub(crate) fn new(length: u64) -> Self {
        Self(vec![None; (length as usize).div_ceil(BLOCK)])
    }

    pub(crate) fn length(&self) -> u64 {
        (self.0.len() * BLOCK) as u64
    }

    /// Reads; behind the end there is nothing.
    pub(crate) fn read(&self, at: u64, length: usize) -> Vec<u8> {
        let end = self.length().min(at.saturating_add(length as u64));
        let mut bytes = Vec::with_capacity(length);
        let mut at = at;
        while at < end {
            let (block, from) = (at as usize / BLOCK, at as usize % BLOCK);
            let to = BLOCK.min(from + (end - at) as usize);
            match &self.0[block] {
                Some(block) => bytes.extend_from_slice(&block[from..to]),
                None => bytes.resize(bytes.len() + to - from, 0),
            }
            at += (to - from) as u64;
        }
        bytes
    }

    /// Writes; what lies behind the end is left out. Returns how much was written.
    pub(crate) fn write(&mut self, at: u64, bytes: &[u8]) -> usize {
        let mut done = 0;
        while done < bytes.len() && at + (done as u64) < self.length() {
            let place = at as usize + done;
            let (block, from) = (place / BLOCK, place % BLOCK);
            let count = (BLOCK - from).min(bytes.len() - done);
            let block = self.0[block].get_or_insert_with(|| Arc::new([0; BLOCK]));
            Arc::make_mut(block)[from..from + count].copy_from_slice(&bytes[done..done + count]);
            done += count;
        }
        done
    }

    /// Of the bytes of a file.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        let mut image = Self::new(bytes.len() as u64);
        for (at, block) in bytes.chunks(BLOCK).enumerate().filter(|(_, block)| block.iter().any(|&byte| byte != 0)) {
            image.write((at * BLOCK) as u64, block);
        }
        image
    }
}

/// One thing that happened.
pub(crate) enum Entry {
    Write { at: u64, bytes: Vec<u8> },
    Flush,
    Said(Said),
}

/// A disk at work.
pub(crate) struct Disk {
    pub(crate) image: Image,
    pub(crate) log: Vec<Entry>,
    /// Bytes in the log.
    pub(crate) logged: usize,
}

impl Disk {
    pub(crate) fn new(image: Image) -> Self {
        Self { image, log: Vec::new(), logged: 0 }
    }

    pub(crate) fn write(&mut self, at: u64, bytes: &[u8]) -> usize {
        let done = self.image.write(at, bytes);
        self.logged += done;
        self.log.push(Entry::Write { at, bytes: bytes[..done].to_vec() });
        done
    }
}

/// What the device has done with the writes since the last flush.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kept {
    Nothing,
    /// In order, up to this moment.
    Everything,
    /// In order, and of the last one some sectors.
    TornEnd,
    /// Any of them.
    Some,
    AllButOne,
    OnlyOne,
    /// Any sectors of any of them.
    Sectors,
}

impl Kept {
    pub(crate) const ALL: [Self; 7] =
        [Self::Nothing, Self::Everything, Self::TornEnd, Self::Some, Self::AllButOne, Self::OnlyOne, Self::Sectors];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Nothing => "up to a flush",
            Self::Everything => "in order, up to any write",
            Self::TornEnd => "the same, the last write torn",
            Self::Some => "any writes since the flush",
            Self::AllButOne => "all of them but one",
            Self::OnlyOne => "only one of them",
            Self::Sectors => "any sectors of any of them",
        }
    }
}

/// Goes through a record once, from front to back.
pub(crate) struct Replay<'a> {
    log: &'a [Entry],
    /// What is durable at `flushed`.
    durable: Image,
    flushed: usize,
    /// Flushes that the device has answered and not done: what no program can bear.
    ignored: usize,
}

impl<'a> Replay<'a> {
    pub(crate) fn new(start: &Image, log: &'a [Entry]) -> Self {
        Self { log, durable: start.clone(), flushed: 0, ignored: 0 }
    }

    /// On a device that ignores the last flushes.
    pub(crate) fn deaf(start: &Image, log: &'a [Entry], ignored: usize) -> Self {
        Self { ignored, ..Self::new(start, log) }
    }

    /// What the disk may hold when so many entries had happened; and how many writes of those since the last flush were there to choose from. Moments
    /// come in ascending order.
    pub(crate) fn cut(&mut self, moment: usize, kept: Kept, random: &mut fastrand::Rng) -> (Image, usize) {
        let mut flushes =
            self.log[..moment].iter().enumerate().rev().filter(|(_, entry)| matches!(entry, Entry::Flush));
        let last = flushes.nth(self.ignored).map_or(0, |(at, _)| at + 1);
        for entry in &self.log[self.flushed.min(last)..last] {
            if let Entry::Write { at, bytes } = entry {
                self.durable.write(*at, bytes);
            }
        }
        self.flushed = self.flushed.max(last);
        let writes = self.log[self.flushed..moment].iter().filter_map(|entry| match entry {
            Entry::Write { at, bytes } => Some((*at, bytes.as_slice())),
            _ => None,
        });
        let pending: Vec<(u64, &[u8])> = writes.collect();
        let mut image = self.durable.clone();
        let one = random.usize(0..pending.len().max(1));
        for (number, &(at, bytes)) in pending.iter().enumerate() {
            let whole = match kept {
                Kept::Nothing | Kept::Sectors => false,
                Kept::Everything => true,
                Kept::TornEnd => number + 1 < pending.len(),
                Kept::Some => random.bool(),
                Kept::AllButOne => number != one,
                Kept::OnlyOne => number == one,
            };
            if whole {
                image.write(at, bytes);
            } else if matches!(kept, Kept::Sectors | Kept::TornEnd) {
                let superblock = random.bool();
                for (place, part) in (at..).step_by(SECTOR).zip(bytes.chunks(SECTOR)) {
                    let kept = if SUPERBLOCK.contains(&place) { superblock } else { random.bool() };
                    if kept {
                        image.write(place, part);
                    }
                }
            }
        }
        (image, pending.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_reads_what_was_written() {
        let mut image = Image::new(5 * BLOCK as u64);
        let before = image.clone();
        assert_eq!(image.write(BLOCK as u64 - 2, &[7; 5000]), 5000);
        assert_eq!(image.read(BLOCK as u64 - 3, 5002), [&[0][..], &[7; 5000], &[0]].concat());
        assert!(before.read(0, 5 * BLOCK).iter().all(|&byte| byte == 0));
        assert_eq!(image.write(5 * BLOCK as u64 - 1, &[1, 2]), 1);
        assert_eq!(image.read(5 * BLOCK as u64 - 1, 10), [1]);
        assert_eq!(Image::of(&image.read(0, 5 * BLOCK)).read(0, 5 * BLOCK), image.read(0, 5 * BLOCK));
    }

    #[test]
    fn a_cut_keeps_what_was_flushed_and_chooses_of_the_rest() {
        let mut disk = Disk::new(Image::new(1 << 16));
        disk.write(0, &[1; 512]);
        disk.log.push(Entry::Flush);
        disk.write(0, &[2; 512]);
        disk.write(512, &[3; 1024]);
        let mut random = fastrand::Rng::with_seed(1);
        let start = Image::new(1 << 16);
        let mut after = |moment, kept| {
            let (image, pending) = Replay::new(&start, &disk.log).cut(moment, kept, &mut random);
            let bytes = image.read(0, 2048);
            ([bytes[0], bytes[512], bytes[1024]], pending)
        };
        assert_eq!(after(0, Kept::Everything), ([0, 0, 0], 0));
        assert_eq!(after(1, Kept::Nothing), ([0, 0, 0], 1));
        assert_eq!(after(2, Kept::Nothing), ([1, 0, 0], 0));
        assert_eq!(after(4, Kept::Nothing), ([1, 0, 0], 2));
        assert_eq!(after(4, Kept::Everything), ([2, 3, 3], 2));
        let torn: Vec<_> = (0..50).map(|_| after(4, Kept::TornEnd).0).collect();
        assert!(torn.iter().all(|bytes| bytes[0] == 2) && torn.contains(&[2, 3, 0]) && torn.contains(&[2, 0, 3]));
        let any: Vec<_> = (0..50).map(|_| after(4, Kept::Some).0).collect();
        for possible in [[1, 0, 0], [2, 0, 0], [1, 3, 3], [2, 3, 3]] {
            assert!(any.contains(&possible));
        }
        assert!(any.iter().all(|bytes| bytes[1] == bytes[2]));
        assert!((0..50).all(|_| matches!(after(4, Kept::OnlyOne).0, [2, 0, 0] | [1, 3, 3])));
        disk.write(0, &[4; 4096]);
        let mut random = fastrand::Rng::with_seed(2);
        let mut blocks =
            (0..50).map(|_| Replay::new(&start, &disk.log).cut(5, Kept::Sectors, &mut random).0.read(0, 4096));
        assert!(blocks.all(|bytes| (bytes[1024] == 4) == (bytes[1536] == 4)), "ext4's superblock is whole");
        let mut deaf = Replay::deaf(&start, &disk.log, 1);
        assert_eq!(deaf.cut(4, Kept::Nothing, &mut random).0.read(0, 1), [0]);
    }
}
