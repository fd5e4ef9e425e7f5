//! Steps of logical clients, one after the other; and what they do within a checkpoint, at its syncs.

use super::Live;
use super::backups::backup;
use crate::plan::{Life, Step, What, durability};
use crate::report::{tell, violated};
use crate::tables::Kind;
use fastrand::Rng;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use tamarack::simulate::raw;

impl<S: Kind> Live<S> {
    /// Whether a commit can be made without a checkpoint, which cannot run within another one.
    fn has_room(&self) -> bool {
        let Some(db) = &self.db else { return false };
        let stats = db.stats();
        self.committed
            && stats.resident <= stats.memory_budget
            && stats.log_capacity.saturating_sub(stats.log_used) >= 16 << 10
    }

    fn is_exclusive(&self, client: usize) -> bool {
        self.clients.get(client).and_then(|client| client.open.as_ref()).is_some_and(|open| open.exclusive)
    }

    pub(super) fn step(&mut self, step: &Step) {
        let mut random = Rng::with_seed(step.dice);
        let client = step.client;
        tell!("client {client}: {:?}", step.what);
        match &step.what {
            What::Begin { exclusive } => drop(self.begin(client, *exclusive)),
            What::Write { count } => self.write(client, *count, &mut random),
            What::Read => self.read(client, &mut random),
            What::Remove(removal) => self.remove(client, *removal, &mut random),
            What::Sequence(durability) => drop(self.sequence(client, *durability)),
            What::Finish => self.finish(client),
            What::Commit(durability) => self.commit(client, *durability, &mut random),
            What::Abort => {
                if self.roll_back(client) {
                    self.run.count(|counts| counts.aborts += 1);
                }
            }
            What::Snapshot => self.snapshot(false),
            What::LongRead => self.snapshot(true),
            What::Look => self.look(&mut random),
            What::Release => drop(self.held.pop()),
            What::Flush => self.flush(),
            What::Check => self.check(),
            What::Kill => self.kill_and_reopen(),
            What::Close => self.close(),
            What::Full(room) => self.disk.limit(Some(self.disk.medium().len() as u64 + room)),
            What::Room => self.disk.limit(None),
            What::Restore => self.restore(&mut random),
            What::Checkpoint(_) | What::Compact(_) | What::Backup(_) => {
                violated!("wrong: a checkpoint within a step")
            }
        }
    }

    /// What others have open may be exclusive, and what they have sequenced is led by this commit.
    fn commit_within(&mut self, step: &Step, random: &mut Rng) {
        let number = step.client;
        tell!("  meanwhile client {number}: {:?}", step.what);
        if self.clients[number].open.is_none() {
            if !self.begin(number, false) {
                return;
            }
            self.write(number, random.usize(1..6), random);
        }
        let durability = match &step.what {
            What::Commit(durability) => *durability,
            What::Remove(removal) => {
                self.remove_now(number, *removal, random);
                durability(random)
            }
            _ => return,
        };
        if self.has_room() && self.sequence(number, durability) {
            self.run.count(|counts| counts.within += 1);
            self.finish(number);
        }
    }

    /// A step of a client while a checkpoint runs.
    pub(super) fn step_within(&mut self, step: &Step) {
        let mut random = Rng::with_seed(step.dice);
        match &step.what {
            What::Commit(_) | What::Remove(_) if self.has_room() => self.commit_within(step, &mut random),
            // One that fails ends its transaction, and an exclusive one then waits until it is visible what it saw, which the first commit of a process
            // cannot be within a checkpoint.
            What::Write { .. } | What::Read if !self.committed && self.is_exclusive(step.client) => {}
            What::Write { .. } | What::Read | What::Snapshot | What::Look => self.step(step),
            _ => {}
        }
    }
}

/// Takes all steps of a life, and ends its process.
pub(crate) fn live<S: Kind>(live: Live<S>, life: &Life) -> Live<S> {
    let shared = Rc::new(RefCell::new(live));
    for step in &life.steps {
        match &step.what {
            What::Checkpoint(within) => checkpoint(&shared, within, step.dice),
            What::Compact(within) => compact(&shared, within),
            What::Backup(within) => backup(&shared, within, step.dice),
            _ => shared.borrow_mut().step(step),
        }
    }
    let Ok(live) = Rc::try_unwrap(shared) else { violated!("wrong: a checkpoint still runs") };
    let mut live = live.into_inner();
    live.kill();
    live.run.note(live.disk.trace());
    live.run.count(|counts| counts.faults(&live.disk.faults()));
    live
}

/// Half of the checkpoints have others go on at all of their syncs, before and behind each; half have them do everything at one place: the log
/// goes round that far only if all of it comes at once. Most of these before the first superblock is durable, when the old log is still needed.
pub(super) fn checkpoint<S: Kind>(shared: &Rc<RefCell<Live<S>>>, within: &[Step], dice: u64) {
    const PLACES: [usize; 8] = [2, 2, 2, 0, 1, 3, 4, 5];
    let only = PLACES.get((dice % (2 * PLACES.len() as u64)) as usize).copied();
    let (db, begun) = {
        let live = shared.borrow();
        (live.db.clone(), live.begun())
    };
    let Some(db) = db else { return };
    let inside = Rc::clone(shared);
    let mut rest: VecDeque<Step> = within.iter().cloned().collect();
    let mut place = 0;
    let result = raw::interleave(
        &db,
        move || {
            let some = match only {
                Some(only) if place == only => rest.len(),
                Some(_) => 0,
                None => rest.len().min(6),
            };
            place += 1;
            for step in rest.drain(..some) {
                inside.borrow_mut().step_within(&step);
            }
        },
        || db.checkpoint(),
    );
    drop(db);
    shared.borrow_mut().checkpointed(begun, result);
}

/// Others go on between the steps of a compaction: where it says how far it is.
pub(super) fn compact<S: Kind>(shared: &Rc<RefCell<Live<S>>>, within: &[Step]) {
    let (db, begun) = {
        let live = shared.borrow();
        (live.db.clone(), live.begun())
    };
    let Some(db) = db else { return };
    let mut rest = within.iter();
    let result = db.compact_with(&mut |_| {
        if let Some(step) = rest.next() {
            shared.borrow_mut().step_within(step);
        }
    });
    drop(db);
    shared.borrow_mut().compacted(begun, result);
}
