//! Opaque fields: the only module that knows bincode. The bytes are bincode 2's `standard()` configuration; another crate that writes
//! the same bytes can take its place here.

use crate::error::{DecodeError, EncodeError};
use bincode::config::{Configuration, standard};
use bincode::enc::write::Writer;
use bincode::error::EncodeError as BincodeError;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// No value reads more than this. Collections reserve memory before their elements are read: serde's own bound holds, one MiB each.
const LIMIT: usize = 1 << 30;

const CONFIG: Configuration<bincode::config::LittleEndian, bincode::config::Varint, bincode::config::Limit<LIMIT>> =
    standard().with_limit::<LIMIT>();

struct Append<'a>(&'a mut Vec<u8>);

impl Writer for Append<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), BincodeError> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}

pub(super) fn encode<T: Serialize>(value: &T, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    bincode::serde::encode_into_writer(value, Append(out), standard())
        .map_err(|error| EncodeError::new(format!("bincode cannot store the value: {error}")))
}

pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, DecodeError> {
    let (value, used) = bincode::serde::decode_from_slice(bytes, CONFIG)
        .map_err(|error| DecodeError::new(format!("bincode cannot read the value: {error}")))?;
    if used == bytes.len() {
        Ok(value)
    } else {
        Err(DecodeError::new(format!("{} bytes remain behind a bincode value", bytes.len() - used)))
    }
}
