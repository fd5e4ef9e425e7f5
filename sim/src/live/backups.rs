//! Backups of the running database, which somebody keeps elsewhere: no power cut takes them away. Any of them can be what an increment goes on from,
//! and is restored on a disk of its own, which fails and is cut too.

use super::excuses::explains;
use super::steps::{checkpoint, compact};
use super::{Begun, Live, Run};
use crate::model::{Change, World};
use crate::plan::{Step, What};
use crate::report::{tell, violated};
use crate::tables::{self, Kind, Table};
use fastrand::Rng;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io::{self, Write};
use std::rc::Rc;
use tamarack::simulate::raw::{self, Medium};
use tamarack::simulate::{Crash, Disk, Fault, On};
use tamarack::{Backup, Database, Durability, Error, ErrorKind, Result};

/// A backup that was made, and the rows at its commit.
struct Made {
    bytes: Vec<u8>,
    backup: Backup,
    world: World,
    follows: Option<Rc<Made>>,
}

impl Made {
    /// What a restore needs, in its order.
    fn chain(&self) -> Vec<&[u8]> {
        let before = std::iter::successors(self.follows.as_deref(), |made| made.follows.as_deref());
        let mut chain: Vec<&[u8]> = std::iter::once(self).chain(before).map(|made| &made.bytes[..]).collect();
        chain.reverse();
        chain
    }
}

/// A backup that somebody has.
#[derive(Clone)]
pub(crate) struct Kept {
    /// When it was complete.
    at: usize,
    /// Whether the power was cut since.
    crashed: bool,
    made: Rc<Made>,
}

impl<S> Live<S> {
    /// The backups that there are if the power is cut when so many things have happened.
    pub(crate) fn backups_at(&self, at: usize) -> Vec<Kept> {
        let there = self.kept.iter().filter(|kept| kept.at <= at);
        there.map(|kept| Kept { at: 0, crashed: true, made: Rc::clone(&kept.made) }).collect()
    }

    /// Whether one was being made.
    pub(crate) fn is_in_backup(&self, at: usize) -> bool {
        self.backing_up.iter().any(|made| made.contains(&at))
    }
}

/// What takes the bytes: in pieces of any length, and perhaps not all of them.
struct Out {
    bytes: Vec<u8>,
    refuses_from: Option<usize>,
    /// Whether it did.
    refused: bool,
    random: Rng,
}

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.refuses_from.is_some_and(|from| self.bytes.len() + bytes.len() > from) {
            self.refused = true;
            return Err(io::Error::other("the backup's own medium is full"));
        }
        if self.random.u8(..) < 30 {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let some = self.random.usize(1..=bytes.len().max(1)).min(bytes.len());
        self.bytes.extend_from_slice(&bytes[..some]);
        Ok(some)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A step of somebody else while a backup reads the file. It holds no lock: everything can happen.
fn meanwhile<S: Kind>(shared: &Rc<RefCell<Live<S>>>, step: &Step) {
    tell!("  while the backup reads:");
    shared.borrow().run.count(|counts| counts.during += 1);
    match step.what {
        What::Checkpoint(_) => checkpoint(shared, &[], step.dice),
        What::Compact(_) => compact(shared, &[]),
        _ => shared.borrow_mut().step(step),
    }
}

/// Makes a backup. Others go on at the syncs of its checkpoint, and while it reads.
pub(super) fn backup<S: Kind>(shared: &Rc<RefCell<Live<S>>>, within: &[Step], dice: u64) {
    let mut random = Rng::with_seed(dice);
    let (db, since, begun, from) = {
        let live = shared.borrow();
        live.perhaps_fail(&mut random, 60);
        (live.db.clone(), live.choose_base(&mut random), live.begun(), live.now())
    };
    let Some(db) = db else { return };
    let rest: Rc<RefCell<VecDeque<Step>>> = Rc::new(RefCell::new(within.iter().cloned().collect()));
    let reads = Rc::new(Cell::new(false));
    let at_sync = {
        let (shared, rest, reads) = (Rc::clone(shared), Rc::clone(&rest), Rc::clone(&reads));
        let mut dice = random.fork();
        move || {
            let step = if reads.get() || dice.bool() { None } else { rest.borrow_mut().pop_front() };
            if let Some(step) = step {
                shared.borrow_mut().step_within(&step);
            }
        }
    };
    let at_read = {
        let (shared, reads) = (Rc::clone(shared), Rc::clone(&reads));
        let mut dice = random.fork();
        move || {
            let step = if reads.get() && dice.u8(..) < 100 { rest.borrow_mut().pop_front() } else { None };
            if let Some(step) = step {
                meanwhile(&shared, &step);
            }
        }
    };
    let refuses_from = (random.u8(..) < 12).then(|| random.usize(0..30_000));
    let mut out = Out { bytes: Vec::new(), refuses_from, refused: false, random: random.fork() };
    let base = since.as_ref().map(|kept| &kept.made.backup);
    let make = || db.backup_with(base, &mut out, &mut |_| reads.set(true));
    let result = raw::interleave(&db, at_sync, || raw::interleave_reads(at_read, make));
    drop(db);
    let mut live = shared.borrow_mut();
    let ended = live.now();
    live.backing_up.push(from + 1..ended);
    tell!("backup since {:?}: {result:?}", since.as_ref().map(|kept| kept.made.backup.to_string()));
    match result {
        Ok(backup) => live.keep(backup, out.bytes, since, begun),
        Err(error) => {
            live.run.count(|counts| counts.backups_failed += 1);
            if out.refused && error.kind() == ErrorKind::Io {
                live.run.note(error.kind() as u64);
            } else {
                live.failed_call("a backup", &error, begun);
            }
        }
    }
    drop(live);
    if random.u8(..) < 80 {
        shared.borrow_mut().restore(&mut random);
    }
}

impl<S: Kind> Live<S> {
    /// Some backups meet a failing device, and some deletions.
    pub(super) fn perhaps_fail(&self, random: &mut Rng, within: u64) {
        if random.u8(..) < 30 {
            let (on, fault) = [
                (On::Read, Fault::Error),
                (On::Write, Fault::Error),
                (On::Write, Fault::Full),
                (On::Write, Fault::Short),
                (On::Sync, Fault::Error),
                (On::Sync, Fault::Forgotten),
            ][random.usize(0..6)];
            self.disk.fail(on, random.u64(0..within), fault);
        }
    }

    /// The backup that the next one goes on from: mostly the newest, sometimes any, or none.
    fn choose_base(&self, random: &mut Rng) -> Option<Kept> {
        match random.u8(..) {
            0..60 => None,
            60..120 => self.kept.get(random.usize(0..self.kept.len().max(1))).cloned(),
            _ => self.kept.last().cloned(),
        }
    }

    fn keep(&mut self, backup: Backup, bytes: Vec<u8>, since: Option<Kept>, Begun { up_to, .. }: Begun) {
        let now = self.now();
        let before = self.history.commits.iter().take(up_to).filter(|commit| commit.dead.is_none());
        if before.clone().any(|commit| commit.timestamp > backup.timestamp()) {
            violated!("wrong: a backup lacks a commit that was made before it");
        }
        self.history.all_synced(up_to, now);
        let follows = since.as_ref().is_none_or(|since| backup.follows(&since.made.backup));
        let verified = Backup::verify(&bytes[..]);
        if backup.is_increment() != since.is_some() || !follows || verified.as_ref().ok() != Some(&backup) {
            violated!("wrong: a backup says {backup:?}, and what was written {verified:?}");
        }
        self.run.note(bytes.len() as u64);
        self.run.count(|counts| {
            counts.backups += 1;
            counts.increments += u64::from(since.is_some());
            counts.since_crash += u64::from(since.as_ref().is_some_and(|since| since.crashed));
        });
        let world = self.history.seen_at(backup.timestamp());
        let made = Rc::new(Made { bytes, backup, world, follows: since.map(|since| since.made) });
        self.kept.push(Kept { at: now, crashed: false, made });
    }

    /// Restores one of the backups.
    pub(super) fn restore(&self, random: &mut Rng) {
        let Some(kept) = self.kept.get(random.usize(0..self.kept.len().max(1))) else { return };
        let made = &kept.made;
        let chain = made.chain();
        tell!("restoring {} from {} backups", made.backup, chain.len());
        if random.u8(..) < 60 {
            self.restore_damaged(&chain, random);
        }
        let disk = raw::disk(random.u64(..), &Medium::default(), self.run.shape.direct);
        if random.u8(..) < 30 {
            let (on, fault) =
                [(On::Write, Fault::Full), (On::Write, Fault::Short), (On::Sync, Fault::Forgotten)][random.usize(0..3)];
            disk.fail(on, random.u64(0..60), fault);
        }
        let restored = raw::restore(chain.iter().copied(), &disk);
        disk.heal();
        self.run.note(disk.trace());
        if let Err(error) = restored {
            if !explains(error.kind(), &disk.met()) {
                violated!("wrong: a backup is not restored: {:?}: {error}", error.kind());
            }
            self.run.count(|counts| counts.restores_failed += 1);
            return open_unfinished::<S>(&self.run, &disk.medium(), disk.happened(), made, random);
        }
        self.run.count(|counts| {
            counts.restores += 1;
            let deleted = made.world.holds_deleted(&self.history.last, &self.run.shape.tables);
            counts.deleted_restored += u64::from(deleted);
            counts.longest += chain.len() as u64;
        });
        if random.bool() {
            cut_restore::<S>(&self.run, &disk, made, random);
        }
        match raw::open::<S>(&disk, self.run.tiny(false)) {
            Ok(db) => {
                compare(&self.run, &db, made);
                if random.u8(..) < 80 {
                    go_on(&self.run, db, made).unwrap_or_else(|error| violated!("wrong: after a restore: {error}"));
                }
            }
            Err(error) => violated!("open: a restored database: {:?}: {error}", error.kind()),
        }
    }

    /// What is not as it was written, or not in its place, is refused.
    fn restore_damaged(&self, chain: &[&[u8]], random: &mut Rng) {
        let mut chain: Vec<Vec<u8>> = chain.iter().map(|bytes| bytes.to_vec()).collect();
        let chosen = random.usize(0..chain.len());
        match random.u32(0..4) {
            0 if chain.len() > 1 => drop(chain.remove(random.usize(0..chain.len() - 1))),
            1 if chain.len() > 1 => chain.swap(0, 1),
            2 => {
                let cut = random.usize(0..chain[chosen].len());
                chain[chosen].truncate(cut);
            }
            _ => {
                let at = random.usize(0..chain[chosen].len());
                chain[chosen][at] ^= 1 << random.u32(0..8);
            }
        }
        let disk = raw::disk(random.u64(..), &Medium::default(), self.run.shape.direct);
        let refused = raw::restore(chain.iter().map(|bytes| &bytes[..]), &disk).map_err(|error| error.kind());
        use ErrorKind as K;
        match refused {
            Err(K::Corrupt | K::Truncated | K::NotADatabase | K::TooNew | K::BackupMismatch) => {}
            other => violated!("wrong: backups that are damaged or do not follow each other: {other:?}"),
        }
        if disk.happened() > 2 && raw::open::<S>(&disk, self.run.tiny(false)).is_ok() {
            violated!("wrong: a restore that was refused has left a database");
        }
        self.run.count(|counts| counts.refused += 1);
    }
}

/// The rows, the timestamp, and who owns which block.
fn compare<S: Kind>(run: &Run, db: &Database<S>, made: &Made) {
    let looked = || -> Result<()> {
        let tx = db.begin_read()?;
        if tx.timestamp() != made.backup.timestamp() {
            violated!("wrong: {} is restored with timestamp {}", made.backup, tx.timestamp());
        }
        tables::compare(&tx, &run.shape.tables, &made.world)?;
        drop(tx);
        run.audit(db)
    };
    if let Err(error) = looked() {
        violated!("wrong: in a restored database: {:?}: {error}", error.kind());
    }
}

/// The power is cut within a restore, or behind it: then it is there.
fn cut_restore<S: Kind>(run: &Run, disk: &Disk, made: &Made, random: &mut Rng) {
    let tape = disk.tape(&Medium::default());
    // Half of them at its last steps, when it becomes a database.
    let last = tape.len().saturating_sub(6);
    let at = if random.bool() { random.usize(0..=tape.len()) } else { random.usize(last..=tape.len()) };
    let mut player = tape.play();
    player.advance(at);
    let crash = Crash::ALL[random.usize(0..Crash::ALL.len())];
    let medium = player.cut(crash, random.u64(..));
    tell!("  the restore is cut after {at} of {} things: {crash:?}", tape.len());
    run.count(|counts| counts.restores_cut += 1);
    if at < tape.len() {
        return open_unfinished::<S>(run, &medium, at, made, random);
    }
    match raw::open::<S>(&raw::disk(random.u64(..), &medium, run.shape.direct), run.tiny(false)) {
        Ok(db) => compare(run, &db, made),
        Err(error) => violated!("open: a restored database, after a power cut: {:?}: {error}", error.kind()),
    }
}

/// What a restore that did not end has left is all of the database, or none.
fn open_unfinished<S: Kind>(run: &Run, medium: &Medium, happened: usize, made: &Made, random: &mut Rng) {
    // Before its first sync the file may be empty, as one that is to become a database.
    if happened < 2 {
        return;
    }
    match raw::open::<S>(&raw::disk(random.u64(..), medium, run.shape.direct), run.tiny(false)) {
        Ok(db) => compare(run, &db, made),
        Err(error) if is_refusal(&error) => {}
        Err(error) => violated!("open: what a restore has left: {:?}: {error}", error.kind()),
    }
}

fn is_refusal(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::NotADatabase | ErrorKind::Corrupt | ErrorKind::Truncated)
}

/// A restored database goes on where the backup was made: an increment of the same backup can follow it.
fn go_on<S: Kind>(run: &Run, db: Database<S>, made: &Made) -> Result<()> {
    let attempt = {
        let mut attempts = run.attempts.borrow_mut();
        *attempts += 1;
        *attempts
    };
    let tx = db.begin_write()?;
    tables::put(&tx, Table::Attempts, attempt, u64::from(attempt))?;
    raw::sequence(tx, Durability::Synced)?.finish()?;
    let mut bytes = Vec::new();
    let backup = db.backup_since(&made.backup, &mut bytes)?;
    let mut world = made.world.clone();
    world.change(Change::Row { table: Table::Attempts, key: attempt, value: Some(u64::from(attempt)) });
    let disk = raw::disk(5, &Medium::default(), run.shape.direct);
    let mut chain = made.chain();
    chain.push(&bytes);
    let report = raw::restore(chain, &disk)?;
    run.note(report.totals().pages);
    compare(run, &raw::open::<S>(&disk, run.tiny(false))?, &Made { bytes: Vec::new(), backup, world, follows: None });
    run.count(|counts| counts.went_on += 1);
    db.close()
}
