//! The hot write path: a few edits to a leaf that still fits copy the old body in blocks instead of entry by entry.
//!
//! An even body stays even if what is put fits: its heaps are copied in blocks as well, and keep their order. In any other, new keys and values go to the
//! ends of their heaps; what is replaced or removed becomes garbage, until it is a quarter of the body and the leaf is written anew.

use super::encode::{Frame, body_size};
use super::leaf::{Edit, suffix_of};
use super::{Body, Even, HEAD, HEADER, OVERFLOW, SLOT, Value, head_of, u16_at};
use crate::tree::node::encode::write_slot;

/// More edits than this are merged entry by entry.
const MOST_EDITS: usize = 8;

/// One edit, placed.
#[derive(Clone, Copy)]
struct Step<'a> {
    /// Slot of the old body that it stands before, or takes the place of.
    at: usize,
    replaces: bool,
    put: Option<(&'a [u8], Value<'a>)>,
}

/// A planned splice.
pub(super) struct Splice<'a> {
    old: Body<'a>,
    steps: Vec<Step<'a>>,
    count: usize,
    /// Bytes added to the heaps.
    keys: usize,
    values: usize,
    garbage: usize,
    /// What the new body is, if it is even.
    even: Option<Even>,
}

impl<'a> Splice<'a> {
    /// Plans a splice. `None` if the leaf must be written anew.
    pub(super) fn plan(
        old: Body<'a>,
        edits: &[Edit<'a>],
        places: &[Result<usize, usize>],
        target: usize,
    ) -> Option<Self> {
        if edits.len() > MOST_EDITS || old.len() == 0 {
            return None;
        }
        let prefix = old.prefix().len();
        let mut splice = Self {
            old,
            steps: Vec::with_capacity(edits.len()),
            count: old.len(),
            keys: 0,
            values: 0,
            garbage: old.garbage(),
            even: old.even,
        };
        for (edit, place) in edits.iter().zip(places) {
            let (Ok(at) | Err(at)) = *place;
            if place.is_ok() {
                splice.garbage += old.value(at).bytes().len();
            }
            let put = match *edit {
                Edit::Put { key, value } => {
                    splice.values += value.bytes().len();
                    splice.even = splice.even.filter(|&even| Even::of(key.len() - prefix, value) == Some(even));
                    if place.is_err() {
                        splice.keys += key.len() - prefix;
                        splice.count += 1;
                    }
                    Some((key, value))
                }
                Edit::Delete { .. } if place.is_ok() => {
                    splice.garbage += old.suffix(at).len();
                    splice.count -= 1;
                    None
                }
                Edit::Delete { .. } => continue,
            };
            splice.steps.push(Step { at, replaces: place.is_ok(), put });
        }
        splice.even = splice.even.filter(|_| splice.count > 0);
        if splice.even.is_some() {
            splice.garbage = 0;
        }
        let size = splice.size();
        (size <= target && splice.garbage * 4 <= size).then_some(splice)
    }

    /// Length of the new body.
    pub(super) fn size(&self) -> usize {
        let heaps = match self.even {
            Some(even) => self.count * (even.key + even.value),
            None => self.old.key_heap().len() + self.old.value_heap().len() + self.keys + self.values,
        };
        body_size(self.old.lower(), self.old.upper(), self.count, heaps)
    }

    /// Writes the new body.
    pub(super) fn write(&self, out: &mut [u8]) {
        match self.even {
            Some(even) => self.write_even(out, even),
            None => self.write_appended(out),
        }
    }

    fn write_even(&self, out: &mut [u8], even: Even) {
        let old = self.old;
        let frame = Frame {
            level: 0,
            lower: old.lower(),
            upper: old.upper(),
            count: self.count,
            keys: self.count * even.key,
            values: self.count * even.value,
            garbage: 0,
            has_overflow: false,
            even: Some(even),
        };
        let key_heap = frame.write(out);
        let value_heap = key_heap + frame.keys;
        let (old_keys, old_values) = (old.key_heap(), old.value_heap());
        let copy = |out: &mut [u8], from: usize, until: usize, to: usize| {
            let heads = old.heads[from..until].as_flattened();
            out[HEADER + to * HEAD..][..heads.len()].copy_from_slice(heads);
            let keys = &old_keys[from * even.key..until * even.key];
            out[key_heap + to * even.key..][..keys.len()].copy_from_slice(keys);
            let values = &old_values[from * even.value..until * even.value];
            out[value_heap + to * even.value..][..values.len()].copy_from_slice(values);
            to + until - from
        };
        let (mut from, mut to) = (0, 0);
        for step in &self.steps {
            to = copy(out, from, step.at, to);
            from = step.at + usize::from(step.replaces);
            let Some((key, value)) = step.put else { continue };
            let suffix = suffix_of(key, old.prefix().len());
            out[HEADER + to * HEAD..][..HEAD].copy_from_slice(&head_of(suffix).to_le_bytes());
            out[key_heap + to * even.key..][..even.key].copy_from_slice(suffix);
            out[value_heap + to * even.value..][..even.value].copy_from_slice(value.bytes());
            to += 1;
        }
        copy(out, from, old.len(), to);
        write_even_slots(out, self.count, even);
    }

    fn write_appended(&self, out: &mut [u8]) {
        let old = self.old;
        let (old_keys, old_values) = (old.key_heap(), old.value_heap());
        let added_overflow = self.steps.iter().any(|step| matches!(step.put, Some((_, Value::Overflow(_)))));
        let frame = Frame {
            level: 0,
            lower: old.lower(),
            upper: old.upper(),
            count: self.count,
            keys: old_keys.len() + self.keys,
            values: old_values.len() + self.values,
            garbage: self.garbage,
            has_overflow: old.has_overflow() || added_overflow,
            even: None,
        };
        let key_heap = frame.write(out);
        let value_heap = key_heap + frame.keys;
        out[key_heap..key_heap + old_keys.len()].copy_from_slice(old_keys);
        out[value_heap..value_heap + old_values.len()].copy_from_slice(old_values);
        let (mut key_at, mut value_at) = (old_keys.len(), old_values.len());
        let (mut from, mut to) = (0, 0);
        for step in &self.steps {
            to = self.copy_slots(out, from, step.at, to);
            from = step.at + usize::from(step.replaces);
            let Some((key, value)) = step.put else { continue };
            let bytes = value.bytes();
            out[value_heap + value_at..value_heap + value_at + bytes.len()].copy_from_slice(bytes);
            let suffix = suffix_of(key, old.prefix().len());
            let (offset, len) = if step.replaces {
                let slot = &old.slots[step.at];
                (u16_at(slot, 0), u16_at(slot, 2) & !usize::from(OVERFLOW))
            } else {
                out[key_heap + key_at..key_heap + key_at + suffix.len()].copy_from_slice(suffix);
                key_at += suffix.len();
                (key_at - suffix.len(), suffix.len())
            };
            let flag = if matches!(value, Value::Overflow(_)) { OVERFLOW } else { 0 };
            let slot = [offset as u16, len as u16 | flag, value_at as u16, bytes.len() as u16];
            write_slot(out, self.count, to, head_of(suffix), slot);
            value_at += bytes.len();
            to += 1;
        }
        self.copy_slots(out, from, old.len(), to);
    }

    /// Copies heads and slots `from..until` of the old body to place `to` of the new one.
    fn copy_slots(&self, out: &mut [u8], from: usize, until: usize, to: usize) -> usize {
        let count = until - from;
        let heads = self.old.heads[from..until].as_flattened();
        let at = HEADER + to * HEAD;
        out[at..at + heads.len()].copy_from_slice(heads);
        let slots = self.old.slots[from..until].as_flattened();
        let at = HEADER + self.count * HEAD + to * SLOT;
        out[at..at + slots.len()].copy_from_slice(slots);
        to + count
    }
}

/// Writes all slots of an even body.
fn write_even_slots(out: &mut [u8], count: usize, even: Even) {
    let slots = &mut out[HEADER + count * HEAD..][..count * SLOT];
    // Four numbers of 16 bits, added to at once: no place in a body needs more.
    let lengths = ((even.key as u64) << 16) | ((even.value as u64) << 48);
    let stride = even.key as u64 | ((even.value as u64) << 32);
    let mut slot = lengths;
    for out in slots.as_chunks_mut::<SLOT>().0 {
        *out = slot.to_le_bytes();
        slot = slot.wrapping_add(stride);
    }
}
