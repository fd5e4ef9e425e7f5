//! Transactions as users see them.

use super::access::{Access, Writer};
use super::catalog::{self, Resolved};
use super::database::Inner;
use super::record::Record;
use super::{Has, ReadOnly, ReadWrite, RecordTable, Table, TableDef};
use crate::engine::{self, Durability, Snapshot};
use crate::error::{Error, ErrorKind, Result};
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use tamarack_codec::{KeyPart, Shape};

fn resolved<S: Has<R>, R>(inner: &Inner) -> Result<&Resolved> {
    let found = inner.records.get(S::POSITION);
    found.ok_or_else(|| Error::new(ErrorKind::SchemaMismatch, "the schema lists fewer records than it says"))
}

/// A read transaction: the database as it was when this began.
///
/// ```
/// use tamarack::{Database, TableDef};
/// const HITS: TableDef<String, u64> = TableDef::new("hits");
/// # fn main() -> tamarack::Result<()> {
/// let db = Database::<()>::in_memory()?;
/// let before = db.begin_read()?;
/// db.write(|tx| tx.open_table(&HITS)?.insert("/", 1))?;
/// assert_eq!(before.open_table(&HITS)?.get("/")?, None);
/// # Ok(()) }
/// ```
pub struct ReadTxn<S> {
    inner: Arc<Inner>,
    snapshot: Snapshot,
    of: PhantomData<fn() -> S>,
}

impl<S> fmt::Debug for ReadTxn<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadTxn").field("timestamp", &self.snapshot.timestamp()).finish_non_exhaustive()
    }
}

impl<S> ReadTxn<S> {
    pub(super) fn new(inner: Arc<Inner>, snapshot: Snapshot) -> Self {
        Self { inner, snapshot, of: PhantomData }
    }

    /// The table of a record.
    ///
    /// ```
    /// # use tamarack::{Database, Record, Schema};
    /// # #[derive(Record)] struct Note { #[record(key)] id: u32, text: String }
    /// # #[derive(Schema)] struct Notebook(Note);
    /// # let db = Database::<Notebook>::in_memory()?;
    /// let tx = db.begin_read()?;
    /// assert!(tx.table::<Note>()?.is_empty()?);
    /// # Ok::<(), tamarack::Error>(())
    /// ```
    ///
    /// # Errors
    /// None today; later versions answer here while a schema changes.
    pub fn table<R: Record>(&self) -> Result<RecordTable<'_, R, ReadOnly>>
    where
        S: Has<R>,
    {
        Ok(RecordTable::new(Access::reading(&self.snapshot), resolved::<S, R>(&self.inner)?))
    }

    /// A plain table. One that was never written is empty.
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
    /// [`ErrorKind::SchemaMismatch`] if the file's table of this name has other types.
    pub fn open_table<K: KeyPart + 'static, V: Shape + 'static>(
        &self,
        def: &TableDef<K, V>,
    ) -> Result<Table<'_, K, V, ReadOnly>> {
        let shapes = || (K::describe(), V::describe());
        let head = catalog::find_plain(&self.snapshot, def.name(), self.inner.fingerprint::<K, V>(), shapes)?;
        Ok(Table::new(Access::reading(&self.snapshot), def.name(), head))
    }

    /// The names of all tables in the file, sorted: of plain ones and of records, those too that this program does not know. Cost: a step for each.
    ///
    /// ```
    /// # use tamarack::{Database, Record, Schema, TableDef};
    /// # #[derive(Record)] struct Note { #[record(key)] id: u32, text: String }
    /// # #[derive(Schema)] struct Notebook(Note);
    /// # const HITS: TableDef<String, u64> = TableDef::new("hits");
    /// let db = Database::<Notebook>::in_memory()?;
    /// db.write(|tx| tx.open_table(&HITS)?.insert("/", 1))?;
    /// assert_eq!(db.begin_read()?.table_names()?, ["hits", "note"]);
    /// # Ok::<(), tamarack::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`], [`ErrorKind::Io`] reading the file.
    pub fn table_names(&self) -> Result<Vec<String>> {
        catalog::table_names(&self.snapshot)
    }

    /// What lies below.
    #[cfg(feature = "simulate")]
    pub(crate) fn view(&self) -> &Snapshot {
        &self.snapshot
    }

    /// The timestamp of the newest commit that this sees.
    ///
    /// ```
    /// # use tamarack::{Database, Durability, TableDef};
    /// # const HITS: TableDef<String, u64> = TableDef::new("hits");
    /// # let db = Database::<()>::in_memory()?;
    /// let before = db.begin_read()?.timestamp();
    /// db.write(|tx| tx.open_table(&HITS)?.insert("/", 1))?;
    /// assert!(db.begin_read()?.timestamp() > before);
    /// # Ok::<(), tamarack::Error>(())
    /// ```
    #[must_use]
    pub fn timestamp(&self) -> u64 {
        self.snapshot.timestamp()
    }
}

/// A write transaction. It reads what it wrote; nobody else sees it before the commit. Dropping it rolls back. After a write that
/// failed half-way, as for want of space, committing returns that error, and nothing is committed.
///
/// It may be handed to another thread. One of [`Database::begin_write`](super::Database::begin_write) counts as open on the thread that began it
/// all the same: until it ends, other writes of that thread fail with [`ErrorKind::NestedTransaction`], and those of the new one wait for it.
///
/// ```
/// use tamarack::{Database, Durability, TableDef};
/// const HITS: TableDef<String, u64> = TableDef::new("hits");
/// # fn main() -> tamarack::Result<()> {
/// let db = Database::<()>::in_memory()?;
/// let tx = db.begin_write()?;
/// tx.open_table(&HITS)?.insert("/", 1)?;
/// tx.commit_with(Durability::Buffered)?;
/// # Ok(()) }
/// ```
pub struct WriteTxn<S> {
    inner: Arc<Inner>,
    writer: Writer,
    durability: Durability,
    of: PhantomData<fn() -> S>,
}

impl<S> fmt::Debug for WriteTxn<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WriteTxn").field("durability", &self.durability).finish_non_exhaustive()
    }
}

impl<S> WriteTxn<S> {
    pub(super) fn new(inner: Arc<Inner>, txn: engine::WriteTxn, durability: Durability) -> Self {
        Self { inner, writer: Writer::new(txn), durability, of: PhantomData }
    }

    /// The table of a record. Several tables can be open at once.
    ///
    /// ```
    /// # use tamarack::{Database, Record, Schema};
    /// # #[derive(Record)] struct Note { #[record(key)] id: u32, text: String }
    /// # #[derive(Schema)] struct Notebook(Note);
    /// # let db = Database::<Notebook>::in_memory()?;
    /// let tx = db.begin_write()?;
    /// tx.table::<Note>()?.insert(Note { id: 1, text: "tea".into() })?;
    /// tx.commit()?;
    /// # Ok::<(), tamarack::Error>(())
    /// ```
    ///
    /// # Errors
    /// None today; later versions answer here while a schema changes.
    pub fn table<R: Record>(&self) -> Result<RecordTable<'_, R, ReadWrite>>
    where
        S: Has<R>,
    {
        Ok(RecordTable::new(Access::writing(&self.writer), resolved::<S, R>(&self.inner)?))
    }

    /// A plain table, made if it is not there.
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
    /// [`ErrorKind::SchemaMismatch`] if the file's table of this name has other types; [`ErrorKind::TooManyTables`];
    /// [`ErrorKind::KeyTooLong`] for its name.
    pub fn open_table<K: KeyPart + 'static, V: Shape + 'static>(
        &self,
        def: &TableDef<K, V>,
    ) -> Result<Table<'_, K, V, ReadWrite>> {
        let shapes = || (K::describe(), V::describe());
        let txn = &self.writer.txn;
        let head = match catalog::find_plain(txn, def.name(), self.inner.fingerprint::<K, V>(), shapes)? {
            Some(head) => head,
            None => catalog::create_plain(txn, def.name(), K::describe(), V::describe())?,
        };
        Ok(Table::new(Access::writing(&self.writer), def.name(), Some(head)))
    }

    /// Removes a plain table with everything in it; `false` if there is none. Cost: its pages become free at the next checkpoint,
    /// which reads its inner nodes, and its leaves too if some of its values lie beside them. Its number is not given out again, so that a file
    /// can have had 65,535 tables.
    ///
    /// ```
    /// # use tamarack::{Database, Durability, TableDef};
    /// # const HITS: TableDef<String, u64> = TableDef::new("hits");
    /// # let db = Database::<()>::in_memory()?;
    /// db.write(|tx| tx.open_table(&HITS)?.insert("/", 1))?;
    /// assert!(db.write(|tx| tx.delete_table(&HITS))?);
    /// # Ok::<(), tamarack::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::SchemaMismatch`] if the file's table of this name has other types.
    pub fn delete_table<K: KeyPart + 'static, V: Shape + 'static>(&self, def: &TableDef<K, V>) -> Result<bool> {
        let shapes = || (K::describe(), V::describe());
        let txn = &self.writer.txn;
        let Some(head) = catalog::find_plain(txn, def.name(), self.inner.fingerprint::<K, V>(), shapes)? else {
            return Ok(false);
        };
        catalog::drop_table(txn, def.name(), head.table, std::iter::once(head.tree))?;
        Ok(true)
    }

    /// Removes a table of any type with everything in it, indexes too; `false` if there is none of this name. For what no program reads any more:
    /// after a record has changed in a way that [`Database::open`](super::Database::open) refuses, open the file as `Database<()>`, and delete
    /// the table; the next open with the new schema makes it anew. Cost: as [`delete_table`](Self::delete_table), for each index too.
    ///
    /// ```
    /// use tamarack::{Database, Record, Schema};
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let path = dir.path().join("notes.tam");
    /// # mod before {
    /// #     #[derive(tamarack::Record)] struct Note { #[record(key)] title: String }
    /// #     #[derive(tamarack::Schema)] pub struct Notebook(Note);
    /// # }
    /// # Database::<before::Notebook>::open(&path)?.close()?;
    /// #[derive(Record)]
    /// struct Note {
    ///     #[record(key)]
    ///     id: u32, // the key was the title
    ///     title: String,
    /// }
    ///
    /// #[derive(Schema)]
    /// struct Notebook(Note);
    ///
    /// assert!(Database::<Notebook>::open(&path).is_err());
    /// let old = Database::<()>::open(&path)?;
    /// old.write(|tx| {
    ///     assert_eq!(tx.table_names()?, ["note"]);
    ///     tx.delete_table_named("note")
    /// })?;
    /// old.close()?;
    /// let db = Database::<Notebook>::open(&path)?;
    /// # db.close()?;
    /// # Ok::<(), tamarack::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] if it is the table of a record of this database's schema, whose handles rely on it. Nothing was changed.
    /// [`ErrorKind::Decode`] if the catalog's entry of the table is not readable by this version; [`ErrorKind::Corrupt`], [`ErrorKind::Io`] reading the file.
    pub fn delete_table_named(&self, name: &str) -> Result<bool> {
        if self.inner.records.iter().any(|record| record.name == name) {
            let message = format!(
                "table `{name}` belongs to a record of this database's schema, and cannot be deleted while it is open with it: `clear` removes \
                 its records; to delete the table, open the file with a schema that does not list it, as `Database<()>`"
            );
            return Err(Error::new(ErrorKind::InvalidArgument, message));
        }
        let txn = &self.writer.txn;
        let Some(entry) = catalog::table(txn, name)? else { return Ok(false) };
        catalog::drop_table(txn, name, entry.table, entry.trees())?;
        Ok(true)
    }

    /// The names of all tables in the file, sorted, as this transaction leaves them: of plain ones and of records, those too that this program
    /// does not know. Cost: a step for each. A table that another transaction makes or deletes meanwhile is a conflict.
    ///
    /// ```
    /// # use tamarack::{Database, TableDef};
    /// # const HITS: TableDef<String, u64> = TableDef::new("hits");
    /// # let db = Database::<()>::in_memory()?;
    /// let tx = db.begin_write()?;
    /// tx.open_table(&HITS)?;
    /// assert_eq!(tx.table_names()?, ["hits"]);
    /// # Ok::<(), tamarack::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`], [`ErrorKind::Io`] reading the file.
    pub fn table_names(&self) -> Result<Vec<String>> {
        catalog::table_names(&self.writer.txn)
    }

    /// Commits with the durability of the options.
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
    /// As [`Database::write`](super::Database::write).
    pub fn commit(self) -> Result<()> {
        let durability = self.durability;
        self.commit_with(durability)
    }

    /// Commits with a durability of its own.
    ///
    /// ```
    /// # use tamarack::{Database, Durability, TableDef};
    /// # const HITS: TableDef<String, u64> = TableDef::new("hits");
    /// # let db = Database::<()>::in_memory()?;
    /// let tx = db.begin_write()?;
    /// tx.open_table(&HITS)?.insert("/", 1)?;
    /// tx.commit_with(Durability::Buffered)?;
    /// # Ok::<(), tamarack::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Database::write`](super::Database::write).
    pub fn commit_with(self, durability: Durability) -> Result<()> {
        let inner = Arc::clone(&self.inner);
        inner.named(self.sequence(durability).and_then(|commit| commit.finish()).map(|_| ()))
    }

    pub(crate) fn sequence(self, durability: Durability) -> Result<engine::Sequenced> {
        self.writer.sequence(durability)
    }

    /// What lies below.
    #[cfg(feature = "simulate")]
    pub(crate) fn engine(&self) -> &engine::WriteTxn {
        &self.writer.txn
    }

    /// Whether its view was given up for want of memory.
    pub(super) fn is_cancelled(&self) -> bool {
        self.writer.txn.is_cancelled()
    }

    /// Gives up: nothing was written. Dropping does the same. What other transactions wrote is read as soon as their commits have a place, on their way to
    /// the disk; so this may wait for a flush, until all that it read is visible to everybody.
    ///
    /// ```
    /// # use tamarack::{Database, Durability, TableDef};
    /// # const HITS: TableDef<String, u64> = TableDef::new("hits");
    /// # let db = Database::<()>::in_memory()?;
    /// let tx = db.begin_write()?;
    /// tx.open_table(&HITS)?.insert("/", 1)?;
    /// tx.rollback();
    /// assert!(db.read(|tx| tx.open_table(&HITS)?.is_empty())?);
    /// # Ok::<(), tamarack::Error>(())
    /// ```
    pub fn rollback(self) {}

    pub(super) fn abandon(self) -> Result<()> {
        self.writer.txn.abandon()
    }
}
