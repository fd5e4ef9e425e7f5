//! What records and queries are made of: serde beside the derive, elements of every collection, references in the place of optional
//! parts, queries that are kept.

#![allow(clippy::disallowed_methods, reason = "tests use files and threads as programs do")]

use serde::{Deserialize, Serialize};
use std::collections::{HashSet, VecDeque};
use tamarack::{
    Database, Finite, Id, IntoQuery, KeyPart, ReadOnly, Record, RecordTable, Result, Schema, Shape, TableDef, Timestamp,
};

/// A record that programs exchange in other forms, too.
#[derive(Record, Serialize, Deserialize, Debug, Clone, PartialEq)]
struct Member {
    #[record(key(auto))]
    id: Id<Member>,
    #[record(index)]
    nick: Option<String>,
    #[record(index)]
    group: Option<u32>,
    #[record(unique)]
    mentor: Option<Id<Member>>,
    #[record(index)]
    seen: Option<Timestamp>,
    #[record(index)]
    seal: Option<[u8; 2]>,
    /// Types of this library within one that only serde knows.
    #[record(bincode)]
    visits: Vec<Visit>,
}

#[derive(Serialize, Deserialize, Debug, Clone, PartialEq)]
enum Visit {
    Planned { at: Timestamp, guide: Option<Id<Member>> },
    Paid(Finite<f64>),
}

/// A whole record in a field of another one.
#[derive(Record)]
struct Former {
    #[record(key)]
    number: u32,
    #[record(bincode)]
    was: Member,
}

#[derive(KeyPart, Shape)]
struct Shelf(u16);

/// Neither `Clone` nor `Debug`, as little as its shelf.
#[derive(Record)]
struct Book {
    #[record(key)]
    title: Box<str>,
    #[record(index)]
    shelf: Option<Shelf>,
    #[record(index(each))]
    words: HashSet<String>,
    #[record(index(each))]
    loans: VecDeque<Id<Member>>,
    offset: isize,
}

#[derive(Schema)]
struct Library(Member, Former, Book);

fn member(nick: Option<&str>, group: Option<u32>) -> Member {
    let nick = nick.map(str::to_owned);
    Member { id: Id::AUTO, nick, group, mentor: None, seen: None, seal: None, visits: Vec::new() }
}

fn book(title: &str, shelf: Option<u16>, words: &[&str], loans: &[u64]) -> Book {
    let words = words.iter().map(|&word| word.to_owned()).collect();
    let loans = loans.iter().copied().map(Id::new).collect();
    Book { title: title.into(), shelf: shelf.map(Shelf), words, loans, offset: -(title.len() as isize) }
}

fn ids(members: &RecordTable<'_, Member, ReadOnly>, query: impl IntoQuery<Member>) -> Result<Vec<u64>> {
    members.query(query).keys().map(|id| Ok(id?.get())).collect()
}

fn titles(books: &RecordTable<'_, Book, ReadOnly>, query: impl IntoQuery<Book>) -> Result<Vec<String>> {
    books.query(query).map(|book| Ok(book?.title.into())).collect()
}

#[test]
fn ids_and_times_within_opaque_fields() {
    let db = Database::<Library>::in_memory().unwrap();
    let visits = vec![
        Visit::Planned { at: Timestamp::from_micros(-7), guide: Some(Id::new(u64::MAX)) },
        Visit::Planned { at: Timestamp::from_micros(i64::MAX), guide: None },
        Visit::Paid(Finite::new(0.5).unwrap()),
    ];
    let anna = Member { mentor: Some(Id::new(9)), visits, ..member(Some("anna"), Some(5)) };
    let id = db.write(|tx| tx.table::<Member>()?.insert(&anna)).unwrap();
    let anna = Member { id, ..anna };
    assert_eq!(db.read(|tx| tx.table::<Member>()?.get(id)).unwrap().as_ref(), Some(&anna));
    db.write(|tx| tx.table::<Former>()?.insert(Former { number: 1, was: anna.clone() })).unwrap();
    let former = db.read(|tx| tx.table::<Former>()?.get(1)).unwrap().unwrap();
    assert_eq!(former.was, anna);
}

#[test]
#[expect(clippy::needless_borrows_for_generic_args, reason = "references are arguments too")]
fn optional_parts_take_what_is_inside() {
    let db = Database::<Library>::in_memory().unwrap();
    let (seen, seal, mentor) = (Timestamp::from_micros(3), [1, 2], Id::new(1));
    db.write(|tx| {
        let mut members = tx.table::<Member>()?;
        members.insert(member(Some("anna"), Some(3)))?;
        members.insert(Member { mentor: Some(mentor), ..member(Some("bob"), Some(5)) })?;
        members.insert(Member { seen: Some(seen), seal: Some(seal), ..member(None, None) })
    })
    .unwrap();
    db.read(|tx| {
        let members = tx.table::<Member>()?;
        let nick = String::from("anna");
        assert_eq!(ids(&members, Member::NICK.at(&nick))?, [1]);
        assert_eq!(ids(&members, Member::NICK.at("anna"))?, [1]);
        assert_eq!(ids(&members, Member::NICK.at(&Some(nick.clone())))?, [1]);
        assert_eq!(ids(&members, Member::NICK.range(&nick..))?, [1, 2]);
        assert_eq!(ids(&members, Member::NICK.at(nick))?, [1]);
        assert_eq!(ids(&members, Member::NICK.at(None))?, [3]);
        assert_eq!(ids(&members, Member::GROUP.at(&3))?, [1]);
        assert_eq!(ids(&members, Member::GROUP.at(3))?, [1]);
        assert_eq!(ids(&members, Member::GROUP.at(Some(3)))?, [1]);
        assert_eq!(ids(&members, Member::GROUP.at(None))?, [3]);
        assert_eq!(ids(&members, Member::GROUP.range(&3..=&5))?, [1, 2]);
        assert_eq!(ids(&members, Member::GROUP.range(4..))?, [2]);
        assert_eq!(members.find(Member::MENTOR.at(&mentor))?.map(|found| found.id.get()), Some(2));
        assert_eq!(members.find(Member::MENTOR.at(mentor))?.map(|found| found.id.get()), Some(2));
        assert_eq!(ids(&members, Member::MENTOR.at(None))?, [1, 3]);
        assert_eq!(ids(&members, Member::SEEN.at(&seen))?, [3]);
        assert_eq!(
            (ids(&members, Member::SEAL.at(&seal))?, ids(&members, Member::SEAL.at([1, 2]))?),
            (vec![3], vec![3])
        );
        // What the documentation says of `Option<&str>`.
        for (nick, found) in [(Some("bob"), 2), (None, 3)] {
            let query = match nick {
                Some(nick) => Member::NICK.at(nick),
                None => Member::NICK.at(None),
            };
            assert_eq!(ids(&members, query)?, [found]);
        }
        Ok(())
    })
    .unwrap();
}

#[test]
fn elements_of_hash_sets_and_deques() {
    let folder = tempfile::tempdir().unwrap();
    let db = Database::<Library>::open(folder.path().join("library.tam")).unwrap();
    db.write(|tx| {
        let mut books = tx.table::<Book>()?;
        books.insert(book("Emma", None, &["match", "ball", "picnic"], &[2, 1, 2]))?;
        books.insert(book("Persuasion", Some(1), &["ball", "sea"], &[]))?;
        books.insert(book("Sanditon", Some(2), &[], &[2]))?;
        books.update("Persuasion", |book| {
            book.words.remove("ball");
            book.loans.push_front(Id::new(1));
        })
    })
    .unwrap();
    db.read(|tx| {
        let books = tx.table::<Book>()?;
        assert_eq!(books.query(Book::WORDS).count(), 4);
        assert_eq!(titles(&books, Book::WORDS.at("ball"))?, ["Emma"]);
        assert_eq!(titles(&books, Book::WORDS.starts_with("s"))?, ["Persuasion"]);
        assert_eq!(titles(&books, Book::LOANS.at(Id::new(1)))?, ["Emma", "Persuasion"]);
        assert_eq!(titles(&books, Book::LOANS.at(Id::new(2)))?, ["Emma", "Sanditon"]);
        let second = Shelf(2);
        assert_eq!(titles(&books, Book::SHELF.at(&second))?, titles(&books, Book::SHELF.at(Some(second)))?);
        assert_eq!(titles(&books, Book::PRIMARY.starts_with("P"))?, ["Persuasion"]);
        assert_eq!(books.range("Emma".."Sanditon").count(), 2);
        assert_eq!(books.get("Emma")?.map(|book| book.offset), Some(-4));
        Ok(())
    })
    .unwrap();
    // Without the types: the rows' elements and the indexes' entries.
    assert!(db.check_with(&mut |_| {}).unwrap().is_sound());
}

#[test]
fn queries_are_kept_and_asked_again() {
    let db = Database::<Library>::in_memory().unwrap();
    let (first, up_to_second) = (Book::SHELF.at(Shelf(1)), Book::SHELF.range(..=Some(Shelf(2))));
    for count in 1..=3 {
        let title = count.to_string();
        db.write(|tx| tx.table::<Book>()?.insert(book(&title, Some(1), &[], &[]))).unwrap();
        db.read(|tx| {
            let books = tx.table::<Book>()?;
            assert_eq!(books.query(first.clone()).count(), count);
            assert_eq!(books.query(up_to_second.clone()).count(), count);
            Ok(())
        })
        .unwrap();
    }
    assert!(format!("{first:?}").starts_with("Query { number: 0, prefix: 010001"), "{first:?}");
    assert!(format!("{up_to_second:?}").starts_with("RangeQuery { number: 0, range: "), "{up_to_second:?}");
    assert_eq!(format!("{:?}", Book::SHELF), "Index { number: 0 }");
}

#[test]
fn definitions_of_tables_can_be_cloned() {
    let db = Database::<()>::in_memory().unwrap();
    let of_year = TableDef::<Box<str>, Shelf>::named(format!("shelves of {}", 2026));
    let same = of_year.clone();
    db.write(|tx| tx.open_table(&of_year)?.insert("A", Shelf(7))).unwrap();
    assert_eq!(db.read(|tx| tx.open_table(&same)?.get("A")).unwrap().map(|shelf| shelf.0), Some(7));
}
