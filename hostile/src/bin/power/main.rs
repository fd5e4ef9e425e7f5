//! Power cuts on a real file system: `cargo xtask images` and `cargo xtask cuts` build and run it.
//!
//! A process commits with several threads on ext4, on a loop device, on a disk in memory that records every write and flush and what the process
//! acknowledged in between. Then the record is played to some moment, and the writes after the last flush are kept, lost, torn and reordered as a
//! device may do it. Each such image is mounted, which replays the file system's journal, and the file is checked, opened and compared with
//! what had been acknowledged. For `cuts` the process runs in an emulated machine, which is killed.

#![forbid(unsafe_code)]
#![allow(clippy::disallowed_methods, clippy::print_stdout, reason = "a tool for people and CI")]

mod bench;
mod cuts;
mod disk;
mod host;
mod images;
mod judge;
mod machine;
mod serve;
mod tally;
mod work;
mod world;

use clap::{Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

/// What goes wrong, in words.
type Outcome = Result<(), String>;

#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Cuts the power of a recorded disk.
    Images(images::Images),
    /// Kills an emulated machine.
    Cuts(cuts::Cuts),
    /// The process whose power is cut.
    #[command(hide = true)]
    Work(work::Work),
    /// Looks what a cut has left.
    #[command(hide = true)]
    Look {
        #[arg(long)]
        file: PathBuf,
        #[arg(long)]
        seed: u64,
        #[arg(long)]
        untouched: bool,
    },
}

fn main() -> ExitCode {
    let what = Arguments::parse().what;
    if matches!(what, What::Images(_) | What::Cuts(_)) {
        match host::enter() {
            Ok(Some(code)) => return code,
            Ok(None) => (),
            Err(error) => {
                eprintln!("error: {error}");
                return ExitCode::FAILURE;
            }
        }
    }
    let done = match &what {
        What::Work(work) => work::run(work),
        What::Look { file, seed, untouched } => work::look(file, *seed, *untouched),
        What::Images(images) => images::run(images),
        What::Cuts(cuts) => cuts::run(cuts),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
