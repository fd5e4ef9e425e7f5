//! A simulated disk, for tests of your own program: run it, cut the power at any write, start it again, look what is there.
//!
//! A [`Disk`] lies in memory and holds one database file. It knows which bytes are durable, fails when it is told to, and after a power
//! cut keeps any part of what was not synced. Everything that happens follows from its seed, so that a failure can be played again. The
//! database on it starts no threads: checkpoints and late flushes run inside the commits that make them due. This is the disk that Tamarack's
//! own simulator uses (`cargo xtask sim`).
//!
//! ```
//! use tamarack::simulate::{Crash, Disk};
//! use tamarack::{Database, Durability, Options, TableDef};
//!
//! const SEATS: TableDef<u32, String> = TableDef::new("seats");
//!
//! # fn main() -> tamarack::Result<()> {
//! for seed in 0..20 {
//!     let disk = Disk::new(seed);
//!     let db: Database<()> = disk.open(Options::new().log_size(256 << 10))?;
//!     db.write(|tx| tx.open_table(&SEATS)?.insert(1, "Anna"))?;
//!     db.write_with(Durability::Deferred, |tx| tx.open_table(&SEATS)?.insert(2, "Ben"))?;
//!     disk.cut_power(Crash::any(seed));
//!     drop(db);
//!
//!     let db: Database<()> = disk.open(Options::new())?;
//!     let found = db.read(|tx| tx.open_table(&SEATS)?.iter().collect::<tamarack::Result<Vec<_>>>())?;
//!     // The synced commit is there. The deferred one may be there, whole, or not.
//!     assert_eq!(found.first(), Some(&(1, "Anna".to_owned())));
//!     db.check()?;
//! }
//! # Ok(()) }
//! ```
//!
//! To cut a run at many places, let [`Disk::fail`] end the process at a chosen call: [`Fault::Gone`].

#[doc(hidden)]
#[allow(missing_docs, reason = "for this repository's own damage and fuzzing alone")]
pub mod anatomy;
#[doc(hidden)]
#[allow(missing_docs, reason = "for this repository's own fuzzing alone")]
pub mod decode;
mod disk;
#[doc(hidden)]
#[allow(
    missing_docs,
    missing_debug_implementations,
    clippy::missing_errors_doc,
    reason = "for this repository's simulator alone"
)]
pub mod raw;

#[cfg(test)]
mod tests;

pub use disk::{Crash, Disk, Fault, On};
