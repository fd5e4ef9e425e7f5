//! Many rows that go at once: tables that are deleted and made anew, or cleared. Whoever saw them before sees them still.

use super::{Live, Open, note};
use crate::model::Change;
use crate::plan::{Removal, Shape, durability};
use crate::report::{tell, violated};
use crate::tables::{self, Kind, Table};
use fastrand::Rng;
use tamarack::{ErrorKind, Result};

impl<S: Kind> Live<S> {
    /// Within what the client has open, or in a transaction of its own. That goes on, is rolled back, or is committed.
    pub(super) fn remove(&mut self, number: usize, removal: Removal, random: &mut Rng) {
        let watched = random.bool();
        if watched {
            self.snapshot(random.u8(..) < 80);
        }
        if self.clients[number].open.is_none() && !self.begin(number, false) {
            return;
        }
        (0..4).for_each(|_| self.perhaps_fail(random, 12));
        self.remove_now(number, removal, random);
        match random.u8(0..8) {
            0..2 => {}
            2 => drop(self.roll_back(number)),
            _ => {
                self.write(number, random.usize(0..4), random);
                self.commit(number, durability(random), random);
            }
        }
        if let Some(newest) = self.held.len().checked_sub(1).filter(|_| watched) {
            self.look_at(newest);
        }
    }

    /// Within what the client has open.
    pub(super) fn remove_now(&mut self, number: usize, removal: Removal, random: &mut Rng) {
        let shape = &self.run.shape;
        let Some(open) = self.clients[number].open.as_mut() else { return };
        let exclusive = open.exclusive;
        self.met_at_call.set(self.disk.met().len());
        if let Err(error) = remove_many(open, shape, removal, random) {
            open.removals += 1;
            self.fail_removals(number);
            self.failed_view("removing many rows", &error, exclusive);
        }
    }

    /// Whether there was a transaction.
    pub(super) fn roll_back(&mut self, number: usize) -> bool {
        let Some(open) = self.clients[number].open.take() else { return false };
        self.run.count(|counts| counts.removals_undone += open.removals);
        true
    }

    /// A transaction has failed.
    pub(super) fn fail_removals(&mut self, number: usize) {
        let failed = self.clients[number].open.take().map_or(0, |open| open.removals);
        self.run.count(|counts| counts.removals_failed += failed);
    }

    /// After a commit has its place.
    pub(super) fn count_removals(&self, index: Option<usize>) {
        let Some(commit) = index.and_then(|index| self.history.commits.get(index)) else { return };
        let deleted = |change: &&Change| matches!(change, Change::Deleted(_));
        let deletions = commit.changes.iter().filter(deleted).count() as u64;
        let anew = |change: &Change| match *change {
            Change::Row { table, value, .. } => value.is_some() && self.history.last.deletions(table) > 0,
            Change::Deleted(_) => false,
        };
        let anew = commit.changes.iter().any(anew);
        self.run.count(|counts| {
            counts.deletions += deletions;
            counts.clears += commit.removals - deletions;
            counts.made_anew += u64::from(anew);
        });
    }
}

/// Of trees below the tables nothing is removed this way.
fn remove_many<S: Kind>(open: &mut Open<S>, shape: &Shape, removal: Removal, random: &mut Rng) -> Result<()> {
    let typed: Vec<Table> = shape.tables.iter().copied().filter(|table| !table.is_tree()).collect();
    let Some(&table) = typed.get(random.usize(0..typed.len().max(1))) else { return Ok(()) };
    let named = matches!(removal, Removal::DeleteNamed);
    let deletes = named || matches!(removal, Removal::Delete);
    tell!("  {removal:?} of {table:?}");
    if deletes && table.is_plain() {
        let held = open.view.rows(table).len();
        // One that its transaction does not see is not deleted, whoever has made it meanwhile.
        if tables::delete(&open.tx, table, named)? {
            note(open, Change::Deleted(table));
            open.removals += 1;
        } else if held > 0 {
            violated!("wrong: {table:?} with {held} rows is not there to be deleted");
        }
    } else {
        if deletes
            && tables::delete(&open.tx, table, named).map_err(|error| error.kind()) != Err(ErrorKind::InvalidArgument)
        {
            violated!("wrong: {table:?}, which the schema lists, could be deleted");
        }
        let all = !matches!(removal, Removal::Some);
        for key in tables::remove_many(&open.tx, table, all, open.view.rows(table))? {
            note(open, Change::Row { table, key, value: None });
        }
        open.removals += 1;
    }
    // It is used again at once, perhaps.
    for _ in 0..random.usize(0..6).saturating_sub(2) {
        super::put_one(open, table, random.u32(0..shape.keys), random.u64(..))?;
    }
    Ok(())
}
