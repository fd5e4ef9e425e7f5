//! Records processes on a file system, cuts the power, and looks.

use crate::Outcome;
use crate::disk::{Disk, Entry, Image, Kept, Replay};
use crate::host::{Mounted, Running, call, command, ourselves, words};
use crate::judge::{Promised, killed};
use crate::serve::Shelf;
use crate::tally::Tally;
use crate::work::heard_counts;
use crate::world::Counts;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
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

const DISK: u64 = 192 << 20;
/// A record ends when it has so many bytes.
const RECORD: usize = 80 << 20;
const LIVES: u32 = 6;
/// Images made of one record.
const EACH: u64 = 60;
/// One that looks so long hangs.
const PATIENCE: Duration = Duration::from_secs(60);
/// Failures after which it ends.
const ENOUGH: usize = 5;

/// A kind of file system: its block size and how it is mounted.
const FILE_SYSTEMS: [(&str, &str); 4] = [
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
    seed: u64,
    options: &'static str,
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
        let record = bench.record(&mut random, round, Trial::Honest)?;
        bench.describe(&record);
        let count = EACH.min(arguments.count - tally.images());
        bench.cut(&record, Trial::Honest, count, &mut random, &mut tally)?;
        round += 1;
    }
    println!("{}", tally.table());
    let seconds = begun.elapsed().as_secs_f64();
    println!("{} images in {seconds:.0} s, {} of cuts inside of a recovery, {} file systems whole", tally.images(), tally.again, tally.fsck);
    tally.wrong.iter().for_each(|wrong| println!("WRONG: {wrong}"));
    if !tally.wrong.is_empty() {
        return Err(format!("{} images are wrong; they are in {}", tally.wrong.len(), arguments.keep.display()));
    }
    if tally.images() < arguments.count || tally.synced() == 0 || tally.gone() == 0 || tally.again == 0 || tally.fsck == 0 {
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
        let record = bench.record(random, 0, trial)?;
        bench.cut(&record, trial, count, random, &mut tally)?;
        let found = tally.wrong.len() as u64;
        println!("control, {what}: {found} of {} images are wrong, as they must be", tally.images() + found);
        tally.wrong.first().into_iter().for_each(|wrong| println!("    {wrong}"));
        if found < count / 4 {
            return Err(format!("control: {what} was found only {found} times"));
        }
    }
    Ok(())
}

/// The folders that everything happens in.
struct Bench {
    shelf: Shelf,
    folder: PathBuf,
    mount: PathBuf,
    keep: PathBuf,
    looked: u64,
}

impl Bench {
    fn new(folder: &Path, keep: &Path) -> Result<Self, String> {
        let (disks, mount) = (folder.join("disks"), folder.join("mount"));
        for path in [&disks, &mount] {
            std::fs::create_dir(path).map_err(|error| format!("{}: {error}", path.display()))?;
        }
        let shelf = Shelf::new(&disks)?;
        Ok(Self { shelf, folder: folder.to_owned(), mount, keep: keep.to_owned(), looked: 0 })
    }

    /// Lets processes commit on a new file system, one after the other. Most are killed, some close the file.
    fn record(&mut self, random: &mut fastrand::Rng, round: usize, trial: Trial) -> Result<Record, String> {
        let (block, options) = FILE_SYSTEMS[round % FILE_SYSTEMS.len()];
        let start = self.format(block)?;
        let seed = random.u64(..1 << 40);
        let number = self.shelf.put(start.clone());
        let mounted = Mounted::new(&self.shelf.path(number), &self.mount, options)?;
        let logged = |shelf: &Shelf| shelf.with(number, |disk| disk.logged).unwrap_or(0);
        for life in 0..LIVES {
            let mut work = ourselves()?;
            work.arg("work").arg("--file").arg(self.mount.join("power.tam")).arg("--acks").arg(self.shelf.acks(number));
            work.args(["--seed", &seed.to_string(), "--life", &life.to_string()]);
            work.args((trial == Trial::Liar).then_some("--liar"));
            let closes = random.u8(0..4) == 0;
            if closes {
                work.args(["--transactions", &random.u64(20..300).to_string()]);
            }
            let process = work.stdin(Stdio::null()).spawn().map_err(|error| format!("starting: {error}"))?;
            let mut process = Running(process);
            let time = if closes { PATIENCE } else { Duration::from_millis(random.u64(100..1_500)) };
            let begun = Instant::now();
            while begun.elapsed() < time && logged(&self.shelf) < RECORD {
                if process.ended(Duration::from_millis(5)) {
                    break;
                }
            }
            process.kill();
            if logged(&self.shelf) >= RECORD {
                break;
            }
        }
        drop(mounted);
        let disk = self.shelf.take(number).ok_or("the disk is gone")?;
        killed(&disk.log)?;
        Ok(Record { start, log: disk.log, seed, options })
    }

    fn format(&self, block: &str) -> Result<Image, String> {
        let path = self.folder.join("new.img");
        let made = File::create(&path).and_then(|file| file.set_len(DISK));
        made.map_err(|error| format!("{}: {error}", path.display()))?;
        let mut mkfs = command("mkfs.ext4");
        mkfs.args(["-q", "-F", "-b", block, "-J", "size=8", "-E", "nodiscard,lazy_itable_init=0,lazy_journal_init=0"]);
        call(mkfs.arg(&path))?;
        let bytes = std::fs::read(&path).map_err(|error| error.to_string())?;
        let _ = std::fs::remove_file(&path);
        Ok(Image::of(&bytes))
    }

    fn describe(&self, record: &Record) {
        let count = |which: fn(&Entry) -> bool| record.log.iter().filter(|entry| which(entry)).count();
        let (writes, flushes) = (count(|entry| matches!(entry, Entry::Write { .. })), count(|entry| matches!(entry, Entry::Flush)));
        let promised = Promised::at(&record.log, record.log.len());
        let [all, synced] = [&promised.acknowledged, &promised.synced].map(|counts| counts.values().sum::<u64>());
        let lives = killed(&record.log).unwrap_or(0);
        println!("record ({}): {writes} writes, {flushes} flushes, {lives} processes, {all} acknowledged, {synced} up to a synced one", record.options);
    }

    /// Makes images of one record and looks at each.
    fn cut(&mut self, record: &Record, trial: Trial, count: u64, random: &mut fastrand::Rng, tally: &mut Tally) -> Outcome {
        let moments = moments(&record.log, count, random);
        let mut replay = match trial {
            Trial::Deaf => Replay::deaf(&record.start, &record.log, 40),
            Trial::Honest | Trial::Liar => Replay::new(&record.start, &record.log),
        };
        let mut made = 0;
        for (number, moment) in moments.into_iter().enumerate() {
            if made >= count || (trial == Trial::Honest && tally.wrong.len() >= ENOUGH) {
                break;
            }
            let kept = Kept::ALL[(number + random.usize(0..2)) % Kept::ALL.len()];
            let mut promised = Promised::at(&record.log, moment);
            let (mut image, mut pending) = replay.cut(moment, kept, random);
            // Again and again inside of the recovery.
            for depth in 0.. {
                made += 1;
                let place = format!("{}, entry {moment} of {}, {}, depth {depth}", record.options, record.log.len(), kept.name());
                match self.examine(&image, record, &promised, random) {
                    Ok((counts, gone, disk)) => {
                        tally.add(kept, pending, promised.synced.values().sum(), gone);
                        tally.again += u64::from(depth > 0);
                        tally.fsck += u64::from(self.looked.is_multiple_of(8));
                        if made >= count || random.u8(0..3) > 0 || disk.log.is_empty() {
                            break;
                        }
                        promised.exactly = Some(counts);
                        promised.opened = promised.opened || promised.exactly.as_ref().is_some_and(|counts| !counts.is_empty());
                        let moment = random.usize(0..=disk.log.len());
                        (image, pending) = Replay::new(&image, &disk.log).cut(moment, kept, random);
                    }
                    Err(wrong) => {
                        if trial == Trial::Honest {
                            self.keep(&image, tally.wrong.len())?;
                        }
                        tally.wrong.push(format!("{place}: {wrong}"));
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    /// Mounts an image and looks. What is there, how many others are gone, and what the looking did to the disk.
    fn examine(
        &mut self,
        image: &Image,
        record: &Record,
        promised: &Promised,
        random: &mut fastrand::Rng,
    ) -> Result<(Counts, u64, Disk), String> {
        self.looked += 1;
        let number = self.shelf.put(image.clone());
        let seen = self.look(number, record, promised.opened && random.bool());
        let whole = if self.looked.is_multiple_of(8) {
            call(command("e2fsck").args(["-f", "-n"]).arg(self.shelf.path(number)))
        } else {
            Ok(())
        };
        let disk = self.shelf.take(number).ok_or("the disk is gone")?;
        let (there, counts) = seen?;
        let gone = promised.judge(there, &counts)?;
        whole?;
        Ok((counts, gone, disk))
    }

    fn look(&self, number: u64, record: &Record, untouched: bool) -> Result<(bool, Counts), String> {
        let _mounted = Mounted::new(&self.shelf.path(number), &self.mount, record.options)?;
        let mut look = ourselves()?;
        look.arg("look").arg("--file").arg(self.mount.join("power.tam")).args(["--seed", &record.seed.to_string()]);
        look.args(untouched.then_some("--untouched"));
        look.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = Running(look.spawn().map_err(|error| format!("starting: {error}"))?);
        // What it prints fits into a pipe.
        if !process.ended(PATIENCE) {
            return Err("a hang".to_owned());
        }
        let output = take_output(&mut process)?;
        if !output.status.success() {
            return Err(words(&output));
        }
        heard_counts(&String::from_utf8_lossy(&output.stdout)).ok_or_else(|| words(&output))
    }

    fn keep(&self, image: &Image, number: usize) -> Outcome {
        let wrong = |error: std::io::Error| format!("{}: {error}", self.keep.display());
        std::fs::create_dir_all(&self.keep).map_err(wrong)?;
        let bytes = image.read(0, image.length() as usize);
        std::fs::write(self.keep.join(format!("wrong-{number}.img")), bytes).map_err(wrong)
    }
}

fn take_output(process: &mut Running) -> Result<std::process::Output, String> {
    use std::io::Read;
    let status = process.0.wait().map_err(|error| error.to_string())?;
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    process.0.stdout.take().map(|mut pipe| pipe.read_to_end(&mut stdout));
    process.0.stderr.take().map(|mut pipe| pipe.read_to_end(&mut stderr));
    Ok(std::process::Output { status, stdout, stderr })
}

/// Moments to cut at, ascending: half of them just behind a flush, where least is left to choose and most was promised.
fn moments(log: &[Entry], count: u64, random: &mut fastrand::Rng) -> Vec<usize> {
    let flushes: Vec<usize> =
        log.iter().enumerate().filter(|(_, entry)| matches!(entry, Entry::Flush)).map(|(at, _)| at + 1).collect();
    let mut moments: Vec<usize> = (0..count)
        .map(|number| match random.choice(&flushes) {
            Some(&flush) if number % 2 == 0 => flush,
            _ => random.usize(0..=log.len()),
        })
        .collect();
    moments.sort_unstable();
    moments
}
