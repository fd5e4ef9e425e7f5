//! What writers and the pipeline hand to each other.

use super::log_buffer::CheckedBody;
use super::read_set::fingerprint;
use super::relay::{Waiter, Waits};
use super::run::Run;
use super::tally::TallyChange;
use super::write_set::WriteSet;
use crate::ckpt::LogPosition;
use crate::engine::Durability;
use crate::space::Extent;
use crate::tree::Registered;
use std::sync::{Arc, OnceLock};

/// A commit that is sequenced.
pub(crate) struct Pending {
    /// Its timestamp: its place in the order of all commits (I15).
    pub(crate) timestamp: u64,
    /// What it writes. Later writers read through it until it is applied.
    pub(crate) writes: WriteSet,
    /// The older part of it, if it outgrew memory; oldest first.
    pub(crate) runs: Vec<Arc<Run>>,
    /// Extents that its values were written to.
    pub(crate) extents: Vec<Extent>,
    /// Extents of its spilled writes, which nobody needs once it is applied.
    pub(crate) spills: Vec<Extent>,
    pub(super) durability: Durability,
    /// The log behind it.
    pub(super) end: LogPosition,
    /// Sorted fingerprints of what it writes, for validation.
    pub(super) prints: OnceLock<Vec<u64>>,
    /// Where its owner waits.
    pub(super) owner: Waiter,
}

impl Waits for Pending {
    fn waiter(&self) -> &Waiter {
        &self.owner
    }

    fn wants_company(&self) -> bool {
        self.durability > Durability::Deferred
    }
}

impl Pending {
    /// Bytes of memory that it takes, about.
    pub(super) fn footprint(&self) -> usize {
        size_of::<Self>() + self.writes.footprint()
    }

    /// Sorted fingerprints of the keys that it writes.
    pub(super) fn prints(&self) -> &[u64] {
        self.prints.get_or_init(|| {
            let of = |tree| self.writes.entries(tree).map(move |(key, _)| fingerprint(tree, key));
            let mut prints: Vec<u64> = self.writes.trees().flat_map(of).collect();
            prints.sort_unstable();
            prints
        })
    }
}

/// What a writer hands over to be sequenced.
pub(crate) struct Request {
    /// Body of the log record.
    pub(crate) body: CheckedBody,
    /// See [`Pending`].
    pub(crate) writes: WriteSet,
    /// See [`Pending`].
    pub(crate) runs: Vec<Arc<Run>>,
    /// See [`Pending`].
    pub(crate) extents: Vec<Extent>,
    /// See [`Pending`].
    pub(crate) spills: Vec<Extent>,
    /// What it does to tallies.
    pub(crate) tallies: Vec<TallyChange>,
    /// How far the commit goes before it returns.
    pub(crate) durability: Durability,
}

/// A writer's view: a registered snapshot and, newest first, the sequenced write sets above it.
pub(crate) struct WriterView {
    pub(crate) registered: Registered,
    pub(crate) below: Vec<Arc<Pending>>,
    /// The newest commit among all these.
    pub(crate) seen: u64,
}
