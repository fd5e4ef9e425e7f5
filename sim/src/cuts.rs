//! Power cuts: what a life has written is cut at some of its writes, and what is left begins lives of its own.

use crate::damage::{self, Undamaged};
use crate::live::{Live, Run, live};
use crate::model::Expected;
use crate::plan::{Cut, Life, Place, Plan};
use crate::report::{CRASHES, Counts, tell, violated};
use crate::tables::{Kind, Shop};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use tamarack::simulate::Crash;
use tamarack::simulate::raw::{self, Medium};

/// What a run has shown.
pub(crate) struct Outcome {
    pub(crate) counts: Counts,
    /// The same for the same plan.
    pub(crate) trace: u64,
}

/// Plays a plan; panics if a promise is broken.
pub(crate) fn play(plan: &Plan) -> Outcome {
    let run = Rc::new(Run {
        shape: plan.shape.clone(),
        counts: RefCell::default(),
        trace: RefCell::default(),
        attempts: RefCell::default(),
    });
    run.count(|counts| counts.runs += 1);
    if plan.shape.records {
        begin::<Shop>(&run, &plan.life);
    } else {
        begin::<()>(&run, &plan.life);
    }
    raw::settle();
    let (counts, trace) = (*run.counts.borrow(), *run.trace.borrow());
    Outcome { counts, trace }
}

fn begin<S: Kind>(run: &Rc<Run>, life: &Life) {
    let nothing = Medium::default();
    let first = Live::<S>::start(run, &nothing, life, 1, &Expected::default(), true, Vec::new());
    all_cuts(run, first, &nothing, life, 0);
}

/// Lives a life and all that its cuts begin. `depth`: cuts in a row that led to it, all but the first inside recovery.
fn all_cuts<S: Kind>(run: &Rc<Run>, begun: Live<S>, start: &Medium, life: &Life, depth: u32) {
    let ended = live(begun, life);
    run.count(|counts| counts.simulated_micros += ended.disk.elapsed().as_micros() as u64);
    let tape = ended.disk.tape(start);
    let settled = ended.settled.unwrap_or(tape.len());
    let mut places: Vec<(usize, &Cut)> = life
        .cuts
        .iter()
        .filter_map(|cut| {
            let (from, to) = match cut.place {
                Place::Life => (0, tape.len()),
                Place::Open => (0, ended.opened),
                Place::Unsettled => (ended.opened, settled.saturating_sub(1)),
            };
            let most = to.saturating_sub(from);
            (most > 0).then(|| (from + 1 + ((cut.at * most as u64) >> 16) as usize, cut))
        })
        .collect();
    places.sort_by_key(|&(at, _)| at);
    let mut player = tape.play();
    for (at, cut) in places {
        player.advance(at);
        // Nothing has happened since the open's last write: it may not have returned.
        let in_recovery = !ended.is_fresh() && at <= ended.opened;
        let unsettled = in_recovery || (!ended.is_fresh() && at < settled);
        let depth = if in_recovery { depth.max(1) + 1 } else { 1 };
        // Of a file that is being made, noise leaves something that is no database.
        let being_made = ended.is_fresh() && at < ended.created;
        let crash = if being_made && cut.crash == Crash::Garbage { Crash::Sectors } else { cut.crash };
        let medium = player.cut(crash, cut.dice);
        tell!("cut after {at} things, {depth} deep: {crash:?}");
        run.count(|counts| {
            count(counts, crash, in_recovery, depth);
            counts.unsettled += u64::from(unsettled);
            counts.in_backup += u64::from(ended.is_in_backup(at));
            counts.removals_cut += u64::from(ended.history.has_removed(at));
        });
        let noise = crash == Crash::Garbage && unsettled;
        let expected = if noise { ended.history.expected_after_noise(at) } else { ended.history.expected(at, true) };
        if let Some(damage) = cut.damage
            && !being_made
        {
            // Noise in a superblock may have cost the base already.
            let after_noise = ended.history.expected_after_noise(at);
            let promised = after_noise.least;
            let expected = if noise { after_noise } else { ended.history.expected_of_damaged(at) };
            let undamaged = Undamaged { expected, promised };
            damage::try_out::<S>(run, &medium, &tape, at, damage, cut.dice, undamaged);
        }
        let fresh = being_made && expected.commits.is_empty();
        if cut.dice.is_multiple_of(16) {
            read_only::<S>(run, &medium, &expected, fresh);
        }
        let next = Live::<S>::start(run, &medium, &cut.life, cut.dice, &expected, fresh, ended.backups_at(at));
        all_cuts(run, next, &medium, &cut.life, depth);
    }
}

fn count(counts: &mut Counts, crash: Crash, in_recovery: bool, depth: u32) {
    counts.crashes += 1;
    CRASHES.fetch_add(1, Ordering::Relaxed);
    counts.in_recovery += u64::from(in_recovery);
    counts.three_deep += u64::from(depth >= 3);
    let kind = match crash {
        Crash::KeepAll => &mut counts.kept,
        Crash::DropAll => &mut counts.dropped,
        Crash::AllButOne | Crash::OnlyOne => &mut counts.subset,
        Crash::Shuffled => &mut counts.reordered,
        Crash::Garbage => &mut counts.garbage,
        _ => &mut counts.torn,
    };
    *kind += 1;
}

/// I28: recovery of a file that must not be written finds the same, and writes nothing.
fn read_only<S: Kind>(run: &Rc<Run>, medium: &Medium, expected: &Expected, fresh: bool) {
    let disk = raw::disk(3, medium, false);
    match raw::open::<S>(&disk, run.tiny(true)) {
        Err(_) if fresh => {}
        Err(error) => violated!("open: for reading only: {:?}: {error}", error.kind()),
        Ok(db) => {
            run.count(|counts| counts.read_only += 1);
            let read = || {
                let tx = db.begin_read()?;
                let found = crate::tables::attempts(&tx)?;
                let count = expected.count(|attempt| found.binary_search(&attempt).is_ok());
                if count < expected.least {
                    violated!("lost: reading only, {count} commits are there, {} were promised", expected.least);
                }
                crate::tables::compare(&tx, &run.shape.tables, &expected.world(count))
            };
            if let Err(error) = read() {
                violated!("wrong: reading only: {:?}: {error}", error.kind());
            }
        }
    }
    if disk.happened() > 0 || !disk.medium().same(medium) {
        violated!("wrong: a read-only open wrote to the file");
    }
}
