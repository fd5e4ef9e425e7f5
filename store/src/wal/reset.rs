//! Which positions of the log may be written: the three-party protocol of committer, checkpointer and readers (I38).
//!
//! ```text
//!        floor                              written          head            limit
//!   ------|------------- needed --------------|---- gathered ---|---- free ----|---- the same places as before floor ---->
//! ```
//! - The committer takes positions with `reserve` and never gets one whose place in the ring holds something that is needed.
//! - The checkpointer says in `begin_release` where the log will start, makes both superblocks durable, and only then calls
//!   `finish_release`. In between, the file may be read with either start, so the old one counts (I23, I25).
//! - A reader's pin keeps what is needed now, however many checkpoints finish while it reads.
//! - What was reserved and not yet written keeps its place too, even when a checkpoint made it superfluous: its write is still to
//!   come, and it must not land on something newer.
//!
//! So floor = min(start in both superblocks, oldest pin, written), and limit = floor, rounded down to a unit, + capacity. Everything is
//! decided under one lock that is held for a few instructions; nobody waits here. Who has to wait learns for what
//! ([`Full`]). Protocol, reasons and what the models check: `docs/log-ring.md`.

use super::position::{MAX_RECORD, next_record, unit_ceil, unit_floor};
use crate::sync::Mutex;
use std::fmt;

/// See the module.
pub(crate) struct RingWindow {
    unit: u64,
    /// First position of the segment that is written, and its length.
    first: u64,
    capacity: u64,
    state: Mutex<State>,
}

struct State {
    /// First position that either superblock may need.
    start: u64,
    /// Where the log will start once both superblocks are durable.
    releasing: Option<u64>,
    /// Positions that readers need, in no order.
    pins: Vec<u64>,
    /// Everything before it is in the file, if not on the device.
    written: u64,
    /// Everything before it is on the device.
    durable: u64,
    /// The next position to hand out.
    head: u64,
}

impl State {
    fn floor(&self) -> u64 {
        let pinned = self.pins.iter().copied().min().unwrap_or(u64::MAX);
        self.start.min(pinned).min(self.written)
    }
}

/// There is no room now. Nothing was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Full {
    /// Bytes that were asked for.
    pub(crate) wanted: u64,
    /// Bytes that are free.
    pub(crate) free: u64,
    /// What has to happen before there is more.
    pub(crate) blocker: Blocker,
}

/// Who keeps the ring from going on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Blocker {
    /// It would not fit an empty ring.
    Capacity,
    /// What was reserved has to be written first.
    Flush,
    /// A reader has to give its pin back.
    Pin,
    /// A checkpoint has to finish.
    Checkpoint,
}

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { wanted, free, blocker } = self;
        write!(f, "the log has no room for {wanted} bytes ({free} are free): ")?;
        f.write_str(match blocker {
            Blocker::Capacity => "the ring is too small for it",
            Blocker::Flush => "older commits have to be written first",
            Blocker::Pin => "a backup still reads it",
            Blocker::Checkpoint => "a checkpoint has to finish first",
        })
    }
}

impl std::error::Error for Full {}

impl RingWindow {
    /// A window on a segment of `capacity` bytes that begins at position `first`, for a log that is needed from `start` on, is
    /// durable up to `head`, and goes on there. `first` and `head` are unit boundaries.
    pub(crate) fn new(unit: u64, first: u64, capacity: u64, start: u64, head: u64) -> Self {
        debug_assert!(first.is_multiple_of(unit) && capacity.is_multiple_of(unit) && head.is_multiple_of(unit));
        debug_assert!(start <= head && first <= head);
        let state = State { start, releasing: None, pins: Vec::new(), written: head, durable: head, head };
        Self { unit, first, capacity, state: Mutex::new(state) }
    }

    fn limit(&self, floor: u64) -> u64 {
        unit_floor(floor, self.unit).max(self.first) + self.capacity
    }

    /// Takes the next `bytes` of the log ([`super::record_len`] of a body) and returns their position.
    ///
    /// # Errors
    /// [`Full`] if the places behind it are still needed.
    pub(crate) fn reserve(&self, bytes: u64) -> Result<u64, Full> {
        let mut state = self.state.lock();
        let limit = self.limit(state.floor());
        let free = limit.saturating_sub(state.head);
        // Record and padding must fit even behind a start in mid-unit.
        if bytes > MAX_RECORD || bytes > self.capacity - self.unit {
            return Err(Full { wanted: bytes, free, blocker: Blocker::Capacity });
        }
        if bytes > free {
            return Err(Full { wanted: bytes, free, blocker: self.blocker(&state, bytes) });
        }
        let position = state.head;
        // Limits are unit boundaries: what fits before one does so together with its padding.
        state.head = next_record(position + bytes, self.unit);
        debug_assert!(state.head <= limit);
        Ok(position)
    }

    /// The first thing that has to happen: a checkpoint releases only what was applied, so the flush comes first.
    fn blocker(&self, state: &State, bytes: u64) -> Blocker {
        let blocks = |floor: u64| self.limit(floor) < state.head + bytes;
        let pinned = |&pin: &u64| blocks(pin) && pin < state.start;
        if blocks(state.written) {
            Blocker::Flush
        } else if state.pins.iter().any(pinned) {
            Blocker::Pin
        } else {
            Blocker::Checkpoint
        }
    }

    /// Ends a flush: rounds the head up to a unit boundary, behind the padding, and returns it.
    pub(crate) fn seal(&self) -> u64 {
        let mut state = self.state.lock();
        state.head = unit_ceil(state.head, self.unit);
        state.head
    }

    /// Everything before `position`, a unit boundary, is in the file. Only for writes that succeeded (I30).
    pub(crate) fn note_written(&self, position: u64) {
        let mut state = self.state.lock();
        debug_assert!(position.is_multiple_of(self.unit) && position <= state.head);
        state.written = state.written.max(position);
    }

    /// Everything before `position`, a unit boundary, is on the device.
    pub(crate) fn note_durable(&self, position: u64) {
        let mut state = self.state.lock();
        debug_assert!(position <= state.written);
        state.durable = state.durable.max(position);
    }

    /// A checkpoint that makes everything before `start` superfluous is about to write its superblocks. Releases nothing. A later
    /// call replaces an earlier one whose checkpoint did not finish.
    pub(crate) fn begin_release(&self, start: u64) {
        let mut state = self.state.lock();
        debug_assert!(state.start <= start && start <= state.head);
        state.releasing = Some(start);
    }

    /// Both superblocks with the new start are durable: what lies before it may be overwritten, as far as no reader pins it.
    pub(crate) fn finish_release(&self) {
        let mut state = self.state.lock();
        if let Some(start) = state.releasing.take() {
            state.start = state.start.max(start);
        }
    }

    /// Keeps everything that is needed now until the guard is dropped. Pin first and read the superblock afterwards: its start is
    /// then never before the pin.
    #[cfg(any(test, loom))]
    pub(crate) fn pin(&self) -> PinGuard<'_> {
        let mut state = self.state.lock();
        let position = state.start;
        state.pins.push(position);
        PinGuard { window: self, position }
    }

    /// First position that either superblock may need.
    #[cfg(any(test, loom))]
    pub(crate) fn start(&self) -> u64 {
        self.state.lock().start
    }

    /// Everything before it is in the file.
    #[cfg(any(test, loom))]
    pub(crate) fn written(&self) -> u64 {
        self.state.lock().written
    }

    /// Everything before it is on the device: what a record calls the durable position known when it was written.
    pub(crate) fn durable(&self) -> u64 {
        self.state.lock().durable
    }

    /// The next position to hand out.
    #[cfg(any(test, loom))]
    pub(crate) fn head(&self) -> u64 {
        self.state.lock().head
    }

    /// Bytes between what is needed and the head. Against [`Self::capacity`] it tells when a checkpoint is due.
    pub(crate) fn used(&self) -> u64 {
        let state = self.state.lock();
        state.head - unit_floor(state.floor(), self.unit)
    }

    /// Bytes of the ring.
    pub(crate) fn capacity(&self) -> u64 {
        self.capacity
    }
}

/// A reader's hold on the log from [`Self::position`] on.
#[must_use = "the pin ends when the guard is dropped"]
#[cfg(any(test, loom))]
pub(crate) struct PinGuard<'a> {
    window: &'a RingWindow,
    position: u64,
}

#[cfg(any(test, loom))]
impl PinGuard<'_> {
    /// The first position that is kept.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }
}

#[cfg(any(test, loom))]
impl Drop for PinGuard<'_> {
    fn drop(&mut self) {
        let mut state = self.window.state.lock();
        if let Some(index) = state.pins.iter().position(|&pin| pin == self.position) {
            state.pins.swap_remove(index);
        }
    }
}
