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
    writeln!(out, "{tables}\n{in_use}").map_err(unsaid)?;
    if report.is_sound() {
        writeln!(out, "restored to `{}`, and checked: nothing is wrong", into.display()).map_err(unsaid)?;
        return Ok(Outcome::Sound);
    }
    writeln!(out, "{}\nrestored to `{}`: all of the above was wrong when the backup was made", report, into.display())
        .map_err(unsaid)?;
    Ok(Outcome::Wrong)
}
