//! Checks a whole file: the engine verifies pages, log and space (`crate::check`), this module reads the catalog and compares what it says with
//! what is stored, without the program's types.
//!
//! An index is compared with its table through a count and a sum of 128-bit hashes over the entries that it must hold and those that it holds:
//! one pass over the file, no memory. Only where these differ are the two gone through again, in both directions (`compare`).

mod compare;
mod report;
mod rows;
mod schema;
#[cfg(test)]
pub(in crate::typed) mod tests;

pub use report::{CheckReport, Finding, TableTotals, Totals};
pub(super) use report::{Names, printable};
pub(super) use schema::{Raw, Role, Schema};

use super::catalog;
use super::database::open_error;
use crate::check::{Findings, LogSummary, Walker, read_log, read_slots};
use crate::error::{Error, Result};
use crate::format::Superblock;
use crate::vfs::{OpenMode, RealFile, Storage};
use rows::{RowsVisit, Sums};
use std::collections::BTreeMap;
use std::path::Path;

pub use crate::check::{FindingKind, Progress};

/// Checks a closed file, which it opens for reading only: no program and no schema are needed, as the file explains itself.
///
/// What is checked: both superblocks; every page with its checksum, its place and the generation that its parent names; keys, their order
/// and ranges; every value outside its page; every block, which is free, in use once, or named by the log; the log from its start; the
/// catalog; every record against its shape; every index against its table in both directions; numbers of records and largest automatic ids.
///
/// A damaged page does not end the check. Tables, indexes and their numbers are those of the last checkpoint: after a crash what the log holds
/// behind it is checked record by record, and becomes part of the tables when the database is opened.
///
/// Memory: two bits for each block of the file (64 KiB for each GiB of 4 KiB blocks), the catalog, one page of each level, the longest value and
/// log record; where an index differs from its table, the bits of the blocks once more, up to 8 MiB of sums, a few hundred inner pages, and up to
/// 10,000 findings for each of four indexes. Cost: reads everything in use once; an index that is wrong, and its table, twice more, and a page or
/// a few for each entry that is looked up: the wrong ones, and few others as long as these are few.
///
/// ```
/// # use tamarack::{Database, TableDef};
/// # const HITS: TableDef<String, u64> = TableDef::new("hits");
/// # let dir = tempfile::tempdir().unwrap(); let path = dir.path().join("a.tam");
/// let db = Database::<()>::open(&path)?;
/// db.write(|tx| tx.open_table(&HITS)?.insert("/", 1))?;
/// db.close()?;
/// let report = tamarack::check_file(&path, &mut |_| {})?;
/// assert!(report.is_sound(), "{report}");
/// assert_eq!(report.tables()[0].records, 1);
/// # Ok::<(), tamarack::Error>(())
/// ```
///
/// # Errors
/// [`ErrorKind::NotADatabase`](crate::ErrorKind::NotADatabase), [`ErrorKind::TooNew`](crate::ErrorKind::TooNew);
/// [`ErrorKind::Locked`](crate::ErrorKind::Locked) while somebody has it open for writing: check it there, with
/// [`Database::check_with`](crate::Database::check_with); [`ErrorKind::Corrupt`](crate::ErrorKind::Corrupt) if neither superblock is whole, so that
/// nothing can be reached; [`ErrorKind::Io`](crate::ErrorKind::Io). Damage of any other kind is in the report.
pub fn check_file(path: impl AsRef<Path>, progress: &mut dyn FnMut(Progress)) -> Result<CheckReport> {
    let path = path.as_ref();
    let file = RealFile::open(path, OpenMode::ReadOnly).map_err(|error| open_error(path, error))?;
    check_storage(&file, progress).map_err(|error| error.context(format_args!("`{}`", path.display())))
}

/// The same for any storage.
pub(super) fn check_storage(storage: &dyn Storage, progress: &mut dyn FnMut(Progress)) -> Result<CheckReport> {
    let slots = read_slots(storage)?;
    let Some(superblock) = slots.superblocks.first() else {
        return Err(Error::corrupt(
            "neither superblock is whole: nothing can be reached from them, salvage what is left",
        ));
    };
    let log = read_log(storage, superblock, false);
    let image = Image { storage, superblock, length: slots.length, found: slots.found, log };
    image.check(progress, |_| Ok(None))
}

/// One state of a file.
pub(super) struct Image<'a> {
    pub(super) storage: &'a dyn Storage,
    pub(super) superblock: &'a Superblock,
    pub(super) length: u64,
    /// What is wrong with the superblocks.
    pub(super) found: Findings,
    pub(super) log: LogSummary,
}

impl Image<'_> {
    /// Checks everything. `also` sees at the end which blocks are in use.
    pub(super) fn check(
        self,
        progress: &mut dyn FnMut(Progress),
        also: impl FnOnce(&crate::check::Blocks) -> Result<Option<String>>,
    ) -> Result<CheckReport> {
        let Self { storage, superblock, length, found, mut log } = self;
        let mut walker = Walker::new(storage, superblock, length, progress)?;
        walker.found.append(found);
        walker.fixed();
        walker.free_map();
        let directory = walker.directory();
        let roots: BTreeMap<u32, _> = directory.iter().map(|entry| (entry.tree, entry.root)).collect();
        let schema = Schema::read(&mut walker, roots.get(&catalog::TREE.0))?;
        let mut sums = Sums::new(&schema);
        for (&tree, root) in roots.iter().filter(|(tree, _)| **tree != catalog::TREE.0) {
            let role = schema.role(tree);
            // Trees below the first of the tables are the store's own: their pages are verified, and what they hold is not asked.
            if role.is_none() && schema.complete && tree >= catalog::FIRST_TREE {
                walker.found.add(
                    crate::check::Found::new(FindingKind::Catalog, format!("tree {tree} belongs to no table"))
                        .in_tree(tree),
                );
            }
            walker.tree(tree, root, &mut RowsVisit { schema: &schema, role, sums: &mut sums })?;
        }
        sums.counters(&schema, &mut walker.found);
        compare::indexes(&mut walker, length, &schema, &roots, &sums)?;
        log.compare(&walker.blocks);
        walker.found.append(std::mem::take(&mut log.found));
        if let Some(what) = also(&walker.blocks)? {
            walker.found.add(crate::check::Found::new(FindingKind::Space, what));
        }
        let unreachable = walker.account();
        walker.finish();
        let block = u64::from(superblock.block_size);
        let totals = Totals {
            bytes: walker.blocks.count() * block,
            free: walker.blocks.free_blocks() * block,
            unreachable: unreachable * block,
            pages: walker.read,
            log_commits: log.commits,
            log_bytes: log.bytes,
            checkpoint: superblock.generation,
        };
        Ok(report::make(&Names(&schema), std::mem::take(&mut walker.found), sums.totals(&schema), totals))
    }
}
