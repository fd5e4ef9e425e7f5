//! Writing and reading fields in two passes: first those of fixed width, then the others.

use super::{Shape, opaque};
use crate::error::{DecodeError, EncodeError};
use crate::key_buf::{take, take_array};
use crate::varint;
use std::ops::{Deref, DerefMut};

/// The format of rows that this version writes.
const ROW_FORMAT: u8 = 1;

/// Writes the fields of a struct, a variant or a row. Pass over all fields with [`fixed_pass`](Self::fixed_pass), then again with
/// [`variable_pass`](Self::variable_pass); each pass takes only its own.
///
/// ```
/// use tamarack_codec::{FieldsReader, FieldsWriter};
/// let (name, age) = ("anna".to_owned(), 31_u16);
/// let mut bytes = Vec::new();
/// let mut writer = FieldsWriter::new(&mut bytes);
/// writer.fixed_pass(&name);
/// writer.fixed_pass(&age);
/// writer.variable_pass(&name);
/// writer.variable_pass(&age);
/// assert_eq!(bytes, b"\x1f\x00\x04anna");
///
/// let mut input = &bytes[..];
/// let mut reader = FieldsReader::new(&mut input);
/// let name = reader.fixed_pass::<String>("name")?;
/// let age = reader.fixed_pass::<u16>("age")?;
/// assert_eq!(reader.variable_pass("name", name)?, "anna");
/// assert_eq!(reader.variable_pass("age", age)?, 31);
/// reader.finish()?;
/// # Ok::<(), tamarack_codec::DecodeError>(())
/// ```
#[derive(Debug)]
pub struct FieldsWriter<'a> {
    out: &'a mut Vec<u8>,
}

impl<'a> FieldsWriter<'a> {
    /// Appends to `out`.
    pub fn new(out: &'a mut Vec<u8>) -> Self {
        Self { out }
    }

    /// The same for a variant of an enum: its tag comes first.
    pub fn tagged(out: &'a mut Vec<u8>, tag: u32) -> Self {
        varint::put(u64::from(tag), out);
        Self { out }
    }

    /// Writes a field of fixed width; passes over others.
    pub fn fixed_pass<T: Shape>(&mut self, field: &T) {
        if T::FIXED.is_some() {
            field.encode(self.out);
        }
    }

    /// Writes a variable field; passes over others.
    pub fn variable_pass<T: Shape>(&mut self, field: &T) {
        if T::FIXED.is_none() {
            sized(self.out, |out| field.encode(out));
        }
    }

    /// Writes a field that only serde knows, and reads it again to see that it can be read, and that what is read writes the same: the
    /// same bytes, with the same fields left out; elements of sequences and maps in any order. Values themselves are not compared.
    ///
    /// # Errors
    /// Its `Serialize` failed; bincode cannot hold what it asked for; its `Deserialize` asks what stands there (`#[serde(untagged)]`,
    /// `#[serde(flatten)]`, internally tagged enums, `serde_json::Value`); or what is read would write something else, as where
    /// `skip_serializing_if` left out a field that is asked for, or with variants after one that is `#[serde(skip)]`.
    pub fn opaque<T: serde::Serialize + serde::de::DeserializeOwned>(&mut self, field: &T) -> Result<(), EncodeError> {
        let mut result = Ok(());
        sized(self.out, |out| result = opaque::encode(field, out));
        result
    }
}

/// Appends what `write` appends with its length in front.
pub(super) fn sized(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.push(0);
    write(out);
    let len = out.len() - start - 1;
    match out.get_mut(start) {
        Some(byte) if len < 0x80 => *byte = len as u8,
        _ => {
            let mut prefix = Vec::with_capacity(10);
            varint::put(len as u64, &mut prefix);
            out.splice(start..=start, prefix);
        }
    }
}

/// Reads what [`FieldsWriter`] wrote, in the same two passes.
#[derive(Debug)]
pub struct FieldsReader<'a> {
    rest: &'a [u8],
}

impl<'a> FieldsReader<'a> {
    /// Takes all of `input`.
    pub fn new(input: &mut &'a [u8]) -> Self {
        Self { rest: std::mem::take(input) }
    }

    /// Takes all of `input`, first the tag of a variant.
    ///
    /// # Errors
    /// There is no tag.
    pub fn tagged(input: &mut &'a [u8]) -> Result<(u32, Self), DecodeError> {
        let mut reader = Self::new(input);
        let tag = varint::take(&mut reader.rest)?;
        let tag = u32::try_from(tag).map_err(|_| DecodeError::new(format!("{tag} is no tag")))?;
        Ok((tag, reader))
    }

    /// Reads a field of fixed width; `None` for others.
    ///
    /// # Errors
    /// The bytes are no value of the type.
    pub fn fixed_pass<T: Shape>(&mut self, name: &'static str) -> Result<Option<T>, DecodeError> {
        match T::FIXED {
            Some(_) => T::decode(&mut self.rest).map(Some).map_err(|error| error.in_field(name)),
            None => Ok(None),
        }
    }

    /// Reads a variable field; returns the value of the first pass for others.
    ///
    /// # Errors
    /// The bytes are no value of the type.
    pub fn variable_pass<T: Shape>(&mut self, name: &'static str, fixed: Option<T>) -> Result<T, DecodeError> {
        match fixed {
            Some(value) => Ok(value),
            None => variable(&mut self.rest).map_err(|error| error.in_field(name)),
        }
    }

    /// Reads a field that only serde knows.
    ///
    /// # Errors
    /// The bytes are no value of the type.
    pub fn opaque<T: serde::de::DeserializeOwned>(&mut self, name: &'static str) -> Result<T, DecodeError> {
        let read = |rest: &mut &[u8]| {
            let len = varint::take_len(rest)?;
            opaque::decode(take(rest, len, "an opaque field")?)
        };
        read(&mut self.rest).map_err(|error| error.in_field(name))
    }

    /// Checks that all was read.
    ///
    /// # Errors
    /// Bytes remain.
    pub fn finish(self) -> Result<(), DecodeError> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(DecodeError::new(format!("{} bytes remain behind the last field", self.rest.len())))
        }
    }
}

/// Takes a length and so many bytes, which are one value.
pub(super) fn variable<T: Shape>(input: &mut &[u8]) -> Result<T, DecodeError> {
    let len = varint::take_len(input)?;
    super::decode_value(take(input, len, "a field")?)
}

/// Writes a row: format byte and schema version, then fields as [`FieldsWriter`].
///
/// ```
/// use tamarack_codec::{RowReader, RowWriter};
/// let mut bytes = Vec::new();
/// RowWriter::new(&mut bytes, 3).fixed_pass(&7_u8);
/// let (version, mut row) = RowReader::new(&bytes)?;
/// assert_eq!((version, row.fixed_pass::<u8>("n")?), (3, Some(7)));
/// # Ok::<(), tamarack_codec::DecodeError>(())
/// ```
#[derive(Debug)]
pub struct RowWriter<'a>(FieldsWriter<'a>);

impl<'a> RowWriter<'a> {
    /// Appends a row of a schema version to `out`.
    pub fn new(out: &'a mut Vec<u8>, version: u32) -> Self {
        out.push(ROW_FORMAT);
        Self(FieldsWriter::tagged(out, version))
    }
}

impl<'a> Deref for RowWriter<'a> {
    type Target = FieldsWriter<'a>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl DerefMut for RowWriter<'_> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}

/// Reads a row; derefs to [`FieldsReader`].
#[derive(Debug)]
pub struct RowReader<'a>(FieldsReader<'a>);

impl<'a> RowReader<'a> {
    /// Reads the front of a row: its schema version, and a reader of its fields.
    ///
    /// # Errors
    /// The format is unknown or the bytes end.
    pub fn new(mut bytes: &'a [u8]) -> Result<(u32, Self), DecodeError> {
        let [format] = take_array(&mut bytes, "a row")?;
        if format != ROW_FORMAT {
            return Err(DecodeError::new(format!("rows of format {format} are unknown to this version")));
        }
        let (version, fields) = FieldsReader::tagged(&mut bytes)?;
        Ok((version, Self(fields)))
    }

    /// Checks that all was read.
    ///
    /// # Errors
    /// Bytes remain.
    pub fn finish(self) -> Result<(), DecodeError> {
        self.0.finish()
    }
}

impl<'a> Deref for RowReader<'a> {
    type Target = FieldsReader<'a>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl DerefMut for RowReader<'_> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}
