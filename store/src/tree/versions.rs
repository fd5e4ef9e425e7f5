//! Superseded leaves, kept while a registered snapshot may need them (I17).
//!
//! A leaf that an apply replaces at timestamp `t` stays linked behind its successors through `prev`: it is what snapshots in
//! `[its timestamp, t)` see. It goes when no such snapshot is left: in order of `t` once the watermark has reached it, or earlier when its
//! own successor is replaced and no registered snapshot lies in the interval, so that one long reader keeps at most one
//! version of each leaf alive. Links to a leaf are cleared before it is retired (I6). Scheme: Freitag et al., "Memory-Optimized
//! Multi-Version Concurrency Control for Disk-Based Database Systems" (VLDB 2022), here with whole leaves as versions.

use super::apply::inconsistent;
use crate::buffer::{Frame, FrameId, Guard, Pool, pin};
use crate::error::Result;
use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};

/// Versions that are let go with each batch beyond those that came with it.
const SOME: usize = 256;
/// The same where they fill much memory.
const MANY: usize = 1024;

/// The superseded leaves of one database. Owned by the applier.
#[derive(Default)]
pub(crate) struct Versions {
    /// In order of the second timestamp.
    queue: VecDeque<(u64, FrameId)>,
    old: OldLeaves,
    /// Superseded since the last release.
    fresh: usize,
    /// The snapshot of the checkpoint that is being written, and the bytes that it sees: they stay whoever else leaves.
    capture: Option<u64>,
    held: u64,
}

/// A leaf and the leaves that took its place.
pub(crate) struct Superseded {
    pub(super) old: FrameId,
    pub(super) new: Vec<FrameId>,
}

struct Old {
    since: u64,
    until: u64,
    /// Leaves whose `prev` names this one.
    linked_from: Vec<FrameId>,
}

impl Old {
    fn is_seen_by(&self, snapshot: Option<u64>) -> bool {
        snapshot.is_some_and(|snapshot| (self.since..self.until).contains(&snapshot))
    }
}

impl Versions {
    /// A checkpoint's snapshot begins, or ends. Between two batches, so it sees nothing that is superseded already.
    pub(crate) fn hold_for(&mut self, capture: Option<u64>) {
        (self.capture, self.held) = (capture, 0);
    }

    /// The snapshot of the checkpoint that is being written.
    pub(crate) fn capture(&self) -> Option<u64> {
        self.capture
    }

    /// Bytes that it sees.
    pub(crate) fn held(&self) -> u64 {
        self.held
    }

    /// A version is gone.
    fn let_go(&mut self, pool: &Pool, id: FrameId, version: &Old) {
        let bytes = pool.bytes(id);
        pool.note_old(-(bytes as i64));
        if version.is_seen_by(self.capture) {
            self.held = self.held.saturating_sub(bytes);
        }
    }

    /// What the leaves that replace `old` at `timestamp` get as their `prev`.
    pub(super) fn link_for(old: Frame<'_>, timestamp: u64) -> Option<FrameId> {
        // Two applies of one timestamp (a commit too large for one): the leaf between them was never visible.
        if old.timestamp() == timestamp { old.prev() } else { Some(old.id()) }
    }

    /// Notes what was superseded at `timestamp`. `snapshots` are the registered ones in ascending order; leaves that are needed no more go
    /// to `retired`.
    pub(crate) fn note(
        &mut self,
        pool: &Pool,
        superseded: Vec<Superseded>,
        timestamp: u64,
        snapshots: &[u64],
        retired: &mut Vec<FrameId>,
    ) -> Result<()> {
        let guard = pin();
        for Superseded { old, new } in superseded {
            // I6: nobody but this owner of the versions retires a superseded leaf.
            let old = pool.frame(old, &guard).ok_or_else(|| inconsistent("a superseded leaf was reused"))?;
            if old.timestamp() == timestamp {
                if let Some(version) = old.prev().and_then(|prev| self.old.get_mut(prev)) {
                    version.linked_from.retain(|&id| id != old.id());
                    version.linked_from.extend(new);
                }
                retired.push(old.id());
                continue;
            }
            let bytes = pool.bytes(old.id());
            pool.note_old(bytes as i64);
            let version = Old { since: old.timestamp(), until: timestamp, linked_from: new };
            self.held += if version.is_seen_by(self.capture) { bytes } else { 0 };
            self.old.insert(old.id(), version);
            self.queue.push_back((timestamp, old.id()));
            self.fresh += 1;
            self.bypass(pool, &guard, old, snapshots, retired);
        }
        Ok(())
    }

    /// Unlinks the version behind `leaf` if no registered snapshot can see it.
    fn bypass(&mut self, pool: &Pool, guard: &Guard, leaf: Frame<'_>, snapshots: &[u64], retired: &mut Vec<FrameId>) {
        let Some(id) = leaf.prev() else { return };
        let Some(version) = self.old.get_mut(id) else { return };
        let first = snapshots.partition_point(|&snapshot| snapshot < version.since);
        if snapshots.get(first).is_some_and(|&snapshot| snapshot < version.until) {
            return;
        }
        let older = pool.frame(id, guard).and_then(|frame| frame.prev());
        leaf.set_prev(older);
        version.linked_from.retain(|&linker| linker != leaf.id());
        let unlinked = version.linked_from.is_empty();
        if let Some(older) = older.and_then(|older| self.old.get_mut(older)) {
            older.linked_from.push(leaf.id());
            if unlinked {
                older.linked_from.retain(|&linker| linker != id);
            }
        }
        if unlinked && let Some(version) = self.old.remove(id) {
            self.let_go(pool, id, &version);
            retired.push(id);
        }
    }

    /// Lets go of versions that no snapshot at or above `watermark` can see: of more than came since the last time, but not of all that an old
    /// snapshot or a checkpoint held back at once, for which commits would have to wait. Of `many` it is a larger part.
    pub(crate) fn release_some(
        &mut self,
        pool: &Pool,
        guard: &Guard,
        watermark: u64,
        many: bool,
        retired: &mut Vec<FrameId>,
    ) {
        let most = 2 * std::mem::take(&mut self.fresh) + if many { MANY } else { SOME };
        for _ in 0..most {
            let Some(&(until, id)) = self.queue.front() else { break };
            if until > watermark {
                break;
            }
            self.queue.pop_front();
            // Missing: bypassed earlier.
            let Some(version) = self.old.remove(id) else { continue };
            for &linker in &version.linked_from {
                if let Some(frame) = pool.frame(linker, guard) {
                    frame.set_prev(None);
                }
            }
            self.let_go(pool, id, &version);
            retired.push(id);
        }
    }

    /// Whether anything is left to let go of.
    pub(crate) fn releasable(&self, watermark: u64) -> bool {
        self.queue.front().is_some_and(|&(until, _)| until <= watermark)
    }
}

/// The superseded leaves by name, in many small maps: one map of them all would move them all when it grows, and a commit would wait for that.
struct OldLeaves([HashMap<FrameId, Old, BuildHasherDefault<IdHasher>>; MAPS]);

const MAPS: usize = 64;

impl Default for OldLeaves {
    fn default() -> Self {
        Self(std::array::from_fn(|_| HashMap::default()))
    }
}

impl OldLeaves {
    #[cfg_attr(not(test), expect(clippy::indexing_slicing, reason = "a remainder"))]
    fn map(&mut self, id: FrameId) -> &mut HashMap<FrameId, Old, BuildHasherDefault<IdHasher>> {
        // Not the bits that the maps themselves go by.
        &mut self.0[id.slot() as usize % MAPS]
    }

    fn insert(&mut self, id: FrameId, version: Old) {
        self.map(id).insert(id, version);
    }

    fn get_mut(&mut self, id: FrameId) -> Option<&mut Old> {
        self.map(id).get_mut(&id)
    }

    fn remove(&mut self, id: FrameId) -> Option<Old> {
        self.map(id).remove(&id)
    }
}

/// Frame names are spread well enough by one multiplication.
#[derive(Default)]
struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(u64::from(byte));
        }
    }

    fn write_u64(&mut self, n: u64) {
        self.0 = (self.0 ^ n).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(26);
    }
}
