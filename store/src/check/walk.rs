//! Walks trees from their roots, and goes on behind what is damaged.

use super::blocks::Taken;
use super::{Blocks, FindingKind, Findings, Found, Keys, Page, Pages, Progress};
use crate::blob::{BlobCtx, BlobRef, MAX_CHUNK, inspect};
use crate::error::Result;
use crate::format::{ChildEntry, PageKind, Superblock};
use crate::space::Extent;
use crate::tree::node::Value;
use crate::vfs::Storage;

/// Values are never longer.
const LONGEST_VALUE: u64 = 1 << 30;

/// Is shown what a tree holds, in order of its keys.
pub(crate) trait Visit {
    /// An entry.
    fn entry(&mut self, tree: u32, key: &[u8], value: &[u8], found: &mut Findings) -> Result<()>;

    /// What lies from `lower` up to `upper` could not be read.
    fn lost(&mut self, tree: u32, lower: &[u8], upper: Option<&[u8]>, why: &Lost) -> Result<()>;
}

/// Why something could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lost {
    /// The page's block.
    pub(crate) block: u64,
    /// Its level; unknown at the root.
    pub(crate) level: Option<u8>,
    /// Only a value that lies outside its page.
    pub(crate) value: bool,
    pub(crate) what: String,
}

/// See the module.
pub(crate) struct Walker<'a> {
    pub(crate) pages: Pages<'a>,
    pub(crate) superblock: &'a Superblock,
    pub(crate) blocks: Blocks,
    pub(crate) found: Findings,
    /// Pages that were read.
    pub(crate) read: u64,
    /// Whether something that names blocks could not be read: then nobody knows whom the others belong to.
    pub(crate) blind: bool,
    pub(super) progress: Progress,
    tell: &'a mut dyn FnMut(Progress),
    told: u64,
}

/// A page to be read, and what its parent says of it.
struct Spot {
    entry: ChildEntry,
    level: Option<u8>,
    lower: Vec<u8>,
    upper: Option<Vec<u8>>,
    /// No child is newer than its parent.
    generation: u64,
}

/// An inner page on the path.
struct Step {
    page: Page,
    next: usize,
    upper: Option<Vec<u8>>,
}

impl Step {
    /// Its next child.
    fn spot(&mut self) -> Option<Spot> {
        let i = self.next;
        self.next += 1;
        let entry = self.page.entry(i)?;
        let body = self.page.body();
        let separator = |i: usize| {
            let mut key = Vec::new();
            body.key_into(i, &mut key);
            key
        };
        let lower = i.checked_sub(1).map_or_else(|| body.lower().to_vec(), separator);
        let upper = if i < body.len() { Some(separator(i)) } else { self.upper.clone() };
        let level = self.page.header.level.checked_sub(1);
        Some(Spot { entry, level, lower, upper, generation: self.page.header.generation })
    }
}

/// Progress is told after so many bytes.
const TELL: u64 = 1 << 20;

impl<'a> Walker<'a> {
    /// A walker over the checkpoint of a superblock.
    pub(crate) fn new(
        storage: &'a dyn Storage,
        superblock: &'a Superblock,
        length: u64,
        tell: &'a mut dyn FnMut(Progress),
    ) -> Result<Self> {
        // I36: never more blocks than the file has.
        let count = superblock.tail.min(length.div_ceil(u64::from(superblock.block_size)));
        let total = count * u64::from(superblock.block_size);
        Ok(Self {
            pages: Pages::new(storage, superblock),
            superblock,
            blocks: Blocks::new(count)?,
            found: Findings::default(),
            read: 0,
            blind: false,
            progress: Progress { done: 0, total },
            tell,
            told: 0,
        })
    }

    /// Notes that so many bytes were gone through.
    pub(crate) fn advance(&mut self, bytes: u64) {
        self.progress.done = self.progress.done.saturating_add(bytes).min(self.progress.total);
        if self.progress.done - self.told >= TELL || self.progress.done == self.progress.total {
            self.told = self.progress.done;
            (self.tell)(self.progress);
        }
    }

    /// Tells that all is done.
    pub(crate) fn finish(&mut self) {
        self.progress.done = self.progress.total;
        (self.tell)(self.progress);
    }

    /// Notes the owner of an extent; false if it must not be read: it was, for another owner, or lies nowhere.
    pub(super) fn own(&mut self, extent: Extent, about: impl Fn(String) -> Found) -> bool {
        match self.blocks.own(extent) {
            Ok(()) => true,
            Err(Taken::Outside) => {
                self.found.add(about(format!("it lies at block {}, outside the file", extent.start)).at(extent.start));
                false
            }
            Err(Taken::Twice(block)) => {
                self.found.add(about(format!("block {block} belongs to something else too")).at(extent.start));
                false
            }
            Err(Taken::Free(block)) => {
                self.found.add(about(format!("block {block} is in use, and is listed as free")).at(extent.start));
                true
            }
        }
    }

    pub(crate) fn ctx(&self, kind: PageKind) -> BlobCtx {
        let Pages { file_id, block_size, .. } = self.pages;
        BlobCtx { file_id, block_size, kind, generation: 0, max_chunk: MAX_CHUNK }
    }

    /// Goes through a tree.
    ///
    /// # Errors
    /// Those of the visitor alone.
    pub(crate) fn tree(&mut self, tree: u32, root: &ChildEntry, visit: &mut dyn Visit) -> Result<()> {
        let generation = self.superblock.generation;
        let whole = Spot { entry: *root, level: None, lower: Vec::new(), upper: None, generation };
        let mut path = Vec::new();
        self.enter(tree, whole, &mut path, visit)?;
        while let Some(step) = path.last_mut() {
            match step.spot() {
                Some(spot) => self.enter(tree, spot, &mut path, visit)?,
                None => {
                    path.pop();
                }
            }
        }
        Ok(())
    }

    fn enter(&mut self, tree: u32, spot: Spot, path: &mut Vec<Step>, visit: &mut dyn Visit) -> Result<()> {
        let block = spot.entry.address;
        let range = || Keys::Range(spot.lower.clone(), spot.upper.clone());
        let extent = Extent { start: block, len: self.pages.blocks(spot.entry.length) };
        let lost = |what: String| Lost { block, level: spot.level, value: false, what };
        let about = |kind| move |what: String| Found::new(kind, what).in_tree(tree);
        if !self.own(extent, |what| about(FindingKind::Space)(what).keys(range())) {
            self.blind |= spot.level != Some(0);
            return visit.lost(tree, &spot.lower, spot.upper.as_deref(), &lost("its place is not its own".into()));
        }
        let page = self.pages.read(tree, spot.level, &spot.entry);
        self.read += 1;
        self.advance(extent.len * u64::from(self.pages.block_size));
        let page = match page {
            Ok(page) => page,
            Err(what) => {
                self.blind = true;
                self.found.add(about(FindingKind::Page)(what.clone()).keys(range()).at(block));
                return visit.lost(tree, &spot.lower, spot.upper.as_deref(), &lost(what));
            }
        };
        for what in self.misfits(&page, &spot) {
            self.found.add(about(FindingKind::Tree)(what.to_owned()).keys(range()).at(block));
        }
        if page.header.level > 0 {
            path.push(Step { page, next: 0, upper: spot.upper });
            return Ok(());
        }
        self.leaf(tree, &page, visit)
    }

    /// What does not fit the page above (I9, I26, I32).
    fn misfits(&self, page: &Page, spot: &Spot) -> impl Iterator<Item = &'static str> + use<> {
        let body = page.body();
        let fences = body.lower() != spot.lower || body.upper() != spot.upper.as_deref();
        let newer = spot.entry.generation > spot.generation;
        let late = page.header.level == 0 && page.header.timestamp > self.superblock.commit_timestamp;
        [
            fences.then_some("its range of keys is not the one that its parent gives it"),
            newer.then_some("it is of a later checkpoint than its parent"),
            late.then_some("it holds commits from after the checkpoint"),
        ]
        .into_iter()
        .flatten()
    }

    fn leaf(&mut self, tree: u32, page: &Page, visit: &mut dyn Visit) -> Result<()> {
        let body = page.body();
        let mut key = Vec::new();
        for i in 0..body.len() {
            body.key_into(i, &mut key);
            match body.value(i) {
                Value::Inline(bytes) => visit.entry(tree, &key, bytes, &mut self.found)?,
                Value::Overflow(reference) => match self.value(tree, &key, reference, page.header.address) {
                    Ok(bytes) => visit.entry(tree, &key, &bytes, &mut self.found)?,
                    Err(lost) => visit.lost(tree, &key, Some(&[&key[..], &[0]].concat()), &lost)?,
                },
            }
        }
        Ok(())
    }

    /// Reads a value that lies outside its page.
    fn value(&mut self, tree: u32, key: &[u8], reference: &[u8], block: u64) -> Result<Vec<u8>, Lost> {
        let about =
            |what: String| Found::new(FindingKind::Value, what).in_tree(tree).keys(Keys::One(key.to_vec())).at(block);
        let lost = |block, what: String| Lost { block, level: None, value: true, what };
        let blob = match BlobRef::decode(reference) {
            Ok(blob) if blob.length <= LONGEST_VALUE => blob,
            _ => {
                self.blind = true;
                let what = "the place of its value is impossible";
                self.found.add(about(what.into()));
                return Err(lost(block, what.into()));
            }
        };
        self.blob(PageKind::Overflow, &blob, about).map_err(|(block, what)| lost(block, what))
    }

    /// Reads a byte string in chunks of its own, and reports every chunk that is damaged. The error is the first of them.
    pub(crate) fn blob(
        &mut self,
        kind: PageKind,
        blob: &BlobRef,
        about: impl Fn(String) -> Found,
    ) -> Result<Vec<u8>, (u64, String)> {
        let mut bytes = Vec::new();
        let mut first = None;
        let (storage, ctx) = (self.pages.storage, self.ctx(kind));
        let block_size = u64::from(self.pages.block_size);
        let mut damage = Vec::new();
        let mut passed = 0;
        // Two closures need the same state: ownership is noted in one, bytes are gathered in the other.
        let walker = std::cell::RefCell::new(&mut *self);
        let sound = inspect(
            storage,
            &ctx,
            blob,
            &mut |entry| {
                let mut walker = walker.borrow_mut();
                let extent = Extent { start: entry.address, len: walker.pages.blocks(entry.length) };
                passed += extent.len * block_size;
                walker.own(extent, &about)
            },
            &mut |entry, chunk| match chunk {
                Ok(chunk) => bytes.extend_from_slice(chunk),
                Err(error) => damage.push((entry.address, error.to_string())),
            },
        );
        self.advance(passed);
        for (block, what) in damage {
            self.blind = true;
            self.found.add(about(what.clone()).at(block));
            first.get_or_insert((block, what));
        }
        if sound { Ok(bytes) } else { Err(first.unwrap_or((blob.place(), "its place is not its own".into()))) }
    }
}
