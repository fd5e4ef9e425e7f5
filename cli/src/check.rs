//! `tamarack check FILE`.

use crate::Outcome;
use crate::bar::{Bar, bytes, number, table};
use crate::out::{Out, unsaid};
use std::io::{self, Write};
use std::path::Path;
use tamarack::{CheckReport, Result};

pub(crate) fn run(file: &Path, most: usize, out: &mut Out) -> Result<Outcome> {
    let bar = Bar::new("checking");
    let report = tamarack::check_file(file, &mut |progress| bar.show(progress))?;
    drop(bar);
    print(&report, most, out).map_err(unsaid)?;
    Ok(if report.is_sound() { Outcome::Sound } else { Outcome::Wrong })
}

/// What a check has counted in each table.
pub(crate) fn tables(report: &CheckReport) -> comfy_table::Table {
    let mut rows = table(&["table", "records", "indexes", "index entries"]);
    for of in report.tables() {
        rows.add_row([of.table.clone(), number(of.records), number(of.indexes as u64), number(of.index_entries)]);
    }
    rows
}

/// How much of the file holds something.
pub(crate) fn in_use(report: &CheckReport) -> String {
    let totals = report.totals();
    let used = totals.bytes - totals.free.min(totals.bytes);
    let (used, all, pages) = (bytes(used), bytes(totals.bytes), number(totals.pages));
    format!("{used} of {all} in use, {pages} pages read, checkpoint {}", totals.checkpoint)
}

fn print(report: &CheckReport, most: usize, out: &mut Out) -> io::Result<()> {
    for finding in report.findings().iter().take(most) {
        writeln!(out, "{:<10} {finding}", finding.kind())?;
    }
    let count = report.findings().len() as u64 + report.more();
    let hidden = count - (report.findings().len().min(most) as u64);
    if hidden > 0 {
        writeln!(out, "... and {} more", number(hidden))?;
    }
    writeln!(out, "{}", tables(report))?;
    let totals = report.totals();
    writeln!(out, "{}, {} commits in the log", in_use(report), number(totals.log_commits))?;
    if totals.unreachable > 0 {
        writeln!(out, "{} cannot be reached, because what names them is damaged", bytes(totals.unreachable))?;
    }
    match count {
        0 => writeln!(out, "sound: nothing is wrong"),
        1 => writeln!(out, "1 finding"),
        count => writeln!(out, "{} findings", number(count)),
    }
}
