//! Writes what the fuzzer begins with: a folder for each target.

#![allow(clippy::disallowed_methods, reason = "a tool for people and CI")]

use std::path::PathBuf;
use tamarack_hostile::seeds::seeds;
use tamarack_hostile::targets::TARGETS;

fn main() -> std::io::Result<()> {
    let folder = std::env::args_os().nth(1).map(PathBuf::from).unwrap_or_default();
    for target in TARGETS {
        let folder = folder.join(target.name);
        std::fs::create_dir_all(&folder)?;
        for (number, bytes) in seeds(&target).iter().enumerate() {
            std::fs::write(folder.join(format!("{number:03}")), bytes)?;
        }
    }
    Ok(())
}
