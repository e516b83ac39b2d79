//! What the host keeps in place of the engine: which assertions were used, and the record.
//!
//! The engine calls with or without the interpreter held; here it is taken. No lock of the engine is held meanwhile that somebody
//! waits for who holds the interpreter.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use idjag::{Claim, Claimed, Receipt, RecordUnavailable, ReplayKey, ReplayStats, ReplayStore};
use idjag_log::Keeper;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyList};
use pyo3::{PyTraverseError, PyVisit};

/// The host's object for single use.
pub(crate) struct Store {
    object: Py<PyAny>,
    has_seen: bool,
    has_memory: bool,
    /// How often it could not say since when it remembers.
    failures: AtomicI64,
}

impl Store {
    /// The argument `replay` of a constructor.
    pub(crate) fn new(py: Python<'_>, object: Option<Py<PyAny>>) -> PyResult<Option<Arc<Self>>> {
        let Some(object) = object else {
            return Ok(None);
        };
        let has =
            |name| object.bind(py).getattr_opt(name).map(|found| found.is_some_and(|it| it.is_callable()));
        if !has("claim")? {
            return Err(PyTypeError::new_err("`replay` is an object with a method `claim`"));
        }
        let (has_seen, has_memory) = (has("seen")?, has("remembers_since")?);
        Ok(Some(Arc::new(Self { object, has_seen, has_memory, failures: AtomicI64::new(0) })))
    }

    /// Shows the garbage collector what is held.
    pub(crate) fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.object)
    }

    fn claim(&self, py: Python<'_>, claims: &[Claim], out: &mut [Claimed]) -> PyResult<()> {
        let keys = PyList::new(py, claims.iter().map(|claim| PyBytes::new(py, claim.key.as_bytes())))?;
        let expiries = PyList::new(py, claims.iter().map(|claim| claim.expires_at))?;
        let answers = self.object.bind(py).call_method1("claim", (keys, expiries))?;
        let answers: Vec<Bound<'_, PyAny>> = answers.try_iter()?.collect::<PyResult<_>>()?;
        if answers.len() != out.len() {
            let what = format!("{} answers to {} claims", answers.len(), out.len());
            return Err(PyValueError::new_err(what));
        }
        let understood: Vec<Claimed> = answers.iter().map(claimed).collect::<PyResult<_>>()?;
        out.copy_from_slice(&understood);
        Ok(())
    }

    /// There is nobody to raise it to: the client is told to try again, and the host's log what went wrong.
    fn unraisable(&self, py: Python<'_>, error: &PyErr) {
        error.clone_ref(py).write_unraisable(py, Some(self.object.bind(py)));
    }
}

/// True, False or None, and nothing that is merely taken for one.
fn claimed(answer: &Bound<'_, PyAny>) -> PyResult<Claimed> {
    if answer.is_none() {
        return Ok(Claimed::Unavailable);
    }
    match answer.cast::<PyBool>() {
        Ok(answer) if answer.is_true() => Ok(Claimed::First),
        Ok(_) => Ok(Claimed::Seen),
        Err(_) => Err(PyTypeError::new_err("an answer to a claim is True, False or None")),
    }
}

/// A time as Python has it, in whole seconds.
fn seconds(since: &Bound<'_, PyAny>) -> PyResult<Option<i64>> {
    let Some(seconds) = since.extract::<Option<f64>>()? else {
        return Ok(None);
    };
    if !seconds.is_finite() {
        return Err(PyValueError::new_err(format!("it remembers since {seconds}")));
    }
    #[expect(clippy::cast_possible_truncation, reason = "what is too large becomes the largest")]
    Ok(Some(seconds.ceil() as i64))
}

/// The engine's half.
pub(crate) struct Claiming(pub(crate) Arc<Store>);

impl ReplayStore for Claiming {
    fn claim(&self, claims: &[Claim], _: i64, out: &mut [Claimed]) {
        out.fill(Claimed::Unavailable);
        if claims.is_empty() {
            return;
        }
        Python::attach(|py| {
            if let Err(error) = self.0.claim(py, claims, out) {
                self.0.unraisable(py, &error);
            }
        });
    }

    fn seen(&self, key: &ReplayKey, _: i64) -> Claimed {
        // Who cannot say so refuses when it is claimed.
        if !self.0.has_seen {
            return Claimed::First;
        }
        Python::attach(|py| {
            let key = PyBytes::new(py, key.as_bytes());
            let answer = self.0.object.bind(py).call_method1("seen", (key,));
            answer.and_then(|seen| claimed(&seen)).unwrap_or_else(|error| {
                self.0.unraisable(py, &error);
                Claimed::Unavailable
            })
        })
    }

    /// The host has its own.
    fn stats(&self) -> ReplayStats {
        ReplayStats { entries: 0, bytes: 0, max_bytes: 0 }
    }

    fn remembers_since(&self) -> Option<i64> {
        if !self.0.has_memory {
            return None;
        }
        Python::attach(|py| {
            let since = self.0.object.bind(py).call_method0("remembers_since");
            since.and_then(|since| seconds(&since)).unwrap_or_else(|error| {
                self.0.unraisable(py, &error);
                // Another time than any before it: a claim in between is worth nothing.
                Some(i64::MIN.saturating_add(self.0.failures.fetch_add(1, Ordering::Relaxed)))
            })
        })
    }
}

/// The host's callable for the record.
pub(crate) struct Recording(Py<PyAny>);

impl Recording {
    /// The argument `record` of a constructor.
    pub(crate) fn new(py: Python<'_>, take: Option<Py<PyAny>>) -> PyResult<Option<Arc<Self>>> {
        match take {
            None => Ok(None),
            Some(take) if take.bind(py).is_callable() => Ok(Some(Arc::new(Self(take)))),
            Some(_) => Err(PyTypeError::new_err("`record` is a callable that takes a line")),
        }
    }

    /// Shows the garbage collector what is held.
    pub(crate) fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.0)
    }
}

/// The engine's half.
pub(crate) struct Taking(pub(crate) Arc<Recording>);

impl Keeper for Taking {
    fn take(&self, line: &[u8]) -> Result<Receipt, RecordUnavailable> {
        Python::attach(|py| {
            let take = self.0.0.bind(py);
            let taken = take.call1((PyBytes::new(py, line),)).and_then(|answer| {
                if answer.is_none() { Ok(()) } else { Err(PyTypeError::new_err("`record` gives None")) }
            });
            taken.map(|()| Receipt::default()).map_err(|error| {
                error.write_unraisable(py, Some(take));
                RecordUnavailable
            })
        })
    }

    /// It was durable when it had been taken.
    fn wait(&self, _: Receipt) -> Result<(), RecordUnavailable> {
        Ok(())
    }
}
