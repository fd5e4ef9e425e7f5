//! Makes the files of `tests/compat`.

use super::rows::{self, Kept, Log, Plain, Records, Town};
use super::{FORMATS, kept};
use flate2::{Compression, write::GzEncoder};
use std::fs::File;
use std::io::Write;
use std::path::Path;
use tamarack::{Database, Durability, Options, Schema};

/// A full backup of the records' file, and an increment.
pub(crate) const BACKUP: &str = "records-backup";
pub(crate) const INCREMENT: &str = "records-increment";

fn open<S: Schema>(path: &Path) -> Database<S> {
    Options::new().log_size(256 << 10).page_size(4096).write_buffer(1 << 20).memory(4 << 20).open(path).unwrap()
}

fn keep(name: &str, bytes: &[u8]) {
    let newest = FORMATS.iter().max().unwrap();
    // What is there was made by the program that was released, and stays.
    let file = File::create_new(kept(*newest, name)).unwrap();
    let mut packed = GzEncoder::new(file, Compression::best());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap().sync_all().unwrap();
}

fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap()
}

fn plain(folder: &Path) {
    let path = folder.join("plain.tam");
    let db = open::<()>(&path);
    rows::fill_plain(&db);
    db.close().unwrap();
    keep(Plain::NAME, &read(&path));
}

fn records(folder: &Path) {
    let path = folder.join("records.tam");
    let db = open::<Town>(&path);
    let (mut backup, mut increment) = (Vec::new(), Vec::new());
    rows::fill_records(&db, 0..200);
    let first = db.backup(&mut backup).unwrap();
    rows::fill_records(&db, 200..260);
    db.backup_since(&first, &mut increment).unwrap();
    db.close().unwrap();
    keep(Records::NAME, &read(&path));
    keep(BACKUP, &backup);
    keep(INCREMENT, &increment);
}

/// A copy of a file that is open is what a killed process leaves: all is in it that was flushed.
fn log(folder: &Path) {
    let [first, second] = ["first.tam", "second.tam"].map(|name| folder.join(name));
    let db = open::<()>(&first);
    rows::log_checkpointed(&db);
    db.checkpoint().unwrap();
    rows::log_first_session(&db, Durability::Synced);
    std::fs::copy(&first, &second).unwrap();
    drop(db);
    let db = open::<()>(&second);
    rows::log_second_session(&db);
    db.flush().unwrap();
    keep(Log::NAME, &read(&second));
}

#[test]
#[ignore = "makes the files of `tests/compat`, once for each format"]
fn make() {
    let folder = tempfile::tempdir().unwrap();
    plain(folder.path());
    records(folder.path());
    log(folder.path());
}
