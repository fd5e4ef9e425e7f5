//! Batches applied by one thread and by several, latched optimistically and by coupled locks, for `cargo xtask appliers`.

use crate::ckpt::Base;
use crate::engine::{Engine, EngineOptions};
use crate::error::{Error, Result};
use crate::tree::Locks;
use crate::txn::write_set::WriteSet;
use crate::txn::{Batch, apply_batches};
use crate::vfs::MemoryFile;
use std::sync::Arc;
use std::sync::atomic::Ordering;

const TREE: u32 = 1;

/// How a batch is applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applying {
    /// By one thread.
    One,
    /// By one thread that holds a lock on every node which it is in.
    OneCoupled,
    /// By as many threads as the machine has cores: what the engine does.
    Several,
    /// By as many, which couple locks.
    SeveralCoupled,
}

/// A tree in memory that batches are applied to, without a log.
pub struct Batches {
    engine: Engine,
    cores: usize,
}

/// What a commit hands over.
pub struct Prepared(WriteSet);

impl Batches {
    /// A tree without records, in pages of this size.
    pub fn new(page_size: u32) -> Result<Self> {
        let options = EngineOptions { memory: Some(8 << 30), page_size, ..EngineOptions::default() };
        let engine = Engine::open(Arc::new(MemoryFile::default()), options)?;
        let cores = engine.base().appliers.load(Ordering::Relaxed);
        engine.base().pager.locks.get_or_init(Locks::new);
        Ok(Self { engine, cores })
    }

    /// The threads that several are.
    pub fn cores(&self) -> usize {
        self.cores
    }

    /// Records of 8 and 100 bytes.
    pub fn prepare(&self, keys: impl Iterator<Item = u64>) -> Prepared {
        let mut writes = WriteSet::default();
        for key in keys {
            writes.put(TREE, &key.to_be_bytes(), &[key as u8; 100], false);
        }
        Prepared(writes)
    }

    /// Applies the batch as the next commit, and makes it visible.
    pub fn apply(&self, batch: &Prepared, how: Applying) -> Result<()> {
        let base: &Base = self.engine.base();
        let threads = if matches!(how, Applying::One | Applying::OneCoupled) { 1 } else { self.cores };
        base.appliers.store(threads, Ordering::Relaxed);
        let locks = base.pager.locks.get().ok_or_else(|| Error::corrupt("there are no locks to compare with"))?;
        locks.switch(matches!(how, Applying::OneCoupled | Applying::SeveralCoupled));
        let mut state = base.apply.lock();
        let timestamp = base.registry.published() + 1;
        apply_batches(base, &mut state, &[Batch { timestamp, writes: &batch.0, extents: &[], spills: &[] }])?;
        base.registry.publish(timestamp);
        Ok(())
    }
}
