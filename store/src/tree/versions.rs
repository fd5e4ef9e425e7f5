//! Superseded leaves, kept while a registered snapshot may need them (I17).
//!
//! A leaf that an apply replaces at timestamp `t` stays linked behind its successors through `prev`: it is what snapshots in
//! `[its timestamp, t)` see. It goes when no such snapshot is left: in order of `t` once the watermark has reached it, or earlier when its
//! own successor is replaced and no registered snapshot lies in the interval, so that one long reader keeps at most two
//! versions of each leaf alive. Where memory is short a sweep lets go of the second, too, and finds out who keeps the rest. Links to a leaf
//! are changed before it is retired (I6). Scheme: Freitag et al., "Memory-Optimized
//! Multi-Version Concurrency Control for Disk-Based Database Systems" (VLDB 2022), here with whole leaves as versions.

use super::apply::inconsistent;
use crate::buffer::{Frame, FrameId, Guard, Pool, pin};
use crate::error::Result;
use std::collections::{BTreeMap, HashMap, VecDeque};
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
    /// How many there are.
    alive: usize,
    /// Superseded since the last release, and before it.
    fresh: usize,
    last: usize,
    pass: Pass,
    /// The snapshot of the checkpoint that is being written, and the bytes that it sees: they stay whoever else leaves.
    capture: Option<u64>,
    held: u64,
}

/// A sweep of the queue under way.
#[derive(Default)]
struct Pass {
    /// Entries that were looked at. What is kept of them has moved to the front.
    seen: usize,
    kept: usize,
    keepers: Keepers,
}

/// Bytes of versions by the oldest and the newest snapshot that sees them, of those that nobody sees who stays in any case.
#[derive(Default)]
pub(crate) struct Keepers(BTreeMap<(u64, u64), u64>);

/// The snapshots that there are, ascending.
pub(crate) struct Needed {
    pub(crate) all: Vec<u64>,
    /// Those that cannot be cancelled.
    pub(crate) lasting: Vec<u64>,
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

    /// The oldest and the newest of these that see it.
    fn seen_from(&self, snapshots: &[u64]) -> Option<(u64, u64)> {
        let first = snapshots.partition_point(|&snapshot| snapshot < self.since);
        let end = snapshots.partition_point(|&snapshot| snapshot < self.until);
        let seen = snapshots.get(first..end)?;
        Some((*seen.first()?, *seen.last()?))
    }
}

impl Keepers {
    /// Which snapshots to cancel, from the oldest on, so that these bytes go. Who keeps none of them is left alone.
    pub(crate) fn choose(mut self, snapshots: &[u64], mut bytes: u64) -> Vec<u64> {
        let mut chosen: Vec<u64> = Vec::new();
        while bytes > 0
            && let Some(((oldest, newest), kept)) = self.0.pop_first()
        {
            // Some may have ended since.
            let first = snapshots.partition_point(|&snapshot| snapshot < oldest);
            match snapshots.get(first).copied().filter(|&snapshot| snapshot <= newest) {
                None => bytes = bytes.saturating_sub(kept),
                Some(keeper) => {
                    if chosen.last() != Some(&keeper) {
                        chosen.push(keeper);
                    }
                    *self.0.entry((keeper + 1, newest)).or_default() += kept;
                }
            }
        }
        chosen
    }
}

impl Versions {
    /// A checkpoint's snapshot begins, or ends. Between two batches, so it sees nothing that is superseded already.
    pub(crate) fn hold_for(&mut self, capture: Option<u64>) {
        (self.capture, self.held) = (capture, 0);
        // What a sweep has found is no longer so.
        let Pass { seen, kept, .. } = std::mem::take(&mut self.pass);
        self.queue.drain(kept..seen);
    }

    /// Bytes that it sees.
    pub(crate) fn held(&self) -> u64 {
        self.held
    }

    /// A version is gone.
    fn let_go(&mut self, pool: &Pool, id: FrameId, version: &Old) {
        let bytes = pool.bytes(id);
        pool.note_old(-(bytes as i64));
        self.alive = self.alive.saturating_sub(1);
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
            self.alive += 1;
            self.fresh += 1;
            self.bypass(pool, &guard, old, snapshots, retired);
        }
        Ok(())
    }

    /// Unlinks the version behind `leaf` if no registered snapshot can see it.
    fn bypass(&mut self, pool: &Pool, guard: &Guard, leaf: Frame<'_>, snapshots: &[u64], retired: &mut Vec<FrameId>) {
        let Some(id) = leaf.prev() else { return };
        let Some(version) = self.old.get_mut(id) else { return };
        if version.seen_from(snapshots).is_some() {
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
        self.last = std::mem::take(&mut self.fresh);
        let most = 2 * self.last + if many { MANY } else { SOME };
        for _ in 0..most {
            let Some(&(until, id)) = self.queue.front() else { break };
            if until > watermark {
                break;
            }
            self.queue.pop_front();
            self.pass.seen = self.pass.seen.saturating_sub(1);
            self.pass.kept = self.pass.kept.saturating_sub(1);
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

    /// How many entries a batch may have swept: faster than they come.
    pub(crate) fn portion(&self) -> usize {
        4 * self.last + MANY
    }

    /// Whether most entries of the queue stand for versions that are gone: a sweep throws them away.
    pub(crate) fn is_sparse(&self) -> bool {
        self.queue.len() > 2 * self.alive + MANY
    }

    /// Looks at up to `most` entries of the queue, from where the last call has stopped, and lets go of versions that no snapshot sees, wherever
    /// they stand between others. At the end of the queue it says who keeps the rest, and the next call begins anew.
    pub(crate) fn sweep(
        &mut self,
        pool: &Pool,
        guard: &Guard,
        needed: &Needed,
        most: &mut usize,
        retired: &mut Vec<FrameId>,
    ) -> Option<Keepers> {
        while *most > 0 {
            let Some(&entry) = self.queue.get(self.pass.seen) else {
                let pass = std::mem::take(&mut self.pass);
                self.queue.truncate(pass.kept);
                return Some(pass.keepers);
            };
            *most -= 1;
            self.pass.seen += 1;
            let id = entry.1;
            let Some(version) = self.old.get_mut(id) else { continue };
            let Some(keepers) = version.seen_from(&needed.all) else {
                self.unlink(pool, guard, id, retired);
                continue;
            };
            if version.seen_from(&needed.lasting).is_none() {
                *self.pass.keepers.0.entry(keepers).or_default() += pool.bytes(id);
            }
            if let Some(place) = self.queue.get_mut(self.pass.kept) {
                *place = entry;
            }
            self.pass.kept += 1;
        }
        None
    }

    /// Has whatever links to this version link to the one behind it.
    fn unlink(&mut self, pool: &Pool, guard: &Guard, id: FrameId, retired: &mut Vec<FrameId>) {
        let Some(mut version) = self.old.remove(id) else { return };
        let older = pool.frame(id, guard).and_then(|frame| frame.prev());
        for frame in version.linked_from.iter().filter_map(|&linker| pool.frame(linker, guard)) {
            frame.set_prev(older);
        }
        if let Some(older) = older.and_then(|older| self.old.get_mut(older)) {
            older.linked_from.retain(|&linker| linker != id);
            older.linked_from.append(&mut version.linked_from);
        }
        self.let_go(pool, id, &version);
        retired.push(id);
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
