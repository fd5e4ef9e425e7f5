//! Opaque fields: the only module that knows bincode. The bytes are bincode 2's `standard()` configuration; another crate that writes
//! the same bytes can take its place here.

use super::positional::Traced;
use super::trace::Trace;
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

/// Where bytes go, if anywhere, and what adds them up.
struct Sink<'a> {
    out: Option<&'a mut Vec<u8>>,
    trace: &'a Trace,
}

impl Writer for Sink<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), BincodeError> {
        self.trace.bytes(bytes);
        if let Some(out) = &mut self.out {
            out.extend_from_slice(bytes);
        }
        Ok(())
    }
}

fn write<T: Serialize>(value: &T, out: Option<&mut Vec<u8>>) -> Result<Trace, EncodeError> {
    let trace = Trace::default();
    bincode::serde::encode_into_writer(Traced(value, &trace), Sink { out, trace: &trace }, standard())
        .map_err(refused)?;
    Ok(trace)
}

/// Serde lets a type write what it cannot read from bincode, and a row that cannot be read cannot be removed either: so what was written
/// is read here, before anybody counts on it, and has to be what would be written again.
pub(super) fn encode<T: Serialize + DeserializeOwned>(value: &T, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    let start = out.len();
    let first = write(value, Some(out))?;
    let (read, used) =
        read::<T>(out.get(start..).unwrap_or_default()).map_err(|error| unreadable(&error, first.skipped()))?;
    if used == first.len() && write(&read, None)?.is_like(&first) { Ok(()) } else { Err(other(first.skipped())) }
}

fn refused(error: BincodeError) -> EncodeError {
    let why = if let BincodeError::OtherString(why) = error { why } else { error.to_string() };
    EncodeError::new(format!("bincode cannot store the value: {why}"))
}

fn other(skipped: Option<&str>) -> EncodeError {
    let why = skipped.map_or_else(
        || {
            "its `Serialize` and its `Deserialize` do not agree in their fields and variants, \
             as with `skip` of a variant before others or with `skip_serializing_if`"
                .to_owned()
        },
        left_out,
    );
    EncodeError::new(format!(
        "bincode would read another value than the one that is written, so it is not stored: {why}"
    ))
}

fn left_out(name: &str) -> String {
    format!("it leaves out the field `{name}` (`skip_serializing_if`), and bincode knows fields by their place alone")
}

fn unreadable(error: &Unreadable, skipped: Option<&str>) -> EncodeError {
    let mut why = match error {
        Unreadable::OtherString(why) => why.clone(),
        Unreadable::Serde(Unsupported::AnyNotSupported) => {
            "its `Deserialize` asks what stands there, as for `#[serde(untagged)]`, and bincode does not know"
                .to_owned()
        }
        other => other.to_string(),
    };
    if let Some(name) = skipped {
        why = format!("{why}; {}", left_out(name));
    }
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
