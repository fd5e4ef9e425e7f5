//! `tamarack restore BACKUP [INCREMENT...] --into NEW`.

use crate::Outcome;
use crate::bar::Bar;
use crate::check::{in_use, tables};
use std::path::{Path, PathBuf};
use tamarack::Result;

pub(crate) fn run(backups: &[PathBuf], into: &Path) -> Result<Outcome> {
    let bar = Bar::new("restoring");
    let report = tamarack::restore_file(backups, into, &mut |progress| bar.show(progress))?;
    drop(bar);
    println!("{}", tables(&report));
    println!("{}", in_use(&report));
    println!("restored to `{}`, and checked: nothing is wrong", into.display());
    Ok(Outcome::Sound)
}
