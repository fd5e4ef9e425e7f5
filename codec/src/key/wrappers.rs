//! Wrappers that choose an order or a size: `Desc`, `Total`, `Finite`, `Compact`. serde sees the value inside.

use super::KeyPart;
use crate::error::DecodeError;
use crate::key_buf::{KeyBuf, take, take_array};
use crate::shape_def::ShapeDef;
use std::cmp::{Ordering, Reverse};
use std::{error, fmt};

/// A part in descending order: the complement of its encoding.
///
/// In queries, bounds are given as plain values, smaller first: `.range(18..=65)`. Descending twice is ascending.
/// serde sees the plain value.
///
/// ```
/// use tamarack_codec::{Desc, KeyBuf, KeyPart};
/// let (mut one, mut two) = (KeyBuf::new(), KeyBuf::new());
/// Desc(1_u8).encode(&mut one);
/// Desc(2_u8).encode(&mut two);
/// assert!(two[..] < one[..]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Desc<T>(pub T);

impl<T: Ord> Ord for Desc<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        Reverse(&self.0).cmp(&Reverse(&other.0))
    }
}

impl<T: Ord> PartialOrd for Desc<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T: KeyPart> KeyPart for Desc<T> {
    const FIXED: Option<usize> = T::FIXED;
    const DESCENDING: bool = !T::DESCENDING;

    // Also at the end of a stored key: raw text would sort its own prefixes wrongly.
    fn encode(&self, out: &mut KeyBuf) {
        let start = out.len();
        self.0.encode(out);
        out.complement_from(start);
    }

    fn decode(input: &mut &[u8]) -> Result<Self, DecodeError> {
        // How much belongs to the part is known only after decoding it.
        let bytes = match T::FIXED {
            Some(width) => take(&mut &**input, width, "a descending part")?,
            None => input,
        };
        let mut plain = KeyBuf::from(bytes);
        plain.complement_from(0);
        let mut rest = plain.as_slice();
        let value = T::decode(&mut rest)?;
        let used = plain.len() - rest.len();
        take(input, used, "a descending part")?;
        Ok(Self(value))
    }

    fn describe() -> ShapeDef {
        ShapeDef::Desc(Box::new(T::describe()))
    }

    fn is_none(&self) -> bool {
        self.0.is_none()
    }

    fn peek_none(first: Option<u8>) -> bool {
        T::peek_none(first.map(|byte| !byte))
    }
}

/// A float in IEEE 754 total order: -NaN, -inf, .., -0, 0, .., inf, NaN. Every bit pattern is kept. serde sees the float.
///
/// ```
/// use tamarack_codec::Total;
/// assert!(Total(-0.0_f64) < Total(0.0) && Total(f64::INFINITY) < Total(f64::NAN));
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct Total<T>(pub T);

/// A float that is not NaN; -0 becomes 0. Its order is that of the numbers. With serde, too, NaN is refused when it is read.
///
/// ```
/// use tamarack_codec::Finite;
/// let north = Finite::new(59.91_f64).unwrap();
/// assert!(north < Finite::new(69.65).unwrap());
/// assert!(Finite::new(f64::NAN).is_err());
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct Finite<T>(T);

/// NaN was given to [`Finite`].
///
/// ```
/// assert_eq!(tamarack_codec::NotANumber.to_string(), "NaN has no place in the order of numbers");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotANumber;

impl fmt::Display for NotANumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NaN has no place in the order of numbers")
    }
}

impl error::Error for NotANumber {}

/// `f32` and `f64`.
#[doc(hidden)]
pub trait Float: Copy {
    /// The number with one zero; `None` for NaN.
    fn number(self) -> Option<Self>;
}

impl<T: Float> Finite<T> {
    /// Wraps a number.
    ///
    /// # Errors
    /// It is NaN.
    pub fn new(value: T) -> Result<Self, NotANumber> {
        value.number().map(Self).ok_or(NotANumber)
    }

    /// The number.
    #[must_use]
    pub fn get(self) -> T {
        self.0
    }
}

macro_rules! floats {
    ($($float:ty, $bits:ty, $width:literal, $total:ident, $finite:ident;)*) => {$(
        impl Total<$float> {
            fn ordered(self) -> $bits {
                const SIGN: $bits = 1 << (<$bits>::BITS - 1);
                let bits = self.0.to_bits();
                if bits & SIGN == 0 { bits | SIGN } else { !bits }
            }

            fn from_ordered(ordered: $bits) -> Self {
                const SIGN: $bits = 1 << (<$bits>::BITS - 1);
                Self(<$float>::from_bits(if ordered & SIGN == 0 { !ordered } else { ordered ^ SIGN }))
            }
        }

        impl PartialEq for Total<$float> {
            fn eq(&self, other: &Self) -> bool {
                self.cmp(other).is_eq()
            }
        }

        impl Eq for Total<$float> {}

        impl PartialOrd for Total<$float> {
            fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
                Some(self.cmp(other))
            }
        }

        impl Ord for Total<$float> {
            fn cmp(&self, other: &Self) -> Ordering {
                self.0.total_cmp(&other.0)
            }
        }

        impl KeyPart for Total<$float> {
            const FIXED: Option<usize> = Some($width);

            fn encode(&self, out: &mut KeyBuf) {
                out.extend_from_slice(&self.ordered().to_be_bytes());
            }

            fn decode(input: &mut &[u8]) -> Result<Self, DecodeError> {
                Ok(Self::from_ordered(<$bits>::from_be_bytes(take_array(input, stringify!($float))?)))
            }

            fn describe() -> ShapeDef {
                ShapeDef::$total
            }
        }

        impl Float for $float {
            // Adding 0 makes -0 to 0 and changes nothing else.
            fn number(self) -> Option<Self> {
                (!self.is_nan()).then_some(self + 0.0)
            }
        }

        impl TryFrom<$float> for Finite<$float> {
            type Error = NotANumber;

            fn try_from(value: $float) -> Result<Self, NotANumber> {
                Self::new(value)
            }
        }

        impl PartialEq for Finite<$float> {
            fn eq(&self, other: &Self) -> bool {
                self.cmp(other).is_eq()
            }
        }

        impl Eq for Finite<$float> {}

        impl PartialOrd for Finite<$float> {
            fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
                Some(self.cmp(other))
            }
        }

        impl Ord for Finite<$float> {
            fn cmp(&self, other: &Self) -> Ordering {
                self.0.total_cmp(&other.0)
            }
        }

        impl fmt::Display for Finite<$float> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl KeyPart for Finite<$float> {
            const FIXED: Option<usize> = Some($width);

            fn encode(&self, out: &mut KeyBuf) {
                Total(self.0).encode(out);
            }

            fn decode(input: &mut &[u8]) -> Result<Self, DecodeError> {
                let Total(value) = Total::<$float>::decode(input)?;
                if value.to_bits() == (-0.0 as $float).to_bits() {
                    return Err(DecodeError::new("expected a number, found -0, which is stored as 0"));
                }
                Self::new(value).map_err(|_| DecodeError::new("expected a number, found NaN"))
            }

            fn describe() -> ShapeDef {
                ShapeDef::$finite
            }
        }
    )*};
}

floats! {
    f32, u32, 4, Total32, Finite32;
    f64, u64, 8, Total64, Finite64;
}

/// A number that takes one byte while it is small, up to nine when it is not. For numbers in the middle of keys. serde sees the number.
///
/// ```
/// use tamarack_codec::{Compact, KeyBuf, KeyPart};
/// let mut key = KeyBuf::new();
/// Compact(247_u64).encode(&mut key);
/// Compact(248_u64).encode(&mut key);
/// assert_eq!(&key[..], [0xf7, 0xf8, 0xf8]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Compact<T>(pub T);

/// The largest number of one byte.
const ONE_BYTE: u8 = 0xF7;

/// `value` in as few bytes as hold it, at least one.
fn minimal(value: &[u8; 8], bytes: usize) -> &[u8] {
    value.get(8 - bytes..).unwrap_or_default()
}

/// Bytes that a number needs.
fn width(value: u64) -> u8 {
    (8 - value.leading_zeros() as u8 / 8).max(1)
}

fn widened(input: &mut &[u8], bytes: u8) -> Result<u64, DecodeError> {
    let tail = take(input, usize::from(bytes), "a compact number")?;
    Ok(tail.iter().fold(0, |value, &byte| value << 8 | u64::from(byte)))
}

fn not_minimal() -> DecodeError {
    DecodeError::new("a compact number in more bytes than it needs")
}

impl KeyPart for Compact<u64> {
    const FIXED: Option<usize> = None;

    fn encode(&self, out: &mut KeyBuf) {
        match u8::try_from(self.0) {
            Ok(byte @ 0..=ONE_BYTE) => out.push(byte),
            _ => {
                let bytes = width(self.0);
                out.push(ONE_BYTE + bytes);
                out.extend_from_slice(minimal(&self.0.to_be_bytes(), usize::from(bytes)));
            }
        }
    }

    fn decode(input: &mut &[u8]) -> Result<Self, DecodeError> {
        let [tag] = take_array(input, "a compact number")?;
        if tag <= ONE_BYTE {
            return Ok(Self(u64::from(tag)));
        }
        let bytes = tag - ONE_BYTE;
        let value = widened(input, bytes)?;
        if width(value) != bytes || value <= u64::from(ONE_BYTE) {
            return Err(not_minimal());
        }
        Ok(Self(value))
    }

    fn describe() -> ShapeDef {
        ShapeDef::CompactU64
    }
}

impl KeyPart for Compact<i64> {
    const FIXED: Option<usize> = None;

    fn encode(&self, out: &mut KeyBuf) {
        let bits = self.0.cast_unsigned();
        match self.0 {
            -120..=119 => out.push((bits as u8) ^ 0x80),
            120.. => {
                let bytes = width(bits);
                out.push(ONE_BYTE + bytes);
                out.extend_from_slice(minimal(&bits.to_be_bytes(), usize::from(bytes)));
            }
            _ => {
                // The smallest n with value >= -(256^n): !value < 256^n.
                let bytes = width(!bits);
                out.push(8 - bytes);
                out.extend_from_slice(minimal(&bits.to_be_bytes(), usize::from(bytes)));
            }
        }
    }

    fn decode(input: &mut &[u8]) -> Result<Self, DecodeError> {
        let [tag] = take_array(input, "a compact number")?;
        let (bytes, value) = match tag {
            0x08..=ONE_BYTE => return Ok(Self(i64::from((tag ^ 0x80).cast_signed()))),
            0xF8.. => {
                let bytes = tag - ONE_BYTE;
                (bytes, i64::try_from(widened(input, bytes)?).map_err(|_| not_minimal())?)
            }
            _ => {
                let bytes = 8 - tag;
                let missing = u64::MAX.checked_shl(u32::from(bytes) * 8).unwrap_or(0);
                let value = (widened(input, bytes)? | missing).cast_signed();
                if value >= 0 {
                    return Err(not_minimal());
                }
                (bytes, value)
            }
        };
        let magnitude = if value < 0 { !value.cast_unsigned() } else { value.cast_unsigned() };
        if (-120..=119).contains(&value) || width(magnitude) != bytes {
            return Err(not_minimal());
        }
        Ok(Self(value))
    }

    fn describe() -> ShapeDef {
        ShapeDef::CompactI64
    }
}
