//! Where the slots of one size class lie.
//!
//! On Linux each class reserves a range of addresses and the system backs a page of it when it is first touched; the memory of a slot
//! can be given back while its addresses stay (Neumann and Freitag, "Umbra: A Disk-Based System with In-Memory Performance" (CIDR 2020),
//! section 3.1). Elsewhere, or where the system refuses the reservation, slots lie in allocated chunks that double in size and stay.
#![allow(unsafe_code)]
#![cfg_attr(not(test), expect(clippy::indexing_slicing, reason = "the indices are this program's own, never a file's"))]

#[cfg(target_os = "linux")]
use crate::sync::atomic::AtomicBool;
use crate::sync::atomic::{AtomicPtr, Ordering};
use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::ptr::NonNull;

const CHUNKS: usize = 28;
const ALIGN: usize = 64;

#[expect(clippy::large_enum_variant, reason = "a few of them, each looked into on every hot access")]
/// Memory for slots of one size. A slot's memory is zero when it is first used, and again after it was given back.
pub(super) enum Region {
    /// A range of addresses.
    #[cfg(target_os = "linux")]
    Reserved(Reserved),
    /// Allocated piece by piece.
    Chunks(Chunks),
}

impl Region {
    /// A region for slots of `slot_bytes`, in its part of a reservation if there is one.
    pub(super) fn new(slot_bytes: usize, part: Option<Part>) -> Self {
        match part {
            #[cfg(target_os = "linux")]
            Some(part) => Self::Reserved(Reserved { part, slot_bytes, huge: AtomicBool::new(false) }),
            _ => Self::Chunks(Chunks::new(slot_bytes)),
        }
    }

    /// Makes a slot usable. `false`: there is no memory or no address for it.
    pub(super) fn ensure(&self, slot: u32) -> bool {
        match self {
            #[cfg(target_os = "linux")]
            Self::Reserved(reserved) => reserved.ensure(slot),
            Self::Chunks(chunks) => chunks.ensure(slot),
        }
    }

    /// Where a slot begins, if it was made usable.
    pub(super) fn base(&self, slot: u32) -> Option<NonNull<u8>> {
        match self {
            #[cfg(target_os = "linux")]
            Self::Reserved(reserved) => reserved.base(slot),
            Self::Chunks(chunks) => chunks.base(slot),
        }
    }

    /// Gives a slot's memory back to the system; `false` if it stays.
    ///
    /// # Safety
    /// Nobody holds a reference into the slot or reads it before it is taken again.
    pub(super) unsafe fn give_back(&self, slot: u32) -> bool {
        match self {
            #[cfg(target_os = "linux")]
            // SAFETY: passed on.
            Self::Reserved(reserved) => unsafe { reserved.give_back(slot) },
            Self::Chunks(_) => {
                let _ = slot;
                false
            }
        }
    }
}

/// Addresses for all classes of a pool. One reservation, because giving it back interrupts every core that may know of it.
pub(super) struct Reservation {
    start: NonNull<u8>,
    bytes: usize,
}

// SAFETY: the range is owned by this value and only handed out slot by slot; `Frame` says how slots may be touched.
unsafe impl Send for Reservation {}
// SAFETY: as above.
unsafe impl Sync for Reservation {}

/// A class's part of a reservation, which lives as long as the class: the pool has both.
#[derive(Clone, Copy)]
pub(super) struct Part {
    start: NonNull<u8>,
    bytes: usize,
}

// SAFETY: as for the reservation.
unsafe impl Send for Part {}
// SAFETY: as above.
unsafe impl Sync for Part {}

impl Reservation {
    /// `parts` parts of `range` bytes each; `None` where the system refuses, or is none that we know.
    #[cfg(target_os = "linux")]
    pub(super) fn new(range: usize, parts: usize) -> Option<Self> {
        use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous};
        let bytes = range.checked_mul(parts)?;
        let flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
        // SAFETY: a fresh mapping at an address that the system chooses touches no memory that exists.
        let start = unsafe { mmap_anonymous(std::ptr::null_mut(), bytes, ProtFlags::READ | ProtFlags::WRITE, flags) };
        Some(Self { start: NonNull::new(start.ok()?.cast::<u8>())?, bytes })
    }

    #[cfg(not(target_os = "linux"))]
    pub(super) fn new(_range: usize, _parts: usize) -> Option<Self> {
        None
    }

    /// Part number `part` of parts of `range` bytes.
    pub(super) fn part(&self, part: usize, range: usize) -> Option<Part> {
        let at = part.checked_mul(range)?;
        // SAFETY: the part ends within the mapping.
        (at + range <= self.bytes).then(|| Part { start: unsafe { self.start.add(at) }, bytes: range })
    }
}

#[cfg(target_os = "linux")]
impl Drop for Reservation {
    fn drop(&mut self) {
        // SAFETY: our own mapping. Nobody reads it any more: frames and guards borrow the pool.
        let _ = unsafe { rustix::mm::munmap(self.start.as_ptr().cast(), self.bytes) };
    }
}

/// See the module.
#[cfg(target_os = "linux")]
pub(super) struct Reserved {
    part: Part,
    slot_bytes: usize,
    /// Whether huge pages were asked for.
    huge: AtomicBool,
}

#[cfg(target_os = "linux")]
impl Reserved {
    /// The system hands out memory in pages of this size, or multiples: smaller slots cannot be given back one by one.
    const SYSTEM_PAGE: usize = 4096;
    /// Huge pages begin behind this many bytes, so that a small database does not pay for touching a whole one.
    const SMALL: usize = 4 << 20;

    /// Called under the class's lock.
    fn ensure(&self, slot: u32) -> bool {
        let end = (slot as usize + 1).checked_mul(self.slot_bytes);
        let fits = end.is_some_and(|end| end <= self.part.bytes);
        if fits && end > Some(Self::SMALL) && !self.huge.swap(true, Ordering::Relaxed) {
            // SAFETY: the advice lies within the mapping, and changes no contents. A system without huge pages refuses it: nothing is lost.
            let _ = unsafe {
                let rest = self.part.start.add(Self::SMALL).as_ptr().cast();
                rustix::mm::madvise(rest, self.part.bytes - Self::SMALL, rustix::mm::Advice::LinuxHugepage)
            };
        }
        fits
    }

    #[inline]
    fn base(&self, slot: u32) -> Option<NonNull<u8>> {
        let at = slot as usize * self.slot_bytes;
        // SAFETY: the slot ends within the mapping.
        (at + self.slot_bytes <= self.part.bytes).then(|| unsafe { self.part.start.add(at) })
    }

    /// # Safety
    /// As [`Region::give_back`].
    unsafe fn give_back(&self, slot: u32) -> bool {
        let Some(base) = self.base(slot).filter(|_| self.slot_bytes.is_multiple_of(Self::SYSTEM_PAGE)) else {
            return false;
        };
        // SAFETY: the slot lies within our mapping, on whole system pages, and nobody looks at it (the caller's promise).
        unsafe { rustix::mm::madvise(base.as_ptr().cast(), self.slot_bytes, rustix::mm::Advice::LinuxDontNeed) }.is_ok()
    }
}

/// See the module.
pub(super) struct Chunks {
    slot_bytes: usize,
    first_chunk: u32,
    chunks: [AtomicPtr<u8>; CHUNKS],
}

impl Chunks {
    fn new(slot_bytes: usize) -> Self {
        Self {
            slot_bytes,
            first_chunk: ((1 << 18) / slot_bytes).max(1).next_power_of_two() as u32,
            chunks: [const { AtomicPtr::new(std::ptr::null_mut()) }; CHUNKS],
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

    /// Called under the class's lock.
    fn ensure(&self, slot: u32) -> bool {
        let (chunk, _) = self.place(slot);
        if chunk >= CHUNKS {
            return false;
        }
        if self.chunks[chunk].load(Ordering::Relaxed).is_null() {
            let Some(layout) = self.layout(chunk) else { return false };
            // SAFETY: the layout has a size above zero.
            let memory = unsafe { alloc_zeroed(layout) };
            if memory.is_null() {
                return false;
            }
            self.chunks[chunk].store(memory, Ordering::Release);
        }
        true
    }

    fn base(&self, slot: u32) -> Option<NonNull<u8>> {
        let (chunk, at) = self.place(slot);
        let memory = NonNull::new(self.chunks.get(chunk)?.load(Ordering::Acquire))?;
        let skip = memory.as_ptr().align_offset(ALIGN);
        // SAFETY: the chunk is ALIGN bytes longer than its slots, and `at` is below the number of its slots.
        Some(unsafe { memory.add(skip + at * self.slot_bytes) })
    }
}

impl Drop for Chunks {
    fn drop(&mut self) {
        for chunk in 0..CHUNKS {
            let memory = *self.chunks[chunk].get_mut();
            if let (false, Some(layout)) = (memory.is_null(), self.layout(chunk)) {
                // SAFETY: allocated in `ensure` with this layout. Nobody reads it any more: frames and guards borrow the pool.
                unsafe { dealloc(memory, layout) };
            }
        }
    }
}
