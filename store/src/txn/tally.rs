//! Counters that many transactions change at once without conflict: a sum, to which commits add, and a maximum, which they raise.
//!
//! They are stored as ordinary values. What a commit stores is worked out when it is sequenced, so that it follows from all commits before it.
//! Transactions know only what they add; one that reads the value is validated as any reader. The numbers that are given out (automatic
//! ids) grow at once and never come back, so that a transaction which is rolled back leaves a gap. Those that transactions name raise the maximum when
//! they are sequenced: rolled back, they leave nothing.

use crate::sync::Mutex;
use std::collections::HashMap;

/// The stored value: two little-endian numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Tally {
    /// To which commits add.
    pub(crate) sum: u64,
    /// Which commits raise.
    pub(crate) max: u64,
}

impl Tally {
    /// Bytes of a stored value.
    pub(crate) const LEN: usize = 16;

    /// Renders it.
    pub(crate) fn encode(self) -> [u8; Self::LEN] {
        let mut out = [0; Self::LEN];
        let (sum, max) = out.split_at_mut(8);
        sum.copy_from_slice(&self.sum.to_le_bytes());
        max.copy_from_slice(&self.max.to_le_bytes());
        out
    }

    /// Reads it.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (sum, max) = bytes.split_first_chunk::<8>()?;
        Some(Self { sum: u64::from_le_bytes(*sum), max: u64::from_le_bytes(max.try_into().ok()?) })
    }

    fn changed(self, change: &TallyChange) -> Self {
        Self { sum: self.sum.saturating_add_signed(change.add), max: self.max.max(change.raise) }
    }
}

/// What a transaction does to a tally.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TallyChange {
    pub(crate) tree: u32,
    pub(crate) key: Vec<u8>,
    /// Added to the sum.
    pub(crate) add: i64,
    /// The maximum is at least this.
    pub(crate) raise: u64,
}

#[derive(Clone, Copy)]
struct State {
    /// As of the newest sequenced commit.
    sequenced: Tally,
    /// The largest number given out.
    given: u64,
}

/// The tallies that were used in this session.
#[derive(Default)]
pub(crate) struct Tallies(Mutex<HashMap<(u32, Vec<u8>), State>>);

impl Tallies {
    /// Whether a tally is known.
    pub(crate) fn knows(&self, tree: u32, key: &[u8]) -> bool {
        self.0.lock().contains_key(&(tree, key.to_vec()))
    }

    /// Tells a tally's stored value. Does nothing if it is known: nobody changes it without its being known.
    pub(crate) fn learn(&self, tree: u32, key: &[u8], stored: Tally) {
        let state = State { sequenced: stored, given: stored.max };
        self.0.lock().entry((tree, key.to_vec())).or_insert(state);
    }

    /// Gives out the next number of a known tally to a transaction that raises it to `raised` so far; `None` if there is no larger one.
    ///
    /// Behind a number that the transaction has named itself, and nobody else has heard of, its numbers are no more than named either: a commit that
    /// comes before it and names one of them, or is given it, is a conflict as any other, and nothing is left of them when it is rolled back.
    pub(crate) fn next(&self, tree: u32, key: &[u8], raised: u64) -> Option<u64> {
        let mut tallies = self.0.lock();
        let state = tallies.get_mut(&(tree, key.to_vec()))?;
        if raised > state.given {
            return raised.checked_add(1);
        }
        state.given = state.given.checked_add(1)?;
        Some(state.given)
    }

    /// What the changes make of the tallies, as it is stored. Under the sequencer's lock.
    pub(super) fn outcome(&self, changes: &[TallyChange]) -> Vec<[u8; Tally::LEN]> {
        let tallies = self.0.lock();
        let outcome = |change: &TallyChange| {
            let known = tallies.get(&(change.tree, change.key.clone()));
            known.map(|state| state.sequenced).unwrap_or_default().changed(change).encode()
        };
        changes.iter().map(outcome).collect()
    }

    /// The changes are sequenced. Under the same lock.
    pub(super) fn settle(&self, changes: &[TallyChange]) {
        let mut tallies = self.0.lock();
        for change in changes {
            if let Some(state) = tallies.get_mut(&(change.tree, change.key.clone())) {
                state.sequenced = state.sequenced.changed(change);
                state.given = state.given.max(state.sequenced.max);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_add_up_and_numbers_never_come_back() {
        let tallies = Tallies::default();
        assert!(!tallies.knows(0, b"t") && tallies.next(0, b"t", 0).is_none());
        tallies.learn(0, b"t", Tally { sum: 5, max: 7 });
        tallies.learn(0, b"t", Tally::default());
        assert_eq!((tallies.next(0, b"t", 0), tallies.next(0, b"t", 8)), (Some(8), Some(9)));
        let change = |add, raise| TallyChange { tree: 0, key: b"t".to_vec(), add, raise };
        let value = |changes: &[TallyChange]| Tally::decode(&tallies.outcome(changes)[0]).unwrap();
        assert_eq!(value(&[change(2, 9)]), Tally { sum: 7, max: 9 });
        assert_eq!(value(&[change(-1, 0)]), Tally { sum: 4, max: 7 }, "nothing was settled");
        tallies.settle(&[change(2, 9)]);
        tallies.settle(&[change(-1, 0)]);
        assert_eq!(value(&[change(0, 0)]), Tally { sum: 6, max: 9 });
        assert_eq!((tallies.next(0, b"t", 100), tallies.next(0, b"t", 101)), (Some(101), Some(102)), "who named 100");
        assert_eq!((tallies.next(0, b"t", 9), tallies.next(0, b"t", u64::MAX)), (Some(10), None));
        tallies.settle(&[change(1, 102)]);
        assert_eq!(tallies.next(0, b"t", 20), Some(103));
        tallies.settle(&[change(1, u64::MAX)]);
        assert_eq!(tallies.next(0, b"t", 0), None);
        assert_eq!(Tally::decode(&[0; 15]), None);
    }
}
