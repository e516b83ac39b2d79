//! What threads share the queue by: a lock, what they sleep on, a counter.
//!
//! With `--cfg idjag_loom` they are those of loom, whose model (`make loom`) runs every order that their operations can have.
//! There nothing is ever over because of the time.

#[cfg(not(idjag_loom))]
pub(crate) use {
    parking_lot::{Condvar, Mutex, MutexGuard},
    std::sync::atomic::{AtomicU64, Ordering},
};

#[cfg(idjag_loom)]
pub(crate) use self::modelled::{AtomicU64, Condvar, Mutex, MutexGuard, Ordering};

#[cfg(idjag_loom)]
mod modelled {
    use std::ops::{Deref, DerefMut};
    use std::sync::PoisonError;
    use std::time::{Duration, Instant};

    pub(crate) use loom::sync::atomic::{AtomicU64, Ordering};

    /// A lock that is never poisoned: a model in which a thread panicked has failed.
    pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(loom::sync::Mutex::new(value))
        }

        pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
            MutexGuard(Some(self.0.lock().unwrap_or_else(PoisonError::into_inner)))
        }
    }

    /// Without a lock only while its thread sleeps.
    pub(crate) struct MutexGuard<'m, T>(Option<loom::sync::MutexGuard<'m, T>>);

    impl<T> Deref for MutexGuard<'_, T> {
        type Target = T;

        fn deref(&self) -> &T {
            self.0.as_ref().unwrap()
        }
    }

    impl<T> DerefMut for MutexGuard<'_, T> {
        fn deref_mut(&mut self) -> &mut T {
            self.0.as_mut().unwrap()
        }
    }

    pub(crate) struct Condvar(loom::sync::Condvar);

    /// It was not the time.
    pub(crate) struct Woken;

    impl Woken {
        pub(crate) fn timed_out(&self) -> bool {
            false
        }
    }

    impl Condvar {
        pub(crate) fn new() -> Self {
            Self(loom::sync::Condvar::new())
        }

        pub(crate) fn notify_one(&self) {
            self.0.notify_one();
        }

        pub(crate) fn notify_all(&self) {
            self.0.notify_all();
        }

        pub(crate) fn wait_for<T>(&self, guard: &mut MutexGuard<'_, T>, _: Duration) -> Woken {
            let woken =
                guard.0.take().map(|locked| self.0.wait(locked).unwrap_or_else(PoisonError::into_inner));
            guard.0 = woken;
            Woken
        }

        pub(crate) fn wait_until<T>(&self, guard: &mut MutexGuard<'_, T>, _: Instant) -> Woken {
            self.wait_for(guard, Duration::ZERO)
        }
    }
}
