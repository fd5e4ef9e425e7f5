//! Applies a sorted batch of edits to a tree at one timestamp.
//!
//! Leaves are replaced by new bodies; the old ones stay behind them as versions. An inner node is changed in place (its swips are atomics)
//! until its set of children changes; then it is rebuilt once for the whole batch (`inner.rs`). There is one applier at a time, and
//! readers never wait for it (I19).

use super::inner::Splice;
use super::node::{Body, Edit, empty_leaf, plan_leaf};
use super::{MAX_LEVEL, Pager, Tree, Underfull, Versions};
use crate::buffer::{Frame, FrameId, Guard, Swip, pin};
use crate::error::{Error, Result};
use crate::format::ChildEntry;
use std::collections::VecDeque;

/// What an apply works on and leaves behind. A failed apply leaves the tree in an undefined mixture in memory: the caller poisons the
/// database, whose file is untouched by this.
pub(crate) struct Applier<'a> {
    /// Frames and pages.
    pub(crate) pager: &'a Pager,
    /// Superseded leaves.
    pub(crate) versions: &'a mut Versions,
    /// Leaves to merge later.
    pub(crate) underfull: &'a mut VecDeque<Underfull>,
    /// Commit timestamp of the batch.
    pub(crate) timestamp: u64,
    /// Registered snapshots in ascending order.
    pub(crate) snapshots: &'a [u64],
    /// Frames that nothing links to any more.
    pub(crate) retired: Vec<FrameId>,
    /// References to overflow values that were replaced or deleted.
    pub(crate) dropped: Vec<Vec<u8>>,
    /// Images on disk that no node owns any more.
    pub(crate) freed: Vec<ChildEntry>,
}

/// A node that was built and is not linked yet.
pub(super) struct NewPage {
    pub(super) id: FrameId,
    /// Its lower fence; what separates it from the page before.
    pub(super) lower: Vec<u8>,
}

pub(super) enum Outcome {
    /// The node is the same; something below it changed.
    Below,
    /// Nothing changed.
    Nothing,
    /// These take its place.
    Pages(Vec<NewPage>),
}

impl Applier<'_> {
    /// Applies `edits`, sorted by key without duplicates. Returns by how much the number of entries grew.
    pub(crate) fn apply(&mut self, tree: &Tree, edits: &[Edit<'_>]) -> Result<i64> {
        if edits.is_empty() {
            return Ok(0);
        }
        self.ensure_resident(tree, edits)?;
        let guard = pin();
        let mut grown = 0;
        let root = tree.root().child();
        let outcome = match root.swip() {
            Swip::Hot(id) => {
                let frame = self.follow(id, &guard)?;
                self.apply_node(frame, edits, &guard, &mut grown)?
            }
            _ => {
                let mut empty = Vec::new();
                empty_leaf(&mut empty);
                Outcome::Pages(self.build_leaves(Body::trusted(&empty), None, edits, &mut grown)?)
            }
        };
        self.replace_root(tree, outcome, &guard)?;
        Ok(grown)
    }

    /// Frames that the applier knows are linked: it alone unlinks them.
    pub(super) fn follow<'g>(&self, id: FrameId, guard: &'g Guard) -> Result<Frame<'g>>
    where
        Self: 'g,
    {
        let pager: &Pager = self.pager;
        pager.pool.frame(id, guard).ok_or_else(|| inconsistent("a frame was reused while it was linked"))
    }

    /// Reads every node that the batch touches, before anything is changed: no I/O while pinned (I7), and no half-applied batch when a read fails.
    fn ensure_resident(&self, tree: &Tree, edits: &[Edit<'_>]) -> Result<()> {
        let mut at = 0;
        while let Some(edit) = edits.get(at) {
            let checked = tree.resident_run(self.pager, edits.get(at..).unwrap_or_default());
            if checked == 0 {
                tree.with_leaf(self.pager, super::Target::At(edit.key()), |_, _| ())?;
                at += 1;
            } else {
                at += checked;
            }
        }
        Ok(())
    }

    fn apply_node(&mut self, frame: Frame<'_>, edits: &[Edit<'_>], guard: &Guard, grown: &mut i64) -> Result<Outcome> {
        let body = Body::trusted(frame.body());
        if frame.level() == 0 {
            let pages = self.build_leaves(body, Some(frame), edits, grown)?;
            let ids = pages.iter().map(|page| page.id).collect();
            let pool = &self.pager.pool;
            self.versions.supersede(pool, guard, frame, ids, self.timestamp, self.snapshots, &mut self.retired);
            return Ok(Outcome::Pages(pages));
        }
        let mut splices = Vec::new();
        let mut separator = Vec::new();
        let mut rest = edits;
        while let Some(first) = rest.first() {
            let i = body.child_index(first.key());
            let count = if i < body.len() {
                body.key_into(i, &mut separator);
                run_below(rest, &separator)
            } else {
                rest.len()
            };
            let (run, later) = rest.split_at(count);
            rest = later;
            let Some(Swip::Hot(id)) = frame.child(i).map(|child| child.swip()) else {
                return Err(inconsistent("a child is not resident"));
            };
            let child = self.follow(id, guard)?;
            let outcome = self.apply_node(child, run, guard, grown)?;
            if let Some(pages) = self.update_child(frame, i, outcome)? {
                splices.push(Splice { from: i, to: i + 1, pages });
            }
        }
        if splices.is_empty() { Ok(Outcome::Below) } else { self.rebuild(frame, splices).map(Outcome::Pages) }
    }

    /// Carries the outcome for child `i` into its parent; gives the pages back when the parent must be rebuilt for them.
    pub(super) fn update_child(&self, frame: Frame<'_>, i: usize, outcome: Outcome) -> Result<Option<Vec<NewPage>>> {
        let Some(child) = frame.child(i) else { return Err(inconsistent("a child is missing")) };
        match outcome {
            Outcome::Nothing => {}
            // I10: a dirty path leads from the root to every change. Setting a bit that is set would only cost a latch.
            Outcome::Below if child.dirty() => {}
            Outcome::Below => {
                let _locked = lock(frame)?;
                child.set_dirty();
            }
            Outcome::Pages(pages) => match pages.as_slice() {
                [page] => {
                    let _locked = lock(frame)?;
                    child.set_hot(page.id);
                    child.set_dirty();
                }
                _ => return Ok(Some(pages)),
            },
        }
        Ok(None)
    }

    fn build_leaves(
        &mut self,
        body: Body<'_>,
        old: Option<Frame<'_>>,
        edits: &[Edit<'_>],
        grown: &mut i64,
    ) -> Result<Vec<NewPage>> {
        let plan = plan_leaf(body, edits, &self.pager.sizes);
        *grown += plan.len_delta();
        self.dropped.extend(plan.dropped().map(<[u8]>::to_vec));
        let prev = old.and_then(|old| Versions::link_for(old, self.timestamp));
        let mut pages = Vec::with_capacity(plan.pages().len());
        for (i, planned) in plan.pages().iter().enumerate() {
            let mut building = self.pager.build(0, planned.size, 0)?;
            plan.write(i, building.body_mut());
            building.set_version(self.timestamp, prev);
            pages.push(NewPage { id: building.finish(), lower: plan.lower(i).to_vec() });
        }
        if let ([planned], [page]) = (plan.pages(), pages.as_slice())
            && planned.size < self.pager.sizes.target / 4
        {
            Underfull::note(self.underfull, 0, &page.lower);
        }
        Ok(pages)
    }

    /// Puts the outcome for the root node in place, growing the tree where it split.
    pub(super) fn replace_root(&mut self, tree: &Tree, outcome: Outcome, guard: &Guard) -> Result<()> {
        let root = tree.root().child();
        let mut pages = match outcome {
            Outcome::Nothing => return Ok(()),
            Outcome::Below => {
                root.set_dirty();
                return Ok(());
            }
            Outcome::Pages(pages) => pages,
        };
        // The leftmost page of a level stands for the node that was there before: it inherits that one's image on disk.
        let mut entry = root.entry();
        while pages.len() > 1 {
            let first = pages.first().map(|page| page.id);
            let level = match first {
                Some(id) => self.follow(id, guard)?.level() + 1,
                None => return Err(inconsistent("a level without nodes")),
            };
            if level > MAX_LEVEL {
                return Err(inconsistent("the tree is too high"));
            }
            pages = self.grow(level, pages, &entry)?;
            entry = ChildEntry::default();
        }
        let Some(page) = pages.first() else { return Err(inconsistent("a tree without a root")) };
        let _locked = tree.latch().lock().map_err(|_| inconsistent("a latch was not released"))?;
        root.set_entry(&entry, true);
        root.set_hot(page.id);
        Ok(())
    }
}

/// How many edits from the front have keys below `bound`: runs are short against the batch, so gallop.
fn run_below(edits: &[Edit<'_>], bound: &[u8]) -> usize {
    let mut high = 1;
    while edits.get(high).is_some_and(|edit| edit.key() < bound) {
        high *= 2;
    }
    let low = high / 2;
    let window = edits.get(low..edits.len().min(high + 1)).unwrap_or_default();
    low + window.partition_point(|edit| edit.key() < bound)
}

pub(super) fn lock(frame: Frame<'_>) -> Result<crate::buffer::Locked<'_>> {
    frame.latch().lock().map_err(|_| inconsistent("a latch was not released"))
}

pub(super) fn inconsistent(what: &str) -> Error {
    Error::corrupt(format!("the tree in memory is inconsistent ({what}); please report this"))
}
