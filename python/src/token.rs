//! Tokens: one that was issued, and one that was verified.

use pyo3::prelude::*;
use pyo3::types::PyAny;

/// An access token that was just issued.
#[pyclass(frozen, module = "idjag")]
pub(crate) struct IssuedToken(pub(crate) idjag::Issued);

#[pymethods]
impl IssuedToken {
    #[getter]
    fn access_token(&self) -> &str {
        self.0.access_token()
    }

    #[getter]
    fn token_type(&self) -> &'static str {
        self.0.token_type()
    }

    #[getter]
    fn expires_in(&self) -> i64 {
        self.0.expires_in_s()
    }

    #[getter]
    fn scopes(&self) -> Vec<&str> {
        self.0.scope().split(' ').collect()
    }

    #[getter]
    fn resource(&self) -> &str {
        self.0.resource()
    }

    /// What was granted of the assertion's `authorization_details`.
    #[getter]
    fn authorization_details<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.0.authorization_details().map(|details| loads(py, details)).transpose()
    }

    /// Without the token.
    fn __repr__(&self) -> String {
        format!("IssuedToken(.., scopes={:?}, resource={:?})", self.scopes(), self.resource())
    }
}

/// Who presents a token that is valid now, and what they may do.
#[pyclass(frozen, module = "idjag")]
pub(crate) struct VerifiedToken(pub(crate) idjag::VerifiedToken);

#[pymethods]
impl VerifiedToken {
    #[getter]
    fn subject(&self) -> &str {
        self.0.subject()
    }

    #[getter]
    fn idp(&self) -> &str {
        self.0.idp()
    }

    #[getter]
    fn tenant(&self) -> Option<&str> {
        self.0.tenant()
    }

    #[getter]
    fn client_id(&self) -> &str {
        self.0.client_id()
    }

    #[getter]
    fn scopes(&self) -> Vec<&str> {
        self.0.scope().split(' ').collect()
    }

    #[getter]
    fn groups(&self) -> Vec<&str> {
        self.0.groups().collect()
    }

    #[getter]
    fn resource(&self) -> &str {
        self.0.resource()
    }

    #[getter]
    fn expires_at(&self) -> i64 {
        self.0.expires_at()
    }

    #[getter]
    fn issued_at(&self) -> i64 {
        self.0.issued_at()
    }

    #[getter]
    fn jti(&self) -> &str {
        self.0.jti()
    }

    /// Who acts for the person, nested as the IdP wrote it.
    #[getter]
    fn act<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.0.act().map(|act| loads(py, &act)).transpose()
    }

    /// The key or certificate that the token is bound to.
    #[getter]
    fn cnf<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.0.cnf().map(|cnf| loads(py, &cnf)).transpose()
    }

    #[getter]
    fn authorization_details<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.0.authorization_details().map(|details| loads(py, &details)).transpose()
    }

    /// All claims of the token, as it was minted.
    #[getter]
    fn claims<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        loads(py, &self.0.claims())
    }

    fn __repr__(&self) -> String {
        format!(
            "VerifiedToken(subject={:?}, idp={:?}, client_id={:?}, scopes={:?})",
            self.subject(),
            self.idp(),
            self.client_id(),
            self.scopes()
        )
    }
}

/// JSON that the engine wrote, as Python has it.
pub(crate) fn loads<'py>(py: Python<'py>, text: &str) -> PyResult<Bound<'py, PyAny>> {
    py.import("json")?.call_method1("loads", (text,))
}
