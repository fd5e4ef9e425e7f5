//! Gets from a file larger than memory: rate, reads and resident memory at several budgets. `cargo xtask memory` runs it.

#![allow(clippy::disallowed_methods, reason = "clocks, threads and files are what a measurement is made of")]

mod group;
mod lmdb;
#[cfg(feature = "peers")]
mod rocks;
mod stores;

use clap::{Parser, Subcommand, ValueEnum};
use comfy_table::{Table, presets::UTF8_FULL_CONDENSED};
use group::Group;
use indicatif::ProgressBar;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;
use stores::Store;

type Result<T, E = Box<dyn std::error::Error + Send + Sync>> = std::result::Result<T, E>;

const VALUE: usize = 150;

/// Measures gets from a file of 2 GiB at budgets from 4 GiB down to 64 MiB, each in a process of its own, which the kernel's memory
/// controller limits to the budget, 10 % of it and 64 MiB; built with `--features peers`, RocksDB's too.
#[derive(Parser)]
struct Arguments {
    /// Records of 24 and 150 bytes; 12,300,000 are 2 GiB.
    #[arg(long, default_value_t = 12_300_000)]
    records: u64,
    /// Gets that are measured, after the files were read once and as many gets made that are not measured; more of these where all records
    /// may stay in memory.
    #[arg(long, default_value_t = 200_000)]
    gets: u64,
    /// Budgets in MiB.
    #[arg(long, value_delimiter = ',', default_value = "4096,1024,512,256,128,64")]
    memory: Vec<u64>,
    /// Where the files are made (and removed again).
    #[arg(long, default_value = "target")]
    dir: PathBuf,
    /// Serves the process that measures: its group.
    #[arg(long, hide = true)]
    group: Option<PathBuf>,
    /// Serves the process that measures.
    #[command(subcommand)]
    step: Option<Step>,
}

#[derive(Subcommand)]
#[command(hide = true)]
enum Step {
    /// Writes the records.
    #[command(hide = true)]
    Load { store: Kind, folder: PathBuf },
    /// Reads some of them.
    #[command(hide = true)]
    Get {
        store: Kind,
        folder: PathBuf,
        mib: u64,
        #[arg(action = clap::ArgAction::Set)]
        zipf: bool,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    Tamarack,
    Lmdb,
    #[cfg(feature = "peers")]
    Rocksdb,
}

impl Kind {
    /// Its name on the command line and in the table.
    fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    if let Some(group) = &arguments.group {
        group::join(group)?;
    }
    match &arguments.step {
        Some(Step::Load { store: Kind::Tamarack, folder }) => load::<stores::Tamarack>(folder, &arguments),
        Some(Step::Load { store: Kind::Lmdb, folder }) => load::<lmdb::Lmdb>(folder, &arguments),
        #[cfg(feature = "peers")]
        Some(Step::Load { store: Kind::Rocksdb, folder }) => load::<rocks::Rocks>(folder, &arguments),
        Some(Step::Get { store: Kind::Tamarack, folder, mib, zipf }) => {
            get::<stores::Tamarack>(folder, &arguments, *mib, *zipf)
        }
        Some(Step::Get { store: Kind::Lmdb, folder, mib, zipf }) => get::<lmdb::Lmdb>(folder, &arguments, *mib, *zipf),
        #[cfg(feature = "peers")]
        Some(Step::Get { store: Kind::Rocksdb, folder, mib, zipf }) => {
            get::<rocks::Rocks>(folder, &arguments, *mib, *zipf)
        }
        None => measure(&arguments),
    }
}

/// Runs a step in a process of its own; returns what it printed.
fn step(arguments: &Arguments, group: Option<&Group>, step: &[&str]) -> Result<String> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(format!("--records={}", arguments.records)).arg(format!("--gets={}", arguments.gets));
    if let Some(group) = group {
        command.arg("--group").arg(group.folder());
    }
    let output = command.args(step).stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err(format!("{step:?} failed: {}", output.status).into());
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// What a process with this budget may have.
fn allowed(mib: u64) -> u64 {
    mib + mib / 10 + 64
}

fn measure(arguments: &Arguments) -> Result<()> {
    let stores = Kind::value_variants();
    std::fs::create_dir_all(&arguments.dir)?;
    let folder = tempfile::tempdir_in(&arguments.dir)?;
    let bar = ProgressBar::new((stores.len() * (1 + 2 * arguments.memory.len())) as u64);
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED);
    table.set_header(["store", "budget", "gets", "gets/s", "misses a get", "KiB read a get", "resident", "limit"]);
    let mut unlimited = false;
    for &store in stores {
        let path = folder.path().join(store.name());
        std::fs::create_dir(&path)?;
        let text = path.to_str().ok_or("the folder's name is no text")?;
        bar.println(format!("{}: loading", store.name()));
        step(arguments, None, &["load", &store.name(), text])?;
        bar.inc(1);
        for &mib in &arguments.memory {
            for zipf in [false, true] {
                forget(&path)?;
                let group = Group::new(allowed(mib) << 20);
                unlimited |= group.is_none();
                let get = ["get", &store.name(), text, &mib.to_string(), &zipf.to_string()];
                let line = step(arguments, group.as_ref(), &get)?;
                table.add_row(line.trim().split('\t'));
                bar.inc(1);
            }
        }
        std::fs::remove_dir_all(&path)?;
    }
    bar.finish_and_clear();
    println!("{} records, {:.2} GiB of keys and values", arguments.records, arguments.records as f64 * 174.0 / 1.074e9);
    println!("{table}");
    println!("limit: the budget, 10 % of it and 64 MiB; of the process and of what the system caches of files for it");
    if unlimited {
        println!(
            "There is no memory controller (version 1) here that this user may use: the system's cache had no limit."
        );
    }
    Ok(())
}

/// Has the system forget what it caches of the files in a folder.
fn forget(folder: &Path) -> Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let file = std::fs::File::open(entry?.path())?;
        file.sync_all()?;
        rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed)?;
    }
    Ok(())
}

/// Spread over the whole range, each once.
fn key(i: u64) -> Vec<u8> {
    let mut key = i.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes().to_vec();
    key.extend_from_slice(&i.to_be_bytes());
    key.extend_from_slice(&i.to_be_bytes());
    key
}

fn load<S: Store>(folder: &Path, arguments: &Arguments) -> Result<()> {
    let mut order: Vec<u64> = (0..arguments.records).collect();
    order.sort_unstable_by_key(|i| i.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    S::open(folder, 4 << 30)?.load(&order)
}

/// A number that the kernel tells of this process.
fn told(file: &str, name: &str) -> u64 {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with(name));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok()).unwrap_or(0)
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

fn get<S: Store>(folder: &Path, arguments: &Arguments, mib: u64, zipf: bool) -> Result<()> {
    let (records, gets) = (arguments.records, arguments.gets);
    let store = S::open(folder, mib << 20)?;
    let mut random = Random(1);
    // Rank by the inverse of the continuous Zipf distribution with exponent 1, then scattered.
    let mut pick = || {
        let u = random.next() >> 11;
        if zipf {
            let rank = ((records as f64).ln() * (u as f64 / (1u64 << 53) as f64)).exp() as u64;
            rank.wrapping_mul(0x2545_f491_4f6c_dd1d) % records
        } else {
            u % records
        }
    };
    // From here the system's cache is as full as the limit lets it be, whatever the size of a store's reads.
    for entry in std::fs::read_dir(folder)? {
        std::io::copy(&mut std::fs::File::open(entry?.path())?, &mut std::io::sink())?;
    }
    if mib << 20 > records * 24 * 11 {
        // All of it may stay in memory: most pages are asked for here.
        let mut all = Random(2);
        store.gets(records / 8, &mut || (all.next() >> 11) % records)?;
    }
    store.gets(gets, &mut pick)?;
    let device = || told("/proc/self/io", "read_bytes:");
    let (misses, read, started) = (store.misses(), device(), Instant::now());
    store.gets(gets, &mut pick)?;
    let rate = gets as f64 / started.elapsed().as_secs_f64();
    let a_get = |count: u64| count as f64 / gets as f64;
    let (misses, read) = (a_get(store.misses() - misses), a_get(device() - read) / 1024.0);
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let kind = if zipf { "zipfian" } else { "uniform" };
    let resident = told("/proc/self/status", "VmRSS:") >> 10;
    println!("{name}\t{mib} MiB\t{kind}\t{rate:.0}\t{misses:.3}\t{read:.2}\t{resident} MiB\t{} MiB", allowed(mib));
    Ok(())
}
