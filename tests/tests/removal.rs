//! Removal of what a query matches: every index follows, and nothing is skipped or met twice.

#![allow(clippy::disallowed_methods, reason = "tests use files and threads as programs do")]

use tamarack::{Database, Error, ErrorKind, Id, IntoQuery, Record, Result, Schema, Timestamp, WriteTxn};
use tamarack_tests::{Customer, Order, Shop, State, customer};

const COUNT: u64 = 600;

/// The customer of an id.
fn one(id: u64) -> Customer {
    let tags = ["a", "b", "c", "d"].into_iter().take(id as usize % 5).map(|tag| format!("{tag}{}", id % 3)).collect();
    Customer {
        id: Id::new(id),
        email: (!id.is_multiple_of(4)).then(|| format!("c{id}@example.org")),
        tags,
        ..customer(["Oslo", "Bergen", "Bodø"][id as usize % 3], (id % 90) as u16)
    }
}

fn fill(tx: &WriteTxn<Shop>, ids: impl IntoIterator<Item = u64>) -> Result<()> {
    let mut customers = tx.table::<Customer>()?;
    ids.into_iter().try_for_each(|id| customers.insert(one(id)).map(|_| ()))
}

/// The table holds these customers, and its indexes name each of them as they should.
fn holds(tx: &WriteTxn<Shop>, expected: impl Iterator<Item = u64>) -> Result<()> {
    let expected: Vec<Customer> = expected.map(one).collect();
    let customers = tx.table::<Customer>()?;
    assert_eq!(customers.iter().collect::<Result<Vec<_>>>()?, expected);
    assert_eq!(customers.len()?, expected.len() as u64);
    assert_eq!(customers.query(Customer::EMAIL).count(), expected.len());
    assert_eq!(customers.query(Customer::CITY_AGE).count(), expected.len());
    let elements: usize = expected.iter().map(|customer| customer.tags.len()).sum();
    assert_eq!(customers.query(Customer::TAGS).count(), elements);
    Ok(())
}

/// Removes by a query, in a table of which a part is committed, and compares with a filter.
fn removes(db: &Database<Shop>, query: impl IntoQuery<Customer>, matches: impl Fn(&Customer) -> bool) {
    let tx = db.begin_write().unwrap();
    fill(&tx, COUNT / 2 + 1..=COUNT).unwrap();
    let matched = (1..=COUNT).filter(|&id| matches(&one(id))).count() as u64;
    assert_eq!(tx.table::<Customer>().unwrap().remove_all(query).unwrap(), matched);
    holds(&tx, (1..=COUNT).filter(|&id| !matches(&one(id)))).unwrap();
}

#[test]
fn every_kind_of_query_over_committed_and_uncommitted_records() {
    let db = Database::<Shop>::in_memory().unwrap();
    db.write(|tx| fill(tx, 1..=COUNT / 2)).unwrap();
    let ids = |from: u64, to: u64| Id::<Customer>::new(from)..=Id::new(to);
    removes(&db, Customer::PRIMARY, |_| true);
    removes(&db, Customer::PRIMARY.at(Id::new(7)), |one| one.id.get() == 7);
    removes(&db, Customer::PRIMARY.range(ids(290, 310)), |one| (290..=310).contains(&one.id.get()));
    removes(&db, Customer::PRIMARY.range(ids(5000, 6000)), |_| false);
    removes(&db, Customer::CITY_AGE, |_| true);
    removes(&db, Customer::CITY_AGE.at("Oslo"), |one| one.city == "Oslo");
    removes(&db, Customer::CITY_AGE.at("Oslo").range(18..=65), |one| {
        one.city == "Oslo" && (18..=65).contains(&one.age)
    });
    removes(&db, Customer::CITY_AGE.at("Paris"), |_| false);
    removes(&db, Customer::CITY_AGE.starts_with("B"), |one| one.city.starts_with('B'));
    removes(&db, Customer::EMAIL.at(None), |one| one.email.is_none());
    removes(&db, Customer::EMAIL.at("c5@example.org"), |one| one.id.get() == 5);
    removes(&db, Customer::EMAIL.starts_with("c1"), |one| {
        one.email.as_deref().is_some_and(|email| email.starts_with("c1"))
    });
    db.write(|tx| holds(tx, 1..=COUNT / 2)).unwrap();
    db.check().unwrap();
}

/// The index names a record once for each element; it is removed once, and its other entries are not met.
#[test]
fn a_record_that_is_named_several_times_counts_once() {
    let db = Database::<Shop>::in_memory().unwrap();
    db.write(|tx| fill(tx, 1..=COUNT / 2)).unwrap();
    removes(&db, Customer::TAGS, |one| !one.tags.is_empty());
    removes(&db, Customer::TAGS.range("b".."c1"), |one| one.tags.iter().any(|tag| ("b".."c1").contains(&tag.as_str())));
    removes(&db, Customer::TAGS.at("c2"), |one| one.tags.iter().any(|tag| tag == "c2"));
}

#[test]
fn what_was_changed_in_the_same_transaction_counts_as_it_is_now() {
    let db = Database::<Shop>::in_memory().unwrap();
    db.write(|tx| fill(tx, 1..=100)).unwrap();
    db.write(|tx| {
        let mut customers = tx.table::<Customer>()?;
        customers.update(Id::new(1), |one| one.age = 300)?;
        customers.update(Id::new(2), |one| one.tags = vec!["x".into(), "xx".into(), "y".into()])?;
        customers.remove(Id::new(3))?;
        customers.insert(Customer { age: 301, ..one(200) })?;
        let all: Vec<Customer> = customers.iter().collect::<Result<_>>()?;
        assert_eq!(customers.remove_all(Customer::TAGS.starts_with("x"))?, 1);
        let cities = ["Bergen", "Bodø", "Oslo"];
        let old = cities.map(|city| customers.remove_all(Customer::CITY_AGE.at(city).range(300..)));
        assert_eq!(old.into_iter().sum::<Result<u64>>()?, 2);
        assert_eq!(customers.remove_all(Customer::PRIMARY.range(Id::new(1)..=Id::new(3)))?, 0, "all three are gone");
        let left: Vec<Customer> = customers.iter().collect::<Result<_>>()?;
        assert_eq!(left, all.into_iter().filter(|one| one.id.get() != 2 && one.age < 300).collect::<Vec<_>>());
        Ok(())
    })
    .unwrap();
    assert_eq!(db.read(|tx| tx.table::<Customer>()?.len()).unwrap(), 97);
    db.check().unwrap();
}

#[test]
fn a_prefix_of_a_compound_key_and_a_unique_index() {
    let db = Database::<Shop>::in_memory().unwrap();
    let order = |number: u32| Order {
        buyer: Id::new(u64::from(number) % 5),
        number,
        placed: Timestamp::from_micros(i64::from(number)),
        lines: vec![],
        state: State::Open,
    };
    db.write(|tx| {
        let mut orders = tx.table::<Order>()?;
        (0..100).try_for_each(|number| orders.insert(order(number)).map(|_| ()))?;
        assert_eq!(orders.remove_all(Order::PRIMARY.at(Id::new(2)))?, 20);
        assert_eq!(orders.remove_all(Order::PRIMARY.at(Id::new(3)).range(50..))?, 10);
        let micros = Timestamp::from_micros;
        assert_eq!(orders.remove_all(Order::PLACED.range(micros(90)..micros(1000)))?, 6);
        assert_eq!((orders.len()?, orders.iter().count(), orders.query(Order::PLACED).count()), (64, 64, 64));
        Ok(())
    })
    .unwrap();
    db.check().unwrap();
}

type Meanwhile<'a> = &'a (dyn Fn() + Sync);

/// A removal depends on all that its query could have matched.
#[test]
fn i18_a_removal_by_query_conflicts_with_what_comes_into_its_range() {
    let db = Database::<Shop>::in_memory().unwrap();
    db.write(|tx| fill(tx, 1..=30)).unwrap();
    let moved = |id: u64, city: &str, age: u16| {
        db.write(|tx| {
            tx.table::<Customer>()?.update(Id::new(id), |one| (one.city, one.age) = (city.to_owned(), age)).map(|_| ())
        })
        .unwrap();
    };
    let oslo = || Customer::CITY_AGE.at("Oslo").range(10..20);
    // What another thread does in the midst of the first run, and whether it matters.
    let cases: [(&str, Meanwhile<'_>, bool); 4] = [
        ("one comes in", &|| moved(2, "Oslo", 15), true),
        ("one goes out", &|| moved(12, "Paris", 12), true),
        ("one elsewhere", &|| moved(5, "Bergen", 15), false),
        ("another age", &|| moved(3, "Oslo", 50), false),
    ];
    for (what, meanwhile, conflicts) in cases {
        db.write(|tx| {
            tx.table::<Customer>()?.clear()?;
            fill(tx, 1..=30)
        })
        .unwrap();
        let retries = db.stats().retries;
        let mut runs = 0;
        db.write(|tx| {
            tx.table::<Customer>()?.remove_all(oslo())?;
            runs += 1;
            if runs == 1 {
                std::thread::scope(|scope| scope.spawn(meanwhile).join().unwrap());
            }
            Ok(())
        })
        .unwrap();
        assert_eq!((runs, db.stats().retries - retries), (1 + u32::from(conflicts), u64::from(conflicts)), "{what}");
        assert_eq!(db.read(|tx| Ok(tx.table::<Customer>()?.query(oslo()).count())).unwrap(), 0, "{what}");
        db.check().unwrap();
    }
}

/// Rows that the program cannot read.
mod before {
    #[derive(tamarack::Record)]
    pub(super) struct Item {
        #[record(key)]
        pub(super) id: u32,
        #[record(index)]
        pub(super) age: u8,
        #[record(bincode)]
        pub(super) value: String,
    }

    #[derive(tamarack::Schema)]
    pub(super) struct Items(Item);
}

#[derive(Record)]
struct Item {
    #[record(key)]
    id: u32,
    #[record(index)]
    age: u8,
    #[record(bincode)]
    value: (u64, u64, u64),
}

#[derive(Schema)]
struct Items(Item);

#[test]
fn it_ends_at_a_record_that_does_not_decode() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("items.tam");
    let db = Database::<before::Items>::open(&path).unwrap();
    db.write(|tx| tx.table::<before::Item>()?.insert(before::Item { id: 5, age: 5, value: "x".into() })).unwrap();
    db.close().unwrap();
    let db = Database::<Items>::open(&path).unwrap();
    db.write(|tx| {
        let mut items = tx.table::<Item>()?;
        for id in [1, 2, 8, 9] {
            items.insert(Item { id, age: id as u8, value: (1, 2, 3) })?;
        }
        let refused = items.remove_all(Item::AGE.range(2..)).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Decode);
        let keys = items.query(Item::AGE).keys().collect::<Result<Vec<u32>>>()?;
        assert_eq!((keys, items.len()?), (vec![1, 5, 8, 9], 4), "the one before it is gone");
        Ok(())
    })
    .unwrap();
    db.check().unwrap();
}

#[derive(Debug)]
enum Refused {
    TooYoung,
    Store(Error),
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

#[test]
fn an_update_that_is_refused_changes_nothing() {
    let db = Database::<Shop>::in_memory().unwrap();
    let id = db.write(|tx| tx.table::<Customer>()?.insert(customer("Oslo", 17))).unwrap();
    let grow = |years: u16| {
        db.try_write(|tx| {
            let mut customers = tx.table::<Customer>()?;
            let found = customers.try_update(id, |one| {
                one.city = "Bergen".into();
                one.age += years;
                tx.table::<Customer>()?.insert(customer("Bodø", years))?;
                if one.age < 20 { Err(Refused::TooYoung) } else { Ok(()) }
            });
            // The transaction can go on: what the closure has written elsewhere stays.
            assert_eq!(customers.query(Customer::CITY_AGE.at("Bodø")).count(), 1);
            let city = customers.get(id)?.map(|one| one.city);
            match &found {
                Ok(now) => assert_eq!((now.as_ref().map(|one| one.age), city.as_deref()), (Some(20), Some("Bergen"))),
                Err(_) => {
                    assert_eq!(city.as_deref(), Some("Oslo"));
                    assert_eq!(customers.query(Customer::CITY_AGE.at("Bergen")).count(), 0);
                }
            }
            found
        })
    };
    assert!(matches!(grow(1), Err(Refused::TooYoung)));
    assert_eq!(grow(3).unwrap().map(|one| one.city).as_deref(), Some("Bergen"));
    let refused = db.try_write(|tx| {
        tx.table::<Customer>()?.try_update(id, |one| -> Result<(), Refused> {
            one.id = Id::new(99);
            Ok(())
        })
    });
    assert!(matches!(refused, Err(Refused::Store(error)) if error.kind() == ErrorKind::InvalidArgument));
    let none = db.try_write(|tx| tx.table::<Customer>()?.try_update(Id::new(50), |_| Err(Refused::TooYoung)));
    assert!(matches!(none, Ok(None)), "there is no such record, and the closure does not run");
    db.check().unwrap();
}
