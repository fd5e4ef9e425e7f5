//! What no database can undo: bytes that change by themselves, writes that are lost or go astray. The answer has to be right, or an error
//! that says so. One thing cannot be told from a torn end: damage of the log's last records. Then the answer is that of an earlier commit.

use crate::live::Run;
use crate::model::{Change, Expected};
use crate::plan::Damage;
use crate::report::{tell, violated};
use crate::tables::{self, Kind};
use fastrand::Rng;
use std::ops::Range;
use std::rc::Rc;
use tamarack::simulate::raw::{self, Medium, Tape};
use tamarack::simulate::{Disk, Fault, On};
use tamarack::{Durability, Error, ErrorKind, Result};

const SECTOR: usize = 512;
/// The superblocks.
pub(crate) const SLOTS: [Range<usize>; 2] = [0..4096, 65_536..65_536 + 4096];
/// Where the log lies in the small files of simulations: behind the second superblock.
pub(crate) const LOG: Range<usize> = SLOTS[1].end..SLOTS[1].end + (64 << 10);

enum Verdict {
    Right,
    Reported,
    /// The answer of an earlier commit.
    Cut,
}

/// What damage may have met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Met {
    /// What no answer may lack without an error that says so.
    Pages,
    /// One superblock: the other one and its log hold everything that was promised (I23, I25), but perhaps no more.
    Superblock,
    /// A write of the log that did not come to its place: what was promised before it is not touched.
    LogEnd,
    /// The log, whose end cannot be told from a torn one.
    Log,
}

/// What a disk may hold when it is damaged.
pub(crate) struct Undamaged {
    /// Whatever is damaged but a superblock.
    pub(crate) expected: Expected,
    /// How many of these commits were promised: one superblock may be gone.
    pub(crate) promised: usize,
}

/// Damages a copy of a disk, and looks what an open says.
pub(crate) fn try_out<S: Kind>(
    run: &Rc<Run>,
    medium: &Medium,
    tape: &Tape,
    at: usize,
    damage: Damage,
    dice: u64,
    undamaged: Undamaged,
) {
    let mut random = Rng::with_seed(dice);
    let mut medium = medium.clone();
    let fault = match damage {
        Damage::LostWrite => Some(Fault::Lost),
        Damage::Misdirected => Some(Fault::Misdirected),
        _ => None,
    };
    let met = if fault.is_none() { apply(&mut medium, tape, at, damage, &mut random) } else { Met::Pages };
    let disk = raw::disk(dice, &medium, run.shape.direct);
    let (met, mut extra) = match fault {
        Some(fault) => {
            let Some(astray) = lead_astray::<S>(run, &disk, fault, &mut random) else { return };
            astray
        }
        None => {
            run.count(|counts| counts.damaged += 1);
            (met, Vec::new())
        }
    };
    tell!("damage: {damage:?}, may have met: {met:?}");
    let Undamaged { mut expected, promised } = undamaged;
    if met == Met::Superblock {
        expected.least = expected.least.min(promised);
        run.count(|counts| counts.in_superblock += u64::from(fault.is_none()));
    }
    run.count(|counts| counts.faults(&disk.faults()));
    let trial = Trial { run, disk: &disk, expected: &expected, damage, met };
    let (verdict, mut kept) = trial.judge::<S>(&[], &extra);
    run.count(|counts| match verdict {
        Verdict::Cut => counts.cut += 1,
        Verdict::Right => counts.harmless += 1,
        Verdict::Reported => counts.detected += 1,
    });
    if random.bool() {
        return;
    }
    let later = work::<S>(run, &disk, &mut random);
    kept.extend(later.iter().filter(|made| made.promised).map(|made| made.attempt));
    run.count(|counts| counts.after_damage += later.iter().filter(|made| made.promised).count() as u64);
    extra.extend(later);
    trial.judge::<S>(&kept, &extra);
}

/// Lets a process commit until one of its writes is lost or goes elsewhere, which it may or may not notice. `None` if none did.
fn lead_astray<S: Kind>(run: &Rc<Run>, disk: &Disk, fault: Fault, random: &mut Rng) -> Option<(Met, Vec<Extra>)> {
    disk.fail(On::Write, random.u64(0..60), fault);
    let extra = work::<S>(run, disk, random);
    disk.heal();
    let write = disk.met().into_iter().find(|met| met.fault == fault)?;
    tell!("{write:?}");
    let met = met_by(&write);
    run.count(|counts| counts.outside_log += u64::from(matches!(met, Met::Pages | Met::Superblock)));
    Some((met, extra))
}

/// What a write that was lost or went elsewhere has met: where it is missing, and where it is too much.
fn met_by(write: &raw::Met) -> Met {
    let touches = |start: usize, place: &Range<usize>| start < place.end && place.start < start + write.length;
    let (wanted, went) = (write.offset as usize, write.elsewhere);
    let in_slot = |start: usize| SLOTS.iter().any(|slot| touches(start, slot));
    match went {
        Some(went) if touches(went, &LOG) => Met::Log,
        // Neither of the two is what it should be: there is an older one at best, whose log has been written over.
        Some(went) if in_slot(wanted) && in_slot(went) => Met::Log,
        _ if touches(wanted, &LOG) => Met::LogEnd,
        _ if in_slot(wanted) || went.is_some_and(in_slot) => Met::Superblock,
        _ => Met::Pages,
    }
}

/// A damaged disk.
struct Trial<'a> {
    run: &'a Rc<Run>,
    disk: &'a Disk,
    expected: &'a Expected,
    damage: Damage,
    met: Met,
}

impl Trial<'_> {
    /// Looks what an open says, and which attempts it finds. `kept`: attempts that were found, or acknowledged as synced, when nothing failed any more.
    fn judge<S: Kind>(&self, kept: &[u32], extra: &[Extra]) -> (Verdict, Vec<u32>) {
        let Self { run, disk, expected, damage, met } = *self;
        let seen = look::<S>(run, disk, expected, extra);
        run.note(disk.trace());
        let Seen { found, cut, cut_before } = match seen {
            Ok(seen) => seen,
            Err(error) => return (reported(&error), Vec::new()),
        };
        // What is damaged must not spread.
        if let Some(missing) = kept.iter().find(|&attempt| found.binary_search(attempt).is_err()) {
            violated!("lost: attempt {missing}, found or made after {damage:?}, is gone, and nothing says so");
        }
        if cut && matches!(met, Met::Pages | Met::Superblock) {
            violated!("lost: {damage:?} outside the log cost commits, and nothing says so");
        }
        if cut_before && met == Met::LogEnd {
            violated!("lost: {damage:?} cost commits that were promised before it, and nothing says so");
        }
        (if cut { Verdict::Cut } else { Verdict::Right }, found)
    }
}

/// Damage is told by errors of these kinds.
fn reported(error: &Error) -> Verdict {
    use ErrorKind as K;
    match error.kind() {
        K::Corrupt | K::LogDamaged | K::Truncated | K::NotADatabase | K::TooNew | K::Decode => Verdict::Reported,
        kind => violated!("wrong: damage is reported as {kind:?}: {error}"),
    }
}

/// Changes the bytes; says what that may have met.
fn apply(medium: &mut Medium, tape: &Tape, at: usize, damage: Damage, random: &mut Rng) -> Met {
    let sectors = (medium.len() / SECTOR).max(1);
    // Half of them where the pages are, and an eighth in a superblock.
    let from = match random.u8(0..8) {
        0..4 => LOG.end / SECTOR..sectors,
        4 => {
            let slot = &SLOTS[random.usize(0..2)];
            slot.start / SECTOR..slot.end / SECTOR
        }
        _ => 0..sectors,
    };
    let first = from.start.min(sectors - 1);
    let sector = random.usize(first..from.end.clamp(first + 1, sectors)) * SECTOR;
    let mut bytes = [0; SECTOR];
    let _ = medium.read(sector, &mut bytes);
    match damage {
        Damage::Rot => bytes[random.usize(0..SECTOR)] ^= 1 << random.u32(0..8),
        Damage::Zeros => bytes.fill(0),
        Damage::Noise => bytes.fill_with(|| random.u8(..)),
        Damage::Twin => {
            let _ = medium.read(random.usize(0..sectors) * SECTOR, &mut bytes);
        }
        Damage::Stale => {
            if let Some((offset, old)) = tape.write(at, random.u64(..))
                && offset + old.len() <= medium.len()
            {
                medium.write(offset, old);
                return if offset < LOG.end { Met::Log } else { Met::Pages };
            }
        }
        Damage::Truncated => {
            let length = random.usize(0..medium.len());
            medium.resize(length);
            return if length < LOG.end { Met::Log } else { Met::Pages };
        }
        Damage::Extended => {
            medium.resize(medium.len() + random.usize(1..5000));
            return Met::Pages;
        }
        Damage::LostWrite | Damage::Misdirected => unreachable!("that happens to a process"),
    }
    tell!("sector {}", sector / SECTOR);
    if sector + SECTOR <= medium.len() {
        medium.write(sector, &bytes);
    }
    match damage {
        // A superblock of which a part is older has an older log too.
        Damage::Stale | Damage::Twin if sector < LOG.end => Met::Log,
        _ if LOG.contains(&sector) => Met::Log,
        _ if SLOTS.iter().any(|slot| slot.contains(&sector)) => Met::Superblock,
        _ => Met::Pages,
    }
}

/// What an open of a damaged disk finds.
struct Seen {
    /// The attempts that are there.
    found: Vec<u32>,
    /// Whether something that was promised is not.
    cut: bool,
    /// Whether that was promised before a write went astray.
    cut_before: bool,
}

/// Opens, and reads everything up to the first error.
fn look<S: Kind>(run: &Rc<Run>, disk: &Disk, expected: &Expected, extra: &[Extra]) -> Result<Seen> {
    let db = raw::open::<S>(disk, run.tiny(false))?;
    let tx = db.begin_read()?;
    let found = tables::attempts(&tx)?;
    let there = |attempt: u32| found.binary_search(&attempt).is_ok();
    let count = expected.count(there);
    let mut world = expected.world(count);
    tell!("  damaged: {count} of {} commits by {found:?}, {} promised", expected.commits.len(), expected.least);
    let mut cut = count < expected.least;
    let mut cut_before = cut;
    for (number, one) in extra.iter().enumerate() {
        if there(one.attempt) {
            world.apply(&one.changes);
            continue;
        }
        cut |= one.promised;
        cut_before |= one.before;
        let mut later = extra.iter().skip(number + 1).filter(|later| later.session == one.session);
        if one.promised && later.any(|later| there(later.attempt)) {
            violated!("prefix: damage took a commit out of the middle, and nothing says so");
        }
    }
    tables::compare(&tx, &run.shape.tables, &world)?;
    drop(tx);
    run.audit(&db)?;
    Ok(Seen { found, cut, cut_before })
}

/// A commit on a disk that is damaged.
struct Extra {
    attempt: u32,
    /// The first attempt of its process.
    session: u32,
    changes: Vec<Change>,
    promised: bool,
    /// Whether it was promised before a write went astray.
    before: bool,
}

/// Deletes a table, perhaps: a damaged one can be.
fn delete_one<S: Kind>(run: &Run, tx: &tamarack::WriteTxn<S>, random: &mut Rng) -> Result<Vec<Change>> {
    let table = run.shape.tables[random.usize(0..run.shape.tables.len())];
    if !table.is_plain() || random.u8(..) >= 20 {
        return Ok(Vec::new());
    }
    let there = tables::delete(tx, table, random.bool())?;
    Ok(there.then_some(Change::Deleted(table)).into_iter().collect())
}

/// Commits a few times and ends, in one way or another.
fn work<S: Kind>(run: &Rc<Run>, disk: &Disk, random: &mut Rng) -> Vec<Extra> {
    let mut made = Vec::new();
    let session = *run.attempts.borrow();
    let mut commit = |db: &tamarack::Database<S>, random: &mut Rng| -> Result<()> {
        let attempt = {
            let mut attempts = run.attempts.borrow_mut();
            *attempts += 1;
            *attempts
        };
        let tx = db.begin_write()?;
        let mut changes = delete_one(run, &tx, random)?;
        let mut put = |table, key, value| -> Result<()> {
            let key = tables::put(&tx, table, key, value)?;
            changes.push(Change::Row { table, key, value: Some(value) });
            Ok(())
        };
        for _ in 0..random.usize(1..5) {
            let table = run.shape.tables[random.usize(0..run.shape.tables.len())];
            match put(table, random.u32(0..run.shape.keys), random.u64(..)) {
                Err(error) if tables::is_collision(&error) => {}
                done => done?,
            }
        }
        put(tables::Table::Attempts, attempt, u64::from(attempt))?;
        let sequenced = raw::sequence(tx, Durability::Synced)?;
        made.push(Extra { attempt, session, changes, promised: false, before: false });
        sequenced.finish()?;
        if let Some(made) = made.last_mut() {
            made.promised = true;
            made.before = disk.met().is_empty();
        }
        Ok(())
    };
    let process =
        |commit: &mut dyn FnMut(&tamarack::Database<S>, &mut Rng) -> Result<()>, random: &mut Rng| -> Result<()> {
            let db = raw::open::<S>(disk, run.tiny(false))?;
            for _ in 0..random.usize(1..8) {
                commit(&db, random)?;
                if random.u8(..) < 60 {
                    db.checkpoint()?;
                }
            }
            if random.bool() {
                return db.close();
            }
            // Killed: dropping it would write a checkpoint.
            disk.kill();
            Ok(())
        };
    if let Err(error) = process(&mut commit, random) {
        // A write of the open itself that went into the log, which it is still reading.
        let astray = !disk.met().is_empty() && error.to_string().contains("changed between two readings");
        if error.kind() != ErrorKind::Poisoned && !astray {
            reported(&error);
        }
    }
    disk.kill();
    made
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_meets_what_it_misses_and_what_it_hits() {
        let write = |offset: usize, elsewhere| raw::Met {
            on: On::Write,
            fault: Fault::Misdirected,
            offset: offset as u64,
            length: 4096,
            elsewhere,
        };
        let met = |offset, elsewhere| met_by(&write(offset, elsewhere));
        let page = LOG.end + 512;
        assert_eq!((met(page, None), met(page, Some(page + 9000))), (Met::Pages, Met::Pages));
        assert_eq!((met(LOG.start, None), met(LOG.start + 8192, Some(page))), (Met::LogEnd, Met::LogEnd));
        assert_eq!((met(page, Some(LOG.end - 512)), met(LOG.start, Some(LOG.start))), (Met::Log, Met::Log));
        assert_eq!((met(0, None), met(page, Some(SLOTS[1].start - 512))), (Met::Superblock, Met::Superblock));
        assert_eq!((met(0, Some(SLOTS[1].start)), met(SLOTS[1].start, Some(page))), (Met::Log, Met::Superblock));
    }
}
