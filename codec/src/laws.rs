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
