//! The new file.

use super::gather::{Batch, Refusal};
use super::report::Notes;
use super::source::{Change, Row};
use crate::check::Keys;
use crate::engine::{Durability, Engine, EngineOptions, Tally, TreeId, View, WriteTxn};
use crate::error::{Error, Result};
use crate::format::Superblock;
use crate::salvage::Hidden;
use crate::typed::MAX_TABLES;
use crate::typed::catalog;
use crate::typed::check::{Names, Raw, Role, Schema};
use crate::typed::plan::TablePlan;
use crate::vfs::Storage;
use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::Arc;

/// Commits hold about so many bytes.
const BATCH: usize = 4 << 20;

/// What a salvage takes of memory.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Bytes for nodes of the new file.
    pub(super) nodes: u64,
    /// Bytes of index entries that are gathered before they are put.
    pub(super) gathered: usize,
}

impl Default for Limits {
    /// Nodes: the checkpoints of the longest log, and the inner nodes of a tree of a terabyte. Entries: two million short ones, so that an
    /// index is gone through once for so many.
    fn default() -> Self {
        Self { nodes: 128 << 20, gathered: 64 << 20 }
    }
}

/// See the module.
pub(super) struct Target {
    engine: Engine,
    file: Arc<Hidden>,
    limits: Limits,
    txn: Option<WriteTxn>,
    pending: usize,
    /// Numbers of the tables for trees that nobody knows.
    numbers: Vec<u32>,
}

/// The table for the bytes of a tree that nobody knows.
pub(super) fn bytes_name(tree: u32) -> String {
    format!("lost+found/{tree}")
}

impl Target {
    /// A new file with the sizes of the damaged one.
    pub(super) fn create(storage: Arc<dyn Storage>, like: &Superblock, limits: Limits) -> Result<Self> {
        let log_size = like.segments.iter().map(|segment| segment.length).max().unwrap_or(0).clamp(1 << 16, 64 << 20);
        let options = EngineOptions {
            block_size: like.block_size,
            page_size: like.page_size,
            log_size,
            memory: Some(limits.nodes),
            ..EngineOptions::default()
        };
        let file = Arc::new(Hidden::new(storage)?);
        let engine = Engine::open(Arc::clone(&file) as Arc<dyn Storage>, options)?;
        Ok(Self { engine, file, limits, txn: None, pending: 0, numbers: Vec::new() })
    }

    fn txn(&mut self) -> Result<&WriteTxn> {
        if self.pending >= BATCH {
            self.flush()?;
        }
        if self.txn.is_none() {
            self.txn = Some(self.engine.begin()?);
        }
        self.txn.as_ref().ok_or_else(|| Error::corrupt("a salvage lost its transaction; please report this"))
    }

    fn put(&mut self, tree: u32, key: &[u8], value: &[u8]) -> Result<()> {
        self.txn()?.put(TreeId(tree), key, value)?;
        self.pending += key.len() + value.len() + 64;
        Ok(())
    }

    fn delete(&mut self, tree: u32, key: &[u8]) -> Result<()> {
        self.txn()?.delete(TreeId(tree), key)?;
        self.pending += key.len() + 64;
        Ok(())
    }

    /// Bytes of nodes in memory.
    #[cfg(test)]
    pub(super) fn resident(&self) -> u64 {
        self.engine.base().pager.pool.usage().resident
    }

    /// Commits what was put so far.
    pub(super) fn flush(&mut self) -> Result<()> {
        self.pending = 0;
        self.txn.take().map_or(Ok(()), |txn| txn.commit(Durability::Deferred).map(|_| ()))
    }

    /// The numbers to be given next, and the descriptions of the tables as they are stored in the source. Nothing else is in the new file, so the
    /// next numbers are those behind the ones that it holds, whatever the source says: it may be damaged or made up.
    pub(super) fn catalog(&mut self, raw: &Raw, schema: &Schema, unknown: &[(u32, u32)]) -> Result<()> {
        let used: BTreeSet<u32> = schema.tables.iter().map(|plan| plan.entry.table).collect();
        let free = (1..=MAX_TABLES).filter(|table| !used.contains(table));
        self.numbers = free.take(unknown.len()).collect();
        let last = used.last().max(self.numbers.last()).copied();
        let trees = schema.trees().map(|(tree, _)| tree).chain(unknown.iter().map(|&(_, tree)| tree));
        let next_tree = trees.max().map_or(catalog::FIRST_TREE, |tree| tree.saturating_add(1));
        let (key, value) = catalog::header_entry(last.map_or(1, |table| table.saturating_add(1)), next_tree);
        self.put(catalog::TREE.0, &key, &value)?;
        for (key, value) in &raw.entries {
            if let Ok(catalog::Explained::Table { entry, fingerprint, .. }) = catalog::explain(key, value) {
                // A wrong fingerprint is noted already. What tells which rows these are is the description.
                let value = if fingerprint == entry.fingerprint() { value } else { &entry.encode() };
                self.put(catalog::TREE.0, key, value)?;
            }
        }
        for (&(tree, as_tree), table) in unknown.iter().zip(self.numbers.clone()) {
            let (key, value) = catalog::bytes_table(&bytes_name(tree), table, as_tree);
            self.put(catalog::TREE.0, &key, &value)?;
        }
        Ok(())
    }

    /// A record of a table.
    pub(super) fn row(&mut self, plan: &TablePlan, row: Row<'_>, notes: &mut Notes, table: usize) -> Result<()> {
        if let Err(error) = plan.check(row.key, row.value) {
            notes.refuse(table, row.key, error.to_string());
            return Ok(());
        }
        if let Some(counted) = notes.tables.get_mut(table) {
            counted.unverified += u64::from(!row.verified);
        }
        self.put(plan.entry.tree.0, row.key, row.value)
    }

    /// An entry of a tree that nobody knows.
    pub(super) fn bytes(&mut self, tree: u32, row: Row<'_>, notes: &mut Notes, table: usize) -> Result<()> {
        if let Some(counted) = notes.tables.get_mut(table) {
            counted.unverified += u64::from(!row.verified);
        }
        self.put(tree, row.key, row.value)
    }

    /// Counts the entries of a tree that nobody knows, when all are there: a damaged file may show a key twice.
    pub(super) fn count(&mut self, tree: u32, notes: &mut Notes, table: usize) -> Result<()> {
        let Some(counted) = notes.tables.get_mut(table) else { return Ok(()) };
        let snapshot = self.engine.snapshot()?;
        let mut cursor = snapshot.cursor(TreeId(tree), Bound::Unbounded, Bound::Unbounded)?;
        while cursor.next()?.is_some() {
            counted.records += 1;
        }
        Ok(())
    }

    /// What a commit of the log does to a table.
    pub(super) fn change(&mut self, schema: &Schema, change: Change<'_>, notes: &mut Notes) -> Result<()> {
        let (Change::Put { tree, key, .. } | Change::Delete { tree, key } | Change::Lost { tree, key, .. }) = change
        else {
            // Nothing of a tree that the log drops was brought over.
            return Ok(());
        };
        let Some(Role::Rows { table }) = schema.role(tree) else {
            if schema.role(tree).is_none() && tree != catalog::TREE.0 {
                let first = || (0, Names(schema).keys(tree, &Keys::One(key.to_vec())));
                notes.strange.entry(tree).or_insert_with(first).0 += 1;
            }
            return Ok(());
        };
        let Some(plan) = schema.tables.get(table) else { return Ok(()) };
        match change {
            Change::Put { key, value, .. } => self.row(plan, Row { key, value, verified: true }, notes, table),
            Change::Delete { tree, key } => self.delete(tree, key),
            Change::Drop { .. } => Ok(()),
            // The value before it is not the record either.
            Change::Lost { tree, key, what } => {
                notes.refuse(table, key, what);
                self.delete(tree, key)
            }
        }
    }

    /// Makes the indexes of a table from its records, and counts these.
    pub(super) fn index(&mut self, plan: &TablePlan, notes: &mut Notes, table: usize) -> Result<()> {
        for (at, index) in plan.entry.indexes.iter().enumerate().filter(|(at, _)| !plan.derives(*at)) {
            let _ = at;
            let name = &index.name;
            notes.remarks.push(format!(
                "table `{}`: the index `{name}` cannot be made without the program's types, and is empty",
                plan.name
            ));
        }
        let mut from = Bound::Unbounded;
        loop {
            let (batch, last) = self.gather(plan, from)?;
            self.settle(plan, batch, notes, table)?;
            let Some(last) = last else { return Ok(()) };
            from = Bound::Excluded(last);
        }
    }

    /// The entries of the records behind a key, up to what memory allows; with the last record's key, if there may be more.
    fn gather(&mut self, plan: &TablePlan, from: Bound<Vec<u8>>) -> Result<(Batch, Option<Vec<u8>>)> {
        self.flush()?;
        let mut batch = Batch::default();
        // Nothing is written as long as it lives, so it holds nothing back, neither memory nor pages of the file.
        let snapshot = self.engine.snapshot()?;
        let from = from.as_ref().map(Vec::as_slice);
        let mut cursor = snapshot.cursor(TreeId(plan.entry.tree.0), from, Bound::Unbounded)?;
        while let Some((key, row)) = cursor.next()? {
            match plan.entries(key, row) {
                Ok(listed) => batch.add(key, &listed),
                Err(error) => batch.refuse(key, error.to_string()),
            }
            if batch.size() >= self.limits.gathered {
                return Ok((batch, Some(key.to_vec())));
            }
        }
        Ok((batch, None))
    }

    /// Puts gathered entries in the order of their keys, but for those of records that are left out, and counts records.
    fn settle(&mut self, plan: &TablePlan, mut batch: Batch, notes: &mut Notes, table: usize) -> Result<()> {
        let snapshot = self.engine.snapshot()?;
        batch.judge(&mut |index, key| {
            let Some(index) = plan.entry.indexes.get(index) else { return Ok(None) };
            Ok(snapshot.get(TreeId(index.tree.0), key)?.map(|value| value.to_vec()))
        })?;
        drop(snapshot);
        for (key, refusal) in batch.records() {
            if let Some(refusal) = refusal {
                notes.refuse(table, key, explain(plan, refusal));
                self.delete(plan.entry.tree.0, key)?;
            } else if let Some(counted) = notes.tables.get_mut(table) {
                counted.records += 1;
                if plan.entry.auto {
                    counted.largest = counted.largest.max(key.first_chunk().map_or(0, |id| u64::from_be_bytes(*id)));
                }
            }
        }
        for (index, key, value) in batch.entries() {
            if let Some(index) = plan.entry.indexes.get(index) {
                self.put(index.tree.0, key, value)?;
            }
        }
        self.flush()
    }

    /// Writes counters, gives back what the file does not need, closes it, and makes a database of it.
    pub(super) fn finish(mut self, schema: &Schema, notes: &Notes) -> Result<()> {
        let known = schema.tables.iter().map(|plan| plan.entry.table);
        let new = std::mem::take(&mut self.numbers);
        for (table, counted) in known.chain(new).zip(&notes.tables) {
            let before = schema.counters.get(&table).map_or(0, |tally| tally.max);
            let tally = Tally { sum: counted.records, max: counted.largest.max(before) };
            self.put(catalog::TREE.0, &catalog::counter_key(table), &tally.encode())?;
        }
        let txn = self.txn.take();
        txn.map_or(Ok(()), |txn| txn.commit(Durability::Synced).map(|_| ()))?;
        // All is there without it: a disk that is too full for it is no reason to throw the new file away. What stopped all writing, `close` says.
        let _ = self.engine.compact(&mut |_| {});
        self.engine.close()?;
        self.file.show()
    }
}

/// Why a record is left out.
fn explain(plan: &TablePlan, refusal: &Refusal) -> String {
    match refusal {
        Refusal::Malformed(what) => what.clone(),
        Refusal::Conflict { index, other } => {
            let name = plan.entry.indexes.get(*index).map_or("", |index| &index.name);
            format!("the record {} has the same key in the unique index `{name}`", plan.show_key(other))
        }
    }
}
