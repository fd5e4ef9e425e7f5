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
            _ => render(of, input, last, out)?,
        },
        ShapeDef::List(of) => {
            out.push('[');
            let mut comma = "";
            while !(last && input.is_empty()) && KeyBuf::take_tag8(input)? == 1 {
                out.push_str(comma);
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
}
