//! What is revoked: the five kinds of the core.

use pyo3::prelude::*;

use crate::text::Text;

/// What an administrator takes back, or lets go on.
#[pyclass(frozen, module = "idjag")]
pub(crate) struct Revocation(Kind);

enum Kind {
    Token { jti: String, expires_at: i64 },
    Person { issuer: String, tenant: Option<String>, subject: String },
    Client(String),
    Connector(String),
    Issuer(String),
}

#[pymethods]
impl Revocation {
    /// One access token, remembered until it would have ended.
    #[staticmethod]
    #[pyo3(signature = (jti, *, expires_at))]
    fn token(jti: Text<'_>, expires_at: i64) -> Self {
        Self(Kind::Token { jti: jti.into_string(), expires_at })
    }

    /// One person of one tenant of one IdP.
    #[staticmethod]
    #[pyo3(signature = (subject, *, issuer, tenant = None))]
    fn person(subject: Text<'_>, issuer: Text<'_>, tenant: Option<Text<'_>>) -> Self {
        Self(Kind::Person {
            issuer: issuer.into_string(),
            tenant: tenant.map(Text::into_string),
            subject: subject.into_string(),
        })
    }

    /// One client.
    #[staticmethod]
    fn client(client_id: Text<'_>) -> Self {
        Self(Kind::Client(client_id.into_string()))
    }

    /// One connector, by its name in the policy.
    #[staticmethod]
    fn connector(id: Text<'_>) -> Self {
        Self(Kind::Connector(id.into_string()))
    }

    /// One IdP with all its tenants.
    #[staticmethod]
    fn issuer(issuer: Text<'_>) -> Self {
        Self(Kind::Issuer(issuer.into_string()))
    }

    fn __repr__(&self) -> String {
        format!("{:?}", self.as_core())
    }
}

impl Revocation {
    pub(crate) fn as_core(&self) -> idjag::Revocation<'_> {
        match &self.0 {
            Kind::Token { jti, expires_at } => idjag::Revocation::Token { jti, expires_at: *expires_at },
            Kind::Person { issuer, tenant, subject } => {
                idjag::Revocation::Person { issuer, tenant: tenant.as_deref(), subject }
            }
            Kind::Client(id) => idjag::Revocation::Client(id),
            Kind::Connector(id) => idjag::Revocation::Connector(id),
            Kind::Issuer(issuer) => idjag::Revocation::Issuer(issuer),
        }
    }
}
