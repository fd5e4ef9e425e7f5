//! Lock coupling with a lock on every node, for comparison with optimistic latches: only a build for measurements has it, and only
//! where it is switched on.

#[cfg(not(feature = "measure"))]
pub(super) use off::Coupled;
#[cfg(feature = "measure")]
pub(crate) use on::{Coupled, Locks};

#[cfg(not(feature = "measure"))]
mod off {
    use crate::buffer::FrameId;
    use crate::tree::Pager;

    /// Nothing.
    pub(crate) struct Coupled;

    impl Coupled {
        #[inline]
        pub(crate) fn new(_: &Pager) -> Self {
            Self
        }
        #[inline]
        pub(crate) fn pass(&mut self, _: FrameId) {}
        #[inline]
        pub(crate) fn keep(&mut self, _: FrameId) {}
    }
}

#[cfg(feature = "measure")]
mod on {
    use crate::buffer::FrameId;
    use crate::tree::Pager;
    use parking_lot::{RwLock, RwLockReadGuard, RwLockWriteGuard};
    use std::sync::atomic::{AtomicBool, Ordering};

    /// A lock for each frame, and whether they are taken.
    #[derive(Default)]
    pub(crate) struct Locks {
        locks: Vec<RwLock<()>>,
        on: AtomicBool,
    }

    impl Locks {
        /// Slots of a class that have a lock of their own.
        const SLOTS: u64 = 1 << 20;
        const CLASSES: u64 = 16;

        pub(crate) fn new() -> Self {
            let locks = std::iter::repeat_with(RwLock::default).take((Self::SLOTS * Self::CLASSES) as usize);
            Self { locks: locks.collect(), on: AtomicBool::new(false) }
        }

        pub(crate) fn switch(&self, on: bool) {
            self.on.store(on, Ordering::Relaxed);
        }

        pub(crate) fn of(&self, id: FrameId) -> Option<&RwLock<()>> {
            let (class, slot) = id.place();
            self.locks.get((u64::from(slot) * Self::CLASSES + class as u64) as usize)
        }
    }

    /// The locks that one thread holds.
    pub(crate) struct Coupled<'a> {
        locks: Option<&'a Locks>,
        shared: Option<RwLockReadGuard<'a, ()>>,
        kept: Vec<RwLockWriteGuard<'a, ()>>,
    }

    impl<'a> Coupled<'a> {
        pub(crate) fn new(pager: &'a Pager) -> Self {
            let locks = pager.locks.get().filter(|locks| locks.on.load(Ordering::Relaxed));
            Self { locks, shared: None, kept: Vec::new() }
        }

        /// Locks a node on the way down for reading, then gives its parent up.
        #[inline]
        pub(crate) fn pass(&mut self, id: FrameId) {
            if let Some(locks) = self.locks {
                self.shared = locks.of(id).map(RwLock::read);
            }
        }

        /// Locks a node that is changed, then gives the parent up.
        #[inline]
        pub(crate) fn keep(&mut self, id: FrameId) {
            if let Some(locks) = self.locks {
                self.kept.extend(locks.of(id).map(RwLock::write));
                self.shared = None;
            }
        }
    }
}
