//! Checks of running databases: beside readers and writers, of every kind of table.

#![allow(clippy::disallowed_methods, reason = "tests use files and threads as programs do")]

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tamarack::{Database, ErrorKind, Id, Options, Record, Schema, TableDef, check_file};

#[derive(Record, Debug, Clone, PartialEq)]
#[record(table = "people")]
#[record(index(city_age = (city, desc age)))]
struct Person {
    #[record(key(auto))]
    id: Id<Person>,
    #[record(unique)]
    email: String,
    city: String,
    age: u16,
    #[record(index(each))]
    tags: Vec<String>,
    note: String,
}

#[derive(Schema)]
struct Town(Person);

const HITS: TableDef<u64, Vec<u8>> = TableDef::new("hits");

fn person(i: u64) -> Person {
    Person {
        id: Id::AUTO,
        email: format!("p{i}@example.org"),
        city: ["Oslo", "Bergen", "Bodø"][i as usize % 3].into(),
        age: (i % 80) as u16,
        tags: (0..i % 4).map(|tag| format!("tag{}", (i + tag) % 9)).collect(),
        note: "n".repeat(if i % 40 == 3 { 30_000 } else { 20 }),
    }
}

#[test]
fn checks_beside_writers_and_readers_find_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.tam");
    // A small log makes checkpoints frequent.
    let options = Options::new().page_size(4096).log_size(256 << 10);
    let db = Database::<Town>::open_with(&path, options).unwrap();
    let (stop, next) = (AtomicBool::new(false), AtomicU64::new(0));
    let checks = std::thread::scope(|scope| {
        for writer in 0..2 {
            let (db, stop, next) = (&db, &stop, &next);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let first = next.fetch_add(20, Ordering::Relaxed);
                    db.write(|tx| {
                        let mut people = tx.table::<Person>()?;
                        for i in first..first + 20 {
                            people.insert(person(i))?;
                        }
                        if first > 200 && writer == 0 {
                            people.remove(Id::new(first / 2))?;
                            people.update(Id::new(first / 3 + 1), |person| person.city.push('!'))?;
                        }
                        tx.open_table(&HITS)?.insert(first % 500, vec![1; first as usize % 9000]).map(|_| ())
                    })
                    .unwrap();
                }
            });
        }
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                db.read(|tx| {
                    tx.table::<Person>()?.query(Person::CITY_AGE.at("Oslo")).take(50).try_for_each(|p| p.map(|_| ()))
                })
                .unwrap();
            }
        });
        let mut checks = 0;
        while checks < 12 || next.load(Ordering::Relaxed) < 4000 {
            let report = db.check_with(&mut |_| {}).unwrap();
            assert!(report.is_sound(), "{report}");
            checks += 1;
        }
        stop.store(true, Ordering::Relaxed);
        checks
    });
    assert!(checks >= 12);
    let locked = check_file(&path, &mut |_| {}).unwrap_err();
    assert_eq!(locked.kind(), ErrorKind::Locked);
    let report = db.check_with(&mut |_| {}).unwrap();
    let people = db.read(|tx| tx.table::<Person>()?.len()).unwrap();
    assert!(report.is_sound(), "{report}");
    assert_eq!(report.tables().iter().find(|table| table.table == "people").unwrap().records, people);
    db.close().unwrap();
    let report = check_file(&path, &mut |_| {}).unwrap();
    assert!(report.is_sound(), "{report}");
    let read_only = Database::<Town>::open_read_only(&path).unwrap();
    assert!(read_only.check_with(&mut |_| {}).unwrap().is_sound());
}

/// Pages of 64 KiB and more were accepted once: the file could not be opened again, and larger ones broke in memory.
#[test]
fn every_page_size_that_is_accepted_can_be_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    for power in 10..20 {
        let path = folder.path().join(format!("{power}.tam"));
        let made = Database::<Town>::open_with(&path, Options::new().page_size(1 << power));
        assert_eq!(made.is_ok(), (12..=15).contains(&power), "2^{power}");
        let Ok(db) = made else { continue };
        db.write(|tx| (0..900).try_for_each(|i| tx.table::<Person>()?.insert(person(i)).map(|_| ()))).unwrap();
        db.close().unwrap();
        let report = check_file(&path, &mut |_| {}).unwrap();
        assert!(report.is_sound(), "2^{power}: {report}");
        Database::<Town>::open(&path).unwrap().close().unwrap();
    }
}

/// A superblock that had rotted used to be taken for what a crash may leave, as long as the database was open.
#[test]
fn i32_a_running_database_knows_that_both_superblocks_were_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.tam");
    let db = Database::<Town>::open(&path).unwrap();
    db.write(|tx| tx.table::<Person>()?.insert(person(1)).map(|_| ())).unwrap();
    // Until there is nothing left for a checkpoint to write, which would mend it.
    for _ in 0..5 {
        db.checkpoint().unwrap();
    }
    assert!(db.check_with(&mut |_| {}).unwrap().is_sound());
    for (name, slot) in [("superblock A", 0), ("superblock B", 65_536_usize)] {
        let whole = std::fs::read(&path).unwrap();
        let mut rotten = whole.clone();
        rotten[slot + 60] ^= 4;
        std::fs::write(&path, rotten).unwrap();
        let report = db.check_with(&mut |_| {}).unwrap();
        assert!(!report.is_sound() && report.to_string().contains(name), "{report}");
        std::fs::write(&path, whole).unwrap();
        assert!(db.check_with(&mut |_| {}).unwrap().is_sound());
    }
    db.close().unwrap();
}

#[test]
fn a_check_keeps_no_space_when_it_has_ended() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.tam");
    let db = Database::<Town>::open(&path).unwrap();
    db.write(|tx| (0..2000).try_for_each(|i| tx.table::<Person>()?.insert(person(i)).map(|_| ()))).unwrap();
    let mut stopped = false;
    for _ in 0..3 {
        let report = db.check_with(&mut |progress| stopped |= progress.done == progress.total).unwrap();
        assert!(report.is_sound() && stopped, "{report}");
    }
    db.write(|tx| tx.table::<Person>()?.clear()).unwrap();
    db.close().unwrap();
    let report = check_file(&path, &mut |_| {}).unwrap();
    assert!(report.is_sound(), "{report}");
    assert!(report.totals().bytes < 18 << 20, "the file is the log and little else: {report}");
}
