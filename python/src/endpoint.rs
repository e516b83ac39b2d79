//! Requests to the endpoints as Python has them, and what goes back.

use std::borrow::Cow;

use idjag::{Response, TokenRequest};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyMapping, PyString};

use crate::text::{Octets, Text};

/// What goes back: status, headers, body.
#[pyclass(frozen, module = "idjag")]
pub(crate) struct TokenResponse(pub(crate) Response);

#[pymethods]
impl TokenResponse {
    #[getter]
    fn status(&self) -> u16 {
        self.0.status()
    }

    #[getter]
    fn headers(&self) -> Vec<(&str, &str)> {
        self.0.headers().collect()
    }

    /// The same as ASGI has them, with the length of the body.
    #[getter]
    fn raw_headers<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let length = self.0.body().len().to_string();
        let headers = self.0.headers().chain([("content-length", &*length)]);
        let pairs = headers
            .map(|(name, value)| (PyBytes::new(py, name.as_bytes()), PyBytes::new(py, value.as_bytes())));
        PyList::new(py, pairs.collect::<Vec<_>>())
    }

    #[getter]
    fn body<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.0.body())
    }

    /// Why it is a refusal: for logs, and nowhere in the response.
    #[getter]
    fn slug(&self) -> Option<&'static str> {
        self.0.slug()
    }

    /// Without the body, which may hold a token.
    fn __repr__(&self) -> String {
        format!("TokenResponse(status={}, slug={:?})", self.status(), self.slug())
    }
}

/// Headers as pairs of name and value, each a `str` or `bytes`.
#[derive(Default)]
pub(crate) struct Headers {
    /// All names and values, one after the other: one allocation that grows, not two for each header.
    octets: Vec<u8>,
    /// Where each name ends, and its value.
    ends: Vec<(usize, usize)>,
}

impl<'py> FromPyObject<'_, 'py> for Headers {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        // A mapping would hide a header that came twice, and that is one of the things that are refused.
        if object.cast::<PyMapping>().is_ok() || object.is_instance_of::<PyString>() {
            return Err(PyTypeError::new_err("pairs of name and value"));
        }
        let pairs = object.try_iter().map_err(|_| PyTypeError::new_err("pairs of name and value"))?;
        let mut headers = Self { octets: Vec::with_capacity(512), ends: Vec::with_capacity(16) };
        for pair in pairs {
            let pair = pair?;
            if pair.len()? != 2 {
                return Err(PyTypeError::new_err("pairs of name and value"));
            }
            let (name, value) = (pair.get_item(0)?, pair.get_item(1)?);
            headers.push(&name.extract()?, &value.extract()?);
        }
        Ok(headers)
    }
}

impl Headers {
    fn push(&mut self, name: &Octets<'_>, value: &Octets<'_>) {
        self.octets.extend_from_slice(String::from_utf8_lossy(&name.0).as_bytes());
        let name_ends = self.octets.len();
        self.octets.extend_from_slice(&value.0);
        self.ends.push((name_ends, self.octets.len()));
    }

    fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        let mut begins = 0;
        self.ends.iter().filter_map(move |&(name_ends, ends)| {
            let name = self.octets.get(begins..name_ends)?;
            begins = ends;
            Some((str::from_utf8(name).ok()?, self.octets.get(name_ends..ends)?))
        })
    }
}

/// A request, put together from what a framework knows.
pub(crate) struct Given<'a> {
    pub(crate) body: Cow<'a, [u8]>,
    pub(crate) method: Text<'a>,
    pub(crate) target: Text<'a>,
    pub(crate) headers: Headers,
    pub(crate) authorization: Option<Text<'a>>,
    pub(crate) dpop: Option<Text<'a>>,
    pub(crate) client_certificate: Option<Cow<'a, [u8]>>,
    pub(crate) peer: Option<Text<'a>>,
}

impl Given<'_> {
    /// Hands it to one of the engine's endpoints.
    pub(crate) fn with<R>(&self, endpoint: impl FnOnce(&TokenRequest<'_>) -> R) -> R {
        let mut headers: Vec<(&str, &[u8])> = self.headers.iter().collect();
        // Who hands over no headers at all hands over the form itself.
        if headers.is_empty() {
            headers.push(("content-type", b"application/x-www-form-urlencoded"));
        }
        let further = [("authorization", &self.authorization), ("dpop", &self.dpop)];
        for (name, value) in further {
            headers.extend(value.iter().map(|value| (name, value.as_str().as_bytes())));
        }
        endpoint(&TokenRequest {
            method: self.method.as_str(),
            target: self.target.as_str(),
            headers: &headers,
            body: &self.body,
            client_certificate: self.client_certificate.as_deref(),
            peer: self.peer.as_ref().map(Text::as_str),
        })
    }
}
