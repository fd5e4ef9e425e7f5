//! What a salvage says.

use crate::typed::check::printable;
use std::collections::BTreeMap;
use std::fmt;

/// Keys whose records could not be brought over.
///
/// ```
/// # fn show(report: &tamarack::SalvageReport) {
/// for lost in report.lost() {
///     println!("{} {}", lost.table, lost.keys);
/// }
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LostKeys {
    /// The table's name. Control characters in it are escaped, as in all text of the report.
    pub table: String,
    /// The key, or the range of keys in which records may have been: `keys from 152 to before 165`.
    pub keys: String,
    /// Why.
    pub what: String,
}

impl fmt::Display for LostKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "table `{}`, {}: {}", self.table, self.keys, self.what)
    }
}

/// What was brought over of one table.
///
/// ```
/// # fn show(report: &tamarack::SalvageReport) {
/// for table in report.tables() {
///     println!("{}: {} records", table.table, table.records);
/// }
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SalvagedTable {
    /// Its name. Control characters in it are escaped, as in all text of the report.
    pub table: String,
    /// Records in the new file.
    pub records: u64,
    /// Records from pages whose structure is sound, and for whose bytes no other page vouches any more. Some of them may have been replaced
    /// or removed by the log since.
    pub unverified: u64,
}

/// What was brought over and what was lost; it displays as text.
///
/// ```
/// # fn show(report: &tamarack::SalvageReport) {
/// println!("{report}");
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "it says what was lost"]
pub struct SalvageReport {
    tables: Vec<SalvagedTable>,
    lost: Vec<LostKeys>,
    log_commits: u64,
    remarks: Vec<String>,
}

impl SalvageReport {
    /// Whether every record came over, verified.
    ///
    /// ```
    /// # fn all(report: &tamarack::SalvageReport) -> bool {
    /// report.is_complete()
    /// # }
    /// ```
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.lost.is_empty() && self.remarks.is_empty() && self.tables.iter().all(|table| table.unverified == 0)
    }

    /// What to say if nothing is listed as lost.
    #[doc(hidden)]
    #[must_use]
    pub fn no_loss(&self) -> &'static str {
        if self.is_complete() {
            "nothing was lost"
        } else {
            "nothing is known to be lost; see the notes, and what is unverified"
        }
    }

    /// The tables of the new file.
    ///
    /// ```
    /// # fn records(report: &tamarack::SalvageReport) -> u64 {
    /// report.tables().iter().map(|table| table.records).sum()
    /// # }
    /// ```
    #[must_use]
    pub fn tables(&self) -> &[SalvagedTable] {
        &self.tables
    }

    /// What was lost, by table and keys.
    ///
    /// ```
    /// # fn nothing(report: &tamarack::SalvageReport) -> bool {
    /// report.lost().is_empty()
    /// # }
    /// ```
    #[must_use]
    pub fn lost(&self) -> &[LostKeys] {
        &self.lost
    }

    /// Commits that came from the log.
    ///
    /// ```
    /// # fn commits(report: &tamarack::SalvageReport) -> u64 {
    /// report.log_commits()
    /// # }
    /// ```
    #[must_use]
    pub fn log_commits(&self) -> u64 {
        self.log_commits
    }

    /// What else there is to know: a superblock that was guessed at, a log that ends in damage.
    ///
    /// ```
    /// # fn show(report: &tamarack::SalvageReport) {
    /// report.remarks().iter().for_each(|remark| println!("{remark}"));
    /// # }
    /// ```
    #[must_use]
    pub fn remarks(&self) -> &[String] {
        &self.remarks
    }
}

impl fmt::Display for SalvageReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for table in &self.tables {
            write!(f, "table `{}`: {} records", table.table, table.records)?;
            match table.unverified {
                0 => writeln!(f)?,
                unverified => writeln!(f, ", {unverified} of them from pages that nothing vouches for")?,
            }
        }
        writeln!(f, "{} commits from the log", self.log_commits)?;
        for remark in &self.remarks {
            writeln!(f, "note: {remark}")?;
        }
        if self.lost.is_empty() {
            return f.write_str(self.no_loss());
        }
        write!(f, "lost:")?;
        self.lost.iter().try_for_each(|lost| write!(f, "\n  {lost}"))
    }
}

/// What is counted of a table on the way.
#[derive(Debug, Default)]
pub(super) struct Counted {
    pub(super) records: u64,
    pub(super) unverified: u64,
    /// The largest automatic id.
    pub(super) largest: u64,
    /// Keys of records that were left out, and why.
    pub(super) refused: Vec<(Vec<u8>, String)>,
}

/// What is noted on the way.
#[derive(Debug, Default)]
pub(super) struct Notes {
    /// In the order of the schema's tables, then of the trees that nobody knows.
    pub(super) tables: Vec<Counted>,
    pub(super) log_commits: u64,
    pub(super) remarks: Vec<String>,
    /// Changes in the log of trees that belong to no table: how many of each tree, and the keys of the first.
    pub(super) strange: BTreeMap<u32, (u64, String)>,
}

impl Notes {
    /// Adds a remark, once.
    pub(super) fn remark(&mut self, remark: impl Into<String>) {
        let remark = remark.into();
        if !self.remarks.contains(&remark) {
            self.remarks.push(remark);
        }
    }

    /// Notes that a record was left out.
    pub(super) fn refuse(&mut self, table: usize, key: &[u8], why: impl Into<String>) {
        if let Some(counted) = self.tables.get_mut(table) {
            counted.refused.push((key.to_vec(), why.into()));
        }
    }
}

pub(super) fn make(
    tables: Vec<SalvagedTable>,
    lost: Vec<LostKeys>,
    log_commits: u64,
    remarks: Vec<String>,
) -> SalvageReport {
    let tables = tables.into_iter().map(|of| SalvagedTable { table: printable(of.table), ..of }).collect();
    let shown = |lost: LostKeys| LostKeys { table: printable(lost.table), what: printable(lost.what), ..lost };
    let (lost, remarks) = (lost.into_iter().map(shown).collect(), remarks.into_iter().map(printable).collect());
    SalvageReport { tables, lost, log_commits, remarks }
}
