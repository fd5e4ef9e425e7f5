//! Compaction: half-empty leaves are packed, what lies at the end of the file moves to its front, and the file is cut. Beside readers and
//! writers.
//!
//! Nothing here is a new way to change the file. Leaves are packed as merges do it, in memory; pages and values are copied to free space and
//! their parents told, as the evictor does it; checkpoints make all of it durable and give back what was left (I25), and cut the file only when
//! both superblocks say that it is shorter. So a crash at any moment finds the last checkpoint and the log behind it, as always, and
//! the log gets no records (I33).
//!
//! Steps are small: each takes the applier's turn for some leaves, between two batches and never beside a capture. Reading and copying are done
//! without it. Memory: one step, and the inner nodes above what was moved since the last checkpoint. Scheme: `docs/compaction.md`.

mod leaves;
mod pages;
mod rounds;
mod values;

use crate::buffer::pin;
use crate::check::Progress;
use crate::ckpt::{self, ApplyState, Base, accounting, tidy};
use crate::error::{Error, ErrorKind, Result};
use crate::space::{Extent, SpaceUsage};
use crate::sync::{Condvar, Mutex, give_way, unlock_fairly};
use crate::tree::Tree;
use std::time::Duration;

/// Bytes of packed leaves that wait for a checkpoint at most, whatever memory there is.
const MOST_DIRTY: u64 = 64 << 20;

/// Between two looks whether readers have looked away.
const PAUSE: Duration = Duration::from_millis(1);

/// What a compaction did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Compacted {
    /// Bytes of the file before and after.
    pub(crate) before: u64,
    pub(crate) after: u64,
    /// Leaves that gave way to fewer ones, and how many these are.
    pub(crate) leaves: u64,
    pub(crate) packed: u64,
    /// Pages and values that got another place, and their bytes.
    pub(crate) moved: u64,
    pub(crate) moved_bytes: u64,
    /// How often the end of the file was gone through.
    pub(crate) rounds: u64,
    /// Bytes that nothing current needs, and that open transactions may still read.
    pub(crate) held: u64,
}

/// Compacts the file. One at a time: another one waits.
pub(crate) fn run(base: &Base, tell: &mut dyn FnMut(Progress)) -> Result<Compacted> {
    let _alone = base.compacting.lock();
    let before = length(base)?;
    // What is dirty by now lies where it lies: from here on the front is filled up.
    ckpt::run(base)?;
    let _packing = Packing::begin(base)?;
    let total = 2 * base.space()?.usage().map_err(accounting)?.used * u64::from(base.pager.block_size);
    let mut work = Work { base, tell, progress: Progress { done: 0, total }, did: Compacted::default() };
    work.pack()?;
    let usage = work.rounds()?;
    work.progress.done = work.progress.total;
    (work.tell)(work.progress);
    let held = usage.waiting * u64::from(base.pager.block_size);
    Ok(Compacted { before, after: length(base)?, held, ..work.did })
}

fn length(base: &Base) -> Result<u64> {
    base.pager.storage.len().map_err(|error| Error::io("compacting the file", error))
}

/// As long as it lives the front of the file is filled up first.
struct Packing<'a>(&'a Base);

impl<'a> Packing<'a> {
    fn begin(base: &'a Base) -> Result<Self> {
        base.space()?.set_packing(true);
        Ok(Self(base))
    }
}

impl Drop for Packing<'_> {
    fn drop(&mut self) {
        // Space that was loaded once stays loaded.
        if let Ok(mut space) = self.0.space() {
            space.set_packing(false);
        }
    }
}

/// One compaction under way.
struct Work<'a> {
    base: &'a Base,
    tell: &'a mut dyn FnMut(Progress),
    progress: Progress,
    did: Compacted,
}

/// What a step has while it has the applier's turn.
struct Turn<'s> {
    state: &'s mut ApplyState,
    watermark: u64,
    snapshots: Vec<u64>,
}

/// Whether a step that failed with this has left all as it was: trees take memory for all that they change before they change anything, and
/// nothing else in a step takes any.
fn changed_nothing(error: &Error) -> bool {
    error.kind() == ErrorKind::OutOfMemory
}

impl Work<'_> {
    /// What work in a tree ended with. Of a table that is deleted meanwhile nothing has to be moved, and its pages are not there any more: that they cannot
    /// be read says nothing. What else may have failed, a checkpoint for one, the next one will meet, too.
    fn unless_dropped(&self, tree: &Tree, done: Result<()>) -> Result<()> {
        match done {
            Err(error) if tree.dropped_at().is_some() && matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Io) => {
                self.base.poison.check()
            }
            done => done,
        }
    }
}

impl<'a> Work<'a> {
    /// Says how far it is.
    fn advance(&mut self, bytes: u64) {
        self.progress.done = self.progress.total.min(self.progress.done + bytes);
        (self.tell)(self.progress);
    }

    /// Takes the applier's turn for one step, between two batches and beside no capture.
    fn turn<R>(&self, step: impl FnOnce(&mut Turn<'_>) -> Result<R>) -> Result<R> {
        let base = self.base;
        base.poison.check()?;
        // Held through every checkpoint: while it is held here, none is being written.
        let switch = base.superblock.lock();
        base.check_open()?;
        let mut state = base.apply.lock();
        // Dropped before the turn and the superblock: who waits for one of them finds out.
        let _midway = base.poison.midway("compacting the file");
        base.poison.check()?;
        tidy(base, &mut state)?;
        let snapshots = base.registry.scan();
        let published = base.registry.published();
        let watermark = snapshots.first().map_or(published, |&oldest| oldest.min(published));
        let done = step(&mut Turn { state: &mut state, watermark, snapshots });
        if let Some(error) = done.as_ref().err().filter(|error| !changed_nothing(error)) {
            // It may have left the trees in memory half changed.
            base.poison.set(error);
        }
        unlock_fairly(state);
        unlock_fairly(switch);
        done
    }

    /// The same for a step that has a use for these blocks; if it does not come to the step, or that changes nothing, they are free again.
    fn turn_with<R>(
        &self,
        taken: impl Iterator<Item = Extent>,
        step: impl FnOnce(&mut Turn<'_>) -> Result<R>,
    ) -> Result<R> {
        let mut begun = false;
        let done = self.turn(|turn| {
            begun = true;
            step(turn)
        });
        if done.as_ref().is_err_and(|error| !begun || changed_nothing(error)) {
            // The first failure is the one to tell.
            let _ = self.give_up(taken);
        }
        done
    }

    /// Works off what was changed, if that is much: memory is for the program's data.
    fn breathe(&self) -> Result<()> {
        let pool = &self.base.pager.pool;
        let (usage, budget) = (pool.usage(), pool.budget());
        if usage.dirty > budget / 4 || usage.dirty > MOST_DIRTY {
            ckpt::run(self.base)?;
        }
        if pool.excess(0) > 0 {
            ckpt::evict(self.base)?;
        }
        Ok(())
    }

    /// Writes checkpoints for as long as that lets the file end earlier: what one frees is cut off by the next.
    fn settle(&self) -> Result<SpaceUsage> {
        const MOST: usize = 8;
        let (mut end, mut fruitless) = (u64::MAX, 0);
        for _ in 0..MOST {
            ckpt::run_anyway(self.base)?;
            self.let_go()?;
            let durable = self.base.superblock.lock().tail;
            let space = self.base.space()?;
            let now = space.tail().max(durable);
            fruitless = if now < end { 0 } else { fruitless + 1 };
            end = end.min(now);
            // The maps that each checkpoint writes may change places with those of the one before for ever.
            if !space.is_loose(durable) || fruitless > 1 {
                break;
            }
        }
        self.usage()
    }

    /// How the file's blocks are used.
    fn usage(&self) -> Result<SpaceUsage> {
        self.base.space()?.usage().map_err(accounting)
    }

    /// Gives back what only waits for readers that look away in a moment, and moved values that nobody can see any more.
    fn let_go(&self) -> Result<()> {
        /// A thread that is pinned may have lost its core; nobody stays pinned for long (I7).
        const TRIES: usize = 500;
        let (pause, paused) = (Mutex::new(()), Condvar::new());
        for tries in 0..TRIES {
            if !self.usage()?.leaving {
                break;
            }
            pin().flush();
            if tries < 16 {
                give_way();
            } else {
                let _ = paused.wait_for(&mut pause.lock(), PAUSE);
            }
        }
        let base = self.base;
        // No other checkpoint puts anything into quarantine meanwhile.
        let _switch = base.superblock.lock();
        let published = base.registry.published();
        // A moved value is in quarantine for snapshots of the newest commit, too: those that began before it was moved.
        let watermark = base.registry.scan().first().map_or(published + 1, |&oldest| oldest.min(published));
        base.space()?.release(watermark).map_err(accounting)
    }
}
