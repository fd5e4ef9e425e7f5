//! Iterators over records: along the primary key or along an index.

use super::catalog::Resolved;
use super::index::RawQuery;
use super::record::{Locate, Record};
use super::records::RecordTable;
use super::scan::RawScan;
use crate::engine::TreeId;
use crate::error::{Error, ErrorKind, Result};
use std::fmt;
use tamarack_codec::{KeyRange, decode_key, render_key};

/// Records that a query matches, in the order of its index, from both ends. Lazy; ends after an error.
///
/// An index made of each element of a field yields a record once for each element that matches.
///
/// ```
/// # use tamarack::{Database, Record, Schema};
/// # #[derive(Record)]
/// # struct City { #[record(key)] id: u32, #[record(index)] population: u64, name: String }
/// # #[derive(Schema)] struct World(City);
/// # fn main() -> tamarack::Result<()> {
/// # let db = Database::<World>::in_memory()?;
/// db.read(|tx| {
///     let cities = tx.table::<City>()?;
///     for city in cities.query(City::POPULATION).rev().limit(10) {
///         println!("{}", city?.name);
///     }
///     Ok(())
/// })
/// # }
/// ```
///
/// # In a write transaction
///
/// It sees what the transaction writes while it runs, by another handle of the table. A record that an update moves ahead in the index that is
/// walked is met again: this makes everybody older, again and again, and does not end well. Collect the keys first, as below; to remove what a
/// query matches, use [`remove_all`](RecordTable::remove_all).
///
/// ```
/// # use tamarack::{Database, Record, Schema};
/// # #[derive(Record)] struct Person { #[record(key)] id: u32, #[record(index)] age: u16 }
/// # #[derive(Schema)] struct Village(Person);
/// # let db = Database::<Village>::in_memory()?; let tx = db.begin_write()?;
/// # let mut others = tx.table::<Person>()?;
/// # let mut people = tx.table::<Person>()?;
/// for person in people.query(Person::AGE.range(18..)) {
///     others.update(person?.id, |person| person.age += 1)?; // wrong
/// }
/// let ids = people.query(Person::AGE.range(18..)).keys().collect::<tamarack::Result<Vec<u32>>>()?;
/// for id in ids {
///     people.update(id, |person| person.age += 1)?; // right
/// }
/// # Ok::<(), tamarack::Error>(())
/// ```
#[must_use = "a query does nothing until it is stepped"]
pub struct Rows<'a, R, M> {
    table: &'a RecordTable<'a, R, M>,
    path: Path<'a>,
}

/// The primary keys of the records that a query matches, from the index alone: rows are not read.
///
/// ```
/// # use tamarack::{Database, Record, Schema};
/// # #[derive(Record)]
/// # struct City { #[record(key)] id: u32, #[record(index)] country: String }
/// # #[derive(Schema)] struct World(City);
/// # fn main() -> tamarack::Result<()> {
/// # let db = Database::<World>::in_memory()?;
/// db.read(|tx| {
///     let ids: Vec<u32> = tx.table::<City>()?.query(City::COUNTRY.at("NO")).keys().collect::<tamarack::Result<_>>()?;
///     assert!(ids.is_empty());
///     Ok(())
/// })
/// # }
/// ```
#[must_use = "a query does nothing until it is stepped"]
pub struct Keys<'a, R, M> {
    table: &'a RecordTable<'a, R, M>,
    path: Path<'a>,
}

/// The way through a tree.
struct Path<'a> {
    scan: RawScan<'a>,
    tree: TreeId,
    /// `None`: the primary key.
    index: Option<(usize, Locate)>,
    reversed: bool,
    limit: usize,
}

impl Path<'_> {
    fn new(table: &Resolved, query: RawQuery) -> Self {
        let index = table.indexes.get(query.number);
        Self {
            scan: RawScan::new(query.range),
            tree: index.map_or(table.tree, |index| index.tree),
            index: index.map(|_| (query.number, query.locate)),
            reversed: false,
            limit: usize::MAX,
        }
    }

    /// Whether another step may be made.
    fn take(&mut self) -> bool {
        let more = self.limit > 0;
        self.limit = self.limit.saturating_sub(1);
        more
    }
}

macro_rules! builders {
    ($($name:ident)*) => {$(
        impl<'a, R: Record, M> $name<'a, R, M> {
            /// The same from the other end.
            ///
            /// ```
            /// # use tamarack::{Database, Record, Schema};
            /// # #[derive(Record)] struct City { #[record(key)] id: u32, #[record(index)] country: String }
            /// # #[derive(Schema)] struct World(City);
            /// # let db = Database::<World>::in_memory()?; let tx = db.begin_write()?; let mut cities = tx.table::<City>()?;
            /// # for id in 1..4 { cities.insert(City { id, country: "NO".into() })?; }
            /// let last = cities.query(City::COUNTRY.at("NO")).keys().rev().next().transpose()?;
            /// assert_eq!(last, Some(3));
            /// # Ok::<(), tamarack::Error>(())
            /// ```
            pub fn rev(mut self) -> Self {
                self.path.reversed = !self.path.reversed;
                self
            }

            /// At most `most` of them, from where the iteration starts.
            ///
            /// ```
            /// # use tamarack::{Database, Record, Schema};
            /// # #[derive(Record)] struct City { #[record(key)] id: u32, #[record(index)] country: String }
            /// # #[derive(Schema)] struct World(City);
            /// # let db = Database::<World>::in_memory()?; let tx = db.begin_write()?; let mut cities = tx.table::<City>()?;
            /// # for id in 1..4 { cities.insert(City { id, country: "NO".into() })?; }
            /// assert_eq!(cities.query(City::COUNTRY.at("NO")).limit(2).try_count()?, 2);
            /// # Ok::<(), tamarack::Error>(())
            /// ```
            pub fn limit(mut self, most: usize) -> Self {
                self.path.limit = self.path.limit.min(most);
                self
            }
        }

        impl<R, M> fmt::Debug for $name<'_, R, M> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).field("table", self.table).field("scan", &self.path.scan).finish()
            }
        }
    )*};
}

builders! { Rows Keys }

impl<'a, R: Record, M> Rows<'a, R, M> {
    pub(super) fn query(table: &'a RecordTable<'_, R, M>, query: RawQuery) -> Self {
        Self { table, path: Path::new(table.resolved, query) }
    }

    /// Along the primary key.
    pub(super) fn range(table: &'a RecordTable<'_, R, M>, range: KeyRange) -> Self {
        let tree = table.resolved.tree;
        Self { table, path: Path { scan: RawScan::new(range), tree, index: None, reversed: false, limit: usize::MAX } }
    }

    /// Only their primary keys.
    ///
    /// ```
    /// # use tamarack::{Database, Record, Schema};
    /// # #[derive(Record)] struct City { #[record(key)] id: u32, #[record(index)] country: String }
    /// # #[derive(Schema)] struct World(City);
    /// # let db = Database::<World>::in_memory()?; let tx = db.begin_write()?; let mut cities = tx.table::<City>()?;
    /// # for id in 1..4 { cities.insert(City { id, country: "NO".into() })?; }
    /// let ids = cities.query(City::COUNTRY.at("NO")).keys().collect::<tamarack::Result<Vec<u32>>>()?;
    /// assert_eq!(ids, [1, 2, 3]);
    /// # Ok::<(), tamarack::Error>(())
    /// ```
    pub fn keys(self) -> Keys<'a, R, M> {
        Keys { table: self.table, path: self.path }
    }

    /// How many there are. As [`Keys::try_count`]: no record is read.
    ///
    /// ```
    /// # use tamarack::{Database, Record, Schema};
    /// # #[derive(Record)] struct City { #[record(key)] id: u32, #[record(index)] country: String }
    /// # #[derive(Schema)] struct World(City);
    /// # let db = Database::<World>::in_memory()?; let tx = db.begin_write()?; let mut cities = tx.table::<City>()?;
    /// # for id in 1..4 { cities.insert(City { id, country: "NO".into() })?; }
    /// assert_eq!(cities.query(City::COUNTRY.at("NO")).try_count()?, 3);
    /// # Ok::<(), tamarack::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Keys::try_count`].
    pub fn try_count(self) -> Result<u64> {
        self.keys().try_count()
    }

    fn step(&mut self, back: bool) -> Result<Option<R>> {
        let Self { table, path } = self;
        let view = table.access.view;
        let back = back != path.reversed;
        let step = if back { path.scan.next_back(view, path.tree) } else { path.scan.next(view, path.tree) };
        let Some((key, value)) = step.map_err(|error| table.named(error))? else { return Ok(None) };
        let Some((number, locate)) = path.index else {
            return table.decode(key, value).map(Some);
        };
        let primary = primary_of(table, number, locate, key, value)?;
        match table.get_encoded(primary)? {
            Some(record) => Ok(Some(record)),
            None => Err(dangling(table.resolved, number, primary)),
        }
    }

    fn item(&mut self, back: bool) -> Option<Result<R>> {
        if !self.path.take() {
            return None;
        }
        let item = self.step(back).transpose();
        if !matches!(item, Some(Ok(_))) {
            self.path.limit = 0;
        }
        item
    }
}

/// The primary key in an index entry.
fn primary_of<'b, R: Record, M>(
    table: &RecordTable<'_, R, M>,
    number: usize,
    locate: Locate,
    key: &'b [u8],
    value: &'b [u8],
) -> Result<&'b [u8]> {
    match locate(key) {
        Ok(Some(at)) => Ok(key.get(at..).unwrap_or_default()),
        Ok(None) => Ok(value),
        Err(error) => {
            let resolved = table.resolved;
            let (name, parts) = match resolved.indexes.get(number) {
                Some(index) => (index.def.name, index.def.parts.iter().map(|(_, shape)| shape.clone()).collect()),
                None => ("", Vec::new()),
            };
            let message =
                format!("table `{}`, index `{name}`, entry {}: {error}", resolved.name, render_key(&parts, key));
            Err(Error::with_source(ErrorKind::Decode, message, error))
        }
    }
}

/// An index names a record that is not there. Writes keep both in step, so this is damage.
pub(super) fn dangling(table: &Resolved, number: usize, primary: &[u8]) -> Error {
    let index = table.indexes.get(number).map_or("", |index| index.def.name);
    let key = render_key(&table.key, primary);
    Error::corrupt(format!(
        "table `{}`: its index `{index}` names the key {key}, and there is no such record",
        table.name
    ))
}

impl<'a, R: Record, M> Keys<'a, R, M> {
    /// How many there are. [`Iterator::count`] would count an error, too, and end there. Cost: a step in the index for each; nothing is decoded.
    ///
    /// ```
    /// # use tamarack::{Database, Record, Schema};
    /// # #[derive(Record)] struct City { #[record(key)] id: u32, #[record(index)] country: String }
    /// # #[derive(Schema)] struct World(City);
    /// # let db = Database::<World>::in_memory()?; let tx = db.begin_write()?; let mut cities = tx.table::<City>()?;
    /// # for id in 1..4 { cities.insert(City { id, country: "NO".into() })?; }
    /// assert_eq!(cities.query(City::COUNTRY.at("NO")).keys().limit(2).try_count()?, 2);
    /// # Ok::<(), tamarack::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`], [`ErrorKind::Io`] reading the file; [`ErrorKind::SnapshotTooOld`], see
    /// [`Database::begin_read`](crate::Database::begin_read).
    pub fn try_count(self) -> Result<u64> {
        let Self { table, mut path } = self;
        let view = table.access.view;
        let mut count = 0;
        while path.take() {
            let scan = &mut path.scan;
            let step = if path.reversed { scan.next_key_back(view, path.tree) } else { scan.next_key(view, path.tree) };
            if step.map_err(|error| table.named(error))?.is_none() {
                break;
            }
            count += 1;
        }
        Ok(count)
    }

    fn step(&mut self, back: bool) -> Result<Option<R::Key>> {
        let Self { table, path } = self;
        let view = table.access.view;
        let back = back != path.reversed;
        let unique =
            path.index.and_then(|(number, _)| table.resolved.indexes.get(number)).is_some_and(|index| index.def.unique);
        let step = match (unique, back) {
            // Only a unique index holds the primary key in the value.
            (true, false) => path.scan.next(view, path.tree),
            (true, true) => path.scan.next_back(view, path.tree),
            (false, false) => path.scan.next_key(view, path.tree).map(|key| key.map(|key| (key, &[][..]))),
            (false, true) => path.scan.next_key_back(view, path.tree).map(|key| key.map(|key| (key, &[][..]))),
        };
        let Some((key, value)) = step.map_err(|error| table.named(error))? else { return Ok(None) };
        let primary = match path.index {
            Some((number, locate)) => primary_of(table, number, locate, key, value)?,
            None => key,
        };
        decode_key(primary).map(Some).map_err(|error| table.undecodable(primary, error))
    }

    fn item(&mut self, back: bool) -> Option<Result<R::Key>> {
        if !self.path.take() {
            return None;
        }
        let item = self.step(back).transpose();
        if !matches!(item, Some(Ok(_))) {
            self.path.limit = 0;
        }
        item
    }
}

impl<R: Record, M> Iterator for Rows<'_, R, M> {
    type Item = Result<R>;

    fn next(&mut self) -> Option<Result<R>> {
        self.item(false)
    }
}

impl<R: Record, M> DoubleEndedIterator for Rows<'_, R, M> {
    fn next_back(&mut self) -> Option<Result<R>> {
        self.item(true)
    }
}

impl<R: Record, M> Iterator for Keys<'_, R, M> {
    type Item = Result<R::Key>;

    fn next(&mut self) -> Option<Self::Item> {
        self.item(false)
    }
}

impl<R: Record, M> DoubleEndedIterator for Keys<'_, R, M> {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.item(true)
    }
}
