//! `tamarack compact FILE`.

use crate::Outcome;
use crate::bar::{Bar, bytes, number};
use std::path::Path;
use tamarack::Result;

pub(crate) fn run(file: &Path) -> Result<Outcome> {
    let bar = Bar::new("compacting");
    let report = tamarack::compact_file(file, &mut |progress| bar.show(progress))?;
    drop(bar);
    println!(
        "{} half-empty leaves packed into {}, {} extents ({}) moved in {} rounds",
        number(report.leaves_packed),
        number(report.leaves_made),
        number(report.extents_moved),
        bytes(report.bytes_moved),
        number(report.rounds),
    );
    println!("{} before, {} now", bytes(report.bytes_before), bytes(report.bytes_after));
    Ok(Outcome::Sound)
}
