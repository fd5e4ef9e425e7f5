//! `cargo xtask`: the tasks of this repository that are more than one plain cargo command.

#![allow(clippy::disallowed_methods, reason = "a tool for people and CI: it starts programs and reads files")]

mod coverage;
mod cuts;
mod fuzz;
mod images;
mod invariants;
mod msrv;
mod mutants;
mod mutation;
mod peers;
mod run;
mod sanitize;
mod shuttle;
mod sim;
mod sizes;
mod soak;
mod source;
mod unsafe_code;

use clap::{Parser, Subcommand};
use run::{cargo, program};
use std::{error::Error, process::ExitCode};

/// Errors of files, programs and checks alike.
type Result<T = (), E = Box<dyn Error>> = std::result::Result<T, E>;

/// The tasks of this repository that are more than one plain cargo command.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Everything that continuous integration runs (.ci/run).
    Ci,
    /// Simulated crashes: the fault-injecting file cuts commits, checkpoints and recoveries at random writes.
    CrashSim {
        /// Crashes to simulate.
        #[arg(default_value_t = 10_000)]
        crashes: u64,
    },
    /// The simulator: runs of seeds with clients, faults and power cuts, also inside recovery; every cut is followed by an open, a full check
    /// and a comparison with what was promised.
    Sim {
        /// Power cuts to simulate, at least.
        #[arg(long, default_value_t = 20_000)]
        crashes: u64,
        /// The first seed; another one each time, if it is not given.
        #[arg(long)]
        seed: Option<u64>,
        /// Processes side by side.
        #[arg(long, default_value_t = 1)]
        threads: u64,
        /// Plays this one seed, twice if it fails, and makes the failure short.
        #[arg(long, requires = "seed")]
        one: bool,
        /// Plants one mistake after the other in a copy of the sources, each of which has to be found within so many power cuts.
        #[arg(long)]
        mutants: bool,
        /// Only the mistakes whose description has this word.
        #[arg(long, requires = "mutants")]
        only: Option<String>,
    },
    /// The whole store against std's BTreeMap: random operations, snapshots, reopens, crashes.
    Model {
        /// Operations to run.
        #[arg(default_value_t = 1_000_000)]
        operations: u64,
    },
    /// Concurrent transactions: the anomalies of the Hermitage list, and random histories whose order is proven; some of processes that are
    /// killed, threads that panic and tasks that are dropped.
    Isolation {
        /// Random transactions to run at each isolation level.
        #[arg(long, default_value_t = 100_000)]
        transactions: u64,
        /// Kills of a process with random transactions of threads and tasks.
        #[arg(long, default_value_t = 100)]
        kills: u64,
        /// What the random transactions are made of; the same each time, if it is not given.
        #[arg(long)]
        seed: Option<u64>,
    },
    /// Kills processes at random moments while threads and tasks of theirs commit at all durabilities. After each kill: an open, a full check, and
    /// a proof that what was acknowledged is there as promised.
    Kill {
        /// Kills.
        #[arg(long, default_value_t = 200)]
        times: u64,
    },
    /// Cuts the power of a disk with ext4 on which processes commit: images of what a device may hold at any moment, between flushes too, and again inside
    /// of the recovery. Each is mounted, and the file checked, opened and compared with what had been acknowledged. Then controls that must lose.
    /// Linux only, as root; leaves nothing mounted.
    Images {
        /// Images; 300 if it is not said, and until a planted mistake is found at most 3,000.
        #[arg(long)]
        count: Option<u64>,
        /// The seed of what is chosen; another one each time, if it is not given.
        #[arg(long)]
        seed: Option<u64>,
        /// Plants one mistake after the other in a copy of the sources, each of which has to be found.
        #[arg(long)]
        mutants: bool,
        /// Only the mistakes whose description has this word.
        #[arg(long, requires = "mutants")]
        only: Option<String>,
    },
    /// Kills emulated machines with an operating system on which a process commits, and looks at their disks; then with a control that must lose.
    /// Linux only, as root; on Debian it installs the emulator.
    Cuts {
        /// Machines.
        #[arg(long, default_value_t = 50)]
        times: u64,
        /// The seed of what is chosen; another one each time, if it is not given.
        #[arg(long)]
        seed: Option<u64>,
    },
    /// Damages files on purpose: every bit of one page of each type, every byte of a small file and bursts of them, and whole files in seven ways; redb,
    /// LMDB and SQLite beside it. Each has to be told of, or not to matter.
    Flip {
        /// Damages of whole files, for each kind of file.
        #[arg(long, default_value_t = 10_000)]
        damages: u64,
        /// One in so many bits of the pages.
        #[arg(long, default_value_t = 1)]
        every: u64,
        /// The first seed.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Without the peers, whose C takes a minute to build.
        #[arg(long)]
        alone: bool,
    },
    /// Feeds each decoder, open, check and salvage of whole files, and restores with bytes that nobody wrote, guided by coverage (libFuzzer; needs a C++ compiler).
    Fuzz {
        /// For each target.
        #[arg(long, default_value_t = 60)]
        seconds: u64,
        /// Only this target: superblock, page, row, key, log, catalog, file or backup.
        #[arg(long)]
        only: Option<String>,
        /// Adds what leads to new places to `tests/corpus`.
        #[arg(long)]
        keep: bool,
    },
    /// Gets from 2 GiB of records under budgets from 4 GiB down to 64 MiB: rate, reads, resident memory; LMDB and RocksDB beside it.
    Memory {
        /// Passed on; `--help` lists what there is.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Durable commits by 1, 8 and 32 threads and by 1,000 tasks: rate, and commits that share a flush; RocksDB and fjall beside it.
    Commits,
    /// Readers beside a writer at full speed: the rate that they keep; and a writer beside a reader that is paused for a minute.
    Beside,
    /// Gets at 10 million records with frames found through swips and through page tables, in one process and memory image.
    Swizzle,
    /// Batches applied by one thread and by several, with optimistic latches and with coupled locks.
    Appliers {
        /// Passed on; `--help` lists what there is.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// How long commits wait while a checkpoint writes 1 GiB.
    Stalls,
    /// Time, memory and output of the program's commands, on the atlas and on a file of 1 GiB: check, backup, restore, salvage, compact.
    Tools,
    /// The loom models: latches, swips and the reset of the log ring, in every interleaving within their bounds.
    Loom,
    /// The whole engine under shuttle's schedules: readers, writers, evictor and checkpointer on 256-byte pages in a pool of twenty.
    Shuttle {
        /// Schedules to run.
        #[arg(long, default_value_t = 20_000)]
        schedules: u64,
        /// Plants one mistake after the other in a copy of the sources, each of which has to be found.
        #[arg(long)]
        mutants: bool,
    },
    /// Tests under a sanitizer, which has to be silent; then with a planted mistake, which it has to find. `address` and `leak`: unit
    /// tests, with the toolchain's own compiler. `thread`, stress tests, and `memory`, unit tests: with a standard library that is instrumented too;
    /// Debian only, as the compiler is Debian's, unpacked below target/: rustup has none with that library's source here.
    Sanitize { sanitizer: sanitize::Sanitizer },
    /// Which lines of the store, the codec and the macros run when their tests run; the files with the fewest. Lines of tests do not count. Debian's
    /// llvm is installed where it is missing.
    Coverage {
        /// Per cent of the lines of each crate below which it fails; each has its own, if it is not given.
        #[arg(long)]
        floor: Option<f64>,
    },
    /// Changes the codec, the nodes of the tree and the log in one place after the other, each of which their tests have to find (cargo-mutants). What
    /// they do not find has its reason in tests/survivors.txt. All of it takes many hours.
    Mutants(mutation::Wish),
    /// The tests that take hours, again and again with other seeds until the time is over: simulator, kills, images, cuts, damage, fuzzing, isolation,
    /// interleavings, the four sanitizers, planted mistakes, changed code. What this machine cannot run is said to be left out.
    Soak {
        /// Fractions are allowed.
        #[arg(long)]
        hours: f64,
        /// Only these, by their names in the table.
        #[arg(long)]
        only: Vec<String>,
    },
    /// Holds the map from the design's invariants to their tests (tests/README.md) against the sources: each has one, and each that is named exists.
    Invariants,
    /// Lists every `unsafe` outside the modules that may have it; fails if there is one.
    Unsafe,
    /// Lists files over 600 lines and functions over 60; fails if one has no reason in xtask/sizes.txt.
    Sizes,
    /// Checks that the stated minimum Rust version is the toolchain's, and that everything builds with it.
    Msrv,
    /// Rewrites golden expansions and compile-fail messages from what the macros and the compiler say now. Read the diff.
    Bless,
}

fn main() -> ExitCode {
    match perform(&Arguments::parse().task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn perform(task: &Task) -> Result {
    match task {
        Task::Ci => program("bash", &[".ci/run"], &[]),
        Task::CrashSim { crashes } => simulation("engine::tests::crash", &[("TAMARACK_SIM_CRASHES", *crashes)]),
        Task::Sim { crashes, seed, mutants: true, only, .. } => {
            sim::mutants(*crashes, seed.unwrap_or(1), only.as_deref())
        }
        Task::Sim { crashes, seed, threads, one, mutants: false, .. } => sim::run(*crashes, *seed, *threads, *one),
        Task::Model { operations } => simulation("engine::tests::model", &[("TAMARACK_MODEL_OPS", *operations)]),
        Task::Isolation { transactions, kills, seed } => {
            isolation(*transactions, seed.unwrap_or(0))?;
            kill(*kills)
        }
        Task::Kill { times } => kill(*times),
        Task::Images { count, seed, mutants: true, only } => {
            images::mutants(count.unwrap_or(3000), seed.unwrap_or(1), only.as_deref())
        }
        Task::Images { count, seed, mutants: false, .. } => images::run(count.unwrap_or(300), *seed),
        Task::Cuts { times, seed } => cuts::run(*times, *seed),
        Task::Fuzz { seconds, only, keep } => fuzz::run(*seconds, only.as_deref(), *keep).map(drop),
        Task::Flip { damages, every, seed, alone } => flip([*damages, *every, *seed], *alone),
        Task::Memory { arguments } => peers::run("memory", arguments),
        Task::Commits => peers::run("commits", &[]),
        Task::Beside => cargo(&["run", "--release", "-p", "tamarack-benches", "--bin", "beside"], &[]),
        Task::Swizzle => {
            // Large allocations, the page table's too, get huge pages, as the pool's frames do.
            let environment = [("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1")];
            cargo(&["run", "--release", "-p", "tamarack-benches", "--bin", "swizzle"], &environment)
        }
        Task::Appliers { arguments } => {
            let run = ["run", "--release", "-p", "tamarack-benches", "--bin", "appliers", "--"];
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            cargo(&[&run[..], &arguments].concat(), &[])
        }
        Task::Tools => tools(),
        Task::Stalls => cargo(&["run", "--release", "-p", "tamarack-benches", "--bin", "stalls"], &[]),
        Task::Loom => {
            // A directory of its own: the flag would otherwise rebuild everything twice.
            let models = ["--release", "-p", "tamarack-models", "--target-dir", "target/loom"];
            run::tests(&models, &[], &[("RUSTFLAGS", "--cfg loom")])
        }
        Task::Sanitize { sanitizer } => sanitize::run(*sanitizer),
        Task::Shuttle { schedules, mutants: false } => shuttle::run(*schedules),
        Task::Shuttle { schedules, mutants: true } => shuttle::mutants(*schedules),
        Task::Coverage { floor } => coverage::run(*floor),
        Task::Mutants(wish) => mutation::run(wish).map(drop),
        Task::Soak { hours, only } => soak::run(*hours, only),
        Task::Invariants => invariants::check(),
        Task::Unsafe => unsafe_code::check(),
        Task::Sizes => sizes::check(),
        Task::Msrv => msrv::check(),
        Task::Bless => {
            cargo(&["test", "-p", "tamarack-macros"], &[("TAMARACK_BLESS", "1")])?;
            cargo(&["test", "-p", "tamarack-tests", "--test", "ui"], &[("TRYBUILD", "overwrite")])
        }
    }
}

fn tools() -> Result {
    const ATLAS: &str = "target/atlas.tam";
    std::fs::create_dir_all(run::root().join("target"))?;
    cargo(&["run", "--release", "--example", "atlas", "--", "--file", ATLAS], &[])?;
    // The program lies beside the bench, which looks for it there.
    cargo(&["build", "--release", "-p", "tamarack-cli"], &[])?;
    let measure = ["run", "--release", "-p", "tamarack-benches", "--bin", "tools", "--"];
    cargo(&[&measure[..], &["--file", ATLAS]].concat(), &[])?;
    cargo(&measure, &[])
}

fn flip([damages, every, seed]: [u64; 3], alone: bool) -> Result {
    let mut run = vec!["run", "--release", "-p", "tamarack-hostile", "--bin", "flip"];
    if !alone {
        run.extend(["--features", "peers"]);
    }
    let numbers = [damages, every, seed].map(|number| number.to_string());
    run.extend(["--", "--damages", &numbers[0], "--every", &numbers[1], "--seed", &numbers[2]]);
    cargo(&run, &[])
}

fn kill(times: u64) -> Result {
    let test = ["--release", "-p", "tamarack-tests", "--test", "kills", "--target-dir", run::ASSERTING_TARGET];
    let times = times.to_string();
    let variables = [&run::ASSERTING[..], &[("TAMARACK_KILLS", &times)]].concat();
    run::tests(&test, &["--nocapture", "--test-threads=1"], &variables)
}

/// So many random transactions at each level, from a seed on; and the anomalies.
fn isolation(transactions: u64, seed: u64) -> Result {
    let variables = [("TAMARACK_ISOLATION", transactions), ("TAMARACK_ISOLATION_SEED", seed)];
    simulation("engine::tests::isolation", &variables)
}

/// Runs the store's tests whose paths hold a word, with numbers in the environment. That there are none is an error.
fn simulation(word: &str, numbers: &[(&str, u64)]) -> Result {
    let numbers: Vec<_> = numbers.iter().map(|(name, number)| (*name, number.to_string())).collect();
    let variables: Vec<_> = numbers.iter().map(|(name, number)| (*name, number.as_str())).collect();
    run::tests(&["--release", "-p", "tamarack", "--lib", word], &["--nocapture"], &variables)
}
