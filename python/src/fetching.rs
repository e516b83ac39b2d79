//! Keys and documents that are fetched: a request that waits for them lets go of the interpreter meanwhile.

use std::sync::Arc;

use idjag::{Builder, ClientDocuments, Error, Exchange, Fetched, KeyOwner, KeySource, Sought};
use idjag_fetch::{Fetcher, SourceState};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

/// A source that is asked without the interpreter.
struct Unheld<S>(S);

impl KeySource for Unheld<Arc<Fetcher>> {
    fn missed(&self, owners: &[KeyOwner]) -> Vec<Sought> {
        Python::attach(|py| py.detach(|| self.0.missed(owners)))
    }
}

impl ClientDocuments for Unheld<Box<dyn ClientDocuments>> {
    fn document(&self, url: &str) -> Fetched {
        Python::attach(|py| py.detach(|| self.0.document(url)))
    }

    fn keys(&self, url: &str) -> Fetched {
        Python::attach(|py| py.detach(|| self.0.keys(url)))
    }
}

/// An engine whose keys are fetched; its clients' documents as well, unless the host gave what fetches them.
pub(crate) fn start(
    builder: Builder,
    fetcher: &Arc<Fetcher>,
    has_documents: bool,
) -> Result<Arc<Exchange>, Error> {
    let builder = builder.key_source(Arc::new(Unheld(Arc::clone(fetcher))));
    let builder =
        if has_documents { builder } else { builder.client_documents(Box::new(Unheld(fetcher.documents()))) };
    let engine = Arc::new(builder.build()?);
    fetcher.attach(&engine);
    Ok(engine)
}

/// The states of what is fetched, for `stats`.
pub(crate) fn states<'py>(py: Python<'py>, states: &[SourceState]) -> PyResult<Bound<'py, PyList>> {
    let dicts = states.iter().map(|state| {
        let dict = PyDict::new(py);
        let kind = if matches!(state.owner, KeyOwner::Idp(_)) { "idp" } else { "client" };
        dict.set_item("kind", kind)?;
        dict.set_item("owner", state.owner.name())?;
        dict.set_item("uri", state.uri.as_deref())?;
        dict.set_item("state", state.freshness.as_str())?;
        dict.set_item("age_s", state.age_s)?;
        dict.set_item("source", if state.is_kept { "cache" } else { "network" })?;
        dict.set_item("next_s", state.next_s)?;
        dict.set_item("fetches", state.fetches)?;
        dict.set_item("failures", state.failures)?;
        dict.set_item("last_error", state.last_error.as_deref())?;
        Ok(dict)
    });
    PyList::new(py, dicts.collect::<PyResult<Vec<_>>>()?)
}
