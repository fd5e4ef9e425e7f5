//! `cargo xtask msrv`: the minimum Rust version is the one that is used, so that every build checks it.

use crate::{
    Result,
    run::{cargo, root},
};
use std::{fs, process::Command};

/// Compares the stated version with the toolchain's and builds everything.
pub(crate) fn check() -> Result {
    let stated = quoted("Cargo.toml", "rust-version")?;
    let pinned = quoted("rust-toolchain.toml", "channel")?;
    if !same(&pinned, &stated) {
        return Err(format!("Cargo.toml states Rust {stated}, rust-toolchain.toml pins {pinned}").into());
    }
    let output = Command::new("rustc").arg("--version").current_dir(root()).output()?;
    let used = String::from_utf8(output.stdout)?;
    let version = used.split(' ').nth(1).unwrap_or_default();
    if !same(version, &stated) {
        return Err(format!("the stated minimum is Rust {stated}, the compiler in use is {version}").into());
    }
    println!("minimum Rust version {stated}, compiler {version}");
    cargo(&["check", "--workspace", "--exclude", "tamarack-benches"], &[])
}

/// Whether a full version is a release of the stated one.
fn same(full: &str, stated: &str) -> bool {
    full == stated || full.strip_prefix(stated).is_some_and(|rest| rest.starts_with('.'))
}

/// The quoted value of the first `name = "..."` in a file.
fn quoted(path: &str, name: &str) -> Result<String> {
    let text = fs::read_to_string(root().join(path))?;
    let line = text.lines().find(|line| line.split('=').next().is_some_and(|word| word.trim() == name));
    let value = line.and_then(|line| line.split('"').nth(1));
    Ok(value.ok_or_else(|| format!("{path}: no `{name}`"))?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::same;

    #[test]
    fn a_release_belongs_to_its_version() {
        assert!(same("1.95.0", "1.95") && same("1.95", "1.95"));
        assert!(!same("1.9.5", "1.95") && !same("1.950.0", "1.95"));
    }
}
