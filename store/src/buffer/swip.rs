//! The word that owns a child: resident in a frame, or cold on disk.
//!
//! ```text
//! bit  0      resident
//! bit  1      cool: resident, and passed by the clock once since a reader followed it
//! bit  2      frozen: the node that holds this swip is being rebuilt; the word never changes again (I8)
//! resident:   bits 4..8 size class, bits 8..36 slot, bits 36..64 birth number of the frame (28 bits)
//! cold:       bits 8..56 block number on disk
//! ```
//! A word of zero owns nothing.
//!
//! | from | to | who | how |
//! |---|---|---|---|
//! | cold | hot | a reader that has read the page | compare-and-swap; the loser gives its copy back |
//! | hot | cool | the clock | compare-and-swap |
//! | cool | hot | a reader that follows it | compare-and-swap, failure ignored |
//! | cool | cold | the clock, under the node's latch: clean, nothing behind it that a snapshot needs | compare-and-swap, then retire |
//! | hot, cool | hot, another frame | the applier, under the node's latch | store, then retire or keep as a version |
//! | cold | cold, another place | whoever moves the page, under the node's latch | compare-and-swap |
//! | any | the same, frozen | the applier that rebuilds the node | fetch-or; final (I8) |
//!
//! The scheme is Leis et al., "LeanStore: In-Memory Data Management beyond Main Memory" (ICDE 2018), with the cool state in the swip
//! as in Haubenschild and Leis, "Lock-Free Buffer Managers Do Not Require Delayed Memory Reclamation" (2023); frozen is our own.

const RESIDENT: u64 = 1;
const COOL: u64 = 1 << 1;
const FROZEN: u64 = 1 << 2;
const SLOT_BITS: u32 = 28;
const BIRTH_BITS: u32 = 28;

/// Names a frame: size class, slot and birth number. An index, not an address.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct FrameId(u64);

impl FrameId {
    /// Slots of a class are numbered below this.
    pub(super) const MAX_SLOTS: u32 = 1 << SLOT_BITS;
    const BIRTH_MASK: u64 = (1 << BIRTH_BITS) - 1;

    pub(super) fn new(class: usize, slot: u32, birth: u64) -> Self {
        Self(((class as u64) << 4) | (u64::from(slot) << 8) | ((birth & Self::BIRTH_MASK) << 36) | RESIDENT)
    }

    pub(super) fn class(self) -> usize {
        ((self.0 >> 4) & 0xf) as usize
    }

    pub(crate) fn slot(self) -> u32 {
        ((self.0 >> 8) as u32) & (Self::MAX_SLOTS - 1)
    }

    pub(super) fn born(self, birth: u64) -> bool {
        self.0 >> 36 == birth & Self::BIRTH_MASK
    }

    /// Size class and slot: no two frames in use share them.
    #[cfg(feature = "measure")]
    pub(crate) fn place(self) -> (usize, u32) {
        (self.class(), self.slot())
    }

    /// The word that a swip or a `prev` link holds for this frame.
    pub(crate) fn word(self) -> u64 {
        self.0
    }

    /// The frame that a link names; `None` for zero.
    pub(crate) fn from_word(word: u64) -> Option<Self> {
        (word & RESIDENT != 0).then_some(Self(word & !(FROZEN | COOL)))
    }
}

impl std::fmt::Debug for FrameId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "frame {}:{}#{}", self.class(), self.slot(), self.0 >> 36)
    }
}

/// A swip's word, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Swip {
    /// In memory, be it hot or cool.
    Resident(FrameId),
    /// On disk at this block.
    Cold {
        /// Block number.
        address: u64,
        /// Whether the node that holds the swip is being rebuilt.
        frozen: bool,
    },
    /// Owns nothing.
    Empty,
}

impl Swip {
    /// Takes a word apart.
    pub(crate) fn from_word(word: u64) -> Self {
        if let Some(id) = FrameId::from_word(word) {
            Self::Resident(id)
        } else if word & !FROZEN == 0 {
            Self::Empty
        } else {
            Self::Cold { address: word >> 8, frozen: word & FROZEN != 0 }
        }
    }

    /// The word of a child on disk.
    pub(crate) fn cold_word(address: u64) -> u64 {
        address << 8
    }

    /// The bit that freezes a swip.
    pub(super) const FREEZE: u64 = FROZEN;
    /// The bit that cools a swip.
    pub(super) const COOL: u64 = COOL;

    /// Whether the word is resident, cool and not frozen: a reader that follows it makes it hot.
    pub(super) fn may_warm(word: u64) -> bool {
        word & (RESIDENT | COOL | FROZEN) == RESIDENT | COOL
    }
}
