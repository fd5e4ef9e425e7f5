//! Readers beside a writer at full speed, and a writer beside a reader that sleeps. `cargo xtask beside` runs it.

#![allow(clippy::disallowed_methods, reason = "clocks, threads and files are what a measurement is made of")]

use clap::Parser;
use comfy_table::{Table, presets::UTF8_FULL_CONDENSED};
use rustix::time::{ClockId, clock_gettime};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tamarack::{Database, Durability, ErrorKind, Options, TableDef};

type Result<T, E = Box<dyn std::error::Error + Send + Sync>> = std::result::Result<T, E>;

const TABLE: TableDef<u64, Vec<u8>> = TableDef::new("records");

/// Measures random gets alone and beside a writer that never rests, and what a paused reader does to the writer.
#[derive(Parser)]
struct Arguments {
    /// Where the file is made (and removed again).
    #[arg(long, default_value = "target")]
    dir: PathBuf,
    /// Records of 8 and 100 bytes.
    #[arg(long, default_value_t = 1_000_000)]
    records: u64,
    /// Pairs of rounds, alone and beside the writer.
    #[arg(long, default_value_t = 10)]
    rounds: u32,
    /// Seconds of one round.
    #[arg(long, default_value_t = 1.0)]
    seconds: f64,
    /// Seconds for which a reader is paused.
    #[arg(long, default_value_t = 60.0)]
    pause: f64,
    /// Budget in MiB while it is paused.
    #[arg(long, default_value_t = 128)]
    memory: u64,
}

fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z ^ (z >> 29)
}

/// Time that this thread has had a core.
fn core_time() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// Gets a second, and a second of having a core.
fn read(db: &Database<()>, records: u64, time: Duration, seed: u64) -> Result<(f64, f64)> {
    let (mut state, mut gets) = (seed, 0u64);
    let (started, core) = (Instant::now(), core_time());
    while started.elapsed() < time {
        let tx = db.begin_read()?;
        let table = tx.open_table(&TABLE)?;
        for _ in 0..1000 {
            let value = table.get(random(&mut state) % records)?.ok_or("missing")?;
            assert_eq!(value.len(), 100);
        }
        gets += 1000;
    }
    Ok((gets as f64 / started.elapsed().as_secs_f64(), gets as f64 / (core_time() - core)))
}

/// Replaces ten random records a commit until told to stop. Returns the number of commits.
fn write(db: &Database<()>, records: u64, stop: &AtomicBool) -> Result<u64> {
    let (mut state, mut commits) = (7, 0);
    while !stop.load(Ordering::Relaxed) {
        db.write_with(Durability::Deferred, |tx| {
            let mut table = tx.open_table(&TABLE)?;
            for _ in 0..10 {
                table.insert(random(&mut state) % records, vec![state as u8; 100])?;
            }
            Ok(())
        })?;
        commits += 1;
    }
    Ok(commits)
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or_default()
}

fn open(arguments: &Arguments, memory: u64) -> Result<(tempfile::TempDir, Database<()>)> {
    std::fs::create_dir_all(&arguments.dir)?;
    let folder = tempfile::tempdir_in(&arguments.dir)?;
    let db: Database<()> = Options::new().memory(memory).open(folder.path().join("beside.tam"))?;
    for first in (0..arguments.records).step_by(50_000) {
        db.write(|tx| {
            let mut table = tx.open_table(&TABLE)?;
            (first..(first + 50_000).min(arguments.records))
                .try_for_each(|key| table.insert(key, vec![1; 100]).map(drop))
        })?;
    }
    db.checkpoint()?;
    Ok((folder, db))
}

fn rates(arguments: &Arguments) -> Result<()> {
    let (_folder, db) = open(arguments, 2 << 30)?;
    let time = Duration::from_secs_f64(arguments.seconds);
    let (mut alone, mut beside, mut kept, mut commits) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for round in 0..u64::from(arguments.rounds) {
        let (_, first) = read(&db, arguments.records, time, round)?;
        let stop = AtomicBool::new(false);
        let (second, wrote) = std::thread::scope(|scope| -> Result<(f64, u64)> {
            let writer = scope.spawn(|| write(&db, arguments.records, &stop));
            let rate = read(&db, arguments.records, time, round + 1000);
            stop.store(true, Ordering::Relaxed);
            Ok((rate?.1, writer.join().map_err(|_| "the writer panicked")??))
        })?;
        alone.push(first);
        beside.push(second);
        kept.push(second / first);
        commits.push(wrote as f64 / arguments.seconds);
    }
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED);
    table.set_header(["random gets a second of core time", "median"]);
    table.add_row(["alone".to_owned(), format!("{:.0}", median(alone))]);
    table.add_row(["beside a writer".to_owned(), format!("{:.0}", median(beside))]);
    table.add_row(["kept".to_owned(), format!("{:.1} %", median(kept.clone()) * 100.0)]);
    table.add_row(["commits/s of ten records beside it".to_owned(), format!("{:.0}", median(commits))]);
    kept.sort_by(f64::total_cmp);
    println!("{table}");
    println!(
        "kept, all rounds: {}",
        kept.iter().map(|kept| format!("{:.0} %", kept * 100.0)).collect::<Vec<_>>().join(" ")
    );
    Ok(())
}

fn pause(arguments: &Arguments) -> Result<()> {
    let (_folder, db) = open(arguments, arguments.memory << 20)?;
    let phase = |seconds: f64| -> Result<f64> {
        let stop = AtomicBool::new(false);
        let started = Instant::now();
        let commits = std::thread::scope(|scope| -> Result<u64> {
            let writer = scope.spawn(|| write(&db, arguments.records, &stop));
            std::thread::sleep(Duration::from_secs_f64(seconds));
            stop.store(true, Ordering::Relaxed);
            writer.join().map_err(|_| "the writer panicked")?
        })?;
        Ok(commits as f64 / started.elapsed().as_secs_f64())
    };
    let before = phase(arguments.pause / 4.0)?;
    let paused = db.begin_read()?;
    let during = phase(arguments.pause)?;
    let old = db.stats().old_versions >> 20;
    let told = match paused.open_table(&TABLE).and_then(|table| table.get(1)) {
        Ok(_) => "it reads on".to_owned(),
        Err(error) if error.kind() == ErrorKind::SnapshotTooOld => format!("it is told: {error}"),
        Err(error) => return Err(error.into()),
    };
    drop(paused);
    let after = phase(arguments.pause / 4.0)?;
    println!(
        "commits/s before, during and after a reader's pause of {} s with a budget of {} MiB: {before:.0}, {during:.0}, {after:.0}",
        arguments.pause, arguments.memory
    );
    println!("old versions at its end: {old} MiB; the reader: {told}");
    Ok(())
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    rates(&arguments)?;
    pause(&arguments)
}
