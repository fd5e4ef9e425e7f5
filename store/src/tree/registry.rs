//! Which snapshots exist: a slot for each, and the newest published timestamp.
//!
//! A snapshot registers by writing its timestamp into a free slot and then looking again whether that is still the published one; if not,
//! it takes the newer one. The applier publishes first and scans the slots afterwards. All four accesses are sequentially consistent, so
//! either the scan sees the slot or the reader sees the newer timestamp: nothing that a registered snapshot can see is dropped (I17).
//! Nobody waits here: registration is a compare-and-swap on a slot that is almost always this thread's own cache line.

#![cfg_attr(not(test), expect(clippy::indexing_slicing, reason = "the indices are this program's own, never a file's"))]

use crate::error::{Error, ErrorKind};
use crate::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use crate::sync::in_one_order;
use std::cell::Cell;
use std::sync::OnceLock;

const FIRST: usize = if cfg!(loom) { 2 } else { 64 };
const SEGMENTS: usize = if cfg!(loom) { 1 } else { 12 };

/// Set in a slot whose snapshot may not be cancelled: a checkpoint's own.
const EXEMPT: u64 = 1 << 62;
/// Set in a slot whose snapshot was cancelled: it holds nothing back any more, and its reader gets `SnapshotTooOld`.
const CANCELLED: u64 = 1 << 63;

/// One snapshot's timestamp plus one; zero is free. On a cache line of its own.
#[derive(Default)]
#[repr(align(64))]
struct Slot(AtomicU64);

/// See the module.
pub(crate) struct Registry {
    published: AtomicU64,
    segments: [OnceLock<Box<[Slot]>>; SEGMENTS],
}

/// A registered snapshot. Give it back with [`Registry::release`].
#[derive(Debug)]
pub(crate) struct Registered {
    segment: usize,
    slot: usize,
    /// The newest commit that it sees.
    pub(crate) snapshot: u64,
}

/// There are too many snapshots at once.
#[derive(Debug)]
pub(crate) struct TooManySnapshots;

impl TooManySnapshots {
    /// How many fit.
    const MOST: usize = FIRST * ((1 << SEGMENTS) - 1);
}

impl From<TooManySnapshots> for Error {
    fn from(_: TooManySnapshots) -> Self {
        let message = format!("{} transactions are open at once; more are not possible", TooManySnapshots::MOST);
        Self::new(ErrorKind::InvalidArgument, message)
    }
}

#[cfg(not(loom))]
crate::sync::thread_local! {
    static HINT: Cell<usize> = const { Cell::new(usize::MAX) };
}

#[cfg(not(loom))]
static NEXT_HINT: AtomicUsize = AtomicUsize::new(0);

/// A number of this thread's own, as far as there are few threads; below 64.
#[cfg(not(loom))]
#[inline]
pub(super) fn thread_number() -> usize {
    HINT.with(|hint| {
        if hint.get() == usize::MAX {
            hint.set(NEXT_HINT.fetch_add(1, Ordering::Relaxed) % FIRST);
        }
        hint.get()
    })
}

/// All try the same slot first: more to go wrong.
#[cfg(loom)]
pub(super) fn thread_number() -> usize {
    0
}

impl Registry {
    /// A registry whose newest commit is `published`.
    pub(crate) fn new(published: u64) -> Self {
        Self { published: AtomicU64::new(published), segments: [const { OnceLock::new() }; SEGMENTS] }
    }

    /// The newest visible commit.
    pub(crate) fn published(&self) -> u64 {
        self.published.load(Ordering::SeqCst)
    }

    /// Makes all commits up to `timestamp` visible at once (I14).
    pub(crate) fn publish(&self, timestamp: u64) {
        self.published.store(timestamp, Ordering::SeqCst);
        in_one_order();
    }

    /// Registers a snapshot of what is published now.
    pub(crate) fn register(&self) -> Result<Registered, TooManySnapshots> {
        self.register_as(0)
    }

    /// Registers one that is never cancelled.
    pub(crate) fn register_exempt(&self) -> Result<Registered, TooManySnapshots> {
        self.register_as(EXEMPT)
    }

    fn register_as(&self, flags: u64) -> Result<Registered, TooManySnapshots> {
        let hint = thread_number();
        for segment in 0..SEGMENTS {
            let slots = self.segments[segment]
                .get_or_init(|| std::iter::repeat_with(Slot::default).take(FIRST << segment).collect());
            for i in 0..slots.len() {
                let slot = (hint + i) % slots.len();
                let mut snapshot = self.published();
                let word = &slots[slot].0;
                if word.load(Ordering::Relaxed) != 0
                    || word.compare_exchange(0, (snapshot + 1) | flags, Ordering::SeqCst, Ordering::Relaxed).is_err()
                {
                    continue;
                }
                loop {
                    in_one_order();
                    let now = self.published();
                    if now == snapshot {
                        return Ok(Registered { segment, slot, snapshot });
                    }
                    snapshot = now;
                    word.store((snapshot + 1) | flags, Ordering::SeqCst);
                }
            }
        }
        Err(TooManySnapshots)
    }

    /// Ends a snapshot.
    pub(crate) fn release(&self, registered: &Registered) {
        if let Some(slot) = self.segments[registered.segment].get().and_then(|slots| slots.get(registered.slot)) {
            slot.0.store(0, Ordering::Release);
        }
    }

    /// The registered snapshots, ascending, each once. Call it after publishing.
    pub(crate) fn scan(&self) -> Vec<u64> {
        let mut snapshots: Vec<u64> = self
            .segments
            .iter()
            .map_while(OnceLock::get)
            .flatten()
            .filter_map(|slot| active(slot.0.load(Ordering::SeqCst)))
            .collect();
        snapshots.sort_unstable();
        snapshots.dedup();
        snapshots
    }

    /// What snapshots see, ascending: those that are registered, and those that will be before the next publication. A group is applied in parts, and
    /// published as a whole.
    pub(crate) fn needed(&self) -> Vec<u64> {
        let published = self.published();
        let mut snapshots = self.scan();
        if snapshots.last() != Some(&published) {
            snapshots.push(published);
        }
        snapshots
    }

    /// Cancels the oldest snapshots, unless they are the newest there can be, or `spared`. `false` if there is none to cancel.
    ///
    /// Call it before letting go of what they see: a reader looks for the mark after it has read along versions, and so either finds what it
    /// needs or sees the mark (I16).
    pub(crate) fn cancel_oldest(&self, spared: impl Fn(u64) -> bool) -> bool {
        let published = self.published();
        let slots = || self.segments.iter().map_while(OnceLock::get).flatten();
        let oldest = slots().filter_map(|slot| {
            let word = slot.0.load(Ordering::SeqCst);
            active(word).filter(|&snapshot| word & EXEMPT == 0 && !spared(snapshot))
        });
        let Some(oldest) = oldest.min().filter(|&oldest| oldest < published) else { return false };
        for slot in slots() {
            let word = oldest + 1;
            // A slot that was given back meanwhile needs no mark.
            let _ = slot.0.compare_exchange(word, word | CANCELLED, Ordering::SeqCst, Ordering::Relaxed);
        }
        in_one_order();
        true
    }

    /// Whether a snapshot was cancelled. It means something only after the reading that it is asked for.
    pub(crate) fn is_cancelled(&self, registered: &Registered) -> bool {
        let slots = self.segments.get(registered.segment).and_then(OnceLock::get);
        let slot = slots.and_then(|slots| slots.get(registered.slot));
        slot.is_some_and(|slot| slot.0.load(Ordering::SeqCst) & CANCELLED != 0)
    }

    /// The oldest timestamp that any snapshot, present or future, can have.
    pub(crate) fn watermark(&self) -> u64 {
        let published = self.published();
        self.scan().first().map_or(published, |&oldest| oldest.min(published))
    }
}

/// The timestamp that a slot holds back.
fn active(word: u64) -> Option<u64> {
    if word & CANCELLED != 0 { None } else { (word & !EXEMPT).checked_sub(1) }
}

/// A snapshot as readers of trees see it.
#[derive(Clone, Copy)]
pub(crate) struct Seen<'a> {
    /// The newest commit that it sees.
    pub(crate) timestamp: u64,
    registry: &'a Registry,
    registered: &'a Registered,
}

impl<'a> Seen<'a> {
    /// A registered snapshot.
    pub(crate) fn new(registry: &'a Registry, registered: &'a Registered) -> Self {
        Self { timestamp: registered.snapshot, registry, registered }
    }

    /// Fails if the snapshot was cancelled: then what was just read, or not found, may be wrong.
    pub(crate) fn check(self) -> Result<(), Error> {
        if !self.registry.is_cancelled(self.registered) {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::SnapshotTooOld,
            "this transaction has read for so long that memory for what it sees ran out; begin it again, raise \
             `Options::memory`, or read with `Database::begin_long_read`",
        ))
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn watermark_is_the_oldest_snapshot() {
        let registry = Registry::new(5);
        let a = registry.register().unwrap();
        registry.publish(7);
        let b = registry.register().unwrap();
        assert_eq!((a.snapshot, b.snapshot), (5, 7));
        assert_eq!(registry.scan(), [5, 7]);
        assert_eq!(registry.watermark(), 5);
        registry.release(&a);
        assert_eq!(registry.watermark(), 7);
        registry.release(&b);
        registry.publish(9);
        assert_eq!(registry.watermark(), 9);
    }

    #[test]
    fn i16_only_old_snapshots_are_cancelled() {
        let registry = Registry::new(5);
        let (old, exempt) = (registry.register().unwrap(), registry.register_exempt().unwrap());
        let nobody = |_| false;
        assert!(!registry.cancel_oldest(nobody), "the newest snapshot costs nothing");
        registry.publish(6);
        let new = registry.register().unwrap();
        assert!(!registry.cancel_oldest(|snapshot| snapshot == 5), "it sees what the checkpoint sees");
        assert!(registry.cancel_oldest(nobody));
        assert!(registry.is_cancelled(&old) && !registry.is_cancelled(&exempt) && !registry.is_cancelled(&new));
        assert_eq!(registry.watermark(), 5, "the checkpoint's own goes on");
        assert!(!registry.cancel_oldest(nobody));
        registry.release(&exempt);
        assert_eq!(registry.watermark(), 6);
        assert!(Seen::new(&registry, &old).check().is_err() && Seen::new(&registry, &new).check().is_ok());
        registry.release(&old);
        assert_eq!(registry.scan(), [6]);
    }

    #[test]
    fn more_snapshots_than_the_first_segment_holds() {
        let registry = Registry::new(1);
        let all: Vec<_> = (0..1000).map(|_| registry.register().unwrap()).collect();
        assert_eq!(registry.scan(), [1]);
        for one in &all {
            registry.release(one);
        }
        assert!(registry.scan().is_empty());
    }
}
