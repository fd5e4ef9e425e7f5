//! Which extents a new generation leaves behind.
//!
//! What lies below a damaged page or chunk, or one that the device refuses to read, is not known, and cannot be given back: those blocks stay in
//! use for good, and a check names them as such that belong to nothing. If that gave up the checkpoint, so it would each one after it: the log would
//! fill, and end all commits. Pages of dropped trees and dropped values do not move, so what looks damaged here is no stale read (I32).

use super::base::Base;
use super::capture::Capture;
use super::write::Written;
use crate::blob::{BlobRef, extents as blob_extents, extents_left, if_readable};
use crate::buffer::{Child, Guard, PinnedFrame, Pool, Swip, pin};
use crate::error::Result;
use crate::format::{ChildEntry, PageKind, Superblock};
use crate::space::Extent;
use crate::tree::Tree;
use crate::tree::node::{Body, Value};

/// Where a page lies.
pub(crate) fn extent_of(base: &Base, entry: &ChildEntry) -> Extent {
    Extent { start: entry.address, len: u64::from(entry.length).div_ceil(u64::from(base.pager.block_size)) }
}

/// Extents that only the generation before needs: free as soon as both superblocks have switched.
pub(super) fn replaced(
    base: &Base,
    capture: &Capture<'_>,
    old: &Superblock,
    written: &[Written],
) -> Result<Vec<Extent>> {
    let images = written.iter().map(|page| &page.old).chain(&capture.freed);
    let mut extents: Vec<Extent> =
        images.filter(|entry| entry.address != 0).map(|entry| extent_of(base, entry)).collect();
    for blob in [&old.directory, &old.free_map].into_iter().flatten() {
        extents.extend(parts_left(base, PageKind::Blob, blob)?);
    }
    Ok(extents)
}

/// Extents that no commit after the timestamp needs, but snapshots before it may.
pub(super) fn expired(base: &Base, capture: &Capture<'_>) -> Result<Vec<(Extent, u64)>> {
    let mut expired = capture.spent.clone();
    for (reference, since) in &capture.dropped {
        let Some(blob) = if_readable(&mut || BlobRef::decode(reference))? else { continue };
        let parts = parts_left(base, PageKind::Overflow, &blob)?;
        expired.extend(parts.into_iter().map(|extent| (extent, *since)));
    }
    for tree in capture.dropped_trees.iter().filter_map(|&id| base.forest.get(id)) {
        let since = tree.dropped_at().unwrap_or(0);
        let parts = tree_extents(base, tree)?;
        expired.extend(parts.into_iter().map(|extent| (extent, since)));
    }
    Ok(expired)
}

pub(crate) fn blob_parts(base: &Base, kind: PageKind, blob: &BlobRef) -> Result<Vec<Extent>> {
    blob_extents(&*base.pager.storage, &base.blob_ctx(kind, 0), blob)
}

/// Those that are known of a blob of which something may not be readable.
fn parts_left(base: &Base, kind: PageKind, blob: &BlobRef) -> Result<Vec<Extent>> {
    extents_left(&*base.pager.storage, &base.blob_ctx(kind, 0), blob)
}

/// Every extent that a tree's pages and overflow values lie in, as far as pages are whole. Reads inner nodes that are not resident, and leaves only
/// if the tree has overflow values.
pub(crate) fn tree_extents(base: &Base, tree: &Tree) -> Result<Vec<Extent>> {
    let pool = &*base.pager.pool;
    let mut extents = Vec::new();
    let mut todo = vec![State::of(pool, tree.root().child(), None, &pin())];
    while let Some(State { node, entry, level }) = todo.pop() {
        if entry.address != 0 {
            extents.push(extent_of(base, &entry));
        }
        let found = match node {
            Node::Resident(pinned) => {
                let (guard, frame) = (pin(), pinned.frame());
                let level = frame.level().checked_sub(1);
                let children = (0..frame.children()).filter_map(|i| frame.child(i));
                todo.extend(children.map(|child| State::of(pool, child, level, &guard)));
                references(frame.body())
            }
            Node::Cold if level != Some(0) || tree.has_overflow() => {
                let Some(page) = if_readable(&mut || base.pager.read(tree.id(), level, &entry))? else { continue };
                let body = Body::trusted(page.body());
                let level = body.level().checked_sub(1);
                if level.is_some() {
                    let (guard, children) = (pin(), (0..=body.len()).filter_map(|i| page.child(i)));
                    todo.extend(children.map(|child| State::of(pool, child, level, &guard)));
                }
                references(page.body())
            }
            Node::Cold | Node::None => Vec::new(),
        };
        for reference in found {
            let Some(blob) = if_readable(&mut || BlobRef::decode(&reference))? else { continue };
            extents.extend(parts_left(base, PageKind::Overflow, &blob)?);
        }
    }
    Ok(extents)
}

struct State<'p> {
    node: Node<'p>,
    entry: ChildEntry,
    level: Option<u8>,
}

enum Node<'p> {
    /// Kept as it was found: under another guard its frame may be another node's (I6).
    Resident(PinnedFrame<'p>),
    Cold,
    None,
}

impl<'p> State<'p> {
    /// What a word of a node says that was found under this guard.
    fn of(pool: &'p Pool, child: Child<'_>, level: Option<u8>, guard: &Guard) -> Self {
        let node = match child.swip() {
            Swip::Resident(id) => {
                let frame = pool.frame(id, guard);
                frame.map_or(Node::Cold, |frame| Node::Resident(PinnedFrame::new(pool, frame)))
            }
            Swip::Cold { .. } => Node::Cold,
            Swip::Empty => Node::None,
        };
        Self { node, entry: child.entry(), level }
    }
}

/// The overflow references of a leaf.
fn references(body: &[u8]) -> Vec<Vec<u8>> {
    let body = Body::trusted(body);
    if body.level() > 0 || !body.has_overflow() {
        return Vec::new();
    }
    let reference = |i| if let Value::Overflow(bytes) = body.value(i) { Some(bytes.to_vec()) } else { None };
    (0..body.len()).filter_map(reference).collect()
}
