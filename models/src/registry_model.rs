//! Snapshots register without a lock, and nothing that one of them can see is dropped (I17).
//!
//! A leaf was replaced at timestamp 6; its version for snapshots up to 5 stays as long as one may need it.

use crate::registry::{Registry, Seen};
use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, Ordering};
use loom::thread;

/// What is left out, one at a time, in the mutants.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mistake {
    None,
    /// The applier looks for snapshots before it publishes.
    LooksTooEarly,
    /// It drops what a cancelled snapshot sees before it marks that one.
    MarksTooLate,
}

struct World {
    registry: Registry,
    /// Whether the version for snapshots up to 5 is still there.
    kept: AtomicBool,
}

impl World {
    fn read(&self) {
        let registered = self.registry.register().unwrap();
        let kept = self.kept.load(Ordering::Acquire);
        let cancelled = Seen::new(&self.registry, &registered).check().is_err();
        assert!(registered.snapshot > 5 || kept || cancelled, "a snapshot lost what it sees");
        self.registry.release(&registered);
    }

    fn apply(&self, mistake: Mistake, cancels: bool) {
        let early = self.registry.scan();
        self.registry.publish(6);
        let snapshots = if mistake == Mistake::LooksTooEarly { early } else { self.registry.scan() };
        let needed = snapshots.first().is_some_and(|&oldest| oldest < 6);
        if needed && cancels {
            if mistake == Mistake::MarksTooLate {
                self.kept.store(false, Ordering::Release);
                self.registry.cancel_oldest(|_| false);
            } else {
                self.registry.cancel_oldest(|_| false);
                if self.registry.watermark() >= 6 {
                    self.kept.store(false, Ordering::Release);
                }
            }
        } else if !needed {
            self.kept.store(false, Ordering::Release);
        }
    }
}

fn readers_and_applier(mistake: Mistake, cancels: bool) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(move || {
        let world = Arc::new(World { registry: Registry::new(5), kept: AtomicBool::new(true) });
        // The slots are there from here on.
        let first = world.registry.register().unwrap();
        world.registry.release(&first);
        let readers: Vec<_> = (0..2)
            .map(|_| {
                let world = Arc::clone(&world);
                thread::spawn(move || world.read())
            })
            .collect();
        world.apply(mistake, cancels);
        readers.into_iter().for_each(|reader| reader.join().unwrap());
    });
}

#[test]
fn what_a_snapshot_sees_is_kept() {
    readers_and_applier(Mistake::None, false);
}

#[test]
fn what_is_dropped_is_told() {
    readers_and_applier(Mistake::None, true);
}

#[test]
#[should_panic(expected = "a snapshot lost what it sees")]
fn mutant_that_looks_too_early() {
    readers_and_applier(Mistake::LooksTooEarly, false);
}

#[test]
#[should_panic(expected = "a snapshot lost what it sees")]
fn mutant_that_marks_too_late() {
    readers_and_applier(Mistake::MarksTooLate, true);
}
