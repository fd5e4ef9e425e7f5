//! The run: one child process an engine, rounds interleaved, never two engines at once.

use crate::{
    Result,
    noise::{self, Noise},
    report::{Cell, Report},
    workload::{Scale, Workload},
};
use indicatif::{ProgressBar, ProgressStyle};
use std::{
    env,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::Duration,
};

/// Runs the workloads on the engines and collects every round.
pub(crate) fn run(engines: &[&'static str], workloads: &[Workload], scale: Scale, dir: &Path) -> Result<Report> {
    let mut servers = engines.iter().map(|name| Server::start(name, scale, dir)).collect::<Result<Vec<_>>>()?;
    let rounds = scale.rounds();
    let bar = ProgressBar::new(workloads.len() as u64 * u64::from(rounds) * engines.len() as u64);
    bar.set_style(ProgressStyle::with_template("{bar:32} {pos}/{len} {elapsed_precise} {msg}")?);
    bar.enable_steady_tick(Duration::from_millis(200));
    let mut report = Report::new(engines, workloads);
    let mut noise = Noise::default();
    for &workload in workloads {
        for server in &mut servers {
            bar.set_message(format!("{}: preparing {}", workload.name(), server.name));
            server.ask(&format!("prepare {}", workload.name()))?;
        }
        for round in 0..rounds {
            let mut check = None;
            // Another engine starts each round, so that none always follows the same one.
            for turn in 0..servers.len() {
                let place = (turn + round as usize) % servers.len();
                let server = &mut servers[place];
                bar.set_message(format!("{}: {} round {}", workload.name(), server.name, round + 1));
                noise.sample();
                if let Some(sample) = server.ask(&format!("round {} {round}", workload.name()))? {
                    let first = *check.get_or_insert(sample.check);
                    if workload.comparable() && first != sample.check {
                        return Err(
                            format!("{}: {} read other bytes than the others", workload.name(), server.name).into()
                        );
                    }
                    report.cell(workload, server.name).push(sample);
                }
                bar.inc(1);
            }
        }
    }
    bar.finish_and_clear();
    for server in servers {
        server.stop()?;
    }
    report.notes.push(noise.summary());
    let raw = noise::raw_durable_writes(dir, scale.slice())?;
    report.notes.push(format!("Raw durable writes of 4 KiB on the same disk, one after the other: {raw:.0} a second."));
    Ok(report)
}

/// What a child answers for a round.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    /// Operations a second, or the ratio of `size`.
    pub(crate) rate: f64,
    /// What was read, to compare engines.
    pub(crate) check: u64,
    /// Seconds in which the engine finished what it had put off.
    pub(crate) after: f64,
}

/// A child process that serves one engine. It is killed when dropped.
struct Server {
    name: &'static str,
    process: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Server {
    fn start(name: &'static str, scale: Scale, dir: &Path) -> Result<Self> {
        let mut command = Command::new(env::current_exe()?);
        command.arg("--serve").arg(name).arg("--dir").arg(dir).args(["--records", &scale.records.to_string()]);
        if scale.quick {
            command.arg("--quick");
        }
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let input = process.stdin.take();
        let output = BufReader::new(process.stdout.take().ok_or("the child has no output")?);
        Ok(Self { name, process, input, output })
    }

    fn ask(&mut self, request: &str) -> Result<Option<Sample>> {
        let input = self.input.as_mut().ok_or("the child was stopped")?;
        writeln!(input, "{request}")?;
        let mut answer = String::new();
        self.output.read_line(&mut answer)?;
        let answer = answer.trim_end();
        let (verb, rest) = answer.split_once(' ').unwrap_or((answer, ""));
        match verb {
            "prepared" | "skipped" => Ok(None),
            "measured" => {
                let words: Vec<_> = rest.split(' ').collect();
                let [rate, check, after] = words[..] else {
                    return Err(format!("{}: unexpected answer `{answer}`", self.name).into());
                };
                Ok(Some(Sample { rate: rate.parse()?, check: check.parse()?, after: after.parse()? }))
            }
            "failed" => Err(format!("{} failed at `{request}`: {rest}", self.name).into()),
            _ => Err(format!("{} ended at `{request}`", self.name).into()),
        }
    }

    fn stop(mut self) -> Result<()> {
        drop(self.input.take());
        let status = self.process.wait()?;
        if status.success() { Ok(()) } else { Err(format!("{} ended with {status}", self.name).into()) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail only when the process has ended already.
        _ = self.process.kill();
        _ = self.process.wait();
    }
}

impl Report {
    fn cell(&mut self, workload: Workload, engine: &str) -> &mut Cell {
        let position = self.cells.iter().position(|cell| cell.workload == workload && cell.engine == engine);
        let position = position.unwrap_or_default();
        &mut self.cells[position]
    }
}
