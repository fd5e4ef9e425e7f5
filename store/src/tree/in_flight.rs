//! Pages that are being read from the file: each is read once, however many readers want it.

use crate::buffer::about_to_wait;
use crate::sync::{Condvar, Mutex};
use std::collections::HashMap;
use std::sync::Arc;

const SHARDS: usize = 16;

/// The reads under way, by block.
#[derive(Default)]
pub(super) struct InFlight {
    shards: [Mutex<HashMap<u64, Arc<Read>>>; SHARDS],
}

#[derive(Default)]
struct Read {
    ended: Mutex<bool>,
    changed: Condvar,
}

/// The right to read one page. Dropping it wakes who waits for that page.
pub(super) struct Reading<'a> {
    shard: &'a Mutex<HashMap<u64, Arc<Read>>>,
    block: u64,
    read: Arc<Read>,
}

impl InFlight {
    /// Becomes the one reader of a block; `None` after having waited for another one. Call it unpinned (I7).
    pub(super) fn begin(&self, block: u64) -> Option<Reading<'_>> {
        about_to_wait();
        let shard = self.shards.get(block as usize % SHARDS)?;
        let other = {
            let mut reads = shard.lock();
            match reads.get(&block) {
                Some(read) => Arc::clone(read),
                None => {
                    let read = Arc::<Read>::default();
                    reads.insert(block, Arc::clone(&read));
                    return Some(Reading { shard, block, read });
                }
            }
        };
        let mut ended = other.ended.lock();
        while !*ended {
            other.changed.wait(&mut ended);
        }
        None
    }
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        self.shard.lock().remove(&self.block);
        *self.read.ended.lock() = true;
        self.read.changed.notify_all();
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests use threads as programs do")]
mod tests {
    use super::*;
    use crate::sync::atomic::{AtomicU32, Ordering};

    #[test]
    fn many_readers_read_once() {
        let reads = InFlight::default();
        let (first, waited) = (AtomicU32::new(0), AtomicU32::new(0));
        let reading = reads.begin(7).unwrap();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| match reads.begin(7) {
                    Some(_) => first.fetch_add(1, Ordering::Relaxed),
                    None => waited.fetch_add(1, Ordering::Relaxed),
                });
            }
            assert!(reads.begin(7 + SHARDS as u64).is_some(), "another block of the same shard does not wait");
            // Those that have not come yet will find it free: nobody may be lost.
            drop(reading);
        });
        assert_eq!(first.into_inner() + waited.into_inner(), 8);
        assert!(reads.begin(7).is_some());
    }
}
