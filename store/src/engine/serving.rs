//! What becomes of those who wait when one of the database's own threads panics.

use super::open::Core;
use crate::poison::Midway;

/// What a thread does in the background, for as long as it lives. If it panics there is nobody to do it, and those who wait for it are told.
pub(super) struct Serving<'a> {
    core: &'a Core,
    midway: Option<Midway<'a>>,
}

impl<'a> Serving<'a> {
    /// A thread begins to work for the database.
    pub(super) fn begin(core: &'a Core) -> Self {
        Self { core, midway: Some(core.base.poison.midway("working in the background")) }
    }
}

impl Drop for Serving<'_> {
    fn drop(&mut self) {
        if self.midway.take().is_some_and(|midway| midway.has_panicked()) {
            self.core.pipeline.tell_of_failure(&self.core.base);
            self.core.look_again();
        }
    }
}
