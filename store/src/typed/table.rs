//! Plain tables: typed maps with std's `BTreeMap` names.

use super::access::{Access, CanWrite};
use super::catalog::Head;
use super::lend::{Lend, ValueArg, ValueRef};
use super::scan::{ExtractIf, Iter, IterKeys, IterValues, RawScan};
use super::{Entry, KeyBounds, MAX_KEY, ReadWrite};
use crate::engine::{MAX_VALUE, TreeId};
use crate::error::{Error, ErrorKind, Result};
use std::fmt;
use std::marker::PhantomData;
use tamarack_codec::{DecodeError, KeyArg, KeyBuf, KeyPart, KeyRange, PartPlace, Shape, decode_value, render_key};

/// Types that a table knows without holding a value of them.
type Marker<K, V, M> = PhantomData<fn() -> (K, V, M)>;

/// What a table that was never written reads from.
const NO_TREE: TreeId = TreeId(u32::MAX);

/// A plain table inside a transaction: an ordered map from `K` to `V`.
///
/// Methods are named as in [`BTreeMap`](std::collections::BTreeMap) and mean the same. Keys can be given borrowed (`&str` for `String`,
/// slices for `Vec<u8>`); values come out owned.
///
/// ```
/// use tamarack::{Database, TableDef};
/// const PRICES: TableDef<String, u32> = TableDef::new("prices");
/// # fn main() -> tamarack::Result<()> {
/// let db = Database::<()>::in_memory()?;
/// db.write(|tx| {
///     let mut prices = tx.open_table(&PRICES)?;
///     prices.insert("tea", 3)?;
///     prices.insert("coffee", 4)?;
///     assert_eq!(prices.get("tea")?, Some(3));
///     assert_eq!(prices.len()?, 2);
///     let names = prices.keys().collect::<tamarack::Result<Vec<_>>>()?;
///     assert_eq!(names, ["coffee", "tea"]);
///     Ok(())
/// })
/// # }
/// ```
pub struct Table<'tx, K, V, M> {
    pub(super) access: Access<'tx>,
    pub(super) tree: TreeId,
    table: u32,
    name: Box<str>,
    of: Marker<K, V, M>,
}

impl<K, V, M> fmt::Debug for Table<'_, K, V, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table").field("name", &self.name).finish_non_exhaustive()
    }
}

impl<'tx, K: KeyPart, V: Shape, M> Table<'tx, K, V, M> {
    pub(super) fn new(access: Access<'tx>, name: &str, head: Option<Head>) -> Self {
        let (tree, table) = head.map_or((NO_TREE, 0), |head| (head.tree, head.table));
        Self { access, tree, table, name: name.into(), of: PhantomData }
    }

    /// Names the table in an error that the engine made.
    pub(super) fn named(&self, error: Error) -> Error {
        error.context(format_args!("table `{}`", self.name))
    }

    /// The error for a stored entry that does not decode.
    pub(super) fn undecodable(&self, key: &[u8], error: DecodeError) -> Error {
        let key = render_key(&[K::describe()], key);
        Error::with_source(ErrorKind::Decode, format!("table `{}`, key {key}: {error}", self.name), error)
    }

    fn key<A: KeyArg<K>>(key: &A) -> KeyBuf {
        let mut out = KeyBuf::new();
        key.encode_arg_last(&mut out);
        out
    }

    pub(super) fn decode(&self, key: &[u8], bytes: &[u8]) -> Result<V> {
        decode_value(bytes).map_err(|error| self.undecodable(key, error))
    }

    /// The value of a key. Cost: one descent.
    ///
    /// ```
    /// # let db = tamarack::Database::<()>::in_memory()?; let tx = db.begin_write()?;
    /// # let mut prices = tx.open_table(&tamarack::TableDef::<String, u32>::new("prices"))?;
    /// prices.insert("tea", 3)?;
    /// assert_eq!(prices.get("tea")?, Some(3));
    /// # Ok::<(), tamarack::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Decode`]; [`ErrorKind::Corrupt`], [`ErrorKind::Io`] reading the file; [`ErrorKind::SnapshotTooOld`], see
    /// [`Database::begin_read`](crate::Database::begin_read).
    pub fn get<A: KeyArg<K>>(&self, key: A) -> Result<Option<V>> {
        self.get_encoded(&Self::key(&key))
    }

    pub(super) fn get_encoded(&self, key: &[u8]) -> Result<Option<V>> {
        let mut found = None;
        let read = self.access.view.read(self.tree, key, &mut |bytes| {
            found = Some(decode_value(bytes));
            Ok(())
        });
        read.map_err(|error| self.named(error))?;
        found.transpose().map_err(|error| self.undecodable(key, error))
    }

    /// Calls `with` on the value of a key, text or bytes, where it lies. The fastest way to read; `with` must not use the database.
    ///
    /// ```
    /// # let db = tamarack::Database::<()>::in_memory()?; let tx = db.begin_write()?;
    /// # let mut prices = tx.open_table(&tamarack::TableDef::<String, u32>::new("prices"))?;
    /// # let mut names = tx.open_table(&tamarack::TableDef::<u32, String>::new("names"))?;
    /// names.insert(1, "one")?;
    /// assert_eq!(names.get_with(1, str::len)?, Some(3));
    /// # Ok::<(), tamarack::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn get_with<A: KeyArg<K>, T>(&self, key: A, with: impl FnOnce(&V::Slice) -> T) -> Result<Option<T>>
    where
        V: Lend,
    {
        let key = Self::key(&key);
        let (mut with, mut found, mut fault) = (Some(with), None, None);
        let read = self.access.view.read(self.tree, &key, &mut |bytes| {
            match V::lend(bytes) {
                Ok(slice) => found = with.take().map(|with| with(slice)),
                Err(error) => fault = Some(error),
            }
            Ok(())
        });
        read.map_err(|error| self.named(error))?;
        fault.map_or(Ok(found), |error| Err(self.undecodable(&key, error)))
    }

    /// Whether a key is there.
    ///
    /// ```
    /// # let db = tamarack::Database::<()>::in_memory()?; let tx = db.begin_write()?;
    /// # let mut prices = tx.open_table(&tamarack::TableDef::<String, u32>::new("prices"))?;
    /// assert!(!prices.contains_key("tea")?);
    /// # Ok::<(), tamarack::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`], [`ErrorKind::Io`] reading the file.
    pub fn contains_key<A: KeyArg<K>>(&self, key: A) -> Result<bool> {
        self.access.contains(self.tree, &Self::key(&key)).map_err(|error| self.named(error))
    }

    /// Entries of a range of keys, in order; also backwards, by `rev`. Lazy: nothing is read before the first step.
    ///
    /// In a write transaction it sees what the transaction writes while it runs, by another handle of the table: entries that are put ahead of it
    /// are met, so that a loop which always puts one more behind the last does not end. Collect the keys first; to remove, use
    /// [`extract_if`](Self::extract_if) or [`retain`](Self::retain).
    ///
    /// ```
    /// # let db = tamarack::Database::<()>::in_memory()?; let tx = db.begin_write()?;
    /// # let mut prices = tx.open_table(&tamarack::TableDef::<String, u32>::new("prices"))?;
    /// prices.extend([("coffee", 4), ("milk", 1), ("tea", 3)])?;
    /// assert_eq!(prices.range("d"..="milk").try_count()?, 1);
    /// # Ok::<(), tamarack::Error>(())
    /// ```
    pub fn range<B: KeyBounds<K>>(&self, range: B) -> Iter<'_, K, V, M> {
        Iter::new(self, range.key_range(&[], PartPlace::of::<K>(true)))
    }

    /// All entries in order.
    ///
    /// ```
    /// # let db = tamarack::Database::<()>::in_memory()?; let tx = db.begin_write()?;
    /// # let mut prices = tx.open_table(&tamarack::TableDef::<String, u32>::new("prices"))?;
    /// prices.extend([("milk", 1), ("tea", 3)])?;
    /// assert_eq!(prices.iter().rev().next().transpose()?, Some(("tea".to_owned(), 3)));
    /// # Ok::<(), tamarack::Error>(())
    /// ```
    pub fn iter(&self) -> Iter<'_, K, V, M> {
        Iter::new(self, KeyRange::all())
    }

    /// All keys in order. Does not touch the values.
    ///
    /// ```
    /// # let db = tamarack::Database::<()>::in_memory()?; let tx = db.begin_write()?;
    /// # let mut prices = tx.open_table(&tamarack::TableDef::<String, u32>::new("prices"))?;
    /// prices.insert("tea", 3)?;
    /// assert_eq!(prices.keys().collect::<tamarack::Result<Vec<_>>>()?, ["tea"]);
    /// # Ok::<(), tamarack::Error>(())
    /// ```
    pub fn keys(&self) -> IterKeys<'_, K, V, M> {
        IterKeys(self.iter())
    }

    /// All values in order of their keys.
    ///
    /// ```
    /// # let db = tamarack::Database::<()>::in_memory()?; let tx = db.begin_write()?;
    /// # let mut prices = tx.open_table(&tamarack::TableDef::<String, u32>::new("prices"))?;
    /// prices.extend([("milk", 1), ("tea", 3)])?;
    /// assert_eq!(prices.values().sum::<tamarack::Result<u32>>()?, 4);
    /// # Ok::<(), tamarack::Error>(())
    /// ```
    pub fn values(&self) -> IterValues<'_, K, V, M> {
        IterValues(self.iter())
    }

    /// Calls `with` on key and value of each entry in a range, where they lie, in order, until it says `false`. No copy and no allocation
    /// for each entry; an error of `with` ends the scan too.
    ///
    /// ```
    /// # let db = tamarack::Database::<()>::in_memory()?; let tx = db.begin_write()?;
    /// # let mut prices = tx.open_table(&tamarack::TableDef::<String, u32>::new("prices"))?;
    /// # let mut names = tx.open_table(&tamarack::TableDef::<String, String>::new("names"))?;
    /// names.extend([("a", "one"), ("b", "two")])?;
    /// let mut bytes = 0;
    /// names.scan(.., |key, value| {
    ///     bytes += key.len() + value.len();
    ///     Ok(true)
    /// })?;
    /// assert_eq!(bytes, 8);
    /// # Ok::<(), tamarack::Error>(())
    /// ```
    ///
    /// # Errors
    /// What `with` returns; as [`get`](Self::get).
    pub fn scan<B: KeyBounds<K>>(
        &self,
        range: B,
        mut with: impl FnMut(&K::Slice, &V::Slice) -> Result<bool>,
    ) -> Result<()>
    where
        K: Lend,
        V: Lend,
    {
        let mut cursor = RawScan::new(range.key_range(&[], PartPlace::of::<K>(true)));
        while let Some((key, value)) = cursor.next(self.access.view, self.tree).map_err(|error| self.named(error))? {
            let lent = K::lend(key).and_then(|lent| Ok((lent, V::lend(value)?)));
            let (lent_key, lent_value) = lent.map_err(|error| self.undecodable(key, error))?;
            if !with(lent_key, lent_value)? {
                break;
            }
        }
        Ok(())
    }

    /// The first entry.
    ///
    /// ```
    /// # let db = tamarack::Database::<()>::in_memory()?; let tx = db.begin_write()?;
    /// # let mut prices = tx.open_table(&tamarack::TableDef::<String, u32>::new("prices"))?;
    /// prices.extend([("milk", 1), ("tea", 3)])?;
    /// assert_eq!(prices.first_key_value()?, Some(("milk".to_owned(), 1)));
    /// # Ok::<(), tamarack::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn first_key_value(&self) -> Result<Option<(K, V)>> {
        self.iter().next().transpose()
    }

    /// The last entry.
    ///
    /// ```
    /// # let db = tamarack::Database::<()>::in_memory()?; let tx = db.begin_write()?;
    /// # let mut prices = tx.open_table(&tamarack::TableDef::<String, u32>::new("prices"))?;
    /// prices.extend([("milk", 1), ("tea", 3)])?;
    /// assert_eq!(prices.last_key_value()?, Some(("tea".to_owned(), 3)));
    /// # Ok::<(), tamarack::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn last_key_value(&self) -> Result<Option<(K, V)>> {
        self.iter().next_back().transpose()
    }

    /// Number of entries. Cost: reads a counter. A write transaction that asks for it conflicts with each that adds or removes entries.
    ///
    /// ```
    /// # let db = tamarack::Database::<()>::in_memory()?; let tx = db.begin_write()?;
    /// # let mut prices = tx.open_table(&tamarack::TableDef::<String, u32>::new("prices"))?;
    /// prices.insert("tea", 3)?;
    /// assert_eq!(prices.len()?, 1);
    /// # Ok::<(), tamarack::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn len(&self) -> Result<u64> {
        self.access.records(self.table)
    }

    /// Whether there are no entries.
    ///
    /// ```
    /// # let db = tamarack::Database::<()>::in_memory()?; let tx = db.begin_write()?;
    /// # let mut prices = tx.open_table(&tamarack::TableDef::<String, u32>::new("prices"))?;
    /// assert!(prices.is_empty()?);
    /// # Ok::<(), tamarack::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn is_empty(&self) -> Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Stores a value under a key; returns whether there was one. As [`insert`](Self::insert), without decoding the old value.
    ///
    /// ```
    /// # let db = tamarack::Database::<()>::in_memory()?; let tx = db.begin_write()?;
    /// # let mut prices = tx.open_table(&tamarack::TableDef::<String, u32>::new("prices"))?;
    /// assert!(!prices.replace("tea", 3)?);
    /// assert!(prices.replace("tea", 4)?);
    /// # Ok::<(), tamarack::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::KeyTooLong`], [`ErrorKind::ValueTooLong`]; [`ErrorKind::InvalidArgument`] if this transaction has deleted the table;
    /// [`ErrorKind::Corrupt`], [`ErrorKind::Io`] reading the file. Nothing was changed.
    pub fn replace<A: KeyArg<K>, W: ValueArg<V>>(&mut self, key: A, value: W) -> Result<bool>
    where
        M: CanWrite<A>,
    {
        let key = Self::key(&key);
        let old = self.holds(&key)?;
        self.put_encoded(&key, &value, !old)?;
        Ok(old)
    }

    /// Removes a key; returns whether it was there. As [`remove`](Self::remove), without decoding the old value.
    ///
    /// ```
    /// # let db = tamarack::Database::<()>::in_memory()?; let tx = db.begin_write()?;
    /// # let mut prices = tx.open_table(&tamarack::TableDef::<String, u32>::new("prices"))?;
    /// prices.insert("tea", 3)?;
    /// assert!(prices.discard("tea")?);
    /// # Ok::<(), tamarack::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`], [`ErrorKind::Io`] reading the file.
    pub fn discard<A: KeyArg<K>>(&mut self, key: A) -> Result<bool>
    where
        M: CanWrite<A>,
    {
        let key = Self::key(&key);
        let old = self.holds(&key)?;
        if old {
            self.forget_encoded(&key)?;
        }
        Ok(old)
    }

    /// Stores a value under a key; returns the one that was there.
    ///
    /// ```
    /// # let db = tamarack::Database::<()>::in_memory()?; let tx = db.begin_write()?;
    /// # let mut prices = tx.open_table(&tamarack::TableDef::<String, u32>::new("prices"))?;
    /// assert_eq!(prices.insert("tea", 3)?, None);
    /// assert_eq!(prices.insert("tea", 4)?, Some(3));
    /// # Ok::<(), tamarack::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`replace`](Self::replace); [`ErrorKind::Decode`] if the value that was there does not decode.
    pub fn insert<A: KeyArg<K>, W: ValueArg<V>>(&mut self, key: A, value: W) -> Result<Option<V>>
    where
        M: CanWrite<A>,
    {
        self.insert_encoded(&Self::key(&key), &value)
    }

    pub(super) fn insert_encoded<W: ValueArg<V>>(&self, key: &[u8], value: &W) -> Result<Option<V>> {
        let old = self.get_encoded(key)?;
        self.put_encoded(key, value, old.is_none())?;
        Ok(old)
    }

    fn put_encoded<W: ValueArg<V>>(&self, key: &[u8], value: &W, is_new: bool) -> Result<()> {
        if key.len() > MAX_KEY {
            let message =
                format!("table `{}`: the key has {} bytes, at most {MAX_KEY} are possible", self.name, key.len());
            return Err(Error::new(ErrorKind::KeyTooLong, message));
        }
        let writer = self.access.writer()?;
        let mut bytes = Vec::new();
        let stored = match value.as_stored() {
            Some(stored) => stored,
            None => {
                value.encode_value(&mut bytes);
                &bytes
            }
        };
        if stored.len() > MAX_VALUE {
            let (name, len) = (&self.name, stored.len());
            let message = format!("table `{name}`: the value has {len} bytes, at most {MAX_VALUE} are possible");
            return Err(Error::new(ErrorKind::ValueTooLong, message));
        }
        writer.txn.put(self.tree, key, stored).map_err(|error| self.named(error))?;
        if is_new {
            writer.add(self.table, 1)?;
        }
        Ok(())
    }

    /// Removes a key; returns the value that was there.
    ///
    /// ```
    /// # let db = tamarack::Database::<()>::in_memory()?; let tx = db.begin_write()?;
    /// # let mut prices = tx.open_table(&tamarack::TableDef::<String, u32>::new("prices"))?;
    /// prices.insert("tea", 3)?;
    /// assert_eq!(prices.remove("tea")?, Some(3));
    /// # Ok::<(), tamarack::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn remove<A: KeyArg<K>>(&mut self, key: A) -> Result<Option<V>>
    where
        M: CanWrite<A>,
    {
        self.remove_encoded(&Self::key(&key))
    }

    pub(super) fn remove_encoded(&self, key: &[u8]) -> Result<Option<V>> {
        let old = self.get_encoded(key)?;
        if old.is_some() {
            self.forget_encoded(key)?;
        }
        Ok(old)
    }

    /// Whether a key is there.
    pub(super) fn holds(&self, key: &[u8]) -> Result<bool> {
        self.access.contains(self.tree, key).map_err(|error| self.named(error))
    }

    /// Removes a key that is there.
    pub(super) fn forget_encoded(&self, key: &[u8]) -> Result<()> {
        let writer = self.access.writer()?;
        writer.txn.delete(self.tree, key).map_err(|error| self.named(error))?;
        writer.add(self.table, -1)
    }

    /// The place of a key, to look at it and change it in one go.
    ///
    /// ```
    /// # let db = tamarack::Database::<()>::in_memory()?; let tx = db.begin_write()?;
    /// # let mut prices = tx.open_table(&tamarack::TableDef::<String, u32>::new("prices"))?;
    /// assert_eq!(prices.entry("tea")?.or_insert(3)?, 3);
    /// # Ok::<(), tamarack::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn entry<A: KeyArg<K>>(&mut self, key: A) -> Result<Entry<'_, 'tx, K, V, M>>
    where
        M: CanWrite<A>,
    {
        Entry::new(self, Self::key(&key))
    }

    /// Stores all entries of an iterator.
    ///
    /// ```
    /// # let db = tamarack::Database::<()>::in_memory()?; let tx = db.begin_write()?;
    /// # let mut prices = tx.open_table(&tamarack::TableDef::<String, u32>::new("prices"))?;
    /// prices.extend([("coffee", 4), ("tea", 3)])?;
    /// assert_eq!(prices.len()?, 2);
    /// # Ok::<(), tamarack::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`replace`](Self::replace); the entries before the failing one are stored.
    pub fn extend<A: KeyArg<K>, W: ValueArg<V>>(&mut self, entries: impl IntoIterator<Item = (A, W)>) -> Result<()>
    where
        M: CanWrite<A>,
    {
        entries.into_iter().try_for_each(|(key, value)| self.replace(key, value).map(|_| ()))
    }

    /// Keeps only the entries for which `keep` is true.
    ///
    /// ```
    /// # let db = tamarack::Database::<()>::in_memory()?; let tx = db.begin_write()?;
    /// # let mut prices = tx.open_table(&tamarack::TableDef::<String, u32>::new("prices"))?;
    /// prices.extend([("coffee", 4), ("tea", 3)])?;
    /// prices.retain(|_, price| *price > 3)?;
    /// assert_eq!(prices.len()?, 1);
    /// # Ok::<(), tamarack::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn retain<F: FnMut(&K, &V) -> bool>(&mut self, mut keep: F) -> Result<()>
    where
        M: CanWrite<F>,
    {
        ExtractIf::new(self, KeyRange::all(), |key: &K, value: &V| !keep(key, value))
            .try_for_each(|entry| entry.map(|_| ()))
    }

    /// Removes the entries of a range for which `wanted` is true, and yields them. Those not reached stay.
    ///
    /// ```
    /// # let db = tamarack::Database::<()>::in_memory()?; let tx = db.begin_write()?;
    /// # let mut prices = tx.open_table(&tamarack::TableDef::<String, u32>::new("prices"))?;
    /// prices.extend([("coffee", 4), ("tea", 3)])?;
    /// let cheap = prices.extract_if(.., |_, price| *price <= 3).collect::<tamarack::Result<Vec<_>>>()?;
    /// assert_eq!(cheap, [("tea".to_owned(), 3)]);
    /// # Ok::<(), tamarack::Error>(())
    /// ```
    pub fn extract_if<B: KeyBounds<K>, F: FnMut(&K, &V) -> bool>(
        &mut self,
        range: B,
        wanted: F,
    ) -> ExtractIf<'_, 'tx, K, V, M, F>
    where
        M: CanWrite<B>,
    {
        let range = range.key_range(&[], PartPlace::of::<K>(true));
        ExtractIf::new(self, range, wanted)
    }
}

impl<K: KeyPart, V: Shape> Table<'_, K, V, ReadWrite> {
    /// Removes and returns the first entry.
    ///
    /// ```
    /// # let db = tamarack::Database::<()>::in_memory()?; let tx = db.begin_write()?;
    /// # let mut prices = tx.open_table(&tamarack::TableDef::<String, u32>::new("prices"))?;
    /// prices.extend([("coffee", 4), ("tea", 3)])?;
    /// assert_eq!(prices.pop_first()?, Some(("coffee".to_owned(), 4)));
    /// # Ok::<(), tamarack::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn pop_first(&mut self) -> Result<Option<(K, V)>> {
        ExtractIf::new(self, KeyRange::all(), |_: &K, _: &V| true).next().transpose()
    }

    /// Removes and returns the last entry.
    ///
    /// ```
    /// # let db = tamarack::Database::<()>::in_memory()?; let tx = db.begin_write()?;
    /// # let mut prices = tx.open_table(&tamarack::TableDef::<String, u32>::new("prices"))?;
    /// prices.extend([("coffee", 4), ("tea", 3)])?;
    /// assert_eq!(prices.pop_last()?, Some(("tea".to_owned(), 3)));
    /// # Ok::<(), tamarack::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn pop_last(&mut self) -> Result<Option<(K, V)>> {
        ExtractIf::new(self, KeyRange::all(), |_: &K, _: &V| true).next_back().transpose()
    }

    /// Removes all entries, one by one. [`delete_table`](super::WriteTxn::delete_table) removes a large table faster.
    ///
    /// ```
    /// # let db = tamarack::Database::<()>::in_memory()?; let tx = db.begin_write()?;
    /// # let mut prices = tx.open_table(&tamarack::TableDef::<String, u32>::new("prices"))?;
    /// prices.insert("tea", 3)?;
    /// prices.clear()?;
    /// assert!(prices.is_empty()?);
    /// # Ok::<(), tamarack::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn clear(&mut self) -> Result<()> {
        let mut cursor = RawScan::new(KeyRange::all());
        while let Some(key) = cursor.next_key(self.access.view, self.tree).map_err(|error| self.named(error))? {
            self.forget_encoded(key)?;
        }
        Ok(())
    }
}

impl<K: KeyPart, M> Table<'_, K, Vec<u8>, M> {
    /// The bytes of a value where they lie, until the guard is dropped.
    ///
    /// ```
    /// # let db = tamarack::Database::<()>::in_memory()?; let tx = db.begin_write()?;
    /// # let mut prices = tx.open_table(&tamarack::TableDef::<String, u32>::new("prices"))?;
    /// # let mut blobs = tx.open_table(&tamarack::TableDef::<u32, Vec<u8>>::new("blobs"))?;
    /// blobs.insert(1, b"abc")?;
    /// assert_eq!(blobs.get_ref(1)?.as_deref(), Some(&b"abc"[..]));
    /// # Ok::<(), tamarack::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`], [`ErrorKind::Io`] reading the file.
    pub fn get_ref<A: KeyArg<K>>(&self, key: A) -> Result<Option<ValueRef<'_>>> {
        let found = self.access.view.get(self.tree, &Self::key(&key)).map_err(|error| self.named(error))?;
        Ok(found.map(ValueRef))
    }
}

impl<'a, K: KeyPart, V: Shape, M> IntoIterator for &'a Table<'_, K, V, M> {
    type Item = Result<(K, V)>;
    type IntoIter = Iter<'a, K, V, M>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
