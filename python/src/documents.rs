//! What clients publish of themselves, fetched by a Python callable (draft-ietf-oauth-client-id-metadata-document).

use std::sync::Arc;

use idjag::{ClientDocuments, Fetched};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::{PyTraverseError, PyVisit};

use crate::text::Octets;

/// The host's callable: the body of what is at a URL, or `None` where there is nothing.
pub(crate) struct Documents(Py<PyAny>);

impl Documents {
    /// The argument `client_documents` of the constructor.
    pub(crate) fn new(py: Python<'_>, fetch: Option<Py<PyAny>>) -> PyResult<Option<Arc<Self>>> {
        match fetch {
            None => Ok(None),
            Some(fetch) if fetch.bind(py).is_callable() => Ok(Some(Arc::new(Self(fetch)))),
            Some(_) => {
                Err(PyTypeError::new_err("`client_documents` is a callable that gives the body at a URL"))
            }
        }
    }

    /// Shows the garbage collector what is held.
    pub(crate) fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.0)
    }

    fn fetch(&self, url: &str) -> Fetched {
        Python::attach(|py| {
            let fetched = self.0.bind(py).call1((url,)).and_then(|body| {
                if body.is_none() {
                    return Ok(Fetched::Absent);
                }
                let body: Octets<'_> = body.extract()?;
                Ok(Fetched::Found(body.0.into()))
            });
            fetched.unwrap_or_else(|error| {
                // There is nobody to raise it to: the client is told to try again, and the host's log what went wrong.
                error.write_unraisable(py, Some(self.0.bind(py)));
                Fetched::Unavailable
            })
        })
    }
}

/// The engine's half.
pub(crate) struct Fetching(pub(crate) Arc<Documents>);

impl ClientDocuments for Fetching {
    fn document(&self, url: &str) -> Fetched {
        self.0.fetch(url)
    }

    fn keys(&self, url: &str) -> Fetched {
        self.0.fetch(url)
    }
}
