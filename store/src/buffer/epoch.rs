//! Epochs: when may memory that readers could still look at be used again?
//!
//! We use crossbeam-epoch, with a collector of our own. Its pin costs a few nanoseconds, it is checked by loom and Miri upstream, and
//! its participants register themselves per thread. A collector of our own (not the crate's default one) keeps other users of
//! crossbeam-epoch in the same process, who may stay pinned for as long as they like, from delaying our reclamation.

use crate::sync::atomic::{AtomicBool, Ordering};
use crossbeam_epoch::{Collector, LocalHandle};
use std::sync::{Arc, LazyLock};

/// A thread's stay in the current epoch. What was reachable when it began is not reused before it ends.
pub(crate) type Guard = crossbeam_epoch::Guard;

static COLLECTOR: LazyLock<Collector> = LazyLock::new(Collector::new);

thread_local! {
    static HANDLE: LocalHandle = COLLECTOR.register();
}

/// A flag that is set once every thread that is pinned now has left.
pub(crate) fn all_have_left() -> Arc<AtomicBool> {
    let left = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&left);
    let guard = pin();
    guard.defer(move || flag.store(true, Ordering::Release));
    guard.flush();
    drop(guard);
    // Nobody else is pinned for longer than a descent takes, mostly. Whoever waits does not depend on it.
    for _ in 0..16 {
        if left.load(Ordering::Acquire) {
            break;
        }
        pin().flush();
    }
    left
}

/// Whoever is about to wait for I/O, the log or another thread says so here. Tests end if it is pinned (I7).
#[inline]
pub(crate) fn about_to_wait() {
    #[cfg(test)]
    assert!(!HANDLE.try_with(LocalHandle::is_pinned).unwrap_or(false), "I7: about to wait, and pinned in an epoch");
}

/// Enters the current epoch. I7: nobody waits for memory, I/O, the log or another thread while holding the guard.
pub(crate) fn pin() -> Guard {
    // While a thread is being torn down its handle is gone; a fresh registration serves the few pins made then.
    HANDLE.try_with(LocalHandle::pin).unwrap_or_else(|_| COLLECTOR.register().pin())
}
