//! What an optimistic transaction has read, to be validated when it commits (I18).
//!
//! A point read costs one 64-bit fingerprint of tree and key: two keys with one fingerprint are a false conflict, which costs a retry and
//! harms nothing. A scan costs one range, from its bound to the last key that it saw. After the read sets of FoundationDB's resolver; Kung
//! and Robinson, "On Optimistic Methods for Concurrency Control" (1981), backward validation.

use super::interval::{self, Interval};
use super::write_set::WriteSet;
use std::ops::Bound;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Names a key of a tree.
pub(super) fn fingerprint(tree: u32, key: &[u8]) -> u64 {
    xxh3_64_with_seed(key, u64::from(tree))
}

/// Points of a tree, and ranges, that are kept apart at most: 32 MiB of fingerprints. A transaction that reads more of a tree conflicts with all
/// that is written to it.
const MOST: usize = 1 << 22;
const MOST_RANGES: usize = 1 << 17;

/// See the module.
#[derive(Default)]
pub(crate) struct ReadSet {
    /// By tree, in no order: they are few.
    trees: Vec<TreeReads>,
    /// In the order in which they began.
    ranges: Vec<RangeRead>,
}

#[derive(Default)]
struct TreeReads {
    tree: u32,
    points: Vec<u64>,
    /// How many there are.
    ranges: usize,
    /// Whether all of it counts as read, and nothing else is noted.
    whole: bool,
    /// What its ranges come to: in order, and apart from each other.
    intervals: Vec<Interval>,
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
    #[cfg_attr(not(test), expect(clippy::indexing_slicing, reason = "it was found there, or has just been put there"))]
    fn of(&mut self, tree: u32) -> &mut TreeReads {
        let known = self.trees.iter().position(|reads| reads.tree == tree);
        let at = known.unwrap_or(self.trees.len());
        if known.is_none() {
            self.trees.push(TreeReads { tree, ..TreeReads::default() });
        }
        &mut self.trees[at]
    }

    /// Notes a look at a key, found or not.
    pub(crate) fn point(&mut self, tree: u32, key: &[u8]) {
        let reads = self.of(tree);
        if reads.whole {
            return;
        }
        reads.points.push(fingerprint(tree, key));
        if reads.points.len() >= MOST {
            reads.sort();
            // If that has left much, it would have to be sorted again and again.
            if reads.points.len() > MOST / 2 {
                self.take_whole(tree);
            }
        }
    }

    /// Notes that a scan begins; the number is for the other calls.
    pub(crate) fn range(&mut self, tree: u32, lower: Bound<&[u8]>, upper: Bound<&[u8]>) -> usize {
        let reads = self.of(tree);
        reads.ranges += 1;
        if reads.ranges > MOST_RANGES && !reads.whole {
            self.take_whole(tree);
        }
        if self.of(tree).whole {
            return usize::MAX;
        }
        let (lower, upper) = (lower.map(<[u8]>::to_vec), upper.map(<[u8]>::to_vec));
        self.ranges.push(RangeRead { tree, lower, upper, front: None, back: None, whole: false });
        self.ranges.len() - 1
    }

    fn take_whole(&mut self, tree: u32) {
        *self.of(tree) = TreeReads { tree, whole: true, ..TreeReads::default() };
        for range in self.ranges.iter_mut().filter(|range| range.tree == tree) {
            (range.lower, range.upper) = (Bound::Unbounded, Bound::Unbounded);
            (range.front, range.back) = (None, None);
        }
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

    /// Nothing more is read. Puts in order what was, so that validation, which happens under the sequencer's lock, costs as little as can be:
    /// what a commit wrote is looked up here, not the other way round.
    pub(crate) fn seal(&mut self) {
        for range in std::mem::take(&mut self.ranges) {
            let tree = self.of(range.tree);
            tree.intervals.extend(range.seen().into_iter().flatten());
        }
        for tree in &mut self.trees {
            tree.sort();
            tree.intervals = interval::merged(std::mem::take(&mut tree.intervals));
        }
    }

    /// Whether a commit wrote something that was read, before this was sealed. `prints` are the sorted fingerprints of what it wrote.
    pub(super) fn conflicts(&self, prints: &[u64], writes: &WriteSet) -> bool {
        debug_assert!(self.ranges.is_empty(), "not sealed");
        self.trees.iter().any(|reads| !writes.is_silent(reads.tree) && reads.conflicts(prints, writes))
    }
}

impl TreeReads {
    fn sort(&mut self) {
        self.points.sort_unstable();
        self.points.dedup();
    }

    fn conflicts(&self, prints: &[u64], writes: &WriteSet) -> bool {
        let seek = |from: Bound<&[u8]>| writes.seek(self.tree, from, true).map(|(key, _)| key);
        self.whole
            || writes.drops(self.tree)
            || meet(&self.points, prints)
            || interval::any_within(&self.intervals, seek)
    }
}

impl RangeRead {
    /// What of it was seen.
    fn seen(self) -> [Option<Interval>; 2] {
        let Self { lower, upper, front, back, whole, .. } = self;
        if whole {
            return [Some((lower, upper)), None];
        }
        [front.map(|front| (lower, Bound::Included(front))), back.map(|back| (Bound::Included(back), upper))]
    }
}

/// Whether two sorted lists have something in common.
fn meet(a: &[u64], b: &[u64]) -> bool {
    let (few, many) = if a.len() < b.len() { (a, b) } else { (b, a) };
    few.iter().any(|one| many.binary_search(one).is_ok())
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

    /// What a transaction reads that begins one scan from `c` to `m`, and goes on as told.
    fn scan(go_on: impl FnOnce(&mut ReadSet, usize)) -> ReadSet {
        let mut reads = ReadSet::default();
        let range = reads.range(1, Bound::Included(b"c"), Bound::Excluded(b"m"));
        go_on(&mut reads, range);
        reads.seal();
        reads
    }

    #[test]
    fn i18_points_and_ranges() {
        let mut reads = ReadSet::default();
        reads.point(1, b"k");
        reads.seal();
        assert!(conflicts(&reads, &[b"a", b"k"]) && !conflicts(&reads, &[b"a", b"kk"]));
        let reads = scan(|_, _| ());
        assert!(!conflicts(&reads, &[b"d"]), "nothing was seen yet");
        let reads = scan(|reads, range| reads.passed(range, true, b"e"));
        assert!(conflicts(&reads, &[b"c"]) && conflicts(&reads, &[b"e"]), "also what was not there");
        assert!(!conflicts(&reads, &[b"b"]) && !conflicts(&reads, &[b"f"]));
        let reads = scan(|reads, range| {
            reads.passed(range, true, b"e");
            reads.passed(range, false, b"k");
        });
        assert!(conflicts(&reads, &[b"l"]) && !conflicts(&reads, &[b"m"]) && !conflicts(&reads, &[b"h"]));
        let reads = scan(|reads, range| reads.exhausted(range));
        assert!(conflicts(&reads, &[b"h"]) && !conflicts(&reads, &[b"m", b"z"]));
    }

    #[test]
    fn i18_who_reads_too_much_to_note_conflicts_with_all_of_the_table() {
        let mut reads = ReadSet::default();
        reads.point(1, b"a");
        let range = reads.range(2, Bound::Unbounded, Bound::Unbounded);
        for _ in 0..2 {
            // The same keys again are no more keys.
            (0..MOST as u32 / 2).for_each(|i| reads.point(2, &i.to_be_bytes()));
        }
        assert!(!reads.of(2).whole);
        (0..MOST as u32).for_each(|i| reads.point(2, &i.to_be_bytes()));
        assert!(reads.of(2).whole && reads.of(2).points.is_empty());
        reads.passed(range, true, b"k");
        reads.seal();
        let written = |tree| {
            let mut writes = WriteSet::default();
            writes.put(tree, b"never read", b"", false);
            reads.conflicts(&[fingerprint(tree, b"never read")], &writes)
        };
        assert!(written(2), "a key of the tree that was read");
        assert!(!written(1) && !written(3), "trees that were not, or little of them");
        assert!(conflicts(&reads, &[b"a"]));
    }

    #[test]
    fn i18_who_begins_too_many_scans_to_note_conflicts_with_all_of_the_table() {
        let mut reads = ReadSet::default();
        for i in 0..=MOST_RANGES as u32 {
            let key = i.to_be_bytes();
            let range = reads.range(1, Bound::Included(&key), Bound::Excluded(&key));
            reads.exhausted(range);
        }
        let range = reads.range(2, Bound::Included(b"c"), Bound::Excluded(b"m"));
        reads.exhausted(range);
        reads.seal();
        assert!(conflicts(&reads, &[b"never read"]));
        let written = |key: &[u8]| {
            let mut writes = WriteSet::default();
            writes.put(2, key, b"", false);
            reads.conflicts(&[fingerprint(2, key)], &writes)
        };
        assert!(written(b"d") && !written(b"m"), "a table of which little was read");
    }

    #[test]
    fn a_dropped_tree_conflicts_with_any_read_of_it() {
        let mut reads = ReadSet::default();
        reads.range(1, Bound::Unbounded, Bound::Unbounded);
        reads.seal();
        let mut writes = WriteSet::default();
        writes.drop_tree(2);
        assert!(!reads.conflicts(&[], &writes));
        writes.drop_tree(1);
        assert!(reads.conflicts(&[], &writes));
    }
}
