//! One request to exchange an assertion, as `exchange_many` takes them.

use pyo3::prelude::*;

use crate::config::Details;
use crate::text::{Resources, Scopes, Text};

/// An ID-JAG and the client that presents it. The client was authenticated by the caller.
#[pyclass(frozen, module = "idjag")]
pub(crate) struct Request {
    assertion: String,
    client_id: String,
    resource: Vec<String>,
    scope: Option<String>,
    authorization_details: Option<String>,
}

#[pymethods]
impl Request {
    #[new]
    #[pyo3(signature = (assertion, *, client_id, resource = None, scopes = None, authorization_details = None))]
    pub(crate) fn new(
        assertion: Text<'_>,
        client_id: Text<'_>,
        resource: Option<Resources>,
        scopes: Option<Scopes>,
        authorization_details: Option<Details>,
    ) -> Self {
        Self {
            assertion: assertion.into_string(),
            client_id: client_id.into_string(),
            resource: resource.unwrap_or_default().0,
            scope: scopes.unwrap_or_default().0,
            authorization_details: authorization_details.map(|details| details.0),
        }
    }

    /// The client that asks.
    #[getter]
    fn client_id(&self) -> &str {
        &self.client_id
    }

    /// Without the assertion, which is a secret for as long as it lives.
    fn __repr__(&self) -> String {
        format!("Request(.., client_id={:?})", self.client_id)
    }
}

impl Request {
    /// The resources as the engine takes them.
    pub(crate) fn resources(&self) -> Vec<&str> {
        self.resource.iter().map(String::as_str).collect()
    }

    /// The request, `resources` being its own.
    pub(crate) fn with<'a>(&'a self, resources: &'a [&'a str]) -> idjag::Request<'a> {
        idjag::Request {
            assertion: self.assertion.as_bytes(),
            client_id: &self.client_id,
            resource: resources,
            scope: self.scope.as_deref(),
            authorization_details: self.authorization_details.as_deref(),
        }
    }
}

/// The arguments of one exchange, as they came.
pub(crate) struct Asked<'a> {
    pub(crate) assertion: Text<'a>,
    pub(crate) client_id: Text<'a>,
    pub(crate) resource: Option<Resources>,
    pub(crate) scopes: Option<Scopes>,
    pub(crate) authorization_details: Option<Details>,
}

impl Asked<'_> {
    pub(crate) fn with<R>(&self, work: impl FnOnce(&idjag::Request<'_>) -> R) -> R {
        let resource = self.resource.as_ref().map_or(&[][..], |resource| &resource.0);
        let resource: Vec<&str> = resource.iter().map(String::as_str).collect();
        work(&idjag::Request {
            assertion: self.assertion.as_str().as_bytes(),
            client_id: self.client_id.as_str(),
            resource: &resource,
            scope: self.scopes.as_ref().and_then(|scopes| scopes.0.as_deref()),
            authorization_details: self.authorization_details.as_ref().map(|details| &*details.0),
        })
    }
}
