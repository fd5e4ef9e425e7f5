//! Reads pages into frames, verifying them, and renders frames as pages.
//!
//! A stored page is the 40-byte page header, then for leaves the body; for inner nodes the body's length and the number of children
//! (two u32), the body, and one 32-byte child entry per child. Everything is checked once here, so that hot pages need no checks (I32).

use super::clock::Clock;
use super::in_flight::InFlight;
use super::node::{Body, Sizes};
use super::{Forest, MAX_LEVEL, Registry};
use crate::buffer::{Building, FRAME_HEADER, Frame, Pool, PoolOptions};
use crate::error::{Error, ErrorKind, Result};
use crate::format::{CHILD_ENTRY_LEN, ChildEntry, PAGE_HEADER_LEN, PageHeader, PageKind, Superblock, verify_page};
use crate::poison::Poison;
use crate::sync::atomic::Ordering;
use crate::vfs::Storage;
use std::sync::Arc;

/// What the trees of one file share.
pub(crate) struct Pager {
    /// Frames.
    pub(crate) pool: Arc<Pool>,
    /// The file.
    pub(crate) storage: Arc<dyn Storage>,
    /// Seeds checksums, so that a page of another file is noticed.
    pub(crate) file_id: [u8; 16],
    /// Bytes of a block.
    pub(crate) block_size: u32,
    /// How large bodies may become.
    pub(crate) sizes: Sizes,
    /// All trees: what the clock's hand goes through.
    pub(crate) forest: Arc<Forest>,
    /// The snapshots: what the clock must leave.
    pub(crate) registry: Arc<Registry>,
    /// Whoever waits in vain asks it: nothing may be left that could end the waiting.
    pub(crate) poison: Arc<Poison>,
    pub(super) reads: InFlight,
    pub(crate) clock: Clock,
    /// What latches are compared with.
    #[cfg(feature = "measure")]
    pub(crate) locks: std::sync::OnceLock<super::coupling::Locks>,
}

/// Inner nodes are at least this large, whatever the leaves are: fewer levels, and less to hold in caches above the leaves.
const INNER_PAGE: usize = 16 << 10;

/// Below this pages are those of tests, which want many levels.
const SMALL_PAGE: usize = 4 << 10;

/// Waits for another thread to end what it does to a node. That lasts microseconds, or until a thread that lost its core in the middle of it has one again.
#[derive(Debug, Default)]
pub(super) struct Patience(u32);

impl Patience {
    /// Fails if writing has ended for good: then a node may be half replaced for ever.
    pub(super) fn wait(&mut self, pager: &Pager) -> Result<()> {
        /// Tries between two looks.
        const OFTEN: u32 = 1024;
        self.0 = self.0.wrapping_add(1);
        if self.0.is_multiple_of(OFTEN) {
            pager.poison.check()?;
        }
        if self.0 > 16 {
            crate::sync::give_way()
        } else {
            crate::sync::spin()
        }
        Ok(())
    }
}

/// How a file's frames are kept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Memory {
    /// Bytes of the largest frame.
    pub(crate) largest: usize,
    /// Bytes of all frames together.
    pub(crate) budget: u64,
    /// Whether addresses may be reserved.
    pub(crate) reserve: bool,
}

impl Pager {
    /// The pager of a file.
    pub(crate) fn new(storage: Arc<dyn Storage>, superblock: &Superblock, memory: Memory) -> Self {
        let page = superblock.page_size as usize;
        // A full page of any size fills a frame together with the frame's header.
        let inner = if page < SMALL_PAGE { page } else { page.max(INNER_PAGE) };
        let sizes = Sizes { leaf: page - FRAME_HEADER, inner: inner - FRAME_HEADER };
        let Memory { largest, budget, reserve } = memory;
        let smallest = page.next_power_of_two().min(4096);
        Self {
            pool: Pool::new(PoolOptions { smallest, largest, budget, reserve }),
            storage,
            file_id: superblock.file_id,
            block_size: superblock.block_size,
            sizes,
            forest: Arc::new(Forest::new()),
            registry: Arc::new(Registry::new(superblock.commit_timestamp)),
            poison: Arc::default(),
            reads: InFlight::default(),
            clock: Clock::default(),
            #[cfg(feature = "measure")]
            locks: std::sync::OnceLock::new(),
        }
    }

    /// Whether a value of this length goes to extents of its own.
    pub(crate) fn is_large(&self, length: usize) -> bool {
        length > (self.sizes.inner + FRAME_HEADER) / 4
    }

    /// Children that an inner node has at most.
    pub(crate) fn most_children(&self) -> usize {
        super::inner::max_children(&self.sizes)
    }

    /// Reads and verifies one page of tree `tree` at `level`.
    pub(crate) fn read(&self, tree: u32, level: Option<u8>, entry: &ChildEntry) -> Result<Building<'_>> {
        let (header, bytes) = self.fetch(tree, level, entry)?;
        let payload = bytes.get(PAGE_HEADER_LEN..).unwrap_or_default();
        match header.kind {
            PageKind::Leaf => self.load_leaf(&header, payload),
            _ => self.load_inner(&header, payload),
        }
        .map_err(|fault| match fault {
            Fault::Damaged(what) => damaged(tree, entry, what),
            Fault::NoMemory(error) => error,
        })
    }

    /// The bytes of one page, of the length, checksum, place, generation, tree and level that they must have; their structure is not looked at.
    pub(crate) fn fetch(&self, tree: u32, level: Option<u8>, entry: &ChildEntry) -> Result<(PageHeader, Vec<u8>)> {
        let damaged = |what| damaged(tree, entry, what);
        let limit = self.pool.largest_body() + PAGE_HEADER_LEN + 8;
        let length = entry.length as usize;
        if length < PAGE_HEADER_LEN || length > limit {
            return Err(damaged(format!(
                "its parent gives it {length} bytes, pages have {PAGE_HEADER_LEN} to {limit}"
            )));
        }
        let offset = entry
            .address
            .checked_mul(u64::from(self.block_size))
            .ok_or_else(|| damaged("its address lies beyond any file".into()))?;
        let mut bytes = vec![0; length];
        crate::buffer::about_to_wait();
        self.clock.counts.reads.fetch_add(1, Ordering::Relaxed);
        self.storage.read_at(&mut bytes, offset).map_err(|error| {
            if error.kind() == std::io::ErrorKind::UnexpectedEof {
                damaged("it lies beyond the end of the file".into())
            } else {
                Error::io(&format!("tree {tree}: reading the page at block {}", entry.address), error)
            }
        })?;
        let header = verify_page(entry, &self.file_id, &bytes).map_err(|fault| damaged(fault.to_string()))?;
        self.check(tree, level, &header).map_err(damaged)?;
        Ok((header, bytes))
    }

    fn check(&self, tree: u32, level: Option<u8>, header: &PageHeader) -> Result<(), String> {
        if header.tree != tree {
            return Err(format!("it belongs to tree {}", header.tree));
        }
        // A snapshot would take its records for ones that came later (I32).
        if header.level == 0 && header.timestamp > self.registry.published() {
            return Err(format!("commit {} was not made yet", header.timestamp));
        }
        let expected_kind = if header.level == 0 { PageKind::Leaf } else { PageKind::Inner };
        if header.kind != expected_kind || header.level > MAX_LEVEL {
            return Err(format!("a {:?} page at level {}", header.kind, header.level));
        }
        match level {
            Some(level) if level != header.level => Err(format!("level {} where {level} belongs", header.level)),
            _ => Ok(()),
        }
    }

    fn load_leaf(&self, header: &PageHeader, payload: &[u8]) -> Result<Building<'_>, Fault> {
        let body = Body::parse(payload).map_err(|fault| Fault::Damaged(fault.to_string()))?;
        if body.level() != 0 {
            return Err(Fault::Damaged("its body is not a leaf's".into()));
        }
        let mut building = self.allocate(0, payload.len(), 0)?;
        building.body_mut().copy_from_slice(payload);
        building.set_version(header.timestamp, None);
        Ok(building)
    }

    fn load_inner(&self, header: &PageHeader, payload: &[u8]) -> Result<Building<'_>, Fault> {
        let damaged = |what: &str| Fault::Damaged(what.into());
        let (lengths, rest) = payload.split_at_checked(8).ok_or_else(|| damaged("too short"))?;
        let (body_len, children) = lengths.split_at(4);
        let number = |bytes: &[u8]| bytes.try_into().map_or(0, u32::from_le_bytes) as usize;
        let (body_len, children) = (number(body_len), number(children));
        let (body_bytes, entries) = rest.split_at_checked(body_len).ok_or_else(|| damaged("its body is too long"))?;
        let body = Body::parse(body_bytes).map_err(|fault| Fault::Damaged(fault.to_string()))?;
        if body.level() != header.level || children != body.len() + 1 || entries.len() != children * CHILD_ENTRY_LEN {
            return Err(damaged("its counts disagree"));
        }
        let mut building = self.allocate(header.level, body_len, children)?;
        building.body_mut().copy_from_slice(body_bytes);
        for (i, bytes) in entries.as_chunks::<CHILD_ENTRY_LEN>().0.iter().enumerate() {
            let entry = ChildEntry::decode(bytes).map_err(|fault| Fault::Damaged(fault.to_string()))?;
            match building.child(i) {
                Some(child) if entry.address != 0 => child.set_cold(&entry),
                _ => return Err(damaged("a child without an address")),
            }
        }
        Ok(building)
    }

    fn allocate(&self, level: u8, body_len: usize, children: usize) -> Result<Building<'_>, Fault> {
        self.pool.allocate(level, body_len, children).map_err(|error| Fault::NoMemory(out_of_memory(error.bytes)))
    }

    /// A frame for a node that is being built.
    pub(crate) fn build(&self, level: u8, body_len: usize, children: usize) -> Result<Building<'_>> {
        self.pool.allocate(level, body_len, children).map_err(|error| out_of_memory(error.bytes))
    }
}

fn damaged(tree: u32, entry: &ChildEntry, what: String) -> Error {
    Error::corrupt(format!("tree {tree}: the page at block {} is damaged: {what}", entry.address))
}

enum Fault {
    Damaged(String),
    NoMemory(Error),
}

fn out_of_memory(bytes: usize) -> Error {
    Error::new(ErrorKind::OutOfMemory, format!("there is no memory for a node of {bytes} bytes"))
}

/// Appends what a page holds behind its header: `entries` are the children's, none for a leaf.
pub(crate) fn page_image(frame: Frame<'_>, entries: &[ChildEntry], out: &mut Vec<u8>) {
    let body = frame.body();
    if frame.level() > 0 {
        out.extend_from_slice(&(body.len() as u32).to_le_bytes());
        out.extend_from_slice(&(entries.len() as u32).to_le_bytes());
    }
    out.extend_from_slice(body);
    for entry in entries {
        out.extend_from_slice(&entry.encode());
    }
}
