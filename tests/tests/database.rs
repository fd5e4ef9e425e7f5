//! Databases as files: reopening, locks, read-only opens, other schemas, panics, threads.

#![allow(clippy::disallowed_methods, reason = "tests use files and threads as programs do")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use tamarack::{Database, Durability, Error, ErrorKind, Id, KeyPart, Options, Record, Result, Schema, Shape, TableDef};
use tamarack_tests::{Customer, Shop, customer};

const HITS: TableDef<u64, u64> = TableDef::new("hits");

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self) -> PathBuf {
        self.0.path().join("test.tam")
    }
}

#[test]
fn closed_dropped_and_opened_again() {
    let folder = Folder::new();
    let mut known = 0;
    for round in 0..4 {
        let db = Database::<Shop>::open(folder.file()).unwrap();
        assert_eq!(db.read(|tx| tx.table::<Customer>()?.len()).unwrap(), known);
        let id = db.write(|tx| tx.table::<Customer>()?.insert(customer("Oslo", 30))).unwrap();
        known += 1;
        assert_eq!(id.get(), known, "ids go on");
        if round % 2 == 0 {
            db.close().unwrap();
        }
    }
}

#[test]
fn a_second_opener_gets_a_clear_error() {
    let folder = Folder::new();
    let db = Database::<()>::open(folder.file()).unwrap();
    let error = Database::<()>::open(folder.file()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Locked);
    assert!(error.to_string().contains("test.tam") && error.to_string().contains("cloning"), "{error}");
    drop(db);
    Database::<()>::open(folder.file()).unwrap();
}

/// A worker of an asynchronous transaction, or a process that ends, may hold the file for a moment longer.
#[test]
fn who_is_about_to_let_go_is_waited_for() {
    let folder = Folder::new();
    let db = Database::<()>::open(folder.file()).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(std::time::Duration::from_millis(20));
            drop(db);
        });
        Database::<()>::open(folder.file()).unwrap();
    });
}

#[test]
fn what_is_not_a_database() {
    let folder = Folder::new();
    let open = |bytes: &[u8]| {
        std::fs::write(folder.file(), bytes).unwrap();
        let error = Database::<()>::open(folder.file()).unwrap_err();
        assert_eq!(std::fs::read(folder.file()).unwrap(), bytes, "nothing was changed");
        error.kind()
    };
    assert_eq!(open(b"a letter to a friend"), ErrorKind::NotADatabase);
    assert_eq!(open(&[7; 100_000]), ErrorKind::NotADatabase);
    let mut almost_zeros = [0; 100_000];
    almost_zeros[50_000] = 1;
    assert_eq!(open(&almost_zeros), ErrorKind::NotADatabase);
    // What a crash leaves of a new file is no longer than one: more zeros were something else.
    assert_eq!(open(&vec![0; 20 << 20]), ErrorKind::NotADatabase);
    assert_eq!(Database::<()>::open_read_only(folder.file()).unwrap_err().kind(), ErrorKind::NotADatabase);
    assert_eq!(Database::<()>::open(folder.0.path()).unwrap_err().kind(), ErrorKind::NotADatabase);
    let missing = folder.0.path().join("missing").join("x.tam");
    assert_eq!(Database::<()>::open(&missing).unwrap_err().kind(), ErrorKind::Io);
    assert_eq!(Database::<()>::open_read_only(folder.0.path().join("y.tam")).unwrap_err().kind(), ErrorKind::Io);
}

#[test]
fn damage_is_found_and_names_the_place() {
    let folder = Folder::new();
    let db = Database::<()>::open(folder.file()).unwrap();
    db.write(|tx| tx.open_table(&HITS)?.extend((0..20_000_u64).map(|n| (n, n)))).unwrap();
    db.close().unwrap();
    let good = std::fs::read(folder.file()).unwrap();
    let (mut found, mut harmless) = (0, 0);
    for seed in 0..60 {
        let mut bytes = good.clone();
        let mut random = fastrand::Rng::with_seed(seed);
        let at = random.usize(..bytes.len());
        bytes[at] ^= 1 << random.u8(..8);
        std::fs::write(folder.file(), &bytes).unwrap();
        let read = Database::<()>::open_read_only(folder.file()).and_then(|db| {
            db.check()?;
            db.read(|tx| {
                let hits = tx.open_table(&HITS)?;
                let all = hits.iter().collect::<Result<Vec<_>>>()?;
                assert!(all == (0..20_000).map(|n| (n, n)).collect::<Vec<_>>(), "wrong data came out, byte {at}");
                Ok(())
            })
        });
        match read {
            Ok(()) => harmless += 1,
            Err(error) => {
                found += 1;
                assert!(!error.to_string().is_empty());
            }
        }
    }
    assert!(found > 0 && harmless > 0, "{found} found, {harmless} in bytes that nothing needs");
}

#[test]
fn i32_a_damaged_page_names_its_table_and_its_place() {
    let folder = Folder::new();
    let db = Database::<()>::open(folder.file()).unwrap();
    db.write(|tx| tx.open_table(&HITS)?.extend((0..200_000_u64).map(|n| (n * 7919 % 200_003, n)))).unwrap();
    db.close().unwrap();
    let good = std::fs::read(folder.file()).unwrap();
    // Behind the superblocks and the log: most of it is leaves.
    let first = 70_000 + (16 << 20);
    let mut named = 0;
    for seed in 0..20 {
        let mut bytes = good.clone();
        let at = fastrand::Rng::with_seed(seed).usize(first..bytes.len());
        bytes[at] ^= 0x10;
        std::fs::write(folder.file(), &bytes).unwrap();
        let Ok(db) = Database::<()>::open_read_only(folder.file()) else { continue };
        let read = db.read(|tx| {
            let hits = tx.open_table(&HITS)?;
            let read = hits.iter().try_for_each(|hit| hit.map(|_| ()));
            // An iterator ends after an error, and the next one finds the same; what counts entries says so instead of a number.
            assert_eq!(hits.iter().try_count().is_err(), read.is_err());
            assert_eq!(hits.keys().try_count().is_err(), read.is_err());
            read
        });
        if let Err(error) = read {
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
            let text = error.to_string();
            assert!(text.contains("table `hits`") && text.contains("the page at block"), "{text}");
            named += 1;
        }
    }
    assert!(named > 10, "{named} of 20 were in pages of the table");
}

#[test]
fn read_only_sees_everything_and_writes_nothing() {
    let folder = Folder::new();
    let db = Database::<Shop>::open(folder.file()).unwrap();
    db.write(|tx| tx.table::<Customer>()?.insert(customer("Oslo", 30))).unwrap();
    db.close().unwrap();
    let before = std::fs::read(folder.file()).unwrap();
    let db = Database::<Shop>::open_read_only(folder.file()).unwrap();
    assert_eq!(db.read(|tx| tx.table::<Customer>()?.len()).unwrap(), 1);
    assert_eq!(db.begin_write().unwrap_err().kind(), ErrorKind::ReadOnly);
    assert_eq!(db.read(|tx| Ok(tx.open_table(&HITS)?.iter().count())).unwrap(), 0);
    db.close().unwrap();
    // A record that the file does not hold reads as empty.
    let db = Database::<Other>::open_read_only(folder.file()).unwrap();
    assert!(db.read(|tx| tx.table::<Note>()?.is_empty()).unwrap());
    assert_eq!(db.read(|tx| Ok(tx.table::<Note>()?.query(Note::TITLE).count())).unwrap(), 0);
    drop(db);
    assert_unchanged(&before, &std::fs::read(folder.file()).unwrap());
}

#[derive(Record)]
struct Note {
    #[record(key)]
    id: u32,
    #[record(index)]
    title: String,
}

#[derive(Schema)]
struct Other(Note);

mod changed {
    use tamarack::{Id, Record, Schema};

    #[derive(Record)]
    #[record(table = "customers", index(city_age = (city, age)), index(street = (street)))]
    pub(super) struct Customer {
        #[record(key(auto))]
        id: Id<Customer>,
        email: Option<String>,
        city: String,
        age: u32,
        street: String,
    }

    #[derive(Schema)]
    pub(super) struct Shop(Customer);
}

fn assert_unchanged(before: &[u8], after: &[u8]) {
    assert_eq!(before.len(), after.len(), "the file's length");
    let different = before.iter().zip(after).position(|(a, b)| a != b);
    assert_eq!(different, None, "the first byte that changed");
}

#[test]
fn another_schema_is_refused_with_what_differs() {
    let folder = Folder::new();
    let db = Database::<Shop>::open(folder.file()).unwrap();
    db.write(|tx| tx.table::<Customer>()?.insert(customer("Oslo", 30))).unwrap();
    db.close().unwrap();
    let before = std::fs::read(folder.file()).unwrap();
    let error = Database::<changed::Shop>::open(folder.file()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SchemaMismatch);
    let text = error.to_string();
    for line in [
        "table `customers` in the file differs from the program's:",
        "field `age` is u16 in the file, u32 in the program",
        "field `tags` (list<text>) is in the file and not in the program",
        "field `street` (text) is in the program and not in the file",
        "index `city_age`: part `age` is desc u16 in the file, u32 in the program",
        "index `email` is in the file and not in the program",
        "index `street` is in the program and not in the file",
        "Nothing was changed.",
    ] {
        assert!(text.contains(line), "{line:?} is missing in:\n{text}");
    }
    assert_unchanged(&before, &std::fs::read(folder.file()).unwrap());
    // Tables that are not mentioned stay.
    let db = Database::<Other>::open(folder.file()).unwrap();
    db.write(|tx| tx.table::<Note>()?.insert(Note { id: 1, title: "x".into() })).unwrap();
    db.close().unwrap();
    let db = Database::<Shop>::open(folder.file()).unwrap();
    assert_eq!(db.read(|tx| tx.table::<Customer>()?.len()).unwrap(), 1);
}

#[derive(Record)]
#[record(table = "note")]
struct Twin {
    #[record(key)]
    id: u32,
    #[record(index)]
    title: String,
}

#[derive(Schema)]
struct Twins(Note, Twin);

#[test]
fn two_records_in_one_table_are_refused() {
    let folder = Folder::new();
    let refused = || {
        let error = Database::<Twins>::open(folder.file()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::SchemaMismatch);
        assert!(error.to_string().contains("`Note` and `Twin` are both stored in the table `note`"), "{error}");
    };
    refused();
    // Also where the file has such a table, and either would fit it.
    Database::<Other>::open(folder.file()).unwrap().close().unwrap();
    refused();
    let _ = Twin { id: 0, title: String::new() };
}

type Deep4<T> = Option<Option<Option<Option<T>>>>;
type Deep16<T> = Deep4<Deep4<Deep4<Deep4<T>>>>;
type Deep60<T> = Deep16<Deep16<Deep16<Deep4<Deep4<Deep4<T>>>>>>;

/// The catalog used to take it, and could not be read again.
#[test]
fn types_that_nest_too_deep_are_refused() {
    #[derive(Record)]
    struct Deep {
        #[record(key)]
        id: u32,
        deep: Deep60<Deep4<u8>>,
    }
    #[derive(Schema)]
    struct File(Deep);

    let folder = Folder::new();
    let error = Database::<File>::open(folder.file()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SchemaMismatch);
    assert!(
        error
            .to_string()
            .ends_with("table `deep`, `deep`: its type nests deeper than 64, which the file cannot describe")
    );
    let db = Database::<()>::open(folder.file()).unwrap();
    let error = db.write(|tx| tx.open_table(&TableDef::<u32, Deep60<Deep4<u8>>>::new("plain")).map(|_| ()));
    assert_eq!(error.unwrap_err().kind(), ErrorKind::SchemaMismatch);
    let error = db.write(|tx| tx.open_table(&TableDef::<Deep60<Deep4<u8>>, u8>::new("plain")).map(|_| ()));
    assert_eq!(error.unwrap_err().kind(), ErrorKind::SchemaMismatch);
    // Sixty-three and what they hold are sixty-four.
    db.write(|tx| tx.open_table(&TableDef::<u32, Deep60<Option<Option<Option<u8>>>>>::new("deepest"))?.insert(1, None))
        .unwrap();
    db.close().unwrap();
    Database::<()>::open(folder.file()).unwrap().check().unwrap();
}

/// Describing such a type used to overflow the stack.
#[test]
fn types_that_hold_each_other_are_refused() {
    #[derive(Shape)]
    enum Json {
        Null,
        Number(u64),
        List(Items),
        Sorted(Items),
    }
    #[derive(Shape)]
    struct Items {
        list: Vec<Json>,
        more: Vec<Json>,
    }
    #[derive(KeyPart)]
    struct Path {
        rest: Vec<Step>,
    }
    #[derive(KeyPart)]
    struct Step(Path, u8);
    #[derive(Record)]
    struct Document {
        #[record(key)]
        id: u32,
        body: Json,
    }
    #[derive(Schema)]
    struct File(Document);

    let folder = Folder::new();
    let error = Database::<File>::open(folder.file()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SchemaMismatch);
    let text = error.to_string();
    assert!(
        text.contains("table `document`, `body`: `Json` holds itself through `Items`: its shape would have"),
        "{text}"
    );
    let db = Database::<()>::open(folder.file()).unwrap();
    let error = db.write(|tx| tx.open_table(&TableDef::<u32, Items>::new("plain")).map(|_| ())).unwrap_err();
    assert!(error.to_string().contains("`Items` holds itself through `Json`"), "{error}");
    let error = db.write(|tx| tx.open_table(&TableDef::<Path, u32>::new("plain")).map(|_| ())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SchemaMismatch);
    let _ = [Json::Null, Json::Number(1), Json::Sorted(Items { list: vec![], more: vec![] })];
    db.close().unwrap();
}

#[test]
fn errors_and_panics_roll_back() {
    let db = Database::<Shop>::in_memory().unwrap();
    let count = || db.read(|tx| tx.table::<Customer>()?.len()).unwrap();
    let gave_up = db.write(|tx| {
        tx.table::<Customer>()?.insert(customer("Oslo", 30))?;
        Err::<(), _>(Error::new(ErrorKind::Aborted, "changed my mind"))
    });
    assert_eq!(gave_up.unwrap_err().kind(), ErrorKind::Aborted);
    assert_eq!(count(), 0);
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        db.write(|tx| {
            tx.table::<Customer>()?.insert(customer("Oslo", 30))?;
            panic!("in the middle");
            #[expect(unreachable_code, reason = "it gives the closure its type")]
            Ok(())
        })
    }));
    assert!(panicked.is_err());
    assert_eq!(count(), 0);
    let id = db.write(|tx| tx.table::<Customer>()?.insert(customer("Oslo", 30))).unwrap();
    // Ids that were given to transactions which did not commit leave gaps.
    assert_eq!((id.get(), count()), (3, 1));
    let nested = db.write(|_| db.write(|_| Ok(())));
    assert_eq!(nested.unwrap_err().kind(), ErrorKind::NestedTransaction);
    let closed = db.write(|_| db.clone().close());
    assert_eq!(closed.unwrap_err().kind(), ErrorKind::NestedTransaction, "it would wait for itself");
    assert_eq!(count(), 1);
}

/// Closures that read and change one record run side by side, and none of them is lost.
#[test]
fn conflicting_closures_are_run_again() {
    let db = Database::<Shop>::in_memory().unwrap();
    let id = db.write(|tx| tx.table::<Customer>()?.insert(customer("Oslo", 0))).unwrap();
    const THREADS: u16 = 4;
    const EACH: u16 = 200;
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for _ in 0..EACH {
                    db.write(|tx| {
                        let mut customers = tx.table::<Customer>()?;
                        let found = customers.get(id)?.unwrap();
                        std::thread::yield_now();
                        customers.upsert(Customer { age: found.age + 1, ..found })
                    })
                    .unwrap();
                }
            });
        }
    });
    let customer = db.read(|tx| tx.table::<Customer>()?.get(id)).unwrap().unwrap();
    assert_eq!(customer.age, THREADS * EACH);
    assert!(db.stats().retries > 0, "they never met");
}

/// Inserts with automatic ids, and the number of records, are no conflict.
#[test]
fn inserts_side_by_side_do_not_conflict() {
    let db = Database::<Shop>::in_memory().unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..200 {
                    db.write(|tx| tx.table::<Customer>()?.insert(customer("Oslo", 1))).unwrap();
                }
            });
        }
    });
    assert_eq!(db.read(|tx| tx.table::<Customer>()?.len()).unwrap(), 800);
    assert_eq!(db.stats().retries, 0);
}

#[test]
fn after_close_everything_says_so() {
    let db = Database::<Shop>::in_memory().unwrap();
    let other = db.clone();
    let open = db.begin_read().unwrap();
    db.close().unwrap();
    assert_eq!(other.begin_read().unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(other.begin_write().unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(open.table::<Customer>().unwrap().len().unwrap(), 0, "an open snapshot goes on");
    assert_eq!(other.close().unwrap_err().kind(), ErrorKind::Closed);
}

/// Index entries used to stay behind, and `len` to count twice, when the closure of `update` or `retain` wrote to the same record.
#[test]
fn closures_that_write_to_the_record_which_they_are_given() {
    let db = Database::<Shop>::in_memory().unwrap();
    let ids = db.write(|tx| {
        let mut customers = tx.table::<Customer>()?;
        (0..3).map(|_| customers.insert(customer("Oslo", 1))).collect::<Result<Vec<_>>>()
    });
    let ids = ids.unwrap();
    db.write(|tx| {
        let mut customers = tx.table::<Customer>()?;
        let other = || tx.table::<Customer>().unwrap();
        customers.update(ids[0], |customer| {
            other().update(ids[0], |customer| customer.city = "Bergen".into()).unwrap();
            customer.city = "Bodø".into();
        })?;
        let gone = customers.update(ids[1], |_| drop(other().remove(ids[1]).unwrap()))?;
        assert!(gone.is_none());
        customers.retain(|customer| customer.id != ids[2] || other().remove(customer.id).unwrap().is_none())?;
        assert_eq!(customers.len()?, 1);
        Ok(())
    })
    .unwrap();
    db.check().unwrap();
}

/// A closure that was still running used to be acknowledged after the last checkpoint, and was not found again.
#[test]
fn i21_closures_beside_a_close_commit_or_fail() {
    let folder = Folder::new();
    for round in 0..20_u16 {
        let db: Database<Shop> = Options::new().open(folder.file()).unwrap();
        let before = db.read(|tx| tx.table::<Customer>()?.len()).unwrap();
        let committed = std::thread::scope(|scope| {
            let writers: Vec<_> = (0..3)
                .map(|_| {
                    let db = db.clone();
                    scope.spawn(move || {
                        let mut committed = 0;
                        loop {
                            let inserted = db.write(|tx| {
                                let id = tx.table::<Customer>()?.insert(customer("Oslo", 1))?;
                                std::thread::yield_now();
                                Ok(id)
                            });
                            match inserted {
                                Ok(_) => committed += 1,
                                Err(error) => {
                                    assert_eq!(error.kind(), ErrorKind::Closed, "{error}");
                                    return committed;
                                }
                            }
                        }
                    })
                })
                .collect();
            std::thread::sleep(std::time::Duration::from_millis(u64::from(round)));
            db.close().unwrap();
            writers.into_iter().map(|writer| writer.join().unwrap()).sum::<u64>()
        });
        let db: Database<Shop> = Options::new().open(folder.file()).unwrap();
        let after = db.read(|tx| tx.table::<Customer>()?.len()).unwrap();
        assert_eq!(after - before, committed);
        db.close().unwrap();
    }
}

#[test]
fn readers_see_one_moment_while_others_write() {
    let folder = Folder::new();
    let db: Database<Shop> = Options::new().durability(Durability::Deferred).open(folder.file()).unwrap();
    let ids = db
        .write(|tx| {
            let mut customers = tx.table::<Customer>()?;
            (0..50).map(|_| customers.insert(customer("Oslo", 100))).collect::<Result<Vec<_>>>()
        })
        .unwrap();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let mut reads = 0;
                while !done.load(Ordering::Relaxed) || reads == 0 {
                    db.read(|tx| {
                        let customers = tx.table::<Customer>()?;
                        let ages = customers.iter().map(|one| Ok(u32::from(one?.age))).sum::<Result<u32>>()?;
                        assert_eq!(ages, 5000, "years moved between customers");
                        let index = customers
                            .query(Customer::CITY_AGE)
                            .map(|one| Ok(u32::from(one?.age)))
                            .sum::<Result<u32>>()?;
                        assert_eq!(index, 5000);
                        Ok(())
                    })
                    .unwrap();
                    reads += 1;
                }
            });
        }
        for writer in 0..2 {
            let (db, ids, done) = (&db, &ids, &done);
            scope.spawn(move || {
                let mut random = fastrand::Rng::with_seed(writer);
                for _ in 0..400 {
                    let (from, to) = (ids[random.usize(..ids.len())], ids[random.usize(..ids.len())]);
                    db.write(|tx| {
                        let mut customers = tx.table::<Customer>()?;
                        if customers.get(from)?.is_some_and(|one| one.age > 0) && from != to {
                            customers.update(from, |one| one.age -= 1)?;
                            customers.update(to, |one| one.age += 1)?;
                        }
                        Ok(())
                    })
                    .unwrap();
                }
                done.store(true, Ordering::Relaxed);
            });
        }
    });
    db.check().unwrap();
    db.close().unwrap();
}

#[test]
fn options_are_checked() {
    let folder = Folder::new();
    for options in [Options::new().page_size(5000), Options::new().page_size(1 << 20), Options::new().log_size(1000)] {
        let error = options.open::<()>(folder.file()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
        assert!(!folder.file().exists());
    }
    let small: Database<()> = Options::new().page_size(4096).log_size(256 << 10).open(folder.file()).unwrap();
    small.write(|tx| tx.open_table(&HITS)?.extend((0..50_000_u64).map(|n| (n, n)))).unwrap();
    for n in 0..3000 {
        small.write_with(Durability::Buffered, |tx| tx.open_table(&HITS)?.insert(n, n + 1)).unwrap();
    }
    small.flush().unwrap();
    small.close().unwrap();
    let small = Database::<()>::open(folder.file()).unwrap();
    assert_eq!(small.read(|tx| tx.open_table(&HITS)?.get(2999)).unwrap(), Some(3000));
    small.check().unwrap();
}

#[test]
fn an_id_is_of_its_record() {
    let id = Id::<Customer>::new(3);
    assert_eq!((id.get(), id == Id::new(3), Id::<Customer>::AUTO < id), (3, true, true));
}

#[test]
fn what_can_cross_threads() {
    fn shared<T: Send + Sync + 'static>() {}
    fn moved<T: Send + 'static>() {}
    shared::<Database<Shop>>();
    shared::<tamarack::ReadTxn<Shop>>();
    shared::<Error>();
    moved::<tamarack::WriteTxn<Shop>>();
    assert_eq!(size_of::<Error>(), size_of::<usize>());
}
