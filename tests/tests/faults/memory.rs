//! No memory, where the language lets a program hear of it.

use super::{Folder, ROWS, child, left};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::path::Path;
use tamarack::{Database, ErrorKind, Options};

/// A budget that no machine has is a bound that is never reached.
#[test]
fn a_budget_beyond_all_memory() {
    for bytes in [u64::MAX, 1 << 63, 1 << 48] {
        let folder = Folder::new();
        let db: Database<()> = Options::new().memory(bytes).open(folder.file()).unwrap();
        super::put(&db, 0..1000, 1, tamarack::Durability::Synced).unwrap();
        db.check().unwrap();
        db.close().unwrap();
        assert_eq!(left(&folder.file()), super::model(0..1000, 1));
    }
}

const LARGE: usize = 96 << 20;

#[test]
fn a_value_that_does_not_fit_memory_is_no_damage() {
    let folder = Folder::new();
    let db = Database::<()>::open(folder.file()).unwrap();
    db.write(|tx| {
        let mut rows = tx.open_table(&ROWS)?;
        rows.insert(1, vec![7; LARGE])?;
        rows.insert(2, vec![8; 100]).map(|_| ())
    })
    .unwrap();
    db.close().unwrap();
    child::play("memory", folder.path());
    let left = left(&folder.file());
    assert_eq!(left[&1].len(), LARGE);
    assert_eq!(left[&3], [9; 100]);
}

pub(super) fn without(folder: &Path) {
    let file = folder.join(super::FILE);
    let db: Database<()> = Options::new().memory(4 << 20).open(&file).unwrap();
    // Its threads and what it needs at all are there.
    db.write(|tx| tx.open_table(&ROWS)?.insert(3, vec![9; 100]).map(|_| ())).unwrap();
    let get = |key| db.read(|tx| tx.open_table(&ROWS)?.get(key));
    assert_eq!(get(2).unwrap().unwrap(), [8; 100]);
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let size = status.lines().find_map(|line| line.strip_prefix("VmSize:")).unwrap();
    let size = size.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10;
    let before = getrlimit(Resource::As);
    setrlimit(Resource::As, Rlimit { current: Some(size + (LARGE as u64) / 3), maximum: before.maximum }).unwrap();
    for _ in 0..3 {
        let error = get(1).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::OutOfMemory, "{error}");
        assert!(error.to_string().contains(&LARGE.to_string()[..3]), "{error}");
        // All else goes on, another database too, whose addresses cannot be reserved.
        assert_eq!(get(2).unwrap().unwrap(), [8; 100]);
        db.write(|tx| tx.open_table(&ROWS)?.insert(3, vec![9; 100]).map(|_| ())).unwrap();
        db.checkpoint().unwrap();
    }
    let other: Database<()> =
        Options::new().memory(1 << 20).log_size(256 << 10).open(folder.join("other.tam")).unwrap();
    super::put(&other, 0..500, 1, tamarack::Durability::Synced).unwrap();
    assert_eq!(other.read(super::contents).unwrap(), super::model(0..500, 1));
    other.close().unwrap();
    setrlimit(Resource::As, before).unwrap();
    assert_eq!(get(1).unwrap().unwrap().len(), LARGE);
    db.close().unwrap();
}
