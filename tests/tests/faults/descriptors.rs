//! No file descriptors are left.

use super::{Folder, child, contents, left, model, put};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::path::Path;
use tamarack::{Database, Durability, ErrorKind, Options, check_file};

/// A database that is open needs no more descriptors; what needs one says so, and leaves nothing behind.
#[test]
fn an_open_database_needs_no_more_descriptors() {
    let folder = Folder::new();
    child::play("descriptors", folder.path());
    assert_eq!(left(&folder.file()), model(0..2000, 1));
}

#[test]
fn a_file_that_was_not_opened_for_want_of_descriptors_opens_later() {
    let folder = Folder::new();
    child::play("few descriptors", folder.path());
}

/// Descriptors get the lowest free number: below `most`, and never 0 to 2, which are in use.
fn limit(most: u64) -> Rlimit {
    let before = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: Some(most), maximum: before.maximum }).unwrap();
    before
}

pub(super) fn without(folder: &Path) {
    let file = folder.join(super::FILE);
    let db: Database<()> = Options::new().log_size(256 << 10).memory(1 << 20).open(&file).unwrap();
    // Not one commit was made: what opens the file once more, for direct writes, comes too late.
    let before = limit(3);
    for at in 0..20 {
        let durability = [Durability::Synced, Durability::Buffered, Durability::Deferred][at as usize % 3];
        put(&db, at * 100..(at + 1) * 100, 1, durability).unwrap();
    }
    db.checkpoint().unwrap();
    db.check().unwrap();
    db.compact().unwrap();
    assert_eq!(db.read(contents).unwrap(), model(0..2000, 1));
    let mut backup = Vec::new();
    db.backup(&mut backup).unwrap();
    let long = db.begin_long_read().unwrap();
    assert_eq!(contents(&long).unwrap().len(), 2000);
    let other = folder.join("other.tam");
    let refused = [
        Database::<()>::open(&other).unwrap_err(),
        Database::<()>::open_read_only(&file).unwrap_err(),
        check_file(&file, &mut |_| {}).unwrap_err(),
        tamarack::restore([&backup[..]], &other, &mut |_| {}).unwrap_err(),
        tamarack::backup_file(&file, None, &other, &mut |_| {}).unwrap_err(),
    ];
    for error in refused {
        assert_eq!(error.kind(), ErrorKind::Io, "{error}");
        assert!(error.to_string().contains("Too many open files") && error.to_string().contains(".tam"), "{error}");
    }
    assert!(!other.exists());
    drop(long);
    db.close().unwrap();
    setrlimit(Resource::Nofile, before).unwrap();
    assert!(tamarack::restore([&backup[..]], &other, &mut |_| {}).unwrap().is_sound());
    assert_eq!(left(&other), model(0..2000, 1));
}

/// With none, one, two ... descriptors, until it opens.
pub(super) fn with_few(folder: &Path) {
    let mut refused = 0;
    let mut backup = Vec::new();
    Database::<()>::in_memory().unwrap().backup(&mut backup).unwrap();
    for few in 3..1000 {
        let (file, other) = (folder.join(format!("{few}.tam")), folder.join(format!("{few}.restored.tam")));
        let before = limit(few);
        let first = Database::<()>::open(&file).and_then(|db| {
            put(&db, 0..50, 1, Durability::Synced)?;
            db.close()
        });
        let restored = tamarack::restore([&backup[..]], &other, &mut |_| {});
        setrlimit(Resource::Nofile, before).unwrap();
        assert_eq!(other.exists(), restored.is_ok(), "a restore that failed leaves no file: limit {few}");
        if let Err(error) = &first {
            assert_eq!(error.kind(), ErrorKind::Io, "{error}");
            refused += 1;
            let db = Database::<()>::open(&file).unwrap();
            put(&db, 0..50, 1, Durability::Synced).unwrap();
            db.close().unwrap();
        }
        assert_eq!(left(&file), model(0..50, 1), "limit {few}");
        if first.is_ok() {
            break;
        }
    }
    // With none, and with one, which leaves none for the folder that a new file is entered into.
    assert!(refused >= 2, "refused with {refused} numbers of descriptors");
}
