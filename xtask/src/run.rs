//! Starting programs from the root of the repository.

use crate::Result;
use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

/// Runs cargo with arguments and environment variables, and fails if it fails.
pub(crate) fn cargo(arguments: &[&str], variables: &[(&str, &str)]) -> Result {
    program(&cargo_path(), arguments, variables)
}

/// What cargo prints when run with arguments; fails if it fails.
pub(crate) fn output(arguments: &[&str]) -> Result<String> {
    let output = Command::new(cargo_path()).args(arguments).current_dir(root()).stderr(Stdio::inherit()).output()?;
    let status = output.status;
    if status.success() {
        Ok(String::from_utf8(output.stdout)?)
    } else {
        Err(format!("cargo ended with {status}").into())
    }
}

/// The cargo that runs this.
pub(crate) fn cargo_path() -> String {
    env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned())
}

/// Runs a program with arguments and environment variables, and fails if it fails.
pub(crate) fn program(name: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Result {
    let assignments: String = variables.iter().map(|(name, value)| format!("{name}=\"{value}\" ")).collect();
    let short = Path::new(name).file_name().unwrap_or_default().to_string_lossy();
    eprintln!("+ {assignments}{short} {}", arguments.join(" "));
    let status = Command::new(name).args(arguments).envs(variables.iter().copied()).current_dir(root()).status()?;
    if status.success() { Ok(()) } else { Err(format!("{short} ended with {status}").into()) }
}
