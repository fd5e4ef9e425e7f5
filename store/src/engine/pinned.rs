//! Checkpoints that are read for hours: their pages stay in the file (I25), and no memory is held back for them.

use super::Engine;
use super::open::Shared;
use crate::check::{Blocks, Findings, LogSummary, read_log, read_own_slots};
use crate::error::{ErrorKind, Result};
use crate::format::Superblock;
use crate::space::PinnedCheckpoint;
use crate::vfs::Storage;
use std::sync::Arc;

/// Keeps the pages of a checkpoint for as long as it lives.
pub(super) struct Pin {
    shared: Arc<Shared>,
    checkpoint: PinnedCheckpoint,
}

impl Pin {
    /// Pins the current checkpoint; returns its superblock too.
    pub(super) fn new(shared: &Arc<Shared>) -> Result<(Self, Superblock)> {
        // Held through every switch: the checkpoint is the current one until it is pinned.
        let superblock = shared.base.superblock.lock();
        Ok((Self::of(shared, &superblock)?, superblock.clone()))
    }

    /// Pins the checkpoint of the superblock, which the caller has locked.
    pub(super) fn of(shared: &Arc<Shared>, superblock: &Superblock) -> Result<Self> {
        let checkpoint = PinnedCheckpoint { generation: superblock.generation, timestamp: superblock.commit_timestamp };
        shared.base.space()?.pin(checkpoint);
        Ok(Self { shared: Arc::clone(shared), checkpoint })
    }
}

/// What a check of a running database reads: a checkpoint that stays in the file until this is dropped.
pub(crate) struct PinnedImage {
    shared: Arc<Shared>,
    /// A backup of a file that was opened for reading writes a checkpoint in memory; without its free map there is none.
    _pin: Option<Pin>,
    pub(crate) superblock: Superblock,
    /// The log as it was when the checkpoint was pinned.
    pub(crate) log: LogSummary,
    /// What is wrong with the superblocks in the file.
    pub(crate) slots: Findings,
}

impl Engine {
    /// Writes a checkpoint, if that is possible, and pins the current one; then the superblocks and the log are read, while no other checkpoint can release them. Commits go on.
    pub(crate) fn pinned_image(&self) -> Result<PinnedImage> {
        let written = self.checkpoint();
        let shared = self.shared();
        let base = &shared.base;
        let superblock = base.superblock.lock();
        match written {
            Err(error) if error.kind() == ErrorKind::Closed => return Err(error),
            // A full or failing device is no reason not to look: then it is the checkpoint before, and the log behind it.
            _ => {}
        }
        let pin = match Pin::of(shared, &superblock) {
            Err(_) if self.read_only() => None,
            pin => Some(pin?),
        };
        let storage = &*base.pager.storage;
        let log = read_log(storage, &superblock, !self.read_only());
        // What a crash left of the slots before this session stays until it switches them.
        let switched = superblock.generation > base.opened.generation && base.poison.check().is_ok();
        let slots = if switched { read_own_slots(storage)?.found } else { Findings::default() };
        Ok(PinnedImage { shared: Arc::clone(shared), _pin: pin, superblock: superblock.clone(), log, slots })
    }
}

impl PinnedImage {
    /// Where its pages lie.
    pub(crate) fn storage(&self) -> &dyn Storage {
        &*self.shared.base.pager.storage
    }

    /// A block of the checkpoint that the running database takes for free, or what it accounts for twice (I25, I29).
    pub(crate) fn contradiction(&self, blocks: &Blocks) -> Result<Option<String>> {
        // After a failed switch nobody may be told that a block is free, or not.
        if self.shared.base.poison.check().is_err() {
            return Ok(None);
        }
        let extents = {
            let space = self.shared.base.space()?;
            if let Err(error) = space.disjoint() {
                return Ok(Some(format!("the running database accounts for a block twice: {error}")));
            }
            space.free_extents()
        };
        // What is pinned must be free at no time. Without the space: a map of a large file takes a while, for which commits would have to wait.
        let free = extents.into_iter().find_map(|extent| blocks.owned_in(extent));
        Ok(free.map(|block| format!("the running database takes block {block} for free, which a page occupies")))
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        // Space that cannot be loaded has no pins.
        if let Ok(mut space) = self.shared.base.space() {
            space.unpin(self.checkpoint);
        }
    }
}
