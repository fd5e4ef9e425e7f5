//! Tells the live trees where their nodes' new images lie.
//!
//! A node is found again by its level and lower fence: splits keep these for the left part, merges wait while a capture is being
//! written, and a rebuilt parent carries its children's entries along. The node is clean now if it is still the captured one.

use super::base::{Base, accounting};
use super::write::Written;
use crate::buffer::{Swip, pin};
use crate::error::Result;
use crate::sync::unlock_fairly;
use crate::tree::node::Body;

/// Entries that are published before the applier gets a turn.
const SLICE: usize = 64;

/// Notes every new image in its parent (I8: under the parent's latch).
pub(super) fn publish(base: &Base, written: &[Written]) -> Result<()> {
    for slice in written.chunks(SLICE) {
        let turn = base.apply.lock();
        let _midway = base.poison.midway("noting what a checkpoint has written");
        slice.iter().try_for_each(|page| publish_one(base, page))?;
        // Whoever waits for the turn gets it: the lock would otherwise often be taken here again before the other thread is awake.
        unlock_fairly(turn);
    }
    Ok(())
}

fn publish_one(base: &Base, page: &Written) -> Result<()> {
    let Some(tree) = base.forest.get(page.tree) else { return Ok(()) };
    let guard = pin();
    // The capture keeps this frame alive.
    let Some(captured) = base.pager.pool.frame(page.id, &guard) else {
        return Err(accounting("a captured node is gone"));
    };
    let lower = Body::trusted(captured.body()).lower();
    let Some((owner, latch)) = tree.owner(&base.pager, page.level, lower, &guard) else {
        return Err(accounting("a captured node has no successor"));
    };
    let _locked = latch.lock().map_err(|_| accounting("a latch was not released"))?;
    debug_assert_eq!(owner.entry(), page.old, "an image changed during a checkpoint");
    let same = owner.swip() == Swip::Resident(page.id);
    let clean = same && (0..captured.children()).all(|i| captured.child(i).is_none_or(|child| !child.dirty()));
    if clean && page.level == 0 && owner.dirty() {
        base.pager.pool.note_dirty(-(base.pager.pool.bytes(page.id) as i64));
    }
    owner.set_entry(&page.entry, !clean);
    Ok(())
}
