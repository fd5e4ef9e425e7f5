//! A byte buffer for keys that stays off the heap while it is short.

use crate::error::DecodeError;
use std::fmt;
use std::ops::Deref;

/// Bytes that a [`KeyBuf`] holds without allocating.
const INLINE: usize = 120;

/// A growing byte buffer for encoded keys: the first 120 bytes lie inside it, more go to the heap.
///
/// ```
/// use tamarack_codec::KeyBuf;
/// let mut key = KeyBuf::new();
/// key.extend_from_slice(b"oslo");
/// key.push(0);
/// assert_eq!(&key[..], b"oslo\0");
/// ```
#[derive(Clone)]
pub struct KeyBuf {
    len: usize,
    inline: [u8; INLINE],
    /// Holds everything once it is not empty.
    heap: Vec<u8>,
}

impl KeyBuf {
    /// An empty buffer. Does not allocate.
    #[must_use]
    pub const fn new() -> Self {
        Self { len: 0, inline: [0; INLINE], heap: Vec::new() }
    }

    /// Number of bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The bytes.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        if self.heap.is_empty() { self.inline.get(..self.len).unwrap_or_default() } else { &self.heap }
    }

    fn as_mut_slice(&mut self) -> &mut [u8] {
        if self.heap.is_empty() { self.inline.get_mut(..self.len).unwrap_or_default() } else { &mut self.heap }
    }

    /// Appends one byte.
    pub fn push(&mut self, byte: u8) {
        self.extend_from_slice(&[byte]);
    }

    /// Appends bytes.
    pub fn extend_from_slice(&mut self, bytes: &[u8]) {
        let end = self.len + bytes.len();
        if self.heap.is_empty() {
            if let Some(free) = self.inline.get_mut(self.len..end) {
                free.copy_from_slice(bytes);
                self.len = end;
                return;
            }
            self.heap.reserve(end.max(2 * INLINE));
            self.heap.extend_from_slice(self.inline.get(..self.len).unwrap_or_default());
        }
        self.heap.extend_from_slice(bytes);
        self.len = end;
    }

    /// Removes all bytes.
    pub fn clear(&mut self) {
        self.truncate(0);
    }

    /// Keeps the first `len` bytes; more than there are keeps all.
    pub fn truncate(&mut self, len: usize) {
        if len >= self.len {
            return;
        }
        if !self.heap.is_empty() {
            self.heap.truncate(len);
            if let (Some(to), Some(from)) = (self.inline.get_mut(..len), self.heap.get(..len)) {
                to.copy_from_slice(from);
                self.heap.clear();
            }
        }
        self.len = len;
    }

    /// Replaces every byte from `start` on by its complement, which reverses their order.
    pub fn complement_from(&mut self, start: usize) {
        for byte in self.as_mut_slice().get_mut(start..).unwrap_or_default() {
            *byte = !*byte;
        }
    }

    /// Appends the one-byte tag of an enum's variant.
    pub fn tag8(&mut self, tag: u8) {
        self.push(tag);
    }

    /// Appends the two-byte tag of an enum's variant.
    pub fn tag16(&mut self, tag: u16) {
        self.extend_from_slice(&tag.to_be_bytes());
    }

    /// Takes a one-byte tag off the front of `input`.
    ///
    /// # Errors
    /// The input is empty.
    pub fn take_tag8(input: &mut &[u8]) -> Result<u8, DecodeError> {
        take_array::<1>(input, "the tag of an enum").map(|[tag]| tag)
    }

    /// Takes a two-byte tag off the front of `input`.
    ///
    /// # Errors
    /// The input has less than two bytes.
    pub fn take_tag16(input: &mut &[u8]) -> Result<u16, DecodeError> {
        take_array(input, "the tag of an enum").map(u16::from_be_bytes)
    }

    /// The sum of widths, if all are known. For the `FIXED` of structs and tuples.
    #[must_use]
    pub const fn sum(widths: &[Option<usize>]) -> Option<usize> {
        let mut rest = widths;
        let mut sum = 0;
        while let [first, tail @ ..] = rest {
            match first {
                Some(width) => sum += *width,
                None => return None,
            }
            rest = tail;
        }
        Some(sum)
    }

    /// The one width that all have, if they do. For the `FIXED` of enums.
    #[must_use]
    pub const fn same(widths: &[Option<usize>]) -> Option<usize> {
        let [Some(first), rest @ ..] = widths else { return None };
        let mut rest = rest;
        while let [width, tail @ ..] = rest {
            match width {
                Some(width) if *width == *first => rest = tail,
                _ => return None,
            }
        }
        Some(*first)
    }
}

/// Takes `N` bytes off the front of `input`.
pub(crate) fn take_array<const N: usize>(input: &mut &[u8], expected: &'static str) -> Result<[u8; N], DecodeError> {
    let Some((head, tail)) = input.split_first_chunk::<N>() else {
        return Err(DecodeError::short(expected, N, input.len()));
    };
    *input = tail;
    Ok(*head)
}

/// Takes `len` bytes off the front of `input`.
pub(crate) fn take<'a>(input: &mut &'a [u8], len: usize, expected: &'static str) -> Result<&'a [u8], DecodeError> {
    let Some((head, tail)) = input.split_at_checked(len) else {
        return Err(DecodeError::short(expected, len, input.len()));
    };
    *input = tail;
    Ok(head)
}

impl Default for KeyBuf {
    fn default() -> Self {
        Self::new()
    }
}

impl Deref for KeyBuf {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.as_slice()
    }
}

impl AsRef<[u8]> for KeyBuf {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl From<&[u8]> for KeyBuf {
    fn from(bytes: &[u8]) -> Self {
        let mut out = Self::new();
        out.extend_from_slice(bytes);
        out
    }
}

impl PartialEq for KeyBuf {
    fn eq(&self, other: &Self) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl Eq for KeyBuf {}

impl fmt::Debug for KeyBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_over_the_inline_part_and_back() {
        let mut buf = KeyBuf::new();
        let mut model = Vec::new();
        for step in 0..300_u32 {
            let byte = (step % 251) as u8;
            buf.push(byte);
            model.push(byte);
            assert_eq!(buf.as_slice(), model);
        }
        for len in [299, 200, 121, 120, 119, 3, 0] {
            buf.truncate(len);
            model.truncate(len);
            assert_eq!(buf.as_slice(), model);
            let mut grown = buf.clone();
            grown.extend_from_slice(&[7; 130]);
            assert_eq!(grown.len(), len + 130);
            assert_eq!(&grown[..len], model);
        }
    }

    #[test]
    fn contents_are_compared_and_shown() {
        let (mut one, mut other) = (KeyBuf::from(&[1; 121][..]), KeyBuf::from(&[1][..]));
        assert!(one != other && !one.is_empty());
        one.truncate(1);
        assert!(one == other, "what had been on the heap is equal too");
        assert_eq!(<KeyBuf as AsRef<[u8]>>::as_ref(&KeyBuf::from(&[3, 4][..])), [3, 4]);
        one.complement_from(0);
        other.tag16(0x0203);
        other.tag8(4);
        assert_eq!(format!("{one:?} {other:?}"), "fe 01020304");
        one.clear();
        assert!(one.is_empty() && one == KeyBuf::default());
        let mut long = KeyBuf::from(&[7; 200][..]);
        long.complement_from(199);
        assert_eq!(long.as_slice()[198..], [7, !7]);
    }

    #[test]
    fn tags_are_taken() {
        let mut input = &[1, 2, 3, 4][..];
        assert_eq!((KeyBuf::take_tag16(&mut input), KeyBuf::take_tag8(&mut input)), (Ok(0x0102), Ok(3)));
        assert!(KeyBuf::take_tag16(&mut input).is_err());
        assert_eq!((KeyBuf::take_tag8(&mut input), input), (Ok(4), &[][..]));
        assert!(KeyBuf::take_tag8(&mut input).is_err());
    }

    #[test]
    fn widths() {
        assert_eq!(KeyBuf::sum(&[Some(1), Some(8)]), Some(9));
        assert_eq!(KeyBuf::sum(&[Some(1), None]), None);
        assert_eq!(KeyBuf::same(&[Some(1), Some(1)]), Some(1));
        assert_eq!(KeyBuf::same(&[Some(1), Some(2)]), None);
        assert_eq!(KeyBuf::same(&[]), None);
    }
}
