//! Rebuilds inner nodes whose set of children changes, and grows new levels.

use super::apply::{Applier, NewPage, inconsistent, lock};
use super::node::{Body, InnerPlan, KeyList, Sizes, plan_inner};
use crate::buffer::{Building, Frame, FrameId, Locked, Swip};
use crate::error::Result;
use crate::format::ChildEntry;

/// Children `from..to` of a node give way to these pages.
pub(super) struct Splice {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) pages: Vec<NewPage>,
}

/// A child on its way from an old node to a new one.
struct Moved {
    hot: Option<FrameId>,
    entry: ChildEntry,
    dirty: bool,
}

impl Applier<'_> {
    /// Builds the pages that take the node's place; the caller has latched it. Every old swip is frozen first, so that no reader installs a page where nobody
    /// will look for it (I8): the loser of that race discards its copy and starts again.
    pub(super) fn rebuild(
        &mut self,
        frame: Frame<'_>,
        locked: Locked<'_>,
        splices: Vec<Splice>,
    ) -> Result<Vec<NewPage>> {
        let body = Body::trusted(frame.body());
        let mut children = Vec::with_capacity(frame.children() + splices.len());
        let mut separators = KeyList::default();
        let mut key = Vec::new();
        let mut splices = splices.into_iter().peekable();
        let mut i = 0;
        while i < frame.children() {
            if i > 0 {
                body.key_into(i - 1, &mut key);
                separators.push(&key);
            }
            let old = self.take_child(frame, i)?;
            match splices.next_if(|splice| splice.from == i) {
                None => {
                    children.push(old);
                    i += 1;
                }
                Some(splice) => {
                    for gone in i + 1..splice.to {
                        let gone = self.take_child(frame, gone)?;
                        self.free_image(&gone.entry);
                    }
                    place_pages(&splice, &old.entry, &mut children, &mut separators);
                    i = splice.to.max(i + 1);
                }
            }
        }
        let plan = plan(&self.pager.sizes, frame.level(), body.lower(), body.upper(), &separators);
        let pages = self.write_inner(frame.level(), &plan, &children)?;
        locked.retire();
        self.left.retired.push(frame.id());
        Ok(pages)
    }

    /// Builds the level above `pages`. The first of them has an image on disk at `entry`.
    pub(super) fn grow(&mut self, level: u8, pages: Vec<NewPage>, entry: &ChildEntry) -> Result<Vec<NewPage>> {
        let mut children = Vec::with_capacity(pages.len());
        let mut separators = KeyList::default();
        let all = Splice { from: 0, to: 0, pages };
        place_pages(&all, entry, &mut children, &mut separators);
        let plan = plan(&self.pager.sizes, level, &[], None, &separators);
        self.write_inner(level, &plan, &children)
    }

    /// Moves the children of these neighbours into the one page of `plan`.
    pub(super) fn move_children(&mut self, nodes: &[Frame<'_>], plan: &InnerPlan<'_>) -> Result<NewPage> {
        let mut children = Vec::new();
        let mut level = 0;
        for &node in nodes {
            level = node.level();
            let locked = lock(node)?;
            for i in 0..node.children() {
                children.push(self.take_child(node, i)?);
            }
            locked.retire();
            self.left.retired.push(node.id());
        }
        let pages = self.write_inner(level, plan, &children)?;
        pages.into_iter().next().ok_or_else(|| inconsistent("a join without a page"))
    }

    fn take_child(&self, frame: Frame<'_>, i: usize) -> Result<Moved> {
        let child = frame.child(i).ok_or_else(|| inconsistent("a child is missing"))?;
        let hot = match child.freeze() {
            Swip::Resident(id) => Some(id),
            _ => None,
        };
        Ok(Moved { hot, entry: child.entry(), dirty: child.dirty() })
    }

    fn write_inner(&mut self, level: u8, plan: &InnerPlan<'_>, children: &[Moved]) -> Result<Vec<NewPage>> {
        let mut pages = Vec::with_capacity(plan.pages().len());
        for (i, planned) in plan.pages().iter().enumerate() {
            let mut building = self.pager.build(level, planned.size, planned.children)?;
            plan.write(i, building.body_mut());
            let range = planned.first_child..planned.first_child + planned.children;
            fill_children(&building, children.get(range).unwrap_or_default())?;
            pages.push(NewPage { id: building.finish(), lower: plan.lower(i).to_vec() });
        }
        Ok(pages)
    }

    /// Notes that an image on disk has no owner any more.
    pub(super) fn free_image(&mut self, entry: &ChildEntry) {
        if entry.address != 0 {
            self.left.freed.push(*entry);
        }
    }
}

fn place_pages(splice: &Splice, entry: &ChildEntry, children: &mut Vec<Moved>, separators: &mut KeyList) {
    for (i, page) in splice.pages.iter().enumerate() {
        if i > 0 {
            separators.push(&page.lower);
        }
        let entry = if i == 0 { *entry } else { ChildEntry::default() };
        children.push(Moved { hot: Some(page.id), entry, dirty: true });
    }
}

fn fill_children(building: &Building<'_>, children: &[Moved]) -> Result<()> {
    for (i, moved) in children.iter().enumerate() {
        let child = building.child(i).ok_or_else(|| inconsistent("a node was planned too small"))?;
        match moved.hot {
            Some(id) => {
                child.set_entry(&moved.entry, moved.dirty);
                child.set_hot(id);
            }
            None => child.set_cold(&moved.entry),
        }
    }
    Ok(())
}

fn plan<'a>(
    sizes: &Sizes,
    level: u8,
    lower: &'a [u8],
    upper: Option<&'a [u8]>,
    separators: &'a KeyList,
) -> InnerPlan<'a> {
    plan_inner(level, lower, upper, separators, sizes, max_children(sizes))
}

/// A child costs 40 bytes beside its separator in memory and 32 on disk: this keeps full nodes near two leaves' size.
pub(super) fn max_children(sizes: &Sizes) -> usize {
    (sizes.inner / 32).max(4)
}
