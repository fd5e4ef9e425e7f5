use super::*;
use crate::{Compact, Desc, Finite, Id, KeyBuf, KeyPart, Shape, ShapeDef, Timestamp, Total};
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
