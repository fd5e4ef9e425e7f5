//! Checkpoints: a consistent tree at one commit, written to fresh extents and switched to by both superblocks.
//!
//! The steps, in order: capture between two batches (the only time the applier waits); write dirty pages, the root directory and the free map to
//! space that nothing uses; sync; superblock in slot A; sync; the same in slot B; sync. Only then are old extents and the log's head given
//! back. With both slots equal, either may rot. A failure before the first superblock abandons the checkpoint and
//! changes nothing (I31); a failed sync or superblock write poisons the database (I30).
//!
//! `pacer.rs` has the file synced while further pages are put together; `syncs.rs` is the one way to sync a whole file in a session (I30).
//!
//! Keeps I2, I8, I25, I26, I29, I30, I31, I33 and, with `wal/reset.rs`, I23 and I38. Scheme: `docs/checkpoint.md`.

mod base;
mod capture;
mod counts;
mod directory;
mod evict;
mod freemap;
mod output;
mod pacer;
mod publish;
mod reclaim;
mod superblocks;
mod syncs;
mod tidy;
mod write;

pub(crate) use base::{ApplyState, Base, LogPosition, accounting, first_free, no_space};
pub(crate) use counts::Counts;
pub(crate) use directory::{DirectoryEntry, decode as decode_directory};
pub(crate) use evict::evict;
#[cfg(any(test, feature = "simulate"))]
pub(crate) use reclaim::tree_extents;
pub(crate) use reclaim::{blob_parts, extent_of};
pub(crate) use superblocks::{
    SLOTS, next_generation, note_backup, note_slots, open_log, read_slot, settle_idle, settle_slots, write_both,
    write_first,
};
pub(crate) use syncs::Syncs;
pub(crate) use tidy::tidy;

use crate::blob::BlobRef;
use crate::error::Result;
use crate::format::{PageKind, Superblock};
use crate::space::Extent;
use crate::sync::atomic::Ordering;
use crate::trace::span;
use capture::Capture;
use write::Writer;

/// Memory for frames that is at hand while a checkpoint runs: leaves that commits replace stay as long as it does, and the first touch of new memory
/// takes the system a while, which commits would have to wait for.
pub(crate) const AT_HAND: u64 = 16 << 20;

/// Everything that was written and what it replaces.
struct Prepared<'a> {
    writer: Writer<'a>,
    superblock: Superblock,
    /// Extents that only the generation before needs.
    replaced: Vec<Extent>,
    /// Extents that snapshots before the timestamp may still read.
    expired: Vec<(Extent, u64)>,
}

/// Writes everything up to the newest commit into the trees on disk. Does nothing if there is nothing new.
pub(crate) fn run(base: &Base) -> Result<()> {
    run_one(base, Why::Due)
}

/// The same also if there is nothing new: its own structures get new places.
pub(crate) fn run_anyway(base: &Base) -> Result<()> {
    run_one(base, Why::Anyway)
}

/// Why a checkpoint is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    /// There may be something new.
    Due,
    /// No commit follows in this session, so its salt is forgotten too, and the next open need not search the log.
    Last,
    /// The directory and the free map are to be written in any case.
    Anyway,
}

fn run_one(base: &Base, why: Why) -> Result<()> {
    const DOING: &str = "writing a checkpoint";
    base.poison.check()?;
    let mut superblock = base.superblock.lock();
    // Dropped before the lock: who waits for that finds out.
    let _midway = base.poison.midway(DOING);
    base.poison.check()?;
    if why != Why::Last {
        base.check_open()?;
    }
    let _span = span!("checkpoint", generation = superblock.generation + 1, dirty = base.pager.pool.usage().dirty);
    base.pager.pool.stock(AT_HAND);
    let mut capture = {
        let mut state = base.apply.lock();
        // Dropped before the turn, as the other before the superblock.
        let _midway = base.poison.midway(DOING);
        tidy(base, &mut state)?;
        let salts = why == Why::Last && !superblock.salts.is_empty();
        let new = why == Why::Anyway || salts || !unchanged(base, &state, &superblock);
        if !new && !base.space()?.is_loose(superblock.tail) {
            // Who asked for it takes all that is visible for durable.
            return settle_slots(base);
        }
        base.space()?.shrink();
        Capture::take(base, &mut state)?
    };
    let prepared = match prepare(base, &capture, &superblock) {
        Ok(mut prepared) => {
            if why == Why::Last {
                prepared.superblock.salts.clear();
            }
            prepared
        }
        Err(error) => {
            capture.abandon();
            return Err(error.context("a checkpoint was given up, the one before it stays valid"));
        }
    };
    base.window.begin_release(capture.log.position);
    write_both(base, &prepared.superblock)?;
    *superblock = prepared.superblock.clone();
    Counts::add(&base.counts.checkpoints, 1);
    Counts::add(&base.counts.data_bytes, prepared.writer.output.bytes);
    base.checkpointed.store(prepared.superblock.commit_timestamp, Ordering::Relaxed);
    settle(base, capture, prepared)
}

/// [`run`], and again while that lets the file end earlier: what a checkpoint frees can be cut off by the next one, and the maps that it
/// wrote at the end move with the one after.
pub(crate) fn run_and_shrink(base: &Base, last: bool) -> Result<()> {
    const ROUNDS: usize = 3;
    let why = if last { Why::Last } else { Why::Due };
    run_one(base, why)?;
    for _ in 0..ROUNDS {
        let tail = base.superblock.lock().tail;
        if !base.space()?.is_loose(tail) {
            break;
        }
        run_one(base, why)?;
    }
    Ok(())
}

fn unchanged(base: &Base, state: &ApplyState, superblock: &Superblock) -> bool {
    base.registry.published() == superblock.commit_timestamp
        && state.applied.position == superblock.log_start
        && state.freed.is_empty()
        && state.dropped.is_empty()
        && state.spent.is_empty()
        && state.dropped_trees.is_empty()
        && superblock.directory.is_some()
}

/// Writes the pages and blobs of a capture and makes them durable. On failure everything it allocated is free again (I29, I31).
fn prepare<'a>(base: &'a Base, capture: &Capture<'_>, old: &Superblock) -> Result<Prepared<'a>> {
    let mut writer = Writer::new(base, old.generation + 1);
    let mut blobs = Vec::new();
    let filled = fill(base, capture, old, &mut writer, &mut blobs);
    match filled.and_then(|filled| superblocks::sync_data(base, &filled.0).map(|()| filled)) {
        Ok((superblock, replaced, expired)) => Ok(Prepared { writer, superblock, replaced, expired }),
        Err(error) => {
            writer.output.abandon()?;
            let mut space = base.space()?;
            for extent in blobs {
                space.free(extent).map_err(base::accounting)?;
            }
            Err(error)
        }
    }
}

type Filled = (Superblock, Vec<Extent>, Vec<(Extent, u64)>);

fn fill(
    base: &Base,
    capture: &Capture<'_>,
    old: &Superblock,
    writer: &mut Writer<'_>,
    blobs: &mut Vec<Extent>,
) -> Result<Filled> {
    let mut directory = Vec::new();
    for tree in &capture.trees {
        let root = writer.tree(tree)?;
        let has_overflow = base.forest.get(tree.id).is_some_and(|tree| tree.has_overflow());
        directory.push(DirectoryEntry { tree: tree.id, has_overflow, root });
    }
    writer.output.finish()?;
    let mut superblock = old.clone();
    superblock.generation = writer.output.generation;
    superblock.commit_timestamp = capture.timestamp();
    superblock.log_start = capture.log.position;
    superblock.chain = capture.log.chain;
    superblocks::prune_salts(&mut superblock);
    superblock.directory = Some(write_blob(base, superblock.generation, &directory::encode(&directory), blobs)?);
    let replaced = reclaim::replaced(base, capture, old, &writer.written)?;
    let expired = reclaim::expired(base, capture)?;
    let (map, tail) = freemap::write(base, capture.timestamp(), superblock.generation, &replaced, &expired, blobs)?;
    superblock.free_map = Some(map);
    superblock.tail = tail;
    Ok((superblock, replaced, expired))
}

/// Writes a blob and notes its extents.
fn write_blob(base: &Base, generation: u64, bytes: &[u8], extents: &mut Vec<Extent>) -> Result<BlobRef> {
    let ctx = base.blob_ctx(PageKind::Blob, generation);
    let mut allocate = |blocks| {
        let extent = base.room()?.allocate(blocks).map_err(base::no_space)?;
        extents.push(extent);
        base.count_written(blocks);
        Ok(extent)
    };
    crate::blob::write(&*base.pager.storage, &ctx, &mut allocate, bytes)
}

/// After both superblocks are durable: the new generation's images go into the live trees, the old one's space is given back.
fn settle(base: &Base, capture: Capture<'_>, prepared: Prepared<'_>) -> Result<()> {
    publish::publish(base, &prepared.writer.written)?;
    let (timestamp, dropped_trees) = (capture.timestamp(), capture.dropped_trees.clone());
    drop(capture);
    {
        let safe = crate::buffer::all_have_left();
        let mut space = base.space()?;
        space.replace(prepared.replaced, prepared.superblock.generation, safe);
        for (extent, since) in prepared.expired {
            space.retire(extent, since);
        }
        space.settle(timestamp);
        space.release(base.registry.watermark()).map_err(base::accounting)?;
    }
    base.apply.lock().purges.extend(dropped_trees);
    base.window.finish_release();
    base.space()?.shrink();
    superblocks::truncate(base, &prepared.superblock)
}
