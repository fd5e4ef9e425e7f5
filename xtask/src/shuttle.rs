//! The engine under shuttle's schedules, and mistakes that these have to find.

use crate::Result;
use crate::mutants::Mutant;
use crate::run::root;
use std::path::Path;
use std::process::{Command, Output};

pub(crate) const MUTANTS: [Mutant; 8] = [
    Mutant {
        what: "commits become visible before they are applied (I14)",
        file: "store/src/txn/pipeline.rs",
        changes: &[(
            "    let Some(last) = group.last() else { return Ok(()) };\n",
            "    let Some(last) = group.last() else { return Ok(()) };\n    base.registry.publish(last.timestamp);\n",
        )],
    },
    Mutant {
        what: "a root leaf is unlatched before its successor has its place",
        file: "store/src/tree/apply.rs",
        changes: &[(
            "        self.replace_root(tree, &locked, (0, pages), Vec::new())?;\n        Ok(Run::Applied(edits.len()))",
            "        drop(locked);\n        (0..20).for_each(|_| crate::sync::spin());\n        self.replace_root(tree, &lock_root(tree)?, (0, pages), Vec::new())?;\n        Ok(Run::Applied(edits.len()))",
        )],
    },
    Mutant {
        what: "an applier ignores that another one has replaced a node on its way (I10)",
        file: "store/src/tree/apply.rs",
        changes: &[(
            "let Ok(_locked) = frame.latch().lock() else { return Ok(false) };",
            "let _locked = frame.latch().lock();",
        )],
    },
    Mutant {
        what: "versions are let go although a snapshot needs them (I17)",
        file: "store/src/ckpt/tidy.rs",
        changes: &[(
            "let watermark = snapshots.first().map_or(published, |&oldest| oldest.min(published));",
            "let watermark = published;",
        )],
    },
    Mutant {
        what: "an optimistic writer is not validated (I18)",
        file: "store/src/txn/pipeline.rs",
        changes: &[("state.window.validate(claim, &wanted.writes, &wanted.runs)?;", "let _ = claim;")],
    },
    Mutant {
        what: "a checkpoint is not told that a sync of its pages has ended",
        file: "store/src/ckpt/pacer.rs",
        changes: &[(
            "        self.0.state.lock().asked = false;\n        self.0.changed.notify_all();\n",
            "        self.0.state.lock().asked = false;\n",
        )],
    },
    Mutant {
        what: "a database is closed beside closures that commit (I21)",
        file: "store/src/engine/open.rs",
        changes: &[("self.shared.pipeline.close(&self.shared.turn).inspect_err(|_| self.shared.turn.reopen())?;", "")],
    },
    Mutant {
        what: "a compaction waits for the superblock while it has the space",
        file: "store/src/compact/rounds.rs",
        changes: &[(
            "self.base.space()?.is_loose(tail);",
            "self.base.space()?.is_loose(self.base.superblock.lock().tail.max(tail));",
        )],
    },
];

/// Runs this many schedules.
pub(crate) fn run(schedules: u64) -> Result {
    let output = test(&root(), &root().join("target/shuttle"), schedules)?;
    let told = String::from_utf8_lossy(&output.stdout);
    print!("{told}");
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    if ran(&told) { Ok(()) } else { Err("no schedule ran".into()) }
}

/// Whether the tests say that schedules of whole lives ran, which is more than that none failed.
fn ran(told: &str) -> bool {
    // The harness writes dots for tests that have ended, on the same line.
    told.match_indices(" schedules: ").any(|(at, _)| {
        let count = told[..at].rsplit(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
        count.bytes().any(|digit| digit != b'0')
    })
}

fn test(sources: &Path, target: &Path, schedules: u64) -> Result<Output> {
    let test = ["test", "--quiet", "--release", "-p", "tamarack", "--lib", "engine::tests::schedules", "--target-dir"];
    eprintln!("+ RUSTFLAGS=\"--cfg shuttle\" TAMARACK_SCHEDULES=\"{schedules}\" cargo {} ...", test.join(" "));
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    // A directory of its own: the flag would otherwise rebuild everything twice.
    let mut command = Command::new(cargo);
    command.args(test).arg(target).args(["--", "--nocapture"]).current_dir(sources);
    command.env("RUSTFLAGS", "--cfg shuttle").env("TAMARACK_SCHEDULES", schedules.to_string());
    Ok(command.output()?)
}

/// Plants each mistake in a copy of the sources. A run that finds nothing is an error, and so is one that fails for another reason.
pub(crate) fn mutants(schedules: u64) -> Result {
    let target = root().join("target/mutants/build");
    for mutant in &MUTANTS {
        let copy = mutant.plant()?;
        let output = test(&copy, &target, schedules)?;
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        let found =
            told.lines().filter(|line| !line.trim().is_empty()).skip_while(|line| !line.contains("panicked at"));
        let found: Vec<&str> = found.take(3).collect();
        if output.status.success() || found.is_empty() {
            return Err(format!("not found: {}\n{told}", mutant.what).into());
        }
        println!("found: {}\n    {}", mutant.what, found.join("\n    "));
    }
    println!("{} mistakes planted and found", MUTANTS.len());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::ran;

    #[test]
    fn a_run_without_schedules_is_told() {
        assert!(ran("running 2 tests\n..400 schedules: 9 commits in 3 groups\n"));
        assert!(!ran(".0 schedules: 0 commits\n") && !ran("no schedules: 0 commits\n"));
        assert!(!ran("running 0 tests\n\ntest result: ok. 0 passed\n"));
    }
}
