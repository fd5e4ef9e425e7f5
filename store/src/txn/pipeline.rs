//! The commit pipeline: sequence, flush together, apply in order, publish, wake.
//!
//! ```text
//!  writer:   [ ... validate, sequence ]  the next exclusive writer begins here
//!                          \
//!  leader:                  take the queue -> write and sync the log -> applier's turn -> apply -> publish -> wake all
//!                                               a long group:      \ the next leader may flush from here on  \ a short one: from here
//! ```
//! Deferred commits need no flush: they are applied while another thread writes what came before them.
//! A leader takes the applier's turn before it gives up leadership, so that batches are applied in the order of their flushes. It wakes one of
//! those that wait to be its successor, and the owners of what it has applied, who share the next flush if they come back in time: nobody
//! wakes in vain.
//! After Haubenschild et al., "Rethinking Logging, Checkpoints, and Recovery for High-Performance Storage Engines" (2020),
//! section 3.1, and its follow-up on autonomous commits: no timers.

use super::apply::{Batch, apply_batches};
use super::log_buffer::{LogBuffer, Taken};
use super::pending::{Pending, Request, WriterView};
use super::relay::{Relay, Waiter};
use super::tally::{Tallies, TallyChange};
use super::turn::{Turn, WriterTurn};
use super::watchers::{Due, Watcher, Watchers};
use super::window::{Claim, Window};
use crate::ckpt::{ApplyState, Base, Counts, LogPosition, open_log};
use crate::engine::Durability;
use crate::error::{Error, ErrorKind, Result};
use crate::poison::Midway;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Condvar, Mutex, MutexGuard};
use crate::trace::span;
use crate::wal::{Blocker, Full, Op, Sealer, UNIT};
use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};

/// Log bytes that deferred commits may gather before one of them writes them out.
const GATHERED: usize = 1 << 20;

/// The same while somebody writes what came before them: then they go on, and wait for that write only here.
const GATHERED_BESIDE: usize = 8 << 20;

/// A group with more bytes than this is applied while the next one is written.
const LONG: usize = 256 << 10;

/// So many commits may share a flush before more of them gain little: owners of one group are woken ahead of the next leader as long as there
/// are fewer. They come by the lock before it, and most of them come back with a commit for its group. Nobody waits on purpose.
const COMPANY: usize = 24;

/// See the module.
pub(crate) struct Pipeline {
    state: Mutex<State>,
    /// Wakes those who wait for something else than their own commit.
    changed: Condvar,
    /// Wakes who closes, when an optimistic writer has ended.
    left: Condvar,
    salt: u64,
    /// Counters that commits change without conflict.
    pub(crate) tallies: Tallies,
    /// Whether anybody ever watched: saves the others a look.
    watched: AtomicBool,
}

struct State {
    log: LogBuffer,
    /// The newest sequenced timestamp.
    last: u64,
    /// Sequenced and not taken by a leader; and who leads.
    relay: Relay<Pending>,
    /// Sequenced and not published, oldest first.
    unapplied: VecDeque<Arc<Pending>>,
    /// What running optimistic transactions are validated against.
    window: Window,
    /// Who is told, instead of waiting, that commits up to a timestamp are visible or will never be.
    watchers: Watchers,
    /// Whether this session's salt is on disk (I35).
    opened: bool,
    /// Whether a thread writes the log. One at a time: positions become durable in their order (I21).
    writing: bool,
    /// Whether the database is closed, or about to be: nobody begins any more.
    closing: bool,
}

impl Pipeline {
    /// A pipeline whose records begin at `first` under `salt`; the log before it ends at `end`.
    pub(crate) fn new(first: u64, salt: u64, end: LogPosition, last: u64) -> Self {
        Self {
            state: Mutex::new(State {
                log: LogBuffer::new(first, Sealer::new(salt, UNIT), end),
                last,
                relay: Relay::new(),
                unapplied: VecDeque::new(),
                window: Window::default(),
                watchers: Watchers::default(),
                opened: false,
                writing: false,
                closing: false,
            }),
            changed: Condvar::new(),
            left: Condvar::new(),
            salt,
            tallies: Tallies::default(),
            watched: AtomicBool::new(false),
        }
    }

    /// What a writer that begins now reads from. One that is `optimistic` is validated when it commits; [`leave`](Self::leave) ends that.
    pub(crate) fn view(&self, base: &Base, optimistic: bool) -> Result<WriterView> {
        // Under the lock: what is published after this registration was in `unapplied` before.
        let mut state = self.state.lock();
        if state.closing {
            return Err(Error::new(ErrorKind::Closed, "the database is closed"));
        }
        // An exclusive writer keeps its view: what can be superseded under it is bounded by what is sequenced.
        let registered = if optimistic { base.registry.register() } else { base.registry.register_exempt() };
        let registered = registered?;
        let above = |pending: &&Arc<Pending>| pending.timestamp > registered.snapshot;
        let below = state.unapplied.iter().rev().filter(above).cloned().collect();
        let seen = state.last;
        if optimistic {
            state.window.enter(seen);
        }
        Ok(WriterView { registered, below, seen })
    }

    /// An optimistic writer has ended.
    pub(crate) fn leave(&self, seen: u64) {
        let mut state = self.state.lock();
        let gone = state.window.leave(seen);
        if state.closing {
            self.left.notify_all();
        }
        drop(state);
        drop(gone);
    }

    /// Lets no writer begin, and waits for the optimistic ones that run: what is sequenced after the last checkpoint would be lost (I21).
    /// Nothing is closed if one runs for longer than anybody waits for a turn.
    pub(crate) fn close(&self, gate: &WriterTurn) -> Result<()> {
        let mut state = self.state.lock();
        state.closing = true;
        let mut slices = 0;
        while state.window.is_wanted() {
            slices = gate.pause(&self.left, &mut state, slices).inspect_err(|_| state.closing = false)?;
        }
        Ok(())
    }

    /// The newest commit that has its place.
    pub(crate) fn sequenced(&self) -> u64 {
        self.state.lock().last
    }

    /// Gives the commit its timestamp and its place in the log, and ends an exclusive writer's turn. An optimistic one, which has a
    /// `claim`, waits for exclusive ones to end, and is validated. `None` if the log has no room for it now.
    pub(crate) fn sequence(
        &self,
        base: &Base,
        request: &mut Option<Request>,
        gate: &WriterTurn,
        turn: &mut Option<Turn>,
        claim: Option<&Claim<'_>>,
    ) -> Result<Option<Arc<Pending>>> {
        let mut state = self.enter_sequencer(gate, claim.is_some())?;
        base.poison.check()?;
        let Some(wanted) = request.as_mut() else { return Ok(None) };
        if let Some(claim) = claim {
            state.window.validate(claim, &wanted.writes, &wanted.runs)?;
        }
        let timestamp = state.last + 1;
        let tallies = self.tallies.outcome(&wanted.tallies);
        let stored = || wanted.tallies.iter().zip(&tallies);
        if !tallies.is_empty() {
            wanted.body.end_with(|ops| {
                for (TallyChange { tree, key, .. }, value) in stored() {
                    ops.push(Op::Put { tree: *tree, key, value });
                }
            });
        }
        let (bytes, check) = wanted.body.parts();
        match state.log.append(&base.window, timestamp, bytes, check) {
            Ok(()) => {}
            Err(Full { blocker: Blocker::Capacity, .. }) => {
                return Err(Error::new(ErrorKind::InvalidArgument, "the log is too small for any commit"));
            }
            Err(_) => return Ok(None),
        }
        for (TallyChange { tree, key, .. }, value) in wanted.tallies.iter().zip(&tallies) {
            wanted.writes.put(*tree, key, value, false);
        }
        self.tallies.settle(&wanted.tallies);
        let Some(Request { writes, runs, extents, spills, durability, .. }) = request.take() else { return Ok(None) };
        let (end, prints) = (state.log.end(), OnceLock::new());
        let owner = Waiter::default();
        let pending = Arc::new(Pending { timestamp, writes, runs, extents, spills, durability, end, prints, owner });
        state.last = timestamp;
        state.relay.push(Arc::clone(&pending));
        state.unapplied.push_back(Arc::clone(&pending));
        state.window.push(&pending, base.pager.pool.budget());
        // The next exclusive writer may begin: it reads through this one.
        *turn = None;
        Ok(Some(pending))
    }

    /// The sequencer's lock, when no exclusive writer holds sequencing back. One that begins later sees what is sequenced under it.
    fn enter_sequencer(&self, gate: &WriterTurn, optimistic: bool) -> Result<MutexGuard<'_, State>> {
        let mut _pass = None;
        loop {
            let state = self.state.lock();
            if !optimistic || !gate.is_held() {
                return Ok(state);
            }
            drop(state);
            _pass = gate.wait()?;
        }
    }

    /// Waits until everything up to a timestamp is visible: for a transaction that wrote nothing, but has seen what was only sequenced. Like all who
    /// lead, the caller then looks whether somebody has to [`drive`](Self::drive).
    pub(crate) fn wait_visible(&self, base: &Base, timestamp: u64) -> Result<()> {
        let mut state = self.state.lock();
        while base.registry.published() < timestamp {
            state = self.check(base, state)?;
            if let Some(group) = state.relay.lead(None) {
                state = self.lead(base, state, group)?;
            } else {
                crate::buffer::about_to_wait();
                self.changed.wait(&mut state);
            }
        }
        Ok(())
    }

    /// Waits until the commit is as durable as it asked for, applied and visible; leads if nobody does.
    pub(crate) fn finish(&self, base: &Base, pending: &Pending) -> Result<()> {
        let mut state = self.state.lock();
        while base.registry.published() < pending.timestamp {
            state = self.check(base, state)?;
            if let Some(group) = state.relay.lead(Some(pending)) {
                state = self.lead(base, state, group)?;
            } else {
                crate::buffer::about_to_wait();
                pending.owner.wait(&mut state);
            }
        }
        Ok(())
    }

    /// Fails if a failure has stopped all writing. It may not be a leader's: whoever sees it tells all who wait, as nobody leads any more.
    fn check<'a>(&'a self, base: &Base, state: MutexGuard<'a, State>) -> Result<MutexGuard<'a, State>> {
        match base.poison.check() {
            Ok(()) => Ok(state),
            Err(error) => Err(self.fail(base, state, error)),
        }
    }

    /// The leader steps down.
    fn step_down(&self) {
        self.state.lock().relay.step_down();
        self.changed.notify_all();
    }

    /// Has somebody told when a timestamp is visible. Somebody has to lead meanwhile: see [`drive`](Self::drive).
    #[cfg_attr(not(feature = "tokio"), expect(dead_code, reason = "only asynchronous commits do not wait themselves"))]
    pub(crate) fn watch(&self, base: &Base, timestamp: u64, watcher: Watcher) {
        self.watched.store(true, Ordering::Release);
        let mut state = self.state.lock();
        state.watchers.insert(timestamp, watcher);
        let due = due_watchers(base, &mut state);
        drop(state);
        due.tell();
    }

    /// Leads as long as there is something to lead and nobody else does. For commits whose owners do not wait.
    pub(crate) fn drive(&self, base: &Base) -> Result<()> {
        while self.drive_one(base)? {}
        Ok(())
    }

    /// The same for one group. Whether there is more.
    pub(crate) fn drive_one(&self, base: &Base) -> Result<bool> {
        let mut state = self.state.lock();
        if !state.relay.wants_leader() {
            return Ok(false);
        }
        state = self.check(base, state)?;
        let Some(group) = state.relay.lead(None) else { return Ok(false) };
        Ok(self.lead(base, state, group)?.relay.wants_leader())
    }

    /// Whether commits wait for a leader, and some of their owners do not wait themselves.
    pub(crate) fn wants_driver(&self) -> bool {
        if !self.watched.load(Ordering::Acquire) {
            return false;
        }
        let state = self.state.lock();
        state.relay.wants_leader() && !state.watchers.is_empty()
    }

    /// Makes everything sequenced so far durable and visible. Leads only those who wait for a leader: deferred commits go on meanwhile. Like all who
    /// lead, the caller then looks whether somebody has to [`drive`](Self::drive).
    pub(crate) fn flush(&self, base: &Base) -> Result<()> {
        let mut state = self.state.lock();
        // A log that nothing was appended to in this session ends before its first position.
        let (goal, last) = (state.log.end().position, state.last);
        loop {
            state = self.check(base, state)?;
            if base.window.durable() < goal {
                state = self.write_out(base, state, Durability::Synced)?;
            } else if base.registry.published() >= last {
                return Ok(());
            } else if let Some(group) = state.relay.lead(None) {
                state = self.lead(base, state, group)?;
            } else {
                crate::buffer::about_to_wait();
                self.changed.wait(&mut state);
            }
        }
    }

    /// Makes what waits in memory durable, between two writes of a checkpoint, before it is so much that a commit would have to: the thread that
    /// does it otherwise may be the one that writes the checkpoint. Not the first of a session, which needs the superblock, and nothing that
    /// would have to wait.
    pub(crate) fn flush_between(&self, base: &Base) -> Result<()> {
        let state = self.state.lock();
        if state.opened && !state.writing && state.log.unwritten() >= GATHERED / 2 {
            drop(self.write_out(base, state, Durability::Synced)?);
        }
        Ok(())
    }

    /// Whether deferred commits wait for the device.
    pub(crate) fn has_unflushed(&self, base: &Base) -> bool {
        let state = self.state.lock();
        base.window.durable() < state.log.end().position
    }

    /// Flushes and applies one group. Called by who leads; comes back with the lock held again.
    fn lead<'a>(
        &'a self,
        base: &Base,
        mut state: MutexGuard<'a, State>,
        group: Vec<Arc<Pending>>,
    ) -> Result<MutexGuard<'a, State>> {
        let mut wanted = group.iter().map(|pending| pending.durability).max().unwrap_or_default();
        let most = if state.writing { GATHERED_BESIDE } else { GATHERED };
        if wanted == Durability::Deferred && state.log.unwritten() >= most {
            wanted = Durability::Buffered;
        }
        // I22: nothing is applied before its record is as durable as it has to be.
        if wanted > Durability::Deferred {
            state = self.write_out(base, state, wanted).inspect_err(|_| self.step_down())?;
        }
        drop(state);
        let _work = Work::begin(self, base);
        // The turn is taken before leadership ends (I15).
        let mut turn = base.apply.lock();
        // Dropped before the turn: whoever takes that after a panic finds out, and publishes nothing on top of a half (I14).
        let _midway = base.poison.midway(COMMITTING);
        // A short group is applied sooner than the next leader would have come, and more commits gather meanwhile.
        let early = group.iter().map(|pending| pending.writes.encoded_len()).sum::<usize>() > LONG;
        if early {
            self.step_down();
        }
        // The group before may have been applied in part, and nothing is published on top of that (I14).
        let applied = base.poison.check().and_then(|()| apply_group(base, &mut turn, &group));
        if let Err(error) = &applied {
            base.poison.set(error);
        }
        drop(turn);
        let state = self.state.lock();
        match applied {
            Ok(()) => Ok(self.settle(base, state, &group, !early)),
            Err(error) => Err(self.fail(base, state, error)),
        }
    }

    /// A group is published: its owners are told, and nobody reads through it any more. Its leader steps down, if it has not.
    fn settle<'a>(
        &'a self,
        base: &Base,
        mut state: MutexGuard<'a, State>,
        group: &[Arc<Pending>],
        leads: bool,
    ) -> MutexGuard<'a, State> {
        let due = due_watchers(base, &mut state);
        let before = COMPANY.saturating_sub(state.relay.len()).min(group.len());
        let (first, rest) = group.split_at(before);
        wake(first);
        if leads {
            state.relay.step_down();
        }
        wake(rest);
        self.changed.notify_all();
        let published = base.registry.published();
        while state.unapplied.front().is_some_and(|pending| pending.timestamp <= published) {
            state.unapplied.pop_front();
        }
        if due.is_empty() {
            return state;
        }
        drop(state);
        due.tell();
        self.state.lock()
    }

    /// A failure that is no commit's has ended all of them, maybe: then everybody who waits is told.
    pub(crate) fn tell_of_failure(&self, base: &Base) {
        if let Err(error) = base.poison.check() {
            self.fail(base, self.state.lock(), error);
        }
    }

    /// A failure has ended all commits: everybody who waits is told.
    fn fail(&self, base: &Base, mut state: MutexGuard<'_, State>, error: Error) -> Error {
        wake(&state.unapplied);
        self.changed.notify_all();
        let due = due_watchers(base, &mut state);
        drop(state);
        due.tell();
        error
    }

    /// Writes what is sequenced and not written yet, once nobody else writes; `wanted` says how durable it is then. The lock is given up
    /// meanwhile.
    fn write_out<'a>(
        &'a self,
        base: &Base,
        mut state: MutexGuard<'a, State>,
        wanted: Durability,
    ) -> Result<MutexGuard<'a, State>> {
        while state.writing {
            crate::buffer::about_to_wait();
            self.changed.wait(&mut state);
        }
        let synced = wanted == Durability::Synced;
        let durable = !synced || base.window.durable() >= state.log.end().position;
        if state.log.unwritten() == 0 && durable {
            // Whoever wrote has written these too.
            return self.check(base, state);
        }
        state.writing = true;
        let bytes = state.log.take(&base.window);
        let open = !state.opened;
        drop(state);
        let work = Work::begin(self, base);
        let written = self.write(base, &bytes, open, synced);
        drop(work);
        let mut state = self.state.lock();
        state.writing = false;
        self.changed.notify_all();
        if let Err(error) = written {
            return Err(self.fail(base, state, error));
        }
        state.opened = true;
        state.log.written(&base.window, bytes, synced);
        Ok(state)
    }

    fn write(&self, base: &Base, bytes: &Taken, open: bool, sync: bool) -> Result<()> {
        let _span = span!("flush", bytes = bytes.bytes.len(), synced = sync);
        base.poison.check()?;
        if open {
            open_log(base, self.salt, bytes.first)?;
        }
        Counts::add(&base.counts.log_bytes, bytes.bytes.len() as u64);
        let durable = write_log(base, bytes, sync).map_err(|error| {
            let error = Error::io(WRITING, error);
            base.poison.set(&error);
            error
        })?;
        if sync && !durable {
            base.syncs.sync(WRITING)?;
        }
        // A checkpoint's sync that failed meanwhile may have been told of what was written here.
        base.poison.check()
    }
}

/// Something that others wait for. If its thread panics, they are told, and do not wait for ever.
struct Work<'a> {
    pipeline: &'a Pipeline,
    base: &'a Base,
    midway: Option<Midway<'a>>,
}

impl<'a> Work<'a> {
    fn begin(pipeline: &'a Pipeline, base: &'a Base) -> Self {
        Self { pipeline, base, midway: Some(base.poison.midway(COMMITTING)) }
    }
}

impl Drop for Work<'_> {
    fn drop(&mut self) {
        if self.midway.take().is_some_and(|midway| midway.has_panicked()) {
            self.pipeline.state.lock().writing = false;
            self.pipeline.tell_of_failure(self.base);
        }
    }
}

fn wake<'a>(owners: impl IntoIterator<Item = &'a Arc<Pending>>) {
    owners.into_iter().for_each(|pending| pending.owner.wake());
}

const WRITING: &str = "writing the log";
const COMMITTING: &str = "writing commits";

/// Writes a part of the log; returns whether it is durable. I21: a durable write of this range alone counts only when everything before it in the log is durable
/// too. Otherwise, or where the storage offers no such writes, a sync of the whole file is to follow.
fn write_log(base: &Base, bytes: &Taken, sync: bool) -> std::io::Result<bool> {
    crate::buffer::about_to_wait();
    let storage = &*base.pager.storage;
    let alone = sync && base.window.durable() == bytes.start;
    if alone && base.ring.write_durable(storage, bytes.start, &bytes.bytes)? {
        Counts::add(&base.counts.syncs, 1);
        return Ok(true);
    }
    base.ring.write(storage, bytes.start, &bytes.bytes)?;
    Ok(false)
}

/// Those who watch and are to be told now.
fn due_watchers(base: &Base, state: &mut State) -> Due {
    state.watchers.due(base.registry.published(), base.poison.check().err())
}

fn apply_group(base: &Base, state: &mut ApplyState, group: &[Arc<Pending>]) -> Result<()> {
    let Some(last) = group.last() else { return Ok(()) };
    // A commit with runs is applied by itself, page by page: nothing is published before the end.
    for part in group.chunk_by(|a, b| a.runs.is_empty() && b.runs.is_empty()) {
        for (run, timestamp) in part.iter().flat_map(|pending| pending.runs.iter().map(|run| (run, pending.timestamp)))
        {
            run.replay(base, &mut |writes| {
                apply_batches(base, state, &[Batch { timestamp, writes, extents: &[], spills: &[] }])
            })?;
        }
        let batches: Vec<Batch<'_>> = part
            .iter()
            .map(|pending| Batch {
                timestamp: pending.timestamp,
                writes: &pending.writes,
                extents: &pending.extents,
                spills: &pending.spills,
            })
            .collect();
        apply_batches(base, state, &batches)?;
    }
    state.applied = last.end;
    Counts::add(&base.counts.commits, group.len() as u64);
    Counts::add(&base.counts.groups, 1);
    let bytes = group.iter().map(|pending| pending.writes.payload()).sum();
    Counts::add(&base.counts.committed_bytes, bytes);
    base.registry.publish(last.timestamp);
    Ok(())
}
