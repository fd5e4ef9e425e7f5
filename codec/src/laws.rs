//! A test macro for the laws that every key part keeps.

use crate::key::KeyPart;
use crate::key_buf::KeyBuf;
use std::fmt::Debug;

/// Checks one pair of values against the laws of KC1. [`key_laws!`](crate::key_laws) calls it for all pairs.
///
/// # Panics
/// A law does not hold; the message says which, for which values. This is a tool for tests.
///
/// ```
/// tamarack_codec::check_key_laws(&7_u32, &8_u32);
/// ```
#[expect(clippy::panic, reason = "it is a test's assertion")]
pub fn check_key_laws<K: KeyPart + Ord + Debug>(a: &K, b: &K) {
    let encoded = |part: &K, last: bool| {
        let mut out = KeyBuf::new();
        if last {
            part.encode_last(&mut out)
        } else {
            part.encode(&mut out)
        }
        out
    };
    let (short, long) = (encoded(a, false), encoded(b, false));
    if short[..].cmp(&long[..]) != a.cmp(b) {
        panic!("order: {a:?} against {b:?} is {:?}, their keys {short:?} and {long:?} are not", a.cmp(b));
    }
    if short != long && long.starts_with(&short) {
        panic!("prefix: the key {short:?} of {a:?} begins the key {long:?} of {b:?}");
    }
    let (last_a, last_b) = (encoded(a, true), encoded(b, true));
    if last_a[..].cmp(&last_b[..]) != a.cmp(b) {
        panic!("order at the end of a key: {a:?} against {b:?}, keys {last_a:?} and {last_b:?}");
    }
    for (last, key) in [(false, &short), (true, &last_a)] {
        let mut input = key.as_slice();
        let back = if last { K::decode_last(&mut input) } else { K::decode(&mut input) };
        match back {
            Ok(back) if back == *a && input.is_empty() => {}
            other => panic!("round trip: {a:?} gave the key {key:?}, which decodes to {other:?} with {input:?} left"),
        }
        if K::FIXED.is_some_and(|width| width != key.len()) {
            panic!("width: the key {key:?} of {a:?} has not the {:?} bytes of FIXED", K::FIXED);
        }
    }
}

/// Tests that a key part of your own keeps the laws: order, prefix-freedom, round trip, width. Give values that cover its corners; all
/// pairs are checked.
///
/// ```
/// use tamarack_codec::key_laws;
/// key_laws!(laws_of_my_part: (u16, String) = [(0, String::new()), (0, "a\0".into()), (1, "é".into())]);
/// ```
#[macro_export]
macro_rules! key_laws {
    ($name:ident: $part:ty = $values:expr) => {
        #[test]
        fn $name() {
            let values: ::std::vec::Vec<$part> = ::std::iter::IntoIterator::into_iter($values).collect();
            for a in &values {
                for b in &values {
                    $crate::check_key_laws(a, b);
                }
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::DecodeError;
    use crate::key_buf::take;
    use crate::shape_def::ShapeDef;

    /// One byte, but for what is wrong with it.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
    struct Wrong<const HOW: u8>(u8);

    const NOTHING: u8 = 0;
    const ORDER: u8 = 1;
    const PREFIX: u8 = 2;
    const ORDER_AT_END: u8 = 3;
    const OTHER_VALUE: u8 = 4;
    const REST: u8 = 5;
    const FAILS: u8 = 6;
    const WIDTH: u8 = 7;

    impl<const HOW: u8> KeyPart for Wrong<HOW> {
        const FIXED: Option<usize> = match HOW {
            PREFIX => None,
            WIDTH => Some(2),
            _ => Some(1),
        };

        fn encode(&self, out: &mut KeyBuf) {
            match HOW {
                ORDER => out.push(!self.0),
                PREFIX => (0..self.0).for_each(|_| out.push(7)),
                _ => out.push(self.0),
            }
        }

        fn encode_last(&self, out: &mut KeyBuf) {
            if HOW == ORDER_AT_END { out.push(!self.0) } else { self.encode(out) }
        }

        fn decode(input: &mut &[u8]) -> Result<Self, DecodeError> {
            match HOW {
                OTHER_VALUE => take(input, 1, "a byte").map(|_| Self(77)),
                REST => Ok(Self(input[0])),
                FAILS => Err(DecodeError::new("no")),
                PREFIX => Ok(Self(std::mem::take(input).len() as u8)),
                _ => take(input, 1, "a byte").map(|bytes| Self(bytes[0])),
            }
        }

        fn decode_last(input: &mut &[u8]) -> Result<Self, DecodeError> {
            let Self(byte) = Self::decode(input)?;
            Ok(Self(if HOW == ORDER_AT_END { !byte } else { byte }))
        }

        fn describe() -> ShapeDef {
            ShapeDef::U8
        }
    }

    #[test]
    fn every_broken_law_is_found() {
        fn found<const HOW: u8>() -> Option<String> {
            let found = std::panic::catch_unwind(|| check_key_laws(&Wrong::<HOW>(1), &Wrong::<HOW>(2)));
            found.err().map(|panic| panic.downcast_ref::<String>().unwrap().split(':').next().unwrap().to_owned())
        }
        assert_eq!(found::<NOTHING>(), None);
        assert_eq!(found::<ORDER>().as_deref(), Some("order"));
        assert_eq!(found::<PREFIX>().as_deref(), Some("prefix"));
        assert_eq!(found::<ORDER_AT_END>().as_deref(), Some("order at the end of a key"));
        for trip in [found::<OTHER_VALUE>(), found::<REST>(), found::<FAILS>()] {
            assert_eq!(trip.as_deref(), Some("round trip"));
        }
        assert_eq!(found::<WIDTH>().as_deref(), Some("width"));
    }
}
