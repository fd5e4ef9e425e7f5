//! The catalog where its own pages are damaged: what older pages and the log's ring still hold of it.

use super::report::Notes;
use super::source::Source;
use crate::check::{Page, Pages};
use crate::salvage::{Gaps, find_strays};
use crate::typed::catalog::{self, Explained};
use crate::typed::check::Raw;
use crate::wal::{Op, OpsReader, remains};
use std::collections::{BTreeMap, BTreeSet};

/// Whose word counts more, where two contradict each other: the lower one's. Pages come before records, the newer before the older.
type Rank = (u8, u64);

const PAGE: u8 = 0;
const RECORD: u8 = 1;

/// Entries of before, by key.
pub(super) type Older = BTreeMap<Vec<u8>, (Rank, Vec<u8>)>;

impl Source<'_> {
    /// Entries of the catalog from pages and log records of before, newest first. A table's entry never changes, so an old one is as good. The log
    /// has `written` to these trees since.
    pub(super) fn old_catalog(&self, written: &BTreeSet<u32>, notes: &mut Notes) -> Older {
        let mut older = Older::new();
        if let Some(ring) = self.ring() {
            remains(self.storage, &ring, self.released(), &mut |position, body| {
                for op in OpsReader::new(body).flatten() {
                    match op {
                        Op::Put { tree, key, value } if tree == catalog::TREE.0 => {
                            older.insert(key.to_vec(), ((RECORD, u64::MAX - position), value.to_vec()));
                        }
                        Op::Delete { tree, key } if tree == catalog::TREE.0 => {
                            older.remove(key);
                        }
                        _ => {}
                    }
                }
            });
        }
        self.old_pages(written, &mut older);
        notes
            .remarks
            .push("the catalog is damaged: descriptions of tables were taken from older pages and log records".into());
        older.retain(|key, (_, value)| self.may_stand(written, key, value));
        older
    }

    /// The catalog's entries from the pages that are left of it. For each key the newest page that covers it says whether there is an entry: what
    /// only older ones hold was deleted. Where that entry cannot stand, an older one is better.
    fn old_pages(&self, written: &BTreeSet<u32>, older: &mut Older) {
        let pages = Pages::new(self.storage, &self.superblock);
        let newest = self.superblock.generation;
        let wanted = |tree: u32, page: &Page| tree == catalog::TREE.0 && page.header.generation <= newest;
        let damaged = self.damage.get(&catalog::TREE.0).map_or(&[][..], |damage| &damage.blocks);
        let leaves = find_strays(&pages, self.blocks(), &|block| damaged.contains(&block), &wanted, &mut || {});
        let mut uncovered = Gaps::default();
        uncovered.add(&[], None);
        let mut unsound: BTreeSet<Vec<u8>> = BTreeSet::new();
        for (leaf, age) in leaves.iter().zip(0..) {
            let Ok(Some(stray)) = pages.stray(leaf.entry.address) else { continue };
            let pieces = uncovered.cover(&leaf.lower, leaf.upper.as_deref());
            let body = stray.page.body();
            let mut key = Vec::new();
            for i in 0..body.len() {
                body.key_into(i, &mut key);
                let first = pieces
                    .iter()
                    .any(|(lower, upper)| *lower <= key && upper.as_ref().is_none_or(|upper| key < *upper));
                if !first && !unsound.contains(&key) {
                    continue;
                }
                match self.value(body.value(i)) {
                    Ok(value) if self.may_stand(written, &key, &value) => {
                        unsound.remove(&key);
                        older.insert(key.clone(), ((PAGE, age), value));
                    }
                    _ => {
                        unsound.insert(key.clone());
                    }
                }
            }
        }
    }

    /// Whether an entry of before may stand in the catalog: a table that was dropped since does not come back, nor one that is damaged. One that neither
    /// a root nor a later commit names was dropped; or it is empty, and nothing is lost with it.
    fn may_stand(&self, written: &BTreeSet<u32>, key: &[u8], value: &[u8]) -> bool {
        catalog::explain(key, value).is_ok_and(|explained| match explained {
            Explained::Table { entry, fingerprint, .. } => {
                let tree = entry.tree.0;
                let lives = !self.rooted || self.roots.contains_key(&tree) || written.contains(&tree);
                lives && fingerprint == entry.fingerprint()
            }
            _ => true,
        })
    }
}

/// Puts older entries beside those of the current catalog, which count more. No two tables of the new file may have the number of a table or a
/// tree in common: each would show the other's records.
pub(super) fn merge(raw: &mut Raw, older: Older, notes: &mut Notes) {
    let mut claims = Claims::default();
    raw.entries.retain(|key, value| claims.admit(key, value, notes));
    let mut older: Vec<_> = older.into_iter().filter(|(key, _)| !raw.entries.contains_key(key)).collect();
    older.sort_by_key(|(_, (rank, _))| *rank);
    for (key, (_, value)) in older {
        if claims.admit(&key, &value, notes) {
            raw.entries.insert(key, value);
        }
    }
}

/// Which tables have which numbers.
#[derive(Default)]
struct Claims {
    tables: BTreeMap<u32, String>,
    trees: BTreeMap<u32, String>,
}

impl Claims {
    /// Whether an entry claims no number that one before it has. What is no table's entry claims none.
    fn admit(&mut self, key: &[u8], value: &[u8], notes: &mut Notes) -> bool {
        let Ok(Explained::Table { name, entry, .. }) = catalog::explain(key, value) else { return true };
        let trees = || entry.trees().map(|tree| tree.0);
        let mut own = BTreeSet::new();
        let twin = self.tables.get(&entry.table).or_else(|| trees().find_map(|tree| self.trees.get(&tree)));
        let twin = twin.or_else(|| (!trees().all(|tree| own.insert(tree))).then_some(&name));
        if let Some(twin) = twin {
            notes.remarks.push(format!(
                "the catalog: a description of table `{name}` claims numbers of `{twin}`, and was left out"
            ));
            return false;
        }
        self.tables.insert(entry.table, name.clone());
        self.trees.extend(own.into_iter().map(|tree| (tree, name.clone())));
        true
    }
}
