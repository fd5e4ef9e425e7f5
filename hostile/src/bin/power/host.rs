//! The machine that all this runs on: what it must have, and how nothing is left behind on it. Mounts are made in a mount namespace of their own, with
//! loop devices that go with their mount, by processes that end with this one; so whatever ends it ends them. No device is touched but
//! loop devices that the system hands out for files of ours.

use crate::Outcome;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Output, Stdio};
use std::time::{Duration, Instant};

/// Says to the process that it is inside of its namespace already.
const INSIDE: &str = "TAMARACK_POWER_INSIDE";

const TOOLS: [(&str, &str); 6] = [
    ("unshare", "util-linux"),
    ("setpriv", "util-linux"),
    ("mount", "mount"),
    ("umount", "mount"),
    ("mkfs.ext4", "e2fsprogs"),
    ("e2fsck", "e2fsprogs"),
];

/// Where a program is; root's are not in everybody's path.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var("PATH").unwrap_or_default();
    let folders = path.split(':').chain(["/usr/local/sbin", "/usr/sbin", "/sbin"]).filter(|folder| !folder.is_empty());
    folders.map(|folder| Path::new(folder).join(name)).find(|path| path.is_file())
}

/// A command, found as [`find`] does.
pub(crate) fn command(name: &str) -> Command {
    Command::new(find(name).unwrap_or_else(|| name.into()))
}

/// What is missing here, in words.
fn missing() -> Vec<String> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ids = status.lines().find_map(|line| line.strip_prefix("Uid:")).unwrap_or_default();
    let mut missing = Vec::new();
    if ids.split_whitespace().nth(1) != Some("0") {
        missing.push("root's rights, to mount file systems (in a namespace of their own)".to_owned());
    }
    for device in ["/dev/fuse", "/dev/loop-control"] {
        if !Path::new(device).exists() {
            missing.push(format!("{device}, which the kernel offers with FUSE and loop devices"));
        }
    }
    if !std::fs::read_to_string("/proc/filesystems").unwrap_or_default().lines().any(|line| line.trim() == "ext4") {
        missing.push("the ext4 file system".to_owned());
    }
    let tools = TOOLS.iter().filter(|(tool, _)| find(tool).is_none());
    missing.extend(tools.map(|(tool, package)| format!("the program {tool} (Debian's package {package})")));
    missing
}

/// Runs the rest of the program in a mount namespace of its own. `None` if this is it.
pub(crate) fn enter() -> Result<Option<ExitCode>, String> {
    if std::env::var_os(INSIDE).is_some() {
        return Ok(None);
    }
    let missing = missing();
    if !missing.is_empty() {
        return Err(format!("this machine cannot run it; missing: {}", missing.join("; ")));
    }
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut unshare = command("unshare");
    unshare.args(["--mount", "--propagation", "private"]);
    let status = unshare.arg(program).args(std::env::args_os().skip(1)).env(INSIDE, "1").status();
    let status = status.map_err(|error| format!("unshare: {error}"))?;
    Ok(Some(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE }))
}

/// Runs a command; what it said if it fails.
pub(crate) fn call(command: &mut Command) -> Outcome {
    let output = command.stdin(Stdio::null()).output().map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() { Ok(()) } else { Err(format!("{command:?}: {}", words(&output))) }
}

pub(crate) fn words(output: &Output) -> String {
    let said = [&output.stdout[..], b" ", &output.stderr[..]].concat();
    format!("{} ({})", String::from_utf8_lossy(&said).trim(), output.status)
}

/// A mounted file system; unmounts when it is dropped.
pub(crate) struct Mounted(PathBuf);

impl Mounted {
    pub(crate) fn new(file: &Path, folder: &Path, options: &str) -> Result<Self, String> {
        call(command("mount").args(["-t", "ext4", "-o", &format!("loop,{options}")]).arg(file).arg(folder))?;
        Ok(Self(folder.to_owned()))
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // Who has just been killed may hold it a moment longer.
        for _ in 0..200 {
            if call(command("umount").arg(&self.0)).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = call(command("umount").arg("--lazy").arg(&self.0));
    }
}

/// A process that does not outlive us.
pub(crate) struct Running(pub(crate) Child);

impl Running {
    pub(crate) fn kill(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }

    /// Whether it has ended within a time.
    pub(crate) fn ended(&mut self, patience: Duration) -> bool {
        let begun = Instant::now();
        while begun.elapsed() < patience {
            if !matches!(self.0.try_wait(), Ok(None)) {
                return true;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        false
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A command that is killed when the thread that starts it ends, whatever ends it.
pub(crate) fn bound(program: &Path) -> Command {
    let mut command = command("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(program);
    command
}

/// This program again, as the process to be cut or as the one that looks.
pub(crate) fn ourselves() -> Result<Command, String> {
    std::env::current_exe().map(|program| bound(&program)).map_err(|error| error.to_string())
}
