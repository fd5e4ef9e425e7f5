//! `tamarack restore BACKUP [INCREMENT...] --into NEW`.

use crate::Outcome;
use crate::bar::Bar;
use crate::check::{in_use, tables};
use crate::out::{Out, unsaid};
use std::io::Write;
use std::path::{Path, PathBuf};
use tamarack::Result;

pub(crate) fn run(backups: &[PathBuf], into: &Path, out: &mut Out) -> Result<Outcome> {
    let bar = Bar::new("restoring");
    let report = tamarack::restore_file(backups, into, &mut |progress| bar.show(progress))?;
    drop(bar);
    let (tables, in_use) = (tables(&report), in_use(&report));
    writeln!(out, "{tables}\n{in_use}\nrestored to `{}`, and checked: nothing is wrong", into.display())
        .map_err(unsaid)?;
    Ok(Outcome::Sound)
}
