//! Snapshots: what readers read from.

use super::open::Shared;
use super::{Cursor, TreeId, Value, View};
use crate::ckpt::Base;
use crate::error::Result;
use crate::tree::node::Value as Stored;
use crate::tree::{Registered, Seen, SnapshotCursor};
use std::ops::Bound;
use std::sync::Arc;

/// The commits up to one timestamp, and no others, for as long as it lives (I16). Registered, so that what it sees is kept (I17).
pub(crate) struct Snapshot {
    shared: Arc<Shared>,
    registered: Registered,
}

impl Snapshot {
    /// Registers a snapshot of what is visible now.
    pub(super) fn new(shared: &Arc<Shared>) -> Result<Self> {
        let registered = shared.base.registry.register()?;
        Ok(Self { shared: Arc::clone(shared), registered })
    }

    /// A snapshot that is registered already.
    pub(super) fn from_registered(shared: &Arc<Shared>, registered: Registered) -> Self {
        Self { shared: Arc::clone(shared), registered }
    }

    /// The newest commit that it sees.
    pub(crate) fn timestamp(&self) -> u64 {
        self.registered.snapshot
    }

    pub(super) fn raw_cursor(&self, tree: TreeId, lower: Bound<&[u8]>, upper: Bound<&[u8]>) -> SnapshotCursor<'_> {
        let base = &self.shared.base;
        SnapshotCursor::new(&base.pager, base.forest.get(tree.0).map(|tree| (tree, self.seen())), lower, upper)
    }

    pub(super) fn seen(&self) -> Seen<'_> {
        Seen::new(&self.shared.base.registry, &self.registered)
    }

    /// Reads a value in extents. They may be used for something else by now if the snapshot was cancelled.
    fn overflow(&self, tree: TreeId, reference: &[u8]) -> Result<Vec<u8>> {
        read_overflow(&self.shared.base, self.seen(), tree, reference)
    }
}

/// Reads a value in extents for a snapshot; one that was cancelled is told so, and not of damage.
pub(super) fn read_overflow(base: &Base, seen: Seen<'_>, tree: TreeId, reference: &[u8]) -> Result<Vec<u8>> {
    base.read_overflow(tree.0, reference).or_else(|error| seen.check().and(Err(error)))
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        self.shared.base.registry.release(&self.registered);
    }
}

impl View for Snapshot {
    fn get(&self, tree: TreeId, key: &[u8]) -> Result<Option<Value<'_>>> {
        let base = &self.shared.base;
        let Some(found) = base.forest.get(tree.0) else { return Ok(None) };
        let found = found.get(&base.pager, self.seen(), key, |value, frame| match value {
            Stored::Inline(bytes) => Ok(Value::pinned(&base.pager.pool, frame, bytes)),
            Stored::Overflow(reference) => Err(reference.to_vec()),
        })?;
        match found {
            None => Ok(None),
            Some(Ok(value)) => Ok(Some(value)),
            Some(Err(reference)) => self.overflow(tree, &reference).map(|bytes| Some(Value::owned(bytes))),
        }
    }

    fn read(&self, tree: TreeId, key: &[u8], with: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<bool> {
        let base = &self.shared.base;
        let Some(found) = base.forest.get(tree.0) else { return Ok(false) };
        let found = found.get(&base.pager, self.seen(), key, |value, _| match value {
            Stored::Inline(bytes) => with(bytes).map(|()| None),
            Stored::Overflow(reference) => Ok(Some(reference.to_vec())),
        })?;
        match found {
            None => Ok(false),
            Some(Ok(None)) => Ok(true),
            // I7: the epoch has ended before this reads from the file.
            Some(Ok(Some(reference))) => with(&self.overflow(tree, &reference)?).map(|()| true),
            Some(Err(error)) => Err(error),
        }
    }

    fn contains(&self, tree: TreeId, key: &[u8]) -> Result<bool> {
        let base = &self.shared.base;
        let Some(found) = base.forest.get(tree.0) else { return Ok(false) };
        found.get(&base.pager, self.seen(), key, |_, _| ()).map(|found| found.is_some())
    }

    fn cursor(&self, tree: TreeId, lower: Bound<&[u8]>, upper: Bound<&[u8]>) -> Result<Cursor<'_>> {
        Ok(Cursor::over_snapshot(&self.shared.base, tree, self.seen(), self.raw_cursor(tree, lower, upper)))
    }
}
