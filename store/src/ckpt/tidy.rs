//! What the applier does before each batch: lets go of old versions, merges small nodes, empties dropped trees, retires frames.

use super::base::{ApplyState, Base};
use crate::buffer::{FrameId, Swip, pin};
use crate::error::{Error, ErrorKind, Result};
use crate::tree::{Applier, Tree};

/// Nodes tried for a merge before one batch.
const MERGES: usize = 64;
/// Unlinked frames are retired when this many are together: each retirement costs an epoch's bookkeeping.
const TOGETHER: usize = 16;

/// See the module. The caller holds the applier's turn.
pub(crate) fn tidy(base: &Base, state: &mut ApplyState) -> Result<()> {
    let snapshots = base.registry.scan();
    let published = base.registry.published();
    let watermark = snapshots.first().map_or(published, |&oldest| oldest.min(published));
    {
        let guard = pin();
        let pool = &base.pager.pool;
        let many = pool.usage().old > pool.budget() / 8;
        state.versions.release_some(pool, &guard, watermark, many, &mut state.limbo);
    }
    let watermark = bound_versions(base, state, watermark);
    purge(base, state, watermark)?;
    if !state.captured {
        merge(base, state, watermark, &snapshots)?;
    }
    if state.limbo.len() >= TOGETHER {
        let guard = pin();
        base.pager.pool.retire(std::mem::take(&mut state.limbo), &guard);
    }
    super::evict::evict_in_turn(base, state)
}

/// I13: versions that only old snapshots need may fill a quarter of the budget, and half of it together with those that a checkpoint needs
/// itself. Beyond that the oldest snapshot is cancelled: its reader gets `SnapshotTooOld`, and no writer waits (I19). While the checkpoint alone is what
/// fills memory, no reader is: that would let go of nothing.
fn bound_versions(base: &Base, state: &mut ApplyState, watermark: u64) -> u64 {
    let pool = &base.pager.pool;
    let mut watermark = watermark;
    let too_many = |state: &ApplyState| {
        let held = state.versions.held();
        let most = (pool.budget() / 4).min((pool.budget() / 2).saturating_sub(held));
        pool.usage().old.saturating_sub(held) > most
    };
    // What a checkpoint held back, and nobody holds back now, goes batch by batch, faster than it comes. A reader that sees what it sees costs nothing.
    while too_many(state)
        && !state.versions.releasable(watermark)
        && base.registry.cancel_oldest(|snapshot| state.versions.capture() == Some(snapshot))
    {
        watermark = base.registry.watermark();
        let guard = pin();
        state.versions.release_some(pool, &guard, watermark, true, &mut state.limbo);
    }
    watermark
}

fn merge(base: &Base, state: &mut ApplyState, watermark: u64, snapshots: &[u64]) -> Result<()> {
    for _ in 0..state.underfull.len().min(MERGES) {
        let Some(node) = state.underfull.pop_front() else { break };
        let Some(tree) = base.forest.get(node.tree).filter(|tree| tree.dropped_at().is_none()) else { continue };
        let mut applier = Applier::new(&base.pager, watermark);
        let done = match applier.merge(tree, &node, watermark) {
            Ok(done) => done,
            // Nothing has changed. As where its neighbours cannot be read: the node is found again when it is touched.
            Err(error) if error.kind() == ErrorKind::OutOfMemory => true,
            Err(error) => {
                base.poison.set(&error);
                return Err(error);
            }
        };
        state.adopt(&base.pager.pool, tree, applier.left, watermark, snapshots)?;
        if !done {
            state.underfull.push_back(node);
        }
    }
    Ok(())
}

/// Takes the nodes of dropped trees out of memory once no snapshot sees them.
fn purge(base: &Base, state: &mut ApplyState, watermark: u64) -> Result<()> {
    let (due, later): (Vec<u32>, Vec<u32>) = std::mem::take(&mut state.purges)
        .into_iter()
        .partition(|&id| base.forest.get(id).and_then(Tree::dropped_at).is_none_or(|dropped| dropped <= watermark));
    state.purges = later;
    for tree in due.into_iter().filter_map(|id| base.forest.get(id)) {
        state.limbo.extend(unlink_all(base, tree)?);
    }
    Ok(())
}

fn unlink_all(base: &Base, tree: &Tree) -> Result<Vec<FrameId>> {
    let guard = pin();
    let mut frames = Vec::new();
    let mut todo = vec![tree.root().child()];
    while let Some(child) = todo.pop() {
        // Freezing keeps a late reader from installing a page below.
        let Swip::Resident(id) = child.freeze() else { continue };
        let frame = base.pager.pool.frame(id, &guard);
        let frame = frame.ok_or_else(|| Error::corrupt("a dropped tree lost a node; please report this"))?;
        if frame.level() == 0 && child.dirty() {
            base.pager.pool.note_dirty(-(base.pager.pool.bytes(id) as i64));
        }
        todo.extend((0..frame.children()).filter_map(|i| frame.child(i)));
        frames.push(id);
    }
    tree.root().child().clear();
    Ok(frames)
}
