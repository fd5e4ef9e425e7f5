//! Gets through other translations from a child's word to its frame, for `cargo xtask swizzle`. Not part of the API: only the feature
//! `measure`, which programs do not turn on, compiles this.
//!
//! All translations walk the same tree in the same memory with the same node code. What differs is one step: a swip names its frame; the
//! others take the same word for a page number that says nothing about memory, and look that up.
//! `Batches` compares ways to apply a batch.

mod applying;

pub use applying::{Applying, Batches, Prepared};

use crate::buffer::{Frame, FrameId, Guard, Swip, pin};
use crate::engine::{Durability, Engine, EngineOptions, Snapshot, TreeId, View};
use crate::error::{Error, Result};
use crate::tree::node::{Body, Value};
use crate::tree::{Locks, Pager, Tree};
use crate::vfs::{OpenMode, RealFile};
use parking_lot::{RwLock, RwLockReadGuard};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

const TREE: TreeId = TreeId(1);

/// How a get finds frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Translation {
    /// The swip is the frame's name.
    Swip,
    /// Swips, and a shared lock on every node, coupled: the child's is taken before the parent's is given up.
    SwipAndLock,
    /// A page table at every step: open addressing, linear probing, at most half full.
    Hash,
    /// The same, and the bucket is latched while it is read.
    HashAndLatch,
    /// The same, and a shared latch on every node, coupled: the child's is taken before the parent's is given up.
    Baseline,
    /// What a read transaction does: a registered snapshot, versions, the epoch.
    Engine,
}

/// A tree that lies in memory as a whole, and its page table.
pub struct Image {
    engine: Engine,
    snapshot: Snapshot,
    table: Table,
    latches: Vec<RwLock<()>>,
}

#[derive(Default)]
struct Bucket {
    page: AtomicU64,
    frame: AtomicU64,
}

/// A bit that swips leave free.
const LATCHED: u64 = 1 << 3;

struct Table {
    buckets: Vec<Bucket>,
    shift: u32,
}

impl Table {
    fn new(pages: usize) -> Self {
        let size = (2 * pages).next_power_of_two().max(2);
        Self {
            buckets: std::iter::repeat_with(Bucket::default).take(size).collect(),
            shift: 64 - size.trailing_zeros(),
        }
    }

    /// The bucket of a page, or the free one where it belongs.
    #[inline]
    fn find(&self, page: u64) -> Option<(usize, &Bucket)> {
        let mut at = (page.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> self.shift) as usize;
        for _ in 0..self.buckets.len() {
            let bucket = self.buckets.get(at)?;
            let there = bucket.page.load(Ordering::Acquire) & !LATCHED;
            if there == page || there == 0 {
                return Some((at, bucket));
            }
            at = (at + 1) & (self.buckets.len() - 1);
        }
        None
    }

    #[inline]
    fn look_up(&self, page: u64) -> Option<(usize, FrameId)> {
        let (at, bucket) = self.find(page)?;
        Some((at, FrameId::from_word(bucket.frame.load(Ordering::Acquire))?))
    }

    #[inline]
    fn look_up_latched(&self, page: u64) -> Option<(usize, FrameId)> {
        let (at, bucket) = self.find(page)?;
        while bucket.page.compare_exchange_weak(page, page | LATCHED, Ordering::Acquire, Ordering::Relaxed).is_err() {
            std::hint::spin_loop();
        }
        let frame = bucket.frame.load(Ordering::Relaxed);
        bucket.page.store(page, Ordering::Release);
        Some((at, FrameId::from_word(frame)?))
    }
}

impl Image {
    /// Loads `records` records of 8 and 100 bytes in random order into a new file with pages of this size, and keeps them in memory.
    pub fn build(path: &Path, records: u64, page_size: u32, progress: &dyn Fn(u64)) -> Result<Self> {
        let storage = RealFile::open(path, OpenMode::CreateOrOpen)
            .map_err(|_| Error::corrupt("the file for the measurement cannot be made"))?;
        let options =
            EngineOptions { memory: Some(16 << 30), log_size: 1 << 30, page_size, ..EngineOptions::default() };
        let engine = Engine::open(Arc::new(storage), options)?;
        for first in (0..records).step_by(20_000) {
            let tx = engine.begin()?;
            for i in first..(first + 20_000).min(records) {
                let mut value = [0; 100];
                if let Some(start) = value.first_chunk_mut() {
                    *start = i.wrapping_mul(0xd6e8_feb8_6659_fd93).to_le_bytes();
                }
                tx.put(TREE, &key_of(i), &value)?;
            }
            tx.commit(Durability::Deferred)?;
            progress(first);
        }
        engine.checkpoint()?;
        let snapshot = engine.snapshot()?;
        let mut pages = Vec::new();
        let guard = pin();
        let tree = engine.base().forest.get(TREE.0).ok_or_else(missing)?;
        collect(&engine.base().pager, tree.root().child().swip(), &guard, &mut pages)?;
        drop(guard);
        let table = Table::new(pages.len());
        for page in pages {
            let (_, bucket) = table.find(page).ok_or_else(missing)?;
            bucket.page.store(page, Ordering::Release);
            bucket.frame.store(page, Ordering::Release);
        }
        let latches = std::iter::repeat_with(RwLock::default).take(table.buckets.len()).collect();
        engine.base().pager.locks.get_or_init(Locks::new);
        Ok(Self { engine, snapshot, table, latches })
    }

    /// Nodes, and buckets of the page table.
    pub fn size(&self) -> (usize, usize) {
        let used = self.table.buckets.iter().filter(|bucket| bucket.page.load(Ordering::Relaxed) != 0);
        (used.count(), self.table.buckets.len())
    }

    /// The first eight bytes of the value of record `i`.
    #[inline]
    pub fn get(&self, translation: Translation, i: u64) -> Result<u64> {
        let key = key_of(i);
        let found = match translation {
            Translation::Engine => {
                let mut found = None;
                self.snapshot.read(TREE, &key, &mut |value| {
                    found = value.first_chunk().copied();
                    Ok(())
                })?;
                found
            }
            Translation::Swip => self.descend(&key, |page| Some((FrameId::from_word(page)?, None))),
            Translation::SwipAndLock => {
                let locks = self.engine.base().pager.locks.get().ok_or_else(missing)?;
                self.descend(&key, |page| {
                    let frame = FrameId::from_word(page)?;
                    Some((frame, Some(locks.of(frame)?.read())))
                })
            }
            Translation::Hash => self.descend(&key, |page| Some((self.table.look_up(page)?.1, None))),
            Translation::HashAndLatch => self.descend(&key, |page| Some((self.table.look_up_latched(page)?.1, None))),
            Translation::Baseline => self.descend(&key, |page| {
                let (at, frame) = self.table.look_up_latched(page)?;
                Some((frame, Some(self.latches.get(at)?.read())))
            }),
        };
        found.map(u64::from_le_bytes).ok_or_else(missing)
    }

    #[inline(always)]
    fn descend<'a>(
        &'a self,
        key: &[u8],
        translate: impl Fn(u64) -> Option<(FrameId, Option<RwLockReadGuard<'a, ()>>)>,
    ) -> Option<[u8; 8]> {
        let base = self.engine.base();
        let tree: &Tree = base.forest.get(TREE.0)?;
        let guard = pin();
        let mut child = tree.root().child();
        let mut _latched = None;
        loop {
            let Swip::Resident(word) = child.follow() else { return None };
            let (id, latch) = translate(word.word())?;
            // The parent's is given up now that the child's is held.
            _latched = latch;
            base.pager.pool.prefetch(id);
            let frame: Frame<'_> = base.pager.pool.frame(id, &guard)?;
            let body = Body::trusted(frame.body());
            if frame.level() == 0 {
                return match body.value(body.find_inside(key).ok()?) {
                    Value::Inline(bytes) => bytes.first_chunk().copied(),
                    Value::Overflow(_) => None,
                };
            }
            child = frame.child(body.child_index_near(key, |child, behind| frame.prefetch_swips(child, behind)))?;
        }
    }
}

fn collect(pager: &Pager, swip: Swip, guard: &Guard, pages: &mut Vec<u64>) -> Result<()> {
    let Swip::Resident(id) = swip else { return Err(missing()) };
    pages.push(id.word());
    let frame = pager.pool.frame(id, guard).ok_or_else(missing)?;
    (0..frame.children())
        .filter_map(|i| frame.child(i))
        .try_for_each(|child| collect(pager, child.swip(), guard, pages))
}

fn key_of(i: u64) -> [u8; 8] {
    // Neighbours in time are not neighbours in the tree, nor their leaves in memory.
    i.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes()
}

fn missing() -> Error {
    Error::corrupt("the measured tree does not lie in memory as a whole")
}
