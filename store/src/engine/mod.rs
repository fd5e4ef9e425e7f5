//! The seam between the typed layer above and the B-tree engine below: ordered byte keys and transactions.
//!
//! The typed layer reaches the engine only through what this module exports. Everything here speaks of trees (by number), byte
//! keys and byte values; it knows nothing of records, tables or schemas.
//!
//! Promises: a snapshot sees exactly the commits up to it (I16); a write transaction sees its own writes, also in ranges; a
//! dropped or failed one leaves nothing (I20); commits become visible in order, all at once (I14, I15).

mod backup;
mod cursor;
mod evictor;
mod nesting;
mod open;
mod options;
mod pinned;
mod serving;
mod snapshot;
#[cfg(test)]
mod tests;
mod value;
mod write;

pub(crate) use backup::BackupImage;
pub(crate) use cursor::Cursor;
pub(crate) use open::Engine;
pub(crate) use options::{Background, EngineOptions};
pub(crate) use snapshot::Snapshot;
pub(crate) use value::Value;
pub(crate) use write::{Sequenced, WriteTxn};

pub use crate::txn::Isolation;
pub(crate) use crate::txn::Tally;

use crate::error::Result;
use std::ops::Bound;

/// The number of a tree. The typed layer hands them out and never uses one again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct TreeId(pub(crate) u32);

/// Longest stored key in bytes.
pub(crate) const MAX_ENTRY: usize = 12_288;
/// Longest value in bytes.
pub(crate) const MAX_VALUE: usize = 1 << 30;
/// Tree numbers are below this.
pub(crate) const MAX_TREES: u32 = crate::tree::Forest::MOST;

/// How far a commit has got when it returns. All kinds keep commit order (I21).
///
/// ```
/// use tamarack::{Database, Durability};
/// # fn main() -> tamarack::Result<()> {
/// let db = Database::<()>::in_memory()?;
/// let tx = db.begin_write()?;
/// tx.commit_with(Durability::Deferred)?;
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Durability {
    /// In memory and visible; written soon by the background thread. Use it for data that can be made again. A crash of the
    /// process loses the newest of these commits, always a suffix.
    Deferred,
    /// Handed to the operating system. Survives a crash of the process; a power cut loses a suffix.
    Buffered,
    /// On the device. Survives everything that the device survives. The default.
    #[default]
    Synced,
}

/// Reading, the same on a snapshot and inside a write transaction.
pub(crate) trait View {
    /// The value under a key. Cost: one descent; the value is not copied while it lies inside a page.
    fn get(&self, tree: TreeId, key: &[u8]) -> Result<Option<Value<'_>>>;

    /// Runs `with` on the value under a key, without copying or pinning the page for longer than the call; `false` when there is
    /// none. The fastest way to read. `with` must not begin transactions nor wait.
    fn read(&self, tree: TreeId, key: &[u8], with: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<bool>;

    /// Whether a key is there. Does not touch the value.
    fn contains(&self, tree: TreeId, key: &[u8]) -> Result<bool>;

    /// A cursor over the keys between two bounds. Empty or inverted bounds give an empty cursor. A tree that was never written is empty.
    fn cursor(&self, tree: TreeId, lower: Bound<&[u8]>, upper: Bound<&[u8]>) -> Result<Cursor<'_>>;
}
