//! The new file.

use super::report::Notes;
use super::source::{Change, Row};
use crate::check::Keys;
use crate::engine::{Durability, Engine, EngineOptions, Tally, TreeId, View, WriteTxn};
use crate::error::{Error, Result};
use crate::format::Superblock;
use crate::typed::catalog;
use crate::typed::check::{Names, Raw, Role, Schema};
use crate::typed::plan::{Listed, TablePlan};
use crate::vfs::Storage;
use std::ops::Bound;
use std::sync::Arc;

/// Commits hold about so many bytes.
const BATCH: usize = 4 << 20;

/// See the module.
pub(super) struct Target {
    engine: Engine,
    txn: Option<WriteTxn>,
    pending: usize,
    /// The first table number that is free.
    next_table: u32,
}

/// The table for the bytes of a tree that nobody knows.
pub(super) fn bytes_name(tree: u32) -> String {
    format!("lost+found/{tree}")
}

impl Target {
    /// A new file with the sizes of the damaged one.
    pub(super) fn create(storage: Arc<dyn Storage>, like: &Superblock) -> Result<Self> {
        let log_size = like.segments.iter().map(|segment| segment.length).max().unwrap_or(0).clamp(1 << 16, 64 << 20);
        let options = EngineOptions {
            block_size: like.block_size,
            page_size: like.page_size,
            log_size,
            ..EngineOptions::default()
        };
        let engine = Engine::open(storage, options)?;
        Ok(Self { engine, txn: None, pending: 0, next_table: 1 })
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

    fn get(&mut self, tree: u32, key: &[u8]) -> Result<Option<Vec<u8>>> {
        Ok(self.txn()?.get(TreeId(tree), key)?.map(|value| value.to_vec()))
    }

    /// Commits what was put so far.
    pub(super) fn flush(&mut self) -> Result<()> {
        self.pending = 0;
        self.txn.take().map_or(Ok(()), |txn| txn.commit(Durability::Deferred).map(|_| ()))
    }

    /// The descriptions of the tables, as they are stored in the source.
    pub(super) fn catalog(&mut self, raw: &Raw, schema: &Schema, unknown: &[(u32, u32)]) -> Result<()> {
        for (key, value) in &raw.entries {
            if let Ok(catalog::Explained::Table { .. }) = catalog::explain(key, value) {
                self.put(catalog::TREE.0, key, value)?;
            }
        }
        let largest = schema.tables.iter().map(|plan| plan.entry.table).chain(schema.counters.keys().copied()).max();
        self.next_table = (largest.unwrap_or(0) + 1).max(schema.next.map_or(1, |(table, _)| table));
        for (&(tree, as_tree), table) in unknown.iter().zip(self.next_table..) {
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
            counted.records += 1;
            counted.unverified += u64::from(!row.verified);
        }
        self.put(tree, row.key, row.value)
    }

    /// What a commit of the log does to a table.
    pub(super) fn change(&mut self, schema: &Schema, change: Change<'_>, notes: &mut Notes) -> Result<()> {
        let (Change::Put { tree, key, .. } | Change::Delete { tree, key } | Change::Lost { tree, key, .. }) = change;
        let Some(Role::Rows { table }) = schema.role(tree) else {
            if schema.role(tree).is_none() && tree != catalog::TREE.0 {
                let keys = Names(schema).keys(tree, &Keys::One(key.to_vec()));
                notes
                    .remarks
                    .push(format!("the log: a change of tree {tree}, {keys}, which belongs to no table, was left out"));
            }
            return Ok(());
        };
        let Some(plan) = schema.tables.get(table) else { return Ok(()) };
        match change {
            Change::Put { key, value, .. } => self.row(plan, Row { key, value, verified: true }, notes, table),
            Change::Delete { tree, key } => self.delete(tree, key),
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
        self.flush()?;
        // Holds back no memory, however long it takes.
        let snapshot = self.engine.pinned_snapshot()?;
        let mut cursor = snapshot.cursor(TreeId(plan.entry.tree.0), Bound::Unbounded, Bound::Unbounded)?;
        while let Some((key, row)) = cursor.next()? {
            let listed = match plan.entries(key, row) {
                Ok(listed) => listed,
                Err(error) => {
                    notes.refuse(table, key, error.to_string());
                    self.delete(plan.entry.tree.0, key)?;
                    continue;
                }
            };
            if let Some(other) = self.conflict(plan, &listed, key)? {
                notes.refuse(table, key, other);
                self.delete(plan.entry.tree.0, key)?;
                continue;
            }
            for entry in listed {
                if let Some(index) = plan.entry.indexes.get(entry.index) {
                    self.put(index.tree.0, &entry.key, entry.value(key))?;
                }
            }
            if let Some(counted) = notes.tables.get_mut(table) {
                counted.records += 1;
                if plan.entry.auto {
                    counted.largest = counted.largest.max(key.first_chunk().map_or(0, |id| u64::from_be_bytes(*id)));
                }
            }
        }
        Ok(())
    }

    /// Says which record has a unique key of this one already.
    fn conflict(&mut self, plan: &TablePlan, listed: &[Listed], key: &[u8]) -> Result<Option<String>> {
        for entry in listed.iter().filter(|entry| entry.owns) {
            let Some(index) = plan.entry.indexes.get(entry.index) else { continue };
            if let Some(other) = self.get(index.tree.0, &entry.key)?
                && other != key
            {
                let (other, name) = (plan.show_key(&other), &index.name);
                return Ok(Some(format!("the record {other} has the same key in the unique index `{name}`")));
            }
        }
        Ok(None)
    }

    /// Writes counters and numbers, and closes the file.
    pub(super) fn finish(mut self, schema: &Schema, unknown: &[(u32, u32)], notes: &Notes) -> Result<()> {
        let known = schema.tables.iter().map(|plan| plan.entry.table);
        let new = (self.next_table..).take(unknown.len());
        for (table, counted) in known.chain(new).zip(&notes.tables) {
            let before = schema.counters.get(&table).map_or(0, |tally| tally.max);
            let tally = Tally { sum: counted.records, max: counted.largest.max(before) };
            self.put(catalog::TREE.0, &catalog::counter_key(table), &tally.encode())?;
        }
        let trees = schema.trees().map(|(tree, _)| tree).chain(unknown.iter().map(|&(_, tree)| tree));
        let next_tree = trees.max().map_or(catalog::FIRST_TREE, |tree| tree.saturating_add(1));
        let next_tree = next_tree.max(schema.next.map_or(0, |(_, tree)| tree));
        let next_table = self.next_table.saturating_add(unknown.len() as u32);
        let (key, value) = catalog::header_entry(next_table, next_tree);
        self.put(catalog::TREE.0, &key, &value)?;
        let txn = self.txn.take();
        txn.map_or(Ok(()), |txn| txn.commit(Durability::Synced).map(|_| ()))?;
        self.engine.close()
    }
}
