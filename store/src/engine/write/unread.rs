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
        let writes = self.writes.borrow();
        for &tree in self.unread.borrow().iter() {
            self.fetch(tree, writes.entries(tree).map(|(key, _)| key))?;
        }
        self.tallies.borrow().iter().try_for_each(|tally| self.fetch(tally.tree, std::iter::once(&tally.key[..])))
    }

    fn fetch<'k>(&self, tree: u32, keys: impl Iterator<Item = &'k [u8]>) -> Result<()> {
        let base = &self.shared.base;
        // What is left of a dropped tree may have been used again: that is a conflict, which validation tells.
        let Some(tree) = base.forest.get(tree).filter(|tree| tree.dropped_at().is_none()) else { return Ok(()) };
        // The current leaves are asked for, whatever this view may still see.
        match tree.fetch_leaves(&base.pager, keys) {
            Err(_) if tree.dropped_at().is_some() => Ok(()),
            fetched => fetched,
        }
    }
}
