//! Whose turn it is to write: one writer at a time, until it is sequenced.

use crate::error::{Error, ErrorKind, Result};
use parking_lot::{Condvar, Mutex};
use std::sync::Arc;
use std::thread::{self, ThreadId};

/// Hands out turns.
#[derive(Default)]
pub(crate) struct WriterTurn {
    state: Mutex<State>,
    /// Writers wait here, each for one predecessor.
    free: Condvar,
    /// `close` waits here, so that a wake-up meant for a writer never goes to it.
    ended: Condvar,
}

#[derive(Default)]
struct State {
    /// The thread that began the writer whose turn it is.
    holder: Option<ThreadId>,
    closed: bool,
}

/// A writer's turn. Dropping it lets the next writer begin.
pub(crate) struct Turn(Arc<WriterTurn>);

impl WriterTurn {
    /// Waits for the turn. A thread that holds one already would wait for itself: that is an error.
    pub(crate) fn take(self: &Arc<Self>) -> Result<Turn> {
        let me = thread::current().id();
        let mut state = self.state.lock();
        loop {
            if state.closed {
                return Err(Error::new(ErrorKind::Closed, "the database is closed"));
            }
            match state.holder {
                None => {
                    state.holder = Some(me);
                    return Ok(Turn(Arc::clone(self)));
                }
                Some(holder) if holder == me => {
                    return Err(Error::new(
                        ErrorKind::NestedTransaction,
                        "this thread has a write transaction open already; a second one would wait for it for ever",
                    ));
                }
                Some(_) => self.free.wait(&mut state),
            }
        }
    }

    /// Waits for the writer whose turn it is, and lets no other begin.
    pub(crate) fn close(&self) -> Result<()> {
        let me = thread::current().id();
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
            self.ended.wait(&mut state);
        }
        self.free.notify_all();
        Ok(())
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.state.lock().holder = None;
        self.0.free.notify_one();
        self.0.ended.notify_all();
    }
}
