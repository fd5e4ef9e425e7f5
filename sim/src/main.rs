//! The simulator: `cargo xtask sim` builds and runs it. A seed is a run: a schema, clients, faults and power cuts; every cut is followed by an
//! open, a full check and a comparison with what was promised. Runs of several processes share nothing, as each is deterministic by
//! itself only: a thread of another run would change when memory is free again.

#![allow(clippy::disallowed_methods, clippy::panic, reason = "a tool for people and CI")]

mod cuts;
mod damage;
mod live;
mod model;
mod plan;
mod report;
mod shrink;
mod tables;

use clap::Parser;
use cuts::{Outcome, play};
use plan::Plan;
use report::{CRASHES, Counts, TELLS, grouped};
use std::io::{BufRead, BufReader};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Command, ExitCode, Stdio};
use std::sync::atomic::Ordering;
use std::sync::{Mutex, mpsc};
use std::time::{Duration, Instant};

#[derive(Parser)]
struct Arguments {
    /// Power cuts to simulate, at least.
    #[arg(long, default_value_t = 20_000)]
    crashes: u64,
    /// The first seed. Without it runs begin with a seed of their own each time.
    #[arg(long)]
    seed: Option<u64>,
    /// Processes that run side by side.
    #[arg(long, default_value_t = 1)]
    threads: u64,
    /// Only this one seed, and what it did.
    #[arg(long)]
    one: bool,
    /// The commit that is tested, to be printed.
    #[arg(long, default_value = "unknown")]
    commit: String,
    /// Failures are told as they are, and not made short.
    #[arg(long)]
    quick: bool,
    /// A process of another one: seeds are this far apart.
    #[arg(long, hide = true)]
    every: Option<u64>,
}

/// Plays spent on making a failure short.
const SHRINK: usize = 3000;
/// And time.
const PATIENCE: Duration = Duration::from_secs(60);

/// A seed takes a tenth of a second.
const HANGS: Duration = Duration::from_secs(120);
const HANG: &str = "hangs";

static MESSAGE: Mutex<String> = Mutex::new(String::new());

fn main() -> ExitCode {
    std::panic::set_hook(Box::new(|panic| {
        *MESSAGE.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = panic.to_string();
    }));
    let arguments = Arguments::parse();
    let seed = arguments.seed.unwrap_or_else(|| fastrand::u64(0..1 << 40));
    if arguments.one {
        return one(seed);
    }
    match arguments.every {
        Some(every) => worker(seed, every, arguments.crashes, arguments.quick),
        None => parent(&arguments, seed),
    }
}

/// Plays on a thread of its own: what a thread has left behind would change when memory is free again. A thread that waits for ever is left behind.
fn attempt(plan: &Plan) -> Result<Outcome, String> {
    let plan = plan.clone();
    within(HANGS, move || play(&plan))
}

/// What `play` returns or panics with, unless it takes longer than `time`.
fn within<T: Send + 'static>(time: Duration, play: impl FnOnce() -> T + Send + 'static) -> Result<T, String> {
    let (tell, told) = mpsc::channel();
    let thread = std::thread::spawn(move || {
        // Nobody listens any more if it took too long.
        let _ = tell.send(catch_unwind(AssertUnwindSafe(play)));
    });
    let played = told.recv_timeout(time);
    if played.is_ok() {
        // Until it has let go of what is its own.
        let _ = thread.join();
    }
    match played {
        Ok(Ok(outcome)) => Ok(outcome),
        Ok(Err(_)) => Err(MESSAGE.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clone()),
        Err(_) => Err(format!("{HANG}: no verdict within {} s", time.as_secs())),
    }
}

fn one(seed: u64) -> ExitCode {
    let plan = Plan::new(seed);
    match attempt(&plan) {
        Ok(outcome) => {
            outcome.counts.print();
            println!("seed {seed}: no fault found; trace {:016x}", outcome.trace);
            ExitCode::SUCCESS
        }
        Err(message) => {
            fault(seed, &plan, &message, false);
            ExitCode::FAILURE
        }
    }
}

/// Tells of a failure, and the shortest plan that has it.
fn fault(seed: u64, plan: &Plan, message: &str, quick: bool) {
    println!("FAULT seed {seed}: {message}");
    println!("again: cargo xtask sim --one --seed {seed}");
    // Each play of what hangs costs the whole time, and leaves a thread behind.
    if quick || message.starts_with(HANG) {
        return;
    }
    let again = attempt(plan).err();
    println!("played again: {}", if again.as_deref() == Some(message) { "the same" } else { "not the same" });
    // Another promise that a shorter plan breaks is as good, but not another's fault.
    let kind = kind_of(message);
    let begun = Instant::now();
    let short = shrink::shrink(plan, SHRINK, &mut |plan| {
        begun.elapsed() < PATIENCE && attempt(plan).is_err_and(|other| kind_of(&other) == kind)
    });
    println!("shortest plan found:\n{short}");
    TELLS.store(true, Ordering::Relaxed);
    let end = attempt(&short).err().unwrap_or_default();
    println!("it ends with: {end}");
}

/// The word that a violation begins with.
fn kind_of(message: &str) -> String {
    let text = message.lines().nth(1).unwrap_or(message);
    text.split(':').next().unwrap_or_default().to_owned()
}

fn worker(first: u64, every: u64, crashes: u64, quick: bool) -> ExitCode {
    let mut counts = Counts::default();
    let mut seed = first;
    while counts.crashes < crashes {
        let plan = Plan::new(seed);
        match attempt(&plan) {
            Ok(outcome) => counts.add(&outcome.counts),
            Err(message) => {
                println!("after {} runs and {} crashes", counts.runs + 1, CRASHES.load(Ordering::Relaxed));
                fault(seed, &plan, &message, quick);
                return ExitCode::FAILURE;
            }
        }
        seed += every;
    }
    if quick {
        println!("after {} runs and {} crashes", counts.runs, counts.crashes);
    }
    println!("counts {}", counts.encode());
    println!("last {}", seed - every);
    ExitCode::SUCCESS
}

fn parent(arguments: &Arguments, seed: u64) -> ExitCode {
    let threads = arguments.threads.max(1);
    println!("commit {}, first seed {seed}", arguments.commit);
    let begun = Instant::now();
    let Ok(program) = std::env::current_exe() else { return ExitCode::FAILURE };
    let start = |number: u64| {
        let mut command = Command::new(&program);
        command.args(["--seed", &(seed + number).to_string(), "--every", &threads.to_string()]);
        command.args(["--crashes", &arguments.crashes.div_ceil(threads).to_string()]);
        command.stdout(Stdio::piped()).spawn()
    };
    let Ok(children) = (0..threads).map(start).collect::<Result<Vec<_>, _>>() else { return ExitCode::FAILURE };
    let (mut all, mut last, mut failed) = (Counts::default(), seed, false);
    for mut child in children {
        let out = child.stdout.take().map(BufReader::new);
        for line in out.into_iter().flat_map(BufRead::lines).map_while(Result::ok) {
            if let Some(counts) = line.strip_prefix("counts ").and_then(Counts::decode) {
                all.add(&counts);
            } else if let Some(seed) = line.strip_prefix("last ").and_then(|seed| seed.parse().ok()) {
                last = last.max(seed);
            } else {
                println!("{line}");
            }
        }
        failed |= !child.wait().is_ok_and(|status| status.success());
    }
    all.print();
    if failed {
        println!("a promise was broken, see above");
        return ExitCode::FAILURE;
    }
    report::print_promises(&all);
    let seconds = begun.elapsed().as_secs_f64();
    println!(
        "commit {}, seeds {seed} to {last}, {seconds:.1} s, {:.1} runs and {} crashes a second with {threads} processes",
        arguments.commit,
        all.runs as f64 / seconds,
        grouped((all.crashes as f64 / seconds) as u64),
    );
    let share = |some: u64| 100.0 * some as f64 / all.crashes.max(1) as f64;
    println!(
        "{:.1} % of the crashes inside recovery, before `open` returned; {:.1} % three deep or deeper",
        share(all.in_recovery),
        share(all.three_deep)
    );
    if let Some(what) = report::missing(&all, arguments.crashes) {
        println!("this shows nothing: {what}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_does_the_same() {
        let first: Vec<_> = (0..6).map(|seed| attempt(&Plan::new(seed)).unwrap()).collect();
        for seed in (0..6).rev() {
            let again = attempt(&Plan::new(seed)).unwrap();
            assert_eq!(
                (again.trace, again.counts),
                (first[seed as usize].trace, first[seed as usize].counts),
                "seed {seed}"
            );
            assert!(again.counts.crashes > 20 && again.counts.unsettled > 0, "seed {seed}");
        }
        assert!(first.windows(2).all(|two| two[0].trace != two[1].trace));
    }

    /// A failure is shrunk to what it needs: here a checkpoint in the first life, and a fault.
    #[test]
    fn shrinking_leaves_what_matters() {
        let matters = |plan: &Plan| {
            let checkpoint = plan.life.steps.iter().any(|step| matches!(step.what, plan::What::Checkpoint(_)));
            checkpoint && !plan.life.faults.is_empty()
        };
        let plan = (0..100).map(Plan::new).find(matters).unwrap();
        let short = shrink::shrink(&plan, 10_000, &mut |plan| matters(plan));
        assert_eq!((short.life.steps.len(), short.life.faults.len(), short.life.cuts.len()), (1, 1, 0));
        assert!(short.to_string().contains("checkpoint"));
    }

    #[test]
    fn what_hangs_is_told() {
        let (hold, held) = mpsc::channel::<()>();
        let hangs = within(Duration::from_millis(50), move || held.recv().is_ok());
        assert_eq!(hangs.unwrap_err(), "hangs: no verdict within 0 s");
        drop(hold);
        assert_eq!(within(Duration::from_secs(60), || 7), Ok(7));
    }

    #[test]
    fn counts_come_through_a_pipe() {
        let counts = Counts { crashes: 3, simulated_micros: 9, ..Counts::default() };
        assert_eq!(Counts::decode(&counts.encode()), Some(counts));
        assert_eq!(Counts::decode("1 2"), None);
        assert_eq!(grouped(1_234_567), "1,234,567");
    }

    /// A run that did not do what it is for fails.
    #[test]
    fn a_run_that_shows_nothing_is_told() {
        let few = Counts { crashes: 10, ..Counts::default() };
        assert_eq!(
            (report::missing(&few, 10), report::missing(&few, 11)),
            (None, Some("there were too few power cuts"))
        );
        let flat = Counts { crashes: 10_000, audits: 10_000, snapshots: 1, ..few };
        assert_eq!(report::missing(&flat, 10), Some("backups or increments are missing"));
        // Everything happened but one thing.
        let all = vec!["20000"; Counts::default().encode().split_whitespace().count()].join(" ");
        let all = Counts { increments: 1, ..Counts::decode(&all).unwrap() };
        assert_eq!(report::missing(&all, 10), None);
        let outside = Counts { in_recovery: 9999, ..all };
        assert_eq!(report::missing(&outside, 10), Some("fewer than half of the power cuts were inside recovery"));
        assert_eq!(report::missing(&Counts { crashes: 19_999, ..outside }, 10), None);
        let flat = Counts { three_deep: 1999, ..all };
        assert_eq!(report::missing(&flat, 10), Some("fewer than a tenth of the power cuts were three deep"));
        let kept = Counts { deletions: 0, ..all };
        assert_eq!(report::missing(&kept, 10), Some("no table was deleted, or none was cleared"));
        let calm = Counts { forgotten_syncs: 0, ..all };
        assert_eq!(report::missing(&calm, 10), Some("no failed sync dropped its data"));
        assert_eq!(report::missing(&Counts { crashes: 4999, ..calm }, 10), None);
    }
}
