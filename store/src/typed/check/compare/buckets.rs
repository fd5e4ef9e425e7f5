//! Which entries an index and its table may disagree about: sums of their hashes, in buckets.

/// Each entry is in one bucket of each way, chosen by bits of its hash that have nothing to do with each other.
const WAYS: usize = 2;
/// Bits of a hash that choose a bucket: the halves of it.
const HALF: usize = 64;

/// For each bucket, the sum of the hashes of the entries that an index must hold, less the sum of those that it holds. Buckets of equal
/// multisets give zero, and others practically never.
pub(super) struct Buckets {
    /// Buckets of one way, a power of two.
    count: usize,
    differences: Vec<u128>,
}

impl Buckets {
    /// Buckets of one way at most. All of them have 2 MiB; of a hundred million entries a thousand wrong ones make a few hundred per
    /// million suspicious.
    pub(super) const MOST: usize = 1 << 16;

    /// Enough for so many entries, and `most` of them at most.
    pub(super) fn new(entries: u64, most: usize) -> Self {
        let wanted = usize::try_from(entries).unwrap_or(most).min(most);
        let count = wanted.max(1).next_power_of_two();
        Self { count, differences: vec![0; count * WAYS] }
    }

    fn places(&self, hash: u128) -> [usize; WAYS] {
        let (mask, count) = (self.count - 1, self.count);
        std::array::from_fn(|way| way * count + ((hash >> (way * HALF)) as usize & mask))
    }

    /// Notes an entry that the index must hold.
    pub(super) fn must(&mut self, hash: u128) {
        for place in self.places(hash) {
            if let Some(difference) = self.differences.get_mut(place) {
                *difference = difference.wrapping_add(hash);
            }
        }
    }

    /// Notes an entry that the index holds.
    pub(super) fn holds(&mut self, hash: u128) {
        for place in self.places(hash) {
            if let Some(difference) = self.differences.get_mut(place) {
                *difference = difference.wrapping_sub(hash);
            }
        }
    }

    /// Whether an entry may be one that only one side has. All that are, are suspicious.
    pub(super) fn suspects(&self, hash: u128) -> bool {
        self.places(hash).iter().all(|&place| self.differences.get(place).is_some_and(|&difference| difference != 0))
    }
}
