//! Packs neighbouring leaves into fewer ones, for compaction.
//!
//! As a merge, this changes structure, not content: only leaves that no snapshot needs an earlier version of are touched, and the caller has
//! the applier's turn while no capture is being written. What is not resident is read before, by the caller.

use super::apply::{Applier, Path, inconsistent, mark_path};
use super::inner::{Rebuilt, Splice, max_children};
use super::node::{Body, LeafPlan, pack_leaves};
use super::{Tree, Underfull};
use crate::buffer::{Frame, Guard, Swip, pin};
use crate::error::Result;

/// Leaves next to each other below one node of level 1.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    /// The lower fence of the first.
    pub(crate) lower: Vec<u8>,
    /// How many there are.
    pub(crate) count: usize,
    /// Whether the new leaves are to leave memory first: nobody but this asked for the old ones.
    pub(crate) cool: bool,
}

/// What came of a run.
#[derive(Debug)]
pub(crate) enum Packed {
    /// So many leaves gave way to so many pages, the last of which begins at this key.
    Done { leaves: usize, pages: usize, last: Vec<u8> },
    /// It would not be worth it.
    Nothing,
    /// A snapshot needs an older version of one of them, or they are not there any more.
    Later,
}

impl<'a> Applier<'a> {
    /// Packs the leaves of a run into pages of `fill` bytes, if the lengths of the bodies then and now are `worth` it.
    pub(crate) fn pack(
        &mut self,
        tree: &Tree,
        run: &Run,
        fill: usize,
        watermark: u64,
        worth: &dyn Fn(&[usize], &[usize]) -> bool,
    ) -> Result<Packed> {
        let guard = pin();
        let Some((path, node)) = self.way_to(tree, &run.lower, 1, &guard)? else { return Ok(Packed::Later) };
        let Ok(locked) = node.latch().lock() else { return Ok(Packed::Later) };
        let body = Body::trusted(node.body());
        let from = body.child_index(&run.lower);
        let to = (from + run.count).min(node.children());
        let Some(leaves) = self.settled(node, from..to, watermark, &guard)? else { return Ok(Packed::Later) };
        let bodies: Vec<Body<'_>> = leaves.iter().map(|leaf| Body::trusted(leaf.body())).collect();
        let Some(plan) = pack_leaves(&bodies, fill) else { return Ok(Packed::Nothing) };
        let then: Vec<usize> = leaves.iter().map(|leaf| leaf.body().len()).collect();
        let now: Vec<usize> = plan.pages().iter().map(|page| page.size).collect();
        if now.len() >= then.len() || !worth(&then, &now) {
            return Ok(Packed::Nothing);
        }
        if !mark_path(tree, &path)? {
            return Ok(Packed::Later);
        }
        let timestamp = leaves.iter().map(Frame::timestamp).max().unwrap_or(0);
        let packed = self.write_leaves(&plan, timestamp)?;
        let pages = packed.pages();
        let fences: Vec<(Vec<u8>, crate::buffer::FrameId)> =
            pages.iter().map(|page| (page.lower.clone(), page.id)).collect();
        let inner = self.rebuild(node, locked, vec![Splice { from, to, pages }])?;
        self.replace_node(tree, node, vec![packed, inner], &guard)?;
        self.retire_leaves(node, from, &leaves);
        if node.children() - leaves.len() + fences.len() <= max_children(&self.pager.sizes) / 4 {
            Underfull::note(&mut self.left.underfull, node.level(), body.lower());
        }
        self.shrink_root(tree, &guard)?;
        for (lower, id) in fences.iter().filter(|_| run.cool) {
            if let Some((child, _)) = tree.owner(self.pager, 0, lower, &guard) {
                child.pass(*id);
            }
        }
        let last = fences.into_iter().next_back().map(|(lower, _)| lower).unwrap_or_default();
        Ok(Packed::Done { leaves: then.len(), pages: now.len(), last })
    }

    /// The node of a level above the leaves that covers a key, and the way to it. `None` if it is not resident, or the tree has none.
    pub(super) fn way_to<'g>(
        &self,
        tree: &'g Tree,
        key: &[u8],
        level: u8,
        guard: &'g Guard,
    ) -> Result<Option<(Path<'g>, Frame<'g>)>>
    where
        Self: 'g,
    {
        let mut path: Path<'_> = Vec::new();
        let mut child = tree.root().child();
        loop {
            let Swip::Resident(id) = child.swip() else { return Ok(None) };
            let frame = self.follow(id, guard)?;
            if frame.level() <= level {
                return Ok((frame.level() == level).then_some((path, frame)));
            }
            let i = Body::trusted(frame.body()).child_index(key);
            child = frame.child(i).ok_or_else(|| inconsistent("a child is missing"))?;
            path.push((frame, i));
        }
    }

    /// These children of a node, if all are resident and no snapshot needs an older version of one.
    fn settled<'g>(
        &self,
        node: Frame<'g>,
        children: std::ops::Range<usize>,
        watermark: u64,
        guard: &'g Guard,
    ) -> Result<Option<Vec<Frame<'g>>>>
    where
        Self: 'g,
    {
        let mut leaves = Vec::with_capacity(children.len());
        for child in children.filter_map(|i| node.child(i)) {
            let Swip::Resident(id) = child.swip() else { return Ok(None) };
            let leaf = self.follow(id, guard)?;
            if leaf.timestamp() > watermark || leaf.prev().is_some() {
                return Ok(None);
            }
            leaves.push(leaf);
        }
        Ok(Some(leaves))
    }

    /// Builds the leaves of a plan, with nothing behind them.
    pub(super) fn write_leaves<'g>(&self, plan: &LeafPlan<'_>, timestamp: u64) -> Result<Rebuilt<'a, 'g>> {
        let mut buildings = Vec::with_capacity(plan.pages().len());
        for (i, planned) in plan.pages().iter().enumerate() {
            let mut building = self.pager.build(0, planned.size, 0)?;
            plan.write(i, building.body_mut());
            building.set_version(timestamp, None);
            buildings.push((building, plan.lower(i).to_vec()));
        }
        Ok(Rebuilt::leaves(buildings))
    }

    /// Notes that these leaves, the children of `node` from `from` on, leave the tree, and that nobody needs them as versions.
    pub(super) fn retire_leaves(&mut self, node: Frame<'_>, from: usize, leaves: &[Frame<'_>]) {
        let pool = &self.pager.pool;
        for (i, leaf) in leaves.iter().enumerate() {
            if node.child(from + i).is_some_and(|child| child.dirty()) {
                pool.note_dirty(-(pool.bytes(leaf.id()) as i64));
            }
            self.left.retired.push(leaf.id());
        }
    }
}
