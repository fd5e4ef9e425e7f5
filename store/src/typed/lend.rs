//! Values given and lent without copies.

use crate::engine::Value;
use std::fmt;
use std::ops::Deref;
use tamarack_codec::{DecodeError, KeyPart, Shape};

/// A value that can be stored where the type `V` stands: `V` itself, `&V`, and borrowed text and bytes.
///
/// ```
/// use tamarack::{Database, TableDef};
/// const NAMES: TableDef<u32, String> = TableDef::new("names");
/// # fn main() -> tamarack::Result<()> {
/// # let db = Database::<()>::in_memory()?;
/// db.write(|tx| {
///     let mut names = tx.open_table(&NAMES)?;
///     names.insert(1, "one")?;
///     names.insert(2, String::from("two"))
/// })?;
/// # Ok(()) }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a value of this table: it holds `{V}`",
    label = "expected `{V}`"
)]
pub trait ValueArg<V> {
    /// Appends the stored form.
    #[doc(hidden)]
    fn encode_value(&self, out: &mut Vec<u8>);

    /// The stored form where it lies in memory already.
    #[doc(hidden)]
    fn as_stored(&self) -> Option<&[u8]> {
        None
    }
}

impl<V: Shape> ValueArg<V> for V {
    fn encode_value(&self, out: &mut Vec<u8>) {
        self.encode(out);
    }
}

impl<V: Shape> ValueArg<V> for &V {
    fn encode_value(&self, out: &mut Vec<u8>) {
        (*self).encode(out);
    }
}

macro_rules! stored {
    ($($arg:ty => $value:ty;)*) => {$(
        impl ValueArg<$value> for $arg {
            fn encode_value(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(AsRef::<[u8]>::as_ref(self));
            }

            fn as_stored(&self) -> Option<&[u8]> {
                Some(AsRef::<[u8]>::as_ref(self))
            }
        }
    )*};
}

stored! {
    &str => String;
    &[u8] => Vec<u8>;
}

impl<const N: usize> ValueArg<Vec<u8>> for &[u8; N] {
    fn encode_value(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(*self);
    }

    fn as_stored(&self) -> Option<&[u8]> {
        Some(*self)
    }
}

/// Types whose stored form can be lent: bytes and text. As values, and as keys or last parts of keys.
///
/// ```
/// use tamarack::{Database, TableDef};
/// const NAMES: TableDef<u32, String> = TableDef::new("names");
/// # fn main() -> tamarack::Result<()> {
/// # let db = Database::<()>::in_memory()?;
/// # db.write(|tx| tx.open_table(&NAMES)?.insert(1, "one"))?;
/// let length = db.read(|tx| tx.open_table(&NAMES)?.get_with(1, str::len))?;
/// assert_eq!(length, Some(3));
/// # Ok(()) }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not lent as a slice",
    label = "neither text nor bytes",
    note = "`String` and `Vec<u8>` are; other types come out owned, by `get` and `iter`"
)]
pub trait Lend: KeyPart + Shape {
    /// What is lent.
    type Slice: ?Sized;

    /// The stored bytes as the slice.
    #[doc(hidden)]
    fn lend(stored: &[u8]) -> Result<&Self::Slice, DecodeError>;
}

impl Lend for Vec<u8> {
    type Slice = [u8];

    fn lend(stored: &[u8]) -> Result<&[u8], DecodeError> {
        Ok(stored)
    }
}

impl Lend for String {
    type Slice = str;

    fn lend(stored: &[u8]) -> Result<&str, DecodeError> {
        str::from_utf8(stored).map_err(|error| DecodeError::new(format!("text that is not UTF-8: {error}")))
    }
}

/// The bytes of a value, where they lie. Derefs to `[u8]`; keeps the page in memory until it is dropped.
///
/// ```
/// use tamarack::{Database, TableDef};
/// const BLOBS: TableDef<u32, Vec<u8>> = TableDef::new("blobs");
/// # fn main() -> tamarack::Result<()> {
/// # let db = Database::<()>::in_memory()?;
/// # db.write(|tx| tx.open_table(&BLOBS)?.insert(1, b"abc"))?;
/// let tx = db.begin_read()?;
/// let blobs = tx.open_table(&BLOBS)?;
/// let blob = blobs.get_ref(1)?.unwrap();
/// assert_eq!(&blob[..], b"abc");
/// # Ok(()) }
/// ```
pub struct ValueRef<'a>(pub(super) Value<'a>);

impl Deref for ValueRef<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for ValueRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}
