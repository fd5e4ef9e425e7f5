//! The place of one key in a plain table.

use super::lend::ValueArg;
use super::table::Table;
use crate::error::Result;
use std::fmt;
use tamarack_codec::{KeyBuf, KeyPart, Shape};

/// The place of a key: with a value or without; see [`Table::entry`].
///
/// ```
/// use tamarack::{Database, TableDef};
/// const HITS: TableDef<String, u64> = TableDef::new("hits");
/// # fn main() -> tamarack::Result<()> {
/// # let db = Database::<()>::in_memory()?;
/// db.write(|tx| {
///     let mut hits = tx.open_table(&HITS)?;
///     for page in ["/", "/about", "/"] {
///         hits.entry(page)?.and_modify(|count| *count += 1)?.or_insert(1)?;
///     }
///     assert_eq!(hits.get("/")?, Some(2));
///     Ok(())
/// })
/// # }
/// ```
#[derive(Debug)]
pub enum Entry<'a, 'tx, K, V, M> {
    /// The key has a value.
    Occupied(OccupiedEntry<'a, 'tx, K, V, M>),
    /// The key has none.
    Vacant(VacantEntry<'a, 'tx, K, V, M>),
}

/// The place of a key that has a value.
///
/// ```
/// # let db = tamarack::Database::<()>::in_memory()?; let tx = db.begin_write()?;
/// # let mut prices = tx.open_table(&tamarack::TableDef::<String, u32>::new("prices"))?;
/// prices.insert("tea", 3)?;
/// if let tamarack::Entry::Occupied(tea) = prices.entry("tea")? {
///     assert_eq!(*tea.get(), 3);
/// }
/// # Ok::<(), tamarack::Error>(())
/// ```
pub struct OccupiedEntry<'a, 'tx, K, V, M> {
    table: &'a mut Table<'tx, K, V, M>,
    key: KeyBuf,
    value: V,
}

/// The place of a key that has none.
///
/// ```
/// # let db = tamarack::Database::<()>::in_memory()?; let tx = db.begin_write()?;
/// # let mut prices = tx.open_table(&tamarack::TableDef::<String, u32>::new("prices"))?;
/// if let tamarack::Entry::Vacant(tea) = prices.entry("tea")? {
///     tea.insert(3)?;
/// }
/// assert_eq!(prices.get("tea")?, Some(3));
/// # Ok::<(), tamarack::Error>(())
/// ```
pub struct VacantEntry<'a, 'tx, K, V, M> {
    table: &'a mut Table<'tx, K, V, M>,
    key: KeyBuf,
}

impl<K, V, M> fmt::Debug for OccupiedEntry<'_, '_, K, V, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OccupiedEntry").field("key", &self.key).finish_non_exhaustive()
    }
}

impl<K, V, M> fmt::Debug for VacantEntry<'_, '_, K, V, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VacantEntry").field("key", &self.key).finish_non_exhaustive()
    }
}

impl<'a, 'tx, K: KeyPart, V: Shape, M> Entry<'a, 'tx, K, V, M> {
    pub(super) fn new(table: &'a mut Table<'tx, K, V, M>, key: KeyBuf) -> Result<Self> {
        Ok(match table.get_encoded(&key)? {
            Some(value) => Self::Occupied(OccupiedEntry { table, key, value }),
            None => Self::Vacant(VacantEntry { table, key }),
        })
    }

    /// The value, or this one, stored.
    ///
    /// ```
    /// # let db = tamarack::Database::<()>::in_memory()?; let tx = db.begin_write()?;
    /// # let mut prices = tx.open_table(&tamarack::TableDef::<String, u32>::new("prices"))?;
    /// assert_eq!(prices.entry("tea")?.or_insert(3)?, 3);
    /// assert_eq!(prices.entry("tea")?.or_insert(9)?, 3);
    /// # Ok::<(), tamarack::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Table::insert`].
    pub fn or_insert(self, value: V) -> Result<V> {
        self.or_insert_with(|| value)
    }

    /// The value, or the one that `make` makes, stored.
    ///
    /// ```
    /// # let db = tamarack::Database::<()>::in_memory()?; let tx = db.begin_write()?;
    /// # let mut prices = tx.open_table(&tamarack::TableDef::<String, u32>::new("prices"))?;
    /// assert_eq!(prices.entry("tea")?.or_insert_with(|| 3)?, 3);
    /// # Ok::<(), tamarack::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Table::insert`].
    pub fn or_insert_with(self, make: impl FnOnce() -> V) -> Result<V> {
        match self {
            Self::Occupied(entry) => Ok(entry.value),
            Self::Vacant(entry) => {
                let value = make();
                entry.insert(&value)?;
                Ok(value)
            }
        }
    }

    /// The value, or the default of its type, stored.
    ///
    /// ```
    /// # let db = tamarack::Database::<()>::in_memory()?; let tx = db.begin_write()?;
    /// # let mut prices = tx.open_table(&tamarack::TableDef::<String, u32>::new("prices"))?;
    /// assert_eq!(prices.entry("tea")?.or_default()?, 0);
    /// # Ok::<(), tamarack::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Table::insert`].
    pub fn or_default(self) -> Result<V>
    where
        V: Default,
    {
        self.or_insert_with(V::default)
    }

    /// Changes the value, if there is one, and stores it.
    ///
    /// ```
    /// # let db = tamarack::Database::<()>::in_memory()?; let tx = db.begin_write()?;
    /// # let mut prices = tx.open_table(&tamarack::TableDef::<String, u32>::new("prices"))?;
    /// prices.insert("tea", 3)?;
    /// prices.entry("tea")?.and_modify(|price| *price += 1)?;
    /// assert_eq!(prices.get("tea")?, Some(4));
    /// # Ok::<(), tamarack::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Table::insert`].
    pub fn and_modify(mut self, change: impl FnOnce(&mut V)) -> Result<Self> {
        if let Self::Occupied(entry) = &mut self {
            change(&mut entry.value);
            entry.table.insert_encoded(&entry.key, &&entry.value)?;
        }
        Ok(self)
    }
}

impl<K: KeyPart, V: Shape, M> OccupiedEntry<'_, '_, K, V, M> {
    /// The value.
    ///
    /// ```
    /// # let db = tamarack::Database::<()>::in_memory()?; let tx = db.begin_write()?;
    /// # let mut prices = tx.open_table(&tamarack::TableDef::<String, u32>::new("prices"))?;
    /// prices.insert("tea", 3)?;
    /// if let tamarack::Entry::Occupied(tea) = prices.entry("tea")? {
    ///     assert_eq!(*tea.get(), 3);
    /// }
    /// # Ok::<(), tamarack::Error>(())
    /// ```
    pub fn get(&self) -> &V {
        &self.value
    }

    /// Stores another value; returns the one that was there.
    ///
    /// ```
    /// # let db = tamarack::Database::<()>::in_memory()?; let tx = db.begin_write()?;
    /// # let mut prices = tx.open_table(&tamarack::TableDef::<String, u32>::new("prices"))?;
    /// prices.insert("tea", 3)?;
    /// if let tamarack::Entry::Occupied(tea) = prices.entry("tea")? {
    ///     assert_eq!(tea.insert(4)?, 3);
    /// }
    /// # Ok::<(), tamarack::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Table::insert`].
    pub fn insert(self, value: impl ValueArg<V>) -> Result<V> {
        self.table.insert_encoded(&self.key, &value)?;
        Ok(self.value)
    }

    /// Removes the key; returns the value that was there.
    ///
    /// ```
    /// # let db = tamarack::Database::<()>::in_memory()?; let tx = db.begin_write()?;
    /// # let mut prices = tx.open_table(&tamarack::TableDef::<String, u32>::new("prices"))?;
    /// prices.insert("tea", 3)?;
    /// if let tamarack::Entry::Occupied(tea) = prices.entry("tea")? {
    ///     assert_eq!(tea.remove()?, 3);
    /// }
    /// # Ok::<(), tamarack::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Table::remove`].
    pub fn remove(self) -> Result<V> {
        // Another handle of this table may have removed it since.
        if self.table.holds(&self.key)? {
            self.table.forget_encoded(&self.key)?;
        }
        Ok(self.value)
    }
}

impl<K: KeyPart, V: Shape, M> VacantEntry<'_, '_, K, V, M> {
    /// Stores a value.
    ///
    /// ```
    /// # let db = tamarack::Database::<()>::in_memory()?; let tx = db.begin_write()?;
    /// # let mut prices = tx.open_table(&tamarack::TableDef::<String, u32>::new("prices"))?;
    /// if let tamarack::Entry::Vacant(tea) = prices.entry("tea")? {
    ///     tea.insert(3)?;
    /// }
    /// assert_eq!(prices.get("tea")?, Some(3));
    /// # Ok::<(), tamarack::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Table::insert`].
    pub fn insert(self, value: impl ValueArg<V>) -> Result<()> {
        self.table.insert_encoded(&self.key, &value).map(|_| ())
    }
}
