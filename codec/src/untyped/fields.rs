//! Cuts rows and values into fields.

use crate::error::DecodeError;
use crate::key::{Compact, Finite, Timestamp, Total};
use crate::key_buf::{take, take_array};
use crate::row::{Shape, decode_value};
use crate::shape_def::{FieldShape, ShapeDef};
use crate::varint;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

/// The schema version of a row, and the bytes of its fields.
///
/// # Errors
/// The format is unknown or the bytes end.
///
/// ```
/// use tamarack_codec::{RowWriter, ShapeDef, row_fields, split_row};
/// let mut row = Vec::new();
/// let mut writer = RowWriter::new(&mut row, 3);
/// writer.fixed_pass(&7_u16);
/// writer.variable_pass(&"tea".to_owned());
/// let (version, body) = split_row(&row)?;
/// assert_eq!(version, 3);
/// // Fields come out in the order of their shapes, not of their bytes.
/// assert_eq!(row_fields([&ShapeDef::Text, &ShapeDef::U16], body)?, [&b"tea"[..], &[7, 0]]);
/// # Ok::<(), tamarack_codec::DecodeError>(())
/// ```
pub fn split_row(mut row: &[u8]) -> Result<(u32, &[u8]), DecodeError> {
    let [format] = take_array(&mut row, "a row")?;
    if format != 1 {
        return Err(DecodeError::new(format!("rows of format {format} are unknown to this version")));
    }
    let version = varint::take(&mut row)?;
    let version = u32::try_from(version).map_err(|_| DecodeError::new(format!("{version} is no schema version")))?;
    Ok((version, row))
}

/// The bytes of each field of a row's body, in the order of the shapes.
///
/// # Errors
/// The bytes are no such row.
///
/// See [`split_row`] for an example.
pub fn row_fields<'s, 'a>(
    shapes: impl IntoIterator<Item = &'s ShapeDef>,
    mut body: &'a [u8],
) -> Result<Vec<&'a [u8]>, DecodeError> {
    let shapes: Vec<&ShapeDef> = shapes.into_iter().collect();
    let mut fields: Vec<&[u8]> = vec![&[]; shapes.len()];
    for (field, shape) in fields.iter_mut().zip(&shapes) {
        if let Some(width) = width(shape)? {
            *field = take(&mut body, width, "a field")?;
        }
    }
    for (field, shape) in fields.iter_mut().zip(&shapes) {
        if width(shape)?.is_none() {
            *field = take_sized(&mut body)?;
        }
    }
    if body.is_empty() {
        Ok(fields)
    } else {
        Err(DecodeError::new(format!("{} bytes remain behind the last field", body.len())))
    }
}

/// Takes a length and so many bytes.
pub(super) fn take_sized<'a>(input: &mut &'a [u8]) -> Result<&'a [u8], DecodeError> {
    let len = varint::take_len(input)?;
    take(input, len, "a field")
}

/// Bytes of a shape's values in a row when they are the same number for all: `Shape::FIXED` of its type.
pub(super) fn width(shape: &ShapeDef) -> Result<Option<usize>, DecodeError> {
    use ShapeDef as S;
    let too_large = || DecodeError::new("a descriptor of values that no memory holds");
    Ok(match shape {
        S::Bool | S::U8 | S::I8 => Some(1),
        S::U16 | S::I16 => Some(2),
        S::Char | S::U32 | S::I32 | S::F32 | S::Total32 | S::Finite32 | S::Ipv4 => Some(4),
        S::U64 | S::I64 | S::F64 | S::Total64 | S::Finite64 | S::Timestamp | S::Id | S::Size => Some(8),
        S::CompactU64 | S::CompactI64 => Some(8),
        S::Instant | S::Duration => Some(12),
        S::U128 | S::I128 | S::Ipv6 | S::Uuid => Some(16),
        S::Option(of) => width(of)?.map(|width| width.checked_add(1).ok_or_else(too_large)).transpose()?,
        S::Array(of, len) => match width(of)? {
            Some(width) => {
                let len = usize::try_from(*len).map_err(|_| too_large())?;
                Some(width.checked_mul(len).ok_or_else(too_large)?)
            }
            None if *len == 0 => Some(0),
            None => None,
        },
        S::Tuple(of) => {
            let mut sum = Some(0_usize);
            for part in of {
                sum = match (sum, width(part)?) {
                    (Some(sum), Some(width)) => Some(sum.checked_add(width).ok_or_else(too_large)?),
                    _ => None,
                };
            }
            sum
        }
        S::Desc(of) => width(of)?,
        _ => None,
    })
}

/// Calls `with` for the bytes of each of `count` elements of a container.
pub(super) fn items<'a>(
    shape: &ShapeDef,
    count: u64,
    input: &mut &'a [u8],
    in_list: bool,
    mut with: impl FnMut(&'a [u8]) -> Result<(), DecodeError>,
) -> Result<(), DecodeError> {
    let fixed = width(shape)?;
    if fixed == Some(0) && !in_list {
        // Elements without content: an array of them takes no bytes, and may claim any number (I36).
        return Ok(());
    }
    for _ in 0..count {
        let item: &[u8] = match fixed {
            Some(0) => match take_array(input, "an element")? {
                [0] => &[],
                [other] => return Err(DecodeError::byte("00 for an element without content", other)),
            },
            Some(width) => take(input, width, "an element")?,
            None => take_sized(input)?,
        };
        with(item)?;
    }
    Ok(())
}

/// Checks that bytes are a value of a shape, as a row or a plain table holds it.
///
/// # Errors
/// They are not. What only the type knows (a number that is never zero, the inside of a `bincode` field) is not looked at.
///
/// ```
/// use tamarack_codec::{Shape, ShapeDef, check_value};
/// let mut bytes = Vec::new();
/// vec!["tea".to_owned()].encode(&mut bytes);
/// let shape = Vec::<String>::describe();
/// assert!(check_value(&shape, &bytes).is_ok());
/// assert!(check_value(&shape, &bytes[1..]).is_err());
/// ```
pub fn check_value(shape: &ShapeDef, bytes: &[u8]) -> Result<(), DecodeError> {
    use ShapeDef as S;
    let whole =
        |rest: &[u8]| if rest.is_empty() { Ok(()) } else { Err(DecodeError::new("bytes remain behind a value")) };
    let mut rest = bytes;
    match shape {
        S::Option(of) => match take_array(&mut rest, "an option")? {
            [0] if width(of)?.unwrap_or(0) == rest.len() && rest.iter().all(|&byte| byte == 0) => Ok(()),
            [1] => check_value(of, rest),
            _ => Err(DecodeError::new("an option that is neither None nor Some")),
        },
        S::List(of) | S::Set(of) => {
            let count = varint::take_len(&mut rest)? as u64;
            items(of, count, &mut rest, true, |item| check_value(of, item))?;
            whole(rest)
        }
        S::Map(key, value) => {
            for _ in 0..varint::take_len(&mut rest)? {
                items(key, 1, &mut rest, true, |item| check_value(key, item))?;
                items(value, 1, &mut rest, true, |item| check_value(value, item))?;
            }
            whole(rest)
        }
        S::Array(of, len) => {
            items(of, *len, &mut rest, false, |item| check_value(of, item))?;
            whole(rest)
        }
        S::Desc(of) => check_value(of, bytes),
        S::Tuple(of) => {
            let fields = row_fields(of, bytes)?;
            of.iter().zip(fields).try_for_each(|(shape, field)| check_value(shape, field))
        }
        S::Struct(_, fields) => check_fields(fields, bytes),
        S::Enum(_, _, variants) => {
            let tag = varint::take(&mut rest)?;
            let variant = variants.iter().find(|variant| u64::from(variant.tag) == tag);
            let variant = variant.ok_or_else(|| DecodeError::new(format!("{tag} is the tag of no variant")))?;
            check_fields(&variant.fields, rest)
        }
        plain => check_plain(plain, bytes),
    }
}

fn check_fields(fields: &[FieldShape], bytes: &[u8]) -> Result<(), DecodeError> {
    let parts = row_fields(fields.iter().map(|field| &field.shape), bytes)?;
    fields.iter().zip(parts).try_for_each(|(field, part)| check_value(&field.shape, part))
}

fn check_plain(shape: &ShapeDef, bytes: &[u8]) -> Result<(), DecodeError> {
    use ShapeDef as S;
    fn read<T: Shape>(bytes: &[u8]) -> Result<(), DecodeError> {
        decode_value::<T>(bytes).map(|_| ())
    }
    match shape {
        S::Bool => read::<bool>(bytes),
        S::Char => read::<char>(bytes),
        S::U8 => read::<u8>(bytes),
        S::U16 => read::<u16>(bytes),
        S::U32 => read::<u32>(bytes),
        S::U64 | S::Id | S::Size => read::<u64>(bytes),
        S::U128 => read::<u128>(bytes),
        S::I8 => read::<i8>(bytes),
        S::I16 => read::<i16>(bytes),
        S::I32 => read::<i32>(bytes),
        S::I64 => read::<i64>(bytes),
        S::I128 => read::<i128>(bytes),
        S::F32 | S::Total32 => read::<Total<f32>>(bytes),
        S::F64 | S::Total64 => read::<Total<f64>>(bytes),
        S::Finite32 => read::<Finite<f32>>(bytes),
        S::Finite64 => read::<Finite<f64>>(bytes),
        S::CompactU64 => read::<Compact<u64>>(bytes),
        S::CompactI64 => read::<Compact<i64>>(bytes),
        S::Text => read::<String>(bytes),
        S::Ipv4 => read::<Ipv4Addr>(bytes),
        S::Ipv6 => read::<Ipv6Addr>(bytes),
        S::Ip => read::<IpAddr>(bytes),
        S::Uuid => read::<[u8; 16]>(bytes),
        S::Timestamp => read::<Timestamp>(bytes),
        // Seconds of an instant have a sign; both are twelve bytes with nanoseconds below a second behind.
        S::Instant | S::Duration => read::<Duration>(bytes),
        _ => Ok(()),
    }
}
