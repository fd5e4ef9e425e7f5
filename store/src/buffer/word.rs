//! A swip's word and its transitions, which `swip.rs` lists. Checked by loom in `models/`.

use super::swip::{FrameId, Swip};
use crate::sync::atomic::{AtomicU64, Ordering};

/// The word in which a node keeps who owns a child. As large as an `AtomicU64`, and zero like it: fresh memory owns nothing.
#[derive(Debug, Default)]
#[repr(transparent)]
pub(crate) struct SwipWord(AtomicU64);

impl SwipWord {
    /// What it says.
    pub(crate) fn read(&self) -> Swip {
        Swip::from_word(self.0.load(Ordering::Acquire))
    }

    /// What it says, to a reader that is about to follow it: makes a cool one hot.
    #[inline]
    pub(crate) fn follow(&self) -> Swip {
        let word = self.0.load(Ordering::Acquire);
        if Swip::may_warm(word) {
            // Relaxed: a read-modify-write carries on what the word's last release made visible. Whoever changed it meanwhile knows better.
            let _ = self.0.compare_exchange(word, word & !Swip::COOL, Ordering::Relaxed, Ordering::Relaxed);
        }
        Swip::from_word(word)
    }

    /// Makes it own a frame. Under the node's latch, or before anybody else knows the node.
    pub(crate) fn set_hot(&self, id: FrameId) {
        self.0.store(id.word(), Ordering::Release);
    }

    /// Makes it own a page on disk; as [`set_hot`](Self::set_hot).
    pub(crate) fn set_cold(&self, address: u64) {
        self.0.store(Swip::cold_word(address), Ordering::Release);
    }

    /// Moves what is cold to another place on disk. Fails if it is not cold there: a reader has made it hot. Under the node's latch.
    pub(crate) fn relocate(&self, from: u64, to: u64) -> bool {
        let (from, to) = (Swip::cold_word(from), Swip::cold_word(to));
        self.0.compare_exchange(from, to, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    /// Makes it own nothing; as [`set_hot`](Self::set_hot).
    pub(crate) fn clear(&self) {
        self.0.store(0, Ordering::Release);
    }

    /// Makes a cold word hot, or cool. Fails when somebody was faster or the word is frozen.
    pub(crate) fn install(&self, address: u64, id: FrameId, cool: bool) -> bool {
        let word = id.word() | if cool { Swip::COOL } else { 0 };
        self.0.compare_exchange(Swip::cold_word(address), word, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    /// The clock passes: a hot word becomes cool. `true` if it was cool already, and nobody followed it since.
    pub(crate) fn pass(&self, id: FrameId) -> bool {
        let (hot, cool) = (id.word(), id.word() | Swip::COOL);
        self.0.compare_exchange(hot, cool, Ordering::Relaxed, Ordering::Relaxed) == Err(cool)
    }

    /// Makes a cool word cold. Under the node's latch, by the clock. Fails if a reader has followed it.
    pub(crate) fn evict(&self, id: FrameId, address: u64) -> bool {
        let cold = Swip::cold_word(address);
        self.0.compare_exchange(id.word() | Swip::COOL, cold, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    /// Freezes the word and returns what it says from now on (I8).
    pub(crate) fn freeze(&self) -> Swip {
        Swip::from_word(self.0.fetch_or(Swip::FREEZE, Ordering::AcqRel) | Swip::FREEZE)
    }
}
