//! Plain tables against std's `BTreeMap`, and their limits.

#![allow(clippy::disallowed_methods, reason = "tests use files and threads as programs do")]

use proptest::prelude::*;
use std::collections::BTreeMap;
use std::ops::Bound;
use tamarack::{Database, Desc, Entry, ErrorKind, Finite, Result, TableDef};

type Key = (u8, String);
const TABLE: TableDef<Key, Option<u32>> = TableDef::new("a name with spaces, ünïcode and \0");

#[derive(Debug, Clone)]
enum Op {
    Insert(Key, Option<u32>),
    Remove(Key),
    Entry(Key),
    PopFirst,
    PopLast,
    Retain(u8),
    Extract(Key, Key),
    Commit(bool),
}

fn keys() -> impl Strategy<Value = Key> {
    (0..4_u8, proptest::sample::select(vec!["", "\0", "a", "a\0", "ab", "b"]))
        .prop_map(|(n, text)| (n, text.to_owned()))
}

fn ops() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => (keys(), any::<Option<u32>>()).prop_map(|(key, value)| Op::Insert(key, value)),
        3 => keys().prop_map(Op::Remove),
        2 => keys().prop_map(Op::Entry),
        1 => Just(Op::PopFirst),
        1 => Just(Op::PopLast),
        1 => any::<u8>().prop_map(Op::Retain),
        1 => (keys(), keys()).prop_map(|(low, high)| Op::Extract(low, high)),
        2 => any::<bool>().prop_map(Op::Commit),
    ]
}

fn same(table: &tamarack::Table<'_, Key, Option<u32>, impl Sized>, model: &BTreeMap<Key, Option<u32>>) -> Result<()> {
    let all = |iter: &mut dyn Iterator<Item = Result<(Key, Option<u32>)>>| iter.collect::<Result<Vec<_>>>();
    let wanted: Vec<_> = model.clone().into_iter().collect();
    assert_eq!(all(&mut table.iter())?, wanted);
    assert_eq!(all(&mut table.iter().rev())?, wanted.iter().rev().cloned().collect::<Vec<_>>());
    assert_eq!(table.keys().collect::<Result<Vec<_>>>()?, model.keys().cloned().collect::<Vec<_>>());
    assert_eq!(table.values().collect::<Result<Vec<_>>>()?, model.values().copied().collect::<Vec<_>>());
    assert_eq!(table.len()?, model.len() as u64);
    assert_eq!(table.first_key_value()?, wanted.first().cloned());
    assert_eq!(table.last_key_value()?, wanted.last().cloned());
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn behaves_as_a_btreemap(ops in proptest::collection::vec(ops(), 1..80), low in keys(), high in keys()) {
        let db = Database::<()>::in_memory().unwrap();
        let mut committed = BTreeMap::new();
        let mut model = BTreeMap::new();
        let mut tx = db.begin_write().unwrap();
        for op in ops {
            let mut table = tx.open_table(&TABLE).unwrap();
            match op {
                Op::Insert(key, value) => assert_eq!(table.insert(&key, value).unwrap(), model.insert(key, value)),
                Op::Remove(key) => assert_eq!(table.remove(&key).unwrap(), model.remove(&key)),
                Op::Entry(key) => {
                    let stored = table.entry(&key).unwrap().and_modify(|value| *value = None).unwrap().or_insert(Some(7)).unwrap();
                    assert_eq!(stored, *model.entry(key).and_modify(|value| *value = None).or_insert(Some(7)));
                }
                Op::PopFirst => assert_eq!(table.pop_first().unwrap(), model.pop_first()),
                Op::PopLast => assert_eq!(table.pop_last().unwrap(), model.pop_last()),
                Op::Retain(n) => {
                    table.retain(|key, _| key.0 != n % 4).unwrap();
                    model.retain(|key, _| key.0 != n % 4);
                }
                Op::Extract(low, high) => {
                    let gone = table.extract_if(&low..&high, |_, value| value.is_some()).collect::<Result<Vec<_>>>().unwrap();
                    let wanted: Vec<_> = if low < high {
                        model.extract_if(low..high, |_, value| value.is_some()).collect()
                    } else {
                        vec![]
                    };
                    assert_eq!(gone, wanted);
                }
                Op::Commit(really) => {
                    if really {
                        tx.commit().unwrap();
                        committed = model.clone();
                    } else {
                        tx.rollback();
                        model = committed.clone();
                    }
                    tx = db.begin_write().unwrap();
                    db.read(|tx| same(&tx.open_table(&TABLE)?, &committed)).unwrap();
                    continue;
                }
            }
            same(&table, &model).unwrap();
        }
        let table = tx.open_table(&TABLE).unwrap();
        let found = table.range(&low..&high).count();
        assert_eq!(found, if low < high { model.range(low.clone()..high.clone()).count() } else { 0 });
        let bounds = (Bound::Excluded(low.clone()), Bound::Unbounded);
        assert_eq!(table.range((Bound::Excluded(&low), Bound::Unbounded)).count(), model.range(bounds).count());
    }
}

#[test]
fn slices_are_lent() {
    const BYTES: TableDef<Vec<u8>, Vec<u8>> = TableDef::new("bytes");
    const TEXT: TableDef<String, String> = TableDef::new("text");
    let db = Database::<()>::in_memory().unwrap();
    db.write(|tx| {
        tx.open_table(&BYTES)?.insert(b"key", b"value")?;
        tx.open_table(&BYTES)?.insert(&[1, 2][..], &vec![7; 1 << 21][..])?;
        tx.open_table(&TEXT)?.extend([("a", "one"), ("b", "two")])
    })
    .unwrap();
    db.read(|tx| {
        let bytes = tx.open_table(&BYTES)?;
        assert_eq!(bytes.get_ref(b"key")?.as_deref(), Some(&b"value"[..]));
        assert!(bytes.get_ref(b"nothing")?.is_none());
        assert_eq!(bytes.get_with(&[1, 2], <[u8]>::len)?, Some(1 << 21));
        let mut seen = Vec::new();
        tx.open_table(&TEXT)?.scan(.., |key, value| {
            seen.push(format!("{key}={value}"));
            Ok(true)
        })?;
        assert_eq!(seen, ["a=one", "b=two"]);
        let mut first = 0;
        tx.open_table(&TEXT)?.scan("b".., |_, _| {
            first += 1;
            Ok(false)
        })?;
        assert_eq!(first, 1);
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_table_that_was_never_written_is_empty_and_one_can_be_deleted() {
    const HITS: TableDef<u32, u32> = TableDef::new("hits");
    let db = Database::<()>::in_memory().unwrap();
    let count = |expected: u64| {
        db.read(|tx| {
            let hits = tx.open_table(&HITS)?;
            assert_eq!(
                (hits.len()?, hits.iter().count() as u64, hits.get(1)?.is_some()),
                (expected, expected, expected > 0)
            );
            Ok(())
        })
        .unwrap();
    };
    count(0);
    db.write(|tx| tx.open_table(&HITS)?.extend((0..1000_u32).map(|n| (n, n)))).unwrap();
    count(1000);
    let before = db.begin_read().unwrap();
    assert!(db.write(|tx| tx.delete_table(&HITS)).unwrap());
    assert!(!db.write(|tx| tx.delete_table(&HITS)).unwrap());
    count(0);
    assert_eq!(before.open_table(&HITS).unwrap().iter().count(), 1000, "a snapshot still sees it");
    drop(before);
    // Deleted and made again in one transaction, with other types.
    db.write(|tx| {
        tx.open_table(&HITS)?.insert(1, 1)?;
        tx.delete_table(&HITS)?;
        let mut other = tx.open_table(&TableDef::<String, u8>::new("hits"))?;
        assert!(other.is_empty()?);
        other.insert("x", 1).map(|_| ())
    })
    .unwrap();
    let error = db.read(|tx| tx.open_table(&HITS).map(|_| ())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SchemaMismatch);
    assert!(error.to_string().contains("key part `key` is text in the file, u32 in the program"), "{error}");
    db.check().unwrap();
}

#[test]
fn limits() {
    const LONG: TableDef<Vec<u8>, Vec<u8>> = TableDef::new("long");
    let db = Database::<()>::in_memory().unwrap();
    db.write(|tx| {
        let mut table = tx.open_table(&LONG)?;
        table.insert(vec![1; 4096], b"")?;
        let error = table.insert(vec![1; 4097], b"").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::KeyTooLong);
        assert_eq!(error.to_string(), "table `long`: the key has 4097 bytes, at most 4096 are possible");
        let name = TableDef::<u8, u8>::named("n".repeat(5000));
        assert_eq!(tx.open_table(&name).map(|_| ()).unwrap_err().kind(), ErrorKind::KeyTooLong);
        Ok(())
    })
    .unwrap();
}

#[test]
fn other_keys() {
    const PLACES: TableDef<(Finite<f64>, Desc<String>), ()> = TableDef::new("places");
    let db = Database::<()>::in_memory().unwrap();
    let degrees = |value: f64| Finite::new(value).unwrap();
    db.write(|tx| {
        let mut places = tx.open_table(&PLACES)?;
        for (latitude, name) in [(59.9, "Oslo"), (-33.9, "Sydney"), (59.9, "Aker"), (0.0, "Null")] {
            places.insert((degrees(latitude), name), ())?;
        }
        let names = places.keys().map(|key| Ok(key?.1.0)).collect::<Result<Vec<_>>>()?;
        assert_eq!(names, ["Sydney", "Null", "Oslo", "Aker"]);
        match places.entry((degrees(-0.0), "Null"))? {
            Entry::Occupied(null) => null.remove()?,
            Entry::Vacant(_) => panic!("-0 is 0"),
        }
        assert_eq!(places.len()?, 3);
        Ok(())
    })
    .unwrap();
}

#[test]
fn as_many_tables_as_a_file_can_hold() {
    let db = Database::<()>::in_memory().unwrap();
    db.write(|tx| {
        for n in 0..65_535_u32 {
            tx.open_table(&TableDef::<u32, u32>::named(format!("table {n}")))?;
        }
        let error = tx.open_table(&TableDef::<u32, u32>::new("one more")).map(|_| ()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TooManyTables);
        assert_eq!(error.to_string(), "the file has given out 65535 table numbers, at most 65535 are possible");
        // Those that are there go on.
        tx.open_table(&TableDef::<u32, u32>::new("table 65534"))?.insert(1, 2).map(|_| ())
    })
    .unwrap();
    let found = db.read(|tx| tx.open_table(&TableDef::<u32, u32>::new("table 65534"))?.get(1)).unwrap();
    assert_eq!(found, Some(2));
}

/// It used to be acknowledged, and lost, and left a counter that belonged to nothing.
#[test]
fn a_table_that_was_deleted_takes_no_more() {
    const HITS: TableDef<String, u32> = TableDef::new("hits");
    let db = Database::<()>::in_memory().unwrap();
    let refused = db.write(|tx| {
        let mut hits = tx.open_table(&HITS)?;
        hits.insert("/", 1)?;
        tx.delete_table(&HITS)?;
        let refused = hits.insert("/", 2).unwrap_err();
        assert_eq!(hits.get("/")?, None);
        tx.open_table(&HITS)?.insert("/", 3)?;
        Ok(refused)
    });
    assert_eq!(refused.unwrap().kind(), ErrorKind::InvalidArgument);
    assert_eq!(db.read(|tx| tx.open_table(&HITS)?.get("/")).unwrap(), Some(3));
    db.check().unwrap();
}

/// It used to go on with what the snapshot held.
#[test]
fn an_iterator_ends_where_its_table_is_deleted() {
    const HITS: TableDef<u32, u32> = TableDef::new("hits");
    let db = Database::<()>::in_memory().unwrap();
    db.write(|tx| tx.open_table(&HITS)?.extend((0..10).map(|n| (n, n)))).unwrap();
    for turns in [false, true] {
        let tx = db.begin_write().unwrap();
        let hits = tx.open_table(&HITS).unwrap();
        let mut rows = hits.iter();
        assert_eq!(rows.next().transpose().unwrap(), Some((0, 0)));
        assert!(tx.delete_table(&HITS).unwrap());
        let next = if turns { rows.next_back() } else { rows.next() };
        assert!(next.is_none() && rows.next().is_none());
    }
}

/// Each used to be counted twice.
#[test]
fn what_another_handle_has_removed_is_not_removed_again() {
    const HITS: TableDef<u32, u32> = TableDef::new("hits");
    let db = Database::<()>::in_memory().unwrap();
    db.write(|tx| {
        let mut hits = tx.open_table(&HITS)?;
        for i in 0..4 {
            hits.insert(i, i)?;
        }
        let other = |key: u32| tx.open_table(&HITS).unwrap().remove(key).unwrap();
        hits.retain(|&key, _| key != 1 || other(key).is_none())?;
        if let Entry::Occupied(entry) = hits.entry(2)? {
            other(2);
            assert_eq!(entry.remove()?, 2);
        }
        assert_eq!(hits.len()?, 2);
        Ok(())
    })
    .unwrap();
    db.check().unwrap();
}

#[test]
fn statistics_count_values_of_all_lengths_on_both_sides() -> Result<()> {
    const BLOBS: TableDef<u32, Vec<u8>> = TableDef::new("blobs");
    let dir = tempfile::tempdir().unwrap();
    let db = tamarack::Options::new().write_buffer(1 << 20).open::<()>(dir.path().join("counted.tam"))?;
    for len in [100_usize, 10_000, 3 << 20] {
        let before = db.stats();
        // Longer than the write buffer together, so that some of it waits in the file.
        let count = (4 << 20) / len + 1;
        db.write(|tx| {
            let mut blobs = tx.open_table(&BLOBS)?;
            (0..count as u32).try_for_each(|i| blobs.insert(i, vec![7; len]).map(drop))
        })?;
        db.checkpoint()?;
        let after = db.stats();
        let bytes = (count * len) as u64;
        let given = after.bytes_committed - before.bytes_committed;
        assert!((bytes..bytes + bytes / 2).contains(&given), "{given} of {bytes} bytes of values of {len}");
        let written = after.bytes_written - before.bytes_written;
        assert!(written >= bytes, "{written} written, {bytes} given, values of {len}");
        db.write(|tx| tx.open_table(&BLOBS)?.clear())?;
    }
    db.close()
}
