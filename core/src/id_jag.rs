//! The IdP's side: mint an ID-JAG (draft-ietf-oauth-identity-assertion-authz-grant section 3.1).
//!
//! For tests, demonstrations, bulk waves and self-hosted IdPs. What is minted here is what [`crate::Exchange`] takes.

use std::fmt;
use std::sync::Arc;

use crate::assertion::TYP;
use crate::base64url;
use crate::crypto;
use crate::error::Error;
use crate::json_writer::JsonWriter;
use crate::key::SigningKey;
use crate::mint::{self, Unsigned};

/// An IdP that signs ID-JAGs with one key.
#[derive(Clone)]
pub struct IdJagMinter {
    issuer: String,
    key: Arc<SigningKey>,
    header: String,
}

/// The claims of one ID-JAG. Empty and `None` members are left out.
#[derive(Clone, Copy, Debug, Default)]
pub struct IdJag<'a> {
    /// `aud`: the issuer identifier of the authorization server that it is for.
    pub audience: &'a str,
    /// `client_id`: the client as that server knows it.
    pub client_id: &'a str,
    /// `sub`.
    pub subject: &'a str,
    /// `resource`.
    pub resource: Option<&'a str>,
    /// `scope`.
    pub scope: Option<&'a str>,
    /// `iat`, in seconds since 1970.
    pub issued_at: i64,
    /// `exp` minus `iat`, in seconds.
    pub lifetime_s: i64,
    /// `jti`; `None`: 128 random bits.
    pub jti: Option<&'a str>,
    /// `tenant`.
    pub tenant: Option<&'a str>,
    /// `email`.
    pub email: Option<&'a str>,
    /// `groups`.
    pub groups: &'a [&'a str],
    /// Further members as JSON text, written as it stands: `"act":{"sub":"agent"}`.
    pub further: &'a str,
}

impl IdJagMinter {
    /// An IdP with the issuer identifier `issuer`.
    pub fn new(issuer: impl Into<String>, key: Arc<SigningKey>) -> Self {
        Self { issuer: issuer.into(), header: mint::header(TYP, &key), key }
    }

    /// The issuer identifier.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Signs one. Costs one signature by the IdP's algorithm: about 0.3 ms for RS256.
    pub fn mint(&self, id_jag: &IdJag<'_>) -> Result<String, Error> {
        let failed = |what: &str| Error::new("", None, "", what);
        let drawn;
        let jti = if let Some(jti) = id_jag.jti {
            jti
        } else {
            let mut bytes = [0; 16];
            crypto::random(&mut bytes).map_err(|_| failed("the system has no randomness to give"))?;
            drawn = base64url::encode(&bytes);
            &drawn
        };
        let mut json = JsonWriter::default();
        json.object(|json| {
            json.member("jti", jti);
            json.member("iss", &self.issuer);
            json.member("aud", id_jag.audience);
            json.number("iat", id_jag.issued_at);
            json.number("exp", id_jag.issued_at.saturating_add(id_jag.lifetime_s));
            json.member("sub", id_jag.subject);
            json.member("client_id", id_jag.client_id);
            let optional = [
                ("email", id_jag.email),
                ("tenant", id_jag.tenant),
                ("scope", id_jag.scope),
                ("resource", id_jag.resource),
            ];
            for (name, value) in optional {
                if let Some(value) = value {
                    json.member(name, value);
                }
            }
            if !id_jag.groups.is_empty() {
                json.strings("groups", id_jag.groups.iter().copied());
            }
            if !id_jag.further.is_empty() {
                json.literal(id_jag.further);
            }
        });
        let mut unsigned = Unsigned::new(&[], &self.header, json.as_bytes(), &self.key);
        unsigned.sign(&self.key).map_err(|_| failed("the assertion could not be signed"))?;
        Ok(unsigned.into_text())
    }
}

impl fmt::Debug for IdJagMinter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdJagMinter").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}
