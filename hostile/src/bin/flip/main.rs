//! Damages files on purpose and looks what databases say: `cargo xtask flip` builds and runs it. Every trial runs in a process of its own kind, as
//! some of what is tested crashes or hangs.

#![allow(clippy::disallowed_methods, clippy::panic, reason = "a tool for people and CI")]

mod bits;
mod bytes;
mod files;
mod parent;
mod stores;
mod whole;
mod worker;

use clap::Parser;
use parent::Tally;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;
use worker::{Trials, Verdict};

#[derive(Parser)]
struct Arguments {
    /// Damages of whole files, for each kind of file.
    #[arg(long, default_value_t = 10_000)]
    damages: u64,
    /// One in so many bits of the pages, and bytes of the small file.
    #[arg(long, default_value_t = 1)]
    every: u64,
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Processes side by side.
    #[arg(long, default_value_t = 2)]
    processes: u64,
    /// What a worker does: the name of a kind of trial, the folder, the first and the last one.
    #[arg(long, num_args = 4, hide = true)]
    worker: Option<Vec<String>>,
}

/// A kind of trial, by name.
fn trials(name: &str, folder: &std::path::Path, arguments: &Arguments) -> Box<dyn Trials> {
    match name {
        "bits" => Box::new(bits::Bits::new(arguments.every)),
        "bytes" => Box::new(bytes::Bytes::new(arguments.every, arguments.seed)),
        "small" => Box::new(whole::Small::new(arguments.damages, arguments.seed)),
        _ => Box::new(files::Files::new(name, folder, arguments.damages, arguments.seed)),
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Some([name, folder, first, last]) = arguments.worker.as_deref() {
        let range = first.parse().unwrap_or(0)..last.parse().unwrap_or(0);
        return worker::work(&*trials(name, &PathBuf::from(folder), &arguments), range);
    }
    match report(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn report(arguments: &Arguments) -> Result<(), String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let mut failed = Vec::new();
    let mut run = |name: &str, ours: bool, title: &str| -> Result<Tally, String> {
        let begun = Instant::now();
        let trials = trials(name, folder.path(), arguments);
        let tally = parent::run(name, folder.path(), &*trials, arguments)?;
        let seconds = begun.elapsed().as_secs_f64();
        println!("\n{title}: {} trials, {:.0} a second", tally.trials(), tally.trials() as f64 / seconds);
        println!("{}", tally.table());
        tally.examples.iter().filter(|_| ours).for_each(|example| println!("{example}"));
        if tally.trials() != trials.total() || tally.trials() == 0 {
            failed.push(format!("{title}: {} of {} trials were made", tally.trials(), trials.total()));
        }
        if ours && tally.bad() > 0 {
            failed.push(format!("{title}: {} are wrong", tally.bad()));
        }
        if ours && tally.count(Verdict::Detected) == 0 {
            failed.push(format!("{title}: nothing was detected"));
        }
        Ok(tally)
    };
    let bits = run("bits", true, "every bit of one page of each type")?;
    let bytes = run("bytes", true, "every byte of a file as a crash leaves it, then bursts of 2 to 64 bytes")?;
    let all = bytes::Bytes::new(arguments.every, arguments.seed);
    println!("{}", all.coverage());
    run("small", true, "a file as a crash leaves it, all kinds of pages, damaged as a whole and written on")?;
    for name in stores::NAMES {
        let title = format!("{name}: a closed file of 10,000 rows");
        run(name, *name == "tamarack", &title)?;
    }
    failed.extend(bits::unseen(&bits));
    failed.extend(all.unseen(&bytes));
    if failed.is_empty() { Ok(()) } else { Err(failed.join("; ")) }
}
