//! `tamarack backup FILE --to BACKUP [--since BACKUP...]`.

use crate::Outcome;
use crate::bar::{Bar, bytes};
use std::path::{Path, PathBuf};
use tamarack::{Backup, Error, ErrorKind, Result};

pub(crate) fn run(file: &Path, to: &Path, since: &[PathBuf]) -> Result<Outcome> {
    let earlier = since.iter().map(|path| read_header(path)).collect::<Result<Vec<_>>>()?;
    let newest = earlier.iter().zip(since).max_by_key(|(backup, _)| backup.checkpoint());
    let bar = Bar::new("backing up");
    let backup = tamarack::backup_file(file, newest.map(|(backup, _)| backup), to, &mut |progress| bar.show(progress))?;
    drop(bar);
    println!("{backup}");
    if let Some((_, path)) = newest {
        println!("to be restored after `{}`", path.display());
    }
    println!("{} written to `{}`", bytes(backup.bytes().unwrap_or(0)), to.display());
    if !backup.can_be_followed() {
        println!("no increment can follow: `{}` could not be opened for writing", file.display());
    }
    Ok(Outcome::Sound)
}

#[expect(clippy::disallowed_methods, reason = "the library takes any reader here")]
fn read_header(path: &Path) -> Result<Backup> {
    let named = |what: &dyn std::fmt::Display| format!("`{}`: {what}", path.display());
    let file = std::fs::File::open(path).map_err(|error| Error::with_source(ErrorKind::Io, named(&error), error))?;
    Backup::read_header(file).map_err(|error| Error::new(error.kind(), named(&error)))
}
