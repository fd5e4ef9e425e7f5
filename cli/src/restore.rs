//! `tamarack restore BACKUP [INCREMENT...] --into NEW`.

use crate::Outcome;
use crate::bar::{Bar, bytes, number, table};
use std::path::{Path, PathBuf};
use tamarack::Result;

pub(crate) fn run(backups: &[PathBuf], into: &Path) -> Result<Outcome> {
    let bar = Bar::new("restoring");
    let report = tamarack::restore_file(backups, into, &mut |progress| bar.show(progress))?;
    drop(bar);
    let mut rows = table(&["table", "records", "indexes", "index entries"]);
    for of in report.tables() {
        rows.add_row([of.table.clone(), number(of.records), number(of.indexes as u64), number(of.index_entries)]);
    }
    println!("{rows}");
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
