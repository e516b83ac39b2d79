//! Forks: an engine belongs to the process that made it.
//!
//! A child of `fork` would have a copy of what its parent used up: each would accept the same assertion once. And a
//! lock that another thread held at that moment would never be let go.

use std::sync::atomic::{AtomicU64, Ordering};

use pyo3::prelude::*;

use crate::errors;

/// How many forks lie between the first process that loaded this module and this one.
static FORKS: AtomicU64 = AtomicU64::new(0);

/// Which process something was made in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Process(u64);

impl Process {
    pub(crate) fn current() -> Self {
        Self(FORKS.load(Ordering::Relaxed))
    }

    /// Refuses in any other process.
    pub(crate) fn check(self, py: Python<'_>) -> PyResult<()> {
        if self == Self::current() { Ok(()) } else { Err(errors::forked(py)) }
    }
}

/// Called by Python in the child of a fork.
#[pyfunction]
#[pyo3(name = "_forked")]
pub(crate) fn forked() {
    FORKS.fetch_add(1, Ordering::Relaxed);
    idjag_stores::forked();
}
