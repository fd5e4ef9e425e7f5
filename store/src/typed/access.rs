//! What a table needs of its transaction, and the markers that say what it may do.

use super::catalog;
use crate::engine::{self, TreeId, View};
use crate::error::{Error, ErrorKind, Result};

/// Marks tables of a read transaction.
///
/// ```
/// use tamarack::{ReadOnly, Table};
/// fn total(hits: &Table<'_, String, u64, ReadOnly>) -> tamarack::Result<u64> {
///     hits.values().sum()
/// }
/// # let _ = total;
/// ```
#[derive(Debug, Clone, Copy)]
pub struct ReadOnly;

/// Marks tables of a write transaction.
///
/// ```
/// use tamarack::{ReadWrite, Table};
/// fn hit(hits: &mut Table<'_, String, u64, ReadWrite>, page: &str) -> tamarack::Result<()> {
///     let count = hits.get(page)?.unwrap_or(0);
///     hits.insert(page, count + 1).map(|_| ())
/// }
/// # let _ = hit;
/// ```
#[derive(Debug, Clone, Copy)]
pub struct ReadWrite;

/// Tables that can be written. `T` is what is written; it is there so that the compiler's message is this one.
#[diagnostic::on_unimplemented(
    message = "this table was opened in a read transaction",
    label = "cannot write here",
    note = "use `db.write(..)` or `db.begin_write()`"
)]
///
/// ```
/// fn writes<M: tamarack::CanWrite<u32>>() {}
/// writes::<tamarack::ReadWrite>();
/// ```
pub trait CanWrite<T> {}

impl<T> CanWrite<T> for ReadWrite {}

/// The engine's write transaction, and what it does to tables' counters.
pub(super) struct Writer {
    pub(super) txn: engine::WriteTxn,
}

impl Writer {
    pub(super) fn new(txn: engine::WriteTxn) -> Self {
        Self { txn }
    }

    /// Adds to the number of a table's records.
    pub(super) fn add(&self, table: u32, records: i64) -> Result<()> {
        self.txn.tally(catalog::TREE, &catalog::counter_key(table), records, 0)
    }

    /// A record with this id is stored, in a table whose ids are automatic.
    pub(super) fn used(&self, table: u32, id: u64) -> Result<()> {
        self.txn.tally(catalog::TREE, &catalog::counter_key(table), 0, id)
    }

    /// The next automatic id of a table.
    pub(super) fn next_id(&self, table: u32) -> Result<Option<u64>> {
        self.txn.next_number(catalog::TREE, &catalog::counter_key(table))
    }

    /// Gives the commit its place; what is left is to wait.
    pub(super) fn sequence(self, durability: engine::Durability) -> Result<engine::Sequenced> {
        self.txn.sequence(durability)
    }
}

/// How a table reads and, perhaps, writes.
#[derive(Clone, Copy)]
pub(super) struct Access<'tx> {
    pub(super) view: &'tx dyn View,
    writer: Option<&'tx Writer>,
}

impl<'tx> Access<'tx> {
    pub(super) fn reading(view: &'tx dyn View) -> Self {
        Self { view, writer: None }
    }

    pub(super) fn writing(writer: &'tx Writer) -> Self {
        Self { view: &writer.txn, writer: Some(writer) }
    }

    /// The writer, which every table marked [`ReadWrite`] has.
    pub(super) fn writer(&self) -> Result<&'tx Writer> {
        self.writer.ok_or_else(|| Error::new(ErrorKind::ReadOnly, "this table was opened in a read transaction"))
    }

    /// How many records a table has. In a write transaction: a read that every insert and remove of another one conflicts with.
    pub(super) fn records(&self, table: u32) -> Result<u64> {
        let stored = catalog::counter(self.view, table)?.sum;
        let key = catalog::counter_key(table);
        let own = self.writer.map_or(0, |writer| writer.txn.tallied(catalog::TREE, &key));
        Ok(stored.saturating_add_signed(own))
    }

    /// Whether a key is there.
    pub(super) fn contains(&self, tree: TreeId, key: &[u8]) -> Result<bool> {
        self.view.contains(tree, key)
    }
}
