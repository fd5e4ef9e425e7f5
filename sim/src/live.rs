//! A life: from a start of the machine to the end of its power. Logical clients take their steps one after the other, on one thread; while
//! a checkpoint syncs, others go on within it.

mod backups;
mod checks;
mod excuses;
mod removals;
mod snapshots;
mod steps;

pub(crate) use backups::Kept;
pub(crate) use steps::live;

use crate::model::{Change, Commit, Expected, History, World};
use crate::plan::{Life, Shape};
use crate::report::{Counts, tell, violated};
use crate::tables::{self, Kind, Table};
use checks::check;
use fastrand::Rng;
use snapshots::Held;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use tamarack::simulate::Disk;
use tamarack::simulate::raw::{self, Medium, Sequenced, Tiny};
use tamarack::{CompactReport, Database, Durability, ErrorKind, Result, WriteTxn};

/// What all lives of a run share.
pub(crate) struct Run {
    pub(crate) shape: Shape,
    pub(crate) counts: RefCell<Counts>,
    /// Mixes what was done and found: the same for the same plan.
    pub(crate) trace: RefCell<u64>,
    pub(crate) attempts: RefCell<u32>,
}

impl Run {
    pub(crate) fn count(&self, with: impl FnOnce(&mut Counts)) {
        with(&mut self.counts.borrow_mut());
    }

    pub(crate) fn note(&self, number: u64) {
        let mut trace = self.trace.borrow_mut();
        *trace = (trace.rotate_left(5) ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    pub(crate) fn tiny(&self, read_only: bool) -> Tiny {
        let Shape { block, page, memory, write_buffer, snapshot_isolation, .. } = self.shape;
        Tiny { block, page, memory, write_buffer, snapshot_isolation, read_only }
    }
}

struct Client<S> {
    open: Option<Open<S>>,
    /// A commit that has its place and is not waited for: its number in the history.
    sequenced: Option<(Sequenced, Option<usize>, Durability)>,
    last_attempt: Option<u32>,
}

struct Open<S> {
    tx: WriteTxn<S>,
    exclusive: bool,
    /// What it sees, its own writes included.
    view: World,
    changes: Vec<Change>,
    /// How often it has removed many rows at once.
    removals: u64,
}

/// What a call found when it began within which others go on.
#[derive(Clone, Copy)]
struct Begun {
    /// Commits that were finished, and all before them.
    up_to: usize,
    process: u32,
    /// Faults that the disk had delivered.
    met: usize,
}

pub(crate) struct Live<S> {
    run: Rc<Run>,
    pub(crate) disk: Disk,
    db: Option<Database<S>>,
    pub(crate) history: History,
    clients: Vec<Client<S>>,
    held: Vec<Held<S>>,
    /// Whether this process has written to the log.
    committed: bool,
    /// When the life's first open returned.
    pub(crate) opened: usize,
    /// When a commit was acknowledged for the first time: an open leaves writes to that.
    pub(crate) settled: Option<usize>,
    /// When there was a database for the first time.
    pub(crate) created: usize,
    fresh: bool,
    /// Backups that somebody has.
    kept: Vec<Kept>,
    /// When backups were being made.
    backing_up: Vec<std::ops::Range<usize>>,
    /// Faults that the disk had delivered when this process began.
    met_before: usize,
    /// The same when the call began that is under way or ended last.
    met_at_call: Cell<usize>,
    /// Processes that have begun.
    processes: u32,
    /// How many commits were sequenced before this process began.
    first: usize,
}

impl<S: Kind> Live<S> {
    /// Starts on a disk that holds these bytes, and compares what is found.
    pub(crate) fn start(
        run: &Rc<Run>,
        medium: &Medium,
        life: &Life,
        dice: u64,
        expected: &Expected,
        fresh: bool,
        kept: Vec<Kept>,
    ) -> Self {
        let disk = raw::disk(dice, medium, run.shape.direct);
        for failing in &life.faults {
            disk.fail(failing.on, failing.after, failing.fault);
        }
        let clients = (0..4).map(|_| Client { open: None, sequenced: None, last_attempt: None }).collect();
        let mut live = Self {
            run: Rc::clone(run),
            disk,
            db: None,
            history: History::default(),
            clients,
            held: Vec::new(),
            committed: false,
            opened: 0,
            settled: None,
            created: 0,
            fresh,
            kept,
            backing_up: Vec::new(),
            met_before: 0,
            met_at_call: Cell::new(0),
            processes: 0,
            first: 0,
        };
        live.open();
        live.opened = live.now();
        let count = live.verify(expected);
        live.history = History::new(expected, count);
        live.created = live.now();
        live
    }

    pub(crate) fn now(&self) -> usize {
        self.disk.happened()
    }

    /// Opens the database; faults may keep it from that for a while.
    fn open(&mut self) {
        self.committed = false;
        self.processes += 1;
        for attempt in 0.. {
            self.begin_call();
            self.met_before = self.met_at_call.get();
            match raw::open::<S>(&self.disk, self.run.tiny(false)) {
                Ok(db) => {
                    self.db = Some(db);
                    return;
                }
                Err(error) if attempt < 6 && self.is_excused(&error) => {
                    if attempt > 1 {
                        self.disk.heal();
                        self.disk.limit(None);
                    }
                }
                Err(error) => {
                    tell!(
                        "bytes in sectors {:?} of {}",
                        live_sectors(&self.disk.medium()),
                        self.disk.medium().len() / 512
                    );
                    violated!("open: {:?}: {error}", error.kind())
                }
            }
        }
    }

    /// Compares what an open database holds; returns how many of the commits are there. Reading may fail for a while.
    fn verify(&mut self, expected: &Expected) -> usize {
        for _ in 0..20 {
            self.begin_call();
            match self.try_verify(expected) {
                Ok(count) => return count,
                Err(error) => {
                    self.excuse("reading what was recovered", &error);
                    self.run.note(error.kind() as u64);
                }
            }
        }
        violated!("wrong: reading fails on and on");
    }

    fn try_verify(&self, expected: &Expected) -> Result<usize> {
        let Some(db) = &self.db else { return Ok(0) };
        let tx = db.begin_read()?;
        let found = tables::attempts(&tx)?;
        let count = expected.count(|attempt| found.binary_search(&attempt).is_ok());
        if count < expected.least {
            violated!("lost: {count} commits are there, {} were promised", expected.least);
        }
        tables::compare(&tx, &self.run.shape.tables, &expected.world(count))?;
        drop(tx);
        check(&self.run, db)?;
        self.run.note(count as u64);
        tell!("  found {count} of {} commits, {} promised", expected.commits.len(), expected.least);
        Ok(count)
    }

    /// Ends the process, and lets go of what it held.
    pub(crate) fn kill(&mut self) {
        self.disk.kill();
        self.let_go();
    }

    fn let_go(&mut self) {
        for number in 0..self.clients.len() {
            self.roll_back(number);
            self.clients[number].sequenced = None;
        }
        self.held.clear();
        self.db = None;
    }

    /// The next process of the same machine finds what the operating system has.
    fn reopen(&mut self) {
        self.open();
        let at = self.now();
        let expected = self.history.expected(at, false);
        let count = self.verify(&expected);
        self.history.found(count, at);
        self.first = self.history.commits.len();
    }

    fn kill_and_reopen(&mut self) {
        self.run.count(|counts| counts.kills += 1);
        self.kill();
        self.reopen();
    }

    fn acknowledge(&mut self, index: Option<usize>, durability: Durability) {
        let now = self.now();
        tell!("  acknowledged {index:?} as {durability:?}, {now} things have happened");
        if let Some(index) = index {
            if let Some(commit) = self.history.commits.get_mut(index) {
                commit.finished = true;
            }
            self.run.count(|counts| counts.commits += 1);
            self.settled.get_or_insert(now);
            // A deferred commit has not opened the log, which takes what a checkpoint holds.
            self.committed |= durability > Durability::Deferred;
        }
        let up_to = index.map_or_else(|| self.history.finished(), |index| index + 1);
        match durability {
            Durability::Synced => {
                self.run.count(|counts| counts.synced += 1);
                self.history.all_synced(up_to, now);
            }
            Durability::Buffered if index.is_some() => self.history.all_buffered(up_to, now),
            _ => {}
        }
    }

    fn begin(&mut self, number: usize, exclusive: bool) -> bool {
        let one_is_exclusive =
            self.clients.iter().any(|client| client.open.as_ref().is_some_and(|open| open.exclusive));
        let Some(db) = self.db.clone().filter(|_| !one_is_exclusive) else { return false };
        if self.clients[number].open.is_some() {
            return true;
        }
        self.begin_call();
        let begun = if exclusive { db.begin_write() } else { raw::begin_optimistic(&db) };
        drop(db);
        match begun {
            Ok(tx) => {
                let view = self.history.last.clone();
                self.clients[number].open = Some(Open { tx, exclusive, view, changes: Vec::new(), removals: 0 });
                true
            }
            Err(error) => {
                self.failed("beginning", &error);
                false
            }
        }
    }

    /// Lets a client write; an error rolls back.
    fn write(&mut self, number: usize, count: usize, random: &mut Rng) {
        let shape = &self.run.shape;
        let Some(open) = self.clients[number].open.as_mut() else { return };
        let exclusive = open.exclusive;
        for _ in 0..count {
            self.met_at_call.set(self.disk.met().len());
            let written = write_one(open, shape, random);
            if let Err(error) = written {
                self.fail_removals(number);
                self.failed_view("writing", &error, exclusive);
                return;
            }
        }
    }

    /// Gives a client's commit its place. Whether it has one.
    fn sequence(&mut self, number: usize, durability: Durability) -> bool {
        let blocked = |(other, client): (usize, &Client<S>)| {
            other != number && client.open.as_ref().is_some_and(|open| open.exclusive)
        };
        if self.clients.iter().enumerate().any(blocked) || self.clients[number].sequenced.is_some() {
            return false;
        }
        let attempt = {
            let mut attempts = self.run.attempts.borrow_mut();
            *attempts += 1;
            *attempts
        };
        let client = &mut self.clients[number];
        let Some(mut open) = client.open.take() else { return false };
        let before = client.last_attempt;
        self.met_at_call.set(self.disk.met().len());
        let noted = leave_attempt(&mut open, attempt, before);
        let Open { tx, changes, exclusive, removals, .. } = open;
        if let Err(error) = noted {
            drop(tx);
            self.run.count(|counts| counts.removals_failed += removals);
            self.failed_view("writing", &error, exclusive);
            return false;
        }
        let at = self.now();
        self.begin_call();
        match raw::sequence(tx, durability) {
            Ok(sequenced) => {
                let index = sequenced.timestamp().map(|timestamp| {
                    tell!(
                        "  attempt {attempt} without {before:?} has timestamp {timestamp}, {at} things have happened"
                    );
                    self.history.push(Commit::new(attempt, timestamp, changes, durability, at, removals))
                });
                self.count_removals(index);
                let client = &mut self.clients[number];
                client.last_attempt = Some(attempt);
                client.sequenced = Some((sequenced, index, durability));
                true
            }
            Err(error) if error.kind() == ErrorKind::Conflict => {
                self.run.count(|counts| {
                    counts.conflicts += 1;
                    counts.removals_undone += removals;
                });
                false
            }
            Err(error) => {
                self.run.count(|counts| counts.removals_failed += removals);
                self.failed_view("committing", &error, exclusive);
                false
            }
        }
    }

    fn finish(&mut self, number: usize) {
        let Some((sequenced, index, durability)) = self.clients[number].sequenced.take() else { return };
        self.begin_call();
        match sequenced.finish() {
            Ok(timestamp) => {
                self.run.note(timestamp);
                self.acknowledge(index, durability);
                self.observe();
            }
            Err(error) => {
                let removals = index.and_then(|index| self.history.commits.get(index)).map_or(0, |one| one.removals);
                self.run.count(|counts| counts.removals_failed += removals);
                self.failed("finishing a commit", &error);
            }
        }
    }

    fn commit(&mut self, number: usize, durability: Durability, random: &mut Rng) {
        if self.clients[number].open.is_none() {
            if !self.begin(number, false) {
                return;
            }
            let count = if random.u8(..) < 20 { random.usize(10..50) } else { random.usize(1..6) };
            self.write(number, count, random);
            if random.u8(..) < 32 {
                self.read(number, random);
            }
        }
        self.finish(number);
        if self.sequence(number, durability) {
            self.finish(number);
        }
    }

    fn read(&mut self, number: usize, random: &mut Rng) {
        let Some(open) = &self.clients[number].open else { return };
        let (shape, exclusive) = (&self.run.shape, open.exclusive);
        self.begin_call();
        if random.bool() {
            // Its own writes, what others have sequenced, and its snapshot, as one.
            let chosen = random.usize(0..=shape.tables.len());
            let table = shape.tables.get(chosen).copied().unwrap_or(Table::Attempts);
            match tables::compare_one(&open.tx, table, open.view.rows(table)) {
                Ok(()) => self.run.count(|counts| counts.whole_reads += 1),
                Err(error) => {
                    self.fail_removals(number);
                    return self.failed_view("reading a table", &error, exclusive);
                }
            }
            return;
        }
        for _ in 0..3 {
            let table = shape.tables[random.usize(0..shape.tables.len())];
            let key = random.u32(0..shape.keys);
            if let Err(error) = tables::look(&open.tx, table, key, open.view.rows(table).get(&key).copied()) {
                self.fail_removals(number);
                self.failed_view("reading", &error, exclusive);
                return;
            }
        }
    }

    /// Waits for what is sequenced, and rolls back what is open.
    fn end_all(&mut self) {
        for number in 0..self.clients.len() {
            self.roll_back(number);
            self.finish(number);
        }
    }

    fn close(&mut self) {
        self.end_all();
        self.held.clear();
        let Some(db) = self.db.take() else { return };
        self.begin_call();
        match db.close() {
            Ok(()) => {
                let (finished, now) = (self.history.finished(), self.now());
                self.history.all_synced(finished, now);
                self.run.count(|counts| counts.closes += 1);
            }
            Err(error) => self.excuse("closing", &error),
        }
        self.disk.kill();
        self.reopen();
    }

    fn checkpointed(&mut self, begun: Begun, result: Result<()>) {
        tell!("checkpoint: {result:?}");
        match result {
            Ok(()) => {
                let now = self.now();
                self.history.all_synced(begun.up_to, now);
                self.run.count(|counts| counts.checkpoints += 1);
            }
            Err(error) => self.failed_call("a checkpoint", &error, begun),
        }
    }

    fn compacted(&mut self, begun: Begun, result: Result<CompactReport>) {
        tell!("compaction: {result:?}");
        match result {
            Ok(did) => {
                let now = self.now();
                self.history.all_synced(begun.up_to, now);
                self.run.note(did.bytes_after);
                self.run.count(|counts| {
                    counts.compactions += 1;
                    counts.given_back += did.bytes_before.saturating_sub(did.bytes_after);
                });
            }
            Err(error) => self.failed_call("a compaction", &error, begun),
        }
    }

    fn flush(&mut self) {
        let Some(db) = &self.db else { return };
        self.begin_call();
        match db.flush() {
            Ok(()) => {
                let (all, now) = (self.history.commits.len(), self.now());
                self.history.all_synced(all, now);
            }
            Err(error) => self.failed("flushing", &error),
        }
    }
}

/// Sectors that are not all zeros.
fn live_sectors(medium: &Medium) -> Vec<usize> {
    let mut bytes = [0; 512];
    let used = |&sector: &usize| medium.read(sector * 512, &mut bytes) && bytes.iter().any(|&byte| byte != 0);
    (0..medium.len() / 512).filter(used).collect()
}

fn write_one<S: Kind>(open: &mut Open<S>, shape: &Shape, random: &mut Rng) -> Result<()> {
    let table = shape.tables[random.usize(0..shape.tables.len())];
    let key = random.u32(0..shape.keys);
    let held = open.view.rows(table);
    if random.u8(..) < 90 {
        let existing = held.keys().nth(random.usize(0..held.len().max(1))).copied().filter(|_| random.bool());
        let key = existing.unwrap_or(key);
        // A typed remove of what its transaction does not see writes nothing, whoever has stored it meanwhile.
        if !held.contains_key(&key) && !table.is_tree() {
            return Ok(());
        }
        tables::remove(&open.tx, table, key)?;
        note(open, Change::Row { table, key, value: None });
        return Ok(());
    }
    put_one(open, table, key, random.u64(..))
}

fn put_one<S: Kind>(open: &mut Open<S>, table: Table, key: u32, value: u64) -> Result<()> {
    let collides = tables::collides(&open.view, table, key, value);
    match tables::put(&open.tx, table, key, value) {
        Ok(_) if collides => violated!("wrong: two rows of {table:?} share what is unique"),
        Ok(key) => note(open, Change::Row { table, key, value: Some(value) }),
        Err(error) if collides && tables::is_collision(&error) => {}
        Err(error) => return Err(error),
    }
    Ok(())
}

fn note<S>(open: &mut Open<S>, change: Change) {
    open.view.change(change);
    open.changes.push(change);
}

/// Every commit leaves a number, and takes its client's last one away.
fn leave_attempt<S: Kind>(open: &mut Open<S>, attempt: u32, before: Option<u32>) -> Result<()> {
    let table = Table::Attempts;
    if let Some(key) = before {
        tables::remove(&open.tx, table, key)?;
        note(open, Change::Row { table, key, value: None });
    }
    tables::put(&open.tx, table, attempt, u64::from(attempt))?;
    note(open, Change::Row { table, key: attempt, value: Some(u64::from(attempt)) });
    Ok(())
}

impl<S> Live<S> {
    /// Whether this life began without a database.
    pub(crate) fn is_fresh(&self) -> bool {
        self.fresh
    }
}
