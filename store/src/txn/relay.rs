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

    /// Whether its leader waits for the device, and others do well to share that.
    fn wants_company(&self) -> bool;
}

/// What waits for a leader. It lies behind a lock.
pub(crate) struct Relay<T> {
    queue: Vec<Arc<T>>,
    /// Whether somebody leads, or leadership was passed to somebody who has not woken yet.
    leading: bool,
    heir: Option<Arc<T>>,
}

impl<T: Waits> Relay<T> {
    /// Empty, without a leader.
    pub(crate) fn new() -> Self {
        Self { queue: Vec::new(), leading: false, heir: None }
    }

    /// Adds to what the next leader takes.
    pub(crate) fn push(&mut self, item: Arc<T>) {
        self.queue.push(item);
    }

    /// How many wait for a leader.
    pub(crate) fn len(&self) -> usize {
        self.queue.len()
    }

    /// Whether there is something to lead, and nobody to do it.
    pub(crate) fn wants_leader(&self) -> bool {
        !self.leading && !self.queue.is_empty()
    }

    /// Becomes the leader of all that is queued. `None` if somebody else is or if nothing is queued: whoever has something in the queue, which
    /// is `mine`, waits then.
    pub(crate) fn lead(&mut self, mine: Option<&T>) -> Option<Vec<Arc<T>>> {
        let inherited = self.heir.take_if(|heir| mine.is_some_and(|mine| std::ptr::eq(&raw const **heir, mine)));
        if inherited.is_none() && !self.wants_leader() {
            return None;
        }
        self.leading = true;
        Some(std::mem::take(&mut self.queue))
    }

    /// The leader steps down: one of those who wait takes over, and only that one is woken. Whoever comes before it wakes leads instead, unless
    /// there is a flush to share.
    pub(crate) fn step_down(&mut self) {
        self.leading = false;
        let Some(next) = self.queue.iter().find(|item| item.waiter().waits.load(Ordering::Relaxed)) else { return };
        next.waiter().wake();
        if self.queue.iter().any(|item| item.wants_company()) {
            self.heir = Some(Arc::clone(next));
            self.leading = true;
        }
    }

    /// Leads no more and tells nobody: what `step_down` must not be.
    #[cfg(loom)]
    pub(crate) fn forget(&mut self) {
        self.leading = false;
    }
}
