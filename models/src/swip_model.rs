//! One child under readers, the clock and a rebuild of its parent: no frame is lost, none is seen before it is filled (I1, I8).
//!
//! A tree of one parent and one child. The parent's place is `root`; a rebuild puts a second parent there. Frames are not used again here: that
//! they are not while somebody looks is the epoch's part, which crossbeam-epoch checks with loom itself.

use crate::latch::OptimisticLatch;
use crate::swip::{FrameId, Swip};
use crate::word::SwipWord;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use loom::thread;

const ADDRESS: u64 = 5;
/// What the page on disk holds.
const CONTENT: u32 = 77;
/// Frames that there are: each thread that reads the page takes one of its own.
const FRAMES: usize = 3;

/// What is left out, one at a time, in the mutants.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mistake {
    None,
    /// The rebuild copies the word without freezing it.
    NoFreeze,
    /// The clock neither asks for the latch nor looks whether the word is frozen.
    Blindly,
}

struct Parent {
    latch: OptimisticLatch,
    child: SwipWord,
}

impl Parent {
    fn new() -> Self {
        Self { latch: OptimisticLatch::new(), child: SwipWord::default() }
    }
}

struct World {
    parents: [Parent; 2],
    /// The parent that the tree has now.
    root: AtomicUsize,
    /// Written before a frame is installed, relaxed: whoever follows a swip must see it all the same.
    frames: [AtomicU32; FRAMES],
    /// Frames that were installed, less those that left the tree.
    owned: [AtomicUsize; FRAMES],
}

fn id(frame: usize) -> FrameId {
    FrameId::new(0, frame as u32, 1)
}

impl World {
    fn new(hot: bool) -> Self {
        let world = Self {
            parents: [Parent::new(), Parent::new()],
            root: AtomicUsize::new(0),
            frames: std::array::from_fn(|_| AtomicU32::new(0)),
            owned: std::array::from_fn(|_| AtomicUsize::new(0)),
        };
        world.parents[0].child.set_cold(ADDRESS);
        if hot {
            world.fill(0);
            world.owned[0].store(1, Ordering::Relaxed);
            world.parents[0].child.set_hot(id(0));
        }
        world
    }

    fn fill(&self, frame: usize) {
        self.frames[frame].store(CONTENT, Ordering::Relaxed);
    }

    fn parent(&self) -> &Parent {
        &self.parents[self.root.load(Ordering::Acquire)]
    }

    /// A reader: follows the swip, or reads the page into its own frame and installs it.
    fn read(&self, own: usize) {
        for _ in 0..3 {
            match self.parent().child.follow() {
                Swip::Resident(found) => {
                    let frame = (0..FRAMES).find(|&frame| id(frame) == found).expect("a frame that there is");
                    assert_eq!(self.frames[frame].load(Ordering::Relaxed), CONTENT);
                    return;
                }
                Swip::Cold { frozen: true, .. } => {}
                Swip::Cold { address, .. } => {
                    self.fill(own);
                    self.owned[own].fetch_add(1, Ordering::Relaxed);
                    // Descends again: the parent may be another one by now.
                    if self.parent().child.install(address, id(own), false) {
                        return;
                    }
                    self.owned[own].fetch_sub(1, Ordering::Relaxed);
                    return;
                }
                Swip::Empty => unreachable!("the child is somewhere"),
            }
            loom::thread::yield_now();
        }
    }

    /// The clock passes twice: cools, then evicts.
    fn clock(&self, mistake: Mistake) {
        for _ in 0..2 {
            let parent = self.parent();
            let Swip::Resident(found) = parent.child.read() else { return };
            if !parent.child.pass(found) {
                continue;
            }
            let evicted = if mistake == Mistake::Blindly {
                parent.child.set_cold(ADDRESS);
                true
            } else {
                let Ok(_locked) = parent.latch.try_lock() else { return };
                parent.child.evict(found, ADDRESS)
            };
            if evicted {
                let frame = (0..FRAMES).find(|&frame| id(frame) == found).expect("a frame that there is");
                self.owned[frame].fetch_sub(1, Ordering::Relaxed);
            }
        }
    }

    /// The applier rebuilds the parent.
    fn rebuild(&self, mistake: Mistake) {
        let (old, new) = (&self.parents[0], &self.parents[1]);
        let Ok(locked) = old.latch.lock() else { unreachable!("nobody else rebuilds") };
        let child = if mistake == Mistake::NoFreeze { old.child.read() } else { old.child.freeze() };
        match child {
            Swip::Resident(found) => new.child.set_hot(found),
            _ => new.child.set_cold(ADDRESS),
        }
        self.root.store(1, Ordering::Release);
        locked.retire();
    }

    /// I1: a frame is owned if, and only if, the tree leads to it.
    fn check(&self) {
        let owner = match self.parent().child.read() {
            Swip::Resident(found) => (0..FRAMES).find(|&frame| id(frame) == found),
            Swip::Cold { frozen, .. } => {
                assert!(!frozen);
                None
            }
            Swip::Empty => unreachable!(),
        };
        for frame in 0..FRAMES {
            let owned = self.owned[frame].load(Ordering::Relaxed);
            assert!(
                owned <= usize::from(owner == Some(frame)),
                "frame {frame} is lost: owned, and the tree does not lead to it"
            );
            assert_eq!(owned, usize::from(owner == Some(frame)), "the tree leads to frame {frame}, which nobody owns");
        }
    }
}

fn run(hot: bool, mistake: Mistake) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(move || {
        let world = Arc::new(World::new(hot));
        let threads = [
            thread::spawn({
                let world = Arc::clone(&world);
                move || world.read(1)
            }),
            thread::spawn({
                let world = Arc::clone(&world);
                move || world.clock(mistake)
            }),
            thread::spawn({
                let world = Arc::clone(&world);
                move || world.rebuild(mistake)
            }),
        ];
        for thread in threads {
            thread.join().unwrap();
        }
        world.check();
    });
}

#[test]
fn i1_reader_clock_and_rebuild_of_a_resident_child() {
    run(true, Mistake::None);
}

#[test]
fn i1_reader_clock_and_rebuild_of_a_cold_child() {
    run(false, Mistake::None);
}

#[test]
#[should_panic(expected = "is lost: owned, and the tree does not lead to it")]
fn i8_without_the_freeze_a_frame_is_lost() {
    run(false, Mistake::NoFreeze);
}

#[test]
#[should_panic(expected = "which nobody owns")]
fn i8_a_clock_that_ignores_frozen_words_evicts_what_a_rebuild_has_copied() {
    run(true, Mistake::Blindly);
}
