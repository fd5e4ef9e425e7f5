//! Record tables: inserts, updates, removals, unique indexes, automatic ids, queries of every kind.

#![allow(clippy::disallowed_methods, reason = "tests use files and threads as programs do")]

use std::collections::{HashMap, HashSet};
use tamarack::{Database, ErrorKind, Id, Record, Result, Schema, Timestamp};
use tamarack_tests::{Customer, Line, Order, Shop, State, customer};

fn shop() -> Database<Shop> {
    Database::in_memory().unwrap()
}

fn with_email(email: &str) -> Customer {
    Customer { email: Some(email.to_owned()), ..customer("Oslo", 30) }
}

#[test]
fn what_is_stored_comes_back() {
    let db = shop();
    let order = Order {
        buyer: Id::new(7),
        number: 1,
        placed: Timestamp::from_micros(-5),
        lines: vec![Line { sku: "tea".into(), quantity: 2 }, Line { sku: String::new(), quantity: 0 }],
        state: State::Sent { at: Timestamp::from_micros(9), by: "post".into() },
    };
    let key = db.write(|tx| tx.table::<Order>()?.insert(&order)).unwrap();
    assert_eq!(key, (Id::new(7), 1));
    let orders = |key: (Id<Customer>, u32)| db.read(|tx| tx.table::<Order>()?.get(key)).unwrap();
    assert_eq!(orders(key), Some(order.clone()));
    assert_eq!(orders((Id::new(7), 2)), None);
    for state in [State::Open, State::Returned("broken".into())] {
        let changed = Order { state: state.clone(), ..order.clone() };
        db.write(|tx| tx.table::<Order>()?.upsert(&changed)).unwrap();
        assert_eq!(orders(key), Some(changed));
    }
}

#[test]
fn automatic_ids_are_never_used_again() {
    let db = shop();
    let add = |customer: Customer| db.write(|tx| tx.table::<Customer>()?.insert(&customer)).unwrap().get();
    assert_eq!((add(customer("Oslo", 1)), add(customer("Oslo", 2))), (1, 2));
    db.write(|tx| tx.table::<Customer>()?.remove(Id::new(2))).unwrap();
    assert_eq!(add(customer("Oslo", 3)), 3, "the id of a removed record stays taken");
    assert_eq!(add(Customer { id: Id::new(10), ..customer("Oslo", 4) }), 10);
    assert_eq!(add(customer("Oslo", 5)), 11, "ids go on behind the largest that was given");
    assert_eq!(db.read(|tx| tx.table::<Customer>()?.len()).unwrap(), 4);
    let last = Customer { id: Id::new(u64::MAX), ..customer("Oslo", 6) };
    assert_eq!(add(last), u64::MAX);
    let none_left = db.write(|tx| tx.table::<Customer>()?.insert(customer("Oslo", 7))).unwrap_err();
    assert_eq!(none_left.kind(), ErrorKind::KeyExists);
}

/// Nobody was given an id any more until the database was opened again.
#[test]
fn i20_an_id_that_was_rolled_back_is_not_gone_on_from() {
    let db = shop();
    let add = |customer: Customer| db.write(|tx| tx.table::<Customer>()?.insert(&customer)).map(Id::get);
    let last = Customer { id: Id::new(u64::MAX - 2), ..customer("Oslo", 1) };
    assert_eq!(add(customer("Oslo", 2)).unwrap(), 1);
    for commits in [false, false, true] {
        let tx = db.begin_write().unwrap();
        let mut customers = tx.table::<Customer>().unwrap();
        customers.insert(&last).unwrap();
        let next = || customer("Oslo", 3);
        assert_eq!(customers.insert(next()).unwrap().get(), u64::MAX - 1, "behind the one before");
        assert_eq!(customers.insert(next()).unwrap().get(), u64::MAX);
        assert_eq!(customers.insert(next()).unwrap_err().kind(), ErrorKind::KeyExists);
        if commits {
            tx.commit().unwrap();
            assert_eq!(add(customer("Oslo", 4)).unwrap_err().kind(), ErrorKind::KeyExists);
        } else {
            drop(tx);
            assert!(add(customer("Oslo", 4)).unwrap() < 5);
        }
    }
    assert_eq!(db.read(|tx| tx.table::<Customer>()?.len()).unwrap(), 6);
}

/// Ids that follow one which a transaction has chosen itself are no more than chosen: whoever commits first has them, and the other one runs again.
#[test]
fn i18_no_id_is_given_to_two_records() {
    for isolation in [tamarack::Isolation::Serializable, tamarack::Isolation::Snapshot] {
        let folder = tempfile::tempdir().unwrap();
        let options = tamarack::Options::new().isolation(isolation).durability(tamarack::Durability::Deferred);
        let db: &Database<Shop> = &options.open(folder.path().join("shop.tam")).unwrap();
        let ids = std::thread::scope(|scope| {
            let one = move |thread: u64| {
                let mut ids = Vec::new();
                for round in 0..50 {
                    // The same few numbers in all threads, one after the other.
                    let chosen = Customer { id: Id::new(10 * round + 5 + thread), ..customer("Oslo", 1) };
                    let added = db.write(|tx| {
                        let mut customers = tx.table::<Customer>()?;
                        let mut ids = Vec::new();
                        if customers.get(chosen.id)?.is_none() {
                            ids.push(customers.insert(&chosen)?);
                        }
                        for _ in 0..3 {
                            std::thread::yield_now();
                            ids.push(customers.insert(customer("Oslo", 2))?);
                        }
                        Ok(ids)
                    });
                    ids.extend(added.unwrap());
                }
                ids
            };
            let threads: Vec<_> = (0..3).map(|thread| scope.spawn(move || one(thread))).collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
        });
        let distinct: std::collections::BTreeSet<_> = ids.iter().collect();
        assert_eq!(distinct.len(), ids.len(), "an id was given twice");
        assert_eq!(db.read(|tx| tx.table::<Customer>()?.len()).unwrap(), ids.len() as u64);
        assert!(db.check_with(&mut |_| {}).unwrap().is_sound());
    }
}

#[test]
fn an_existing_key_is_refused_and_the_transaction_goes_on() {
    let db = shop();
    let ids = db
        .write(|tx| {
            let mut customers = tx.table::<Customer>()?;
            let first = customers.insert(customer("Oslo", 30))?;
            let error = customers.insert(Customer { id: first, ..customer("Bergen", 31) }).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::KeyExists);
            assert_eq!(error.to_string(), "table `customers` has a `Customer` with the key 1 already");
            Ok((first, customers.insert(customer("Bergen", 32))?))
        })
        .unwrap();
    assert_eq!((ids.0.get(), ids.1.get()), (1, 2));
    assert_eq!(db.read(|tx| Ok(tx.table::<Customer>()?.query(Customer::CITY_AGE).count())).unwrap(), 2);
}

#[test]
fn a_unique_index_names_record_index_and_key() {
    let db = shop();
    db.write(|tx| {
        let mut customers = tx.table::<Customer>()?;
        customers.insert(with_email("anna@example.org"))?;
        let mut tagged = with_email("anna@example.org");
        tagged.tags = vec!["vip".into()];
        let error = customers.insert(&tagged).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UniqueViolation);
        assert_eq!(error.index(), Some("email"));
        assert_eq!(
            error.to_string(),
            "`Customer` 1 has the email \"anna@example.org\" already: it is unique in table `customers`"
        );
        assert_eq!(customers.query(Customer::TAGS.at("vip")).count(), 0, "nothing of the refused record is there");
        assert_eq!(customers.len()?, 1);
        let other = customers.insert(with_email("bob@example.org"))?;
        let error = customers.update(other, |bob| bob.email = Some("anna@example.org".into())).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UniqueViolation);
        assert_eq!(customers.get(other)?.and_then(|bob| bob.email).as_deref(), Some("bob@example.org"));
        // A record may keep what is its own, and take what is free again.
        customers.update(other, |bob| bob.age += 1)?;
        customers.remove(Id::new(1))?;
        customers.update(other, |bob| bob.email = Some("anna@example.org".into()))?;
        assert_eq!(customers.find(Customer::EMAIL.at("bob@example.org"))?, None);
        assert_eq!(customers.find(Customer::EMAIL.at("anna@example.org"))?.map(|found| found.id), Some(other));
        Ok(())
    })
    .unwrap();
}

#[test]
fn many_records_can_have_none_in_a_unique_index() {
    let db = shop();
    db.write(|tx| {
        let mut customers = tx.table::<Customer>()?;
        for age in 1..=3 {
            customers.insert(customer("Oslo", age))?;
        }
        customers.insert(with_email(""))?;
        customers.insert(with_email("z"))?;
        let ids = |query| customers.query(query).keys().map(|id| Ok(id?.get())).collect::<Result<Vec<_>>>();
        assert_eq!(ids(Customer::EMAIL.at(None))?, [1, 2, 3]);
        assert_eq!(ids(Customer::EMAIL.at(Some(String::new())))?, [4]);
        assert_eq!(customers.query(Customer::EMAIL).keys().count(), 5);
        assert_eq!(customers.query(Customer::EMAIL.range("a"..)).count(), 1);
        assert_eq!(customers.query(Customer::EMAIL.range(None..=Some("y".to_owned()))).count(), 4);
        assert_eq!(customers.query(Customer::EMAIL.starts_with("z")).count(), 1);
        let error = customers.find(Customer::EMAIL.at(None)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        Ok(())
    })
    .unwrap();
}

#[test]
fn each_element_once() {
    let db = shop();
    db.write(|tx| {
        let mut customers = tx.table::<Customer>()?;
        let tags = ["north", "vip", "north", "new"].map(str::to_owned).to_vec();
        let id = customers.insert(Customer { tags, ..customer("Oslo", 30) })?;
        assert_eq!(customers.query(Customer::TAGS).count(), 3, "one entry for each distinct element");
        assert_eq!(customers.query(Customer::TAGS.starts_with("n")).count(), 2);
        customers.update(id, |one| one.tags = vec!["vip".into(), "old".into()])?;
        let ids = |tag: &str| customers.query(Customer::TAGS.at(tag)).keys().collect::<Result<Vec<_>>>();
        assert_eq!((ids("vip")?, ids("old")?, ids("north")?), (vec![id], vec![id], vec![]));
        customers.update(id, |one| one.tags.clear())?;
        assert_eq!(customers.query(Customer::TAGS).count(), 0);
        Ok(())
    })
    .unwrap();
}

#[test]
fn updates() {
    let db = shop();
    db.write(|tx| {
        let mut customers = tx.table::<Customer>()?;
        assert_eq!(customers.update(Id::new(5), |_| panic!("there is none"))?, None);
        let id = customers.insert(customer("Oslo", 30))?;
        let now = customers.update(id, |one| one.city = "Bergen".into())?;
        assert_eq!(now.map(|one| one.city), Some("Bergen".to_owned()));
        assert_eq!(customers.query(Customer::CITY_AGE.at("Oslo")).count(), 0);
        assert_eq!(customers.query(Customer::CITY_AGE.at("Bergen")).count(), 1);
        let error = customers.update(id, |one| one.id = Id::new(9)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        assert!(error.to_string().contains("from 1 to 9"), "{error}");
        assert_eq!(customers.remove(id)?.map(|one| one.age), Some(30));
        assert_eq!(customers.remove(id)?, None);
        assert!(customers.is_empty()?);
        Ok(())
    })
    .unwrap();
}

#[test]
fn order_direction_and_limit() {
    let db = shop();
    db.write(|tx| {
        let mut customers = tx.table::<Customer>()?;
        for (city, age) in [("Oslo", 20), ("Oslo", 40), ("Oslo", 30), ("Bergen", 50), ("Os", 60)] {
            customers.insert(customer(city, age))?;
        }
        let ages = |rows: tamarack::Rows<'_, Customer, _>| rows.map(|row| Ok(row?.age)).collect::<Result<Vec<u16>>>();
        let oslo = || customers.query(Customer::CITY_AGE.at("Oslo"));
        assert_eq!(ages(oslo())?, [40, 30, 20], "age is descending");
        assert_eq!(ages(oslo().rev())?, [20, 30, 40]);
        assert_eq!(ages(oslo().limit(2))?, [40, 30]);
        assert_eq!(ages(oslo().rev().limit(2))?, [20, 30]);
        assert_eq!(ages(oslo().limit(2).rev())?, [20, 30]);
        assert_eq!(
            ages(customers.query(Customer::CITY_AGE.at("Oslo").range(20..40)))?,
            [30, 20],
            "values, smaller first"
        );
        assert_eq!(ages(customers.query(Customer::CITY_AGE.at("Oslo").range(..=30)))?, [30, 20]);
        assert_eq!(ages(customers.query(Customer::CITY_AGE.starts_with("Os")))?, [60, 40, 30, 20]);
        assert_eq!(ages(customers.query(Customer::CITY_AGE.range("B".."Oslo")))?, [50, 60]);
        assert_eq!(
            ages(customers.query(Customer::CITY_AGE.at("Oslo").range(std::ops::Range { start: 40, end: 20 })))?,
            [] as [u16; 0],
            "inverted: nothing"
        );
        let mut both = customers.iter();
        let (first, last) = (both.next().unwrap()?, both.next_back().unwrap()?);
        assert_eq!((first.id.get(), last.id.get(), both.count()), (1, 5, 3));
        assert_eq!(customers.range(Id::new(2)..=Id::new(3)).count(), 2);
        assert_eq!((customers.first()?.unwrap().age, customers.last()?.unwrap().age), (20, 60));
        Ok(())
    })
    .unwrap();
}

#[test]
fn compound_primary_keys_are_queried_from_the_left() {
    let db = shop();
    let order = |buyer, number| Order {
        buyer: Id::new(buyer),
        number,
        placed: Timestamp::from_micros(i64::from(number)),
        lines: vec![],
        state: State::Open,
    };
    db.write(|tx| {
        let mut orders = tx.table::<Order>()?;
        for (buyer, number) in [(1, 1), (1, 2), (2, 1), (3, 9)] {
            orders.insert(order(buyer, number))?;
        }
        let numbers = |query| orders.query(query).map(|order| Ok(order?.number)).collect::<Result<Vec<_>>>();
        assert_eq!(numbers(Order::PRIMARY.at(Id::new(1)))?, [1, 2]);
        assert_eq!(orders.query(Order::PRIMARY.at(Id::new(1)).range(2..)).count(), 1);
        assert_eq!(orders.find(Order::PRIMARY.at(Id::new(2)).at(1))?.map(|order| order.number), Some(1));
        assert_eq!(orders.get((Id::new(3), 9))?.map(|order| order.number), Some(9));
        assert_eq!(
            orders.find(Order::PLACED.at(Timestamp::from_micros(9)).at(Id::new(3)))?.map(|order| order.number),
            Some(9)
        );
        let twice = orders.insert(Order { number: 7, ..order(3, 9) }).unwrap_err();
        assert_eq!(twice.kind(), ErrorKind::UniqueViolation, "{twice}");
        orders.retain(|order| order.number == 1)?;
        assert_eq!((orders.len()?, orders.query(Order::PLACED).count()), (2, 2));
        orders.clear()?;
        assert!(orders.is_empty()? && orders.query(Order::PLACED).next().is_none());
        Ok(())
    })
    .unwrap();
}

#[derive(Record)]
struct Long {
    #[record(key)]
    key: String,
    #[record(index)]
    part: String,
    value: Vec<u8>,
}

#[derive(Schema)]
struct LongOnly(Long);

#[test]
fn limits_are_errors_with_both_numbers() {
    let db = Database::<LongOnly>::in_memory().unwrap();
    let insert = |key: usize, part: usize, value: usize| {
        let record = Long { key: "k".repeat(key), part: "p".repeat(part), value: vec![1; value] };
        db.write(|tx| tx.table::<Long>()?.insert(&record)).map_err(|error| (error.kind(), error.to_string()))
    };
    insert(4096, 4095, 10).unwrap();
    let (kind, text) = insert(4097, 1, 10).unwrap_err();
    assert_eq!(kind, ErrorKind::KeyTooLong);
    assert_eq!(text, "table `long`: the primary key takes 4097 bytes, at most 4096 are possible");
    let (kind, text) = insert(1, 4096, 10).unwrap_err();
    assert_eq!(kind, ErrorKind::KeyTooLong);
    assert_eq!(
        text,
        "table `long`: index `part`: field `part` takes 4097 bytes as an index part, at most 4096 are possible"
    );
    let (count, entries) =
        db.read(|tx| Ok((tx.table::<Long>()?.len()?, tx.table::<Long>()?.query(Long::PART).count()))).unwrap();
    assert_eq!((count, entries), (1, 1), "refused records leave nothing");
}

#[test]
fn large_values() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("large.tam");
    let sizes = [64 << 10, 1 << 20, (1 << 20) + 1, 100 << 20];
    let value = |size: usize| (0..size).map(|at| (at * 31 + size) as u8).collect::<Vec<u8>>();
    let db = Database::<LongOnly>::open(&path).unwrap();
    for size in sizes {
        let record = Long { key: size.to_string(), part: String::new(), value: value(size) };
        db.write(|tx| tx.table::<Long>()?.insert(&record)).unwrap();
    }
    let check = |db: &Database<LongOnly>| {
        for size in sizes {
            let found = db.read(|tx| tx.table::<Long>()?.get(size.to_string())).unwrap().unwrap();
            assert!(found.value == value(size), "{size} bytes");
        }
    };
    check(&db);
    db.close().unwrap();
    let db = Database::<LongOnly>::open(&path).unwrap();
    check(&db);
    db.check().unwrap();
    db.write(|tx| tx.table::<Long>()?.clear()).unwrap();
    db.close().unwrap();
    let db = Database::<LongOnly>::open(&path).unwrap();
    db.check().unwrap();
    // What was written while the large values were still there lies behind them, until it is written again.
    db.write(|tx| tx.table::<Long>()?.insert(Long { key: "small".into(), part: String::new(), value: vec![1] }))
        .unwrap();
    db.close().unwrap();
    let left = path.metadata().unwrap().len();
    assert!(left < 40 << 20, "the file keeps {left} bytes for one small record");
}

/// What serde writes and bincode cannot read.
#[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(untagged)]
enum Setting {
    Number(u64),
    Text(String),
}

#[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
struct Sparse {
    #[serde(skip_serializing_if = "Option::is_none")]
    first: Option<u8>,
    #[serde(default, skip_serializing_if = "is_zero")]
    second: u8,
    list: Vec<u8>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(number: &u8) -> bool {
    *number == 0
}

#[derive(Record)]
struct Conf {
    #[record(key)]
    id: u32,
    #[record(bincode)]
    value: Setting,
}

#[derive(Record)]
struct Loose {
    #[record(key)]
    id: u32,
    #[record(bincode)]
    sparse: Option<Sparse>,
    #[record(bincode)]
    places: HashMap<String, HashSet<u32>>,
}

#[derive(Schema)]
struct Serde(Conf, Loose);

#[test]
fn what_bincode_cannot_read_again_is_refused() {
    let db = Database::<Serde>::in_memory().unwrap();
    db.write(|tx| {
        let mut confs = tx.table::<Conf>()?;
        for value in [Setting::Number(7), Setting::Text("tea".into())] {
            let error = confs.insert(Conf { id: 1, value }).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Encode);
            assert!(error.to_string().starts_with("table `conf`: bincode could not read"), "{error}");
        }
        assert!(confs.get(1)?.is_none() && confs.is_empty()?);
        let mut table = tx.table::<Loose>()?;
        let mut insert = |first, second, list| {
            table.insert(Loose { id: 1, sparse: Some(Sparse { first, second, list }), places: HashMap::new() })
        };
        for (first, second, list) in [(None, 1, vec![]), (Some(1), 0, vec![]), (Some(1), 0, vec![0])] {
            assert_eq!(insert(first, second, list).unwrap_err().kind(), ErrorKind::Encode);
        }
        insert(Some(1), 1, vec![0])?;
        assert_eq!(
            table.get(1)?.and_then(|loose| loose.sparse),
            Some(Sparse { first: Some(1), second: 1, list: vec![0] })
        );
        Ok(())
    })
    .unwrap();
}

/// A map that is read again is in an order of its own.
#[test]
fn maps_in_opaque_fields() {
    let db = Database::<Serde>::in_memory().unwrap();
    let places: HashMap<_, _> = (0..50_u32).map(|i| (i.to_string(), (i..2 * i + 5).collect::<HashSet<_>>())).collect();
    db.write(|tx| tx.table::<Loose>()?.insert(Loose { id: 1, sparse: None, places: places.clone() })).unwrap();
    let found = db.read(|tx| tx.table::<Loose>()?.get(1)).unwrap().unwrap();
    assert_eq!(found.places, places);
}

/// Records whose opaque fields had another type when they were written.
mod old {
    #[derive(tamarack::Record)]
    pub(super) struct Indexed {
        #[record(key)]
        pub(super) id: u32,
        #[record(index)]
        pub(super) age: u8,
        #[record(bincode)]
        pub(super) value: String,
    }

    #[derive(tamarack::Record)]
    pub(super) struct Plain {
        #[record(key)]
        pub(super) id: u32,
        #[record(bincode)]
        pub(super) value: String,
    }

    #[derive(tamarack::Schema)]
    pub(super) struct File(Indexed, Plain);
}

#[derive(Record)]
struct Indexed {
    #[record(key)]
    id: u32,
    #[record(index)]
    age: u8,
    #[record(bincode)]
    value: (u64, u64, u64),
}

#[derive(Record)]
struct Plain {
    #[record(key)]
    id: u32,
    #[record(bincode)]
    value: (u64, u64, u64),
}

#[derive(Schema)]
struct File(Indexed, Plain);

/// The file does not know the types of opaque fields. What it holds of an older one is out of reach, but not in the way.
#[test]
fn rows_that_do_not_decode_can_be_cleared_and_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let db = Database::<old::File>::open(folder.path().join("test.tam")).unwrap();
    db.write(|tx| {
        for id in 0..100 {
            tx.table::<old::Indexed>()?.insert(old::Indexed { id, age: id as u8, value: "x".into() })?;
            tx.table::<old::Plain>()?.insert(old::Plain { id, value: "x".into() })?;
        }
        Ok(())
    })
    .unwrap();
    db.close().unwrap();
    let db = Database::<File>::open(folder.path().join("test.tam")).unwrap();
    db.write(|tx| {
        let mut indexed = tx.table::<Indexed>()?;
        assert_eq!(indexed.get(1).err().map(|error| error.kind()), Some(ErrorKind::Decode));
        indexed.clear()?;
        assert_eq!((indexed.len()?, indexed.iter().count(), indexed.query(Indexed::AGE).keys().count()), (0, 0, 0));
        indexed.insert(Indexed { id: 1, age: 1, value: (1, 2, 3) })?;
        let mut plain = tx.table::<Plain>()?;
        assert_eq!(plain.get(1).err().map(|error| error.kind()), Some(ErrorKind::Decode));
        plain.upsert(Plain { id: 1, value: (1, 2, 3) })?;
        plain.upsert(Plain { id: 100, value: (1, 2, 3) })?;
        assert_eq!((plain.get(1)?.map(|row| row.value), plain.len()?), (Some((1, 2, 3)), 101));
        Ok(())
    })
    .unwrap();
    db.check().unwrap();
}
