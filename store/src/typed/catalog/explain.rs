//! The catalog's entries as they lie in its tree, for tools that have no program.

use super::install::Header;
use super::{COUNTER, HEADER_KEY, Head, TABLE, TableEntry, check_table, table_key, table_name};
use crate::engine::Tally;
use tamarack_codec::{DecodeError, ShapeDef, decode_value};

/// One entry of the catalog.
pub(in crate::typed) enum Explained {
    /// The numbers to be given next.
    Header { table: u32, tree: u32 },
    /// A table.
    Table { name: String, entry: TableEntry, fingerprint: u64 },
    /// The counter of a table.
    Counter { table: u32, tally: Tally },
}

/// Reads an entry of the catalog.
pub(in crate::typed) fn explain(key: &[u8], value: &[u8]) -> Result<Explained, DecodeError> {
    match key {
        _ if *key == HEADER_KEY => {
            let Header { table, tree } = Header::decode(value)?;
            Ok(Explained::Header { table, tree })
        }
        [TABLE, name @ ..] => {
            let name = table_name(name)?.to_owned();
            let fingerprint = Head::decode(value)?.fingerprint;
            Ok(Explained::Table { name, entry: TableEntry::decode(value)?, fingerprint })
        }
        [COUNTER, number @ ..] => {
            let number = number.try_into().map_err(|_| DecodeError::new("a counter of no table"))?;
            let table = u32::from_be_bytes(number);
            check_table(table)?;
            let (sum, max) = decode_value(value)?;
            Ok(Explained::Counter { table, tally: Tally { sum, max } })
        }
        _ => Err(DecodeError::new("an entry of a kind unknown to this version")),
    }
}

/// A table of bytes for what was in a tree that nobody knows any more: its stored key and entry.
pub(in crate::typed) fn bytes_table(name: &str, table: u32, tree: u32) -> (Vec<u8>, Vec<u8>) {
    let entry = TableEntry::of_plain(ShapeDef::Bytes, ShapeDef::Bytes, table, tree);
    (table_key(name), entry.encode())
}

/// The stored header.
pub(in crate::typed) fn header_entry(table: u32, tree: u32) -> ([u8; 1], Vec<u8>) {
    (HEADER_KEY, Header { table, tree }.encode())
}
