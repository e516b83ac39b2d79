//! Forks: a handle belongs to the process that made it.
//!
//! A child of `fork` would have a copy of what its parent used up: each would accept the same assertion once. And it has none of
//! the threads, and locks that one of them held at that moment are never let go.

use std::sync::Once;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::Failure;

/// How many forks lie between the first process that made a handle and this one.
static FORKS: AtomicU64 = AtomicU64::new(0);

/// Which process something was made in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Process(u64);

impl Process {
    /// This one. From now on forks are counted.
    pub(crate) fn current() -> Self {
        static WATCHED: Once = Once::new();
        WATCHED.call_once(watch);
        Self(FORKS.load(Ordering::Relaxed))
    }

    /// Whether that is this one.
    pub(crate) fn is_current(self) -> bool {
        self.0 == FORKS.load(Ordering::Relaxed)
    }

    /// Refuses in any other process.
    pub(crate) fn check(self, name: &str) -> Result<(), Failure> {
        if self.is_current() {
            return Ok(());
        }
        Err(Failure::misuse(name, "was made before a fork: the child makes one of its own"))
    }
}

#[cfg(unix)]
fn watch() {
    unsafe extern "C" {
        /// POSIX: the third is called in the child of each fork, on its only thread.
        fn pthread_atfork(
            prepare: Option<unsafe extern "C" fn()>,
            parent: Option<unsafe extern "C" fn()>,
            child: Option<unsafe extern "C" fn()>,
        ) -> std::ffi::c_int;
    }
    // SAFETY: `forked` is there as long as the program is: the shared library is never unloaded (`build.rs`).
    // Where there is no memory for it, forks go unnoticed, as the manual says of anything else that nobody could notice.
    let _ = unsafe { pthread_atfork(None, None, Some(forked)) };
}

#[cfg(not(unix))]
fn watch() {}

#[cfg(unix)]
unsafe extern "C" fn forked() {
    FORKS.fetch_add(1, Ordering::Relaxed);
    idjag_stores::forked();
}
