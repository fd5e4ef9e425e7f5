//! Validates a body that comes from disk, once, so that nobody needs to check it again (I32, I36).

use super::encode::prefix_len;
use super::{Body, HAS_OVERFLOW, HEAD, HEADER, INFINITE, MAX_BODY, OVERFLOW, SLOT, Value, head_of, u16_at, u32_at};
use std::fmt;

/// Why bytes are not a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed(&'static str);

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "its body is malformed: {}", self.0)
    }
}

impl<'a> Body<'a> {
    /// Checks everything that the accessors rely on, and that keys are sorted and within the fences (I9).
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let Some(header) = bytes.first_chunk::<HEADER>() else { return Err(Malformed("too short")) };
        let count = u16_at(header, 4);
        let (lower, upper) = (u16_at(header, 6), u16_at(header, 8));
        let (keys, values) = (u32_at(header, 16), u32_at(header, 20));
        let size = HEADER + count * (HEAD + SLOT) + lower + upper + keys + values;
        if bytes.len() > MAX_BODY || size != bytes.len() || u32_at(header, 12) != size {
            return Err(Malformed("its lengths do not add up"));
        }
        if header[1] & !(INFINITE | HAS_OVERFLOW) != 0 || (u16_at(header, 10) == 0 && u32_at(header, 28) != 0) {
            return Err(Malformed("a reserved field is set"));
        }
        if header[1] & INFINITE != 0 && upper != 0 {
            return Err(Malformed("an infinite fence has a length"));
        }
        if u16_at(header, 2) > lower {
            return Err(Malformed("the prefix is longer than a fence"));
        }
        let body = Self::trusted(bytes);
        if body.upper().is_some_and(|upper| upper <= body.lower()) {
            return Err(Malformed("the fences are out of order"));
        }
        if body.prefix().len() != prefix_len(body.lower(), body.upper()) {
            return Err(Malformed("the prefix is not that of the fences"));
        }
        body.check_even(keys, values)?;
        body.check_slots(keys, values)?;
        body.check_order()?;
        Ok(body)
    }

    /// A body that is said to be even is: its keys and values are found without its slots.
    fn check_even(&self, keys: usize, values: usize) -> Result<(), Malformed> {
        let Some(even) = self.even else { return Ok(()) };
        let count = self.len();
        if count == 0 || count.checked_mul(even.key) != Some(keys) || count.checked_mul(even.value) != Some(values) {
            return Err(Malformed("it is said to be even, and its heaps are not"));
        }
        let placed = |(i, slot): (usize, &[u8; SLOT])| {
            u16_at(slot, 0) == i * even.key
                && u16_at(slot, 2) == even.key
                && u16_at(slot, 4) == i * even.value
                && u16_at(slot, 6) == even.value
        };
        if self.slots.iter().enumerate().all(placed) {
            Ok(())
        } else {
            Err(Malformed("it is said to be even, and its slots are not"))
        }
    }

    fn check_slots(&self, keys: usize, values: usize) -> Result<(), Malformed> {
        let mut used = 0;
        for (i, slot) in self.slots.iter().enumerate() {
            let key_len = u16_at(slot, 2) & !usize::from(OVERFLOW);
            if u16_at(slot, 0) + key_len > keys || u16_at(slot, 4) + u16_at(slot, 6) > values {
                return Err(Malformed("a slot points outside its heap"));
            }
            if self.level() > 0 && (u16_at(slot, 6) != 0 || u16_at(slot, 2) & usize::from(OVERFLOW) != 0) {
                return Err(Malformed("a separator has a value"));
            }
            if matches!(self.value(i), Value::Overflow(_)) && !self.has_overflow() {
                return Err(Malformed("an overflow value that the flags deny"));
            }
            if self.head(i) != head_of(self.suffix(i)) {
                return Err(Malformed("a head is not that of its key"));
            }
            used += key_len + u16_at(slot, 6);
        }
        // Places may be shared by nobody: what is used and what is not make up the heaps.
        if used + self.garbage() != keys + values {
            return Err(Malformed("its heaps do not add up"));
        }
        Ok(())
    }

    fn check_order(&self) -> Result<(), Malformed> {
        if (1..self.len()).any(|i| self.suffix(i - 1) >= self.suffix(i)) {
            return Err(Malformed("keys are out of order"));
        }
        let whole = |i: usize| [self.prefix(), self.suffix(i)].concat();
        if let Some(last) = self.len().checked_sub(1) {
            let first = whole(0);
            let below =
                if self.level() == 0 { first.as_slice() < self.lower() } else { first.as_slice() <= self.lower() };
            if below || self.upper().is_some_and(|upper| whole(last).as_slice() >= upper) {
                return Err(Malformed("a key lies outside the fences"));
            }
        }
        Ok(())
    }
}
