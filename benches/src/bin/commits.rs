//! Durable commits by many threads and tasks: rate, and how many share a flush.

#![allow(clippy::disallowed_methods, reason = "clocks, threads and files are what a measurement is made of")]

use clap::Parser;
use comfy_table::{Table, presets::UTF8_FULL_CONDENSED};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tamarack::{Database, Stats, TableDef};
use tokio::task::JoinSet;

type Result<T, E = Box<dyn std::error::Error + Send + Sync>> = std::result::Result<T, E>;

const TABLE: TableDef<u64, Vec<u8>> = TableDef::new("records");

/// Measures synced commits of one record of 100 bytes each.
#[derive(Parser)]
struct Arguments {
    /// Where the file is made.
    #[arg(long, default_value = "target")]
    dir: PathBuf,
    /// Seconds for each line.
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
}

struct Line {
    rate: f64,
    per_flush: f64,
}

fn line(before: &Stats, after: &Stats, took: Duration) -> Line {
    let commits = (after.commits - before.commits) as f64;
    Line { rate: commits / took.as_secs_f64(), per_flush: commits / (after.flushes - before.flushes).max(1) as f64 }
}

fn threads(db: &Database<()>, count: u64, time: Duration) -> Result<Line> {
    let (stop, next) = (AtomicBool::new(false), AtomicU64::new(0));
    let (before, started) = (db.stats(), Instant::now());
    std::thread::scope(|scope| {
        for _ in 0..count {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let key = next.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
                    db.write(|tx| tx.open_table(&TABLE)?.insert(key, vec![7; 100])).expect("a commit");
                }
            });
        }
        std::thread::sleep(time);
        stop.store(true, Ordering::Relaxed);
    });
    Ok(line(&before, &db.stats(), started.elapsed()))
}

fn tasks(db: &Database<()>, count: u64, time: Duration) -> Result<Line> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let next = std::sync::Arc::new(AtomicU64::new(1 << 40));
    let (before, started) = (db.stats(), Instant::now());
    runtime.block_on(async {
        let mut set = JoinSet::new();
        for _ in 0..count {
            let (db, next) = (db.clone(), next.clone());
            set.spawn(async move {
                while started.elapsed() < time {
                    let key = next.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
                    db.write_async(move |tx| tx.open_table(&TABLE)?.insert(key, vec![7; 100])).await.expect("a commit");
                }
            });
        }
        while set.join_next().await.is_some() {}
    });
    Ok(line(&before, &db.stats(), started.elapsed()))
}

fn main() -> Result<()> {
    let Arguments { dir, seconds } = Arguments::parse();
    let folder = tempfile::tempdir_in(dir)?;
    let db: Database<()> = Database::open(folder.path().join("commits.tam"))?;
    let time = Duration::from_secs_f64(seconds);
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED);
    table.set_header(["who", "commits/s", "x one thread", "commits a flush"]);
    threads(&db, 1, time / 4)?;
    let one = threads(&db, 1, time)?;
    let mut add = |name: String, line: &Line| {
        let ratio = format!("{:.2}", line.rate / one.rate);
        table.add_row([name, format!("{:.0}", line.rate), ratio, format!("{:.1}", line.per_flush)]);
    };
    add("1 thread".into(), &one);
    for count in [8, 32] {
        add(format!("{count} threads"), &threads(&db, count, time)?);
    }
    add("1,000 tasks, one runtime thread".into(), &tasks(&db, 1000, time)?);
    println!("{table}");
    Ok(())
}
