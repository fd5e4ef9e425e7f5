//! The free extents: by place, to join neighbours; by length, for the best fit.

use super::Extent;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// The file has at most this many blocks, so that block numbers fit a swip.
const MAX_BLOCKS: u64 = 1 << 46;

/// Why space was not taken or given back. Nothing was changed then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SpaceError {
    /// The file has as many blocks as it can have.
    Full,
    /// Blocks are free, or in use, twice.
    Overlap { block: u64 },
    /// Blocks lie outside the file, or are none.
    Outside { block: u64 },
    /// Blocks that nobody knows of.
    #[cfg(any(test, feature = "simulate"))]
    Leak { block: u64, len: u64 },
}

impl fmt::Display for SpaceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str("the file has as many blocks as it can have"),
            Self::Overlap { block } => write!(f, "block {block} is owned twice"),
            Self::Outside { block } => write!(f, "block {block} lies outside the file"),
            #[cfg(any(test, feature = "simulate"))]
            Self::Leak { block, len } => write!(f, "{len} blocks from {block} on belong to nobody"),
        }
    }
}

impl std::error::Error for SpaceError {}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Allocator {
    tail: u64,
    by_start: BTreeMap<u64, u64>,
    /// Length, start.
    by_len: BTreeSet<(u64, u64)>,
    free: u64,
    /// Whether the front of the file is filled up first, so that its end becomes free.
    packing: bool,
    /// Where the file ended before it last grew for a run, and after.
    grown: Option<(u64, u64)>,
}

impl Allocator {
    /// A file of `tail` blocks of which these, in ascending order, are free.
    pub(crate) fn new(tail: u64, free: &[Extent]) -> Result<Self, SpaceError> {
        if tail > MAX_BLOCKS {
            return Err(SpaceError::Full);
        }
        let mut allocator = Self { tail, ..Self::default() };
        free.iter().try_for_each(|&extent| allocator.free(extent))?;
        Ok(allocator)
    }

    pub(crate) fn tail(&self) -> u64 {
        self.tail
    }

    /// Blocks that are free.
    pub(crate) fn free_blocks(&self) -> u64 {
        self.free
    }

    /// Fills the front of the file up first from here on, or no more.
    pub(crate) fn set_packing(&mut self, packing: bool) {
        self.packing = packing;
    }

    /// The free extents by ascending place.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Extent> {
        self.by_start.iter().map(|(&start, &len)| Extent { start, len })
    }

    fn insert(&mut self, extent: Extent) {
        self.by_start.insert(extent.start, extent.len);
        self.by_len.insert((extent.len, extent.start));
        self.free += extent.len;
    }

    fn remove(&mut self, extent: Extent) {
        self.by_start.remove(&extent.start);
        self.by_len.remove(&(extent.len, extent.start));
        self.free -= extent.len;
    }

    /// Takes the front of a free extent.
    fn cut(&mut self, free: Extent, len: u64) -> Extent {
        self.remove(free);
        if free.len > len {
            self.insert(Extent { start: free.start + len, len: free.len - len });
        }
        Extent { start: free.start, len }
    }

    fn grow(&mut self, len: u64) -> Result<Extent, SpaceError> {
        // What is free at the very end is used first, so that the file grows by the difference only.
        let last = self.by_start.last_key_value().map(|(&start, &len)| Extent { start, len });
        let last = last.filter(|last| last.end() == self.tail);
        let start = last.map_or(self.tail, |last| last.start);
        let tail = start.checked_add(len).filter(|&tail| tail <= MAX_BLOCKS).ok_or(SpaceError::Full)?;
        if let Some(last) = last {
            self.remove(last);
        }
        self.tail = tail;
        Ok(Extent { start, len })
    }

    /// The free extent nearest to the front that is long enough. Asks once for each length that there is.
    fn lowest(&self, least: u64) -> Option<Extent> {
        let mut lowest: Option<Extent> = None;
        let mut at = least;
        while let Some(&(len, start)) = self.by_len.range((at, 0)..).next() {
            if lowest.is_none_or(|lowest| start < lowest.start) {
                lowest = Some(Extent { start, len });
            }
            at = len + 1;
        }
        lowest
    }

    /// A run of `least` to `most` blocks as near to the front as there is one, if it ends before `limit`.
    pub(crate) fn allocate_below(&mut self, least: u64, most: u64, limit: u64) -> Option<Extent> {
        let free = self.lowest(least.max(1))?;
        let room = free.end().min(limit).checked_sub(free.start).filter(|&room| room >= least)?;
        Some(self.cut(free, room.min(most.max(least))))
    }

    /// Best fit: the shortest free extent that is long enough; among equals the one nearest to the front.
    pub(crate) fn allocate(&mut self, len: u64) -> Result<Extent, SpaceError> {
        if len == 0 {
            return Err(SpaceError::Outside { block: self.tail });
        }
        if self.packing {
            return self.allocate_below(len, len, u64::MAX).map_or_else(|| self.grow(len), Ok);
        }
        match self.by_len.range((len, 0)..).next() {
            Some(&(free, start)) => Ok(self.cut(Extent { start, len: free }, len)),
            None => self.grow(len),
        }
    }

    /// One run of `least` to `most` blocks, long ones preferred: sequential writes are worth more than a tight fit. What is not needed of it goes back
    /// by [`give_back`](Self::give_back).
    pub(crate) fn allocate_run(&mut self, least: u64, most: u64) -> Result<Extent, SpaceError> {
        let most = most.max(least);
        if self.packing {
            return self.allocate_below(least, most, u64::MAX).map_or_else(|| self.grow(least), Ok);
        }
        if let Some(&(free, start)) = self.by_len.range((most, 0)..).next() {
            return Ok(self.cut(Extent { start, len: free }, most));
        }
        match self.by_len.last() {
            Some(&(free, start)) if free >= least.max(1) => Ok(self.cut(Extent { start, len: free }, free)),
            _ if least == 0 => Err(SpaceError::Outside { block: self.tail }),
            _ => {
                let before = self.tail;
                let run = self.grow(most.min(self.spare()).max(least))?;
                self.grown = Some((before, self.tail));
                Ok(run)
            }
        }
    }

    /// Gives back the end of a run. The file ends earlier again, if it grew for that.
    pub(crate) fn give_back(&mut self, rest: Extent) -> Result<(), SpaceError> {
        self.free(rest)?;
        if let Some((before, after)) = self.grown
            && rest.end() == self.tail
            && after == self.tail
            && let Some((&start, &len)) = self.by_start.last_key_value()
        {
            let tail = before.max(start);
            self.remove(Extent { start, len });
            self.tail = tail;
            if start < tail {
                self.insert(Extent { start, len: tail - start });
            }
        }
        Ok(())
    }

    /// So many blocks too many at the end of the file are not worth a call of the system: a sixteenth of the file, or 64 blocks of a small one.
    fn spare(&self) -> u64 {
        (self.tail / 16).max(64)
    }

    /// Takes these very blocks, behind the end of the file too.
    pub(crate) fn claim(&mut self, extent: Extent) -> Result<(), SpaceError> {
        let end = extent.start.checked_add(extent.len).filter(|&end| end <= MAX_BLOCKS && extent.len > 0);
        let end = end.ok_or(SpaceError::Outside { block: extent.start })?;
        if end > self.tail {
            let old = self.tail;
            self.tail = end;
            self.free(Extent { start: old, len: end - old })?;
        }
        let free = self.by_start.range(..=extent.start).next_back().map(|(&start, &len)| Extent { start, len });
        let free = free.filter(|free| free.end() >= end).ok_or(SpaceError::Overlap { block: extent.start })?;
        self.remove(free);
        for rest in [(free.start, extent.start), (end, free.end())] {
            if rest.0 < rest.1 {
                self.insert(Extent { start: rest.0, len: rest.1 - rest.0 });
            }
        }
        Ok(())
    }

    /// Gives blocks back.
    pub(crate) fn free(&mut self, extent: Extent) -> Result<(), SpaceError> {
        let end = extent.start.checked_add(extent.len).filter(|&end| extent.len > 0 && end <= self.tail);
        let end = end.ok_or(SpaceError::Outside { block: extent.start })?;
        let before = self.by_start.range(..=extent.start).next_back().map(|(&start, &len)| Extent { start, len });
        let after = self.by_start.range(extent.start..).next().map(|(&start, &len)| Extent { start, len });
        if before.is_some_and(|before| before.end() > extent.start) || after.is_some_and(|after| after.start < end) {
            return Err(SpaceError::Overlap { block: extent.start });
        }
        let mut whole = extent;
        if let Some(before) = before.filter(|before| before.end() == extent.start) {
            self.remove(before);
            whole = Extent { start: before.start, len: before.len + whole.len };
        }
        if let Some(after) = after.filter(|after| after.start == end) {
            self.remove(after);
            whole.len += after.len;
        }
        self.insert(whole);
        Ok(())
    }

    /// The free tail, if it is worth cutting off: all of it while the file is packed.
    pub(crate) fn loose_tail(&self) -> Option<Extent> {
        let least = if self.packing { 1 } else { self.spare() };
        let last = self.by_start.last_key_value().map(|(&start, &len)| Extent { start, len });
        last.filter(|last| last.end() == self.tail && last.len >= least)
    }

    /// Cuts a free tail off if it is worth it.
    pub(crate) fn shrink(&mut self) -> bool {
        match self.loose_tail() {
            Some(last) => {
                self.remove(last);
                self.tail = last.start;
                true
            }
            None => false,
        }
    }
}
