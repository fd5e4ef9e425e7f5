//! Starts the processes, waits for each trial, and counts.

use crate::Arguments;
use crate::worker::{Trials, Verdict};
use comfy_table::{CellAlignment, Table, presets};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::ops::Range;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

/// A trial that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(20);

/// How many trials had each verdict.
pub(crate) type Counts = [u64; Verdict::ALL.len()];

/// What came of trials of one kind.
#[derive(Default)]
pub(crate) struct Tally {
    counts: BTreeMap<String, Counts>,
    /// The first few that are wrong.
    pub(crate) examples: Vec<String>,
    /// KiB.
    peak: u64,
}

impl Tally {
    fn add(&mut self, label: String, number: u64, verdict: Verdict, message: &str) {
        if verdict as u8 >= Verdict::Wrong as u8 && self.examples.len() < 10 {
            self.examples.push(format!("{label}, trial {number}: {verdict:?} {message}"));
        }
        if let Some(count) = self.counts.entry(label).or_default().get_mut(verdict as usize) {
            *count += 1;
        }
    }

    fn join(&mut self, other: Self) {
        for (label, counts) in other.counts {
            let mine = self.counts.entry(label).or_default();
            mine.iter_mut().zip(counts).for_each(|(mine, other)| *mine += other);
        }
        self.examples.extend(other.examples);
        self.peak = self.peak.max(other.peak);
    }

    pub(crate) fn count(&self, verdict: Verdict) -> u64 {
        self.counts.values().map(|counts| counts.get(verdict as usize).copied().unwrap_or(0)).sum()
    }

    pub(crate) fn trials(&self) -> u64 {
        self.counts.values().flatten().sum()
    }

    /// Trials with an outcome that must not be.
    pub(crate) fn bad(&self) -> u64 {
        Verdict::ALL
            .into_iter()
            .filter(|&verdict| verdict as u8 >= Verdict::Wrong as u8)
            .map(|bad| self.count(bad))
            .sum()
    }

    /// Rows and their counts.
    pub(crate) fn rows(&self) -> impl Iterator<Item = (&str, &Counts)> {
        self.counts.iter().map(|(label, counts)| (label.as_str(), counts))
    }

    pub(crate) fn table(&self) -> String {
        let mut table = Table::new();
        table.load_style(presets::UTF8_HORIZONTAL_ONLY);
        use Verdict::{ByCheck, Corrected, Cut, Detected, Hang, Harmless, Memory, Panic, Signal, Wrong, WrongToCheck};
        let order = [Detected, ByCheck, Corrected, Harmless, Cut, Wrong, WrongToCheck, Panic, Signal, Hang, Memory];
        let told = ["detected", "by check", "corrected", "harmless", "log cut"];
        let bad = ["WRONG", "wrong, by check", "panic", "signal", "hang", "memory"];
        table.set_header(["damage", "trials"].into_iter().chain(told).chain(bad));
        let mut sum = [0; Verdict::ALL.len()];
        for (label, counts) in self.rows() {
            sum.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
            row(&mut table, label, counts, &order);
        }
        row(&mut table, "all", &sum, &order);
        table.column_iter_mut().skip(1).for_each(|column| column.set_cell_alignment(CellAlignment::Right));
        format!("{table}\nmost memory of a process beyond its start: {} MiB", self.peak >> 10)
    }
}

fn row(table: &mut Table, label: &str, counts: &[u64], order: &[Verdict]) {
    let cells = order.iter().filter_map(|&verdict| counts.get(verdict as usize)).map(u64::to_string);
    table.add_row([label.to_owned(), counts.iter().sum::<u64>().to_string()].into_iter().chain(cells));
}

/// Runs all trials of a kind.
pub(crate) fn run(name: &str, folder: &Path, trials: &dyn Trials, arguments: &Arguments) -> Result<Tally, String> {
    let (total, processes) = (trials.total(), arguments.processes.max(1));
    let part = total.div_ceil(processes);
    let mut all = Tally::default();
    let outcomes = std::thread::scope(|scope| {
        let start = |i: u64| {
            let range = i * part..total.min((i + 1) * part);
            scope.spawn(move || outcomes(name, folder, range, arguments))
        };
        let threads: Vec<_> = (0..processes).map(start).collect();
        threads.into_iter().map(|thread| thread.join().map_err(|_| "a thread panicked".to_owned())?).collect::<Vec<_>>()
    });
    for outcomes in outcomes {
        let mut tally = Tally::default();
        for (number, verdict, used, message) in outcomes? {
            tally.add(trials.label(number), number, verdict, &message);
            if verdict != Verdict::Memory {
                tally.peak = tally.peak.max(used);
            }
        }
        all.join(tally);
    }
    Ok(all)
}

type Outcome = (u64, Verdict, u64, String);

fn outcomes(name: &str, folder: &Path, range: Range<u64>, arguments: &Arguments) -> Result<Vec<Outcome>, String> {
    let mut outcomes = Vec::new();
    let mut next = range.start;
    while next < range.end {
        let (mut child, lines) = start(name, folder, next..range.end, arguments)?;
        loop {
            match lines.recv_timeout(PATIENCE) {
                Ok(line) => {
                    let outcome = parse(&line).ok_or_else(|| format!("a worker said: {line}"))?;
                    next = outcome.0 + 1;
                    outcomes.push(outcome);
                }
                Err(RecvTimeoutError::Timeout) => {
                    let _ = child.kill();
                    outcomes.push((next, Verdict::Hang, 0, String::new()));
                    next += 1;
                    break;
                }
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        let status = child.wait().map_err(|error| error.to_string())?;
        // A panic was told; a hang was ended here.
        let told =
            outcomes.last().is_some_and(|last| matches!(last.1, Verdict::Panic | Verdict::Memory | Verdict::Hang));
        if !status.success() && !told && next < range.end {
            outcomes.push((next, Verdict::Signal, 0, status.to_string()));
            next += 1;
        }
    }
    Ok(outcomes)
}

fn start(
    name: &str,
    folder: &Path,
    range: Range<u64>,
    arguments: &Arguments,
) -> Result<(Child, std::sync::mpsc::Receiver<String>), String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut command = Command::new(program);
    command.args(["--damages", &arguments.damages.to_string(), "--every", &arguments.every.to_string()]);
    command.args(["--seed", &arguments.seed.to_string(), "--worker", name]).arg(folder);
    command.args([range.start.to_string(), range.end.to_string()]);
    command.stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().map_err(|error| error.to_string())?;
    let out = child.stdout.take().ok_or("no pipe")?;
    let (tell, lines) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(out).lines().map_while(Result::ok) {
            let _ = tell.send(line);
        }
    });
    Ok((child, lines))
}

fn parse(line: &str) -> Option<Outcome> {
    let mut words = line.splitn(4, ' ');
    let number = words.next()?.parse().ok()?;
    let verdict = *Verdict::ALL.get(words.next()?.parse::<usize>().ok()?)?;
    let used = words.next()?.parse().ok()?;
    Some((number, verdict, used, words.next().unwrap_or_default().to_owned()))
}
