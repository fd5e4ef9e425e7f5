//! `tamarack restore BACKUP [INCREMENT...] --into NEW`.

use crate::Outcome;
use crate::bar::{Bar, bytes, number};
use crate::check::tables;
use std::path::{Path, PathBuf};
use tamarack::Result;

pub(crate) fn run(backups: &[PathBuf], into: &Path) -> Result<Outcome> {
    let bar = Bar::new("restoring");
    let report = tamarack::restore_file(backups, into, &mut |progress| bar.show(progress))?;
    drop(bar);
    println!("{}", tables(&report));
    let totals = report.totals();
    println!(
        "{} of {} in use, {} pages, checkpoint {}",
        bytes(totals.bytes - totals.free.min(totals.bytes)),
        bytes(totals.bytes),
        number(totals.pages),
        totals.checkpoint,
    );
    println!("restored to `{}`, and checked: nothing is wrong", into.display());
    Ok(Outcome::Sound)
}
