//! Compaction as programs see it.

use super::Database;
use super::check::Progress;
use super::database::open_error;
use crate::compact::Compacted;
use crate::engine::{Engine, EngineOptions};
use crate::error::{Error, ErrorKind, Result};
use crate::vfs::{OpenMode, RealFile, Storage};
use std::path::Path;
use std::sync::Arc;

/// What a compaction did.
///
/// ```
/// # let db = tamarack::Database::<()>::in_memory()?;
/// let report = db.compact()?;
/// assert!(report.bytes_after <= report.bytes_before);
/// # Ok::<(), tamarack::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct CompactReport {
    /// Bytes of the file before it.
    pub bytes_before: u64,
    /// Bytes of the file after it.
    pub bytes_after: u64,
    /// Half-empty leaves that were packed.
    pub leaves_packed: u64,
    /// The leaves that took their place.
    pub leaves_made: u64,
    /// Pages and large values that moved to the front of the file.
    pub extents_moved: u64,
    /// Their bytes.
    pub bytes_moved: u64,
    /// How often the end of the file was gone through.
    pub rounds: u64,
    /// Bytes that nothing current needs and that transactions which are open may still read: a later compaction gives them back.
    pub bytes_held: u64,
}

impl CompactReport {
    fn of(did: Compacted) -> Self {
        Self {
            bytes_before: did.before,
            bytes_after: did.after,
            leaves_packed: did.leaves,
            leaves_made: did.packed,
            extents_moved: did.moved,
            bytes_moved: did.moved_bytes,
            rounds: did.rounds,
            bytes_held: did.held,
        }
    }
}

impl<S> Database<S> {
    /// Makes the file as short as its data: [`compact_with`](Self::compact_with) without a look at its progress.
    ///
    /// ```
    /// # use tamarack::{Database, TableDef};
    /// # const HITS: TableDef<String, u64> = TableDef::new("hits");
    /// # let db = Database::<()>::in_memory()?;
    /// db.write(|tx| tx.open_table(&HITS)?.insert("/", 1))?;
    /// let report = db.compact()?;
    /// println!("{} bytes given back", report.bytes_before - report.bytes_after);
    /// # Ok::<(), tamarack::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`compact_with`](Self::compact_with).
    pub fn compact(&self) -> Result<CompactReport> {
        self.compact_with(&mut |_| {})
    }

    /// Makes the file as short as its data, beside readers and writers.
    ///
    /// Leaves that deletes have left half empty are packed, what lies at the end of the file moves to free space at its front, and the end is cut
    /// off. The database goes on meanwhile: transactions never wait for it longer than for a small commit. The file needs no room to grow for it
    /// beyond what checkpoints always need. Nothing is lost if it is cut off at any moment, and what it did until then stays; a second
    /// one finds nothing to do. A file that is written to afterwards grows again as it needs: after many deletes it is worth it,
    /// now and then, and not after every commit.
    ///
    /// What open transactions may still read stays where it is ([`bytes_held`](CompactReport::bytes_held)): above all the checkpoint of a
    /// [`begin_long_read`](Self::begin_long_read). Two at once run one after the other. Memory: as for a commit of a mebibyte, and the inner nodes
    /// above what was moved, at most a quarter of [`Options::memory`](crate::Options::memory). Cost: reads the inner nodes and the leaves that
    /// are half empty, and writes what it packs and moves; a database with large values at its end has all leaves of their tables read.
    ///
    /// ```
    /// # let db = tamarack::Database::<()>::in_memory()?;
    /// db.compact_with(&mut |progress| eprint!("\r{} of {} bytes", progress.done, progress.total))?;
    /// # Ok::<(), tamarack::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::StorageFull`] if there is not even room for a checkpoint, after which the database goes on; [`ErrorKind::Corrupt`] if a page is
    /// damaged that it has to read; [`ErrorKind::Io`], [`ErrorKind::ReadOnly`], [`ErrorKind::Closed`], [`ErrorKind::Poisoned`].
    pub fn compact_with(&self, progress: &mut dyn FnMut(Progress)) -> Result<CompactReport> {
        self.inner.engine.compact(progress).map(CompactReport::of)
    }
}

/// Compacts a closed file, without its program and schema: see [`Database::compact_with`].
///
/// What a crash has left in the log becomes part of the tables, as whenever the file is opened.
///
/// ```
/// # use tamarack::{Database, TableDef};
/// # const HITS: TableDef<String, u64> = TableDef::new("hits");
/// # let dir = tempfile::tempdir().unwrap(); let path = dir.path().join("a.tam");
/// # let db = Database::<()>::open(&path)?;
/// # db.write(|tx| tx.open_table(&HITS)?.insert("/", 1))?;
/// # db.close()?;
/// let report = tamarack::compact_file(&path, &mut |_| {})?;
/// assert_eq!(report.bytes_after, std::fs::metadata(&path).unwrap().len());
/// # Ok::<(), tamarack::Error>(())
/// ```
///
/// # Errors
/// As [`Database::open`](crate::Database::open) and [`Database::compact_with`]; [`ErrorKind::Io`] if there is no such file.
pub fn compact_file(path: impl AsRef<Path>, progress: &mut dyn FnMut(Progress)) -> Result<CompactReport> {
    let path = path.as_ref();
    let file = RealFile::open(path, OpenMode::Existing).map_err(|error| open_error(path, error))?;
    compact_storage(Arc::new(file), progress).map_err(|error| error.context(format_args!("`{}`", path.display())))
}

fn compact_storage(storage: Arc<dyn Storage>, progress: &mut dyn FnMut(Progress)) -> Result<CompactReport> {
    let length = || storage.len().map_err(|error| Error::io("compacting the file", error));
    if length()? == 0 {
        return Err(Error::new(ErrorKind::NotADatabase, "the file is empty"));
    }
    let engine = Engine::open(Arc::clone(&storage), EngineOptions::default())?;
    let report = CompactReport::of(engine.compact(progress)?);
    engine.close()?;
    Ok(CompactReport { bytes_after: length()?, ..report })
}
