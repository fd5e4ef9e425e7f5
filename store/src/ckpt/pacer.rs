//! Has the device take in a checkpoint's pages while the next ones are put together.

use super::Syncs;
use super::base::Base;
use crate::error::Result;
use crate::sync::thread::JoinHandle;
use crate::sync::{Condvar, Mutex};
use std::sync::Arc;

/// Syncs the file as often as it is asked to: beside the checkpoint, on a thread that lives as long as that writes pages. Where the
/// database has no threads, or the system gives none, the checkpoint does it itself.
pub(super) struct Pacer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    syncs: Arc<Syncs>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// A sync is asked for and has not ended.
    asked: bool,
    stop: bool,
}

impl Shared {
    fn work(&self) {
        let mut state = self.state.lock();
        loop {
            if state.asked {
                drop(state);
                let answer = Answer(self);
                // The checkpoint finds the database poisoned.
                let _ = sync(&self.syncs);
                drop(answer);
                state = self.state.lock();
            } else if state.stop {
                return;
            } else {
                self.changed.wait(&mut state);
            }
        }
    }
}

/// The end of a sync that was asked for. One that panics has poisoned the database, and the checkpoint does not wait for it.
struct Answer<'a>(&'a Shared);

impl Drop for Answer<'_> {
    fn drop(&mut self) {
        self.0.state.lock().asked = false;
        self.0.changed.notify_all();
    }
}

/// A failure poisons the database (I30): the system may have forgotten a commit's log together with the pages.
fn sync(syncs: &Syncs) -> Result<()> {
    syncs.sync("syncing a part of a checkpoint")
}

impl Pacer {
    #[expect(clippy::disallowed_methods, reason = "this is where the thread comes from")]
    pub(super) fn new(base: &Base) -> Self {
        let shared =
            Arc::new(Shared { syncs: Arc::clone(&base.syncs), state: Mutex::default(), changed: Condvar::new() });
        let work = Arc::clone(&shared);
        let start = || crate::sync::thread::Builder::new().name("tamarack-sync".into()).spawn(move || work.work()).ok();
        let thread = if base.has_threads() { start() } else { None };
        Self { shared, thread }
    }

    /// Begins a sync, when the one before has ended. One that is `late` does not wait for that: the next one is for both.
    /// Returns whether it began.
    pub(super) fn begin(&self, base: &Base, late: bool) -> Result<bool> {
        if self.thread.is_none() && late {
            return Ok(false);
        }
        let mut state = self.shared.state.lock();
        while state.asked {
            if late {
                return Ok(false);
            }
            self.shared.changed.wait(&mut state);
        }
        if self.thread.is_some() {
            state.asked = true;
            self.shared.changed.notify_all();
        } else {
            drop(state);
            sync(&base.syncs)?;
        }
        base.poison.check().map(|()| true)
    }
}

impl Drop for Pacer {
    /// Waits for the sync that runs.
    fn drop(&mut self) {
        self.shared.state.lock().stop = true;
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            // It ends by itself even if it panicked.
            let _ = thread.join();
        }
    }
}
