//! What a transaction does to counters, which are worked out when it is sequenced.

use super::WriteTxn;
use crate::engine::{TreeId, View};
use crate::error::{Error, Result};
use crate::txn::{Tally, TallyChange};

impl WriteTxn {
    /// Adds to a tally and raises its maximum. The value's key must not be written otherwise, but for deleting it.
    pub(crate) fn tally(&self, tree: TreeId, key: &[u8], add: i64, raise: u64) -> Result<()> {
        let mut tallies = self.tallies.borrow_mut();
        if let Some(change) = tallies.iter_mut().find(|change| change.tree == tree.0 && change.key == key) {
            change.add += add;
            change.raise = change.raise.max(raise);
            return Ok(());
        }
        drop(tallies);
        self.end_write(self.learn(tree, key))?;
        self.tallies.borrow_mut().push(TallyChange { tree: tree.0, key: key.to_vec(), add, raise });
        Ok(())
    }

    /// What this transaction adds to a tally.
    pub(crate) fn tallied(&self, tree: TreeId, key: &[u8]) -> i64 {
        let tallies = self.tallies.borrow();
        tallies.iter().find(|change| change.tree == tree.0 && change.key == key).map_or(0, |change| change.add)
    }

    /// Deletes a tally.
    pub(crate) fn forget_tally(&self, tree: TreeId, key: &[u8]) -> Result<()> {
        self.tallies.borrow_mut().retain(|change| change.tree != tree.0 || change.key != key);
        self.write_unread(tree);
        self.delete(tree, key)
    }

    /// The next number of a tally; `None` if none is left. Nobody else is given it, whether this transaction commits or not; behind a number that it has
    /// raised the tally to, only if it commits.
    pub(crate) fn next_number(&self, tree: TreeId, key: &[u8]) -> Result<Option<u64>> {
        self.learn(tree, key)?;
        let tallies = self.tallies.borrow();
        let own = tallies.iter().find(|change| change.tree == tree.0 && change.key == key);
        Ok(self.shared.pipeline.tallies.next(tree.0, key, own.map_or(0, |change| change.raise)))
    }

    /// Reads a tally when it is used for the first time in a session. Not a read of this transaction: nothing follows from the value but
    /// what the sequencer makes of it.
    fn learn(&self, tree: TreeId, key: &[u8]) -> Result<()> {
        let tallies = &self.shared.pipeline.tallies;
        if !tallies.knows(tree.0, key) {
            let stored = self.snapshot.get(tree, key)?;
            let stored = match stored.as_deref() {
                Some(bytes) => Tally::decode(bytes).ok_or_else(|| Error::corrupt("a table's counter is malformed"))?,
                None => Tally::default(),
            };
            tallies.learn(tree.0, key, stored);
        }
        Ok(())
    }
}
