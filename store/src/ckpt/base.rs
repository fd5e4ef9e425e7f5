//! What commit, checkpoint and recovery share: the trees, the space, the log's window, the durable superblock.

use super::{Counts, SLOTS, Syncs};
use crate::blob::{BlobCtx, BlobRef};
use crate::buffer::{FrameId, Pool};
use crate::error::{Error, ErrorKind, Result};
use crate::format::{ChildEntry, PageKind, SUPERBLOCK_LEN, Slots, Superblock};
use crate::poison::Poison;
use crate::space::{Extent, Space};
use crate::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use crate::sync::{Mutex, MutexGuard};
use crate::tree::{Forest, Leftovers, Pager, Registry, Tree, Underfull, Versions};
use crate::wal::{Ring, RingWindow};
use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};

/// A place in the log, with the chain value that its next record continues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LogPosition {
    pub(crate) position: u64,
    pub(crate) chain: u64,
}

/// The state of one open file below transactions.
pub(crate) struct Base {
    pub(crate) pager: Pager,
    pub(crate) forest: Arc<Forest>,
    pub(crate) registry: Arc<Registry>,
    /// That of the durable superblock, for whoever must not wait for a switch.
    pub(crate) generation: AtomicU64,
    pub(crate) apply: Mutex<ApplyState>,
    /// The superblock in both slots. Held through every switch.
    pub(crate) superblock: Mutex<Superblock>,
    /// How the session found the slots, until that is settled. Held while they are written for it.
    pub(super) unsettled: Mutex<Option<Slots>>,
    pub(crate) window: RingWindow,
    pub(crate) ring: Ring,
    pub(crate) poison: Arc<Poison>,
    pub(crate) syncs: Arc<Syncs>,
    pub(crate) counts: Arc<Counts>,
    /// Threads that may apply one batch together.
    pub(crate) appliers: AtomicUsize,
    /// The newest commit that a checkpoint holds.
    pub(crate) checkpointed: AtomicU64,
    /// What is done between two writes of a checkpoint.
    between: OnceLock<Box<dyn Fn() + Send + Sync>>,
    /// The superblock that the file was opened with: its free map is read when space is first needed.
    pub(crate) opened: Superblock,
    space: Mutex<Option<Space>>,
    /// Held by the one compaction that runs.
    pub(crate) compacting: Mutex<()>,
    /// Whether the session's last checkpoint has begun: nothing else switches superblocks any more.
    closed: AtomicBool,
}

/// What the one applier owns. Its lock is the applier's turn: publication and captures fall between batches.
pub(crate) struct ApplyState {
    pub(crate) versions: Versions,
    pub(crate) underfull: VecDeque<Underfull>,
    /// Unlinked frames that wait to be retired together.
    pub(crate) limbo: Vec<FrameId>,
    /// Images that merges left without an owner since the last capture.
    pub(crate) freed: Vec<ChildEntry>,
    /// Overflow values that were replaced or deleted, with the timestamp of that.
    pub(crate) dropped: Vec<(Vec<u8>, u64)>,
    /// Extents of spilled write sets that are applied, with their commit's timestamp.
    pub(crate) spent: Vec<(Extent, u64)>,
    /// Trees dropped by commits, whose pages are still to be given back.
    pub(crate) dropped_trees: Vec<u32>,
    /// Trees whose extents were given back and whose nodes are still in memory.
    pub(crate) purges: Vec<u32>,
    /// Whether a capture is being written.
    pub(crate) captured: bool,
    /// The log behind the last commit applied.
    pub(crate) applied: LogPosition,
}

impl ApplyState {
    pub(crate) fn new(applied: LogPosition) -> Self {
        Self {
            versions: Versions::default(),
            underfull: VecDeque::new(),
            limbo: Vec::new(),
            freed: Vec::new(),
            dropped: Vec::new(),
            spent: Vec::new(),
            dropped_trees: Vec::new(),
            purges: Vec::new(),
            captured: false,
            applied,
        }
    }

    /// Takes over what an apply to `tree` at `timestamp` has left to be done.
    pub(crate) fn adopt(
        &mut self,
        pool: &Pool,
        tree: &Tree,
        mut left: Leftovers,
        timestamp: u64,
        snapshots: &[u64],
    ) -> Result<()> {
        self.limbo.append(&mut left.retired);
        self.freed.append(&mut left.freed);
        self.dropped.extend(left.dropped.into_iter().map(|reference| (reference, timestamp)));
        let room = Underfull::MOST.saturating_sub(self.underfull.len());
        let named = left.underfull.into_iter().map(|node| Underfull { tree: tree.id(), ..node });
        self.underfull.extend(named.take(room));
        self.versions.note(pool, left.superseded, timestamp, snapshots, &mut self.limbo)
    }
}

impl Base {
    pub(crate) fn new(
        pager: Pager,
        superblock: Superblock,
        ring: Ring,
        window: RingWindow,
        applied: LogPosition,
    ) -> Self {
        let opened_at = superblock.commit_timestamp;
        let (poison, counts) = (Arc::clone(&pager.poison), Arc::<Counts>::default());
        let syncs = Syncs::new(Arc::clone(&pager.storage), Arc::clone(&poison), Arc::clone(&counts));
        Self {
            forest: Arc::clone(&pager.forest),
            registry: Arc::clone(&pager.registry),
            generation: AtomicU64::new(superblock.generation),
            pager,
            apply: Mutex::new(ApplyState::new(applied)),
            between: OnceLock::new(),
            opened: superblock.clone(),
            superblock: Mutex::new(superblock),
            unsettled: Mutex::new(None),
            window,
            ring,
            syncs: Arc::new(syncs),
            poison,
            counts,
            appliers: AtomicUsize::new(1),
            checkpointed: AtomicU64::new(opened_at),
            space: Mutex::new(None),
            compacting: Mutex::new(()),
            closed: AtomicBool::new(false),
        }
    }

    /// Lets whatever switches superblocks end, and nothing but the last checkpoint begin.
    pub(crate) fn close(&self) {
        let _switch = self.superblock.lock();
        self.closed.store(true, Ordering::Release);
    }

    /// For whoever is about to change what superblocks name, and holds their lock.
    pub(crate) fn check_open(&self) -> Result<()> {
        if self.closed.load(Ordering::Acquire) {
            return Err(Error::new(ErrorKind::Closed, "the database is closed"));
        }
        Ok(())
    }

    /// Has something done between two writes of each checkpoint. It must not wait for the superblock.
    pub(crate) fn between_writes_do(&self, work: Box<dyn Fn() + Send + Sync>) {
        // Set once, when the database opens.
        let _ = self.between.set(work);
    }

    /// Whether the database has threads of its own; its background thread is what sets the work between two writes.
    pub(super) fn has_threads(&self) -> bool {
        self.between.get().is_some()
    }

    pub(super) fn between_writes(&self) {
        if let Some(work) = self.between.get() {
            work();
        }
    }

    /// The file's space; its map is read when it is first needed.
    pub(crate) fn space(&self) -> Result<crate::sync::MappedMutexGuard<'_, Space>> {
        let mut space = self.space.lock();
        if space.is_none() {
            *space = Some(super::freemap::load(self, &self.opened)?);
        }
        MutexGuard::try_map(space, Option::as_mut).map_err(|_| Error::new(ErrorKind::Io, "the free map was not loaded"))
    }

    /// The same, to take blocks that will be written to. What is free for the superblock that the session started from may be in use for an older
    /// one, which slot B still holds if only the system's cache has the newer there: so that is settled first.
    pub(crate) fn room(&self) -> Result<crate::sync::MappedMutexGuard<'_, Space>> {
        super::superblocks::settle_slots(self)?;
        self.space()
    }

    /// Notes for the statistics that so many blocks are written to.
    pub(crate) fn count_written(&self, blocks: u64) {
        Counts::add(&self.counts.data_bytes, blocks * u64::from(self.pager.block_size));
    }

    /// How blobs of a kind are written.
    pub(crate) fn blob_ctx(&self, kind: PageKind, generation: u64) -> BlobCtx {
        let Pager { file_id, block_size, .. } = self.pager;
        BlobCtx { file_id, block_size, kind, generation, max_chunk: crate::blob::MAX_CHUNK }
    }

    /// The bytes of a stored reference to an overflow value, read and verified.
    pub(crate) fn read_overflow(&self, tree: u32, reference: &[u8]) -> Result<Vec<u8>> {
        let ctx = self.blob_ctx(PageKind::Overflow, 0);
        BlobRef::decode(reference)
            .and_then(|blob| crate::blob::read(&*self.pager.storage, &ctx, &blob))
            .map_err(|error| error.context(format_args!("tree {tree}: reading an overflow value")))
    }
}

/// There is no room for more blocks.
pub(crate) fn no_space(error: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::StorageFull, format!("the file cannot grow: {error}"))
}

/// The free map contradicts what the trees hold (I29).
pub(crate) fn accounting(error: impl std::fmt::Display) -> Error {
    Error::corrupt(format!("the free map and the pages disagree: {error}"))
}

/// Blocks that the file begins with and that no checkpoint has counted yet: those between the superblocks.
pub(crate) fn first_free(block_size: u32) -> Vec<Extent> {
    let block = u64::from(block_size);
    let (start, end) = ((SUPERBLOCK_LEN as u64).div_ceil(block), SLOTS[1] / block);
    if start < end { vec![Extent { start, len: end - start }] } else { Vec::new() }
}
