//! Measurements beside RocksDB, whose build takes minutes and libclang.

use crate::Result;
use crate::run::{cargo, program};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where Debian's packages put their versions of LLVM.
const LIBRARIES: &str = "/usr/lib";

/// Builds and runs one of the benches with RocksDB and fjall.
pub(crate) fn run(name: &str, arguments: &[String]) -> Result {
    let libclang = libclang()?;
    let run = ["run", "--release", "-p", "tamarack-benches", "--features", "peers", "--bin", name, "--"];
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let environment = libclang.as_deref().and_then(Path::to_str).map(|folder| ("LIBCLANG_PATH", folder));
    cargo(&[&run[..], &arguments].concat(), environment.as_slice())
}

/// The folder with libclang; installs it where there is none and apt is. `None`: the build looks for it by itself.
fn libclang() -> Result<Option<PathBuf>> {
    let apt = Command::new("apt-get").arg("--version").output().is_ok_and(|output| output.status.success());
    if std::env::var_os("LIBCLANG_PATH").is_some() || !apt {
        return Ok(None);
    }
    if installed()?.is_none() {
        program("apt-get", &["update"], &[])?;
        program("apt-get", &["install", "--yes", "--no-install-recommends", "clang", "libclang-dev"], &[])?;
    }
    installed()
}

fn installed() -> Result<Option<PathBuf>> {
    let mut folders = Vec::new();
    for entry in std::fs::read_dir(LIBRARIES)? {
        folders.push(entry?.path().join("lib"));
    }
    folders.sort_unstable();
    Ok(folders.into_iter().rfind(|folder| has_libclang(folder)))
}

/// Its name is `libclang.so` or `libclang-22.so.1`; `libclang-cpp.so.22.1` is something else.
fn has_libclang(folder: &Path) -> bool {
    let is_library = |name: &str| {
        let rest = name.strip_prefix("libclang").unwrap_or_default();
        rest.trim_start_matches(|c: char| c == '-' || c.is_ascii_digit()).starts_with(".so")
    };
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
    files.into_iter().any(|file| is_library(&file.file_name().to_string_lossy()))
}
