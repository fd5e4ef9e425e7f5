//! Mistakes planted in a copy of the sources, which a check has to find.

use crate::Result;
use crate::run::root;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A mistake: pieces of a source file that occur once, and what takes their places.
pub(crate) struct Mutant {
    pub(crate) what: &'static str,
    pub(crate) file: &'static str,
    pub(crate) changes: &'static [(&'static str, &'static str)],
}

impl Mutant {
    /// Copies the sources as they are here to `target/mutants/sources` and plants the mistake there. Returns that folder.
    pub(crate) fn plant(&self) -> Result<PathBuf> {
        let copy = root().join("target/mutants/sources");
        copy_sources(&copy)?;
        let file = copy.join(self.file);
        let mut text = fs::read_to_string(&file)?;
        for (from, to) in self.changes {
            if text.matches(from).count() != 1 {
                return Err(format!("{}: `{from}` occurs not once", self.file).into());
            }
            text = text.replace(from, to);
        }
        fs::write(&file, text)?;
        Ok(copy)
    }
}

fn copy_sources(to: &Path) -> Result {
    let list = Command::new("git").args(["ls-files", "-co", "--exclude-standard"]).current_dir(root()).output()?;
    for name in String::from_utf8(list.stdout)?.lines() {
        let (from, to) = (root().join(name), to.join(name));
        let text = match fs::read(&from) {
            Ok(text) => text,
            Err(_) => continue,
        };
        // What is the same keeps its time, so that only what changed is compiled again.
        if fs::read(&to).is_ok_and(|old| old == text) {
            continue;
        }
        if let Some(folder) = to.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(to, text)?;
    }
    Ok(())
}
