//! Resource faults on real files: no file descriptors, no memory, files that are locked or may not be written, forks, threads that panic, guards that
//! are leaked, storage that fails. Each ends in a typed error or in nothing, never in a loss, a hang or a panic of the database.
//!
//! What would disturb other tests of this process happens in a process of its own: this program, started again for one scene.

#![cfg(unix)]
#![allow(clippy::disallowed_methods, reason = "tests use files, processes and threads as programs do")]

mod child;
mod clock;
mod descriptors;
mod fork;
mod leaks;
mod locks;
mod memory;
mod panics;
mod poison;
mod read_only;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tamarack::{Database, Durability, ReadTxn, Result, TableDef};

/// What most scenes write to.
pub(crate) const ROWS: TableDef<u64, Vec<u8>> = TableDef::new("rows");

pub(crate) type Model = BTreeMap<u64, Vec<u8>>;

/// A folder with one file.
pub(crate) struct Folder(pub(crate) tempfile::TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.path().join(FILE)
    }
}

pub(crate) const FILE: &str = "faults.tam";

/// What is stored at a key in a round.
pub(crate) fn row(key: u64, round: u64) -> Vec<u8> {
    let length = if key.is_multiple_of(37) { 9000 } else { 20 + (key % 80) as usize };
    (key * 31 + round).to_le_bytes().into_iter().cycle().take(length).collect()
}

/// Commits a range of keys.
pub(crate) fn put(db: &Database<()>, keys: std::ops::Range<u64>, round: u64, durability: Durability) -> Result<()> {
    db.write_with(durability, |tx| {
        let mut rows = tx.open_table(&ROWS)?;
        keys.clone().try_for_each(|key| rows.replace(key, row(key, round)).map(|_| ()))
    })
}

pub(crate) fn model(keys: std::ops::Range<u64>, round: u64) -> Model {
    keys.map(|key| (key, row(key, round))).collect()
}

pub(crate) fn contents(tx: &ReadTxn<()>) -> Result<Model> {
    tx.open_table(&ROWS)?.iter().collect()
}

/// Number of salts in a file's first superblock: 0 says that the last session ended by itself.
pub(crate) fn salts(file: &[u8]) -> u32 {
    u32::from_le_bytes(file[188..192].try_into().unwrap())
}

/// All rows of a file that nobody has open; it is checked, and opened for writing, as after any crash.
pub(crate) fn left(file: &Path) -> Model {
    let report = tamarack::check_file(file, &mut |_| {}).unwrap();
    assert!(report.is_sound(), "{report}");
    let db = Database::<()>::open(file).unwrap();
    let left = db.read(contents).unwrap();
    db.check().unwrap();
    db.close().unwrap();
    left
}
