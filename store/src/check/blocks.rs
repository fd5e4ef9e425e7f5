//! Two bits for each block: whether something owns it, whether the free map lists it.

use crate::error::{Error, ErrorKind, Result};
use crate::space::Extent;

/// Why an extent cannot be somebody's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taken {
    /// It does not lie inside the file.
    Outside,
    /// This block of it belongs to something else too.
    Twice(u64),
    /// This block of it is listed as free. It is noted as owned all the same.
    Free(u64),
}

/// See the module.
pub(crate) struct Blocks {
    count: u64,
    owned: Vec<u64>,
    free: Vec<u64>,
}

const BITS: u64 = u64::BITS as u64;

fn get(bits: &[u64], block: u64) -> bool {
    bits.get((block / BITS) as usize).is_some_and(|word| word & (1 << (block % BITS)) != 0)
}

fn set(bits: &mut [u64], block: u64) {
    if let Some(word) = bits.get_mut((block / BITS) as usize) {
        *word |= 1 << (block % BITS);
    }
}

impl Blocks {
    /// Those of a file of `count` blocks, none owned, none free.
    pub(crate) fn new(count: u64) -> Result<Self> {
        let too_many = || Error::new(ErrorKind::Io, format!("no memory for the map of {count} blocks"));
        let words = usize::try_from(count.div_ceil(BITS)).map_err(|_| too_many())?;
        let map = || {
            let mut bits = Vec::new();
            bits.try_reserve_exact(words).map_err(|_| too_many())?;
            bits.resize(words, 0);
            Ok::<_, Error>(bits)
        };
        Ok(Self { count, owned: map()?, free: map()? })
    }

    fn inside(&self, extent: Extent) -> bool {
        extent.len > 0 && extent.start.checked_add(extent.len).is_some_and(|end| end <= self.count)
    }

    /// Notes that something owns these blocks.
    pub(crate) fn own(&mut self, extent: Extent) -> Result<(), Taken> {
        if !self.inside(extent) {
            return Err(Taken::Outside);
        }
        let mut blocks = extent.start..extent.end();
        if let Some(twice) = blocks.clone().find(|&block| get(&self.owned, block)) {
            return Err(Taken::Twice(twice));
        }
        blocks.clone().for_each(|block| set(&mut self.owned, block));
        blocks.find(|&block| get(&self.free, block)).map_or(Ok(()), |free| Err(Taken::Free(free)))
    }

    /// Notes that the free map lists these blocks.
    pub(crate) fn list_free(&mut self, extent: Extent) -> Result<(), Taken> {
        if !self.inside(extent) {
            return Err(Taken::Outside);
        }
        let blocks = extent.start..extent.end();
        if let Some(owned) = blocks.clone().find(|&block| get(&self.owned, block)) {
            return Err(Taken::Twice(owned));
        }
        blocks.for_each(|block| set(&mut self.free, block));
        Ok(())
    }

    /// Whether something owns a block.
    pub(crate) fn is_owned(&self, block: u64) -> bool {
        get(&self.owned, block)
    }

    /// The first block of these that something owns.
    pub(crate) fn owned_in(&self, extent: Extent) -> Option<u64> {
        let end = extent.start.saturating_add(extent.len).min(self.count);
        let mut at = extent.start;
        while at < end {
            let word = self.owned.get((at / BITS) as usize)? >> (at % BITS);
            if word != 0 {
                return Some(at + u64::from(word.trailing_zeros())).filter(|&block| block < end);
            }
            at = (at / BITS + 1) * BITS;
        }
        None
    }

    /// Whether the free map lists a block.
    pub(crate) fn is_free(&self, block: u64) -> bool {
        get(&self.free, block)
    }

    /// Number of blocks.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// Blocks that the free map lists.
    pub(crate) fn free_blocks(&self) -> u64 {
        self.free.iter().map(|word| u64::from(word.count_ones())).sum()
    }

    /// The runs of blocks that are neither.
    pub(crate) fn unaccounted(&self) -> impl Iterator<Item = Extent> + '_ {
        let mut at = 0;
        std::iter::from_fn(move || {
            let unknown = |block: &u64| !get(&self.owned, *block) && !get(&self.free, *block);
            let start = (at..self.count).find(unknown)?;
            at = (start..self.count).find(|block| !unknown(block)).unwrap_or(self.count);
            Some(Extent { start, len: at - start })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_block_is_one_of_four() {
        let mut blocks = Blocks::new(200).unwrap();
        let extent = |start, len| Extent { start, len };
        blocks.list_free(extent(100, 30)).unwrap();
        blocks.own(extent(0, 70)).unwrap();
        assert_eq!(blocks.own(extent(60, 20)), Err(Taken::Twice(60)));
        assert_eq!(blocks.own(extent(95, 10)), Err(Taken::Free(100)));
        assert_eq!(blocks.own(extent(199, 2)), Err(Taken::Outside));
        assert_eq!(blocks.own(extent(u64::MAX, 2)), Err(Taken::Outside));
        assert_eq!(blocks.list_free(extent(69, 2)), Err(Taken::Twice(69)));
        assert!(blocks.is_owned(104) && blocks.is_free(104) && !blocks.is_owned(105));
        assert_eq!(blocks.free_blocks(), 30);
        let runs: Vec<_> = blocks.unaccounted().collect();
        assert_eq!(runs, [extent(70, 25), extent(130, 70)]);
    }

    #[test]
    fn a_long_extent_is_looked_through_at_once() {
        let mut blocks = Blocks::new(1 << 20).unwrap();
        let extent = |start, len| Extent { start, len };
        blocks.own(extent(500_000, 2)).unwrap();
        for start in 0..200 {
            assert_eq!(blocks.owned_in(extent(start, 1 << 32)), Some(500_000));
            assert_eq!(blocks.owned_in(extent(start, 500_000 - start)), None);
            assert_eq!(blocks.owned_in(extent(start, 500_001 - start)), Some(500_000));
            assert_eq!(blocks.owned_in(extent(500_002 + start, 1 << 32)), None);
        }
        assert_eq!(blocks.owned_in(extent(500_001, 1)), Some(500_001));
        assert_eq!(blocks.owned_in(extent(u64::MAX - 1, 1)), None);
    }
}
