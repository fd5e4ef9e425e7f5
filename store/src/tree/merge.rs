//! Merges nodes that deletes have left small.
//!
//! A merge changes structure, not content, and happens only when no snapshot can need the leaves' earlier versions: both are at or below the
//! watermark and nothing is linked behind them. So it waits in a queue until then; the applier works on the queue before each batch.
//! While a checkpoint runs nothing is merged: its capture finds nodes again by their lower fences.

use super::apply::{Applier, inconsistent, lock, lock_root, mark_path};
use super::inner::{Rebuilt, Splice, max_children};
use super::node::{Body, KeyList, merge_leaves, plan_inner};
use super::{Access, Pager, Target, Tree};
use crate::buffer::{Frame, Guard, Swip, pin};
use crate::error::Result;
use crate::format::ChildEntry;

/// A node that may be merged with a neighbour.
#[derive(Debug, Clone)]
pub(crate) struct Underfull {
    /// Its tree; filled in by the caller of the applier, which knows the tree.
    pub(crate) tree: u32,
    pub(crate) level: u8,
    pub(crate) lower: Vec<u8>,
}

impl Underfull {
    /// At most this many wait; the rest are found again when they are touched.
    pub(crate) const MOST: usize = 1 << 16;
    /// Until the tree is filled in.
    const UNKNOWN: u32 = u32::MAX;

    pub(super) fn note(noted: &mut Vec<Self>, level: u8, lower: &[u8]) {
        if noted.len() < Self::MOST && !noted.last().is_some_and(|last| last.level == level && last.lower == lower) {
            noted.push(Self { tree: Self::UNKNOWN, level, lower: lower.to_vec() });
        }
    }
}

impl<'a> Applier<'a> {
    /// Tries to merge one node with a neighbour. `false` if a snapshot still needs a version of one of them: try again later.
    pub(crate) fn merge(&mut self, tree: &Tree, node: &Underfull, watermark: u64) -> Result<bool> {
        // The batch that comes next may have nothing to do with this tree, and needs no merge. Nothing has changed yet: without its
        // neighbours the node stays as it is, and is found again when it is touched.
        if load_neighbours(tree, self.pager, node).is_err() {
            return Ok(true);
        }
        self.merge_loaded(tree, node, watermark)
    }

    /// The same for nodes that are resident: of others nothing becomes. Where there is no memory, nothing has changed.
    pub(crate) fn merge_loaded(&mut self, tree: &Tree, node: &Underfull, watermark: u64) -> Result<bool> {
        let guard = pin();
        let mut waits = false;
        if let Some((path, parent)) = self.way_to(tree, &node.lower, node.level + 1, &guard)? {
            // The clock leaves its children alone from here on.
            let locked = lock(parent)?;
            if let Some((left, joined)) = self.join(parent, node, watermark, &mut waits, &guard)? {
                let splice = Splice { from: left, to: left + 2, pages: joined.pages() };
                let rebuilt = self.rebuild(parent, locked, vec![splice])?;
                if !mark_path(tree, &path)? {
                    return Err(inconsistent("a node was replaced during a merge"));
                }
                let leaves = if node.level == 0 { self.pair(parent, left, &guard)? } else { None };
                self.replace_node(tree, parent, vec![joined, rebuilt], &guard)?;
                if let Some((a, b)) = leaves {
                    self.retire_leaves(parent, left, &[a, b]);
                }
                if parent.children() <= max_children(&self.pager.sizes) / 4 {
                    let lower = Body::trusted(parent.body()).lower();
                    Underfull::note(&mut self.left.underfull, parent.level(), lower);
                }
            }
        }
        self.shrink_root(tree, &guard)?;
        Ok(!waits)
    }

    /// Builds what is to take the place of the node and of a neighbour, and says which child the left one of them is.
    fn join<'g>(
        &self,
        parent: Frame<'g>,
        node: &Underfull,
        watermark: u64,
        waits: &mut bool,
        guard: &'g Guard,
    ) -> Result<Option<(usize, Rebuilt<'a, 'g>)>>
    where
        Self: 'g,
    {
        let i = Body::trusted(parent.body()).child_index(&node.lower);
        for left in [Some(i), i.checked_sub(1)].into_iter().flatten() {
            let Some((a, b)) = self.pair(parent, left, guard)? else { continue };
            let joined = if node.level > 0 {
                self.join_inner(parent, left, a, b)?
            } else if [a, b].iter().any(|leaf| leaf.timestamp() > watermark || leaf.prev().is_some()) {
                *waits = true;
                None
            } else {
                self.join_leaves(a, b)?
            };
            if let Some(joined) = joined {
                return Ok(Some((left, joined)));
            }
        }
        Ok(None)
    }

    fn pair<'g>(&self, frame: Frame<'g>, left: usize, guard: &'g Guard) -> Result<Option<(Frame<'g>, Frame<'g>)>>
    where
        Self: 'g,
    {
        let hot = |i: usize| match frame.child(i).map(|child| child.swip()) {
            Some(Swip::Resident(id)) => Some(id),
            _ => None,
        };
        match (hot(left), hot(left + 1)) {
            (Some(a), Some(b)) => Ok(Some((self.follow(a, guard)?, self.follow(b, guard)?))),
            _ => Ok(None),
        }
    }

    fn join_leaves<'g>(&self, a: Frame<'_>, b: Frame<'_>) -> Result<Option<Rebuilt<'a, 'g>>> {
        let (left, right) = (Body::trusted(a.body()), Body::trusted(b.body()));
        let Some(plan) = merge_leaves(left, right, &self.pager.sizes) else { return Ok(None) };
        if plan.pages().is_empty() {
            return Ok(None);
        }
        self.write_leaves(&plan, a.timestamp().max(b.timestamp())).map(Some)
    }

    /// Joins two inner nodes when the result fits one page with room to grow. Their children move to a node that takes both places.
    fn join_inner<'g>(
        &self,
        parent: Frame<'g>,
        left: usize,
        a: Frame<'g>,
        b: Frame<'g>,
    ) -> Result<Option<Rebuilt<'a, 'g>>> {
        let most = max_children(&self.pager.sizes);
        if a.children() + b.children() > most * 3 / 4 {
            return Ok(None);
        }
        let mut separators = KeyList::default();
        let mut key = Vec::new();
        let (left_body, right_body) = (Body::trusted(a.body()), Body::trusted(b.body()));
        for i in 0..left_body.len() {
            left_body.key_into(i, &mut key);
            separators.push(&key);
        }
        Body::trusted(parent.body()).key_into(left, &mut key);
        separators.push(&key);
        for i in 0..right_body.len() {
            right_body.key_into(i, &mut key);
            separators.push(&key);
        }
        let (lower, upper) = (left_body.lower(), right_body.upper());
        let plan = plan_inner(a.level(), lower, upper, &separators, &self.pager.sizes, most);
        if plan.pages().len() != 1 {
            return Ok(None);
        }
        self.join_children(&[a, b], &plan).map(Some)
    }

    /// Takes levels off the top that have one child only.
    pub(super) fn shrink_root(&mut self, tree: &Tree, guard: &Guard) -> Result<()> {
        loop {
            let root = tree.root().child();
            let Swip::Resident(id) = root.swip() else { return Ok(()) };
            let frame = self.follow(id, guard)?;
            if frame.level() == 0 || frame.children() != 1 {
                return Ok(());
            }
            let Some(child) = frame.child(0) else { return Err(inconsistent("a child is missing")) };
            let _locked = lock_root(tree)?;
            let locked = lock(frame)?;
            let entry = root.entry();
            self.free_image(&entry);
            match child.freeze() {
                Swip::Resident(only) => {
                    root.set_entry(&child.entry(), true);
                    root.set_hot(only);
                }
                _ => {
                    let entry: ChildEntry = child.entry();
                    root.set_cold(&entry);
                    // The directory on disk still names the old root.
                    root.set_dirty();
                }
            }
            locked.retire();
            self.left.retired.push(frame.id());
        }
    }
}

/// Reads the node and its neighbours before anything is pinned.
pub(crate) fn load_neighbours(tree: &Tree, pager: &Pager, node: &Underfull) -> Result<()> {
    let fences = tree.with_leaf(pager, Target::At(&node.lower), Access::Scan, |leaf, _| {
        let body = Body::trusted(leaf.body());
        (body.lower().to_vec(), body.upper().map(<[u8]>::to_vec))
    })?;
    let Some((lower, upper)) = fences else { return Ok(()) };
    if let Some(upper) = upper {
        tree.with_leaf(pager, Target::At(&upper), Access::Scan, |_, _| ())?;
    }
    if !lower.is_empty() {
        tree.with_leaf(pager, Target::Below(&lower), Access::Scan, |_, _| ())?;
    }
    Ok(())
}
