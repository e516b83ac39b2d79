//! Answers that wait for the record while an event loop does other things: the writing thread says when they are complete.
//!
//! It never takes the interpreter's lock, which would let a busy interpreter hold up the disk for everybody: it writes a
//! byte to a socket that the loop reads. Who waits is known in `idjag/_waiting.py`.

use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use idjag::Receipt;
use idjag_log::Log;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

use crate::endpoint::TokenResponse;
use crate::errors;
use crate::token::IssuedToken;

/// A token that was granted, and whose line is not on disk yet.
#[pyclass(frozen, name = "_PendingToken", module = "idjag._core")]
pub(crate) struct PendingToken(Once<idjag::Pending>);

/// The same as the answer of an endpoint.
#[pyclass(frozen, name = "_PendingResponse", module = "idjag._core")]
pub(crate) struct PendingResponse(Once<idjag::PendingResponse>);

/// What is finished once.
struct Once<P> {
    receipt: Receipt,
    pending: Mutex<Option<P>>,
}

impl<P> Once<P> {
    const fn new(receipt: Receipt, pending: P) -> Self {
        Self { receipt, pending: Mutex::new(Some(pending)) }
    }

    fn take(&self) -> PyResult<P> {
        let pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner).take();
        pending.ok_or_else(|| PyRuntimeError::new_err("it was finished before"))
    }
}

#[pymethods]
impl PendingToken {
    #[getter]
    fn receipt(&self) -> u64 {
        self.0.receipt.0
    }

    fn finish(&self, py: Python<'_>) -> PyResult<IssuedToken> {
        self.0.take()?.finish().map(IssuedToken).map_err(|refusal| errors::refusal(py, refusal))
    }
}

#[pymethods]
impl PendingResponse {
    #[getter]
    fn receipt(&self) -> u64 {
        self.0.receipt.0
    }

    fn finish(&self) -> PyResult<TokenResponse> {
        Ok(TokenResponse(self.0.take()?.finish()))
    }
}

impl PendingToken {
    pub(crate) const fn new(receipt: Receipt, pending: idjag::Pending) -> Self {
        Self(Once::new(receipt, pending))
    }
}

impl PendingResponse {
    pub(crate) const fn new(receipt: Receipt, pending: idjag::PendingResponse) -> Self {
        Self(Once::new(receipt, pending))
    }
}

/// Tells one event loop what the writing thread says.
#[pyclass(frozen, name = "_Watch", module = "idjag._core")]
pub(crate) struct Watch {
    /// A log that is gone has nothing to wait for.
    log: Weak<Log>,
    reader: UnixStream,
    wake: Arc<dyn Fn() + Send + Sync>,
}

impl Watch {
    pub(crate) fn new(log: &Arc<Log>) -> PyResult<Self> {
        let (reader, writer) = UnixStream::pair()?;
        reader.set_nonblocking(true)?;
        writer.set_nonblocking(true)?;
        // A byte that finds no room comes behind others that were not read: the loop will look.
        let wake = Arc::new(move || drop((&writer).write(&[0])));
        Ok(Self { log: Arc::downgrade(log), reader, wake })
    }
}

#[pymethods]
impl Watch {
    /// What the loop waits for.
    fn fileno(&self) -> i32 {
        self.reader.as_raw_fd()
    }

    /// All receipts up to which number can be finished without waiting.
    fn settled(&self) -> u64 {
        // There may be nothing to read.
        let _ = (&self.reader).read(&mut [0; 64]);
        self.log.upgrade().map_or(u64::MAX, |log| log.settled().0)
    }

    /// Has the loop woken when `receipt` can be finished without waiting; or says, as `settled`, that it can be now.
    fn call(&self, receipt: u64) -> Option<u64> {
        let Some(log) = self.log.upgrade() else {
            return Some(u64::MAX);
        };
        log.call(Receipt(receipt), Arc::clone(&self.wake)).map(|settled| settled.0)
    }
}
