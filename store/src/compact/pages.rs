//! Moves pages: leaves are copied and their parents told; inner nodes are left to the next checkpoint, which writes them to the front.

use super::Work;
use super::rounds::{Limits, Seen};
use crate::ckpt::{self, accounting};
use crate::error::{Error, Result};
use crate::format::{ChildEntry, PAGE_HEADER_LEN, PageHeader, page_checksum};
use crate::space::Extent;
use crate::sync::atomic::Ordering;
use crate::tree::node::Body;
use crate::tree::{Access, MAX_LEVEL, Target, Tree};

/// Bytes that are copied at once, and told to the parents in one step.
const AT_ONCE: u64 = 1 << 20;

/// Pages of one step at most.
const MOST_PAGES: usize = 256;

/// A page that is to move.
struct Page {
    lower: Vec<u8>,
    entry: ChildEntry,
}

/// A page that was read.
struct Image {
    page: Page,
    header: PageHeader,
    image: Vec<u8>,
}

/// A page that was copied.
struct Copied {
    page: Page,
    extent: Extent,
    entry: ChildEntry,
}

/// A node and what of its children is to move.
struct Node {
    level: u8,
    pages: Vec<Page>,
    upper: Option<Vec<u8>>,
    bytes: u64,
}

impl Work<'_> {
    /// Moves a tree's pages, from the inner nodes next to the leaves upwards.
    pub(super) fn move_pages(&mut self, tree: &Tree, limits: &Limits, seen: &mut Seen) -> Result<()> {
        let pager = &self.base.pager;
        let top = tree.with_node(pager, Target::At(&[]), MAX_LEVEL, Access::Scan, |root, _| root.level())?;
        let Some(top) = top else { return Ok(()) };
        for level in 1..=top {
            self.move_below(tree, level, limits, seen)?;
        }
        let root = tree.root().child();
        let entry = root.entry();
        if entry.address == 0 {
            return Ok(());
        }
        seen.note(limits, self.place(&entry));
        if limits.exceeds(self.place(&entry)) && !root.dirty() {
            let page = Page { lower: Vec::new(), entry };
            if top == 0 { self.copy(tree, vec![page], seen)? } else { self.touch(tree, top, &[page], seen)? }
        }
        Ok(())
    }

    /// Moves the children of all nodes at a level.
    fn move_below(&mut self, tree: &Tree, level: u8, limits: &Limits, seen: &mut Seen) -> Result<()> {
        let mut from = Some(Vec::new());
        let mut batch: Vec<Page> = Vec::new();
        while let Some(key) = from.take().filter(|_| tree.dropped_at().is_none()) {
            let node = self.look_below(tree, level, &key, limits, seen)?;
            let Some(node) = node.filter(|node| node.level == level) else { break };
            from = node.upper;
            if node.pages.is_empty() {
                continue;
            }
            seen.dirtied += node.bytes;
            if level > 1 {
                self.touch(tree, level - 1, &node.pages, seen)?;
            } else {
                for page in node.pages {
                    batch.push(page);
                    let bytes: u64 = batch.iter().map(|page| u64::from(page.entry.length)).sum();
                    if bytes >= AT_ONCE || batch.len() >= MOST_PAGES {
                        self.copy(tree, std::mem::take(&mut batch), seen)?;
                    }
                }
            }
            // What waits for a checkpoint cannot leave memory.
            if seen.dirtied > self.base.pager.pool.budget() / 4 {
                self.copy(tree, std::mem::take(&mut batch), seen)?;
                ckpt::run(self.base)?;
                seen.dirtied = 0;
            }
        }
        self.copy(tree, batch, seen)
    }

    fn look_below(&self, tree: &Tree, level: u8, key: &[u8], limits: &Limits, seen: &mut Seen) -> Result<Option<Node>> {
        tree.with_node(&self.base.pager, Target::At(key), level, Access::Scan, |node, _| {
            let body = Body::trusted(node.body());
            let mut pages = Vec::new();
            for (i, child) in (0..node.children()).filter_map(|i| Some((i, node.child(i)?))) {
                let entry = child.entry();
                if entry.address == 0 || node.level() != level {
                    continue;
                }
                let extent = self.place(&entry);
                seen.note(limits, extent);
                if limits.exceeds(extent) && !child.dirty() {
                    let mut lower = body.lower().to_vec();
                    if i > 0 {
                        body.key_into(i - 1, &mut lower);
                    }
                    pages.push(Page { lower, entry });
                }
            }
            let upper = body.upper().map(<[u8]>::to_vec);
            Node { level: node.level(), pages, upper, bytes: self.base.pager.pool.bytes(node.id()) }
        })
    }

    /// Has the next checkpoint write these inner nodes.
    fn touch(&mut self, tree: &Tree, level: u8, pages: &[Page], seen: &mut Seen) -> Result<()> {
        let pager = &self.base.pager;
        for page in pages {
            tree.with_node(pager, Target::At(&page.lower), level, Access::Scan, |_, _| ())?;
            let touched = self.turn(|_| {
                Ok(tree.dropped_at().is_none() && tree.touch(pager, level, &page.lower, page.entry.address)?)
            })?;
            if touched {
                let blocks = self.place(&page.entry).len;
                seen.moved += blocks;
                seen.dirtied += u64::from(page.entry.length);
                self.did.moved += 1;
                self.did.moved_bytes += blocks * self.block();
                self.advance(blocks * self.block());
            }
        }
        Ok(())
    }

    /// Copies leaves to holes nearer to the front and tells their parents. On failure what was copied and not told is free again.
    fn copy(&mut self, tree: &Tree, batch: Vec<Page>, seen: &mut Seen) -> Result<()> {
        let mut images = Vec::with_capacity(batch.len());
        for page in batch {
            // Verified as whenever it is read: damage must not get a new checksum (I32).
            match self.base.pager.fetch(tree.id(), Some(0), &page.entry) {
                Ok((header, image)) => images.push(Image { page, header, image }),
                Err(error) if tree.lies_at(&self.base.pager, &page.lower, &page.entry) => return Err(error),
                // It was changed or moved, and something else lies there.
                Err(_) => {}
            }
        }
        let mut rest = images.into_iter().peekable();
        let mut copied = Vec::new();
        while rest.peek().is_some() {
            if let Err(error) = self.copy_run(&mut rest, seen, &mut copied) {
                self.give_up(copied.into_iter().map(|copy| copy.extent))?;
                return Err(error);
            }
        }
        self.tell_parents(tree, copied, seen)
    }

    /// Copies as many of the leaves as fit one hole, at least one.
    fn copy_run(
        &self,
        rest: &mut std::iter::Peekable<std::vec::IntoIter<Image>>,
        seen: &mut Seen,
        copied: &mut Vec<Copied>,
    ) -> Result<()> {
        let blocks = |image: &Image| self.place(&image.page.entry).len;
        let Some((least, start)) = rest.peek().map(|image| (blocks(image), image.page.entry.address)) else {
            return Ok(());
        };
        let most = least * rest.len() as u64;
        let mut placed: Vec<(Image, Extent)> = Vec::new();
        {
            // In one go: a checkpoint must not find blocks that are neither free nor tentative.
            let mut space = self.base.room()?;
            let hole = space.allocate_below(least, most, start).map_err(accounting)?;
            let Some(mut hole) = hole else {
                seen.no_hole(least);
                rest.next();
                return Ok(());
            };
            let fits = |hole: Extent, image: &Image| {
                let len = blocks(image);
                len <= hole.len && hole.start + len <= image.page.entry.address
            };
            while let Some(image) = rest.next_if(|image| fits(hole, image)) {
                let extent = Extent { start: hole.start, len: blocks(&image) };
                hole = Extent { start: extent.end(), len: hole.len - extent.len };
                space.mark_tentative(extent);
                placed.push((image, extent));
            }
            if hole.len > 0 {
                space.free(hole).map_err(accounting)?;
            }
        }
        let start = placed.first().map_or(0, |(_, extent)| extent.start);
        let mut bytes = Vec::new();
        copied.extend(placed.into_iter().map(|(image, extent)| self.render(image, extent, &mut bytes)));
        self.write(&bytes, start)
    }

    /// Appends a leaf as it is, at its new place.
    fn render(&self, Image { page, mut header, image }: Image, extent: Extent, bytes: &mut Vec<u8>) -> Copied {
        header.address = extent.start;
        header.generation = self.base.generation.load(Ordering::Acquire) + 1;
        let at = bytes.len();
        bytes.extend_from_slice(&header.encode());
        bytes.extend_from_slice(image.get(PAGE_HEADER_LEN..).unwrap_or_default());
        let written = bytes.get(at..).unwrap_or_default();
        let length = written.len() as u32;
        let checksum = page_checksum(&self.base.pager.file_id, extent.start, written);
        bytes.resize(at + (extent.len * self.block()) as usize, 0);
        let entry = ChildEntry { address: extent.start, length, generation: header.generation, checksum };
        Copied { page, extent, entry }
    }

    /// Writes to blocks that nothing names yet.
    fn write(&self, bytes: &[u8], block: u64) -> Result<()> {
        let storage = &self.base.pager.storage;
        let written = storage.write_past_cache(bytes, block * self.block());
        written.map_err(|error| Error::io("moving pages", error))?;
        ckpt::Counts::add(&self.base.counts.data_bytes, bytes.len() as u64);
        Ok(())
    }

    /// Tells the parents where their leaves lie now.
    fn tell_parents(&mut self, tree: &Tree, copied: Vec<Copied>, seen: &mut Seen) -> Result<()> {
        if copied.is_empty() {
            return Ok(());
        }
        let base = self.base;
        let told = self.turn_with(copied.iter().map(|copy| copy.extent), |turn| {
            let mut told = 0;
            for Copied { page, extent, entry } in &copied {
                let there = tree.dropped_at().is_none();
                if there && tree.relocate(&base.pager, &page.lower, &page.entry, entry)? {
                    base.space()?.adopt(*extent);
                    turn.state.freed.push(page.entry);
                    (seen.moved, told) = (seen.moved + extent.len, told + 1);
                } else {
                    base.space()?.free(*extent).map_err(accounting)?;
                }
            }
            Ok(told)
        })?;
        let blocks: u64 = copied.iter().map(|copy| copy.extent.len).sum();
        self.did.moved += told;
        self.did.moved_bytes += blocks * self.block();
        self.advance(blocks * self.block());
        Ok(())
    }

    /// Frees blocks that were taken for nothing.
    pub(super) fn give_up(&self, extents: impl Iterator<Item = Extent>) -> Result<()> {
        let mut space = self.base.space()?;
        extents.into_iter().try_for_each(|extent| space.free(extent).map_err(accounting))
    }
}
