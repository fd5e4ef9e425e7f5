//! What the applier does before each batch: lets go of old versions, merges small nodes, empties dropped trees, retires frames.

use super::base::{ApplyState, Base};
use crate::buffer::{FrameId, Pool, Swip, pin};
use crate::error::{Error, ErrorKind, Result};
use crate::tree::{Applier, Needed, Tree, Versions};

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

/// I13: versions that only readers need may fill a quarter of the budget, and half of it together with those that a checkpoint needs itself. Beyond
/// that, what nobody sees is let go of wherever it stands; and where that is not enough, the oldest snapshots that keep something are cancelled: their
/// readers get `SnapshotTooOld`, and no writer waits (I19). Nobody else is: it would let go of nothing.
fn bound_versions(base: &Base, state: &mut ApplyState, watermark: u64) -> u64 {
    let pool = &base.pager.pool;
    let mut watermark = watermark;
    // A part of them with each batch. Where memory is short already, nothing is put off.
    let mut most = if pool.excess(0) > 0 { usize::MAX } else { state.versions.portion() };
    loop {
        // What was held back, and is not any more, goes batch by batch, faster than it comes.
        let too_many = excess(pool, &state.versions) > 0 && !state.versions.releasable(watermark);
        if !too_many && !state.versions.is_sparse() {
            break;
        }
        let guard = pin();
        let needed = Needed { all: base.registry.needed(), lasting: base.registry.lasting() };
        let Some(keepers) = state.versions.sweep(pool, &guard, &needed, &mut most, &mut state.limbo) else { break };
        if !too_many {
            break;
        }
        let given_up = keepers.choose(&needed.all, excess(pool, &state.versions));
        if given_up.is_empty() {
            break;
        }
        given_up.into_iter().for_each(|snapshot| base.registry.cancel(snapshot));
        watermark = base.registry.watermark();
        state.versions.release_some(pool, &guard, watermark, true, &mut state.limbo);
    }
    watermark
}

/// By how much readers keep too much.
fn excess(pool: &Pool, versions: &Versions) -> u64 {
    let held = versions.held();
    let most = (pool.budget() / 4).min((pool.budget() / 2).saturating_sub(held));
    pool.usage().old.saturating_sub(held).saturating_sub(most)
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
