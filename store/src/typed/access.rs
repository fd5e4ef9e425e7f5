//! What a table needs of its transaction, and the markers that say what it may do.

use super::catalog::{self, Counter};
use crate::engine::{self, TreeId, View};
use crate::error::{Error, ErrorKind, Result};
use std::cell::RefCell;

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

/// The engine's write transaction and the counters that its tables change.
pub(super) struct Writer {
    pub(super) txn: engine::WriteTxn,
    /// Counters of the tables written so far.
    counters: RefCell<Vec<(u32, Counter)>>,
}

impl Writer {
    pub(super) fn new(txn: engine::WriteTxn) -> Self {
        Self { txn, counters: RefCell::default() }
    }

    /// Changes a table's counter.
    pub(super) fn count<T>(&self, table: u32, change: impl FnOnce(&mut Counter) -> T) -> Result<T> {
        let mut counters = self.counters.borrow_mut();
        if let Some((_, counter)) = counters.iter_mut().find(|(known, _)| *known == table) {
            return Ok(change(counter));
        }
        let mut counter = catalog::counter(&self.txn, table)?;
        let result = change(&mut counter);
        counters.push((table, counter));
        Ok(result)
    }

    /// A table is gone: its counter too.
    pub(super) fn forget(&self, table: u32) -> Result<()> {
        self.counters.borrow_mut().retain(|(known, _)| *known != table);
        self.txn.delete(catalog::TREE, &catalog::counter_key(table))
    }

    /// Writes the counters and commits.
    pub(super) fn commit(self, durability: engine::Durability) -> Result<()> {
        for (table, counter) in self.counters.borrow().iter() {
            self.txn.put(catalog::TREE, &catalog::counter_key(*table), &counter.encode())?;
        }
        self.txn.commit(durability).map(|_| ())
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

    pub(super) fn counter(&self, table: u32) -> Result<Counter> {
        match self.writer {
            Some(writer) => writer.count(table, |counter| *counter),
            None => catalog::counter(self.view, table),
        }
    }

    /// Whether a key is there.
    pub(super) fn contains(&self, tree: TreeId, key: &[u8]) -> Result<bool> {
        self.view.contains(tree, key)
    }
}
