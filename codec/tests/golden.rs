//! The golden vectors of KC1 and of rows: `golden/kc1.txt` and `golden/rows.txt`. They change only with a new version of the format.
//!
//! `TAMARACK_BLESS=1 cargo test -p tamarack-codec --test golden` writes the files anew.

use std::collections::BTreeMap;
use std::fmt::{Debug, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::time::{Duration, SystemTime};
use tamarack_codec::{
    Compact, Desc, Finite, Id, KeyBuf, KeyPart, RowWriter, Shape, Timestamp, Total, decode_key, decode_value,
};

fn hex(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return "-".to_owned();
    }
    bytes.iter().fold(String::new(), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

#[expect(clippy::disallowed_methods, reason = "golden files are no databases")]
fn compare(file: &str, actual: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden").join(file);
    if std::env::var_os("TAMARACK_BLESS").is_some() {
        std::fs::write(&path, actual).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap();
    for (at, (golden, actual)) in golden.lines().zip(actual.lines()).enumerate() {
        assert_eq!(golden, actual, "line {} of {file}", at + 1);
    }
    assert_eq!(golden.lines().count(), actual.lines().count(), "lines of {file}");
}

fn key<K: KeyPart + Debug + PartialEq>(out: &mut String, of: &str, part: K) {
    let (mut open, mut last) = (KeyBuf::new(), KeyBuf::new());
    part.encode(&mut open);
    part.encode_last(&mut last);
    assert_eq!(decode_key::<K>(&last).as_ref(), Ok(&part));
    let _ = writeln!(out, "{of} | {part:?} | {} | {}", hex(&open), hex(&last));
}

#[test]
fn keys() {
    let mut out =
        String::from("# type | value | inside a key | at the end of a key, where that differs or not; - is nothing\n");
    let o = &mut out;
    key(o, "u8", 7_u8);
    key(o, "u16", 258_u16);
    key(o, "u32", 7_u32);
    key(o, "u64", u64::MAX - 1);
    key(o, "u128", 1_u128);
    for value in [i8::MIN, -1, 0, 1, i8::MAX] {
        key(o, "i8", value);
    }
    key(o, "i16", -2_i16);
    key(o, "i32", -3_i32);
    key(o, "i64", -1_i64);
    key(o, "i128", 1_i128);
    key(o, "bool", false);
    key(o, "bool", true);
    key(o, "char", 'a');
    key(o, "char", '\u{10FFFF}');
    key(o, "()", ());
    for text in ["", "abc", "a\0c", "\u{1}", "é"] {
        key(o, "text", text.to_owned());
    }
    key(o, "bytes", vec![0_u8, 1, 2, 255]);
    key(o, "[u8; 4]", [0_u8, 1, 2, 255]);
    key(o, "[text; 2]", ["a".to_owned(), "b".to_owned()]);
    key(o, "ipv4", Ipv4Addr::new(127, 0, 0, 1));
    key(o, "ipv6", Ipv6Addr::LOCALHOST);
    key(o, "ip", IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)));
    key(o, "ip", IpAddr::V6(Ipv6Addr::UNSPECIFIED));
    key(o, "option<u8>", None::<u8>);
    key(o, "option<u8>", Some(5_u8));
    key(o, "option<text>", Some("a".to_owned()));
    key(o, "list<text>", Vec::<String>::new());
    key(o, "list<text>", vec![String::new()]);
    key(o, "list<text>", vec!["a".to_owned(), "b\0".to_owned()]);
    key(o, "list<u16>", vec![1_u16, 2]);
    key(o, "(u32, text, i64)", (7_u32, "abc".to_owned(), -1_i64));
    key(o, "(text, u8)", ("a\0c".to_owned(), 7_u8));
    key(o, "(u32, text)", (7_u32, "a\0c".to_owned()));
    key(o, "desc text", Desc("ab".to_owned()));
    key(o, "desc u16", Desc(1_u16));
    key(o, "total f64", Total(-0.0_f64));
    key(o, "total f64", Total(0.0_f64));
    key(o, "total f64", Total(-1.0_f64));
    key(o, "total f32", Total(1.5_f32));
    key(o, "finite f64", Finite::new(-0.0_f64).unwrap());
    key(o, "finite f64", Finite::new(59.91_f64).unwrap());
    key(o, "finite f32", Finite::new(-2.5_f32).unwrap());
    key(o, "timestamp", Timestamp::from_micros(-1));
    key(o, "instant", SystemTime::UNIX_EPOCH + Duration::new(1, 2));
    key(o, "instant", SystemTime::UNIX_EPOCH - Duration::from_nanos(1));
    key(o, "duration", Duration::new(3, 4));
    for value in [0, 247, 248, 65_536, u64::MAX] {
        key(o, "compact u64", Compact(value));
    }
    for value in [i64::MIN, -257, -256, -121, -120, -1, 0, 119, 120, 256, i64::MAX] {
        key(o, "compact i64", Compact(value));
    }
    key(o, "id", Id::<()>::new(9));
    compare("kc1.txt", &out);
}

fn value<T: Shape + Debug + PartialEq>(out: &mut String, value: T) {
    let mut bytes = Vec::new();
    value.encode(&mut bytes);
    assert_eq!(decode_value::<T>(&bytes).as_ref(), Ok(&value));
    let _ = writeln!(out, "{} | {value:?} | {}", T::describe(), hex(&bytes));
}

#[test]
fn rows() {
    let mut out = String::from("# shape | value | bytes; - is nothing\n");
    let o = &mut out;
    value(o, 258_u16);
    value(o, -2_i32);
    value(o, 1.5_f64);
    value(o, 7_usize);
    value(o, true);
    value(o, 'é');
    value(o, "abc".to_owned());
    value(o, vec![0_u8, 255]);
    value(o, None::<u16>);
    value(o, Some(1_u16));
    value(o, None::<String>);
    value(o, Some("a".to_owned()));
    value(o, vec!["a".to_owned(), String::new()]);
    value(o, vec![1_u16, 2]);
    value(o, vec![(), ()]);
    value(o, [1_u16, 2]);
    value(o, ["a".to_owned(), "b".to_owned()]);
    value(o, (1_u8, 2_u16));
    value(o, ("a".to_owned(), 2_u16, "b".to_owned()));
    value(o, BTreeMap::from([("k".to_owned(), 1_u8)]));
    value(o, Timestamp::from_micros(-1));
    value(o, SystemTime::UNIX_EPOCH - Duration::from_nanos(1));
    value(o, Duration::new(3, 4));
    value(o, Id::<()>::new(9));
    value(o, IpAddr::V4(Ipv4Addr::LOCALHOST));
    let mut row = Vec::new();
    let mut writer = RowWriter::new(&mut row, 300);
    writer.fixed_pass(&7_u32);
    writer.variable_pass(&"Oslo".to_owned());
    writer.opaque(&("bincode".to_owned(), 5_u64, Some(-1_i8))).unwrap();
    let _ = writeln!(
        out,
        "row of schema version 300: u32, text, bincode | 7, Oslo, (\"bincode\", 5, Some(-1)) | {}",
        hex(&row)
    );
    compare("rows.txt", &out);
}
