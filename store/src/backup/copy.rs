//! Goes through a checkpoint from its superblock, and streams every page that the base does not hold.

use super::base::{Base, encode_free};
use super::stream::{Header, Kind, LONGEST, StreamWriter};
use crate::blob::{BlobCtx, BlobRef, MAX_CHUNK, for_each_page};
use crate::check::{Page, Pages, Progress};
use crate::ckpt::{DirectoryEntry, decode_directory, first_free};
use crate::error::{Error, Result};
use crate::format::{ChildEntry, PageKind, Superblock};
use crate::space::{Extent, decode_free_map};
use crate::tree::node::Value;
use crate::vfs::Storage;
use std::io::Write;

/// Leaves that lie next to each other are read together, so many bytes at most.
const READ: u64 = 1 << 20;
/// Bytes between two leaves that are read along: cheaper than another read.
const GAP: u64 = 64 << 10;

/// What was streamed.
pub(crate) struct Copied {
    /// What an increment that follows must know.
    pub(crate) base: Base,
    /// Bytes of the stream.
    pub(crate) bytes: u64,
}

/// Streams the checkpoint that the header's superblock names, or what of it `since` does not hold. Nothing of it may be overwritten meanwhile.
///
/// Memory: about three mebibytes, one path of each tree, the longest chunk of a value, and the free maps.
pub(crate) fn copy(
    storage: &dyn Storage,
    header: Header,
    since: Option<&Base>,
    out: &mut dyn Write,
    tell: &mut dyn FnMut(Progress),
) -> Result<Copied> {
    let superblock = header.superblock.clone();
    let free = free_extents(storage, &superblock)?;
    let base = Base::new(header, free);
    let progress = Progress { done: 0, total: expected(&base, since) };
    let out = StreamWriter::new(out, &base.header);
    let pages = Pages::new(storage, &superblock);
    let most = superblock.tail.saturating_mul(u64::from(superblock.block_size));
    let mut copier = Copier { pages, since, out, progress, tell, buffer: Vec::new(), most };
    // Whoever shows it has something to show at once.
    (copier.tell)(copier.progress);
    encode_free(&base.free, LONGEST, &mut |payload| copier.out.frame(Kind::Free, 0, payload))?;
    for blob in [&superblock.free_map, &superblock.directory].into_iter().flatten() {
        copier.blob(PageKind::Blob, blob)?;
    }
    for tree in directory(storage, &superblock)? {
        copier.tree(&tree).map_err(|error| error.context(format_args!("tree {}", tree.tree)))?;
    }
    let totals = copier.out.finish()?;
    copier.progress.total = copier.progress.done;
    (copier.tell)(copier.progress);
    Ok(Copied { base, bytes: totals.bytes })
}

fn ctx(superblock: &Superblock, kind: PageKind) -> BlobCtx {
    let Superblock { file_id, block_size, .. } = *superblock;
    BlobCtx { file_id, block_size, kind, generation: 0, max_chunk: MAX_CHUNK }
}

fn free_extents(storage: &dyn Storage, superblock: &Superblock) -> Result<Vec<Extent>> {
    let Some(blob) = &superblock.free_map else { return Ok(first_free(superblock.block_size)) };
    let bytes = crate::blob::read(storage, &ctx(superblock, PageKind::Blob), blob);
    let bytes = bytes.map_err(|error| error.context("the free map"))?;
    decode_free_map(&bytes, superblock.tail).map_err(crate::ckpt::accounting)
}

fn directory(storage: &dyn Storage, superblock: &Superblock) -> Result<Vec<DirectoryEntry>> {
    let Some(blob) = &superblock.directory else { return Ok(Vec::new()) };
    let bytes = crate::blob::read(storage, &ctx(superblock, PageKind::Blob), blob);
    let bytes = bytes.map_err(|error| error.context("the root directory is damaged"))?;
    decode_directory(&bytes).map_err(|what| Error::corrupt(format!("the root directory is damaged: {what}")))
}

/// Bytes that will be gone through, as far as the free maps tell: of an increment at least the blocks that are in use now and were free.
fn expected(now: &Base, since: Option<&Base>) -> u64 {
    let superblock = &now.header.superblock;
    let log: u64 = superblock.segments.iter().map(|segment| segment.length).sum();
    let used = superblock.tail.saturating_sub(now.free_blocks());
    let blocks = match since {
        None => used,
        Some(since) => used.saturating_sub(since.header.superblock.tail.saturating_sub(since.free_blocks())),
    };
    let all = blocks.saturating_mul(u64::from(superblock.block_size));
    if since.is_none() { all.saturating_sub(log) } else { all }
}

struct Copier<'a> {
    pages: Pages<'a>,
    since: Option<&'a Base>,
    out: StreamWriter<'a>,
    progress: Progress,
    tell: &'a mut dyn FnMut(Progress),
    buffer: Vec<u8>,
    /// Bytes of the file.
    most: u64,
}

fn lost(entry: &ChildEntry, what: &str) -> Error {
    Error::corrupt(format!(
        "the page at block {} cannot be backed up: {what}; `check` says what else is",
        entry.address
    ))
}

impl Copier<'_> {
    fn held(&self, entry: &ChildEntry) -> bool {
        self.since.is_some_and(|since| since.holds(entry))
    }

    /// Streams one page.
    fn page(&mut self, entry: &ChildEntry, bytes: &[u8]) -> Result<()> {
        self.out.frame(Kind::Page, entry.address, bytes)?;
        let block = u64::from(self.pages.block_size);
        let before = self.progress.done;
        self.progress.done += self.pages.blocks(entry.length) * block;
        // I36: pages that share children could be gone through without end.
        if self.progress.done > self.most {
            return Err(lost(entry, "the pages before it have more blocks than the file"));
        }
        self.progress.total = self.progress.total.max(self.progress.done);
        if before / READ != self.progress.done / READ {
            (self.tell)(self.progress);
        }
        Ok(())
    }

    /// Streams a blob, all of it or nothing: whoever holds its top chunk, which is written last, holds the others.
    fn blob(&mut self, kind: PageKind, blob: &BlobRef) -> Result<()> {
        if blob.top().is_none_or(|top| self.held(top)) {
            return Ok(());
        }
        let Pages { storage, file_id, block_size } = self.pages;
        let ctx = BlobCtx { file_id, block_size, kind, generation: 0, max_chunk: MAX_CHUNK };
        for_each_page(storage, &ctx, blob, &mut |entry, bytes| self.page(entry, bytes))
    }

    /// Streams a tree. A page that the base holds is not read, nor is anything below it.
    fn tree(&mut self, tree: &DirectoryEntry) -> Result<()> {
        let mut todo = vec![(tree.root, None)];
        while let Some((entry, level)) = todo.pop() {
            if self.held(&entry) {
                continue;
            }
            let bytes = self.read(&entry)?;
            let page = self.verified(tree, level, &entry, &bytes)?;
            self.page(&entry, &bytes)?;
            match page.header.level {
                0 => self.values(&page)?,
                1 => self.leaves(tree, &page)?,
                level => {
                    let children = page.entries().filter(|child| !self.held(child));
                    let from = todo.len();
                    todo.extend(children.map(|child| (child, level.checked_sub(1))));
                    // In order of their keys.
                    todo.get_mut(from..).unwrap_or_default().reverse();
                }
            }
        }
        Ok(())
    }

    fn read(&self, entry: &ChildEntry) -> Result<Vec<u8>> {
        let length = self.pages.length(entry).map_err(|error| lost(entry, &error.what))?;
        let mut bytes = vec![0; length];
        self.fill(entry, &mut bytes, entry.address)?;
        Ok(bytes)
    }

    fn fill(&self, entry: &ChildEntry, bytes: &mut [u8], block: u64) -> Result<()> {
        let offset = block.checked_mul(u64::from(self.pages.block_size));
        let offset = offset.ok_or_else(|| lost(entry, "its address lies beyond any file"))?;
        self.pages.storage.read_at(bytes, offset).map_err(|error| match error.kind() {
            std::io::ErrorKind::UnexpectedEof => lost(entry, "it lies beyond the end of the file"),
            _ => Error::io("reading a page for a backup", error),
        })
    }

    fn verified(&self, tree: &DirectoryEntry, level: Option<u8>, entry: &ChildEntry, bytes: &[u8]) -> Result<Page> {
        self.pages.verify(tree.tree, level, entry, bytes.to_vec()).map_err(|what| lost(entry, &what))
    }

    /// Streams the leaves below a page of level 1, in the order in which they lie in the file.
    fn leaves(&mut self, tree: &DirectoryEntry, above: &Page) -> Result<()> {
        let mut leaves: Vec<ChildEntry> = above.entries().filter(|leaf| !self.held(leaf)).collect();
        leaves.sort_unstable_by_key(|leaf| leaf.address);
        let mut rest = leaves.as_slice();
        while let Some(first) = rest.first() {
            let (run, behind) = rest.split_at(self.together(rest)?);
            rest = behind;
            let mut buffer = std::mem::take(&mut self.buffer);
            let end = run.last().map_or(0, |last| self.offset(first, last) + u64::from(last.length));
            buffer.resize(end as usize, 0);
            self.fill(first, &mut buffer, first.address)?;
            for leaf in run {
                let at = self.offset(first, leaf) as usize;
                let bytes = buffer.get(at..at + leaf.length as usize).unwrap_or_default();
                let page = self.verified(tree, Some(0), leaf, bytes)?;
                self.page(leaf, bytes)?;
                if tree.has_overflow {
                    self.values(&page)?;
                }
            }
            self.buffer = buffer;
        }
        Ok(())
    }

    fn offset(&self, first: &ChildEntry, leaf: &ChildEntry) -> u64 {
        leaf.address.saturating_sub(first.address).saturating_mul(u64::from(self.pages.block_size))
    }

    /// How many of these leaves are read together: at least one.
    fn together(&self, leaves: &[ChildEntry]) -> Result<usize> {
        let Some(first) = leaves.first() else { return Ok(0) };
        let mut end = 0;
        for (count, leaf) in leaves.iter().enumerate() {
            // I36: no length is believed before.
            let length = self.pages.length(leaf).map_err(|error| lost(leaf, &error.what))? as u64;
            let at = self.offset(first, leaf);
            if count > 0 && (at > end + GAP || at + length > READ) {
                return Ok(count);
            }
            end = at + length;
        }
        Ok(leaves.len())
    }

    /// Streams the values of a leaf that lie outside it.
    fn values(&mut self, leaf: &Page) -> Result<()> {
        let body = leaf.body();
        if !body.has_overflow() {
            return Ok(());
        }
        for i in 0..body.len() {
            if let Value::Overflow(reference) = body.value(i) {
                self.blob(PageKind::Overflow, &BlobRef::decode(reference)?)?;
            }
        }
        Ok(())
    }
}
