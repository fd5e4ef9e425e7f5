//! How long commits wait while a checkpoint writes a gigabyte. `cargo xtask stalls` runs it.

#![allow(clippy::disallowed_methods, reason = "clocks, threads and files are what a measurement is made of")]

use clap::Parser;
use comfy_table::{Table, presets::UTF8_FULL_CONDENSED};
use hdrhistogram::Histogram;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tamarack::{Database, Durability, Options, TableDef};

type Result<T, E = Box<dyn std::error::Error + Send + Sync>> = std::result::Result<T, E>;

const TABLE: TableDef<u64, Vec<u8>> = TableDef::new("records");

/// Measures commits of one record each without and with a checkpoint of much that is dirty.
#[derive(Parser)]
struct Arguments {
    /// Where the file is made (and removed again).
    #[arg(long, default_value = "target")]
    dir: PathBuf,
    /// MiB that are dirty when the checkpoint begins.
    #[arg(long, default_value_t = 1024)]
    dirty: u64,
    /// How often all of it is measured.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Microseconds that the writer rests after each commit. Without a rest deferred ones fill the largest log before a checkpoint on a slow device
    /// ends, and the writer waits for the log: another matter.
    #[arg(long, default_value_t = 20)]
    rest: u64,
}

/// Of so many records one is written: some of each leaf, and not more, as a log that runs full would be another matter.
const SOME_OF_EACH_LEAF: u64 = 7;

/// How long commits are measured without a checkpoint.
const ALONE: Duration = Duration::from_secs(1);

/// What is committed: one of so many keys, and then a rest.
#[derive(Clone, Copy)]
struct Load {
    keys: u64,
    rest: Duration,
}

/// Commits until told to stop. Nanoseconds of each.
fn commit(
    db: &Database<()>,
    durability: Durability,
    Load { keys, rest }: Load,
    stop: &AtomicBool,
) -> Result<Histogram<u64>> {
    let mut times = Histogram::new(3)?;
    let mut state = 1u64;
    while !stop.load(Ordering::Relaxed) {
        state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
        let started = Instant::now();
        db.write_with(durability, |tx| tx.open_table(&TABLE)?.insert((state >> 20) % keys, vec![3; 1000]))?;
        times.record(started.elapsed().as_nanos() as u64)?;
        std::thread::sleep(rest);
    }
    Ok(times)
}

/// Runs something beside commits.
fn beside(
    db: &Database<()>,
    durability: Durability,
    load: Load,
    work: impl FnOnce() -> Result<()>,
) -> Result<Histogram<u64>> {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let commits = scope.spawn(|| commit(db, durability, load, &stop));
        let worked = work();
        stop.store(true, Ordering::Relaxed);
        let times = commits.join().map_err(|_| "the writer panicked")?;
        worked.and(times)
    })
}

/// What the machine does to a thread that only looks at the clock, to a small durable write, and to one beside another file's large ones:
/// nothing above can be better.
fn noise(dir: &Path) -> Result<[Histogram<u64>; 3]> {
    let mut pauses = Histogram::new(3)?;
    let until = Instant::now() + ALONE;
    let mut last = Instant::now();
    while last < until {
        let now = Instant::now();
        pauses.record((now - last).as_nanos() as u64)?;
        last = now;
    }
    let alone = small_writes(dir)?;
    let stop = AtomicBool::new(false);
    let beside = std::thread::scope(|scope| {
        let large = scope.spawn(|| large_writes(dir, &stop));
        let small = small_writes(dir);
        stop.store(true, Ordering::Relaxed);
        large.join().map_err(|_| "the writer panicked")??;
        small
    })?;
    Ok([pauses, alone, beside])
}

/// Nanoseconds of each 4 KiB written and synced.
fn small_writes(dir: &Path) -> Result<Histogram<u64>> {
    let mut writes = Histogram::new(3)?;
    let file = tempfile::tempfile_in(dir)?;
    file.write_all_at(&vec![0; 16 << 20], 0)?;
    file.sync_all()?;
    let until = Instant::now() + ALONE;
    for at in (0..16 << 20).step_by(4096).cycle() {
        let started = Instant::now();
        if started >= until {
            break;
        }
        file.write_all_at(&[1; 4096], at)?;
        file.sync_data()?;
        writes.record(started.elapsed().as_nanos() as u64)?;
    }
    Ok(writes)
}

/// One MiB after the other, each synced, as fast as the device takes them.
fn large_writes(dir: &Path, stop: &AtomicBool) -> Result<()> {
    let file = tempfile::tempfile_in(dir)?;
    let mebibyte = vec![1; 1 << 20];
    for at in (0..1 << 30).step_by(1 << 20).cycle() {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        file.write_all_at(&mebibyte, at)?;
        file.sync_data()?;
    }
    Ok(())
}

/// One line of the table: all rounds together, but for the longest, of which each round has one.
#[derive(Default)]
struct Line {
    rounds: Vec<Histogram<u64>>,
    seconds: Vec<f64>,
}

impl Line {
    fn cells(&self, what: &str, when: &str) -> Result<[String; 8]> {
        let ms = |nanoseconds: u64| format!("{:.3}", nanoseconds as f64 / 1e6);
        let mut all = Histogram::new(3)?;
        self.rounds.iter().try_for_each(|round| all.add(round))?;
        let mut longest: Vec<u64> = self.rounds.iter().map(Histogram::max).collect();
        longest.sort_unstable();
        let mut seconds = self.seconds.clone();
        seconds.sort_by(f64::total_cmp);
        // The first one may be much slower: file and memory grow.
        let when = match (seconds.get(seconds.len() / 2), seconds.last()) {
            (Some(middle), Some(slowest)) => format!("{when}, {middle:.1} s, slowest {slowest:.1} s"),
            _ => when.to_owned(),
        };
        let at = |quantile| ms(all.value_at_quantile(quantile));
        let middle = longest.get(longest.len() / 2).copied().unwrap_or(0);
        Ok([what.to_owned(), when, all.len().to_string(), at(0.5), at(0.99), at(0.999), ms(middle), ms(all.max())])
    }
}

fn main() -> Result<()> {
    let Arguments { dir, dirty, rounds, rest } = Arguments::parse();
    std::fs::create_dir_all(&dir)?;
    let folder = tempfile::tempdir_in(dir)?;
    let options = Options::new().memory((dirty << 20) * 8).log_size(1 << 30);
    let db: Database<()> = options.open(folder.path().join("stalls.tam"))?;
    let keys = dirty << 10;
    let load = Load { keys, rest: Duration::from_micros(rest) };
    // The log would call for a checkpoint before a gigabyte of records is dirty: one record of a leaf dirties all of it.
    let fill = |round: u8, every: u64| -> Result<()> {
        for first in (0..keys).step_by(20_000) {
            db.write_with(Durability::Deferred, |tx| {
                let mut table = tx.open_table(&TABLE)?;
                (first..(first + 20_000).min(keys))
                    .step_by(every as usize)
                    .try_for_each(|key| table.insert(key, vec![round; 1000]).map(drop))
            })?;
        }
        Ok(())
    };
    fill(0, 1)?;
    db.checkpoint()?;
    let mut noises: [Line; 3] = Default::default();
    let mut lines: [[Line; 2]; 2] = Default::default();
    let (mut stalls, mut most_dirty) = (0, 0);
    for round in 0..rounds {
        for (line, times) in noises.iter_mut().zip(noise(folder.path())?) {
            line.rounds.push(times);
        }
        for (durability, [alone, during]) in [Durability::Deferred, Durability::Synced].into_iter().zip(&mut lines) {
            alone.rounds.push(beside(&db, durability, load, || {
                std::thread::sleep(ALONE);
                Ok(())
            })?);
            fill(round as u8, SOME_OF_EACH_LEAF)?;
            let before = db.stats();
            let started = Instant::now();
            during.rounds.push(beside(&db, durability, load, || Ok(db.checkpoint()?))?);
            during.seconds.push(started.elapsed().as_secs_f64());
            stalls += db.stats().stalls - before.stalls;
            most_dirty = most_dirty.max(before.dirty >> 20);
        }
    }
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED);
    table.set_header(["", "", "count", "median", "99 %", "99.9 %", "longest: median", "worst"]);
    for (line, what) in
        noises.iter().zip(["a thread that spins", "4 KiB written and synced", "that beside large writes"])
    {
        table.add_row(line.cells(what, "noise")?);
    }
    for (what, [alone, during]) in ["Deferred commits", "Synced commits"].into_iter().zip(&lines) {
        table.add_row(alone.cells(what, "alone")?);
        table.add_row(during.cells(what, "checkpoint")?);
    }
    println!("{table}");
    println!("milliseconds; {rounds} rounds, up to {most_dirty} MiB dirty");
    println!("waits for memory or the log during the checkpoints: {stalls}");
    Ok(())
}
