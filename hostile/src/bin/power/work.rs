//! The process that commits until its power is cut, and the one that looks what is left.

use crate::Outcome;
use crate::world::{Counts, DURABILITIES, Plan, THREADS, prove};
use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tamarack::{Database, Durability, ErrorKind, Options, check_file};

/// What a process is to do.
#[derive(clap::Args, Clone)]
pub(crate) struct Work {
    #[arg(long)]
    pub(crate) file: PathBuf,
    /// Where acknowledgements are written, one line each.
    #[arg(long)]
    pub(crate) acks: PathBuf,
    #[arg(long)]
    pub(crate) seed: u64,
    /// Which process of this file it is.
    #[arg(long)]
    pub(crate) life: u32,
    /// Transactions of each thread, after which the file is closed.
    #[arg(long, default_value_t = u64::MAX)]
    pub(crate) transactions: u64,
    /// Says `Synced` of what is only `Buffered`: what the proof has to find.
    #[arg(long)]
    pub(crate) liar: bool,
}

/// Told in one write each, so that lines come whole.
struct Voice(File);

impl Voice {
    fn say(&self, line: &str) -> Outcome {
        (&self.0).write_all(line.as_bytes()).map_err(|error| format!("telling: {error}"))
    }
}

/// Ends the process, whatever its other threads do: they would go on until they are killed, as if nothing had been.
fn fail(error: &str) -> ! {
    eprintln!("error: {error}");
    std::process::exit(1)
}

/// Commits with several threads.
pub(crate) fn run(work: &Work) -> Outcome {
    std::panic::set_hook(Box::new(|panic| fail(&panic.to_string().replace('\n', " "))));
    let voice = OpenOptions::new().write(true).open(&work.acks);
    let voice = Arc::new(Voice(voice.map_err(|error| format!("{}: {error}", work.acks.display()))?));
    let mut random = fastrand::Rng::with_seed(work.seed ^ (u64::from(work.life) << 40));
    // Small enough for evictions, checkpoints and many turns of the log; but each checkpoint would make true what a liar says.
    let log = if work.liar { 24 } else { random.u32(18..21) };
    let options = Options::new().memory(1 << random.u32(20..24)).log_size(1 << log);
    let db: Database<()> = options.page_size(4096 << random.u32(0..2)).open(&work.file).map_err(said("opening"))?;
    let before = prove(&db, work.seed)?;
    voice.say(&Said::Life(work.life, before).line())?;
    if random.bool() && !work.liar {
        let (db, random) = (db.clone(), random.fork());
        std::thread::spawn(move || disturb(&db, random));
    }
    let threads = random.u32(1..=4.min(THREADS));
    let heard: Arc<Vec<AtomicU64>> = Arc::new((0..threads).map(|_| AtomicU64::new(0)).collect());
    let first = work.life * THREADS;
    let committers: Vec<_> = (0..threads)
        .map(|thread| {
            let (db, voice, heard, work) = (db.clone(), Arc::clone(&voice), Arc::clone(&heard), work.clone());
            std::thread::spawn(move || {
                commit(&db, &voice, &heard, &work, first + thread).unwrap_or_else(|error| fail(&error))
            })
        })
        .collect();
    for committer in committers {
        committer.join().map_err(|_| "a thread panicked".to_owned())?;
    }
    db.close().map_err(said("closing"))
}

fn commit(db: &Database<()>, voice: &Voice, heard: &[AtomicU64], work: &Work, thread: u32) -> Outcome {
    let first = work.life * THREADS;
    for number in 0..work.transactions {
        let plan = Plan::new(work.seed, thread, number);
        let (durability, said) =
            if work.liar { (Durability::Buffered, Durability::Synced) } else { (plan.durability, plan.durability) };
        let done = db.write_with(durability, |tx| {
            let heard = heard.iter().zip(first..).map(|(count, thread)| (thread, count.load(Ordering::SeqCst)));
            plan.run(tx, heard.collect())
        });
        done.map_err(self::said("committing"))?;
        heard[(thread - first) as usize].store(number + 1, Ordering::SeqCst);
        voice.say(&Said::Done(thread, number, said).line())?;
    }
    Ok(())
}

/// Checkpoints, compactions and checks at any time, until the database is closed.
fn disturb(db: &Database<()>, mut random: fastrand::Rng) {
    loop {
        let (doing, done) = match random.u8(0..8) {
            0 => ("compacting", db.compact().map(drop)),
            1 => ("checking beside commits", db.check()),
            _ => ("a checkpoint", db.checkpoint()),
        };
        match done {
            Err(error) if error.kind() == ErrorKind::Closed => return,
            Err(error) => fail(&said(doing)(error)),
            Ok(()) => {}
        }
        std::thread::sleep(Duration::from_millis(random.u64(0..40)));
    }
}

fn said(doing: &str) -> impl Fn(tamarack::Error) -> String + '_ {
    move |error| format!("{doing}: {error}")
}

/// What a process says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Said {
    /// It has opened the file and found these there.
    Life(u32, Counts),
    /// A transaction of a thread returned.
    Done(u32, u64, Durability),
}

impl Said {
    pub(crate) fn line(&self) -> String {
        match self {
            Self::Life(life, counts) => {
                let mut line = format!("life {life}");
                counts.iter().for_each(|(thread, count)| _ = write!(line, " {thread} {count}"));
                line + " .\n"
            }
            Self::Done(thread, number, durability) => format!("done {thread} {number} {} .\n", *durability as u8),
        }
    }

    /// Reads a line back; one that was torn, or is somebody else's, is none.
    pub(crate) fn read(line: &str) -> Option<Self> {
        let mut words = line.trim_end().strip_suffix(" .")?.split(' ');
        let (kind, numbers) = (words.next()?, words.map(|word| word.parse::<u64>().ok()).collect::<Option<Vec<_>>>()?);
        match (kind, numbers.as_slice()) {
            ("life", [life, counts @ ..]) => {
                let counts = counts.chunks_exact(2).map(|pair| (pair[0] as u32, pair[1])).collect();
                Some(Self::Life(*life as u32, counts))
            }
            ("done", &[thread, number, durability]) => {
                let durability = DURABILITIES.into_iter().find(|&known| u64::from(known as u8) == durability)?;
                Some(Self::Done(thread as u32, number, durability))
            }
            _ => None,
        }
    }
}

/// Looks what a cut has left: checks the file as it lies there and reads it without writing, if asked; then opens it, checks, reads and closes
/// it; then reads it once more. Prints what is there.
pub(crate) fn look(file: &Path, seed: u64, untouched: bool) -> Outcome {
    if !file.exists() {
        return say_counts("absent", &Counts::new());
    }
    let mut seen = None;
    if untouched {
        let report = check_file(file, &mut |_| {}).map_err(said("checking the closed file"))?;
        if !report.is_sound() {
            return Err(format!("the check of the closed file: {report}"));
        }
        let db = Database::<()>::open_read_only(file).map_err(said("opening for reading"))?;
        seen = Some(prove(&db, seed)?);
    }
    let db = Database::<()>::open(file).map_err(said("opening"))?;
    let report = db.check_with(&mut |_| {}).map_err(said("checking"))?;
    if !report.is_sound() {
        return Err(format!("the check: {report}"));
    }
    let counts = prove(&db, seed)?;
    db.close().map_err(said("closing"))?;
    if seen.is_some_and(|seen| seen != counts) {
        return Err("for reading it has others than for writing".to_owned());
    }
    let again = Database::<()>::open_read_only(file).map_err(said("opening again"))?;
    if prove(&again, seed)? != counts {
        return Err("opened again it has others".to_owned());
    }
    say_counts("there", &counts)
}

fn say_counts(how: &str, counts: &Counts) -> Outcome {
    print!("{how} {}", Said::Life(0, counts.clone()).line());
    Ok(())
}

/// What [`look`] printed.
pub(crate) fn heard_counts(output: &str) -> Option<(bool, Counts)> {
    let line = output.lines().next()?;
    let (how, line) = line.split_once(' ')?;
    match Said::read(line)? {
        Said::Life(_, counts) => Some((how == "there", counts)),
        Said::Done(..) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_back_and_torn_ones_are_not() {
        let said = [
            Said::Life(3, Counts::from([(1, 20), (8, 3)])),
            Said::Life(0, Counts::new()),
            Said::Done(9, 12, Durability::Buffered),
        ];
        for said in said {
            let line = said.line();
            assert_eq!(Said::read(&line), Some(said));
            (0..line.len() - 1).for_each(|end| assert_eq!(Said::read(&line[..end]), None, "{end} of {line}"));
        }
    }
}
