//! Values as readers get them: a pinned place in a page, or bytes of their own.

use crate::buffer::{Frame, PinnedFrame, Pool};
use std::ops::{Deref, Range};

/// The bytes of one value. Derefs to them.
pub(crate) struct Value<'a>(Repr<'a>);

enum Repr<'a> {
    Owned(Vec<u8>),
    Pinned { frame: PinnedFrame<'a>, range: Range<usize> },
}

impl<'a> Value<'a> {
    /// A value that owns its bytes.
    pub(crate) fn owned(bytes: Vec<u8>) -> Self {
        Self(Repr::Owned(bytes))
    }

    /// A value inside a frame's body, which stays pinned. A slice from elsewhere is copied.
    pub(crate) fn pinned(pool: &'a Pool, frame: Frame<'_>, bytes: &[u8]) -> Self {
        let body = frame.body().as_ptr_range();
        let place = bytes.as_ptr_range();
        if body.start <= place.start && place.end <= body.end {
            let start = place.start.addr() - body.start.addr();
            let range = start..start + bytes.len();
            return Self(Repr::Pinned { frame: PinnedFrame::new(pool, frame), range });
        }
        Self::owned(bytes.to_vec())
    }
}

impl Deref for Value<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            Repr::Owned(bytes) => bytes,
            Repr::Pinned { frame, range } => frame.body().get(range.clone()).unwrap_or_default(),
        }
    }
}
