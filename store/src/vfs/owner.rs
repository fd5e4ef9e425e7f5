//! The process that opened a file.
//!
//! A child that was forked has the same open file and the same lock, but none of the threads, and what it sees is a copy that no longer follows its
//! parent. Whatever it wrote would destroy the parent's database, so each call that changes the file asks here first.

use crate::error::Forked;
use std::io;

/// See the module. Asking costs a system call: nobody asks before a read, whose bytes are verified anyway.
pub(crate) struct Owner(u32);

impl Owner {
    /// The process that runs.
    pub(crate) fn this_process() -> Self {
        Self(std::process::id())
    }

    /// Whether this is still that process, and not a child of it.
    pub(crate) fn is_here(&self) -> bool {
        self.0 == std::process::id()
    }

    /// Fails in a child.
    pub(crate) fn check(&self) -> io::Result<()> {
        if self.is_here() { Ok(()) } else { Err(io::Error::other(Forked)) }
    }
}
