//! Backups as users see them: made of a running database or of a closed file, read, and restored.

mod describe;
mod restore;

#[cfg(test)]
mod tests;

pub use describe::Backup;
#[cfg(feature = "simulate")]
pub(crate) use restore::restore_onto;
pub use restore::{restore, restore_file};

use super::Database;
use super::check::Progress;
use super::database::open_error;
use crate::engine::{BackupImage, Engine, EngineOptions};
use crate::error::{Error, ErrorKind, Result};
use crate::vfs::{OpenError, OpenMode, RealFile, create_plain, discard, finish_plain};
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

impl<S> Database<S> {
    /// Backs up the whole database, beside readers and writers, to anything that takes bytes: a file, a pipe, a connection.
    ///
    /// The backup holds exactly what was committed up to one moment, and says which in [`Backup::timestamp`]: everything that was committed before this
    /// call is in it. A checkpoint is written, and kept as [`begin_long_read`](Self::begin_long_read) does: nobody waits, and the file
    /// grows by what is written meanwhile. Every page is verified while it is read. When all is written the database notes the backup, so that
    /// increments may follow it. [`restore`](crate::restore) makes a database of it again; the backup is complete only when this has
    /// returned `Ok`, and a shorter one is refused there. To make a file durable, sync it afterwards.
    ///
    /// Cost: reads everything in use once, from the file. Memory: a few mebibytes, 16 bytes for each run of free blocks, and the longest chunk of a
    /// value; not the memory of the tables.
    ///
    /// ```
    /// # use tamarack::{Database, TableDef};
    /// # const HITS: TableDef<String, u64> = TableDef::new("hits");
    /// # let dir = tempfile::tempdir().unwrap(); let new = dir.path().join("new.tam");
    /// let db = Database::<()>::in_memory()?;
    /// db.write(|tx| tx.open_table(&HITS)?.insert("/", 1))?;
    /// let mut bytes = Vec::new();
    /// let backup = db.backup(&mut bytes)?;
    /// assert_eq!(backup.timestamp(), db.begin_read()?.timestamp());
    ///
    /// tamarack::restore([&bytes[..]], &new, &mut |_| {})?;
    /// let restored = Database::<()>::open(&new)?;
    /// assert_eq!(restored.read(|tx| tx.open_table(&HITS)?.get("/"))?, Some(1));
    /// # Ok::<(), tamarack::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Io`] with what the writer said as its source; [`ErrorKind::Corrupt`] if a page is damaged, with tree and block;
    /// [`ErrorKind::Poisoned`] after a failure that stopped all writing: what was committed last is in no checkpoint then, open the file
    /// again; [`ErrorKind::Closed`] if the database is closed meanwhile; as [`checkpoint`](Self::checkpoint). What was written is of no use then.
    pub fn backup(&self, writer: &mut dyn Write) -> Result<Backup> {
        self.backup_with(None, writer, &mut |_| {})
    }

    /// Backs up what has changed since an earlier backup: one that [`backup`](Self::backup) or this has returned, or whose front
    /// [`Backup::read_header`] has read.
    ///
    /// What has not changed is not even read. A restore needs the full backup and every increment since then, in order. The database
    /// remembers its last 128 backups; so does one that was restored from them.
    ///
    /// ```
    /// # use tamarack::{Database, TableDef};
    /// # const HITS: TableDef<String, u64> = TableDef::new("hits");
    /// # let dir = tempfile::tempdir().unwrap(); let new = dir.path().join("new.tam");
    /// let db = Database::<()>::in_memory()?;
    /// let (mut full, mut increment) = (Vec::new(), Vec::new());
    /// let first = db.backup(&mut full)?;
    /// db.write(|tx| tx.open_table(&HITS)?.insert("/", 1))?;
    /// let second = db.backup_since(&first, &mut increment)?;
    /// assert!(second.follows(&first));
    ///
    /// tamarack::restore([&full[..], &increment[..]], &new, &mut |_| {})?;
    /// # Ok::<(), tamarack::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::BackupMismatch`] if the earlier backup is not of this database's past, or not known any more: nothing was written then. As
    /// [`backup`](Self::backup).
    pub fn backup_since(&self, earlier: &Backup, writer: &mut dyn Write) -> Result<Backup> {
        self.backup_with(Some(earlier), writer, &mut |_| {})
    }

    /// Either of the two, and tells how far it has come.
    ///
    /// ```
    /// let db = tamarack::Database::<()>::in_memory()?;
    /// let mut bytes = Vec::new();
    /// db.backup_with(None, &mut bytes, &mut |progress| eprint!("\r{} of {} bytes", progress.done, progress.total))?;
    /// # Ok::<(), tamarack::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`backup_since`](Self::backup_since).
    pub fn backup_with(
        &self,
        since: Option<&Backup>,
        writer: &mut dyn Write,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Backup> {
        let made = write_backup(&self.inner.engine, since, writer, progress);
        self.inner.named(made.and_then(|(image, backup)| image.note().map(|()| backup)))
    }
}

/// Writes all of a backup, of which the database knows nothing yet.
fn write_backup(
    engine: &Engine,
    since: Option<&Backup>,
    writer: &mut dyn Write,
    progress: &mut dyn FnMut(Progress),
) -> Result<(BackupImage, Backup)> {
    let since = since.map(Backup::base);
    let image = engine.backup_image(since)?;
    let copied = crate::backup::copy(image.storage(), image.header.clone(), since, writer, progress)?;
    Ok((image, Backup::made(copied)))
}

/// The same, and what was written is made durable before the database knows of it: a power cut may take what is not.
fn write_durably<W: Write>(
    engine: &Engine,
    since: Option<&Backup>,
    writer: &mut W,
    make_durable: impl FnOnce(&W) -> io::Result<()>,
    progress: &mut dyn FnMut(Progress),
) -> Result<Backup> {
    let (image, backup) = write_backup(engine, since, writer, progress)?;
    make_durable(writer).map_err(|error| Error::io("making the backup durable", error))?;
    image.note()?;
    Ok(backup)
}

/// Backs up a closed file into a new one: no program and no schema are needed.
///
/// The file is opened as a program would, so that what its log holds is in the backup, and an increment can follow. If it cannot be opened for
/// writing it is only read; then no increment can follow. The backup is durable when this returns.
///
/// ```
/// # use tamarack::{Database, TableDef};
/// # const HITS: TableDef<String, u64> = TableDef::new("hits");
/// # let dir = tempfile::tempdir().unwrap();
/// # let (path, backup, new) = (dir.path().join("a.tam"), dir.path().join("a.backup"), dir.path().join("b.tam"));
/// Database::<()>::open(&path)?.close()?;
/// tamarack::backup_file(&path, None, &backup, &mut |_| {})?;
/// tamarack::restore_file([&backup], &new, &mut |_| {})?;
/// # Ok::<(), tamarack::Error>(())
/// ```
///
/// # Errors
/// [`ErrorKind::InvalidArgument`] if the backup's file exists; [`ErrorKind::Locked`] while somebody has the database open: back it up there, with
/// [`Database::backup`]; as [`Database::open`](Database::open) and [`Database::backup_since`]. No file is left then.
pub fn backup_file(
    from: impl AsRef<Path>,
    since: Option<&Backup>,
    to: impl AsRef<Path>,
    progress: &mut dyn FnMut(Progress),
) -> Result<Backup> {
    let (from, to) = (from.as_ref(), to.as_ref());
    let engine = open_existing(from)?;
    let mut out = create_plain(to).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => exists(to, "a backup"),
        _ => Error::io(&format!("making `{}`", to.display()), error),
    })?;
    let written = write_durably(&engine, since, &mut out, |out| finish_plain(out, to), progress);
    drop(out);
    let closed = engine.close();
    let result = written.and_then(|backup| closed.map(|()| backup));
    if result.is_err() {
        discard(to);
    }
    result
}

fn exists(path: &Path, what: &str) -> Error {
    let message = format!("`{}` exists already: {what} makes a new file and changes no other", path.display());
    Error::new(ErrorKind::InvalidArgument, message)
}

/// Opens a file that is there, for writing if that is possible.
fn open_existing(path: &Path) -> Result<Engine> {
    let (file, read_only) = match RealFile::open(path, OpenMode::Existing) {
        Ok(file) => (file, false),
        Err(OpenError::ReadOnly(_)) => {
            (RealFile::open(path, OpenMode::ReadOnly).map_err(|error| open_error(path, error))?, true)
        }
        Err(error) => return Err(open_error(path, error)),
    };
    let options = EngineOptions { read_only, existing: true, ..EngineOptions::default() };
    Engine::open(Arc::new(file), options).map_err(|error| error.context(format_args!("`{}`", path.display())))
}
