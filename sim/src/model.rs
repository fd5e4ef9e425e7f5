//! What must be there: the rows after each commit, and which commits were promised what, when.

use crate::report::violated;
use crate::tables::Table;
use std::collections::BTreeMap;
use std::sync::Arc;
use tamarack::Durability;

/// Rows of a table: a number stands for a key, another for a value.
pub(crate) type Rows = BTreeMap<u32, u64>;

/// All rows.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct World {
    rows: [Arc<Rows>; Table::COUNT],
    /// How often each table was deleted.
    deletions: [u32; Table::COUNT],
}

/// What a commit changes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Change {
    /// A row is stored, or removed.
    Row { table: Table, key: u32, value: Option<u64> },
    /// A table is deleted, with whatever it holds then.
    Deleted(Table),
}

impl World {
    pub(crate) fn rows(&self, table: Table) -> &Rows {
        &self.rows[table as usize]
    }

    pub(crate) fn deletions(&self, table: Table) -> u32 {
        self.deletions[table as usize]
    }

    /// Whether it has rows of a table that was deleted on the way to a later world.
    pub(crate) fn holds_deleted(&self, later: &Self, tables: &[Table]) -> bool {
        let deleted = |&table: &Table| later.deletions(table) > self.deletions(table);
        tables.iter().any(|table| deleted(table) && !self.rows(*table).is_empty())
    }

    pub(crate) fn change(&mut self, change: Change) {
        match change {
            Change::Row { table, key, value: Some(value) } => {
                Arc::make_mut(&mut self.rows[table as usize]).insert(key, value);
            }
            Change::Row { table, key, value: None } => {
                Arc::make_mut(&mut self.rows[table as usize]).remove(&key);
            }
            Change::Deleted(table) => {
                self.rows[table as usize] = Arc::default();
                self.deletions[table as usize] += 1;
            }
        }
    }

    pub(crate) fn apply(&mut self, changes: &[Change]) {
        changes.iter().for_each(|&change| self.change(change));
    }
}

/// A commit that has its place.
#[derive(Clone)]
pub(crate) struct Commit {
    /// The number that it leaves in the table of attempts.
    pub(crate) attempt: u32,
    pub(crate) timestamp: u64,
    pub(crate) changes: Arc<[Change]>,
    /// How durable it was to be.
    pub(crate) asked: Durability,
    /// Not on the disk before.
    pub(crate) sequenced: usize,
    /// Since when it has to survive the end of the process.
    pub(crate) buffered: Option<usize>,
    /// Since when it has to survive the end of the power.
    pub(crate) synced: Option<usize>,
    /// Since when it is known to be lost: it was not promised, and the next process did not find it.
    pub(crate) dead: Option<usize>,
    /// Whether its owner was told that it is visible.
    pub(crate) finished: bool,
    /// How often it removes many rows at once.
    pub(crate) removals: u64,
}

impl Commit {
    pub(crate) fn new(
        attempt: u32,
        timestamp: u64,
        changes: Vec<Change>,
        asked: Durability,
        sequenced: usize,
        removals: u64,
    ) -> Self {
        let (buffered, synced, dead) = (None, None, None);
        let (changes, finished) = (changes.into(), false);
        Self { attempt, timestamp, changes, asked, sequenced, buffered, synced, dead, finished, removals }
    }
}

/// The commits of a life, in their order.
#[derive(Clone, Default)]
pub(crate) struct History {
    pub(crate) base: World,
    pub(crate) commits: Vec<Commit>,
    /// The commits that led to the base, and what they began with: as long as they are in the log alone, damage can cost them.
    pub(crate) earlier: Box<Expected>,
    /// The rows after all of them that are not dead.
    pub(crate) last: World,
}

/// What a start may find: the base and some of the commits, in their order, no fewer than `least`.
#[derive(Clone, Default)]
pub(crate) struct Expected {
    pub(crate) base: World,
    pub(crate) commits: Vec<(u32, Arc<[Change]>)>,
    pub(crate) least: usize,
    /// What led to the base.
    pub(crate) earlier: Option<Box<Expected>>,
}

impl Expected {
    /// The rows after the first so many commits.
    pub(crate) fn world(&self, count: usize) -> World {
        let mut world = self.base.clone();
        self.commits.iter().take(count).for_each(|(_, changes)| world.apply(changes));
        world
    }

    /// How many commits are there, by the newest attempt that was found.
    pub(crate) fn count(&self, found: impl Fn(u32) -> bool) -> usize {
        self.commits.iter().rposition(|&(attempt, _)| found(attempt)).map_or(0, |last| last + 1)
    }
}

impl History {
    /// After a start that found this many of the commits that were expected.
    pub(crate) fn new(expected: &Expected, count: usize) -> Self {
        let base = expected.world(count);
        let mut earlier = match &expected.earlier {
            Some(earlier) => earlier.clone(),
            None => Box::new(Expected { base: expected.base.clone(), ..Expected::default() }),
        };
        if expected.least > 0 {
            earlier.least = earlier.commits.len() + expected.least;
        }
        earlier.commits.extend(expected.commits.iter().take(count).cloned());
        Self { last: base.clone(), base, commits: Vec::new(), earlier }
    }

    /// What may be found when so many things have happened to the disk, if it is damaged: less than the base, too. What lies in the log
    /// alone can be taken from its end; of what was promised, that has to be told apart.
    pub(crate) fn expected_of_damaged(&self, at: usize) -> Expected {
        let mut expected = self.expected_after_noise(at);
        expected.least = expected.least.max(self.earlier.commits.len());
        expected
    }

    /// What may be found after a power cut that turns sectors under way into noise. A superblock that recovery writes again is one of them:
    /// then the other one counts, which knows all that was promised, but perhaps no more.
    pub(crate) fn expected_after_noise(&self, at: usize) -> Expected {
        let Expected { commits, least, .. } = self.expected(at, true);
        let mut expected = (*self.earlier).clone();
        if least > 0 {
            expected.least = expected.commits.len() + least;
        }
        expected.commits.extend(commits);
        expected
    }

    pub(crate) fn push(&mut self, commit: Commit) -> usize {
        self.last.apply(&commit.changes);
        self.commits.push(commit);
        self.commits.len() - 1
    }

    /// What may be found when so many things have happened to the disk.
    pub(crate) fn expected(&self, at: usize, power: bool) -> Expected {
        let earlier = Some(self.earlier.clone());
        let mut expected = Expected { base: self.base.clone(), earlier, ..Expected::default() };
        for commit in &self.commits {
            if commit.sequenced > at || commit.dead.is_some_and(|dead| dead <= at) {
                continue;
            }
            expected.commits.push((commit.attempt, Arc::clone(&commit.changes)));
            let promised = if power { commit.synced } else { commit.synced.or(commit.buffered) };
            if promised.is_some_and(|since| since <= at) {
                expected.least = expected.commits.len();
            }
        }
        expected
    }

    /// A process has found this many of the commits that are not dead: the others are.
    pub(crate) fn found(&mut self, count: usize, at: usize) {
        let alive = self.commits.iter_mut().filter(|commit| commit.dead.is_none());
        alive.skip(count).for_each(|commit| commit.dead = Some(at));
        self.last = self.base.clone();
        for commit in self.commits.iter().filter(|commit| commit.dead.is_none()) {
            self.last.apply(&commit.changes);
        }
    }

    /// The rows that a snapshot with this timestamp sees.
    pub(crate) fn seen_at(&self, timestamp: u64) -> World {
        let mut world = self.base.clone();
        let alive = self.commits.iter().filter(|commit| commit.dead.is_none());
        alive.filter(|commit| commit.timestamp <= timestamp).for_each(|commit| world.apply(&commit.changes));
        world
    }

    /// A snapshot sees the commits up to this timestamp. None that was acknowledged is missing (I14); and those of this process, which begin at `first`,
    /// are as durable as they asked to be, acknowledged or not (I22): so are all before them. What a process has found may have been in the
    /// system's cache alone.
    pub(crate) fn visible(&mut self, timestamp: u64, first: usize, at: usize) {
        let acknowledged = |commit: &&Commit| commit.finished && commit.dead.is_none();
        if let Some(missing) = self.commits.iter().filter(acknowledged).find(|commit| commit.timestamp > timestamp) {
            let Commit { attempt, timestamp: own, .. } = missing;
            violated!(
                "invisible: a snapshot at {timestamp} lacks attempt {attempt}, acknowledged with timestamp {own}"
            );
        }
        let seen = |commit: &Commit| commit.dead.is_none() && commit.timestamp <= timestamp;
        let up_to = |least: Durability| {
            let last = self.commits.iter().rposition(|commit| seen(commit) && commit.asked >= least);
            last.filter(|&last| last >= first).map_or(0, |last| last + 1)
        };
        let (buffered, synced) = (up_to(Durability::Buffered), up_to(Durability::Synced));
        self.all_buffered(buffered, at);
        self.all_synced(synced, at);
    }

    /// The first commits are with the operating system from here on.
    pub(crate) fn all_buffered(&mut self, up_to: usize, at: usize) {
        for commit in self.commits.iter_mut().take(up_to).filter(|commit| commit.dead.is_none()) {
            commit.buffered.get_or_insert(at);
        }
    }

    /// Everything that is finished is durable from here on.
    pub(crate) fn all_synced(&mut self, up_to: usize, at: usize) {
        for commit in self.commits.iter_mut().take(up_to).filter(|commit| commit.dead.is_none()) {
            commit.synced.get_or_insert(at);
        }
    }

    /// Whether a commit that may be there by then has removed many rows at once.
    pub(crate) fn has_removed(&self, at: usize) -> bool {
        self.commits.iter().any(|commit| commit.removals > 0 && commit.sequenced <= at)
    }

    /// Commits that are finished, and all before them.
    pub(crate) fn finished(&self) -> usize {
        self.commits.iter().rposition(|commit| commit.finished && commit.dead.is_none()).map_or(0, |last| last + 1)
    }
}
