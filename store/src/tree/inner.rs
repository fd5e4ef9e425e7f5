//! Rebuilds inner nodes whose set of children changes, and grows new levels.
//!
//! In two steps, for there may be no memory: first all that is to change is built, from the leaves up to the node that stays; then the old swips are frozen
//! and moved. A node whose swips are frozen and that nothing takes the place of would have its readers start again for ever.

use super::apply::{Applier, NewPage, inconsistent, lock};
use super::node::{Body, InnerPlan, KeyList, Sizes, plan_inner};
use crate::buffer::{Building, Child, Frame, FrameId, Locked, Swip};
use crate::error::Result;
use crate::format::ChildEntry;

/// Children `from..to` of a node give way to these pages.
pub(super) struct Splice {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) pages: Vec<NewPage>,
}

/// A child on its way from an old node to a new one.
struct Moved<'g> {
    from: From<'g>,
    entry: ChildEntry,
    dirty: bool,
}

enum From<'g> {
    /// It has been there before. Resident or not: that is known when the old swip is frozen.
    Old(Child<'g>),
    New(FrameId),
}

/// What is to take the place of nodes: built, and seen by nobody. All that may fail has been done; dropped, it changes nothing and gives its memory back.
pub(super) struct Rebuilt<'a, 'g> {
    /// The nodes that it takes the place of.
    old: Vec<(Frame<'g>, Locked<'g>)>,
    level: u8,
    buildings: Vec<(Building<'a>, Vec<u8>)>,
    /// The children of all of them, in order.
    children: Vec<Moved<'g>>,
    /// Children that have no place in them.
    left_out: Vec<Child<'g>>,
    /// Images that have no owner any more.
    gone: Vec<ChildEntry>,
}

impl<'a> Rebuilt<'a, '_> {
    pub(super) fn leaves(buildings: Vec<(Building<'a>, Vec<u8>)>) -> Self {
        Self { old: Vec::new(), level: 0, buildings, children: Vec::new(), left_out: Vec::new(), gone: Vec::new() }
    }

    pub(super) fn level(&self) -> u8 {
        self.level
    }

    pub(super) fn pages(&self) -> Vec<NewPage> {
        self.buildings.iter().map(|(page, lower)| NewPage { id: page.id(), lower: lower.clone() }).collect()
    }
}

/// From below to above: each links to the one before, and the last to nothing that readers know.
pub(super) type Pending<'a, 'g> = Vec<Rebuilt<'a, 'g>>;

impl<'a> Applier<'a> {
    /// Builds the pages that are to take the node's place; the caller has latched it, so that all but its swips stays as it is.
    pub(super) fn rebuild<'g>(
        &self,
        frame: Frame<'g>,
        locked: Locked<'g>,
        splices: Vec<Splice>,
    ) -> Result<Rebuilt<'a, 'g>> {
        let body = Body::trusted(frame.body());
        let mut children = Vec::with_capacity(frame.children() + splices.len());
        let (mut left_out, mut gone) = (Vec::new(), Vec::new());
        let mut separators = KeyList::default();
        let mut key = Vec::new();
        let mut splices = splices.into_iter().peekable();
        let mut i = 0;
        while i < frame.children() {
            if i > 0 {
                body.key_into(i - 1, &mut key);
                separators.push(&key);
            }
            let old = child_of(frame, i)?;
            match splices.next_if(|splice| splice.from == i) {
                None => {
                    children.push(Moved::old(old));
                    i += 1;
                }
                Some(splice) => {
                    left_out.push(old);
                    for i in i + 1..splice.to {
                        let child = child_of(frame, i)?;
                        gone.push(child.entry());
                        left_out.push(child);
                    }
                    place_pages(&splice, &old.entry(), &mut children, &mut separators);
                    i = splice.to.max(i + 1);
                }
            }
        }
        let plan = plan(&self.pager.sizes, frame.level(), body.lower(), body.upper(), &separators);
        let buildings = self.write_inner(frame.level(), &plan, children.len())?;
        Ok(Rebuilt { old: vec![(frame, locked)], level: frame.level(), buildings, children, left_out, gone })
    }

    /// Builds the level above `pages`. The first of them has an image on disk at `entry`.
    pub(super) fn grow<'g>(&self, level: u8, pages: Vec<NewPage>, entry: &ChildEntry) -> Result<Rebuilt<'a, 'g>> {
        let mut children = Vec::with_capacity(pages.len());
        let mut separators = KeyList::default();
        let all = Splice { from: 0, to: 0, pages };
        place_pages(&all, entry, &mut children, &mut separators);
        let plan = plan(&self.pager.sizes, level, &[], None, &separators);
        let buildings = self.write_inner(level, &plan, children.len())?;
        Ok(Rebuilt { old: Vec::new(), level, buildings, children, left_out: Vec::new(), gone: Vec::new() })
    }

    /// Builds the one page of `plan`, which is to have the children of these neighbours.
    pub(super) fn join_children<'g>(&self, nodes: &[Frame<'g>], plan: &InnerPlan<'_>) -> Result<Rebuilt<'a, 'g>> {
        let (mut old, mut children) = (Vec::new(), Vec::new());
        let mut level = 0;
        for &node in nodes {
            level = node.level();
            old.push((node, lock(node)?));
            for i in 0..node.children() {
                children.push(Moved::old(child_of(node, i)?));
            }
        }
        let buildings = self.write_inner(level, plan, children.len())?;
        Ok(Rebuilt { old, level, buildings, children, left_out: Vec::new(), gone: Vec::new() })
    }

    /// Has these take the place of the old nodes; the caller then links the last. Every old swip is frozen before it is moved, so that no
    /// reader installs a page where nobody will look for it (I8): the loser of that race discards its copy and starts again, until the new nodes are
    /// linked. So nothing may fail from here to there.
    pub(super) fn finish(&mut self, pending: Pending<'a, '_>) {
        for Rebuilt { old, level, buildings, children, left_out, gone } in pending {
            for child in left_out {
                child.freeze();
            }
            let mut children = children.into_iter();
            for (building, _) in buildings {
                for i in 0..building.children() {
                    if let (Some(child), Some(moved)) = (building.child(i), children.next()) {
                        moved.settle(child);
                    }
                }
                if level == 0 {
                    self.pager.pool.note_dirty(building.bytes() as i64);
                }
                building.finish();
            }
            for (frame, locked) in old {
                locked.retire();
                self.left.retired.push(frame.id());
            }
            gone.iter().for_each(|entry| self.free_image(entry));
        }
    }

    fn write_inner(&self, level: u8, plan: &InnerPlan<'_>, children: usize) -> Result<Vec<(Building<'a>, Vec<u8>)>> {
        let mut pages = Vec::with_capacity(plan.pages().len());
        let mut placed = 0;
        for (i, planned) in plan.pages().iter().enumerate() {
            let mut building = self.pager.build(level, planned.size, planned.children)?;
            plan.write(i, building.body_mut());
            pages.push((building, plan.lower(i).to_vec()));
            placed += planned.children;
        }
        if placed == children { Ok(pages) } else { Err(inconsistent("nodes were planned for other children")) }
    }

    /// Notes that an image on disk has no owner any more.
    pub(super) fn free_image(&mut self, entry: &ChildEntry) {
        if entry.address != 0 {
            self.left.freed.push(*entry);
        }
    }
}

impl<'g> Moved<'g> {
    fn old(child: Child<'g>) -> Self {
        Self { from: From::Old(child), entry: child.entry(), dirty: child.dirty() }
    }

    fn settle(self, child: Child<'_>) {
        let hot = match self.from {
            From::New(id) => Some(id),
            From::Old(old) => match old.freeze() {
                Swip::Resident(id) => Some(id),
                _ => None,
            },
        };
        match hot {
            Some(id) => {
                child.set_entry(&self.entry, self.dirty);
                child.set_hot(id);
            }
            None => child.set_cold(&self.entry),
        }
    }
}

fn child_of(frame: Frame<'_>, i: usize) -> Result<Child<'_>> {
    frame.child(i).ok_or_else(|| inconsistent("a child is missing"))
}

fn place_pages(splice: &Splice, entry: &ChildEntry, children: &mut Vec<Moved<'_>>, separators: &mut KeyList) {
    for (i, page) in splice.pages.iter().enumerate() {
        if i > 0 {
            separators.push(&page.lower);
        }
        let entry = if i == 0 { *entry } else { ChildEntry::default() };
        children.push(Moved { from: From::New(page.id), entry, dirty: true });
    }
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
