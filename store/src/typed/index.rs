//! Queries as types: an index constant knows the parts that remain, `at` takes the next, `range` and `starts_with` end the chain.

use super::range::KeyBounds;
use super::record::{Locate, Record};
use std::fmt;
use std::marker::PhantomData;
use tamarack_codec::{DecodeError, KeyArg, KeyBuf, KeyPart, KeyRange, NoMoreComponents, PartPlace, PrefixArg};

/// Types that a query knows without holding a value of them.
type Marker<R, Parts, U> = PhantomData<fn() -> (R, Parts, U)>;

/// The primary key as an index.
///
/// ```
/// # use tamarack::Record;
/// # #[derive(Record)] struct City { #[record(key)] id: u32, #[record(index)] country: String, #[record(unique)] name: String }
/// let by_key: tamarack::Index<City, (u32,), tamarack::Primary> = City::PRIMARY;
/// # let _ = by_key;
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Primary;

/// Marks an index with at most one record for each key.
///
/// ```
/// # use tamarack::Record;
/// # #[derive(Record)] struct City { #[record(key)] id: u32, #[record(index)] country: String, #[record(unique)] name: String }
/// let by_name: tamarack::Index<City, (String,), tamarack::Unique> = City::NAME;
/// # let _ = by_name;
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Unique;

/// Marks an index with any number of records for each key.
///
/// ```
/// # use tamarack::Record;
/// # #[derive(Record)] struct City { #[record(key)] id: u32, #[record(index)] country: String, #[record(unique)] name: String }
/// let by_country: tamarack::Index<City, (String,), tamarack::NonUnique> = City::COUNTRY;
/// # let _ = by_country;
/// ```
#[derive(Debug, Clone, Copy)]
pub struct NonUnique;

/// What an index promises about its keys.
///
/// ```
/// fn is_kind<U: tamarack::Kind>() {}
/// is_kind::<tamarack::Unique>();
/// ```
pub trait Kind {
    /// Whether the parts end the stored key.
    #[doc(hidden)]
    const ENDS: bool;
    /// Whether entries with a `None` have the form of a non-unique index, so that there can be many.
    #[doc(hidden)]
    const MANY_NONES: bool;
}

impl Kind for Primary {
    const ENDS: bool = true;
    const MANY_NONES: bool = false;
}

impl Kind for Unique {
    const ENDS: bool = true;
    const MANY_NONES: bool = true;
}

impl Kind for NonUnique {
    const ENDS: bool = false;
    const MANY_NONES: bool = false;
}

/// The key parts that a query has not fixed yet.
///
/// ```
/// fn are_parts<P: tamarack::Rest>() {}
/// are_parts::<(String, u16)>();
/// ```
pub trait Rest {
    /// The next one.
    type Head;
    /// Those behind it.
    type Tail: Rest;
    /// Whether there is none.
    #[doc(hidden)]
    const EMPTY: bool;
    /// Whether the next one is the last.
    #[doc(hidden)]
    const LAST: bool;
    /// Whether the next one is descending.
    #[doc(hidden)]
    const DESCENDING: bool;

    /// Passes over the parts of an index's stored key. `unique`: the last one ends the key unless a `None` stands before it or is it;
    /// then the result is `None`: the primary key is in the value.
    #[doc(hidden)]
    fn pass(input: &mut &[u8], unique: bool) -> Result<Option<()>, DecodeError>;
}

impl Rest for () {
    type Head = NoMoreComponents;
    type Tail = ();
    const EMPTY: bool = true;
    const LAST: bool = false;
    const DESCENDING: bool = false;

    fn pass(_: &mut &[u8], _: bool) -> Result<Option<()>, DecodeError> {
        Ok(Some(()))
    }
}

macro_rules! rest {
    ($head:ident $($tail:ident)*) => {
        impl<$head: KeyPart, $($tail: KeyPart),*> Rest for ($head, $($tail,)*) {
            type Head = $head;
            type Tail = ($($tail,)*);
            const EMPTY: bool = false;
            const LAST: bool = <Self::Tail as Rest>::EMPTY;
            const DESCENDING: bool = $head::DESCENDING;

            fn pass(input: &mut &[u8], unique: bool) -> Result<Option<()>, DecodeError> {
                let unique = unique && !$head::peek_none(input.first().copied());
                if unique && Self::LAST {
                    return Ok(None);
                }
                $head::skip(input)?;
                <Self::Tail as Rest>::pass(input, unique)
            }
        }
    };
}

rest!(A);
rest!(A B);
rest!(A B C);
rest!(A B C D);
rest!(A B C D E);
rest!(A B C D E F);
rest!(A B C D E F G);
rest!(A B C D E F G H);

/// An index of the record `R` over `Parts`. The derive makes a constant of each.
///
/// A query begins at one: [`at`](Self::at) fixes parts from the left, [`range`](Self::range) or [`starts_with`](Self::starts_with) ends
/// the chain. A gap in the parts cannot be written.
///
/// ```
/// use tamarack::{Database, Record, Schema};
/// # #[derive(Record)]
/// # #[record(index(city_age = (city, desc age)))]
/// # struct Customer { #[record(key)] id: u32, city: String, age: u16 }
/// # #[derive(Schema)] struct Shop(Customer);
/// # fn main() -> tamarack::Result<()> {
/// # let db = Database::<Shop>::in_memory()?;
/// db.read(|tx| {
///     let customers = tx.table::<Customer>()?;
///     customers.query(Customer::CITY_AGE);
///     customers.query(Customer::CITY_AGE.at("Oslo"));
///     customers.query(Customer::CITY_AGE.at("Oslo").range(18..=65));
///     customers.query(Customer::CITY_AGE.starts_with("Os"));
///     Ok(())
/// })
/// # }
/// ```
#[must_use = "a query does nothing until a table runs it"]
pub struct Index<R, Parts, U> {
    number: usize,
    of: Marker<R, Parts, U>,
}

impl<R, Parts, U> Clone for Index<R, Parts, U> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R, Parts, U> Copy for Index<R, Parts, U> {}

impl<R, Parts, U> fmt::Debug for Index<R, Parts, U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Index").field("number", &self.number).finish()
    }
}

impl<R, Parts, U> Index<R, Parts, U> {
    /// Stands for the primary key.
    #[doc(hidden)]
    pub const PRIMARY_NUMBER: usize = usize::MAX;

    /// The index of a number, in the order of the record's definition. Made by the derive.
    #[doc(hidden)]
    pub const fn new(number: usize) -> Self {
        Self { number, of: PhantomData }
    }
}

impl<R: Record, Parts: Rest, U: Kind> Index<R, Parts, U> {
    fn start(self) -> Query<R, Parts, U> {
        let locate: Locate = |key| {
            let mut rest = key;
            let found = Parts::pass(&mut rest, U::ENDS)?;
            Ok(found.map(|()| key.len() - rest.len()))
        };
        Query { number: self.number, locate, prefix: KeyBuf::new(), none: false, of: PhantomData }
    }

    /// Fixes the first part.
    ///
    /// ```
    /// # use tamarack::Record;
    /// # #[derive(Record)]
    /// # #[record(index(place = (country, city)))]
    /// # struct Shop { #[record(key)] id: u32, country: String, city: String }
    /// let in_norway = Shop::PLACE.at("NO");
    /// # let _ = in_norway;
    /// ```
    pub fn at<A: KeyArg<Parts::Head>>(self, part: A) -> Query<R, Parts::Tail, U> {
        self.start().at(part)
    }

    /// All records whose first part lies in a range. For a descending part, too, the smaller value comes first.
    ///
    /// ```
    /// # use tamarack::Record;
    /// # #[derive(Record)]
    /// # #[record(index(place = (country, city)))]
    /// # struct Shop { #[record(key)] id: u32, country: String, city: String }
    /// let from_m = Shop::PLACE.range("M"..);
    /// # let _ = from_m;
    /// ```
    pub fn range<B: KeyBounds<Parts::Head>>(self, range: B) -> RangeQuery<R> {
        self.start().range(range)
    }

    /// All records whose first part, text or bytes, begins with `prefix`.
    ///
    /// ```
    /// # use tamarack::Record;
    /// # #[derive(Record)]
    /// # #[record(index(place = (country, city)))]
    /// # struct Shop { #[record(key)] id: u32, country: String, city: String }
    /// let new = Shop::PLACE.starts_with("N");
    /// # let _ = new;
    /// ```
    pub fn starts_with<P: PrefixArg<Parts::Head>>(self, prefix: P) -> RangeQuery<R> {
        self.start().starts_with(prefix)
    }
}

/// A query that has fixed some parts of an index; `Remaining` are not fixed yet.
///
/// ```
/// use tamarack::Record;
/// # #[derive(Record)]
/// # #[record(index(place = (country, city)))]
/// # struct Shop { #[record(key)] id: u32, country: String, city: String }
/// let in_norway = Shop::PLACE.at("NO");
/// let in_oslo = in_norway.clone().at("Oslo");
/// let in_bergen = in_norway.at("Bergen");
/// # let _ = (in_oslo, in_bergen);
/// ```
#[must_use = "a query does nothing until a table runs it"]
pub struct Query<R, Remaining, U> {
    number: usize,
    locate: Locate,
    prefix: KeyBuf,
    /// Whether a part given so far was `None`.
    none: bool,
    of: Marker<R, Remaining, U>,
}

impl<R, Remaining, U> Clone for Query<R, Remaining, U> {
    fn clone(&self) -> Self {
        let Self { number, locate, prefix, none, .. } = self;
        Self { number: *number, locate: *locate, prefix: prefix.clone(), none: *none, of: PhantomData }
    }
}

impl<R, Remaining, U> fmt::Debug for Query<R, Remaining, U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { number, prefix, none, .. } = self;
        f.debug_struct("Query").field("number", number).field("prefix", prefix).field("none", none).finish()
    }
}

impl<R: Record, Remaining: Rest, U: Kind> Query<R, Remaining, U> {
    /// Whether the next part ends the stored key.
    fn last(&self) -> bool {
        U::ENDS && Remaining::LAST && !self.none
    }

    /// Fixes the next part.
    ///
    /// ```
    /// # use tamarack::Record;
    /// # #[derive(Record)]
    /// # #[record(index(place = (country, city)))]
    /// # struct Shop { #[record(key)] id: u32, country: String, city: String }
    /// let in_oslo = Shop::PLACE.at("NO").at("Oslo");
    /// # let _ = in_oslo;
    /// ```
    pub fn at<A: KeyArg<Remaining::Head>>(mut self, part: A) -> Query<R, Remaining::Tail, U> {
        let last = self.last();
        let none = U::MANY_NONES && part.is_none_arg();
        self.none |= none;
        if last && !none {
            part.encode_arg_last(&mut self.prefix);
        } else {
            part.encode_arg(&mut self.prefix);
        }
        let Self { number, locate, prefix, none, .. } = self;
        Query { number, locate, prefix, none, of: PhantomData }
    }

    /// All records whose next part lies in a range. For a descending part, too, the smaller value comes first.
    ///
    /// ```
    /// # use tamarack::Record;
    /// # #[derive(Record)]
    /// # #[record(index(place = (country, city)))]
    /// # struct Shop { #[record(key)] id: u32, country: String, city: String }
    /// let to_m = Shop::PLACE.at("NO").range(.."M");
    /// # let _ = to_m;
    /// ```
    pub fn range<B: KeyBounds<Remaining::Head>>(self, range: B) -> RangeQuery<R> {
        let place = PartPlace { last: self.last(), descending: Remaining::DESCENDING };
        let range = range.key_range(&self.prefix, place);
        RangeQuery { raw: RawQuery { number: self.number, locate: self.locate, range }, of: PhantomData }
    }

    /// All records whose next part, text or bytes, begins with `prefix`.
    ///
    /// ```
    /// # use tamarack::Record;
    /// # #[derive(Record)]
    /// # #[record(index(place = (country, city)))]
    /// # struct Shop { #[record(key)] id: u32, country: String, city: String }
    /// let os = Shop::PLACE.at("NO").starts_with("Os");
    /// # let _ = os;
    /// ```
    pub fn starts_with<P: PrefixArg<Remaining::Head>>(self, prefix: P) -> RangeQuery<R> {
        let range = KeyRange::starts_with::<Remaining::Head, P>(&self.prefix, &prefix, self.last());
        RangeQuery { raw: RawQuery { number: self.number, locate: self.locate, range }, of: PhantomData }
    }
}

/// A query whose last part is a range.
///
/// ```
/// use tamarack::Record;
/// # #[derive(Record)]
/// # struct City { #[record(key)] id: u32, #[record(index)] population: u64 }
/// let large = City::POPULATION.range(1_000_000..);
/// # let _ = large;
/// ```
#[must_use = "a query does nothing until a table runs it"]
pub struct RangeQuery<R> {
    raw: RawQuery,
    of: PhantomData<fn() -> R>,
}

impl<R> Clone for RangeQuery<R> {
    fn clone(&self) -> Self {
        Self { raw: self.raw.clone(), of: PhantomData }
    }
}

impl<R> fmt::Debug for RangeQuery<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let RawQuery { number, range, .. } = &self.raw;
        f.debug_struct("RangeQuery").field("number", number).field("range", range).finish()
    }
}

/// A query as the table runs it.
#[doc(hidden)]
#[derive(Debug, Clone)]
pub struct RawQuery {
    pub(super) number: usize,
    pub(super) locate: Locate,
    pub(super) range: KeyRange,
}

/// What a table of `R` can run.
#[diagnostic::on_unimplemented(
    message = "this query does not run on a table of `{R}`",
    label = "not a query of `{R}`",
    note = "queries start at an index of the same record"
)]
///
/// ```
/// # use tamarack::{IntoQuery, FindQuery, Record, RecordTable, ReadOnly};
/// # #[derive(Record)]
/// # #[record(index(place = (country, city)))]
/// # struct Shop { #[record(key)] id: u32, country: String, city: String }
/// fn count<R: Record>(table: &RecordTable<'_, R, ReadOnly>, query: impl IntoQuery<R>) -> tamarack::Result<u64> {
///     table.query(query).try_count()
/// }
/// # let _ = |table: &RecordTable<'_, Shop, ReadOnly>| count(table, Shop::PLACE);
/// ```
pub trait IntoQuery<R> {
    /// The query in bytes.
    #[doc(hidden)]
    fn into_query(self) -> RawQuery;
}

impl<R: Record, Parts: Rest, U: Kind> IntoQuery<R> for Index<R, Parts, U> {
    fn into_query(self) -> RawQuery {
        self.start().into_query()
    }
}

impl<R: Record, Remaining: Rest, U: Kind> IntoQuery<R> for Query<R, Remaining, U> {
    fn into_query(self) -> RawQuery {
        // With every part of a unique index fixed there is one key; anything longer belongs to another.
        let whole = U::ENDS && Remaining::EMPTY && !self.none;
        let range = if whole {
            KeyRange {
                start: std::ops::Bound::Included(self.prefix.clone()),
                end: std::ops::Bound::Included(self.prefix),
            }
        } else {
            KeyRange::prefix(&self.prefix)
        };
        RawQuery { number: self.number, locate: self.locate, range }
    }
}

impl<R: Record> IntoQuery<R> for RangeQuery<R> {
    fn into_query(self) -> RawQuery {
        self.raw
    }
}

/// What `find` takes: every part of a unique index.
#[diagnostic::on_unimplemented(
    message = "`find` returns at most one row, and this query can match many",
    label = "can match many",
    note = "fix every component of a unique index, or use `query(..)`"
)]
///
/// ```
/// # use tamarack::{IntoQuery, FindQuery, Record, RecordTable, ReadOnly};
/// # #[derive(Record)]
/// # #[record(index(place = (country, city)))]
/// # struct Shop { #[record(key)] id: u32, country: String, city: String }
/// fn exists<R: Record>(table: &RecordTable<'_, R, ReadOnly>, query: impl FindQuery<R>) -> tamarack::Result<bool> {
///     Ok(table.find(query)?.is_some())
/// }
/// # let _ = |table: &RecordTable<'_, Shop, ReadOnly>| exists(table, Shop::PRIMARY.at(1));
/// ```
pub trait FindQuery<R> {
    /// Index number, stored key, and whether a part is `None`.
    #[doc(hidden)]
    fn into_key(self) -> (usize, KeyBuf, bool);
}

impl<R: Record> FindQuery<R> for Query<R, (), Unique> {
    fn into_key(self) -> (usize, KeyBuf, bool) {
        (self.number, self.prefix, self.none)
    }
}

impl<R: Record> FindQuery<R> for Query<R, (), Primary> {
    fn into_key(self) -> (usize, KeyBuf, bool) {
        (self.number, self.prefix, self.none)
    }
}
