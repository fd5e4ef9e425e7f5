//! A Bloom filter over the keys of a write set: most keys that a transaction asks for it has not written, and finding that out
//! in an ordered map costs a search.
//!
//! Bloom, "Space/Time Trade-offs in Hash Coding with Allowable Errors" (1970), with both bits in one word, as blocked filters have them.

/// Bits for each key, at least half of it: about 1 % of the answers are wrong then.
const BITS: usize = 16;
/// Below so many keys a search is as fast.
const LEAST: usize = 64;

/// See the module. Empty until the set is large enough for it to pay.
#[derive(Default)]
pub(super) struct Filter {
    words: Vec<u64>,
    keys: usize,
}

impl Filter {
    /// Whether the filter has to be made anew before one more key is added, for how many keys.
    pub(super) fn outgrown(&self) -> Option<usize> {
        let room = self.words.len() * 64 / BITS * 2;
        (self.keys + 1 >= LEAST && self.keys >= room).then(|| (self.keys + 1).next_power_of_two())
    }

    /// Starts anew, for `keys` keys and as many again; all of them have to be added again.
    pub(super) fn restart(&mut self, keys: usize) {
        self.words.clear();
        self.words.resize((keys * BITS / 64).next_power_of_two(), 0);
        self.keys = 0;
    }

    /// Adds the fingerprint of a key.
    pub(super) fn add(&mut self, print: u64) {
        self.keys += 1;
        let (at, bits) = self.place(print);
        if let Some(word) = self.words.get_mut(at) {
            *word |= bits;
        }
    }

    /// False: no key with this fingerprint was added.
    pub(super) fn may_hold(&self, print: u64) -> bool {
        let (at, bits) = self.place(print);
        self.words.get(at).is_none_or(|word| word & bits == bits)
    }

    fn place(&self, print: u64) -> (usize, u64) {
        let at = (print >> 18) as usize & self.words.len().saturating_sub(1);
        (at, 1 << (print & 63) | 1 << (print >> 6 & 63) | 1 << (print >> 12 & 63))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::txn::read_set::fingerprint;

    #[test]
    fn no_key_is_forgotten_and_few_are_invented() {
        let mut filter = Filter::default();
        assert!(filter.may_hold(1), "an empty filter knows nothing");
        let print = |i: u32| fingerprint(1, &i.to_be_bytes());
        for i in 0..5000 {
            if let Some(keys) = filter.outgrown() {
                filter.restart(keys);
                (0..i).for_each(|i| filter.add(print(i)));
            }
            filter.add(print(i));
        }
        assert!((0..5000).all(|i| filter.may_hold(print(i))));
        let wrong = (5000..105_000).filter(|&i| filter.may_hold(print(i))).count();
        assert!(wrong < 3000, "{wrong} of 100,000");
    }
}
