//! Tamarack: a typed, embedded object store in one file.
//!
//! Derive [`Record`] on your structs, list them in a [`Schema`], open a [`Database`]:
//!
//! ```
//! use tamarack::{Database, Id, Record, Schema};
//!
//! #[derive(Record, Debug, Clone, PartialEq)]
//! #[record(index(city_age = (city, desc age)))]
//! struct Customer {
//!     #[record(key(auto))]
//!     id: Id<Customer>,
//!     #[record(unique)]
//!     email: String,
//!     city: String,
//!     age: u16,
//!     #[record(index(each))]
//!     tags: Vec<String>,
//! }
//!
//! #[derive(Schema)]
//! struct Shop(Customer);
//!
//! # fn main() -> tamarack::Result<()> {
//! # let dir = tempfile::tempdir().unwrap();
//! # let path = dir.path().join("shop.tam");
//! let db: Database<Shop> = Database::open(&path)?;
//! let anna = db.write(|tx| {
//!     tx.table::<Customer>()?.insert(Customer {
//!         id: Id::AUTO,
//!         email: "anna@example.org".into(),
//!         city: "Oslo".into(),
//!         age: 31,
//!         tags: vec!["vip".into()],
//!     })
//! })?;
//!
//! db.read(|tx| {
//!     let customers = tx.table::<Customer>()?;
//!     let one = customers.find(Customer::EMAIL.at("anna@example.org"))?;
//!     assert_eq!(one.map(|customer| customer.id), Some(anna));
//!     for customer in customers.query(Customer::CITY_AGE.at("Oslo").range(18..=65)) {
//!         println!("{}", customer?.email);
//!     }
//!     assert_eq!(customers.query(Customer::TAGS.at("vip")).keys().try_count()?, 1);
//!     Ok(())
//! })?;
//! db.close()
//! # }
//! ```
//!
//! What a transaction committed is never lost and never half there. Readers never wait for writers. A mistake in a query, a key or a
//! schema is a compile error; what only the file can know is a typed [`Error`] at open.
//!
//! # Layers
//!
//! From top to bottom; each imports only those below it: `typed` (records, queries, catalog), `engine` (the seam), `txn` (commit pipeline),
//! `ckpt`, `recover`, `check`, `compact`, `salvage`, `backup`, `tree`, `buffer` (the only one with unsafe code), `wal`, `blob`, `space`, `format`, `vfs`.
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]

// Derived code names the crate by its name.
#[cfg(test)]
extern crate self as tamarack;

mod typed;

mod engine;

mod backup;
mod check;
mod ckpt;
mod compact;
mod recover;
mod salvage;
mod txn;

mod tree;

mod buffer;

mod blob;
mod wal;

mod space;

mod format;

mod vfs;

mod error;
mod poison;
mod sync;
mod trace;

/// What `cargo xtask swizzle` measures. Not for use: it changes without notice.
#[cfg(all(feature = "measure", not(shuttle)))]
#[doc(hidden)]
#[allow(missing_docs, missing_debug_implementations, clippy::missing_errors_doc, reason = "for one measurement alone")]
pub mod measure;

#[cfg(all(feature = "simulate", not(shuttle)))]
pub mod simulate;

pub use engine::{Durability, Isolation};
pub use error::{Error, ErrorKind, Result};
pub use tamarack_codec::{
    Compact, DecodeError, Desc, EncodeError, Finite, Id, KeyArg, KeyBuf, KeyPart, NoMoreComponents, NoSystemTime,
    NotANumber, PrefixArg, Shape, ShapeDef, Timestamp, Total, key_laws,
};
pub use tamarack_macros::{KeyPart, Record, Schema, Shape};
pub use typed::{
    Backup, CanWrite, CheckReport, CompactReport, Database, Each, Entry, ExtractIf, FindQuery, Finding, FindingKind,
    Has, Index, IntoQuery, Iter, IterKeys, IterValues, KeyBounds, Keys, Kind, Lend, LostKeys, NonUnique, OccupiedEntry,
    Options, Primary, Progress, Query, RangeQuery, ReadOnly, ReadTxn, ReadWrite, Record, RecordTable, Rest, Rows,
    SalvageReport, SalvagedTable, Schema, Stats, Table, TableDef, TableTotals, Totals, Unique, VacantEntry, ValueArg,
    ValueRef, WriteTxn, backup_file, check_file, compact_file, restore, restore_file, salvage_file,
};

/// What generated code names. Not for use by hand: it changes without notice.
#[doc(hidden)]
pub mod __private {
    pub use crate::typed::{
        AutoKey, Each, Has, Index, IndexDef, IndexSink, NonUnique, Primary, Record, RecordDef, Schema, Unique,
        encode_single_key,
    };
    pub use ::core;
    pub use ::std;
    pub use tamarack_codec::{
        DecodeError, Desc, EncodeError, FieldShape, FieldsReader, FieldsWriter, Id, KeyArg, KeyBuf, KeyPart, PartShape,
        RowReader, RowWriter, Shape, ShapeDef, VariantShape, key_args,
    };
}
