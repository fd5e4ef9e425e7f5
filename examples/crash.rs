//! Twenty kills: a child process commits numbered records until it is killed at a random moment; then the file is opened again,
//! and what the child had been told is safe is compared with what is there.
//!
//! ```text
//! cargo run --release --example crash
//! cargo run --release --example crash -- --kills 100 --seed 7
//! ```
//!
//! Commit `n` holds `parts(n)` records: one, or for every fourth commit several that belong together. The child prints a number
//! only after its synced commit has returned. What may be found afterwards: all acknowledged commits, each whole, and at most
//! one more, the one that was under way when the child died, whole as well.

#![allow(clippy::disallowed_methods, reason = "a program about processes and time")]

use clap::Parser;
use comfy_table::{CellAlignment, Table, presets::UTF8_FULL_CONDENSED};
use std::{
    collections::BTreeMap,
    env,
    error::Error,
    fs,
    io::{self, BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, Command, ExitCode, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};
use tamarack::{Database, Record, Schema};

/// Errors of the store, of processes and of files alike.
type Result<T = (), E = Box<dyn Error + Send + Sync>> = std::result::Result<T, E>;

/// One record of a commit.
#[derive(Record, Debug, Clone, PartialEq)]
#[record(table = "entries", key(commit, part))]
struct Entry {
    /// Number of the commit, from 1 on.
    commit: u64,
    /// Which of the commit's records.
    part: u32,
    /// The same as `commit`, to find it by an index.
    #[record(index)]
    group: u64,
    /// Bytes that follow from `commit` and `part`.
    payload: Vec<u8>,
}

/// What the file holds.
#[derive(Schema)]
struct Ledger(Entry);

impl Entry {
    fn new(commit: u64, part: u32) -> Self {
        let mut random = fastrand::Rng::with_seed(commit << 8 | u64::from(part));
        // Mostly small; now and then larger than a page, so that long values and checkpoints are under way at some kills.
        let longest = if random.u8(..) < 8 { 50_000 } else { 300 };
        let payload = (0..random.usize(..longest)).map(|_| random.u8(..)).collect();
        Self { commit, part, group: commit, payload }
    }
}

/// Records of a commit.
fn parts(commit: u64) -> u32 {
    if commit.is_multiple_of(4) { 2 + (commit / 4 % 19) as u32 } else { 1 }
}

/// Kills a committing process again and again and looks for what was lost.
#[derive(Parser)]
#[command(name = "crash")]
struct Arguments {
    /// How many times.
    #[arg(long, default_value_t = 20)]
    kills: u32,
    /// Seed of the moments; another one each time if not given.
    #[arg(long)]
    seed: Option<u64>,
    /// The database, made anew [default: in a temporary directory].
    #[arg(long)]
    file: Option<PathBuf>,
    /// Commits until killed.
    #[arg(long, hide = true)]
    child: bool,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether nothing was lost.
fn run(arguments: &Arguments) -> Result<bool> {
    if arguments.child {
        let file = arguments.file.as_ref().ok_or("a child is told its file")?;
        return commit_until_killed(file).map(|()| true);
    }
    let mut folder = tempfile::tempdir()?;
    let file = arguments.file.clone().unwrap_or_else(|| folder.path().join("crash.tam"));
    if file.exists() {
        return Err(format!("{} exists; name a file that does not", file.display()).into());
    }
    let seed = arguments.seed.unwrap_or_else(|| fastrand::u64(..));
    let mut random = fastrand::Rng::with_seed(seed);
    println!("{} kills, seed {seed}, {}", arguments.kills, file.display());
    let mut rounds = Vec::new();
    for number in 0..arguments.kills {
        // Every third child is killed early, while it may still be recovering from the kill before.
        let early = number % 3 == 2;
        let moment = Duration::from_micros(random.u64(if early { 500..30_000 } else { 1_000..400_000 }));
        let acknowledged = kill_after(&file, moment, early)?.max(rounds.last().map_or(0, |round: &Round| round.whole));
        // Opened for reading only, the file stays as the killed process left it: then the next child recovers it as well.
        let reading = number % 2 == 1;
        let start = Instant::now();
        let db = if reading { Database::<Ledger>::open_read_only(&file)? } else { Database::<Ledger>::open(&file)? };
        let opening = start.elapsed();
        rounds.push(Round { moment, early, reading, opening, acknowledged, ..inspect(&db)? });
        db.close()?;
        eprint!(".");
    }
    eprintln!();
    let lost = rounds.iter().filter(|round| !round.is_right()).count();
    println!("{}", table(&rounds));
    let last = rounds.last().map_or(0, |round| round.acknowledged);
    let records = rounds.last().map_or(0, |round| round.records);
    if lost > 0 {
        println!("{lost} of {} kills lost or halved something; the file is kept: {}", rounds.len(), file.display());
        folder.disable_cleanup(true);
        return Ok(false);
    }
    fs::remove_file(&file)?;
    if last == 0 {
        return Err("nothing was committed before the kills, so nothing is shown: ask for more of them".into());
    }
    println!(
        "{last} acknowledged commits, {records} records, {} kills: nothing missing, nothing half there",
        rounds.len()
    );
    Ok(true)
}

/// The child: goes on after the newest commit in the file, says each number once it is safe, and never ends by itself.
fn commit_until_killed(file: &Path) -> Result {
    let db = Database::<Ledger>::open(file)?;
    let last = db.read(|tx| {
        let entries = tx.table::<Entry>()?;
        let last = entries.iter().next_back().transpose()?;
        Ok(last.map_or(0, |entry| entry.commit))
    })?;
    let mut output = io::stdout().lock();
    writeln!(output, "{last}")?;
    for commit in last + 1.. {
        db.write(|tx| {
            let mut entries = tx.table::<Entry>()?;
            for part in 0..parts(commit) {
                entries.insert(Entry::new(commit, part))?;
            }
            Ok(())
        })?;
        writeln!(output, "{commit}")?;
        output.flush()?;
        if commit.is_multiple_of(150) {
            db.checkpoint()?;
        }
    }
    Ok(())
}

/// Starts a child, kills it some time after it has begun to commit (or after its start), and returns the last number that it
/// printed.
fn kill_after(file: &Path, moment: Duration, early: bool) -> Result<u64> {
    let mut command = Command::new(env::current_exe()?);
    command.arg("--child").arg("--file").arg(file);
    let mut child = Killed(command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?);
    let output = child.0.stdout.take().ok_or("the child has no output")?;
    let (begun, begins) = mpsc::channel();
    let reader = thread::spawn(move || {
        let mut last = 0;
        for line in BufReader::new(output).split(b'\n') {
            // The last line may be cut off by the kill; a number that did not arrive whole was not acknowledged.
            let number =
                line.ok().and_then(|line| String::from_utf8(line).ok()).and_then(|line| line.parse::<u64>().ok());
            last = number.unwrap_or(0).max(last);
            _ = begun.send(());
        }
        last
    });
    if !early {
        begins.recv_timeout(Duration::from_secs(60)).map_err(|_| "the child did not begin to commit")?;
    }
    thread::sleep(moment);
    if let Some(status) = child.0.try_wait()? {
        return Err(format!("the child ended by itself with {status}").into());
    }
    child.0.kill()?;
    child.0.wait()?;
    reader.join().map_err(|_| "the reading thread panicked".into())
}

/// A child that does not outlive its parent's interest.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

/// What was found after a kill.
#[derive(Debug, Default)]
struct Round {
    moment: Duration,
    /// Whether the moment counts from the child's start, so that its recovery may have been cut off.
    early: bool,
    /// Whether the file was opened for reading only.
    reading: bool,
    opening: Duration,
    /// Commits that the child had been told are safe.
    acknowledged: u64,
    /// Commits that are whole, without a gap from the first.
    whole: u64,
    /// Records of the whole file.
    records: u64,
    /// Commits of which some records are there and some are not, or behind a gap, or with other bytes.
    broken: u64,
    /// Whether the index holds the same records as the table.
    index_agrees: bool,
}

impl Round {
    fn missing(&self) -> u64 {
        self.acknowledged.saturating_sub(self.whole)
    }

    /// Commits that were never acknowledged and are there: the one under way may be.
    fn extra(&self) -> u64 {
        self.whole.saturating_sub(self.acknowledged)
    }

    fn is_right(&self) -> bool {
        self.missing() == 0 && self.broken == 0 && self.extra() <= 1 && self.index_agrees
    }
}

/// Reads everything and compares it with what the commits must have held.
fn inspect(db: &Database<Ledger>) -> Result<Round> {
    db.try_read(|tx| {
        let entries = tx.table::<Entry>()?;
        let mut round = judge(entries.iter())?;
        let mut indexed = 0;
        for key in entries.query(Entry::GROUP.range(1_u64..)).keys() {
            key?;
            indexed += 1;
        }
        round.index_agrees = indexed == round.records && entries.len()? == round.records;
        Ok(round)
    })
}

/// Counts whole and broken commits among entries in the order of their keys.
fn judge(entries: impl Iterator<Item = tamarack::Result<Entry>>) -> Result<Round> {
    let mut round = Round::default();
    let mut commits = BTreeMap::<u64, (u32, bool)>::new();
    for entry in entries {
        let entry = entry?;
        let (found, right) = commits.entry(entry.commit).or_insert((0, true));
        *right &= entry.part == *found && entry == Entry::new(entry.commit, entry.part);
        *found += 1;
        round.records += 1;
    }
    for (commit, (found, right)) in commits {
        if right && found == parts(commit) && commit == round.whole + 1 {
            round.whole = commit;
        } else {
            round.broken += 1;
        }
    }
    Ok(round)
}

fn table(rounds: &[Round]) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED);
    table.set_header([
        "kill",
        "after",
        "acknowledged",
        "found",
        "missing",
        "broken",
        "under way",
        "index",
        "opened for",
        "in",
        "",
    ]);
    for (number, round) in (1..).zip(rounds) {
        table.add_row([
            number.to_string(),
            format!("{:.1} ms{}", round.moment.as_secs_f64() * 1e3, if round.early { " (early)" } else { "" }),
            round.acknowledged.to_string(),
            round.whole.to_string(),
            round.missing().to_string(),
            round.broken.to_string(),
            round.extra().to_string(),
            if round.index_agrees { "agrees" } else { "DIFFERS" }.to_owned(),
            if round.reading { "reading" } else { "writing" }.to_owned(),
            format!("{:.1} ms", round.opening.as_secs_f64() * 1e3),
            if round.is_right() { "ok" } else { "LOST" }.to_owned(),
        ]);
    }
    for column in table.column_iter_mut() {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `judge` says of the first hundred commits after a change.
    fn judged(acknowledged: u64, change: impl FnOnce(&mut Vec<Entry>)) -> Round {
        let mut entries =
            (1..=100).flat_map(|commit| (0..parts(commit)).map(move |part| Entry::new(commit, part))).collect();
        change(&mut entries);
        Round { acknowledged, index_agrees: true, ..judge(entries.into_iter().map(Ok)).unwrap() }
    }

    #[test]
    fn whole_commits_and_one_under_way_are_right() {
        assert!(judged(100, |_| ()).is_right());
        assert!(judged(99, |_| ()).is_right());
        assert!(!judged(98, |_| ()).is_right());
    }

    #[test]
    fn a_missing_commit_is_found() {
        assert!(!judged(101, |_| ()).is_right());
        assert_eq!(judged(100, |entries| entries.retain(|entry| entry.commit != 50)).whole, 49);
    }

    #[test]
    fn half_a_transaction_is_found_even_if_it_was_not_acknowledged() {
        let half = judged(99, |entries| _ = entries.pop());
        assert_eq!((half.whole, half.broken), (99, 1));
        assert!(!half.is_right());
    }

    #[test]
    fn other_bytes_are_found() {
        assert!(!judged(100, |entries| entries[7].payload.push(0)).is_right());
    }
}
