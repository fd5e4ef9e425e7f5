//! Runs: the older part of a write set that outgrew memory, sorted, in extents.
//!
//! A run is a list of pages, each a blob of its own with the operations of one tree in key order; in memory stays the first key of each. Pages are
//! encoded as a commit's body is, and the commit's record names them, oldest run first. Nobody needs them once they are applied.

use super::write_set::{Hit, WriteSet};
use crate::blob::BlobRef;
use crate::ckpt::{Base, blob_parts};
use crate::error::{Error, Result};
use crate::format::PageKind;
use crate::recover::write_tentative;
use crate::space::Extent;
use crate::sync::Mutex;
use crate::wal::{Op, OpsReader, OpsWriter};
use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::Arc;

/// See the module.
pub(crate) struct Run {
    pages: Vec<Page>,
    dropped: BTreeSet<u32>,
    /// The page that was read last: scans stay in it.
    cache: Mutex<Option<(usize, Arc<Vec<u8>>)>>,
}

struct Page {
    tree: u32,
    first: Box<[u8]>,
    blob: BlobRef,
}

fn damaged(what: impl std::fmt::Display) -> Error {
    Error::corrupt(format!("writes that a transaction had moved to the file are damaged: {what}"))
}

/// Tree, key and meaning of an operation on a key.
fn entry<'a>(op: Op<'a>, blob: &'a mut Option<BlobRef>) -> Result<Option<(&'a [u8], Hit<'a>)>> {
    Ok(match op {
        Op::Put { key, value, .. } => Some((key, Hit::Put(value))),
        Op::Delete { key, .. } => Some((key, Hit::Deleted)),
        Op::PutOverflow { key, reference, .. } => Some((key, Hit::Overflow(blob.insert(BlobRef::decode(reference)?)))),
        _ => None,
    })
}

impl Run {
    /// Writes a write set, whose large values are in extents already, to tentative extents in pages of about `page` bytes.
    pub(crate) fn write(base: &Base, set: &WriteSet, page: usize, extents: &mut Vec<Extent>) -> Result<Self> {
        let mut run = Self { pages: Vec::new(), dropped: BTreeSet::new(), cache: Mutex::default() };
        run.dropped.extend(set.trees().filter(|&tree| set.drops(tree)));
        set.encode_pages(page, &mut |tree, first, body| {
            let blob = write_tentative(base, PageKind::Spill, &body, extents)?;
            run.pages.push(Page { tree, first: first.into(), blob });
            Ok(())
        })?;
        Ok(run)
    }

    /// Adds the operations that name its pages to a commit's body.
    pub(crate) fn name(&self, body: &mut OpsWriter) {
        for page in &self.pages {
            body.push(Op::Spill { reference: &page.blob.encode() });
        }
    }

    /// The extents of its pages.
    pub(crate) fn extents(&self, base: &Base) -> Result<Vec<Extent>> {
        let mut all = Vec::new();
        for page in &self.pages {
            all.extend(blob_parts(base, PageKind::Spill, &page.blob)?);
        }
        Ok(all)
    }

    /// Calls `with` with a write set for each page, in order.
    pub(crate) fn replay(&self, base: &Base, with: &mut dyn FnMut(&WriteSet) -> Result<()>) -> Result<()> {
        for page in &self.pages {
            let body = read_page(base, &page.blob)?;
            let mut set = WriteSet::default();
            for op in OpsReader::new(&body) {
                match op.map_err(damaged)? {
                    Op::DropTree { tree } => set.drop_tree(tree),
                    op => {
                        let mut blob = None;
                        match entry(op, &mut blob)? {
                            Some((key, Hit::Put(value))) => set.put(page.tree, key, value, false),
                            Some((key, Hit::Overflow(blob))) => set.put_overflow(page.tree, key, *blob),
                            Some((key, Hit::Deleted)) => set.delete(page.tree, key),
                            None => return Err(damaged("they name others")),
                        }
                    }
                }
            }
            with(&set)?;
        }
        Ok(())
    }

    /// The trees that it says something about; some more than once.
    pub(super) fn trees(&self) -> impl Iterator<Item = u32> {
        self.pages.iter().map(|page| page.tree).chain(self.dropped.iter().copied())
    }

    /// Whether it says nothing about a tree.
    pub(crate) fn is_silent(&self, tree: u32) -> bool {
        self.pages_of(tree).is_empty()
    }

    /// Whether it drops a tree.
    pub(crate) fn drops(&self, tree: u32) -> bool {
        self.dropped.contains(&tree)
    }

    fn pages_of(&self, tree: u32) -> std::ops::Range<usize> {
        let start = self.pages.partition_point(|page| page.tree < tree);
        let end = self.pages.partition_point(|page| page.tree <= tree);
        start..end
    }

    fn page(&self, base: &Base, index: usize) -> Result<Arc<Vec<u8>>> {
        let mut cache = self.cache.lock();
        if let Some((cached, body)) = &*cache
            && *cached == index
        {
            return Ok(Arc::clone(body));
        }
        let page = self.pages.get(index).ok_or_else(|| damaged("a page is missing"))?;
        let body = Arc::new(read_page(base, &page.blob)?);
        *cache = Some((index, Arc::clone(&body)));
        Ok(body)
    }

    /// Runs `with` on what it says of a key; `None`: ask what lies below.
    pub(crate) fn get<R>(
        &self,
        base: &Base,
        tree: u32,
        key: &[u8],
        with: impl FnOnce(Hit<'_>) -> R,
    ) -> Result<Option<R>> {
        let pages = self.pages_of(tree);
        let behind = self.pages.get(pages.clone()).unwrap_or_default().partition_point(|page| *page.first <= *key);
        if let Some(before) = behind.checked_sub(1) {
            let body = self.page(base, pages.start + before)?;
            for op in OpsReader::new(&body) {
                let mut blob = None;
                if let Some((found, hit)) = entry(op.map_err(damaged)?, &mut blob)?
                    && found == key
                {
                    return Ok(Some(with(hit)));
                }
            }
        }
        Ok(self.drops(tree).then(|| with(Hit::Deleted)))
    }

    /// Runs `with` on the first entry of a tree behind (or, backwards, before) a bound.
    pub(crate) fn seek(
        &self,
        base: &Base,
        tree: u32,
        from: Bound<&[u8]>,
        forward: bool,
        with: &mut dyn FnMut(&[u8], Hit<'_>) -> Result<()>,
    ) -> Result<()> {
        let pages = self.pages_of(tree);
        let behind = match from {
            Bound::Unbounded if forward => 0,
            Bound::Unbounded => pages.len(),
            Bound::Included(key) | Bound::Excluded(key) => {
                self.pages.get(pages.clone()).unwrap_or_default().partition_point(|page| *page.first <= *key)
            }
        };
        let start = pages.start + behind.saturating_sub(1);
        let mut order: Box<dyn Iterator<Item = usize>> = if forward {
            Box::new(start..pages.end)
        } else {
            Box::new((pages.start..(start + 1).min(pages.end)).rev())
        };
        order
            .try_fold((), |(), index| match self.seek_page(base, index, from, forward, with) {
                Ok(false) => Ok(()),
                Ok(true) => Err(None),
                Err(error) => Err(Some(error)),
            })
            .or_else(|stop| stop.map_or(Ok(()), Err))
    }

    /// The same within one page; whether there was one.
    fn seek_page(
        &self,
        base: &Base,
        index: usize,
        from: Bound<&[u8]>,
        forward: bool,
        with: &mut dyn FnMut(&[u8], Hit<'_>) -> Result<()>,
    ) -> Result<bool> {
        let body = self.page(base, index)?;
        let fits = |key: &[u8]| match (from, forward) {
            (Bound::Unbounded, _) => true,
            (Bound::Included(from), true) => key >= from,
            (Bound::Excluded(from), true) => key > from,
            (Bound::Included(from), false) => key <= from,
            (Bound::Excluded(from), false) => key < from,
        };
        let mut nearest = None;
        for op in OpsReader::new(&body) {
            let op = op.map_err(damaged)?;
            let mut blob = None;
            let Some((key, _)) = entry(op, &mut blob)? else { continue };
            if fits(key) {
                nearest = Some(op);
                if forward {
                    break;
                }
            } else if !forward {
                break;
            }
        }
        let Some(op) = nearest else { return Ok(false) };
        let mut blob = None;
        if let Some((key, hit)) = entry(op, &mut blob)? {
            with(key, hit)?;
        }
        Ok(true)
    }
}

/// Reads the operations of a page that a commit's record names.
pub(crate) fn read_page(base: &Base, blob: &BlobRef) -> Result<Vec<u8>> {
    crate::blob::read(&*base.pager.storage, &base.blob_ctx(PageKind::Spill, 0), blob)
        .map_err(|error| error.context("a large commit is damaged"))
}

/// A write set and the runs that left it, oldest first: what a transaction, or a sequenced commit, says.
#[derive(Clone, Copy)]
pub(crate) struct Said<'a> {
    pub(crate) base: &'a Base,
    pub(crate) set: &'a WriteSet,
    pub(crate) runs: &'a [Arc<Run>],
}

impl Said<'_> {
    /// Whether it says nothing about a tree.
    pub(crate) fn is_silent(&self, tree: u32) -> bool {
        self.set.is_silent(tree) && self.runs.iter().all(|run| run.is_silent(tree))
    }

    /// Whether it drops a tree.
    pub(crate) fn drops(&self, tree: u32) -> bool {
        self.set.drops(tree) || self.runs.iter().any(|run| run.drops(tree))
    }

    /// Runs `with` on what it says of a key, newest first; `None`: ask what lies below.
    pub(crate) fn get<R>(&self, tree: u32, key: &[u8], with: impl FnOnce(Hit<'_>) -> R) -> Result<Option<R>> {
        if let Some(hit) = self.set.get(tree, key) {
            return Ok(Some(with(hit)));
        }
        let mut with = Some(with);
        for run in self.runs.iter().rev() {
            let found = run.get(self.base, tree, key, |hit| with.take().map(|with| with(hit)))?;
            if let Some(found) = found {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// Runs `with` on the nearest entry of a tree behind (or, backwards, before) a bound; among equal keys the newest.
    pub(crate) fn seek(
        &self,
        tree: u32,
        from: Bound<&[u8]>,
        forward: bool,
        with: &mut dyn FnMut(&[u8], Hit<'_>) -> Result<()>,
    ) -> Result<()> {
        if self.runs.is_empty() {
            return self.set.seek(tree, from, forward).map_or(Ok(()), |(key, hit)| with(key, hit));
        }
        let mut best: Option<Vec<u8>> = self.set.seek(tree, from, forward).map(|(key, _)| key.to_vec());
        let mut hidden = self.set.drops(tree);
        for run in self.runs.iter().rev() {
            if hidden {
                break;
            }
            run.seek(self.base, tree, from, forward, &mut |key, _| {
                let nearer = best.as_deref().is_none_or(|best| if forward { key < best } else { key > best });
                if nearer {
                    best = Some(key.to_vec());
                }
                Ok(())
            })?;
            hidden = run.drops(tree);
        }
        let Some(best) = best else { return Ok(()) };
        let mut result = Ok(());
        self.get(tree, &best, |hit| result = with(&best, hit))?;
        result
    }
}
