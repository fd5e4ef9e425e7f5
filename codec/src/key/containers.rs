//! Option, lists and arrays of other parts.

use super::KeyPart;
use crate::error::DecodeError;
use crate::key_buf::KeyBuf;
use crate::shape_def::ShapeDef;

impl<T: KeyPart> KeyPart for Option<T> {
    const FIXED: Option<usize> = match T::FIXED {
        Some(0) => Some(1),
        _ => None,
    };

    fn encode(&self, out: &mut KeyBuf) {
        out.push(u8::from(self.is_some()));
        if let Some(value) = self {
            value.encode(out);
        }
    }

    fn encode_last(&self, out: &mut KeyBuf) {
        out.push(u8::from(self.is_some()));
        if let Some(value) = self {
            value.encode_last(out);
        }
    }

    fn decode(input: &mut &[u8]) -> Result<Self, DecodeError> {
        flag(input)?.then(|| T::decode(input)).transpose()
    }

    fn decode_last(input: &mut &[u8]) -> Result<Self, DecodeError> {
        flag(input)?.then(|| T::decode_last(input)).transpose()
    }

    fn describe() -> ShapeDef {
        ShapeDef::Option(Box::new(T::describe()))
    }

    fn is_none(&self) -> bool {
        self.is_none()
    }

    fn skip(input: &mut &[u8]) -> Result<(), DecodeError> {
        if flag(input)? { T::skip(input) } else { Ok(()) }
    }

    fn peek_none(first: Option<u8>) -> bool {
        first == Some(0)
    }
}

fn flag(input: &mut &[u8]) -> Result<bool, DecodeError> {
    match KeyBuf::take_tag8(input)? {
        0 => Ok(false),
        1 => Ok(true),
        other => Err(DecodeError::byte("00 for None or 01 for Some", other)),
    }
}

impl<T: KeyPart> KeyPart for Vec<T> {
    const FIXED: Option<usize> = None;

    fn encode(&self, out: &mut KeyBuf) {
        T::encode_list(self, out, false);
    }

    fn encode_last(&self, out: &mut KeyBuf) {
        T::encode_list(self, out, true);
    }

    fn decode(input: &mut &[u8]) -> Result<Self, DecodeError> {
        T::decode_list(input, false)
    }

    fn decode_last(input: &mut &[u8]) -> Result<Self, DecodeError> {
        T::decode_list(input, true)
    }

    fn describe() -> ShapeDef {
        T::describe_list()
    }

    fn skip(input: &mut &[u8]) -> Result<(), DecodeError> {
        T::skip_list(input)
    }
}

impl<T: KeyPart, const N: usize> KeyPart for [T; N] {
    const FIXED: Option<usize> = match T::FIXED {
        Some(width) => Some(width * N),
        None if N == 0 => Some(0),
        None => None,
    };

    fn encode(&self, out: &mut KeyBuf) {
        self.iter().for_each(|item| item.encode(out));
    }

    fn encode_last(&self, out: &mut KeyBuf) {
        if let [items @ .., last] = &self[..] {
            items.iter().for_each(|item| item.encode(out));
            last.encode_last(out);
        }
    }

    fn decode(input: &mut &[u8]) -> Result<Self, DecodeError> {
        array(|_| T::decode(input))
    }

    fn decode_last(input: &mut &[u8]) -> Result<Self, DecodeError> {
        array(|at| if at + 1 == N { T::decode_last(input) } else { T::decode(input) })
    }

    fn describe() -> ShapeDef {
        ShapeDef::Array(Box::new(T::describe()), N as u64)
    }
}

/// An array from a fallible function of the place.
pub(crate) fn array<T, const N: usize>(
    mut make: impl FnMut(usize) -> Result<T, DecodeError>,
) -> Result<[T; N], DecodeError> {
    let items = (0..N).map(&mut make).collect::<Result<Vec<T>, _>>()?;
    items.try_into().map_err(|_| DecodeError::new("an array of the wrong length"))
}
