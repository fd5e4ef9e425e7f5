//! The engines, each an adapter behind one trait. An adapter uses the fastest safe way that its engine documents for byte keys
//! and byte values: zero-copy reads where they exist, one table, default settings otherwise.

mod btreemap;
mod lmdb;
mod redb;
mod tamarack;

pub(crate) use self::{btreemap::BTree, lmdb::Lmdb, redb::Redb, tamarack::Tamarack};

use crate::Result;
use std::{fs, path::Path};

/// How far a commit has got when it returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Commit {
    /// On the device.
    Synced,
    /// As soon as the engine can return: LMDB's `MDB_NOSYNC`, redb's `Durability::None`, Tamarack's `Deferred`.
    Deferred,
}

/// One store with one table of bytes.
pub(crate) trait Engine: Sized + Send + Sync {
    /// Its name on the command line and in the report.
    const NAME: &'static str;
    /// Whether it has files: `reopen` and `size` are left out without them.
    const ON_DISK: bool = true;
    /// The table within a write transaction.
    type Writer<'a>: Writer;
    /// The table within a read transaction.
    type Reader<'a>: Reader;

    /// Creates the store in a directory, or opens what is there.
    fn open(dir: &Path) -> Result<Self>;

    /// Runs one write transaction and commits it.
    fn write(&self, commit: Commit, body: impl FnMut(&mut Self::Writer<'_>) -> Result<()>) -> Result<()>;

    /// Runs one read transaction.
    fn read<T>(&self, body: impl FnMut(&Self::Reader<'_>) -> Result<T>) -> Result<T>;

    /// Called before and after a run of deferred commits, for engines where this is a mode of the whole store.
    fn deferred(&self, _on: bool) -> Result<()> {
        Ok(())
    }

    /// Finishes what the store has put off (flushes, checkpoints), so that it does not run during another engine's round.
    fn settle(&self) -> Result<()>;

    /// Closes the store cleanly.
    fn close(self) -> Result<()>;
}

/// The table within a write transaction.
pub(crate) trait Writer {
    /// Inserts or replaces.
    fn insert(&mut self, key: &[u8], value: &[u8]) -> Result<()>;
    /// Removes; whether there was something.
    fn remove(&mut self, key: &[u8]) -> Result<bool>;
}

/// The table within a read transaction.
pub(crate) trait Reader {
    /// Shows the value under a key; whether there is one.
    fn get(&self, key: &[u8], show: impl FnMut(&[u8])) -> Result<bool>;
    /// Shows up to `most` records in key order, from a key on (from the first one for an empty key); how many there were.
    fn range(&self, from: &[u8], most: usize, show: impl FnMut(&[u8], &[u8])) -> Result<usize>;
}

/// Bytes of all files in a directory: their lengths, not what a sparse file occupies.
pub(crate) fn bytes_of(dir: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(dir)? {
        bytes += entry?.metadata()?.len();
    }
    Ok(bytes)
}
