//! A fork while a database is open. The child has the file and its lock, and no right to them.

use super::{Folder, ROWS, child, contents, left, model, put};
use fork::Fork;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, Instant};
use tamarack::{Database, Durability, ErrorKind, Options, WriteTxn};

#[test]
fn a_forked_child_changes_nothing() {
    let folder = Folder::new();
    let told = child::play("fork", folder.path());
    assert!(told.contains("children refused: 6"), "{told}");
    let mut expected = model(0..400, 1);
    expected.extend(model(400..1000, 3));
    expected.insert(5000, vec![1]);
    assert_eq!(left(&folder.file()), expected);
}

/// What a child tries. It may read what it has in memory, it is refused what would change the file, and it ends.
fn child_of(db: Database<()>, file: &Path, open: Option<WriteTxn<()>>, attempt: u64) {
    let refused = |error: tamarack::Error| {
        // The first refusal ends all writing of this copy.
        assert!(matches!(error.kind(), ErrorKind::Forked | ErrorKind::Poisoned), "{error}");
        assert!(error.to_string().contains("forked"), "{error}");
    };
    assert_eq!(db.read(contents).unwrap(), model(0..400, 1));
    match attempt {
        0 => refused(put(&db, 0..400, 9, Durability::Synced).unwrap_err()),
        1 => refused(put(&db, 0..400, 9, Durability::Buffered).unwrap_err()),
        2 => {
            // Deferred: it goes no further than this copy.
            put(&db, 1..2, 9, Durability::Deferred).unwrap();
            refused(db.flush().unwrap_err());
        }
        3 => {
            put(&db, 1..2, 9, Durability::Deferred).unwrap();
            refused(db.checkpoint().unwrap_err());
        }
        4 => {
            put(&db, 1..2, 9, Durability::Deferred).unwrap();
            refused(db.compact().unwrap_err());
            refused(db.backup(&mut Vec::new()).unwrap_err());
        }
        _ => refused(open.unwrap().commit().unwrap_err()),
    }
    assert_eq!(Database::<()>::open(file).unwrap_err().kind(), ErrorKind::Locked);
    if attempt.is_multiple_of(2) {
        refused(db.close().unwrap_err());
    } else {
        drop(db);
    }
}

/// Forks at rest, as a thread that works at that moment would be missing in the child; a child that hangs is found.
pub(super) fn family(folder: &Path) {
    let file = folder.join(super::FILE);
    let db: Database<()> = Options::new().log_size(256 << 10).memory(2 << 20).open(&file).unwrap();
    put(&db, 0..400, 1, Durability::Synced).unwrap();
    let mut refused = 0;
    for attempt in 0..6 {
        std::thread::sleep(Duration::from_millis(50));
        let open = (attempt == 5).then(|| {
            let tx = db.begin_write().unwrap();
            tx.open_table(&ROWS).unwrap().insert(5000, vec![1]).unwrap();
            tx
        });
        match fork::fork().unwrap() {
            Fork::Child => {
                let done = catch_unwind(AssertUnwindSafe(|| child_of(db, &file, open, attempt)));
                std::process::exit(i32::from(done.is_err()));
            }
            Fork::Parent(process) => {
                if let Some(tx) = open {
                    tx.commit().unwrap();
                }
                wait_for(process, attempt);
                refused += 1;
                // What the child did is seen by nobody.
                if attempt < 5 {
                    assert_eq!(db.read(contents).unwrap(), model(0..400, 1));
                }
                db.check().unwrap();
            }
        }
    }
    println!("children refused: {refused}");
    // With children that hang about, and while they do their worst.
    put(&db, 400..1000, 2, Durability::Synced).unwrap();
    db.checkpoint().unwrap();
    put(&db, 400..1000, 3, Durability::Synced).unwrap();
    db.check().unwrap();
    db.close().unwrap();
}

fn wait_for(process: i32, attempt: u64) {
    let begun = Instant::now();
    loop {
        if let Some(status) = fork::waitpid_nohang(process).unwrap() {
            assert_eq!(status, 0, "the child of attempt {attempt} failed");
            return;
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "the child of attempt {attempt} hangs");
        std::thread::sleep(Duration::from_millis(2));
    }
}
