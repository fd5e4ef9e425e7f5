//! Gets from a file larger than memory: rate, reads and resident memory at several budgets. `cargo xtask memory` runs it.

#![allow(clippy::disallowed_methods, reason = "clocks, threads and files are what a measurement is made of")]

use clap::{Parser, Subcommand};
use comfy_table::{Table, presets::UTF8_FULL_CONDENSED};
use indicatif::ProgressBar;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;
use tamarack::{Database, Options, TableDef};

type Result<T, E = Box<dyn std::error::Error + Send + Sync>> = std::result::Result<T, E>;

const TABLE: TableDef<Vec<u8>, Vec<u8>> = TableDef::new("records");
const VALUE: usize = 150;

/// Measures gets from a file of 2 GiB at budgets from 4 GiB down to 64 MiB, each in a process of its own.
#[derive(Parser)]
struct Arguments {
    /// Records of 24 and 150 bytes; 12,300,000 are 2 GiB.
    #[arg(long, default_value_t = 12_300_000)]
    records: u64,
    /// Gets that are measured, after as many that are not.
    #[arg(long, default_value_t = 1_000_000)]
    gets: u64,
    /// Budgets in MiB.
    #[arg(long, value_delimiter = ',', default_value = "4096,1024,512,256,128,64")]
    memory: Vec<u64>,
    /// Where the file is made (and removed again).
    #[arg(long, default_value = "target")]
    dir: PathBuf,
    /// Serves the process that measures.
    #[command(subcommand)]
    step: Option<Step>,
}

#[derive(Subcommand)]
#[command(hide = true)]
enum Step {
    /// Writes the records.
    #[command(hide = true)]
    Load { file: PathBuf },
    /// Reads some of them.
    #[command(hide = true)]
    Get {
        file: PathBuf,
        mib: u64,
        #[arg(action = clap::ArgAction::Set)]
        zipf: bool,
    },
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    match &arguments.step {
        Some(Step::Load { file }) => load(file, arguments.records),
        Some(Step::Get { file, mib, zipf }) => get(file, arguments.records, *mib, arguments.gets, *zipf),
        None => measure(&arguments),
    }
}

/// Runs a step in a process of its own; returns what it printed.
fn step(arguments: &Arguments, step: &[&str]) -> Result<String> {
    let numbers = [format!("--records={}", arguments.records), format!("--gets={}", arguments.gets)];
    let output = Command::new(std::env::current_exe()?).args(numbers).args(step).stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err(format!("{step:?} failed").into());
    }
    Ok(String::from_utf8(output.stdout)?)
}

fn measure(arguments: &Arguments) -> Result<()> {
    let folder = tempfile::tempdir_in(&arguments.dir)?;
    let file = folder.path().join("memory.tam");
    let file = file.to_str().ok_or("the folder's name is no text")?;
    let bar = ProgressBar::new(1 + 2 * arguments.memory.len() as u64);
    bar.set_message("loading");
    step(arguments, &["load", file])?;
    bar.inc(1);
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED);
    table.set_header(["budget", "gets", "gets/s", "reads a get", "resident", "nodes", "allowed"]);
    for &mib in &arguments.memory {
        for zipf in [false, true] {
            let line = step(arguments, &["get", file, &mib.to_string(), &zipf.to_string()])?;
            table.add_row(line.trim().split('\t'));
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    println!("{} records, {:.2} GiB of keys and values", arguments.records, arguments.records as f64 * 174.0 / 1.074e9);
    println!("{table}");
    println!("allowed: the budget, 10 % of it and 64 MiB");
    Ok(())
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
                table.insert(key(i), vec![i as u8; VALUE])?;
            }
            Ok(())
        })?;
    }
    println!("{:.1}", started.elapsed().as_secs_f64());
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
            let value = table.get(key(i))?.ok_or("missing")?;
            assert_eq!((value.len(), value[0]), (VALUE, i as u8));
        }
        Ok((gets as f64 / started.elapsed().as_secs_f64(), db.stats().misses - before))
    };
    run(gets)?;
    let (rate, reads) = run(gets)?;
    let (here, allowed) = (resident(), mib + mib / 10 + 64);
    let kind = if zipf { "zipfian" } else { "uniform" };
    let (nodes, reads) = (db.stats().resident >> 20, reads as f64 / gets as f64);
    println!("{mib} MiB\t{kind}\t{rate:.0}\t{reads:.3}\t{} MiB\t{nodes} MiB\t{allowed} MiB", here >> 20);
    if here >> 20 > allowed {
        return Err(format!("{} MiB are resident, {allowed} allowed", here >> 20).into());
    }
    Ok(())
}
