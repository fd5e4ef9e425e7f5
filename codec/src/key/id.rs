//! Typed identities of records.

use super::{KeyArg, KeyPart};
use crate::error::DecodeError;
use crate::key_buf::KeyBuf;
use crate::shape_def::ShapeDef;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::num::ParseIntError;
use std::str::FromStr;

/// The number that identifies a record of type `R`. Ids of different records do not mix. serde sees the number.
///
/// ```
/// use tamarack_codec::Id;
/// struct Customer;
/// let id = Id::<Customer>::new(7);
/// assert_eq!(id.get(), 7);
/// assert_eq!(id.to_string(), "7");
/// assert_eq!("7".parse(), Ok(id));
/// assert_eq!(Id::<Customer>::from(0), Id::AUTO);
/// ```
pub struct Id<R>(u64, PhantomData<fn() -> R>);

impl<R> Id<R> {
    /// Stands for "the next free number": `insert` replaces it.
    pub const AUTO: Self = Self::new(0);

    /// The id with a number.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number, PhantomData)
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl<R> Clone for Id<R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R> Copy for Id<R> {}

impl<R> Default for Id<R> {
    fn default() -> Self {
        Self::AUTO
    }
}

impl<R> PartialEq for Id<R> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl<R> Eq for Id<R> {}

impl<R> PartialOrd for Id<R> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<R> Ord for Id<R> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.cmp(&other.0)
    }
}

impl<R> Hash for Id<R> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl<R> fmt::Debug for Id<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Id({})", self.0)
    }
}

impl<R> fmt::Display for Id<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl<R> From<u64> for Id<R> {
    fn from(number: u64) -> Self {
        Self::new(number)
    }
}

impl<R> FromStr for Id<R> {
    type Err = ParseIntError;

    /// What [`Display`](fmt::Display) writes: the number.
    fn from_str(text: &str) -> Result<Self, ParseIntError> {
        text.parse().map(Self::new)
    }
}

impl<R> KeyPart for Id<R> {
    const FIXED: Option<usize> = Some(8);

    fn encode(&self, out: &mut KeyBuf) {
        self.0.encode(out);
    }

    fn decode(input: &mut &[u8]) -> Result<Self, DecodeError> {
        u64::decode(input).map(Self::new)
    }

    fn describe() -> ShapeDef {
        ShapeDef::Id
    }
}

impl<R> KeyArg<Id<R>> for Id<R> {
    fn encode_arg(&self, out: &mut KeyBuf) {
        self.encode(out);
    }

    fn encode_arg_last(&self, out: &mut KeyBuf) {
        self.encode(out);
    }
}

impl<R> KeyArg<Id<R>> for &Id<R> {
    fn encode_arg(&self, out: &mut KeyBuf) {
        self.encode(out);
    }

    fn encode_arg_last(&self, out: &mut KeyBuf) {
        self.encode(out);
    }
}

impl<R> KeyArg<Option<Id<R>>> for Id<R> {
    fn encode_arg(&self, out: &mut KeyBuf) {
        Some(*self).encode(out);
    }

    fn encode_arg_last(&self, out: &mut KeyBuf) {
        Some(*self).encode(out);
    }
}

// As in `key_args!`.
#[diagnostic::do_not_recommend]
impl<R> KeyArg<Option<Id<R>>> for &Id<R> {
    fn encode_arg(&self, out: &mut KeyBuf) {
        Some(**self).encode(out);
    }

    fn encode_arg_last(&self, out: &mut KeyBuf) {
        Some(**self).encode(out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::hash::BuildHasher;

    #[test]
    fn an_id_behaves_as_its_number() {
        let (one, two) = (Id::<u8>::new(1), Id::<u8>::new(2));
        assert!(one == Id::new(1) && one != two);
        assert!(one < two && two.partial_cmp(&one).is_some_and(|order| order.is_gt()) && two.cmp(&one).is_gt());
        assert_eq!(Some(&two).cloned(), Some(two));
        assert_eq!((one.get(), Id::<u8>::default().get()), (1, 0));
        assert_eq!(format!("{one:?} {one} {two:>3}"), "Id(1) 1   2");
        assert_eq!((Id::from(2), "2".parse(), "0".parse()), (two, Ok(two), Ok(Id::<u8>::AUTO)));
        assert!("".parse::<Id<u8>>().is_err() && "-1".parse::<Id<u8>>().is_err() && "Id(1)".parse::<Id<u8>>().is_err());
        let hasher = std::hash::RandomState::new();
        assert_eq!(hasher.hash_one(one), hasher.hash_one(1_u64));
        assert_ne!(hasher.hash_one(one), hasher.hash_one(two));
    }
}
