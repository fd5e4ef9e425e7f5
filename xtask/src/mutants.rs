//! Mistakes planted in a copy of the sources, which a check has to find.

use crate::Result;
use crate::run::root;
use std::collections::HashSet;
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
    /// Plants the mistake in a fresh copy of the sources. Returns that folder.
    pub(crate) fn plant(&self) -> Result<PathBuf> {
        let copy = copy()?;
        let file = copy.join(self.file);
        let planted = self.changed(fs::read_to_string(&file)?)?;
        fs::write(&file, planted)?;
        Ok(copy)
    }

    /// The file with the mistake in it.
    pub(crate) fn changed(&self, mut text: String) -> Result<String> {
        for (from, to) in self.changes {
            if text.matches(from).count() != 1 {
                return Err(format!("{}: {}: `{from}` does not occur once", self.what, self.file).into());
            }
            text = text.replace(from, to);
        }
        Ok(text)
    }
}

/// Copies the sources as they are here to `target/mutants/sources`, and takes from there what is no more.
pub(crate) fn copy() -> Result<PathBuf> {
    let copy = root().join("target/mutants/sources");
    copy_to(&copy, &[])?;
    Ok(copy)
}

/// A file of the copy, and what it becomes there.
pub(crate) type Edit = (&'static str, fn(&str) -> String);

/// [`copy`] to another folder, with these edits.
pub(crate) fn copy_to(to: &Path, edits: &[Edit]) -> Result {
    let list = Command::new("git").args(["ls-files", "-co", "--exclude-standard"]).current_dir(root()).output()?;
    let list = String::from_utf8(list.stdout)?;
    let names: HashSet<&str> = list.lines().filter(|name| root().join(name).is_file()).collect();
    remove_others(to, to, &names)?;
    for name in &names {
        let (from, to) = (root().join(name), to.join(name));
        let mut text = fs::read(&from)?;
        if let Some((_, edit)) = edits.iter().find(|(file, _)| file == name) {
            text = edit(&String::from_utf8(text)?).into_bytes();
        }
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

/// Takes away files that an earlier copy had: a module of that name could be found in two places.
fn remove_others(folder: &Path, top: &Path, names: &HashSet<&str>) -> Result {
    let Ok(entries) = fs::read_dir(folder) else { return Ok(()) };
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            remove_others(&path, top, names)?;
        } else if !path.strip_prefix(top).ok().and_then(Path::to_str).is_some_and(|name| names.contains(name)) {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{images, sanitize, shuttle, sim};

    /// Each mistake changes what is there, at one place.
    #[test]
    fn mistakes_can_be_planted() {
        let others = images::MUTANTS.iter().chain(&shuttle::MUTANTS).chain(sanitize::Sanitizer::mistakes());
        for mutant in sim::MUTANTS.iter().chain(others) {
            let text = fs::read_to_string(root().join(mutant.file)).unwrap();
            assert_ne!(mutant.changed(text.clone()).unwrap(), text, "{}", mutant.what);
        }
    }
}
