//! Whose turn it is to write alone: one exclusive writer at a time, until it is sequenced. It holds back the sequencing of all others.

use crate::error::{Error, ErrorKind, Result};
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::thread::{self, ThreadId};
use crate::sync::{Condvar, Mutex, MutexGuard};
use std::sync::Arc;
use std::time::Duration;

fn nested() -> Error {
    Error::new(
        ErrorKind::NestedTransaction,
        "this thread has a write transaction open already; a second one would wait for it for ever",
    )
}

/// Hands out turns.
pub(crate) struct WriterTurn {
    state: Mutex<State>,
    /// Writers wait here, each for one predecessor.
    free: Condvar,
    /// `close` waits here, so that a wake-up meant for a writer never goes to it.
    ended: Condvar,
    /// Whether there is a holder, for those who only look.
    held: AtomicBool,
    /// How long anybody waits.
    patience: Duration,
}

#[derive(Default)]
struct State {
    /// The thread that began the writer whose turn it is.
    holder: Option<ThreadId>,
    /// Optimistic writers that wait for its end.
    waiting: usize,
    /// Those of them that come before the next exclusive one, and have not come yet. While there are some, there is no holder.
    passing: usize,
    closed: bool,
}

/// A writer's turn. Dropping it lets the next writer begin.
pub(crate) struct Turn(Arc<WriterTurn>);

/// No exclusive writer begins before this is dropped: an optimistic one has waited for the one before.
pub(crate) struct Pass<'a>(&'a WriterTurn);

impl WriterTurn {
    /// A turn that is waited for so long at most.
    pub(crate) fn new(patience: Duration) -> Self {
        Self {
            state: Mutex::default(),
            free: Condvar::new(),
            ended: Condvar::new(),
            held: AtomicBool::new(false),
            patience,
        }
    }

    /// Whether an exclusive writer runs, or begins.
    pub(crate) fn is_held(&self) -> bool {
        self.held.load(Ordering::SeqCst)
    }

    /// Fails if this thread has an exclusive writer open.
    pub(crate) fn check_nesting(&self) -> Result<()> {
        if self.is_held() && self.state.lock().holder == Some(thread::current().id()) { Err(nested()) } else { Ok(()) }
    }

    /// Waits until no exclusive writer runs. The next one waits for all who have waited for the one before: else they might wait for ever.
    pub(crate) fn wait(&self) -> Result<Option<Pass<'_>>> {
        let mut state = self.state.lock();
        if state.holder == Some(thread::current().id()) {
            return Err(nested());
        }
        if state.holder.is_none() {
            return Ok(None);
        }
        state.waiting += 1;
        let mut slices = 0;
        while state.holder.is_some() {
            match self.pause(&self.ended, &mut state, slices) {
                Ok(waited) => slices = waited,
                Err(error) if state.holder.is_some() => {
                    state.waiting -= 1;
                    return Err(error);
                }
                // It has ended at the last moment.
                Err(_) => break,
            }
        }
        // Its `Turn` has counted this one.
        Ok(Some(Pass(self)))
    }

    /// How many optimistic writers wait.
    #[cfg(test)]
    pub(crate) fn waiting(&self) -> usize {
        self.state.lock().waiting
    }

    /// Waits for a part of the patience; fails when it is used up.
    pub(super) fn pause<T>(&self, on: &Condvar, state: &mut MutexGuard<'_, T>, slices: u32) -> Result<u32> {
        const SLICES: u32 = 64;
        crate::buffer::about_to_wait();
        if !on.wait_for(state, self.patience / SLICES).timed_out() {
            return Ok(slices);
        }
        if slices + 1 < SLICES {
            return Ok(slices + 1);
        }
        Err(Error::new(
            ErrorKind::Timeout,
            format!(
                "another write transaction has been open for {:.1?}; end it, or allow more with `Options::write_timeout`",
                self.patience
            ),
        ))
    }

    /// Waits for the turn. A thread that holds one already would wait for itself: that is an error.
    pub(crate) fn take(self: &Arc<Self>) -> Result<Turn> {
        let me = thread::current().id();
        let mut slices = 0;
        let mut state = self.state.lock();
        loop {
            if state.closed {
                return Err(Error::new(ErrorKind::Closed, "the database is closed"));
            }
            match state.holder {
                None if state.passing == 0 => {
                    state.holder = Some(me);
                    self.held.store(true, Ordering::SeqCst);
                    return Ok(Turn(Arc::clone(self)));
                }
                Some(holder) if holder == me => return Err(nested()),
                _ => slices = self.pause(&self.free, &mut state, slices)?,
            }
        }
    }

    /// Waits for the writer whose turn it is, and lets no other begin; unless that one stays for too long, and then nothing is closed.
    pub(crate) fn close(&self) -> Result<()> {
        let me = thread::current().id();
        let mut slices = 0;
        let mut state = self.state.lock();
        state.closed = true;
        while let Some(holder) = state.holder {
            if holder == me {
                state.closed = false;
                return Err(Error::new(
                    ErrorKind::NestedTransaction,
                    "this thread has a write transaction open; end it before the database is closed",
                ));
            }
            slices = self.pause(&self.ended, &mut state, slices).inspect_err(|_| state.closed = false)?;
        }
        self.free.notify_all();
        Ok(())
    }

    /// Nothing is closed after all.
    pub(crate) fn reopen(&self) {
        self.state.lock().closed = false;
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let passing = {
            let mut state = self.0.state.lock();
            state.holder = None;
            self.0.held.store(false, Ordering::SeqCst);
            state.passing = std::mem::take(&mut state.waiting);
            state.passing
        };
        if passing == 0 {
            self.0.free.notify_one();
        }
        self.0.ended.notify_all();
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        state.passing -= 1;
        if state.passing == 0 {
            drop(state);
            self.0.free.notify_one();
        }
    }
}
