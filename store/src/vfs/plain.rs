//! Files that are read or written from one end to the other: backups.

use super::file::sync_folder;
use std::fs::File;
use std::io;
use std::path::Path;

/// Opens a file to be read from its beginning.
#[expect(clippy::disallowed_methods, reason = "this is where files are opened")]
pub(crate) fn open_plain(path: &Path) -> io::Result<File> {
    File::open(path)
}

/// Makes a file that does not exist yet.
#[expect(clippy::disallowed_methods, reason = "this is where files are opened")]
pub(crate) fn create_plain(path: &Path) -> io::Result<File> {
    File::create_new(path)
}

/// Makes a file that was written, and its name, durable.
pub(crate) fn finish_plain(file: &File, path: &Path) -> io::Result<()> {
    file.sync_all()?;
    sync_folder(path, file)
}

/// Removes a file that was made in vain. Best effort: the failure that made it useless is what is reported.
#[expect(clippy::disallowed_methods, reason = "this is where files are removed")]
pub(crate) fn discard(path: &Path) {
    let _ = std::fs::remove_file(path);
}
