//! The catalog: a tree in the same file that explains all others.
//!
//! Tree 1. Its keys begin with a byte that names the kind:
//!
//! ```text
//! 00                      the header: format 01, then next table (u32), next tree (u32), both little-endian
//! 01, name of a table     the table: format 01, table (u32), tree (u32), fingerprint (u64), then the descriptor (entry.rs)
//! 02, table (u32, BE)     its counter: records (u64), largest automatic id (u64)
//! ```
//!
//! Source code carries names; numbers are given here, when a table is made, and never used again. A program's schema is compared with
//! the file's by fingerprint; where those differ, by [`diff`], whose text says what to do.

mod diff;
mod entry;
mod explain;
mod install;
#[cfg(test)]
mod tests;

use diff::mismatch;
pub(super) use entry::{IndexEntry, TableEntry, Version};
pub(super) use explain::{Explained, bytes_table, explain, header_entry};
pub(super) use install::{Resolved, create_plain, drop_table, find_plain, install, plain_fingerprint};

use super::MAX_TABLES;
use crate::engine::{Cursor, MAX_TREES, Tally, TreeId, View};
use crate::error::{Error, ErrorKind, Result};
use std::ops::Bound;
use tamarack_codec::{DecodeError, decode_value};

/// The catalog's own tree.
pub(super) const TREE: TreeId = TreeId(1);

/// The first tree for tables.
pub(super) const FIRST_TREE: u32 = 16;

/// The format of the header and of table entries.
const FORMAT: u8 = 1;

const HEADER_KEY: [u8; 1] = [0];
const TABLE: u8 = 1;
const COUNTER: u8 = 2;

/// Checks a number of the catalog: a hostile file says anything, and so does a page of which nobody knows whether it is as it was written (I36).
fn in_bounds(what: &str, number: u32, first: u32, last: u32) -> Result<(), DecodeError> {
    if (first..=last).contains(&number) {
        return Ok(());
    }
    Err(DecodeError::new(format!("{what} {number} is impossible: they go from {first} to {last}")))
}

fn check_table(number: u32) -> Result<(), DecodeError> {
    in_bounds("table number", number, 1, MAX_TABLES)
}

fn check_tree(number: u32) -> Result<(), DecodeError> {
    in_bounds("tree number", number, FIRST_TREE, MAX_TREES - 1)
}

/// The stored key of a counter.
pub(super) fn counter_key(table: u32) -> [u8; 5] {
    let [a, b, c, d] = table.to_be_bytes();
    [COUNTER, a, b, c, d]
}

/// The stored key of a table.
fn table_key(name: &str) -> Vec<u8> {
    let mut key = Vec::with_capacity(1 + name.len());
    key.push(TABLE);
    key.extend_from_slice(name.as_bytes());
    key
}

/// The name of a table, from behind the kind of its stored key.
fn table_name(bytes: &[u8]) -> Result<&str, DecodeError> {
    str::from_utf8(bytes).map_err(|_| DecodeError::new("a table's name is not UTF-8"))
}

/// A cursor over the entries of all tables.
fn tables(view: &dyn View) -> Result<Cursor<'_>> {
    view.cursor(TREE, Bound::Included(&[TABLE]), Bound::Excluded(&[TABLE + 1]))
}

/// The names of all tables, in order.
pub(super) fn table_names(view: &dyn View) -> Result<Vec<String>> {
    let named = |error: Error| error.context("the catalog");
    let mut cursor = tables(view).map_err(named)?;
    let mut names = Vec::new();
    while let Some(key) = cursor.next_key().map_err(named)? {
        names.push(table_name(key.get(1..).unwrap_or_default()).map_err(damaged)?.to_owned());
    }
    Ok(names)
}

/// Reads a value of the catalog.
fn read<T>(view: &dyn View, key: &[u8], decode: impl Fn(&[u8]) -> Result<T, DecodeError>) -> Result<Option<T>> {
    let mut found = None;
    view.read(TREE, key, &mut |bytes| {
        found = Some(decode(bytes).map_err(damaged)?);
        Ok(())
    })
    .map_err(|error| error.context("the catalog"))?;
    Ok(found)
}

/// What the catalog holds is checked by checksums, so this is a writer's mistake, or a newer format.
fn damaged(error: DecodeError) -> Error {
    Error::with_source(ErrorKind::Decode, format!("the catalog: {error}"), error)
}

/// A table's counter; zero if it was never written.
pub(super) fn counter(view: &dyn View, table: u32) -> Result<Tally> {
    let decode = |bytes: &[u8]| decode_value(bytes).map(|(sum, max)| Tally { sum, max });
    Ok(read(view, &counter_key(table), decode)?.unwrap_or_default())
}

/// What is known of a plain table without reading its descriptor.
#[derive(Debug, Clone, Copy)]
pub(super) struct Head {
    pub(super) table: u32,
    pub(super) tree: TreeId,
    pub(super) fingerprint: u64,
}

impl Head {
    /// Reads the front of a table entry.
    fn decode(mut bytes: &[u8]) -> Result<Self, DecodeError> {
        use tamarack_codec::Shape as _;
        let input = &mut bytes;
        let format = u8::decode(input)?;
        if format != FORMAT {
            return Err(DecodeError::new(format!("table entries of format {format} are unknown to this version")));
        }
        let (table, tree, fingerprint) = <(u32, u32, u64)>::decode(input)?;
        check_table(table)?;
        check_tree(tree)?;
        Ok(Self { table, tree: TreeId(tree), fingerprint })
    }
}

/// The front of a table's entry.
pub(super) fn head(view: &dyn View, name: &str) -> Result<Option<Head>> {
    read(view, &table_key(name), Head::decode)
}

/// A table's whole entry.
pub(super) fn table(view: &dyn View, name: &str) -> Result<Option<TableEntry>> {
    read(view, &table_key(name), TableEntry::decode)
}
