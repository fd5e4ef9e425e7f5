//! The algebra of key ranges: what a query over typed parts means in bytes.
//!
//! All rows under a fixed prefix P are `[P, successor(P))`. For a part behind it that does not end the stored key, an inclusive end takes
//! in everything that begins with the encoding; for a raw last part that would swallow longer text, so the bounds stay as given.

use crate::key::{KeyArg, KeyPart, PrefixArg};
use crate::key_buf::KeyBuf;
use std::ops::Bound;

/// The smallest key that is greater than every key with this prefix; `None` if there is none (the prefix is empty or all FF).
///
/// ```
/// use tamarack_codec::successor;
/// assert_eq!(&successor(&[1, 0xff]).unwrap()[..], [2]);
/// assert!(successor(&[0xff, 0xff]).is_none());
/// ```
#[must_use]
pub fn successor(prefix: &[u8]) -> Option<KeyBuf> {
    let at = prefix.iter().rposition(|&byte| byte != 0xFF)?;
    let (head, tail) = prefix.split_at(at);
    let mut out = KeyBuf::from(head);
    out.push(tail.first()?.wrapping_add(1));
    Some(out)
}

/// A range of stored keys.
///
/// ```
/// use tamarack_codec::KeyRange;
/// let range = KeyRange::prefix(b"os");
/// assert!(range.contains(b"oslo") && !range.contains(b"ot"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRange {
    /// Where it starts.
    pub start: Bound<KeyBuf>,
    /// Where it ends.
    pub end: Bound<KeyBuf>,
}

/// How a part lies in the stored key.
///
/// ```
/// use tamarack_codec::{Desc, PartPlace};
/// assert_eq!(PartPlace::of::<Desc<u8>>(true), PartPlace { last: true, descending: true });
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartPlace {
    /// Whether it ends the stored key, in its [`encode_last`](KeyPart::encode_last) form. Otherwise more follows: another part, or
    /// the primary key behind an index's parts.
    pub last: bool,
    /// Whether larger values come first.
    pub descending: bool,
}

impl PartPlace {
    /// The place of a part of type `K`.
    #[must_use]
    pub const fn of<K: KeyPart>(last: bool) -> Self {
        Self { last, descending: K::DESCENDING }
    }
}

impl KeyRange {
    /// Everything.
    #[must_use]
    pub fn all() -> Self {
        Self { start: Bound::Unbounded, end: Bound::Unbounded }
    }

    /// All keys that begin with `prefix`.
    #[must_use]
    pub fn prefix(prefix: &[u8]) -> Self {
        Self { start: Bound::Included(KeyBuf::from(prefix)), end: before_successor(prefix) }
    }

    /// The keys under `prefix` whose next part lies between two bounds. For a descending part the bounds are values all the same,
    /// the smaller one first.
    #[must_use]
    pub fn part<K, A: KeyArg<K>>(prefix: &[u8], low: Bound<&A>, high: Bound<&A>, place: PartPlace) -> Self {
        let (low, high) = if place.descending { (high, low) } else { (low, high) };
        let all = Self::prefix(prefix);
        let start = match low {
            Bound::Unbounded => all.start,
            Bound::Included(arg) => Bound::Included(encoded(prefix, arg, place.last).0),
            Bound::Excluded(arg) => match encoded(prefix, arg, place.last) {
                (key, true) => Bound::Excluded(key),
                // A successor that does not exist leaves nothing: everything is below the excluded key's own run.
                (key, false) => successor(&key).map_or(Bound::Excluded(all_ff(&key)), Bound::Included),
            },
        };
        let end = match high {
            Bound::Unbounded => all.end,
            Bound::Included(arg) => match encoded(prefix, arg, place.last) {
                (key, true) => Bound::Included(key),
                (key, false) => before_successor(&key),
            },
            Bound::Excluded(arg) => Bound::Excluded(encoded(prefix, arg, place.last).0),
        };
        Self { start, end }
    }

    /// The keys under `prefix` whose next part begins with a text or bytes.
    #[must_use]
    pub fn starts_with<K, P: PrefixArg<K>>(prefix: &[u8], text: &P, last: bool) -> Self {
        let mut key = KeyBuf::from(prefix);
        text.encode_prefix(&mut key, last);
        Self::prefix(&key)
    }

    /// Whether a stored key lies in it.
    #[must_use]
    pub fn contains(&self, key: &[u8]) -> bool {
        let after = match &self.start {
            Bound::Unbounded => true,
            Bound::Included(start) => key >= &start[..],
            Bound::Excluded(start) => key > &start[..],
        };
        after
            && match &self.end {
                Bound::Unbounded => true,
                Bound::Included(end) => key <= &end[..],
                Bound::Excluded(end) => key < &end[..],
            }
    }
}

/// The end of a run of keys with this prefix.
fn before_successor(prefix: &[u8]) -> Bound<KeyBuf> {
    successor(prefix).map_or(Bound::Unbounded, Bound::Excluded)
}

/// Longer than any stored key, so that nothing with this prefix lies behind it.
fn all_ff(prefix: &[u8]) -> KeyBuf {
    const LONGER_THAN_ANY_KEY: usize = 1 << 14;
    let mut out = KeyBuf::from(prefix);
    out.extend_from_slice(&[0xFF; LONGER_THAN_ANY_KEY]);
    out
}

/// The prefix and the encoded part, and whether it ends the key. `None` never ends a stored key of a unique index, whatever its place.
fn encoded<K, A: KeyArg<K>>(prefix: &[u8], arg: &A, last: bool) -> (KeyBuf, bool) {
    let mut key = KeyBuf::from(prefix);
    let last = last && !arg.is_none_arg();
    if last {
        arg.encode_arg_last(&mut key);
    } else {
        arg.encode_arg(&mut key);
    }
    (key, last)
}
