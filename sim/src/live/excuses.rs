//! Which errors may come: those that a fault of the disk explains as `docs/reliability.md` says, and few others.

use super::{Begun, Live};
use crate::damage::{LOG, SLOTS};
use crate::plan::Shape;
use crate::report::{tell, violated};
use crate::tables::Kind;
use tamarack::simulate::raw::Met;
use tamarack::simulate::{Fault, On};
use tamarack::{Error, ErrorKind};

/// Whether a call that met these faults may fail so: what was read or written before says nothing of this call, and a disk that has room again
/// takes what it is given.
pub(super) fn explains(kind: ErrorKind, met: &[Met]) -> bool {
    match kind {
        ErrorKind::Io => met.iter().any(|met| met.fault != Fault::Full),
        ErrorKind::StorageFull => met.iter().any(|met| met.fault == Fault::Full),
        _ => false,
    }
}

/// Whether it ends all writing until the file is opened again (I30): a sync, whatever it is for, or a write of the log or of a superblock. That a page
/// of a checkpoint could not be written does not (I31), nor that something could not be read.
fn ends_writing(met: &Met) -> bool {
    let written = met.offset as usize..met.offset as usize + met.length;
    let within = |place: &std::ops::Range<usize>| written.start < place.end && place.start < written.end;
    match met.on {
        On::Sync => true,
        On::Write => SLOTS.iter().chain([&LOG]).any(within),
        _ => false,
    }
}

/// Whether all writing has ended as something could not be read when a commit was applied: it has its place in the log by then, and nothing can come behind it.
/// A commit that outgrew its transaction's buffer is read from the file; and a page that was read before the commit may have left the little
/// memory since (docs/reliability.md, "Some cases are left").
fn is_of_applying(error: &Error, met: &[Met]) -> bool {
    let text = error.to_string();
    let applying = ["a large commit is damaged: reading", ": reading the page at block"];
    met.iter().any(|met| met.on == On::Read) && applying.iter().any(|what| text.contains(what))
}

impl<S: Kind> Live<S> {
    /// A call of the engine begins.
    pub(super) fn begin_call(&self) {
        self.met_at_call.set(self.disk.met().len());
    }

    /// A failure that a fault explains: one that this call has met, or, of writing that has ended, this process.
    pub(super) fn is_excused(&self, error: &Error) -> bool {
        let met = self.disk.met();
        match error.kind() {
            ErrorKind::Poisoned => {
                let met = met.get(self.met_before..).unwrap_or_default();
                met.iter().any(ends_writing) || is_of_applying(error, met)
            }
            kind => explains(kind, met.get(self.met_at_call.get()..).unwrap_or_default()),
        }
    }

    pub(super) fn excuse(&self, what: &str, error: &Error) {
        if !self.is_excused(error) {
            violated!("wrong: {what}: {:?}: {error}; met: {:?}", error.kind(), self.disk.met());
        }
    }

    /// A failed read. Reads go on when all writing has ended.
    pub(super) fn excuse_read(&self, what: &str, error: &Error) {
        if error.kind() == ErrorKind::Poisoned {
            violated!("wrong: {what} when writing has ended: {error}");
        }
        self.excuse(what, error);
        self.run.note(error.kind() as u64);
    }

    /// After a failed call: the process goes on for as long as it can.
    pub(super) fn failed(&mut self, what: &str, error: &Error) {
        tell!("  {what}: {error}");
        self.excuse(what, error);
        self.run.note(error.kind() as u64);
        if error.kind() == ErrorKind::Poisoned {
            self.kill_and_reopen();
        }
    }

    /// Whether a view was given up for want of memory, where there is little of it.
    pub(super) fn is_given_up(&self, error: &Error) -> bool {
        error.kind() == ErrorKind::SnapshotTooOld && self.run.shape.memory < Shape::ROOMY
    }

    /// After a failed call of a write transaction. Its view may have been given up, unless it was an exclusive one.
    pub(super) fn failed_view(&mut self, what: &str, error: &Error, exclusive: bool) {
        if exclusive || !self.is_given_up(error) {
            return self.failed(what, error);
        }
        tell!("  {what}: {error}");
        self.run.note(error.kind() as u64);
    }

    /// What a call finds that begins now and within which others go on.
    pub(super) fn begun(&self) -> Begun {
        Begun { up_to: self.history.finished(), process: self.processes, met: self.disk.met().len() }
    }

    /// After a failed call within which others went on: they may have ended its process. Faults that they met count as those of the call, as the disk
    /// does not know whose call it was.
    pub(super) fn failed_call(&mut self, what: &str, error: &Error, begun: Begun) {
        self.met_at_call.set(begun.met);
        let died = self.processes != begun.process && matches!(error.kind(), ErrorKind::Io | ErrorKind::Poisoned);
        if !died {
            return self.failed(what, error);
        }
        tell!("  {what}, whose process has ended: {error}");
        self.run.note(error.kind() as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_explains_what_the_documents_say() {
        let met = |on, fault, offset: usize| Met { on, fault, offset: offset as u64, length: 100, elsewhere: None };
        let (read, full) = (met(On::Read, Fault::Error, LOG.start), met(On::Write, Fault::Full, LOG.start));
        assert!(explains(ErrorKind::Io, &[read]) && explains(ErrorKind::StorageFull, &[read, full]));
        assert!(!explains(ErrorKind::Io, &[full]) && !explains(ErrorKind::Io, &[]));
        assert!(!explains(ErrorKind::StorageFull, &[read]) && !explains(ErrorKind::Poisoned, &[read]));
        let page = met(On::Write, Fault::Error, LOG.end);
        assert!(ends_writing(&full) && ends_writing(&met(On::Write, Fault::Short, 0)));
        assert!(ends_writing(&met(On::Sync, Fault::Forgotten, 0)));
        assert!(!ends_writing(&read) && !ends_writing(&page) && !ends_writing(&met(On::Resize, Fault::Full, 0)));
    }

    #[test]
    fn a_read_ends_writing_only_where_a_commit_is_applied() {
        let error = |why: &str| Error::new(ErrorKind::Poisoned, format!("all has ended: {why}"));
        let read = Met { on: On::Read, fault: Fault::Error, offset: 0, length: 0, elsewhere: None };
        let spilled = error("a large commit is damaged: reading a value: it fails");
        assert!(is_of_applying(&spilled, &[read]) && !is_of_applying(&spilled, &[]));
        let page = error("tree 1: reading the page at block 35: it fails");
        assert!(is_of_applying(&page, &[read]) && !is_of_applying(&page, &[]));
        assert!(!is_of_applying(&error("reading the superblocks: it fails"), &[read]));
    }
}
