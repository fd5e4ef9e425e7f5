//! Numbers, bool, char, unit: fixed width, big-endian, the sign bit flipped.

use super::KeyPart;
use super::bytes;
use crate::error::DecodeError;
use crate::key_buf::{KeyBuf, take_array};
use crate::shape_def::ShapeDef;
use std::num::{
    NonZeroI8, NonZeroI16, NonZeroI32, NonZeroI64, NonZeroI128, NonZeroU8, NonZeroU16, NonZeroU32, NonZeroU64,
    NonZeroU128,
};

macro_rules! integers {
    ($($type:ty as $unsigned:ty, $flip:expr, $shape:ident, $nonzero:ty;)*) => {$(
        impl KeyPart for $type {
            const FIXED: Option<usize> = Some(size_of::<$type>());

            fn encode(&self, out: &mut KeyBuf) {
                out.extend_from_slice(&(self.cast() ^ $flip).to_be_bytes());
            }

            fn decode(input: &mut &[u8]) -> Result<Self, DecodeError> {
                let bits = <$unsigned>::from_be_bytes(take_array(input, stringify!($type))?) ^ $flip;
                Ok(Cast::uncast(bits))
            }

            fn describe() -> ShapeDef {
                ShapeDef::$shape
            }
        }

        impl Cast<$unsigned> for $type {
            fn cast(&self) -> $unsigned {
                <$unsigned>::from_ne_bytes(self.to_ne_bytes())
            }

            fn uncast(bits: $unsigned) -> Self {
                Self::from_ne_bytes(bits.to_ne_bytes())
            }
        }

        impl KeyPart for $nonzero {
            const FIXED: Option<usize> = Some(size_of::<$type>());

            fn encode(&self, out: &mut KeyBuf) {
                self.get().encode(out);
            }

            fn decode(input: &mut &[u8]) -> Result<Self, DecodeError> {
                Self::new(<$type>::decode(input)?)
                    .ok_or_else(|| DecodeError::new("expected a number that is not zero, found zero"))
            }

            fn describe() -> ShapeDef {
                ShapeDef::$shape
            }
        }
    )*};
}

/// The same bits as an unsigned number.
trait Cast<U> {
    fn cast(&self) -> U;
    fn uncast(bits: U) -> Self;
}

integers! {
    u16 as u16, 0, U16, NonZeroU16;
    u32 as u32, 0, U32, NonZeroU32;
    u64 as u64, 0, U64, NonZeroU64;
    u128 as u128, 0, U128, NonZeroU128;
    i8 as u8, 1 << 7, I8, NonZeroI8;
    i16 as u16, 1 << 15, I16, NonZeroI16;
    i32 as u32, 1 << 31, I32, NonZeroI32;
    i64 as u64, 1 << 63, I64, NonZeroI64;
    i128 as u128, 1 << 127, I128, NonZeroI128;
}

impl KeyPart for u8 {
    const FIXED: Option<usize> = Some(1);

    fn encode(&self, out: &mut KeyBuf) {
        out.push(*self);
    }

    fn decode(input: &mut &[u8]) -> Result<Self, DecodeError> {
        take_array::<1>(input, "u8").map(|[byte]| byte)
    }

    fn describe() -> ShapeDef {
        ShapeDef::U8
    }

    fn encode_list(items: &[Self], out: &mut KeyBuf, last: bool) {
        bytes::encode(items, out, last);
    }

    fn decode_list(input: &mut &[u8], last: bool) -> Result<Vec<Self>, DecodeError> {
        bytes::decode(input, last)
    }

    fn skip_list(input: &mut &[u8]) -> Result<(), DecodeError> {
        bytes::skip(input)
    }

    fn describe_list() -> ShapeDef {
        ShapeDef::Bytes
    }
}

impl KeyPart for NonZeroU8 {
    const FIXED: Option<usize> = Some(1);

    fn encode(&self, out: &mut KeyBuf) {
        out.push(self.get());
    }

    fn decode(input: &mut &[u8]) -> Result<Self, DecodeError> {
        Self::new(u8::decode(input)?).ok_or_else(|| DecodeError::new("expected a number that is not zero, found zero"))
    }

    fn describe() -> ShapeDef {
        ShapeDef::U8
    }
}

impl KeyPart for bool {
    const FIXED: Option<usize> = Some(1);

    fn encode(&self, out: &mut KeyBuf) {
        out.push(u8::from(*self));
    }

    fn decode(input: &mut &[u8]) -> Result<Self, DecodeError> {
        match take_array(input, "bool")? {
            [0] => Ok(false),
            [1] => Ok(true),
            [other] => Err(DecodeError::byte("a bool (00 or 01)", other)),
        }
    }

    fn describe() -> ShapeDef {
        ShapeDef::Bool
    }
}

impl KeyPart for char {
    const FIXED: Option<usize> = Some(3);

    fn encode(&self, out: &mut KeyBuf) {
        let [_, a, b, c] = u32::from(*self).to_be_bytes();
        out.extend_from_slice(&[a, b, c]);
    }

    fn decode(input: &mut &[u8]) -> Result<Self, DecodeError> {
        let [a, b, c] = take_array(input, "char")?;
        let value = u32::from_be_bytes([0, a, b, c]);
        Self::from_u32(value).ok_or_else(|| DecodeError::new(format!("{value:#x} is no Unicode character")))
    }

    fn describe() -> ShapeDef {
        ShapeDef::Char
    }
}

impl KeyPart for () {
    const FIXED: Option<usize> = Some(0);

    fn encode(&self, _: &mut KeyBuf) {}

    fn decode(_: &mut &[u8]) -> Result<Self, DecodeError> {
        Ok(())
    }

    fn describe() -> ShapeDef {
        ShapeDef::Tuple(Vec::new())
    }
}
