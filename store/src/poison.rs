//! What ends all writing until the file is opened again.

use crate::error::{Error, ErrorKind, Result};
use crate::sync::thread;
use std::sync::OnceLock;

/// The first failure of a log or superblock write or sync ends all writing (I30): after it nobody knows what the device holds.
#[derive(Default)]
pub(crate) struct Poison(OnceLock<Error>);

impl Poison {
    /// Remembers the first failure.
    pub(crate) fn set(&self, error: &Error) {
        let _ = self.0.set(Error::new(
            ErrorKind::Poisoned,
            format!("an earlier failure stopped all writing, open the database again to recover: {error}"),
        ));
    }

    /// Fails if there was one.
    pub(crate) fn check(&self) -> Result<()> {
        self.0.get().map_or(Ok(()), |error| Err(error.duplicate()))
    }

    /// Begins work that others go on from; `doing` says in an error what.
    pub(crate) fn midway<'a>(&'a self, doing: &'static str) -> Midway<'a> {
        Midway { poison: self, doing, panicking: thread::panicking() }
    }
}

/// Work that others go on from. If its thread panics, nobody knows what it has left behind, and that is the end of all writing (I30).
pub(crate) struct Midway<'a> {
    poison: &'a Poison,
    doing: &'static str,
    /// A destructor that runs while its thread panics may do such work, too.
    panicking: bool,
}

impl Midway<'_> {
    /// Whether this is dropped because of a panic within the work.
    pub(crate) fn has_panicked(&self) -> bool {
        thread::panicking() && !self.panicking
    }
}

impl Drop for Midway<'_> {
    fn drop(&mut self) {
        if self.has_panicked() {
            self.poison.set(&Error::new(ErrorKind::Io, format!("a thread panicked while {}", self.doing)));
        }
    }
}
