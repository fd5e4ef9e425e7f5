//! Gives pages, and values outside their page, another place in the file, for compaction.
//!
//! A clean page that was copied: its parent learns the place (I8, under its latch) and is dirty from then on, as is the way to it (I10). An inner
//! node: it is marked as changed, so that the next checkpoint writes it. A value: its leaf gets a new body with the new reference, of
//! the same timestamp, as what it holds is the same. The caller has the applier's turn while no capture is being written.

use super::apply::{Applier, Path, inconsistent, lock_root, mark_path};
use super::inner::Splice;
use super::node::{Body, Edit, Value, plan_leaf};
use super::{MAX_LEVEL, Pager, Tree};
use crate::blob::BLOB_REF_LEN;
use crate::buffer::{Child, Frame, Guard, OptimisticLatch, Swip, pin};
use crate::error::Result;
use crate::format::ChildEntry;

/// A value that was copied.
#[derive(Debug, Clone)]
pub(crate) struct MovedValue {
    pub(crate) key: Vec<u8>,
    /// The reference that is to be replaced.
    pub(crate) from: [u8; BLOB_REF_LEN],
    pub(crate) to: [u8; BLOB_REF_LEN],
}

/// The words above a node that need not be resident.
struct Slot<'g> {
    child: Child<'g>,
    latch: &'g OptimisticLatch,
    /// From the root to the node that holds the words.
    path: Path<'g>,
}

impl Tree {
    fn slot<'g>(&'g self, pager: &'g Pager, level: u8, key: &[u8], guard: &'g Guard) -> Option<Slot<'g>> {
        let mut slot = Slot { child: self.root().child(), latch: self.latch(), path: Vec::new() };
        for _ in 0..=MAX_LEVEL {
            let Swip::Resident(id) = slot.child.swip() else {
                // The level of a root on disk is not known: whoever looks for it compares its place.
                return slot.path.is_empty().then_some(slot);
            };
            let frame = pager.pool.frame(id, guard)?;
            if frame.level() <= level {
                return (frame.level() == level).then_some(slot);
            }
            let i = Body::trusted(frame.body()).child_index(key);
            slot.child = frame.child(i)?;
            slot.latch = frame.latch();
            slot.path.push((frame, i));
            if frame.level() == level + 1 {
                return Some(slot);
            }
        }
        None
    }

    /// The leaf that covers `lower` lies at `to` now, where it was copied from `from`. `false` if another one has taken its place, in memory
    /// or in the file.
    pub(crate) fn relocate(&self, pager: &Pager, lower: &[u8], from: &ChildEntry, to: &ChildEntry) -> Result<bool> {
        let guard = pin();
        let Some(slot) = self.slot(pager, 0, lower, &guard) else { return Ok(false) };
        let Ok(_locked) = slot.latch.lock() else { return Ok(false) };
        if slot.child.dirty() || slot.child.entry() != *from {
            return Ok(false);
        }
        if let Some((_, above)) = slot.path.split_last()
            && !mark_path(self, above)?
        {
            return Ok(false);
        }
        slot.child.relocate(to);
        Ok(true)
    }

    /// Whether the leaf that covers `lower` lies there for certain. Something else may be there by now if not.
    pub(crate) fn lies_at(&self, pager: &Pager, lower: &[u8], entry: &ChildEntry) -> bool {
        let guard = pin();
        let Some(slot) = self.slot(pager, 0, lower, &guard) else { return false };
        slot.latch.try_lock().is_ok_and(|_locked| slot.child.entry() == *entry)
    }

    /// Has the next checkpoint write the inner node at `level` that covers `lower`, if it lies at this block now and is resident.
    pub(crate) fn touch(&self, pager: &Pager, level: u8, lower: &[u8], block: u64) -> Result<bool> {
        let guard = pin();
        let Some(slot) = self.slot(pager, level, lower, &guard) else { return Ok(false) };
        let resident = matches!(slot.child.swip(), Swip::Resident(_));
        if !resident || slot.child.dirty() || slot.child.entry().address != block {
            return Ok(false);
        }
        mark_path(self, &slot.path)
    }
}

impl Applier<'_> {
    /// Puts the new references of values, which all lie in one leaf, in the place of the old ones. Returns which of them it did: not those that
    /// have changed meanwhile, and none if a snapshot needs an older version of the leaf, or it is not resident.
    pub(crate) fn replace_values(&mut self, tree: &Tree, moved: &[MovedValue], watermark: u64) -> Result<Vec<bool>> {
        let guard = pin();
        let none = vec![false; moved.len()];
        let Some(first) = moved.first() else { return Ok(none) };
        let Some((path, node)) = self.way_to(tree, &first.key, 1, &guard)? else {
            return self.replace_values_in_root(tree, moved, watermark, &guard);
        };
        let Ok(locked) = node.latch().lock() else { return Ok(none) };
        let i = Body::trusted(node.body()).child_index(&first.key);
        let child = node.child(i).ok_or_else(|| inconsistent("a child is missing"))?;
        let Swip::Resident(id) = child.swip() else { return Ok(none) };
        let leaf = self.follow(id, &guard)?;
        let (done, edits) = still_there(leaf, moved, watermark);
        if edits.is_empty() || !mark_path(tree, &path)? {
            return Ok(none);
        }
        let plan = plan_leaf(Body::trusted(leaf.body()), &edits, &self.pager.sizes);
        let leaves = self.write_leaves(&plan, leaf.timestamp())?;
        let pages = leaves.pages();
        if let [page] = pages.as_slice() {
            self.retire_leaves(node, i, &[leaf]);
            self.finish(vec![leaves]);
            child.set_hot(page.id);
            child.set_dirty();
        } else {
            let inner = self.rebuild(node, locked, vec![Splice { from: i, to: i + 1, pages }])?;
            self.replace_node(tree, node, vec![leaves, inner], &guard)?;
            self.retire_leaves(node, i, &[leaf]);
        }
        Ok(done)
    }

    fn replace_values_in_root(
        &mut self,
        tree: &Tree,
        moved: &[MovedValue],
        watermark: u64,
        guard: &Guard,
    ) -> Result<Vec<bool>> {
        let none = vec![false; moved.len()];
        let locked = lock_root(tree)?;
        let root = tree.root().child();
        let Swip::Resident(id) = root.swip() else { return Ok(none) };
        let leaf = self.follow(id, guard)?;
        if leaf.level() > 0 {
            return Ok(none);
        }
        let (done, edits) = still_there(leaf, moved, watermark);
        if edits.is_empty() {
            return Ok(none);
        }
        let plan = plan_leaf(Body::trusted(leaf.body()), &edits, &self.pager.sizes);
        let leaves = self.write_leaves(&plan, leaf.timestamp())?;
        let dirty = root.dirty();
        self.replace_root(tree, &locked, (0, leaves.pages()), vec![leaves])?;
        if dirty {
            self.pager.pool.note_dirty(-(self.pager.pool.bytes(id) as i64));
        }
        self.left.retired.push(id);
        Ok(done)
    }
}

/// Which values still have the reference that they had, and the edits for these.
fn still_there<'m>(leaf: Frame<'_>, moved: &'m [MovedValue], watermark: u64) -> (Vec<bool>, Vec<Edit<'m>>) {
    let settled = leaf.timestamp() <= watermark && leaf.prev().is_none();
    let body = Body::trusted(leaf.body());
    let same = |one: &MovedValue| {
        settled && body.find(&one.key).is_ok_and(|i| body.value(i) == Value::Overflow(one.from.as_slice()))
    };
    let done: Vec<bool> = moved.iter().map(same).collect();
    let edit = |one: &'m MovedValue| Edit::Put { key: &one.key, value: Value::Overflow(&one.to) };
    let edits = moved.iter().zip(&done).filter(|(_, done)| **done).map(|(one, _)| edit(one)).collect();
    (done, edits)
}
