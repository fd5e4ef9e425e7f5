//! Rows: round trips and canonical forms.

use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt::Debug;
use std::time::{Duration, SystemTime};
use tamarack_codec::{FieldsReader, FieldsWriter, Finite, RowReader, RowWriter, Shape, decode_value};

#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
enum Foreign {
    Empty,
    Pair { a: u64, b: String },
    List(Vec<Option<i32>>),
}

fn round_trip<T: Shape + PartialEq + Debug>(value: &T) {
    let mut bytes = Vec::new();
    value.encode(&mut bytes);
    assert_eq!(decode_value::<T>(&bytes).as_ref(), Ok(value), "{bytes:02x?}");
    assert!(T::FIXED.is_none_or(|width| width == bytes.len()), "{value:?} has not {:?} bytes", T::FIXED);
    bytes.push(0);
    if T::FIXED.is_some() {
        assert!(decode_value::<T>(&bytes).is_err(), "a byte remains");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn values_come_back(
        numbers in any::<(u8, i16, u32, i64, u128, bool, char)>(),
        text in any::<String>(),
        list in vec(proptest::option::of(any::<String>()), 0..5),
        fixed in vec(proptest::option::of(any::<u32>()), 0..5),
        map in proptest::collection::btree_map(any::<String>(), vec(any::<u8>(), 0..4), 0..4),
        set in proptest::collection::btree_set(any::<i32>(), 0..6),
        nested in (any::<u8>(), (any::<String>(), any::<u16>()), any::<[Option<bool>; 3]>()),
        texts in any::<[String; 2]>(),
    ) {
        round_trip(&numbers);
        round_trip(&text);
        round_trip(&list);
        round_trip(&fixed);
        round_trip(&map);
        round_trip(&set);
        round_trip(&nested);
        round_trip(&texts);
        round_trip(&Some(Some(text.clone())));
        round_trip(&map.clone().into_iter().collect::<HashMap<_, _>>());
        round_trip(&set.iter().copied().collect::<HashSet<_>>());
        round_trip(&Box::new((text, list)));
    }

    #[test]
    fn fields_in_two_passes(a in any::<String>(), b in any::<u16>(), c in any::<Option<u64>>(), d in any::<Vec<String>>(), n in any::<u64>()) {
        let mut bytes = Vec::new();
        let mut row = RowWriter::new(&mut bytes, 5);
        row.fixed_pass(&a);
        row.fixed_pass(&b);
        row.fixed_pass(&c);
        row.fixed_pass(&d);
        row.variable_pass(&a);
        row.variable_pass(&b);
        row.variable_pass(&c);
        row.variable_pass(&d);
        let foreign = [Foreign::Empty, Foreign::Pair { a: n, b: a.clone() }, Foreign::List(vec![None, Some(-1)])];
        row.opaque(&foreign).unwrap();
        let (version, mut row) = RowReader::new(&bytes).unwrap();
        assert_eq!(version, 5);
        let (a2, b2, c2, d2) = (
            row.fixed_pass::<String>("a").unwrap(),
            row.fixed_pass::<u16>("b").unwrap(),
            row.fixed_pass::<Option<u64>>("c").unwrap(),
            row.fixed_pass::<Vec<String>>("d").unwrap(),
        );
        assert_eq!(row.variable_pass("a", a2).unwrap(), a);
        assert_eq!(row.variable_pass("b", b2).unwrap(), b);
        assert_eq!(row.variable_pass("c", c2).unwrap(), c);
        assert_eq!(row.variable_pass("d", d2).unwrap(), d);
        assert_eq!(row.opaque::<[Foreign; 3]>("foreign").unwrap(), foreign);
        row.finish().unwrap();
    }
}

#[test]
fn only_canonical_bytes_are_accepted() {
    assert!(decode_value::<bool>(&[2]).is_err());
    assert!(decode_value::<Option<u16>>(&[0, 1, 0]).is_err(), "None with a value behind it");
    assert!(decode_value::<Option<u16>>(&[2, 0, 0]).is_err());
    assert!(decode_value::<BTreeSet<u8>>(&[2, 5, 5]).is_err(), "an element twice");
    assert!(decode_value::<BTreeMap<u8, u8>>(&[2, 5, 0, 4, 0]).is_err(), "keys out of order");
    assert!(decode_value::<String>(&[0xFF]).is_err());
    assert!(decode_value::<Vec<u16>>(&[0x81, 0x00, 1, 0]).is_err(), "a longer varint than needed");
    assert!(decode_value::<Finite<f64>>(&(-0.0_f64).to_le_bytes()).is_err());
    assert!(decode_value::<SystemTime>(&[0xFF; 12]).is_err());
    assert!(decode_value::<Duration>(&[0xFF; 12]).is_err());
    assert!(RowReader::new(&[2, 1]).is_err(), "a format of the future");
    assert!(RowReader::new(&[]).is_err());
    let mut bytes = Vec::new();
    FieldsWriter::tagged(&mut bytes, 3).fixed_pass(&1_u8);
    let mut input = &bytes[..];
    let (tag, reader) = FieldsReader::tagged(&mut input).unwrap();
    assert_eq!(tag, 3);
    assert!(reader.finish().is_err(), "a field was not read");
}
