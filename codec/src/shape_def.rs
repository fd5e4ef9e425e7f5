//! Descriptors: what a key part or a field looks like, so that the catalog can say it and tools can read it without the program.
//!
//! As bytes: one byte that names the kind, then what it holds: a nested descriptor, a varint, or a list (varint count, then for each
//! a name as varint length and UTF-8, and a descriptor). The kinds are numbered in [`ShapeDef`]'s order and never renumbered.

use crate::error::DecodeError;
use crate::key_buf::{take, take_array};
use crate::varint;
use std::fmt;

/// Nesting that a descriptor can have.
const DEEPEST: u32 = 64;

/// A named field of a struct or a variant.
///
/// ```
/// use tamarack_codec::{FieldShape, ShapeDef};
/// let field = FieldShape { name: "sku".to_owned(), shape: ShapeDef::Text };
/// assert_eq!(field.to_string(), "sku: text");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FieldShape {
    /// Its name; the position as a number in tuple structs.
    pub name: String,
    /// What it holds.
    pub shape: ShapeDef,
}

/// A variant of an enum.
///
/// ```
/// use tamarack_codec::VariantShape;
/// let open = VariantShape { name: "Open".to_owned(), tag: 0, fields: Vec::new() };
/// assert_eq!(open.to_string(), "Open = 0");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct VariantShape {
    /// Its name.
    pub name: String,
    /// The number that is stored for it.
    pub tag: u32,
    /// Its fields.
    pub fields: Vec<FieldShape>,
}

macro_rules! descriptors {
    ($($(#[$doc:meta])* $name:ident = $code:literal $text:literal;)*) => {
        /// What a key part or a field looks like.
        ///
        /// ```
        /// use tamarack_codec::{KeyPart, ShapeDef};
        /// let shape = <(u32, Option<String>)>::describe();
        /// assert_eq!(shape.to_string(), "(u32, option<text>)");
        /// assert_eq!(ShapeDef::from_bytes(&shape.to_bytes()), Ok(shape));
        /// ```
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum ShapeDef {
            $($(#[$doc])* $name,)*
            /// A value or nothing.
            Option(Box<Self>),
            /// A list.
            List(Box<Self>),
            /// A set, in order.
            Set(Box<Self>),
            /// A map, in order of its keys.
            Map(Box<Self>, Box<Self>),
            /// An array of so many.
            Array(Box<Self>, u64),
            /// A tuple.
            Tuple(Vec<Self>),
            /// A descending key part.
            Desc(Box<Self>),
            /// A struct: its name and fields.
            Struct(String, Vec<FieldShape>),
            /// An enum: its name, the bytes of its tag in a key (0: a varint, in a row), its variants.
            Enum(String, u8, Vec<VariantShape>),
            /// In the place of a type that holds itself: who does. No catalog holds it.
            #[doc(hidden)]
            Endless(String),
        }

        impl ShapeDef {
            /// The number of a kind that holds nothing else.
            fn plain_code(&self) -> Option<(u8, &'static str)> {
                match self {
                    $(Self::$name => Some(($code, $text)),)*
                    _ => None,
                }
            }

            fn plain(code: u8) -> Option<Self> {
                match code {
                    $($code => Some(Self::$name),)*
                    _ => None,
                }
            }
        }
    };
}

descriptors! {
    /// `bool`.
    Bool = 1 "bool";
    /// `char`.
    Char = 2 "char";
    /// `u8`.
    U8 = 3 "u8";
    /// `u16`.
    U16 = 4 "u16";
    /// `u32`.
    U32 = 5 "u32";
    /// `u64`.
    U64 = 6 "u64";
    /// `u128`.
    U128 = 7 "u128";
    /// `i8`.
    I8 = 8 "i8";
    /// `i16`.
    I16 = 9 "i16";
    /// `i32`.
    I32 = 10 "i32";
    /// `i64`.
    I64 = 11 "i64";
    /// `i128`.
    I128 = 12 "i128";
    /// `f32` in a row.
    F32 = 13 "f32";
    /// `f64` in a row.
    F64 = 14 "f64";
    /// `Total<f32>`.
    Total32 = 15 "total f32";
    /// `Total<f64>`.
    Total64 = 16 "total f64";
    /// `Finite<f32>`.
    Finite32 = 17 "finite f32";
    /// `Finite<f64>`.
    Finite64 = 18 "finite f64";
    /// `Compact<u64>`.
    CompactU64 = 19 "compact u64";
    /// `Compact<i64>`.
    CompactI64 = 20 "compact i64";
    /// Text, UTF-8.
    Text = 21 "text";
    /// Bytes.
    Bytes = 22 "bytes";
    /// An IPv4 address.
    Ipv4 = 23 "ipv4";
    /// An IPv6 address.
    Ipv6 = 24 "ipv6";
    /// An address of either kind.
    Ip = 25 "ip";
    /// A UUID.
    Uuid = 26 "uuid";
    /// Microseconds since 1970.
    Timestamp = 27 "timestamp";
    /// Seconds since 1970 and nanoseconds.
    Instant = 28 "instant";
    /// A span: seconds and nanoseconds.
    Duration = 29 "duration";
    /// The number of a record.
    Id = 30 "id";
    /// `usize` in a row: eight bytes.
    Size = 31 "size";
    /// bincode 2 bytes of a type that only the program knows.
    Opaque = 32 "bincode";
}

const OPTION: u8 = 64;
const LIST: u8 = 65;
const SET: u8 = 66;
const MAP: u8 = 67;
const ARRAY: u8 = 68;
const TUPLE: u8 = 69;
const DESC: u8 = 70;
const STRUCT: u8 = 71;
const ENUM: u8 = 72;
/// No kind: what reads it fails.
const NONE: u8 = 0;

fn fields(of: Vec<(&str, ShapeDef)>) -> Vec<FieldShape> {
    of.into_iter().map(|(name, shape)| FieldShape { name: name.to_owned(), shape }).collect()
}

/// Variants as the constructors take them: name, tag, fields.
type Variants<'a> = Vec<(&'a str, u32, Vec<(&'a str, ShapeDef)>)>;

impl ShapeDef {
    /// A struct.
    #[must_use]
    pub fn structure(name: &str, of: Vec<(&str, Self)>) -> Self {
        Self::Struct(name.to_owned(), fields(of))
    }

    /// An enum in a row.
    #[must_use]
    pub fn enumeration(name: &str, variants: Variants<'_>) -> Self {
        Self::key_enumeration(name, 0, variants)
    }

    /// An enum in a key, with a tag of one or two bytes.
    #[must_use]
    pub fn key_enumeration(name: &str, tag_width: u8, variants: Variants<'_>) -> Self {
        let variant = |(name, tag, of): (&str, _, _)| VariantShape { name: name.to_owned(), tag, fields: fields(of) };
        Self::Enum(name.to_owned(), tag_width, variants.into_iter().map(variant).collect())
    }

    /// The descriptor as bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.write(&mut out);
        out
    }

    /// Appends the descriptor as bytes.
    pub fn write(&self, out: &mut Vec<u8>) {
        if let Some((code, _)) = self.plain_code() {
            out.push(code);
            return;
        }
        match self {
            Self::Option(of) => of.write_after(OPTION, out),
            Self::List(of) => of.write_after(LIST, out),
            Self::Set(of) => of.write_after(SET, out),
            Self::Desc(of) => of.write_after(DESC, out),
            Self::Map(key, value) => {
                key.write_after(MAP, out);
                value.write(out);
            }
            Self::Array(of, len) => {
                of.write_after(ARRAY, out);
                varint::put(*len, out);
            }
            Self::Tuple(of) => {
                out.push(TUPLE);
                varint::put(of.len() as u64, out);
                of.iter().for_each(|part| part.write(out));
            }
            Self::Struct(name, fields) => {
                out.push(STRUCT);
                write_text(name, out);
                write_fields(fields, out);
            }
            Self::Enum(name, tag_width, variants) => {
                out.push(ENUM);
                write_text(name, out);
                out.push(*tag_width);
                varint::put(variants.len() as u64, out);
                for variant in variants {
                    write_text(&variant.name, out);
                    varint::put(u64::from(variant.tag), out);
                    write_fields(&variant.fields, out);
                }
            }
            // What is plain is written above.
            _ => out.push(NONE),
        }
    }

    fn write_after(&self, code: u8, out: &mut Vec<u8>) {
        out.push(code);
        self.write(out);
    }

    /// Why no catalog can hold this descriptor, if it is so: its bytes could not be read again. Cost: a look at each of its parts.
    ///
    /// ```
    /// use tamarack_codec::ShapeDef;
    /// let nested = |depth| (1..depth).fold(ShapeDef::U8, |of, _| ShapeDef::List(Box::new(of)));
    /// assert_eq!(nested(64).fault(), None);
    /// assert!(nested(65).fault().is_some_and(|why| why.contains("nests deeper than 64")));
    /// ```
    #[must_use]
    pub fn fault(&self) -> Option<String> {
        self.fault_at(DEEPEST)
    }

    fn fault_at(&self, depth: u32) -> Option<String> {
        let Some(depth) = depth.checked_sub(1) else {
            return Some(format!("its type nests deeper than {DEEPEST}, which the file cannot describe"));
        };
        let fields = |fields: &[FieldShape]| fields.iter().find_map(|field| field.shape.fault_at(depth));
        match self {
            Self::Endless(who) => {
                Some(format!("{who}: its shape would have no end; keep the inner ones in a table of their own"))
            }
            Self::Option(of) | Self::List(of) | Self::Set(of) | Self::Desc(of) | Self::Array(of, _) => {
                of.fault_at(depth)
            }
            Self::Map(key, value) => key.fault_at(depth).or_else(|| value.fault_at(depth)),
            Self::Tuple(of) => of.iter().find_map(|part| part.fault_at(depth)),
            Self::Struct(_, of) => fields(of),
            Self::Enum(_, _, variants) => variants.iter().find_map(|variant| fields(&variant.fields)),
            _ => None,
        }
    }

    /// Reads a descriptor that fills `bytes`.
    ///
    /// # Errors
    /// The bytes are not a descriptor, or nest deeper than 64.
    pub fn from_bytes(mut bytes: &[u8]) -> Result<Self, DecodeError> {
        let out = Self::read(&mut bytes)?;
        if bytes.is_empty() { Ok(out) } else { Err(DecodeError::new("bytes remain behind a descriptor")) }
    }

    /// Takes a descriptor off the front of `input`.
    ///
    /// # Errors
    /// The bytes are not a descriptor, or nest deeper than 64.
    pub fn read(input: &mut &[u8]) -> Result<Self, DecodeError> {
        Self::read_at(input, DEEPEST)
    }

    fn read_at(input: &mut &[u8], depth: u32) -> Result<Self, DecodeError> {
        let depth = depth.checked_sub(1).ok_or_else(|| DecodeError::new("a descriptor nests too deep"))?;
        let [code] = take_array(input, "a descriptor")?;
        if let Some(plain) = Self::plain(code) {
            return Ok(plain);
        }
        let nested = |input: &mut &[u8]| Self::read_at(input, depth).map(Box::new);
        Ok(match code {
            OPTION => Self::Option(nested(input)?),
            LIST => Self::List(nested(input)?),
            SET => Self::Set(nested(input)?),
            DESC => Self::Desc(nested(input)?),
            MAP => Self::Map(nested(input)?, nested(input)?),
            ARRAY => Self::Array(nested(input)?, varint::take(input)?),
            TUPLE => Self::Tuple(read_list(input, |input| Self::read_at(input, depth))?),
            STRUCT => Self::Struct(read_text(input)?, read_fields(input, depth)?),
            ENUM => {
                let name = read_text(input)?;
                let [tag_width @ 0..=2] = take_array(input, "the width of a tag")? else {
                    return Err(DecodeError::new("the width of a tag is 0, 1 or 2"));
                };
                let variants = read_list(input, |input| {
                    let name = read_text(input)?;
                    let tag =
                        u32::try_from(varint::take(input)?).map_err(|_| DecodeError::new("a tag above 32 bits"))?;
                    Ok(VariantShape { name, tag, fields: read_fields(input, depth)? })
                })?;
                Self::Enum(name, tag_width, variants)
            }
            other => return Err(DecodeError::byte("the kind of a descriptor", other)),
        })
    }
}

fn write_text(text: &str, out: &mut Vec<u8>) {
    varint::put(text.len() as u64, out);
    out.extend_from_slice(text.as_bytes());
}

fn write_fields(fields: &[FieldShape], out: &mut Vec<u8>) {
    varint::put(fields.len() as u64, out);
    for field in fields {
        write_text(&field.name, out);
        field.shape.write(out);
    }
}

fn read_text(input: &mut &[u8]) -> Result<String, DecodeError> {
    let len = varint::take_len(input)?;
    let bytes = take(input, len, "a name")?;
    str::from_utf8(bytes).map(str::to_owned).map_err(|_| DecodeError::new("a name that is not UTF-8"))
}

fn read_fields(input: &mut &[u8], depth: u32) -> Result<Vec<FieldShape>, DecodeError> {
    read_list(input, |input| Ok(FieldShape { name: read_text(input)?, shape: ShapeDef::read_at(input, depth)? }))
}

/// Each element takes at least one byte, so the count is bounded by the input (I36).
fn read_list<T>(
    input: &mut &[u8],
    mut read: impl FnMut(&mut &[u8]) -> Result<T, DecodeError>,
) -> Result<Vec<T>, DecodeError> {
    (0..varint::take_len(input)?).map(|_| read(input)).collect()
}

struct Joined<'a, T>(&'a [T]);

impl<T: fmt::Display> fmt::Display for Joined<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, item) in self.0.iter().enumerate() {
            let comma = if at == 0 { "" } else { ", " };
            write!(f, "{comma}{item}")?;
        }
        Ok(())
    }
}

impl fmt::Display for FieldShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.shape)
    }
}

impl fmt::Display for VariantShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {}", self.name, self.tag)?;
        if self.fields.is_empty() { Ok(()) } else { write!(f, " {{ {} }}", Joined(&self.fields)) }
    }
}

impl fmt::Display for ShapeDef {
    /// The canonical text, from which fingerprints are made.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((_, text)) = self.plain_code() {
            return f.write_str(text);
        }
        match self {
            Self::Option(of) => write!(f, "option<{of}>"),
            Self::List(of) => write!(f, "list<{of}>"),
            Self::Set(of) => write!(f, "set<{of}>"),
            Self::Map(key, value) => write!(f, "map<{key}, {value}>"),
            Self::Array(of, len) => write!(f, "[{of}; {len}]"),
            Self::Tuple(of) => write!(f, "({})", Joined(of)),
            Self::Desc(of) => write!(f, "desc {of}"),
            Self::Struct(name, fields) => write!(f, "struct {name} {{ {} }}", Joined(fields)),
            Self::Enum(name, 2, variants) => write!(f, "wide enum {name} {{ {} }}", Joined(variants)),
            Self::Enum(name, _, variants) => write!(f, "enum {name} {{ {} }}", Joined(variants)),
            Self::Endless(who) => write!(f, "endless {who}"),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> ShapeDef {
        ShapeDef::structure(
            "Order",
            vec![
                ("lines", ShapeDef::List(Box::new(ShapeDef::structure("Line", vec![("sku", ShapeDef::Text)])))),
                (
                    "state",
                    ShapeDef::enumeration("State", vec![("Open", 0, vec![]), ("Sent", 7, vec![("0", ShapeDef::U8)])]),
                ),
                ("tags", ShapeDef::Map(Box::new(ShapeDef::Text), Box::new(ShapeDef::Set(Box::new(ShapeDef::I64))))),
                (
                    "place",
                    ShapeDef::Array(Box::new(ShapeDef::Desc(Box::new(ShapeDef::Option(Box::new(ShapeDef::Ip))))), 2),
                ),
            ],
        )
    }

    #[test]
    fn text_and_bytes() {
        let shape = sample();
        assert_eq!(
            shape.to_string(),
            "struct Order { lines: list<struct Line { sku: text }>, state: enum State { Open = 0, Sent = 7 { 0: u8 } }, \
             tags: map<text, set<i64>>, place: [desc option<ip>; 2] }"
        );
        assert_eq!(ShapeDef::from_bytes(&shape.to_bytes()), Ok(shape));
        for code in 0..=255 {
            if let Some(plain) = ShapeDef::plain(code) {
                assert_eq!(plain.to_bytes(), [code]);
                assert_eq!(ShapeDef::from_bytes(&[code]), Ok(plain));
            }
        }
    }

    #[test]
    fn enums_of_keys_and_rows_read_differently() {
        let variants = || vec![("A", 0, vec![]), ("B", 300, vec![("x", ShapeDef::U8), ("y", ShapeDef::Text)])];
        let text = "enum E { A = 0, B = 300 { x: u8, y: text } }";
        for (width, prefix) in [(0, ""), (1, ""), (2, "wide ")] {
            let shape = ShapeDef::key_enumeration("E", width, variants());
            assert_eq!(shape.to_string(), format!("{prefix}{text}"));
            assert_eq!(ShapeDef::from_bytes(&shape.to_bytes()), Ok(shape));
        }
        assert_eq!(ShapeDef::enumeration("E", variants()), ShapeDef::key_enumeration("E", 0, variants()));
        let wider = ShapeDef::key_enumeration("E", 3, variants());
        assert!(ShapeDef::from_bytes(&wider.to_bytes()).is_err());
        for tuple in [ShapeDef::Tuple(vec![]), ShapeDef::Tuple(vec![ShapeDef::U8, sample()])] {
            assert_eq!(ShapeDef::from_bytes(&tuple.to_bytes()), Ok(tuple));
        }
        assert_eq!(ShapeDef::Tuple(vec![]).to_string(), "()");
        assert_eq!(ShapeDef::Tuple(vec![ShapeDef::U8, ShapeDef::Text]).to_string(), "(u8, text)");
        // No file has it, but its fingerprint is asked for before it is refused: those of two such types differ.
        assert_eq!(ShapeDef::Endless("`A` holds itself".to_owned()).to_string(), "endless `A` holds itself");
    }

    #[test]
    fn descriptors_nest_64_deep() {
        let deep = |depth: usize| [vec![LIST; depth - 1], vec![ShapeDef::U8.to_bytes()[0]]].concat();
        assert!(ShapeDef::from_bytes(&deep(64)).is_ok());
        assert!(ShapeDef::from_bytes(&deep(65)).is_err());
        let kinds: [fn(ShapeDef) -> ShapeDef; 7] = [
            |of| ShapeDef::List(Box::new(of)),
            |of| ShapeDef::Array(Box::new(of), 2),
            |of| ShapeDef::Map(Box::new(of), Box::new(ShapeDef::U8)),
            |of| ShapeDef::Map(Box::new(ShapeDef::U8), Box::new(of)),
            |of| ShapeDef::Tuple(vec![ShapeDef::U8, of]),
            |of| ShapeDef::structure("S", vec![("a", ShapeDef::U8), ("b", of)]),
            |of| ShapeDef::enumeration("E", vec![("A", 0, vec![]), ("B", 1, vec![("b", of)])]),
        ];
        for kind in kinds {
            let deep = |depth: usize| (1..depth).fold(ShapeDef::U8, |of, _| kind(of));
            assert!(deep(64).fault().is_none() && ShapeDef::from_bytes(&deep(64).to_bytes()).is_ok());
            assert!(deep(65).fault().is_some() && ShapeDef::from_bytes(&deep(65).to_bytes()).is_err());
        }
        assert!(ShapeDef::from_bytes(&[3, 3]).is_err(), "a byte remains");
    }

    #[test]
    fn hostile_bytes_end_in_an_answer() {
        let bytes = sample().to_bytes();
        for at in 0..bytes.len() {
            for value in 0..=255 {
                let mut changed = bytes.clone();
                changed[at] = value;
                if let Ok(read) = ShapeDef::from_bytes(&changed) {
                    assert!(read.to_bytes().len() <= changed.len());
                }
            }
            assert!(ShapeDef::from_bytes(&bytes[..at]).is_err());
        }
        assert!(ShapeDef::from_bytes(&[OPTION; 1000]).is_err(), "nesting is bounded");
    }
}
