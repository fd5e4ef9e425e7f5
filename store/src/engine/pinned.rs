//! Checkpoints that are read for hours: their pages stay in the file (I25), and no memory is held back for them.

use super::open::Shared;
use crate::error::Result;
use crate::format::Superblock;
use crate::space::PinnedCheckpoint;
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
        let checkpoint = PinnedCheckpoint { generation: superblock.generation, timestamp: superblock.commit_timestamp };
        shared.base.space()?.pin(checkpoint);
        Ok((Self { shared: Arc::clone(shared), checkpoint }, superblock.clone()))
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
