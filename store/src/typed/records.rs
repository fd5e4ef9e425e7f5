//! Tables of records: rows under their primary keys, and indexes kept in step.
//!
//! A write checks everything first (limits, the key, every unique index) and then writes, so that a refused one leaves the transaction
//! as it was. An update touches only the index entries that changed.

use super::access::{Access, CanWrite, Writer};
use super::catalog::Resolved;
use super::index::{FindQuery, IntoQuery};
use super::record::{IndexEntry, IndexSink, Record};
use super::rows::{Rows, dangling};
use super::{KeyBounds, MAX_KEY};
use crate::engine::MAX_VALUE;
use crate::error::{Error, ErrorKind, Result};
use std::borrow::Borrow;
use std::fmt;
use std::marker::PhantomData;
use tamarack_codec::{
    DecodeError, KeyArg, KeyBuf, KeyPart, KeyRange, PartPlace, RowReader, RowWriter, decode_key, render_key,
};

/// The table of a record inside a transaction.
///
/// ```
/// use tamarack::{Database, Id, Record, Schema};
///
/// #[derive(Record)]
/// struct Customer {
///     #[record(key(auto))]
///     id: Id<Customer>,
///     #[record(unique)]
///     email: String,
///     #[record(index)]
///     age: u16,
/// }
///
/// #[derive(Schema)]
/// struct Shop(Customer);
///
/// # fn main() -> tamarack::Result<()> {
/// let db = Database::<Shop>::in_memory()?;
/// let anna = db.write(|tx| {
///     tx.table::<Customer>()?.insert(Customer { id: Id::AUTO, email: "anna@example.org".into(), age: 31 })
/// })?;
/// db.write(|tx| tx.table::<Customer>()?.update(anna, |customer| customer.age += 1))?;
/// db.read(|tx| {
///     let customers = tx.table::<Customer>()?;
///     let one = customers.find(Customer::EMAIL.at("anna@example.org"))?;
///     assert_eq!(one.map(|customer| customer.age), Some(32));
///     assert_eq!(customers.query(Customer::AGE.range(18..=65)).try_count()?, 1);
///     Ok(())
/// })
/// # }
/// ```
pub struct RecordTable<'tx, R, M> {
    pub(super) access: Access<'tx>,
    pub(super) resolved: &'tx Resolved,
    of: PhantomData<fn() -> (R, M)>,
}

impl<R, M> fmt::Debug for RecordTable<'_, R, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordTable").field("name", &self.resolved.name).finish_non_exhaustive()
    }
}

impl<'tx, R: Record, M> RecordTable<'tx, R, M> {
    pub(super) fn new(access: Access<'tx>, resolved: &'tx Resolved) -> Self {
        Self { access, resolved, of: PhantomData }
    }

    /// Names the table in an error that the engine made.
    pub(super) fn named(&self, error: Error) -> Error {
        error.context(format_args!("table `{}`", self.resolved.name))
    }

    /// The error for a stored row that does not decode.
    pub(super) fn undecodable(&self, key: &[u8], error: DecodeError) -> Error {
        let shown = render_key(&self.resolved.key, key);
        let message = format!("table `{}`, key {shown}: {error}", self.resolved.name);
        Error::with_source(ErrorKind::Decode, message, error)
    }

    fn try_decode(&self, key: &[u8], row: &[u8]) -> Result<R, DecodeError> {
        let (version, mut row) = RowReader::new(row)?;
        if version != self.resolved.version {
            return Err(DecodeError::new(format!(
                "the row is of schema version {version}, and this program knows version {}",
                self.resolved.version
            )));
        }
        let record = R::decode_row(decode_key(key)?, &mut row)?;
        row.finish()?;
        Ok(record)
    }

    pub(super) fn decode(&self, key: &[u8], row: &[u8]) -> Result<R> {
        self.try_decode(key, row).map_err(|error| self.undecodable(key, error))
    }

    pub(super) fn get_encoded(&self, key: &[u8]) -> Result<Option<R>> {
        let mut found = None;
        let read = self.access.view.read(self.resolved.tree, key, &mut |row| {
            found = Some(self.try_decode(key, row));
            Ok(())
        });
        read.map_err(|error| self.named(error))?;
        found.transpose().map_err(|error| self.undecodable(key, error))
    }

    fn key<A: KeyArg<R::Key>>(key: &A) -> KeyBuf {
        let mut out = KeyBuf::new();
        key.encode_arg_last(&mut out);
        out
    }

    /// The record of a primary key. Cost: one descent.
    ///
    /// ```
    /// # use tamarack::{Database, Record, Schema};
    /// # #[derive(Record, Clone)] struct City { #[record(key)] id: u32, #[record(index)] country: String, #[record(unique)] name: String }
    /// # #[derive(Schema)] struct World(City);
    /// # let db = Database::<World>::in_memory()?; let tx = db.begin_write()?; let mut cities = tx.table::<City>()?;
    /// # let oslo = City { id: 1, country: "NO".into(), name: "Oslo".into() };
    /// cities.insert(&oslo)?;
    /// assert_eq!(cities.get(1)?.map(|city| city.name).as_deref(), Some("Oslo"));
    /// # Ok::<(), tamarack::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Decode`]; [`ErrorKind::Corrupt`], [`ErrorKind::Io`] reading the file; [`ErrorKind::SnapshotTooOld`], see
    /// [`Database::begin_read`](crate::Database::begin_read).
    pub fn get<A: KeyArg<R::Key>>(&self, key: A) -> Result<Option<R>> {
        self.get_encoded(&Self::key(&key))
    }

    /// Whether there is a record of a primary key.
    ///
    /// ```
    /// # use tamarack::{Database, Record, Schema};
    /// # #[derive(Record, Clone)] struct City { #[record(key)] id: u32, #[record(index)] country: String, #[record(unique)] name: String }
    /// # #[derive(Schema)] struct World(City);
    /// # let db = Database::<World>::in_memory()?; let tx = db.begin_write()?; let mut cities = tx.table::<City>()?;
    /// # let oslo = City { id: 1, country: "NO".into(), name: "Oslo".into() };
    /// assert!(!cities.contains_key(1)?);
    /// # Ok::<(), tamarack::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`], [`ErrorKind::Io`] reading the file.
    pub fn contains_key<A: KeyArg<R::Key>>(&self, key: A) -> Result<bool> {
        self.access.contains(self.resolved.tree, &Self::key(&key)).map_err(|error| self.named(error))
    }

    /// The record that a unique index, or the primary key, has under a key whose every part is given. Cost: two descents.
    ///
    /// ```
    /// # use tamarack::{Database, Record, Schema};
    /// # #[derive(Record, Clone)] struct City { #[record(key)] id: u32, #[record(index)] country: String, #[record(unique)] name: String }
    /// # #[derive(Schema)] struct World(City);
    /// # let db = Database::<World>::in_memory()?; let tx = db.begin_write()?; let mut cities = tx.table::<City>()?;
    /// # let oslo = City { id: 1, country: "NO".into(), name: "Oslo".into() };
    /// cities.insert(&oslo)?;
    /// assert!(cities.find(City::NAME.at("Oslo"))?.is_some());
    /// # Ok::<(), tamarack::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] if a part is `None`: many records can have that, use [`query`](Self::query). As [`get`](Self::get).
    pub fn find<Q: FindQuery<R>>(&self, query: Q) -> Result<Option<R>> {
        let (number, key, none) = query.into_key();
        if none {
            let index = self.resolved.indexes.get(number).map_or("", |index| index.def.name);
            let message = format!(
                "index `{index}`: many records can have `None` in a unique index; use `query(..)` instead of `find(..)`"
            );
            return Err(self.named(Error::new(ErrorKind::InvalidArgument, message)));
        }
        let Some(index) = self.resolved.indexes.get(number) else { return self.get_encoded(&key) };
        let primary = self.access.view.get(index.tree, &key).map_err(|error| self.named(error))?;
        match primary {
            None => Ok(None),
            Some(primary) => match self.get_encoded(&primary)? {
                None => Err(dangling(self.resolved, number, &primary)),
                found => Ok(found),
            },
        }
    }

    /// The records that a query matches, in the order of its index. Lazy, double-ended. Cost: for each record a step in the index and a
    /// descent.
    ///
    /// In a write transaction it [sees what is written while it runs](Rows#in-a-write-transaction): to change what an index is over, collect
    /// the [keys](Rows::keys) first; to remove, use [`remove_all`](Self::remove_all).
    ///
    /// ```
    /// # use tamarack::{Database, Record, Schema};
    /// # #[derive(Record, Clone)] struct City { #[record(key)] id: u32, #[record(index)] country: String, #[record(unique)] name: String }
    /// # #[derive(Schema)] struct World(City);
    /// # let db = Database::<World>::in_memory()?; let tx = db.begin_write()?; let mut cities = tx.table::<City>()?;
    /// # let oslo = City { id: 1, country: "NO".into(), name: "Oslo".into() };
    /// cities.insert(&oslo)?;
    /// assert_eq!(cities.query(City::COUNTRY.at("NO")).try_count()?, 1);
    /// assert_eq!(cities.query(City::NAME.starts_with("Os")).try_count()?, 1);
    /// # Ok::<(), tamarack::Error>(())
    /// ```
    pub fn query<Q: IntoQuery<R>>(&self, query: Q) -> Rows<'_, R, M> {
        Rows::query(self, query.into_query())
    }

    /// All records in the order of the primary key.
    ///
    /// ```
    /// # use tamarack::{Database, Record, Schema};
    /// # #[derive(Record, Clone)] struct City { #[record(key)] id: u32, #[record(index)] country: String, #[record(unique)] name: String }
    /// # #[derive(Schema)] struct World(City);
    /// # let db = Database::<World>::in_memory()?; let tx = db.begin_write()?; let mut cities = tx.table::<City>()?;
    /// # let oslo = City { id: 1, country: "NO".into(), name: "Oslo".into() };
    /// cities.insert(&oslo)?;
    /// for city in cities.iter() {
    ///     println!("{}", city?.name);
    /// }
    /// # Ok::<(), tamarack::Error>(())
    /// ```
    pub fn iter(&self) -> Rows<'_, R, M> {
        Rows::range(self, KeyRange::all())
    }

    /// The records of a range of primary keys, in order. For ranges under the first parts of a compound key, query
    /// [`Record::PRIMARY`]. In a write transaction it [sees what is written while it runs](Rows#in-a-write-transaction).
    ///
    /// ```
    /// # use tamarack::{Database, Record, Schema};
    /// # #[derive(Record, Clone)] struct City { #[record(key)] id: u32, #[record(index)] country: String, #[record(unique)] name: String }
    /// # #[derive(Schema)] struct World(City);
    /// # let db = Database::<World>::in_memory()?; let tx = db.begin_write()?; let mut cities = tx.table::<City>()?;
    /// # let oslo = City { id: 1, country: "NO".into(), name: "Oslo".into() };
    /// cities.insert(&oslo)?;
    /// assert_eq!(cities.range(..5).try_count()?, 1);
    /// # Ok::<(), tamarack::Error>(())
    /// ```
    pub fn range<B: KeyBounds<R::Key>>(&self, range: B) -> Rows<'_, R, M> {
        Rows::range(self, range.key_range(&[], PartPlace::of::<R::Key>(true)))
    }

    /// The record of the smallest primary key.
    ///
    /// ```
    /// # use tamarack::{Database, Record, Schema};
    /// # #[derive(Record, Clone)] struct City { #[record(key)] id: u32, #[record(index)] country: String, #[record(unique)] name: String }
    /// # #[derive(Schema)] struct World(City);
    /// # let db = Database::<World>::in_memory()?; let tx = db.begin_write()?; let mut cities = tx.table::<City>()?;
    /// # let oslo = City { id: 1, country: "NO".into(), name: "Oslo".into() };
    /// assert!(cities.first()?.is_none());
    /// # Ok::<(), tamarack::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn first(&self) -> Result<Option<R>> {
        self.iter().next().transpose()
    }

    /// The record of the largest primary key.
    ///
    /// ```
    /// # use tamarack::{Database, Record, Schema};
    /// # #[derive(Record, Clone)] struct City { #[record(key)] id: u32, #[record(index)] country: String, #[record(unique)] name: String }
    /// # #[derive(Schema)] struct World(City);
    /// # let db = Database::<World>::in_memory()?; let tx = db.begin_write()?; let mut cities = tx.table::<City>()?;
    /// # let oslo = City { id: 1, country: "NO".into(), name: "Oslo".into() };
    /// cities.insert(&oslo)?;
    /// assert_eq!(cities.last()?.map(|city| city.id), Some(1));
    /// # Ok::<(), tamarack::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn last(&self) -> Result<Option<R>> {
        self.iter().next_back().transpose()
    }

    /// Number of records. Cost: reads a counter. A write transaction that asks for it conflicts with each that adds or removes records.
    ///
    /// ```
    /// # use tamarack::{Database, Record, Schema};
    /// # #[derive(Record, Clone)] struct City { #[record(key)] id: u32, #[record(index)] country: String, #[record(unique)] name: String }
    /// # #[derive(Schema)] struct World(City);
    /// # let db = Database::<World>::in_memory()?; let tx = db.begin_write()?; let mut cities = tx.table::<City>()?;
    /// # let oslo = City { id: 1, country: "NO".into(), name: "Oslo".into() };
    /// cities.insert(&oslo)?;
    /// assert_eq!(cities.len()?, 1);
    /// # Ok::<(), tamarack::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn len(&self) -> Result<u64> {
        self.access.records(self.resolved.table)
    }

    /// Whether there are no records.
    ///
    /// ```
    /// # use tamarack::{Database, Record, Schema};
    /// # #[derive(Record, Clone)] struct City { #[record(key)] id: u32, #[record(index)] country: String, #[record(unique)] name: String }
    /// # #[derive(Schema)] struct World(City);
    /// # let db = Database::<World>::in_memory()?; let tx = db.begin_write()?; let mut cities = tx.table::<City>()?;
    /// # let oslo = City { id: 1, country: "NO".into(), name: "Oslo".into() };
    /// assert!(cities.is_empty()?);
    /// # Ok::<(), tamarack::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn is_empty(&self) -> Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Stores a new record and its index entries; returns its key, which is a new one for [`Id::AUTO`](crate::Id::AUTO). Takes the record
    /// or a reference to it.
    ///
    /// ```
    /// # use tamarack::{Database, Record, Schema};
    /// # #[derive(Record, Clone)] struct City { #[record(key)] id: u32, #[record(index)] country: String, #[record(unique)] name: String }
    /// # #[derive(Schema)] struct World(City);
    /// # let db = Database::<World>::in_memory()?; let tx = db.begin_write()?; let mut cities = tx.table::<City>()?;
    /// # let oslo = City { id: 1, country: "NO".into(), name: "Oslo".into() };
    /// assert_eq!(cities.insert(&oslo)?, 1);
    /// let again = cities.insert(oslo).unwrap_err();
    /// assert_eq!(again.kind(), tamarack::ErrorKind::KeyExists);
    /// # Ok::<(), tamarack::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::KeyExists`], [`ErrorKind::UniqueViolation`], [`ErrorKind::KeyTooLong`], [`ErrorKind::ValueTooLong`],
    /// [`ErrorKind::Encode`]; [`ErrorKind::Corrupt`], [`ErrorKind::Io`] reading the file. Nothing was changed, and the transaction can go on.
    pub fn insert<A: Borrow<R>>(&mut self, record: A) -> Result<R::Key>
    where
        M: CanWrite<A>,
    {
        let record = record.borrow();
        let write = Write::new(self, record)?;
        if self.access.contains(self.resolved.tree, &write.key).map_err(|error| self.named(error))? {
            let key = render_key(&self.resolved.key, &write.key);
            let message =
                format!("table `{}` has a `{}` with the key {key} already", self.resolved.name, self.resolved.record);
            return Err(Error::new(ErrorKind::KeyExists, message));
        }
        self.store(write, record, None)
    }

    /// Stores a record, in the place of the one with its key if there is one; returns its key.
    ///
    /// ```
    /// # use tamarack::{Database, Record, Schema};
    /// # #[derive(Record, Clone)] struct City { #[record(key)] id: u32, #[record(index)] country: String, #[record(unique)] name: String }
    /// # #[derive(Schema)] struct World(City);
    /// # let db = Database::<World>::in_memory()?; let tx = db.begin_write()?; let mut cities = tx.table::<City>()?;
    /// # let oslo = City { id: 1, country: "NO".into(), name: "Oslo".into() };
    /// cities.upsert(&oslo)?;
    /// cities.upsert(City { country: "no".into(), ..oslo })?;
    /// assert_eq!(cities.len()?, 1);
    /// # Ok::<(), tamarack::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`insert`](Self::insert), without [`ErrorKind::KeyExists`]; [`ErrorKind::Decode`] if the record that was there does not decode, which its
    /// index entries are removed by.
    pub fn upsert<A: Borrow<R>>(&mut self, record: A) -> Result<R::Key>
    where
        M: CanWrite<A>,
    {
        let record = record.borrow();
        let write = Write::new(self, record)?;
        let before = if self.resolved.indexes.is_empty() {
            // The old row does not matter, and may be one that nobody can read any more.
            let there = self.access.contains(self.resolved.tree, &write.key).map_err(|error| self.named(error))?;
            there.then(Vec::new)
        } else {
            self.get_encoded(&write.key)?.map(|old| self.entries(&old, &write.key)).transpose()?
        };
        self.store(write, record, before)
    }

    /// Changes the record of a key in place; returns it as it is now, or `None` if there is none, or the closure removed it.
    /// Only index entries that change are written. For a closure that may refuse, [`try_update`](Self::try_update).
    ///
    /// ```
    /// # use tamarack::{Database, Record, Schema};
    /// # #[derive(Record, Clone)] struct City { #[record(key)] id: u32, #[record(index)] country: String, #[record(unique)] name: String }
    /// # #[derive(Schema)] struct World(City);
    /// # let db = Database::<World>::in_memory()?; let tx = db.begin_write()?; let mut cities = tx.table::<City>()?;
    /// # let oslo = City { id: 1, country: "NO".into(), name: "Oslo".into() };
    /// cities.insert(&oslo)?;
    /// cities.update(1, |city| city.name = "Kristiania".into())?;
    /// assert!(cities.find(City::NAME.at("Kristiania"))?.is_some());
    /// # Ok::<(), tamarack::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] if the closure changed the primary key: remove and insert instead. As [`insert`](Self::insert).
    pub fn update<A: KeyArg<R::Key>>(&mut self, key: A, change: impl FnOnce(&mut R)) -> Result<Option<R>>
    where
        M: CanWrite<A>,
    {
        self.try_update(key, |record| {
            change(record);
            Ok(())
        })
    }

    /// [`update`](Self::update) for a closure that may refuse, with an error type of its own. After an error the record is as it was; what the closure has
    /// written by other handles stays.
    ///
    /// ```
    /// # use tamarack::{Database, Record, Schema};
    /// # #[derive(Record, Clone)] struct City { #[record(key)] id: u32, #[record(index)] country: String, #[record(unique)] name: String }
    /// # #[derive(Schema)] struct World(City);
    /// # let db = Database::<World>::in_memory()?; let tx = db.begin_write()?; let mut cities = tx.table::<City>()?;
    /// # let oslo = City { id: 1, country: "NO".into(), name: "Oslo".into() };
    /// use tamarack::{Error, ErrorKind};
    /// cities.insert(&oslo)?;
    /// let refused = cities.try_update(1, |city| {
    ///     city.name.clear();
    ///     Err(Error::new(ErrorKind::Aborted, "a city needs a name"))
    /// });
    /// assert_eq!(refused.err().map(|error| error.kind()), Some(ErrorKind::Aborted));
    /// assert_eq!(cities.get(1)?.map(|city| city.name).as_deref(), Some("Oslo"));
    /// # Ok::<(), tamarack::Error>(())
    /// ```
    ///
    /// # Errors
    /// What the closure returns, and what [`update`](Self::update) says, turned into that type.
    pub fn try_update<A: KeyArg<R::Key>, E: From<Error>>(
        &mut self,
        key: A,
        change: impl FnOnce(&mut R) -> Result<(), E>,
    ) -> Result<Option<R>, E>
    where
        M: CanWrite<A>,
    {
        let key = Self::key(&key);
        let Some(mut record) = self.get_encoded(&key)? else { return Ok(None) };
        let before = self.entries(&record, &key)?;
        let writer = self.access.writer()?;
        let written = writer.txn.written();
        change(&mut record)?;
        let before = if writer.txn.written() == written {
            before
        } else {
            // The closure has written to this transaction too: maybe to this very record.
            match self.get_encoded(&key)? {
                Some(now) => self.entries(&now, &key)?,
                None => return Ok(None),
            }
        };
        let mut after = KeyBuf::new();
        record.encode_key(&mut after);
        if after != key {
            let (from, to) = (render_key(&self.resolved.key, &key), render_key(&self.resolved.key, &after));
            let message = format!(
                "an update changed the primary key from {from} to {to}: remove the record and insert the new one"
            );
            return Err(self.named(Error::new(ErrorKind::InvalidArgument, message)).into());
        }
        let write = Write { entries: self.entries(&record, &key)?, key, new_id: None };
        self.store_over(write, &record, Some(before))?;
        Ok(Some(record))
    }

    /// Removes the record of a key with its index entries, and returns it.
    ///
    /// ```
    /// # use tamarack::{Database, Record, Schema};
    /// # #[derive(Record, Clone)] struct City { #[record(key)] id: u32, #[record(index)] country: String, #[record(unique)] name: String }
    /// # #[derive(Schema)] struct World(City);
    /// # let db = Database::<World>::in_memory()?; let tx = db.begin_write()?; let mut cities = tx.table::<City>()?;
    /// # let oslo = City { id: 1, country: "NO".into(), name: "Oslo".into() };
    /// cities.insert(&oslo)?;
    /// assert!(cities.remove(1)?.is_some());
    /// assert_eq!(cities.query(City::COUNTRY).try_count()?, 0);
    /// # Ok::<(), tamarack::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn remove<A: KeyArg<R::Key>>(&mut self, key: A) -> Result<Option<R>>
    where
        M: CanWrite<A>,
    {
        let key = Self::key(&key);
        let Some(record) = self.get_encoded(&key)? else { return Ok(None) };
        self.forget(&record, &key)?;
        Ok(Some(record))
    }

    /// Removes a record that is there, with its index entries.
    pub(super) fn forget(&self, record: &R, key: &[u8]) -> Result<()> {
        let writer = self.access.writer()?;
        for entry in self.entries(record, key)? {
            self.unlist(writer, &entry)?;
        }
        writer.txn.delete(self.resolved.tree, key).map_err(|error| self.named(error))?;
        writer.add(self.resolved.table, -1)
    }

    /// All index entries of a record, in order of index and key.
    fn entries(&self, record: &R, key: &[u8]) -> Result<Vec<IndexEntry>> {
        let mut entries = Vec::with_capacity(self.resolved.indexes.len());
        for (number, index) in self.resolved.indexes.iter().enumerate() {
            IndexSink::collect(record, number, &index.def, key, &mut entries).map_err(|error| self.named(error))?;
        }
        Ok(entries)
    }

    fn unlist(&self, writer: &Writer, entry: &IndexEntry) -> Result<()> {
        match self.resolved.indexes.get(entry.number) {
            Some(index) => {
                writer.txn.write_unread(index.tree);
                writer.txn.delete(index.tree, &entry.key).map_err(|error| self.named(error))
            }
            None => Ok(()),
        }
    }

    fn store(&self, write: Write, record: &R, before: Option<Vec<IndexEntry>>) -> Result<R::Key> {
        let key = decode_key(&write.key).map_err(|error| self.undecodable(&write.key, error))?;
        self.store_over(write, record, before)?;
        Ok(key)
    }

    /// Writes a record over what `before` lists, or as a new one. Checks everything before the first change.
    fn store_over(&self, write: Write, record: &R, before: Option<Vec<IndexEntry>>) -> Result<()> {
        let Write { key, entries, new_id } = write;
        let writer = self.access.writer()?;
        let is_new = before.is_none();
        let before = before.unwrap_or_default();
        let (gone, come) = changes(&before, &entries);
        for entry in &come {
            self.check_unique(entry, &key)?;
        }
        let row = self.row(record)?;
        for entry in gone {
            self.unlist(writer, entry)?;
        }
        for entry in come {
            if let Some(index) = self.resolved.indexes.get(entry.number) {
                let value: &[u8] = if entry.owns { &key } else { &[] };
                writer.txn.write_unread(index.tree);
                writer.txn.put(index.tree, &entry.key, value).map_err(|error| self.named(error))?;
            }
        }
        writer.txn.put(self.resolved.tree, &key, &row).map_err(|error| self.named(error))?;
        if is_new {
            writer.add(self.resolved.table, 1)?;
        }
        new_id.map_or(Ok(()), |id| writer.used(self.resolved.table, id))
    }

    fn row(&self, record: &R) -> Result<Vec<u8>> {
        let mut row = Vec::with_capacity(128);
        record
            .encode_row(&mut RowWriter::new(&mut row, self.resolved.version))
            .map_err(|error| self.named(Error::with_source(ErrorKind::Encode, error.to_string(), error)))?;
        if row.len() > MAX_VALUE {
            let message = format!("the record takes {} bytes, at most {MAX_VALUE} are possible", row.len());
            return Err(self.named(Error::new(ErrorKind::ValueTooLong, message)));
        }
        Ok(row)
    }

    /// A new entry of a unique index must be free, or this record's own.
    fn check_unique(&self, entry: &IndexEntry, key: &[u8]) -> Result<()> {
        let Some(index) = self.resolved.indexes.get(entry.number).filter(|_| entry.owns) else { return Ok(()) };
        let Some(owner) = self.access.view.get(index.tree, &entry.key).map_err(|error| self.named(error))? else {
            return Ok(());
        };
        if *owner == *key {
            return Ok(());
        }
        let parts: Vec<_> = index.def.parts.iter().map(|(_, shape)| shape.clone()).collect();
        let message = format!(
            "`{}` {} has the {} {} already: it is unique in table `{}`",
            self.resolved.record,
            render_key(&self.resolved.key, &owner),
            index.def.name,
            render_key(&parts, &entry.key),
            self.resolved.name,
        );
        Err(Error::of_index(ErrorKind::UniqueViolation, index.def.name, message))
    }
}

/// What is gone and what is new between two sorted lists of entries.
fn changes<'a>(before: &'a [IndexEntry], after: &'a [IndexEntry]) -> (Vec<&'a IndexEntry>, Vec<&'a IndexEntry>) {
    let place = |entry: &'a IndexEntry| (entry.number, &entry.key[..]);
    let missing = |from: &'a [IndexEntry], of: &'a [IndexEntry]| -> Vec<&'a IndexEntry> {
        of.iter().filter(|entry| from.binary_search_by(|other| place(other).cmp(&place(entry))).is_err()).collect()
    };
    (missing(after, before), missing(before, after))
}

/// A record on its way in: its key, its index entries, and the id if it is automatic.
struct Write {
    key: KeyBuf,
    entries: Vec<IndexEntry>,
    new_id: Option<u64>,
}

impl Write {
    fn new<R: Record, M>(table: &RecordTable<'_, R, M>, record: &R) -> Result<Self> {
        let mut key = KeyBuf::new();
        record.encode_key(&mut key);
        let new_id = if R::AUTO { Some(Self::id(table, &mut key)?) } else { None };
        if key.len() > MAX_KEY {
            let message = format!("the primary key takes {} bytes, at most {MAX_KEY} are possible", key.len());
            return Err(table.named(Error::new(ErrorKind::KeyTooLong, message)));
        }
        Ok(Self { entries: table.entries(record, &key)?, key, new_id })
    }

    /// The record's id: its own, or the next that is free.
    fn id<R: Record, M>(table: &RecordTable<'_, R, M>, key: &mut KeyBuf) -> Result<u64> {
        let id = decode_key::<u64>(key).map_err(|error| table.undecodable(key, error))?;
        if id != 0 {
            return Ok(id);
        }
        let next = table.access.writer()?.next_id(table.resolved.table)?;
        let next = next.ok_or_else(|| {
            table.named(Error::new(ErrorKind::KeyExists, "the largest automatic id is taken: no id is left"))
        })?;
        key.clear();
        next.encode(key);
        Ok(next)
    }
}

impl<'a, R: Record, M> IntoIterator for &'a RecordTable<'_, R, M> {
    type Item = Result<R>;
    type IntoIter = Rows<'a, R, M>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
