//! Gets from a file larger than memory: rate, reads and resident memory at several budgets. `cargo xtask memory` runs it.

#![allow(clippy::disallowed_methods, reason = "clocks, threads and files are what a measurement is made of")]

use clap::{Parser, Subcommand};
use std::path::{Path, PathBuf};
use std::time::Instant;
use tamarack::{Database, Options, TableDef};

type Result<T, E = Box<dyn std::error::Error + Send + Sync>> = std::result::Result<T, E>;

const TABLE: TableDef<Vec<u8>, Vec<u8>> = TableDef::new("records");
const VALUE: usize = 150;

#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    step: Step,
}

#[derive(Subcommand)]
enum Step {
    /// Writes the records.
    Load { file: PathBuf, records: u64 },
    /// Reads some of them.
    Get {
        file: PathBuf,
        records: u64,
        mib: u64,
        gets: u64,
        #[arg(action = clap::ArgAction::Set)]
        zipf: bool,
    },
}

fn main() -> Result<()> {
    match Arguments::parse().step {
        Step::Load { file, records } => load(&file, records),
        Step::Get { file, records, mib, gets, zipf } => get(&file, records, mib, gets, zipf),
    }
}

/// Spread over the whole range, each once.
fn key(i: u64) -> Vec<u8> {
    let mut key = i.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes().to_vec();
    key.extend_from_slice(&i.to_be_bytes());
    key.extend_from_slice(&i.to_be_bytes());
    key
}

fn load(file: &Path, records: u64) -> Result<()> {
    let db: Database<()> = Options::new().memory(4 << 30).log_size(256 << 20).open(file)?;
    let started = Instant::now();
    let mut order: Vec<u64> = (0..records).collect();
    order.sort_unstable_by_key(|i| i.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    for chunk in order.chunks(100_000) {
        db.write(|tx| {
            let mut table = tx.open_table(&TABLE)?;
            for &i in chunk {
                table.insert(&key(i), vec![i as u8; VALUE])?;
            }
            Ok(())
        })?;
    }
    println!("loaded {records} in {:.1?}: {:?}", started.elapsed(), db.stats());
    db.close()?;
    Ok(())
}

fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS"));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok()).unwrap_or(0) * 1024
}

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

fn get(file: &Path, records: u64, mib: u64, gets: u64, zipf: bool) -> Result<()> {
    let db: Database<()> = Options::new().memory(mib << 20).open(file)?;
    let mut random = Random(1);
    // Rank by the inverse of the continuous Zipf distribution with exponent 1, then scattered.
    let pick = |random: &mut Random| {
        let u = random.next() >> 11;
        if zipf {
            let rank = ((records as f64).ln() * (u as f64 / (1u64 << 53) as f64)).exp() as u64;
            rank.wrapping_mul(0x2545_f491_4f6c_dd1d) % records
        } else {
            u % records
        }
    };
    let mut run = |gets: u64| -> Result<(f64, u64)> {
        let before = db.stats().misses;
        let started = Instant::now();
        let tx = db.begin_read()?;
        let table = tx.open_table(&TABLE)?;
        for _ in 0..gets {
            let i = pick(&mut random);
            let value = table.get(&key(i))?.ok_or("missing")?;
            assert_eq!((value.len(), value[0]), (VALUE, i as u8));
        }
        Ok((gets as f64 / started.elapsed().as_secs_f64(), db.stats().misses - before))
    };
    run(gets)?;
    let (rate, reads) = run(gets)?;
    let stats = db.stats();
    println!(
        "{mib:>5} MiB {}: {rate:>9.0} gets/s, {:.3} reads a get, resident {} MiB (pool {} + idle {}), evictions {}",
        if zipf { "zipf" } else { "uniform" },
        reads as f64 / gets as f64,
        resident() >> 20,
        stats.resident >> 20,
        stats.idle >> 20,
        stats.evictions,
    );
    Ok(())
}
