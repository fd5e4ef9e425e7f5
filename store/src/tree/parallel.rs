//! Several threads apply one batch.
//!
//! Each takes the edits below one node of level 1 after the other, so that a leaf is replaced by one thread, once, in the order of the commits. What
//! lies above is shared: it is read optimistically, and a thread that splits a node latches its parent only then, from below,
//! and holds what it latched until the new nodes are linked (`Applier::replace_node`). A thread that meets a replaced node starts again from the root. All of it happens within the applier's turn:
//! publication, snapshots and captures fall between batches (I14, I15). Latching after Leis et al., "The ART of Practical
//! Synchronization" (2016), section 3.

use super::apply::{Applier, inconsistent, run_below};
use super::node::{Body, Edit};
use super::{Access, Pager, Target, Tree};
use crate::error::{Error, Result};
use crate::sync::Mutex;
use crate::sync::helpers::with_helpers;

/// Edits of a batch that are worth one thread: fewer are applied sooner than a thread has begun. Tests have small batches.
const WORTH_A_THREAD: usize = if cfg!(test) { 2 } else { 128 };

/// Hands out edits by node of level 1.
struct Claims<'e> {
    edits: &'e [Edit<'e>],
    /// The first that nobody has taken.
    next: Mutex<usize>,
}

impl<'e> Claims<'e> {
    /// The next edits, all below one node of level 1, which nobody else is given.
    fn take(&self, pager: &Pager, tree: &Tree) -> Result<&'e [Edit<'e>]> {
        let mut next = self.next.lock();
        let rest = self.edits.get(*next..).unwrap_or_default();
        let Some(first) = rest.first() else { return Ok(&[]) };
        // A node that is split while this looks at it keeps its upper fence, and whoever splits it has taken all below that.
        let upper = tree.with_node(pager, Target::At(first.key()), 1, Access::Scan, |node, _| {
            Body::trusted(node.body()).upper().map(<[u8]>::to_vec)
        })?;
        let count = upper.flatten().map_or(rest.len(), |upper| run_below(rest, &upper));
        if count == 0 {
            return Err(inconsistent("a key lies beyond its node"));
        }
        *next += count;
        Ok(rest.get(..count).unwrap_or_default())
    }

    /// Leaves nothing to be taken.
    fn end(&self) {
        *self.next.lock() = self.edits.len();
    }
}

impl Applier<'_> {
    /// How many threads a batch of this many edits is worth, of so many that there may be.
    pub(crate) fn threads_for(edits: usize, most: usize) -> usize {
        most.min(edits / WORTH_A_THREAD).max(1)
    }

    /// Applies `edits`, sorted by key without duplicates, with so many threads, this one among them. Returns by how much the number of
    /// entries grew.
    pub(crate) fn apply_with(&mut self, tree: &Tree, edits: &[Edit<'_>], threads: usize) -> Result<i64> {
        if threads < 2 {
            return self.apply(tree, edits);
        }
        let claims = Claims { edits, next: Mutex::new(0) };
        let (pager, timestamp) = (self.pager, self.timestamp);
        let first = claims.take(pager, tree)?;
        if first.len() == edits.len() {
            // A load in the order of the keys: all of it goes to the end of the tree.
            return self.apply(tree, edits);
        }
        let help = || {
            let mut helper = Applier::new(pager, timestamp);
            let grown = helper.apply_claims(tree, &claims, &[]);
            (grown, helper.left)
        };
        let (own, helped) = with_helpers(threads - 1, &help, || self.apply_claims(tree, &claims, first));
        let mut grown = own?;
        for outcome in helped {
            let (more, left) = outcome.map_err(|_| inconsistent("a thread that applied a batch panicked"))?;
            self.left.append(left);
            grown += more?;
        }
        Ok(grown)
    }

    /// Applies `first`, then what else there is to take. After a failure, which is the whole batch's, nobody takes any more.
    fn apply_claims(&mut self, tree: &Tree, claims: &Claims<'_>, first: &[Edit<'_>]) -> Result<i64> {
        let pager = self.pager;
        let failed = |error: &Error| {
            // Before the claims: whoever has them may wait for what this thread was about to do.
            pager.poison.set(error);
            claims.end();
        };
        let mut grown = self.apply(tree, first).inspect_err(failed)?;
        loop {
            let edits = claims.take(pager, tree).inspect_err(failed)?;
            if edits.is_empty() {
                return Ok(grown);
            }
            grown += self.apply(tree, edits).inspect_err(failed)?;
        }
    }
}
