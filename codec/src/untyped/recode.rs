//! Turns fields into key parts, by descriptor alone.

use super::fields::{items, row_fields};
use crate::error::DecodeError;
use crate::key::{Compact, Finite, KeyPart, Timestamp, Total};
use crate::key_buf::{KeyBuf, take, take_array};
use crate::row::Shape;
use crate::shape_def::{FieldShape, ShapeDef};
use crate::varint;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A field of a stored record.
///
/// ```
/// use tamarack_codec::{Field, KeyBuf, ShapeDef};
/// let age = Field::Row { shape: &ShapeDef::U16, bytes: &[31, 0] };
/// let mut part = KeyBuf::new();
/// age.write_part(&ShapeDef::Desc(Box::new(ShapeDef::U16)), false, &mut part)?;
/// assert_eq!(&part[..], [!0, !31]);
/// # Ok::<(), tamarack_codec::DecodeError>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub enum Field<'a> {
    /// As a row holds it.
    Row {
        /// Its descriptor.
        shape: &'a ShapeDef,
        /// Its bytes.
        bytes: &'a [u8],
    },
    /// As a part of the primary key, in the form that [`key_parts`] gives.
    Key {
        /// Its descriptor.
        shape: &'a ShapeDef,
        /// Its bytes.
        bytes: &'a [u8],
    },
}

/// Whether a reader takes fields from a row or parts from a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Row,
    /// A part of a key, in its short form if it is the last one.
    Key {
        last: bool,
    },
}

impl Field<'_> {
    /// Appends this field as a key part of the shape `to`; `last`: in the form that ends a stored key.
    ///
    /// # Errors
    /// The bytes are no value of the field's shape, or the two shapes do not belong together.
    pub fn write_part(&self, to: &ShapeDef, last: bool, out: &mut KeyBuf) -> Result<(), DecodeError> {
        let (Self::Row { shape, mut bytes } | Self::Key { shape, mut bytes }) = *self;
        let form = match self {
            Self::Row { .. } => Form::Row,
            Self::Key { .. } => Form::Key { last: false },
        };
        match to {
            // A descending index over a part of the primary key that ascends there.
            ShapeDef::Desc(of) if form != Form::Row && shape != to => {
                let start = out.len();
                self.write_part(of, false, out)?;
                out.complement_from(start);
                return Ok(());
            }
            _ => put(form, shape, to, &mut bytes, last, out)?,
        }
        if bytes.is_empty() {
            Ok(())
        } else {
            Err(DecodeError::new(format!("{} bytes remain behind a field", bytes.len())))
        }
    }
}

fn mismatch() -> DecodeError {
    DecodeError::new("a field and the part that an index holds of it have different shapes")
}

/// The parts of a stored key, each in its full form.
///
/// # Errors
/// The bytes are no key of these parts.
///
/// ```
/// use tamarack_codec::{ShapeDef, key_parts};
/// let parts = key_parts([&ShapeDef::U16, &ShapeDef::Text], b"\x00\x07tea")?;
/// assert_eq!(&parts[1][..], b"tea\0");
/// # Ok::<(), tamarack_codec::DecodeError>(())
/// ```
pub fn key_parts<'s>(shapes: impl IntoIterator<Item = &'s ShapeDef>, key: &[u8]) -> Result<Vec<KeyBuf>, DecodeError> {
    let shapes: Vec<&ShapeDef> = shapes.into_iter().collect();
    let mut rest = key;
    let mut parts = Vec::with_capacity(shapes.len());
    for (at, shape) in shapes.iter().enumerate() {
        let mut part = KeyBuf::new();
        let last = at + 1 == shapes.len();
        put(Form::Key { last }, shape, shape, &mut rest, false, &mut part)?;
        parts.push(part);
    }
    if rest.is_empty() {
        Ok(parts)
    } else {
        Err(DecodeError::new(format!("{} bytes remain behind the key", rest.len())))
    }
}

/// Passes over parts in their full form.
///
/// # Errors
/// The bytes are no such parts.
///
/// ```
/// use tamarack_codec::{ShapeDef, pass_parts};
/// let mut key = &b"tea\0\x00\x07"[..];
/// pass_parts([&ShapeDef::Text], &mut key)?;
/// assert_eq!(key, [0, 7]);
/// # Ok::<(), tamarack_codec::DecodeError>(())
/// ```
pub fn pass_parts<'s>(shapes: impl IntoIterator<Item = &'s ShapeDef>, key: &mut &[u8]) -> Result<(), DecodeError> {
    let mut scratch = KeyBuf::new();
    for shape in shapes {
        scratch.clear();
        put(Form::Key { last: false }, shape, shape, key, false, &mut scratch)?;
    }
    Ok(())
}

/// Whether a key part of this shape that begins with this byte is `None`.
///
/// ```
/// use tamarack_codec::{ShapeDef, starts_with_none};
/// assert!(starts_with_none(&ShapeDef::Option(Box::new(ShapeDef::U8)), Some(0)));
/// ```
#[must_use]
pub fn starts_with_none(part: &ShapeDef, first: Option<u8>) -> bool {
    match part {
        ShapeDef::Option(_) => first == Some(0),
        ShapeDef::Desc(of) => starts_with_none(of, first.map(|byte| !byte)),
        _ => false,
    }
}

/// The elements of a field of several, each as a key part of the shape `to`, in order and each once.
///
/// # Errors
/// As [`Field::write_part`].
///
/// ```
/// use tamarack_codec::{Field, Shape, ShapeDef, element_parts};
/// let mut bytes = Vec::new();
/// vec!["b".to_owned(), "a".to_owned(), "b".to_owned()].encode(&mut bytes);
/// let tags = Field::Row { shape: &Vec::<String>::describe(), bytes: &bytes };
/// let parts = element_parts(&tags, &ShapeDef::Text)?;
/// assert_eq!(parts.iter().map(|part| &part[..]).collect::<Vec<_>>(), [b"a\0", b"b\0"]);
/// # Ok::<(), tamarack_codec::DecodeError>(())
/// ```
pub fn element_parts(field: &Field<'_>, to: &ShapeDef) -> Result<Vec<KeyBuf>, DecodeError> {
    let mut parts = Vec::new();
    let mut add = |form: Form, shape: &ShapeDef, input: &mut &[u8]| {
        let mut part = KeyBuf::new();
        put(form, shape, to, input, false, &mut part)?;
        parts.push(part);
        Ok::<_, DecodeError>(())
    };
    match *field {
        Field::Row { shape, bytes } => {
            let mut rest = bytes;
            match shape {
                ShapeDef::Option(of) => {
                    if take_array(&mut rest, "an option")? == [1] {
                        add(Form::Row, of, &mut rest)?;
                    }
                }
                ShapeDef::List(of) | ShapeDef::Set(of) => {
                    let count = varint::take_len(&mut rest)? as u64;
                    items(of, count, &mut rest, true, |mut item| add(Form::Row, of, &mut item))?;
                }
                ShapeDef::Array(of, len) => {
                    items(of, *len, &mut rest, false, |mut item| add(Form::Row, of, &mut item))?;
                }
                ShapeDef::Bytes => {
                    bytes.iter().try_for_each(|&byte| add(Form::Row, &ShapeDef::U8, &mut &[byte][..]))?
                }
                _ => return Err(mismatch()),
            }
        }
        Field::Key { shape, bytes } => {
            let mut rest = bytes;
            key_elements(shape, &mut rest, &mut |of, input| add(Form::Key { last: false }, of, input))?;
        }
    }
    parts.sort_unstable_by(|a, b| a.as_slice().cmp(b.as_slice()));
    parts.dedup_by(|a, b| a.as_slice() == b.as_slice());
    Ok(parts)
}

/// Takes an element of a shape off the input.
type TakeElement<'a> = &'a mut dyn FnMut(&ShapeDef, &mut &[u8]) -> Result<(), DecodeError>;

/// Calls `with` at each element of a full-form part.
fn key_elements(shape: &ShapeDef, rest: &mut &[u8], with: TakeElement<'_>) -> Result<(), DecodeError> {
    match shape {
        ShapeDef::Option(of) => {
            if KeyBuf::take_tag8(rest)? == 1 {
                with(of, rest)?;
            }
        }
        ShapeDef::List(of) => {
            while KeyBuf::take_tag8(rest)? == 1 {
                with(of, rest)?;
            }
        }
        ShapeDef::Array(of, len) => {
            for _ in 0..*len {
                let before = rest.len();
                with(of, rest)?;
                if rest.len() == before {
                    break;
                }
            }
        }
        ShapeDef::Bytes => {
            let bytes = <Vec<u8> as KeyPart>::decode(rest)?;
            bytes.iter().try_for_each(|&byte| with(&ShapeDef::U8, &mut &[byte][..]))?;
        }
        _ => return Err(mismatch()),
    }
    Ok(())
}

/// Whether fields of the shape `from`, in a row or in the primary key, can be key parts of the shape `to`. With `each`: their elements.
///
/// ```
/// use tamarack_codec::{ShapeDef, can_recode};
/// assert!(can_recode(&ShapeDef::U64, &ShapeDef::CompactU64, false));
/// assert!(!can_recode(&ShapeDef::Opaque, &ShapeDef::Text, false));
/// ```
#[must_use]
pub fn can_recode(from: &ShapeDef, to: &ShapeDef, each: bool) -> bool {
    use ShapeDef as S;
    if each {
        return match from {
            S::Option(of) | S::List(of) | S::Set(of) | S::Array(of, _) => can_recode(of, to, false),
            S::Bytes => *to == S::U8,
            _ => false,
        };
    }
    let fields = |from: &[FieldShape], to: &[FieldShape]| {
        from.len() == to.len() && from.iter().zip(to).all(|(from, to)| can_recode(&from.shape, &to.shape, false))
    };
    match (from, to) {
        (from, S::Desc(of)) => from == to || can_recode(from, of, false),
        (S::Option(from), S::Option(to)) | (S::List(from), S::List(to)) => can_recode(from, to, false),
        (S::Array(from, a), S::Array(to, b)) => a == b && can_recode(from, to, false),
        (S::Tuple(from), S::Tuple(to)) => {
            from.len() == to.len() && from.iter().zip(to).all(|(from, to)| can_recode(from, to, false))
        }
        (S::Struct(_, from), S::Struct(_, to)) => fields(from, to),
        (S::Enum(_, _, from), S::Enum(_, 1 | 2, to)) => {
            from.iter().all(|from| to.iter().any(|to| to.name == from.name && fields(&from.fields, &to.fields)))
        }
        (S::U64, S::CompactU64) | (S::I64, S::CompactI64) => true,
        (S::Opaque | S::Set(_) | S::Map(..) | S::F32 | S::F64 | S::Size, _) => false,
        (from, to) => from == to,
    }
}

fn plain<T: KeyPart + Shape>(form: Form, input: &mut &[u8], last: bool, out: &mut KeyBuf) -> Result<(), DecodeError> {
    let value = match form {
        Form::Row => <T as Shape>::decode(input)?,
        Form::Key { last: true } => <T as KeyPart>::decode_last(input)?,
        Form::Key { last: false } => <T as KeyPart>::decode(input)?,
    };
    if last {
        value.encode_last(out)
    } else {
        KeyPart::encode(&value, out)
    }
    Ok(())
}

/// Takes a value of the shape `from` off the input and appends it as a key part of the shape `to`.
fn put(
    form: Form,
    from: &ShapeDef,
    to: &ShapeDef,
    input: &mut &[u8],
    last: bool,
    out: &mut KeyBuf,
) -> Result<(), DecodeError> {
    use ShapeDef as S;
    match to {
        S::Bool => plain::<bool>(form, input, last, out),
        S::Char => plain::<char>(form, input, last, out),
        S::U8 => plain::<u8>(form, input, last, out),
        S::U16 => plain::<u16>(form, input, last, out),
        S::U32 => plain::<u32>(form, input, last, out),
        S::U64 | S::Id => plain::<u64>(form, input, last, out),
        S::U128 => plain::<u128>(form, input, last, out),
        S::I8 => plain::<i8>(form, input, last, out),
        S::I16 => plain::<i16>(form, input, last, out),
        S::I32 => plain::<i32>(form, input, last, out),
        S::I64 => plain::<i64>(form, input, last, out),
        S::I128 => plain::<i128>(form, input, last, out),
        S::Total32 => plain::<Total<f32>>(form, input, last, out),
        S::Total64 => plain::<Total<f64>>(form, input, last, out),
        S::Finite32 => plain::<Finite<f32>>(form, input, last, out),
        S::Finite64 => plain::<Finite<f64>>(form, input, last, out),
        S::CompactU64 => plain::<Compact<u64>>(form, input, last, out),
        S::CompactI64 => plain::<Compact<i64>>(form, input, last, out),
        S::Text => plain::<String>(form, input, last, out),
        S::Bytes => plain::<Vec<u8>>(form, input, last, out),
        S::Ipv4 => plain::<Ipv4Addr>(form, input, last, out),
        S::Ipv6 => plain::<Ipv6Addr>(form, input, last, out),
        S::Ip => plain::<IpAddr>(form, input, last, out),
        S::Uuid => plain::<[u8; 16]>(form, input, last, out),
        S::Timestamp => plain::<Timestamp>(form, input, last, out),
        S::Instant => plain::<(i64, u32)>(form, input, last, out),
        S::Duration => plain::<(u64, u32)>(form, input, last, out),
        S::Desc(of) => put_desc(form, from, of, input, out),
        S::Option(of) => put_option(form, from, of, input, last, out),
        S::List(of) => put_list(form, from, of, input, last, out),
        S::Array(of, len) => put_array(form, from, (of, *len), input, last, out),
        S::Tuple(of) => {
            let S::Tuple(from) = from else { return Err(mismatch()) };
            let from: Vec<&S> = from.iter().collect();
            let bytes = bytes_of(form, &from, input)?;
            put_group(form, &from, &of.iter().collect::<Vec<_>>(), &bytes, input, last, out)
        }
        S::Struct(_, of) => {
            let S::Struct(_, from) = from else { return Err(mismatch()) };
            put_fields(form, from, of, input, last, out)
        }
        S::Enum(..) => put_enum(form, from, to, input, last, out),
        _ => Err(mismatch()),
    }
}

/// The bytes of each part in a row; of a key they are not known before.
fn bytes_of<'a>(form: Form, from: &[&ShapeDef], input: &mut &'a [u8]) -> Result<Vec<&'a [u8]>, DecodeError> {
    match form {
        Form::Row => row_fields(from.iter().copied(), std::mem::take(input)),
        Form::Key { .. } => Ok(Vec::new()),
    }
}

fn put_desc(
    form: Form,
    from: &ShapeDef,
    of: &ShapeDef,
    input: &mut &[u8],
    out: &mut KeyBuf,
) -> Result<(), DecodeError> {
    let start = out.len();
    match form {
        Form::Row => {
            let from = if let ShapeDef::Desc(from) = from { from } else { from };
            put(form, from, of, input, false, out)?;
        }
        Form::Key { .. } => {
            let ShapeDef::Desc(from) = from else { return Err(mismatch()) };
            let mut plain = KeyBuf::from(*input);
            plain.complement_from(0);
            let mut rest = plain.as_slice();
            put(Form::Key { last: false }, from, of, &mut rest, false, out)?;
            let used = plain.len() - rest.len();
            take(input, used, "a descending part")?;
        }
    }
    out.complement_from(start);
    Ok(())
}

fn put_option(
    form: Form,
    from: &ShapeDef,
    of: &ShapeDef,
    input: &mut &[u8],
    last: bool,
    out: &mut KeyBuf,
) -> Result<(), DecodeError> {
    let ShapeDef::Option(from) = from else { return Err(mismatch()) };
    match KeyBuf::take_tag8(input)? {
        0 => {
            out.push(0);
            if form == Form::Row {
                // The zeros of a value that is not there.
                *input = &[];
            }
            Ok(())
        }
        1 => {
            out.push(1);
            put(form, from, of, input, last, out)
        }
        other => Err(DecodeError::byte("00 for None or 01 for Some", other)),
    }
}

fn put_list(
    form: Form,
    from: &ShapeDef,
    of: &ShapeDef,
    input: &mut &[u8],
    last: bool,
    out: &mut KeyBuf,
) -> Result<(), DecodeError> {
    let ShapeDef::List(from) = from else { return Err(mismatch()) };
    match form {
        Form::Row => {
            let count = varint::take_len(input)? as u64;
            items(from, count, input, true, |mut item| {
                out.push(1);
                put(form, from, of, &mut item, false, out)
            })?;
        }
        Form::Key { last: ends } => loop {
            if ends && input.is_empty() {
                break;
            }
            match KeyBuf::take_tag8(input)? {
                0 if !ends => break,
                1 => {
                    out.push(1);
                    put(Form::Key { last: false }, from, of, input, false, out)?;
                }
                other => return Err(DecodeError::byte("01 before an element or 00 at the end of a list", other)),
            }
        },
    }
    if !last {
        out.push(0);
    }
    Ok(())
}

fn put_array(
    form: Form,
    from: &ShapeDef,
    (of, len): (&ShapeDef, u64),
    input: &mut &[u8],
    last: bool,
    out: &mut KeyBuf,
) -> Result<(), DecodeError> {
    let ShapeDef::Array(from, from_len) = from else { return Err(mismatch()) };
    if *from_len != len {
        return Err(mismatch());
    }
    if form == Form::Row {
        let mut at = 0;
        return items(from, len, input, false, |mut item| {
            at += 1;
            put(form, from, of, &mut item, last && at == len, out)
        });
    }
    for at in 1..=len {
        let before = input.len();
        let ends = at == len;
        put(within(form, ends), from, of, input, last && ends, out)?;
        if input.len() == before {
            // Elements without content, of which there may be any number (I36); or a last one in its short form.
            break;
        }
    }
    Ok(())
}

/// The form of a part inside another one: only what ends the outer part may be short.
fn within(form: Form, ends: bool) -> Form {
    match form {
        Form::Key { last } => Form::Key { last: last && ends },
        Form::Row => Form::Row,
    }
}

/// Parts one after the other. `bytes` are those of each in a row.
fn put_group(
    form: Form,
    from: &[&ShapeDef],
    to: &[&ShapeDef],
    bytes: &[&[u8]],
    input: &mut &[u8],
    last: bool,
    out: &mut KeyBuf,
) -> Result<(), DecodeError> {
    if from.len() != to.len() {
        return Err(mismatch());
    }
    let count = to.len();
    for (at, (from, to)) in from.iter().zip(to).enumerate() {
        let ends = at + 1 == count;
        match form {
            Form::Row => {
                let mut field = bytes.get(at).copied().ok_or_else(mismatch)?;
                put(form, from, to, &mut field, last && ends, out)?;
            }
            Form::Key { .. } => put(within(form, ends), from, to, input, last && ends, out)?,
        }
    }
    Ok(())
}

fn put_fields(
    form: Form,
    from: &[FieldShape],
    to: &[FieldShape],
    input: &mut &[u8],
    last: bool,
    out: &mut KeyBuf,
) -> Result<(), DecodeError> {
    let from: Vec<&ShapeDef> = from.iter().map(|field| &field.shape).collect();
    let to: Vec<&ShapeDef> = to.iter().map(|field| &field.shape).collect();
    let bytes = bytes_of(form, &from, input)?;
    put_group(form, &from, &to, &bytes, input, last, out)
}

fn put_enum(
    form: Form,
    from: &ShapeDef,
    to: &ShapeDef,
    input: &mut &[u8],
    last: bool,
    out: &mut KeyBuf,
) -> Result<(), DecodeError> {
    let (ShapeDef::Enum(_, from_width, from), ShapeDef::Enum(_, width, to)) = (from, to) else {
        return Err(mismatch());
    };
    let tag = match (form, from_width) {
        (Form::Row, _) => varint::take(input)?,
        (_, 2) => u64::from(KeyBuf::take_tag16(input)?),
        _ => u64::from(KeyBuf::take_tag8(input)?),
    };
    let no_variant = || DecodeError::new(format!("{tag} is the tag of no variant"));
    let from = from.iter().find(|variant| u64::from(variant.tag) == tag).ok_or_else(no_variant)?;
    let to = to.iter().find(|variant| variant.name == from.name).ok_or_else(mismatch)?;
    match width {
        2 => out.tag16(u16::try_from(to.tag).map_err(|_| mismatch())?),
        _ => out.tag8(u8::try_from(to.tag).map_err(|_| mismatch())?),
    }
    put_fields(form, &from.fields, &to.fields, input, last, out)
}
