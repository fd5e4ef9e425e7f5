//! `tamarack salvage FILE --into NEW`.

use crate::Outcome;
use crate::bar::{Bar, number, table};
use std::path::Path;
use tamarack::{Result, SalvageReport};

pub(crate) fn run(file: &Path, into: &Path) -> Result<Outcome> {
    let bar = Bar::new("salvaging");
    let report = tamarack::salvage_file(file, into, &mut |progress| bar.show(progress))?;
    drop(bar);
    print(&report);
    Ok(if report.is_complete() { Outcome::Sound } else { Outcome::Wrong })
}

fn print(report: &SalvageReport) {
    let mut rows = table(&["table", "records", "unverified", "losses"]);
    for of in report.tables() {
        let lost = report.lost().iter().filter(|lost| lost.table == of.table).count();
        rows.add_row([of.table.clone(), number(of.records), number(of.unverified), number(lost as u64)]);
    }
    println!("{rows}");
    println!("{} commits from the log", number(report.log_commits()));
    report.remarks().iter().for_each(|remark| println!("note: {remark}"));
    if report.lost().is_empty() {
        println!("nothing was lost");
    } else {
        println!("lost:");
        report.lost().iter().for_each(|lost| println!("  {lost}"));
    }
}
