//! Tables that are listed and deleted by name: the way out when a program's types have changed.

#![allow(clippy::disallowed_methods, reason = "tests use files and threads as programs do")]

use std::path::PathBuf;
use tamarack::{Database, ErrorKind, Id, Options, Record, Result, Schema, TableDef};

/// The program that wrote the file.
mod old {
    use super::*;

    #[derive(Record)]
    #[record(table = "books")]
    pub(super) struct Book {
        #[record(key(auto))]
        pub(super) id: Id<Book>,
        #[record(unique)]
        pub(super) isbn: String,
        #[record(index(each))]
        pub(super) words: Vec<String>,
        pub(super) text: Vec<u8>,
    }

    #[derive(Schema)]
    pub(super) struct Library(Book);
}

/// The same program a year later.
mod new {
    use super::*;

    #[derive(Record, Debug, PartialEq)]
    #[record(table = "books")]
    pub(super) struct Book {
        #[record(key)]
        pub(super) isbn: String,
        #[record(index)]
        pub(super) year: u16,
    }

    #[derive(Schema)]
    pub(super) struct Library(Book);
}

const HITS: TableDef<String, u64> = TableDef::new("hits");

struct Folder(tempfile::TempDir);

impl Folder {
    /// With a library of the old kind in it.
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        let db: Database<old::Library> = Options::new().log_size(1 << 20).open(folder.file()).unwrap();
        db.write(|tx| {
            let mut books = tx.table::<old::Book>()?;
            for i in 0..500_usize {
                let words = (0..i % 4).map(|word| format!("word {word}")).collect();
                let text = vec![i as u8; if i % 100 == 7 { 200_000 } else { 100 }];
                books.insert(old::Book { id: Id::AUTO, isbn: format!("isbn {i}"), words, text })?;
            }
            books.insert(old::Book { id: Id::AUTO, isbn: String::new(), words: vec![], text: vec![1; 3 << 20] })?;
            tx.open_table(&HITS)?.insert("/", 7).map(|_| ())
        })
        .unwrap();
        db.close().unwrap();
        folder
    }

    fn file(&self) -> PathBuf {
        self.0.path().join("library.tam")
    }

    fn open<S: Schema>(&self) -> Database<S> {
        Database::open(self.file()).unwrap()
    }
}

fn names<S>(db: &Database<S>) -> Vec<String> {
    db.read(|tx| tx.table_names()).unwrap()
}

#[test]
fn a_table_that_no_longer_fits_makes_room_for_the_one_that_does() {
    let folder = Folder::new();
    let refused = Database::<new::Library>::open(folder.file()).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::SchemaMismatch);
    assert!(refused.to_string().contains("open the file as `Database<()>` and call `delete_table_named`"), "{refused}");
    // Also where nothing may be written.
    assert_eq!(names(&Database::<()>::open_read_only(folder.file()).unwrap()), ["books", "hits"]);

    let db = folder.open::<()>();
    let used = || {
        let report = db.check_with(&mut |_| {}).unwrap();
        report.totals().bytes - report.totals().free
    };
    let full = used();
    assert!(db.write(|tx| tx.delete_table_named("books")).unwrap());
    assert!(!db.write(|tx| tx.delete_table_named("books")).unwrap());
    db.check().unwrap();
    let left = used();
    assert!(full - left > 3_500_000, "{full} bytes in use, and {left} afterwards");
    assert_eq!((names(&db), db.read(|tx| tx.open_table(&HITS)?.get("/")).unwrap()), (vec!["hits".to_owned()], Some(7)));
    db.close().unwrap();

    let db = folder.open::<new::Library>();
    let book = |i: u16| new::Book { isbn: format!("isbn {i}"), year: 1900 + i % 100 };
    db.write(|tx| {
        let mut books = tx.table::<new::Book>()?;
        assert_eq!((books.len()?, books.iter().count()), (0, 0));
        (0..300).try_for_each(|i| books.insert(book(i)).map(|_| ()))
    })
    .unwrap();
    db.check().unwrap();
    db.close().unwrap();
    let db = folder.open::<new::Library>();
    db.read(|tx| {
        let books = tx.table::<new::Book>()?;
        assert_eq!((books.len()?, books.get("isbn 17")?), (300, Some(book(17))));
        assert_eq!(books.query(new::Book::YEAR.at(1905)).count(), 3);
        Ok(())
    })
    .unwrap();
    assert_eq!(names(&db), ["books", "hits"]);
    db.check().unwrap();
    // The old program is the one that does not fit now.
    db.close().unwrap();
    assert_eq!(Database::<old::Library>::open(folder.file()).unwrap_err().kind(), ErrorKind::SchemaMismatch);
}

#[test]
fn a_table_of_the_schema_is_not_deleted_by_name() {
    let folder = Folder::new();
    let db = folder.open::<old::Library>();
    db.write(|tx| {
        let refused = tx.delete_table_named("books").unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::InvalidArgument);
        let text = "table `books` belongs to a record of this database's schema, and cannot be deleted while it is open with it";
        assert!(refused.to_string().starts_with(text), "{refused}");
        // The transaction goes on, and what is no record's may go, whatever its types are.
        tx.table::<old::Book>()?.remove(Id::new(1))?;
        assert!(tx.delete_table_named("hits")?);
        assert!(!tx.delete_table_named("no such table")?);
        assert!(!tx.delete_table_named(&"long ".repeat(10_000))?);
        assert!(!tx.delete_table_named("")?);
        Ok(())
    })
    .unwrap();
    assert_eq!(names(&db), ["books"]);
    assert_eq!(db.read(|tx| tx.table::<old::Book>()?.len()).unwrap(), 500);
    db.check().unwrap();
}

#[test]
fn a_transaction_lists_its_own_tables_and_rolls_them_back() {
    let folder = Folder::new();
    let db = folder.open::<()>();
    let empty = db.begin_read().unwrap();
    let tx = db.begin_write().unwrap();
    tx.open_table(&TableDef::<u8, u8>::new("a")).unwrap();
    let mut hits = tx.open_table(&HITS).unwrap();
    tx.open_table(&TableDef::<u8, u8>::new("zebra")).unwrap();
    assert_eq!(tx.table_names().unwrap(), ["a", "books", "hits", "zebra"]);
    assert!(tx.delete_table_named("books").unwrap() && tx.delete_table_named("hits").unwrap());
    assert_eq!(tx.table_names().unwrap(), ["a", "zebra"]);
    assert_eq!((hits.get("/").unwrap(), hits.iter().count()), (None, 0));
    assert_eq!(hits.insert("/", 1).unwrap_err().kind(), ErrorKind::InvalidArgument);
    assert_eq!(names(&db), ["books", "hits"], "nobody else sees it");
    drop(hits);
    tx.rollback();
    assert_eq!((names(&db), empty.table_names().unwrap()), (vec!["books".to_owned(), "hits".into()], names(&db)));
    db.check().unwrap();
    drop(empty);
    db.close().unwrap();
    let db = folder.open::<old::Library>();
    let last = db.read(|tx| tx.table::<old::Book>()?.find(old::Book::ISBN.at(""))).unwrap();
    assert!(last.is_some_and(|book| book.id.get() == 501 && book.text == vec![1; 3 << 20] && book.words.is_empty()));
}

/// Runs a closure that another thread gets in the way of once.
fn beside(db: &Database<()>, mine: impl Fn(&tamarack::WriteTxn<()>) -> Result<()>, other: impl Fn() + Sync) -> u64 {
    let retries = db.stats().retries;
    let mut first = true;
    db.write(|tx| {
        mine(tx)?;
        if std::mem::take(&mut first) {
            std::thread::scope(|scope| scope.spawn(&other).join().unwrap());
        }
        Ok(())
    })
    .unwrap();
    db.stats().retries - retries
}

#[test]
fn i18_deletions_by_name_and_lists_conflict_with_what_they_depend_on() {
    const COUNT: TableDef<u8, u64> = TableDef::new("count");
    let db = Database::<()>::in_memory().unwrap();
    let hit = || db.write(|tx| tx.open_table(&HITS)?.insert("/", 1)).unwrap();
    let delete = || db.write(|tx| tx.delete_table_named("hits")).unwrap();
    hit();
    // Written into what is deleted meanwhile: the second run makes the table anew.
    let retries = beside(&db, |tx| tx.open_table(&HITS)?.insert("/late", 2).map(|_| ()), || assert!(delete()));
    assert_eq!((retries, db.read(|tx| tx.open_table(&HITS)?.len()).unwrap()), (1, 1));
    // Both delete it: one of them finds nothing.
    let found = std::cell::Cell::new(true);
    let retries = beside(
        &db,
        |tx| {
            found.set(tx.delete_table_named("hits")?);
            Ok(())
        },
        || assert!(delete()),
    );
    assert_eq!((retries, found.get()), (1, false));
    // A list that has become wrong, by a table that is made or deleted meanwhile.
    let count = |tx: &tamarack::WriteTxn<()>| {
        let tables = tx.table_names()?.len() as u64;
        tx.open_table(&COUNT)?.insert(0, tables).map(|_| ())
    };
    db.write(count).unwrap();
    assert_eq!(beside(&db, count, || assert!(hit().is_none())), 1);
    let counted = || db.read(|tx| tx.open_table(&COUNT)?.get(0)).unwrap();
    assert_eq!(counted(), Some(2), "hits and count");
    assert_eq!(beside(&db, count, || assert!(delete())), 1);
    assert_eq!(counted(), Some(1));
    // Records of other tables do not matter to it.
    let note = || db.write(|tx| tx.open_table(&TableDef::<u8, u8>::new("notes"))?.insert(1, 1)).unwrap();
    note();
    assert_eq!(beside(&db, count, || assert_eq!(note(), Some(1))), 0);
    db.check().unwrap();
}
