//! What a check says, for people and for programs.

use super::schema::{Role, Schema};
use crate::check::{FindingKind, Findings, Found, Keys};
use crate::error::{Error, ErrorKind, Result};
use crate::typed::catalog;
use std::fmt;
use tamarack_codec::render_key;

/// One thing that is wrong with a file.
///
/// ```
/// # fn show(report: &tamarack::CheckReport) {
/// for finding in report.findings() {
///     println!("{}: {finding}", finding.kind());
/// }
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    kind: FindingKind,
    table: Option<String>,
    index: Option<String>,
    tree: Option<u32>,
    keys: Option<String>,
    block: Option<u64>,
    unread: bool,
    what: String,
}

impl Finding {
    /// What it is about.
    ///
    /// ```
    /// # fn pages(report: &tamarack::CheckReport) -> usize {
    /// report.findings().iter().filter(|finding| finding.kind() == tamarack::FindingKind::Page).count()
    /// # }
    /// ```
    #[must_use]
    pub fn kind(&self) -> FindingKind {
        self.kind
    }

    /// The table's name, as the catalog has it; also for its indexes.
    ///
    /// ```
    /// # fn of(finding: &tamarack::Finding) -> bool {
    /// finding.table() == Some("cities")
    /// # }
    /// ```
    #[must_use]
    pub fn table(&self) -> Option<&str> {
        self.table.as_deref()
    }

    /// The index's name.
    ///
    /// ```
    /// # fn of(finding: &tamarack::Finding) -> bool {
    /// finding.index() == Some("country")
    /// # }
    /// ```
    #[must_use]
    pub fn index(&self) -> Option<&str> {
        self.index.as_deref()
    }

    /// The number of the tree, which has no name if the catalog is damaged.
    ///
    /// ```
    /// # fn of(finding: &tamarack::Finding) -> bool {
    /// finding.tree().is_some()
    /// # }
    /// ```
    #[must_use]
    pub fn tree(&self) -> Option<u32> {
        self.tree
    }

    /// The key, or the range of keys, as text: `key 7`, `keys from "a" to "b"`.
    ///
    /// ```
    /// # fn of(finding: &tamarack::Finding) -> bool {
    /// finding.keys() == Some("key 7")
    /// # }
    /// ```
    #[must_use]
    pub fn keys(&self) -> Option<&str> {
        self.keys.as_deref()
    }

    /// The block of the file where it lies; a page begins there.
    ///
    /// ```
    /// # fn of(finding: &tamarack::Finding) -> Option<u64> {
    /// finding.block().map(|block| block * 4096)
    /// # }
    /// ```
    #[must_use]
    pub fn block(&self) -> Option<u64> {
        self.block
    }

    /// What is wrong, without the place.
    ///
    /// ```
    /// # fn of(finding: &tamarack::Finding) -> bool {
    /// finding.what().contains("checksum")
    /// # }
    /// ```
    #[must_use]
    pub fn what(&self) -> &str {
        &self.what
    }

    /// Where it is: table, index, keys, block.
    fn place(&self) -> String {
        let mut place = Vec::new();
        match (&self.table, &self.index, self.tree) {
            (Some(table), Some(index), _) => place.push(format!("table `{table}`, index `{index}`")),
            (Some(table), None, _) => place.push(format!("table `{table}`")),
            (None, _, Some(tree)) if tree == catalog::TREE.0 => place.push("the catalog".to_owned()),
            (None, _, Some(tree)) => place.push(format!("tree {tree}")),
            (None, _, None) => {}
        }
        place.extend(self.keys.clone());
        place.extend(self.block.map(|block| format!("block {block}")));
        place.join(", ")
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = self.place();
        if place.is_empty() { f.write_str(&self.what) } else { write!(f, "{place}: {}", self.what) }
    }
}

/// What a check has counted of one table.
///
/// ```
/// # fn show(report: &tamarack::CheckReport) {
/// for table in report.tables() {
///     println!("{}: {} records", table.table, table.records);
/// }
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TableTotals {
    /// Its name. Control characters in it are escaped, as in all text of the report.
    pub table: String,
    /// Records that could be read.
    pub records: u64,
    /// Its indexes.
    pub indexes: usize,
    /// Entries of all of them that could be read.
    pub index_entries: u64,
}

/// What a check has counted of a whole file.
///
/// ```
/// # fn used(report: &tamarack::CheckReport) -> u64 {
/// report.totals().bytes - report.totals().free
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Totals {
    /// Bytes of the file.
    pub bytes: u64,
    /// Those that are free.
    pub free: u64,
    /// Those of which nobody knows whom they belong to, because what names them is damaged.
    pub unreachable: u64,
    /// Pages that were read.
    pub pages: u64,
    /// Commits in the log behind the checkpoint.
    pub log_commits: u64,
    /// Bytes of the log that hold them.
    pub log_bytes: u64,
    /// The generation of the checkpoint.
    pub checkpoint: u64,
}

/// What a check has found; it displays as a text of a line for each finding and a few for the totals.
///
/// ```
/// let db = tamarack::Database::<()>::in_memory()?;
/// let report = db.check_with(&mut |_| {})?;
/// assert!(report.is_sound(), "{report}");
/// # Ok::<(), tamarack::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "it says what is wrong with the file"]
pub struct CheckReport {
    findings: Vec<Finding>,
    more: u64,
    broken: bool,
    tables: Vec<TableTotals>,
    totals: Totals,
}

impl CheckReport {
    /// Whether nothing is wrong.
    ///
    /// ```
    /// # let db = tamarack::Database::<()>::in_memory()?;
    /// assert!(db.check_with(&mut |_| {})?.is_sound());
    /// # Ok::<(), tamarack::Error>(())
    /// ```
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.findings.is_empty()
    }

    /// Whether pages are missing, damaged, or not where they belong; otherwise what is wrong is what they say.
    pub(in crate::typed) fn is_broken(&self) -> bool {
        self.broken
    }

    /// What is wrong, the first 10,000 things.
    ///
    /// ```
    /// # let db = tamarack::Database::<()>::in_memory()?;
    /// assert!(db.check_with(&mut |_| {})?.findings().is_empty());
    /// # Ok::<(), tamarack::Error>(())
    /// ```
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// How many more there are.
    ///
    /// ```
    /// # let db = tamarack::Database::<()>::in_memory()?;
    /// assert_eq!(db.check_with(&mut |_| {})?.more(), 0);
    /// # Ok::<(), tamarack::Error>(())
    /// ```
    #[must_use]
    pub fn more(&self) -> u64 {
        self.more
    }

    /// The tables, by name.
    ///
    /// ```
    /// # let db = tamarack::Database::<()>::in_memory()?;
    /// assert!(db.check_with(&mut |_| {})?.tables().is_empty());
    /// # Ok::<(), tamarack::Error>(())
    /// ```
    #[must_use]
    pub fn tables(&self) -> &[TableTotals] {
        &self.tables
    }

    /// What was gone through.
    ///
    /// ```
    /// # let db = tamarack::Database::<()>::in_memory()?;
    /// assert!(db.check_with(&mut |_| {})?.totals().bytes > 0);
    /// # Ok::<(), tamarack::Error>(())
    /// ```
    #[must_use]
    pub fn totals(&self) -> &Totals {
        &self.totals
    }

    /// An error that names the first finding, if there is any.
    ///
    /// ```
    /// # let db = tamarack::Database::<()>::in_memory()?;
    /// db.check_with(&mut |_| {})?.into_result()?;
    /// # Ok::<(), tamarack::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Corrupt`](crate::ErrorKind::Corrupt); [`ErrorKind::Io`](crate::ErrorKind::Io) if the device refused to read something.
    pub fn into_result(self) -> Result<()> {
        let others = (self.findings.len() as u64).saturating_sub(1) + self.more;
        // As long as the device refuses, nobody knows what is wrong beside that.
        let unread = self.findings.iter().find(|finding| finding.unread);
        let kind = if unread.is_some() { ErrorKind::Io } else { ErrorKind::Corrupt };
        match unread.or(self.findings.first()) {
            None => Ok(()),
            Some(one) if others == 0 => Err(Error::new(kind, one.to_string())),
            Some(one) => Err(Error::new(kind, format!("{one}; and {others} more findings"))),
        }
    }
}

impl fmt::Display for CheckReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.findings.len() as u64 + self.more {
            0 => writeln!(f, "nothing is wrong")?,
            1 => writeln!(f, "1 finding")?,
            count => writeln!(f, "{count} findings")?,
        }
        for finding in &self.findings {
            writeln!(f, "  {:<10} {finding}", finding.kind)?;
        }
        if self.more > 0 {
            writeln!(f, "  and {} more", self.more)?;
        }
        let Totals { bytes, free, unreachable, pages, log_commits, .. } = self.totals;
        let (records, entries) = self
            .tables
            .iter()
            .fold((0, 0), |(records, entries), table| (records + table.records, entries + table.index_entries));
        write!(
            f,
            "{} tables, {records} records, {entries} index entries in {pages} pages; {} bytes in use of {bytes}; {log_commits} commits in the log",
            self.tables.len(),
            bytes - free.min(bytes),
        )?;
        if unreachable > 0 {
            write!(f, "; {unreachable} bytes cannot be reached")?;
        }
        Ok(())
    }
}

/// Names of trees, and keys as text.
pub(in crate::typed) struct Names<'a>(pub(in crate::typed) &'a Schema);

/// A key of a tree that nobody knows.
pub(in crate::typed) fn quote(key: &[u8]) -> String {
    match str::from_utf8(key) {
        Ok(text) if !text.is_empty() && text.chars().all(|c| !c.is_control()) => format!("{text:?}"),
        _ => render_key(&[], key),
    }
}

/// Text with names of the file in it, as it may be shown: in a file of a stranger they may hold lines, and commands for terminals, that would make a
/// report say something else.
pub(in crate::typed) fn printable(text: String) -> String {
    if !text.contains(char::is_control) {
        return text;
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if c.is_control() { shown.extend(c.escape_default()) } else { shown.push(c) }
    }
    shown
}

impl Names<'_> {
    /// Table and index of a tree.
    pub(in crate::typed) fn of(&self, tree: u32) -> (Option<String>, Option<String>) {
        let Some(role) = self.0.role(tree) else { return (None, None) };
        let (Role::Rows { table } | Role::Index { table, .. }) = role;
        let plan = self.0.tables.get(table);
        let index = match role {
            Role::Index { index, .. } => {
                plan.and_then(|plan| plan.entry.indexes.get(index)).map(|index| index.name.clone())
            }
            Role::Rows { .. } => None,
        };
        (plan.map(|plan| plan.name.clone()), index)
    }

    fn key(&self, tree: u32, key: &[u8]) -> String {
        let plan = |table| self.0.tables.get(table);
        match self.0.role(tree) {
            Some(Role::Rows { table }) => plan(table).map_or_else(|| quote(key), |plan| plan.show_key(key)),
            Some(Role::Index { table, index }) => {
                plan(table).map_or_else(|| quote(key), |plan| plan.show_index_key(index, key))
            }
            None => quote(key),
        }
    }

    /// A key, or a range of keys.
    pub(in crate::typed) fn keys(&self, tree: u32, keys: &Keys) -> String {
        match keys {
            Keys::One(key) => format!("key {}", self.key(tree, key)),
            Keys::Range(lower, None) if lower.is_empty() => "all keys".to_owned(),
            Keys::Range(lower, None) => format!("keys from {} on", self.key(tree, lower)),
            Keys::Range(lower, Some(upper)) if lower.is_empty() => format!("keys before {}", self.key(tree, upper)),
            Keys::Range(lower, Some(upper)) => {
                format!("keys from {} to before {}", self.key(tree, lower), self.key(tree, upper))
            }
        }
    }
}

/// Puts names to what was found.
pub(super) fn make(names: &Names<'_>, findings: Findings, tables: Vec<TableTotals>, totals: Totals) -> CheckReport {
    let name = |found: Found| {
        let (table, index) = found.tree.map_or((None, None), |tree| names.of(tree));
        let keys = found.tree.zip(found.keys.as_ref()).map(|(tree, keys)| names.keys(tree, keys));
        let Found { kind, tree, block, unread, what, .. } = found;
        let (table, index) = (table.map(printable), index.map(printable));
        Finding { kind, table, index, tree, keys, block, unread, what: printable(what) }
    };
    let Findings { list, more, broken } = findings;
    let tables = tables.into_iter().map(|of| TableTotals { table: printable(of.table), ..of }).collect();
    CheckReport { findings: list.into_iter().map(name).collect(), more, broken, tables, totals }
}
