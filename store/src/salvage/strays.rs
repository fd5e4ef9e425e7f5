//! Looks at every block for pages that nothing names any more.

use crate::check::{Page, Pages};
use crate::format::ChildEntry;
use std::collections::HashMap;

/// A leaf that was found.
pub(crate) struct StrayLeaf {
    pub(crate) tree: u32,
    pub(crate) entry: ChildEntry,
    pub(crate) lower: Vec<u8>,
    pub(crate) upper: Option<Vec<u8>>,
    /// Which of two is newer: the generation, then the newest commit.
    pub(crate) age: (u64, u64),
    /// Whether an inner page vouches for its bytes.
    pub(crate) verified: bool,
}

/// Finds the leaves of wanted trees in blocks that are not somebody's, newest first. `done` is told of each block.
pub(crate) fn find_strays(
    pages: &Pages<'_>,
    blocks: u64,
    taken: &dyn Fn(u64) -> bool,
    wanted: &dyn Fn(u32, &Page) -> bool,
    done: &mut dyn FnMut(),
) -> Vec<StrayLeaf> {
    let mut leaves: Vec<StrayLeaf> = Vec::new();
    let mut inner = Vec::new();
    for block in 0..blocks {
        done();
        // A block that the device cannot read holds nothing that could be brought over.
        let Ok(Some(stray)) = pages.stray(block) else { continue };
        let header = stray.page.header;
        if header.level > 0 {
            inner.push(block);
        } else if !taken(block) && wanted(header.tree, &stray.page) {
            let body = stray.page.body();
            leaves.push(StrayLeaf {
                tree: header.tree,
                entry: stray.entry,
                lower: body.lower().to_vec(),
                upper: body.upper().map(<[u8]>::to_vec),
                age: (header.generation, header.timestamp),
                verified: false,
            });
        }
    }
    vouch(pages, &inner, &mut leaves);
    leaves.sort_by_key(|leaf| std::cmp::Reverse(leaf.age));
    leaves
}

/// An entry that matches a page in place, length, generation and checksum is the proof that the page is as it was written.
fn vouch(pages: &Pages<'_>, inner: &[u64], leaves: &mut [StrayLeaf]) {
    let places: HashMap<u64, usize> = leaves.iter().enumerate().map(|(at, leaf)| (leaf.entry.address, at)).collect();
    for &block in inner {
        let Ok(Some(stray)) = pages.stray(block) else { continue };
        for entry in stray.page.entries() {
            let leaf = places.get(&entry.address).and_then(|&at| leaves.get_mut(at));
            if let Some(leaf) = leaf.filter(|leaf| leaf.entry == entry) {
                leaf.verified = true;
            }
        }
    }
}
