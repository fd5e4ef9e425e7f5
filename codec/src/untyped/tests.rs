use super::*;
use crate::{Compact, Desc, FieldsWriter, Finite, Id, KeyBuf, KeyPart, Shape, ShapeDef, Timestamp, Total};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

fn encoded(with: impl FnOnce(&mut KeyBuf)) -> Vec<u8> {
    let mut out = KeyBuf::new();
    with(&mut out);
    out.to_vec()
}

/// A field in a row and in a key becomes the part that the typed code writes, in both forms, also descending.
fn same<T: KeyPart + Shape>(values: impl IntoIterator<Item = T>) {
    let (row_shape, part) = (<T as Shape>::describe(), <T as KeyPart>::describe());
    assert!(can_recode(&row_shape, &part, false), "{row_shape} as {part}");
    for value in values {
        let mut bytes = Vec::new();
        Shape::encode(&value, &mut bytes);
        check_value(&row_shape, &bytes).unwrap();
        let (full, short) = (encoded(|out| KeyPart::encode(&value, out)), encoded(|out| value.encode_last(out)));
        let row = Field::Row { shape: &row_shape, bytes: &bytes };
        let desc = ShapeDef::Desc(Box::new(part.clone()));
        let complement: Vec<u8> = full.iter().map(|byte| !byte).collect();
        let parts = key_parts([&part], &short).unwrap();
        assert_eq!(parts[0].as_slice(), full, "{part}");
        let key = Field::Key { shape: &part, bytes: &parts[0] };
        for field in [row, key] {
            assert_eq!(encoded(|out| field.write_part(&part, false, out).unwrap()), full, "{part}");
            assert_eq!(encoded(|out| field.write_part(&part, true, out).unwrap()), short, "{part}");
            assert_eq!(encoded(|out| field.write_part(&desc, true, out).unwrap()), complement, "{part}");
        }
        assert_eq!(starts_with_none(&part, full.first().copied()), value.is_none());
        let mut rest = &[&full[..], b"x"].concat()[..];
        pass_parts([&part], &mut rest).unwrap();
        assert_eq!(rest, b"x");
        // Whatever is cut off is noticed, or is another value of the type.
        for cut in 0..bytes.len() {
            let cut = Field::Row { shape: &row_shape, bytes: &bytes[..cut] };
            let _ = cut.write_part(&part, false, &mut KeyBuf::new());
        }
    }
}

#[test]
fn fields_become_the_parts_that_the_typed_code_writes() {
    let text = |text: &str| text.to_owned();
    same([true, false]);
    same(['a', '\u{10ffff}']);
    same([0_u8, 255]);
    same([1_u16, 300]);
    same([u32::MAX]);
    same([0, u64::MAX]);
    same([u128::MAX - 1]);
    same([-1_i8, 1]);
    same([i16::MIN, -2]);
    same([-5_i32]);
    same([i64::MIN, 7]);
    same([-7_i128]);
    same([Total(-0.0_f32), Total(f32::NAN)]);
    same([Total(1.5_f64)]);
    same([Finite::new(2.5_f32).unwrap()]);
    same([Finite::new(-2.5_f64).unwrap()]);
    same([Compact(3_u64), Compact(u64::MAX)]);
    same([Compact(-3_i64), Compact(i64::MIN)]);
    same([text(""), text("a\0b\u{1}"), text("tea")]);
    same([vec![0_u8, 1, 2], vec![]]);
    same([Ipv4Addr::LOCALHOST]);
    same([Ipv6Addr::LOCALHOST]);
    same([IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)]);
    same([Timestamp::from_micros(-5)]);
    same([std::time::UNIX_EPOCH + Duration::from_nanos(1_500_000_001)]);
    same([Duration::from_millis(1500)]);
    same([Id::<()>::new(9)]);
    same([[1_u8; 16]]);
    same([None, Some(5_u32)]);
    same([None, Some(text("x\0"))]);
    same([vec![], vec![text("a"), text("")]]);
    same([vec![(1_u8, text("x"))]]);
    same([[text("a"), text("b\0")]]);
    same([(7_u16, text("x"), -1_i64), (0, text(""), 4)]);
    same([(7_u16, 8_u16)]);
    same([(text("x"), Some(vec![3_u32, 4]))]);
    same([Desc(text("x"))]);
    same([(1_u8, Desc(Some(text("x"))))]);
    same([[(); 3]]);
    let (shape, bytes) = (&ShapeDef::Uuid, &[7; 16][..]);
    for field in [Field::Row { shape, bytes }, Field::Key { shape, bytes }] {
        assert_eq!(encoded(|out| field.write_part(shape, false, out).unwrap()), bytes);
    }
}

#[test]
fn elements_are_sorted_and_each_once() {
    fn parts<T: Shape>(value: &T, to: &ShapeDef) -> Vec<Vec<u8>> {
        let mut bytes = Vec::new();
        value.encode(&mut bytes);
        let field = Field::Row { shape: &T::describe(), bytes: &bytes };
        assert!(can_recode(&T::describe(), to, true));
        element_parts(&field, to).unwrap().iter().map(|part| part.to_vec()).collect()
    }
    let b_then_a = [b"a\0".to_vec(), b"b\0".to_vec()];
    let text = |text: &str| text.to_owned();
    assert_eq!(parts(&vec![text("b"), text("a"), text("b")], &ShapeDef::Text), b_then_a);
    assert_eq!(parts(&BTreeSet::from([text("b"), text("a")]), &ShapeDef::Text), b_then_a);
    assert_eq!(parts(&[text("b"), text("a")], &ShapeDef::Text), b_then_a);
    assert_eq!(parts(&Some(text("a")), &ShapeDef::Text), [b"a\0"]);
    assert!(parts(&None::<String>, &ShapeDef::Text).is_empty());
    assert_eq!(parts(&vec![3_u8, 1, 3], &ShapeDef::U8), [[1], [3]]);
    let list = <Vec<u16> as KeyPart>::describe();
    let key = encoded(|out| KeyPart::encode(&vec![2_u16, 1], out));
    let found = element_parts(&Field::Key { shape: &list, bytes: &key }, &ShapeDef::U16).unwrap();
    assert_eq!(found.iter().map(|part| part.to_vec()).collect::<Vec<_>>(), [[0, 1], [0, 2]]);
}

#[test]
fn values_of_every_kind_are_checked() {
    let map = BTreeMap::from([("a".to_owned(), vec![Some(1_u8)]), ("b".to_owned(), vec![])]);
    let mut bytes = Vec::new();
    map.encode(&mut bytes);
    let shape = BTreeMap::<String, Vec<Option<u8>>>::describe();
    check_value(&shape, &bytes).unwrap();
    for cut in 0..bytes.len() {
        assert!(check_value(&shape, &bytes[..cut]).is_err(), "cut at {cut}");
    }
    assert!(check_value(&ShapeDef::Text, &[0xFF]).is_err());
    assert!(check_value(&ShapeDef::Opaque, &[0xFF]).is_ok());
    assert!(check_value(&ShapeDef::Bool, &[2]).is_err());
}

#[test]
fn absurd_descriptors_end_in_an_answer() {
    let empty = ShapeDef::Tuple(Vec::new());
    let many = ShapeDef::Array(Box::new(empty), u64::MAX);
    let more = ShapeDef::Array(Box::new(many.clone()), u64::MAX);
    for shape in [&many, &more] {
        let _ = check_value(shape, &[]);
        let _ = key_parts([shape], &[]);
        let _ = Field::Row { shape, bytes: &[] }.write_part(shape, false, &mut KeyBuf::new());
        let _ = element_parts(&Field::Row { shape, bytes: &[] }, &ShapeDef::U8);
    }
    let wide = ShapeDef::Array(Box::new(ShapeDef::Array(Box::new(ShapeDef::U128), u64::MAX / 2)), u64::MAX);
    assert!(check_value(&wide, &[0; 100]).is_err());
    assert!(row_fields([&wide], &[0; 100]).is_err());
}

/// An enum with fields: its shapes in a row and in a key, and one value in both. Tags differ: variants belong together by name.
fn sent(width: u8, tag: u32) -> (ShapeDef, ShapeDef, Vec<u8>, KeyBuf, KeyBuf) {
    let fields = || vec![("0", ShapeDef::U8), ("1", ShapeDef::Text)];
    let row = ShapeDef::enumeration("State", vec![("Open", 0, vec![]), ("Sent", 300, fields())]);
    let part = ShapeDef::key_enumeration("State", width, vec![("Sent", tag, fields()), ("Open", 9, vec![])]);
    let mut bytes = Vec::new();
    let mut writer = FieldsWriter::tagged(&mut bytes, 300);
    writer.fixed_pass(&7_u8);
    writer.variable_pass(&"x\0".to_owned());
    let (mut full, mut short) = (KeyBuf::new(), KeyBuf::new());
    for (out, last) in [(&mut full, false), (&mut short, true)] {
        if width == 2 {
            out.tag16(tag as u16)
        } else {
            out.tag8(tag as u8)
        }
        KeyPart::encode(&7_u8, out);
        let text = "x\0".to_owned();
        if last { text.encode_last(out) } else { KeyPart::encode(&text, out) }
    }
    (row, part, bytes, full, short)
}

#[test]
fn enums_become_parts_by_the_names_of_their_variants() {
    for (width, tag) in [(1, 4), (2, 0x0405)] {
        let (shape, part, bytes, full, short) = sent(width, tag);
        assert!(can_recode(&shape, &part, false));
        check_value(&shape, &bytes).unwrap();
        let write = |field: Field<'_>, last| encoded(|out| field.write_part(&part, last, out).unwrap());
        let row = Field::Row { shape: &shape, bytes: &bytes };
        let key = Field::Key { shape: &part, bytes: &full };
        for field in [row, key] {
            assert_eq!((write(field, false), write(field, true)), (full.to_vec(), short.to_vec()));
        }
        assert_eq!(key_parts([&part], &short).unwrap(), std::slice::from_ref(&full));
        // A variant without fields, one that the key does not have, and one that nobody has.
        let open = Field::Row { shape: &shape, bytes: &[0] };
        assert_eq!(write(open, false), if width == 2 { vec![0, 9] } else { vec![9] });
        let other = ShapeDef::key_enumeration("State", width, vec![("Open", 9, vec![])]);
        assert!(row.write_part(&other, false, &mut KeyBuf::new()).is_err() && !can_recode(&shape, &other, false));
        assert!(check_value(&shape, &[5]).is_err());
        assert!(Field::Row { shape: &shape, bytes: &[5] }.write_part(&part, false, &mut KeyBuf::new()).is_err());
        // Its fields are checked, and what follows them.
        assert!(check_value(&shape, &bytes[..bytes.len() - 1]).is_err());
        assert!(check_value(&shape, &[&bytes[..], &[0]].concat()).is_err());
    }
    // A tag that the key has no room for.
    let (shape, part, bytes, ..) = sent(1, 256);
    let row = Field::Row { shape: &shape, bytes: &bytes };
    assert!(row.write_part(&part, false, &mut KeyBuf::new()).is_err());
}

#[test]
fn structs_become_parts_field_by_field() {
    let shape = |second| ShapeDef::structure("Line", vec![("a", ShapeDef::Text), ("b", second)]);
    let (row, part) = (shape(ShapeDef::U64), shape(ShapeDef::CompactU64));
    let mut bytes = Vec::new();
    let mut writer = FieldsWriter::new(&mut bytes);
    writer.fixed_pass(&300_u64);
    writer.variable_pass(&"x".to_owned());
    check_value(&row, &bytes).unwrap();
    assert!(check_value(&row, &bytes[1..]).is_err());
    let wanted = encoded(|out| KeyPart::encode(&("x".to_owned(), Compact(300_u64)), out));
    assert!(can_recode(&row, &part, false));
    let field = Field::Row { shape: &row, bytes: &bytes };
    assert_eq!(encoded(|out| field.write_part(&part, true, out).unwrap()), wanted);
    assert_eq!(key_parts([&part], &wanted).unwrap()[0].as_slice(), wanted);
    // Not what it is made of, nor something of another kind.
    for other in [shape(ShapeDef::U32), ShapeDef::structure("Line", vec![("a", ShapeDef::Text)]), ShapeDef::Text] {
        assert!(!can_recode(&row, &other, false), "{other}");
    }
    let fewer = ShapeDef::structure("Line", vec![("a", ShapeDef::Text)]);
    for other in [fewer, ShapeDef::Tuple(vec![]), ShapeDef::List(Box::new(ShapeDef::U8)), ShapeDef::Opaque] {
        assert!(field.write_part(&other, false, &mut KeyBuf::new()).is_err(), "{other}");
    }
}

#[test]
fn what_cannot_be_a_part_is_refused() {
    use ShapeDef as S;
    let boxed = |shape: S| Box::new(shape);
    let same = [S::Opaque, S::Set(boxed(S::U8)), S::Map(boxed(S::U8), boxed(S::U8)), S::F32, S::F64, S::Size];
    assert!(same.iter().all(|shape| !can_recode(shape, shape, false)));
    assert!(can_recode(&S::U8, &S::U8, false) && !can_recode(&S::U8, &S::U16, false));
    assert!(can_recode(&S::I64, &S::CompactI64, false) && !can_recode(&S::U64, &S::CompactI64, false));
    let array = |len| S::Array(boxed(S::U8), len);
    assert!(can_recode(&array(2), &array(2), false) && !can_recode(&array(2), &array(3), false));
    assert!(Field::Row { shape: &array(2), bytes: &[1, 2] }.write_part(&array(3), false, &mut KeyBuf::new()).is_err());
    let (one, two) = (S::Tuple(vec![S::U8]), S::Tuple(vec![S::U8, S::U8]));
    assert!(can_recode(&two, &two, false) && !can_recode(&one, &two, false) && !can_recode(&two, &one, false));
    assert!(can_recode(&S::Desc(boxed(S::Opaque)), &S::Desc(boxed(S::Opaque)), false), "as it is");
    assert!(can_recode(&S::U8, &S::Desc(boxed(S::U8)), false));
    // Variants belong together by name, and then by their fields.
    let sent = |field| S::key_enumeration("State", 1, vec![("Open", 0, vec![]), ("Sent", 1, vec![("0", field)])]);
    assert!(can_recode(&sent(S::U8), &sent(S::U8), false) && !can_recode(&sent(S::U8), &sent(S::U16), false));
    // Elements.
    assert!(can_recode(&S::Bytes, &S::U8, true) && !can_recode(&S::Bytes, &S::U16, true));
    assert!(!can_recode(&S::Text, &S::Text, true));
    assert!(
        can_recode(&S::List(boxed(S::Text)), &S::Text, true) && !can_recode(&S::List(boxed(S::Text)), &S::U8, true)
    );
    assert!(element_parts(&Field::Row { shape: &S::Text, bytes: b"a" }, &S::Text).is_err());
    assert!(element_parts(&Field::Key { shape: &S::Text, bytes: b"a\0" }, &S::Text).is_err());
}

#[test]
fn elements_of_a_key_are_found_too() {
    fn parts<K: KeyPart>(key: &K, to: &ShapeDef) -> Vec<Vec<u8>> {
        let bytes = encoded(|out| key.encode(out));
        let found = element_parts(&Field::Key { shape: &K::describe(), bytes: &bytes }, to).unwrap();
        found.iter().map(|part| part.to_vec()).collect()
    }
    assert_eq!(parts(&Some(5_u8), &ShapeDef::U8), [[5]]);
    assert!(parts(&None::<u8>, &ShapeDef::U8).is_empty());
    assert_eq!(parts(&[2_u16, 1, 2], &ShapeDef::U16), [[0, 1], [0, 2]]);
    assert_eq!(parts(&vec![9_u8, 3, 9], &ShapeDef::U8), [[3], [9]]);
    assert_eq!(parts(&[(), ()], &ShapeDef::Tuple(vec![])), [Vec::<u8>::new()]);
}

#[test]
fn starts_of_none_are_told() {
    let option = ShapeDef::Option(Box::new(ShapeDef::U8));
    let desc = ShapeDef::Desc(Box::new(option.clone()));
    assert!(starts_with_none(&option, Some(0)) && !starts_with_none(&option, Some(1)));
    assert!(!starts_with_none(&option, None) && !starts_with_none(&ShapeDef::U8, Some(0)));
    assert!(starts_with_none(&desc, Some(0xFF)) && !starts_with_none(&desc, Some(0)));
}

/// The untyped width of a shape is the typed one.
#[test]
fn widths_are_those_of_the_types() {
    fn same<T: Shape>() {
        let shape = T::describe();
        assert_eq!(fields::width(&shape).unwrap(), T::FIXED, "{shape}");
    }
    same::<bool>();
    same::<char>();
    same::<u8>();
    same::<i16>();
    same::<u32>();
    same::<f32>();
    same::<Total<f64>>();
    same::<Finite<f32>>();
    same::<i64>();
    same::<usize>();
    same::<isize>();
    same::<u128>();
    same::<Timestamp>();
    same::<Duration>();
    same::<std::time::SystemTime>();
    same::<Ipv4Addr>();
    same::<Ipv6Addr>();
    same::<IpAddr>();
    same::<String>();
    same::<Vec<u8>>();
    same::<Id<()>>();
    same::<Desc<u16>>();
    same::<Compact<u64>>();
    same::<Option<u32>>();
    same::<Option<String>>();
    same::<[u16; 5]>();
    same::<[String; 0]>();
    same::<[String; 2]>();
    same::<(u8, u32)>();
    same::<(u8, String)>();
    same::<()>();
    same::<Vec<u16>>();
    same::<BTreeMap<u8, u8>>();
    // No type has these in a row; they are what they are made of all the same.
    let wide = |shape: ShapeDef| fields::width(&shape).unwrap();
    assert_eq!(
        [wide(ShapeDef::CompactU64), wide(ShapeDef::CompactI64), wide(ShapeDef::Desc(Box::new(ShapeDef::U16)))],
        [Some(8), Some(8), Some(2)]
    );
}

/// A value is checked in full: each byte that is changed to something no type writes is found.
#[test]
fn checks_look_at_every_part() {
    fn bytes<T: Shape>(value: &T) -> (ShapeDef, Vec<u8>) {
        let mut bytes = Vec::new();
        value.encode(&mut bytes);
        (T::describe(), bytes)
    }
    fn whole<T: Shape>(value: &T) {
        let (shape, bytes) = bytes(value);
        check_value(&shape, &bytes).unwrap();
        assert!(check_value(&shape, &[&bytes[..], &[0]].concat()).is_err() || T::FIXED.is_none(), "{shape}");
        assert!(
            (0..bytes.len()).all(|cut| check_value(&shape, &bytes[..cut]).is_err()) || T::FIXED.is_none(),
            "{shape}"
        );
    }
    whole(&('a', 1_u16, 2_u32, 3_u64, 4_u128, true));
    whole(&(-1_i8, -2_i16, -3_i32, -4_i64, -5_i128, 6_usize));
    whole(&(1.5_f32, 2.5_f64, Total(1.0_f32), Total(2.0_f64)));
    whole(&(Finite::new(1.0_f32).unwrap(), Finite::new(1.0_f64).unwrap(), Compact(1_u64), Compact(-1_i64)));
    whole(&(
        Ipv4Addr::LOCALHOST,
        Ipv6Addr::LOCALHOST,
        Timestamp::from_micros(5),
        Duration::from_secs(1),
        Id::<()>::new(3),
    ));
    whole(&[Some(7_u16), None]);
    whole(&Desc((1_u8, true)));
}

/// What the outer shape lets through, the inner one does not.
#[test]
fn checks_look_into_containers() {
    let bad = |shape: ShapeDef, bytes: &[u8]| assert!(check_value(&shape, bytes).is_err(), "{shape} {bytes:?}");
    let boxed = |shape: ShapeDef| Box::new(shape);
    let bools = || boxed(ShapeDef::Bool);
    bad(ShapeDef::Option(bools()), &[0, 1]);
    bad(ShapeDef::Option(bools()), &[1, 2]);
    bad(ShapeDef::Option(bools()), &[2, 0]);
    bad(ShapeDef::Option(bools()), &[0]);
    bad(ShapeDef::List(bools()), &[1, 2]);
    bad(ShapeDef::List(bools()), &[1, 1, 1]);
    bad(ShapeDef::Set(bools()), &[1, 2]);
    bad(ShapeDef::Map(bools(), bools()), &[1, 2, 0]);
    bad(ShapeDef::Map(bools(), bools()), &[1, 0, 2]);
    bad(ShapeDef::Map(bools(), bools()), &[1, 0, 0, 0]);
    bad(ShapeDef::Array(bools(), 2), &[0, 2]);
    bad(ShapeDef::Array(bools(), 2), &[0, 0, 0]);
    bad(ShapeDef::Tuple(vec![ShapeDef::Bool]), &[2]);
    bad(ShapeDef::Desc(bools()), &[2]);
    bad(ShapeDef::Char, &[0, 0, 0x11, 0]);
    bad(ShapeDef::Finite32, &(-0.0_f32).to_le_bytes());
    bad(ShapeDef::Finite64, &f64::NAN.to_le_bytes());
    bad(ShapeDef::Instant, &[0xFF; 12]);
    bad(ShapeDef::Duration, &[0xFF; 12]);
    bad(ShapeDef::Ip, &[5, 0, 0, 0, 0]);
    for code in 1..=31 {
        let shape = ShapeDef::from_bytes(&[code]).unwrap();
        if !matches!(shape, ShapeDef::Text | ShapeDef::Bytes) {
            bad(shape, &[]);
        }
    }
    let empty = || boxed(ShapeDef::Tuple(Vec::new()));
    check_value(&ShapeDef::List(empty()), &[2, 0, 0]).unwrap();
    bad(ShapeDef::List(empty()), &[2, 0, 1]);
    bad(ShapeDef::List(empty()), &[2, 0]);
}

#[test]
fn rows_are_cut_into_their_fields() {
    let shapes = [&ShapeDef::Text, &ShapeDef::U16, &ShapeDef::Bytes];
    let body = [7, 0, 1, b'a', 2, 8, 9];
    assert_eq!(row_fields(shapes, &body).unwrap(), [&b"a"[..], &[7, 0], &[8, 9]]);
    assert!(row_fields(shapes, &body[..6]).is_err());
    assert!(row_fields(shapes, &[&body[..], &[0]].concat()).is_err());
    assert_eq!(split_row(&[1, 0xAC, 2, 9]).unwrap(), (300, &[9][..]));
    assert!(split_row(&[2, 3, 9]).is_err() && split_row(&[]).is_err() && split_row(&[1]).is_err());
    assert!(split_row(&[1, 0xFF, 0xFF, 0xFF, 0xFF, 0x1F]).is_err(), "a version above 32 bits");
    assert!(key_parts([&ShapeDef::U8], &[1, 2]).is_err(), "a byte remains");
    let list = ShapeDef::List(Box::new(ShapeDef::U8));
    assert!(key_parts([&list], &[1, 5]).is_ok() && key_parts([&list], &[1, 5, 0]).is_err(), "the end needs no 00");
    let field = Field::Row { shape: &ShapeDef::U8, bytes: &[1, 2] };
    assert!(field.write_part(&ShapeDef::U8, false, &mut KeyBuf::new()).is_err(), "a byte remains");
}
