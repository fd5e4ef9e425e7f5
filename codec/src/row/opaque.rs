//! Opaque fields: the only module that knows bincode. The bytes are bincode 2's `standard()` configuration; another crate that writes
//! the same bytes can take its place here.

use super::positional::Whole;
use crate::error::{DecodeError, EncodeError};
use bincode::config::{Configuration, standard};
use bincode::enc::write::Writer;
use bincode::error::{DecodeError as Unreadable, EncodeError as BincodeError};
use bincode::serde::DecodeError as Unsupported;
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

/// Counts what would be written.
struct Count<'a>(&'a mut usize);

impl Writer for Count<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), BincodeError> {
        *self.0 += bytes.len();
        Ok(())
    }
}

/// Serde lets a type write what it cannot read from bincode, and a row that cannot be read cannot be removed either: so what was written
/// is read here, before anybody counts on it.
pub(super) fn encode<T: Serialize + DeserializeOwned>(value: &T, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    let start = out.len();
    bincode::serde::encode_into_writer(Whole(value), Append(out), standard()).map_err(refused)?;
    let written = out.get(start..).unwrap_or_default();
    let (read, used) = read::<T>(written).map_err(|error| unreadable(&error))?;
    // A map that was read is in an order of its own: other bytes, but as many.
    let mut again = 0;
    bincode::serde::encode_into_writer(&read, Count(&mut again), standard()).map_err(refused)?;
    if used == written.len() && again == used {
        Ok(())
    } else {
        Err(EncodeError::new(
            "bincode would read another value than the one that is written, so it is not stored: \
             its `Serialize` and its `Deserialize` do not have the same fields",
        ))
    }
}

fn refused(error: BincodeError) -> EncodeError {
    let why = if let BincodeError::OtherString(why) = error { why } else { error.to_string() };
    EncodeError::new(format!("bincode cannot store the value: {why}"))
}

fn unreadable(error: &Unreadable) -> EncodeError {
    let why = match error {
        Unreadable::OtherString(why) => why.clone(),
        Unreadable::Serde(Unsupported::AnyNotSupported) => {
            "its `Deserialize` asks what stands there, as for `#[serde(untagged)]`, and bincode does not know"
                .to_owned()
        }
        other => other.to_string(),
    };
    EncodeError::new(format!("bincode could not read the value again, so it is not stored: {why}"))
}

fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<(T, usize), Unreadable> {
    bincode::serde::decode_from_slice(bytes, CONFIG)
}

pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, DecodeError> {
    let (value, used) =
        read(bytes).map_err(|error| DecodeError::new(format!("bincode cannot read the value: {error}")))?;
    if used == bytes.len() {
        Ok(value)
    } else {
        Err(DecodeError::new(format!("{} bytes remain behind a bincode value", bytes.len() - used)))
    }
}
