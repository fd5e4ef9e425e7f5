//! An emulated machine (QEMU without KVM): a kernel, a system in memory that consists of busybox and this program, and one of our disks. Nothing
//! of it survives when it is killed but what had been written to the disk.

use crate::host::{Running, bound, find};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{ChildStdout, Command, Stdio};

/// What the machine is made of.
#[derive(clap::Args)]
pub(crate) struct Parts {
    /// A Linux kernel.
    #[arg(long)]
    kernel: PathBuf,
    /// The folder with its modules.
    #[arg(long)]
    modules: PathBuf,
    /// Busybox, linked statically.
    #[arg(long, default_value = "/bin/busybox")]
    busybox: PathBuf,
}

const EMULATOR: &str = "qemu-system-x86_64";
/// In the order in which they are loaded. One that the kernel has built in is no file.
const MODULES: [&str; 11] = [
    "virtio_ring",
    "virtio",
    "virtio_pci_legacy_dev",
    "virtio_pci_modern_dev",
    "virtio_pci",
    "virtio_blk",
    "crc16",
    "mbcache",
    "jbd2",
    "crc32c_generic",
    "ext4",
];

/// The first process. The kernel passes on what stands behind `--` in its command line: mount options, then what this program is to do.
const INIT: &str = "#!/bin/busybox sh
/bin/busybox mount -t devtmpfs none /dev
/bin/busybox mount -t proc none /proc
for module in /modules/*; do /bin/busybox insmod $module; done
/bin/busybox stty -F /dev/ttyS1 raw
echo booted > /dev/ttyS1
/bin/busybox mount -t ext4 -o \"$1\" /dev/vda /disk || echo unmountable > /dev/ttyS1
shift
/power \"$@\" 2> /dev/ttyS1
echo \"error: the process ended by itself: $?\" > /dev/ttyS1
/bin/busybox umount /disk
/bin/busybox poweroff -f
";

/// A machine that can be started again and again.
pub(crate) struct Machine {
    kernel: PathBuf,
    system: PathBuf,
    console: PathBuf,
    emulator: PathBuf,
}

impl Machine {
    pub(crate) fn new(parts: &Parts, folder: &Path) -> Result<Self, String> {
        let emulator =
            find(EMULATOR).ok_or(format!("missing: the program {EMULATOR} (Debian's package qemu-system-x86)"))?;
        for path in [&parts.kernel, &parts.busybox, &parts.modules] {
            if !path.exists() {
                return Err(format!("missing: {}", path.display()));
            }
        }
        let system = folder.join("system.cpio");
        let bytes = system_of(parts)?;
        std::fs::write(&system, bytes).map_err(|error| format!("{}: {error}", system.display()))?;
        Ok(Self { kernel: parts.kernel.clone(), system, console: folder.join("console"), emulator })
    }

    /// Starts it, with what it is to do.
    pub(crate) fn start(
        &self,
        disk: &Path,
        options: &str,
        work: &[String],
    ) -> Result<(Running, BufReader<ChildStdout>), String> {
        let mut command = bound(&self.emulator);
        command.args([
            "-accel",
            "tcg",
            "-cpu",
            "max",
            "-smp",
            "2",
            "-m",
            "256",
            "-nodefaults",
            "-nographic",
            "-no-reboot",
        ]);
        command.arg("-kernel").arg(&self.kernel).arg("-initrd").arg(&self.system);
        // A word that the kernel does not know it would pass on before ours. Where the host has much to do, ticks come late, and a kernel that
        // looks for them finds none.
        let line = format!(
            "console=ttyS0 panic=-1 loglevel=4 mitigations=off edd=off no_timer_check -- {options} {}",
            work.join(" ")
        );
        command.args(["-append", &line]);
        let drive =
            format!("file={},format=raw,if=virtio,cache=writeback,discard=ignore,file.locking=off", disk.display());
        command.args(["-drive", &drive]);
        command
            .arg("-serial")
            .arg(format!("file:{}", self.console.display()))
            .args(["-serial", "stdio", "-monitor", "none"]);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(|error| format!("starting {EMULATOR}: {error}"))?;
        let lines = child.stdout.take().ok_or("no pipe")?;
        Ok((Running(child), BufReader::new(lines)))
    }

    /// The end of what the kernel said.
    pub(crate) fn console(&self) -> String {
        let lines = File::open(&self.console)
            .map(|file| BufReader::new(file).split(b'\n').map_while(Result::ok).collect::<Vec<_>>());
        let lines = lines.unwrap_or_default();
        let last = lines
            .iter()
            .skip(lines.len().saturating_sub(12))
            .map(|line| String::from_utf8_lossy(line).trim().to_owned());
        last.collect::<Vec<_>>().join("\n")
    }
}

/// The archive that the kernel unpacks.
fn system_of(parts: &Parts) -> Result<Vec<u8>, String> {
    let read = |path: &Path| std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()));
    let mut archive = Archive::default();
    for folder in ["bin", "dev", "proc", "disk", "modules"] {
        archive.folder(folder);
    }
    archive.add("init", 0o100_755, INIT.as_bytes());
    archive.add("bin/busybox", 0o100_755, &read(&parts.busybox)?);
    let found = modules(&parts.modules);
    for (number, name) in MODULES.iter().enumerate() {
        if let Some(path) =
            found.iter().find(|path| path.file_name().is_some_and(|file| file == format!("{name}.ko").as_str()))
        {
            archive.add(&format!("modules/{number:02}-{name}.ko"), 0o100_644, &read(path)?);
        }
    }
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    archive.add("power", 0o100_755, &read(&program)?);
    for library in libraries(&program)? {
        archive.file_at(&library, &read(&library)?);
    }
    Ok(archive.end())
}

/// All modules below a folder.
fn modules(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.filter_map(Result::ok).map(|entry| entry.path());
    paths.flat_map(|path| if path.is_dir() { modules(&path) } else { vec![path] }).collect()
}

/// The shared libraries of a program.
fn libraries(program: &Path) -> Result<Vec<PathBuf>, String> {
    let output = Command::new("ldd").arg(program).output().map_err(|error| format!("ldd: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(text.split_whitespace().filter(|word| word.starts_with('/')).map(PathBuf::from).collect())
}

/// An archive of files in the format that the kernel unpacks (cpio, "newc"): for each a header of a magic number and thirteen numbers of eight hexadecimal
/// digits, then the name, ended by a zero, and the contents, both filled up to four bytes.
#[derive(Default)]
struct Archive {
    bytes: Vec<u8>,
    count: usize,
    folders: Vec<PathBuf>,
}

impl Archive {
    fn add(&mut self, name: &str, mode: u32, contents: &[u8]) {
        self.count += 1;
        let (size, named) = (contents.len(), name.len() + 1);
        let numbers = [self.count, mode as usize, 0, 0, 1, 0, size, 0, 0, 0, 0, named, 0];
        self.bytes.extend(b"070701");
        numbers.iter().for_each(|number| self.bytes.extend(format!("{number:08x}").bytes()));
        self.bytes.extend(name.bytes().chain([0]));
        self.fill();
        self.bytes.extend(contents);
        self.fill();
    }

    fn fill(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    fn folder(&mut self, name: &str) {
        if !self.folders.iter().any(|folder| folder == Path::new(name)) {
            self.add(name, 0o040_755, &[]);
            self.folders.push(name.into());
        }
    }

    /// At its absolute path.
    fn file_at(&mut self, path: &Path, contents: &[u8]) {
        let inside = path.strip_prefix("/").unwrap_or(path);
        let folders: Vec<&Path> = inside.ancestors().skip(1).filter(|folder| *folder != Path::new("")).collect();
        folders.iter().rev().for_each(|folder| self.folder(&folder.to_string_lossy()));
        self.add(&inside.to_string_lossy(), 0o100_755, contents);
    }

    fn end(mut self) -> Vec<u8> {
        self.add("TRAILER!!!", 0, &[]);
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_is_laid_out_as_the_kernel_wants_it() {
        let mut archive = Archive::default();
        archive.file_at(Path::new("/lib/a"), b"12345");
        let bytes = archive.end();
        let text = String::from_utf8(bytes.clone()).unwrap();
        assert!(bytes.len().is_multiple_of(4));
        // A folder, the file in it, the end.
        let starts: Vec<usize> = text.match_indices("070701").map(|(at, _)| at).collect();
        assert_eq!(starts, [0, 116, 240]);
        assert_eq!(&text[starts[1] + 110..starts[1] + 116], "lib/a\0");
        assert_eq!(&text[starts[1] + 54..starts[1] + 62], "00000005");
        assert_eq!(&text[starts[1] + 116..starts[1] + 124], "12345\0\0\0");
    }
}
