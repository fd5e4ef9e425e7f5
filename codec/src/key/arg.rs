//! What a query takes for a key part: the part's type, references to it, and the borrowed forms of text and bytes; where the part is
//! optional, the same without `Some`.
//!
//! Implemented type by type and never for all at once, so that integer literals take the part's type: `at(18)`, `range(18..=65)`.

use super::{Compact, Desc, Finite, KeyPart, Timestamp, Total, bytes};
use crate::key_buf::KeyBuf;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::{Duration, SystemTime};

/// A value that a query accepts where the key part `K` stands: the part or a reference to it; `&str` for text, `&[u8]` for bytes.
///
/// ```
/// use tamarack_codec::{KeyArg, KeyBuf};
/// let mut key = KeyBuf::new();
/// KeyArg::<String>::encode_arg(&"abc", &mut key);
/// assert_eq!(&key[..], b"abc\0");
/// ```
///
/// Where a part is optional, texts, bytes, numbers and the like need no `Some`:
///
/// ```
/// # use tamarack_codec::{KeyArg, KeyBuf};
/// fn encoded(arg: impl KeyArg<Option<String>>) -> KeyBuf {
///     let mut key = KeyBuf::new();
///     arg.encode_arg(&mut key);
///     key
/// }
/// let name = String::from("abc");
/// assert_eq!(encoded(&name), encoded("abc"));
/// assert_eq!(encoded(name.clone()), encoded(Some(name)));
/// assert_ne!(encoded(None), encoded(""));
/// ```
///
/// An `Option<&str>` does not fit: with two kinds of `None`, every `at(None)` would have to say which. Take it apart, and call `at` in both
/// arms of the `match`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not fit here: the next key component is `{K}`",
    label = "expected `{K}`"
)]
pub trait KeyArg<K> {
    /// Appends the encoding that [`KeyPart::encode`] of the part gives.
    fn encode_arg(&self, out: &mut KeyBuf);

    /// Appends the encoding that [`KeyPart::encode_last`] of the part gives.
    fn encode_arg_last(&self, out: &mut KeyBuf);

    /// Whether this is `None`.
    fn is_none_arg(&self) -> bool {
        false
    }
}

/// The next key component where all are given.
///
/// ```
/// let _ = tamarack_codec::NoMoreComponents;
/// ```
#[derive(Debug, Clone, Copy)]
pub struct NoMoreComponents;

/// A text or byte prefix that `starts_with` accepts where the key part `K` stands.
///
/// ```
/// use tamarack_codec::{KeyBuf, PrefixArg};
/// let mut key = KeyBuf::new();
/// PrefixArg::<String>::encode_prefix(&"ab", &mut key, false);
/// assert_eq!(&key[..], b"ab");
/// ```
#[diagnostic::on_unimplemented(
    message = "`starts_with` needs a text or byte component, and the next one is `{K}`",
    label = "`{Self}` is no prefix of `{K}`"
)]
pub trait PrefixArg<K> {
    /// Appends the bytes with which all encodings of values with this prefix begin; `last` as in [`KeyPart::encode_last`].
    fn encode_prefix(&self, out: &mut KeyBuf, last: bool);
}

/// Implements [`KeyArg`] for a key part of one's own: for itself and a reference to it, also where the component is optional.
#[doc(hidden)]
#[macro_export]
macro_rules! key_args {
    (#$optional_reference:tt $($part:ty),* $(,)?) => {$(
        impl $crate::KeyArg<$part> for $part {
            fn encode_arg(&self, __out: &mut $crate::KeyBuf) {
                <$part as $crate::KeyPart>::encode(self, __out);
            }

            fn encode_arg_last(&self, __out: &mut $crate::KeyBuf) {
                <$part as $crate::KeyPart>::encode_last(self, __out);
            }
        }

        impl $crate::KeyArg<$part> for &$part {
            fn encode_arg(&self, __out: &mut $crate::KeyBuf) {
                <$part as $crate::KeyPart>::encode(self, __out);
            }

            fn encode_arg_last(&self, __out: &mut $crate::KeyBuf) {
                <$part as $crate::KeyPart>::encode_last(self, __out);
            }
        }

        impl $crate::KeyArg<::core::option::Option<$part>> for $part {
            fn encode_arg(&self, __out: &mut $crate::KeyBuf) {
                __out.push(1);
                <$part as $crate::KeyPart>::encode(self, __out);
            }

            fn encode_arg_last(&self, __out: &mut $crate::KeyBuf) {
                __out.push(1);
                <$part as $crate::KeyPart>::encode_last(self, __out);
            }
        }

        #$optional_reference
        impl $crate::KeyArg<::core::option::Option<$part>> for &$part {
            fn encode_arg(&self, __out: &mut $crate::KeyBuf) {
                __out.push(1);
                <$part as $crate::KeyPart>::encode(self, __out);
            }

            fn encode_arg_last(&self, __out: &mut $crate::KeyBuf) {
                __out.push(1);
                <$part as $crate::KeyPart>::encode_last(self, __out);
            }
        }
    )*};

    ($($part:ty),* $(,)?) => {
        $crate::key_args!(#[automatically_derived] $($part),*);
    };
}

// Errors list what fits elsewhere, and say enough without references to what is optional. Code of others does without the attribute:
// its name can mean something else there.
key_args!(
    #[diagnostic::do_not_recommend]
    u8,
    u16,
    u32,
    u64,
    u128,
    i8,
    i16,
    i32,
    i64,
    i128,
    bool,
    char,
    (),
    String,
    Box<str>,
    Timestamp,
    SystemTime,
    Duration,
    Ipv4Addr,
    Ipv6Addr,
    IpAddr,
    Total<f32>,
    Total<f64>,
    Finite<f32>,
    Finite<f64>,
    Compact<u64>,
    Compact<i64>,
    std::num::NonZeroU8,
    std::num::NonZeroU16,
    std::num::NonZeroU32,
    std::num::NonZeroU64,
    std::num::NonZeroU128,
    std::num::NonZeroI8,
    std::num::NonZeroI16,
    std::num::NonZeroI32,
    std::num::NonZeroI64,
    std::num::NonZeroI128,
);

/// What stands for text or bytes: the plain component and the optional one.
macro_rules! borrowed {
    ($($({$param:ident})? $arg:ty => $part:ty;)*) => {$(
        impl $(<const $param: usize>)? KeyArg<$part> for $arg {
            fn encode_arg(&self, out: &mut KeyBuf) {
                bytes::encode(AsRef::<[u8]>::as_ref(self), out, false);
            }

            fn encode_arg_last(&self, out: &mut KeyBuf) {
                bytes::encode(AsRef::<[u8]>::as_ref(self), out, true);
            }
        }

        impl $(<const $param: usize>)? KeyArg<Option<$part>> for $arg {
            fn encode_arg(&self, out: &mut KeyBuf) {
                out.push(1);
                bytes::encode(AsRef::<[u8]>::as_ref(self), out, false);
            }

            fn encode_arg_last(&self, out: &mut KeyBuf) {
                out.push(1);
                bytes::encode(AsRef::<[u8]>::as_ref(self), out, true);
            }
        }
    )*};
}

borrowed! {
    &str => String;
    &&str => String;
    &str => Box<str>;
    &&str => Box<str>;
    &[u8] => Vec<u8>;
    &&[u8] => Vec<u8>;
    {N} &[u8; N] => Vec<u8>;
}

/// What `starts_with` takes.
macro_rules! prefixes {
    ($($({$param:ident})? $arg:ty => $part:ty;)*) => {$(
        impl $(<const $param: usize>)? PrefixArg<$part> for $arg {
            fn encode_prefix(&self, out: &mut KeyBuf, last: bool) {
                encode_prefix(AsRef::<[u8]>::as_ref(self), out, last);
            }
        }

        impl $(<const $param: usize>)? PrefixArg<Option<$part>> for $arg {
            fn encode_prefix(&self, out: &mut KeyBuf, last: bool) {
                out.push(1);
                encode_prefix(AsRef::<[u8]>::as_ref(self), out, last);
            }
        }
    )*};
}

/// Escaping is byte by byte, so a prefix of the text is a prefix of its encoding.
pub(crate) fn encode_prefix(prefix: &[u8], out: &mut KeyBuf, last: bool) {
    if last {
        out.extend_from_slice(prefix);
    } else {
        bytes::escape(prefix, out);
    }
}

prefixes! {
    &str => String;
    String => String;
    &String => String;
    &str => Box<str>;
    &[u8] => Vec<u8>;
    Vec<u8> => Vec<u8>;
    &Vec<u8> => Vec<u8>;
    {N} &[u8; N] => Vec<u8>;
}

impl<K, P: PrefixArg<K>> PrefixArg<Desc<K>> for P {
    fn encode_prefix(&self, out: &mut KeyBuf, _: bool) {
        let start = out.len();
        PrefixArg::<K>::encode_prefix(self, out, false);
        out.complement_from(start);
    }
}

impl<K, A: KeyArg<K>> KeyArg<Desc<K>> for A {
    fn encode_arg(&self, out: &mut KeyBuf) {
        let start = out.len();
        KeyArg::<K>::encode_arg(self, out);
        out.complement_from(start);
    }

    fn encode_arg_last(&self, out: &mut KeyBuf) {
        KeyArg::<Desc<K>>::encode_arg(self, out);
    }

    fn is_none_arg(&self) -> bool {
        KeyArg::<K>::is_none_arg(self)
    }
}

/// A container of parts stands for itself, owned or by reference.
macro_rules! itself {
    ($(<$($param:ident),+; $($len:ident)?> $part:ty;)*) => {$(
        impl<$($param: KeyPart,)+ $(const $len: usize)?> KeyArg<$part> for $part {
            fn encode_arg(&self, out: &mut KeyBuf) {
                self.encode(out);
            }

            fn encode_arg_last(&self, out: &mut KeyBuf) {
                self.encode_last(out);
            }

            fn is_none_arg(&self) -> bool {
                KeyPart::is_none(self)
            }
        }

        impl<$($param: KeyPart,)+ $(const $len: usize)?> KeyArg<$part> for &$part {
            fn encode_arg(&self, out: &mut KeyBuf) {
                (*self).encode(out);
            }

            fn encode_arg_last(&self, out: &mut KeyBuf) {
                (*self).encode_last(out);
            }

            fn is_none_arg(&self) -> bool {
                KeyPart::is_none(*self)
            }
        }
    )*};
}

itself! {
    <T;> Option<T>;
    <T;> Vec<T>;
    <T; N> [T; N];
}

/// Where the component is optional, owned or by reference. Not for `Option` itself: `None` would have two meanings.
macro_rules! optional {
    ($(<$($len:ident)?> $part:ty, $arg:ty;)*) => {$(
        impl<T: KeyPart, $(const $len: usize)?> KeyArg<Option<$part>> for $arg {
            fn encode_arg(&self, out: &mut KeyBuf) {
                out.push(1);
                <$part>::encode(self, out);
            }

            fn encode_arg_last(&self, out: &mut KeyBuf) {
                out.push(1);
                <$part>::encode_last(self, out);
            }
        }
    )*};
}

optional! {
    <> Vec<T>, Vec<T>;
    <> Vec<T>, &Vec<T>;
    <N> [T; N], [T; N];
    <N> [T; N], &[T; N];
}
