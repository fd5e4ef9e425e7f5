//! The file is open in another process.

use super::{Folder, child, left, model, put};
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::Child;
use tamarack::{Database, Durability, Error, ErrorKind, check_file, compact_file, salvage_file};

const READY: &str = "holding";

/// Starts a scene, and waits until it has the file.
fn holder(scene: &str, folder: &Path) -> Child {
    let mut child = child::start(scene, folder);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    assert!(lines.any(|line| line == READY), "the process did not open the file");
    child
}

fn wait_for_the_end() {
    println!("{READY}");
    // Until it is killed, or its parent is gone.
    let _ = std::io::stdin().read(&mut [0]);
}

pub(super) fn hold(folder: &Path) {
    let db = Database::<()>::open(folder.join(super::FILE)).unwrap();
    put(&db, 0..500, 1, Durability::Synced).unwrap();
    wait_for_the_end();
}

pub(super) fn hold_for_reading(folder: &Path) {
    let db = Database::<()>::open_read_only(folder.join(super::FILE)).unwrap();
    assert_eq!(db.read(super::contents).unwrap(), model(0..500, 1));
    wait_for_the_end();
}

pub(super) fn locked(folder: &Path) {
    let error = Database::<()>::open(folder.join(super::FILE)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Locked, "{error}");
}

fn all_refused(file: &Path, attempts: Vec<(&str, Option<Error>)>) {
    for (what, error) in attempts {
        let error = error.unwrap_or_else(|| panic!("{what} did not mind"));
        assert_eq!(error.kind(), ErrorKind::Locked, "{what}: {error}");
        let text = error.to_string();
        assert!(text.contains(&file.display().to_string()) && text.contains("another process"), "{what}: {text}");
    }
}

#[test]
fn who_writes_is_alone_until_it_is_killed() {
    let folder = Folder::new();
    let file = folder.file();
    let mut writer = holder("hold", folder.path());
    let none = &mut |_: tamarack::Progress| {};
    let before = std::fs::read(&file).unwrap();
    all_refused(
        &file,
        vec![
            ("open", Database::<()>::open(&file).err()),
            ("open_read_only", Database::<()>::open_read_only(&file).err()),
            ("check_file", check_file(&file, none).err()),
            ("compact_file", compact_file(&file, none).err()),
            ("salvage_file", salvage_file(&file, folder.path().join("new.tam"), none).err()),
            ("backup_file", tamarack::backup_file(&file, None, folder.path().join("a.backup"), none).err()),
        ],
    );
    assert_eq!(std::fs::read(&file).unwrap(), before, "nothing was changed");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing was left beside it");
    writer.kill().unwrap();
    writer.wait().unwrap();
    assert_eq!(left(&file), model(0..500, 1));
}

#[test]
fn readers_share_the_file_and_keep_writers_out() {
    let folder = Folder::new();
    let file = folder.file();
    let db = Database::<()>::open(&file).unwrap();
    put(&db, 0..500, 1, Durability::Synced).unwrap();
    child::play("locked", folder.path());
    db.close().unwrap();
    let mut readers = [holder("hold for reading", folder.path()), holder("hold for reading", folder.path())];
    let db = Database::<()>::open_read_only(&file).unwrap();
    assert_eq!(db.read(super::contents).unwrap(), model(0..500, 1));
    assert!(check_file(&file, &mut |_| {}).unwrap().is_sound());
    all_refused(
        &file,
        vec![("open", Database::<()>::open(&file).err()), ("compact_file", compact_file(&file, &mut |_| {}).err())],
    );
    drop(db);
    for reader in &mut readers {
        assert_eq!(Database::<()>::open(&file).unwrap_err().kind(), ErrorKind::Locked);
        reader.kill().unwrap();
        reader.wait().unwrap();
    }
    assert_eq!(left(&file), model(0..500, 1));
}
