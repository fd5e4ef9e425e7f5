//! Looks keys up in one tree of the file, past the pool.

use crate::blob::{BlobRef, inspect};
use crate::check::{Page, Pages};
use crate::format::{ChildEntry, PageKind};
use crate::tree::node::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Inner pages that lookups keep.
const CACHED: usize = 256;
/// So many times the file's length may the values have together that lookups read. Entries that many records have come to less; a forged file could have
/// a value read again for each of a million entries (I36).
const VALUES: u64 = 8;
/// Damaged pages that they remember.
const REMEMBERED: usize = 4096;

/// What lies under a key.
pub(super) enum Looked {
    Found(Vec<u8>),
    Absent,
    /// A page or value on the way is damaged.
    Unknown,
}

/// Looks keys up in one tree.
pub(super) struct Probe<'a> {
    pages: Pages<'a>,
    tree: u32,
    root: Option<ChildEntry>,
    /// Pages that were read, by their place: with what their parents say of them.
    cache: BTreeMap<u64, (ChildEntry, Arc<Page>)>,
    /// Pages that could not be read, by their place: with what their parents say of them.
    damaged: BTreeMap<u64, (Option<u8>, ChildEntry)>,
    /// How many keys were looked up.
    pub(super) looked: u64,
    /// Bytes of values that may still be read.
    left: u64,
    /// Whether that was too little.
    pub(super) gave_up: bool,
}

impl<'a> Probe<'a> {
    /// `length`: the file's, in bytes.
    pub(super) fn new(pages: Pages<'a>, tree: u32, root: Option<ChildEntry>, length: u64) -> Self {
        let left = length.saturating_mul(VALUES);
        Self { pages, tree, root, cache: BTreeMap::new(), damaged: BTreeMap::new(), looked: 0, left, gave_up: false }
    }

    pub(super) fn look(&mut self, key: &[u8]) -> Looked {
        self.looked += 1;
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

    pub(super) fn page(&mut self, level: Option<u8>, entry: &ChildEntry) -> Option<Arc<Page>> {
        // I36: under what another page says of the same place it would be the wrong page, and could be one from further above.
        if let Some((read, page)) = self.cache.get(&entry.address)
            && read == entry
            && level.is_none_or(|level| level == page.header.level)
        {
            return Some(Arc::clone(page));
        }
        if self.damaged.get(&entry.address) == Some(&(level, *entry)) {
            return None;
        }
        let Ok(page) = self.pages.read(self.tree, level, entry) else {
            if self.damaged.len() >= REMEMBERED {
                self.damaged.clear();
            }
            self.damaged.insert(entry.address, (level, *entry));
            return None;
        };
        let page = Arc::new(page);
        if page.header.level > 0 {
            if self.cache.len() >= CACHED {
                self.cache.clear();
            }
            self.cache.insert(entry.address, (*entry, Arc::clone(&page)));
        }
        Some(page)
    }

    fn value(&mut self, reference: &[u8]) -> Looked {
        let Ok(blob) = BlobRef::decode(reference) else { return Looked::Unknown };
        let Pages { storage, file_id, block_size } = self.pages;
        let max_chunk = crate::blob::MAX_CHUNK;
        let ctx = crate::blob::BlobCtx { file_id, block_size, kind: PageKind::Overflow, generation: 0, max_chunk };
        let mut bytes = Vec::new();
        let mut enter = |chunk: &ChildEntry| {
            // What is read counts, and not what it says of its length.
            let left = self.left.checked_sub(u64::from(chunk.length));
            self.gave_up |= left.is_none();
            self.left = left.unwrap_or(0);
            left.is_some()
        };
        let sound = inspect(storage, &ctx, &blob, &mut enter, &mut |_, chunk| {
            bytes.extend_from_slice(chunk.unwrap_or_default());
        });
        if sound { Looked::Found(bytes) } else { Looked::Unknown }
    }
}
