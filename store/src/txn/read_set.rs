//! What an optimistic transaction has read, to be validated when it commits (I18).
//!
//! A point read costs one 64-bit fingerprint of tree and key: two keys with one fingerprint are a false conflict, which costs a retry and
//! harms nothing. A scan costs one range, from its bound to the last key that it saw. After the read sets of FoundationDB's resolver; Kung
//! and Robinson, "On Optimistic Methods for Concurrency Control" (1981), backward validation.

use super::write_set::WriteSet;
use std::ops::Bound;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Names a key of a tree.
pub(super) fn fingerprint(tree: u32, key: &[u8]) -> u64 {
    xxh3_64_with_seed(key, u64::from(tree))
}

/// See the module.
#[derive(Default)]
pub(crate) struct ReadSet {
    points: Vec<u64>,
    ranges: Vec<RangeRead>,
    /// Trees that were read at all, in no order.
    trees: Vec<u32>,
}

struct RangeRead {
    tree: u32,
    lower: Bound<Vec<u8>>,
    upper: Bound<Vec<u8>>,
    /// The last keys seen from either end.
    front: Option<Vec<u8>>,
    back: Option<Vec<u8>>,
    /// Whether the two have met, or one has come to the other's bound.
    whole: bool,
}

impl ReadSet {
    fn touch(&mut self, tree: u32) {
        if !self.trees.contains(&tree) {
            self.trees.push(tree);
        }
    }

    /// Notes a look at a key, found or not.
    pub(crate) fn point(&mut self, tree: u32, key: &[u8]) {
        self.touch(tree);
        self.points.push(fingerprint(tree, key));
    }

    /// Notes that a scan begins; the number is for the other calls.
    pub(crate) fn range(&mut self, tree: u32, lower: Bound<&[u8]>, upper: Bound<&[u8]>) -> usize {
        self.touch(tree);
        let (lower, upper) = (lower.map(<[u8]>::to_vec), upper.map(<[u8]>::to_vec));
        self.ranges.push(RangeRead { tree, lower, upper, front: None, back: None, whole: false });
        self.ranges.len() - 1
    }

    /// A scan has seen this key, coming from the front or from the back.
    pub(crate) fn passed(&mut self, range: usize, forward: bool, key: &[u8]) {
        let Some(range) = self.ranges.get_mut(range) else { return };
        let last = if forward { &mut range.front } else { &mut range.back };
        let last = last.get_or_insert_default();
        last.clear();
        last.extend_from_slice(key);
    }

    /// A scan has seen everything.
    pub(crate) fn exhausted(&mut self, range: usize) {
        if let Some(range) = self.ranges.get_mut(range) {
            range.whole = true;
        }
    }

    /// Whether a commit wrote something that was read. `prints` are the sorted fingerprints of what it wrote.
    pub(super) fn conflicts(&self, prints: &[u64], writes: &WriteSet) -> bool {
        self.trees.iter().any(|&tree| writes.drops(tree))
            || self.points.iter().any(|point| prints.binary_search(point).is_ok())
            || self.ranges.iter().any(|range| range.holds_any(writes))
    }
}

impl RangeRead {
    fn holds_any(&self, writes: &WriteSet) -> bool {
        let (lower, upper) = (self.lower.as_ref().map(Vec::as_slice), self.upper.as_ref().map(Vec::as_slice));
        if self.whole {
            return any_between(writes, self.tree, lower, upper);
        }
        let front = self.front.as_deref().map(Bound::Included);
        let back = self.back.as_deref().map(Bound::Included);
        front.is_some_and(|front| any_between(writes, self.tree, lower, front))
            || back.is_some_and(|back| any_between(writes, self.tree, back, upper))
    }
}

fn any_between(writes: &WriteSet, tree: u32, lower: Bound<&[u8]>, upper: Bound<&[u8]>) -> bool {
    writes.seek(tree, lower, true).is_some_and(|(key, _)| match upper {
        Bound::Unbounded => true,
        Bound::Included(upper) => key <= upper,
        Bound::Excluded(upper) => key < upper,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn writes(keys: &[&[u8]]) -> WriteSet {
        let mut writes = WriteSet::default();
        for key in keys {
            writes.put(1, key, b"", false);
        }
        writes
    }

    fn conflicts(reads: &ReadSet, keys: &[&[u8]]) -> bool {
        let writes = writes(keys);
        let mut prints: Vec<u64> = keys.iter().map(|key| fingerprint(1, key)).collect();
        prints.sort_unstable();
        reads.conflicts(&prints, &writes)
    }

    #[test]
    fn i18_points_and_ranges() {
        let mut reads = ReadSet::default();
        reads.point(1, b"k");
        assert!(conflicts(&reads, &[b"a", b"k"]) && !conflicts(&reads, &[b"a", b"kk"]));
        let mut reads = ReadSet::default();
        let range = reads.range(1, Bound::Included(b"c"), Bound::Excluded(b"m"));
        assert!(!conflicts(&reads, &[b"d"]), "nothing was seen yet");
        reads.passed(range, true, b"e");
        assert!(conflicts(&reads, &[b"c"]) && conflicts(&reads, &[b"e"]), "also what was not there");
        assert!(!conflicts(&reads, &[b"b"]) && !conflicts(&reads, &[b"f"]));
        reads.passed(range, false, b"k");
        assert!(conflicts(&reads, &[b"l"]) && !conflicts(&reads, &[b"m"]) && !conflicts(&reads, &[b"h"]));
        reads.exhausted(range);
        assert!(conflicts(&reads, &[b"h"]) && !conflicts(&reads, &[b"m", b"z"]));
    }

    #[test]
    fn a_dropped_tree_conflicts_with_any_read_of_it() {
        let mut reads = ReadSet::default();
        reads.range(1, Bound::Unbounded, Bound::Unbounded);
        let mut writes = WriteSet::default();
        writes.drop_tree(2);
        assert!(!reads.conflicts(&[], &writes));
        writes.drop_tree(1);
        assert!(reads.conflicts(&[], &writes));
    }
}
