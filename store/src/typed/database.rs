//! The database as programs hold it.

use super::catalog::{self, Resolved};
use super::check::{CheckReport, Image, Progress};
use super::name::Name;
use super::{Options, ReadTxn, Schema, Stats, WriteTxn};
use crate::engine::{Durability, Engine, Sequenced};
use crate::error::{Error, ErrorKind, Result};
use crate::sync::RwLock;
use crate::vfs::{OpenError, OpenMode, RealFile, Storage};
use std::any::TypeId;
use std::collections::HashMap;
use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::path::Path;
use std::sync::Arc;
use tamarack_codec::{KeyPart, Shape};

/// An open database whose records the schema `S` lists; `Database<()>` holds plain tables only.
///
/// Clones share it; it is `Send + Sync` and borrows nothing. It closes with its last clone; [`close`](Self::close) says how that went.
///
/// A process that was forked from one that has a database open has to leave it alone. It cannot change the file: what would write ends with
/// [`ErrorKind::Forked`]. But threads that worked at that moment are missing in it, so that it may wait for them for ever, and what it reads may be gone from the file.
/// Programs that fork open their databases afterwards.
///
/// ```
/// use tamarack::{Database, TableDef};
/// # fn main() -> tamarack::Result<()> {
/// # let dir = tempfile::tempdir().unwrap();
/// # let path = dir.path().join("hits.tam");
/// const HITS: TableDef<String, u64> = TableDef::new("hits");
///
/// let db: Database<()> = Database::open(&path)?;
/// db.write(|tx| {
///     let mut hits = tx.open_table(&HITS)?;
///     let count = hits.get("/")?.unwrap_or(0);
///     hits.insert("/", count + 1)
/// })?;
/// let count = db.read(|tx| tx.open_table(&HITS)?.get("/"))?;
/// assert_eq!(count, Some(1));
/// db.close()
/// # }
/// ```
pub struct Database<S> {
    pub(super) inner: Arc<Inner>,
    of: PhantomData<fn() -> S>,
}

/// A closure that met so many conflicts runs alone.
const CONFLICTS: u32 = 8;

/// What the handles and transactions of a database share.
pub(super) struct Inner {
    pub(super) engine: Engine,
    /// The records' tables, in the order of the schema.
    pub(super) records: Vec<Resolved>,
    #[cfg(feature = "tokio")]
    pub(super) lanes: super::lanes::Lanes,
    /// Fingerprints of plain tables by their types: describing them each time would cost more than a read.
    fingerprints: RwLock<HashMap<TypeId, u64>>,
    pub(super) durability: Durability,
    pub(super) name: Name,
}

impl Inner {
    /// With the file's name before an error of the device.
    pub(super) fn named<T>(&self, result: Result<T>) -> Result<T> {
        self.name.in_front_of(result)
    }

    /// The fingerprint of a plain table of two types.
    pub(super) fn fingerprint<K: KeyPart + 'static, V: Shape + 'static>(&self) -> u64 {
        let types = TypeId::of::<(K, V)>();
        if let Some(&known) = self.fingerprints.read().get(&types) {
            return known;
        }
        let fingerprint = catalog::plain_fingerprint(K::describe(), V::describe());
        self.fingerprints.write().insert(types, fingerprint);
        fingerprint
    }
}

impl<S> Clone for Database<S> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner), of: PhantomData }
    }
}

impl<S> fmt::Debug for Database<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database").finish_non_exhaustive()
    }
}

pub(super) fn open_error(path: &Path, error: OpenError) -> Error {
    let path = path.display();
    match error {
        OpenError::Locked => Error::new(
            ErrorKind::Locked,
            format!(
                "`{path}` is open in another process, or by another handle of this one: share one `Database` by cloning it"
            ),
        ),
        OpenError::ReadOnly(error) => Error::with_source(
            ErrorKind::ReadOnly,
            format!(
                "`{path}` cannot be opened for writing ({error}): to read it, use `Database::open_read_only`; to write to it, change its permissions, or copy \
                 it to where this program may write"
            ),
            error,
        ),
        OpenError::NotAFile => Error::new(ErrorKind::NotADatabase, format!("`{path}` is not a file")),
        OpenError::Io(error) => {
            let denied = matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem);
            let error = Error::io(&format!("opening `{path}`"), error);
            if denied {
                error.hint("this program needs the right to read the file, or to make one in its folder")
            } else {
                error
            }
        }
    }
}

impl<S> Database<S> {
    /// Opens the database in a file, or creates it. Tables of the schema that the file does not have yet are made.
    ///
    /// Cost: reads a few pages, and after a crash what the log holds.
    ///
    /// ```
    /// # use tamarack::{Database, Options};
    /// # let dir = tempfile::tempdir().unwrap(); let path = dir.path().join("a.tam");
    /// let db = Database::<()>::open(&path)?;
    /// db.close()?;
    /// # Ok::<(), tamarack::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Locked`] if the file is open elsewhere; [`ErrorKind::ReadOnly`] if this program may only read it
    /// ([`open_read_only`](Self::open_read_only) does); [`ErrorKind::SchemaMismatch`], with what differs, if it was written with another
    /// schema; [`ErrorKind::NotADatabase`], [`ErrorKind::TooNew`], [`ErrorKind::Truncated`], [`ErrorKind::Corrupt`],
    /// [`ErrorKind::LogDamaged`] for what the file is. No committed record is changed in any of these cases; with
    /// `SchemaMismatch`, and with `Corrupt` that recovery meets, a new file may have been made, or a crash recovered from in part, which the next open does again.
    pub fn open(path: impl AsRef<Path>) -> Result<Self>
    where
        S: Schema,
    {
        Self::open_with(path, Options::new())
    }

    /// The same with options.
    ///
    /// ```
    /// # use tamarack::{Database, Options};
    /// # let dir = tempfile::tempdir().unwrap(); let path = dir.path().join("a.tam");
    /// let db = Database::<()>::open_with(&path, Options::new().page_size(32 << 10))?;
    /// # Ok::<(), tamarack::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`open`](Self::open); [`ErrorKind::InvalidArgument`] for an option out of its range.
    pub fn open_with(path: impl AsRef<Path>, options: Options) -> Result<Self>
    where
        S: Schema,
    {
        Self::open_file(path.as_ref(), OpenMode::CreateOrOpen, options)
    }

    fn open_file(path: &Path, mode: OpenMode, options: Options) -> Result<Self>
    where
        S: Schema,
    {
        options.check()?;
        let file = RealFile::open(path, mode).map_err(|error| open_error(path, error))?;
        let opened = Self::on_named(Arc::new(file), options, Name::of_file(path));
        opened.map_err(|error| error.context(format_args!("`{}`", path.display())))
    }

    /// Opens an existing file and never writes to it. After a crash the log is replayed in memory. A table of the schema that the file
    /// does not have reads as empty. Any number of readers may have the file open, and nobody may write to it meanwhile.
    ///
    /// ```
    /// # use tamarack::{Database, Options};
    /// # let dir = tempfile::tempdir().unwrap(); let path = dir.path().join("a.tam");
    /// Database::<()>::open(&path)?.close()?;
    /// let db = Database::<()>::open_read_only(&path)?;
    /// assert_eq!(db.begin_write().unwrap_err().kind(), tamarack::ErrorKind::ReadOnly);
    /// # Ok::<(), tamarack::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`open`](Self::open); [`ErrorKind::Io`] if there is no such file.
    pub fn open_read_only(path: impl AsRef<Path>) -> Result<Self>
    where
        S: Schema,
    {
        Self::open_read_only_with(path, Options::new())
    }

    /// The same with options, such as how much memory it may use: see [`Options::open_read_only`].
    pub(super) fn open_read_only_with(path: impl AsRef<Path>, mut options: Options) -> Result<Self>
    where
        S: Schema,
    {
        options.engine.read_only = true;
        Self::open_file(path.as_ref(), OpenMode::ReadOnly, options)
    }

    /// A database in memory, gone with its last handle. For tests and caches: it runs the same engine.
    ///
    /// ```
    /// let db = tamarack::Database::<()>::in_memory()?;
    /// # Ok::<(), tamarack::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::SchemaMismatch`] if two records of the schema share a table.
    pub fn in_memory() -> Result<Self>
    where
        S: Schema,
    {
        Options::new().in_memory()
    }

    /// Not a file: in memory, or a simulated one.
    pub(crate) fn on(storage: Arc<dyn Storage>, options: Options) -> Result<Self>
    where
        S: Schema,
    {
        Self::on_named(storage, options, Name::default())
    }

    fn on_named(storage: Arc<dyn Storage>, options: Options, name: Name) -> Result<Self>
    where
        S: Schema,
    {
        let engine = Engine::open(storage, options.engine)?;
        let records = catalog::install(&engine, S::definitions())?;
        let inner = Inner {
            engine,
            records,
            #[cfg(feature = "tokio")]
            lanes: super::lanes::Lanes::default(),
            fingerprints: RwLock::default(),
            durability: options.durability,
            name,
        };
        Ok(Self { inner: Arc::new(inner), of: PhantomData })
    }

    /// What the database holds in memory and has done so far. Costs less than a microsecond.
    ///
    /// ```
    /// # use tamarack::{Database, TableDef};
    /// # const HITS: TableDef<String, u64> = TableDef::new("hits");
    /// let db = Database::<()>::in_memory()?;
    /// db.write(|tx| tx.open_table(&HITS)?.insert("/", 1))?;
    /// let stats = db.stats();
    /// assert!(stats.commits >= 1 && stats.resident <= stats.memory_budget);
    /// # Ok::<(), tamarack::Error>(())
    /// ```
    #[must_use]
    pub fn stats(&self) -> Stats {
        Stats::of(self.inner.engine.base())
    }

    /// Runs a read transaction: it sees the database as it is now, whatever is written meanwhile, and never waits.
    ///
    /// ```
    /// # use tamarack::{Database, Durability, TableDef};
    /// # const HITS: TableDef<String, u64> = TableDef::new("hits");
    /// # let db = Database::<()>::in_memory()?;
    /// let hits = db.read(|tx| tx.open_table(&HITS)?.get("/"))?;
    /// assert_eq!(hits, None);
    /// # Ok::<(), tamarack::Error>(())
    /// ```
    ///
    /// # Errors
    /// What the closure returns; [`ErrorKind::Closed`]. Reading for long beside much writing may end with [`ErrorKind::SnapshotTooOld`]: see
    /// [`begin_read`](Self::begin_read).
    pub fn read<T>(&self, read: impl FnOnce(&ReadTxn<S>) -> Result<T>) -> Result<T> {
        read(&self.begin_read()?)
    }

    /// Runs a write transaction: `Ok` commits it, with the durability of the options; an error or a panic rolls it back.
    ///
    /// Closures of several threads run side by side. When one commits that has read what another has changed meanwhile, it is rolled back
    /// and run again, so it should do nothing outside the database that must not happen twice. After a few conflicts it runs
    /// alone. What it reads is consistent at all times; with [`Isolation::Serializable`](crate::Isolation::Serializable), the default,
    /// all commits together have the outcome of running one after the other.
    ///
    /// ```
    /// # use tamarack::{Database, Durability, TableDef};
    /// # const HITS: TableDef<String, u64> = TableDef::new("hits");
    /// # let db = Database::<()>::in_memory()?;
    /// db.write(|tx| tx.open_table(&HITS)?.insert("/", 1))?;
    /// # Ok::<(), tamarack::Error>(())
    /// ```
    ///
    /// # Errors
    /// What the closure returns; [`ErrorKind::StorageFull`] if there is no room, after which the database goes on, as a rule
    /// (see there);
    /// [`ErrorKind::NestedTransaction`] inside another write transaction of this thread; [`ErrorKind::Timeout`] if a transaction of
    /// [`begin_write`](Self::begin_write) stays open for longer than [`Options::write_timeout`]; [`ErrorKind::InvalidArgument`] if it
    /// writes more than the log can name ([`Options::log_size`]); [`ErrorKind::ReadOnly`], [`ErrorKind::Closed`], [`ErrorKind::Poisoned`].
    pub fn write<T>(&self, write: impl FnMut(&WriteTxn<S>) -> Result<T>) -> Result<T> {
        self.try_write(write)
    }

    /// The same with a durability of its own.
    ///
    /// ```
    /// # use tamarack::{Database, Durability, TableDef};
    /// # const HITS: TableDef<String, u64> = TableDef::new("hits");
    /// # let db = Database::<()>::in_memory()?;
    /// db.write_with(Durability::Deferred, |tx| tx.open_table(&HITS)?.insert("/", 1))?;
    /// # Ok::<(), tamarack::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn write_with<T>(&self, durability: Durability, mut write: impl FnMut(&WriteTxn<S>) -> Result<T>) -> Result<T> {
        self.transact(durability, &mut write)
    }

    fn transact<T, E: From<Error>>(
        &self,
        durability: Durability,
        write: &mut dyn FnMut(&WriteTxn<S>) -> Result<T, E>,
    ) -> Result<T, E> {
        let (value, commit) = self.sequence(durability, write)?;
        self.inner.named(commit.finish())?;
        Ok(value)
    }

    /// Runs a closure until its commit has a place or it gives up.
    pub(super) fn sequence<T, E: From<Error>>(
        &self,
        durability: Durability,
        write: &mut dyn FnMut(&WriteTxn<S>) -> Result<T, E>,
    ) -> Result<(T, Sequenced), E> {
        let engine = &self.inner.engine;
        let _nesting = engine.enter()?;
        let mut conflicts = 0;
        loop {
            let alone = conflicts >= CONFLICTS;
            let begun = if alone { engine.begin_within() } else { engine.begin_optimistic() };
            let txn = self.inner.named(begun)?;
            let txn = WriteTxn::new(Arc::clone(&self.inner), txn, durability);
            match write(&txn) {
                Ok(value) => match self.inner.named(txn.sequence(durability)) {
                    Ok(commit) => return Ok((value, commit)),
                    Err(error) if !alone && error.kind() == ErrorKind::Conflict => {}
                    Err(error) => return Err(error.into()),
                },
                // What it saw was taken from it; with a view that nobody takes it may well succeed.
                Err(_) if !alone && txn.is_cancelled() => {}
                Err(error) => {
                    // What it says is perhaps due to what another transaction did that is on its way to the disk.
                    self.inner.named(txn.abandon())?;
                    return Err(error);
                }
            }
            engine.note_retry();
            conflicts += 1;
            for _ in 0..1u32 << conflicts {
                crate::sync::give_way();
            }
        }
    }

    /// [`write`](Self::write) for closures with an error type of their own.
    ///
    /// ```
    /// use tamarack::{Database, TableDef};
    /// #[derive(Debug)]
    /// enum ShopError { SoldOut, Store(tamarack::Error) }
    /// impl From<tamarack::Error> for ShopError {
    ///     fn from(error: tamarack::Error) -> Self { Self::Store(error) }
    /// }
    /// const STOCK: TableDef<String, u32> = TableDef::new("stock");
    /// # fn main() -> tamarack::Result<()> {
    /// let db = Database::<()>::in_memory()?;
    /// let sold = db.try_write(|tx| match tx.open_table(&STOCK)?.get("tea")? {
    ///     Some(1..) => Ok(()),
    ///     _ => Err(ShopError::SoldOut),
    /// });
    /// assert!(matches!(sold, Err(ShopError::SoldOut)));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// What the closure returns, and what [`write`](Self::write) says, turned into that type.
    pub fn try_write<T, E: From<Error>>(&self, mut write: impl FnMut(&WriteTxn<S>) -> Result<T, E>) -> Result<T, E> {
        self.transact(self.inner.durability, &mut write)
    }

    /// [`read`](Self::read) for closures with an error type of their own.
    ///
    /// ```
    /// # use tamarack::{Database, Durability, TableDef};
    /// # const HITS: TableDef<String, u64> = TableDef::new("hits");
    /// # let db = Database::<()>::in_memory()?;
    /// let found: Result<Option<u64>, Box<dyn std::error::Error>> = db.try_read(|tx| Ok(tx.open_table(&HITS)?.get("/")?));
    /// assert_eq!(found.unwrap(), None);
    /// # Ok::<(), tamarack::Error>(())
    /// ```
    ///
    /// # Errors
    /// What the closure returns, and [`ErrorKind::Closed`] turned into that type.
    pub fn try_read<T, E: From<Error>>(&self, read: impl FnOnce(&ReadTxn<S>) -> Result<T, E>) -> Result<T, E> {
        read(&self.begin_read()?)
    }

    /// Begins a read transaction, for where a closure does not fit. It holds no lock, and writers never wait for it: what it sees is kept in memory
    /// until it is dropped, but only as long as that is no more than a quarter of [`Options::memory`](crate::Options::memory). If more is
    /// written meanwhile, its reads end with [`ErrorKind::SnapshotTooOld`]; begin it again, or use
    /// [`begin_long_read`](Self::begin_long_read), which never ends so.
    ///
    /// ```
    /// # use tamarack::{Database, Durability, TableDef};
    /// # const HITS: TableDef<String, u64> = TableDef::new("hits");
    /// # let db = Database::<()>::in_memory()?;
    /// let tx = db.begin_read()?;
    /// assert!(tx.open_table(&HITS)?.is_empty()?);
    /// # Ok::<(), tamarack::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Closed`]; [`ErrorKind::InvalidArgument`] if more than 262,080 are open at once.
    pub fn begin_read(&self) -> Result<ReadTxn<S>> {
        Ok(ReadTxn::new(Arc::clone(&self.inner), self.inner.engine.snapshot()?))
    }

    /// Begins a read transaction for hours of reading: an export, a report over everything.
    ///
    /// It writes a checkpoint, sees everything committed until then, and reads from that checkpoint's pages alone. While it lives they
    /// stay in the file, which grows by what is written meanwhile. It holds back nothing in memory, so it never ends with
    /// [`ErrorKind::SnapshotTooOld`]; what it reads is kept in a sixteenth of [`Options::memory`](crate::Options::memory) of its own.
    /// Of a database that is open for reading only it is what [`begin_read`](Self::begin_read) is: nobody writes to it.
    /// Shorter transactions are better off with [`begin_read`](Self::begin_read), which shares what is in memory.
    ///
    /// ```
    /// # use tamarack::{Database, TableDef};
    /// # const HITS: TableDef<String, u64> = TableDef::new("hits");
    /// # let db = Database::<()>::in_memory()?;
    /// db.write(|tx| tx.open_table(&HITS)?.insert("/", 1))?;
    /// let export = db.begin_long_read()?;
    /// db.write(|tx| tx.open_table(&HITS)?.insert("/", 2))?;
    /// assert_eq!(export.open_table(&HITS)?.get("/")?, Some(1));
    /// # Ok::<(), tamarack::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`begin_read`](Self::begin_read) and [`checkpoint`](Self::checkpoint).
    pub fn begin_long_read(&self) -> Result<ReadTxn<S>> {
        let snapshot = self.inner.named(self.inner.engine.pinned_snapshot())?;
        Ok(ReadTxn::new(Arc::clone(&self.inner), snapshot))
    }

    /// Begins an exclusive write transaction, for where a closure does not fit. Dropping it rolls back, and may wait for a flush: see
    /// [`WriteTxn::rollback`].
    ///
    /// Waits for the exclusive one that runs. While this one is open no other transaction commits: closures of
    /// [`write`](Self::write) run, and wait at their end. So it never conflicts.
    ///
    /// ```
    /// # use tamarack::{Database, Durability, TableDef};
    /// # const HITS: TableDef<String, u64> = TableDef::new("hits");
    /// # let db = Database::<()>::in_memory()?;
    /// let tx = db.begin_write()?;
    /// tx.open_table(&HITS)?.insert("/", 1)?;
    /// tx.commit()?;
    /// # Ok::<(), tamarack::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn begin_write(&self) -> Result<WriteTxn<S>> {
        let txn = self.inner.named(self.inner.engine.begin())?;
        Ok(WriteTxn::new(Arc::clone(&self.inner), txn, self.inner.durability))
    }

    /// What lies below.
    #[cfg(feature = "simulate")]
    pub(crate) fn base(&self) -> &crate::ckpt::Base {
        self.inner.engine.base()
    }

    /// Begins a write transaction that is validated when it commits.
    #[cfg(feature = "simulate")]
    pub(crate) fn begin_optimistic(&self) -> Result<WriteTxn<S>> {
        Ok(WriteTxn::new(Arc::clone(&self.inner), self.inner.engine.begin_optimistic()?, self.inner.durability))
    }

    /// Writes everything committed so far into the tables' pages and makes it durable, so that the next open has nothing to replay. The
    /// database does this by itself when half of the log is used, or much of the memory is dirty. Commits go on meanwhile. A database that is open for
    /// reading only has nothing to write: `Ok`.
    ///
    /// ```
    /// # use tamarack::{Database, Durability, TableDef};
    /// # const HITS: TableDef<String, u64> = TableDef::new("hits");
    /// # let db = Database::<()>::in_memory()?;
    /// db.checkpoint()?;
    /// # Ok::<(), tamarack::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Closed`]; [`ErrorKind::Io`], [`ErrorKind::StorageFull`]; the last checkpoint stays valid. After a sync or a write of a superblock that failed,
    /// the database takes no more writes until it is opened again ([`ErrorKind::Poisoned`]).
    pub fn checkpoint(&self) -> Result<()> {
        self.inner.named(self.inner.engine.checkpoint())
    }

    /// Makes deferred and buffered commits durable.
    ///
    /// ```
    /// # use tamarack::{Database, Durability, TableDef};
    /// # const HITS: TableDef<String, u64> = TableDef::new("hits");
    /// # let db = Database::<()>::in_memory()?;
    /// db.write_with(Durability::Deferred, |tx| tx.open_table(&HITS)?.insert("/", 1))?;
    /// db.flush()?;
    /// # Ok::<(), tamarack::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Closed`]; [`ErrorKind::Io`], [`ErrorKind::StorageFull`], after which the database takes no more writes until it is opened again.
    pub fn flush(&self) -> Result<()> {
        self.inner.named(self.inner.engine.flush())
    }

    /// Verifies the whole file, beside readers and writers: [`check_with`](Self::check_with), where the first finding is an error.
    ///
    /// ```
    /// # use tamarack::{Database, Durability, TableDef};
    /// # const HITS: TableDef<String, u64> = TableDef::new("hits");
    /// # let db = Database::<()>::in_memory()?;
    /// db.check()?;
    /// # Ok::<(), tamarack::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`], with the first damage found; [`ErrorKind::Io`] if the device refuses to read something. As [`check_with`](Self::check_with).
    pub fn check(&self) -> Result<()> {
        self.check_with(&mut |_| {})?.into_result()
    }

    /// Verifies the whole file, beside readers and writers, and reports all that is wrong.
    ///
    /// It writes a checkpoint and keeps it, as [`begin_long_read`](Self::begin_long_read) does, and checks all of it: see
    /// [`check_file`](crate::check_file) for what that is and what memory it takes. The space that the running database accounts for
    /// is compared too. No transaction waits for it, but the next checkpoint for the time that reading the log takes.
    ///
    /// ```
    /// # use tamarack::{Database, Durability, TableDef};
    /// # const HITS: TableDef<String, u64> = TableDef::new("hits");
    /// # let db = Database::<()>::in_memory()?;
    /// let report = db.check_with(&mut |progress| eprint!("\r{} of {} bytes", progress.done, progress.total))?;
    /// assert!(report.is_sound(), "{report}");
    /// # Ok::<(), tamarack::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Closed`]; [`ErrorKind::Io`] if the superblocks cannot be read. Damage is no error: it is in the report. Nor is a checkpoint that
    /// cannot be written, as on a full disk: then the one before is checked, with the log behind it.
    pub fn check_with(&self, progress: &mut dyn FnMut(Progress)) -> Result<CheckReport> {
        let mut image = self.inner.named(self.inner.engine.pinned_image())?;
        let (found, log) = (std::mem::take(&mut image.slots), std::mem::take(&mut image.log));
        let length = image.storage().len().map_err(|error| Error::io("checking the file", error));
        let length = self.inner.named(length)?;
        let pinned = Image { storage: image.storage(), superblock: &image.superblock, length, found, log };
        pinned.check(progress, |blocks| image.contradiction(blocks))
    }

    /// Closes the database for all its clones: waits for the write transactions that run, closures too, writes a checkpoint, and says how it went.
    /// After this the file is complete by itself and can be copied. Transactions begun meanwhile or later fail with [`ErrorKind::Closed`]; read
    /// transactions that are open go on.
    ///
    /// ```
    /// # use tamarack::{Database, Durability, TableDef};
    /// # const HITS: TableDef<String, u64> = TableDef::new("hits");
    /// # let db = Database::<()>::in_memory()?;
    /// db.close()?;
    /// # Ok::<(), tamarack::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Io`], [`ErrorKind::StorageFull`]: the file is as after a crash, and what was durable stays so. [`ErrorKind::Timeout`] if
    /// a write transaction stays open for longer than [`Options::write_timeout`](crate::Options::write_timeout), and
    /// [`ErrorKind::NestedTransaction`] if this thread is inside of one: then the database is not closed, and other clones go on.
    /// [`ErrorKind::Closed`] if a clone has closed it already; [`ErrorKind::Poisoned`].
    pub fn close(self) -> Result<()> {
        self.inner.named(self.inner.engine.close())
    }
}
