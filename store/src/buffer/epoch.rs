//! Epochs: when may memory that readers could still look at be used again?
//!
//! We use crossbeam-epoch, with a collector of our own. Its pin costs a few nanoseconds, it is checked by loom and Miri upstream, and
//! its participants register themselves per thread. A collector of our own (not the crate's default one) keeps other users of
//! crossbeam-epoch in the same process, who may stay pinned for as long as they like, from delaying our reclamation.

use crossbeam_epoch::{Collector, LocalHandle};
use std::sync::LazyLock;

/// A thread's stay in the current epoch. What was reachable when it began is not reused before it ends.
pub(crate) type Guard = crossbeam_epoch::Guard;

static COLLECTOR: LazyLock<Collector> = LazyLock::new(Collector::new);

thread_local! {
    static HANDLE: LocalHandle = COLLECTOR.register();
}

/// Enters the current epoch. I7: nobody waits for memory, I/O, the log or another thread while holding the guard.
pub(crate) fn pin() -> Guard {
    // While a thread is being torn down its handle is gone; a fresh registration serves the few pins made then.
    HANDLE.try_with(LocalHandle::pin).unwrap_or_else(|_| COLLECTOR.register().pin())
}
