//! What encoding and decoding can say when they fail.

use std::borrow::Cow;
use std::{error, fmt};

/// Bytes that are not what a type writes. Says what was expected and what was there, and in which field.
///
/// ```
/// use tamarack_codec::KeyPart;
/// let error = bool::decode(&mut &[7][..]).unwrap_err();
/// assert_eq!(error.to_string(), "expected a bool (00 or 01), found the byte 07");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecodeError {
    message: Cow<'static, str>,
    field: Option<&'static str>,
}

impl DecodeError {
    /// An error with a sentence, for key parts and shapes written by hand.
    #[must_use]
    pub fn new(message: impl Into<Cow<'static, str>>) -> Self {
        Self { message: message.into(), field: None }
    }

    /// An enum has no variant with this tag.
    #[must_use]
    pub fn tag(name: &'static str, tag: u32) -> Self {
        Self::new(format!("`{name}` has no variant with the tag {tag}"))
    }

    /// The input ended.
    pub(crate) fn short(expected: &'static str, want: usize, have: usize) -> Self {
        Self::new(format!("expected {expected}: {want} bytes, found {have}"))
    }

    /// A byte has a value that nothing writes.
    pub(crate) fn byte(expected: &'static str, found: u8) -> Self {
        Self::new(format!("expected {expected}, found the byte {found:02x}"))
    }

    /// Names the field in which this happened, unless an inner one is named already.
    #[must_use]
    pub fn in_field(mut self, name: &'static str) -> Self {
        self.field.get_or_insert(name);
        self
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.field {
            Some(field) => write!(f, "field `{field}`: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

impl error::Error for DecodeError {}

/// A value that cannot be stored: an opaque field whose `Serialize` failed, or that could not be read again.
///
/// ```
/// use tamarack_codec::EncodeError;
/// assert_eq!(EncodeError::new("no way").to_string(), "no way");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodeError {
    message: String,
}

impl EncodeError {
    /// An error with a sentence.
    #[must_use]
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into() }
    }
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl error::Error for EncodeError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_say_what_and_where() {
        assert_eq!(EncodeError::new("no way").to_string(), "no way");
        let plain = DecodeError::tag("State", 7);
        assert_eq!(plain.to_string(), "`State` has no variant with the tag 7");
        // The inner field stays.
        assert_eq!(plain.in_field("a").in_field("b").to_string(), "field `a`: `State` has no variant with the tag 7");
    }
}
