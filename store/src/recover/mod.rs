//! Opens a file: makes a new one, or chooses the newest superblock and replays the log behind it.
//!
//! Everything is validated before anything is written (I28): the superblocks, the root directory, then the whole log in a first pass. A second one claims the extents that
//! log records name, before anything is allocated (I25). A third one applies the commits, with the same code as when they were made (I27: it changes
//! memory, and extents that were free). Nothing is written to the log before the first new commit, nor to the superblocks, unless one is newer than the other.

mod create;

use crate::blob::BlobRef;
use crate::ckpt::{
    Base, LogPosition, SLOTS, accounting, blob_parts, decode_directory, no_space, note_slots, read_slot,
};
use crate::error::{Error, ErrorKind, Result};
use crate::format::{Chosen, FormatError, PageKind, Slots, Superblock, choose};
use crate::space::Extent;
use crate::sync::atomic::Ordering;
use crate::trace::span;
use crate::tree::{Memory, Pager};
use crate::txn::write_set::WriteSet;
use crate::txn::{Batch, apply_batches, read_page};
use crate::vfs::Storage;
use crate::wal::{
    Commit, LogEnd, LogError, LogStart, Malformed, Op, OpsReader, Ring, RingSegment, UNIT, scan, unit_ceil,
};
use std::io;
use std::sync::Arc;

/// What a file is opened with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OpenParameters {
    /// For a new file: bytes of a block.
    pub(crate) block_size: u32,
    /// For a new file: bytes that a leaf aims at.
    pub(crate) page_size: u32,
    /// For a new file: bytes of the log.
    pub(crate) log_size: u64,
    /// For a new file.
    pub(crate) file_id: [u8; 16],
    /// No new file is made.
    pub(crate) existing: bool,
    /// How nodes are kept in memory.
    pub(crate) memory: Memory,
}

/// An opened file.
pub(crate) struct Opened {
    pub(crate) base: Base,
    /// Where the log ends.
    pub(crate) end: LogPosition,
    /// Where this session's records begin.
    pub(crate) first: u64,
}

/// See the module.
pub(crate) fn open(storage: Arc<dyn Storage>, parameters: &OpenParameters) -> Result<Opened> {
    let Chosen { superblock, slots } = match read_superblock(&*storage, parameters)? {
        Some(chosen) => chosen,
        None if parameters.existing => {
            return Err(Error::new(ErrorKind::NotADatabase, "no database is in it: it is empty, or holds only zeros"));
        }
        None => Chosen { superblock: create::create(&*storage, parameters)?, slots: Slots::Same },
    };
    let _span = span!("recover", generation = superblock.generation);
    let ring = log_ring(&superblock)?;
    let pager = Pager::new(Arc::clone(&storage), &superblock, parameters.memory);
    // The log's end is settled before anything else: the first pass over it changes nothing.
    let log = read_log(&*storage, &ring, &superblock, &mut |_| Ok(()))?;
    let first = unit_ceil(log.position, UNIT);
    let window = ring.window(superblock.log_start, first);
    let applied = LogPosition { position: superblock.log_start, chain: superblock.chain };
    let base = Base::new(pager, superblock, ring, window, applied);
    read_directory(&base)?;
    same_log(log, claim_all(&base)?)?;
    if slots == Slots::NewerA {
        drop(base.space()?);
    }
    // What a write needs of this superblock is whole: the older one may go.
    note_slots(&base, slots)?;
    let end = replay(&base)?;
    same_log(log, end)?;
    let position = LogPosition { position: end.position, chain: end.chain };
    base.apply.lock().applied = position;
    Ok(Opened { base, end: position, first })
}

/// The trees of a checkpoint alone, for reading: no log, and nothing is written.
pub(crate) fn open_checkpoint(storage: Arc<dyn Storage>, superblock: Superblock, memory: Memory) -> Result<Opened> {
    let ring = log_ring(&superblock)?;
    let pager = Pager::new(storage, &superblock, memory);
    let end = LogPosition { position: superblock.log_start, chain: superblock.chain };
    let first = unit_ceil(end.position, UNIT);
    let window = ring.window(end.position, first);
    let base = Base::new(pager, superblock, ring, window, end);
    read_directory(&base)?;
    Ok(Opened { base, end, first })
}

fn log_ring(superblock: &Superblock) -> Result<Ring> {
    let segments = superblock.segments.iter().map(|segment| RingSegment {
        first: segment.first,
        offset: segment.address * u64::from(superblock.block_size),
        length: segment.length,
    });
    Ring::new(segments.collect(), UNIT)
        .map_err(|error| Error::corrupt(format!("the superblock's log is impossible: {error}")))
}

/// The superblock to start from; `None` if there is no database yet.
fn read_superblock(storage: &dyn Storage, parameters: &OpenParameters) -> Result<Option<Chosen>> {
    let io = |error| Error::io("reading the superblocks", error);
    let length = storage.len().map_err(io)?;
    if length == 0 {
        return Ok(None);
    }
    let [(a, a_refused), (b, b_refused)] = SLOTS.map(|offset| read_slot(storage, offset, length));
    let interrupted = || create::was_interrupted(storage, &a, length).map_err(io);
    match choose(&a, &b, length) {
        // A process wrote slot B of a new file and failed: nothing says that it is more than the system's cache has. Nothing was committed.
        Ok(Chosen { superblock, slots: Slots::OnlyB }) if create::is_first(&superblock, length) && interrupted()? => {
            Ok(None)
        }
        // The device may read B another time, and A be in the system's cache alone.
        Ok(Chosen { superblock, slots: Slots::OnlyA }) if b_refused.is_some() => {
            Ok(Some(Chosen { superblock, slots: Slots::NewerA }))
        }
        // Nothing says that B is broken on the device, or durable.
        Ok(Chosen { superblock, slots: Slots::OnlyB }) if a_refused.is_some() => {
            Ok(Some(Chosen { superblock, slots: Slots::RefusedA }))
        }
        Ok(chosen) => Ok(Some(chosen)),
        Err(_) if interrupted()? => match create::new_length(parameters) {
            longest if length <= longest => Ok(None),
            longest => Err(Error::new(
                ErrorKind::NotADatabase,
                format!(
                    "it holds only zeros, {length} bytes of them, and a new file has {longest}: something may have been in it that is gone. Restore a \
                     backup, or remove the file if it was never used"
                ),
            )),
        },
        Err(error @ (FormatError::Foreign | FormatError::Damaged { .. })) => {
            Err(a_refused.or(b_refused).map_or_else(|| refusal(&error), io))
        }
        Err(error) => Err(refusal(&error)),
    }
}

fn refusal(error: &FormatError) -> Error {
    let kind = match error {
        FormatError::Foreign | FormatError::Unfinished { .. } => ErrorKind::NotADatabase,
        FormatError::TooNew { .. } => ErrorKind::TooNew,
        FormatError::Damaged { .. } => ErrorKind::Corrupt,
        FormatError::Truncated { .. } => ErrorKind::Truncated,
    };
    Error::new(kind, format!("{error}; nothing was changed"))
}

/// Makes a cold root for every tree of the directory.
fn read_directory(base: &Base) -> Result<()> {
    let superblock = base.superblock.lock();
    let Some(blob) = &superblock.directory else { return Ok(()) };
    let ctx = base.blob_ctx(PageKind::Blob, 0);
    let bytes = crate::blob::read(&*base.pager.storage, &ctx, blob)
        .map_err(|error| error.context("the root directory is damaged"))?;
    for entry in
        decode_directory(&bytes).map_err(|what| Error::corrupt(format!("the root directory is damaged: {what}")))?
    {
        let tree = base.forest.get_or_create(entry.tree);
        let tree = tree.ok_or_else(|| Error::corrupt(format!("tree number {} is impossible", entry.tree)))?;
        if entry.root.address >= superblock.tail {
            return Err(Error::corrupt(format!("tree {}: its root lies outside the file", entry.tree)));
        }
        tree.root().child().set_cold(&entry.root);
        if entry.has_overflow {
            tree.set_has_overflow();
        }
    }
    Ok(())
}

/// One pass over the log behind the superblock.
fn read_log(
    storage: &dyn Storage,
    ring: &Ring,
    superblock: &Superblock,
    visit: &mut dyn FnMut(Commit<'_>) -> Result<()>,
) -> Result<LogEnd> {
    let start = LogStart {
        position: superblock.log_start,
        chain: superblock.chain,
        salts: &superblock.salts,
        timestamp: superblock.commit_timestamp,
    };
    scan(storage, ring, start, visit).map_err(|error| match error {
        LogError::Visitor(error) => error,
        LogError::Io(error) => Error::io("reading the log", error),
        LogError::Damaged { .. } => Error::new(ErrorKind::LogDamaged, format!("{error}; nothing was changed")),
    })
}

/// A sync that failed leaves in the system's cache what the device never got, and the cache may give it up between two passes. A session that
/// began behind what only the first pass has seen would be lost with the first crash.
fn same_log(before: LogEnd, now: LogEnd) -> Result<()> {
    // How much of what nobody needs could not be read is another matter.
    if before == (LogEnd { unread: before.unread, ..now }) {
        return Ok(());
    }
    Err(Error::io("reading the log", io::Error::other("it changed between two readings; open the file again")))
}

/// Claims what the log names. Returns where it ends.
fn claim_all(base: &Base) -> Result<LogEnd> {
    let superblock = base.superblock.lock().clone();
    let storage = Arc::clone(&base.pager.storage);
    read_log(&*storage, &base.ring, &superblock, &mut |commit| {
        for blob in spilled(commit.body)? {
            take(base, blob_parts(base, PageKind::Spill, &blob)?, commit.timestamp)?;
            claim(base, &read_page(base, &blob)?, commit.timestamp)?;
        }
        claim(base, commit.body, commit.timestamp)
    })
}

/// Makes the log's commits again.
fn replay(base: &Base) -> Result<LogEnd> {
    let superblock = base.superblock.lock().clone();
    let storage = Arc::clone(&base.pager.storage);
    read_log(&*storage, &base.ring, &superblock, &mut |commit| replay_commit(base, &commit))
}

/// The pages that hold a commit's operations, if they outgrew its record.
fn spilled(body: &[u8]) -> Result<Vec<BlobRef>> {
    let mut pages = Vec::new();
    for op in OpsReader::new(body) {
        if let Op::Spill { reference } = op.map_err(malformed)? {
            pages.push(BlobRef::decode(reference)?);
        }
    }
    Ok(pages)
}

fn take(base: &Base, extents: Vec<Extent>, timestamp: u64) -> Result<()> {
    let mut space = base.space()?;
    for extent in extents {
        // What a record names was written before it: it does not make the file longer (I36).
        if extent.start.saturating_add(extent.len) > space.tail() {
            let length = base.pager.storage.len().map_err(|error| Error::io("asking for the file's length", error))?;
            if extent.start.saturating_add(extent.len) > length.div_ceil(u64::from(base.pager.block_size)) {
                return Err(Error::corrupt(format!(
                    "the log names block {}, which lies behind the end of the file",
                    extent.start
                )));
            }
        }
        space.claim(extent, timestamp).map_err(accounting)?;
    }
    Ok(())
}

/// Takes the extents that a commit's operations name (I25), and checks the operations.
fn claim(base: &Base, ops: &[u8], timestamp: u64) -> Result<()> {
    for op in OpsReader::new(ops) {
        match op.map_err(malformed)? {
            Op::PutOverflow { reference, .. } => {
                take(base, blob_parts(base, PageKind::Overflow, &BlobRef::decode(reference)?)?, timestamp)?;
            }
            Op::Claim { .. } => return Err(Error::corrupt("a commit claims extents in a way unknown to this version")),
            _ => {}
        }
    }
    Ok(())
}

fn malformed(error: Malformed) -> Error {
    Error::corrupt(error.to_string())
}

fn replay_commit(base: &Base, commit: &Commit<'_>) -> Result<()> {
    let timestamp = commit.timestamp;
    let mut spills = Vec::new();
    for blob in spilled(commit.body)? {
        spills.extend(blob_parts(base, PageKind::Spill, &blob)?);
        let mut extents = Vec::new();
        let writes = operations(base, &read_page(base, &blob)?, &mut extents)?;
        let mut state = base.apply.lock();
        apply_batches(base, &mut state, &[Batch { timestamp, writes: &writes, extents: &extents, spills: &[] }])?;
    }
    let mut extents = spills.clone();
    let writes = operations(base, commit.body, &mut extents)?;
    let mut state = base.apply.lock();
    apply_batches(base, &mut state, &[Batch { timestamp, writes: &writes, extents: &extents, spills: &spills }])?;
    base.registry.publish(timestamp);
    Ok(())
}

/// A commit's own operations, or those of one of its pages.
fn operations(base: &Base, ops: &[u8], extents: &mut Vec<Extent>) -> Result<WriteSet> {
    let mut writes = WriteSet::default();
    for op in OpsReader::new(ops) {
        match op.map_err(malformed)? {
            Op::Put { tree, key, value } if base.pager.is_large(value.len()) => {
                let blob = write_value(base, value, extents)?;
                writes.put_overflow(tree, key, blob);
            }
            Op::Put { tree, key, value } => writes.put(tree, key, value, false),
            Op::Delete { tree, key } => writes.delete(tree, key),
            Op::PutOverflow { tree, key, reference, .. } => writes.put_overflow(tree, key, BlobRef::decode(reference)?),
            Op::DropTree { tree } => writes.drop_tree(tree),
            Op::Spill { .. } | Op::Claim { .. } => {}
        }
    }
    Ok(writes)
}

/// Writes a value to extents of its own, which the caller gives back if the commit is not made.
pub(crate) fn write_value(base: &Base, value: &[u8], extents: &mut Vec<Extent>) -> Result<BlobRef> {
    write_tentative(base, PageKind::Overflow, value, extents)
}

/// The same for a blob of any kind.
pub(crate) fn write_tentative(base: &Base, kind: PageKind, bytes: &[u8], extents: &mut Vec<Extent>) -> Result<BlobRef> {
    let mut allocate = |blocks| {
        let extent = base.room()?.allocate_tentative(blocks).map_err(no_space)?;
        extents.push(extent);
        base.count_written(blocks);
        Ok(extent)
    };
    let next = || base.generation.load(Ordering::Acquire) + 1;
    crate::blob::write_while(&*base.pager.storage, &base.blob_ctx(kind, 0), &mut allocate, &next, bytes)
}
