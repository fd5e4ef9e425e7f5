//! Backups: the pages of one checkpoint as a stream, and such streams as a file again.
//!
//! A backup copies what a pinned checkpoint names, page by page, as the file holds it and verified by what its parent holds (I32): nothing is
//! encoded anew, so that a restored page lies where it lay. An increment leaves out what the backup before it holds. Reads the file by itself,
//! not through the pool. Streams are untrusted (I36). Scheme and format: `docs/backup.md`.

mod base;
mod copy;
mod restore;
mod stream;

pub(crate) use base::Base;
pub(crate) use copy::{Copied, copy};
pub(crate) use restore::{Streams, apply, publish};
pub(crate) use stream::Header;
#[cfg(test)]
pub(crate) use stream::{Kind, StreamReader, StreamWriter};
