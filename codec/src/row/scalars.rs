//! Fields of fixed width, text and bytes.

use super::Shape;
use crate::error::DecodeError;
use crate::key::{Compact, Desc, Finite, Id, KeyPart, Timestamp, Total};
use crate::key_buf::{KeyBuf, take_array};
use crate::shape_def::ShapeDef;
use std::mem;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::{Duration, SystemTime};

macro_rules! numbers {
    ($($type:ty, $shape:ident;)*) => {$(
        impl Shape for $type {
            const FIXED: Option<usize> = Some(size_of::<$type>());

            fn encode(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }

            fn decode(input: &mut &[u8]) -> Result<Self, DecodeError> {
                take_array(input, stringify!($type)).map(<$type>::from_le_bytes)
            }

            fn describe() -> ShapeDef {
                ShapeDef::$shape
            }
        }
    )*};
}

numbers! {
    u16, U16; u32, U32; u64, U64; u128, U128;
    i8, I8; i16, I16; i32, I32; i64, I64; i128, I128;
    f32, F32; f64, F64;
}

/// Types that lie in a row as another type does.
macro_rules! like {
    ($($type:ty as $other:ty, $shape:ident, |$value:ident| $to:expr, |$found:ident| $from:expr;)*) => {$(
        impl Shape for $type {
            const FIXED: Option<usize> = <$other as Shape>::FIXED;

            fn encode(&self, out: &mut Vec<u8>) {
                let $value = self;
                <$other as Shape>::encode(&$to, out);
            }

            fn decode(input: &mut &[u8]) -> Result<Self, DecodeError> {
                let $found = <$other as Shape>::decode(input)?;
                $from
            }

            fn describe() -> ShapeDef {
                ShapeDef::$shape
            }
        }
    )*};
}

macro_rules! nonzero {
    ($($type:ident as $other:ty, $shape:ident;)*) => {
        like! {$(
            std::num::$type as $other, $shape, |value| value.get(), |found| Self::new(found)
                .ok_or_else(|| DecodeError::new("expected a number that is not zero, found zero"));
        )*}
    };
}

nonzero! {
    NonZeroU8 as u8, U8; NonZeroU16 as u16, U16; NonZeroU32 as u32, U32; NonZeroU64 as u64, U64; NonZeroU128 as u128, U128;
    NonZeroI8 as i8, I8; NonZeroI16 as i16, I16; NonZeroI32 as i32, I32; NonZeroI64 as i64, I64; NonZeroI128 as i128, I128;
}

like! {
    usize as u64, Size, |value| *value as u64, |found| usize::try_from(found)
        .map_err(|_| DecodeError::new(format!("{found} is too large for the usize of this machine")));
    isize as i64, I64, |value| *value as i64, |found| isize::try_from(found)
        .map_err(|_| DecodeError::new(format!("{found} does not fit the isize of this machine")));
    Timestamp as i64, Timestamp, |value| value.as_micros(), |found| Ok(Self::from_micros(found));
    Total<f32> as f32, Total32, |value| value.0, |found| Ok(Self(found));
    Total<f64> as f64, Total64, |value| value.0, |found| Ok(Self(found));
    Compact<u64> as u64, U64, |value| value.0, |found| Ok(Self(found));
    Compact<i64> as i64, I64, |value| value.0, |found| Ok(Self(found));
}

/// Types whose key encoding has a fixed width and serves rows too.
macro_rules! like_key {
    ($($type:ty),*) => {$(
        impl Shape for $type {
            const FIXED: Option<usize> = <$type as KeyPart>::FIXED;

            fn encode(&self, out: &mut Vec<u8>) {
                let mut bytes = KeyBuf::new();
                KeyPart::encode(self, &mut bytes);
                out.extend_from_slice(&bytes);
            }

            fn decode(input: &mut &[u8]) -> Result<Self, DecodeError> {
                <$type as KeyPart>::decode(input)
            }

            fn describe() -> ShapeDef {
                <$type as KeyPart>::describe()
            }
        }
    )*};
}

like_key!(bool, Ipv4Addr, Ipv6Addr, IpAddr);

macro_rules! finite {
    ($($float:ty, $shape:ident;)*) => {
        like! {$(
            Finite<$float> as $float, $shape, |value| value.get(), |found| match Self::new(found) {
                Ok(value) if value.get().to_bits() == found.to_bits() => Ok(value),
                _ => Err(DecodeError::new(format!("expected a number that is neither NaN nor -0, found {found}"))),
            };
        )*}
    };
}

finite! { f32, Finite32; f64, Finite64; }

impl<R> Shape for Id<R> {
    const FIXED: Option<usize> = Some(8);

    fn encode(&self, out: &mut Vec<u8>) {
        self.get().to_le_bytes().iter().for_each(|&byte| out.push(byte));
    }

    fn decode(input: &mut &[u8]) -> Result<Self, DecodeError> {
        <u64 as Shape>::decode(input).map(Self::new)
    }

    fn describe() -> ShapeDef {
        ShapeDef::Id
    }
}

impl<T: Shape> Shape for Desc<T> {
    const FIXED: Option<usize> = T::FIXED;

    fn encode(&self, out: &mut Vec<u8>) {
        self.0.encode(out);
    }

    fn decode(input: &mut &[u8]) -> Result<Self, DecodeError> {
        T::decode(input).map(Self)
    }

    fn describe() -> ShapeDef {
        T::describe()
    }
}

impl Shape for u8 {
    const FIXED: Option<usize> = Some(1);

    fn encode(&self, out: &mut Vec<u8>) {
        out.push(*self);
    }

    fn decode(input: &mut &[u8]) -> Result<Self, DecodeError> {
        take_array::<1>(input, "u8").map(|[byte]| byte)
    }

    fn describe() -> ShapeDef {
        ShapeDef::U8
    }

    fn encode_list(items: &[Self], out: &mut Vec<u8>) {
        out.extend_from_slice(items);
    }

    fn decode_list(input: &mut &[u8]) -> Result<Vec<Self>, DecodeError> {
        Ok(mem::take(input).to_vec())
    }

    fn describe_list() -> ShapeDef {
        ShapeDef::Bytes
    }
}

impl Shape for char {
    const FIXED: Option<usize> = Some(4);

    fn encode(&self, out: &mut Vec<u8>) {
        Shape::encode(&u32::from(*self), out);
    }

    fn decode(input: &mut &[u8]) -> Result<Self, DecodeError> {
        let value = <u32 as Shape>::decode(input)?;
        Self::from_u32(value).ok_or_else(|| DecodeError::new(format!("{value:#x} is no Unicode character")))
    }

    fn describe() -> ShapeDef {
        ShapeDef::Char
    }
}

fn text<'a>(input: &mut &'a [u8]) -> Result<&'a str, DecodeError> {
    str::from_utf8(mem::take(input)).map_err(|error| DecodeError::new(format!("text that is not UTF-8: {error}")))
}

impl Shape for String {
    const FIXED: Option<usize> = None;

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.as_bytes());
    }

    fn decode(input: &mut &[u8]) -> Result<Self, DecodeError> {
        text(input).map(str::to_owned)
    }

    fn describe() -> ShapeDef {
        ShapeDef::Text
    }
}

impl Shape for Box<str> {
    const FIXED: Option<usize> = None;

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.as_bytes());
    }

    fn decode(input: &mut &[u8]) -> Result<Self, DecodeError> {
        text(input).map(Self::from)
    }

    fn describe() -> ShapeDef {
        ShapeDef::Text
    }
}

/// Seconds and nanoseconds, twelve bytes.
fn span(input: &mut &[u8]) -> Result<([u8; 8], u32), DecodeError> {
    let seconds = take_array(input, "seconds")?;
    match <u32 as Shape>::decode(input)? {
        nanos @ 0..1_000_000_000 => Ok((seconds, nanos)),
        nanos => Err(DecodeError::new(format!("expected nanoseconds below a second, found {nanos}"))),
    }
}

impl Shape for Duration {
    const FIXED: Option<usize> = Some(12);

    fn encode(&self, out: &mut Vec<u8>) {
        Shape::encode(&self.as_secs(), out);
        Shape::encode(&self.subsec_nanos(), out);
    }

    fn decode(input: &mut &[u8]) -> Result<Self, DecodeError> {
        span(input).map(|(seconds, nanos)| Self::new(u64::from_le_bytes(seconds), nanos))
    }

    fn describe() -> ShapeDef {
        ShapeDef::Duration
    }
}

/// Appends an instant: seconds since 1970, rounded down, and nanoseconds.
pub(super) fn encode_instant(seconds: i64, nanos: u32, out: &mut Vec<u8>) {
    Shape::encode(&seconds, out);
    Shape::encode(&nanos, out);
}

/// Takes an instant off the front.
pub(super) fn decode_instant(input: &mut &[u8]) -> Result<(i64, u32), DecodeError> {
    span(input).map(|(seconds, nanos)| (i64::from_le_bytes(seconds), nanos))
}

impl Shape for SystemTime {
    const FIXED: Option<usize> = Some(12);

    fn encode(&self, out: &mut Vec<u8>) {
        let (seconds, nanos) = crate::key::instant_of(*self);
        encode_instant(seconds, nanos, out);
    }

    fn decode(input: &mut &[u8]) -> Result<Self, DecodeError> {
        let (seconds, nanos) = decode_instant(input)?;
        crate::key::system_time(seconds, nanos)
    }

    fn describe() -> ShapeDef {
        ShapeDef::Instant
    }
}
