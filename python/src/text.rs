//! What a `str` holds, whatever it holds: Python's may have lone surrogates, which no UTF-8 can say.

use std::borrow::Cow;

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

/// The content of a `str`. Lone surrogates become U+FFFD, which neither an identifier, a scope, a resource nor a token
/// that is accepted can contain: they are all ASCII. So such a text is refused, as any other that is wrong.
pub(crate) struct Text<'a>(Cow<'a, str>);

impl<'a> Text<'a> {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn into_cow(self) -> Cow<'a, str> {
        self.0
    }

    pub(crate) fn into_string(self) -> String {
        self.0.into_owned()
    }
}

impl<'a, 'py> FromPyObject<'a, 'py> for Text<'a> {
    type Error = PyErr;

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(text) = object.extract::<&'a str>() {
            return Ok(Self(Cow::Borrowed(text)));
        }
        Ok(Self(Cow::Owned(object.cast::<PyString>()?.to_string_lossy().into_owned())))
    }
}

/// One text, several, or none: how a request names resources.
#[derive(Default)]
pub(crate) struct Resources(pub(crate) Vec<String>);

impl<'py> FromPyObject<'_, 'py> for Resources {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        if object.is_none() {
            return Ok(Self::default());
        }
        if object.is_instance_of::<PyString>() {
            return Ok(Self(vec![object.extract::<Text<'_>>()?.into_string()]));
        }
        texts(object, "a str, several of them, or None").map(Self)
    }
}

/// Scopes as one parameter: `None`, none and `""` are not asked.
#[derive(Default)]
pub(crate) struct Scopes(pub(crate) Option<String>);

impl<'py> FromPyObject<'_, 'py> for Scopes {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        if object.is_none() {
            return Ok(Self::default());
        }
        // One `str` would be read letter by letter.
        if object.is_instance_of::<PyString>() {
            return Err(PyTypeError::new_err("a sequence of str or None, not one str"));
        }
        Ok(Self(Some(texts(object, "a sequence of str or None")?.join(" "))))
    }
}

fn texts(object: Borrowed<'_, '_, PyAny>, allowed: &str) -> PyResult<Vec<String>> {
    if object.is_instance_of::<PyBytes>() {
        return Err(PyTypeError::new_err(format!("{allowed}, not bytes")));
    }
    let items = object.try_iter().map_err(|_| PyTypeError::new_err(allowed.to_owned()))?;
    items.map(|item| Ok(item?.extract::<Text<'_>>()?.into_string())).collect()
}

/// `bytes`, or a `str` as UTF-8: a document that is loaded, or one side of a header.
pub(crate) struct Octets<'a>(pub(crate) Cow<'a, [u8]>);

impl<'a, 'py> FromPyObject<'a, 'py> for Octets<'a> {
    type Error = PyErr;

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        if object.is_instance_of::<PyString>() {
            return Ok(Self(match object.extract::<Text<'_>>()?.into_cow() {
                Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
                Cow::Owned(text) => Cow::Owned(text.into_bytes()),
            }));
        }
        object.extract::<Cow<'a, [u8]>>().map(Self).map_err(|_| PyTypeError::new_err("a str or bytes"))
    }
}
