//! Epochs for shuttle's schedules: what is deferred happens at the first moment when the promise allows it, so that whoever relies on more
//! than the promise is found. In place of `epoch.rs`, whose implementation is checked upstream.

#![allow(clippy::disallowed_methods, reason = "only tests run this")]

use crate::sync::atomic::{AtomicBool, Ordering, point};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::Arc;

type Task = Box<dyn FnOnce()>;

#[derive(Default)]
struct Epochs {
    next: u64,
    pinned: BTreeSet<u64>,
    /// To be done when nobody is pinned who was when it was deferred.
    deferred: Vec<(u64, Task)>,
}

// All of shuttle's threads run on one of the system's.
std::thread_local! {
    static EPOCHS: RefCell<Epochs> = RefCell::default();
}

/// A thread's stay. What was reachable when it began is not reused before it ends.
pub(crate) struct Guard(u64);

impl Guard {
    pub(crate) fn defer<R>(&self, task: impl FnOnce() -> R + 'static) {
        EPOCHS.with_borrow_mut(|epochs| {
            let now = epochs.next;
            epochs.next += 1;
            epochs.deferred.push((now, Box::new(move || drop(task()))));
        });
    }

    pub(crate) fn flush(&self) {
        settle();
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        EPOCHS.with_borrow_mut(|epochs| epochs.pinned.remove(&self.0));
        if !std::thread::panicking() {
            settle();
        }
    }
}

/// Does what may be done.
fn settle() {
    loop {
        let task = EPOCHS.with_borrow_mut(|epochs| {
            let oldest = epochs.pinned.first().copied().unwrap_or(u64::MAX);
            let at = epochs.deferred.iter().position(|(since, _)| *since < oldest)?;
            Some(epochs.deferred.swap_remove(at).1)
        });
        match task {
            Some(task) => task(),
            None => return,
        }
    }
}

/// A flag that is set once every thread that is pinned now has left.
pub(crate) fn all_have_left() -> Arc<AtomicBool> {
    let left = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&left);
    pin().defer(move || flag.store(true, Ordering::Release));
    left
}

/// In place of a check that needs the thread's own pins.
pub(crate) fn about_to_wait() {}

/// Enters the current epoch. I7: nobody waits for memory, I/O, the log or another thread while holding the guard.
pub(crate) fn pin() -> Guard {
    point();
    EPOCHS.with_borrow_mut(|epochs| {
        let id = epochs.next;
        epochs.next += 1;
        epochs.pinned.insert(id);
        Guard(id)
    })
}

/// Forgets what an execution left behind that was cut short.
pub(crate) fn reset() {
    EPOCHS.take();
}
