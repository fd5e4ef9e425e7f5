//! The optimistic latch: a validated read is consistent, versions never decrease (I12), obsolete is final until the frame is used again.

use crate::latch::OptimisticLatch;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicU64, Ordering};
use loom::thread;

/// A node: two words that always change together.
struct Node {
    latch: OptimisticLatch,
    words: [AtomicU64; 2],
}

impl Node {
    fn new() -> Self {
        Self { latch: OptimisticLatch::new(), words: [AtomicU64::new(0), AtomicU64::new(0)] }
    }

    /// Adds one to both words, if nobody came in between.
    fn change(&self) -> bool {
        let Ok(version) = self.latch.read() else { return false };
        let Ok(_locked) = self.latch.upgrade(version) else { return false };
        for word in &self.words {
            word.store(word.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        }
        true
    }

    /// Reads both words; `validated`: as it should.
    fn read(&self, validated: bool) {
        let Ok(version) = self.latch.read() else { return };
        let seen = [self.words[0].load(Ordering::Relaxed), self.words[1].load(Ordering::Relaxed)];
        if !validated || self.latch.validate(version).is_ok() {
            assert_eq!(seen[0], seen[1], "a torn read was validated");
        }
    }
}

fn readers_and_writers(validated: bool) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(move || {
        let node = Arc::new(Node::new());
        let writers: Vec<_> = (0..2)
            .map(|_| {
                let node = Arc::clone(&node);
                thread::spawn(move || u64::from(node.change()))
            })
            .collect();
        let reader = thread::spawn({
            let node = Arc::clone(&node);
            move || node.read(validated)
        });
        reader.join().unwrap();
        let changes: u64 = writers.into_iter().map(|writer| writer.join().unwrap()).sum();
        assert!(changes >= 1, "two writers cannot both lose");
        assert_eq!(node.words[0].load(Ordering::Relaxed), changes, "a change was lost: two writers held the latch");
        node.read(true);
    });
}

#[test]
fn a_validated_read_is_consistent() {
    readers_and_writers(true);
}

#[test]
#[should_panic(expected = "a torn read was validated")]
fn mutant_without_validation() {
    readers_and_writers(false);
}

#[test]
fn obsolete_is_final() {
    loom::model(|| {
        let node = Arc::new(Node::new());
        let version = node.latch.read().unwrap();
        let replacer = thread::spawn({
            let node = Arc::clone(&node);
            move || {
                let Ok(version) = node.latch.read() else { return false };
                let Ok(locked) = node.latch.upgrade(version) else { return false };
                locked.retire();
                true
            }
        });
        let changed = node.change();
        let replaced = replacer.join().unwrap();
        assert!(changed || replaced);
        assert!(node.latch.validate(version).is_err(), "the version moved on");
        if replaced {
            assert!(node.latch.read().is_err() && !node.change() && node.latch.lock().is_err());
        }
    });
}
