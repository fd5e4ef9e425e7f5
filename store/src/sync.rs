//! The one place that chooses between real synchronisation and a model checker's.
//!
//! `--cfg loom` is set only for the models (`models/`), which include the modules under test by path; `--cfg shuttle` for a build of the
//! whole engine whose tests run it under a scheduler of shuttle's (`engine/tests/schedules.rs`). Everything else sees the standard
//! library's atomics and threads and `parking_lot`'s locks. The interface is `parking_lot`'s: no poisoning, and a condition variable
//! borrows the guard.

#[cfg(not(any(loom, shuttle)))]
mod real {
    pub(crate) use parking_lot::{Condvar, MappedMutexGuard, Mutex, MutexGuard, RwLock};
    pub(crate) use std::hint::spin_loop as spin;
    pub(crate) use std::sync::atomic;
    pub(crate) use std::thread::yield_now as give_way;
    pub(crate) use std::{thread, thread_local};

    /// Gives the lock to who waits for it, if anybody does.
    pub(crate) fn unlock_fairly<T>(guard: MutexGuard<'_, T>) {
        MutexGuard::unlock_fair(guard);
    }
}

#[cfg(not(any(loom, shuttle)))]
pub(crate) use real::*;

#[cfg(not(loom))]
#[path = "sync/helpers.rs"]
pub(crate) mod helpers;

#[cfg(shuttle)]
#[path = "sync/shuttled.rs"]
mod shuttled;
#[cfg(shuttle)]
pub(crate) use shuttled::*;

#[cfg(loom)]
pub(crate) use {
    loom::sync::atomic,
    loom::thread::{yield_now as give_way, yield_now as spin},
    modelled::*,
};

/// After a sequentially consistent store whose order with a later load of something else matters. loom takes such accesses for
/// acquire and release only, and knows the full order by fences; the machine needs none beside the accesses themselves.
#[inline]
pub(crate) fn in_one_order() {
    #[cfg(loom)]
    loom::sync::atomic::fence(loom::sync::atomic::Ordering::SeqCst);
}

/// `parking_lot`'s interface over loom's locks, which have the standard library's.
#[cfg(loom)]
mod modelled {
    use loom::sync as primitives;
    use std::ops::{Deref, DerefMut};
    use std::sync::PoisonError;

    /// A lock that the checker sees.
    #[derive(Debug, Default)]
    pub(crate) struct Mutex<T>(primitives::Mutex<T>);

    impl<T> Mutex<T> {
        /// A free lock.
        pub(crate) fn new(value: T) -> Self {
            Self(primitives::Mutex::new(value))
        }

        /// Waits for the lock.
        pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
            MutexGuard(Some(self.0.lock().unwrap_or_else(PoisonError::into_inner)))
        }
    }

    /// A held lock. Empty only while a condition variable waits.
    pub(crate) struct MutexGuard<'a, T>(Option<primitives::MutexGuard<'a, T>>);

    impl<T> Deref for MutexGuard<'_, T> {
        type Target = T;
        fn deref(&self) -> &T {
            self.0.as_deref().expect("a waiting guard is borrowed by its wait")
        }
    }

    impl<T> DerefMut for MutexGuard<'_, T> {
        fn deref_mut(&mut self) -> &mut T {
            self.0.as_deref_mut().expect("a waiting guard is borrowed by its wait")
        }
    }

    /// A condition variable that the checker sees.
    #[derive(Debug, Default)]
    pub(crate) struct Condvar(primitives::Condvar);

    impl Condvar {
        /// Without waiters.
        pub(crate) fn new() -> Self {
            Self(primitives::Condvar::new())
        }

        /// Gives the lock up, waits to be woken, takes it again.
        pub(crate) fn wait<T>(&self, guard: &mut MutexGuard<'_, T>) {
            if let Some(held) = guard.0.take() {
                guard.0 = Some(self.0.wait(held).unwrap_or_else(PoisonError::into_inner));
            }
        }

        /// Wakes one waiter.
        pub(crate) fn notify_one(&self) {
            self.0.notify_one();
        }

        /// Wakes all waiters.
        pub(crate) fn notify_all(&self) {
            self.0.notify_all();
        }
    }
}
