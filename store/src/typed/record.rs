//! Records: what `derive(Record)` generates, and what the library makes of it.

use super::MAX_KEY;
use super::index::{Index, Primary};
use crate::error::{Error, ErrorKind, Result};
use std::collections::{BTreeSet, HashSet, VecDeque};
use tamarack_codec::{DecodeError, EncodeError, Id, KeyBuf, KeyPart, PartSink, RowReader, RowWriter, ShapeDef};

/// A struct that is stored as a row under its primary key, with its indexes. Derive it.
///
/// ```
/// use tamarack::{Database, Record, Schema};
///
/// #[derive(Record)]
/// struct City {
///     #[record(key)]
///     id: u32,
///     #[record(index)]
///     country: String,
///     #[record(index)]
///     population: u64,
///     name: String,
/// }
///
/// #[derive(Schema)]
/// struct World(City);
///
/// # fn main() -> tamarack::Result<()> {
/// let db = Database::<World>::in_memory()?;
/// db.write(|tx| {
///     let oslo = City { id: 1, country: "NO".into(), population: 709_037, name: "Oslo".into() };
///     tx.table::<City>()?.insert(&oslo)
/// })?;
/// let names = db.read(|tx| {
///     let cities = tx.table::<City>()?;
///     cities.query(City::COUNTRY.at("NO")).map(|city| Ok(city?.name)).collect::<tamarack::Result<Vec<_>>>()
/// })?;
/// assert_eq!(names, ["Oslo"]);
/// # Ok(()) }
/// ```
///
/// The derive generates this trait, and for each index a constant of the record in upper case (`City::COUNTRY`), with which queries
/// begin. Everything else is generic code of this crate.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a record",
    label = "not a record",
    note = "add `#[derive(Record)]` to it"
)]
pub trait Record: Sized + 'static {
    /// The primary key: the key field's type, or a tuple of several.
    type Key: KeyPart;

    /// The same, always as a tuple.
    type KeyParts;

    /// Whether ids are assigned on insert.
    const AUTO: bool = false;

    /// The primary key as an index: queries by the first parts of a compound key begin here.
    const PRIMARY: Index<Self, Self::KeyParts, Primary> = Index::new(Index::<Self, (), Primary>::PRIMARY_NUMBER);

    /// Names, types and indexes.
    fn definition() -> RecordDef;

    /// The primary key.
    fn key(&self) -> Self::Key;

    /// Appends the stored form of the primary key.
    fn encode_key(&self, out: &mut KeyBuf);

    /// Writes all fields that are not in the key.
    ///
    /// # Errors
    /// A `bincode` field failed to serialize, or could not be read again.
    fn encode_row(&self, row: &mut RowWriter<'_>) -> Result<(), EncodeError>;

    /// Reads a record back.
    ///
    /// # Errors
    /// The bytes are no row of this record.
    fn decode_row(key: Self::Key, row: &mut RowReader<'_>) -> Result<Self, DecodeError>;

    /// Puts the parts of an index into the sink.
    fn index_entries(&self, number: usize, out: &mut IndexSink<'_>);
}

/// Primary keys that the database can assign: `Id<R>`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be assigned automatically",
    label = "not an `Id`",
    note = "a field marked `#[record(key(auto))]` has the type `Id<..>` of its own record"
)]
pub trait AutoKey<R> {
    /// Named by generated code to ask for this trait.
    #[doc(hidden)]
    const ASSIGNABLE: () = ();
}

impl<R> AutoKey<R> for Id<R> {}

/// A record's names, types and indexes. Made by the derive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordDef {
    pub(super) record: &'static str,
    pub(super) table: &'static str,
    pub(super) key: Vec<(&'static str, ShapeDef)>,
    pub(super) auto: bool,
    pub(super) fields: Vec<(&'static str, ShapeDef)>,
    pub(super) indexes: Vec<IndexDef>,
}

impl RecordDef {
    /// The record `R` of a name in a table of a name, with the names of its key's fields.
    #[must_use]
    pub fn new<R: Record>(record: &'static str, table: &'static str, key: &[&'static str]) -> Self {
        let shapes = match (key, R::Key::describe()) {
            ([_], shape) => vec![shape],
            (_, ShapeDef::Tuple(parts)) => parts,
            (_, shape) => vec![shape],
        };
        let key = key.iter().copied().zip(shapes).collect();
        Self { record, table, key, auto: R::AUTO, fields: Vec::new(), indexes: Vec::new() }
    }

    /// Adds a field that is not in the key.
    #[must_use]
    pub fn field(mut self, name: &'static str, shape: ShapeDef) -> Self {
        self.fields.push((name, shape));
        self
    }

    /// Adds an index.
    #[must_use]
    pub fn index(mut self, index: IndexDef) -> Self {
        self.indexes.push(index);
        self
    }
}

/// An index's name and parts. Made by the derive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexDef {
    pub(super) name: &'static str,
    pub(super) unique: bool,
    pub(super) each: bool,
    pub(super) parts: Vec<(&'static str, ShapeDef)>,
}

impl IndexDef {
    /// An index of a name.
    #[must_use]
    pub fn new(name: &'static str) -> Self {
        Self { name, unique: false, each: false, parts: Vec::new() }
    }

    /// At most one record for each key.
    #[must_use]
    pub fn unique(mut self) -> Self {
        self.unique = true;
        self
    }

    /// Adds a part.
    #[must_use]
    pub fn part(mut self, field: &'static str, shape: ShapeDef) -> Self {
        self.parts.push((field, shape));
        self
    }

    /// Adds a descending part.
    #[must_use]
    pub fn part_desc(self, field: &'static str, shape: ShapeDef) -> Self {
        self.part(field, ShapeDef::Desc(Box::new(shape)))
    }

    /// One entry for each element of the field.
    #[must_use]
    pub fn each(mut self, field: &'static str, shape: ShapeDef) -> Self {
        self.each = true;
        self.part(field, shape)
    }
}

/// Fields that an index can take apart: one entry for each distinct element.
#[diagnostic::on_unimplemented(
    message = "`index(each)` needs a field of several elements, and this is `{Self}`",
    label = "no elements",
    note = "it works on Vec, VecDeque, BTreeSet, HashSet, Option and arrays of key parts"
)]
///
/// ```
/// use tamarack::Each;
/// let mut found = Vec::new();
/// vec![1_u8, 2].each(|element| found.push(*element));
/// assert_eq!(found, [1, 2]);
/// ```
pub trait Each {
    /// What is indexed.
    type Element: KeyPart;

    /// Calls `with` for each element.
    fn each(&self, with: impl FnMut(&Self::Element));

    /// Hands the elements to a sink.
    #[doc(hidden)]
    fn sink(&self, sink: &mut IndexSink<'_>) {
        self.each(|element| sink.element(element));
    }
}

macro_rules! each {
    ($([$($generics:tt)*] $type:ty;)*) => {$(
        impl<T: KeyPart, $($generics)*> Each for $type {
            type Element = T;

            fn each(&self, with: impl FnMut(&T)) {
                self.iter().for_each(with);
            }
        }
    )*};
}

each! { [] Vec<T>; [] VecDeque<T>; [] BTreeSet<T>; [S] HashSet<T, S>; [] Option<T>; [const N: usize] [T; N]; }

/// An index entry of a record, before its primary key is known to be free.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct IndexEntry {
    /// Which index.
    pub(super) number: usize,
    /// The stored key, complete.
    pub(super) key: KeyBuf,
    /// Whether the entry's value is the primary key: a unique index without `None`.
    pub(super) owns: bool,
}

/// Collects a record's index entries. The derive puts parts in; the library takes entries out.
pub struct IndexSink<'a> {
    entries: &'a mut Vec<IndexEntry>,
    primary: &'a [u8],
    number: usize,
    def: &'a IndexDef,
    key: KeyBuf,
    parts: usize,
    none: bool,
    result: Result<()>,
}

impl<'a> IndexSink<'a> {
    /// Collects the entries of one index.
    pub(super) fn collect<R: Record>(
        record: &R,
        number: usize,
        def: &'a IndexDef,
        primary: &'a [u8],
        entries: &'a mut Vec<IndexEntry>,
    ) -> Result<()> {
        let start = entries.len();
        let mut sink =
            Self { entries, primary, number, def, key: KeyBuf::new(), parts: 0, none: false, result: Ok(()) };
        record.index_entries(number, &mut sink);
        if !def.each {
            sink.finish();
        }
        let Self { result, entries, .. } = sink;
        result.map_err(|error| error.context(format_args!("index `{}`", def.name)))?;
        if def.each {
            // One entry for each distinct element.
            let mut added = entries.split_off(start);
            added.sort_unstable_by(|a, b| a.key.cmp(&b.key));
            added.dedup_by(|a, b| a.key == b.key);
            entries.append(&mut added);
        }
        Ok(())
    }

    /// Adds an entry for one element.
    fn element<K: KeyPart>(&mut self, element: &K) {
        element.encode(&mut self.key);
        self.parts = 1;
        self.check(0);
        self.finish();
    }

    fn check(&mut self, start: usize) {
        let len = self.key.len() - start;
        if len > MAX_KEY && self.result.is_ok() {
            let field = self.def.parts.get(self.parts - 1).map_or("", |(name, _)| name);
            let message = format!("field `{field}` takes {len} bytes as an index part, at most {MAX_KEY} are possible");
            self.result = Err(Error::new(ErrorKind::KeyTooLong, message));
        }
    }

    fn finish(&mut self) {
        let owns = self.def.unique && !self.none;
        let mut key = std::mem::take(&mut self.key);
        if !owns {
            key.extend_from_slice(self.primary);
        }
        if key.len() > crate::engine::MAX_ENTRY && self.result.is_ok() {
            let most = crate::engine::MAX_ENTRY;
            let message =
                format!("an entry takes {} bytes with its primary key, at most {most} are possible", key.len());
            self.result = Err(Error::new(ErrorKind::KeyTooLong, message));
        }
        self.entries.push(IndexEntry { number: self.number, key, owns });
        self.parts = 0;
        self.none = false;
    }
}

impl PartSink for IndexSink<'_> {
    fn part<K: KeyPart>(&mut self, part: &K) {
        let start = self.key.len();
        self.parts += 1;
        self.none |= part.is_none();
        if self.def.unique && self.parts == self.def.parts.len() && !self.none {
            part.encode_last(&mut self.key);
        } else {
            part.encode(&mut self.key);
        }
        self.check(start);
    }

    fn part_desc<K: KeyPart>(&mut self, part: &K) {
        let start = self.key.len();
        self.parts += 1;
        self.none |= part.is_none();
        part.encode(&mut self.key);
        self.key.complement_from(start);
        self.check(start);
    }
}

/// Appends the stored form of a primary key of one field. Generated code calls it.
#[doc(hidden)]
pub fn encode_single_key<R: Record>(key: &R::Key, out: &mut KeyBuf) {
    key.encode_last(out);
}

/// Where the primary key stands in a stored key of an index.
pub(super) type Locate = fn(&[u8]) -> Result<Option<usize>, DecodeError>;
