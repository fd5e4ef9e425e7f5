//! Where positions of the log lie in the file.
//!
//! A ring is a list of segments. A segment serves the positions from its first one up to the next segment's first one, round and
//! round: position `p` lies at `offset + (p - first) % length`. Only the last segment is written; the ones before it are there
//! until a checkpoint has released their positions. So a ring changes its size by a new list in the superblock.

use super::position::unit_floor;
use super::reset::RingWindow;
use crate::vfs::Storage;
use std::ops::Range;
use std::{fmt, io};

/// Positions are below this; nothing that runs reaches it.
const MAX_POSITION: u64 = 1 << 62;
/// A ring of fewer units would be full with every flush.
const MIN_UNITS: u64 = 2;

/// A part of the file that serves a range of positions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RingSegment {
    /// First position that lies here.
    pub(crate) first: u64,
    /// Byte in the file where it begins.
    pub(crate) offset: u64,
    /// Its length in bytes.
    pub(crate) length: u64,
}

/// A list of segments that is no ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BadRing(&'static str);

impl fmt::Display for BadRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the log's segments are impossible: {}", self.0)
    }
}

impl std::error::Error for BadRing {}

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ring {
    segments: Vec<RingSegment>,
    unit: u64,
}

/// A run of positions that lies in one piece.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Piece {
    /// Byte in the file.
    pub(crate) offset: u64,
    /// Which of the bytes asked for.
    pub(crate) range: Range<usize>,
}

impl Ring {
    /// Checks a list of segments (I36). `unit` is what a flush is padded to, a power of two of at least 512.
    ///
    /// # Errors
    /// Says what is wrong with the list. That the segments lie inside the file is for the caller to check.
    pub(crate) fn new(segments: Vec<RingSegment>, unit: u64) -> Result<Self, BadRing> {
        if !unit.is_power_of_two() || !(512..=1 << 20).contains(&unit) {
            return Err(BadRing("the unit is no power of two between 512 bytes and 1 MiB"));
        }
        if segments.is_empty() {
            return Err(BadRing("there are none"));
        }
        for segment in &segments {
            if !segment.length.is_multiple_of(unit) || segment.length / unit < MIN_UNITS {
                return Err(BadRing("a length is not a whole number of units, at least two"));
            }
            if !segment.first.is_multiple_of(unit) || segment.first >= MAX_POSITION {
                return Err(BadRing("a first position is no unit boundary"));
            }
            if segment.offset.checked_add(segment.length).is_none_or(|end| end >= MAX_POSITION) {
                return Err(BadRing("a segment lies beyond any file"));
            }
        }
        if !segments.is_sorted_by(|a, b| a.first < b.first) {
            return Err(BadRing("first positions do not ascend"));
        }
        Ok(Self { segments, unit })
    }

    /// What a flush is padded to, in bytes.
    pub(crate) fn unit(&self) -> u64 {
        self.unit
    }

    /// Bytes of the segment that is written.
    pub(crate) fn capacity(&self) -> u64 {
        self.last().length
    }

    /// A window on this ring for a log that is needed from `start` on and goes on at `head`, a unit boundary.
    pub(crate) fn window(&self, start: u64, head: u64) -> RingWindow {
        RingWindow::new(self.unit, self.last().first, self.last().length, start, head)
    }

    /// No record that a log starting at `start` still needs ends behind this position.
    pub(super) fn limit(&self, start: u64) -> u64 {
        let last = self.last();
        unit_floor(start, self.unit).max(last.first).saturating_add(last.length).min(MAX_POSITION)
    }

    /// The pieces of the file that hold `len` bytes from `position` on. Ends early at a position that lies nowhere.
    pub(crate) fn locate(&self, position: u64, len: usize) -> impl Iterator<Item = Piece> + '_ {
        let mut done = 0;
        std::iter::from_fn(move || {
            if done >= len {
                return None;
            }
            let at = position.checked_add(done as u64).filter(|&at| at < MAX_POSITION)?;
            let number = self.segments.partition_point(|segment| segment.first <= at);
            let segment = self.segments.get(number.checked_sub(1)?)?;
            let until = self.segments.get(number).map_or(MAX_POSITION, |next| next.first);
            let within = (at - segment.first) % segment.length;
            let count = (segment.length - within).min(until - at).min((len - done) as u64) as usize;
            let piece = Piece { offset: segment.offset + within, range: done..done + count };
            done += count;
            Some(piece)
        })
    }

    /// The parts of the file that the log lies in.
    pub(super) fn pieces(&self) -> impl Iterator<Item = Range<u64>> + '_ {
        self.segments.iter().map(|segment| segment.offset..segment.offset + segment.length)
    }

    /// Writes whole units. The caller has reserved these positions ([`RingWindow::reserve`]).
    ///
    /// # Errors
    /// Those of the storage; nobody knows then which units were written.
    pub(crate) fn write(&self, storage: &dyn Storage, position: u64, bytes: &[u8]) -> io::Result<()> {
        debug_assert!(position.is_multiple_of(self.unit) && (bytes.len() as u64).is_multiple_of(self.unit));
        debug_assert!(bytes.len() as u64 <= self.capacity() && position >= self.last().first);
        let mut rest = bytes;
        for piece in self.locate(position, bytes.len()) {
            let (now, later) = rest.split_at_checked(piece.range.len()).ok_or(io::ErrorKind::InvalidInput)?;
            storage.write_at(now, piece.offset)?;
            rest = later;
        }
        if rest.is_empty() { Ok(()) } else { Err(io::ErrorKind::InvalidInput.into()) }
    }

    /// The same, durable when it returns; `false` if the storage does not offer that. Then all of it must be written again, and synced: a
    /// part may have been written.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub(crate) fn write_durable(&self, storage: &dyn Storage, position: u64, bytes: &[u8]) -> io::Result<bool> {
        let mut rest = bytes;
        for piece in self.locate(position, bytes.len()) {
            let (now, later) = rest.split_at_checked(piece.range.len()).ok_or(io::ErrorKind::InvalidInput)?;
            if !storage.write_durable(now, piece.offset)? {
                return Ok(false);
            }
            rest = later;
        }
        if rest.is_empty() { Ok(true) } else { Err(io::ErrorKind::InvalidInput.into()) }
    }

    /// Reads the bytes at a position.
    ///
    /// # Errors
    /// Those of the storage; `InvalidInput` for positions that lie nowhere.
    pub(crate) fn read(&self, storage: &dyn Storage, position: u64, buffer: &mut [u8]) -> io::Result<()> {
        let len = buffer.len();
        let mut rest = buffer;
        for piece in self.locate(position, len) {
            let (now, later) = rest.split_at_mut_checked(piece.range.len()).ok_or(io::ErrorKind::InvalidInput)?;
            storage.read_at(now, piece.offset)?;
            rest = later;
        }
        if rest.is_empty() { Ok(()) } else { Err(io::ErrorKind::InvalidInput.into()) }
    }

    fn last(&self) -> RingSegment {
        // `new` refuses an empty list.
        self.segments.last().copied().unwrap_or(RingSegment { first: 0, offset: 0, length: 0 })
    }
}
