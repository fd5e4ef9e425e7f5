//! KC1, the order-preserving key encoding.
//!
//! Each part type promises three things, which [`key_laws!`](crate::key_laws) checks: a smaller value has smaller bytes; no encoding is a
//! proper prefix of another; every accepted input is the one encoding of its value. The first two make plain concatenation
//! order-preserving, so tuples and structs add no bytes. No type tags: descriptors stand in the catalog.
//!
//! The last part of a stored key that ends there may drop its terminator ([`KeyPart::encode_last`]).

mod arg;
mod bytes;
mod containers;
mod external;
mod id;
mod numbers;
mod serde;
mod time;
mod tuples;
mod wrappers;

pub use arg::{KeyArg, NoMoreComponents, PrefixArg};
pub(crate) use containers::array;
pub use id::Id;
pub use time::{NoSystemTime, Timestamp};
#[cfg(any(feature = "chrono", feature = "jiff", feature = "time"))]
pub(crate) use time::{decode_instant, encode_instant};
pub(crate) use time::{instant_of, system_time};
pub use wrappers::{Compact, Desc, Finite, NotANumber, Total};

use crate::error::DecodeError;
use crate::key_buf::{KeyBuf, take};
use crate::shape_def::ShapeDef;

/// A type that can be part of a key: a primary key, an index part, the key of a plain table.
///
/// Implemented for integers, `bool`, `char`, text, bytes, `Option`, `Vec`, arrays, tuples up to 8, and more; derive it for your own
/// structs and enums. An implementation by hand must keep the laws that [`key_laws!`](crate::key_laws) checks.
///
/// The features `bytes`, `chrono`, `jiff`, `time` and `uuid` add types of these crates: `Bytes`, `DateTime<Utc>`, `jiff::Timestamp`,
/// `UtcDateTime`, `Uuid`. A leap second, which chrono alone knows, is stored as the last nanosecond of the second before it,
/// 23:59:59.999999999, and comes back as that: in keys and in rows.
///
/// ```
/// use tamarack_codec::{KeyBuf, KeyPart};
/// let mut key = KeyBuf::new();
/// (7_u32, "abc".to_owned(), -1_i64).encode(&mut key);
/// assert_eq!(format!("{key:?}"), "00000007616263007fffffffffffffff");
/// assert_eq!(<(u32, String, i64)>::decode(&mut &key[..]).unwrap(), (7, "abc".to_owned(), -1));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be part of a key",
    label = "not a key part",
    note = "keys are made of integers of fixed width, bool, char, String, bytes, Option, Vec, arrays, tuples, times, `Id<R>` and types that derive `KeyPart`",
    note = "for floats, say which order you want: `Finite<f64>` (no NaN) or `Total<f64>` (IEEE total order); for usize, use u64"
)]
pub trait KeyPart: Sized {
    /// Bytes of the encoding when they are the same number for all values.
    const FIXED: Option<usize>;

    /// Whether values are stored in descending order, so that ranges swap their ends. [`Desc`] turns it round; all others have an order
    /// of their own, which is that of their type.
    #[doc(hidden)]
    const DESCENDING: bool = false;

    /// Appends the encoding.
    fn encode(&self, out: &mut KeyBuf);

    /// Appends the form that is used where this part ends the stored key: text and bytes raw, lists without their final 00.
    fn encode_last(&self, out: &mut KeyBuf) {
        self.encode(out);
    }

    /// Takes one encoding off the front of `input`.
    ///
    /// # Errors
    /// The bytes are not what [`encode`](Self::encode) writes.
    fn decode(input: &mut &[u8]) -> Result<Self, DecodeError>;

    /// Takes the form of [`encode_last`](Self::encode_last) off the front of `input`. Callers check that nothing remains.
    ///
    /// # Errors
    /// The bytes are not what [`encode_last`](Self::encode_last) writes.
    fn decode_last(input: &mut &[u8]) -> Result<Self, DecodeError> {
        Self::decode(input)
    }

    /// The descriptor that the catalog keeps, so that tools read keys without the program.
    fn describe() -> ShapeDef;

    /// Whether this is `None`: unique indexes let many of these be.
    fn is_none(&self) -> bool {
        false
    }

    /// Hands this to a sink. Generated code calls it so, so that a type that is no key part gives one error and no second one.
    #[doc(hidden)]
    fn sink<S: PartSink>(&self, sink: &mut S) {
        sink.part(self);
    }

    /// The same for a descending part.
    #[doc(hidden)]
    fn sink_desc<S: PartSink>(&self, sink: &mut S) {
        sink.part_desc(self);
    }

    /// Passes over one encoding without building the value.
    #[doc(hidden)]
    fn skip(input: &mut &[u8]) -> Result<(), DecodeError> {
        match Self::FIXED {
            Some(width) => take(input, width, "a key part").map(|_| ()),
            None => Self::decode(input).map(|_| ()),
        }
    }

    /// Whether an encoding that begins with this byte is that of `None`.
    #[doc(hidden)]
    fn peek_none(_first: Option<u8>) -> bool {
        false
    }

    /// Passes over a list of these.
    #[doc(hidden)]
    fn skip_list(input: &mut &[u8]) -> Result<(), DecodeError> {
        Self::decode_list(input, false).map(|_| ())
    }

    /// A list of these. Bytes are not stored as a list of numbers.
    #[doc(hidden)]
    fn encode_list(items: &[Self], out: &mut KeyBuf, last: bool) {
        for item in items {
            out.push(1);
            item.encode(out);
        }
        if !last {
            out.push(0);
        }
    }

    /// The counterpart of `encode_list`.
    #[doc(hidden)]
    fn decode_list(input: &mut &[u8], last: bool) -> Result<Vec<Self>, DecodeError> {
        let mut out = Vec::new();
        loop {
            if last && input.is_empty() {
                return Ok(out);
            }
            match KeyBuf::take_tag8(input)? {
                0 if !last => return Ok(out),
                1 => out.push(Self::decode(input)?),
                other => return Err(DecodeError::byte("01 before an element or 00 at the end of a list", other)),
            }
        }
    }

    /// The descriptor of a list of these.
    #[doc(hidden)]
    fn describe_list() -> ShapeDef {
        ShapeDef::List(Box::new(Self::describe()))
    }
}

/// Takes the parts of an index entry.
#[doc(hidden)]
pub trait PartSink {
    /// The next part.
    fn part<K: KeyPart>(&mut self, part: &K);
    /// The next part, descending.
    fn part_desc<K: KeyPart>(&mut self, part: &K);
}

/// Decodes a whole stored key: [`KeyPart::decode_last`], and nothing may remain.
///
/// # Errors
/// The bytes are not one key of this type.
///
/// ```
/// use tamarack_codec::decode_key;
/// assert_eq!(decode_key::<(u8, String)>(b"\x07ab").unwrap(), (7, "ab".to_owned()));
/// assert!(decode_key::<u8>(b"\x07\x07").is_err());
/// ```
pub fn decode_key<K: KeyPart>(mut bytes: &[u8]) -> Result<K, DecodeError> {
    let key = K::decode_last(&mut bytes)?;
    if bytes.is_empty() {
        Ok(key)
    } else {
        Err(DecodeError::new(format!("{} bytes remain behind the key", bytes.len())))
    }
}
