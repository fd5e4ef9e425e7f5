//! The fuzz targets under libFuzzer, guided by coverage. The flags that count edges are those of a stable compiler; nothing but the crate
//! `libfuzzer-sys` is needed, and a C++ compiler for it.

use crate::Result;
use crate::run::{cargo, root};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

const TARGETS: [&str; 8] = ["superblock", "page", "row", "key", "log", "catalog", "file", "backup"];
/// What cargo-fuzz sets, too.
const FLAGS: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1 -Cdebug-assertions -Coverflow-checks";
const HOST: &str = "x86_64-unknown-linux-gnu";
/// Files of a target that are kept in the repository, and their length.
const KEPT: usize = 40;
const LONGEST: u64 = 1024;

/// Runs each target for so long, or the named one. `keep`: what leads to new places goes to `tests/corpus`. Returns the executions of all.
pub(crate) fn run(seconds: u64, only: Option<&str>, keep: bool) -> Result<u64> {
    if seconds == 0 {
        return Err("nothing can be executed in no time; to the fuzzer 0 is for ever".into());
    }
    let target = root().join("target/fuzz");
    // With a target of its own, build scripts are not instrumented.
    let build = ["build", "--release", "-p", "tamarack-hostile", "--features", "libfuzzer", "--bin", "fuzz"];
    let folder = target.to_string_lossy();
    cargo(&[&build[..], &["--target", HOST, "--target-dir", &folder]].concat(), &[("RUSTFLAGS", FLAGS)])?;
    cargo(
        &[
            "run",
            "--release",
            "-p",
            "tamarack-hostile",
            "--bin",
            "seeds",
            "--",
            &target.join("seeds").to_string_lossy(),
        ],
        &[],
    )?;
    let program = target.join(HOST).join("release/fuzz");
    println!(
        "{:<12}{:>14}{:>10}{:>10}{:>10}{:>14}",
        "target", "executions", "a second", "edges", "corpus", "memory, MiB"
    );
    let (mut ran, mut executions) = (0, 0);
    let mut failed = Vec::new();
    for name in TARGETS.into_iter().filter(|name| only.is_none_or(|only| only == *name)) {
        ran += 1;
        match fuzz(&program, name, seconds)? {
            Some(times) => executions += times,
            None => failed.push(name),
        }
        if keep {
            keep_some(&program, name)?;
        }
    }
    match (ran, failed.as_slice()) {
        (0, _) => Err("no target has that name".into()),
        (_, []) => Ok(executions),
        _ => Err(format!("found something: {}; the bytes lie in target/fuzz/found", failed.join(", ")).into()),
    }
}

fn command(program: &Path, name: &str) -> Command {
    let mut command = Command::new(program);
    command.env("TAMARACK_FUZZ", name).current_dir(root()).stdout(Stdio::null());
    command
}

/// Runs one target, and prints its row. Its executions; none if it found something.
fn fuzz(program: &Path, name: &str, seconds: u64) -> Result<Option<u64>> {
    let here = root().join("target/fuzz");
    let (corpus, seeds) = (here.join("corpus").join(name), here.join("seeds").join(name));
    let found = here.join("found");
    fs::create_dir_all(&corpus)?;
    fs::create_dir_all(&found)?;
    let mut fuzz = command(program, name);
    // By the clock: what hangs does so for ever, what is slow may have waited for a processor, beside other work.
    fuzz.args(["-print_final_stats=1", "-timeout=30", "-rss_limit_mb=512", "-malloc_limit_mb=256", "-max_len=8192"]);
    fuzz.arg(format!("-max_total_time={seconds}")).arg(format!("-artifact_prefix={}/{name}-", found.display()));
    let output = fuzz.arg(&corpus).arg(&seeds).arg(root().join("tests/corpus").join(name)).output()?;
    let text = String::from_utf8_lossy(&output.stderr);
    let number = |word: &str| {
        let line = text.lines().rev().find(|line| line.contains(word));
        let rest = line.and_then(|line| line.split(word).nth(1)).unwrap_or_default();
        rest.split_whitespace().next().and_then(|number| number.parse::<u64>().ok()).unwrap_or(0)
    };
    let executions = number("stat::number_of_executed_units:");
    println!(
        "{name:<12}{executions:>14}{:>10}{:>10}{:>10}{:>14}",
        executions / seconds.max(1),
        number(" cov: "),
        fs::read_dir(&corpus)?.count(),
        number("stat::peak_rss_mb:"),
    );
    if !output.status.success() {
        let from = text.lines().position(|line| line.contains("panicked at") || line.starts_with("==")).unwrap_or(0);
        text.lines().skip(from).take(12).for_each(|line| println!("    {line}"));
        fs::write(found.join(format!("{name}.log")), text.as_bytes())?;
        return Ok(None);
    }
    if executions == 0 {
        return Err(format!("{name}: nothing was executed").into());
    }
    Ok(Some(executions))
}

/// The shortest files that lead to every place which the whole corpus leads to, as far as they are short and few.
fn keep_some(program: &Path, name: &str) -> Result {
    let here = root().join("target/fuzz");
    let merged = here.join("merged").join(name);
    let _ = fs::remove_dir_all(&merged);
    fs::create_dir_all(&merged)?;
    let kept = root().join("tests/corpus").join(name);
    let mut merge = command(program, name);
    merge.args(["-merge=1", "-timeout=10", "-rss_limit_mb=512"]).arg(&merged).arg(here.join("corpus").join(name));
    if !merge.arg(&kept).stderr(Stdio::null()).status()?.success() {
        return Err(format!("{name}: the corpus could not be merged").into());
    }
    let mut files = Vec::new();
    for file in fs::read_dir(&merged)? {
        let file = file?;
        files.push((file.metadata()?.len(), file.path()));
    }
    files.sort();
    fs::create_dir_all(&kept)?;
    // Spread over the lengths.
    let short: Vec<_> = files.iter().filter(|(length, _)| *length <= LONGEST).collect();
    for (_, path) in short.iter().step_by(short.len().div_ceil(KEPT).max(1)) {
        let Some(hash) = path.file_name() else { continue };
        fs::copy(path, kept.join(hash))?;
    }
    Ok(())
}
