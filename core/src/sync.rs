//! What threads share the single-use table by: a lock, a counter, and which shard a key falls to.
//!
//! With `--cfg idjag_loom` they are those of loom, whose model (`make loom`) runs every order that their operations can have,
//! and keys fall to the same shards in each run.

#[cfg(not(idjag_loom))]
pub(crate) use {
    foldhash::fast::RandomState,
    parking_lot::Mutex,
    std::sync::atomic::{AtomicU64, Ordering},
};

#[cfg(idjag_loom)]
pub(crate) use {
    foldhash::fast::FixedState as RandomState,
    loom::sync::atomic::{AtomicU64, Ordering},
};

/// A lock that is never poisoned: a model in which a thread panicked has failed.
#[cfg(idjag_loom)]
pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);

#[cfg(idjag_loom)]
impl<T> Mutex<T> {
    pub(crate) fn lock(&self) -> loom::sync::MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(idjag_loom)]
impl<T: Default> Default for Mutex<T> {
    fn default() -> Self {
        Self(loom::sync::Mutex::default())
    }
}
