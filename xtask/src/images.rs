//! Power cuts on a real file system, of a recorded disk; and mistakes that they have to find, most of them in what the simulator's disk stands for.

use crate::Result;
use crate::mutants::Mutant;
use crate::run::{ASSERTING, ASSERTING_TARGET, cargo, root};
use std::fs::OpenOptions;
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

const POWER: [&str; 5] = ["--release", "-p", "tamarack-hostile", "--bin", "power"];

pub(crate) const MUTANTS: [Mutant; 4] = [
    Mutant {
        what: "a commit's direct write is not durable by itself (I21)",
        file: "store/src/vfs/file.rs",
        changes: &[("direct.write(bytes, offset, true))", "direct.write(bytes, offset, false))")],
    },
    Mutant {
        what: "a sync of the file does nothing",
        file: "store/src/vfs/file.rs",
        changes: &[("        self.file.sync_data()\n", "        Ok(())\n")],
    },
    Mutant {
        what: "large values are not durable before the log names them (I25)",
        file: "store/src/engine/write.rs",
        changes: &[(
            "        if names_extents {\n            base.syncs",
            "        if false && names_extents {\n            base.syncs",
        )],
    },
    Mutant {
        what: "a checkpoint's pages are not synced before a superblock names them (I25)",
        file: "store/src/ckpt/superblocks.rs",
        changes: &[("    base.syncs.sync(\"making a checkpoint durable\")\n", "    base.poison.check()\n")],
    },
];

/// Builds and runs it.
pub(crate) fn run(count: u64, seed: Option<u64>) -> Result {
    let (count, seed) = (count.to_string(), seed.map(|seed| seed.to_string()));
    let mut arguments = [&["run", "--target-dir", ASSERTING_TARGET][..], &POWER].concat();
    arguments.extend(["--", "images", "--count", &count]);
    arguments.extend(seed.iter().flat_map(|seed| ["--seed", seed]));
    cargo(&arguments, &ASSERTING)
}

/// What this machine needs for it and does not have.
pub(crate) fn lacks() -> Option<&'static str> {
    let mounts = ["/dev/fuse", "/dev/loop-control"]
        .into_iter()
        .all(|device| OpenOptions::new().write(true).open(device).is_ok());
    if !cfg!(target_os = "linux") || !mounts {
        return Some("it needs Linux, root, FUSE and loop devices");
    }
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let mut folders = std::env::split_paths(&paths).chain([PathBuf::from("/usr/sbin"), PathBuf::from("/sbin")]);
    if folders.any(|folder| folder.join("mkfs.ext4").is_file()) { None } else { Some("it needs mkfs.ext4") }
}

/// Plants each mistake in a copy of the sources. One that is not found is an error, and so is a run that fails for another reason.
pub(crate) fn mutants(count: u64, seed: u64, only: Option<&str>) -> Result {
    let (mut missed, mut planted) = (0, 0);
    for mutant in MUTANTS.iter().filter(|mutant| only.is_none_or(|word| mutant.what.contains(word))) {
        planted += 1;
        let (copy, begun) = (mutant.plant()?, Instant::now());
        let mut command = Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned()));
        command
            .arg("run")
            .args(POWER)
            .args(["--", "images", "--count", &count.to_string(), "--seed", &seed.to_string()])
            .current_dir(copy);
        command.env("CARGO_TARGET_DIR", root().join("target/mutants/build"));
        let output = command
            .env("CARGO_PROFILE_RELEASE_LTO", "off")
            .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16")
            .output()?;
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        let wrong: Vec<&str> = told.lines().filter(|line| line.starts_with("WRONG: ")).collect();
        let images = told.lines().find(|line| line.contains(" images in ")).unwrap_or_default();
        match (output.status.success(), wrong.first()) {
            (false, Some(first)) => {
                println!(
                    "found: {} ({images}; {:.0} s with the build)\n    {first}",
                    mutant.what,
                    begun.elapsed().as_secs_f64()
                );
            }
            (true, _) => {
                println!("NOT FOUND within {count} images: {}", mutant.what);
                missed += 1;
            }
            _ => return Err(format!("{}: {told}\n{}", mutant.what, String::from_utf8_lossy(&output.stderr)).into()),
        }
    }
    match (planted, missed) {
        (0, _) => Err("no mistake has this word".into()),
        (_, 0) => {
            println!("{planted} mistakes planted and found");
            Ok(())
        }
        _ => Err(format!("{missed} mistakes were not found").into()),
    }
}
