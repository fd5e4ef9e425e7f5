//! `tamarack compact FILE`.

use crate::Outcome;
use crate::bar::{Bar, bytes, number};
use crate::out::{Out, unsaid};
use std::io::{self, Write};
use std::path::Path;
use tamarack::{CompactReport, Result};

pub(crate) fn run(file: &Path, out: &mut Out) -> Result<Outcome> {
    let bar = Bar::new("compacting");
    let report = tamarack::compact_file(file, &mut |progress| bar.show(progress))?;
    drop(bar);
    print(&report, out).map_err(unsaid)?;
    Ok(Outcome::Sound)
}

fn print(report: &CompactReport, out: &mut Out) -> io::Result<()> {
    writeln!(
        out,
        "{} half-empty leaves packed into {}, {} extents ({}) moved in {} rounds",
        number(report.leaves_packed),
        number(report.leaves_made),
        number(report.extents_moved),
        bytes(report.bytes_moved),
        number(report.rounds),
    )?;
    writeln!(out, "{} before, {} now", bytes(report.bytes_before), bytes(report.bytes_after))
}
