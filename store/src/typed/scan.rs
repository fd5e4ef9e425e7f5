//! Iterators over plain tables.

use super::table::Table;
use crate::engine::{Cursor, TreeId, View};
use crate::error::Result;
use std::fmt;
use std::ops::Bound;
use tamarack_codec::{KeyBuf, KeyPart, KeyRange, Shape, decode_key};

/// A cursor that is opened at the first step, so that a query costs nothing until it runs.
pub(super) struct RawScan<'a> {
    state: State<'a>,
}

#[expect(clippy::large_enum_variant, reason = "one for each iterator, and running for most of its life")]
enum State<'a> {
    Waiting(KeyRange),
    Running(Cursor<'a>),
    /// It came to its end, or an error ended it.
    Over,
}

fn borrowed(bound: &Bound<KeyBuf>) -> Bound<&[u8]> {
    bound.as_ref().map(KeyBuf::as_slice)
}

macro_rules! steps {
    ($($name:ident -> $item:ty;)*) => {$(
        #[inline]
        pub(super) fn $name(&mut self, view: &'a dyn View, tree: TreeId) -> Result<Option<$item>> {
            if let State::Waiting(_) = &self.state {
                self.start(view, tree)?;
            }
            match &mut self.state {
                State::Running(cursor) => cursor.$name(),
                _ => Ok(None),
            }
        }
    )*};
}

impl<'a> RawScan<'a> {
    pub(super) fn new(range: KeyRange) -> Self {
        Self { state: State::Waiting(range) }
    }

    #[cold]
    fn start(&mut self, view: &'a dyn View, tree: TreeId) -> Result<()> {
        if let State::Waiting(range) = &self.state {
            let opened = view.cursor(tree, borrowed(&range.start), borrowed(&range.end));
            self.state = State::Over;
            self.state = State::Running(opened?);
        }
        Ok(())
    }

    /// Nothing more comes: after an error.
    pub(super) fn stop(&mut self) {
        self.state = State::Over;
    }

    steps! {
        next -> (&[u8], &[u8]);
        next_back -> (&[u8], &[u8]);
        next_key -> &[u8];
        next_key_back -> &[u8];
    }
}

impl fmt::Debug for RawScan<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.state {
            State::Waiting(_) => "waiting",
            State::Running(_) => "running",
            State::Over => "over",
        })
    }
}

/// Entries of a plain table, from both ends. Ends after an error.
///
/// ```
/// # use tamarack::{Database, TableDef};
/// # const SQUARES: TableDef<u32, u32> = TableDef::new("squares");
/// # fn main() -> tamarack::Result<()> {
/// # let db = Database::<()>::in_memory()?;
/// # db.write(|tx| tx.open_table(&SQUARES)?.extend((0..5_u32).map(|n| (n, n * n))))?;
/// db.read(|tx| {
///     let last = tx.open_table(&SQUARES)?.iter().rev().next().transpose()?;
///     assert_eq!(last, Some((4, 16)));
///     Ok(())
/// })
/// # }
/// ```
#[must_use = "iterators do nothing until they are stepped"]
pub struct Iter<'a, K, V, M> {
    table: &'a Table<'a, K, V, M>,
    scan: RawScan<'a>,
}

impl<K, V, M> fmt::Debug for Iter<'_, K, V, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Iter").field("table", self.table).field("scan", &self.scan).finish()
    }
}

impl<'a, K: KeyPart, V: Shape, M> Iter<'a, K, V, M> {
    pub(super) fn new(table: &'a Table<'_, K, V, M>, range: KeyRange) -> Self {
        Self { table, scan: RawScan::new(range) }
    }

    /// How many there are. [`Iterator::count`] would count an error, too, and end there. Of a whole table, [`Table::len`] knows it. Cost: a
    /// step for each; nothing is decoded.
    ///
    /// ```
    /// # let db = tamarack::Database::<()>::in_memory()?; let tx = db.begin_write()?;
    /// # let mut prices = tx.open_table(&tamarack::TableDef::<String, u32>::new("prices"))?;
    /// prices.extend([("coffee", 4), ("milk", 1), ("tea", 3)])?;
    /// assert_eq!(prices.range("d"..).try_count()?, 2);
    /// # Ok::<(), tamarack::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Table::get`], but for [`ErrorKind::Decode`](crate::ErrorKind::Decode).
    pub fn try_count(mut self) -> Result<u64> {
        let table = self.table;
        let mut count = 0;
        while self.scan.next_key(table.access.view, table.tree).map_err(|error| table.named(error))?.is_some() {
            count += 1;
        }
        Ok(count)
    }

    fn step(&mut self, back: bool) -> Option<Result<(K, V)>> {
        let table = self.table;
        let view = table.access.view;
        let step = if back { self.scan.next_back(view, table.tree) } else { self.scan.next(view, table.tree) };
        let item = match step {
            Ok(None) => return None,
            Ok(Some((key, value))) => decode_key(key)
                .map_err(|error| table.undecodable(key, error))
                .and_then(|decoded| Ok((decoded, table.decode(key, value)?))),
            Err(error) => Err(table.named(error)),
        };
        if item.is_err() {
            self.scan.stop();
        }
        Some(item)
    }

    fn step_key(&mut self, back: bool) -> Option<Result<K>> {
        let table = self.table;
        let view = table.access.view;
        let step = if back { self.scan.next_key_back(view, table.tree) } else { self.scan.next_key(view, table.tree) };
        let item = match step {
            Ok(None) => return None,
            Ok(Some(key)) => decode_key(key).map_err(|error| table.undecodable(key, error)),
            Err(error) => Err(table.named(error)),
        };
        if item.is_err() {
            self.scan.stop();
        }
        Some(item)
    }
}

impl<K: KeyPart, V: Shape, M> Iterator for Iter<'_, K, V, M> {
    type Item = Result<(K, V)>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step(false)
    }
}

impl<K: KeyPart, V: Shape, M> DoubleEndedIterator for Iter<'_, K, V, M> {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.step(true)
    }
}

/// Keys of a plain table, from both ends.
///
/// ```
/// # let db = tamarack::Database::<()>::in_memory()?; let tx = db.begin_write()?;
/// # let mut prices = tx.open_table(&tamarack::TableDef::<String, u32>::new("prices"))?;
/// prices.insert("tea", 3)?;
/// assert_eq!(prices.keys().rev().next().transpose()?.as_deref(), Some("tea"));
/// # Ok::<(), tamarack::Error>(())
/// ```
#[must_use = "iterators do nothing until they are stepped"]
#[derive(Debug)]
pub struct IterKeys<'a, K, V, M>(pub(super) Iter<'a, K, V, M>);

impl<K: KeyPart, V: Shape, M> IterKeys<'_, K, V, M> {
    /// How many there are: see [`Iter::try_count`].
    ///
    /// ```
    /// # let db = tamarack::Database::<()>::in_memory()?; let tx = db.begin_write()?;
    /// # let mut prices = tx.open_table(&tamarack::TableDef::<String, u32>::new("prices"))?;
    /// prices.insert("tea", 3)?;
    /// assert_eq!(prices.keys().try_count()?, 1);
    /// # Ok::<(), tamarack::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Iter::try_count`].
    pub fn try_count(self) -> Result<u64> {
        self.0.try_count()
    }
}

impl<K: KeyPart, V: Shape, M> Iterator for IterKeys<'_, K, V, M> {
    type Item = Result<K>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.step_key(false)
    }
}

impl<K: KeyPart, V: Shape, M> DoubleEndedIterator for IterKeys<'_, K, V, M> {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.0.step_key(true)
    }
}

/// Values of a plain table, from both ends.
///
/// ```
/// # let db = tamarack::Database::<()>::in_memory()?; let tx = db.begin_write()?;
/// # let mut prices = tx.open_table(&tamarack::TableDef::<String, u32>::new("prices"))?;
/// prices.insert("tea", 3)?;
/// assert_eq!(prices.values().next().transpose()?, Some(3));
/// # Ok::<(), tamarack::Error>(())
/// ```
#[must_use = "iterators do nothing until they are stepped"]
#[derive(Debug)]
pub struct IterValues<'a, K, V, M>(pub(super) Iter<'a, K, V, M>);

impl<K: KeyPart, V: Shape, M> IterValues<'_, K, V, M> {
    /// How many there are: see [`Iter::try_count`].
    ///
    /// ```
    /// # let db = tamarack::Database::<()>::in_memory()?; let tx = db.begin_write()?;
    /// # let mut prices = tx.open_table(&tamarack::TableDef::<String, u32>::new("prices"))?;
    /// prices.insert("tea", 3)?;
    /// assert_eq!(prices.values().try_count()?, 1);
    /// # Ok::<(), tamarack::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Iter::try_count`].
    pub fn try_count(self) -> Result<u64> {
        self.0.try_count()
    }
}

impl<K: KeyPart, V: Shape, M> Iterator for IterValues<'_, K, V, M> {
    type Item = Result<V>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(|entry| entry.map(|(_, value)| value))
    }
}

impl<K: KeyPart, V: Shape, M> DoubleEndedIterator for IterValues<'_, K, V, M> {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.0.next_back().map(|entry| entry.map(|(_, value)| value))
    }
}

/// Removes entries and yields them; see [`Table::extract_if`].
///
/// ```
/// # let db = tamarack::Database::<()>::in_memory()?; let tx = db.begin_write()?;
/// # let mut prices = tx.open_table(&tamarack::TableDef::<String, u32>::new("prices"))?;
/// prices.extend([("coffee", 4), ("tea", 3)])?;
/// assert_eq!(prices.extract_if(.., |_, _| true).rev().count(), 2);
/// assert!(prices.is_empty()?);
/// # Ok::<(), tamarack::Error>(())
/// ```
#[must_use = "iterators do nothing until they are stepped; `retain` removes without looking"]
pub struct ExtractIf<'a, 'tx, K, V, M, F> {
    table: &'a Table<'tx, K, V, M>,
    scan: RawScan<'tx>,
    wanted: F,
}

impl<K, V, M, F> fmt::Debug for ExtractIf<'_, '_, K, V, M, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExtractIf").field("table", self.table).field("scan", &self.scan).finish_non_exhaustive()
    }
}

impl<'a, 'tx, K: KeyPart, V: Shape, M, F: FnMut(&K, &V) -> bool> ExtractIf<'a, 'tx, K, V, M, F> {
    pub(super) fn new(table: &'a mut Table<'tx, K, V, M>, range: KeyRange, wanted: F) -> Self {
        Self { table, scan: RawScan::new(range), wanted }
    }

    fn step(&mut self, back: bool) -> Result<Option<(K, V)>> {
        let table = self.table;
        let view = table.access.view;
        loop {
            let step = if back { self.scan.next_back(view, table.tree) } else { self.scan.next(view, table.tree) };
            let Some((key, value)) = step.map_err(|error| table.named(error))? else { return Ok(None) };
            let decoded = decode_key(key).map_err(|error| table.undecodable(key, error))?;
            let value = table.decode(key, value)?;
            let writer = table.access.writer()?;
            let written = writer.txn.written();
            if (self.wanted)(&decoded, &value) {
                // The closure may have written to this transaction too, and removed this very entry.
                if writer.txn.written() != written && !table.holds(key)? {
                    continue;
                }
                table.forget_encoded(key)?;
                return Ok(Some((decoded, value)));
            }
        }
    }

    fn item(&mut self, back: bool) -> Option<Result<(K, V)>> {
        let item = self.step(back).transpose();
        if matches!(item, Some(Err(_))) {
            self.scan.stop();
        }
        item
    }
}

impl<K: KeyPart, V: Shape, M, F: FnMut(&K, &V) -> bool> Iterator for ExtractIf<'_, '_, K, V, M, F> {
    type Item = Result<(K, V)>;

    fn next(&mut self) -> Option<Self::Item> {
        self.item(false)
    }
}

impl<K: KeyPart, V: Shape, M, F: FnMut(&K, &V) -> bool> DoubleEndedIterator for ExtractIf<'_, '_, K, V, M, F> {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.item(true)
    }
}
