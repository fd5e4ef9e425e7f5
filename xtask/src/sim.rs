//! The simulator, and mistakes that it has to find.

use crate::Result;
use crate::mutants::Mutant;
use crate::run::{cargo, root};
use std::process::{Command, Output};
use std::time::Instant;

pub(crate) const MUTANTS: [Mutant; 10] = [
    Mutant {
        what: "a sync is left out: a synced commit is only written (I21)",
        file: "store/src/txn/pipeline.rs",
        changes: &[(
            "    base.ring.write(storage, bytes.start, &bytes.bytes)?;\n    if sync { storage.sync() } else { Ok(()) }",
            "    base.ring.write(storage, bytes.start, &bytes.bytes)",
        )],
    },
    Mutant {
        what: "both superblocks are written together, with one sync behind them (I34)",
        file: "store/src/ckpt/superblocks.rs",
        changes: &[(
            "base.pager.storage.write_at(&bytes, slot).and_then(|()| base.pager.storage.sync());",
            "base.pager.storage.write_at(&bytes, slot).and_then(|()| if slot == SLOTS[1] { base.pager.storage.sync() } else { Ok(()) });",
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
        file: "store/src/txn/pipeline.rs",
        changes: &[(
            "    if sync { storage.sync() } else { Ok(()) }",
            "    if sync { storage.sync().or_else(|_| storage.sync()) } else { Ok(()) }",
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
    let mut arguments = vec!["run", "--release", "--quiet", "-p", "tamarack-sim", "--"];
    arguments.extend(["--crashes", &crashes, "--threads", &threads, "--commit", &commit]);
    arguments.extend(seed.iter().flat_map(|seed| ["--seed", seed]));
    arguments.extend(one.then_some("--one"));
    cargo(&arguments, &[])
}

/// Plants each mistake in a copy of the sources. A run that finds nothing is an error, and so is one that fails for another reason.
pub(crate) fn mutants(crashes: u64, seed: u64, only: Option<&str>) -> Result {
    let (mut missed, mut planted) = (Vec::new(), 0);
    for mutant in MUTANTS.iter().filter(|mutant| only.is_none_or(|word| mutant.what.contains(word))) {
        planted += 1;
        let copy = mutant.plant()?;
        let begun = Instant::now();
        let output = play(&copy, crashes, seed)?;
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        let line = |start: &str| told.lines().position(|line| line.starts_with(start));
        match (output.status.success(), line("after "), line("FAULT")) {
            (false, Some(after), Some(fault)) => {
                let lines: Vec<&str> = told.lines().collect();
                let spent = lines.get(after).copied().unwrap_or_default();
                println!("found {spent}: {} ({:.0} s with the build)", mutant.what, begun.elapsed().as_secs_f64());
                lines.iter().skip(fault).take(2).for_each(|line| println!("    {line}"));
            }
            (true, ..) => {
                println!("NOT FOUND within {crashes} crashes: {}", mutant.what);
                missed.push(mutant.what);
            }
            _ => return Err(format!("{}: {told}\n{}", mutant.what, String::from_utf8_lossy(&output.stderr)).into()),
        }
    }
    if planted == 0 {
        return Err("no mistake has this word".into());
    }
    if missed.is_empty() {
        println!("{planted} mistakes planted and found");
        return Ok(());
    }
    Err(format!("{} mistakes were not found", missed.len()).into())
}

fn play(sources: &std::path::Path, crashes: u64, seed: u64) -> Result<Output> {
    let target = root().join("target/mutants/build");
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let mut command = Command::new(cargo);
    command.args(["run", "--release", "-p", "tamarack-sim", "--target-dir"]).arg(target).current_dir(sources);
    command.args(["--", "--every", "1", "--quick", "--crashes", &crashes.to_string(), "--seed", &seed.to_string()]);
    command.env("CARGO_PROFILE_RELEASE_LTO", "off").env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16");
    Ok(command.output()?)
}
