//! A limit of memory for a process and the pages of files that are cached for it: a group of the kernel's memory controller, version 1.

use crate::Result;
use std::path::{Path, PathBuf};

const CONTROLLER: &str = "/sys/fs/cgroup/memory";

/// A group with a limit; removed when dropped.
pub(crate) struct Group(PathBuf);

impl Group {
    /// `None` where there is no such controller, or no right to it.
    pub(crate) fn new(bytes: u64) -> Option<Self> {
        let folder = Path::new(CONTROLLER).join(format!("tamarack-{}", std::process::id()));
        std::fs::create_dir(&folder).ok()?;
        let group = Self(folder);
        std::fs::write(group.0.join("memory.limit_in_bytes"), bytes.to_string()).ok()?;
        Some(group)
    }

    /// The folder, for [`join`].
    pub(crate) fn folder(&self) -> &Path {
        &self.0
    }
}

/// Puts this process into a group.
pub(crate) fn join(folder: &Path) -> Result<()> {
    Ok(std::fs::write(folder.join("cgroup.procs"), std::process::id().to_string())?)
}

impl Drop for Group {
    fn drop(&mut self) {
        // The pages of files that it still has go to the group above. A group that is not removed costs nothing and has this process's name.
        if let Err(error) = std::fs::remove_dir(&self.0) {
            eprintln!("{}: {error}", self.0.display());
        }
    }
}
