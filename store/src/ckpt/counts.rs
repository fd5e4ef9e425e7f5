//! What a session has done so far, for statistics.

use crate::sync::atomic::{AtomicU64, Ordering};

/// Counters since the file was opened.
#[derive(Default)]
pub(crate) struct Counts {
    /// Commits applied.
    pub(crate) commits: AtomicU64,
    /// Groups of commits that were applied together.
    pub(crate) groups: AtomicU64,
    /// Batches for one tree that several threads applied together.
    pub(crate) shared_applies: AtomicU64,
    /// Times that the device was waited for.
    pub(crate) syncs: AtomicU64,
    /// Bytes written to the log.
    pub(crate) log_bytes: AtomicU64,
    /// Bytes written elsewhere: pages, values beside them, maps, superblocks.
    pub(crate) data_bytes: AtomicU64,
    /// Bytes of keys and values that commits were given.
    pub(crate) committed_bytes: AtomicU64,
    /// Checkpoints written.
    pub(crate) checkpoints: AtomicU64,
    /// Transactions that were run again after a conflict.
    pub(crate) retries: AtomicU64,
    /// Commits that waited for memory, or for room in the log.
    pub(crate) stalls: AtomicU64,
}

impl Counts {
    /// Adds to a counter.
    pub(crate) fn add(counter: &AtomicU64, n: u64) {
        counter.fetch_add(n, Ordering::Relaxed);
    }
}
