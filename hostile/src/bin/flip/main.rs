//! Damages files on purpose and looks what databases say: `cargo xtask flip` builds and runs it. Every trial runs in a process of its own kind, as
//! some of what is tested crashes or hangs.

#![allow(clippy::disallowed_methods, clippy::panic, reason = "a tool for people and CI")]

mod bits;
mod bytes;
mod files;
mod joint;
mod parent;
mod stores;
mod whole;
mod worker;

use clap::Parser;
use joint::Joint;
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
    /// One kind of trial alone: bits, bytes, small, or the name of a store.
    #[arg(long)]
    only: Option<String>,
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

/// What is run, and what has failed of it.
struct Report<'a> {
    arguments: &'a Arguments,
    folder: tempfile::TempDir,
    joint: Joint,
    failed: Vec<String>,
}

fn report(arguments: &Arguments) -> Result<(), String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let mut report = Report { arguments, folder, joint: Joint::new(), failed: Vec::new() };
    if let Some(bits) = report.run("bits", true, "every bit of one page of each type")? {
        report.joint.sum("one page of each type: a bit", &bits, |_| true);
        report.failed.extend(bits::unseen(&bits));
    }
    let title = "every byte of a file as a crash leaves it, then bursts of 2 to 64 bytes";
    if let Some(tally) = report.run("bytes", true, title)? {
        let bytes = bytes::Bytes::new(arguments.every, arguments.seed);
        println!("{}", bytes.coverage());
        report.joint.sum("small file after a crash: a byte", &tally, |label| !label.starts_with(bytes::BURST));
        report.joint.sum("small file after a crash: a burst", &tally, |label| label.starts_with(bytes::BURST));
        report.failed.extend(bytes.unseen(&tally));
    }
    let title = "a file as a crash leaves it, all kinds of pages, damaged as a whole and written on";
    if let Some(small) = report.run("small", true, title)? {
        report.joint.sum("small file after a crash: as a whole", &small, |_| true);
    }
    for name in stores::NAMES {
        let title = format!("{name}: a closed file of 10,000 rows");
        if let Some(tally) = report.run(name, *name == "tamarack", &title)? {
            report.joint.store(name, stores::named(name).check(), &tally);
        }
    }
    println!("\n{}", report.joint.told());
    if report.failed.is_empty() { Ok(()) } else { Err(report.failed.join("; ")) }
}

impl Report<'_> {
    /// Runs all trials of a kind and prints them, unless another kind alone is wanted.
    fn run(&mut self, name: &str, ours: bool, title: &str) -> Result<Option<Tally>, String> {
        if self.arguments.only.as_ref().is_some_and(|only| only != name) {
            return Ok(None);
        }
        let begun = Instant::now();
        let trials = trials(name, self.folder.path(), self.arguments);
        let tally = parent::run(name, self.folder.path(), &*trials, self.arguments)?;
        let seconds = begun.elapsed().as_secs_f64();
        println!("\n{title}: {} trials, {:.0} a second", tally.trials(), tally.trials() as f64 / seconds);
        println!("{}", tally.table());
        tally.examples.iter().filter(|_| ours).for_each(|example| println!("{example}"));
        let failed = &mut self.failed;
        if tally.trials() != trials.total() || tally.trials() == 0 {
            failed.push(format!("{title}: {} of {} trials were made", tally.trials(), trials.total()));
        }
        if ours && tally.bad() > 0 {
            failed.push(format!("{title}: {} are wrong", tally.bad()));
        }
        if ours && tally.count(Verdict::Detected) == 0 {
            failed.push(format!("{title}: nothing was detected"));
        }
        Ok(Some(tally))
    }
}
