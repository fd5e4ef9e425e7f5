//! Writes bodies from sorted keys and values.

use super::{Even, HAS_OVERFLOW, HEAD, HEADER, INFINITE, OVERFLOW, SLOT, Value, head_of};

/// A key in two pieces: what the old node kept as prefix, and the rest.
pub(super) type Key<'a> = (&'a [u8], &'a [u8]);

/// A key without its first `skip` bytes, still in two pieces.
pub(super) fn skip<'a>((a, b): Key<'a>, skip: usize) -> Key<'a> {
    match a.get(skip..) {
        Some(rest) => (rest, b),
        None => (&[], b.get(skip - a.len()..).unwrap_or_default()),
    }
}

pub(super) fn common_prefix(a: &[u8], b: &[u8]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

/// What all keys between two fences begin with.
pub(super) fn prefix_len(lower: &[u8], upper: Option<&[u8]>) -> usize {
    upper.map_or(0, |upper| common_prefix(lower, upper))
}

/// Length of a body with these fences, `count` keys and so many bytes in the heaps.
pub(super) fn body_size(lower: &[u8], upper: Option<&[u8]>, count: usize, heaps: usize) -> usize {
    HEADER + count * (HEAD + SLOT) + lower.len() + upper.map_or(0, <[u8]>::len) + heaps
}

/// The fixed part of a body.
pub(super) struct Frame<'a> {
    pub(super) level: u8,
    pub(super) lower: &'a [u8],
    pub(super) upper: Option<&'a [u8]>,
    pub(super) count: usize,
    pub(super) keys: usize,
    pub(super) values: usize,
    pub(super) garbage: usize,
    pub(super) has_overflow: bool,
    pub(super) even: Option<Even>,
}

impl Frame<'_> {
    /// Writes header and fences; returns where the key heap begins.
    pub(super) fn write(&self, out: &mut [u8]) -> usize {
        let prefix = prefix_len(self.lower, self.upper);
        let upper = self.upper.unwrap_or_default();
        let infinite = if self.upper.is_none() { INFINITE } else { 0 };
        out[0] = self.level;
        out[1] = infinite | if self.has_overflow { HAS_OVERFLOW } else { 0 };
        for (at, number) in [(2, prefix), (4, self.count), (6, self.lower.len()), (8, upper.len())] {
            out[at..at + 2].copy_from_slice(&(number as u16).to_le_bytes());
        }
        let size = out.len();
        for (at, number) in [(12, size), (16, self.keys), (20, self.values), (24, self.garbage)] {
            out[at..at + 4].copy_from_slice(&(number as u32).to_le_bytes());
        }
        write_even(out, self.even);
        let fences = HEADER + self.count * (HEAD + SLOT);
        let middle = fences + self.lower.len();
        out[fences..middle].copy_from_slice(self.lower);
        out[middle..middle + upper.len()].copy_from_slice(upper);
        middle + upper.len()
    }
}

/// Writes whether a body is even.
fn write_even(out: &mut [u8], even: Option<Even>) {
    let (key, value) = even.map_or((0, 0), |even| (1 + even.key, even.value));
    out[10..12].copy_from_slice(&(key as u16).to_le_bytes());
    out[28..32].copy_from_slice(&(value as u32).to_le_bytes());
}

/// Writes slot `i` of `count`.
pub(super) fn write_slot(out: &mut [u8], count: usize, i: usize, head: u32, slot: [u16; 4]) {
    let at = HEADER + i * HEAD;
    out[at..at + HEAD].copy_from_slice(&head.to_le_bytes());
    let at = HEADER + count * HEAD + i * SLOT;
    for (j, number) in slot.into_iter().enumerate() {
        out[at + 2 * j..at + 2 * j + 2].copy_from_slice(&number.to_le_bytes());
    }
}

/// Writes a whole body. `out` has exactly the length that `body_size` gives; `keys` are sorted and complete.
pub(super) fn write_body<'k>(
    out: &mut [u8],
    level: u8,
    lower: &[u8],
    upper: Option<&[u8]>,
    count: usize,
    keys_len: usize,
    entries: impl Iterator<Item = (Key<'k>, Value<'k>)>,
) {
    let prefix = prefix_len(lower, upper);
    let values_len = out.len() - body_size(lower, upper, count, keys_len);
    let (garbage, even) = (0, None);
    let mut frame =
        Frame { level, lower, upper, count, keys: keys_len, values: values_len, garbage, has_overflow: false, even };
    let key_heap = frame.write(out);
    let value_heap = key_heap + keys_len;
    let (mut key_at, mut value_at) = (0, 0);
    for (i, (key, value)) in entries.enumerate() {
        let (a, b) = skip(key, prefix);
        let start = key_heap + key_at;
        out[start..start + a.len()].copy_from_slice(a);
        out[start + a.len()..start + a.len() + b.len()].copy_from_slice(b);
        let key_len = a.len() + b.len();
        let head = head_of(&out[start..start + key_len]);
        let bytes = value.bytes();
        out[value_heap + value_at..value_heap + value_at + bytes.len()].copy_from_slice(bytes);
        let flag = if matches!(value, Value::Overflow(_)) { OVERFLOW } else { 0 };
        frame.has_overflow |= flag != 0;
        write_slot(out, count, i, head, [key_at as u16, key_len as u16 | flag, value_at as u16, bytes.len() as u16]);
        let even = Even::of(key_len, value);
        frame.even = if i == 0 { even } else { frame.even.filter(|_| even == frame.even) };
        key_at += key_len;
        value_at += bytes.len();
    }
    if frame.has_overflow {
        out[1] |= HAS_OVERFLOW;
    }
    write_even(out, frame.even);
}
