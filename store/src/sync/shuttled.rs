//! Synchronisation that shuttle schedules, with `parking_lot`'s and the standard library's interfaces.

#![allow(
    dead_code,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "only tests run this, and some use a part of it"
)]

use shuttle::sync as primitives;
use std::ops::{Deref, DerefMut};
use std::sync::PoisonError;
use std::time::Duration;

pub(crate) use shuttle::thread::{yield_now as give_way, yield_now as spin};
pub(crate) use shuttle::thread_local;

/// Threads that shuttle schedules.
pub(crate) mod thread {
    pub(crate) use shuttle::thread::*;
    pub(crate) use std::thread::panicking;
}

/// The standard library's atomics with a point before each operation where another thread may go on. Shuttle's own cannot lie in memory
/// that begins as zeros, as frames do. One thread runs at a time, so every operation is sequentially consistent.
pub(crate) mod atomic {
    use std::sync::atomic as real;
    pub(crate) use std::sync::atomic::Ordering;

    /// Another thread may go on here.
    pub(crate) fn point() {
        shuttle::sync::atomic::AtomicBool::new(false).load(Ordering::SeqCst);
    }

    pub(crate) fn fence(_: Ordering) {}

    macro_rules! atomics {
        ($($name:ident $value:ty { $($method:ident)* })*) => {$(
            #[derive(Debug, Default)]
            #[repr(transparent)]
            pub(crate) struct $name(real::$name);

            impl $name {
                pub(crate) const fn new(value: $value) -> Self {
                    Self(real::$name::new(value))
                }
                pub(crate) fn load(&self, order: Ordering) -> $value {
                    point();
                    self.0.load(order)
                }
                pub(crate) fn store(&self, value: $value, order: Ordering) {
                    point();
                    self.0.store(value, order);
                }
                pub(crate) fn swap(&self, value: $value, order: Ordering) -> $value {
                    point();
                    self.0.swap(value, order)
                }
                pub(crate) fn compare_exchange(&self, old: $value, new: $value, good: Ordering, bad: Ordering) -> Result<$value, $value> {
                    point();
                    self.0.compare_exchange(old, new, good, bad)
                }
                pub(crate) fn compare_exchange_weak(&self, old: $value, new: $value, good: Ordering, bad: Ordering) -> Result<$value, $value> {
                    self.compare_exchange(old, new, good, bad)
                }
                pub(crate) fn get_mut(&mut self) -> &mut $value {
                    self.0.get_mut()
                }
                pub(crate) fn into_inner(self) -> $value {
                    self.0.into_inner()
                }
                $(pub(crate) fn $method(&self, value: $value, order: Ordering) -> $value {
                    point();
                    self.0.$method(value, order)
                })*
            }
        )*};
    }

    atomics! {
        AtomicBool bool { fetch_or fetch_and }
        AtomicU32 u32 { fetch_add fetch_sub fetch_max fetch_min fetch_or fetch_and }
        AtomicU64 u64 { fetch_add fetch_sub fetch_max fetch_min fetch_or fetch_and }
        AtomicI64 i64 { fetch_add fetch_sub fetch_max fetch_min }
        AtomicUsize usize { fetch_add fetch_sub fetch_max fetch_min }
    }

    /// As above.
    #[derive(Debug)]
    #[repr(transparent)]
    pub(crate) struct AtomicPtr<T>(real::AtomicPtr<T>);

    impl<T> AtomicPtr<T> {
        pub(crate) const fn new(value: *mut T) -> Self {
            Self(real::AtomicPtr::new(value))
        }
        pub(crate) fn load(&self, order: Ordering) -> *mut T {
            point();
            self.0.load(order)
        }
        pub(crate) fn store(&self, value: *mut T, order: Ordering) {
            point();
            self.0.store(value, order);
        }
        pub(crate) fn get_mut(&mut self) -> &mut *mut T {
            self.0.get_mut()
        }
    }
}

/// A lock.
#[derive(Debug, Default)]
pub(crate) struct Mutex<T>(primitives::Mutex<T>);

impl<T> Mutex<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(primitives::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        MutexGuard { held: Some(self.0.lock().unwrap_or_else(PoisonError::into_inner)), of: &self.0 }
    }

    pub(crate) fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        self.0.try_lock().ok().map(|guard| MutexGuard { held: Some(guard), of: &self.0 })
    }

    pub(crate) fn get_mut(&mut self) -> &mut T {
        self.0.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn into_inner(self) -> T {
        self.0.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Gives the lock up. The scheduler decides who gets it.
pub(crate) fn unlock_fairly<T>(guard: MutexGuard<'_, T>) {
    drop(guard);
    give_way();
}

/// A held lock. Empty only while a condition variable waits.
pub(crate) struct MutexGuard<'a, T> {
    held: Option<primitives::MutexGuard<'a, T>>,
    of: &'a primitives::Mutex<T>,
}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        self.held.as_deref().expect("a waiting guard is borrowed by its wait")
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.held.as_deref_mut().expect("a waiting guard is borrowed by its wait")
    }
}

impl<'a, T> MutexGuard<'a, Option<T>> {
    /// Narrows the guard to what the option holds.
    pub(crate) fn try_map(
        guard: Self,
        _: fn(&mut Option<T>) -> Option<&mut T>,
    ) -> Result<MappedMutexGuard<'a, T>, Self> {
        if guard.is_some() { Ok(MappedMutexGuard(guard)) } else { Err(guard) }
    }
}

/// A held lock on what an option holds.
pub(crate) struct MappedMutexGuard<'a, T>(MutexGuard<'a, Option<T>>);

impl<T> Deref for MappedMutexGuard<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        self.0.as_ref().expect("checked when it was narrowed")
    }
}

impl<T> DerefMut for MappedMutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.0.as_mut().expect("checked when it was narrowed")
    }
}

/// A condition variable.
#[derive(Debug, Default)]
pub(crate) struct Condvar(primitives::Condvar);

/// How a wait with a limit ended.
pub(crate) struct Waited(bool);

impl Waited {
    pub(crate) fn timed_out(&self) -> bool {
        self.0
    }
}

impl Condvar {
    /// Waits of less than this end at once, so that what they pace goes on; longer ones never end by themselves, so that what waits for
    /// nothing is found.
    const SHORT: Duration = Duration::from_millis(500);

    pub(crate) const fn new() -> Self {
        Self(primitives::Condvar::new())
    }

    pub(crate) fn wait<T>(&self, guard: &mut MutexGuard<'_, T>) {
        if let Some(held) = guard.held.take() {
            guard.held = Some(self.0.wait(held).unwrap_or_else(PoisonError::into_inner));
        }
    }

    pub(crate) fn wait_for<T>(&self, guard: &mut MutexGuard<'_, T>, limit: Duration) -> Waited {
        if limit >= Self::SHORT {
            self.wait(guard);
            return Waited(false);
        }
        drop(guard.held.take());
        give_way();
        guard.held = Some(guard.of.lock().unwrap_or_else(PoisonError::into_inner));
        Waited(true)
    }

    pub(crate) fn notify_one(&self) {
        self.0.notify_one();
    }

    pub(crate) fn notify_all(&self) {
        self.0.notify_all();
    }
}

/// A lock for one writer or many readers.
#[derive(Debug, Default)]
pub(crate) struct RwLock<T>(primitives::RwLock<T>);

impl<T> RwLock<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(primitives::RwLock::new(value))
    }

    pub(crate) fn read(&self) -> primitives::RwLockReadGuard<'_, T> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn write(&self) -> primitives::RwLockWriteGuard<'_, T> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}
