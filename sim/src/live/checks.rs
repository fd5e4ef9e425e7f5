//! Checks of the running database.

use super::{Live, Run};
use crate::report::violated;
use crate::tables::{self, Kind};
use tamarack::simulate::raw;
use tamarack::{CheckReport, Database, Error, ErrorKind, Finding, FindingKind, Result};

impl Run {
    /// Reads every page and looks every block up; counts what it does.
    pub(crate) fn audit<S>(&self, db: &Database<S>) -> Result<()> {
        let blocks = raw::audit(db)?;
        self.count(|counts| {
            counts.audits += 1;
            counts.audited += blocks;
        });
        Ok(())
    }
}

impl<S: Kind> Live<S> {
    /// The whole check, which compares indexes with their tables.
    pub(super) fn check(&mut self) {
        let Some(db) = self.db.clone() else { return };
        let up_to = self.history.finished();
        self.begin_call();
        let checked = check(&self.run, &db).and_then(|()| db.check_with(&mut |_| {}));
        // It writes a checkpoint if it can; on a full or failing device it looks at the one before.
        let written = db.stats().commits_since_checkpoint == 0 && !raw::is_poisoned(&db);
        drop(db);
        match checked {
            Ok(report) => {
                if written {
                    let now = self.now();
                    self.history.all_synced(up_to, now);
                }
                self.run.count(|counts| counts.checks += 1);
                // As long as reads fail, nobody knows what is wrong beside that.
                if let Some(error) = unread(&report) {
                    self.excuse("checking", &error);
                    self.run.note(error.kind() as u64);
                    return self.check_again();
                }
                judge(&report);
            }
            Err(error) => self.failed("checking", &error),
        }
    }

    /// The same on a disk that reads everything.
    fn check_again(&mut self) {
        let Some(db) = self.db.clone() else { return };
        self.disk.heal();
        self.begin_call();
        let checked = db.check_with(&mut |_| {});
        drop(db);
        match checked {
            Ok(report) => {
                self.run.count(|counts| counts.checked_again += 1);
                if let Some(error) = unread(&report) {
                    violated!("wrong: a check cannot read what can be read: {error}");
                }
                judge(&report);
            }
            Err(error) => self.failed("checking again", &error),
        }
    }
}

/// What a check could not read, if the device refused.
fn unread(report: &CheckReport) -> Option<Error> {
    report.clone().into_result().err().filter(|error| error.kind() == ErrorKind::Io)
}

fn judge(report: &CheckReport) {
    if let Some(finding) = report.findings().iter().find(|finding| !is_bare(finding)) {
        violated!("leak: the check says: {finding}");
    }
}

/// Whether this says no more than that a tree of the simulator's own has no table.
fn is_bare(finding: &Finding) -> bool {
    finding.kind() == FindingKind::Catalog && finding.tree().is_some_and(tables::is_bare)
}

/// Rows that a check finds wrong, and extents that belong to nobody.
pub(super) fn check<S: Kind>(run: &Run, db: &Database<S>) -> Result<()> {
    let poisoned = raw::is_poisoned(db);
    match run.audit(db) {
        // A checkpoint that failed between the superblocks has left blocks to neither of them, until the file is opened again.
        Err(error) if error.kind() == ErrorKind::Corrupt && poisoned => {
            // Whoever wants to write is told why.
            Err(db.checkpoint().err().unwrap_or(error))
        }
        Err(error) if error.kind() == ErrorKind::Corrupt => violated!("leak: the check says: {error}"),
        result => result,
    }
}
