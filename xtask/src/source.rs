//! The Rust sources of the repository.

use crate::{Result, run};
use std::{fs, path::Path};

/// One file of Rust.
pub(crate) struct Source {
    /// Path from the root, with `/`.
    pub(crate) path: String,
    /// What is in it.
    pub(crate) text: String,
}

/// Directories whose files are data of tests: expansions of macros and programs that must not compile.
const DATA: [&str; 3] = ["target", "golden", "ui"];

/// All sources, in the order of their paths.
pub(crate) fn all() -> Result<Vec<Source>> {
    let root = run::root();
    let mut sources = Vec::new();
    collect(&root, &root, &mut sources)?;
    sources.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(sources)
}

fn collect(root: &Path, dir: &Path, into: &mut Vec<Source>) -> Result {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_dir() {
            if !name.starts_with('.') && !DATA.contains(&name.as_ref()) {
                collect(root, &path, into)?;
            }
        } else if name.ends_with(".rs") {
            let relative = path.strip_prefix(root)?.components();
            let parts: Vec<_> = relative.map(|part| part.as_os_str().to_string_lossy()).collect();
            into.push(Source { path: parts.join("/"), text: fs::read_to_string(&path)? });
        }
    }
    Ok(())
}
