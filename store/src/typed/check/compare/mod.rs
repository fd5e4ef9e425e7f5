//! Finds the entries about which a table and its indexes disagree, in both directions.
//!
//! Of each index whose sums differ one pass over the table and the index fills [`Buckets`], and another one looks up what they suspect: a few
//! wrong entries among millions cost a few lookups. One pass over the table serves several of its indexes.

mod buckets;
mod probe;
#[cfg(test)]
mod tests;

use super::rows::{Sums, TableSum, hash};
use super::schema::Schema;
use crate::check::{FindingKind, Findings, Found, Keys, Lost, Pages, Visit, Walker};
use crate::error::Result;
use crate::format::{ChildEntry, Superblock};
use crate::typed::plan::TablePlan;
use crate::vfs::Storage;
use buckets::Buckets;
use probe::{Looked, Probe};
use std::collections::BTreeMap;

/// Indexes of a table that one pass over it serves: as many have buckets at once.
const TOGETHER: usize = 4;

/// Compares every index whose sums differ.
pub(super) fn indexes(
    walker: &mut Walker<'_>,
    length: u64,
    schema: &Schema,
    roots: &BTreeMap<u32, ChildEntry>,
    sums: &Sums,
) -> Result<()> {
    let (storage, superblock) = (walker.pages.storage, walker.superblock);
    let again = Again { storage, superblock, length, roots, buckets: Buckets::MOST };
    again.compare(schema, sums, &mut walker.found)?;
    let mut tables = schema.tables.iter().zip(&sums.tables);
    if walker.found.list.is_empty()
        && let Some((_, tree, _)) = tables.find_map(|(plan, sum)| differing(plan, sum).into_iter().next())
    {
        // Everything could be read at first. Then the device refused what it had read.
        let what = "it differs from its table, and which entries do could not be read again".to_owned();
        walker.found.add(Found::new(FindingKind::Index, what).in_tree(tree).unread(true));
    }
    Ok(())
}

/// The indexes whose sums differ from their table's: number, tree, entries.
fn differing(plan: &TablePlan, sum: &TableSum) -> Vec<(usize, u32, u64)> {
    let indexes = plan.entry.indexes.iter().zip(&sum.indexes).enumerate();
    indexes
        .filter(|(at, (_, (must, holds)))| must != holds && plan.derives(*at))
        .map(|(at, (index, (must, holds)))| (at, index.tree.0, must.count.max(holds.count)))
        .collect()
}

/// Reads trees once more.
struct Again<'a> {
    storage: &'a dyn Storage,
    superblock: &'a Superblock,
    length: u64,
    roots: &'a BTreeMap<u32, ChildEntry>,
    /// Buckets of one way at most.
    buckets: usize,
}

/// An index that differs from its table.
struct Doubt<'a> {
    index: usize,
    tree: u32,
    buckets: Buckets,
    /// Looks entries up in the index.
    probe: Probe<'a>,
    found: Findings,
}

impl<'a> Again<'a> {
    /// Compares every index whose sums differ; returns how many entries were looked up.
    fn compare(&self, schema: &Schema, sums: &Sums, found: &mut Findings) -> Result<u64> {
        let mut looked = 0;
        for (plan, sum) in schema.tables.iter().zip(&sums.tables) {
            for some in differing(plan, sum).chunks(TOGETHER) {
                let doubts = some.iter().map(|&(index, tree, entries)| Doubt {
                    index,
                    tree,
                    buckets: Buckets::new(entries, self.buckets),
                    probe: self.probe(tree),
                    found: Findings::default(),
                });
                looked += self.settle(plan, doubts.collect(), found)?;
            }
        }
        Ok(looked)
    }

    fn settle(&self, plan: &TablePlan, mut doubts: Vec<Doubt<'a>>, found: &mut Findings) -> Result<u64> {
        let rows = plan.entry.tree.0;
        self.pass(rows, &mut Must { plan, doubts: &mut doubts })?;
        for doubt in &mut doubts {
            self.pass(doubt.tree, &mut Holds { buckets: &mut doubt.buckets })?;
        }
        self.pass(rows, &mut Missing { plan, doubts: &mut doubts })?;
        let mut looked = 0;
        for doubt in doubts {
            found.append(doubt.found);
            let (index, buckets) = (doubt.index, doubt.buckets);
            let mut extra = Extra { plan, index, buckets, probe: self.probe(rows), found: Findings::default() };
            self.pass(doubt.tree, &mut extra)?;
            found.append(extra.found);
            looked += doubt.probe.looked + extra.probe.looked;
            if doubt.probe.gave_up || extra.probe.gave_up {
                let what = "not all of its entries were compared: too many name the same long records".to_owned();
                found.add(Found::new(FindingKind::Index, what).in_tree(doubt.tree));
            }
        }
        Ok(looked)
    }

    fn probe(&self, tree: u32) -> Probe<'a> {
        Probe::new(Pages::new(self.storage, self.superblock), tree, self.roots.get(&tree).copied(), self.length)
    }

    /// Shows a tree to a visitor. What the walker finds was reported before.
    fn pass(&self, tree: u32, visit: &mut dyn Visit) -> Result<()> {
        let mut silent = |_| {};
        let mut walker = Walker::new(self.storage, self.superblock, self.length, &mut silent)?;
        self.roots.get(&tree).map_or(Ok(()), |root| walker.tree(tree, root, visit))
    }
}

/// Shown the records of a table: what must its indexes hold?
struct Must<'v, 'a> {
    plan: &'v TablePlan,
    doubts: &'v mut [Doubt<'a>],
}

impl Visit for Must<'_, '_> {
    fn entry(&mut self, _: u32, key: &[u8], value: &[u8], _: &mut Findings) -> Result<()> {
        for entry in self.plan.entries(key, value).unwrap_or_default() {
            if let Some(doubt) = self.doubts.iter_mut().find(|doubt| doubt.index == entry.index) {
                doubt.buckets.must(hash(&entry.key, entry.value(key)));
            }
        }
        Ok(())
    }

    fn lost(&mut self, _: u32, _: &[u8], _: Option<&[u8]>, _: &Lost) -> Result<()> {
        Ok(())
    }
}

/// Shown the entries of an index.
struct Holds<'v> {
    buckets: &'v mut Buckets,
}

impl Visit for Holds<'_> {
    fn entry(&mut self, _: u32, key: &[u8], value: &[u8], _: &mut Findings) -> Result<()> {
        self.buckets.holds(hash(key, value));
        Ok(())
    }

    fn lost(&mut self, _: u32, _: &[u8], _: Option<&[u8]>, _: &Lost) -> Result<()> {
        Ok(())
    }
}

/// Shown the records of a table: is each listed in the indexes?
struct Missing<'v, 'a> {
    plan: &'v TablePlan,
    doubts: &'v mut [Doubt<'a>],
}

impl Visit for Missing<'_, '_> {
    fn entry(&mut self, _: u32, key: &[u8], value: &[u8], _: &mut Findings) -> Result<()> {
        for entry in self.plan.entries(key, value).unwrap_or_default() {
            let Some(doubt) = self.doubts.iter_mut().find(|doubt| doubt.index == entry.index) else { continue };
            if !doubt.buckets.suspects(hash(&entry.key, entry.value(key))) {
                continue;
            }
            let what = match doubt.probe.look(&entry.key) {
                Looked::Found(stored) if stored == entry.value(key) => continue,
                Looked::Unknown => continue,
                Looked::Absent => format!("it has no entry for the record {}", self.plan.show_key(key)),
                Looked::Found(_) => {
                    format!("its entry for the record {} names another one", self.plan.show_key(key))
                }
            };
            let about = Found::new(FindingKind::Index, what).in_tree(doubt.tree);
            doubt.found.add(about.keys(Keys::One(entry.key.to_vec())));
        }
        Ok(())
    }

    fn lost(&mut self, _: u32, _: &[u8], _: Option<&[u8]>, _: &Lost) -> Result<()> {
        Ok(())
    }
}

/// Shown the entries of an index: is there a record for each?
struct Extra<'v, 'a> {
    plan: &'v TablePlan,
    index: usize,
    buckets: Buckets,
    /// Looks records up.
    probe: Probe<'a>,
    found: Findings,
}

impl Visit for Extra<'_, '_> {
    fn entry(&mut self, tree: u32, key: &[u8], value: &[u8], _: &mut Findings) -> Result<()> {
        if !self.buckets.suspects(hash(key, value)) {
            return Ok(());
        }
        let what = match self.plan.primary(self.index, key, value) {
            Err(error) => format!("it has an entry that names no record: {error}"),
            Ok(primary) => match self.probe.look(primary) {
                Looked::Unknown => return Ok(()),
                Looked::Absent => {
                    format!("it has an entry for the record {}, which does not exist", self.plan.show_key(primary))
                }
                Looked::Found(row) => {
                    let Ok(listed) = self.plan.entries(primary, &row) else { return Ok(()) };
                    let mut own = listed.iter().filter(|entry| entry.index == self.index);
                    if own.any(|entry| entry.key.as_slice() == key && entry.value(primary) == value) {
                        return Ok(());
                    }
                    format!("it has an entry for the record {}, which says otherwise", self.plan.show_key(primary))
                }
            },
        };
        self.found.add(Found::new(FindingKind::Index, what).in_tree(tree).keys(Keys::One(key.to_vec())));
        Ok(())
    }

    fn lost(&mut self, _: u32, _: &[u8], _: Option<&[u8]>, _: &Lost) -> Result<()> {
        Ok(())
    }
}
