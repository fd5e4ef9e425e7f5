//! Which errors may come: those that a fault of the disk explains, which it has delivered to this process, and few others.

use super::{Begun, Live};
use crate::plan::Shape;
use crate::report::{tell, violated};
use crate::tables::Kind;
use tamarack::{Error, ErrorKind};

impl<S: Kind> Live<S> {
    /// Faults that the disk has delivered in this life.
    pub(super) fn faults(&self) -> u64 {
        self.disk.faults().total()
    }

    /// A failure that a fault explains: it was this process that met it.
    pub(super) fn is_excused(&self, error: &Error) -> bool {
        use ErrorKind as K;
        matches!(error.kind(), K::Io | K::StorageFull | K::Poisoned) && self.faults() > self.faults_before
    }

    pub(super) fn excuse(&self, what: &str, error: &Error) {
        if !self.is_excused(error) {
            violated!("wrong: {what}: {:?}: {error}", error.kind());
        }
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
        Begun { up_to: self.history.finished(), process: self.processes }
    }

    /// After a failed call within which others went on: they may have ended its process.
    pub(super) fn failed_call(&mut self, what: &str, error: &Error, process: u32) {
        let died = self.processes != process && matches!(error.kind(), ErrorKind::Io | ErrorKind::Poisoned);
        if !died {
            return self.failed(what, error);
        }
        tell!("  {what}, whose process has ended: {error}");
        self.run.note(error.kind() as u64);
    }
}
