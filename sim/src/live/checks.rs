//! Checks of the running database.

use super::{Live, Run};
use crate::report::violated;
use crate::tables::{self, Kind};
use tamarack::simulate::raw;
use tamarack::{Database, Error, ErrorKind, Finding, Result};

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
        let checked = check(&self.run, &db).and_then(|()| db.check_with(&mut |_| {}));
        // It writes a checkpoint if it can; on a full device it looks at the one before.
        let written = db.stats().commits_since_checkpoint == 0;
        drop(db);
        match checked {
            Ok(report) => {
                if written {
                    let now = self.now();
                    self.history.all_synced(up_to, now);
                }
                self.run.count(|counts| counts.checks += 1);
                // A read that failed says nothing of what is there.
                let unread = report.clone().into_result().err().filter(|error| error.kind() == ErrorKind::Io);
                if let Some(error) = unread {
                    return self.failed("checking", &error);
                }
                // Trees of the simulator's own have no table.
                let bare = |finding: &&Finding| finding.tree().is_none_or(|tree| !tables::is_bare(tree));
                if let Some(finding) = report.findings().iter().find(bare) {
                    violated!("leak: the check says: {finding}");
                }
            }
            Err(error) => self.failed("checking", &error),
        }
    }
}

fn is_poisoned<S: Kind>(db: &Database<S>) -> bool {
    db.flush().is_err_and(|error| error.kind() == ErrorKind::Poisoned)
}

/// Rows that a check finds wrong, and extents that belong to nobody.
pub(super) fn check<S: Kind>(run: &Run, db: &Database<S>) -> Result<()> {
    match run.audit(db) {
        // A checkpoint that failed between the superblocks has left blocks to neither of them, until the file is opened again.
        Err(error) if error.kind() == ErrorKind::Corrupt && is_poisoned(db) => {
            Err(Error::new(ErrorKind::Poisoned, error.to_string()))
        }
        Err(error) if error.kind() == ErrorKind::Corrupt => violated!("leak: the check says: {error}"),
        result => result,
    }
}
