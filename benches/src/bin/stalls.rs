//! How long commits wait while a checkpoint writes a gigabyte. `cargo xtask stalls` runs it.

#![allow(clippy::disallowed_methods, reason = "clocks, threads and files are what a measurement is made of")]

use clap::Parser;
use comfy_table::{Table, presets::UTF8_FULL_CONDENSED};
use hdrhistogram::Histogram;
use std::path::PathBuf;
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
}

/// Commits until told to stop. Nanoseconds of each.
fn commit(db: &Database<()>, durability: Durability, keys: u64, stop: &AtomicBool) -> Result<Histogram<u64>> {
    let mut times = Histogram::new(3)?;
    let mut state = 1u64;
    while !stop.load(Ordering::Relaxed) {
        state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
        let started = Instant::now();
        db.write_with(durability, |tx| tx.open_table(&TABLE)?.insert((state >> 20) % keys, vec![3; 1000]))?;
        times.record(started.elapsed().as_nanos() as u64)?;
    }
    Ok(times)
}

/// Runs something beside commits.
fn beside(
    db: &Database<()>,
    durability: Durability,
    keys: u64,
    work: impl FnOnce() -> Result<()>,
) -> Result<Histogram<u64>> {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let commits = scope.spawn(|| commit(db, durability, keys, &stop));
        let worked = work();
        stop.store(true, Ordering::Relaxed);
        let times = commits.join().map_err(|_| "the writer panicked")?;
        worked.and(times)
    })
}

fn main() -> Result<()> {
    let Arguments { dir, dirty } = Arguments::parse();
    let folder = tempfile::tempdir_in(dir)?;
    let options = Options::new().memory((dirty << 20) * 8).log_size(1 << 30);
    let db: Database<()> = options.open(folder.path().join("stalls.tam"))?;
    let keys = dirty << 10;
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
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED);
    table.set_header(["commits", "", "count", "median", "99 %", "99.9 %", "longest"]);
    let mut stalls = 0;
    for durability in [Durability::Deferred, Durability::Synced] {
        let idle = beside(&db, durability, keys, || {
            std::thread::sleep(Duration::from_secs(2));
            Ok(())
        })?;
        fill(1, 3)?;
        let before = db.stats();
        let started = Instant::now();
        let busy = beside(&db, durability, keys, || Ok(db.checkpoint()?))?;
        let took = started.elapsed().as_secs_f64();
        stalls += db.stats().stalls - before.stalls;
        let here = format!("checkpoint of {} MiB dirty, {took:.1} s", before.dirty >> 20);
        for (when, times) in [("alone".to_owned(), idle), (here, busy)] {
            let ms = |nanoseconds: u64| format!("{:.3} ms", nanoseconds as f64 / 1e6);
            let at = |quantile| ms(times.value_at_quantile(quantile));
            table.add_row([
                format!("{durability:?}"),
                when,
                times.len().to_string(),
                at(0.5),
                at(0.99),
                at(0.999),
                ms(times.max()),
            ]);
        }
    }
    println!("{table}");
    println!("waits for memory or the log during the checkpoints: {stalls}");
    Ok(())
}
