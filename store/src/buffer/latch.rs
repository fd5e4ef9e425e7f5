//! The optimistic latch in every node's header: one 64-bit word of version, lock bit and obsolete bit.
//!
//! Readers that want a consistent view of a node's mutable words read the version, read the words, and check that the version is
//! still the same. Writers lock by a compare-and-swap from the version that they saw, and unlock by moving to the next version. An obsolete node has been replaced: start again from the root.
//! Versions have 62 bits and never decrease, also when the frame is used again (I12). Protocol and orderings: Leis et al., "The ART of
//! Practical Synchronization" (2016), section 3; the fences follow Boehm, "Can Seqlocks Get Along with Programming Language
//! Memory Models?" (2012). Checked by loom in `models/`.

use crate::sync::atomic::{AtomicU64, Ordering, fence};

const OBSOLETE: u64 = 1;
const LOCKED: u64 = 2;
const STEP: u64 = 4;

/// See the module.
#[derive(Debug)]
pub(crate) struct OptimisticLatch(AtomicU64);

/// A version that was neither locked nor obsolete when it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Version(u64);

/// The node was locked, changed or replaced meanwhile: start again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Restart;

impl OptimisticLatch {
    /// A free latch.
    pub(crate) fn new() -> Self {
        Self(AtomicU64::new(STEP))
    }

    /// Begins an optimistic read.
    pub(crate) fn read(&self) -> Result<Version, Restart> {
        let word = self.0.load(Ordering::Acquire);
        if word & (LOCKED | OBSOLETE) == 0 { Ok(Version(word)) } else { Err(Restart) }
    }

    /// Ends an optimistic read: what was read since `version` is consistent.
    #[cfg_attr(
        not(test),
        expect(
            dead_code,
            reason = "bodies never change and a replaced node is obsolete, so no descent needs it; the models check it with the rest of the protocol"
        )
    )]
    pub(crate) fn validate(&self, version: Version) -> Result<(), Restart> {
        // Orders the reads before it against the load after it: an acquire load alone would order the wrong side.
        fence(Ordering::Acquire);
        if self.0.load(Ordering::Relaxed) == version.0 { Ok(()) } else { Err(Restart) }
    }

    /// Locks if nothing changed since `version`.
    pub(crate) fn upgrade(&self, version: Version) -> Result<Locked<'_>, Restart> {
        match self.0.compare_exchange(version.0, version.0 | LOCKED, Ordering::Acquire, Ordering::Relaxed) {
            Ok(_) => {
                // Keeps the stores of the critical section from becoming visible before the lock bit.
                fence(Ordering::Release);
                Ok(Locked { latch: self, version: version.0 })
            }
            Err(_) => Err(Restart),
        }
    }

    /// Locks an up-to-date node. Waits for whoever holds the latch: a few steps at once, then giving up the core between
    /// them (I11). Holders wait for no epoch and for no latch out of order, so that this ends also inside an epoch (I7).
    pub(crate) fn lock(&self) -> Result<Locked<'_>, Restart> {
        let mut tries = 0u32;
        loop {
            if let Ok(version) = self.read() {
                if let Ok(locked) = self.upgrade(version) {
                    return Ok(locked);
                }
            } else if self.0.load(Ordering::Relaxed) & OBSOLETE != 0 {
                return Err(Restart);
            }
            tries = tries.saturating_add(1);
            if tries < 256 { crate::sync::spin() } else { crate::sync::give_way() }
        }
    }

    /// Locks if nobody else does at this moment.
    #[cfg_attr(loom, expect(dead_code, reason = "the models lock in other ways"))]
    pub(crate) fn try_lock(&self) -> Result<Locked<'_>, Restart> {
        self.read().and_then(|version| self.upgrade(version))
    }

    /// The word itself.
    #[cfg_attr(loom, expect(dead_code, reason = "the models do not give memory back"))]
    pub(super) fn word(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Makes the latch of a frame that is about to be used again fresh, at a higher version than ever before, and than `floor`, which
    /// stands for what the slot's memory may have forgotten (I12).
    pub(super) fn renew(&self, floor: u64) {
        let word = self.0.load(Ordering::Relaxed).max(floor);
        self.0.store((word | LOCKED | OBSOLETE) + 1, Ordering::Relaxed);
    }
}

/// A held latch. Dropping it unlocks.
#[derive(Debug)]
pub(crate) struct Locked<'a> {
    latch: &'a OptimisticLatch,
    version: u64,
}

impl Locked<'_> {
    /// Unlocks and marks the node as replaced.
    pub(crate) fn retire(self) {
        self.latch.0.store((self.version + STEP) | OBSOLETE, Ordering::Release);
        std::mem::forget(self);
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        self.latch.0.store(self.version + STEP, Ordering::Release);
    }
}
