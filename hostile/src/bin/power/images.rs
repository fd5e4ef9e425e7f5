//! Records processes on a file system, cuts the power, and looks.

use crate::Outcome;
use crate::bench::{Bench, PATIENCE, Subject, take_output};
use crate::disk::{Entry, Image, Kept, Replay};
use crate::host::{Mounted, Running, ourselves, words};
use crate::judge::{Promised, killed};
use crate::serve::Shelf;
use crate::tally::Tally;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

#[derive(clap::Args)]
pub(crate) struct Images {
    /// Images.
    #[arg(long, default_value_t = 300)]
    count: u64,
    #[arg(long)]
    seed: Option<u64>,
    /// Where images that are wrong are kept.
    #[arg(long, default_value = "target/images")]
    keep: PathBuf,
}

/// A record ends when it has so many bytes.
const RECORD: usize = 80 << 20;
const LIVES: u32 = 6;
/// Images made of one record.
const EACH: u64 = 60;
/// Failures after which it ends.
const ENOUGH: usize = 5;
/// Records of a control until it must have been found often enough.
const CONTROLS: u32 = 8;

/// A kind of file system: its block size and how it is mounted.
pub(crate) const FILE_SYSTEMS: [(&str, &str); 4] = [
    ("4096", "data=ordered,commit=5"),
    ("1024", "data=ordered,commit=1"),
    ("4096", "data=writeback,commit=1"),
    ("4096", "data=journal,commit=1"),
];

/// What is to be recorded and cut.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Trial {
    Honest,
    /// A process that says `Synced` of what it did not sync.
    Liar,
    /// A device that answers flushes and does not do them.
    Deaf,
}

/// A record: the disk as it was, and all that happened.
pub(crate) struct Record {
    start: Image,
    log: Vec<Entry>,
    subject: Subject,
}

pub(crate) fn run(arguments: &Images) -> Outcome {
    let begun = Instant::now();
    let seed = arguments.seed.unwrap_or_else(|| fastrand::u64(..1 << 32));
    println!("seed {seed}");
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let mut bench = Bench::new(folder.path(), &arguments.keep)?;
    let mut random = fastrand::Rng::with_seed(seed);
    let mut tally = Tally::default();
    let mut round = 0;
    while tally.images() < arguments.count && tally.wrong.len() < ENOUGH {
        let record = record(&mut bench, &mut random, round, Trial::Honest)?;
        describe(&record);
        let count = EACH.min(arguments.count - tally.images());
        cut(&mut bench, &record, Trial::Honest, count, &mut random, &mut tally)?;
        round += 1;
    }
    println!("{}", tally.table());
    let seconds = begun.elapsed().as_secs_f64();
    println!(
        "{} images in {seconds:.0} s, {} of cuts inside of a recovery, {} file systems whole",
        tally.images(),
        tally.again,
        tally.fsck
    );
    tally.wrong.iter().for_each(|wrong| println!("WRONG: {wrong}"));
    if !tally.wrong.is_empty() {
        return Err(format!("{} images are wrong; they are in {}", tally.wrong.len(), arguments.keep.display()));
    }
    if tally.images() < arguments.count
        || [tally.synced(), tally.fsck].contains(&0)
        || (arguments.count >= 100 && [tally.gone(), tally.again].contains(&0))
    {
        return Err("too little was tried to prove anything".to_owned());
    }
    println!("0 acknowledged and lost, 0 partial transactions, 0 holes in the order, 0 findings of checks");
    controls(&mut bench, (arguments.count / 10).clamp(12, 60), &mut random)
}

/// What must be found: else nothing was proven.
fn controls(bench: &mut Bench, count: u64, random: &mut fastrand::Rng) -> Outcome {
    for (trial, what) in [
        (Trial::Liar, "a process that says synced of what it only wrote"),
        (Trial::Deaf, "a device that ignores the last flushes"),
    ] {
        let mut tally = Tally::default();
        // What one record loses is a matter of luck: of some, hardly any cut loses what was synced.
        for _ in 0..CONTROLS {
            let record = record(bench, random, 0, trial)?;
            describe(&record);
            cut(bench, &record, trial, count, random, &mut tally)?;
            if tally.wrong.len() as u64 >= count / 6 {
                break;
            }
        }
        let found = tally.wrong.len() as u64;
        println!("control, {what}: {found} of {} images are wrong, as they must be", tally.images() + found);
        tally.wrong.first().into_iter().for_each(|wrong| println!("    {wrong}"));
        if found < count / 6 {
            return Err(format!("control: {what} was found only {found} times"));
        }
    }
    Ok(())
}

/// Lets processes commit on a new file system, one after the other. Most are killed, some close the file.
fn record(bench: &mut Bench, random: &mut fastrand::Rng, round: usize, trial: Trial) -> Result<Record, String> {
    let (block, options) = FILE_SYSTEMS[round % FILE_SYSTEMS.len()];
    let start = bench.format(block)?;
    let seed = random.u64(..1 << 40);
    let number = bench.shelf.put(start.clone());
    let mounted = Mounted::new(&bench.shelf.path(number), &bench.mount, options)?;
    let logged = |shelf: &Shelf| shelf.with(number, |disk| disk.logged).unwrap_or(0);
    let mut wrong = Ok(());
    for life in 0..LIVES {
        let mut work = ourselves()?;
        work.arg("work").arg("--file").arg(bench.mount.join("power.tam")).arg("--acks").arg(bench.shelf.acks(number));
        work.args(["--seed", &seed.to_string(), "--life", &life.to_string()]);
        work.args((trial == Trial::Liar).then_some("--liar"));
        wrong = live(&mut work, || logged(&bench.shelf) >= RECORD, random)
            .map_err(|wrong| format!("process {life} of a record ({options}), which was to commit: {wrong}"));
        if wrong.is_err() || logged(&bench.shelf) >= RECORD {
            break;
        }
    }
    drop(mounted);
    let disk = bench.shelf.take(number).ok_or("the disk is gone")?;
    if let Err(wrong) = wrong.and_then(|()| killed(&disk.log).map(drop)) {
        bench.keep(&disk.image, "record")?;
        return Err(wrong);
    }
    Ok(Record { start, log: disk.log, subject: Subject { seed, options } })
}

/// Lets one process commit until it is time to kill it, or until it has closed the file as it was told to. That it ends in any other way, or does
/// not, is an error.
fn live(work: &mut Command, enough: impl Fn() -> bool, random: &mut fastrand::Rng) -> Outcome {
    let closes = random.u8(0..4) == 0;
    if closes {
        work.args(["--transactions", &random.u64(20..300).to_string()]);
    }
    let process = work.stdin(Stdio::null()).stderr(Stdio::piped()).spawn();
    let mut process = Running(process.map_err(|error| format!("starting: {error}"))?);
    let time = if closes { PATIENCE } else { Duration::from_millis(random.u64(100..1_500)) };
    let begun = Instant::now();
    while begun.elapsed() < time && !enough() && !process.ended(Duration::from_millis(5)) {}
    process.kill();
    let output = take_output(&mut process)?;
    match output.status.signal() {
        Some(9) if closes && !enough() => Err("a hang".to_owned()),
        Some(9) => Ok(()),
        None if closes && output.status.success() => Ok(()),
        _ => Err(words(&output)),
    }
}

fn describe(record: &Record) {
    let count = |which: fn(&Entry) -> bool| record.log.iter().filter(|entry| which(entry)).count();
    let (writes, flushes) =
        (count(|entry| matches!(entry, Entry::Write { .. })), count(|entry| matches!(entry, Entry::Flush)));
    let promised = Promised::at(&record.log, record.log.len());
    let [all, synced] = [&promised.acknowledged, &promised.synced].map(|counts| counts.values().sum::<u64>());
    let lives = killed(&record.log).unwrap_or(0);
    println!(
        "record ({}): {writes} writes, {flushes} flushes, {lives} processes, {all} acknowledged, {synced} up to a synced one",
        record.subject.options
    );
}

/// Makes images of one record and looks at each.
fn cut(
    bench: &mut Bench,
    record: &Record,
    trial: Trial,
    count: u64,
    random: &mut fastrand::Rng,
    tally: &mut Tally,
) -> Outcome {
    let moments = moments(&record.log, count, random);
    let mut replay = match trial {
        Trial::Deaf => Replay::deaf(&record.start, &record.log, 40),
        Trial::Honest | Trial::Liar => Replay::new(&record.start, &record.log),
    };
    let mut left = count;
    for (number, moment) in moments.into_iter().enumerate() {
        if left == 0 || (trial == Trial::Honest && tally.wrong.len() >= ENOUGH) {
            break;
        }
        let kept = Kept::ALL[(number + random.usize(0..2)) % Kept::ALL.len()];
        let promised = Promised::at(&record.log, moment);
        let (image, pending) = replay.cut(moment, kept, random);
        let place = format!("{}, entry {moment} of {}, {}", record.subject.options, record.log.len(), kept.name());
        let chain = Chain { subject: record.subject, kept, trial, place };
        chain.follow(bench, promised, (image, pending), &mut left, random, tally)?;
    }
    Ok(())
}

/// A cut, and those inside of the recovery from it.
struct Chain {
    subject: Subject,
    kept: Kept,
    trial: Trial,
    place: String,
}

impl Chain {
    fn follow(
        &self,
        bench: &mut Bench,
        mut promised: Promised,
        (mut image, mut pending): (Image, usize),
        left: &mut u64,
        random: &mut fastrand::Rng,
        tally: &mut Tally,
    ) -> Outcome {
        for depth in 0.. {
            *left -= 1;
            let seen = match bench.examine(&image, self.subject, &promised, random.bool()) {
                Ok(seen) => seen,
                Err(wrong) => {
                    if self.trial == Trial::Honest {
                        bench.keep(&image, &tally.wrong.len().to_string())?;
                    }
                    tally.wrong.push(format!("{}, depth {depth}: {wrong}", self.place));
                    return Ok(());
                }
            };
            tally.add(self.kept, pending, promised.synced.values().sum(), seen.gone);
            tally.again += u64::from(depth > 0);
            tally.fsck += u64::from(seen.fsck);
            if *left == 0 || random.u8(0..3) > 0 || seen.disk.log.is_empty() {
                return Ok(());
            }
            promised.opened |= !seen.counts.is_empty();
            promised.exactly = Some(seen.counts);
            let moment = random.usize(0..=seen.disk.log.len());
            (image, pending) = Replay::new(&image, &seen.disk.log).cut(moment, self.kept, random);
        }
        Ok(())
    }
}

/// Moments to cut at, ascending: some just behind a flush, where least is left to choose and most was promised, some where the most of several is
/// left to choose, and some anywhere.
fn moments(log: &[Entry], count: u64, random: &mut fastrand::Rng) -> Vec<usize> {
    let (mut flushes, mut pending) = (Vec::new(), vec![0]);
    for (at, entry) in log.iter().enumerate() {
        let before = pending[at];
        pending.push(match entry {
            Entry::Flush => 0,
            Entry::Write { .. } => before + 1,
            Entry::Said(_) => before,
        });
        flushes.extend(matches!(entry, Entry::Flush).then_some(at + 1));
    }
    let mut any = || random.usize(0..=log.len());
    let mut moments: Vec<usize> = (0..count)
        .map(|number| match number % 4 {
            0 if !flushes.is_empty() => flushes[any() % flushes.len()],
            1 | 2 => (0..6).map(|_| any()).max_by_key(|&at| pending[at]).unwrap_or(0),
            _ => any(),
        })
        .collect();
    moments.sort_unstable();
    moments
}
