//! Option, lists, sets, maps, arrays, boxes.

use super::Shape;
use super::fields::{sized, variable};
use crate::error::DecodeError;
use crate::key::array;
use crate::key_buf::{take, take_array};
use crate::shape_def::ShapeDef;
use crate::varint;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::hash::{BuildHasher, Hash};

/// Appends one element of a container: as it is if its width is fixed, else with its length. An element without width takes one byte, so
/// that a count never promises more elements than there are bytes (I36).
fn encode_item<T: Shape>(item: &T, out: &mut Vec<u8>) {
    match T::FIXED {
        Some(0) => out.push(0),
        Some(_) => item.encode(out),
        None => sized(out, |out| item.encode(out)),
    }
}

fn decode_item<T: Shape>(input: &mut &[u8]) -> Result<T, DecodeError> {
    match T::FIXED {
        Some(0) => match take_array(input, "an element")? {
            [0] => T::decode(input),
            [other] => Err(DecodeError::byte("00 for an element without content", other)),
        },
        Some(_) => T::decode(input),
        None => variable(input),
    }
}

/// Appends a count and elements.
pub(super) fn encode_items<'a, T: Shape + 'a>(len: usize, items: impl Iterator<Item = &'a T>, out: &mut Vec<u8>) {
    varint::put(len as u64, out);
    items.for_each(|item| encode_item(item, out));
}

/// Takes a count and elements. The vector grows with what was really read.
pub(super) fn decode_items<T: Shape>(input: &mut &[u8]) -> Result<Vec<T>, DecodeError> {
    let count = varint::take_len(input)?;
    let mut out = Vec::with_capacity(count.min(input.len() / T::FIXED.unwrap_or(1).max(size_of::<T>()).max(1)));
    for _ in 0..count {
        out.push(decode_item(input)?);
    }
    Ok(out)
}

impl<T: Shape> Shape for Vec<T> {
    const FIXED: Option<usize> = None;

    fn encode(&self, out: &mut Vec<u8>) {
        T::encode_list(self, out);
    }

    fn decode(input: &mut &[u8]) -> Result<Self, DecodeError> {
        T::decode_list(input)
    }

    fn describe() -> ShapeDef {
        T::describe_list()
    }
}

impl<T: Shape> Shape for VecDeque<T> {
    const FIXED: Option<usize> = None;

    fn encode(&self, out: &mut Vec<u8>) {
        encode_items(self.len(), self.iter(), out);
    }

    fn decode(input: &mut &[u8]) -> Result<Self, DecodeError> {
        decode_items(input).map(Self::from)
    }

    fn describe() -> ShapeDef {
        ShapeDef::List(Box::new(T::describe()))
    }
}

impl<T: Shape> Shape for Option<T> {
    const FIXED: Option<usize> = match T::FIXED {
        Some(width) => Some(width + 1),
        None => None,
    };

    fn encode(&self, out: &mut Vec<u8>) {
        out.push(u8::from(self.is_some()));
        match (self, T::FIXED) {
            (Some(value), _) => value.encode(out),
            (None, Some(width)) => out.resize(out.len() + width, 0),
            (None, None) => {}
        }
    }

    fn decode(input: &mut &[u8]) -> Result<Self, DecodeError> {
        match take_array(input, "an option")? {
            [0] => match take(input, T::FIXED.unwrap_or(0), "an option")?.iter().find(|&&byte| byte != 0) {
                Some(&byte) => Err(DecodeError::byte("zeros behind None", byte)),
                None => Ok(None),
            },
            [1] => T::decode(input).map(Some),
            [other] => Err(DecodeError::byte("00 for None or 01 for Some", other)),
        }
    }

    fn describe() -> ShapeDef {
        ShapeDef::Option(Box::new(T::describe()))
    }
}

impl<T: Shape> Shape for Box<T> {
    const FIXED: Option<usize> = T::FIXED;

    fn encode(&self, out: &mut Vec<u8>) {
        (**self).encode(out);
    }

    fn decode(input: &mut &[u8]) -> Result<Self, DecodeError> {
        T::decode(input).map(Self::new)
    }

    fn describe() -> ShapeDef {
        T::describe()
    }
}

impl<T: Shape, const N: usize> Shape for [T; N] {
    const FIXED: Option<usize> = match T::FIXED {
        Some(width) => Some(width * N),
        None if N == 0 => Some(0),
        None => None,
    };

    fn encode(&self, out: &mut Vec<u8>) {
        match T::FIXED {
            Some(_) => self.iter().for_each(|item| item.encode(out)),
            None => self.iter().for_each(|item| encode_item(item, out)),
        }
    }

    fn decode(input: &mut &[u8]) -> Result<Self, DecodeError> {
        match T::FIXED {
            Some(_) => array(|_| T::decode(input)),
            None => array(|_| decode_item(input)),
        }
    }

    fn describe() -> ShapeDef {
        ShapeDef::Array(Box::new(T::describe()), N as u64)
    }
}

/// Sets are stored in order, each element once.
fn decode_set<T: Shape + Ord>(input: &mut &[u8]) -> Result<Vec<T>, DecodeError> {
    let items = decode_items::<T>(input)?;
    if items.is_sorted_by(|a, b| a < b) {
        Ok(items)
    } else {
        Err(DecodeError::new("the elements of a set are out of order"))
    }
}

impl<T: Shape + Ord> Shape for BTreeSet<T> {
    const FIXED: Option<usize> = None;

    fn encode(&self, out: &mut Vec<u8>) {
        encode_items(self.len(), self.iter(), out);
    }

    fn decode(input: &mut &[u8]) -> Result<Self, DecodeError> {
        decode_set(input).map(|items| items.into_iter().collect())
    }

    fn describe() -> ShapeDef {
        ShapeDef::Set(Box::new(T::describe()))
    }
}

impl<T: Shape + Ord + Hash, S: BuildHasher + Default> Shape for HashSet<T, S> {
    const FIXED: Option<usize> = None;

    fn encode(&self, out: &mut Vec<u8>) {
        let sorted: BTreeSet<&T> = self.iter().collect();
        encode_items(sorted.len(), sorted.into_iter(), out);
    }

    fn decode(input: &mut &[u8]) -> Result<Self, DecodeError> {
        decode_set(input).map(|items| items.into_iter().collect())
    }

    fn describe() -> ShapeDef {
        ShapeDef::Set(Box::new(T::describe()))
    }
}

fn encode_map<'a, K: Shape + 'a, V: Shape + 'a>(
    len: usize,
    entries: impl Iterator<Item = (&'a K, &'a V)>,
    out: &mut Vec<u8>,
) {
    varint::put(len as u64, out);
    for (key, value) in entries {
        encode_item(key, out);
        encode_item(value, out);
    }
}

fn decode_map<K: Shape + Ord, V: Shape>(input: &mut &[u8]) -> Result<Vec<(K, V)>, DecodeError> {
    let mut out = Vec::<(K, V)>::new();
    for _ in 0..varint::take_len(input)? {
        let key = decode_item(input)?;
        if out.last().is_some_and(|(last, _)| *last >= key) {
            return Err(DecodeError::new("the keys of a map are out of order"));
        }
        out.push((key, decode_item(input)?));
    }
    Ok(out)
}

impl<K: Shape + Ord, V: Shape> Shape for BTreeMap<K, V> {
    const FIXED: Option<usize> = None;

    fn encode(&self, out: &mut Vec<u8>) {
        encode_map(self.len(), self.iter(), out);
    }

    fn decode(input: &mut &[u8]) -> Result<Self, DecodeError> {
        decode_map(input).map(|entries| entries.into_iter().collect())
    }

    fn describe() -> ShapeDef {
        ShapeDef::Map(Box::new(K::describe()), Box::new(V::describe()))
    }
}

impl<K: Shape + Ord + Hash, V: Shape, S: BuildHasher + Default> Shape for HashMap<K, V, S> {
    const FIXED: Option<usize> = None;

    fn encode(&self, out: &mut Vec<u8>) {
        let sorted: BTreeMap<&K, &V> = self.iter().collect();
        encode_map(sorted.len(), sorted.into_iter(), out);
    }

    fn decode(input: &mut &[u8]) -> Result<Self, DecodeError> {
        decode_map(input).map(|entries| entries.into_iter().collect())
    }

    fn describe() -> ShapeDef {
        ShapeDef::Map(Box::new(K::describe()), Box::new(V::describe()))
    }
}
