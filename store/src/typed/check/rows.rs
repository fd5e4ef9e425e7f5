//! What a pass over all trees gathers: numbers of records, largest ids, and sums of what indexes must and do hold.

use super::report::TableTotals;
use super::schema::{Role, Schema};
use crate::check::{FindingKind, Findings, Found, Keys, Lost, Visit};
use crate::error::Result;
use xxhash_rust::xxh3::Xxh3Default;

/// A multiset of entries: how many, and the sum of their hashes. Equal multisets have equal sums, and others practically never.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Sum {
    pub(super) count: u64,
    hash: u128,
}

impl Sum {
    fn add(&mut self, key: &[u8], value: &[u8]) {
        self.count += 1;
        self.hash = self.hash.wrapping_add(hash(key, value));
    }
}

/// The hash of an entry.
pub(super) fn hash(key: &[u8], value: &[u8]) -> u128 {
    let mut hasher = Xxh3Default::new();
    hasher.update(&(key.len() as u64).to_le_bytes());
    hasher.update(key);
    hasher.update(value);
    hasher.digest128()
}

#[derive(Debug, Clone, Default)]
pub(super) struct TableSum {
    records: u64,
    largest: u64,
    /// Whether some of its records could not be read, or do not decode.
    pub(super) partial: bool,
    /// For each index: what it must hold, and what it does.
    pub(super) indexes: Vec<(Sum, Sum)>,
}

/// See the module.
pub(super) struct Sums {
    pub(super) tables: Vec<TableSum>,
}

impl Sums {
    pub(super) fn new(schema: &Schema) -> Self {
        let table = |table: &crate::typed::plan::TablePlan| TableSum {
            indexes: vec![Default::default(); table.entry.indexes.len()],
            ..TableSum::default()
        };
        Self { tables: schema.tables.iter().map(table).collect() }
    }

    /// Compares counters with what was found.
    pub(super) fn counters(&self, schema: &Schema, found: &mut Findings) {
        if !schema.complete {
            return;
        }
        for (plan, sum) in schema.tables.iter().zip(&self.tables) {
            let tally = schema.counters.get(&plan.entry.table).copied().unwrap_or_default();
            let about = |what| Found::new(FindingKind::Counter, what).in_tree(plan.entry.tree.0);
            if !sum.partial && tally.sum != sum.records {
                found.add(about(format!("its counter says {} records, and it has {}", tally.sum, sum.records)));
            }
            if plan.entry.auto && tally.max < sum.largest {
                let what =
                    format!("its largest automatic id is {} by its counter, and it has {}", tally.max, sum.largest);
                found.add(about(what));
            }
        }
    }

    /// What the report says of each table.
    pub(super) fn totals(&self, schema: &Schema) -> Vec<TableTotals> {
        let table = |(plan, sum): (&crate::typed::plan::TablePlan, &TableSum)| TableTotals {
            table: plan.name.clone(),
            records: sum.records,
            indexes: plan.entry.indexes.len(),
            index_entries: sum.indexes.iter().map(|(_, holds)| holds.count).sum(),
        };
        schema.tables.iter().zip(&self.tables).map(table).collect()
    }
}

/// Gathers what one tree holds.
pub(super) struct RowsVisit<'a> {
    pub(super) schema: &'a Schema,
    pub(super) role: Option<Role>,
    pub(super) sums: &'a mut Sums,
}

impl Visit for RowsVisit<'_> {
    fn entry(&mut self, tree: u32, key: &[u8], value: &[u8], found: &mut Findings) -> Result<()> {
        let Some(role) = self.role else { return Ok(()) };
        let (Role::Rows { table } | Role::Index { table, .. }) = role;
        let (Some(plan), Some(sum)) = (self.schema.tables.get(table), self.sums.tables.get_mut(table)) else {
            return Ok(());
        };
        if let Role::Index { index, .. } = role {
            if let Some((_, holds)) = sum.indexes.get_mut(index) {
                holds.add(key, value);
            }
            return Ok(());
        }
        sum.records += 1;
        if plan.entry.auto {
            sum.largest = sum.largest.max(key.first_chunk().map_or(0, |id| u64::from_be_bytes(*id)));
        }
        let listed = plan.check(key, value).and_then(|()| plan.entries(key, value));
        match listed {
            Ok(listed) => {
                for entry in listed {
                    if let Some((must, _)) = sum.indexes.get_mut(entry.index) {
                        must.add(&entry.key, entry.value(key));
                    }
                }
            }
            Err(error) => {
                sum.partial = true;
                found.add(Found::new(FindingKind::Row, error.to_string()).in_tree(tree).keys(Keys::One(key.to_vec())));
            }
        }
        Ok(())
    }

    fn lost(&mut self, _: u32, _: &[u8], _: Option<&[u8]>, _: &Lost) -> Result<()> {
        if let Some(Role::Rows { table }) = self.role
            && let Some(sum) = self.sums.tables.get_mut(table)
        {
            sum.partial = true;
        }
        Ok(())
    }
}
