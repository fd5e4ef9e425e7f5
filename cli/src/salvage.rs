//! `tamarack salvage FILE --into NEW`.

use crate::Outcome;
use crate::bar::{Bar, number, table};
use crate::out::{Out, unsaid};
use std::io::{self, Write};
use std::path::Path;
use tamarack::{Result, SalvageReport};

pub(crate) fn run(file: &Path, into: &Path, out: &mut Out) -> Result<Outcome> {
    let bar = Bar::new("salvaging");
    let report = tamarack::salvage_file(file, into, &mut |progress| bar.show(progress))?;
    drop(bar);
    print(&report, out).map_err(unsaid)?;
    Ok(if report.is_complete() { Outcome::Sound } else { Outcome::Wrong })
}

fn print(report: &SalvageReport, out: &mut Out) -> io::Result<()> {
    let mut rows = table(&["table", "records", "unverified", "losses"]);
    for of in report.tables() {
        let lost = report.lost().iter().filter(|lost| lost.table == of.table).count();
        rows.add_row([of.table.clone(), number(of.records), number(of.unverified), number(lost as u64)]);
    }
    writeln!(out, "{rows}")?;
    writeln!(out, "{} commits from the log", number(report.log_commits()))?;
    report.remarks().iter().try_for_each(|remark| writeln!(out, "note: {remark}"))?;
    if report.lost().is_empty() {
        return writeln!(out, "{}", report.no_loss());
    }
    writeln!(out, "lost:")?;
    report.lost().iter().try_for_each(|lost| writeln!(out, "  {lost}"))
}
