//! Order-preserving keys, rows and shapes of the Tamarack object store.
//!
//! This crate turns values into bytes and back; it does no I/O and has no unsafe code. Programs use it through the `tamarack` crate.
//!
//! - [`KeyPart`]: KC1, the key encoding, whose bytes compare as the values do.
//! - [`KeyRange`]: what a typed range is in bytes.
//! - [`Shape`], [`RowWriter`], [`RowReader`]: rows and values.
//! - [`ShapeDef`]: descriptors, with which the catalog explains both; [`Field`], [`row_fields`], [`key_parts`]: both without their types.
//!
//! Every decode returns a `Result`; whatever the bytes are, nothing panics and no allocation is larger than the input justifies.

#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]

mod bounds;
mod describing;
mod error;
mod key;
mod key_buf;
mod laws;
mod render;
mod row;
mod shape_def;
mod untyped;
mod varint;

pub use bounds::{KeyRange, PartPlace, successor};
pub use error::{DecodeError, EncodeError};
pub use key::{
    Compact, Desc, Finite, Id, KeyArg, KeyPart, NoMoreComponents, NoSystemTime, NotANumber, PartSink, PrefixArg,
    Timestamp, Total, decode_key,
};
pub use key_buf::KeyBuf;
pub use laws::check_key_laws;
pub use render::render_key;
pub use row::{FieldsReader, FieldsWriter, RowReader, RowWriter, Shape, decode_value};
pub use shape_def::{FieldShape, ShapeDef, VariantShape};
pub use untyped::{
    Field, can_recode, check_value, element_parts, key_parts, pass_parts, row_fields, split_row, starts_with_none,
};

/// The descriptor of a key part: the same type as that of a field.
#[doc(hidden)]
pub type PartShape = ShapeDef;
