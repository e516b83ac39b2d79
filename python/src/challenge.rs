//! What a resource answers where a token is missing or not valid (RFC 6750 section 3, RFC 9449 section 7.1).

use idjag::Refusal;
use pyo3::prelude::*;

/// Why a request at a resource is refused, as the client is told.
#[pyclass(frozen, module = "idjag")]
pub(crate) struct Challenge {
    status: u16,
    headers: Vec<(&'static str, String)>,
    slug: Option<&'static str>,
}

impl Challenge {
    /// For a request that came without a token.
    pub(crate) fn missing(engine: &idjag::Exchange, resource: &str) -> Self {
        Self::new(engine, resource, idjag::Challenge::Missing, None)
    }

    /// For one that was refused; `None` where there is no answer now, which is no challenge.
    pub(crate) fn of(engine: &idjag::Exchange, resource: &str, refusal: Refusal) -> Option<Self> {
        let challenge = idjag::Challenge::of(refusal)?;
        Some(Self::new(engine, resource, challenge, Some(refusal.slug())))
    }

    fn new(
        engine: &idjag::Exchange,
        resource: &str,
        challenge: idjag::Challenge<'_>,
        slug: Option<&'static str>,
    ) -> Self {
        let mut headers = vec![("WWW-Authenticate", engine.challenge(resource, challenge))];
        if challenge == idjag::Challenge::UseNonce {
            headers.extend(engine.dpop_nonce().map(|nonce| ("DPoP-Nonce", nonce)));
        }
        Self { status: challenge.http_status(), headers, slug }
    }
}

#[pymethods]
impl Challenge {
    #[getter]
    fn status(&self) -> u16 {
        self.status
    }

    #[getter]
    fn headers(&self) -> Vec<(&str, &str)> {
        self.headers.iter().map(|(name, value)| (*name, &**value)).collect()
    }

    /// Why, for logs; the client does not get to know. `None`: no token came.
    #[getter]
    fn slug(&self) -> Option<&'static str> {
        self.slug
    }

    fn __repr__(&self) -> String {
        format!("Challenge(status={}, slug={:?})", self.status, self.slug)
    }
}
