//! How a database is opened.

use super::{Database, Schema};
use crate::engine::{Durability, EngineOptions, Isolation};
use crate::error::{Error, ErrorKind, Result};
use crate::vfs::MemoryFile;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Options of a database. All have defaults that suit most programs.
///
/// ```
/// use tamarack::{Database, Durability, Options};
/// # fn main() -> tamarack::Result<()> {
/// # let dir = tempfile::tempdir().unwrap();
/// let path = dir.path().join("cache.tam");
/// let db: Database<()> = Options::new().durability(Durability::Buffered).page_size(32 << 10).open(path)?;
/// # db.close() }
/// ```
#[derive(Debug, Clone, Default)]
pub struct Options {
    pub(crate) engine: EngineOptions,
    pub(super) durability: Durability,
}

impl Options {
    /// The defaults.
    ///
    /// ```
    /// let options = tamarack::Options::new();
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How far a commit of [`Database::write`] has got when it returns. Use a weaker kind for data that can be made again: commits cost
    /// microseconds instead of a device's sync, and a crash can lose the newest of them. Default: [`Durability::Synced`].
    ///
    /// ```
    /// let options = tamarack::Options::new().durability(tamarack::Durability::Buffered);
    /// ```
    #[must_use]
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// Bytes that a leaf page aims at, a power of two from 4 KiB to 32 KiB. Larger pages make scans faster and leave more memory to the leaves,
    /// smaller ones make single commits cheaper, and reads of what is not in memory. Counts when the file is created. Default: 8 KiB.
    ///
    /// ```
    /// let options = tamarack::Options::new().page_size(16 << 10);
    /// ```
    #[must_use]
    pub fn page_size(mut self, bytes: u32) -> Self {
        self.engine.page_size = bytes;
        self
    }

    /// Bytes of the log inside the file, a power of two from 256 KiB to 1 GiB. A larger log makes checkpoints rarer and recovery after a
    /// crash longer. One transaction may write about 640 times as much. Counts when the file is created. Default: 16 MiB.
    ///
    /// ```
    /// let options = tamarack::Options::new().log_size(64 << 20);
    /// ```
    #[must_use]
    pub fn log_size(mut self, bytes: u64) -> Self {
        self.engine.log_size = bytes;
        self
    }

    /// What commits are validated against. Use [`Isolation::Snapshot`] for transactions that read much and write little, if write skew
    /// cannot hurt. Default: [`Isolation::Serializable`].
    ///
    /// ```
    /// let options = tamarack::Options::new().isolation(tamarack::Isolation::Snapshot);
    /// ```
    #[must_use]
    pub fn isolation(mut self, isolation: Isolation) -> Self {
        self.engine.isolation = isolation;
        self
    }

    /// How long a writer waits for a transaction of [`Database::begin_write`] that somebody keeps open, before it gives up with
    /// [`ErrorKind::Timeout`]. Default: one minute.
    ///
    /// ```
    /// let options = tamarack::Options::new().write_timeout(std::time::Duration::from_secs(5));
    /// ```
    #[must_use]
    pub fn write_timeout(mut self, timeout: Duration) -> Self {
        self.engine.write_timeout = timeout;
        self
    }

    /// Bytes of memory for the nodes of tables and indexes; less than 1 MiB counts as 1 MiB. What is used most stays there, the rest is read from the file when it
    /// is asked for. Not counted: a transaction's own writes ([`write_buffer`](Self::write_buffer)), values longer than
    /// 4 KiB (8 KiB with pages of 32 KiB) while they are read, the nodes that one commit touches, which are in memory together until it is visible, and an eighth of it, 16 to 256 MiB, for what was
    /// committed while closures of [`Database::write`] run. A snapshot held
    /// while much is written may use a quarter of it for what only it sees, before it is given up
    /// ([`ErrorKind::SnapshotTooOld`]). Default: on Linux a quarter of the machine's memory, whatever a
    /// container may use of it; elsewhere 1 GiB.
    ///
    /// ```
    /// let options = tamarack::Options::new().memory(256 << 20);
    /// ```
    #[must_use]
    pub fn memory(mut self, bytes: u64) -> Self {
        self.engine.memory = Some(bytes.max(1 << 20));
        self
    }

    /// Bytes of one transaction's writes that stay in memory; less than 1 MiB counts as 1 MiB. Beyond that they wait in the file for the commit. Less
    /// memory makes bulk loads in one transaction slower, as they are written twice. Default: 256 MiB.
    ///
    /// ```
    /// let options = tamarack::Options::new().write_buffer(64 << 20);
    /// ```
    #[must_use]
    pub fn write_buffer(mut self, bytes: usize) -> Self {
        self.engine.write_buffer = bytes.max(1 << 20);
        self
    }

    /// Opens the database in a file, or creates it, with these options.
    ///
    /// ```
    /// # use tamarack::{Database, Options};
    /// # let dir = tempfile::tempdir().unwrap(); let path = dir.path().join("a.tam");
    /// let db = Options::new().open::<()>(&path)?;
    /// # drop::<Database<()>>(db);
    /// # Ok::<(), tamarack::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Database::open`]; [`ErrorKind::InvalidArgument`] for an option out of its range.
    pub fn open<S: Schema>(self, path: impl AsRef<Path>) -> Result<Database<S>> {
        Database::open_with(path, self)
    }

    /// Opens an existing file with these options and never writes to it: see [`Database::open_read_only`].
    ///
    /// ```
    /// # use tamarack::{Database, Options};
    /// # let dir = tempfile::tempdir().unwrap(); let path = dir.path().join("a.tam");
    /// # Database::<()>::open(&path)?.close()?;
    /// let db = Options::new().memory(16 << 20).open_read_only::<()>(&path)?;
    /// assert_eq!(db.stats().memory_budget, 16 << 20);
    /// # Ok::<(), tamarack::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Database::open_read_only`]; [`ErrorKind::InvalidArgument`] for an option out of its range.
    pub fn open_read_only<S: Schema>(self, path: impl AsRef<Path>) -> Result<Database<S>> {
        Database::open_read_only_with(path, self)
    }

    /// A database in memory with these options: see [`Database::in_memory`].
    ///
    /// ```
    /// # use tamarack::{Isolation, Options};
    /// let db = Options::new().isolation(Isolation::Snapshot).in_memory::<()>()?;
    /// # Ok::<(), tamarack::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Database::in_memory`]; [`ErrorKind::InvalidArgument`] for an option out of its range.
    pub fn in_memory<S: Schema>(self) -> Result<Database<S>> {
        self.check()?;
        Database::on(Arc::new(MemoryFile::default()), self)
    }

    pub(crate) fn check(&self) -> Result<()> {
        let power = |what: &str, value: u64, low: u64, high: u64| {
            if value.is_power_of_two() && (low..=high).contains(&value) {
                return Ok(());
            }
            let message = format!("{what} is {value}; it has to be a power of two from {low} to {high}");
            Err(Error::new(ErrorKind::InvalidArgument, message))
        };
        power("the page size", u64::from(self.engine.page_size), 4 << 10, 32 << 10)?;
        power("the log size", self.engine.log_size, 256 << 10, crate::format::MAX_LOG)
    }
}
