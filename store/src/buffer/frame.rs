//! What lies in a frame, and how it may be touched.
//!
//! ```text
//! offset 0        header, 64 bytes: atomics only (I5)
//! offset 64       body, `body_len` bytes: immutable from publication to reuse (I4)
//! next 64-line    inner nodes: one swip (AtomicU64) per child, on lines of their own
//! after these     inner nodes: the cold half, four AtomicU64 per child: where its last image lies on disk, and its dirty bit
//! ```
//! The cold half lies apart from the swips, so that searches never touch it.
#![allow(unsafe_code)]

use super::epoch::Guard;
use super::latch::OptimisticLatch;
use super::pool::Pool;
use super::swip::{FrameId, Swip};
use super::word::SwipWord;
use crate::format::ChildEntry;
use crate::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::marker::PhantomData;
use std::ptr::NonNull;

/// Bytes of a frame's header.
pub(crate) const HEADER: usize = 64;
/// Bytes of a line of the caches.
pub(super) const LINE: usize = 64;
const WORD: usize = size_of::<AtomicU64>();
const _: () = assert!(size_of::<SwipWord>() == WORD && align_of::<SwipWord>() == WORD);
const COLD_WORDS: usize = 4;
const DIRTY: u64 = 1 << 63;

/// The mutable words of a node. All zero is a valid value: fresh memory is.
#[repr(C, align(64))]
pub(super) struct Header {
    pub(super) latch: OptimisticLatch,
    /// Timestamp of the newest commit in a leaf.
    timestamp: AtomicU64,
    /// The version before, for snapshots older than `timestamp`.
    prev: AtomicU64,
    pub(super) birth: AtomicU64,
    pub(super) pins: AtomicU32,
    body_len: AtomicU32,
    children: AtomicU32,
    level: AtomicU32,
}

const _: () = assert!(size_of::<Header>() == HEADER);

/// Asks the caches for the line at an address.
#[inline]
pub(super) fn prefetch(line: *const u8) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a hint; it reads nothing and faults never, whatever the address.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(line.cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = line;
}

/// Asks the caches for bytes that will be read.
#[inline]
pub(crate) fn prefetch_bytes(bytes: &[u8]) {
    bytes.chunks(LINE).for_each(|line| prefetch(line.as_ptr()));
}

const fn round_up(n: usize, to: usize) -> usize {
    n.div_ceil(to) * to
}

/// Bytes that a node takes in memory.
pub(super) fn frame_bytes(body_len: usize, children: usize) -> usize {
    if children == 0 {
        HEADER + body_len
    } else {
        round_up(HEADER + body_len, LINE) + children * (1 + COLD_WORDS) * WORD
    }
}

/// A node in memory, readable as long as the guard lives.
#[derive(Clone, Copy)]
pub(crate) struct Frame<'g> {
    base: NonNull<u8>,
    id: FrameId,
    guard: PhantomData<&'g Guard>,
}

// SAFETY: a frame is a shared reference to memory that is either immutable (the body) or atomic (everything else).
unsafe impl Send for Frame<'_> {}
// SAFETY: as above.
unsafe impl Sync for Frame<'_> {}

impl<'g> Frame<'g> {
    /// # Safety
    /// `base` points to an initialised slot that stays mapped and is not reused for `'g`.
    pub(super) unsafe fn new(base: NonNull<u8>, id: FrameId) -> Self {
        Self { base, id, guard: PhantomData }
    }

    pub(super) fn header(&self) -> &'g Header {
        // SAFETY: every slot begins with a header; all its fields are atomics, and zeroed memory is a valid one.
        unsafe { self.base.cast::<Header>().as_ref() }
    }

    /// This frame's name.
    pub(crate) fn id(&self) -> FrameId {
        self.id
    }

    /// The latch in the header.
    pub(crate) fn latch(&self) -> &'g OptimisticLatch {
        &self.header().latch
    }

    /// 0 for leaves.
    pub(crate) fn level(&self) -> u8 {
        self.header().level.load(Ordering::Relaxed) as u8
    }

    /// Timestamp of the newest commit in a leaf.
    pub(crate) fn timestamp(&self) -> u64 {
        self.header().timestamp.load(Ordering::Relaxed)
    }

    /// The version before this one, kept while a snapshot may need it.
    pub(crate) fn prev(&self) -> Option<FrameId> {
        FrameId::from_word(self.header().prev.load(Ordering::Acquire))
    }

    /// Changes the link to the version before. Done by the applier alone.
    pub(crate) fn set_prev(&self, prev: Option<FrameId>) {
        self.header().prev.store(prev.map_or(0, FrameId::word), Ordering::Release);
    }

    /// The node's bytes.
    pub(crate) fn body(&self) -> &'g [u8] {
        let len = self.header().body_len.load(Ordering::Relaxed) as usize;
        // SAFETY: the slot holds `len` initialised bytes behind the header; nobody writes them until the frame is reused (I4), which
        // the guard delays (I6).
        unsafe { std::slice::from_raw_parts(self.base.as_ptr().add(HEADER), len) }
    }

    /// Number of children; 0 for leaves.
    pub(crate) fn children(&self) -> usize {
        self.header().children.load(Ordering::Relaxed) as usize
    }

    /// Asks the caches for the swips of a child, and of so many behind it.
    #[inline]
    pub(crate) fn prefetch_swips(&self, child: usize, behind: usize) {
        let swips = round_up(HEADER + self.header().body_len.load(Ordering::Relaxed) as usize, LINE);
        for line in child * WORD / LINE..=(child + behind) * WORD / LINE {
            prefetch(self.base.as_ptr().wrapping_add(swips + line * LINE));
        }
    }

    /// The words of child `i`, or `None` past the end.
    pub(crate) fn child(&self, i: usize) -> Option<Child<'g>> {
        let header = self.header();
        let children = header.children.load(Ordering::Relaxed) as usize;
        if i >= children {
            return None;
        }
        let swips = round_up(HEADER + header.body_len.load(Ordering::Relaxed) as usize, LINE);
        let cold = swips + children * WORD;
        // SAFETY: `i` is below the number of children, the slot is at least `frame_bytes` long, both places are aligned to 8 bytes
        // and accessed as these same atomics for the whole life of the node (I5).
        unsafe {
            Some(Child {
                swip: self.base.add(swips + i * WORD).cast::<SwipWord>().as_ref(),
                cold: self.base.add(cold + i * COLD_WORDS * WORD).cast::<[AtomicU64; COLD_WORDS]>().as_ref(),
            })
        }
    }
}

/// The words that a parent keeps for one child.
#[derive(Clone, Copy)]
pub(crate) struct Child<'g> {
    swip: &'g SwipWord,
    cold: &'g [AtomicU64; COLD_WORDS],
}

impl Child<'_> {
    /// The swip.
    pub(crate) fn swip(&self) -> Swip {
        self.swip.read()
    }

    /// The swip, for a reader that is about to follow it: makes a cool one hot.
    #[inline]
    pub(crate) fn follow(&self) -> Swip {
        self.swip.follow()
    }

    /// Makes the child resident (or another one so). Under the parent's latch; readers race only from cold to hot, and from cool to hot.
    pub(crate) fn set_hot(&self, id: FrameId) {
        self.swip.set_hot(id);
    }

    /// Installs a child that was read from disk, for good or, by a scan, for a moment. Fails when somebody was faster or the swip is
    /// frozen.
    pub(crate) fn install(&self, address: u64, id: FrameId, cool: bool) -> bool {
        self.swip.install(address, id, cool)
    }

    /// The clock passes: a hot child becomes cool. `true` if it was cool already, and nobody followed it since.
    pub(crate) fn pass(&self, id: FrameId) -> bool {
        self.swip.pass(id)
    }

    /// Makes a cool child cold. Under the parent's latch, by the clock. Fails if a reader has followed it.
    pub(crate) fn evict(&self, id: FrameId) -> bool {
        self.swip.evict(id, self.entry().address)
    }

    /// Freezes the swip and returns what it is from now on (I8).
    pub(crate) fn freeze(&self) -> Swip {
        self.swip.freeze()
    }

    /// Where the child's last image lies on disk; address 0 if it has none.
    pub(crate) fn entry(&self) -> ChildEntry {
        let [address, generation, length, checksum] = self.cold;
        ChildEntry {
            address: address.load(Ordering::Relaxed),
            generation: generation.load(Ordering::Relaxed),
            length: (length.load(Ordering::Relaxed) & !DIRTY) as u32,
            checksum: checksum.load(Ordering::Relaxed),
        }
    }

    /// Whether memory differs from that image.
    pub(crate) fn dirty(&self) -> bool {
        self.cold[2].load(Ordering::Relaxed) & DIRTY != 0
    }

    /// Marks the child as changed since its image. Under the parent's latch (I8).
    pub(crate) fn set_dirty(&self) {
        self.cold[2].fetch_or(DIRTY, Ordering::Relaxed);
    }

    /// Notes a new image. Under the parent's latch (I8).
    pub(crate) fn set_entry(&self, entry: &ChildEntry, dirty: bool) {
        let [address, generation, length, checksum] = self.cold;
        address.store(entry.address, Ordering::Relaxed);
        generation.store(entry.generation, Ordering::Relaxed);
        length.store(u64::from(entry.length) | if dirty { DIRTY } else { 0 }, Ordering::Relaxed);
        checksum.store(entry.checksum, Ordering::Relaxed);
    }

    /// Makes the swip own nothing.
    pub(crate) fn clear(&self) {
        self.swip.clear();
    }

    /// Notes that the image lies elsewhere, with the same content. Under the parent's latch (I8); readers race only from cold to hot, and
    /// what they have read from the old place is this same content.
    pub(crate) fn relocate(&self, to: &ChildEntry) {
        let from = self.entry().address;
        self.set_entry(to, false);
        self.swip.relocate(from, to.address);
    }

    /// Makes the child cold: used when a node is read from disk and when a tree is opened.
    pub(crate) fn set_cold(&self, entry: &ChildEntry) {
        self.set_entry(entry, false);
        self.swip.set_cold(entry.address);
    }
}

/// The words above a root: a parent with one child.
#[derive(Default)]
pub(crate) struct RootSlot {
    swip: SwipWord,
    cold: [AtomicU64; COLD_WORDS],
}

impl RootSlot {
    /// The words of the root.
    pub(crate) fn child(&self) -> Child<'_> {
        Child { swip: &self.swip, cold: &self.cold }
    }
}

/// A frame that is being filled and that nobody else can see. Dropping it gives the frame back.
pub(crate) struct Building<'p> {
    pool: &'p Pool,
    frame: Frame<'p>,
    done: bool,
}

impl<'p> Building<'p> {
    /// # Safety
    /// The slot of `frame` was just taken from the free list and nobody else holds it.
    pub(super) unsafe fn new(pool: &'p Pool, frame: Frame<'p>, level: u8, body_len: usize, children: usize) -> Self {
        let header = frame.header();
        header.timestamp.store(0, Ordering::Relaxed);
        header.prev.store(0, Ordering::Relaxed);
        header.body_len.store(body_len as u32, Ordering::Relaxed);
        header.children.store(children as u32, Ordering::Relaxed);
        header.level.store(u32::from(level), Ordering::Relaxed);
        Self { pool, frame, done: false }
    }

    /// The body to fill.
    pub(crate) fn body_mut(&mut self) -> &mut [u8] {
        let len = self.frame.header().body_len.load(Ordering::Relaxed) as usize;
        // SAFETY: nobody else knows this frame before `finish`, and `&mut self` keeps this borrow alone.
        unsafe { std::slice::from_raw_parts_mut(self.frame.base.as_ptr().add(HEADER), len) }
    }

    /// The words of child `i`.
    pub(crate) fn child(&self, i: usize) -> Option<Child<'_>> {
        self.frame.child(i)
    }

    /// Sets the timestamp and the version before.
    pub(crate) fn set_version(&self, timestamp: u64, prev: Option<FrameId>) {
        self.frame.header().timestamp.store(timestamp, Ordering::Relaxed);
        self.frame.set_prev(prev);
    }

    /// The name that the frame will have.
    pub(crate) fn id(&self) -> FrameId {
        self.frame.id
    }

    /// Number of children.
    pub(crate) fn children(&self) -> usize {
        self.frame.children()
    }

    /// Bytes of the frame.
    pub(crate) fn bytes(&self) -> u64 {
        self.pool.bytes(self.frame.id)
    }

    /// The filled bytes.
    pub(crate) fn body(&self) -> &[u8] {
        self.frame.body()
    }

    /// Ends the filling. The caller links the frame to a swip or retires it.
    pub(crate) fn finish(mut self) -> FrameId {
        self.done = true;
        self.pool.bodies.publish(self.frame.id, self.frame.body());
        self.frame.id
    }
}

impl Drop for Building<'_> {
    fn drop(&mut self) {
        if !self.done {
            self.pool.give_back(self.frame.id);
        }
    }
}

/// A frame kept from reuse by its pin count, for as long as a user looks at it. Costs one shared write at each end, so it is taken
/// once a leaf by cursors, never by plain gets.
pub(crate) struct PinnedFrame<'p> {
    frame: Frame<'p>,
}

impl<'p> PinnedFrame<'p> {
    /// Pins a frame. The guard under which it was found may go after that.
    pub(crate) fn new(_pool: &'p Pool, frame: Frame<'_>) -> Self {
        frame.header().pins.fetch_add(1, Ordering::Relaxed);
        // The pin count keeps the frame from reuse (I6) and the pool outlives 'p, so that the borrow may grow from the guard's
        // lifetime to the pool's.
        Self { frame: Frame { base: frame.base, id: frame.id, guard: PhantomData } }
    }

    /// The frame, as long as the pin lives.
    pub(crate) fn frame(&self) -> Frame<'_> {
        self.frame
    }

    /// The node's bytes.
    pub(crate) fn body(&self) -> &[u8] {
        self.frame.body()
    }
}

impl Drop for PinnedFrame<'_> {
    fn drop(&mut self) {
        // Release: our reads of the body happen before the reuse that sees the count at zero.
        self.frame.header().pins.fetch_sub(1, Ordering::Release);
    }
}
