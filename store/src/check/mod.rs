//! Full verification of one consistent state: the pages that a superblock names, its log, its space.
//!
//! It reads the file by itself, page by page, and not through the pool: so it works on a closed file and on the pinned checkpoint of a running
//! one, costs the memory of a few pages, and a damaged page does not end it. What is wrong becomes a [`Found`] with tree, keys and block; the
//! typed layer puts names to them, and compares tables with their indexes.
//!
//! Memory: two bits for each block of the file, one page of each level of a tree, one value, one log record.
//!
//! Looks after I9, I24, I25, I29 and I32, and keeps I36: every page is read at most once, so that the work is bounded by the file.

#[cfg(any(test, feature = "simulate"))]
mod audit;
mod blocks;
mod findings;
mod log;
mod pages;
mod slots;
mod space;
mod walk;

#[cfg(any(test, feature = "simulate"))]
pub(crate) use audit::audit;
pub(crate) use blocks::Blocks;
pub(crate) use findings::{Findings, Found, Keys};
pub(crate) use log::{LogSummary, read_log};
pub(crate) use pages::{Page, Pages};
pub(crate) use slots::{read_own_slots, read_slots};
pub(crate) use walk::{Lost, Visit, Walker};

pub use findings::{FindingKind, Progress};
