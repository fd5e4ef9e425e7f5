//! Snapshots that are held: each sees one world for as long as it lives.

use super::Live;
use crate::model::World;
use crate::report::violated;
use crate::tables::{self, Kind};
use fastrand::Rng;
use tamarack::ReadTxn;

pub(super) struct Held<S> {
    tx: ReadTxn<S>,
    world: World,
    long: bool,
}

impl<S: Kind> Live<S> {
    pub(super) fn snapshot(&mut self, long: bool) {
        if self.held.len() > 5 {
            return;
        }
        let Some(db) = &self.db else { return };
        let up_to = self.history.finished();
        self.begin_call();
        match if long { db.begin_long_read() } else { db.begin_read() } {
            Ok(tx) => {
                self.see(tx.timestamp());
                let world = self.history.seen_at(tx.timestamp());
                if long {
                    let now = self.now();
                    self.history.all_synced(up_to, now);
                }
                self.held.push(Held { tx, world, long });
            }
            Err(error) if long => self.failed("taking a snapshot of a checkpoint", &error),
            Err(error) => self.excuse_read("taking a snapshot", &error),
        }
    }

    /// What a snapshot sees that is taken now: whoever waited for a commit has led those that others have only sequenced.
    pub(super) fn observe(&mut self) {
        let Some(db) = &self.db else { return };
        self.begin_call();
        match db.begin_read() {
            Ok(tx) => self.see(tx.timestamp()),
            Err(error) => self.excuse_read("taking a snapshot", &error),
        }
    }

    fn see(&mut self, timestamp: u64) {
        let now = self.now();
        self.history.visible(timestamp, self.first, now);
    }

    /// Reads all that a held snapshot sees.
    pub(super) fn look(&mut self, random: &mut Rng) {
        if self.held.is_empty() {
            return;
        }
        self.look_at(random.usize(0..self.held.len()));
    }

    pub(super) fn look_at(&mut self, chosen: usize) {
        let Held { tx, world, long } = &self.held[chosen];
        let long = *long;
        self.begin_call();
        match tables::compare(tx, &self.run.shape.tables, world) {
            Ok(()) => self.run.count(|counts| {
                counts.snapshots += 1;
                counts.long_reads += u64::from(long);
                let deleted = world.holds_deleted(&self.history.last, &self.run.shape.tables);
                counts.deleted_seen += u64::from(deleted);
                counts.deleted_seen_long += u64::from(deleted && long);
            }),
            Err(error) if self.is_given_up(&error) => {
                if long {
                    violated!("wrong: a long read was given up: {error}");
                }
                self.run.note(error.kind() as u64);
                self.run.count(|counts| counts.too_old += 1);
                self.held.swap_remove(chosen);
            }
            Err(error) => {
                self.excuse_read("reading a snapshot", &error);
            }
        }
    }
}
