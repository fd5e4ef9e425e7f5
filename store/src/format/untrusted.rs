//! Numbers from disk that nobody has checked yet.

use std::fmt;

/// A number read from disk. It has no `Deref`: the only way to the number is through a limit (I36).
#[derive(Clone, Copy)]
pub(crate) struct Untrusted<T>(T);

/// A number from disk exceeds its limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OutOfRange {
    pub(crate) found: u64,
    pub(crate) limit: u64,
}

impl fmt::Display for OutOfRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} where at most {} is possible", self.found, self.limit)
    }
}

impl<T: Copy + PartialOrd + Into<u64>> Untrusted<T> {
    /// A number straight from disk.
    pub(crate) fn new(number: T) -> Self {
        Self(number)
    }

    /// The number, if it is not above the limit.
    pub(crate) fn at_most(self, limit: T) -> Result<T, OutOfRange> {
        if self.0 <= limit { Ok(self.0) } else { Err(OutOfRange { found: self.0.into(), limit: limit.into() }) }
    }
}
