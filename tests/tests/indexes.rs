//! Indexes of every kind against a naive filter over all records.

#![allow(clippy::disallowed_methods, reason = "tests use files and threads as programs do")]

use proptest::prelude::*;
use std::collections::BTreeSet;
use tamarack::{Database, Id, IntoQuery, KeyPart, Record, Result, Schema, Shape};

#[derive(KeyPart, Shape, Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Grade {
    Low,
    #[record(tag = 5)]
    High(u8),
}

#[derive(Record, Debug, Clone, PartialEq)]
#[record(index(both = (name, desc number)), index(seat = (grade, name), unique), index(maybe = (number, place)))]
struct Thing {
    #[record(key(auto))]
    id: Id<Thing>,
    name: String,
    #[record(index)]
    number: i16,
    grade: Option<Grade>,
    #[record(unique)]
    place: Option<u8>,
    #[record(index(each))]
    words: Vec<String>,
}

#[derive(Schema)]
struct Things(Thing);

fn text() -> impl Strategy<Value = String> {
    proptest::sample::select(vec!["", "\0", "a", "a\0", "ab", "b", "\u{10FFFF}"]).prop_map(str::to_owned)
}

fn thing() -> impl Strategy<Value = Thing> {
    let grade = prop_oneof![Just(None), Just(Some(Grade::Low)), (0..3_u8).prop_map(|n| Some(Grade::High(n)))];
    let number = prop_oneof![-3..3_i16, Just(i16::MIN), Just(i16::MAX)];
    (text(), number, grade, proptest::option::of(0..40_u8), proptest::collection::vec(text(), 0..4))
        .prop_map(|(name, number, grade, place, words)| Thing { id: Id::AUTO, name, number, grade, place, words })
}

/// What a naive store would hold after trying to put these in, one after the other.
fn fits(all: &[Thing], new: &Thing) -> bool {
    !all.iter().any(|old| {
        old.id != new.id
            && ((new.place.is_some() && old.place == new.place)
                || (new.grade.is_some() && old.grade == new.grade && old.name == new.name))
    })
}

fn ids<M>(rows: tamarack::Rows<'_, Thing, M>) -> Result<Vec<u64>> {
    rows.map(|row| Ok(row?.id.get())).collect()
}

fn sorted<K: Ord>(all: &[Thing], wanted: impl Fn(&Thing) -> bool, order: impl Fn(&Thing) -> K) -> Vec<u64> {
    let mut found: Vec<&Thing> = all.iter().filter(|thing| wanted(thing)).collect();
    found.sort_by_key(|thing| (order(thing), thing.id));
    found.iter().map(|thing| thing.id.get()).collect()
}

/// Removes what a query matches, and compares what is left with a filter. Nothing is committed.
fn removes(db: &Database<Things>, all: &[Thing], query: impl IntoQuery<Thing>, wanted: impl Fn(&Thing) -> bool) {
    let left: Vec<Thing> = all.iter().filter(|thing| !wanted(thing)).cloned().collect();
    let tx = db.begin_write().unwrap();
    let mut table = tx.table::<Thing>().unwrap();
    assert_eq!(table.remove_all(query).unwrap(), (all.len() - left.len()) as u64);
    assert_eq!(table.len().unwrap(), left.len() as u64);
    assert_eq!(ids(table.iter()).unwrap(), sorted(&left, |_| true, |_| ()));
    assert_eq!(ids(table.query(Thing::NUMBER)).unwrap(), sorted(&left, |_| true, |t| t.number));
    assert_eq!(ids(table.query(Thing::SEAT)).unwrap(), sorted(&left, |_| true, |t| (t.grade, t.name.clone())));
    assert_eq!(ids(table.query(Thing::PLACE)).unwrap(), sorted(&left, |_| true, |t| t.place));
    let words = left.iter().map(|thing| thing.words.iter().collect::<BTreeSet<_>>().len());
    assert_eq!(table.query(Thing::WORDS).count(), words.sum::<usize>());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(120))]

    #[test]
    fn queries_match_a_naive_filter(
        things in proptest::collection::vec(thing(), 1..50),
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), proptest::option::of(thing())), 0..30),
        name in text(), low in -4..4_i16, high in -4..4_i16, word in text(),
    ) {
        use std::cmp::Reverse;
        let db = Database::<Things>::in_memory().unwrap();
        let mut all: Vec<Thing> = Vec::new();
        let mut last = 0;
        db.write(|tx| {
            let mut table = tx.table::<Thing>()?;
            for thing in &things {
                let stored = table.insert(thing);
                assert_eq!(stored.is_ok(), fits(&all, &Thing { id: Id::new(last + 1), ..thing.clone() }));
                // An id is given once: one that was refused leaves a gap.
                last += 1;
                if let Ok(id) = stored {
                    assert_eq!(id.get(), last);
                    all.push(Thing { id, ..thing.clone() });
                }
            }
            Ok(())
        }).unwrap();
        // Each change in a transaction of its own: the next one reads through what is not yet applied.
        for (at, change) in changes {
            let place = at.index(all.len().max(1));
            let Some(old) = all.get(place).cloned() else { continue };
            match change {
                None => {
                    assert_eq!(db.write(|tx| tx.table::<Thing>()?.remove(old.id)).unwrap(), Some(old));
                    all.remove(place);
                }
                Some(new) => {
                    let new = Thing { id: old.id, ..new };
                    let stored = db.write(|tx| tx.table::<Thing>()?.update(old.id, |thing| *thing = new.clone()));
                    assert_eq!(stored.is_ok(), fits(&all, &new));
                    if stored.is_ok() {
                        all[place] = new;
                    }
                }
            }
        }
        db.read(|tx| {
            let table = tx.table::<Thing>()?;
            assert_eq!(table.len()?, all.len() as u64);
            assert_eq!(ids(table.query(Thing::NUMBER))?, sorted(&all, |_| true, |t| t.number));
            assert_eq!(ids(table.query(Thing::NUMBER.range(low..=high)))?, sorted(&all, |t| low <= t.number && t.number <= high, |t| t.number));
            assert_eq!(ids(table.query(Thing::BOTH))?, sorted(&all, |_| true, |t| (t.name.clone(), Reverse(t.number))));
            let range = |t: &Thing| t.name == name && low <= t.number && t.number < high;
            let found = ids(table.query(Thing::BOTH.at(&name[..]).range(low..high)))?;
            assert_eq!(found, sorted(&all, range, |t| Reverse(t.number)));
            let mut back = ids(table.query(Thing::BOTH.at(&name[..]).range(low..high)).rev())?;
            back.reverse();
            assert_eq!(back, found);
            assert_eq!(ids(table.query(Thing::BOTH.starts_with(&name[..])))?, sorted(&all, |t| t.name.starts_with(&name), |t| (t.name.clone(), Reverse(t.number))));
            assert_eq!(ids(table.query(Thing::SEAT))?, sorted(&all, |_| true, |t| (t.grade, t.name.clone())));
            for grade in [None, Some(Grade::Low), Some(Grade::High(1))] {
                assert_eq!(ids(table.query(Thing::SEAT.at(grade)))?, sorted(&all, |t| t.grade == grade, |t| t.name.clone()));
                let range = |t: &Thing| t.grade == grade && t.name.as_str() > name.as_str();
                let after = (std::ops::Bound::Excluded(&name[..]), std::ops::Bound::Unbounded);
                assert_eq!(ids(table.query(Thing::SEAT.at(grade).range(after)))?, sorted(&all, range, |t| t.name.clone()));
                let one = |t: &Thing| t.grade == grade && t.name == name;
                assert_eq!(ids(table.query(Thing::SEAT.at(grade).at(&name[..])))?, sorted(&all, one, |_| ()));
                let keys: Vec<u64> = table.query(Thing::SEAT.at(grade)).keys().map(|id| Ok(id?.get())).collect::<Result<_>>()?;
                assert_eq!(keys, sorted(&all, |t| t.grade == grade, |t| t.name.clone()));
            }
            for place in 0..40_u8 {
                let found = table.find(Thing::PLACE.at(place))?;
                assert_eq!(found.as_ref(), all.iter().find(|t| t.place == Some(place)));
            }
            assert_eq!(ids(table.query(Thing::PLACE.range(Some(3)..=Some(30))))?, sorted(&all, |t| t.place.is_some_and(|p| (3..=30).contains(&p)), |t| t.place));
            assert_eq!(ids(table.query(Thing::MAYBE.at(low)))?, sorted(&all, |t| t.number == low, |t| t.place));
            assert_eq!(ids(table.query(Thing::WORDS.at(&word[..])))?, sorted(&all, |t| t.words.contains(&word), |_| ()));
            Ok(())
        }).unwrap();
        removes(&db, &all, Thing::PRIMARY.range(..Id::new(10)), |t| t.id.get() < 10);
        removes(&db, &all, Thing::NUMBER.range(low..=high), |t| low <= t.number && t.number <= high);
        removes(&db, &all, Thing::BOTH.at(&name[..]).range(low..high), |t| t.name == name && low <= t.number && t.number < high);
        removes(&db, &all, Thing::SEAT.at(None), |t| t.grade.is_none());
        removes(&db, &all, Thing::PLACE.range(Some(3)..=Some(30)), |t| t.place.is_some_and(|p| (3..=30).contains(&p)));
        removes(&db, &all, Thing::WORDS, |t| !t.words.is_empty());
        removes(&db, &all, Thing::WORDS.starts_with("a"), |t| t.words.iter().any(|word| word.starts_with('a')));
        removes(&db, &all, Thing::WORDS.at(&word[..]), |t| t.words.contains(&word));
        db.check().unwrap();
    }
}
