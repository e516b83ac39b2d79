//! The class `IdentityProvider`: the other party, for tests, demonstrations, and an IdP of one's own (RFC 8693).

use std::borrow::Cow;

use idjag::{IdToken, IdpConfig};
use pyo3::PyTraverseError;
use pyo3::PyVisit;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::clock::{Source, Told};
use crate::config::Given;
use crate::endpoint::{self, Headers, TokenResponse};
use crate::errors;
use crate::process::Process;
use crate::text::{Resources, Text};

/// Issues ID-JAGs to clients that hold an ID token. Shared by any number of threads.
#[pyclass(frozen, subclass, module = "idjag")]
pub(crate) struct IdentityProvider {
    /// In a place of its own, as the engine of an `Exchange`.
    provider: Box<idjag::IdentityProvider>,
    warnings: Vec<String>,
    clock: Source,
    process: Process,
}

#[pymethods]
impl IdentityProvider {
    #[new]
    #[pyo3(signature = (config, *, clock = None))]
    fn new(py: Python<'_>, config: Given, clock: Option<Py<PyAny>>) -> PyResult<Self> {
        let clock = Source::new(py, clock)?;
        let config = config.load(py, IdpConfig::parse)?;
        let warnings = config.warnings().to_vec();
        clock.ask(py)?;
        let provider = py.detach(|| idjag::IdentityProvider::new(config));
        let provider = match clock {
            Source::System => provider,
            Source::Host(_) => provider.with_clock(Told),
        };
        Ok(Self { provider: Box::new(provider), warnings, clock, process: Process::current() })
    }

    /// A request to the token endpoint. Which arguments may be left out is said in Python.
    #[expect(clippy::too_many_arguments, reason = "the arguments of a Python method")]
    fn _answer(
        &self,
        py: Python<'_>,
        body: Cow<'_, [u8]>,
        method: Text<'_>,
        target: Text<'_>,
        headers: Headers,
        authorization: Option<Text<'_>>,
        dpop: Option<Text<'_>>,
        client_certificate: Option<Cow<'_, [u8]>>,
        peer: Option<Text<'_>>,
    ) -> PyResult<TokenResponse> {
        let given =
            endpoint::Given { body, method, target, headers, authorization, dpop, client_certificate, peer };
        let provider = self.provider(py)?;
        Ok(TokenResponse(given.with(|request| provider.handle(request))))
    }

    /// Signs an ID token, for whoever has signed the person in.
    #[pyo3(signature = (subject, *, client_id, groups = None, email = None, lifetime_s = 3600))]
    fn id_token(
        &self,
        py: Python<'_>,
        subject: Text<'_>,
        client_id: Text<'_>,
        groups: Option<Resources>,
        email: Option<Text<'_>>,
        lifetime_s: i64,
    ) -> PyResult<String> {
        let provider = self.provider(py)?;
        let groups = groups.unwrap_or_default().0;
        let groups: Vec<&str> = groups.iter().map(String::as_str).collect();
        let id_token = IdToken {
            client_id: client_id.as_str(),
            subject: subject.as_str(),
            issued_at: self.clock.now(py)?,
            lifetime_s,
            email: email.as_ref().map(Text::as_str),
            groups: &groups,
            ..IdToken::default()
        };
        provider.id_token(&id_token).map_err(|error| errors::load(py, &error))
    }

    /// The metadata of this authorization server, as JSON (RFC 8414).
    fn metadata<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.provider.metadata().as_bytes())
    }

    /// Our public keys, as a JWK Set (RFC 7517).
    fn jwks<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.provider.jwks().as_bytes())
    }

    /// The issuer identifier.
    #[getter]
    fn issuer(&self) -> &str {
        self.provider.issuer()
    }

    /// What the configuration allows and still deserves a look.
    #[getter]
    fn warnings(&self) -> Vec<String> {
        self.warnings.clone()
    }

    fn __repr__(&self) -> String {
        format!("IdentityProvider({:?})", self.provider.issuer())
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.clock.traverse(&visit)
    }
}

impl IdentityProvider {
    /// The provider, its clock asked for the call that follows.
    fn provider(&self, py: Python<'_>) -> PyResult<&idjag::IdentityProvider> {
        self.process.check(py)?;
        self.clock.ask(py)?;
        Ok(&self.provider)
    }
}
