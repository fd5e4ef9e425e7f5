//! The log ring: redo records of commits, in extents of the file that are used round and round.
//!
//! What lies here are the parts; `txn/` puts them into a pipeline. [`OpsWriter`] and [`OpsReader`] are the body of a commit,
//! [`Sealer`] turns bodies into records, [`Ring`] maps positions to places in the file, [`RingWindow`] decides which positions may be
//! written, [`scan`] reads the log back after a crash.
//!
//! Positions are byte counters that never wrap and are never used twice under one salt. A session's records begin at a unit boundary
//! and its first one continues the chain that [`LogEnd`] gave. Promises: a unit is written once in a pass, and not before
//! both superblocks have released what it held (I23, I38: `reset.rs`, `docs/log-ring.md`); a torn tail is cut, damage below what
//! was durable is an error (I24); an earlier session's records are never taken for this one's (I35); hostile bytes end in an
//! error, in bounded memory (I36). Logical redo only: structure changes write nothing here (I33).

#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]

mod ops;
mod position;
mod record;
mod reset;
mod ring;
mod scan;
#[cfg(test)]
mod tests;

pub(crate) use ops::{Malformed, Op, OpsReader, OpsWriter};
pub(crate) use position::{record_len, unit_ceil};
#[cfg(all(feature = "simulate", not(shuttle)))]
pub(crate) use record::seal_record;
pub(crate) use record::{Sealed, Sealer, Stamp, body_check};
pub(crate) use reset::{Blocker, Full, RingWindow};
pub(crate) use ring::{Ring, RingSegment};
#[cfg(all(feature = "simulate", not(shuttle)))]
pub(crate) use scan::record_places;
pub(crate) use scan::{Commit, LogEnd, LogError, LogStart, remains, scan};

/// A flush writes whole units of this many bytes.
pub(crate) const UNIT: u64 = 4096;
