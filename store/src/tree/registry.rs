//! Which snapshots exist: a slot for each, and the newest published timestamp.
//!
//! A snapshot registers by writing its timestamp into a free slot and then looking again whether that is still the published one; if not,
//! it takes the newer one. The applier publishes first and scans the slots afterwards. All four accesses are sequentially consistent, so
//! either the scan sees the slot or the reader sees the newer timestamp: nothing that a registered snapshot can see is dropped (I17).
//! Nobody waits here: registration is a compare-and-swap on a slot that is almost always this thread's own cache line.

#![cfg_attr(not(test), expect(clippy::indexing_slicing, reason = "the indices are this program's own, never a file's"))]

use crate::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::cell::Cell;
use std::sync::OnceLock;

const FIRST: usize = 64;
const SEGMENTS: usize = 12;

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
    pub(crate) const MOST: usize = FIRST * ((1 << SEGMENTS) - 1);
}

thread_local! {
    static HINT: Cell<usize> = const { Cell::new(usize::MAX) };
}

static NEXT_HINT: AtomicUsize = AtomicUsize::new(0);

fn hint() -> usize {
    HINT.with(|hint| {
        if hint.get() == usize::MAX {
            hint.set(NEXT_HINT.fetch_add(1, Ordering::Relaxed) % FIRST);
        }
        hint.get()
    })
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
    }

    /// Registers a snapshot of what is published now.
    pub(crate) fn register(&self) -> Result<Registered, TooManySnapshots> {
        let hint = hint();
        for segment in 0..SEGMENTS {
            let slots = self.segments[segment]
                .get_or_init(|| std::iter::repeat_with(Slot::default).take(FIRST << segment).collect());
            for i in 0..slots.len() {
                let slot = (hint + i) % slots.len();
                let mut snapshot = self.published();
                let word = &slots[slot].0;
                if word.load(Ordering::Relaxed) != 0
                    || word.compare_exchange(0, snapshot + 1, Ordering::SeqCst, Ordering::Relaxed).is_err()
                {
                    continue;
                }
                loop {
                    let now = self.published();
                    if now == snapshot {
                        return Ok(Registered { segment, slot, snapshot });
                    }
                    snapshot = now;
                    word.store(snapshot + 1, Ordering::SeqCst);
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
            .filter_map(|slot| slot.0.load(Ordering::SeqCst).checked_sub(1))
            .collect();
        snapshots.sort_unstable();
        snapshots.dedup();
        snapshots
    }

    /// The oldest timestamp that any snapshot, present or future, can have.
    pub(crate) fn watermark(&self) -> u64 {
        let published = self.published();
        self.scan().first().map_or(published, |&oldest| oldest.min(published))
    }
}

#[cfg(test)]
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
