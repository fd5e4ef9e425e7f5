//! The one place that chooses between real synchronisation and a model checker's.
//!
//! `--cfg loom` and `--cfg shuttle` are set only by the models (`models/`), which include the modules under test by path. Everything
//! else sees the standard library's atomics and `parking_lot`'s locks. The interface is `parking_lot`'s: no poisoning, and a
//! condition variable borrows the guard.

#[cfg(not(any(loom, shuttle)))]
mod real {
    pub(crate) use parking_lot::Mutex;
    pub(crate) use std::hint::spin_loop as spin;
    pub(crate) use std::sync::atomic;
    pub(crate) use std::thread::yield_now as give_way;
}

#[cfg(not(any(loom, shuttle)))]
pub(crate) use real::*;

#[cfg(loom)]
mod checker {
    pub(super) use loom::sync as primitives;
    pub(crate) use loom::sync::atomic;
    pub(crate) use loom::thread::{yield_now as give_way, yield_now as spin};
}

#[cfg(all(shuttle, not(loom)))]
mod checker {
    pub(super) use shuttle::sync as primitives;
    pub(crate) use shuttle::thread::{yield_now as give_way, yield_now as spin};

    /// Shuttle's atomics are sequentially consistent, so a fence has nothing left to order.
    pub(crate) mod atomic {
        pub(crate) use shuttle::sync::atomic::*;
        pub(crate) fn fence(_: Ordering) {}
    }
}

#[cfg(any(loom, shuttle))]
pub(crate) use {checker::atomic, checker::give_way, checker::spin, modelled::*};

/// `parking_lot`'s interface over a checker's locks, which have the standard library's.
#[cfg(any(loom, shuttle))]
mod modelled {
    use super::checker::primitives;
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
