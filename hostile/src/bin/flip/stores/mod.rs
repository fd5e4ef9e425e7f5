//! The stores whose files are damaged, each with its default options but for small caches.

#[cfg(feature = "peers")]
mod lmdb;
#[cfg(feature = "peers")]
mod redb;
#[cfg(feature = "peers")]
mod sqlite;
mod tamarack;

use std::path::{Path, PathBuf};

/// Errors of all stores.
pub(crate) type Result<T, E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

/// Rows of a file.
pub(crate) const ROWS: u32 = 10_000;

/// Those that are compiled.
#[cfg(feature = "peers")]
pub(crate) const NAMES: &[&str] = &["tamarack", "redb", "lmdb", "sqlite"];
/// Those that are compiled.
#[cfg(not(feature = "peers"))]
pub(crate) const NAMES: &[&str] = &["tamarack"];

/// What a store says of a file.
pub(crate) struct Answer {
    /// All rows are as they were, by a scan and by gets.
    pub(crate) right: bool,
    /// A check of the store's found something, which a reader does not know.
    pub(crate) found: bool,
}

/// One table of numbered rows in a folder of its own.
pub(crate) trait Store {
    /// The file that holds the rows.
    fn file(&self, folder: &Path) -> PathBuf;
    /// Stores rows, durably, and closes the file.
    fn write(&self, folder: &Path, rows: &mut dyn Iterator<Item = (u32, Vec<u8>)>) -> Result<()>;
    /// The check that it has and that readers do not make.
    fn check(&self) -> Option<&'static str>;
    /// Reads all rows, then some: an error is of these. Only then it checks the file, and what that says changes nothing of what was read.
    fn answer(&self, folder: &Path, gets: &[u32]) -> Result<Answer>;
    /// Whether an error tells of damage; if not, what it tells. Of others' stores any error does.
    fn tells(&self, _: &(dyn std::error::Error + 'static)) -> Result<(), String> {
        Ok(())
    }
}

/// Whether a check found something. One that panics has found nothing that it could say.
#[cfg(feature = "peers")]
fn found(check: impl FnOnce() -> bool) -> bool {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(check)).unwrap_or(false)
}

/// The bytes of a row.
pub(crate) fn value(key: u32, version: u32) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(u64::from(key) << 8 | u64::from(version));
    (0..100).map(|_| random.u8(..)).collect()
}

/// The bytes of a row in the end.
pub(crate) fn last(key: u32) -> Vec<u8> {
    value(key, u32::from(key.is_multiple_of(3)))
}

/// The rows of a scan, against what they must be.
#[derive(Default)]
pub(crate) struct Scan {
    next: u32,
    wrong: bool,
}

impl Scan {
    pub(crate) fn row(&mut self, key: u32, value: &[u8]) {
        self.wrong |= key != self.next || value != last(key);
        self.next = self.next.saturating_add(1);
    }

    pub(crate) fn right(&self) -> bool {
        !self.wrong && self.next == ROWS
    }
}

pub(crate) fn named(name: &str) -> Box<dyn Store> {
    match name {
        "tamarack" => Box::new(tamarack::Tamarack),
        #[cfg(feature = "peers")]
        "redb" => Box::new(redb::Redb),
        #[cfg(feature = "peers")]
        "lmdb" => Box::new(lmdb::Lmdb),
        #[cfg(feature = "peers")]
        "sqlite" => Box::new(sqlite::Sqlite),
        _ => panic!("no store is named {name}"),
    }
}
