//! The commits that running optimistic transactions have not seen, against which they are validated.
//!
//! A commit enters when it is sequenced, if a transaction runs that began before it, and leaves when none does any more. A
//! transaction that runs for so long that the window outgrows its memory is told to begin again.

use super::pending::Pending;
use super::read_set::ReadSet;
use super::run::Run;
use super::write_set::WriteSet;
use crate::error::{Error, ErrorKind};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// Bytes of commits that are kept: a part of the memory for nodes, beside it, within bounds.
fn most(budget: u64) -> usize {
    usize::try_from(budget / 8).unwrap_or(usize::MAX).clamp(16 << 20, 256 << 20)
}

/// What concurrent transactions must not have done for a commit to be right.
///
/// ```
/// use tamarack::{Database, Isolation, Options};
/// # let dir = tempfile::tempdir().unwrap(); let path = dir.path().join("a.tam");
/// let db: Database<()> = Options::new().isolation(Isolation::Snapshot).open(path)?;
/// # Ok::<(), tamarack::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Isolation {
    /// Nobody wrote what the transaction read: the outcome is that of running the transactions one after the other, in the order of their
    /// commits. The default.
    #[default]
    Serializable,
    /// Nobody wrote what the transaction writes. Cheaper where transactions read much and write little, but two that each read what the other
    /// writes may both commit (write skew), which no order explains.
    Snapshot,
}

/// What a commit is validated with.
pub(crate) struct Claim<'a> {
    /// The newest commit that it saw.
    pub(crate) seen: u64,
    /// What it read, sealed.
    pub(crate) reads: &'a ReadSet,
    /// What it must hold against.
    pub(crate) isolation: Isolation,
}

/// See the module.
#[derive(Default)]
pub(super) struct Window {
    /// How many transactions see nothing newer than this.
    active: BTreeMap<u64, usize>,
    commits: VecDeque<Arc<Pending>>,
    bytes: usize,
    /// Commits up to here are gone from the window.
    floor: u64,
}

impl Window {
    /// A transaction begins that sees commits up to `seen`.
    pub(super) fn enter(&mut self, seen: u64) {
        *self.active.entry(seen).or_default() += 1;
    }

    /// It has ended. Returns commits that nobody is validated against any more, to be dropped behind the lock: there may be many.
    pub(super) fn leave(&mut self, seen: u64) -> Vec<Arc<Pending>> {
        if let Some(count) = self.active.get_mut(&seen) {
            *count -= 1;
            if *count == 0 {
                self.active.remove(&seen);
            }
        }
        let oldest = self.active.keys().next().copied().unwrap_or(u64::MAX);
        let mut gone = Vec::new();
        while self.commits.front().is_some_and(|commit| commit.timestamp <= oldest) {
            gone.extend(self.take_oldest());
        }
        gone
    }

    /// Whether a transaction runs.
    pub(super) fn is_wanted(&self) -> bool {
        !self.active.is_empty()
    }

    /// A commit was sequenced, in a database whose nodes may take so many bytes.
    pub(super) fn push(&mut self, commit: &Arc<Pending>, budget: u64) {
        if self.active.is_empty() {
            self.floor = commit.timestamp;
            return;
        }
        self.bytes += commit.footprint();
        self.commits.push_back(Arc::clone(commit));
        while self.bytes > most(budget) {
            self.take_oldest();
        }
    }

    fn take_oldest(&mut self) -> Option<Arc<Pending>> {
        let commit = self.commits.pop_front()?;
        self.bytes -= commit.footprint();
        self.floor = commit.timestamp;
        Some(commit)
    }

    /// Whether a transaction may commit now (I18).
    pub(super) fn validate(&self, claim: &Claim<'_>, writes: &WriteSet, runs: &[Arc<Run>]) -> Result<(), Error> {
        if claim.seen < self.floor {
            return Err(conflict("it ran for so long that what changed meanwhile is no longer known"));
        }
        let first = self.commits.partition_point(|commit| commit.timestamp <= claim.seen);
        for commit in self.commits.range(first..) {
            // What went to the file is not looked through: such a commit conflicts with all.
            let read = !commit.runs.is_empty()
                || match claim.isolation {
                    Isolation::Serializable => claim.reads.conflicts(commit.prints(), &commit.writes),
                    Isolation::Snapshot => false,
                };
            if read || overlap(writes, commit, claim.isolation) || overlap_of_runs(runs, commit, claim.isolation) {
                return Err(conflict("another one changed what it used"));
            }
        }
        Ok(())
    }
}

/// Write against write: a tree that either drops conflicts always, keys only where reads are not validated.
fn overlap(writes: &WriteSet, commit: &Pending, isolation: Isolation) -> bool {
    writes.trees().any(|tree| {
        let dropped = commit.writes.drops(tree) || (writes.drops(tree) && !commit.writes.is_silent(tree));
        dropped
            || (isolation == Isolation::Snapshot
                && writes.entries(tree).any(|(key, _)| commit.writes.get(tree, key).is_some()))
    })
}

/// The same for the part of a transaction that went to the file. Where keys count, it is not looked through, and conflicts with all.
fn overlap_of_runs(runs: &[Arc<Run>], commit: &Pending, isolation: Isolation) -> bool {
    runs.iter().any(|run| {
        let dropped = |tree| commit.writes.drops(tree) || (run.drops(tree) && !commit.writes.is_silent(tree));
        isolation == Isolation::Snapshot || run.trees().any(dropped)
    })
}

fn conflict(why: &str) -> Error {
    Error::new(ErrorKind::Conflict, format!("the transaction must be run again: {why}"))
}
