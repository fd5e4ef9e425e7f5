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

/// Variables with which a release asserts what debug builds do.
pub(crate) const CHECKED: [(&str, &str); 2] =
    [("CARGO_PROFILE_RELEASE_DEBUG_ASSERTIONS", "true"), ("CARGO_PROFILE_RELEASE_OVERFLOW_CHECKS", "true")];

/// The same, and it is built fast; and its directory, as the rest would be built twice.
pub(crate) const ASSERTING: [(&str, &str); 4] =
    [CHECKED[0], CHECKED[1], ("CARGO_PROFILE_RELEASE_LTO", "off"), ("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16")];
pub(crate) const ASSERTING_TARGET: &str = "target/asserting";

/// Runs cargo's tests, of which `arguments` choose some; `of_tests` are for these. That there are none is an error.
pub(crate) fn tests(arguments: &[&str], of_tests: &[&str], variables: &[(&str, &str)]) -> Result {
    let list = output(&[&["test"], arguments, &["--", "--list"]].concat(), variables)?;
    if !names_a_test(&list) {
        return Err(format!("no test is chosen by `{}`", arguments.join(" ")).into());
    }
    cargo(&[&["test"], arguments, &["--"], of_tests].concat(), variables)
}

fn names_a_test(list: &str) -> bool {
    list.lines().any(|line| line.ends_with(": test"))
}

/// What cargo prints when run with arguments and environment variables; fails if it fails.
fn output(arguments: &[&str], variables: &[(&str, &str)]) -> Result<String> {
    let mut command = Command::new(cargo_path());
    command.args(arguments).envs(variables.iter().copied()).current_dir(root()).stderr(Stdio::inherit());
    let output = command.output()?;
    let status = output.status;
    if status.success() {
        Ok(String::from_utf8(output.stdout)?)
    } else {
        Err(format!("cargo ended with {status}").into())
    }
}

/// The cargo that started this.
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

#[cfg(test)]
mod tests {
    use super::names_a_test;

    #[test]
    fn a_list_without_tests_is_told() {
        assert!(names_a_test("a::b: test\nc: benchmark\n\n1 test, 1 benchmark\n"));
        assert!(!names_a_test("c: benchmark\n\n0 tests, 1 benchmark\n") && !names_a_test(""));
    }
}
