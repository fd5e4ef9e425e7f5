//! Writes streams into a new file: a full backup, and the increments that follow it, in order.
//!
//! Until everything is written, durable and checked, slot A says that a restore did not end, and slot B is empty: such a file is no database.

use super::stream::{Frame, Header, Kind, StreamReader};
use crate::check::Progress;
use crate::ckpt::{SLOTS, write_first};
use crate::error::{Error, ErrorKind, Result};
use crate::format::{PAGE_HEADER_LEN, SUPERBLOCK_LEN, Superblock, UNFINISHED};
use crate::space::Extent;
use crate::vfs::Storage;
use std::io::{BufReader, Read};

/// Pages that lie next to each other are written together, and zeros, so many bytes at a time.
const PIECE: usize = 1 << 20;

/// Streams that fit together.
pub(crate) struct Streams<R: Read> {
    readers: Vec<(String, StreamReader<BufReader<R>>)>,
    superblock: Superblock,
}

fn mismatch(what: String) -> Error {
    Error::new(ErrorKind::BackupMismatch, what)
}

/// Why a stream is not the next one.
fn unfit(name: &str, header: &Header, before: Option<(&str, &Header)>) -> Option<Error> {
    let Some((earlier, before)) = before else {
        return header.follows.map(|_| {
            mismatch(format!("{name} is an increment: the full backup that it goes back to has to come first"))
        });
    };
    if header.superblock.file_id != before.superblock.file_id {
        return Some(mismatch(format!("{name} is of another database than {earlier}")));
    }
    match header.follows {
        None => Some(mismatch(format!("{name} is a full backup, and {earlier} comes before it: restore it alone"))),
        Some((id, _)) if id != before.id => Some(mismatch(format!(
            "{name} does not follow {earlier}: increments are restored in the order in which they were made, with none left out"
        ))),
        Some(_) if header.superblock.block_size != before.superblock.block_size => {
            Some(Error::corrupt(format!("{name} has blocks of another size than {earlier}")))
        }
        Some(_) => None,
    }
}

impl<R: Read> Streams<R> {
    /// Reads the headers of streams, each with the name that errors call it by, and checks that each follows the one before.
    pub(crate) fn open(streams: impl IntoIterator<Item = (String, R)>) -> Result<Self> {
        let mut readers: Vec<(String, StreamReader<BufReader<R>>)> = Vec::new();
        for (name, from) in streams {
            let reader = StreamReader::new(BufReader::with_capacity(PIECE, from));
            let reader = reader.map_err(|error| error.context(&name))?;
            let before = readers.last().map(|(name, reader)| (name.as_str(), &reader.header));
            if let Some(error) = unfit(&name, &reader.header, before) {
                return Err(error);
            }
            readers.push((name, reader));
        }
        let last = readers.last().map(|(_, reader)| reader.header.superblock.clone());
        let superblock = last.ok_or_else(|| Error::new(ErrorKind::InvalidArgument, "no backup to restore"))?;
        Ok(Self { readers, superblock })
    }
}

/// Writes what the streams hold, and makes it durable; returns the superblock that makes a database of it. `expected`: bytes of the streams, if
/// anybody knows.
///
/// Memory: one frame and one piece.
pub(crate) fn apply<R: Read>(
    streams: Streams<R>,
    storage: &dyn Storage,
    expected: u64,
    tell: &mut dyn FnMut(Progress),
) -> Result<Superblock> {
    let Streams { readers, superblock } = streams;
    let mut marker = [0; SUPERBLOCK_LEN];
    if let Some(front) = marker.first_chunk_mut() {
        *front = UNFINISHED;
    }
    let begun = storage.write_at(&marker, 0).and_then(|()| storage.sync());
    begun.map_err(writing)?;
    let mut done = 0;
    for (name, mut reader) in readers {
        let mut told = 0;
        let mut tell = |now: u64| {
            if now - told >= PIECE as u64 {
                told = now;
                tell(Progress { done: done + now, total: expected.max(done + now).saturating_mul(2) });
            }
        };
        stream(&mut reader, storage, &mut tell).map_err(|error| error.context(&name))?;
        done += reader.totals().bytes;
    }
    let length = superblock.tail.saturating_mul(u64::from(superblock.block_size));
    let ended = empty_log(storage, &superblock).and_then(|()| storage.set_len(length)).and_then(|()| storage.sync());
    ended.map_err(writing)?;
    Ok(superblock)
}

fn writing(error: std::io::Error) -> Error {
    Error::io("writing the restored file", error)
}

fn stream<R: Read>(reader: &mut StreamReader<R>, storage: &dyn Storage, tell: &mut dyn FnMut(u64)) -> Result<()> {
    let superblock = reader.header.superblock.clone();
    let fixed = fixed(&superblock);
    let mut out = Pieces { storage, block: u64::from(superblock.block_size), start: 0, pending: Vec::new() };
    while let Some(frame) = reader.next()? {
        if frame.kind == Kind::Page {
            let extent = place(&frame, &superblock, &fixed)?;
            out.put(extent, frame.payload)?;
        }
        tell(reader.bytes());
    }
    out.flush()
}

/// Superblocks and log.
fn fixed(superblock: &Superblock) -> Vec<Extent> {
    let block = u64::from(superblock.block_size);
    let slots = SLOTS.iter().map(|slot| Extent { start: slot / block, len: (SUPERBLOCK_LEN as u64).div_ceil(block) });
    let log = superblock.segments.iter().map(|segment| Extent { start: segment.address, len: segment.length / block });
    slots.chain(log).collect()
}

/// Where a page goes. A page is never outside the file, nor where no page can be (I36).
fn place(frame: &Frame<'_>, superblock: &Superblock, fixed: &[Extent]) -> Result<Extent> {
    let len = (frame.payload.len() as u64).div_ceil(u64::from(superblock.block_size));
    let extent = Extent { start: frame.address, len };
    let end = frame.address.checked_add(len).filter(|&end| end <= superblock.tail);
    let free = |end: u64| fixed.iter().all(|fixed| end <= fixed.start || fixed.end() <= extent.start);
    if frame.payload.len() < PAGE_HEADER_LEN || !end.is_some_and(free) {
        return Err(Error::corrupt(format!("the backup is damaged: a page cannot lie at block {}", frame.address)));
    }
    Ok(extent)
}

/// Joins pages that lie next to each other.
struct Pieces<'a> {
    storage: &'a dyn Storage,
    block: u64,
    start: u64,
    pending: Vec<u8>,
}

impl Pieces<'_> {
    fn put(&mut self, extent: Extent, page: &[u8]) -> Result<()> {
        let next = self.start + self.pending.len() as u64 / self.block;
        if extent.start != next || self.pending.len() >= PIECE {
            self.flush()?;
            self.start = extent.start;
        }
        let at = self.pending.len();
        self.pending.extend_from_slice(page);
        self.pending.resize(at + (extent.len * self.block) as usize, 0);
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        if !self.pending.is_empty() {
            // Past the cache, so that the check that follows reads what the device holds.
            self.storage.write_past_cache(&self.pending, self.start * self.block).map_err(writing)?;
            self.pending.clear();
        }
        Ok(())
    }
}

/// The log is empty, as after a clean close. Its zeros are written, not left out, so that commits find their space taken.
fn empty_log(storage: &dyn Storage, superblock: &Superblock) -> std::io::Result<()> {
    let zeros = vec![0; PIECE];
    for segment in &superblock.segments {
        let mut at = segment.address * u64::from(superblock.block_size);
        let end = at + segment.length;
        while at < end {
            let count = (end - at).min(PIECE as u64) as usize;
            storage.write_past_cache(zeros.get(..count).unwrap_or_default(), at)?;
            at += count as u64;
        }
    }
    Ok(())
}

/// Makes a database of a file whose pages are durable.
pub(crate) fn publish(storage: &dyn Storage, superblock: Superblock) -> Result<()> {
    write_first(storage, superblock).map(drop).map_err(writing)
}
