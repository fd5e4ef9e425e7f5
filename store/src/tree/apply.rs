//! Applies a sorted batch of edits to a tree at one timestamp.
//!
//! Leaves are replaced by new bodies; the old ones stay behind them as versions. An inner node is changed in place (its swips are atomics)
//! until its set of children changes; then it is rebuilt (`inner.rs`). Whoever applies latches the node of level 1 that it works on, against the clock
//! and other threads of the same apply (`parallel.rs`); what lies above is read optimistically and latched only to be changed. Readers never
//! wait for it (I19).

use super::coupling::Coupled;
use super::inner::{Pending, Splice};
use super::node::{Body, Edit, empty_leaf, plan_leaf};
use super::pager::Patience;
use super::{Access, MAX_LEVEL, Pager, Superseded, Target, Tree, Underfull, Versions};
use crate::buffer::{Frame, FrameId, Guard, Locked, Swip, pin};
use crate::error::{Error, Result};
use crate::format::ChildEntry;

/// One thread's part in an apply. A failed apply leaves the tree in an undefined mixture in memory: the caller poisons the
/// database, whose file is untouched by this.
pub(crate) struct Applier<'a> {
    /// Frames and pages.
    pub(crate) pager: &'a Pager,
    /// Commit timestamp of the batch.
    pub(crate) timestamp: u64,
    /// What is to be done after it.
    pub(crate) left: Leftovers,
}

/// What an apply leaves to be done by whoever has the applier's turn.
#[derive(Default)]
pub(crate) struct Leftovers {
    /// Leaves that others took the place of, in the order of that.
    pub(crate) superseded: Vec<Superseded>,
    /// Leaves to merge later.
    pub(crate) underfull: Vec<Underfull>,
    /// Frames that nothing links to any more.
    pub(crate) retired: Vec<FrameId>,
    /// References to overflow values that were replaced or deleted.
    pub(crate) dropped: Vec<Vec<u8>>,
    /// Images on disk that no node owns any more.
    pub(crate) freed: Vec<ChildEntry>,
}

impl Leftovers {
    /// Takes over those of another thread.
    pub(super) fn append(&mut self, mut other: Self) {
        self.superseded.append(&mut other.superseded);
        self.underfull.append(&mut other.underfull);
        self.retired.append(&mut other.retired);
        self.dropped.append(&mut other.dropped);
        self.freed.append(&mut other.freed);
    }
}

/// A node that was built and is not linked yet.
pub(super) struct NewPage {
    pub(super) id: FrameId,
    /// Its lower fence; what separates it from the page before.
    pub(super) lower: Vec<u8>,
}

/// How far an apply got with the edits of one node of level 1.
enum Run {
    /// These many edits are applied.
    Applied(usize),
    /// Nothing is: a leaf of edits `at..end` is not resident.
    Absent { at: usize, end: usize },
    /// Nothing is: another thread has replaced a node on the way.
    Again,
}

/// Edits `start..end` go to child `i`, which is resident.
struct Group {
    i: usize,
    id: FrameId,
    start: usize,
    end: usize,
}

/// What holds a node's swip, latched.
enum Owner<'t, 'g> {
    Root(Locked<'t>),
    Node(Frame<'g>, usize, Locked<'g>),
    /// It is being replaced by another thread.
    Changing,
}

/// From the root to the parent of a node: each node with the number of the child that leads on.
pub(super) type Path<'g> = Vec<(Frame<'g>, usize)>;

impl<'a> Applier<'a> {
    /// An applier of the batch at `timestamp`.
    pub(crate) fn new(pager: &'a Pager, timestamp: u64) -> Self {
        Self { pager, timestamp, left: Leftovers::default() }
    }

    /// Applies `edits`, sorted by key without duplicates. Returns by how much the number of entries grew.
    ///
    /// Works on one node of level 1 at a time, under its latch, so that the clock leaves its leaves alone. What is missing is
    /// read before anything of that node is changed, unpinned and without a latch (I7).
    pub(crate) fn apply(&mut self, tree: &Tree, edits: &[Edit<'_>]) -> Result<i64> {
        /// Tries with all edits of a node; after these with one leaf at a time, in case that memory is too small to hold them at once.
        const TRIES: usize = 4;
        let mut grown = 0;
        let mut rest = edits;
        let mut tries = 0;
        let mut patience = Patience::default();
        while !rest.is_empty() {
            let most = if tries < TRIES { rest.len() } else { 1 };
            let run = {
                let guard = pin();
                self.apply_run(tree, rest.get(..most).unwrap_or_default(), &guard, &mut grown)?
            };
            match run {
                Run::Applied(done) => {
                    rest = rest.get(done..).unwrap_or_default();
                    tries = 0;
                }
                Run::Absent { at, end } => {
                    tries += 1;
                    self.load(tree, rest.get(at..end).unwrap_or_default())?;
                }
                Run::Again => patience.wait(self.pager)?,
            }
        }
        Ok(grown)
    }

    /// Frames that the applier knows are linked: it alone unlinks them, but for what the clock may evict.
    pub(super) fn follow<'g>(&self, id: FrameId, guard: &'g Guard) -> Result<Frame<'g>>
    where
        Self: 'g,
    {
        let pager: &Pager = self.pager;
        pager.pool.frame(id, guard).ok_or_else(|| inconsistent("a frame was reused while it was linked"))
    }

    /// Reads the leaves of these edits.
    fn load(&self, tree: &Tree, edits: &[Edit<'_>]) -> Result<()> {
        let mut rest = edits;
        while let Some(first) = rest.first() {
            let upper = tree.with_leaf(self.pager, Target::At(first.key()), Access::Get, |leaf, _| {
                Body::trusted(leaf.body()).upper().map(<[u8]>::to_vec)
            })?;
            let Some(upper) = upper.flatten() else { break };
            rest = rest.get(run_below(rest, &upper)..).unwrap_or_default();
        }
        Ok(())
    }

    /// Applies the edits at the front that belong to one node of level 1.
    fn apply_run(&mut self, tree: &Tree, edits: &[Edit<'_>], guard: &Guard, grown: &mut i64) -> Result<Run> {
        let Some(first) = edits.first() else { return Ok(Run::Applied(0)) };
        let pager = self.pager;
        let mut coupled = Coupled::new(pager);
        let mut path: Path<'_> = Vec::new();
        let mut child = tree.root().child();
        loop {
            let frame = match child.follow() {
                Swip::Resident(id) => self.follow(id, guard)?,
                Swip::Empty => return self.apply_root(tree, edits, guard, grown),
                Swip::Cold { .. } => return Ok(Run::Absent { at: 0, end: 1 }),
            };
            match frame.level() {
                0 => return self.apply_root(tree, edits, guard, grown),
                1 => {
                    coupled.keep(frame.id());
                    return self.apply_below(tree, &path, frame, edits, guard, grown);
                }
                _ => {
                    coupled.pass(frame.id());
                    let i = Body::trusted(frame.body()).child_index(first.key());
                    child = frame.child(i).ok_or_else(|| inconsistent("a child is missing"))?;
                    path.push((frame, i));
                }
            }
        }
    }

    /// The tree has no node or one leaf: all edits go there.
    fn apply_root(&mut self, tree: &Tree, edits: &[Edit<'_>], guard: &Guard, grown: &mut i64) -> Result<Run> {
        // Held until the tree has its new root: the clock would take a leaf that is superseded and still linked for one that may go.
        let locked = lock_root(tree)?;
        let root = tree.root().child();
        let pages = match root.swip() {
            Swip::Resident(id) => {
                let leaf = self.follow(id, guard)?;
                let dirty = root.dirty();
                self.replace_leaf(leaf, dirty, edits, grown)?
            }
            Swip::Cold { .. } => return Ok(Run::Absent { at: 0, end: 1 }),
            Swip::Empty => {
                let mut empty = Vec::new();
                empty_leaf(&mut empty);
                self.build_leaves(Body::trusted(&empty), None, edits, grown)?
            }
        };
        self.replace_root(tree, &locked, (0, pages), Vec::new())?;
        Ok(Run::Applied(edits.len()))
    }

    /// The edits at the front that belong below `node`, which is at level 1.
    fn apply_below(
        &mut self,
        tree: &Tree,
        path: &Path<'_>,
        node: Frame<'_>,
        edits: &[Edit<'_>],
        guard: &Guard,
        grown: &mut i64,
    ) -> Result<Run> {
        let body = Body::trusted(node.body());
        let count = body.upper().map_or(edits.len(), |upper| run_below(edits, upper));
        let Ok(locked) = node.latch().lock() else { return Ok(Run::Again) };
        let groups = match group(node, body, edits.get(..count).unwrap_or_default()) {
            Ok(groups) => groups,
            Err(at) => return Ok(Run::Absent { at, end: count }),
        };
        if !mark_path(tree, path)? {
            return Ok(Run::Again);
        }
        let mut splices = Vec::new();
        let pager = self.pager;
        for Group { i, id, start, end } in groups {
            let mut coupled = Coupled::new(pager);
            coupled.keep(id);
            let leaf = self.follow(id, guard)?;
            let child = node.child(i).ok_or_else(|| inconsistent("a child is missing"))?;
            let run = edits.get(start..end).unwrap_or_default();
            let pages = self.replace_leaf(leaf, child.dirty(), run, grown)?;
            match pages.as_slice() {
                [page] => {
                    child.set_hot(page.id);
                    child.set_dirty();
                }
                _ => splices.push(Splice { from: i, to: i + 1, pages }),
            }
        }
        if !splices.is_empty() {
            let rebuilt = self.rebuild(node, locked, splices)?;
            self.replace_node(tree, node, vec![rebuilt], guard)?;
        }
        Ok(Run::Applied(count))
    }

    /// Builds what takes a leaf's place, and keeps the leaf as a version.
    fn replace_leaf(
        &mut self,
        leaf: Frame<'_>,
        dirty: bool,
        edits: &[Edit<'_>],
        grown: &mut i64,
    ) -> Result<Vec<NewPage>> {
        let pages = self.build_leaves(Body::trusted(leaf.body()), Some(leaf), edits, grown)?;
        let ids = pages.iter().map(|page| page.id).collect();
        let pool = &self.pager.pool;
        if dirty {
            pool.note_dirty(-(pool.bytes(leaf.id()) as i64));
        }
        self.left.superseded.push(Superseded { old: leaf.id(), new: ids });
        Ok(pages)
    }

    /// Puts the last of `pending` in the place of `node`, which it was built for, rebuilding the nodes above as far as need be. Latches these from below
    /// and holds them to the end, as all that appliers do, so that nobody waits for whoever waits for him.
    pub(super) fn replace_node<'g>(
        &mut self,
        tree: &'g Tree,
        mut node: Frame<'g>,
        mut pending: Pending<'a, 'g>,
        guard: &'g Guard,
    ) -> Result<()>
    where
        Self: 'g,
    {
        let mut patience = Patience::default();
        loop {
            let Some((level, pages)) = pending.last().map(|top| (top.level(), top.pages())) else { return Ok(()) };
            // Looked for each time: another thread may have rebuilt what was above it.
            let (parent, i, locked) = match self.lock_owner(tree, node, guard)? {
                Owner::Root(locked) => return self.replace_root(tree, &locked, (level, pages), pending),
                Owner::Node(parent, i, locked) => (parent, i, locked),
                Owner::Changing => {
                    patience.wait(self.pager)?;
                    continue;
                }
            };
            let pager = self.pager;
            let mut coupled = Coupled::new(pager);
            coupled.keep(parent.id());
            if let [page] = pages.as_slice() {
                let child = parent.child(i).ok_or_else(|| inconsistent("a child is missing"))?;
                self.finish(pending);
                child.set_hot(page.id);
                child.set_dirty();
                return Ok(());
            }
            pending.push(self.rebuild(parent, locked, vec![Splice { from: i, to: i + 1, pages }])?);
            node = parent;
        }
    }

    /// Latches what holds the swip of `node`. Optimistic: the latch shows whether what was found is still in the tree.
    fn lock_owner<'t, 'g>(&self, tree: &'t Tree, node: Frame<'g>, guard: &'g Guard) -> Result<Owner<'t, 'g>>
    where
        Self: 'g,
    {
        let body = Body::trusted(node.body());
        let mut child = tree.root().child();
        let mut above: Option<(Frame<'g>, usize)> = None;
        for _ in 0..=MAX_LEVEL {
            let Swip::Resident(id) = child.swip() else { return Ok(Owner::Changing) };
            if id == node.id() {
                let Some((parent, i)) = above else {
                    let locked = lock_root(tree)?;
                    // Whoever had the latch may have grown the tree.
                    let still = tree.root().child().swip() == Swip::Resident(id);
                    return Ok(if still { Owner::Root(locked) } else { Owner::Changing });
                };
                return Ok(parent.latch().lock().map_or(Owner::Changing, |locked| Owner::Node(parent, i, locked)));
            }
            let frame = self.follow(id, guard)?;
            if frame.level() <= node.level() {
                return Ok(Owner::Changing);
            }
            let i = Body::trusted(frame.body()).child_index(body.lower());
            child = frame.child(i).ok_or_else(|| inconsistent("a child is missing"))?;
            above = Some((frame, i));
        }
        Err(inconsistent("the tree is too high"))
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
        self.left.dropped.extend(plan.dropped().map(<[u8]>::to_vec));
        let prev = old.and_then(|old| Versions::link_for(old, self.timestamp));
        let mut pages = Vec::with_capacity(plan.pages().len());
        for (i, planned) in plan.pages().iter().enumerate() {
            let mut building = self.pager.build(0, planned.size, 0)?;
            plan.write(i, building.body_mut());
            building.set_version(self.timestamp, prev);
            self.pager.pool.note_dirty(building.bytes() as i64);
            pages.push(NewPage { id: building.finish(), lower: plan.lower(i).to_vec() });
        }
        if let ([planned], [page]) = (plan.pages(), pages.as_slice())
            && planned.size < self.pager.sizes.leaf / 4
        {
            Underfull::note(&mut self.left.underfull, 0, &page.lower);
        }
        Ok(pages)
    }

    /// Puts these pages of a level, which may be the last of `pending`, in the root's place, growing the tree if they are many. The caller has
    /// latched the root.
    pub(super) fn replace_root<'g>(
        &mut self,
        tree: &Tree,
        _locked: &Locked<'_>,
        (mut level, mut pages): (u8, Vec<NewPage>),
        mut pending: Pending<'a, 'g>,
    ) -> Result<()> {
        let root = tree.root().child();
        // The leftmost page of a level stands for the node that was there before: it inherits that one's image on disk.
        let mut entry = root.entry();
        while pages.len() > 1 {
            level += 1;
            if level > MAX_LEVEL {
                return Err(inconsistent("the tree is too high"));
            }
            let grown = self.grow(level, pages, &entry)?;
            pages = grown.pages();
            pending.push(grown);
            entry = ChildEntry::default();
        }
        let Some(page) = pages.first() else { return Err(inconsistent("a tree without a root")) };
        self.finish(pending);
        root.set_entry(&entry, true);
        root.set_hot(page.id);
        Ok(())
    }
}

/// Which edits go to which child of a node of level 1; the number of the first edit whose leaf is not resident otherwise.
fn group(node: Frame<'_>, body: Body<'_>, edits: &[Edit<'_>]) -> Result<Vec<Group>, usize> {
    let mut groups = Vec::new();
    let mut separator = Vec::new();
    let mut start = 0;
    while let Some(first) = edits.get(start) {
        let i = body.child_index(first.key());
        let rest = edits.get(start..).unwrap_or_default();
        let count = if i < body.len() {
            body.key_into(i, &mut separator);
            run_below(rest, &separator)
        } else {
            rest.len()
        };
        match node.child(i).map(|child| child.follow()) {
            Some(Swip::Resident(id)) => groups.push(Group { i, id, start, end: start + count }),
            _ => return Err(start),
        }
        start += count;
    }
    Ok(groups)
}

/// I10: a dirty path leads from the root to every change. Setting a bit that is set would only cost a latch. `false`: a node of the path
/// was replaced, and the bit belongs into its successor. A bit that was seen set in a node is set in what replaces it, too.
///
/// Takes latches of nodes above one that the caller holds, against the order (I11). Whoever holds these waits at most for others further up: appliers
/// hold several, which they took on their way up, and all who do not have the applier's turn only try.
pub(super) fn mark_path(tree: &Tree, path: &[(Frame<'_>, usize)]) -> Result<bool> {
    for &(frame, i) in path {
        let child = frame.child(i).ok_or_else(|| inconsistent("a child is missing"))?;
        if !child.dirty() {
            let Ok(_locked) = frame.latch().lock() else { return Ok(false) };
            child.set_dirty();
        }
    }
    let root = tree.root().child();
    if !root.dirty() {
        let _locked = lock_root(tree)?;
        root.set_dirty();
    }
    Ok(true)
}

/// How many edits from the front have keys below `bound`: runs are short against the batch, so gallop.
pub(super) fn run_below(edits: &[Edit<'_>], bound: &[u8]) -> usize {
    let mut high = 1;
    while edits.get(high).is_some_and(|edit| edit.key() < bound) {
        high *= 2;
    }
    let low = high / 2;
    let window = edits.get(low..edits.len().min(high + 1)).unwrap_or_default();
    low + window.partition_point(|edit| edit.key() < bound)
}

pub(super) fn lock_root(tree: &Tree) -> Result<Locked<'_>> {
    tree.latch().lock().map_err(|_| inconsistent("a root was replaced"))
}

pub(super) fn lock(frame: Frame<'_>) -> Result<Locked<'_>> {
    frame.latch().lock().map_err(|_| inconsistent("a latch was not released"))
}

pub(super) fn inconsistent(what: &str) -> Error {
    Error::corrupt(format!("the tree in memory is inconsistent ({what}); please report this"))
}
