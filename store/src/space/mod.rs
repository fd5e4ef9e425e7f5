//! The blocks of the file: which are free, which are in use, and which wait before they may be used again.
//!
//! Keeps I29 (every extent is free, live, tentative or quarantined: exactly one) and its part of I25 (what a readable superblock, a snapshot or an
//! unreleased log record references is not handed out).

mod alloc;
mod freemap;
#[cfg(test)]
mod tests;

pub(crate) use alloc::{Allocator, SpaceError};
pub(crate) use freemap::{decode_free_map, encode_free_map};

use crate::sync::atomic::{AtomicBool, Ordering};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Blocks in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Extent {
    /// First block.
    pub(crate) start: u64,
    /// Number of blocks.
    pub(crate) len: u64,
}

impl Extent {
    /// The block behind it.
    pub(crate) fn end(self) -> u64 {
        self.start + self.len
    }
}

/// Tentative: written for a commit that no checkpoint holds yet. After a crash such an extent is free, unless a log record names it.
#[derive(Debug, Clone, Copy)]
struct Tentative {
    len: u64,
    /// Timestamp of its commit, once there is one.
    commit: Option<u64>,
}

/// See the module.
pub(crate) struct Space {
    allocator: Allocator,
    tentative: BTreeMap<u64, Tentative>,
    /// Extents that nothing current needs, with the timestamp since which that is so: older snapshots may still read them.
    quarantine: Vec<(Extent, u64)>,
    /// Extents that are free once every reader that may have begun to read them has looked away (I32).
    leaving: Vec<Leaving>,
    /// Checkpoints that are being read.
    pins: Vec<PinnedCheckpoint>,
    /// Extents of their pages that nothing current needs, with the generation since which that is so.
    pinned: Vec<(Extent, u64)>,
}

/// A checkpoint whose pages stay where they are although newer ones have taken its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PinnedCheckpoint {
    pub(crate) generation: u64,
    pub(crate) timestamp: u64,
}

/// How the blocks of the file are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SpaceUsage {
    /// Length of the file in blocks.
    pub(crate) tail: u64,
    /// Blocks that something current names, or something that is being written.
    pub(crate) used: u64,
    /// Blocks that nothing current needs and that are not free yet.
    pub(crate) waiting: u64,
    /// Whether some of these wait for nothing but readers to look away.
    pub(crate) leaving: bool,
}

/// See [`Space::free_later`].
struct Leaving {
    safe: Arc<AtomicBool>,
    extents: Vec<Extent>,
}

impl Space {
    /// Space of `tail` blocks of which these are free.
    pub(crate) fn new(tail: u64, free: &[Extent]) -> Result<Self, SpaceError> {
        Ok(Self {
            allocator: Allocator::new(tail, free)?,
            tentative: BTreeMap::new(),
            quarantine: Vec::new(),
            leaving: Vec::new(),
            pins: Vec::new(),
            pinned: Vec::new(),
        })
    }

    /// Length of the file in blocks.
    pub(crate) fn tail(&self) -> u64 {
        self.allocator.tail()
    }

    /// Blocks that are free.
    #[cfg(test)]
    pub(crate) fn free_blocks(&self) -> u64 {
        self.allocator.free_blocks()
    }

    /// Fills the front of the file up first from here on, and cuts off whatever is free at its end; or no more.
    pub(crate) fn set_packing(&mut self, packing: bool) {
        self.allocator.set_packing(packing);
    }

    /// Takes `least` to `most` blocks in a row for something that nothing names yet, as near to the front as there are so many; `None` if they
    /// would not end before `limit`.
    pub(crate) fn allocate_below(&mut self, least: u64, most: u64, limit: u64) -> Result<Option<Extent>, SpaceError> {
        self.collect()?;
        Ok(self.allocator.allocate_below(least, most, limit))
    }

    /// How the file's blocks are used now.
    pub(crate) fn usage(&mut self) -> Result<SpaceUsage, SpaceError> {
        self.collect()?;
        let waiting = self.waiting().map(|extent| extent.len).sum();
        let (tail, free) = (self.tail(), self.allocator.free_blocks());
        Ok(SpaceUsage { tail, used: tail.saturating_sub(free + waiting), waiting, leaving: !self.leaving.is_empty() })
    }

    /// Blocks from `limit` on that something current names.
    pub(crate) fn used_behind(&self, limit: u64) -> u64 {
        let behind = |extent: Extent| extent.end().saturating_sub(extent.start.max(limit));
        let idle: u64 = self.allocator.iter().chain(self.waiting()).map(behind).sum();
        self.tail().saturating_sub(limit).saturating_sub(idle)
    }

    /// Takes blocks in a row, at the end of the file if there is no better place.
    pub(crate) fn allocate(&mut self, len: u64) -> Result<Extent, SpaceError> {
        self.collect()?;
        self.allocator.allocate(len)
    }

    /// Takes `least` to `most` blocks in a row, as many as there are in one place. The rest goes back by [`give_back`](Self::give_back).
    pub(crate) fn allocate_run(&mut self, least: u64, most: u64) -> Result<Extent, SpaceError> {
        self.collect()?;
        self.allocator.allocate_run(least, most)
    }

    /// Gives back the end of a run that was not needed.
    pub(crate) fn give_back(&mut self, rest: Extent) -> Result<(), SpaceError> {
        self.allocator.give_back(rest)
    }

    /// Takes blocks for a commit that is under way.
    pub(crate) fn allocate_tentative(&mut self, len: u64) -> Result<Extent, SpaceError> {
        self.collect()?;
        let extent = self.allocator.allocate(len)?;
        self.tentative.insert(extent.start, Tentative { len, commit: None });
        Ok(extent)
    }

    /// Takes the very extent that a log record names (I25).
    pub(crate) fn claim(&mut self, extent: Extent, commit: u64) -> Result<(), SpaceError> {
        self.allocator.claim(extent)?;
        self.tentative.insert(extent.start, Tentative { len: extent.len, commit: Some(commit) });
        Ok(())
    }

    /// Makes blocks that were taken tentative: nothing that is durable names them yet.
    pub(crate) fn mark_tentative(&mut self, extent: Extent) {
        self.tentative.insert(extent.start, Tentative { len: extent.len, commit: None });
    }

    /// Makes a tentative extent live: a tree in memory names it, and the next checkpoint will.
    pub(crate) fn adopt(&mut self, extent: Extent) {
        self.tentative.remove(&extent.start);
    }

    /// The commit that an extent was taken for has this timestamp.
    pub(crate) fn commit(&mut self, extent: Extent, timestamp: u64) {
        if let Some(tentative) = self.tentative.get_mut(&extent.start) {
            tentative.commit = Some(timestamp);
        }
    }

    /// A checkpoint at `timestamp` is durable: what was tentative for commits up to it is live now.
    pub(crate) fn settle(&mut self, timestamp: u64) {
        self.tentative.retain(|_, tentative| tentative.commit.is_none_or(|commit| commit > timestamp));
    }

    /// Gives blocks back at once.
    pub(crate) fn free(&mut self, extent: Extent) -> Result<(), SpaceError> {
        self.allocator.free(extent)?;
        self.tentative.remove(&extent.start);
        Ok(())
    }

    /// Gives blocks back as soon as `safe` is set: a reader that has read an old image must not find a new one, of the same page, under the
    /// same address.
    fn free_later(&mut self, extents: Vec<Extent>, safe: Arc<AtomicBool>) {
        self.leaving.push(Leaving { safe, extents });
    }

    /// Keeps everything that a checkpoint, which has to be the current one, references (I25).
    pub(crate) fn pin(&mut self, checkpoint: PinnedCheckpoint) {
        self.pins.push(checkpoint);
    }

    /// Ends that. What only it needed is given back by the next checkpoint.
    pub(crate) fn unpin(&mut self, checkpoint: PinnedCheckpoint) {
        if let Some(at) = self.pins.iter().position(|&pinned| pinned == checkpoint) {
            self.pins.swap_remove(at);
        }
    }

    /// Checkpoints that are pinned.
    #[cfg(test)]
    pub(crate) fn pins(&self) -> usize {
        self.pins.len()
    }

    /// Gives back the pages that the checkpoint `generation` has replaced, and those from before, as far as no older one is pinned: once
    /// `safe` is set, as [`free_later`](Self::free_later).
    pub(crate) fn replace(&mut self, extents: Vec<Extent>, generation: u64, safe: Arc<AtomicBool>) {
        self.pinned.extend(extents.into_iter().map(|extent| (extent, generation)));
        let oldest = self.pins.iter().map(|pin| pin.generation).min().unwrap_or(u64::MAX);
        let (due, kept) = std::mem::take(&mut self.pinned).into_iter().partition(|&(_, since)| since <= oldest);
        self.pinned = kept;
        let due: Vec<(Extent, u64)> = due;
        self.free_later(due.into_iter().map(|(extent, _)| extent).collect(), safe);
    }

    /// Gives back what is safe by now.
    fn collect(&mut self) -> Result<(), SpaceError> {
        for leaving in std::mem::take(&mut self.leaving) {
            if leaving.safe.load(Ordering::Acquire) {
                leaving.extents.into_iter().try_for_each(|extent| self.free(extent))?;
            } else {
                self.leaving.push(leaving);
            }
        }
        Ok(())
    }

    /// Blocks that nothing current needs and that are not free yet.
    fn waiting(&self) -> impl Iterator<Item = Extent> {
        let leaving = self.leaving.iter().flat_map(|leaving| leaving.extents.iter().copied());
        let dated = self.quarantine.iter().chain(&self.pinned).map(|&(extent, _)| extent);
        leaving.chain(dated)
    }

    /// Gives blocks back as soon as no snapshot older than `since` is left. The durable checkpoint no longer names them.
    pub(crate) fn retire(&mut self, extent: Extent, since: u64) {
        self.quarantine.push((extent, since));
    }

    /// Ends the quarantine of what no snapshot at or above `watermark`, and no pinned checkpoint, can read.
    pub(crate) fn release(&mut self, watermark: u64) -> Result<(), SpaceError> {
        let watermark = self.pins.iter().map(|pin| pin.timestamp).fold(watermark, u64::min);
        let (due, later): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.quarantine).into_iter().partition(|&(_, since)| since <= watermark);
        self.quarantine = later;
        self.collect()?;
        due.into_iter().try_for_each(|(extent, _)| self.free(extent))
    }

    /// What is free once a checkpoint at `timestamp` is the durable one and nothing else is left of this session. Not sorted.
    pub(crate) fn free_after(&self, timestamp: u64) -> Vec<Extent> {
        let unsettled = self.tentative.iter().filter(|(_, tentative)| tentative.commit.is_none_or(|c| c > timestamp));
        let unsettled = unsettled.map(|(&start, tentative)| Extent { start, len: tentative.len });
        self.allocator.iter().chain(unsettled).chain(self.waiting()).collect()
    }

    /// Whether a file of `tail` blocks is longer than it need be by so much that a checkpoint should cut it.
    pub(crate) fn is_loose(&self, tail: u64) -> bool {
        self.tail() < tail || self.allocator.loose_tail().is_some()
    }

    /// Cuts off free blocks at the end of the file if there are many; returns whether the tail moved.
    pub(crate) fn shrink(&mut self) -> bool {
        self.allocator.shrink()
    }

    /// Checks that no block is free, tentative or waiting twice.
    pub(crate) fn disjoint(&self) -> Result<(), SpaceError> {
        let tentative = self.tentative.iter().map(|(&start, tentative)| Extent { start, len: tentative.len });
        let mut all: Vec<Extent> = self.allocator.iter().chain(tentative).chain(self.waiting()).collect();
        all.sort_unstable();
        let overlap = all.windows(2).find(|pair| matches!(pair, [a, b] if a.end() > b.start));
        match overlap {
            Some([_, later, ..]) => Err(SpaceError::Overlap { block: later.start }),
            _ => Ok(()),
        }
    }

    /// What may be handed out.
    pub(crate) fn free_extents(&self) -> Vec<Extent> {
        self.allocator.iter().collect()
    }

    /// Blocks that are taken for something that nothing names yet.
    #[cfg(test)]
    pub(crate) fn unnamed(&self) -> usize {
        self.tentative.values().filter(|tentative| tentative.commit.is_none()).count()
    }

    /// Checks that `live` and what this structure knows make up the whole file, each block once (I29). `reserved` blocks at the front belong to nobody.
    #[cfg(any(test, feature = "simulate"))]
    pub(crate) fn audit(&self, live: impl IntoIterator<Item = Extent>) -> Result<(), SpaceError> {
        let uncommitted = self.tentative.iter().filter(|(_, tentative)| tentative.commit.is_none());
        let uncommitted = uncommitted.map(|(&start, tentative)| Extent { start, len: tentative.len });
        let mut all: Vec<Extent> = self.allocator.iter().chain(uncommitted).chain(self.waiting()).chain(live).collect();
        all.sort_unstable();
        let mut at = 0;
        for extent in all {
            if extent.start != at {
                return Err(if extent.start < at {
                    SpaceError::Overlap { block: extent.start }
                } else {
                    SpaceError::Leak { block: at, len: extent.start - at }
                });
            }
            at = extent.end();
        }
        match self.tail().checked_sub(at) {
            Some(0) => Ok(()),
            Some(len) => Err(SpaceError::Leak { block: at, len }),
            None => Err(SpaceError::Outside { block: at }),
        }
    }
}
