//! Tells a sanitizer what the pool knows. By itself it sees one mapping, all of it valid, and all of it written. `cargo xtask sanitize address` and
//! `memory` set a `cfg` each; in any other build nothing of this is left.
//!
//! - `tamarack_asan`: nobody may look behind the header of a frame that is not in use.
//! - `tamarack_msan`: what an earlier node left behind the header means nothing, and neither do a new slot's zeros.
#![allow(unsafe_code)]

use super::frame::HEADER;
use std::ptr::NonNull;

/// Whether there is somebody to tell.
pub(super) const WATCHED: bool = cfg!(any(tamarack_asan, tamarack_msan));

#[cfg(tamarack_asan)]
unsafe extern "C" {
    fn __asan_poison_memory_region(start: *const u8, bytes: usize);
    fn __asan_unpoison_memory_region(start: *const u8, bytes: usize);
}

#[cfg(tamarack_msan)]
unsafe extern "C" {
    fn __msan_allocated_memory(start: *const u8, bytes: usize);
}

/// Nobody may read or write behind the header of this slot.
///
/// # Safety
/// The slot has so many bytes.
pub(super) unsafe fn close(base: NonNull<u8>, slot_bytes: usize) {
    let (_start, _bytes) = (base.as_ptr().wrapping_add(HEADER), slot_bytes - HEADER);
    #[cfg(tamarack_asan)]
    // SAFETY: this marks bytes of the slot, and touches none.
    unsafe {
        __asan_poison_memory_region(_start, _bytes);
    }
}

/// Whoever has this slot may write behind its header, and read what was written.
///
/// # Safety
/// The slot has so many bytes.
pub(super) unsafe fn open(base: NonNull<u8>, slot_bytes: usize) {
    let (_start, _bytes) = (base.as_ptr().wrapping_add(HEADER), slot_bytes - HEADER);
    #[cfg(tamarack_asan)]
    // SAFETY: as above.
    unsafe {
        __asan_unpoison_memory_region(_start, _bytes);
    }
    #[cfg(tamarack_msan)]
    // SAFETY: this marks bytes of the slot as never written, and touches none.
    unsafe {
        __msan_allocated_memory(_start, _bytes);
    }
}
