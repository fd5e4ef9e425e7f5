//! Ranges of key values.

use std::ops::{Bound, Range, RangeFrom, RangeFull, RangeInclusive, RangeTo, RangeToInclusive};
use tamarack_codec::{KeyArg, KeyRange, PartPlace};

/// A range of values of the key part `K`: `a..b`, `a..=b`, `a..`, `..b`, `..=b`, `..`, or a pair of bounds. Empty and inverted ranges
/// match nothing.
///
/// ```
/// use tamarack::{Database, TableDef};
/// # fn main() -> tamarack::Result<()> {
/// const SQUARES: TableDef<u32, u32> = TableDef::new("squares");
/// let db = Database::<()>::in_memory()?;
/// db.write(|tx| {
///     let mut squares = tx.open_table(&SQUARES)?;
///     (0..10).try_for_each(|n| squares.insert(n, n * n).map(|_| ()))?;
///     assert_eq!(squares.range(3..=4).try_count()?, 2);
///     assert_eq!(squares.range(8..).try_count()?, 2);
///     Ok(())
/// })
/// # }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a range of `{K}`",
    label = "not a range",
    note = "write `a..b`, `a..=b`, `a..`, `..b`, `..=b` or `..`; for one value use `at(..)`"
)]
pub trait KeyBounds<K> {
    /// The range in bytes, behind `prefix`.
    #[doc(hidden)]
    fn key_range(&self, prefix: &[u8], place: PartPlace) -> KeyRange;
}

macro_rules! bounds {
    ($($type:ty, |$range:ident| $low:expr, $high:expr;)*) => {$(
        impl<K, A: KeyArg<K>> KeyBounds<K> for $type {
            fn key_range(&self, prefix: &[u8], place: PartPlace) -> KeyRange {
                let $range = self;
                KeyRange::part::<K, A>(prefix, $low, $high, place)
            }
        }
    )*};
}

bounds! {
    Range<A>, |range| Bound::Included(&range.start), Bound::Excluded(&range.end);
    RangeInclusive<A>, |range| Bound::Included(range.start()), Bound::Included(range.end());
    RangeFrom<A>, |range| Bound::Included(&range.start), Bound::Unbounded;
    RangeTo<A>, |range| Bound::Unbounded, Bound::Excluded(&range.end);
    RangeToInclusive<A>, |range| Bound::Unbounded, Bound::Included(&range.end);
    (Bound<A>, Bound<A>), |range| range.0.as_ref(), range.1.as_ref();
}

impl<K> KeyBounds<K> for RangeFull {
    fn key_range(&self, prefix: &[u8], _: PartPlace) -> KeyRange {
        KeyRange::prefix(prefix)
    }
}
