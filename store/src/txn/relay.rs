//! Who flushes and applies: the first who waits leads, for all who have come by then, and hands over to one of those who came later.
//!
//! Nobody is woken in vain: each waits on a condition of its own. Checked in every interleaving by `models/src/relay_model.rs`.

use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Condvar, MutexGuard};
use std::sync::Arc;

/// Where the owner of something in the queue waits.
#[derive(Default)]
pub(crate) struct Waiter {
    wake: Condvar,
    /// Whether it waits; changes under the lock that the relay lies behind.
    waits: AtomicBool,
}

impl Waiter {
    /// Waits until woken: to lead, or because all is done.
    pub(crate) fn wait<T>(&self, guard: &mut MutexGuard<'_, T>) {
        self.waits.store(true, Ordering::Relaxed);
        self.wake.wait(guard);
        self.waits.store(false, Ordering::Relaxed);
    }

    /// Wakes it, if it waits.
    pub(crate) fn wake(&self) {
        if self.waits.load(Ordering::Relaxed) {
            self.wake.notify_one();
        }
    }
}

/// Something in the queue.
pub(crate) trait Waits {
    /// Where its owner waits.
    fn waiter(&self) -> &Waiter;
}

/// What waits for a leader. It lies behind a lock.
pub(crate) struct Relay<T> {
    queue: Vec<Arc<T>>,
    leading: bool,
}

impl<T: Waits> Relay<T> {
    /// Empty, without a leader.
    pub(crate) fn new() -> Self {
        Self { queue: Vec::new(), leading: false }
    }

    /// Adds to what the next leader takes.
    pub(crate) fn push(&mut self, item: Arc<T>) {
        self.queue.push(item);
    }

    /// Whether nothing waits for a leader.
    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Whether somebody leads.
    pub(crate) fn is_led(&self) -> bool {
        self.leading
    }

    /// Becomes the leader of all that is queued, which may be nothing. `None` while somebody else leads.
    pub(crate) fn lead(&mut self) -> Option<Vec<Arc<T>>> {
        (!std::mem::replace(&mut self.leading, true)).then(|| std::mem::take(&mut self.queue))
    }

    /// The leader steps down: one of those who wait takes over, and only that one is woken.
    pub(crate) fn step_down(&mut self) {
        self.leading = false;
        if let Some(next) = self.queue.iter().find(|item| item.waiter().waits.load(Ordering::Relaxed)) {
            next.waiter().wake();
        }
    }

    /// Leads no more and tells nobody: what `step_down` must not be.
    #[cfg(loom)]
    pub(crate) fn forget(&mut self) {
        self.leading = false;
    }
}
