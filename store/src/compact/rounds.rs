//! Rounds: what lies behind a limit moves before it, a checkpoint frees what it left, the file is cut.
//!
//! The limit is where the file would end if it had no holes. What lies behind it moves to the first hole that is long enough. Holes may be too short for the longest extents (values have chunks of 128 blocks).
//! Then shorter ones are moved together at the front, which leaves longer holes behind them.

use super::Work;
use crate::blob::BlobRef;
use crate::ckpt::{blob_parts, extent_of};
use crate::error::Result;
use crate::format::{ChildEntry, PageKind};
use crate::space::{Extent, SpaceUsage};
use crate::tree::Tree;
use std::collections::BTreeMap;

/// Rounds at most. Each goes through the inner nodes of all trees.
const MOST: u64 = 16;
/// Rounds in a row that need not make the file shorter: one may only have made holes for the next.
const FRUITLESS: u64 = 3;

/// Behind which block an extent is to move.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    all: u64,
    /// For extents shorter than this many blocks.
    short: Option<(u64, u64)>,
}

impl Limits {
    /// The limit for an extent of so many blocks.
    pub(super) fn of(&self, blocks: u64) -> u64 {
        self.short.filter(|&(below, _)| blocks < below).map_or(self.all, |(_, limit)| limit.min(self.all))
    }

    /// Whether an extent is to move.
    pub(super) fn exceeds(&self, extent: Extent) -> bool {
        extent.end() > self.of(extent.len)
    }
}

/// What a round has seen and done.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Blocks of extents by their length.
    lengths: BTreeMap<u64, u64>,
    /// The shortest extents for which there was no hole.
    unfit: Option<u64>,
    /// Blocks behind the limit for all that were accounted for.
    behind: u64,
    /// Blocks that moved.
    pub(super) moved: u64,
    /// Bytes of inner nodes that wait for a checkpoint.
    pub(super) dirtied: u64,
}

impl Seen {
    /// Notes an extent.
    pub(super) fn note(&mut self, limits: &Limits, extent: Extent) {
        *self.lengths.entry(extent.len).or_default() += extent.len;
        self.behind += extent.end().saturating_sub(extent.start.max(limits.all));
    }

    /// Notes that there was no hole for an extent of so many blocks.
    pub(super) fn no_hole(&mut self, blocks: u64) {
        self.unfit = Some(self.unfit.map_or(blocks, |unfit| unfit.min(blocks)));
    }

    /// The limits for the next round: shorter extents first, if longer ones found no hole.
    fn limits(&self, usage: &SpaceUsage, fixed: u64, before: &Limits) -> Limits {
        let short = self.unfit.filter(|_| before.short.is_none()).and_then(|unfit| {
            let short: u64 = self.lengths.range(..unfit).map(|(_, blocks)| blocks).sum();
            (short > 0).then_some((unfit, fixed + short + short / 16))
        });
        Limits { all: usage.used, short }
    }
}

impl Work<'_> {
    /// Moves what lies at the end, round after round, until that gains nothing more.
    pub(super) fn rounds(&mut self) -> Result<SpaceUsage> {
        self.let_go()?;
        let fixed = self.fixed();
        let enough = |usage: &SpaceUsage| {
            let data = usage.used.saturating_sub(fixed);
            usage.tail <= usage.used + data / 32 + 16
        };
        let mut usage = self.usage()?;
        // The superblock's lock comes before that of space, as everywhere.
        let tail = self.base.superblock.lock().tail;
        let loose = self.base.space()?.is_loose(tail);
        if self.did.leaves > 0 || loose || !enough(&usage) {
            usage = self.settle()?;
        }
        let mut limits = Limits { all: usage.used, short: None };
        let mut fruitless = 0;
        while !enough(&usage) && self.did.rounds < MOST && fruitless < FRUITLESS {
            let seen = self.round(&limits)?;
            self.did.rounds += 1;
            let before = usage.tail;
            if seen.moved > 0 {
                usage = self.settle()?;
            }
            fruitless = if usage.tail < before { 0 } else { fruitless + 1 };
            let next = seen.limits(&usage, fixed, &limits);
            if seen.moved == 0 && next.short.is_none() && limits.short.is_none() {
                break;
            }
            limits = next;
        }
        Ok(usage)
    }

    /// Blocks at the front that never move: superblocks and log.
    fn fixed(&self) -> u64 {
        let superblock = self.base.superblock.lock();
        let block = u64::from(superblock.block_size);
        superblock.segments.iter().map(|segment| segment.address + segment.length / block).max().unwrap_or(0)
    }

    fn round(&mut self, limits: &Limits) -> Result<Seen> {
        let mut seen = Seen::default();
        let behind = self.base.space()?.used_behind(limits.all);
        self.progress.total = self.progress.total.max(self.progress.done + behind * self.block());
        let trees: Vec<&Tree> = self.base.forest.iter().filter(|tree| tree.dropped_at().is_none()).collect();
        for tree in &trees {
            let moved = self.move_pages(tree, limits, &mut seen);
            self.unless_dropped(tree, moved)?;
        }
        self.note_blobs(limits, &mut seen)?;
        // Values lie in leaves, all of which would have to be read: only if something else than pages lies behind the limit.
        if limits.short.is_some() || self.base.space()?.used_behind(limits.all) > seen.behind.saturating_sub(seen.moved)
        {
            for tree in trees.iter().filter(|tree| tree.has_overflow()) {
                let moved = self.move_values(tree, limits, &mut seen);
                self.unless_dropped(tree, moved)?;
            }
        }
        Ok(seen)
    }

    /// Directory and free map, which every checkpoint writes anew.
    fn note_blobs(&self, limits: &Limits, seen: &mut Seen) -> Result<()> {
        let superblock = self.base.superblock.lock();
        for blob in [&superblock.directory, &superblock.free_map].into_iter().flatten() {
            let parts = blob_parts(self.base, PageKind::Blob, blob)?;
            parts.into_iter().for_each(|extent| seen.note(limits, extent));
        }
        Ok(())
    }

    /// Bytes of a block.
    pub(super) fn block(&self) -> u64 {
        u64::from(self.base.pager.block_size)
    }

    /// Where a page lies.
    pub(super) fn place(&self, entry: &ChildEntry) -> Extent {
        extent_of(self.base, entry)
    }

    /// Where a value lies.
    pub(super) fn parts(&self, blob: &BlobRef) -> Result<Vec<Extent>> {
        blob_parts(self.base, PageKind::Overflow, blob)
    }
}
