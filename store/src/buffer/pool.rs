//! Slots for nodes, in size classes of powers of two, under one budget of memory.
//!
//! A slot that is freed keeps its memory and is used again by the same class first; when another class needs memory beyond the budget, the
//! memory of such idle slots goes back to the system. So in a steady state nothing is asked of the system, and the budget covers
//! all classes together. The pool itself never refuses for the budget's sake: whoever allocates asks [`Pool::excess`] at a
//! moment when nothing is pinned, and evicts.
#![allow(unsafe_code)]

use super::bodies::{self, Bodies};
use super::epoch::Guard;
use super::frame::{Building, Frame, HEADER, LINE, frame_bytes, prefetch};
use super::poison;
use super::region::{Part, Region, Reservation};
use super::slots::Slots;
use super::swip::FrameId;
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::ptr::NonNull;
use std::sync::{Arc, OnceLock};

/// How the pool is cut.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PoolOptions {
    /// Bytes of the smallest class, a power of two of at least 256.
    pub(crate) smallest: usize,
    /// Bytes of the largest class.
    pub(crate) largest: usize,
    /// Bytes that all frames together should stay below.
    pub(crate) budget: u64,
    /// Whether to reserve addresses for each class; otherwise slots are allocated, and their memory stays.
    pub(crate) reserve: bool,
}

/// There is no memory for a node, or the node is larger than the largest class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NoMemory {
    /// Bytes that were asked for.
    pub(crate) bytes: usize,
}

/// Bytes of frames, by what they are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    /// In use, limbo and old versions included.
    pub(crate) resident: u64,
    /// Waiting for readers to leave.
    pub(crate) limbo: u64,
    /// Free, with memory behind them.
    pub(crate) idle: u64,
    /// Leaves that differ from their image on disk, roughly.
    pub(crate) dirty: u64,
    /// Superseded leaves that snapshots may still need.
    pub(crate) old: u64,
}

/// The frames of one database.
pub(crate) struct Pool {
    classes: Box<[Class]>,
    smallest: usize,
    budget: u64,
    in_use: AtomicU64,
    idle: AtomicU64,
    limbo: AtomicU64,
    dirty: AtomicI64,
    old: AtomicI64,
    /// Retired frames that were still pinned when their epoch had passed.
    pinned: Mutex<Vec<FrameId>>,
    /// Bytes of addresses for each class; `None`: classes allocate.
    range: Option<usize>,
    /// Made with the first frame; behind the classes, which lie in it.
    reservation: OnceLock<Option<Reservation>>,
    pub(super) bodies: Bodies,
    /// See [`Pool::refuse_after`].
    #[cfg(test)]
    refuse: AtomicI64,
}

struct Class {
    slot_bytes: usize,
    region: OnceLock<Region>,
    free: Mutex<FreeSlots>,
}

/// A class of at least these many bytes is stocked.
const LARGE: u64 = 4 << 20;

#[derive(Default)]
struct FreeSlots {
    /// With memory behind them.
    idle: Slots,
    /// Without.
    bare: Slots,
    /// Slots from here on were never used.
    next: u32,
    /// Highest birth number and latch word of the slots whose memory was given back: later lives begin above them (I12).
    births: u64,
    versions: u64,
}

/// A slot for a frame, and what its memory forgot.
struct Taken {
    slot: u32,
    idle: bool,
    births: u64,
    versions: u64,
}

impl Class {
    /// A slot; `part` is where the region lies if it is needed for the first time.
    fn take(&self, part: impl FnOnce() -> Option<Part>) -> Option<Taken> {
        let mut free = self.free.lock();
        let (births, versions) = (free.births, free.versions);
        if let Some(slot) = free.idle.take_lowest() {
            return Some(Taken { slot, idle: true, births, versions });
        }
        if let Some(slot) = free.bare.take_lowest() {
            return Some(Taken { slot, idle: false, births, versions });
        }
        let slot = free.next;
        let region = self.region.get_or_init(|| Region::new(self.slot_bytes, part()));
        if slot >= FrameId::MAX_SLOTS || !region.ensure(slot) {
            return None;
        }
        free.next = slot + 1;
        Some(Taken { slot, idle: false, births, versions })
    }

    /// Whether this class is large and has less than `bytes` of idle memory.
    fn wants(&self, free: &FreeSlots, bytes: u64) -> bool {
        let of = |slots: usize| slots as u64 * self.slot_bytes as u64;
        of(free.next as usize) >= LARGE && of(free.idle.len()) < bytes
    }

    /// A slot without memory, if this class is large and has less than `bytes` of idle memory.
    fn take_untouched(&self, bytes: u64) -> Option<u32> {
        let region = self.region.get()?;
        let mut free = self.free.lock();
        if !self.wants(&free, bytes) {
            return None;
        }
        if let Some(slot) = free.bare.take_lowest() {
            return Some(slot);
        }
        let slot = free.next;
        if slot >= FrameId::MAX_SLOTS || !region.ensure(slot) {
            return None;
        }
        free.next = slot + 1;
        Some(slot)
    }

    /// Makes the system back a slot that is nobody's with memory.
    fn touch(&self, slot: u32) {
        const SYSTEM_PAGE: usize = 4096;
        let Some(base) = self.base(slot) else { return };
        self.open(slot);
        // SAFETY: mapped and initialised; only the header's atomics are touched.
        unsafe { Frame::new(base, FrameId::new(0, slot, 0)) }.header().birth.fetch_add(0, Ordering::Relaxed);
        for at in (SYSTEM_PAGE..self.slot_bytes).step_by(SYSTEM_PAGE) {
            // SAFETY: within the slot, which is on no list and linked nowhere, so that nobody else touches what follows its header. Its contents
            // mean nothing.
            unsafe { base.add(at).write_volatile(0) };
        }
        self.close(slot);
    }

    /// For sanitizers: this slot is in use from now on.
    fn open(&self, slot: u32) {
        if poison::WATCHED
            && let Some(base) = self.base(slot)
        {
            // SAFETY: this is the length of our slots.
            unsafe { poison::open(base, self.slot_bytes) };
        }
    }

    /// For sanitizers: this slot is nobody's from now on.
    fn close(&self, slot: u32) {
        if poison::WATCHED
            && let Some(base) = self.base(slot)
        {
            // SAFETY: as above.
            unsafe { poison::close(base, self.slot_bytes) };
        }
    }

    #[inline]
    fn base(&self, slot: u32) -> Option<NonNull<u8>> {
        self.region.get()?.base(slot)
    }

    /// Gives the memory of idle slots back to the system until `wanted` bytes are free of it. Returns how many were.
    fn give_back(&self, wanted: u64) -> u64 {
        let Some(region) = self.region.get() else { return 0 };
        let mut free = self.free.lock();
        let mut given = 0;
        while given < wanted {
            let Some(slot) = free.idle.take_highest() else { break };
            let Some(base) = self.base(slot) else { continue };
            // SAFETY: mapped and initialised; only the header's atomics are read.
            let header = unsafe { Frame::new(base, FrameId::new(0, slot, 0)) }.header();
            let (births, versions) = (header.birth.load(Ordering::Relaxed), header.latch.word());
            // SAFETY: an idle slot is referenced by nobody: it came back after its last reader had left (I6), and this lock keeps
            // others from taking it.
            if !unsafe { region.give_back(slot) } {
                free.idle.insert(slot);
                break;
            }
            free.births = free.births.max(births);
            free.versions = free.versions.max(versions);
            free.bare.insert(slot);
            given += self.slot_bytes as u64;
        }
        given
    }
}

impl Drop for Pool {
    /// Nobody sees a frame any more.
    fn drop(&mut self) {
        if !bodies::WATCHED || std::thread::panicking() {
            return;
        }
        for id in self.bodies.left() {
            let Some(base) = self.classes.get(id.class()).and_then(|class| class.base(id.slot())) else { continue };
            // SAFETY: the slot is in use, so that its header and body are initialised; it is mapped as long as the classes are there.
            let frame = unsafe { Frame::new(base, id) };
            self.bodies.end(id, frame.body());
        }
    }
}

impl Pool {
    /// An empty pool.
    pub(crate) fn new(options: PoolOptions) -> Arc<Self> {
        let count = (options.largest / options.smallest).max(1).ilog2() as usize + 1;
        // Room for a batch far beyond the budget: addresses cost nothing. Where they are too many for the system, slots are allocated.
        let range = usize::try_from(options.budget).unwrap_or(usize::MAX).saturating_mul(8).clamp(64 << 30, 1 << 50);
        let range = range.next_multiple_of(options.largest);
        let class = |class: usize| Class {
            slot_bytes: options.smallest << class,
            region: OnceLock::new(),
            free: Mutex::default(),
        };
        Arc::new(Self {
            classes: (0..count.min(16)).map(class).collect(),
            smallest: options.smallest,
            budget: options.budget,
            in_use: AtomicU64::new(0),
            idle: AtomicU64::new(0),
            limbo: AtomicU64::new(0),
            dirty: AtomicI64::new(0),
            old: AtomicI64::new(0),
            pinned: Mutex::default(),
            range: options.reserve.then_some(range),
            reservation: OnceLock::new(),
            bodies: Bodies::default(),
            #[cfg(test)]
            refuse: AtomicI64::new(i64::MAX),
        })
    }

    /// Refuses one allocation: the one after `count` others. Returns whether it has done that since the last call.
    #[cfg(test)]
    pub(crate) fn refuse_after(&self, count: i64) -> bool {
        self.refuse.swap(count, Ordering::Relaxed) < 0
    }

    /// Largest node in bytes that fits, header not counted.
    pub(crate) fn largest_body(&self) -> usize {
        (self.smallest << (self.classes.len() - 1)) - HEADER
    }

    /// A frame for a node of this shape. The body holds whatever an earlier node left in it.
    pub(crate) fn allocate(&self, level: u8, body_len: usize, children: usize) -> Result<Building<'_>, NoMemory> {
        let bytes = frame_bytes(body_len, children);
        #[cfg(test)]
        if self.refuse.fetch_sub(1, Ordering::Relaxed) == 0 {
            return Err(NoMemory { bytes });
        }
        let class = bytes.div_ceil(self.smallest).next_power_of_two().ilog2() as usize;
        let slots = self.classes.get(class).ok_or(NoMemory { bytes })?;
        let taken = slots.take(|| self.part(class)).ok_or(NoMemory { bytes })?;
        let base = slots.base(taken.slot).ok_or(NoMemory { bytes })?;
        slots.open(taken.slot);
        let size = slots.slot_bytes as u64;
        if taken.idle {
            self.idle.fetch_sub(size, Ordering::Relaxed);
        }
        self.in_use.fetch_add(size, Ordering::Relaxed);
        self.trim();
        // SAFETY: the slot came from the free list, so that nobody else has it; its addresses stay ours as long as the pool lives,
        // which 'p borrows.
        unsafe {
            let header = Frame::new(base, FrameId::new(class, taken.slot, 0)).header();
            // Written before it is read: a first read would only map the system's page of zeros.
            let before = header.birth.fetch_add(1, Ordering::Relaxed);
            let birth = before.max(taken.births) + 1;
            header.birth.store(birth, Ordering::Relaxed);
            header.latch.renew(taken.versions);
            let frame = Frame::new(base, FrameId::new(class, taken.slot, birth));
            Ok(Building::new(self, frame, level, body_len, children))
        }
    }

    /// Whether [`stock`](Self::stock) would find a class with less than half of these bytes.
    pub(crate) fn wants_stock(&self, bytes: u64) -> bool {
        let used = self.in_use.load(Ordering::Relaxed) + self.idle.load(Ordering::Relaxed);
        used + bytes <= self.budget && self.classes.iter().any(|class| class.wants(&class.free.lock(), bytes / 2))
    }

    /// Touches memory for frames to come, until each class that is large has `bytes` of it idle, within the budget: whoever allocates next finds it
    /// there. No more than `bytes` at once: whoever allocates meanwhile may be as fast. The first touch of a huge page takes the system hundreds of microseconds, on some virtual machines milliseconds.
    pub(crate) fn stock(&self, bytes: u64) {
        for class in &self.classes {
            let size = class.slot_bytes as u64;
            let mut touched = 0;
            while touched < bytes
                && self.in_use.load(Ordering::Relaxed) + self.idle.load(Ordering::Relaxed) + size <= self.budget
            {
                let Some(slot) = class.take_untouched(bytes) else { break };
                class.touch(slot);
                touched += size;
                self.idle.fetch_add(size, Ordering::Relaxed);
                class.free.lock().idle.insert(slot);
            }
        }
    }

    /// Where a class lies.
    fn part(&self, class: usize) -> Option<Part> {
        let range = self.range?;
        let reservation = self.reservation.get_or_init(|| Reservation::new(range, self.classes.len()));
        reservation.as_ref()?.part(class, range)
    }

    /// Gives idle memory back while memory in use and idle exceeds the budget.
    fn trim(&self) {
        let idle = self.idle.load(Ordering::Relaxed);
        let over = (self.in_use.load(Ordering::Relaxed) + idle).saturating_sub(self.budget).min(idle);
        if over == 0 {
            return;
        }
        let mut wanted = over;
        for class in self.classes.iter().rev() {
            let given = class.give_back(wanted);
            self.idle.fetch_sub(given, Ordering::Relaxed);
            wanted = wanted.saturating_sub(given);
            if wanted == 0 {
                break;
            }
        }
    }

    /// Follows a frame's name. `None` if the frame was reused since, which a caller that keeps this folder's rule never sees.
    #[inline]
    pub(crate) fn frame<'g>(&'g self, id: FrameId, _guard: &'g Guard) -> Option<Frame<'g>> {
        let base = self.classes.get(id.class())?.base(id.slot())?;
        // SAFETY: the slot is mapped for as long as the pool lives. Its node was linked when or after the guard began (the rule in
        // mod.rs), so that it is not reused before the guard ends (I6).
        let frame = unsafe { Frame::new(base, id) };
        id.born(frame.header().birth.load(Ordering::Relaxed)).then_some(frame)
    }

    /// Asks the caches for the head of a frame's node: its words and most of the keys' first bytes. A descent then waits for these lines once,
    /// together, and not for one after the other.
    #[inline]
    pub(crate) fn prefetch(&self, id: FrameId) {
        /// Of 64 bytes: 8 cost a get beyond the caches 15 % more, 24 cost 5 % more.
        const LINES: usize = 16;
        self.prefetch_lines(id, LINES);
    }

    /// The same for a leaf that a scan comes to: also the keys, and the first values; what lies behind them the scan asks for itself.
    #[inline]
    pub(crate) fn prefetch_for_scan(&self, id: FrameId) {
        /// With 16, a scan beyond the caches of values of 150 bytes returned a quarter fewer in a second.
        const LINES: usize = 48;
        self.prefetch_lines(id, LINES);
    }

    #[inline]
    fn prefetch_lines(&self, id: FrameId, lines: usize) {
        if let Some(base) = self.classes.get(id.class()).and_then(|class| class.base(id.slot())) {
            (0..lines).for_each(|line| prefetch(base.as_ptr().wrapping_add(LINE * line)));
        }
    }

    /// Retires frames that nothing links to any more. They are reused once every thread pinned now has left and nobody pins them.
    pub(crate) fn retire(self: &Arc<Self>, ids: Vec<FrameId>, guard: &Guard) {
        if ids.is_empty() {
            return;
        }
        let bytes: u64 = ids.iter().map(|&id| self.bytes(id)).sum();
        self.limbo.fetch_add(bytes, Ordering::Relaxed);
        let pool = Arc::downgrade(self);
        guard.defer(move || {
            if let Some(pool) = pool.upgrade() {
                pool.reclaim(ids);
            }
        });
        guard.flush();
    }

    fn reclaim(&self, mut ids: Vec<FrameId>) {
        let leave_limbo = ids.len();
        ids.append(&mut self.pinned.lock());
        let mut still_pinned = Vec::new();
        for (number, id) in ids.into_iter().enumerate() {
            let Some(base) = self.classes.get(id.class()).and_then(|class| class.base(id.slot())) else { continue };
            // SAFETY: mapped; only the header's atomics are touched, and the body once nobody can see the frame and before anybody else gets it.
            let frame = unsafe { Frame::new(base, id) };
            let pins = frame.header().pins.load(Ordering::Acquire);
            if pins == 0 {
                self.bodies.end(id, frame.body());
                self.give_back(id);
            } else {
                still_pinned.push(id);
            }
            // One by one: if this thread loses its core here, the others do not take the rest for frames that stay.
            if number < leave_limbo {
                self.limbo.fetch_sub(self.bytes(id), Ordering::Relaxed);
            }
        }
        if !still_pinned.is_empty() {
            self.pinned.lock().append(&mut still_pinned);
        }
    }

    /// Puts a frame that nobody can see on the free list.
    pub(super) fn give_back(&self, id: FrameId) {
        if let Some(class) = self.classes.get(id.class()) {
            self.in_use.fetch_sub(class.slot_bytes as u64, Ordering::Relaxed);
            self.idle.fetch_add(class.slot_bytes as u64, Ordering::Relaxed);
            class.close(id.slot());
            class.free.lock().idle.insert(id.slot());
        }
    }

    /// Bytes of a frame.
    pub(crate) fn bytes(&self, id: FrameId) -> u64 {
        self.classes.get(id.class()).map_or(0, |class| class.slot_bytes as u64)
    }

    /// The budget in bytes.
    pub(crate) fn budget(&self) -> u64 {
        self.budget
    }

    /// By how many bytes the frames in use exceed the budget less `spare`. Frames in limbo are on their way out and not counted.
    pub(crate) fn excess(&self, spare: u64) -> u64 {
        // In this order: what leaves limbo between the two is in neither.
        let limbo = self.limbo.load(Ordering::Relaxed);
        let staying = self.in_use.load(Ordering::Relaxed).saturating_sub(limbo);
        staying.saturating_sub(self.budget.saturating_sub(spare))
    }

    /// Notes that leaves of these many bytes became dirty, or clean again.
    pub(crate) fn note_dirty(&self, bytes: i64) {
        self.dirty.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Notes that superseded leaves of these many bytes are kept for snapshots, or no longer.
    pub(crate) fn note_old(&self, bytes: i64) {
        self.old.fetch_add(bytes, Ordering::Relaxed);
    }

    /// What the memory is used for.
    pub(crate) fn usage(&self) -> Usage {
        let positive = |n: &AtomicI64| n.load(Ordering::Relaxed).max(0) as u64;
        // Before those in use, as in `excess`.
        let limbo = self.limbo.load(Ordering::Relaxed);
        Usage {
            resident: self.in_use.load(Ordering::Relaxed).max(limbo),
            limbo,
            idle: self.idle.load(Ordering::Relaxed),
            dirty: positive(&self.dirty),
            old: positive(&self.old),
        }
    }
}
