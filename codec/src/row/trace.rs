//! What a value does while it is serialized, as one number: two passes that do the same leave the same.

use std::cell::Cell;

/// Adds up what a pass does: the bytes, how many fields are declared, and which are left out, each at its place. Elements of sequences
/// and maps have none, as those of a hash map come in another order each time.
#[derive(Debug, Default)]
pub(super) struct Trace {
    len: Cell<usize>,
    hash: Cell<u64>,
    skipped: Cell<Option<&'static str>>,
}

impl Trace {
    /// Bytes are written.
    pub(super) fn bytes(&self, bytes: &[u8]) {
        self.len.set(self.len.get() + bytes.len());
        self.take(bytes);
    }

    fn take(&self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        let hash = words.iter().fold(self.hash.get(), |hash, word| step(hash, u64::from_le_bytes(*word)));
        // The length above the bytes: zeros at the end count.
        let word = rest.iter().fold(rest.len() as u64, |word, &byte| word << 8 | u64::from(byte));
        self.hash.set(step(hash, word));
    }

    /// So many fields follow.
    pub(super) fn declare(&self, len: usize) {
        self.hash.set(step(self.hash.get(), !(len as u64)));
    }

    /// A field is left out here.
    pub(super) fn skip(&self, name: &'static str) {
        if self.skipped.get().is_none() {
            self.skipped.set(Some(name));
        }
        self.hash.set(step(self.hash.get(), SKIP));
        self.take(name.as_bytes());
    }

    /// What `write` does, as a number of its own that goes on from `start`. Such numbers can be summed up, for [`Trace::add`].
    pub(super) fn apart<R>(&self, start: u64, write: impl FnOnce() -> R) -> (R, u64) {
        let outer = self.hash.replace(start);
        let result = write();
        // Twice: sums of one step say little more than the sums of the words.
        (result, step(self.hash.replace(outer), 0))
    }

    /// Takes in a sum of numbers of [`Trace::apart`].
    pub(super) fn add(&self, sum: u64) {
        self.hash.set(step(self.hash.get(), sum));
    }

    /// How many bytes were written.
    pub(super) fn len(&self) -> usize {
        self.len.get()
    }

    /// The first field that was left out.
    pub(super) fn skipped(&self) -> Option<&'static str> {
        self.skipped.get()
    }

    /// Whether both did the same.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        self.len == other.len && self.hash == other.hash
    }
}

/// Starts what tells that a field is left out.
const SKIP: u64 = 0x736b_6970_2066_6c64;

/// Takes a word in: other words, and other states before, give another state.
fn step(hash: u64, word: u64) -> u64 {
    let hash = (hash ^ word).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    hash ^ hash >> 32
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn sums_tell_which_elements_there_are() {
        let trace = Trace::default();
        let of = |byte| trace.apart(0, || trace.bytes(&[byte])).1;
        let pairs = (0..=255).flat_map(|a| (0..=a).map(move |b| (a, b)));
        let sums: HashSet<u64> = pairs.map(|(a, b)| of(a).wrapping_add(of(b))).collect();
        assert_eq!(sums.len(), 256 * 257 / 2);
    }

    #[test]
    fn declared_fields_count_as_nothing_else_does() {
        let of = |does: &dyn Fn(&Trace)| {
            let trace = Trace::default();
            does(&trace);
            trace.hash.get()
        };
        let declared: HashSet<u64> = (0..100).map(|len| of(&|trace| trace.declare(len))).collect();
        assert_eq!(declared.len(), 100);
        assert!((0..100).all(|word| !declared.contains(&of(&|trace| trace.add(word)))));
    }

    #[test]
    fn bytes_count_at_their_places() {
        let of = |bytes: &[u8]| {
            let trace = Trace::default();
            trace.bytes(bytes);
            trace.hash.get()
        };
        let all: HashSet<u64> =
            (0..40).flat_map(|len| [of(&vec![0; len]), of(&[&vec![0; len][..], &[1]].concat())]).collect();
        assert_eq!(all.len(), 80);
        assert_ne!(of(&[1, 2]), of(&[2, 1]));
    }
}
