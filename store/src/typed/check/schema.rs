//! What the trees of a file are, as its catalog says.

use crate::check::{FindingKind, Findings, Found, Keys, Lost, Visit, Walker};
use crate::engine::Tally;
use crate::error::Result;
use crate::format::ChildEntry;
use crate::typed::catalog::{self, Explained, explain};
use crate::typed::plan::TablePlan;
use std::collections::BTreeMap;

/// What a tree holds. Tables by their place in [`Schema::tables`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::typed) enum Role {
    Rows { table: usize },
    Index { table: usize, index: usize },
}

/// See the module.
#[derive(Default)]
pub(in crate::typed) struct Schema {
    pub(in crate::typed) tables: Vec<TablePlan>,
    roles: BTreeMap<u32, Role>,
    pub(in crate::typed) counters: BTreeMap<u32, Tally>,
    /// The numbers to be given next: table, tree.
    pub(in crate::typed) next: Option<(u32, u32)>,
    /// Whether the whole catalog was read.
    pub(in crate::typed) complete: bool,
}

/// The catalog's entries as stored.
#[derive(Default)]
pub(in crate::typed) struct Raw {
    pub(in crate::typed) entries: BTreeMap<Vec<u8>, Vec<u8>>,
    pub(in crate::typed) lost: bool,
}

impl Visit for Raw {
    fn entry(&mut self, _: u32, key: &[u8], value: &[u8], _: &mut Findings) -> Result<()> {
        self.entries.insert(key.to_vec(), value.to_vec());
        Ok(())
    }

    fn lost(&mut self, _: u32, _: &[u8], _: Option<&[u8]>, _: &Lost) -> Result<()> {
        self.lost = true;
        Ok(())
    }
}

fn about(what: impl Into<String>) -> Found {
    Found::new(FindingKind::Catalog, what).in_tree(catalog::TREE.0)
}

impl Schema {
    /// Reads the catalog of a checkpoint.
    pub(super) fn read(walker: &mut Walker<'_>, root: Option<&ChildEntry>) -> Result<Self> {
        let mut raw = Raw::default();
        match root {
            Some(root) => walker.tree(catalog::TREE.0, root, &mut raw)?,
            // Without a directory nobody knows what there should be.
            None => raw.lost = walker.blind,
        }
        Ok(Self::of(&raw, &mut walker.found))
    }

    /// The schema that stored entries describe; what contradicts itself is reported and left out.
    pub(in crate::typed) fn of(raw: &Raw, found: &mut Findings) -> Self {
        let mut schema = Self { complete: !raw.lost, ..Self::default() };
        for (key, value) in &raw.entries {
            match explain(key, value) {
                Ok(Explained::Header { table, tree }) => schema.next = Some((table, tree)),
                Ok(Explained::Counter { table, tally }) => {
                    schema.counters.insert(table, tally);
                }
                Ok(Explained::Table { name, entry, fingerprint }) => {
                    if fingerprint != entry.fingerprint() {
                        found.add(about(format!("table `{name}`: its fingerprint is not that of its description")));
                    }
                    schema.tables.push(TablePlan::new(name, entry));
                }
                Err(error) => {
                    schema.complete = false;
                    found.add(about(error.to_string()).keys(Keys::One(key.clone())));
                }
            }
        }
        schema.assign(found);
        if schema.complete {
            schema.check_numbers(found);
        }
        schema
    }

    fn assign(&mut self, found: &mut Findings) {
        for (at, table) in self.tables.iter().enumerate() {
            let indexes = table.entry.indexes.iter().enumerate();
            let indexes = indexes.map(|(index, entry)| (entry.tree.0, Role::Index { table: at, index }));
            for (tree, role) in std::iter::once((table.entry.tree.0, Role::Rows { table: at })).chain(indexes) {
                if self.roles.insert(tree, role).is_some() {
                    found.add(about(format!("table `{}` claims tree {tree}, which another one has", table.name)));
                }
            }
        }
    }

    /// Numbers that were given are below those to be given next, and every counter has a table.
    fn check_numbers(&self, found: &mut Findings) {
        let mut numbers: Vec<u32> = self.tables.iter().map(|table| table.entry.table).collect();
        numbers.sort_unstable();
        if let Some([twice, _]) = numbers.windows(2).find(|pair| matches!(pair, [a, b] if a == b)) {
            found.add(about(format!("two tables have the number {twice}")));
        }
        let (table, tree) = (numbers.last().copied(), self.roles.last_key_value().map(|(&tree, _)| tree));
        match self.next {
            None if table.is_some() => found.add(about("the numbers to be given next are missing")),
            Some((next_table, next_tree))
                if table.is_some_and(|table| table >= next_table) || tree.is_some_and(|tree| tree >= next_tree) =>
            {
                found
                    .add(about(format!("table {next_table} or tree {next_tree}, to be given next, was given already")));
            }
            _ => {}
        }
        for number in self.counters.keys().filter(|number| numbers.binary_search(number).is_err()) {
            found.add(about(format!("there is a counter for table {number}, which does not exist")));
        }
    }

    /// What a tree is.
    pub(in crate::typed) fn role(&self, tree: u32) -> Option<Role> {
        self.roles.get(&tree).copied()
    }

    /// Every tree that the catalog names.
    pub(in crate::typed) fn trees(&self) -> impl Iterator<Item = (u32, Role)> + '_ {
        self.roles.iter().map(|(&tree, &role)| (tree, role))
    }
}
