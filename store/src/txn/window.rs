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

/// Bytes of commits that are kept.
const MOST: usize = 64 << 20;

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
    /// What it read.
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

    /// It has ended.
    pub(super) fn leave(&mut self, seen: u64) {
        if let Some(count) = self.active.get_mut(&seen) {
            *count -= 1;
            if *count == 0 {
                self.active.remove(&seen);
            }
        }
        let oldest = self.active.keys().next().copied().unwrap_or(u64::MAX);
        while self.commits.front().is_some_and(|commit| commit.timestamp <= oldest) {
            self.drop_oldest();
        }
    }

    /// Whether a transaction runs.
    pub(super) fn is_wanted(&self) -> bool {
        !self.active.is_empty()
    }

    /// A commit was sequenced.
    pub(super) fn push(&mut self, commit: &Arc<Pending>) {
        if self.active.is_empty() {
            self.floor = commit.timestamp;
            return;
        }
        self.bytes += commit.writes.encoded_len();
        self.commits.push_back(Arc::clone(commit));
        while self.bytes > MOST {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        if let Some(commit) = self.commits.pop_front() {
            self.bytes -= commit.writes.encoded_len();
            self.floor = commit.timestamp;
        }
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
