//! Looks whether published bodies stay what they are (I4): notes a checksum of each when it is published, and compares it when nobody can see the frame
//! any more. In this crate's own tests, and in debug builds with the simulator's disk; in any other build nothing of this is left.
//!
//! The checksums lie apart from the frames, where no write that goes wrong meets them, and under a lock of the standard library's, within which nobody waits,
//! so that no model checker has to consider it. Two sanitizers do without: MemorySanitizer would take a body that is not filled for one that is used, and to
//! ThreadSanitizer the lock would order what it is there to find unordered.

use super::swip::FrameId;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use xxhash_rust::xxh3::xxh3_64;

/// Whether anybody looks.
#[expect(unexpected_cfgs, reason = "crossbeam's name for ThreadSanitizer")]
pub(super) const WATCHED: bool = cfg!(all(
    any(test, all(feature = "simulate", debug_assertions)),
    not(any(tamarack_msan, crossbeam_sanitize_thread))
));

/// The bodies of one pool.
#[derive(Default)]
pub(super) struct Bodies(Mutex<HashMap<FrameId, u64>>);

impl Bodies {
    fn sums(&self) -> MutexGuard<'_, HashMap<FrameId, u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A body is what it is from now on.
    pub(super) fn publish(&self, id: FrameId, body: &[u8]) {
        if WATCHED {
            let sum = xxh3_64(body);
            self.sums().insert(id, sum);
        }
    }

    /// A body was that until now.
    pub(super) fn end(&self, id: FrameId, body: &[u8]) {
        if WATCHED {
            let sum = self.sums().remove(&id);
            assert!(sum.is_some(), "I6: {id:?} is given back, and was not in use");
            assert!(sum == Some(xxh3_64(body)), "I4: the body of {id:?} changed after it was published");
        }
    }

    /// Those that did not end.
    pub(super) fn left(&self) -> Vec<FrameId> {
        if WATCHED { self.sums().keys().copied().collect() } else { Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg_attr(not(tamarack_msan), should_panic(expected = "I4: the body of frame 0:7#1 changed"))]
    fn i4_a_body_that_changes_is_found() {
        let (bodies, id) = (Bodies::default(), FrameId::new(0, 7, 1));
        bodies.publish(id, b"one");
        bodies.end(id, b"one");
        bodies.publish(id, b"one");
        assert_eq!(bodies.left().len(), usize::from(WATCHED));
        bodies.end(id, b"ome");
    }

    #[test]
    #[cfg_attr(not(tamarack_msan), should_panic(expected = "I6: frame 0:7#1 is given back, and was not in use"))]
    fn i6_a_frame_that_is_given_back_twice_is_found() {
        let (bodies, id) = (Bodies::default(), FrameId::new(0, 7, 1));
        bodies.publish(id, b"one");
        bodies.end(id, b"one");
        bodies.end(id, b"one");
    }
}
