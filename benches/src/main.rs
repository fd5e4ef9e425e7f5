//! Side-by-side measurements of Tamarack and its peers. `README.md` says how each workload is defined and made fair.

#![allow(clippy::disallowed_methods, reason = "clocks, threads and files are what a measurement is made of")]

mod child;
mod data;
mod engines;
mod noise;
mod parent;
mod report;
mod workload;

use clap::{Parser, ValueEnum};
use engines::{BTree, Engine, Lmdb, Redb, Tamarack};
use std::{env, error::Error, fs, path::PathBuf, process::ExitCode};
use workload::{Scale, Workload};

/// Errors of engines, files and children alike.
type Result<T, E = Box<dyn Error + Send + Sync>> = std::result::Result<T, E>;

/// Measures Tamarack beside redb, LMDB and std's BTreeMap: each engine in a process of its own, rounds interleaved.
#[derive(Parser)]
#[command(name = "tamarack-benches")]
struct Arguments {
    /// 100,000 records, fewer and shorter rounds.
    #[arg(long)]
    quick: bool,
    /// Records in the store [default: 1,000,000, with --quick 100,000].
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=1 << 40))]
    records: Option<u64>,
    /// These workloads only.
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Workload>,
    /// These engines only.
    #[arg(long, value_enum, value_delimiter = ',')]
    engines: Vec<Name>,
    /// Writes a list of {"engine", "workload", "median", "unit", "rounds"} here.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Where the stores are made (and removed again) [default: beside this program].
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Serves one engine to the process that measures.
    #[arg(long, hide = true)]
    serve: Option<Name>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Name {
    Tamarack,
    Redb,
    Lmdb,
    Btreemap,
}

impl Name {
    fn text(self) -> &'static str {
        match self {
            Self::Tamarack => Tamarack::NAME,
            Self::Redb => Redb::NAME,
            Self::Lmdb => Lmdb::NAME,
            Self::Btreemap => BTree::NAME,
        }
    }
}

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> Result<()> {
    let quick = arguments.quick;
    let records = arguments.records.unwrap_or(if quick { 100_000 } else { 1_000_000 });
    let scale = Scale { records, quick };
    let beside = || env::current_exe().ok().and_then(|path| path.parent().map(PathBuf::from)).unwrap_or_default();
    let base = arguments.dir.unwrap_or_else(beside);
    if let Some(name) = arguments.serve {
        return match name {
            Name::Tamarack => child::serve::<Tamarack>(&base, scale),
            Name::Redb => child::serve::<Redb>(&base, scale),
            Name::Lmdb => child::serve::<Lmdb>(&base, scale),
            Name::Btreemap => child::serve::<BTree>(&base, scale),
        };
    }
    let chosen = if arguments.engines.is_empty() { Name::value_variants() } else { &arguments.engines };
    let mut engines: Vec<_> = chosen.iter().map(|name| name.text()).collect();
    let mut workloads = if arguments.only.is_empty() { Workload::value_variants().to_vec() } else { arguments.only };
    unique(&mut engines);
    unique(&mut workloads);
    fs::create_dir_all(&base)?;
    let dir = tempfile::Builder::new().prefix("tamarack-benches-").tempdir_in(&base)?;
    eprintln!("{records} records, {} rounds, stores in {}", scale.rounds(), dir.path().display());
    let report = parent::run(&engines, &workloads, scale, dir.path())?;
    println!("Medians of {} rounds; x: ratio to LMDB, higher is better.\n{}", scale.rounds(), report.rates());
    println!("\nSeconds after a round for what the engine had put off (not in the rates).\n{}\n", report.afterwards());
    for note in &report.notes {
        println!("{note}");
    }
    if let Some(path) = arguments.json {
        fs::write(&path, report.json())?;
        eprintln!("wrote {}", path.display());
    }
    Ok(dir.close()?)
}

fn unique<T: PartialEq + Copy>(list: &mut Vec<T>) {
    let mut seen = Vec::new();
    list.retain(|item| {
        !seen.contains(item) && {
            seen.push(*item);
            true
        }
    });
}
