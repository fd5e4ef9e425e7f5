//! The simulator, and mistakes that it has to find.

use crate::Result;
use crate::mutants::{Mutant, copy};
use crate::run::{CHECKED, cargo, root};
use std::path::Path;
use std::process::{Command, Output};
use std::time::Instant;

pub(crate) const MUTANTS: [Mutant; 15] = [
    Mutant {
        what: "a sync is left out: a synced commit is only written (I21)",
        file: "store/src/txn/pipeline.rs",
        changes: &[("        if sync && !durable {", "        if false && sync && !durable {")],
    },
    Mutant {
        what: "a synced commit that another one leads is visible before it is durable; only its own owner waits for that (I22)",
        file: "store/src/txn/pipeline.rs",
        changes: &[
            (
                "group.iter().map(|pending| pending.durability).max().unwrap_or_default()",
                "group.iter().map(|pending| pending.durability).min().unwrap_or_default()",
            ),
            (
                "                pending.owner.wait(&mut state);\n            }\n        }\n        Ok(())\n",
                "                pending.owner.wait(&mut state);\n            }\n        }\n        drop(state);\n        if pending.durability > Durability::Deferred { self.flush(base) } else { Ok(()) }\n",
            ),
        ],
    },
    Mutant {
        what: "both superblocks are written together, with one sync behind them (I34)",
        file: "store/src/ckpt/superblocks.rs",
        changes: &[(
            "written.and_then(|()| base.syncs.sync(DOING));\n",
            "written.and_then(|()| if slot == SLOTS[1] { base.syncs.sync(DOING) } else { base.poison.check() });\n",
        )],
    },
    Mutant {
        what: "where a session's log begins is written to one superblock alone (I35)",
        file: "store/src/ckpt/superblocks.rs",
        changes: &[(
            "    next.salts.push((salt, position));\n    write_both(base, &next)?;\n",
            "    next.salts.push((salt, position));\n    settle_slots(base)?;\n    write_slot(base, &next.encode(), SLOTS[0])?;\n",
        )],
    },
    Mutant {
        what: "an extent is used again too early: while the durable superblock still names it (I25)",
        file: "store/src/ckpt/mod.rs",
        changes: &[(
            "    let expired = reclaim::expired(base, capture)?;\n",
            "    let expired = reclaim::expired(base, capture)?;\n    let early = replaced;\n    early.iter().try_for_each(|&extent| base.space()?.free(extent).map_err(base::accounting))?;\n    let replaced: Vec<Extent> = Vec::new();\n",
        )],
    },
    Mutant {
        what: "the log's chain is not checked: what follows a record is taken for the next, whoever wrote it (I24)",
        file: "store/src/wal/scan.rs",
        changes: &[(
            "        let continues = Some(header.salt) == self.salt\n            && header.end() <= limit\n            && header.chain_check == header.chain_after(self.end.chain);",
            "        let continues = self.salt.is_some() && header.end() <= limit;",
        )],
    },
    Mutant {
        what: "a dirty bit is lost: a checkpoint leaves out a leaf that was changed (I10)",
        file: "store/src/tree/apply.rs",
        changes: &[(
            "                [page] => {\n                    child.set_hot(page.id);\n                    child.set_dirty();",
            "                [page] => {\n                    child.set_hot(page.id);",
        )],
    },
    Mutant {
        what: "the log is reset early: before both superblocks are durable (I23)",
        file: "store/src/wal/reset.rs",
        changes: &[(
            "        state.releasing = Some(start);",
            "        state.releasing = Some(start);\n        state.start = start;",
        )],
    },
    Mutant {
        what: "a failed sync is tried again (I30)",
        file: "store/src/ckpt/syncs.rs",
        changes: &[(
            "self.storage.sync().map_err(|error|",
            "self.storage.sync().or_else(|_| self.storage.sync()).map_err(|error|",
        )],
    },
    Mutant {
        what: "a child's generation is not checked, nor the checksum that covers it (I32)",
        file: "store/src/format/child.rs",
        changes: &[
            (
                "    if page_checksum(file_id, entry.address, bytes) != entry.checksum {",
                "    if false && page_checksum(file_id, entry.address, bytes) != entry.checksum {",
            ),
            (
                "    if header.generation != entry.generation {",
                "    if false && header.generation != entry.generation {",
            ),
        ],
    },
    Mutant {
        what: "a checkpoint claims one commit more than it holds (I26)",
        file: "store/src/ckpt/mod.rs",
        changes: &[(
            "    superblock.commit_timestamp = capture.timestamp();",
            "    superblock.commit_timestamp = capture.timestamp() + 1;",
        )],
    },
    Mutant {
        what: "what a checkpoint has replaced is not free in its map: it belongs to nothing (I29)",
        file: "store/src/ckpt/mod.rs",
        changes: &[(
            "superblock.generation, &replaced, &expired, blobs)?;",
            "superblock.generation, &[], &expired, blobs)?;",
        )],
    },
    Mutant {
        what: "a checkpoint that fails keeps its own structures' space (I31)",
        file: "store/src/ckpt/mod.rs",
        changes: &[("            for extent in blobs {", "            for extent in blobs.into_iter().take(0) {")],
    },
    Mutant {
        what: "a snapshot is not registered (I17)",
        file: "store/src/engine/snapshot.rs",
        changes: &[(
            "        Ok(Self { shared: Arc::clone(shared), registered })\n    }\n\n    /// A snapshot that is registered already.",
            "        shared.base.registry.release(&registered);\n        Ok(Self { shared: Arc::clone(shared), registered })\n    }\n\n    /// A snapshot that is registered already.",
        )],
    },
    Mutant {
        what: "an index entry is forgotten: that of a record which is replaced",
        file: "store/src/typed/records.rs",
        changes: &[(
            "        for entry in gone {\n            self.unlist(writer, entry)?;\n        }",
            "        let _ = gone;",
        )],
    },
];

/// Builds and runs the simulator.
pub(crate) fn run(crashes: u64, seed: Option<u64>, threads: u64, one: bool) -> Result {
    let commit = Command::new("git").args(["describe", "--always", "--dirty"]).current_dir(root()).output();
    let commit =
        commit.map_or_else(|_| "unknown".into(), |output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    let (crashes, threads, seed) = (crashes.to_string(), threads.to_string(), seed.map(|seed| seed.to_string()));
    // The engine's own assertions, and overflows that end a run, see each simulated crash: what they cost is a sixth of the rate. In a directory of
    // its own: they would otherwise rebuild everything twice.
    let mut arguments = vec!["run", "--release", "--quiet", "-p", "tamarack-sim", "--target-dir", "target/sim", "--"];
    arguments.extend(["--crashes", &crashes, "--threads", &threads, "--commit", &commit]);
    arguments.extend(seed.iter().flat_map(|seed| ["--seed", seed]));
    arguments.extend(one.then_some("--one"));
    cargo(&arguments, &CHECKED)
}

/// How far the simulator came in a copy of the sources.
struct Spent {
    runs: u64,
    crashes: u64,
    /// What it found, if it did.
    fault: Option<String>,
    seconds: f64,
}

/// Plays the sources as they are, where nothing may be found, unless some mistakes are chosen; and then with each mistake planted in a copy, which has to be found. What is not
/// found within so many power cuts is an error, and so is a run that ends for another reason than a broken promise.
pub(crate) fn mutants(crashes: u64, seed: u64, only: Option<&str>) -> Result {
    let chosen: Vec<&Mutant> =
        MUTANTS.iter().filter(|mutant| only.is_none_or(|word| mutant.what.contains(word))).collect();
    if chosen.is_empty() {
        return Err("no mistake has this word".into());
    }
    if only.is_none() {
        let control = play(&copy()?, crashes, seed)?;
        if let Some(fault) = control.fault {
            return Err(format!("with no mistake planted something was found: {fault}").into());
        }
        println!("control: no mistake planted, nothing found in {} runs and {} crashes", control.runs, control.crashes);
    }
    println!("{:>6}  {:>8}  {:>8}  mistake, planted alone; searched from seed {seed} on", "runs", "crashes", "seconds");
    let mut missed = 0;
    for mutant in &chosen {
        let Spent { runs, crashes, fault, seconds } = play(&mutant.plant()?, crashes, seed)?;
        println!("{runs:>6}  {crashes:>8}  {seconds:>8.1}  {}", mutant.what);
        println!("{:>28}{}", "", fault.as_deref().unwrap_or("NOT FOUND"));
        missed += usize::from(fault.is_none());
    }
    println!("{} mistakes planted, {} found", chosen.len(), chosen.len() - missed);
    if missed == 0 { Ok(()) } else { Err(format!("{missed} mistakes were not found").into()) }
}

/// Builds and plays a copy of the sources. Seconds are those of the play alone.
fn play(sources: &Path, crashes: u64, seed: u64) -> Result<Spent> {
    let target = root().join("target/mutants/build");
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let run = |word: &str, arguments: &[&str]| -> Result<Output> {
        let mut command = Command::new(&cargo);
        command.args([word, "--release", "--quiet", "-p", "tamarack-sim", "--target-dir"]).arg(&target).args(arguments);
        // Built once and played for seconds: only what a mistake changes is compiled again. Without the engine's own assertions: it is the simulator
        // that has to find it.
        let profile =
            [("LTO", "off"), ("OPT_LEVEL", "1"), ("CODEGEN_UNITS", "64"), ("DEBUG", "false"), ("INCREMENTAL", "true")];
        command.envs(profile.map(|(name, value)| (format!("CARGO_PROFILE_RELEASE_{name}"), value)));
        command.env_remove("CARGO_INCREMENTAL");
        Ok(command.current_dir(sources).output()?)
    };
    let built = run("build", &[])?;
    if !built.status.success() {
        return Err(format!("it does not compile: {}", String::from_utf8_lossy(&built.stderr)).into());
    }
    let begun = Instant::now();
    let (crashes, seed) = (crashes.to_string(), seed.to_string());
    let output = run("run", &["--", "--every", "1", "--quick", "--crashes", &crashes, "--seed", &seed])?;
    let told = String::from_utf8_lossy(&output.stdout);
    spent(&told, output.status.success(), begun.elapsed().as_secs_f64()).ok_or_else(|| {
        format!("it ended without a verdict: {told}\n{}", String::from_utf8_lossy(&output.stderr)).into()
    })
}

/// Reads what the simulator told: `after 3 runs and 400 crashes`, and the fault, if it failed.
fn spent(told: &str, success: bool, seconds: f64) -> Option<Spent> {
    let mut numbers =
        told.lines().find_map(|line| line.strip_prefix("after "))?.split(' ').filter_map(|word| word.parse().ok());
    let fault = told.lines().skip_while(|line| !line.starts_with("FAULT ")).take(2).collect::<Vec<_>>().join(" ");
    if success != fault.is_empty() {
        return None;
    }
    Some(Spent { runs: numbers.next()?, crashes: numbers.next()?, fault: (!success).then_some(fault), seconds })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts_are_read() {
        let found = spent(
            "after 3 runs and 400 crashes\nFAULT seed 7: panicked at a.rs:1:2:\nlost: two\nagain: ...\n",
            false,
            1.0,
        )
        .unwrap();
        assert_eq!((found.runs, found.crashes), (3, 400));
        assert_eq!(found.fault.as_deref(), Some("FAULT seed 7: panicked at a.rs:1:2: lost: two"));
        let none = spent("after 9 runs and 500 crashes\ncounts 1 2\n", true, 1.0).unwrap();
        assert_eq!((none.runs, none.crashes, none.fault), (9, 500, None));
        assert!(spent("thread panicked", false, 1.0).is_none());
        assert!(spent("after 9 runs and 500 crashes", false, 1.0).is_none());
    }
}
