//! Operating systems that are killed: emulated machines. What they are made of comes from Debian: the emulator and busybox are installed, the kernel
//! is unpacked below `target/` and never the one that runs.

use crate::Result;
use crate::images;
use crate::run::{cargo, root};
use std::path::{Path, PathBuf};
use std::process::Command;

const EMULATOR: &str = "qemu-system-x86_64";
const BUSYBOX: &str = "/bin/busybox";
const INSTALLED: [&str; 2] = ["qemu-system-x86", "busybox-static"];
/// Depends on the package of the newest kernel.
const KERNEL: &str = "linux-image-amd64";

/// Builds and runs it.
pub(crate) fn run(times: u64, seed: Option<u64>) -> Result {
    let kernel = parts()?;
    let (times, seed) = (times.to_string(), seed.map(|seed| seed.to_string()));
    let (image, modules) = (find(&kernel.join("boot"), "vmlinuz-")?, kernel.join("lib/modules"));
    let mut arguments =
        vec!["run", "--release", "-p", "tamarack-hostile", "--bin", "power", "--", "cuts", "--times", &times];
    arguments.extend(seed.iter().flat_map(|seed| ["--seed", seed]));
    let (image, modules) = (image.to_string_lossy(), modules.to_string_lossy());
    arguments.extend(["--kernel", &image, "--modules", &modules, "--busybox", BUSYBOX]);
    cargo(&arguments, &[])
}

/// What this machine needs for it and does not have.
pub(crate) fn lacks() -> Option<&'static str> {
    images::lacks().or_else(|| (!cfg!(target_arch = "x86_64")).then_some("it needs x86-64")).or_else(not_debian)
}

/// What is needed comes from there.
pub(crate) fn not_debian() -> Option<&'static str> {
    (!Path::new("/etc/debian_version").exists()).then_some("it needs Debian")
}

/// The folder with the kernel; fetches what is missing.
fn parts() -> Result<PathBuf> {
    let folder = root().join("target/cuts");
    let (kernel, packages) = (folder.join("kernel"), folder.join("packages"));
    let has_emulator = Command::new(EMULATOR).arg("--version").output().is_ok_and(|output| output.status.success());
    let has_busybox = Path::new(BUSYBOX).exists();
    let has_kernel = find(&kernel.join("boot"), "vmlinuz-").is_ok();
    if has_emulator && has_busybox && has_kernel {
        return Ok(kernel);
    }
    if !Path::new("/etc/debian_version").exists() {
        return Err(format!("needs {EMULATOR}, busybox linked statically at {BUSYBOX}, and a kernel with its modules in {}, which only Debian gives by itself", kernel.display()).into());
    }
    call(Command::new("apt-get").arg("update"))?;
    if !has_emulator || !has_busybox {
        call(Command::new("apt-get").args(["install", "--yes", "--no-install-recommends"]).args(INSTALLED))?;
    }
    if !has_kernel {
        std::fs::create_dir_all(&packages)?;
        let output = Command::new("apt-cache").args(["depends", "--important", KERNEL]).output()?;
        let text = String::from_utf8(output.stdout)?;
        let newest = text
            .lines()
            .find_map(|line| line.trim().strip_prefix("Depends: linux-image-"))
            .ok_or("Debian names no kernel")?;
        call(Command::new("apt-get").arg("download").arg(format!("linux-image-{newest}")).current_dir(&packages))?;
        call(Command::new("dpkg").arg("-x").arg(find(&packages, "linux-image-")?).arg(&kernel))?;
    }
    Ok(kernel)
}

/// Runs a program, and says so; fails if it fails.
pub(crate) fn call(command: &mut Command) -> Result {
    eprintln!("+ {command:?}");
    if command.status()?.success() { Ok(()) } else { Err(format!("{command:?} failed").into()) }
}

/// The one file of a folder whose name begins so.
fn find(folder: &Path, start: &str) -> Result<PathBuf> {
    let entries = std::fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let found =
        paths.into_iter().find(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(start)));
    found.ok_or_else(|| format!("{}: no file {start}*", folder.display()).into())
}
