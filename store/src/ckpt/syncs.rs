//! Syncs of the whole file.

use super::Counts;
use crate::error::{Error, Result};
use crate::poison::Poison;
use crate::sync::thread::{self, ThreadId};
use crate::sync::{Condvar, Mutex};
use crate::vfs::Storage;
use std::sync::Arc;

/// Makes all that was written durable, from several threads. The system tells only one of two syncs that writes were lost, and the other one that all is
/// well: so none is taken for a success before those that ran beside it have said how they ended (I30).
pub(crate) struct Syncs {
    storage: Arc<dyn Storage>,
    poison: Arc<Poison>,
    counts: Arc<Counts>,
    running: Mutex<Running>,
    ended: Condvar,
}

#[derive(Default)]
struct Running {
    last: u64,
    /// Those that have not said how they ended: their numbers, and whose they are.
    begun: Vec<(u64, ThreadId)>,
}

/// One sync that runs.
struct One<'a>(&'a Syncs, u64);

impl Drop for One<'_> {
    fn drop(&mut self) {
        self.0.running.lock().begun.retain(|&(number, _)| number != self.1);
        self.0.ended.notify_all();
    }
}

impl Syncs {
    pub(super) fn new(storage: Arc<dyn Storage>, poison: Arc<Poison>, counts: Arc<Counts>) -> Self {
        Self { storage, poison, counts, running: Mutex::default(), ended: Condvar::new() }
    }

    fn begin(&self) -> One<'_> {
        let mut running = self.running.lock();
        running.last += 1;
        let number = running.last;
        running.begun.push((number, thread::current().id()));
        One(self, number)
    }

    /// Syncs; `doing` says in an error what for. A failure poisons the database, here or in a sync beside this one.
    pub(crate) fn sync(&self, doing: &str) -> Result<()> {
        Counts::add(&self.counts.syncs, 1);
        let one = self.begin();
        // Dropped before `one`: those beside it are told.
        let midway = self.poison.midway("syncing the file");
        let synced = self.storage.sync().map_err(|error| Error::io(doing, error));
        if let Err(error) = &synced {
            self.poison.set(error);
        }
        drop(midway);
        drop(one);
        synced?;
        self.wait_for_others();
        self.poison.check()
    }

    /// Those that run now. They have begun to wait for the same writes, so it does not take long. A simulation goes on with another client
    /// inside of a sync, on the same thread: that one cannot be waited for.
    fn wait_for_others(&self) {
        let mut running = self.running.lock();
        let (last, own) = (running.last, thread::current().id());
        while running.begun.iter().any(|&(number, whose)| number <= last && whose != own) {
            self.ended.wait(&mut running);
        }
    }
}
