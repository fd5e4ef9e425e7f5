//! Pages that a transaction writes to and has not read.

use super::WriteTxn;
use crate::engine::TreeId;
use crate::error::Result;

impl WriteTxn {
    /// Notes that keys of this tree are written without being read: their pages are read before the commit has its place.
    pub(crate) fn write_unread(&self, tree: TreeId) {
        let mut unread = self.unread.borrow_mut();
        if !unread.contains(&tree.0) {
            unread.push(tree.0);
        }
    }

    /// Reads the pages that nothing of this transaction has read. If one cannot be read, that is this transaction's failure; once the commit is in
    /// the log it would be that of all who write (I20). What has outgrown memory by then is not looked at: reading it twice is too slow.
    pub(super) fn reach(&self) -> Result<()> {
        let base = &self.shared.base;
        let writes = self.writes.borrow();
        for &tree in self.unread.borrow().iter() {
            if let Some(found) = base.forest.get(tree) {
                found.fetch_leaves(&base.pager, writes.entries(tree).map(|(key, _)| key))?;
            }
        }
        for tally in self.tallies.borrow().iter() {
            if let Some(found) = base.forest.get(tally.tree) {
                found.fetch_leaves(&base.pager, std::iter::once(&tally.key[..]))?;
            }
        }
        Ok(())
    }
}
