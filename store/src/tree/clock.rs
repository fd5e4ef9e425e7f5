//! The clock: which nodes leave memory when it runs short.
//!
//! A hand goes through the trees by key, one node of level 1 after the other. A hot child becomes cool; one that is still cool when the
//! hand comes again, and that nobody needs, becomes cold. A reader that follows a cool swip makes it hot: that is the second chance, and
//! hot accesses write nothing. The parent is always at hand, so there are neither lists of frames nor links upwards.
//!
//! A leaf goes cold if it is clean, its newest commit is at or below the watermark, and no version is kept behind it (I3). So whatever is
//! on disk is what every registered snapshot sees. Clean leaves are evicted by anyone, also by readers that need room, under the latch
//! of the node above, which they only try. Inner nodes are evicted after their children, and only with the applier's turn: structure does
//! not change beside appliers. Dirty leaves are collected for a caller that writes them out (`ckpt/evict.rs`).
//!
//! Scheme: Leis et al., "LeanStore" (ICDE 2018), section 4, with the cool state in the swip.

use super::descent::{Access, Walk};
use super::node::Body;
use super::registry::thread_number;
use super::{Pager, Target, Tree};
use crate::buffer::{Building, Child, Frame, FrameId, Guard, OptimisticLatch, PinnedFrame, Swip, pin};
use crate::error::Result;
use crate::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use crate::sync::{Mutex, give_way};
use std::sync::OnceLock;

/// Steps of the hand that a reader makes at most before it reads a page.
const HELP: usize = 8;
/// After a fruitless try so many readers do not try.
const SKIP: u32 = 32;
/// What a reader frees at most, in bytes: more than it needs, so that not all readers help all the time.
const HELP_BYTES: u64 = 64 << 10;
/// Bytes of frames on their way out that are too few to wait for.
const LITTLE_LIMBO: u64 = 2 << 20;
/// How often a reader gives its core away before it reads a page while too many frames are on their way out.
const LIMBO_YIELDS: usize = 16;

/// The hand, and what happened.
#[derive(Default)]
pub(crate) struct Clock {
    hand: Mutex<Hand>,
    pub(crate) counts: Counts,
    wake: OnceLock<Box<dyn Fn() + Send + Sync>>,
    awake: AtomicBool,
    /// Readers that need not try to help, as the last one found nothing to evict.
    skip: AtomicU32,
}

/// Since the file was opened.
pub(crate) struct Counts {
    /// Leaves looked at by reads, one counter for a few threads each, so that readers share no memory that they write.
    visits: [Visits; SHARDS],
    /// Pages read from the file.
    pub(crate) reads: AtomicU64,
    /// Nodes that became cold.
    pub(crate) evictions: AtomicU64,
    /// Dirty leaves that were written to make them evictable.
    pub(crate) written: AtomicU64,
}

const SHARDS: usize = 64;

#[derive(Default)]
#[repr(align(64))]
struct Visits(AtomicU64);

impl Default for Counts {
    fn default() -> Self {
        Self {
            visits: std::array::from_fn(|_| Visits::default()),
            reads: AtomicU64::new(0),
            evictions: AtomicU64::new(0),
            written: AtomicU64::new(0),
        }
    }
}

impl Counts {
    /// Counts a visit. Two threads of one counter may lose some: that is cheaper than the truth.
    #[inline]
    pub(super) fn visit(&self) {
        if let Some(Visits(count)) = self.visits.get(thread_number() % SHARDS) {
            count.store(count.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        }
    }

    /// All visits, roughly.
    pub(crate) fn visits(&self) -> u64 {
        self.visits.iter().map(|Visits(count)| count.load(Ordering::Relaxed)).sum()
    }
}

#[derive(Default)]
struct Hand {
    tree: u32,
    key: Vec<u8>,
}

/// A dirty leaf that could leave memory if it were written.
pub(crate) struct Candidate<'p> {
    pub(crate) tree: u32,
    pub(crate) frame: PinnedFrame<'p>,
}

/// What a sweep may do beside evicting clean leaves.
pub(crate) enum Sweep<'s, 'p> {
    /// Nothing.
    Clean,
    /// The caller has the applier's turn: inner nodes too, and dirty leaves are collected.
    Turn(&'s mut Vec<Candidate<'p>>),
}

/// What one step came to.
#[derive(Default)]
struct Step {
    freed: u64,
    wrapped: bool,
}

impl Clock {
    /// What to call when memory runs short. It must not wait.
    pub(crate) fn on_pressure(&self, wake: Box<dyn Fn() + Send + Sync>) {
        let _ = self.wake.set(wake);
    }

    /// Calls for help, once until it has come.
    fn call(&self) {
        if let Some(wake) = self.wake.get()
            && !self.awake.swap(true, Ordering::AcqRel)
        {
            wake();
        }
    }

    /// Whether this reader leaves it: when everything is dirty or claimed by a checkpoint, looking for more would cost each read a sweep.
    fn skips(&self) -> bool {
        let skip = self.skip.load(Ordering::Relaxed);
        if skip > 0 {
            // Two readers may count as one.
            self.skip.store(skip - 1, Ordering::Relaxed);
        }
        skip > 0
    }

    /// Help has come and gone.
    pub(crate) fn answered(&self) {
        self.awake.store(false, Ordering::Release);
    }
}

impl Pager {
    /// Bytes that should stay free for reads to come.
    pub(crate) fn spare(&self) -> u64 {
        self.pool.budget() / 50
    }

    /// Makes room before a page is read: calls for help early, and helps when it comes too late. Call it unpinned.
    pub(super) fn relieve(&self) {
        if self.pool.excess(self.spare()) == 0 {
            return;
        }
        self.clock.call();
        let wanted = self.pool.excess(self.spare() / 4).min(HELP_BYTES);
        if wanted > 0 && !self.clock.skips() && self.sweep(wanted, HELP, &mut Sweep::Clean) == 0 {
            self.clock.skip.store(SKIP, Ordering::Relaxed);
        }
        if self.pool.usage().limbo > self.spare() {
            // Helps the epoch on.
            pin().flush();
        }
        // Somebody lost its core while it was pinned. It goes on when it has it back; meanwhile this reader must not fill memory.
        for _ in 0..LIMBO_YIELDS {
            if !self.limbo_is_long() {
                break;
            }
            give_way();
            pin().flush();
        }
    }

    /// Whether frames on their way out take so much that those who fill memory should wait.
    pub(crate) fn limbo_is_long(&self) -> bool {
        self.pool.usage().limbo > self.pool.budget() / 8 + LITTLE_LIMBO
    }

    /// Counts dirty leaves that were written to make them evictable.
    pub(crate) fn note_written(&self, leaves: u64) {
        self.clock.counts.written.fetch_add(leaves, Ordering::Relaxed);
    }

    /// Counts nodes that became cold.
    pub(crate) fn note_evicted(&self, nodes: u64) {
        self.clock.counts.evictions.fetch_add(nodes, Ordering::Relaxed);
    }

    /// Moves the hand until `wanted` bytes are free, for at most `steps` nodes of level 1 and at most two rounds. Returns what was
    /// freed; 0 at once if somebody else moves it and there is still room to wait for that. Call it unpinned: a step waits for nothing,
    /// but its thread may have lost its core.
    pub(crate) fn sweep<'p>(&'p self, wanted: u64, steps: usize, sweep: &mut Sweep<'_, 'p>) -> u64 {
        let urgent = self.pool.excess(0) > self.pool.budget() / 32;
        let hand = if urgent { Some(self.clock.hand.lock()) } else { self.clock.hand.try_lock() };
        let Some(mut hand) = hand else { return 0 };
        let watermark = self.registry.watermark();
        let (mut freed, mut rounds) = (0, 0);
        for _ in 0..steps {
            let step = self.step(&mut hand, watermark, sweep);
            freed += step.freed;
            rounds += usize::from(step.wrapped);
            if freed >= wanted || rounds > 2 {
                break;
            }
        }
        freed
    }

    fn step<'p>(&'p self, hand: &mut Hand, watermark: u64, sweep: &mut Sweep<'_, 'p>) -> Step {
        let guard = pin();
        let Some(tree) = self.forest.at_or_after(hand.tree) else {
            *hand = Hand::default();
            return Step { freed: 0, wrapped: true };
        };
        if tree.id() != hand.tree {
            *hand = Hand { tree: tree.id(), key: Vec::new() };
        }
        let mut freed = 0;
        let mut upper = None;
        if tree.dropped_at().is_none() {
            match tree.walk(self, Target::At(&hand.key), 1, Access::Scan, &guard) {
                Walk::Node(frame) if frame.level() == 0 => {
                    freed = self.pass_children(tree, tree.latch(), &[tree.root().child()], watermark, sweep, &guard).0;
                }
                Walk::Node(frame) => {
                    (freed, upper) = self.pass_node(tree, frame, watermark, sweep, &guard);
                }
                Walk::Missing(place) => {
                    if let Some((parent, i)) = place.parent {
                        let body = Body::trusted(parent.body());
                        upper = upper_of(body, i);
                        if let Sweep::Turn(_) = sweep
                            && (0..parent.children()).all(|i| parent.child(i).is_none_or(|child| !is_resident(child)))
                        {
                            freed = self.evict_inner(tree, parent, &guard).unwrap_or(0);
                        }
                    }
                }
                Walk::Empty => {}
                // The applier rebuilds the node: look at it again in the next step.
                Walk::Restart => return Step::default(),
            }
        }
        match upper {
            Some(key) => hand.key = key,
            None => *hand = Hand { tree: tree.id() + 1, key: Vec::new() },
        }
        Step { freed, wrapped: false }
    }

    /// One node of level 1: its children, then perhaps itself. Returns what was freed, and the node's upper fence.
    fn pass_node<'p>(
        &'p self,
        tree: &Tree,
        node: Frame<'_>,
        watermark: u64,
        sweep: &mut Sweep<'_, 'p>,
        guard: &Guard,
    ) -> (u64, Option<Vec<u8>>) {
        let children: Vec<Child<'_>> = (0..node.children()).filter_map(|i| node.child(i)).collect();
        let (mut freed, resident) = self.pass_children(tree, node.latch(), &children, watermark, sweep, guard);
        if let (Sweep::Turn(_), 0) = (&sweep, resident) {
            freed += self.evict_inner(tree, node, guard).unwrap_or(0);
        }
        (freed, Body::trusted(node.body()).upper().map(<[u8]>::to_vec))
    }

    /// Passes these leaves, which `latch` stands over. Returns what was freed, and how many are still resident.
    fn pass_children<'p>(
        &'p self,
        tree: &Tree,
        latch: &OptimisticLatch,
        children: &[Child<'_>],
        watermark: u64,
        sweep: &mut Sweep<'_, 'p>,
        guard: &Guard,
    ) -> (u64, usize) {
        let mut resident = 0;
        let mut due: Vec<(Child<'_>, FrameId)> = Vec::new();
        for &child in children {
            let Swip::Resident(id) = child.swip() else { continue };
            resident += 1;
            if !child.pass(id) {
                continue;
            }
            let Some(leaf) = self.pool.frame(id, guard) else { continue };
            if leaf.level() > 0 || leaf.timestamp() > watermark || leaf.prev().is_some() {
                continue;
            }
            if !child.dirty() {
                due.push((child, id));
            } else if let Sweep::Turn(dirty) = sweep {
                dirty.push(Candidate { tree: tree.id(), frame: PinnedFrame::new(&self.pool, leaf) });
            }
        }
        let evicted = self.evict_leaves(latch, &due, guard);
        (evicted.iter().map(|&id| self.pool.bytes(id)).sum(), resident - evicted.len())
    }

    /// Makes clean leaves cold, if the latch over them is free. Under it their swips and dirty bits change by nobody else's hand, but for
    /// readers that warm them.
    fn evict_leaves(&self, latch: &OptimisticLatch, due: &[(Child<'_>, FrameId)], guard: &Guard) -> Vec<FrameId> {
        if due.is_empty() {
            return Vec::new();
        }
        let Ok(_locked) = latch.try_lock() else { return Vec::new() };
        let evict =
            |(child, id): &&(Child<'_>, FrameId)| !child.dirty() && child.entry().address != 0 && child.evict(*id);
        let evicted: Vec<FrameId> = due.iter().filter(evict).map(|&(_, id)| id).collect();
        self.note_evicted(evicted.len() as u64);
        self.pool.retire(evicted.clone(), guard);
        evicted
    }

    /// Makes an inner node cold that has no resident children, if it is clean and was not followed since the hand passed it. The caller
    /// has the applier's turn. Returns what was freed.
    fn evict_inner(&self, tree: &Tree, node: Frame<'_>, guard: &Guard) -> Result<u64> {
        let lower = Body::trusted(node.body()).lower();
        let Some((owner, latch)) = tree.owner(self, node.level(), lower, guard) else { return Ok(0) };
        let clean = !owner.dirty() && owner.entry().address != 0;
        if owner.swip() != Swip::Resident(node.id()) || !clean || !owner.pass(node.id()) {
            return Ok(0);
        }
        // For the case that a reader comes in between; there may be no memory for it later.
        let copy = self.build(node.level(), node.body().len(), node.children())?;
        let (Ok(_locked), Ok(inner)) = (latch.try_lock(), node.latch().try_lock()) else { return Ok(0) };
        // From here on no reader installs a page into this node (I8).
        let swips: Vec<Swip> = (0..node.children()).filter_map(|i| node.child(i)).map(|child| child.freeze()).collect();
        let empty = swips.iter().all(|swip| matches!(swip, Swip::Cold { .. }));
        let gone = empty && owner.evict(node.id());
        if !gone {
            owner.set_hot(copy_node(copy, node, &swips));
        }
        inner.retire();
        self.pool.retire(vec![node.id()], guard);
        if !gone {
            return Ok(0);
        }
        self.note_evicted(1);
        Ok(self.pool.bytes(node.id()))
    }
}

/// The same node again, with swips that are not frozen.
fn copy_node(mut copy: Building<'_>, node: Frame<'_>, swips: &[Swip]) -> FrameId {
    copy.body_mut().copy_from_slice(node.body());
    for (i, swip) in swips.iter().enumerate() {
        if let (Some(new), Some(old)) = (copy.child(i), node.child(i)) {
            new.set_entry(&old.entry(), old.dirty());
            match swip {
                Swip::Resident(id) => new.set_hot(*id),
                _ => new.set_cold(&old.entry()),
            }
        }
    }
    copy.finish()
}

fn is_resident(child: Child<'_>) -> bool {
    matches!(child.swip(), Swip::Resident(_))
}

/// Where the keys of child `i` end.
fn upper_of(body: Body<'_>, i: usize) -> Option<Vec<u8>> {
    if i < body.len() {
        let mut key = Vec::new();
        body.key_into(i, &mut key);
        Some(key)
    } else {
        body.upper().map(<[u8]>::to_vec)
    }
}
