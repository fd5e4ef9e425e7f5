//! Kills an emulated machine at any moment, while it boots its system, recovers the file or commits, and looks what is on its disk. What the machine
//! had in memory, its page cache too, is gone; of what it had written since the last flush the disk keeps all, or what the device chose.

use crate::Outcome;
use crate::bench::{Bench, Subject};
use crate::disk::{Entry, Image, Kept, Replay};
use crate::images::FILE_SYSTEMS;
use crate::judge::Promised;
use crate::machine::{Machine, Parts};
use crate::tally::Tally;
use crate::work::Said;
use crate::world::Counts;
use std::io::BufRead;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

#[derive(clap::Args)]
pub(crate) struct Cuts {
    /// Machines to kill.
    #[arg(long, default_value_t = 50)]
    times: u64,
    #[arg(long)]
    seed: Option<u64>,
    /// Machines of the control.
    #[arg(long, default_value_t = 5)]
    controls: u64,
    #[command(flatten)]
    parts: Parts,
    /// Where images that are wrong are kept.
    #[arg(long, default_value = "target/images")]
    keep: PathBuf,
}

/// Cuts of one file system.
const LIVES: u32 = 5;
/// A machine that takes longer to open the file does not work.
const BOOT: Duration = Duration::from_secs(240);
/// Tries to start a machine: emulated hardware is late at times, and a kernel gives up before it has seen the disk.
const STARTS: u32 = 4;

/// A file system under work, from cut to cut.
struct Disk {
    image: Image,
    said: Vec<Said>,
    subject: Subject,
    life: u32,
    /// What was there after the last cut.
    left: Option<Counts>,
}

/// What a machine said until it was killed.
struct Heard {
    said: Vec<Said>,
    log: Vec<Entry>,
    /// Killed before the process had opened the file.
    early: bool,
    /// It never got to the disk.
    stillborn: Option<String>,
}

pub(crate) fn run(arguments: &Cuts) -> Outcome {
    let begun = Instant::now();
    let seed = arguments.seed.unwrap_or_else(|| fastrand::u64(..1 << 32));
    println!("seed {seed}");
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let mut bench = Bench::new(folder.path(), &arguments.keep)?;
    let machine = Machine::new(&arguments.parts, folder.path())?;
    let mut random = fastrand::Rng::with_seed(seed);
    let (mut tally, mut early) = (Tally::default(), 0);
    let mut disk = Disk::new(&bench, 0, &mut random)?;
    for number in 0..arguments.times {
        if disk.life == LIVES {
            disk = Disk::new(&bench, (number / u64::from(LIVES)) as usize, &mut random)?;
        }
        // What the machine had written is there, or what a device with a cache of its own may have kept.
        let kept = if number % 2 == 0 { Kept::Everything } else { Kept::ALL[random.usize(0..Kept::ALL.len())] };
        let heard = kill(&mut bench, &machine, &disk, random.u8(0..5) == 0, false, &mut random)?;
        early += u64::from(heard.early);
        eprint!("\r{} of {} machines", number + 1, arguments.times);
        if let Err(wrong) = disk.judge(&mut bench, heard, kept, &mut random, &mut tally) {
            bench.keep(&disk.image, &tally.wrong.len().to_string())?;
            tally.wrong.push(format!("cut {number}, {}, {}: {wrong}", disk.subject.options, kept.name()));
            disk.life = LIVES;
        }
    }
    eprintln!();
    println!("{}", tally.table());
    let seconds = begun.elapsed().as_secs_f64();
    println!("{} machines killed in {seconds:.0} s, {early} before the file was open", tally.images());
    tally.wrong.iter().for_each(|wrong| println!("WRONG: {wrong}"));
    if !tally.wrong.is_empty() {
        return Err(format!("{} disks are wrong; they are in {}", tally.wrong.len(), arguments.keep.display()));
    }
    if tally.images() < arguments.times || tally.synced() == 0 {
        return Err("too little was tried to prove anything".to_owned());
    }
    println!("0 acknowledged and lost, 0 partial transactions, 0 holes in the order, 0 findings of checks");
    control(&mut bench, &machine, arguments.controls, &mut random)
}

/// A process that says synced of what it only wrote has to lose it.
fn control(bench: &mut Bench, machine: &Machine, times: u64, random: &mut fastrand::Rng) -> Outcome {
    let mut tally = Tally::default();
    for number in 0..times {
        let mut disk = Disk::new(bench, number as usize, random)?;
        let heard = kill(bench, machine, &disk, false, true, random)?;
        if let Err(wrong) = disk.judge(bench, heard, Kept::Everything, random, &mut tally) {
            tally.wrong.push(wrong);
        }
    }
    let found = tally.wrong.len() as u64;
    println!(
        "control, a process that says synced of what it only wrote: {found} of {times} disks are wrong, as they must be"
    );
    tally.wrong.first().into_iter().for_each(|wrong| println!("    {wrong}"));
    if found * 2 < times { Err(format!("the control was found only {found} times")) } else { Ok(()) }
}

impl Disk {
    fn new(bench: &Bench, round: usize, random: &mut fastrand::Rng) -> Result<Self, String> {
        let (block, options) = FILE_SYSTEMS[round % FILE_SYSTEMS.len()];
        let subject = Subject { seed: random.u64(..1 << 40), options };
        Ok(Self { image: bench.format(block)?, said: Vec::new(), subject, life: 0, left: None })
    }

    /// Cuts the power of the disk too, and looks at a copy. The next machine finds the disk as it is.
    fn judge(
        &mut self,
        bench: &mut Bench,
        heard: Heard,
        kept: Kept,
        random: &mut fastrand::Rng,
        tally: &mut Tally,
    ) -> Outcome {
        let (image, pending) = Replay::new(&self.image, &heard.log).cut(heard.log.len(), kept, random);
        self.image = image;
        let found = heard.said.iter().find_map(|said| match said {
            Said::Life(_, counts) => Some(counts),
            Said::Done(..) => None,
        });
        if let Some((left, found)) = self.left.as_ref().zip(found).filter(|(left, found)| left != found) {
            return Err(format!("after the last cut {left:?} were there, and the machine found {found:?}"));
        }
        self.said.extend(heard.said);
        let said: Vec<Entry> = self.said.iter().cloned().map(Entry::Said).collect();
        let promised = Promised::at(&said, said.len()).unheard();
        let seen = bench.examine(&self.image, self.subject, &promised, random.bool())?;
        tally.add(kept, pending, promised.synced.values().sum(), seen.gone);
        self.left = Some(seen.counts);
        self.life += 1;
        Ok(())
    }
}

/// Starts a machine on a copy of the disk, and kills it.
fn kill(
    bench: &mut Bench,
    machine: &Machine,
    disk: &Disk,
    early: bool,
    liar: bool,
    random: &mut fastrand::Rng,
) -> Result<Heard, String> {
    for _ in 1..STARTS {
        let heard = start_and_kill(bench, machine, disk, early, liar, random)?;
        let Some(console) = heard.stillborn else { return Ok(heard) };
        eprintln!("a machine did not start, once more: {}", console.lines().last().unwrap_or_default());
    }
    let heard = start_and_kill(bench, machine, disk, early, liar, random)?;
    match heard.stillborn {
        Some(console) => Err(format!("{STARTS} machines did not start; the console says:\n{console}")),
        None => Ok(heard),
    }
}

fn start_and_kill(
    bench: &mut Bench,
    machine: &Machine,
    disk: &Disk,
    early: bool,
    liar: bool,
    random: &mut fastrand::Rng,
) -> Result<Heard, String> {
    let number = bench.shelf.put(disk.image.clone());
    let mut work = ["work", "--file", "/disk/power.tam", "--acks", "/dev/ttyS1"].map(str::to_owned).to_vec();
    work.extend(["--seed".to_owned(), disk.subject.seed.to_string(), "--life".to_owned(), disk.life.to_string()]);
    work.extend(liar.then_some("--liar".to_owned()));
    let (mut running, output) = machine.start(&bench.shelf.path(number), disk.subject.options, &work)?;
    let (tell, lines) = channel();
    let reader = std::thread::spawn(move || {
        // The last line may be torn, and is none then.
        output
            .split(b'\n')
            .map_while(Result::ok)
            .for_each(|line| _ = tell.send(String::from_utf8_lossy(&line).into_owned()));
    });
    let (time, mark) = if early { (random.u64(0..2_000), "booted") } else { (random.u64(200..6_000), "life") };
    let mut said = Vec::new();
    let until = Instant::now() + BOOT;
    let booted = listen(&lines, until, Some("booted"), &mut said)? == Ended::Mark;
    let opened = match mark {
        _ if !booted => Ok(Ended::Time),
        "booted" => Ok(Ended::Mark),
        mark => listen(&lines, until, Some(mark), &mut said),
    };
    let opened = opened.and_then(|marked| match marked {
        Ended::Mark => listen(&lines, Instant::now() + Duration::from_millis(time), None, &mut said),
        _ if booted => Err(format!("the machine did not say `{mark}`")),
        _ => Ok(Ended::Time),
    });
    // It commits until it is killed: a process that crashed lets its machine end.
    let opened = opened.and_then(|ended| match ended {
        Ended::Silence => Err("the machine ended before it was killed".to_owned()),
        _ => Ok(()),
    });
    running.kill();
    let rest = listen(&lines, Instant::now() + Duration::from_secs(20), None, &mut said);
    reader.join().map_err(|_| "the reader panicked".to_owned())?;
    let disk = bench.shelf.take(number).ok_or("the disk is gone")?;
    if let Err(error) = opened.and(rest.map(drop)) {
        bench.keep(&disk.image, "machine")?;
        return Err(format!("{error}; the console says:\n{}", machine.console()));
    }
    let early = !said.iter().any(|said| matches!(said, Said::Life(..)));
    Ok(Heard { said, log: disk.log, early, stillborn: (!booted).then(|| machine.console()) })
}

/// What ended listening.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    /// The word was said.
    Mark,
    Time,
    /// There is nobody to listen to.
    Silence,
}

/// Listens until a time, until a line begins with a word, or until there is nobody to listen to.
fn listen(lines: &Receiver<String>, until: Instant, mark: Option<&str>, said: &mut Vec<Said>) -> Result<Ended, String> {
    loop {
        let line = match lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(line) => line,
            Err(RecvTimeoutError::Timeout) => return Ok(Ended::Time),
            Err(RecvTimeoutError::Disconnected) => return Ok(Ended::Silence),
        };
        if line.starts_with("error") || line.starts_with("unmountable") || line.contains("panicked") {
            return Err(format!("the machine said: {line}"));
        }
        said.extend(Said::read(&line));
        if mark.is_some_and(|mark| line.starts_with(mark)) {
            return Ok(Ended::Mark);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A machine that has ended is no machine that says nothing.
    #[test]
    fn an_end_is_told_from_silence() {
        let (tell, lines) = channel();
        let soon = || Instant::now() + Duration::from_millis(20);
        let mut said = Vec::new();
        let mut heard = |line: &str, mark| {
            tell.send(line.to_owned()).unwrap();
            listen(&lines, soon(), mark, &mut said)
        };
        assert_eq!(heard("booted", Some("booted")), Ok(Ended::Mark));
        assert_eq!(heard("life 0 .", None), Ok(Ended::Time));
        assert!(heard("error: committing", None).unwrap_err().contains("committing"));
        drop(tell);
        assert_eq!(listen(&lines, soon(), None, &mut said), Ok(Ended::Silence));
        assert_eq!(said, [Said::Life(0, Counts::new())]);
    }
}
