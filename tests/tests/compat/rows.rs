//! What is in the files: it follows from the numbers here, which must stay as they are.

use std::collections::BTreeMap;
use std::net::IpAddr;
use tamarack::{
    Database, Desc, Durability, Finite, Id, KeyPart, Record, Result, Schema, Shape, TableDef, Timestamp, Total,
};

/// A file that is kept.
pub(crate) trait Kept {
    const NAME: &'static str;
    type Schema: Schema;
    /// Compares all rows, as they are in the file or after [`change`](Self::change). Returns their number.
    fn compare(db: &Database<Self::Schema>, changed: bool) -> u64;
    /// Puts, replaces and removes some.
    fn change(db: &Database<Self::Schema>);
}

/// Bytes that compress.
fn filler(n: u64, length: usize) -> Vec<u8> {
    (0..length as u64).map(|i| (n * 131 + i / 64 * 7) as u8).collect()
}

fn same<K: KeyPart + Ord + std::fmt::Debug + 'static, V: Shape + PartialEq + std::fmt::Debug + 'static>(
    db: &Database<()>,
    def: &TableDef<K, V>,
    expected: impl IntoIterator<Item = (K, V)>,
) -> u64 {
    let found: Vec<(K, V)> = db.read(|tx| tx.open_table(def)?.iter().collect()).unwrap();
    let mut expected: Vec<(K, V)> = expected.into_iter().collect();
    expected.sort_by(|one, other| one.0.cmp(&other.0));
    assert_eq!(found.len(), expected.len(), "rows of `{}`", def.name());
    for (found, expected) in found.iter().zip(&expected) {
        assert!(found == expected, "`{}`: {:?} is not as it was written", def.name(), found.0);
    }
    found.len() as u64
}

#[derive(KeyPart, Shape, Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Grade {
    Low,
    #[record(tag = 5)]
    High(u8),
}

type Mixed = (Grade, Desc<i32>, Option<u16>, Vec<u8>);
type Times = (Timestamp, [u8; 3], bool, char);
const WORDS: TableDef<String, u64> = TableDef::new("words");
const MIXED: TableDef<Mixed, (i64, Option<String>, Vec<u16>)> = TableDef::new("mixed");
const TIMES: TableDef<Times, Total<f64>> = TableDef::new("times");
const PLACES: TableDef<(Finite<f64>, IpAddr), BTreeMap<String, i8>> = TableDef::new("places");
const LARGE: TableDef<u32, Vec<u8>> = TableDef::new("large");

fn word(n: u64) -> (String, u64) {
    let word = ["", "a\0", "\u{1}", "æ", "zebra", "\u{10FFFF}"][n as usize % 6];
    (format!("{word}{n:04}"), n * n)
}

fn mixed(n: u64) -> (Mixed, (i64, Option<String>, Vec<u16>)) {
    let grade = if n.is_multiple_of(3) { Grade::Low } else { Grade::High((n % 7) as u8) };
    let key = (grade, Desc(50 - n as i32), (!n.is_multiple_of(4)).then_some(n as u16), vec![0, n as u8, 1]);
    (key, (-(n as i64) << 30, n.is_multiple_of(2).then(|| format!("no. {n}")), (0..n as u16 % 5).collect()))
}

fn time(n: u64) -> (Times, Total<f64>) {
    let value = [f64::NAN, -0.0, 0.0, f64::NEG_INFINITY, 1e300, -7.25][n as usize % 6];
    let at = Timestamp::from_micros((n as i64 - 30) * 1_000_003);
    ((at, [n as u8, 0, 255], n.is_multiple_of(2), ['a', '\u{10FFFF}'][n as usize % 2]), Total(value))
}

fn place(n: u64) -> ((Finite<f64>, IpAddr), BTreeMap<String, i8>) {
    let address: IpAddr =
        if n.is_multiple_of(2) { [10, 0, 0, n as u8].into() } else { [0, 0, 0, 0, 0, 0, 7, n as u16].into() };
    let map = (0..n % 4).map(|i| (format!("k{i}"), -(i as i8)));
    ((Finite::new((n as f64 - 20.0) * 1.5).unwrap(), address), map.collect())
}

/// From nothing to several chunks with an index above them.
fn large(n: u64) -> (u32, Vec<u8>) {
    (n as u32, filler(n, [0, 1, 900, 1100, 5000, 70_000, 600_000][n as usize % 7]))
}

pub(crate) fn fill_plain(db: &Database<()>) {
    for part in 0..4 {
        let numbers = |all: u64| (part * all / 4)..((part + 1) * all / 4);
        db.write(|tx| {
            tx.open_table(&WORDS)?.extend(numbers(400).map(word))?;
            // `Desc` is the table's order, not the caller's.
            let plain = |((grade, Desc(number), option, bytes), value)| ((grade, number, option, bytes), value);
            tx.open_table(&MIXED)?.extend(numbers(120).map(mixed).map(plain))?;
            tx.open_table(&TIMES)?.extend(numbers(60).map(time))?;
            tx.open_table(&PLACES)?.extend(numbers(40).map(place))
        })
        .unwrap();
    }
    for n in 0..7 {
        db.write(|tx| tx.open_table(&LARGE)?.insert(n, large(u64::from(n)).1).map(|_| ())).unwrap();
    }
}

/// Plain tables, closed cleanly.
pub(crate) struct Plain;

impl Kept for Plain {
    const NAME: &'static str = "plain";
    type Schema = ();

    fn compare(db: &Database<()>, changed: bool) -> u64 {
        let words = (0..400).filter(|n| !changed || n % 3 != 0).map(word);
        let larges = (0..7).map(|n| if changed && n == 6 { (6, filler(99, 80_000)) } else { large(n) });
        same(db, &WORDS, words.chain(changed.then(|| ("new".to_owned(), 1))))
            + same(db, &MIXED, (0..120).map(mixed))
            + same(db, &TIMES, (0..60).map(time))
            + same(db, &PLACES, (0..40).map(place))
            + same(db, &LARGE, larges)
    }

    fn change(db: &Database<()>) {
        db.write(|tx| {
            let mut words = tx.open_table(&WORDS)?;
            (0..400).step_by(3).try_for_each(|n| words.remove(&word(n).0).map(|_| ()))?;
            words.insert("new", 1)?;
            tx.open_table(&LARGE)?.insert(6, filler(99, 80_000)).map(|_| ())
        })
        .unwrap();
    }
}

/// One of each kind of index.
#[derive(Record, Debug, Clone, PartialEq)]
#[record(table = "people", index(city_age = (city, desc age)), index(seat = (grade, name), unique))]
pub(crate) struct Person {
    #[record(key(auto))]
    id: Id<Person>,
    name: String,
    #[record(unique)]
    email: Option<String>,
    city: String,
    #[record(index)]
    age: u16,
    grade: Option<Grade>,
    #[record(index(each))]
    tags: Vec<String>,
    home: Home,
    note: Vec<u8>,
}

#[derive(Shape, Debug, Clone, PartialEq)]
pub(crate) struct Home {
    rooms: u8,
    owner: Option<String>,
    since: Timestamp,
}

/// A key of two parts.
#[derive(Record, Debug, Clone, PartialEq)]
#[record(table = "visits", key(host, number))]
pub(crate) struct Visit {
    host: Id<Person>,
    number: u32,
    at: Timestamp,
    #[record(index)]
    kind: Grade,
}

#[derive(Schema)]
pub(crate) struct Town(Person, Visit);

/// Number `n` gets the id `n + 1`.
fn person(n: u64) -> Person {
    Person {
        id: Id::new(n + 1),
        name: format!("person {n}"),
        email: (!n.is_multiple_of(3)).then(|| format!("p{n}@example.org")),
        city: ["Oslo", "Bergen", "Å\0", ""][n as usize % 4].to_owned(),
        age: (n * 37 % 90) as u16,
        grade: (!n.is_multiple_of(5))
            .then(|| if n.is_multiple_of(2) { Grade::Low } else { Grade::High((n % 9) as u8) }),
        tags: (0..n % 4).map(|i| format!("tag {}", (n + i) % 11)).collect(),
        home: Home {
            rooms: (n % 6) as u8,
            owner: n.is_multiple_of(7).then(|| "bank".to_owned()),
            since: Timestamp::from_micros(n as i64 * 86_400_000_000),
        },
        note: filler(n, if n.is_multiple_of(50) { 6000 } else { n as usize % 30 }),
    }
}

fn visit(n: u64) -> Visit {
    let kind = if n.is_multiple_of(2) { Grade::Low } else { Grade::High(n as u8) };
    Visit { host: Id::new(n / 3 + 1), number: n as u32, at: Timestamp::from_micros(n as i64), kind }
}

/// Every ninth is removed again, so that ids and counters have gaps.
pub(crate) fn fill_records(db: &Database<Town>, numbers: std::ops::Range<u64>) {
    db.write(|tx| {
        let mut people = tx.table::<Person>()?;
        for n in numbers.clone() {
            let id = people.insert(Person { id: Id::AUTO, ..person(n) })?;
            assert_eq!(id, person(n).id);
            tx.table::<Visit>()?.insert(visit(n))?;
        }
        numbers.clone().filter(|n| n % 9 == 8).try_for_each(|n| people.remove(person(n).id).map(|_| ()))
    })
    .unwrap();
}

/// Records with indexes, and a list of backups.
pub(crate) struct Records;

/// The records that the file holds, before or after it was changed.
fn people(changed: bool) -> Vec<Person> {
    let of = |n: u64| if changed && n.is_multiple_of(10) { Person { age: 99, ..person(n) } } else { person(n) };
    let left = (0..260).filter(|n| n % 9 != 8 && !(changed && n % 7 == 1)).map(of);
    left.chain(changed.then(|| person(260))).collect()
}

impl Kept for Records {
    const NAME: &'static str = "records";
    type Schema = Town;

    fn compare(db: &Database<Town>, changed: bool) -> u64 {
        let expected = people(changed);
        db.read(|tx| {
            let people = tx.table::<Person>()?;
            let all = people.iter().collect::<Result<Vec<_>>>()?;
            assert!(all == expected, "the people are not as they were written");
            assert_eq!(people.len()?, expected.len() as u64);
            let visits = tx.table::<Visit>()?;
            assert!(visits.iter().collect::<Result<Vec<_>>>()? == (0..260).map(visit).collect::<Vec<_>>());
            compare_indexes(&people, &expected)?;
            assert_eq!(visits.query(Visit::KIND.at(Grade::Low)).count(), 130);
            Ok(expected.len() as u64 + visits.len()?)
        })
        .unwrap()
    }

    fn change(db: &Database<Town>) {
        db.write(|tx| {
            let mut people = tx.table::<Person>()?;
            for n in (0..260).filter(|n| n % 9 != 8) {
                match n {
                    n if n % 7 == 1 => drop(people.remove(person(n).id)?),
                    n if n.is_multiple_of(10) => drop(people.update(person(n).id, |one| one.age = 99)?),
                    _ => {}
                }
            }
            // Ids go on where they were.
            let id = people.insert(Person { id: Id::AUTO, ..person(260) })?;
            assert_eq!(id, person(260).id);
            Ok(())
        })
        .unwrap();
    }
}

fn compare_indexes<M>(people: &tamarack::RecordTable<'_, Person, M>, expected: &[Person]) -> Result<()> {
    for one in expected {
        if let Some(email) = &one.email {
            assert_eq!(people.find(Person::EMAIL.at(email.as_str()))?.as_ref(), Some(one));
        }
        if let Some(grade) = one.grade {
            assert_eq!(people.find(Person::SEAT.at(Some(grade)).at(&one.name))?.as_ref(), Some(one));
        }
    }
    let ids = |rows: tamarack::Rows<'_, Person, M>| rows.map(|row| Ok(row?.id)).collect::<Result<Vec<_>>>();
    let sorted = |wanted: &dyn Fn(&Person) -> bool, order: &dyn Fn(&Person) -> i32| {
        let mut found: Vec<&Person> = expected.iter().filter(|one| wanted(one)).collect();
        found.sort_by_key(|one| (order(one), one.id));
        found.iter().map(|one| one.id).collect::<Vec<_>>()
    };
    for city in ["Oslo", "Bergen", "Å\0", ""] {
        let oldest_first = sorted(&|one| one.city == city, &|one| -i32::from(one.age));
        assert_eq!(ids(people.query(Person::CITY_AGE.at(city)))?, oldest_first);
    }
    assert_eq!(ids(people.query(Person::AGE))?, sorted(&|_| true, &|one| i32::from(one.age)));
    for tag in (0..11).map(|n| format!("tag {n}")) {
        assert_eq!(ids(people.query(Person::TAGS.at(&tag)))?, sorted(&|one| one.tags.contains(&tag), &|_| 0));
    }
    Ok(())
}

const BASE: TableDef<u32, Vec<u8>> = TableDef::new("base");
const GONE: TableDef<u32, u32> = TableDef::new("gone");
const BULK: TableDef<u32, Vec<u8>> = TableDef::new("bulk");

fn base(n: u64, round: u64) -> (u32, Vec<u8>) {
    (n as u32, filler(n + round, if n.is_multiple_of(40) { 9000 } else { 20 + n as usize % 50 }))
}

fn bulk(n: u64) -> (u32, Vec<u8>) {
    (n as u32, filler(n, 700))
}

pub(crate) fn log_checkpointed(db: &Database<()>) {
    db.write(|tx| {
        tx.open_table(&BASE)?.extend((0..500).map(|n| base(n, 0)))?;
        tx.open_table(&GONE)?.extend((0..50).map(|n| (n, n)))
    })
    .unwrap();
}

/// Replaces, some of them long; removes; drops a table.
pub(crate) fn log_first_session(db: &Database<()>, durability: Durability) {
    for from in (0..200).step_by(50) {
        db.write_with(durability, |tx| tx.open_table(&BASE)?.extend((from..from + 50).map(|n| base(n, 1)))).unwrap();
    }
    db.write(|tx| (400..450).try_for_each(|n| tx.open_table(&BASE)?.remove(n).map(|_| ()))).unwrap();
    db.write(|tx| tx.delete_table(&GONE).map(|_| ())).unwrap();
}

/// A transaction that outgrew its buffer, and small ones of all durabilities.
pub(crate) fn log_second_session(db: &Database<()>) {
    db.write(|tx| tx.open_table(&BULK)?.extend((0..2500).map(bulk))).unwrap();
    for (n, durability) in
        (100..130).zip([Durability::Synced, Durability::Buffered, Durability::Deferred].into_iter().cycle())
    {
        db.write_with(durability, |tx| tx.open_table(&BASE)?.extend([base(n, 2)])).unwrap();
    }
}

/// A file with two sessions in its log.
pub(crate) struct Log;

impl Kept for Log {
    const NAME: &'static str = "log";
    type Schema = ();

    fn compare(db: &Database<()>, changed: bool) -> u64 {
        let round = |n: u64| match n {
            n if changed && n >= 480 => 7,
            100..130 => 2,
            0..200 => 1,
            _ => 0,
        };
        let bases = (0..500).filter(|n| !(400..450).contains(n)).map(|n| base(n, round(n)));
        same(db, &BASE, bases)
            + same(db, &GONE, changed.then_some((1, 1)))
            + same(db, &BULK, (0..2500).filter(|n| !changed || n % 2 == 0).map(bulk))
    }

    fn change(db: &Database<()>) {
        db.write(|tx| {
            tx.open_table(&BASE)?.extend((480..500).map(|n| base(n, 7)))?;
            tx.open_table(&GONE)?.insert(1, 1)?;
            let mut bulk = tx.open_table(&BULK)?;
            (1..2500).step_by(2).try_for_each(|n| bulk.remove(n).map(|_| ()))
        })
        .unwrap();
    }
}
