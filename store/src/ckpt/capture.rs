//! Captures the trees as they are between two batches, by reference.
//!
//! Bodies never change (I4), so a capture copies only the words of dirty inner nodes: which frame each child is, or where it lies
//! on disk. The snapshot that is registered with it keeps captured leaves alive after they are superseded; captured inner nodes are
//! pinned. This is the only time that a checkpoint keeps the applier waiting.

use super::base::{ApplyState, Base, LogPosition};
use crate::buffer::{Child, FrameId, Guard, PinnedFrame, Swip, pin};
use crate::error::{Error, ErrorKind, Result};
use crate::format::ChildEntry;
use crate::space::Extent;
use crate::tree::Registered;

/// All trees at one commit (I26).
pub(super) struct Capture<'a> {
    base: &'a Base,
    pub(super) registered: Registered,
    pub(super) log: LogPosition,
    pub(super) trees: Vec<CapturedTree<'a>>,
    /// Images that merges had left without an owner.
    pub(super) freed: Vec<ChildEntry>,
    /// References to overflow values that were gone by then.
    pub(super) dropped: Vec<(Vec<u8>, u64)>,
    /// Extents of spilled write sets that were applied by then.
    pub(super) spent: Vec<(Extent, u64)>,
    /// Trees that were dropped by then.
    pub(super) dropped_trees: Vec<u32>,
}

pub(super) struct CapturedTree<'a> {
    pub(super) id: u32,
    pub(super) root: CapturedNode<'a>,
}

/// A node as it was captured; `old` is where its last image lies.
pub(super) enum CapturedNode<'a> {
    Clean(ChildEntry),
    Leaf { id: FrameId, old: ChildEntry },
    Inner { frame: PinnedFrame<'a>, old: ChildEntry, children: Vec<CapturedNode<'a>> },
}

impl<'a> Capture<'a> {
    /// Captures all trees. The caller holds the applier's turn.
    pub(super) fn take(base: &'a Base, state: &mut ApplyState) -> Result<Self> {
        let registered = base
            .registry
            .register_exempt()
            .map_err(|_| Error::new(ErrorKind::InvalidArgument, "too many snapshots are open for a checkpoint"))?;
        // Before there is a capture, whose end takes the turn that the caller holds: a panic here must not wait for itself.
        let mut trees = Vec::new();
        let guard = pin();
        for tree in base.forest.iter().filter(|tree| tree.dropped_at().is_none()) {
            let root = capture_node(base, tree.root().child(), None, &guard);
            if !matches!(root, CapturedNode::Clean(ChildEntry { address: 0, .. })) {
                trees.push(CapturedTree { id: tree.id(), root });
            }
        }
        state.captured = true;
        state.versions.hold_for(Some(registered.snapshot));
        Ok(Self {
            base,
            registered,
            log: state.applied,
            trees,
            freed: std::mem::take(&mut state.freed),
            dropped: std::mem::take(&mut state.dropped),
            spent: std::mem::take(&mut state.spent),
            dropped_trees: std::mem::take(&mut state.dropped_trees),
        })
    }

    /// The commit that the capture holds.
    pub(super) fn timestamp(&self) -> u64 {
        self.registered.snapshot
    }

    /// Gives back what an abandoned checkpoint took over (I31).
    pub(super) fn abandon(&mut self) {
        let mut state = self.base.apply.lock();
        state.freed.append(&mut self.freed);
        state.dropped.append(&mut self.dropped);
        state.spent.append(&mut self.spent);
        state.dropped_trees.append(&mut self.dropped_trees);
    }
}

impl Drop for Capture<'_> {
    fn drop(&mut self) {
        self.base.registry.release(&self.registered);
        let mut state = self.base.apply.lock();
        state.captured = false;
        state.versions.hold_for(None);
    }
}

/// Recursion goes down the levels of a resident tree, which are at most 64.
///
/// A leaf is not looked at where its `level` is known: almost all nodes are leaves, and the applier waits.
fn capture_node<'a>(base: &'a Base, child: Child<'_>, level: Option<u8>, guard: &Guard) -> CapturedNode<'a> {
    let old = child.entry();
    let frame = match child.swip() {
        Swip::Resident(id) if child.dirty() && level == Some(0) => return CapturedNode::Leaf { id, old },
        Swip::Resident(id) if child.dirty() => base.pager.pool.frame(id, guard),
        _ => None,
    };
    match frame {
        None => CapturedNode::Clean(old),
        Some(frame) if frame.level() == 0 => CapturedNode::Leaf { id: frame.id(), old },
        Some(frame) => {
            let mut children = Vec::with_capacity(frame.children());
            for child in (0..frame.children()).filter_map(|i| frame.child(i)) {
                children.push(capture_node(base, child, frame.level().checked_sub(1), guard));
            }
            CapturedNode::Inner { frame: PinnedFrame::new(&base.pager.pool, frame), old, children }
        }
    }
}
