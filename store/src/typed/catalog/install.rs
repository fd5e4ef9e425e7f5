//! Finding, making and dropping tables.

use super::{
    FIRST_TREE, FORMAT, HEADER_KEY, Head, TREE, TableEntry, counter_key, head, in_bounds, mismatch, read, table,
    table_key, tables,
};
use crate::engine::{Durability, Engine, MAX_ENTRY, MAX_TREES, TreeId, View, WriteTxn};
use crate::error::{Error, ErrorKind, Result};
use crate::typed::record::RecordDef;
use crate::typed::{IndexDef, MAX_KEY, MAX_TABLES};
use tamarack_codec::{DecodeError, Shape, ShapeDef, decode_value};

/// A number that no tree has: what a table reads from that a read-only file does not hold. It is empty.
const NO_TREE: TreeId = TreeId(u32::MAX);

/// A record's table as transactions use it.
pub(in crate::typed) struct Resolved {
    pub(in crate::typed) name: &'static str,
    pub(in crate::typed) record: &'static str,
    pub(in crate::typed) table: u32,
    pub(in crate::typed) tree: TreeId,
    /// The schema version of the rows that are written.
    pub(in crate::typed) version: u32,
    pub(in crate::typed) key: Vec<ShapeDef>,
    pub(in crate::typed) indexes: Vec<ResolvedIndex>,
}

/// An index as transactions use it.
pub(in crate::typed) struct ResolvedIndex {
    pub(in crate::typed) def: IndexDef,
    pub(in crate::typed) tree: TreeId,
}

impl Resolved {
    fn new(def: RecordDef, entry: &TableEntry) -> Self {
        let trees = entry.indexes.iter().map(|index| index.tree);
        Self {
            name: def.table,
            record: def.record,
            table: entry.table,
            tree: entry.tree,
            version: entry.versions.last().map_or(1, |version| version.number),
            key: def.key.into_iter().map(|(_, shape)| shape).collect(),
            indexes: def.indexes.into_iter().zip(trees).map(|(def, tree)| ResolvedIndex { def, tree }).collect(),
        }
    }

    /// A table that the file does not hold.
    fn absent(def: RecordDef) -> Self {
        let mut entry = TableEntry::of_record(&def, u32::MAX, 0);
        entry.tree = NO_TREE;
        entry.indexes.iter_mut().for_each(|index| index.tree = NO_TREE);
        Self::new(def, &entry)
    }
}

/// The numbers to be given next.
#[derive(Clone, Copy)]
pub(super) struct Header {
    pub(super) table: u32,
    pub(super) tree: u32,
}

impl Header {
    fn load(view: &dyn View) -> Result<Self> {
        if let Some(header) = read(view, &HEADER_KEY, Self::decode)? {
            return Ok(header);
        }
        // Numbers from the first on again would be those of tables that are there, and two tables would share a tree.
        if tables(view)?.next()?.is_some() {
            let message =
                "the catalog has lost the numbers to be given next, so no table can be made: salvage the file";
            return Err(Error::corrupt(message));
        }
        Ok(Self { table: 1, tree: FIRST_TREE })
    }

    /// Reads a stored header.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        match decode_value::<(u8, u32, u32)>(bytes)? {
            (FORMAT, table, tree) => {
                // Behind the last ones there is nothing left to be given.
                in_bounds("next table number", table, 1, MAX_TABLES + 1)?;
                in_bounds("next tree number", tree, FIRST_TREE, MAX_TREES)?;
                Ok(Self { table, tree })
            }
            (format, ..) => Err(DecodeError::new(format!("format {format} is unknown to this version"))),
        }
    }

    /// The header as stored.
    pub(super) fn encode(self) -> Vec<u8> {
        let mut bytes = Vec::new();
        Shape::encode(&(FORMAT, self.table, self.tree), &mut bytes);
        bytes
    }

    /// The header after a table with so many trees was made.
    fn advanced(self, trees: usize) -> Result<Self> {
        let tree = u32::try_from(trees).ok().and_then(|trees| self.tree.checked_add(trees));
        match tree {
            Some(tree) if self.table <= MAX_TABLES && tree <= MAX_TREES => Ok(Self { table: self.table + 1, tree }),
            _ => Err(Error::new(
                ErrorKind::TooManyTables,
                format!("the file has given out {} table numbers, at most {MAX_TABLES} are possible", self.table - 1),
            )),
        }
    }

    fn store(self, txn: &WriteTxn) -> Result<()> {
        txn.put(TREE, &HEADER_KEY, &self.encode())
    }
}

fn check_name(name: &str) -> Result<()> {
    if name.len() + 1 > MAX_KEY.min(MAX_ENTRY) {
        let message = format!("a table's name has {} bytes, at most {} are possible", name.len(), MAX_KEY - 1);
        return Err(Error::new(ErrorKind::KeyTooLong, message));
    }
    Ok(())
}

/// Refuses types that the catalog could not describe: a descriptor that cannot be read again would keep the file from ever being opened.
fn check_shapes(name: &str, entry: &TableEntry) -> Result<()> {
    let parts = entry.indexes.iter().flat_map(|index| &index.parts);
    let named = entry.key.iter().chain(entry.fields()).chain(parts).map(|(part, shape)| (part.as_str(), shape));
    for (part, shape) in named.chain(entry.value.iter().map(|shape| ("value", shape))) {
        if let Some(fault) = shape.fault() {
            return Err(Error::new(ErrorKind::SchemaMismatch, format!("table `{name}`, `{part}`: {fault}")));
        }
    }
    Ok(())
}

/// Compares a record with the file's table of its name. `None`: there is no such table.
fn resolve(view: &dyn View, def: &RecordDef) -> Result<Option<Resolved>> {
    check_name(def.table)?;
    let program = TableEntry::of_record(def, 0, 0);
    check_shapes(def.table, &program)?;
    let Some(entry) = table(view, def.table)? else { return Ok(None) };
    if entry.record.is_none() || entry.fingerprint() != program.fingerprint() {
        return Err(mismatch(def.table, &entry, &program));
    }
    Ok(Some(Resolved::new(def.clone(), &entry)))
}

/// Finds the tables of a schema, and makes those that are missing. Nothing is dropped because it is not mentioned; nothing is written if
/// any table differs.
pub(in crate::typed) fn install(engine: &Engine, defs: Vec<RecordDef>) -> Result<Vec<Resolved>> {
    for (at, def) in defs.iter().enumerate() {
        if let Some(twin) = defs.iter().take(at).find(|twin| twin.table == def.table) {
            let message =
                format!("`{}` and `{}` are both stored in the table `{}`", twin.record, def.record, def.table);
            return Err(Error::new(ErrorKind::SchemaMismatch, message));
        }
    }
    let snapshot = engine.snapshot()?;
    let mut found = defs.iter().map(|def| resolve(&snapshot, def)).collect::<Result<Vec<_>>>()?;
    drop(snapshot);
    if found.iter().any(Option::is_none) && !engine.read_only() {
        let txn = engine.begin()?;
        let mut header = Header::load(&txn)?;
        for (def, slot) in defs.iter().zip(&mut found) {
            if slot.is_none() {
                let entry = TableEntry::of_record(def, header.table, header.tree);
                header = header.advanced(1 + entry.indexes.len())?;
                txn.put(TREE, &table_key(def.table), &entry.encode())?;
                *slot = Some(Resolved::new(def.clone(), &entry));
            }
        }
        header.store(&txn)?;
        txn.commit(Durability::Synced)?;
    }
    Ok(defs.into_iter().zip(found).map(|(def, found)| found.unwrap_or_else(|| Resolved::absent(def))).collect())
}

/// Finds a plain table and checks its types.
pub(in crate::typed) fn find_plain(
    view: &dyn View,
    name: &str,
    fingerprint: u64,
    shapes: impl Fn() -> (ShapeDef, ShapeDef),
) -> Result<Option<Head>> {
    let Some(head) = head(view, name)? else { return Ok(None) };
    if head.fingerprint == fingerprint {
        return Ok(Some(head));
    }
    let (key, value) = shapes();
    let program = TableEntry::of_plain(key, value, 0, 0);
    check_shapes(name, &program)?;
    match table(view, name)? {
        Some(entry) => Err(mismatch(name, &entry, &program)),
        None => Ok(None),
    }
}

/// The fingerprint of a plain table of two types.
pub(in crate::typed) fn plain_fingerprint(key: ShapeDef, value: ShapeDef) -> u64 {
    TableEntry::of_plain(key, value, 0, 0).fingerprint()
}

/// Makes a plain table.
pub(in crate::typed) fn create_plain(txn: &WriteTxn, name: &str, key: ShapeDef, value: ShapeDef) -> Result<Head> {
    check_name(name)?;
    let header = Header::load(txn)?;
    let entry = TableEntry::of_plain(key, value, header.table, header.tree);
    check_shapes(name, &entry)?;
    header.advanced(1)?.store(txn)?;
    txn.put(TREE, &table_key(name), &entry.encode())?;
    Ok(Head { table: entry.table, tree: entry.tree, fingerprint: entry.fingerprint() })
}

/// Removes a table with everything in it: its entry, its counter and its trees. After a failure half-way the transaction commits nothing.
pub(in crate::typed) fn drop_table(
    txn: &WriteTxn,
    name: &str,
    table: u32,
    mut trees: impl Iterator<Item = TreeId>,
) -> Result<()> {
    let mut drop_all = || {
        txn.delete(TREE, &table_key(name))?;
        txn.forget_tally(TREE, &counter_key(table))?;
        trees.try_for_each(|tree| txn.drop_tree(tree))
    };
    txn.end_write(drop_all())
}
