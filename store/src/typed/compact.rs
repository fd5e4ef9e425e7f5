//! Compaction as programs see it.

use super::Database;
use super::check::Progress;
use super::database::open_error;
use crate::compact::Compacted;
use crate::engine::{Engine, EngineOptions};
use crate::error::{Error, Result};
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
    /// [`ErrorKind::StorageFull`](crate::ErrorKind::StorageFull) if there is not even room for a checkpoint, after which the database goes on;
    /// [`ErrorKind::Corrupt`](crate::ErrorKind::Corrupt) if a page is damaged that it has to read; [`ErrorKind::Io`](crate::ErrorKind::Io),
    /// [`ErrorKind::ReadOnly`](crate::ErrorKind::ReadOnly), [`ErrorKind::Closed`](crate::ErrorKind::Closed),
    /// [`ErrorKind::Poisoned`](crate::ErrorKind::Poisoned).
    pub fn compact_with(&self, progress: &mut dyn FnMut(Progress)) -> Result<CompactReport> {
        self.inner.named(self.inner.engine.compact(progress)).map(CompactReport::of)
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
/// As [`Database::open`](crate::Database::open) and [`Database::compact_with`]; [`ErrorKind::Io`](crate::ErrorKind::Io) if there is no such file.
pub fn compact_file(path: impl AsRef<Path>, progress: &mut dyn FnMut(Progress)) -> Result<CompactReport> {
    let path = path.as_ref();
    let file = RealFile::open(path, OpenMode::Existing).map_err(|error| open_error(path, error))?;
    compact_storage(Arc::new(file), progress).map_err(|error| error.context(format_args!("`{}`", path.display())))
}

fn compact_storage(storage: Arc<dyn Storage>, progress: &mut dyn FnMut(Progress)) -> Result<CompactReport> {
    let length = || storage.len().map_err(|error| Error::io("compacting the file", error));
    let options = EngineOptions { existing: true, ..EngineOptions::default() };
    let engine = Engine::open(Arc::clone(&storage), options)?;
    let report = CompactReport::of(engine.compact(progress)?);
    engine.close()?;
    Ok(CompactReport { bytes_after: length()?, ..report })
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "tests use files and threads as programs do")]
mod tests {
    use super::*;
    use crate::{Durability, ErrorKind, Options, TableDef};
    use std::collections::BTreeMap;
    use std::sync::atomic::{AtomicBool, Ordering};

    const TEXTS: TableDef<String, String> = TableDef::new("texts");
    const OTHERS: TableDef<u64, Vec<u8>> = TableDef::new("others");

    /// A real file, whose pages go past the cache: beside a writer, then alone; checked, closed and opened again.
    #[test]
    fn a_file_becomes_short_and_stays_sound() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.tam");
        let options = || Options::new().memory(8 << 20).log_size(1 << 20);
        let length = || std::fs::metadata(&path).unwrap().len();
        let db: Database<()> = options().open(&path).unwrap();
        let mut random = fastrand::Rng::with_seed(1);
        let mut model = BTreeMap::new();
        for _ in 0..100 {
            db.write_with(Durability::Deferred, |tx| {
                let mut texts = tx.open_table(&TEXTS)?;
                for _ in 0..100 {
                    let long = if random.u8(..) < 5 { random.usize(5_000..700_000) } else { random.usize(10..800) };
                    let (key, value) = (format!("key {}", random.u32(..)), "x".repeat(long));
                    texts.insert(&key, &value)?;
                    model.insert(key, value);
                }
                Ok(())
            })
            .unwrap();
        }
        model.retain(|_, _| random.u8(..) < 25);
        db.write(|tx| tx.open_table(&TEXTS)?.retain(|key, _| model.contains_key(key))).unwrap();
        db.checkpoint().unwrap();
        let (before, stop) = (length(), &AtomicBool::new(false));
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| {
                let mut number = 0;
                while !stop.load(Ordering::Relaxed) {
                    number += 1;
                    db.write(|tx| tx.open_table(&OTHERS)?.insert(number % 50, vec![7; 2000]).map(|_| ())).unwrap();
                }
            });
            let report = db.compact().unwrap();
            stop.store(true, Ordering::Relaxed);
            writer.join().unwrap();
            assert!(report.bytes_after * 2 < before && report.leaves_packed > report.leaves_made, "{report:?}");
        });
        let checked = db.check_with(&mut |_| {}).unwrap();
        assert!(checked.is_sound(), "{checked}");
        let report = db.compact().unwrap();
        let data: usize = model.iter().map(|(key, value)| key.len() + value.len()).sum::<usize>() + 50 * 2000;
        let fixed = 69_632 + (1 << 20);
        assert!(length() == report.bytes_after && (length() - fixed) as usize <= data * 3 / 2, "{data}: {report:?}");
        let checked = db.check_with(&mut |_| {}).unwrap();
        assert!(checked.is_sound(), "{checked}");
        db.close().unwrap();
        assert!(crate::check_file(&path, &mut |_| {}).unwrap().is_sound());
        let report = compact_file(&path, &mut |_| {}).unwrap();
        assert!((report.leaves_packed, report.bytes_after) == (0, length()), "{report:?}");
        let db: Database<()> = Database::open_read_only(&path).unwrap();
        assert_eq!(db.compact().unwrap_err().kind(), ErrorKind::ReadOnly);
        let found = db.read(|tx| tx.open_table(&TEXTS)?.iter().collect::<Result<BTreeMap<_, _>>>()).unwrap();
        assert!(found == model);
    }

    #[test]
    fn what_is_no_database_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.tam");
        assert_eq!(compact_file(&path, &mut |_| {}).unwrap_err().kind(), ErrorKind::Io);
        assert!(!path.exists());
        std::fs::write(&path, []).unwrap();
        assert_eq!(compact_file(&path, &mut |_| {}).unwrap_err().kind(), ErrorKind::NotADatabase);
        assert_eq!(std::fs::metadata(&path).unwrap().len(), 0);
    }
}
