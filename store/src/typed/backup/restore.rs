//! Restores: streams become a new file, which is checked before it is a database.

use super::exists;
use crate::backup::{Streams, apply, publish};
use crate::check::{Findings, read_log};
use crate::error::{Error, ErrorKind, Result};
use crate::typed::check::{CheckReport, Image, Progress};
use crate::typed::database::open_error;
use crate::vfs::{OpenError, OpenMode, RealFile, Storage, discard, open_plain};
use std::io::{self, Read};
use std::path::Path;

/// Makes a new database of a full backup, and of the increments that follow it, in the order in which they were made.
///
/// Everything is verified: each backup up to its end, whether each follows the one before, and then the new file, as
/// [`check_file`](crate::check_file) does. The file is a database only after that, and durable when this returns: after a crash in between it is
/// refused as a restore that did not end. It goes on where the backup was made: increments can follow the same backups.
///
/// The restored database is what was backed up. If something was wrong with that already (blocks that a damaged page had named, which was
/// dropped; an index or a counter that contradicts its table) it is so here, and the report says what.
///
/// Cost: reads the backups once, writes them, and reads the new file once. Memory: as [`check_file`](crate::check_file), and two mebibytes.
///
/// ```
/// # use tamarack::Database;
/// # let dir = tempfile::tempdir().unwrap(); let new = dir.path().join("new.tam");
/// # let db = Database::<()>::in_memory()?;
/// let (mut full, mut increment) = (Vec::new(), Vec::new());
/// let first = db.backup(&mut full)?;
/// db.backup_since(&first, &mut increment)?;
/// let report = tamarack::restore([&full[..], &increment[..]], &new, &mut |_| {})?;
/// assert!(report.is_sound());
/// # Ok::<(), tamarack::Error>(())
/// ```
///
/// # Errors
/// [`ErrorKind::InvalidArgument`] if the file exists, or there is no backup; [`ErrorKind::BackupMismatch`] if the first is an increment, or
/// one does not follow the one before; [`ErrorKind::Truncated`] if one lacks its end; [`ErrorKind::Corrupt`] for any other damage, also if the check
/// finds that a page is missing or not what was written; [`ErrorKind::NotADatabase`], [`ErrorKind::TooNew`]; [`ErrorKind::Io`], [`ErrorKind::StorageFull`]. No file is left then.
pub fn restore<R: Read>(
    backups: impl IntoIterator<Item = R>,
    into: impl AsRef<Path>,
    progress: &mut dyn FnMut(Progress),
) -> Result<CheckReport> {
    let named = backups.into_iter().enumerate().map(|(at, backup)| (format!("backup {}", at + 1), backup));
    into_file(Streams::open(named)?, into.as_ref(), 0, progress)
}

/// [`restore`] from files.
///
/// ```
/// # use tamarack::Database;
/// # let dir = tempfile::tempdir().unwrap();
/// # let (path, new) = (dir.path().join("monday.backup"), dir.path().join("new.tam"));
/// # let db = Database::<()>::in_memory()?;
/// let mut file = std::fs::File::create_new(&path).unwrap();
/// db.backup(&mut file)?;
/// file.sync_all().unwrap();
/// tamarack::restore_file([&path], &new, &mut |_| {})?;
/// # Ok::<(), tamarack::Error>(())
/// ```
///
/// # Errors
/// As [`restore`].
pub fn restore_file<P: AsRef<Path>>(
    backups: impl IntoIterator<Item = P>,
    into: impl AsRef<Path>,
    progress: &mut dyn FnMut(Progress),
) -> Result<CheckReport> {
    let mut files = Vec::new();
    let mut bytes = 0;
    for path in backups {
        let name = format!("`{}`", path.as_ref().display());
        let open = || {
            let file = open_plain(path.as_ref())?;
            let length = file.metadata()?.len();
            Ok((file, length))
        };
        let (file, length) = open().map_err(|error| Error::io(&format!("opening {name}"), error))?;
        bytes += length;
        files.push((name, file));
    }
    into_file(Streams::open(files)?, into.as_ref(), bytes, progress)
}

fn into_file<R: Read>(
    streams: Streams<R>,
    into: &Path,
    expected: u64,
    progress: &mut dyn FnMut(Progress),
) -> Result<CheckReport> {
    let file = RealFile::open(into, OpenMode::CreateNew).map_err(|error| match error {
        OpenError::Io(error) if error.kind() == io::ErrorKind::AlreadyExists => exists(into, "a restore"),
        OpenError::NotAFile => exists(into, "a restore"),
        error => open_error(into, error),
    })?;
    let restored = into_storage(streams, &file, expected, progress);
    if restored.is_err() {
        drop(file);
        discard(into);
    }
    restored
}

/// [`restore`] for any storage, which is empty.
#[cfg(feature = "simulate")]
pub(crate) fn restore_onto<'a>(
    backups: impl IntoIterator<Item = &'a [u8]>,
    storage: &dyn Storage,
) -> Result<CheckReport> {
    let named = backups.into_iter().enumerate().map(|(at, backup)| (format!("backup {}", at + 1), backup));
    into_storage(Streams::open(named)?, storage, 0, &mut |_| {})
}

/// The same for any storage, which is empty.
pub(super) fn into_storage<R: Read>(
    streams: Streams<R>,
    storage: &dyn Storage,
    expected: u64,
    progress: &mut dyn FnMut(Progress),
) -> Result<CheckReport> {
    let mut before = 0;
    let mut writing = |now: Progress| {
        before = now.done;
        progress(now);
    };
    let superblock = apply(streams, storage, expected, &mut writing)?;
    let length = storage.len().map_err(|error| Error::io("checking the restored file", error))?;
    let log = read_log(storage, &superblock, false);
    let image = Image { storage, superblock: &superblock, length, found: Findings::default(), log };
    let mut checking = |now: Progress| progress(Progress { done: before + now.done, total: before + now.total });
    let report = image.check(&mut checking, |_| Ok(None))?;
    // What was wrong with the database when it was backed up is no reason to have none of it.
    if let (true, Err(error)) = (report.is_broken(), report.clone().into_result()) {
        let kind = if error.kind() == ErrorKind::Io { ErrorKind::Io } else { ErrorKind::Corrupt };
        return Err(Error::new(kind, format!("the restored database is not sound, and was not kept: {error}")));
    }
    publish(storage, superblock)?;
    Ok(report)
}
