//! Derive macros of the Tamarack object store: [`Record`], [`Shape`], [`KeyPart`], [`Schema`].
//!
//! Programs use them through `tamarack`, which re-exports all four beside the traits of the same names.
//!
//! Each derive is three steps, each in files named after what they hold: *parse* (`attr` reads one `#[record(..)]`, `ast` the whole
//! item), *validate* (`valid`, the rules between fields), *expand* (`expand/`). What this crate promises:
//! - every mistake of one item is reported at once, each on its own token, in a sentence that says what to write instead;
//! - an implementation comes out even for a faulty item, so that one mistake gives one error;
//! - generated code names everything by absolute path and calls traits by their full names, so that nothing in scope changes it;
//! - generated code is little: what can be generic stands in the library.
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]

mod ast;
mod attr;
mod ctxt;
mod expand;
mod names;
mod symbol;
mod valid;

#[cfg(test)]
mod tests;

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

/// Makes a struct with named fields a record: something a table stores under a primary key, with its indexes.
///
/// For each index it also adds one constant in upper case, which queries start from: `email` becomes `Customer::EMAIL`.
///
/// ```
/// use tamarack::{Id, Record};
///
/// #[derive(Record)]
/// #[record(table = "customers", index(city_age = (city, desc age)))]
/// struct Customer {
///     #[record(key(auto))]
///     id: Id<Customer>,
///     #[record(unique)]
///     email: String,
///     city: String,
///     age: u16,
///     #[record(index(each))]
///     tags: Vec<String>,
/// }
/// ```
///
/// # On the struct
///
/// | attribute | meaning |
/// |---|---|
/// | `table = "customers"` | the table's name in the file; without it, the struct's name in snake case: `OrderLine` becomes `order_line` |
/// | `key(country, code)` | a primary key of several fields, in this order; at most eight |
/// | `index(city_age = (city, desc age))` | an index over one to eight fields, `desc` for descending parts |
/// | `index(seat = (row, number), unique)` | the same, and no two records may agree in all its parts |
/// | `crate = "store"` | where the library is found, if not at `::tamarack` |
///
/// # On a field
///
/// | attribute | meaning |
/// |---|---|
/// | `key` | this field is the primary key |
/// | `key(auto)` | the same, for a field of type `Id<Self>`: `insert` assigns the number when it is `Id::AUTO` |
/// | `index` | an index over this field, named like it |
/// | `unique` | a unique index over this field, named like it |
/// | `index(each)` | an index with one entry for each element of a collection |
/// | `bincode` | the field is stored as opaque bytes through serde, for types that are no `Shape` |
///
/// A field that is not part of the primary key implements `Shape` (or is marked `bincode`); a part of a key or an index implements
/// `KeyPart`, and parts of the primary key also `Clone`.
///
/// # Fields marked `bincode`
///
/// They implement serde's `Serialize` and `DeserializeOwned`. bincode keeps neither names nor types, so that serde has to ask for the same
/// fields in the same order when it reads. Each such field is therefore encoded, decoded, and encoded again when it is written, and refused
/// with `ErrorKind::Encode` unless that ends well and both encodings have the same bytes and leave out the same fields, with elements of
/// lists, sets and maps in any order. So are values refused of `#[serde(untagged)]`, `#[serde(flatten)]`, internally tagged enums and
/// `serde_json::Value`; those of which `skip_serializing_if` leaves out what is asked for when they are read; and variants after one that is
/// `#[serde(skip)]`, which serde numbers differently when it reads. A write costs three to four times what encoding it does, more where
/// reading allocates much. Derive `Shape` where that matters.
///
/// Values are not compared, only what they write. What `Serialize` does not write, as fields that are `#[serde(skip)]`, comes back as
/// `Deserialize` makes it. A pair written by hand that reads another value is not noticed where that writes the same, or the same elements
/// in another order. What is written as different bytes once it was read is refused, even if `Deserialize` changed it on purpose.
///
/// The file knows nothing of such a type. A program that has changed it opens the file all the same, and finds out row by row: with
/// `ErrorKind::Decode`, or with another value where the old bytes happen to be one. Rows that do not decode any more can be removed
/// together, with `clear`, and replaced with `upsert` where the record has no index.
#[proc_macro_derive(Record, attributes(record))]
pub fn record(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    expand::record(&input).into()
}

/// Makes a struct or an enum something that a record's field can hold.
///
/// ```
/// use tamarack::Shape;
///
/// #[derive(Shape)]
/// struct Line { sku: String, quantity: u32 }
///
/// #[derive(Shape)]
/// enum Payment { Cash, Card { last_digits: u16 }, Voucher(String) }
/// ```
///
/// Variants are numbered in the order of their declaration, or as `#[record(tag = N)]` says; a variant without the attribute takes the
/// number after the one before it. `#[record(tag_width = 16)]` is for [`KeyPart`], where the same enum derives both: a row holds tags of
/// any size. `#[record(crate = "store")]` says where the library is found, if not at `::tamarack`.
///
/// A type cannot hold itself, neither directly nor through others: its description, which the file keeps, would have no end.
#[proc_macro_derive(Shape, attributes(record))]
pub fn shape(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    expand::shape(&input).into()
}

/// Makes a struct or an enum something that keys and indexes can hold: its fields one after the other, in the order of declaration.
///
/// ```
/// use tamarack::{KeyPart, Shape, Timestamp};
///
/// #[derive(KeyPart, Shape, Clone)]
/// enum Status {
///     Open,
///     #[record(tag = 10)]
///     Closed { at: Timestamp },
/// }
/// ```
///
/// Values of an enum sort by tag first. Tags are numbered in the order of declaration, or as `#[record(tag = N)]` says; a variant without
/// the attribute takes the number after the one before it. They take one byte, or two with `#[record(tag_width = 16)]` on the enum: the
/// width is part of every stored key, so decide it before the first key is written. `#[record(crate = "store")]` says where the library
/// is found, if not at `::tamarack`.
#[proc_macro_derive(KeyPart, attributes(record))]
pub fn key_part(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    expand::key_part(&input).into()
}

/// Makes a tuple struct the schema of a database: the list of the records that one file holds.
///
/// ```
/// use tamarack::{Database, Record, Schema};
/// # #[derive(Record)] struct Customer { #[record(key)] id: u32 }
/// # #[derive(Record)] struct Order { #[record(key)] id: u32 }
///
/// #[derive(Schema)]
/// struct Shop(Customer, Order);
///
/// let db: Database<Shop> = Database::in_memory()?;
/// # Ok::<(), tamarack::Error>(())
/// ```
///
/// `#[record(crate = "store")]` says where the library is found, if not at `::tamarack`.
#[proc_macro_derive(Schema, attributes(record))]
pub fn schema(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    expand::schema(&input).into()
}
