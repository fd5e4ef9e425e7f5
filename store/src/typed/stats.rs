//! What a database is doing, in numbers.

use crate::ckpt::Base;
use crate::sync::atomic::{AtomicU64, Ordering};

/// What a database holds in memory and has done since it was opened. From [`Database::stats`](crate::Database::stats).
///
/// Counts are exact while nothing runs; beside running transactions they are those of moments close to each other.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Stats {
    /// Bytes that nodes in memory should stay below: [`Options::memory`](crate::Options::memory).
    pub memory_budget: u64,
    /// Bytes of nodes in memory, `limbo`, `dirty` and `old_versions` included.
    pub resident: u64,
    /// Bytes of nodes that left the tree and wait for readers that may still look at them.
    pub limbo: u64,
    /// Bytes of free nodes whose memory is kept for the next ones.
    pub idle: u64,
    /// Bytes of leaves that a checkpoint has to write.
    pub dirty: u64,
    /// Bytes of superseded leaves that older snapshots may still read.
    pub old_versions: u64,
    /// Leaves that reads found in memory, roughly.
    pub hits: u64,
    /// Pages that were read from the file.
    pub misses: u64,
    /// Nodes that left memory for want of room.
    pub evictions: u64,
    /// Dirty leaves that were written so that they could leave memory.
    pub written_out: u64,
    /// Commits made visible.
    pub commits: u64,
    /// Groups of commits that were written and applied together: `commits / flushes` of them shared one. Deferred commits are written to the log
    /// later, many groups at once.
    pub flushes: u64,
    /// Times that the device was waited for.
    pub syncs: u64,
    /// Whether synced commits are written past the system's cache, each durable by itself; otherwise the whole file is synced. Found out by the
    /// first of them.
    pub direct_log: bool,
    /// Checkpoints written.
    pub checkpoints: u64,
    /// Commits since the last one.
    pub commits_since_checkpoint: u64,
    /// Bytes of the log that the next checkpoint gives back.
    pub log_used: u64,
    /// Bytes of the log.
    pub log_capacity: u64,
    /// Bytes of keys and values that commits were given, of indexes and of large values too.
    pub bytes_committed: u64,
    /// Bytes written to the file: the log, pages, values beside them, maps and superblocks. Divided by `bytes_committed`: the write amplification.
    pub bytes_written: u64,
    /// Transactions that were run again because another one had changed what they read.
    pub retries: u64,
    /// Commits that waited for memory, or for room in the log.
    pub stalls: u64,
}

impl Stats {
    pub(super) fn of(base: &Base) -> Self {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let (usage, counts) = (base.pager.pool.usage(), &base.counts);
        let clock = &base.pager.clock.counts;
        let published = base.registry.published();
        Self {
            memory_budget: base.pager.pool.budget(),
            resident: usage.resident,
            limbo: usage.limbo,
            idle: usage.idle,
            dirty: usage.dirty,
            old_versions: usage.old,
            hits: clock.visits().saturating_sub(get(&clock.reads)),
            misses: get(&clock.reads),
            evictions: get(&clock.evictions),
            written_out: get(&clock.written),
            commits: get(&counts.commits),
            flushes: get(&counts.groups),
            syncs: get(&counts.syncs),
            direct_log: base.pager.storage.offers_durable_writes(),
            checkpoints: get(&counts.checkpoints),
            commits_since_checkpoint: published.saturating_sub(get(&base.checkpointed)),
            log_used: base.window.used(),
            log_capacity: base.window.capacity(),
            bytes_committed: get(&counts.committed_bytes),
            bytes_written: get(&counts.log_bytes) + get(&counts.data_bytes),
            retries: get(&counts.retries),
            stalls: get(&counts.stalls),
        }
    }
}
