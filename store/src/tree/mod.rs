//! B+trees: descent, scan, apply of a sorted batch, split, merge.
//!
//! Readers descend from the root through swips, without a latch, and find in the leaf (or in the versions behind it) what their
//! snapshot may see. One apply at a time changes a tree, by several threads if it is large:
//! it builds new leaf bodies, links the old ones behind them for older snapshots, and swaps the parent's swip. `node/` lays out bodies; it is pure and safe.
//!
//! Keeps I1, I8 (through latches and freezing), I9, I10, I17 (versions are dropped only when no snapshot can see them), I32 (pages are
//! verified when they are read) and I33 (nothing here writes the log).

mod apply;
mod clock;
mod coupling;
mod descent;
mod forest;
mod in_flight;
mod inner;
mod merge;
pub(crate) mod node;
mod pack;
mod pager;
mod parallel;
mod registry;
mod relocate;
mod scan;
mod versions;

pub(crate) use apply::{Applier, Leftovers};
pub(crate) use clock::{Candidate, Sweep};
#[cfg(feature = "measure")]
pub(crate) use coupling::Locks;
pub(crate) use descent::{Access, Target};
pub(crate) use forest::Forest;
pub(crate) use merge::{Underfull, load_neighbours};
pub(crate) use pack::{Packed, Run};
pub(crate) use pager::{Memory, Pager, page_image};
pub(crate) use registry::{Registered, Registry, Seen};
pub(crate) use relocate::MovedValue;
pub(crate) use scan::{At, SnapshotCursor};
pub(crate) use versions::{Superseded, Versions};

use crate::buffer::{OptimisticLatch, RootSlot};
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// The largest frame: a body of 64 KiB and the words of its children.
pub(crate) const MAX_NODE: usize = 128 << 10;
/// Levels of a tree are below this (I36).
pub(crate) const MAX_LEVEL: u8 = 63;

/// One tree. Its root slot is the parent of the root node.
pub(crate) struct Tree {
    id: u32,
    root: RootSlot,
    latch: OptimisticLatch,
    dropped: AtomicU64,
    has_overflow: AtomicBool,
}

impl Tree {
    /// A tree without nodes.
    pub(crate) fn new(id: u32) -> Self {
        Self {
            id,
            root: RootSlot::default(),
            latch: OptimisticLatch::new(),
            dropped: AtomicU64::new(u64::MAX),
            has_overflow: AtomicBool::new(false),
        }
    }

    /// Its number.
    pub(crate) fn id(&self) -> u32 {
        self.id
    }

    /// The slot above the root node.
    pub(crate) fn root(&self) -> &RootSlot {
        &self.root
    }

    /// The latch of the root slot.
    pub(crate) fn latch(&self) -> &OptimisticLatch {
        &self.latch
    }

    /// Whether a snapshot sees this tree (I16).
    pub(crate) fn visible_at(&self, snapshot: u64) -> bool {
        snapshot < self.dropped.load(Ordering::Acquire)
    }

    /// The timestamp of the commit that dropped it.
    pub(crate) fn dropped_at(&self) -> Option<u64> {
        Some(self.dropped.load(Ordering::Acquire)).filter(|&at| at != u64::MAX)
    }

    /// Whether some value of it ever went to overflow extents.
    pub(crate) fn has_overflow(&self) -> bool {
        self.has_overflow.load(Ordering::Relaxed)
    }

    /// Notes that.
    pub(crate) fn set_has_overflow(&self) {
        self.has_overflow.store(true, Ordering::Relaxed);
    }

    /// Hides the tree from snapshots at `timestamp` and later.
    pub(crate) fn drop_at(&self, timestamp: u64) {
        self.dropped.store(timestamp, Ordering::Release);
    }
}
