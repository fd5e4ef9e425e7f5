//! Names and types of plain tables.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use tamarack_codec::{KeyPart, Shape};

/// The name of a plain table and the types of its keys and values. Usually a constant.
///
/// The file keeps both types; opening the table with others is an error.
///
/// ```
/// use tamarack::{Database, TableDef};
/// const HITS: TableDef<String, u64> = TableDef::new("hits");
/// # fn main() -> tamarack::Result<()> {
/// let db = Database::<()>::in_memory()?;
/// db.write(|tx| tx.open_table(&HITS)?.insert("/index.html", 1))?;
/// # Ok(()) }
/// ```
pub struct TableDef<K, V> {
    name: Cow<'static, str>,
    of: PhantomData<fn() -> (K, V)>,
}

impl<K: KeyPart, V: Shape> TableDef<K, V> {
    /// A table of a name.
    ///
    /// ```
    /// const HITS: tamarack::TableDef<String, u64> = tamarack::TableDef::new("hits");
    /// ```
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self { name: Cow::Borrowed(name), of: PhantomData }
    }

    /// A table of a name that is known only at run time.
    ///
    /// ```
    /// let of_year = tamarack::TableDef::<u32, u64>::named(format!("hits of {}", 2026));
    /// ```
    #[must_use]
    pub const fn named(name: String) -> Self {
        Self { name: Cow::Owned(name), of: PhantomData }
    }

    /// Its name.
    ///
    /// ```
    /// assert_eq!(tamarack::TableDef::<u32, u64>::new("hits").name(), "hits");
    /// ```
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl<K, V> Clone for TableDef<K, V> {
    fn clone(&self) -> Self {
        Self { name: self.name.clone(), of: PhantomData }
    }
}

impl<K, V> fmt::Debug for TableDef<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TableDef").field(&self.name).finish()
    }
}
