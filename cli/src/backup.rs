//! `tamarack backup FILE --to BACKUP [--since BACKUP...]`.

use crate::Outcome;
use crate::bar::{Bar, bytes};
use crate::out::{Out, unsaid};
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use tamarack::{Backup, Error, ErrorKind, Result};

pub(crate) fn run(file: &Path, to: &Path, since: &[PathBuf], out: &mut Out) -> Result<Outcome> {
    let earlier = since.iter().map(|path| read(path, Backup::read_header)).collect::<Result<Vec<_>>>()?;
    let newest = earlier.iter().zip(since).max_by_key(|(backup, _)| backup.checkpoint());
    if let Some((_, path)) = newest {
        // Nobody could restore an increment of a backup of which a part is missing, and its front says nothing of that.
        read(path, Backup::verify)?;
    }
    let bar = Bar::new("backing up");
    let backup = tamarack::backup_file(file, newest.map(|(backup, _)| backup), to, &mut |progress| bar.show(progress))?;
    drop(bar);
    print(&backup, file, to, newest.map(|(_, path)| path.as_path()), out).map_err(unsaid)?;
    Ok(Outcome::Sound)
}

fn print(backup: &Backup, file: &Path, to: &Path, after: Option<&Path>, out: &mut Out) -> io::Result<()> {
    writeln!(out, "{backup}")?;
    if let Some(path) = after {
        writeln!(out, "to be restored after `{}`", path.display())?;
    }
    writeln!(out, "{} written to `{}`", bytes(backup.bytes().unwrap_or(0)), to.display())?;
    if !backup.can_be_followed() {
        writeln!(out, "no increment can follow: `{}` could not be opened for writing", file.display())?;
    }
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "the library takes any reader here")]
fn read(path: &Path, with: impl Fn(File) -> Result<Backup>) -> Result<Backup> {
    let named = |what: &dyn std::fmt::Display| format!("`{}`: {what}", path.display());
    let file = File::open(path).map_err(|error| Error::with_source(ErrorKind::Io, named(&error), error))?;
    with(file).map_err(|error| Error::new(error.kind(), named(&error)))
}
