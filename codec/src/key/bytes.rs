//! Text and bytes: 00 becomes 01 00, 01 becomes 01 01, then 00; raw where they end the stored key.

use super::KeyPart;
use crate::error::DecodeError;
use crate::key_buf::{KeyBuf, take_array};
use crate::shape_def::ShapeDef;
use std::mem;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Appends bytes with every 00 and 01 escaped, without a terminator.
pub(super) fn escape(bytes: &[u8], out: &mut KeyBuf) {
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|&byte| byte <= 1) {
        let (plain, tail) = rest.split_at(at);
        out.extend_from_slice(plain);
        if let [byte, tail @ ..] = tail {
            out.extend_from_slice(&[1, *byte]);
            rest = tail;
        }
    }
    out.extend_from_slice(rest);
}

/// Appends the encoding of bytes.
pub(super) fn encode(bytes: &[u8], out: &mut KeyBuf, last: bool) {
    if last {
        out.extend_from_slice(bytes);
    } else {
        escape(bytes, out);
        out.push(0);
    }
}

/// Takes the encoding of bytes off the front.
pub(super) fn decode(input: &mut &[u8], last: bool) -> Result<Vec<u8>, DecodeError> {
    if last {
        return Ok(mem::take(input).to_vec());
    }
    let mut out = Vec::new();
    loop {
        let special = input.iter().position(|&byte| byte <= 1);
        let at = special.ok_or_else(|| DecodeError::new("text or bytes without the 00 that ends them"))?;
        let (plain, tail) = input.split_at(at);
        out.extend_from_slice(plain);
        match tail {
            [0, rest @ ..] => {
                *input = rest;
                return Ok(out);
            }
            [1, byte @ (0 | 1), rest @ ..] => {
                out.push(*byte);
                *input = rest;
            }
            _ => return Err(DecodeError::new("in text or bytes, 01 stands only before 00 and 01")),
        }
    }
}

/// Passes over the encoding of bytes.
pub(super) fn skip(input: &mut &[u8]) -> Result<(), DecodeError> {
    // The 00 of an escape stands behind a 01; every other 00 is the end.
    let mut escaped = false;
    for (at, &byte) in input.iter().enumerate() {
        if escaped {
            escaped = false;
        } else if byte == 0 {
            *input = input.get(at + 1..).unwrap_or_default();
            return Ok(());
        } else {
            escaped = byte == 1;
        }
    }
    Err(DecodeError::new("text or bytes without the 00 that ends them"))
}

fn text(bytes: Vec<u8>) -> Result<String, DecodeError> {
    String::from_utf8(bytes)
        .map_err(|error| DecodeError::new(format!("text that is not UTF-8: {}", error.utf8_error())))
}

impl KeyPart for String {
    const FIXED: Option<usize> = None;

    fn encode(&self, out: &mut KeyBuf) {
        encode(self.as_bytes(), out, false);
    }

    fn encode_last(&self, out: &mut KeyBuf) {
        encode(self.as_bytes(), out, true);
    }

    fn decode(input: &mut &[u8]) -> Result<Self, DecodeError> {
        text(decode(input, false)?)
    }

    fn decode_last(input: &mut &[u8]) -> Result<Self, DecodeError> {
        text(decode(input, true)?)
    }

    fn describe() -> ShapeDef {
        ShapeDef::Text
    }

    fn skip(input: &mut &[u8]) -> Result<(), DecodeError> {
        skip(input)
    }
}

impl KeyPart for Box<str> {
    const FIXED: Option<usize> = None;

    fn encode(&self, out: &mut KeyBuf) {
        encode(self.as_bytes(), out, false);
    }

    fn encode_last(&self, out: &mut KeyBuf) {
        encode(self.as_bytes(), out, true);
    }

    fn decode(input: &mut &[u8]) -> Result<Self, DecodeError> {
        String::decode(input).map(Self::from)
    }

    fn decode_last(input: &mut &[u8]) -> Result<Self, DecodeError> {
        String::decode_last(input).map(Self::from)
    }

    fn describe() -> ShapeDef {
        ShapeDef::Text
    }

    fn skip(input: &mut &[u8]) -> Result<(), DecodeError> {
        skip(input)
    }
}

macro_rules! address {
    ($type:ty, $len:literal, $shape:ident) => {
        impl KeyPart for $type {
            const FIXED: Option<usize> = Some($len);

            fn encode(&self, out: &mut KeyBuf) {
                out.extend_from_slice(&self.octets());
            }

            fn decode(input: &mut &[u8]) -> Result<Self, DecodeError> {
                take_array::<$len>(input, stringify!($type)).map(Self::from)
            }

            fn describe() -> ShapeDef {
                ShapeDef::$shape
            }
        }
    };
}

address!(Ipv4Addr, 4, Ipv4);
address!(Ipv6Addr, 16, Ipv6);

impl KeyPart for IpAddr {
    const FIXED: Option<usize> = None;

    fn encode(&self, out: &mut KeyBuf) {
        match self {
            Self::V4(address) => {
                out.push(4);
                address.encode(out);
            }
            Self::V6(address) => {
                out.push(6);
                address.encode(out);
            }
        }
    }

    fn decode(input: &mut &[u8]) -> Result<Self, DecodeError> {
        match take_array(input, "IpAddr")? {
            [4] => Ipv4Addr::decode(input).map(Self::V4),
            [6] => Ipv6Addr::decode(input).map(Self::V6),
            [other] => Err(DecodeError::byte("04 or 06 before an address", other)),
        }
    }

    fn describe() -> ShapeDef {
        ShapeDef::Ip
    }
}
