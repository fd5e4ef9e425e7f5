//! From the root to the leaf that covers a key.

use super::node::Body;
use super::pager::{Pager, Patience};
use super::{MAX_LEVEL, Tree};
use crate::buffer::{Child, Frame, Guard, OptimisticLatch, Swip, pin};
use crate::error::{Error, Result};
use crate::format::ChildEntry;

/// Where a descent goes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Target<'k> {
    /// The leaf that covers this key.
    At(&'k [u8]),
    /// The leaf that covers the keys just below this one.
    Below(&'k [u8]),
    /// The last leaf.
    Last,
}

impl Target<'_> {
    /// The child of an inner node to go on with.
    fn child_of(self, frame: Frame<'_>) -> usize {
        let body = Body::trusted(frame.body());
        match self {
            Target::At(key) => body.child_index_near(key, |child, behind| frame.prefetch_swips(child, behind)),
            Target::Below(key) => {
                let child = body.child_index(key);
                // A separator that equals the key begins the child; the keys below it lie one child to the left.
                if child > 0 && separator_is(body, child - 1, key) { child - 1 } else { child }
            }
            Target::Last => body.len(),
        }
    }

    /// Asks the caches for the node that a scan comes to after child `i`, if it is in memory.
    #[inline]
    fn prefetch_next(self, pager: &Pager, parent: Frame<'_>, i: usize) {
        let next = if matches!(self, Target::At(_)) { i + 1 } else { i.wrapping_sub(1) };
        if let Some(Swip::Resident(id)) = parent.child(next).map(|child| child.swip()) {
            pager.pool.prefetch_for_scan(id);
        }
    }
}

fn separator_is(body: Body<'_>, i: usize, key: &[u8]) -> bool {
    key.strip_prefix(body.prefix()).is_some_and(|suffix| suffix == body.suffix(i))
}

/// What a reader wants a leaf for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// For its own sake: the clock should spare it.
    Get,
    /// On the way through: what a scan loads is the first to go, so that scans do not flush the working set.
    Scan,
}

/// A node to read from disk.
pub(super) struct Missing {
    entry: ChildEntry,
    /// `None` for a root, whose level only its page knows.
    level: Option<u8>,
}

/// What a node of the path is asked for.
pub(super) struct Place<'g> {
    child: Child<'g>,
    /// Level of the child.
    level: Option<u8>,
    /// Parent node; `None` above the root.
    pub(super) parent: Option<(Frame<'g>, usize)>,
}

impl Tree {
    /// From the root down to level `stop`. A [`Access::Get`] warms the swips that it follows.
    pub(super) fn walk<'g>(
        &'g self,
        pager: &'g Pager,
        target: Target<'_>,
        stop: u8,
        access: Access,
        guard: &'g Guard,
    ) -> Walk<'g> {
        let mut place = Place { child: self.root().child(), level: None, parent: None };
        for _ in 0..=MAX_LEVEL {
            let swip = if access == Access::Get { place.child.follow() } else { place.child.swip() };
            let frame = match swip {
                Swip::Resident(id) => {
                    pager.pool.prefetch(id);
                    match pager.pool.frame(id, guard) {
                        Some(frame) => frame,
                        None => return Walk::Restart,
                    }
                }
                Swip::Empty => return Walk::Empty,
                Swip::Cold { frozen: true, .. } => return Walk::Restart,
                Swip::Cold { .. } => return Walk::Missing(place),
            };
            let level = frame.level();
            if level <= stop {
                return Walk::Node(frame);
            }
            let i = target.child_of(frame);
            let Some(child) = frame.child(i) else { return Walk::Restart };
            if access == Access::Scan && level == stop + 1 {
                target.prefetch_next(pager, frame, i);
            }
            place = Place { child, level: level.checked_sub(1), parent: Some((frame, i)) };
        }
        Walk::Restart
    }

    /// The words that own the resident node at `level` with this lower fence, and the latch over them.
    pub(crate) fn owner<'g>(
        &'g self,
        pager: &'g Pager,
        level: u8,
        lower: &[u8],
        guard: &'g Guard,
    ) -> Option<(Child<'g>, &'g OptimisticLatch)> {
        let mut owner = (self.root().child(), self.latch());
        for _ in 0..=MAX_LEVEL {
            let Swip::Resident(id) = owner.0.swip() else { return None };
            let frame = pager.pool.frame(id, guard)?;
            if frame.level() <= level {
                return (frame.level() == level).then_some(owner);
            }
            owner = (frame.child(Body::trusted(frame.body()).child_index(lower))?, frame.latch());
        }
        None
    }

    /// The current leaf for `target`, reading what lies on disk; `with` runs under the epoch. `None` if the tree is empty.
    pub(crate) fn with_leaf<R>(
        &self,
        pager: &Pager,
        target: Target<'_>,
        access: Access,
        with: impl FnOnce(Frame<'_>, &Guard) -> R,
    ) -> Result<Option<R>> {
        self.with_node(pager, target, 0, access, with)
    }

    /// The same for the current node at level `stop`, or the root if that is lower.
    pub(crate) fn with_node<R>(
        &self,
        pager: &Pager,
        target: Target<'_>,
        stop: u8,
        access: Access,
        with: impl FnOnce(Frame<'_>, &Guard) -> R,
    ) -> Result<Option<R>> {
        /// More than a tree has levels. Whoever has read so many pages and not arrived makes no more room: what it calls for might evict
        /// the upper half of its way while it reads the lower.
        const POLITE: u32 = 2 * MAX_LEVEL as u32;
        let (mut patience, mut loads) = (Patience::default(), 0);
        loop {
            let missing = {
                let guard = pin();
                match self.walk(pager, target, stop, access, &guard) {
                    Walk::Node(frame) => {
                        if stop == 0 {
                            pager.clock.counts.visit();
                        }
                        return Ok(Some(with(frame, &guard)));
                    }
                    Walk::Empty => return Ok(None),
                    Walk::Missing(place) => Some(Missing { entry: place.child.entry(), level: place.level }),
                    Walk::Restart => None,
                }
            };
            match missing {
                Some(missing) => {
                    loads += 1;
                    if loads < POLITE {
                        pager.relieve();
                    }
                    self.load(pager, target, &missing, access)?;
                }
                None => patience.wait(pager)?,
            }
        }
    }

    /// Has the leaves read that these keys belong to, given in order; those that are in memory are not touched.
    pub(crate) fn fetch_leaves<'k>(&self, pager: &Pager, keys: impl Iterator<Item = &'k [u8]>) -> Result<()> {
        let mut end: Option<Vec<u8>> = None;
        for key in keys {
            if end.as_ref().is_some_and(|end| key < end.as_slice()) {
                continue;
            }
            let target = Target::At(key);
            let mut behind = end.take().unwrap_or_default();
            let seen = self.with_node(pager, target, 1, Access::Get, |node, _| {
                let i = if node.level() > 0 { target.child_of(node) } else { return (true, false) };
                let body = Body::trusted(node.body());
                let bounded = if i < body.len() {
                    body.key_into(i, &mut behind);
                    true
                } else {
                    behind.clear();
                    body.upper().map(|upper| behind.extend_from_slice(upper)).is_some()
                };
                let resident = node.child(i).is_none_or(|child| matches!(child.swip(), Swip::Resident(_)));
                (resident, bounded)
            })?;
            let Some((resident, bounded)) = seen else { return Ok(()) };
            if !resident {
                self.with_leaf(pager, target, Access::Get, |_, _| ())?;
            }
            if !bounded {
                return Ok(());
            }
            end = Some(behind);
        }
        Ok(())
    }

    /// Reads a missing node and installs it where it belongs by now.
    /// One read a page, however many want it: the others wait for it, and look again.
    pub(super) fn load(&self, pager: &Pager, target: Target<'_>, missing: &Missing, access: Access) -> Result<()> {
        let Some(_reading) = pager.reads.begin(missing.entry.address) else { return Ok(()) };
        let page = pager.read(self.id(), missing.level, &missing.entry);
        let guard = pin();
        let place = match self.walk(pager, target, 0, Access::Scan, &guard) {
            Walk::Missing(place) if place.child.entry() == missing.entry => place,
            // Somebody else installed it, or the tree changed: the caller looks again.
            _ => return Ok(()),
        };
        // An error counts as damage only now: the swip still holds that address (I32). Under the latch, as four words that say where a page
        // lies may be read while they change.
        let page = match page {
            Ok(page) => page,
            Err(error) => {
                let latch = place.parent.map_or(self.latch(), |(frame, _)| frame.latch());
                let Ok(_locked) = latch.try_lock() else { return Ok(()) };
                return if place.child.entry() == missing.entry { Err(error) } else { Ok(()) };
            }
        };
        let body = Body::trusted(page.body());
        if !fences_fit(body, place.parent.map(|(frame, i)| (Body::trusted(frame.body()), i))) {
            return Err(Error::corrupt(format!(
                "tree {}: the page at block {} is damaged: its fences are not those that its parent gives it",
                self.id(),
                missing.entry.address
            )));
        }
        let cool = access == Access::Scan && body.level() == 0;
        let id = page.finish();
        if !place.child.install(missing.entry.address, id, cool) {
            pager.pool.retire(vec![id], &guard);
        }
        Ok(())
    }
}

/// What a walk came to.
pub(super) enum Walk<'g> {
    Node(Frame<'g>),
    Empty,
    Missing(Place<'g>),
    Restart,
}

/// I9: the child's fences are the separators around it.
fn fences_fit(child: Body<'_>, parent: Option<(Body<'_>, usize)>) -> bool {
    let Some((parent, i)) = parent else { return child.lower().is_empty() && child.upper().is_none() };
    let mut key = Vec::new();
    let lower_fits = if i == 0 {
        child.lower() == parent.lower()
    } else {
        parent.key_into(i - 1, &mut key);
        child.lower() == key
    };
    let upper_fits = if i == parent.len() {
        child.upper() == parent.upper()
    } else {
        parent.key_into(i, &mut key);
        child.upper() == Some(key.as_slice())
    };
    lower_fits && upper_fits
}
