//! Where images are looked at: disks in memory, a place to mount them, and a process that opens the file on them.

use crate::Outcome;
use crate::disk::{Disk, Image};
use crate::host::{Mounted, Running, call, command, ourselves, words};
use crate::judge::Promised;
use crate::serve::Shelf;
use crate::work::heard_counts;
use crate::world::Counts;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

const DISK: u64 = 192 << 20;
/// One that takes so long hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// Of so many file systems one is looked at by e2fsck.
const FSCK: u64 = 8;

/// A file that processes were at work on.
#[derive(Clone, Copy)]
pub(crate) struct Subject {
    pub(crate) seed: u64,
    /// How its file system is mounted.
    pub(crate) options: &'static str,
}

/// What an image had.
pub(crate) struct Seen {
    pub(crate) counts: Counts,
    /// Acknowledged transactions that were not synced and are gone.
    pub(crate) gone: u64,
    /// The disk after it was looked at, and what that wrote.
    pub(crate) disk: Disk,
    /// Whether e2fsck looked too.
    pub(crate) fsck: bool,
}

/// The folders that everything happens in.
pub(crate) struct Bench {
    pub(crate) shelf: Shelf,
    pub(crate) folder: PathBuf,
    pub(crate) mount: PathBuf,
    keep: PathBuf,
    looked: u64,
}

impl Bench {
    pub(crate) fn new(folder: &Path, keep: &Path) -> Result<Self, String> {
        let (disks, mount) = (folder.join("disks"), folder.join("mount"));
        for path in [&disks, &mount] {
            std::fs::create_dir(path).map_err(|error| format!("{}: {error}", path.display()))?;
        }
        let shelf = Shelf::new(&disks)?;
        Ok(Self { shelf, folder: folder.to_owned(), mount, keep: keep.to_owned(), looked: 0 })
    }

    /// A disk with a new file system.
    pub(crate) fn format(&self, block: &str) -> Result<Image, String> {
        let path = self.folder.join("new.img");
        let made = File::create(&path).and_then(|file| file.set_len(DISK));
        made.map_err(|error| format!("{}: {error}", path.display()))?;
        let mut mkfs = command("mkfs.ext4");
        mkfs.args(["-q", "-F", "-b", block, "-J", "size=8", "-E", "nodiscard,lazy_itable_init=0,lazy_journal_init=0"]);
        call(mkfs.arg(&path))?;
        let bytes = std::fs::read(&path).map_err(|error| error.to_string())?;
        let _ = std::fs::remove_file(&path);
        Ok(Image::of(&bytes))
    }

    /// Mounts an image and looks.
    pub(crate) fn examine(
        &mut self,
        image: &Image,
        subject: Subject,
        promised: &Promised,
        untouched: bool,
    ) -> Result<Seen, String> {
        self.looked += 1;
        let fsck = self.looked.is_multiple_of(FSCK);
        let number = self.shelf.put(image.clone());
        let seen = self.look(number, subject, promised.opened && untouched);
        let whole = if fsck { call(command("e2fsck").args(["-f", "-n"]).arg(self.shelf.path(number))) } else { Ok(()) };
        let disk = self.shelf.take(number).ok_or("the disk is gone")?;
        let (there, counts) = seen?;
        let gone = promised.judge(there, &counts)?;
        whole?;
        Ok(Seen { counts, gone, disk, fsck })
    }

    fn look(&self, number: u64, subject: Subject, untouched: bool) -> Result<(bool, Counts), String> {
        let _mounted = Mounted::new(&self.shelf.path(number), &self.mount, subject.options)?;
        let mut look = ourselves()?;
        look.arg("look").arg("--file").arg(self.mount.join("power.tam")).args(["--seed", &subject.seed.to_string()]);
        look.args(untouched.then_some("--untouched"));
        look.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = Running(look.spawn().map_err(|error| format!("starting: {error}"))?);
        // What it prints fits into a pipe.
        if !process.ended(PATIENCE) {
            return Err("a hang".to_owned());
        }
        let output = take_output(&mut process)?;
        if !output.status.success() {
            return Err(words(&output));
        }
        heard_counts(&String::from_utf8_lossy(&output.stdout)).ok_or_else(|| words(&output))
    }

    /// Keeps an image that is wrong.
    pub(crate) fn keep(&self, image: &Image, name: &str) -> Outcome {
        let wrong = |error: std::io::Error| format!("{}: {error}", self.keep.display());
        std::fs::create_dir_all(&self.keep).map_err(wrong)?;
        let bytes = image.read(0, image.length() as usize);
        std::fs::write(self.keep.join(format!("wrong-{name}.img")), bytes).map_err(wrong)
    }
}

/// What a process that has ended said.
pub(crate) fn take_output(process: &mut Running) -> Result<Output, String> {
    let status = process.0.wait().map_err(|error| error.to_string())?;
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    process.0.stdout.take().map(|mut pipe| pipe.read_to_end(&mut stdout));
    process.0.stderr.take().map(|mut pipe| pipe.read_to_end(&mut stderr));
    Ok(Output { status, stdout, stderr })
}
