//! Slots for nodes, in size classes of powers of two.
//!
//! Each class keeps its slots in chunks that double in size, so that a slot's address is computed from its number with one load, and a
//! slot never moves. Memory is taken from the allocator zeroed, which for large chunks means untouched: it is backed by physical pages only
//! when used.
#![allow(unsafe_code)]
#![cfg_attr(not(test), expect(clippy::indexing_slicing, reason = "the indices are this program's own, never a file's"))]

use super::epoch::Guard;
use super::frame::{Building, Frame, HEADER, frame_bytes};
use super::swip::FrameId;
use parking_lot::Mutex;
use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

const CHUNKS: usize = 28;
const ALIGN: usize = 64;

/// How the pool is cut.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PoolOptions {
    /// Bytes of the smallest class, a power of two of at least 256.
    pub(crate) smallest: usize,
    /// Bytes of the largest class.
    pub(crate) largest: usize,
}

/// There is no memory for a node, or the node is larger than the largest class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NoMemory {
    /// Bytes that were asked for.
    pub(crate) bytes: usize,
}

/// The frames of one database.
pub(crate) struct Pool {
    classes: Box<[Class]>,
    smallest: usize,
    in_use: AtomicU64,
    limbo: AtomicU64,
    /// Retired frames that were still pinned when their epoch had passed.
    pinned: Mutex<Vec<FrameId>>,
}

struct Class {
    slot_bytes: usize,
    first_chunk: u32,
    chunks: [AtomicPtr<u8>; CHUNKS],
    free: Mutex<FreeSlots>,
}

#[derive(Default)]
struct FreeSlots {
    list: Vec<u32>,
    next: u32,
}

impl Class {
    fn new(slot_bytes: usize) -> Self {
        Self {
            slot_bytes,
            first_chunk: ((1 << 18) / slot_bytes).max(1).next_power_of_two() as u32,
            chunks: [const { AtomicPtr::new(std::ptr::null_mut()) }; CHUNKS],
            free: Mutex::default(),
        }
    }

    /// Chunk number and slot number within it.
    fn place(&self, slot: u32) -> (usize, usize) {
        let n = slot / self.first_chunk + 1;
        let chunk = n.ilog2();
        (chunk as usize, (slot - self.first_chunk * ((1 << chunk) - 1)) as usize)
    }

    fn layout(&self, chunk: usize) -> Option<Layout> {
        let bytes = (self.first_chunk as usize).checked_shl(chunk as u32)?.checked_mul(self.slot_bytes)?;
        // Alignment above 16 would make the allocator write the zeros; so ask for less and align by hand.
        Layout::from_size_align(bytes.checked_add(ALIGN)?, 16).ok()
    }

    fn take(&self) -> Option<u32> {
        let mut free = self.free.lock();
        if let Some(slot) = free.list.pop() {
            return Some(slot);
        }
        let slot = free.next;
        let (chunk, _) = self.place(slot);
        if slot >= FrameId::MAX_SLOTS || chunk >= CHUNKS {
            return None;
        }
        if self.chunks[chunk].load(Ordering::Relaxed).is_null() {
            // SAFETY: the layout has a size above zero.
            let memory = unsafe { alloc_zeroed(self.layout(chunk)?) };
            if memory.is_null() {
                return None;
            }
            self.chunks[chunk].store(memory, Ordering::Release);
        }
        free.next = slot + 1;
        Some(slot)
    }

    fn base(&self, slot: u32) -> Option<NonNull<u8>> {
        let (chunk, at) = self.place(slot);
        let memory = NonNull::new(self.chunks.get(chunk)?.load(Ordering::Acquire))?;
        let skip = memory.as_ptr().align_offset(ALIGN);
        // SAFETY: the chunk is ALIGN bytes longer than its slots, and `at` is below the number of its slots.
        Some(unsafe { memory.add(skip + at * self.slot_bytes) })
    }
}

impl Drop for Class {
    fn drop(&mut self) {
        for chunk in 0..CHUNKS {
            let memory = *self.chunks[chunk].get_mut();
            if let (false, Some(layout)) = (memory.is_null(), self.layout(chunk)) {
                // SAFETY: allocated in `take` with this layout. Nobody reads it any more: frames and guards borrow the pool.
                unsafe { dealloc(memory, layout) };
            }
        }
    }
}

impl Pool {
    /// An empty pool.
    pub(crate) fn new(options: PoolOptions) -> Arc<Self> {
        let count = (options.largest / options.smallest).max(1).ilog2() as usize + 1;
        Arc::new(Self {
            classes: (0..count.min(16)).map(|class| Class::new(options.smallest << class)).collect(),
            smallest: options.smallest,
            in_use: AtomicU64::new(0),
            limbo: AtomicU64::new(0),
            pinned: Mutex::default(),
        })
    }

    /// Largest node in bytes that fits, header not counted.
    pub(crate) fn largest_body(&self) -> usize {
        (self.smallest << (self.classes.len() - 1)) - HEADER
    }

    /// A frame for a node of this shape. The body holds whatever an earlier node left in it.
    pub(crate) fn allocate(&self, level: u8, body_len: usize, children: usize) -> Result<Building<'_>, NoMemory> {
        let bytes = frame_bytes(body_len, children);
        let class = bytes.div_ceil(self.smallest).next_power_of_two().ilog2() as usize;
        let slots = self.classes.get(class).ok_or(NoMemory { bytes })?;
        let slot = slots.take().ok_or(NoMemory { bytes })?;
        let base = slots.base(slot).ok_or(NoMemory { bytes })?;
        self.in_use.fetch_add(slots.slot_bytes as u64, Ordering::Relaxed);
        // SAFETY: the slot came from the free list, so that nobody else has it; chunks live as long as the pool, which 'p borrows.
        unsafe {
            let header = Frame::new(base, FrameId::new(class, slot, 0)).header();
            let birth = header.birth.fetch_add(1, Ordering::Relaxed) + 1;
            header.latch.renew();
            let frame = Frame::new(base, FrameId::new(class, slot, birth));
            Ok(Building::new(self, frame, level, body_len, children))
        }
    }

    /// Follows a frame's name. `None` if the frame was reused since, which a caller that keeps this folder's rule never sees.
    pub(crate) fn frame<'g>(&'g self, id: FrameId, _guard: &'g Guard) -> Option<Frame<'g>> {
        let base = self.classes.get(id.class())?.base(id.slot())?;
        // SAFETY: the slot is mapped for as long as the pool lives. Its node was linked when or after the guard began (the rule in
        // mod.rs), so that it is not reused before the guard ends (I6).
        let frame = unsafe { Frame::new(base, id) };
        id.born(frame.header().birth.load(Ordering::Relaxed)).then_some(frame)
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
                pool.limbo.fetch_sub(bytes, Ordering::Relaxed);
                pool.reclaim(ids);
            }
        });
        guard.flush();
    }

    fn reclaim(&self, mut ids: Vec<FrameId>) {
        ids.append(&mut self.pinned.lock());
        let mut still_pinned = Vec::new();
        for id in ids {
            let Some(base) = self.classes.get(id.class()).and_then(|class| class.base(id.slot())) else { continue };
            // SAFETY: mapped; only the header's atomics are touched.
            let pins = unsafe { Frame::new(base, id) }.header().pins.load(Ordering::Acquire);
            if pins == 0 {
                self.give_back(id);
            } else {
                still_pinned.push(id);
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
            class.free.lock().list.push(id.slot());
        }
    }

    fn bytes(&self, id: FrameId) -> u64 {
        self.classes.get(id.class()).map_or(0, |class| class.slot_bytes as u64)
    }

    /// Bytes of frames in use, limbo included.
    #[cfg(test)]
    pub(crate) fn resident_bytes(&self) -> u64 {
        self.in_use.load(Ordering::Relaxed)
    }

    /// Bytes of frames that wait for readers to leave.
    #[cfg(test)]
    pub(crate) fn limbo_bytes(&self) -> u64 {
        self.limbo.load(Ordering::Relaxed)
    }
}
