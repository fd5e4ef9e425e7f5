//! Goes through a table and an index that differ, entry by entry, in both directions.

use super::rows::Sums;
use super::schema::Schema;
use crate::blob::BlobRef;
use crate::check::{FindingKind, Findings, Found, Keys, Lost, Page, Pages, Visit, Walker};
use crate::error::Result;
use crate::format::{ChildEntry, PageKind};
use crate::tree::node::Value;
use crate::typed::plan::TablePlan;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Inner pages that lookups keep.
const CACHED: usize = 256;

/// Compares every index whose sums differ.
pub(super) fn indexes(
    walker: &mut Walker<'_>,
    length: u64,
    schema: &Schema,
    roots: &BTreeMap<u32, ChildEntry>,
    sums: &Sums,
) -> Result<()> {
    for (plan, sum) in schema.tables.iter().zip(&sums.tables) {
        for (at, index) in plan.entry.indexes.iter().enumerate() {
            let equal = sum.indexes.get(at).is_none_or(|(must, holds)| must == holds);
            if equal || !plan.derives(at) {
                continue;
            }
            let (rows, entries) = (plan.entry.tree.0, index.tree.0);
            let again = Again { storage: walker.pages.storage, superblock: walker.superblock, length, roots };
            let mut missing = Missing { plan, index: at, tree: entries, probe: again.probe(entries) };
            walker.found.append(again.pass(rows, &mut missing)?);
            let mut extra = Extra { plan, index: at, probe: again.probe(rows) };
            walker.found.append(again.pass(entries, &mut extra)?);
        }
    }
    Ok(())
}

/// Reads trees once more.
struct Again<'a> {
    storage: &'a dyn crate::vfs::Storage,
    superblock: &'a crate::format::Superblock,
    length: u64,
    roots: &'a BTreeMap<u32, ChildEntry>,
}

impl<'a> Again<'a> {
    fn probe(&self, tree: u32) -> Probe<'a> {
        let pages = Pages::new(self.storage, self.superblock);
        Probe { pages, tree, root: self.roots.get(&tree).copied(), cache: BTreeMap::new() }
    }

    /// Shows a tree to a visitor that reports index entries; damage was reported before.
    fn pass(&self, tree: u32, visit: &mut dyn Visit) -> Result<Findings> {
        let mut silent = |_| {};
        let mut walker = Walker::new(self.storage, self.superblock, self.length, &mut silent)?;
        if let Some(root) = self.roots.get(&tree) {
            walker.tree(tree, root, visit)?;
        }
        let mut found = std::mem::take(&mut walker.found);
        found.list.retain(|found| found.kind == FindingKind::Index);
        Ok(found)
    }
}

/// What lies under a key.
enum Looked {
    Found(Vec<u8>),
    Absent,
    /// A page or value on the way is damaged.
    Unknown,
}

/// Looks keys up in one tree.
struct Probe<'a> {
    pages: Pages<'a>,
    tree: u32,
    root: Option<ChildEntry>,
    cache: BTreeMap<u64, Arc<Page>>,
}

impl Probe<'_> {
    fn look(&mut self, key: &[u8]) -> Looked {
        let Some(mut entry) = self.root else { return Looked::Absent };
        let mut level = None;
        loop {
            let Some(page) = self.page(level, &entry) else { return Looked::Unknown };
            let body = page.body();
            if page.header.level == 0 {
                let Ok(i) = body.find(key) else { return Looked::Absent };
                return match body.value(i) {
                    Value::Inline(bytes) => Looked::Found(bytes.to_vec()),
                    Value::Overflow(reference) => self.value(reference),
                };
            }
            let Some(child) = page.entry(body.child_index(key)) else { return Looked::Unknown };
            // Levels descend, so this ends.
            level = page.header.level.checked_sub(1);
            entry = child;
        }
    }

    fn page(&mut self, level: Option<u8>, entry: &ChildEntry) -> Option<Arc<Page>> {
        if let Some(page) = self.cache.get(&entry.address) {
            return Some(Arc::clone(page));
        }
        let page = Arc::new(self.pages.read(self.tree, level, entry).ok()?);
        if page.header.level > 0 {
            if self.cache.len() >= CACHED {
                self.cache.clear();
            }
            self.cache.insert(entry.address, Arc::clone(&page));
        }
        Some(page)
    }

    fn value(&self, reference: &[u8]) -> Looked {
        let Pages { storage, file_id, block_size } = self.pages;
        let max_chunk = crate::blob::MAX_CHUNK;
        let ctx = crate::blob::BlobCtx { file_id, block_size, kind: PageKind::Overflow, generation: 0, max_chunk };
        let read = BlobRef::decode(reference).and_then(|blob| crate::blob::read(storage, &ctx, &blob));
        read.map_or(Looked::Unknown, Looked::Found)
    }
}

/// Shown the records of a table: is each listed in the index?
struct Missing<'a> {
    plan: &'a TablePlan,
    index: usize,
    tree: u32,
    probe: Probe<'a>,
}

impl Visit for Missing<'_> {
    fn entry(&mut self, _: u32, key: &[u8], value: &[u8], found: &mut Findings) -> Result<()> {
        let Ok(listed) = self.plan.entries(key, value) else { return Ok(()) };
        for entry in listed.into_iter().filter(|entry| entry.index == self.index) {
            let what = match self.probe.look(&entry.key) {
                Looked::Found(stored) if stored == entry.value(key) => continue,
                Looked::Unknown => continue,
                Looked::Absent => format!("it has no entry for the record {}", self.plan.show_key(key)),
                Looked::Found(_) => {
                    format!("its entry for the record {} names another one", self.plan.show_key(key))
                }
            };
            let about = Found::new(FindingKind::Index, what).in_tree(self.tree);
            found.add(about.keys(Keys::One(entry.key.to_vec())));
        }
        Ok(())
    }

    fn lost(&mut self, _: u32, _: &[u8], _: Option<&[u8]>, _: &Lost) -> Result<()> {
        Ok(())
    }
}

/// Shown the entries of an index: is there a record for each?
struct Extra<'a> {
    plan: &'a TablePlan,
    index: usize,
    probe: Probe<'a>,
}

impl Visit for Extra<'_> {
    fn entry(&mut self, tree: u32, key: &[u8], value: &[u8], found: &mut Findings) -> Result<()> {
        let what = match self.plan.primary(self.index, key, value) {
            Err(error) => format!("it has an entry that names no record: {error}"),
            Ok(primary) => match self.probe.look(primary) {
                Looked::Unknown => return Ok(()),
                Looked::Absent => {
                    format!("it has an entry for the record {}, which does not exist", self.plan.show_key(primary))
                }
                Looked::Found(row) => {
                    let Ok(listed) = self.plan.entries(primary, &row) else { return Ok(()) };
                    let mut own = listed.iter().filter(|entry| entry.index == self.index);
                    if own.any(|entry| entry.key.as_slice() == key && entry.value(primary) == value) {
                        return Ok(());
                    }
                    format!("it has an entry for the record {}, which says otherwise", self.plan.show_key(primary))
                }
            },
        };
        found.add(Found::new(FindingKind::Index, what).in_tree(tree).keys(Keys::One(key.to_vec())));
        Ok(())
    }

    fn lost(&mut self, _: u32, _: &[u8], _: Option<&[u8]>, _: &Lost) -> Result<()> {
        Ok(())
    }
}
