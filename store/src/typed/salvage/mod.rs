//! Salvage: what is left of a damaged file becomes a new one.
//!
//! Steps: the superblock, whole or guessed; the catalog, and what the log says of it; every table's tree, past what is damaged; where an inner
//! page is, the leaves below it, found by looking at every block (`crate::salvage`); the log's commits behind the checkpoint; then all indexes
//! anew, from the tables. The source is opened for reading only.

mod gather;
mod older;
mod report;
mod source;
mod target;
#[cfg(test)]
mod tests;

pub use report::{LostKeys, SalvageReport, SalvagedTable};

use super::catalog;
use super::check::{Names, Progress, Role, Schema};
use super::database::open_error;
use crate::check::{Findings, Keys};
use crate::error::{Error, ErrorKind, Result};
use crate::vfs::{OpenError, OpenMode, RealFile, Storage, discard};
use report::Notes;
use source::Source;
use std::path::Path;
use std::sync::Arc;
use target::{Limits, Target};

/// Brings over what can be read of a damaged file into a new one, and says what was lost.
///
/// Every record comes over whose page is whole: also below damaged inner pages, and without a directory or with one superblock alone; then
/// the log's commits, up to the first that is damaged. Records of pages that nothing vouches for any more come too, if they have the
/// shape that the catalog gives them, and are counted as unverified. Where a table's description is lost, its entries are kept as
/// bytes in a plain table `lost+found/N`. Indexes are made anew from the records; where two of these claim one key of a unique index, the
/// later one is left out. What was lost is listed by table and range of keys.
///
/// The source is opened for reading only and never changed; the new file must not exist. It is compacted at the end, so that it is about as
/// large as what it holds. It is a database only then: after a crash in between it is refused as a salvage that did not end. Cost: reads the source about twice and the new tables once; each index is gone through once for 64 MiB of entries of
/// its table. Memory: 128 MiB for nodes of the new file, up to 128 MiB for index entries that are sorted, a few MiB of commits; beside that
/// what [`check_file`](crate::check_file) takes, the ranges of keys of the pages that are damaged, and the keys of records that are left out.
///
/// ```
/// # use tamarack::{Database, TableDef};
/// # const HITS: TableDef<String, u64> = TableDef::new("hits");
/// # let dir = tempfile::tempdir().unwrap();
/// # let (damaged, new) = (dir.path().join("a.tam"), dir.path().join("b.tam"));
/// # let db = Database::<()>::open(&damaged)?;
/// # db.write(|tx| tx.open_table(&HITS)?.insert("/", 1))?;
/// # db.close()?;
/// let report = tamarack::salvage_file(&damaged, &new, &mut |_| {})?;
/// assert!(report.is_complete(), "{report}");
/// let db = Database::<()>::open(&new)?;
/// assert_eq!(db.read(|tx| tx.open_table(&HITS)?.get("/"))?, Some(1));
/// # Ok::<(), tamarack::Error>(())
/// ```
///
/// # Errors
/// [`ErrorKind::InvalidArgument`] if the new file exists; [`ErrorKind::NotADatabase`], [`ErrorKind::TooNew`]; [`ErrorKind::Corrupt`] if not
/// even a guess at a superblock is possible; [`ErrorKind::Locked`] while the source is open; [`ErrorKind::Io`],
/// [`ErrorKind::StorageFull`]. No new file is left then.
pub fn salvage_file(
    from: impl AsRef<Path>,
    into: impl AsRef<Path>,
    progress: &mut dyn FnMut(Progress),
) -> Result<SalvageReport> {
    let (from, into) = (from.as_ref(), into.as_ref());
    let file = RealFile::open(from, OpenMode::ReadOnly).map_err(|error| open_error(from, error))?;
    let mut source =
        Source::open(&file, progress).map_err(|error| error.context(format_args!("`{}`", from.display())))?;
    salvage_to(&mut source, into, |file| Arc::new(file))
}

/// Makes the new file. None is left of a salvage that failed.
fn salvage_to(
    source: &mut Source<'_>,
    into: &Path,
    on: impl FnOnce(RealFile) -> Arc<dyn Storage>,
) -> Result<SalvageReport> {
    let new = RealFile::open(into, OpenMode::CreateNew).map_err(|error| match error {
        OpenError::Io(error) if error.kind() == std::io::ErrorKind::AlreadyExists => exists(into),
        OpenError::NotAFile => exists(into),
        error => open_error(into, error),
    })?;
    salvage(source, on(new), Limits::default()).inspect_err(|_| discard(into))
}

fn exists(path: &Path) -> Error {
    let message = format!("`{}` exists already: a salvage writes a new file and changes no other", path.display());
    Error::new(ErrorKind::InvalidArgument, message)
}

/// The same for any storage.
fn salvage(source: &mut Source<'_>, new: Arc<dyn Storage>, limits: Limits) -> Result<SalvageReport> {
    let mut notes = Notes::default();
    let raw = source.catalog(&mut notes)?;
    let mut findings = Findings::default();
    let schema = Schema::of(&raw, &mut findings);
    notes.remarks.extend(findings.list.into_iter().map(|found| format!("the catalog: {}", found.what)));
    source.look(&schema)?;
    let unknown = source.unknown_trees(&schema, &mut notes);
    let mut target = Target::create(new, &source.superblock, limits)?;
    target.catalog(&raw, &schema, &unknown)?;
    bring(source, &mut target, &schema, &unknown, &mut notes)?;
    target.finish(&schema, &notes)?;
    Ok(make_report(source, &schema, &unknown, notes))
}

/// Brings the records over, and makes the indexes.
fn bring(
    source: &mut Source<'_>,
    target: &mut Target,
    schema: &Schema,
    unknown: &[(u32, u32)],
    notes: &mut Notes,
) -> Result<()> {
    notes.tables.resize_with(schema.tables.len() + unknown.len(), Default::default);
    for (at, plan) in schema.tables.iter().enumerate() {
        source.rows(plan.entry.tree.0, &mut |row| target.row(plan, row, notes, at))?;
    }
    for (at, &(tree, as_tree)) in unknown.iter().enumerate() {
        source.rows(tree, &mut |row| target.bytes(as_tree, row, notes, schema.tables.len() + at))?;
    }
    source.log(notes, &mut |notes, change| target.change(schema, change, notes))?;
    for (tree, (changes, first)) in std::mem::take(&mut notes.strange) {
        notes.remark(format!(
            "the log: {changes} changes of tree {tree}, the first of {first}, were left out, as it belongs to no table"
        ));
    }
    target.flush()?;
    for (at, &(_, as_tree)) in unknown.iter().enumerate() {
        target.count(as_tree, notes, schema.tables.len() + at)?;
    }
    schema.tables.iter().enumerate().try_for_each(|(at, plan)| target.index(plan, notes, at))
}

fn make_report(source: &Source<'_>, schema: &Schema, unknown: &[(u32, u32)], notes: Notes) -> SalvageReport {
    let names = Names(schema);
    let mut lost = Vec::new();
    for (tree, keys, why) in source.lost() {
        let table = match schema.role(tree) {
            Some(Role::Rows { .. }) => names.of(tree).0,
            Some(Role::Index { .. }) => continue,
            None if tree == catalog::TREE.0 => Some("the catalog".to_owned()),
            None => Some(target::bytes_name(tree)),
        };
        lost.push(LostKeys { table: table.unwrap_or_default(), keys: names.keys(tree, &keys), what: why });
    }
    let mut tables = Vec::new();
    let known = schema.tables.iter().map(|plan| (plan.name.clone(), plan.entry.tree.0));
    let unknown = unknown.iter().map(|&(tree, _)| (target::bytes_name(tree), tree));
    for ((name, tree), counted) in known.chain(unknown).zip(notes.tables) {
        for (key, what) in counted.refused {
            let keys = names.keys(tree, &Keys::One(key));
            lost.push(LostKeys { table: name.clone(), keys, what });
        }
        tables.push(SalvagedTable { table: name, records: counted.records, unverified: counted.unverified });
    }
    report::make(tables, lost, notes.log_commits, notes.remarks)
}
