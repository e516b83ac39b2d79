//! The host's clock: a Python callable, asked once before the engine is, so that the engine never calls Python.

use std::cell::Cell;

use idjag::{Clock, SystemClock};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::{PyTraverseError, PyVisit};

thread_local! {
    /// What the host's clock said for the call that this thread is in, in milliseconds.
    static NOW: Cell<i64> = const { Cell::new(0) };
}

/// Where the time of an engine comes from.
pub(crate) enum Source {
    System,
    Host(Py<PyAny>),
}

/// The engine's half of a host's clock.
pub(crate) struct Told;

impl Clock for Told {
    fn now(&self) -> i64 {
        NOW.get().div_euclid(1000)
    }

    fn now_ms(&self) -> i64 {
        NOW.get()
    }
}

impl Source {
    /// The argument `clock` of a constructor.
    pub(crate) fn new(py: Python<'_>, clock: Option<Py<PyAny>>) -> PyResult<Self> {
        match clock {
            None => Ok(Self::System),
            Some(clock) if clock.bind(py).is_callable() => Ok(Self::Host(clock)),
            Some(_) => Err(PyTypeError::new_err("`clock` is a callable that gives seconds since 1970")),
        }
    }

    /// Shows the garbage collector what is held.
    pub(crate) fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        match self {
            Self::System => Ok(()),
            Self::Host(clock) => visit.call(clock),
        }
    }

    /// Asks the host's clock and notes the answer for the call that follows on this thread.
    pub(crate) fn ask(&self, py: Python<'_>) -> PyResult<()> {
        if let Self::Host(clock) = self {
            let seconds: f64 = clock.call0(py)?.extract(py)?;
            if !seconds.is_finite() {
                return Err(PyValueError::new_err(format!("the clock says {seconds}")));
            }
            #[expect(clippy::cast_possible_truncation, reason = "what is too large becomes the largest")]
            NOW.set((seconds * 1000.0).floor() as i64);
        }
        Ok(())
    }

    /// The time now, for what is told the time.
    pub(crate) fn now(&self, py: Python<'_>) -> PyResult<i64> {
        self.ask(py)?;
        Ok(match self {
            Self::System => SystemClock.now(),
            Self::Host(_) => Told.now(),
        })
    }
}
