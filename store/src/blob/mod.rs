//! Byte strings in extents: overflow values, spilled write sets, the root directory, the free map.
//!
//! A blob is a list of checksummed chunks of at most `max_chunk` bytes. One chunk is named by the reference itself; more of them by index chunks, which hold child
//! entries, level by level, as inner nodes do. Every chunk has a page header, so that all that is said in I32 holds for blobs too.
//!
//! Reference, 48 bytes:
//!
//! | bytes | field |
//! |---|---|
//! | 0..8 | length of the byte string |
//! | 8 | height: 0 if the chunk holds the bytes, else levels of index chunks |
//! | 9..16 | zero |
//! | 16..48 | child entry of the top chunk; all zero if the length is 0 |

#[cfg(test)]
mod tests;

use crate::error::{Error, ErrorKind, Result};
use crate::format::{
    CHILD_ENTRY_LEN, ChildEntry, PAGE_HEADER_LEN, PageHeader, PageKind, Untrusted, page_checksum, verify_page,
};
use crate::space::Extent;
use crate::vfs::Storage;

/// Bytes of an encoded reference.
pub(crate) const BLOB_REF_LEN: usize = 48;
/// Chunks are at most this long in every file.
pub(crate) const MAX_CHUNK: u32 = 512 << 10;
/// Levels of index chunks are at most this many: enough for any length at any chunk size.
const MAX_HEIGHT: u8 = 16;

/// Names a blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BlobRef {
    /// Length in bytes.
    pub(crate) length: u64,
    height: u8,
    top: ChildEntry,
}

/// What blobs of one kind have in common.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BlobCtx {
    pub(crate) file_id: [u8; 16],
    pub(crate) block_size: u32,
    pub(crate) kind: PageKind,
    pub(crate) generation: u64,
    /// Bytes of a chunk, header included.
    pub(crate) max_chunk: u32,
}

impl BlobRef {
    /// The reference's bytes.
    pub(crate) fn encode(&self) -> [u8; BLOB_REF_LEN] {
        let mut out = [0; BLOB_REF_LEN];
        if let Some((head, entry)) = out.split_first_chunk_mut::<16>() {
            *head = (u128::from(self.length) | (u128::from(self.height) << 64)).to_le_bytes();
            entry.copy_from_slice(&self.top.encode());
        }
        out
    }

    /// Reads a reference.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self> {
        let bad = || Error::corrupt("a blob reference is impossible");
        let bytes: &[u8; BLOB_REF_LEN] = bytes.try_into().map_err(|_| bad())?;
        let (head, entry) = bytes.split_first_chunk::<16>().ok_or_else(bad)?;
        let head = u128::from_le_bytes(*head);
        let entry = entry.try_into().map_err(|_| bad())?;
        let top = ChildEntry::decode(entry).map_err(|_| bad())?;
        let (length, height) = (head as u64, (head >> 64) as u64);
        if height > u64::from(MAX_HEIGHT) || (length == 0) != (top.address == 0) || length > 1 << 40 {
            return Err(bad());
        }
        Ok(Self { length, height: height as u8, top })
    }

    /// The block of its top chunk.
    pub(crate) fn place(&self) -> u64 {
        self.top.address
    }

    /// Its top chunk: written last. No bytes have none.
    pub(crate) fn top(&self) -> Option<&ChildEntry> {
        (self.length > 0).then_some(&self.top)
    }
}

impl BlobCtx {
    fn payload(&self) -> usize {
        self.max_chunk as usize - PAGE_HEADER_LEN
    }
}

/// Writes a blob to the extents that `allocate` gives (it is asked for blocks). Nothing is synced. On failure the caller frees what was allocated.
pub(crate) fn write(
    storage: &dyn Storage,
    ctx: &BlobCtx,
    allocate: &mut dyn FnMut(u64) -> Result<Extent>,
    bytes: &[u8],
) -> Result<BlobRef> {
    write_while(storage, ctx, allocate, &|| ctx.generation, bytes)
}

/// The same while checkpoints come and go: each chunk is of the generation that `generation` gives when its extent is taken.
pub(crate) fn write_while(
    storage: &dyn Storage,
    ctx: &BlobCtx,
    allocate: &mut dyn FnMut(u64) -> Result<Extent>,
    generation: &dyn Fn() -> u64,
    bytes: &[u8],
) -> Result<BlobRef> {
    let mut writer = BlobWriter::new(storage, *ctx, allocate, generation);
    writer.push(bytes)?;
    writer.finish()
}

/// Writes a blob piece by piece.
pub(crate) struct BlobWriter<'a> {
    storage: &'a dyn Storage,
    ctx: BlobCtx,
    allocate: &'a mut dyn FnMut(u64) -> Result<Extent>,
    generation: &'a dyn Fn() -> u64,
    pending: Vec<u8>,
    entries: Vec<ChildEntry>,
    length: u64,
}

impl<'a> BlobWriter<'a> {
    /// A writer for one blob.
    pub(crate) fn new(
        storage: &'a dyn Storage,
        ctx: BlobCtx,
        allocate: &'a mut dyn FnMut(u64) -> Result<Extent>,
        generation: &'a dyn Fn() -> u64,
    ) -> Self {
        Self { storage, ctx, allocate, generation, pending: Vec::new(), entries: Vec::new(), length: 0 }
    }

    /// Appends bytes.
    pub(crate) fn push(&mut self, mut bytes: &[u8]) -> Result<()> {
        self.length += bytes.len() as u64;
        while self.pending.len() + bytes.len() > self.ctx.payload() {
            let (now, later) = bytes.split_at(self.ctx.payload() - self.pending.len());
            self.pending.extend_from_slice(now);
            bytes = later;
            self.end_chunk()?;
        }
        self.pending.extend_from_slice(bytes);
        Ok(())
    }

    fn end_chunk(&mut self) -> Result<()> {
        let payload = std::mem::take(&mut self.pending);
        let entry = self.chunk(0, &payload)?;
        self.entries.push(entry);
        Ok(())
    }

    fn chunk(&mut self, level: u8, payload: &[u8]) -> Result<ChildEntry> {
        let length = PAGE_HEADER_LEN + payload.len();
        let block = u64::from(self.ctx.block_size);
        let extent = (self.allocate)((length as u64).div_ceil(block))?;
        // Asked for behind the allocation: an increment relies on that (`backup`).
        let generation = (self.generation)();
        let header = PageHeader {
            kind: self.ctx.kind,
            level,
            tree: 0,
            address: extent.start,
            generation,
            length: payload.len() as u32,
            timestamp: 0,
        };
        let mut page = Vec::with_capacity(length);
        page.extend_from_slice(&header.encode());
        page.extend_from_slice(payload);
        self.storage.write_at(&page, extent.start * block).map_err(|error| Error::io("writing a value", error))?;
        let checksum = page_checksum(&self.ctx.file_id, extent.start, &page);
        Ok(ChildEntry { address: extent.start, length: length as u32, generation, checksum })
    }

    /// Ends the blob.
    pub(crate) fn finish(mut self) -> Result<BlobRef> {
        if !self.pending.is_empty() {
            self.end_chunk()?;
        }
        let mut entries = std::mem::take(&mut self.entries);
        let mut height = 0;
        let fan_out = (self.ctx.payload() / CHILD_ENTRY_LEN).max(2);
        while entries.len() > 1 {
            height += 1;
            let mut above = Vec::with_capacity(entries.len().div_ceil(fan_out));
            for group in entries.chunks(fan_out) {
                let payload: Vec<u8> = group.iter().flat_map(ChildEntry::encode).collect();
                above.push(self.chunk(height, &payload)?);
            }
            entries = above;
        }
        Ok(BlobRef { length: self.length, height, top: entries.first().copied().unwrap_or_default() })
    }
}

/// Calls `chunk` with the payload of every data chunk, in order. Memory: one chunk and the index above it.
pub(crate) fn for_each_chunk(
    storage: &dyn Storage,
    ctx: &BlobCtx,
    blob: &BlobRef,
    chunk: &mut dyn FnMut(&[u8]) -> Result<()>,
) -> Result<()> {
    let mut left = blob.length;
    walk(storage, ctx, blob, &mut |visit| {
        if let Visit::Data(_, page) = visit {
            let payload = page.get(PAGE_HEADER_LEN..).unwrap_or_default();
            left = left.checked_sub(payload.len() as u64).ok_or_else(|| Error::corrupt("a blob is too long"))?;
            chunk(payload)?;
        }
        Ok(())
    })?;
    if left == 0 { Ok(()) } else { Err(Error::corrupt("a blob is too short")) }
}

/// Reads a whole blob.
pub(crate) fn read(storage: &dyn Storage, ctx: &BlobCtx, blob: &BlobRef) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // I36: never more than the file could hold.
    let file = storage.len().map_err(|error| Error::io("reading a value", error))?;
    let length = Untrusted::new(blob.length).at_most(file).map_err(|error| Error::corrupt(error.to_string()))?;
    bytes.try_reserve_exact(length as usize).map_err(|error| {
        Error::with_source(
            ErrorKind::OutOfMemory,
            format!("there is no memory for a value of {length} bytes; free some, or read it on a machine with more"),
            error,
        )
    })?;
    for_each_chunk(storage, ctx, blob, &mut |payload| {
        bytes.extend_from_slice(payload);
        Ok(())
    })?;
    Ok(bytes)
}

/// Calls `page` with every chunk as it is stored, index chunks too, each verified. Memory: one chunk and the index above it.
pub(crate) fn for_each_page(
    storage: &dyn Storage,
    ctx: &BlobCtx,
    blob: &BlobRef,
    page: &mut dyn FnMut(&ChildEntry, &[u8]) -> Result<()>,
) -> Result<()> {
    let mut left = blob.length;
    walk(storage, ctx, blob, &mut |visit| match visit {
        Visit::Index(entry, bytes) => page(&entry, bytes),
        Visit::Data(entry, bytes) => {
            let payload = bytes.len().saturating_sub(PAGE_HEADER_LEN) as u64;
            left = left.checked_sub(payload).ok_or_else(|| Error::corrupt("a blob is too long"))?;
            page(&entry, bytes)
        }
    })?;
    if left == 0 { Ok(()) } else { Err(Error::corrupt("a blob is too short")) }
}

/// Every extent of a blob. Reads its index chunks only.
pub(crate) fn extents(storage: &dyn Storage, ctx: &BlobCtx, blob: &BlobRef) -> Result<Vec<Extent>> {
    find_extents(storage, ctx, blob, &mut |read| read().map(Some))
}

/// The same for a blob of which something may not be readable: without the extents that only such an index chunk names.
pub(crate) fn extents_left(storage: &dyn Storage, ctx: &BlobCtx, blob: &BlobRef) -> Result<Vec<Extent>> {
    find_extents(storage, ctx, blob, &mut |read| if_readable(read))
}

/// `None` for what is damaged, and for what a device refuses to read time after time. What a lack of memory refuses is there another time.
pub(crate) fn if_readable<T>(read: &mut dyn FnMut() -> Result<T>) -> Result<Option<T>> {
    const AGAIN: u32 = 3;
    for _ in 0..AGAIN {
        match read() {
            Err(error) if error.kind() == ErrorKind::Corrupt => return Ok(None),
            Err(error) if error.kind() == ErrorKind::Io => {}
            found => return found.map(Some),
        }
    }
    Ok(None)
}

type Entries = Vec<ChildEntry>;
/// Reads what an index chunk names.
type Read<'a> = dyn FnMut() -> Result<Entries> + 'a;

/// `read` says whether to go on without what an index chunk names.
fn find_extents(
    storage: &dyn Storage,
    ctx: &BlobCtx,
    blob: &BlobRef,
    read: &mut dyn FnMut(&mut Read<'_>) -> Result<Option<Entries>>,
) -> Result<Vec<Extent>> {
    let mut extents = Vec::new();
    let mut blocks = Blocks::of(storage, ctx)?;
    let mut todo = if blob.length == 0 { Vec::new() } else { vec![(blob.height, blob.top)] };
    while let Some((level, entry)) = todo.pop() {
        let mut extent = None;
        let children = read(&mut || {
            extent = Some(extent.map_or_else(|| blocks.take(&entry), Ok)?);
            if level == 0 {
                return Ok(Vec::new());
            }
            let page = read_chunk(storage, ctx, level, &entry)?;
            index_entries(page.get(PAGE_HEADER_LEN..).unwrap_or_default())
        })?;
        // More chunks than the file has room for: what else the blob names is nothing to go by.
        let Some(extent) = extent else { break };
        extents.push(extent);
        let below = level.saturating_sub(1);
        todo.extend(children.into_iter().flatten().rev().map(|child| (below, child)));
    }
    Ok(extents)
}

/// Blocks of the file that a blob's chunks may still take. Chunks share none, so that more than all of them are a sign of damage, and what
/// names the same chunk again and again costs no more than the file is long (I36).
struct Blocks {
    left: u64,
    size: u64,
}

impl Blocks {
    fn of(storage: &dyn Storage, ctx: &BlobCtx) -> Result<Self> {
        let length = storage.len().map_err(|error| Error::io("reading a value", error))?;
        let size = u64::from(ctx.block_size);
        Ok(Self { left: length.div_ceil(size), size })
    }

    fn take(&mut self, chunk: &ChildEntry) -> Result<Extent> {
        let len = u64::from(chunk.length).div_ceil(self.size).max(1);
        self.left = self
            .left
            .checked_sub(len)
            .ok_or_else(|| Error::corrupt("a blob has more chunks than the file has room for"))?;
        Ok(Extent { start: chunk.address, len })
    }
}

/// Reads every chunk, and goes on behind damaged ones. `found` is told of each chunk what it is, and the bytes of a data chunk or what is wrong;
/// for index chunks the bytes are empty. Below a chunk for which `enter` is false nothing is read: so a caller that lets each block in once
/// bounds the work by the file. False if anything was wrong.
pub(crate) fn inspect(
    storage: &dyn Storage,
    ctx: &BlobCtx,
    blob: &BlobRef,
    enter: &mut dyn FnMut(&ChildEntry) -> bool,
    found: &mut dyn FnMut(&ChildEntry, Result<&[u8]>),
) -> bool {
    let mut sound = true;
    let mut left = Some(blob.length);
    let mut todo = if blob.length == 0 { Vec::new() } else { vec![(blob.height, blob.top)] };
    while let Some((level, entry)) = todo.pop() {
        if !enter(&entry) {
            sound = false;
            continue;
        }
        let page = read_chunk(storage, ctx, level, &entry).and_then(|page| {
            let children =
                if level > 0 { index_entries(page.get(PAGE_HEADER_LEN..).unwrap_or_default())? } else { Vec::new() };
            Ok((page, children))
        });
        match page {
            Ok((page, children)) if level == 0 => {
                let payload = page.get(PAGE_HEADER_LEN..).unwrap_or_default();
                left = left.and_then(|left| left.checked_sub(payload.len() as u64));
                debug_assert!(children.is_empty());
                found(&entry, Ok(payload));
            }
            Ok((_, children)) => {
                todo.extend(children.into_iter().rev().map(|child| (level - 1, child)));
                found(&entry, Ok(&[]));
            }
            Err(error) => {
                sound = false;
                found(&entry, Err(error));
            }
        }
    }
    if sound && left != Some(0) {
        sound = false;
        found(&blob.top, Err(Error::corrupt("its chunks do not have the length of the value")));
    }
    sound
}

/// The children of an index chunk.
fn index_entries(payload: &[u8]) -> Result<Vec<ChildEntry>> {
    let (entries, rest) = payload.as_chunks::<CHILD_ENTRY_LEN>();
    if entries.is_empty() || !rest.is_empty() {
        return Err(Error::corrupt("a blob's index is damaged"));
    }
    entries.iter().map(|bytes| ChildEntry::decode(bytes).map_err(|fault| Error::corrupt(fault.to_string()))).collect()
}

enum Visit<'a> {
    /// An index chunk, header included.
    Index(ChildEntry, &'a [u8]),
    /// A data chunk, header included.
    Data(ChildEntry, &'a [u8]),
}

fn walk(
    storage: &dyn Storage,
    ctx: &BlobCtx,
    blob: &BlobRef,
    visit: &mut dyn FnMut(Visit<'_>) -> Result<()>,
) -> Result<()> {
    if blob.length == 0 {
        return Ok(());
    }
    let mut blocks = Blocks::of(storage, ctx)?;
    let mut todo = vec![(blob.height, blob.top)];
    while let Some((level, entry)) = todo.pop() {
        blocks.take(&entry)?;
        let page = read_chunk(storage, ctx, level, &entry)?;
        let payload = page.get(PAGE_HEADER_LEN..).unwrap_or_default();
        if level == 0 {
            visit(Visit::Data(entry, &page))?;
            continue;
        }
        visit(Visit::Index(entry, &page))?;
        todo.extend(index_entries(payload)?.into_iter().rev().map(|entry| (level - 1, entry)));
    }
    Ok(())
}

fn read_chunk(storage: &dyn Storage, ctx: &BlobCtx, level: u8, entry: &ChildEntry) -> Result<Vec<u8>> {
    let damaged =
        |what: &dyn std::fmt::Display| Error::corrupt(format!("the chunk at block {}: {what}", entry.address));
    let length = Untrusted::new(entry.length).at_most(ctx.max_chunk).map_err(|error| damaged(&error))?;
    let mut page = vec![0; length as usize];
    let offset = entry.address.checked_mul(u64::from(ctx.block_size)).ok_or_else(|| damaged(&"beyond any file"))?;
    storage.read_at(&mut page, offset).map_err(|error| {
        if error.kind() == std::io::ErrorKind::UnexpectedEof {
            damaged(&"it lies beyond the end of the file")
        } else {
            Error::io("reading a value", error)
        }
    })?;
    let header = verify_page(entry, &ctx.file_id, &page).map_err(|fault| damaged(&fault))?;
    if header.kind != ctx.kind || header.level != level {
        return Err(damaged(&"it is of another kind"));
    }
    Ok(page)
}
