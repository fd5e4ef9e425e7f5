//! Rows: round trips and canonical forms.

use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::fmt::Debug;
use std::time::{Duration, SystemTime};
use tamarack_codec::{Compact, Desc, FieldsReader, FieldsWriter, Finite, RowReader, RowWriter, Shape, decode_value};

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
    let (_, row) = RowReader::new(&[1, 5, 7]).unwrap();
    assert!(row.finish().is_err(), "a field was not read");
    let mut bytes = Vec::new();
    FieldsWriter::tagged(&mut bytes, 3).fixed_pass(&1_u8);
    let mut input = &bytes[..];
    let (tag, reader) = FieldsReader::tagged(&mut input).unwrap();
    assert_eq!(tag, 3);
    assert!(reader.finish().is_err(), "a field was not read");
}

#[test]
fn containers_lie_in_a_row_as_what_they_stand_for() {
    fn same<A: Shape + PartialEq + Debug, B: Shape + PartialEq + Debug>(a: &A, b: &B) {
        let (mut of_a, mut of_b) = (Vec::new(), Vec::new());
        a.encode(&mut of_a);
        b.encode(&mut of_b);
        assert_eq!((&of_a, A::describe(), A::FIXED), (&of_b, B::describe(), B::FIXED));
        assert_eq!((decode_value::<A>(&of_b).as_ref(), decode_value::<B>(&of_a).as_ref()), (Ok(a), Ok(b)));
    }
    let list = vec!["b".to_owned(), "a".to_owned(), "c".to_owned()];
    same(&list, &VecDeque::from(list.clone()));
    same(&BTreeSet::from_iter(list.clone()), &HashSet::<_>::from_iter(list.clone()));
    let pairs = || list.iter().map(|text| (text.clone(), text.len() as u16));
    same(&pairs().collect::<BTreeMap<_, _>>(), &pairs().collect::<HashMap<_, _>>());
    same(&list[0], &list[0].clone().into_boxed_str());
    same(&7_u16, &Desc(7_u16));
    same(&7_u16, &Box::new(7_u16));
    same(&-7_i64, &-7_isize);
    #[cfg(target_pointer_width = "64")]
    same(&i64::MIN, &isize::MIN);
    same(&7_u64, &Compact(7_u64));
}

/// The length of a field takes one byte up to 127, and more from 128 on.
#[test]
fn fields_of_every_length_come_back() {
    for len in [0, 1, 2, 126, 127, 128, 129, 300, 16_383, 16_384] {
        let text = "x".repeat(len);
        let mut bytes = Vec::new();
        let mut writer = FieldsWriter::new(&mut bytes);
        writer.variable_pass(&text);
        writer.variable_pass(&"end".to_owned());
        assert_eq!(bytes.len(), len + 1 + usize::from(len >= 0x80) + usize::from(len >= 0x4000) + 4);
        let mut input = &bytes[..];
        let mut reader = FieldsReader::new(&mut input);
        assert_eq!(reader.variable_pass::<String>("text", None), Ok(text));
        assert_eq!(reader.variable_pass::<String>("end", None).as_deref(), Ok("end"));
        reader.finish().unwrap();
    }
}

/// Generated code writes and reads fields so.
#[test]
fn shapes_write_and_read_themselves() {
    let (name, age) = ("anna".to_owned(), 31_u16);
    let mut bytes = Vec::new();
    let mut writer = FieldsWriter::new(&mut bytes);
    name.write_fixed(&mut writer);
    age.write_fixed(&mut writer);
    name.write_variable(&mut writer);
    age.write_variable(&mut writer);
    assert_eq!(bytes, b"\x1f\0\x04anna");
    let mut input = &bytes[..];
    let mut reader = FieldsReader::new(&mut input);
    let (no_name, some_age) = (String::read_fixed(&mut reader, "name"), u16::read_fixed(&mut reader, "age"));
    assert_eq!((&no_name, &some_age), (&Ok(None), &Ok(Some(31))));
    assert_eq!(String::read_variable(&mut reader, "name", None), Ok(name));
    assert_eq!(u16::read_variable(&mut reader, "age", Some(31)), Ok(31));
    assert!(u16::read_fixed(&mut reader, "age").unwrap_err().to_string().starts_with("field `age`: "));
}

#[test]
fn fields_of_other_crates_come_back() {
    #[cfg(feature = "uuid")]
    {
        let id = uuid::Uuid::from_u128(0x0102_0304);
        round_trip(&id);
        assert_eq!(<uuid::Uuid as Shape>::describe().to_string(), "uuid");
    }
    #[cfg(feature = "bytes")]
    {
        round_trip(&bytes::Bytes::from_static(b"a\0"));
        round_trip(&vec![bytes::Bytes::from_static(b"a\0"), bytes::Bytes::new()]);
        assert_eq!(<bytes::Bytes as Shape>::describe(), <Vec<u8> as Shape>::describe());
    }
    #[cfg(feature = "chrono")]
    {
        let last = chrono::DateTime::from_timestamp(-1, 999_999_999).unwrap();
        round_trip(&last);
        for nanos in [1_000_000_000, 1_999_999_999] {
            let leap = chrono::DateTime::from_timestamp(-1, nanos).unwrap();
            let (mut row, mut key) = (Vec::new(), tamarack_codec::KeyBuf::new());
            leap.encode(&mut row);
            tamarack_codec::KeyPart::encode(&leap, &mut key);
            assert_eq!(decode_value(&row), Ok(last), "as the documentation says");
            assert_eq!(tamarack_codec::decode_key(&key), Ok(last));
        }
    }
    #[cfg(feature = "jiff")]
    round_trip(&jiff::Timestamp::from_nanosecond(-1).unwrap());
    #[cfg(feature = "time")]
    round_trip(&time::UtcDateTime::from_unix_timestamp_nanos(-1).unwrap());
}

/// Every kind of value that serde knows goes through as bincode writes it.
#[test]
fn opaque_fields_are_bincodes_bytes() {
    use serde::{Deserialize, Serialize};

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Unit;
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Newtype(u128);
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Pair(i128, f32);
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    enum Kind {
        Unit,
        Newtype(Box<Kind>),
        Pair(u8, char),
        Fields { a: bool, b: (i8, i16, i32, i64) },
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct All {
        unit: Unit,
        nothing: (),
        newtype: Newtype,
        pair: Pair,
        kinds: Vec<Kind>,
        map: BTreeMap<String, Option<f64>>,
        numbers: (u8, u16, u32, u64),
        address: std::net::IpAddr,
        #[serde(skip)]
        skipped: u8,
    }

    let all = All {
        unit: Unit,
        nothing: (),
        newtype: Newtype(u128::MAX),
        pair: Pair(i128::MIN, 0.5),
        kinds: vec![
            Kind::Newtype(Box::new(Kind::Unit)),
            Kind::Pair(1, 'x'),
            Kind::Fields { a: true, b: (-1, -2, -3, -4) },
        ],
        map: BTreeMap::from([("a".to_owned(), None), ("b".to_owned(), Some(f64::INFINITY))]),
        numbers: (1, 300, 70_000, u64::MAX),
        address: std::net::Ipv4Addr::LOCALHOST.into(),
        skipped: 0,
    };
    let mut bytes = Vec::new();
    FieldsWriter::new(&mut bytes).opaque(&all).unwrap();
    let plain = bincode::serde::encode_to_vec(&all, bincode::config::standard()).unwrap();
    assert_eq!((usize::from(bytes[0]), &bytes[1..]), (plain.len(), &plain[..]));
    assert_eq!(FieldsReader::new(&mut &bytes[..]).opaque::<All>("all"), Ok(all));
}

fn refusal<T: serde::Serialize + serde::de::DeserializeOwned>(value: &T) -> String {
    FieldsWriter::new(&mut Vec::new()).opaque(value).expect_err("it is written").to_string()
}

fn is_zero(number: &u8) -> bool {
    *number == 0
}

/// Each of these used to be written, and could not be read or was read as something else.
#[test]
fn what_bincode_cannot_read_again_is_not_written() {
    use serde::{Deserialize, Serialize};

    #[derive(Serialize, Deserialize)]
    #[serde(tag = "type")]
    enum Tagged {
        A { number: u8 },
    }
    #[derive(Serialize, Deserialize)]
    struct Unread {
        #[serde(skip_serializing, default)]
        first: u8,
        list: Vec<u8>,
    }
    #[derive(Serialize, Deserialize)]
    enum Sparse {
        A {
            #[serde(default, skip_serializing_if = "Option::is_none")]
            first: Option<u8>,
            second: u8,
        },
        B(#[serde(skip_serializing_if = "is_zero")] u8, Vec<u8>),
    }
    #[derive(Serialize, Deserialize)]
    struct Tuple(#[serde(skip_serializing_if = "is_zero")] u8, Vec<u8>);

    assert!(refusal(&Tagged::A { number: 1 }).contains("asks what stands there"));
    let unread = Unread { first: 7, list: vec![0] };
    assert!(refusal(&unread).contains("another value"), "it would come back without {}", unread.first);
    for second in [0, 1] {
        let sparse = refusal(&vec![Some(Sparse::A { first: None, second })]);
        assert!(sparse.contains("leaves out the field `first`"), "{sparse}");
    }
    // Of these, serde says no more than that there are fewer fields: they came back as (1, []), of as many bytes.
    assert!(refusal(&Tuple(0, vec![0])).contains("another value"));
    assert!(refusal(&vec![Sparse::B(0, vec![0])]).contains("another value"));
}

/// Each of these used to come back as another value of as many bytes.
#[test]
fn what_bincode_would_read_as_another_value_is_not_written() {
    use serde::{Deserialize, Deserializer, Serialize};

    // Numbered with all variants when it is written, without the skipped one when it is read.
    #[derive(Serialize, Deserialize)]
    #[expect(dead_code, reason = "it is skipped")]
    enum State {
        #[serde(skip)]
        Loading,
        Ready,
        Failed,
        Gone,
    }
    #[derive(Serialize)]
    struct Swapped {
        a: u8,
        b: u8,
    }
    impl<'de> Deserialize<'de> for Swapped {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            <(u8, u8)>::deserialize(deserializer).map(|(b, a)| Self { a, b })
        }
    }
    #[derive(Serialize, Deserialize)]
    struct Unread {
        a: u8,
        #[serde(skip_deserializing, skip_serializing_if = "Option::is_none")]
        cached: Option<String>,
        list: Vec<u8>,
    }

    assert!(refusal(&State::Ready).contains("another value"));
    assert!(refusal(&vec![State::Ready, State::Failed]).contains("another value"));
    assert!(refusal(&(State::Failed, 2_u8, 1_u8)).contains("another value"));
    assert!(refusal(&State::Gone).contains("could not read"));
    assert!(refusal(&Swapped { a: 1, b: 2 }).contains("another value"));
    assert!(refusal(&HashMap::from([(1, Swapped { a: 1, b: 2 })])).contains("another value"));
    assert!(FieldsWriter::new(&mut Vec::new()).opaque(&Swapped { a: 1, b: 1 }).is_ok());
    let unread = Unread { a: 1, cached: Some(String::new()), list: vec![0] };
    assert!(refusal(&unread).contains("another value"));
}

/// Fields that are left out and not asked for either, and what is read in another order.
#[test]
fn what_bincode_reads_again_is_written() {
    use serde::{Deserialize, Serialize, de::DeserializeOwned};

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    struct Cached {
        a: u8,
        #[serde(skip_deserializing, skip_serializing_if = "Option::is_none")]
        cached: Option<String>,
        list: Vec<u8>,
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    enum Kind {
        Fields {
            #[serde(skip_deserializing, skip_serializing_if = "Option::is_none")]
            cached: Option<String>,
            places: HashMap<String, HashSet<u32>>,
        },
        Pair(#[serde(skip_deserializing, skip_serializing_if = "is_zero")] u8, HashSet<(u8, String)>),
        #[serde(skip)]
        Last,
    }

    fn comes_back<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T) {
        let mut bytes = Vec::new();
        FieldsWriter::new(&mut bytes).opaque(value).unwrap();
        assert_eq!(FieldsReader::new(&mut &bytes[..]).opaque::<T>("value").as_ref(), Ok(value));
    }
    let cached = Cached { a: 1, cached: None, list: vec![3, 2, 1] };
    comes_back(&cached);
    comes_back(&vec![Some(cached.clone()), None, Some(cached)]);
    let places = (0..50_u32).map(|i| (i.to_string(), (i..2 * i + 5).collect())).collect();
    let pair = Kind::Pair(0, (0..50).map(|i| (i, i.to_string())).collect());
    comes_back(&(Kind::Fields { cached: None, places }, pair));
    assert!(refusal(&Kind::Last).contains("cannot store"));
}
