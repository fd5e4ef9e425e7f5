//! Sets of slots that are free, from which the lowest comes first: what is in use stays close together, so that few entries of the processor's
//! translation buffers cover it, and what the system may have back lies at the end.

const BITS: usize = u64::BITS as usize;

/// A set of slots: one bit each, and one bit for each word of these.
#[derive(Debug, Default)]
pub(super) struct Slots {
    words: Vec<u64>,
    /// Which words are not zero.
    summary: Vec<u64>,
    /// Words of the summary before this one are zero.
    lowest: usize,
    len: usize,
}

impl Slots {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Adds a slot that is not there.
    pub(super) fn insert(&mut self, slot: u32) {
        let (word, bit) = (slot as usize / BITS, slot as usize % BITS);
        let above = word / BITS;
        if above >= self.summary.len() {
            self.words.resize((above + 1) * BITS, 0);
            self.summary.resize(above + 1, 0);
        }
        if let (Some(bits), Some(marks)) = (self.words.get_mut(word), self.summary.get_mut(above)) {
            debug_assert_eq!(*bits & (1 << bit), 0, "slot {slot} is freed twice");
            *bits |= 1 << bit;
            *marks |= 1 << (word % BITS);
            self.lowest = self.lowest.min(above);
            self.len += 1;
        }
    }

    /// Takes the lowest. Looks at one word for each 4,096 slots, and remembers which of them have none.
    pub(super) fn take_lowest(&mut self) -> Option<u32> {
        while *self.summary.get(self.lowest)? == 0 {
            self.lowest += 1;
        }
        let word = self.lowest * BITS + self.summary.get(self.lowest)?.trailing_zeros() as usize;
        let bit = self.words.get(word)?.trailing_zeros() as usize;
        self.remove(word, bit)
    }

    /// Takes the highest.
    pub(super) fn take_highest(&mut self) -> Option<u32> {
        let above = self.summary.iter().rposition(|&marks| marks != 0)?;
        let word = above * BITS + self.summary.get(above)?.ilog2() as usize;
        let bit = self.words.get(word)?.ilog2() as usize;
        self.remove(word, bit)
    }

    fn remove(&mut self, word: usize, bit: usize) -> Option<u32> {
        let bits = self.words.get_mut(word)?;
        *bits &= !(1 << bit);
        if *bits == 0 {
            *self.summary.get_mut(word / BITS)? &= !(1 << (word % BITS));
        }
        self.len -= 1;
        Some((word * BITS + bit) as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_set_of_slots_matches_a_model() {
        let mut random = fastrand::Rng::with_seed(7);
        let (mut slots, mut model) = (Slots::default(), BTreeSet::new());
        for step in 0..200_000 {
            // Grows, then shrinks to nothing, several times.
            let grows = (step / 20_000) % 2 == 0;
            if random.f32() < if grows { 0.7 } else { 0.2 } {
                let slot = random.u32(0..30_000);
                if model.insert(slot) {
                    slots.insert(slot);
                }
            } else if random.bool() {
                assert_eq!(slots.take_lowest(), model.pop_first());
            } else {
                assert_eq!(slots.take_highest(), model.pop_last());
            }
            assert_eq!(slots.len(), model.len());
        }
        while let Some(slot) = slots.take_lowest() {
            assert_eq!(Some(slot), model.pop_first());
        }
        assert!(model.is_empty());
        assert_eq!(slots.take_highest(), None);
    }
}
