//! Rows: how a record's fields lie in its value.
//!
//! Row = format byte 01, schema version as a varint, body. Body: the fields of fixed width first, in order, little-endian; then each
//! variable field as length and bytes. An Option of a fixed type is a flag byte and the value's width, zeroed when `None`; an Option of a
//! variable type begins its bytes with the flag. Every accepted input is the one encoding of its value.

mod containers;
mod external;
mod fields;
mod opaque;
mod positional;
mod scalars;
mod trace;
mod tuples;

pub use fields::{FieldsReader, FieldsWriter, RowReader, RowWriter};

use crate::error::DecodeError;
use crate::shape_def::ShapeDef;

/// A type that a row, or the value of a plain table, can hold; its descriptor stands in the catalog.
///
/// Implemented for numbers, `bool`, `char`, text, bytes, `Option`, lists, sets, maps, arrays, tuples up to 8, times and key wrappers;
/// derive it for your own structs and enums. Types that only serde knows go in fields marked `#[record(bincode)]`.
///
/// ```
/// use tamarack_codec::Shape;
/// let mut bytes = Vec::new();
/// vec!["tea".to_owned(), "milk".to_owned()].encode(&mut bytes);
/// assert_eq!(bytes, b"\x02\x03tea\x04milk");
/// assert_eq!(Vec::<String>::decode(&mut &bytes[..]).unwrap(), ["tea", "milk"]);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no shape that a row can hold",
    label = "no `Shape`",
    note = "derive `Shape` for it, or mark the field `#[record(bincode)]`"
)]
pub trait Shape: Sized {
    /// Bytes of the encoding when they are the same number for all values.
    const FIXED: Option<usize>;

    /// Appends the encoding: exactly `FIXED` bytes, or bytes whose number the caller stores.
    fn encode(&self, out: &mut Vec<u8>);

    /// Takes `FIXED` bytes off the front of `input`; a variable type takes all of it.
    ///
    /// # Errors
    /// The bytes are not what [`encode`](Self::encode) writes.
    fn decode(input: &mut &[u8]) -> Result<Self, DecodeError>;

    /// The descriptor that the catalog keeps.
    fn describe() -> ShapeDef;

    /// Writes this as a field in the first pass. Generated code calls these four so, so that a type without a shape gives one error and
    /// no second one.
    #[doc(hidden)]
    fn write_fixed(&self, out: &mut FieldsWriter<'_>) {
        out.fixed_pass(self);
    }

    /// Writes this as a field in the second pass.
    #[doc(hidden)]
    fn write_variable(&self, out: &mut FieldsWriter<'_>) {
        out.variable_pass(self);
    }

    /// Reads a field in the first pass.
    #[doc(hidden)]
    fn read_fixed(input: &mut FieldsReader<'_>, name: &'static str) -> Result<Option<Self>, DecodeError> {
        input.fixed_pass(name)
    }

    /// Reads a field in the second pass.
    #[doc(hidden)]
    fn read_variable(
        input: &mut FieldsReader<'_>,
        name: &'static str,
        fixed: Option<Self>,
    ) -> Result<Self, DecodeError> {
        input.variable_pass(name, fixed)
    }

    /// A list of these. Bytes are not stored as a list of numbers.
    #[doc(hidden)]
    fn encode_list(items: &[Self], out: &mut Vec<u8>) {
        containers::encode_items(items.len(), items.iter(), out);
    }

    /// The counterpart of `encode_list`.
    #[doc(hidden)]
    fn decode_list(input: &mut &[u8]) -> Result<Vec<Self>, DecodeError> {
        containers::decode_items(input)
    }

    /// The descriptor of a list of these.
    #[doc(hidden)]
    fn describe_list() -> ShapeDef {
        ShapeDef::List(Box::new(Self::describe()))
    }
}

/// Decodes a value that fills `bytes`.
///
/// # Errors
/// The bytes are not what [`Shape::encode`] writes, or some remain.
///
/// ```
/// assert_eq!(tamarack_codec::decode_value::<u16>(&[1, 0]).unwrap(), 1);
/// assert!(tamarack_codec::decode_value::<u16>(&[1, 0, 0]).is_err());
/// ```
pub fn decode_value<T: Shape>(mut bytes: &[u8]) -> Result<T, DecodeError> {
    let value = T::decode(&mut bytes)?;
    if bytes.is_empty() {
        Ok(value)
    } else {
        Err(DecodeError::new(format!("{} bytes remain behind the value", bytes.len())))
    }
}
