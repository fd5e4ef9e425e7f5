//! Applies sequenced commits to the trees, one batch at one timestamp.

use super::write_set::{Hit, WriteSet};
use crate::blob::BLOB_REF_LEN;
use crate::ckpt::{ApplyState, Base, Counts, tidy};
use crate::error::{Error, ErrorKind, Result};
use crate::space::Extent;
use crate::sync::atomic::Ordering;
use crate::trace::span;
use crate::tree::node::{Edit, Value};
use crate::tree::{Applier, Forest};

/// A commit as the applier sees it.
pub(crate) struct Batch<'a> {
    pub(crate) timestamp: u64,
    pub(crate) writes: &'a WriteSet,
    /// Extents that its values and spilled writes were written to.
    pub(crate) extents: &'a [Extent],
    /// Those of its spilled writes: nobody needs them once this is applied.
    pub(crate) spills: &'a [Extent],
}

/// Edits that are applied before their descriptors are thrown away: bounds the memory of a bulk load.
const AT_ONCE: usize = 1 << 17;

/// Applies a group in order; readers see it at once when the caller publishes its last timestamp (I14).
pub(crate) fn apply_batches(base: &Base, state: &mut ApplyState, group: &[Batch<'_>]) -> Result<()> {
    let Some(last) = group.last() else { return Ok(()) };
    let timestamp = last.timestamp;
    let _span = span!("apply", commits = group.len(), timestamp = timestamp);
    tidy(base, state)?;
    let snapshots = base.registry.needed();
    let mut trees: Vec<u32> = group.iter().flat_map(|batch| batch.writes.trees()).collect();
    trees.sort_unstable();
    trees.dedup();
    for tree in trees {
        let entries = gather(group, tree, timestamp, state);
        if group.iter().any(|batch| batch.writes.drops(tree)) {
            drop_tree(base, state, tree, &entries, timestamp);
            continue;
        }
        for entries in entries.chunks(AT_ONCE) {
            apply_entries(base, state, tree, entries, timestamp, &snapshots)?;
        }
    }
    for batch in group.iter().filter(|batch| !batch.extents.is_empty()) {
        let mut space = base.space()?;
        for &extent in batch.extents {
            space.commit(extent, timestamp);
        }
        state.spent.extend(batch.spills.iter().map(|&extent| (extent, timestamp)));
    }
    Ok(())
}

/// The group's entries for one tree, sorted, the newest for each key.
fn gather<'a>(group: &[Batch<'a>], tree: u32, timestamp: u64, state: &mut ApplyState) -> Vec<(&'a [u8], Hit<'a>)> {
    let mut entries: Vec<(&[u8], Hit<'_>)> = Vec::new();
    let mut writers = 0;
    for batch in group {
        let before = entries.len();
        entries.extend(batch.writes.entries(tree));
        writers += usize::from(entries.len() > before);
    }
    if writers > 1 {
        // Stable: among equal keys the newest stays last, and is the one to keep.
        entries.sort_by(|a, b| a.0.cmp(b.0));
        entries.dedup_by(|newer, kept| {
            if newer.0 != kept.0 {
                return false;
            }
            if let Hit::Overflow(blob) = kept.1 {
                state.dropped.push((blob.encode().to_vec(), timestamp));
            }
            kept.1 = newer.1;
            true
        });
    }
    entries
}

fn drop_tree(base: &Base, state: &mut ApplyState, tree: u32, entries: &[(&[u8], Hit<'_>)], timestamp: u64) {
    for (_, hit) in entries {
        if let Hit::Overflow(blob) = hit {
            state.dropped.push((blob.encode().to_vec(), timestamp));
        }
    }
    if let Some(found) = base.forest.get(tree).filter(|found| found.dropped_at().is_none()) {
        found.drop_at(timestamp);
        state.dropped_trees.push(tree);
    }
}

fn apply_entries(
    base: &Base,
    state: &mut ApplyState,
    tree: u32,
    entries: &[(&[u8], Hit<'_>)],
    timestamp: u64,
    snapshots: &[u64],
) -> Result<()> {
    let tree = base
        .forest
        .get_or_create(tree)
        .ok_or_else(|| Error::new(ErrorKind::TooManyTables, format!("tree numbers end at {}", Forest::MOST)))?;
    if tree.dropped_at().is_some() {
        return Err(Error::corrupt(format!("tree {} is written to after it was dropped", tree.id())));
    }
    let references: Vec<[u8; BLOB_REF_LEN]> = entries
        .iter()
        .filter_map(|(_, hit)| if let Hit::Overflow(blob) = hit { Some(blob.encode()) } else { None })
        .collect();
    if !references.is_empty() {
        tree.set_has_overflow();
    }
    let mut references = references.iter();
    let edits: Vec<Edit<'_>> = entries
        .iter()
        .map(|&(key, hit)| match hit {
            Hit::Put(value) => Edit::Put { key, value: Value::Inline(value) },
            Hit::Deleted => Edit::Delete { key },
            Hit::Overflow(_) => {
                let reference = references.next().map_or(&[][..], |reference| reference);
                Edit::Put { key, value: Value::Overflow(reference) }
            }
        })
        .collect();
    let mut applier = Applier::new(&base.pager, timestamp);
    let threads = Applier::threads_for(edits.len(), base.appliers.load(Ordering::Relaxed));
    Counts::add(&base.counts.shared_applies, u64::from(threads > 1));
    let applied = applier.apply_with(tree, &edits, threads);
    state.adopt(&base.pager.pool, tree, applier.left, timestamp, snapshots)?;
    applied.map(|_| ())
}
