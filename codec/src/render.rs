//! Stored keys as text, by descriptor alone: for messages and tools.

use crate::error::DecodeError;
use crate::key::{Compact, Finite, KeyPart, Timestamp, Total};
use crate::key_buf::{KeyBuf, take};
use crate::shape_def::ShapeDef;
use std::fmt::{Debug, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

/// More than this of one text or list is cut off: messages stay readable.
const LONGEST: usize = 120;

/// A stored key as text. Parts are separated by commas; bytes that do not fit the parts are shown in hexadecimal.
///
/// ```
/// use tamarack_codec::{ShapeDef, render_key};
/// assert_eq!(render_key(&[ShapeDef::Text, ShapeDef::U16], b"Oslo\0\x00\x1f"), r#""Oslo", 31"#);
/// assert_eq!(render_key(&[ShapeDef::U16], b"\x07"), "0x07");
/// ```
#[must_use]
pub fn render_key(parts: &[ShapeDef], key: &[u8]) -> String {
    let mut out = String::new();
    let mut rest = key;
    for (at, part) in parts.iter().enumerate() {
        let comma = if at == 0 { "" } else { ", " };
        out.push_str(comma);
        if render(part, &mut rest, at + 1 == parts.len(), &mut out).is_err() {
            return hex(key);
        }
    }
    if !rest.is_empty() {
        return hex(key);
    }
    cut(&mut out);
    out
}

fn hex(bytes: &[u8]) -> String {
    let mut out = String::from("0x");
    for byte in bytes.iter().take(LONGEST / 2) {
        let _ = write!(out, "{byte:02x}");
    }
    if bytes.len() > LONGEST / 2 {
        out.push_str("..");
    }
    out
}

fn cut(text: &mut String) {
    if text.len() > 2 * LONGEST {
        text.truncate(text.floor_char_boundary(2 * LONGEST));
        text.push_str("..");
    }
}

fn plain<K: KeyPart>(
    input: &mut &[u8],
    last: bool,
    out: &mut String,
    show: impl FnOnce(K) -> String,
) -> Result<(), DecodeError> {
    let part = if last { K::decode_last(input)? } else { K::decode(input)? };
    out.push_str(&show(part));
    Ok(())
}

fn debug<K: KeyPart + Debug>(part: K) -> String {
    format!("{part:?}")
}

fn render(part: &ShapeDef, input: &mut &[u8], last: bool, out: &mut String) -> Result<(), DecodeError> {
    match part {
        ShapeDef::Bool => plain(input, last, out, debug::<bool>),
        ShapeDef::Char => plain(input, last, out, debug::<char>),
        ShapeDef::U8 => plain(input, last, out, debug::<u8>),
        ShapeDef::U16 => plain(input, last, out, debug::<u16>),
        ShapeDef::U32 => plain(input, last, out, debug::<u32>),
        ShapeDef::U64 | ShapeDef::Id => plain(input, last, out, debug::<u64>),
        ShapeDef::U128 => plain(input, last, out, debug::<u128>),
        ShapeDef::I8 => plain(input, last, out, debug::<i8>),
        ShapeDef::I16 => plain(input, last, out, debug::<i16>),
        ShapeDef::I32 => plain(input, last, out, debug::<i32>),
        ShapeDef::I64 => plain(input, last, out, debug::<i64>),
        ShapeDef::I128 => plain(input, last, out, debug::<i128>),
        ShapeDef::Total32 => plain(input, last, out, |Total(value): Total<f32>| value.to_string()),
        ShapeDef::Total64 => plain(input, last, out, |Total(value): Total<f64>| value.to_string()),
        ShapeDef::Finite32 => plain(input, last, out, |value: Finite<f32>| value.to_string()),
        ShapeDef::Finite64 => plain(input, last, out, |value: Finite<f64>| value.to_string()),
        ShapeDef::CompactU64 => plain(input, last, out, |Compact(value): Compact<u64>| value.to_string()),
        ShapeDef::CompactI64 => plain(input, last, out, |Compact(value): Compact<i64>| value.to_string()),
        ShapeDef::Text => plain(input, last, out, debug::<String>),
        ShapeDef::Bytes => plain(input, last, out, |bytes: Vec<u8>| hex(&bytes)),
        ShapeDef::Ipv4 => plain(input, last, out, |address: Ipv4Addr| address.to_string()),
        ShapeDef::Ipv6 => plain(input, last, out, |address: Ipv6Addr| address.to_string()),
        ShapeDef::Ip => plain(input, last, out, |address: IpAddr| address.to_string()),
        ShapeDef::Uuid => plain(input, last, out, |id: [u8; 16]| hex(&id)),
        ShapeDef::Timestamp => plain(input, last, out, |time: Timestamp| time.to_string()),
        ShapeDef::Instant => plain(input, last, out, |(seconds, nanos): (i64, u32)| format!("{seconds}.{nanos:09}s")),
        ShapeDef::Duration => plain(input, last, out, debug::<Duration>),
        _ => nested(part, input, last, out),
    }
}

fn nested(part: &ShapeDef, input: &mut &[u8], last: bool, out: &mut String) -> Result<(), DecodeError> {
    match part {
        ShapeDef::Option(of) => match KeyBuf::take_tag8(input)? {
            0 => out.push_str("None"),
            1 => render(of, input, last, out)?,
            other => return Err(DecodeError::byte("00 for None or 01 for Some", other)),
        },
        ShapeDef::List(of) => {
            out.push('[');
            let mut comma = "";
            while !(last && input.is_empty()) {
                match KeyBuf::take_tag8(input)? {
                    0 if !last => break,
                    1 => out.push_str(comma),
                    other => return Err(DecodeError::byte("01 before an element or 00 at the end of a list", other)),
                }
                render(of, input, false, out)?;
                comma = ", ";
            }
            out.push(']');
        }
        ShapeDef::Array(of, len) => {
            let items = (0..*len).map(|at| (&**of, at + 1 == *len));
            group(items, input, last, out, ('[', ']'))?;
        }
        ShapeDef::Tuple(of) => {
            let items = of.iter().enumerate().map(|(at, part)| (part, at + 1 == of.len()));
            group(items, input, last, out, ('(', ')'))?;
        }
        ShapeDef::Struct(name, fields) => {
            out.push_str(name);
            let items = fields.iter().enumerate().map(|(at, field)| (&field.shape, at + 1 == fields.len()));
            group(items, input, last, out, ('(', ')'))?;
        }
        ShapeDef::Enum(name, width, variants) => {
            let tag =
                if *width == 2 { u32::from(KeyBuf::take_tag16(input)?) } else { u32::from(KeyBuf::take_tag8(input)?) };
            let variant = variants.iter().find(|variant| variant.tag == tag);
            let variant = variant.ok_or_else(|| DecodeError::new("a tag without a variant"))?;
            let _ = write!(out, "{name}::{}", variant.name);
            let fields = &variant.fields;
            if !fields.is_empty() {
                let items = fields.iter().enumerate().map(|(at, field)| (&field.shape, at + 1 == fields.len()));
                group(items, input, last, out, ('(', ')'))?;
            }
        }
        ShapeDef::Desc(of) => {
            let mut plain = KeyBuf::from(*input);
            plain.complement_from(0);
            let mut rest = plain.as_slice();
            render(of, &mut rest, false, out)?;
            let used = plain.len() - rest.len();
            take(input, used, "a descending part")?;
        }
        _ => return Err(DecodeError::new("not a key part")),
    }
    Ok(())
}

fn group<'a>(
    items: impl Iterator<Item = (&'a ShapeDef, bool)>,
    input: &mut &[u8],
    last: bool,
    out: &mut String,
    (open, close): (char, char),
) -> Result<(), DecodeError> {
    out.push(open);
    let mut comma = "";
    for (part, ends) in items {
        out.push_str(comma);
        render(part, input, last && ends, out)?;
        comma = ", ";
        if out.len() > 64 * LONGEST {
            // Only a descriptor that no program wrote gets here: an array of millions without content.
            return Err(DecodeError::new("a key too long to show"));
        }
    }
    out.push(close);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown<K: KeyPart>(key: &K) -> String {
        let mut bytes = KeyBuf::new();
        key.encode_last(&mut bytes);
        let parts = match K::describe() {
            ShapeDef::Tuple(parts) => parts,
            other => vec![other],
        };
        render_key(&parts, &bytes)
    }

    #[test]
    fn readable() {
        use crate::key::Desc;
        assert_eq!(shown(&(7_u8, "a\0".to_owned())), r#"7, "a\0""#);
        assert_eq!(shown(&(Some(-3_i16), None::<u8>, vec!["x".to_owned(), String::new()])), r#"-3, None, ["x", ""]"#);
        assert_eq!(shown(&(Desc("b".to_owned()), [1_u8, 2], vec![0_u8, 255])), r#""b", [1, 2], 0x00ff"#);
        assert_eq!(shown(&Timestamp::from_micros(0)), "1970-01-01T00:00:00.000000Z");
        assert!(shown(&"x".repeat(5000)).len() < 300);
        assert_eq!(render_key(&[ShapeDef::Opaque], b"\x01"), "0x01");
    }

    #[test]
    fn every_kind_is_shown() {
        use crate::key::{Desc, Id};
        assert_eq!(shown(&(true, 'x', 1_u8, 2_u16, 3_u32, 4_u64, 5_u128)), "true, 'x', 1, 2, 3, 4, 5");
        assert_eq!(shown(&(-1_i8, -2_i16, -3_i32, -4_i64, -5_i128)), "-1, -2, -3, -4, -5");
        let finite = (Finite::<f32>::new(0.5).unwrap(), Finite::<f64>::new(-0.5).unwrap());
        assert_eq!(shown(&(Total(1.5_f32), Total(-2.5_f64), finite)), "1.5, -2.5, (0.5, -0.5)");
        assert_eq!(shown(&(Compact(300_u64), Compact(-300_i64), Id::<()>::new(9))), "300, -300, 9");
        let addresses = (Ipv4Addr::LOCALHOST, Ipv6Addr::LOCALHOST, IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)));
        assert_eq!(shown(&addresses), "127.0.0.1, ::1, 10.0.0.1");
        let times = (std::time::UNIX_EPOCH + Duration::new(3, 4), Duration::from_millis(1500));
        assert_eq!(shown(&times), "3.000000004s, 1.5s");
        assert_eq!(shown(&(Desc((1_u8, "a".to_owned())), 7_u8)), r#"(1, "a"), 7"#);
        assert_eq!(shown(&[("a".to_owned(), 1_u8), ("b".to_owned(), 2)]), r#"[("a", 1), ("b", 2)]"#);
        assert_eq!(shown(&["a".to_owned(), "b\0".to_owned()]), r#"["a", "b\0"]"#);
        assert_eq!(shown(&(1_u8, (2_u8, "x\0".to_owned()))), r#"1, (2, "x\0")"#);
        assert_eq!(render_key(&[ShapeDef::Uuid, ShapeDef::U8], &[7; 17]), format!("0x{}, 7", "07".repeat(16)));
        assert_eq!(shown(&(vec!["x".to_owned(), String::new()], 7_u8)), r#"["x", ""], 7"#);
        assert_eq!(render_key(&[], b""), "");
        assert_eq!(render_key(&[ShapeDef::U8], b"\x01\x02"), "0x0102");
        assert_eq!(render_key(&[ShapeDef::List(Box::new(ShapeDef::U8))], b"\x01\x05\x02"), "0x010502");
        assert_eq!(render_key(&[ShapeDef::List(Box::new(ShapeDef::U8))], b"\x01\x05\0"), "0x010500");
        assert_eq!(render_key(&[ShapeDef::Option(Box::new(ShapeDef::U8))], b"\x02\x05"), "0x0205");
        let many = ShapeDef::Array(Box::new(ShapeDef::Tuple(Vec::new())), u64::MAX);
        assert_eq!(render_key(&[many], b""), "0x");
    }

    #[test]
    fn structs_and_enums_are_shown_by_name() {
        let text = || vec![("0", ShapeDef::Text), ("1", ShapeDef::Text)];
        let structure = ShapeDef::structure("Place", text());
        assert_eq!(render_key(&[structure], b"Oslo\0x\x01"), r#"Place("Oslo", "x\u{1}")"#);
        let variants = || vec![("Open", 1, vec![]), ("Sent", 2, text())];
        let narrow = ShapeDef::key_enumeration("State", 1, variants());
        assert_eq!(render_key(std::slice::from_ref(&narrow), b"\x01"), "State::Open");
        assert_eq!(render_key(std::slice::from_ref(&narrow), b"\x02a\0b"), r#"State::Sent("a", "b")"#);
        assert_eq!(render_key(&[narrow], b"\x03"), "0x03");
        let wide = ShapeDef::key_enumeration("State", 2, variants());
        assert_eq!(render_key(&[wide, ShapeDef::U8], b"\0\x02a\0b\0\x07"), r#"State::Sent("a", "b"), 7"#);
    }

    #[test]
    fn what_is_long_is_cut_off() {
        let bytes = |count: usize| hex(&vec![0xAB; count]);
        assert_eq!(bytes(LONGEST / 2), format!("0x{}", "ab".repeat(LONGEST / 2)));
        assert_eq!(bytes(LONGEST / 2 + 1), format!("0x{}..", "ab".repeat(LONGEST / 2)));
        let text = |count: usize| shown(&"x".repeat(count));
        // Two quotation marks are around it.
        assert_eq!(text(2 * LONGEST - 2), format!("\"{}\"", "x".repeat(2 * LONGEST - 2)));
        assert_eq!(text(2 * LONGEST - 1), format!("\"{}..", "x".repeat(2 * LONGEST - 1)));
        // Longer than anything that is shown, yet a key: it is cut and not called strange.
        let parts = vec!["y".repeat(60); 100];
        assert!(shown(&parts).starts_with("[\"yyy") && shown(&parts).ends_with(".."));
        let parts: [String; 64] = std::array::from_fn(|_| "z".repeat(100));
        assert!(shown(&parts).starts_with("[\"zzz"));
        // The longest that is looked through, and one byte more: a bracket and quotation marks are around it.
        let alone = |count: usize| shown(&["z".repeat(count)]);
        assert!(alone(64 * LONGEST - 3).starts_with("[\"zzz") && alone(64 * LONGEST - 2).starts_with("0x7a7a"));
    }
}
