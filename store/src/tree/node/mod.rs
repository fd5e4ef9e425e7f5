//! Node bodies: immutable byte strings, the same in memory and on disk. Pure and safe code.
//!
//! All numbers are little-endian. A body is at most 65,472 bytes long.
//!
//! | bytes | field |
//! |---|---|
//! | 0 | level: 0 for leaves |
//! | 1 | flags: bit 0, the upper fence is infinite; bit 1, some values are overflow references |
//! | 2..4 | length of the prefix that all keys share: the common prefix of the fences, 0 if the upper one is infinite |
//! | 4..6 | n: number of entries, or of separators |
//! | 6..8 | length of the lower fence |
//! | 8..10 | length of the upper fence |
//! | 10..12 | even bodies: 1 + the length of every key behind the prefix; others: 0 |
//! | 12..16 | length of the body |
//! | 16..20 | length of the key heap |
//! | 20..24 | length of the value heap |
//! | 24..28 | bytes in both heaps that no slot names any more |
//! | 28..32 | even bodies: the length of every value; others: 0 |
//! | 4 n | heads: the first four bytes of each key behind the prefix, as a big-endian number, zero-padded |
//! | 8 n | slots: key offset (u16, in the key heap), key length (u16, bit 15: the value is an overflow reference), value offset (u16), value length (u16) |
//! | … | lower fence, upper fence, key heap (keys without the prefix), value heap |
//!
//! Keys are sorted by slot, not by place. Fences: lower inclusive, upper exclusive (I9). An inner node has n separators, without values, and n + 1 children,
//! whose words are kept elsewhere; child i covers the keys from separator i - 1 to separator i.
//! A body is *even* if its keys behind the prefix have one length, its values have one length, none of them is a reference, and both heaps hold
//! them in the order of the slots and nothing else. Keys and values of such a body are found by their number alone, without a look at
//! the slots, which lie far from the heads: one wait for memory less in a get.
//! Heads apart from keys and values, after the prefix is cut: Graefe, "Modern B-Tree Techniques" (2011), section 3.5; Wang and others,
//! "B-Trees Are Back" (SIGMOD 2025).
#![expect(
    clippy::indexing_slicing,
    reason = "bodies are validated by `parse` before anything else looks at them, or built here"
)]

mod encode;
mod inner;
mod leaf;
mod parse;
mod splice;
#[cfg(test)]
mod tests;

pub(crate) use inner::{InnerPlan, KeyList, plan_inner};
pub(crate) use leaf::{Edit, LeafPlan, Sizes, empty_leaf, merge_leaves, pack_leaves, plan_leaf};

use std::cmp::Ordering;

pub(super) const HEADER: usize = 32;
const HEAD: usize = 4;
const SLOT: usize = 8;
const INFINITE: u8 = 1;
const HAS_OVERFLOW: u8 = 2;
const OVERFLOW: u16 = 1 << 15;
/// Bodies are at most this long, so that heap offsets fit a slot.
pub(crate) const MAX_BODY: usize = 65_472;

/// What a leaf stores under a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    /// The value.
    Inline(&'a [u8]),
    /// Where the value is.
    Overflow(&'a [u8]),
}

impl<'a> Value<'a> {
    /// The value, or where it is.
    #[inline]
    pub(crate) fn bytes(self) -> &'a [u8] {
        match self {
            Self::Inline(bytes) | Self::Overflow(bytes) => bytes,
        }
    }
}

/// Where a body holds a value, so that it is found again without a look at the body's header: from the lowest bit on, its first byte
/// (32 bits), its length (16), whether it is a reference. One word, as it is handed on with each step of a scan: a struct that is
/// written in parts and read as a whole stalls the processor.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ValuePlace(u64);

impl ValuePlace {
    #[inline]
    fn new(start: usize, len: usize, overflow: bool) -> Self {
        debug_assert!(start + len <= MAX_BODY, "outside of any body");
        Self(start as u64 | (len as u64) << 32 | u64::from(overflow) << 48)
    }

    /// The value, in the bytes of the body that named the place.
    #[inline]
    pub(crate) fn of(self, body: &[u8]) -> Value<'_> {
        let bytes = &body[self.0 as u32 as usize..][..usize::from((self.0 >> 32) as u16)];
        if self.is_overflow() { Value::Overflow(bytes) } else { Value::Inline(bytes) }
    }

    /// Whether only a reference to the value is there.
    #[inline]
    pub(crate) fn is_overflow(self) -> bool {
        self.0 >> 48 != 0
    }
}

/// A view of a body.
#[derive(Clone, Copy)]
pub(crate) struct Body<'a> {
    bytes: &'a [u8],
    heads: &'a [[u8; HEAD]],
    slots: &'a [[u8; SLOT]],
    /// Fences and heaps.
    rest: &'a [u8],
    lower: usize,
    upper: usize,
    prefix: usize,
    keys: usize,
    even: Option<Even>,
}

/// The one length of all keys behind the prefix, and that of all values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Even {
    key: usize,
    value: usize,
}

impl Even {
    /// What an entry says about all, if all are like it.
    fn of(key: usize, value: Value<'_>) -> Option<Self> {
        let inline = matches!(value, Value::Inline(_));
        inline.then(|| Self { key, value: value.bytes().len() })
    }
}

fn u16_at(bytes: &[u8], at: usize) -> usize {
    usize::from(u16::from_le_bytes([bytes[at], bytes[at + 1]]))
}

fn u32_at(bytes: &[u8], at: usize) -> usize {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]) as usize
}

/// The first four bytes of a key behind the prefix.
fn head_of(suffix: &[u8]) -> u32 {
    match suffix.first_chunk::<4>() {
        Some(head) => u32::from_be_bytes(*head),
        None => {
            let mut head = [0; 4];
            head[..suffix.len()].copy_from_slice(suffix);
            u32::from_be_bytes(head)
        }
    }
}

impl<'a> Body<'a> {
    /// A view of bytes that `parse` accepted or that were built here.
    #[inline]
    pub(crate) fn trusted(bytes: &'a [u8]) -> Self {
        let header: &[u8; HEADER] = match bytes.first_chunk() {
            Some(header) => header,
            None => return Self::none(),
        };
        let count = u16_at(header, 4);
        let Some((tables, rest)) = bytes[HEADER..].split_at_checked(count * (HEAD + SLOT)) else {
            return Self::none();
        };
        let (heads, slots) = tables.split_at(count * HEAD);
        Self {
            bytes,
            heads: heads.as_chunks().0,
            slots: slots.as_chunks().0,
            rest,
            lower: u16_at(header, 6),
            upper: u16_at(header, 8),
            prefix: u16_at(header, 2),
            keys: u32_at(header, 16),
            even: u16_at(header, 10).checked_sub(1).map(|key| Even { key, value: u32_at(header, 28) }),
        }
    }

    fn none() -> Self {
        let bytes = &[0; HEADER];
        Self { bytes, heads: &[], slots: &[], rest: &[], lower: 0, upper: 0, prefix: 0, keys: 0, even: None }
    }

    /// 0 for leaves.
    pub(crate) fn level(&self) -> u8 {
        self.bytes[0]
    }

    /// Number of entries, or of separators.
    pub(crate) fn len(&self) -> usize {
        self.heads.len()
    }

    /// Bytes in the heaps that no slot names.
    pub(crate) fn garbage(&self) -> usize {
        u32_at(self.bytes, 24)
    }

    /// Whether some values are overflow references.
    pub(crate) fn has_overflow(&self) -> bool {
        self.bytes[1] & HAS_OVERFLOW != 0
    }

    /// The lower fence: no key is below it.
    pub(crate) fn lower(&self) -> &'a [u8] {
        &self.rest[..self.lower]
    }

    /// The upper fence: all keys are below it. `None`: no bound.
    pub(crate) fn upper(&self) -> Option<&'a [u8]> {
        (self.bytes[1] & INFINITE == 0).then(|| &self.rest[self.lower..self.lower + self.upper])
    }

    /// What all keys begin with.
    #[inline]
    pub(crate) fn prefix(&self) -> &'a [u8] {
        &self.rest[..self.prefix]
    }

    fn key_heap(&self) -> &'a [u8] {
        &self.rest[self.lower + self.upper..][..self.keys]
    }

    fn value_heap(&self) -> &'a [u8] {
        &self.rest[self.lower + self.upper + self.keys..]
    }

    #[inline]
    fn head(&self, i: usize) -> u32 {
        u32::from_le_bytes(self.heads[i])
    }

    /// Key `i` without the prefix.
    #[inline]
    pub(crate) fn suffix(&self, i: usize) -> &'a [u8] {
        let heap = self.lower + self.upper;
        if let Some(even) = self.even {
            return &self.rest[heap + i * even.key..][..even.key];
        }
        let slot = &self.slots[i];
        &self.rest[heap + u16_at(slot, 0)..][..u16_at(slot, 2) & !usize::from(OVERFLOW)]
    }

    /// Puts key `i` into `out`, replacing what was there.
    pub(crate) fn key_into(&self, i: usize, out: &mut Vec<u8>) {
        out.clear();
        out.extend_from_slice(self.prefix());
        out.extend_from_slice(self.suffix(i));
    }

    /// Value `i`.
    #[inline]
    pub(crate) fn value(&self, i: usize) -> Value<'a> {
        self.value_place(i).of(self.bytes)
    }

    /// Where value `i` lies.
    #[inline]
    pub(crate) fn value_place(&self, i: usize) -> ValuePlace {
        let heap = self.bytes.len() - self.rest.len() + self.lower + self.upper + self.keys;
        let (offset, len, overflow) = match self.even {
            Some(even) => (i * even.value, even.value, false),
            None => {
                let slot = &self.slots[i];
                (u16_at(slot, 4), u16_at(slot, 6), u16_at(slot, 2) & usize::from(OVERFLOW) != 0)
            }
        };
        ValuePlace::new(heap + offset, len, overflow)
    }

    /// Where a key is, or where it would be.
    #[inline]
    pub(crate) fn find(&self, key: &[u8]) -> Result<usize, usize> {
        let prefix = self.prefix();
        match key.strip_prefix(prefix) {
            Some(suffix) => self.find_suffix(suffix),
            None => Err(if key < prefix { 0 } else { self.len() }),
        }
    }

    /// The same for a key within the fences, or at the upper one: it begins with the prefix, which therefore need not be looked at.
    #[inline]
    pub(crate) fn find_inside(&self, key: &[u8]) -> Result<usize, usize> {
        debug_assert!(key.starts_with(self.prefix()), "a key outside the fences");
        self.find_suffix(key.get(self.prefix..).unwrap_or_default())
    }

    #[inline]
    fn find_suffix(&self, suffix: &[u8]) -> Result<usize, usize> {
        self.find_suffix_near(suffix, |_, _| ())
    }

    /// The same; `near` is told early where the place will be, as a rule: at this entry or up to so many behind it.
    #[inline]
    fn find_suffix_near(&self, suffix: &[u8], near: impl FnOnce(usize, usize)) -> Result<usize, usize> {
        let head = head_of(suffix);
        let at = first_not_below(self.heads, head, near);
        if self.heads.get(at).is_none_or(|found| u32::from_le_bytes(*found) != head) {
            return Err(at);
        }
        match self.suffix(at).cmp(suffix) {
            Ordering::Less => self.find_among_equals(at + 1, head, suffix),
            Ordering::Equal => Ok(at),
            Ordering::Greater => Err(at),
        }
    }

    /// Goes on from `from` among keys whose heads are the same.
    fn find_among_equals(&self, from: usize, head: u32, suffix: &[u8]) -> Result<usize, usize> {
        let rest = &self.heads[from..];
        let equals = head.checked_add(1).map_or(rest.len(), |above| first_not_below(rest, above, |_, _| ()));
        let (mut low, mut high) = (from, from + equals);
        while low < high {
            let middle = usize::midpoint(low, high);
            match self.suffix(middle).cmp(suffix) {
                Ordering::Less => low = middle + 1,
                Ordering::Greater => high = middle,
                Ordering::Equal => return Ok(middle),
            }
        }
        Err(low)
    }

    /// Number of separators that are not above the key: the child to go on with. The key lies within the fences, or at the upper one.
    #[inline]
    pub(crate) fn child_index(&self, key: &[u8]) -> usize {
        self.child_index_near(key, |_, _| ())
    }

    /// The same; `near` is told early where it will be, as a rule: this child, or up to so many behind it. So their words are on their way from
    /// memory while the last keys are compared.
    #[inline]
    pub(crate) fn child_index_near(&self, key: &[u8], near: impl FnOnce(usize, usize)) -> usize {
        debug_assert!(key.starts_with(self.prefix()), "a key outside the fences");
        match self.find_suffix_near(key.get(self.prefix..).unwrap_or_default(), near) {
            Ok(i) => i + 1,
            Err(i) => i,
        }
    }
}

/// Number of heads below one, where heads ascend. Halving without branches narrows to a few cache lines, all of which are then
/// compared, several with one instruction: a branch in every step would be guessed wrong every other time.
#[inline]
fn first_not_below(heads: &[[u8; HEAD]], head: u32, near: impl FnOnce(usize, usize)) -> usize {
    const AT_ONCE: usize = 32;
    let below = |at: &[u8; HEAD]| u32::from_le_bytes(*at) < head;
    let (mut start, mut len) = (0, heads.len());
    while len > AT_ONCE {
        let half = len / 2;
        // Either the first half is below, or what is behind its end is not and is looked at only for its length.
        start = std::hint::select_unpredictable(below(&heads[start + half - 1]), start + half, start);
        len -= half;
    }
    near(start, len);
    start + heads[start..start + len].iter().map(|at| u32::from(below(at))).sum::<u32>() as usize
}
