//! The typed layer: records, plain tables, queries, schema and catalog, transactions as users see them.
//!
//! It turns types into stored keys and rows with the codec, and reaches the engine only through `crate::engine`: ordered byte keys in
//! numbered trees, and transactions. Every record table is one tree for its rows and one tree for each index; a write keeps them in
//! step inside the same transaction, and checks everything before it changes anything.
//!
//! Promises: what can be wrong in a query or a key is a compile error; what only the file can know (its schema) is a typed error at open,
//! before a byte is changed; a stored row that does not decode is an error that names table and key.

mod access;
mod backup;
mod catalog;
mod check;
mod compact;
mod database;
mod entry;
mod index;
#[cfg(feature = "tokio")]
mod lanes;
mod lend;
mod name;
mod options;
mod plain;
mod plan;
#[cfg(feature = "tokio")]
mod queue;
mod range;
mod record;
mod records;
mod removal;
mod rows;
mod salvage;
mod scan;
mod schema;
mod stats;
mod table;
mod transaction;
#[cfg(test)]
mod unreadable;

pub use access::{CanWrite, ReadOnly, ReadWrite};
#[cfg(feature = "simulate")]
pub(crate) use backup::restore_onto;
pub use backup::{Backup, backup_file, restore, restore_file};
pub use check::{CheckReport, Finding, FindingKind, Progress, TableTotals, Totals, check_file};
pub use compact::{CompactReport, compact_file};
pub use database::Database;
pub use entry::{Entry, OccupiedEntry, VacantEntry};
pub use index::{FindQuery, Index, IntoQuery, Kind, NonUnique, Primary, Query, RangeQuery, Rest, Unique};
pub use lend::{Lend, ValueArg, ValueRef};
pub use options::Options;
pub use plain::TableDef;
#[cfg(all(feature = "simulate", not(shuttle)))]
pub(crate) use plan::decode_table;
pub use range::KeyBounds;
pub use record::{AutoKey, Each, IndexDef, IndexSink, Record, RecordDef, encode_single_key};
pub use records::RecordTable;
pub use rows::{Keys, Rows};
pub use salvage::{LostKeys, SalvageReport, SalvagedTable, salvage_file};
pub use scan::{ExtractIf, Iter, IterKeys, IterValues};
pub use schema::{Has, Schema};
pub use stats::Stats;
pub use table::Table;
pub use transaction::{ReadTxn, WriteTxn};

/// Longest encoded primary key, and longest encoded index part, in bytes.
pub(crate) const MAX_KEY: usize = 4096;
/// Tables that a file can hold.
pub(crate) const MAX_TABLES: u32 = 65_535;
