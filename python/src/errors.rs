//! Errors as exceptions. Their classes are Python's: `idjag._errors`.

use idjag::{Error, Refusal};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyType;

type Class = PyOnceLock<Py<PyType>>;

fn made<'py>(
    py: Python<'py>,
    class: &'static Class,
    name: &str,
    arguments: impl pyo3::call::PyCallArgs<'py>,
) -> PyResult<Bound<'py, PyAny>> {
    class.import(py, "idjag._errors", name)?.call1(arguments)
}

/// What is raised, or what went wrong meanwhile.
fn raised(made: PyResult<Bound<'_, PyAny>>) -> PyErr {
    made.map_or_else(|error| error, PyErr::from_value)
}

/// The exception that says so: `Unavailable` where it is worth trying again, `ExchangeDenied` otherwise.
pub(crate) fn refusal_object(py: Python<'_>, refusal: Refusal) -> PyResult<Bound<'_, PyAny>> {
    static DENIED: Class = PyOnceLock::new();
    static UNAVAILABLE: Class = PyOnceLock::new();
    let (error, description, slug) = (refusal.oauth_error().as_str(), refusal.description(), refusal.slug());
    match refusal.retry_after_s() {
        None => made(py, &DENIED, "ExchangeDenied", (error, description, slug)),
        Some(seconds) => made(py, &UNAVAILABLE, "Unavailable", (error, description, slug, seconds)),
    }
}

/// The same, to be raised.
pub(crate) fn refusal(py: Python<'_>, refusal: Refusal) -> PyErr {
    raised(refusal_object(py, refusal))
}

/// A `ConfigError` of `message`, which names the place.
pub(crate) fn config(py: Python<'_>, message: &str, place: Option<&Error>) -> PyErr {
    static CONFIG: Class = PyOnceLock::new();
    let (file, line, key) =
        place.map_or((None, None, None), |error| (Some(error.file()), error.line(), Some(error.key())));
    raised(made(py, &CONFIG, "ConfigError", (message, file, line, key)))
}

/// A text that was to be loaded could not be used.
pub(crate) fn load(py: Python<'_>, error: &Error) -> PyErr {
    config(py, &error.to_string(), Some(error))
}

/// An engine is used in a process that did not make it.
pub(crate) fn forked(py: Python<'_>) -> PyErr {
    static IDJAG: Class = PyOnceLock::new();
    let why = "this Exchange was made before the process forked, and its record of what was used belongs to the \
               parent; make a new Exchange in the child";
    raised(made(py, &IDJAG, "IdjagError", (why,)))
}
